"""The database of a configuration, for commands that work on it directly, beside a gateway that runs or without one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Console
from sqlalchemy.exc import SQLAlchemyError

from turnout import state
from turnout.config.load import environment as read_environment
from turnout.errors import TurnoutError
from turnout.ledger import store
from turnout.ledger.writer import describe
from turnout.reload import Origin, compile_loaded, load_origin, origin_of
from turnout.vault import Vault

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from turnout.config.compile import Compiled
    from turnout.config.load import Loaded
    from turnout.config.own import OwnKey
    from turnout.ledger.store import Ledger


@dataclass(frozen=True, kw_only=True)
class Database:
    """An open database, of this release's schema, and what belongs to it."""

    ledger: Ledger
    vault: Vault
    loaded: Loaded
    origin: Origin
    environment: Mapping[str, str]

    @property
    def place(self) -> str:
        """Where it is, without a password."""
        return self.ledger.engine.url.render_as_string(hide_password=True)

    def compiled(self, own_keys: Sequence[OwnKey]) -> Compiled:
        """The configuration with these provider keys. Raises :class:`turnout.errors.TurnoutError`."""
        return compile_loaded(self.loaded, self.origin, self.environment, own_keys=own_keys)


def use(config: Path | None, state_dir: Path | None, work: Callable[[Database], int]) -> int:
    """Opens the database, does the work and closes it; returns the work's exit code, or 1 after telling what failed."""
    environment = read_environment()
    origin = origin_of(Origin(config=config, state_dir=state_dir), environment)
    try:
        loaded = load_origin(origin, environment)
        settings = compile_loaded(loaded, origin, environment).settings
        directory = state.prepare(state_dir or loaded.state_dir or state.default_directory(environment))
        ledger = store.open_ledger(
            settings.ledger.url or store.sqlite_url(settings.ledger.path or directory / "ledger.db")
        )
        try:
            store.migrate(ledger)
            vault = Vault(directory, loaded.encryption_keys)
            return work(Database(ledger=ledger, vault=vault, loaded=loaded, origin=origin, environment=environment))
        finally:
            store.close_ledger(ledger)
    except SQLAlchemyError as error:
        told = f"the ledger cannot be used: {describe(error)}"
    except TurnoutError as error:
        told = str(error)
    notes().print(told, style="red")
    return 1


def notes() -> Console:
    """Standard error, where everything goes that is not the command's result."""
    return Console(stderr=True, markup=False, highlight=False, emoji=False, soft_wrap=True)
