"""What was handed in through the API and is a part of every snapshot: presets, and provider keys of somebody's own.

They are read from the ledger's database whenever the configuration is compiled. A database that does not answer leaves
them as they were last read.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from sqlalchemy.exc import SQLAlchemyError

from turnout.config.own import OwnKey, masked
from turnout.ledger import byok, presets
from turnout.ledger.writer import describe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from turnout.ledger.presets import Preset
    from turnout.ledger.store import Ledger
    from turnout.vault import Vault

log = logging.getLogger("turnout.shelf")


@dataclass
class Shelf:
    """The presets and keys of the database, as they were last read."""

    vault: Vault
    ledger: Ledger | None = None
    """``None``: not open yet."""
    kept_presets: list[presets.Preset] = field(default_factory=list)
    kept_keys: list[byok.StoredKey] = field(default_factory=list)

    def presets(self) -> list[presets.Preset]:
        """Reads the presets."""
        if self.ledger is not None:
            try:
                self.kept_presets = presets.every(self.ledger)
            except SQLAlchemyError as error:
                log.warning("the presets cannot be read, those known go on: %s", describe(error))
        return self.kept_presets

    def keys(self) -> list[OwnKey]:
        """Reads the provider keys."""
        if self.ledger is not None:
            try:
                self.kept_keys = byok.every(self.ledger)
            except SQLAlchemyError as error:
                log.warning("the provider keys of the API cannot be read, those known go on: %s", describe(error))
        return own_keys(self.kept_keys, self.vault)

    def read(self) -> tuple[list[OwnKey], list[Preset]]:
        """Reads both, or raises what SQLAlchemy raises and keeps what was read before."""
        assert self.ledger is not None, "who asks for it has looked at the database"
        keys, made = byok.every(self.ledger), presets.every(self.ledger)
        self.kept_keys, self.kept_presets = keys, made
        return own_keys(keys, self.vault), made


def own_keys(stored: Sequence[byok.StoredKey], vault: Vault) -> list[OwnKey]:
    """The keys in clear, as the compilation takes them, in the order in which they are tried.

    One that cannot be decrypted says why.
    """
    texts, lost = vault.sorted({key.id: key.sealed for key in stored})
    return [
        OwnKey(
            id=key.id,
            provider=key.provider,
            label=credential_label(key),
            text=texts.get(key.id),
            problem=lost.get(key.id),
            disabled=key.disabled,
            kind="fallback" if key.is_fallback else "prioritized",
            required=key.is_required,
            exclusive=key.is_byok_only,
            zdr=key.declared_zdr,
            models=key.allowed_models,
            hashes=key.allowed_api_key_hashes,
            users=key.allowed_user_ids,
        )
        for key in sorted(stored, key=byok.order)
    ]


def filled(key: byok.StoredKey, text: str, vault: Vault) -> byok.StoredKey:
    """The stored key with this text in it, encrypted, in the place of what was there.

    Raises :class:`turnout.config.own.OwnKeyError` for a text that can be no key, and
    :class:`turnout.vault.VaultError`.
    """
    text = text.strip()
    return replace(key, label=masked(text), sealed=vault.seal(key.id, text), version=key.version + 1)


def credential_label(key: byok.StoredKey) -> str:
    """The key's name in the journal and metrics. What is known of a key that was replaced is not said of the next."""
    return f"byok-{key.id}" if key.version == 1 else f"byok-{key.id}.{key.version}"
