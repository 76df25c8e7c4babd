"""The keys that Turnout makes itself: one for clients, when none is configured, and one for the admin API.

A key is shown once, when it is made. What is kept, in ``keys.json`` of the state directory, is its SHA-256: a key has
256 random bits, so there is nothing to guess, and no slow hash is needed.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

import msgspec

from turnout.config.snapshot import Key
from turnout.errors import TurnoutError
from turnout.state import write_private

if TYPE_CHECKING:
    from pathlib import Path

FILE = "keys.json"

PREFIXES: dict[str, str] = {"client": "sk-to-v1-", "admin": "sk-to-admin-"}

Purpose = Literal["client", "admin"]


class KeysError(TurnoutError):
    """``keys.json`` cannot be read."""


class StoredKey(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of a key."""

    sha256: str
    created: datetime


class StoredKeys(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The content of ``keys.json``."""

    client: StoredKey | None = None
    admin: StoredKey | None = None


def digest(key: str) -> str:
    """How a key is known: the lower-case hex of its SHA-256."""
    return hashlib.sha256(key.encode()).hexdigest()


def path(state_dir: Path) -> Path:
    """The file in this state directory."""
    return state_dir / FILE


def load(state_dir: Path) -> StoredKeys:
    """The stored keys; none when there is no file. Raises :class:`KeysError` when it is not what was written."""
    file = path(state_dir)
    try:
        return msgspec.json.decode(file.read_bytes(), type=StoredKeys)
    except FileNotFoundError:
        return StoredKeys()
    except (msgspec.DecodeError, OSError) as error:
        raise KeysError(f"the stored keys cannot be read, mend or delete the file ({error}): {file}") from error


def make(purpose: Purpose) -> str:
    """A new random key."""
    return PREFIXES[purpose] + secrets.token_hex(32)


def renew(state_dir: Path, purpose: Purpose) -> str:
    """Makes a key in place of the stored one, which stops working; returns it in clear, the only time."""
    key = make(purpose)
    stored = StoredKey(sha256=digest(key), created=datetime.now(UTC).replace(microsecond=0))
    kept = msgspec.structs.replace(load(state_dir), **{purpose: stored})
    write_private(path(state_dir), msgspec.json.format(msgspec.json.encode(kept)) + b"\n")
    return key


def ensure(state_dir: Path, purpose: Purpose) -> str | None:
    """Makes the key when none is stored, and returns it in clear; ``None`` when there is one already."""
    return renew(state_dir, purpose) if getattr(load(state_dir), purpose) is None else None


def as_client_key(sha256: str, name: str) -> Key:
    """A key without limits, as a snapshot has it."""
    return Key(
        sha256=sha256,
        name=name,
        models=None,
        disabled=False,
        expires_unix=None,
        routing=None,
        limit=None,
        requests_per_minute=None,
        explain=None,
    )
