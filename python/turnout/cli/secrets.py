"""``turnout secrets rotate``: the provider keys of the database, encrypted with the newest key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from turnout import vault
from turnout.cli import database
from turnout.ledger import byok

if TYPE_CHECKING:
    from pathlib import Path

    from turnout.cli.database import Database


def rotate(*, config: Path | None, state_dir: Path | None) -> int:
    """Encrypts everything again; returns the exit code, 1 when something could not be read and was left as it is."""
    return database.use(config, state_dir, _rotate)


def _rotate(opened: Database) -> int:
    notes, own = database.notes(), opened.vault
    if not own.configured:
        # Before anything is read: from here on a running gateway encrypts with it too.
        vault.renew(own)
    before = {key.id: key.sealed for key in byok.every(opened.ledger)}
    texts, lost = own.sorted(before)
    byok.seal_again(opened.ledger, {key_id: (before[key_id], own.seal(key_id, text)) for key_id, text in texts.items()})
    for key_id, reason in lost.items():
        notes.print(f"the provider key {key_id} was left as it is: {reason}", style="yellow")
    if not own.configured and not lost:
        vault.forget(own)
    notes.print(f"{len(texts)} provider keys are encrypted with the first key of {own.place}.")
    return 1 if lost else 0
