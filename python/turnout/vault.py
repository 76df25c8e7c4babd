"""The vault: encrypts what the database keeps and nobody who reads the database may see.

Its keys are texts: those of ``server.encryption_keys``, or, when there are none, the lines of a file in the state
directory, which is made when the first secret is put away. The first key encrypts, all of them decrypt; so a key is
replaced by putting another before it, and encrypting everything again (``turnout secrets rotate``). The file is read at
each use, which is seldom, so that a rotation in another process counts at once.

What encrypts is Fernet (AES-128 in CBC mode with an HMAC) under a key that HKDF makes of the text. Each sealed text
holds the name of what it belongs to, so that who can write to the database cannot put one in the place of another.
"""

from __future__ import annotations

import base64
import secrets
from typing import TYPE_CHECKING, Final

from turnout.errors import TurnoutError
from turnout.state import write_private

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cryptography.fernet import MultiFernet

FILE: Final = "secrets.key"
"""Name in the state directory."""

KEYS_MAX: Final = 8
"""Keys at the same time: one that encrypts, and those that were in its place before."""

KEY_CHARACTERS_MIN: Final = 32
"""Below this a text can be guessed in practice; ``openssl rand -hex 32`` gives 64."""

FILE_BYTES_MAX: Final = 8 * 1024

_PURPOSE: Final = b"turnout vault 1"


class VaultError(TurnoutError):
    """A secret cannot be put away or taken out. The text says what to do, and never holds a secret."""


class Vault:
    """Seals texts and opens them."""

    def __init__(self, state_dir: Path, configured: Sequence[str] = ()) -> None:
        self.file = state_dir / FILE
        """Where the keys are when none are configured."""
        self.configured = tuple(configured)
        """``server.encryption_keys``; the reload sets it."""

    @property
    def place(self) -> str:
        """Where the keys are, for messages."""
        return "server.encryption_keys" if self.configured else str(self.file)

    def seal(self, owner: str, text: str) -> str:
        """``text``, which belongs to ``owner``, encrypted; the keys' file is made when there is none."""
        if not self.configured and not self.file.exists():
            _write(self.file, [new_key()])
        return self._fernet().encrypt(f"{owner}\0{text}".encode()).decode()

    def open(self, owner: str, sealed: str) -> str:
        """The text that was sealed for ``owner``. Raises :class:`VaultError`."""
        return self.opened({owner: sealed})[owner]

    def opened(self, sealed: dict[str, str]) -> dict[str, str]:
        """The same for many, by owner. Raises :class:`VaultError` when one of them cannot be opened."""
        found, lost = self.sorted(sealed)
        if lost:
            raise VaultError(next(iter(lost.values())))
        return found

    def sorted(self, sealed: dict[str, str]) -> tuple[dict[str, str], dict[str, str]]:
        """What can be opened, and of the rest why not, both by owner. Raises nothing."""
        if not sealed:
            return {}, {}
        from cryptography.fernet import InvalidToken

        try:
            fernet = self._fernet()
        except VaultError as error:
            return {}, dict.fromkeys(sealed, str(error))
        found: dict[str, str] = {}
        lost: dict[str, str] = {}
        for owner, one in sealed.items():
            try:
                holder, _, text = fernet.decrypt(one.encode()).decode().partition("\0")
            except (InvalidToken, UnicodeError):
                lost[owner] = (
                    f"it was encrypted with another key than those in {self.place}: put that key back there, behind "
                    "the others, or set the secret again"
                )
                continue
            if holder == owner:
                found[owner] = text
            else:
                lost[owner] = "it belongs to another entry of the database: set the secret again"
        return found, lost

    def _fernet(self) -> MultiFernet:
        # Here, because most starts of a command need none of it.
        from cryptography.fernet import Fernet, MultiFernet
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF

        keys = self.configured or tuple(_read(self.file))
        made = (HKDF(SHA256(), 32, salt=None, info=_PURPOSE).derive(key.encode()) for key in keys)
        return MultiFernet([Fernet(base64.urlsafe_b64encode(key)) for key in made])


def new_key() -> str:
    """A random key."""
    return secrets.token_hex(32)


def renew(vault: Vault) -> None:
    """Puts a new key before those of the file. The last one that encrypted stays, for who is using it right now."""
    before = _read(vault.file) if vault.file.exists() else []
    _write(vault.file, [new_key(), *before[: KEYS_MAX - 1]])


def forget(vault: Vault) -> None:
    """Takes all keys but the newest two out of the file: nothing is encrypted with the older ones any more."""
    keys = _read(vault.file)
    if len(keys) > 2:
        _write(vault.file, keys[:2])


def _read(file: Path) -> list[str]:
    """The keys of the file, one a line. Raises :class:`VaultError`."""
    try:
        with file.open("rb") as handle:
            content = handle.read(FILE_BYTES_MAX + 1).decode("ascii")
    except FileNotFoundError:
        raise VaultError(
            f"the file with the key that it was encrypted with is not there: restore {file} from a backup, or set the "
            "secret again"
        ) from None
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it holds something else than keys"
        raise VaultError(f"the keys in {file} cannot be read: {reason}") from None
    keys = content.split()
    if not keys or len(keys) > KEYS_MAX or any(len(key) < KEY_CHARACTERS_MIN for key in keys):
        raise VaultError(
            f"expected 1 to {KEYS_MAX} lines in {file}, each a key of at least {KEY_CHARACTERS_MIN} characters:"
            " restore it from a backup"
        )
    return keys


def _write(file: Path, keys: list[str]) -> None:
    try:
        write_private(file, "".join(f"{key}\n" for key in keys).encode("ascii"))
    except OSError as error:
        raise VaultError(f"{file} cannot be written: {error.strerror}") from error
