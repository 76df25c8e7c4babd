"""Google Cloud: a service account, a login or the machine's own account is exchanged for a token of about an hour.

The exchange itself (a signed JWT, a refresh token, the metadata server, workload identity federation) is what the
library google-auth knows, so it is asked; it is an extra, since only Vertex needs it.
"""

from __future__ import annotations

import importlib
from datetime import UTC
from typing import TYPE_CHECKING, Any, Final

import msgspec

from turnout.auth.source import EXCHANGE_S, AuthError, Minted, bearer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import httpx

SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"


class Google(msgspec.Struct, frozen=True, kw_only=True, tag="google"):
    """A row's word that Google Cloud's tokens are taken."""

    scope: str = SCOPE


class GoogleSource(msgspec.Struct, frozen=True, kw_only=True, tag="google"):
    """A Google Cloud account."""

    credentials_file: str | None
    """JSON of a service account, a login or a federation; ``None``: what the machine offers (gcloud's login, then the
    metadata server)."""
    scope: str = SCOPE

    def describe(self) -> str:
        """See :class:`turnout.auth.source.Source`."""
        return f"Google account of {self.credentials_file or 'this machine'}"

    def mint(self, clock: Callable[[], float]) -> Minted:
        """See :class:`turnout.auth.source.Source`."""
        try:
            auth = importlib.import_module("google.auth")
            exceptions = importlib.import_module("google.auth.exceptions")
        except ImportError:
            raise AuthError(f"{self.describe()}: install the extra turnout[google], which brings google-auth") from None
        try:
            if self.credentials_file is None:
                account, _ = auth.default(scopes=[self.scope])
            else:
                account, _ = auth.load_credentials_from_file(self.credentials_file, scopes=[self.scope])
            account.refresh(_request)
        except (exceptions.GoogleAuthError, OSError, ValueError) as error:
            # The library's texts name files, hosts and error codes; of an answer they quote the error only.
            reason = str(error.args[0] if error.args else error).splitlines()[0]
            raise AuthError(f"{self.describe()}: {reason[:300]}") from None
        if not account.token or account.expiry is None:
            raise AuthError(f"{self.describe()}: the exchange gave no token")
        # The library counts in naive UTC by the machine's clock.
        return Minted(
            credential=bearer("google", account.token), expires_unix=account.expiry.replace(tzinfo=UTC).timestamp()
        )


class _Answer:
    """What google-auth wants to see of an answer."""

    def __init__(self, answer: httpx.Response) -> None:
        self.status = answer.status_code
        self.headers = answer.headers
        self.data = answer.content


def _request(
    url: str,
    method: str = "GET",
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    timeout: float | None = None,
    **_: Any,
) -> _Answer:
    """The transport that google-auth is given, so that no second HTTP library is needed."""
    import httpx  # Here, because it takes a third of a second that most commands do not need.

    exceptions = importlib.import_module("google.auth.exceptions")
    try:
        answer = httpx.request(method, url, content=body, headers=headers, timeout=timeout or EXCHANGE_S)
    except httpx.HTTPError as error:
        raise exceptions.TransportError(f"{httpx.URL(url).host} cannot be reached: {error}") from None
    return _Answer(answer)
