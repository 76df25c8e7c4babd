"""``turnout secrets rotate``: the provider keys of the database, encrypted with the newest key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from sqlalchemy.exc import SQLAlchemyError

from turnout import state, vault
from turnout.config.load import environment as read_environment
from turnout.errors import TurnoutError
from turnout.ledger import byok, store
from turnout.ledger.writer import describe
from turnout.reload import Origin, compile_loaded, load_origin, origin_of

if TYPE_CHECKING:
    from pathlib import Path

    from turnout.ledger.store import Ledger


def rotate(*, config: Path | None, state_dir: Path | None) -> int:
    """Encrypts everything again; returns the exit code, 1 when something could not be read and was left as it is."""
    environment = read_environment()
    origin = origin_of(Origin(config=config, state_dir=state_dir), environment)
    errors = Console(stderr=True, markup=False, highlight=False, soft_wrap=True)
    try:
        loaded = load_origin(origin, environment)
        settings = compile_loaded(loaded, origin, environment).settings
        directory = state.prepare(state_dir or loaded.state_dir or state.default_directory(environment))
        own = vault.Vault(directory, loaded.encryption_keys)
        address = settings.ledger.url or store.sqlite_url(settings.ledger.path or directory / "ledger.db")
        ledger = store.open_ledger(address)
        try:
            store.migrate(ledger)
            return _rotate(ledger, own)
        finally:
            store.close_ledger(ledger)
    except SQLAlchemyError as error:
        errors.print(f"the ledger cannot be used: {describe(error)}", style="red")
    except TurnoutError as error:
        errors.print(str(error), style="red")
    return 1


def _rotate(ledger: Ledger, own: vault.Vault) -> int:
    notes = Console(stderr=True, markup=False, highlight=False, soft_wrap=True)
    if not own.configured:
        # Before anything is read: from here on a running gateway encrypts with it too.
        vault.renew(own)
    before = {key.id: key.sealed for key in byok.every(ledger)}
    texts, lost = own.sorted(before)
    byok.seal_again(ledger, {key_id: (before[key_id], own.seal(key_id, text)) for key_id, text in texts.items()})
    for key_id, reason in lost.items():
        notes.print(f"the provider key {key_id} was left as it is: {reason}", style="yellow")
    if not own.configured and not lost:
        vault.forget(own)
    notes.print(f"{len(texts)} provider keys are encrypted with the first key of {own.place}.")
    return 1 if lost else 0
