"""``GET /api/admin/config``: the compiled snapshot that runs, with stars for secrets."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

import msgspec

from turnout.control import answer, identity

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from turnout.config.snapshot import Credential, Provider, Snapshot

STARS = "***"


async def read(request: Request) -> Response:
    """The snapshot, whether the last reload failed, and how credentials of short life are doing."""
    identity.admin(request)
    reloader = identity.gateway(request).reloader
    ready = reloader.current
    return answer.json(
        {
            "data": {
                "snapshot": starred(ready.snapshot),
                "files": [str(file) for file in ready.compiled.watched_files],
                "warnings": [str(warning) for warning in ready.compiled.warnings],
                "reload_error": reloader.last_error,
                "credentials": [asdict(status) for status in identity.gateway(request).wallet.status()],
            }
        }
    )


def starred(snapshot: Snapshot) -> dict[str, Any]:
    """The snapshot as plain data without a secret. Hashes of keys are shown: they are names, and open nothing."""
    hidden = msgspec.structs.replace(snapshot, providers=[_hidden(provider) for provider in snapshot.providers])
    plain: dict[str, Any] = msgspec.to_builtins(hidden)
    return plain


def _hidden(provider: Provider) -> Provider:
    """Values of credentials, values of all extra headers (they may hold a key), and user data in the URLs."""
    return msgspec.structs.replace(
        provider,
        credentials=[_starred_credential(credential) for credential in provider.credentials],
        headers=[(name, STARS) for name, _ in provider.headers],
        wires=[msgspec.structs.replace(wire, base_url=_without_user(wire.base_url)) for wire in provider.wires],
        proxy=_without_user(provider.proxy) if provider.proxy is not None else None,
    )


def _starred_credential(credential: Credential) -> Credential:
    signing = credential.sigv4
    if signing is not None:
        signing = msgspec.structs.replace(
            signing,
            access_key_id=STARS,
            secret_access_key=STARS,
            session_token=None if signing.session_token is None else STARS,
        )
    return msgspec.structs.replace(credential, value=STARS, sigv4=signing)


def _without_user(url: str) -> str:
    parts = urlsplit(url)
    if "@" not in parts.netloc:
        return url
    return urlunsplit(parts._replace(netloc=f"{STARS}@{parts.netloc.rpartition('@')[2]}"))
