"""The running gateway as the control API sees it, and what Python needs of the native module."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from turnout.ledger.writer import Journal

if TYPE_CHECKING:
    from pathlib import Path

    from turnout.auth.wallet import Wallet
    from turnout.ledger.credits import Credits
    from turnout.ledger.store import Ledger
    from turnout.ledger.writer import Writer
    from turnout.reload import Reloader
    from turnout.vault import Vault


class Plane(Journal, Protocol):
    """``turnout._native.Plane`` without its constructor."""

    def start(self) -> list[str]:
        """See ``_native.pyi``, as for all of these."""

    def swap(self, snapshot: bytes) -> int:
        """Puts another snapshot in place."""

    def explain(self, request: bytes) -> bytes:
        """Plans a request without sending it."""

    def reload_failed(self, message: str) -> None:
        """Notes that a reload failed."""

    def begin_drain(self) -> None:
        """Turns ready to 503."""

    def stop(self) -> bool:
        """Drains and joins."""

    def usage(self, sha256: str | None) -> str:
        """What was charged to a key, or to all."""

    def health(self) -> str:
        """What ``/health/ready`` would say."""

    def statistics(self) -> bytes:
        """What is known of endpoints."""


class Mock(Protocol):
    """``turnout._native.Mock`` without its constructor."""

    @property
    def address(self) -> str:
        """Where it listens."""

    def stop(self) -> None:
        """Ends it."""


class Native(Protocol):
    """The two makers of the native module; a test brings its own."""

    def Plane(self, snapshot: bytes, *, listeners: list[int], control_socket: str | None, state_dir: str) -> Plane:
        """Makes the plane."""

    def Mock(self, listen: str, *, threads: int = 1, record: bool = False) -> Mock:
        """Makes the scripted provider."""


@dataclass(frozen=True)
class Gateway:
    """Everything the control API may touch."""

    version: str
    plane: Plane
    reloader: Reloader
    ledger: Ledger
    credits: Credits
    writer: Writer
    state_dir: Path
    control_socket: str
    """Where the plane reaches the control API."""
    addresses: tuple[str, ...]
    """Bound addresses of the public listener, ``host:port``."""
    wallet: Wallet
    """Credentials of short life."""
    vault: Vault
    """Encrypts what the database keeps."""
