"""Google Cloud: a service account, a login or the machine's own account is exchanged for a token of about an hour.

On Google's machines a metadata server gives the token for the asking. Everything else is signed or exchanged by the
library google-auth, which is an extra, since only Vertex needs it.
"""

from __future__ import annotations

import importlib
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from turnout.auth.source import EXCHANGE_S, AuthError, Minted, bearer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import httpx

SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"

METADATA_HOST: Final = "metadata.google.internal"
_TOKEN_PATH: Final = "/computeMetadata/v1/instance/service-accounts/default/token"

LOADERS: Final = {
    "service_account": ("google.oauth2.service_account", "from_service_account_info"),
    "authorized_user": ("google.oauth2.credentials", "from_authorized_user_info"),
    "external_account": ("google.auth.identity_pool", "from_info"),
}
"""Kinds of files, with the library's module and the constructor of its ``Credentials``. Each kind is loaded as what it
says it is; the library's own guessing is deprecated."""


class Google(msgspec.Struct, frozen=True, kw_only=True, tag="google"):
    """A row's word that Google Cloud's tokens are taken."""

    scope: str = SCOPE


class GoogleSource(msgspec.Struct, frozen=True, kw_only=True, tag="google"):
    """A Google Cloud account."""

    credentials_file: str | None
    """JSON of a service account, a login or a federation; ``None``: the machine's own account."""
    account: str | None = None
    """Secret: the JSON of a service account itself, in place of a file."""
    scope: str = SCOPE
    metadata_host: str = METADATA_HOST

    def __repr__(self) -> str:
        """Without the account."""
        return f"GoogleSource({self.describe()})"

    def describe(self) -> str:
        """See :class:`turnout.auth.source.Source`."""
        if self.account is not None:
            return f"Google account {msgspec.json.decode(self.account).get('client_email')}"
        return f"Google account of {self.credentials_file or 'this machine'}"

    def mint(self, clock: Callable[[], float]) -> Minted:
        """See :class:`turnout.auth.source.Source`."""
        if self.account is not None:
            return self._of_json(self.account.encode)
        if self.credentials_file is not None:
            return self._of_json(Path(self.credentials_file).read_bytes)
        return self._of_machine(clock)

    def _of_machine(self, clock: Callable[[], float]) -> Minted:
        import httpx  # Here, because it takes a third of a second that most commands do not need.

        asked = clock()
        url = f"http://{self.metadata_host}{_TOKEN_PATH}"
        try:
            # Never through a proxy: the server is on the link of this machine.
            answer = httpx.get(
                url,
                params={"scopes": self.scope},
                headers={"Metadata-Flavor": "Google"},
                timeout=EXCHANGE_S,
                trust_env=False,
            )
            said = msgspec.json.decode(answer.content) if answer.status_code == 200 else {}
            token, seconds = said["access_token"], int(said["expires_in"])
        except httpx.HTTPError as error:
            raise AuthError(
                f"{self.describe()}: {self.metadata_host} cannot be reached ({error}): this is no machine of Google's, "
                "so give auth.credentials_file, or log in with gcloud auth application-default login"
            ) from None
        except (msgspec.DecodeError, KeyError, TypeError, ValueError):
            message = f"{self.metadata_host} gave no token, with status {answer.status_code}"
            raise AuthError(f"{self.describe()}: {message}") from None
        return Minted(credential=bearer("google", token), expires_unix=asked + seconds)

    def _of_json(self, read: Callable[[], bytes]) -> Minted:
        try:
            exceptions = importlib.import_module("google.auth.exceptions")
        except ImportError:
            raise AuthError(f"{self.describe()}: install the extra turnout[google], which brings google-auth") from None
        try:
            said = msgspec.json.decode(read())
            kind = said.get("type") if isinstance(said, dict) else None
            if kind not in LOADERS:
                raise AuthError(f"{self.describe()}: expected an account of type {' or '.join(LOADERS)}: {kind}")
            module, maker = LOADERS[kind]
            account = getattr(importlib.import_module(module).Credentials, maker)(said, scopes=[self.scope])
            account.refresh(_request)
        except (exceptions.GoogleAuthError, msgspec.DecodeError, OSError, ValueError) as error:
            # The library's texts name files, hosts and error codes; of an answer they quote the error only.
            reason = str(error.args[0] if error.args else error) if not isinstance(error, OSError) else str(error)
            raise AuthError(f"{self.describe()}: {reason.splitlines()[0][:300]}") from None
        if not account.token or account.expiry is None:
            raise AuthError(f"{self.describe()}: the exchange gave no token")
        # The library counts in naive UTC by the machine's clock.
        expires = account.expiry.replace(tzinfo=UTC).timestamp()
        return Minted(credential=bearer("google", account.token), expires_unix=expires)


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
