"""Who asks: a client by its key, or the admin by the admin key.

On hot endpoints the plane knows keys by the same hashes. A key is found by its SHA-256, so what an attacker could learn
from the time of a comparison is about the hash, not about the key.
"""

from __future__ import annotations

import hmac
import time
from typing import TYPE_CHECKING, cast

from turnout import keys
from turnout.control import refusal
from turnout.control.refusal import Refusal

if TYPE_CHECKING:
    from starlette.requests import Request

    from turnout.config.snapshot import Key
    from turnout.gateway import Gateway


def gateway(request: Request) -> Gateway:
    """The gateway that serves this request."""
    return cast("Gateway", request.app.state.gateway)


def client(request: Request) -> Key | None:
    """The client's key; ``None`` with ``--no-auth`` and no known key. Raises :class:`Refusal`."""
    reloader = gateway(request).reloader
    presented = _presented(request)
    known = reloader.current.keys.get(keys.digest(presented)) if presented is not None else None
    if not reloader.current.snapshot.auth:
        return known
    if presented is None:
        raise Refusal(refusal.NO_KEY)
    if known is None:
        raise Refusal(refusal.UNKNOWN_KEY)
    if known.disabled:
        raise Refusal(refusal.DISABLED_KEY)
    if known.expires_unix is not None and time.time() >= known.expires_unix:
        raise Refusal(refusal.EXPIRED_KEY)
    return known


def admin(request: Request) -> None:
    """Passes for the admin key only, even with ``--no-auth``: a web page can reach loopback too."""
    presented = _presented(request)
    if presented is None:
        raise Refusal(refusal.NO_KEY)
    wanted = gateway(request).reloader.current.admin_sha256
    if wanted is None or not hmac.compare_digest(keys.digest(presented), wanted):
        raise Refusal(refusal.NOT_ADMIN)


def _presented(request: Request) -> str | None:
    """The bearer token, or the key that Anthropic's clients send as ``x-api-key``; ``None`` without either."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    return request.headers.get("x-api-key") or None
