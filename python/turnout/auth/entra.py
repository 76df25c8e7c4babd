"""Microsoft Entra ID: a client's secret is exchanged for a token of about an hour (OAuth 2 client credentials).

Facts: learn.microsoft.com, "Microsoft identity platform and the OAuth 2.0 client credentials flow", read 2026-11-22.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from turnout.auth.source import EXCHANGE_S, AuthError, Minted, bearer

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

AUTHORITY: Final = "https://login.microsoftonline.com"
TOKEN_BYTES_MAX: Final = 64 * 1024


class Entra(msgspec.Struct, frozen=True, kw_only=True, tag="entra"):
    """A row's word that tokens of Entra ID are taken."""

    scope: str


class EntraSource(msgspec.Struct, frozen=True, kw_only=True, tag="entra"):
    """An application registered in a tenant."""

    tenant_id: str
    client_id: str
    client_secret: str
    scope: str
    authority: str = AUTHORITY
    """Another one for a sovereign cloud."""

    def __repr__(self) -> str:
        """Without the secret."""
        return f"EntraSource({self.describe()})"

    def describe(self) -> str:
        """See :class:`turnout.auth.source.Source`."""
        return f"Entra application {self.client_id} of tenant {self.tenant_id}"

    def mint(self, clock: Callable[[], float]) -> Minted:
        """See :class:`turnout.auth.source.Source`."""
        import httpx  # Here, because it takes a third of a second that most commands do not need.

        url = f"{self.authority}/{self.tenant_id}/oauth2/v2.0/token"
        form = {
            "grant_type": "client_credentials",
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "scope": self.scope,
        }
        asked = clock()
        try:
            answer = httpx.post(url, data=form, timeout=EXCHANGE_S)
        except httpx.HTTPError as error:
            raise AuthError(f"{self.describe()}: {self.authority} cannot be reached: {error}") from None
        said = _object(answer)
        token, seconds = said.get("access_token"), said.get("expires_in")
        if answer.status_code != 200:
            # The description names what is wrong (a secret that expired, an unknown tenant), and holds no secret.
            reason = str(said.get("error_description") or said.get("error") or "no reason given").splitlines()[0]
            raise AuthError(f"{self.describe()}: refused with status {answer.status_code}: {reason[:300]}")
        if not isinstance(token, str) or not token or not isinstance(seconds, int) or seconds <= 0:
            raise AuthError(f"{self.describe()}: the answer of {self.authority} holds no access_token and expires_in")
        return Minted(credential=bearer("entra", token), expires_unix=asked + seconds)


def _object(answer: httpx.Response) -> dict[str, Any]:
    """The answer as an object; an empty one when it is something else."""
    if len(answer.content) > TOKEN_BYTES_MAX:
        return {}
    try:
        said = msgspec.json.decode(answer.content)
    except msgspec.DecodeError:
        return {}
    return said if isinstance(said, dict) else {}
