"""Who asks: a client by its key, or the admin by the admin key.

On hot endpoints the plane knows keys by the same hashes. A key is found by its SHA-256, so what an attacker could learn
from the time of a comparison is about the hash, not about the key.
"""

from __future__ import annotations

import hmac
import time
from typing import TYPE_CHECKING, cast

from turnout import keys
from turnout.config import variant
from turnout.control import refusal
from turnout.control.refusal import Refusal

if TYPE_CHECKING:
    from starlette.requests import Request

    from turnout.config.snapshot import Key
    from turnout.gateway import Gateway


def gateway(request: Request) -> Gateway:
    """The gateway that serves this request."""
    return cast("Gateway", request.app.state.gateway)


def address(request: Request) -> str:
    """The gateway's own address as the caller sees it, ``https://host``, without a path."""
    # The plane sets both headers, from its own listener or from a proxy that it was told to trust.
    scheme = request.headers.get("x-forwarded-proto", request.url.scheme)
    host = request.headers.get("x-forwarded-host") or request.headers.get("host") or "127.0.0.1:4000"
    return f"{scheme}://{host}"


def client(request: Request) -> Key | None:
    """The client's key; ``None`` with ``--no-auth`` and no known key. Raises :class:`Refusal`."""
    reloader = gateway(request).reloader
    # Google's clients may send the key in the query. Not so the admin's: addresses end up in logs and histories.
    presented = _presented(request) or request.query_params.get("key") or None
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


def allows(key: Key | None, slug: str) -> bool:
    """Whether a key may use a model; the plane decides the same way. ``None`` is ``--no-auth``, and may use all."""
    if key is None or key.models is None:
        return True
    # Who may use a model may use its variants.
    names = (slug, variant.split(slug)[0])
    return any(slug.startswith(pattern[:-1]) if pattern.endswith("*") else pattern in names for pattern in key.models)


def admin(request: Request) -> None:
    """Passes for the admin key only, even with ``--no-auth``: a web page can reach loopback too."""
    presented = _presented(request)
    if presented is None:
        raise Refusal(refusal.NO_KEY)
    wanted = gateway(request).reloader.current.admin_sha256
    if wanted is None or not hmac.compare_digest(keys.digest(presented), wanted):
        raise Refusal(refusal.NOT_ADMIN)


def _presented(request: Request) -> str | None:
    """The bearer token, or the key in the headers of Anthropic's, Google's and Azure's clients; or ``None``."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    for header in ("x-api-key", "x-goog-api-key", "api-key"):
        if found := request.headers.get(header):
            return found
    return None
