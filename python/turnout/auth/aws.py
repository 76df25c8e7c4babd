"""AWS: each request is signed with a key pair (SigV4), which the plane does, because the signature covers the body.

What is decided here is whose key pair. Two keys in the configuration or the environment are used as they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from turnout.config import snapshot

if TYPE_CHECKING:
    from collections.abc import Mapping


class Aws(msgspec.Struct, frozen=True, kw_only=True, tag="sigv4"):
    """A row's word that requests are signed for AWS."""

    service: str = "bedrock"
    """The name that is signed for."""


class KeyPair(msgspec.Struct, frozen=True, kw_only=True):
    """An AWS identity's keys."""

    access_key_id: str
    secret_access_key: str
    session_token: str | None = None

    def __repr__(self) -> str:
        """Without the secrets."""
        return "KeyPair(***)"


def key_pair(environment: Mapping[str, str]) -> KeyPair | None:
    """The pair in the environment, as every AWS tool reads it."""
    access_key_id = environment.get("AWS_ACCESS_KEY_ID", "").strip()
    secret_access_key = environment.get("AWS_SECRET_ACCESS_KEY", "").strip()
    if not access_key_id or not secret_access_key:
        return None
    token = environment.get("AWS_SESSION_TOKEN", "").strip() or None
    return KeyPair(access_key_id=access_key_id, secret_access_key=secret_access_key, session_token=token)


def credential(pair: KeyPair, *, label: str, region: str, service: str) -> snapshot.Credential:
    """The pair as the plane signs with it."""
    return snapshot.Credential(
        label=label,
        scheme="sigv4",
        name="",
        value="",
        weight=1,
        sigv4=snapshot.SigV4(
            access_key_id=pair.access_key_id,
            secret_access_key=pair.secret_access_key,
            session_token=pair.session_token,
            region=region,
            service=service,
        ),
    )
