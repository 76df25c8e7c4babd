"""``turnout byok list|add|disable|enable|delete``: provider keys of somebody's own, in the database itself.

What ``/api/v1/byok`` does, for who has the database and no running gateway, or no admin key. A gateway that runs
notices the change (:mod:`turnout.follower`). The key is read from the standard input or asked for, never taken as an
argument, which others on the machine could read, and it is shown masked.
"""

from __future__ import annotations

import getpass
import sys
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.table import Table

from turnout.cli import database
from turnout.config.mistake import nearest
from turnout.config.own import OwnKeyError
from turnout.errors import TurnoutError
from turnout.ledger import byok as store
from turnout.shelf import filled, own_keys

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from turnout.cli.database import Database
    from turnout.ledger.byok import StoredKey

ID_CHARACTERS_MIN: Final = 4
"""An id may be cut down to this, as long as one key alone begins so."""

NOTICED: Final = "A gateway that runs notices it within about two seconds."


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What is said of a key that goes in; the key itself is read."""

    provider: str
    name: str | None = None
    is_fallback: bool = False
    is_required: bool = False
    is_byok_only: bool = False
    models: tuple[str, ...] = ()
    """Slugs or ``author/*``; empty: all."""
    users: tuple[str, ...] = ()
    clients: tuple[str, ...] = ()
    """Names of client keys; empty: all."""


def list_keys(*, config: Path | None, state_dir: Path | None) -> int:
    """Prints the keys in the order in which they are tried; returns the exit code."""
    return database.use(config, state_dir, _list)


def add(wish: Wish, *, config: Path | None, state_dir: Path | None) -> int:
    """Reads a key and takes it in; prints its id. Returns the exit code."""
    return database.use(config, state_dir, lambda opened: _add(opened, wish))


def disable(said: str, *, config: Path | None, state_dir: Path | None) -> int:
    """Keeps the key with this id and has it not used any more; returns the exit code."""
    return database.use(config, state_dir, lambda opened: _switch(opened, said, disabled=True))


def enable(said: str, *, config: Path | None, state_dir: Path | None) -> int:
    """Has it used again; returns the exit code."""
    return database.use(config, state_dir, lambda opened: _switch(opened, said, disabled=False))


def delete(said: str, *, config: Path | None, state_dir: Path | None) -> int:
    """Deletes the key with this id, and what was kept of it; returns the exit code."""
    return database.use(config, state_dir, lambda opened: _delete(opened, said))


def _list(opened: Database) -> int:
    stored = store.every(opened.ledger)
    problems = _problems(opened, stored)
    names = {key.sha256: key.name for key in opened.compiled([]).snapshot.keys}
    characters = _characters([key.id for key in stored])
    table = Table(title=f"Provider keys of the API ({len(stored)})", title_justify="left")
    for head in ("id", "key"):
        table.add_column(head, no_wrap=True)
    for head in ("provider", "name", "used", "for", "state"):
        table.add_column(head, overflow="fold")
    for key in stored:
        problem = problems.get(key.id)
        state = "off" if key.disabled else "on" if problem is None else f"not used: {problem}"
        style = "dim" if key.disabled else None if problem is None else "red"
        shown = (
            *(key.id[:characters], key.label, key.provider, key.name or ""),
            *(_used(key), _whom(key, names), state),
        )
        table.add_row(*(_printable(text) for text in shown), style=style)
    Console(highlight=False, markup=False, emoji=False).print(table)
    return 0


def _add(opened: Database, wish: Wish) -> int:
    stored = store.every(opened.ledger)
    _same_vault(opened, stored)
    if wish.is_byok_only and wish.is_fallback:
        raise TurnoutError("--only cannot be combined with --fallback")
    if len(wish.name or "") > store.NAME_CHARACTERS_MAX:
        raise TurnoutError(f"--name is longer than {store.NAME_CHARACTERS_MAX} characters")
    key = replace(
        store.fresh(wish.provider, beside=stored, now_ms=time.time_ns() // 1_000_000),
        name=wish.name,
        is_fallback=wish.is_fallback,
        is_required=wish.is_required,
        is_byok_only=wish.is_byok_only,
        allowed_models=_rules("--model", wish.models),
        allowed_user_ids=_rules("--user", wish.users),
        allowed_api_key_hashes=_rules("--client", _hashes(opened, wish.clients)),
    )
    try:
        key = filled(key, _read_text(), opened.vault)
    except OwnKeyError as error:
        raise TurnoutError(f"the key cannot be used: {error}") from None
    problem = _problems(opened, [*stored, key]).get(key.id)
    if problem is not None:
        raise TurnoutError(f"the key cannot be used: {problem}")
    store.add(opened.ledger, key)
    notes = database.notes()
    notes.print(
        f"The key {key.label} for {key.provider} is kept in {opened.place}, encrypted with {opened.vault.place}."
    )
    notes.print(NOTICED)
    # Alone on standard output, for a script to take.
    Console(highlight=False, markup=False).print(key.id)
    return 0


def _switch(opened: Database, said: str, *, disabled: bool) -> int:
    stored = store.every(opened.ledger)
    key = replace(_found(stored, said), disabled=disabled)
    if not store.change(opened.ledger, key):
        raise _gone(key)
    notes = database.notes()
    notes.print(f"The key {key.label} for {key.provider} is {'off' if disabled else 'on'}. {NOTICED}")
    problem = _problems(opened, [key if one.id == key.id else one for one in stored]).get(key.id)
    if problem is not None and not disabled:
        notes.print(f"It is not used: {problem}", style="yellow")
    return 0


def _delete(opened: Database, said: str) -> int:
    key = _found(store.every(opened.ledger), said)
    if not store.remove(opened.ledger, key.id):
        raise _gone(key)
    database.notes().print(f"The key {key.label} for {key.provider} was deleted. {NOTICED}")
    return 0


def _read_text() -> str:
    if sys.stdin.isatty():
        return getpass.getpass("The key (it is not shown): ")
    content = sys.stdin.buffer.read(store.TEXT_CHARACTERS_MAX + 1)
    if len(content) > store.TEXT_CHARACTERS_MAX:
        raise OwnKeyError(f"it is longer than {store.TEXT_CHARACTERS_MAX} characters")
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise OwnKeyError("it is no text") from None


def _problems(opened: Database, stored: Sequence[StoredKey]) -> dict[str, str]:
    """Why keys cannot be used, by id. One that only waits for its first token has no problem: here is nobody to ask."""
    own = own_keys(stored, opened.vault)
    unreadable = {key.id: key.problem for key in own if key.problem is not None}
    left_out = opened.compiled(own).left_out
    return unreadable | {key_id: left.reason for key_id, left in left_out.items() if left.is_wrong}


def _same_vault(opened: Database, stored: Sequence[StoredKey]) -> None:
    """Raises when nothing that is there can be decrypted: the gateway has then another secret than this command."""
    found, _ = opened.vault.sorted({key.id: key.sealed for key in stored})
    if stored and not found:
        raise TurnoutError(
            f"none of the {len(stored)} provider keys in {opened.place} can be decrypted with {opened.vault.place}, so"
            " the gateway could not read this one either: give the gateway's state directory with --state, or its"
            " server.encryption_keys"
        )


def _rules(option: str, said: Sequence[str]) -> list[str] | None:
    if len(said) > store.RULES_MAX or any(not 0 < len(one) <= store.RULE_CHARACTERS_MAX for one in said):
        raise TurnoutError(
            f"{option} may be given {store.RULES_MAX} times, each with 1 to {store.RULE_CHARACTERS_MAX} characters"
        )
    return list(said) or None


def _hashes(opened: Database, clients: Sequence[str]) -> list[str]:
    known = {key.name: key.sha256 for key in opened.compiled([]).snapshot.keys}
    for name in clients:
        if name not in known:
            near = nearest(name, list(known))
            hint = f" (did you mean {near}?)" if near else ""
            raise TurnoutError(f"no client key of the configuration is called {name}{hint}")
    return [known[name] for name in clients]


def _found(stored: Sequence[StoredKey], said: str) -> StoredKey:
    """The one key whose id this is, or begins so."""
    fitting = [key for key in stored if key.id.startswith(said.lower())] if len(said) >= ID_CHARACTERS_MIN else []
    if len(fitting) == 1:
        return fitting[0]
    why = f"{len(fitting)} provider keys have an id that begins with" if fitting else "there is no provider key"
    raise TurnoutError(
        f"{why} {said[:64]}; turnout byok list shows the ids, of which {ID_CHARACTERS_MIN} characters do"
    )


def _characters(ids: Sequence[str]) -> int:
    """Of how many characters the beginnings of ids must be to tell them apart; at least 8, which do."""
    characters = 8
    while len({one[:characters] for one in ids}) < len(ids):
        characters += 1
    return characters


def _gone(key: StoredKey) -> TurnoutError:
    return TurnoutError(f"the provider key was deleted by somebody else in this moment: {key.id}")


def _used(key: StoredKey) -> str:
    """When it is tried, and what becomes of shared keys."""
    order = "last" if key.is_fallback else "first"
    alone = "only" if key.is_byok_only else "required" if key.is_required else ""
    return f"{order}, {alone}" if alone else order


def _whom(key: StoredKey, names: dict[str, str]) -> str:
    parts = []
    if key.allowed_models is not None:
        parts.append(f"models: {', '.join(key.allowed_models) or 'none'}")
    if key.allowed_user_ids is not None:
        parts.append(f"users: {', '.join(key.allowed_user_ids) or 'none'}")
    if key.allowed_api_key_hashes is not None:
        clients = (names.get(sha256, sha256[:8]) for sha256 in key.allowed_api_key_hashes)
        parts.append(f"clients: {', '.join(clients) or 'none'}")
    return "; ".join(parts) or "all"


def _printable(text: str) -> str:
    """Names come in by the API as anything; what would steer the terminal is not passed on."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
