"""From what was written about a provider, and its row, to wires: which protocols it speaks, where, and in which words.

A part of :mod:`turnout.config.compile.provider`, which brings the mistakes and the credentials. Here the settings of
a row are put into its URLs, and what a person wrote is laid over what the row says.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec

from turnout.config import snapshot
from turnout.config.values import is_setting
from turnout.providers.dialect import FOLLOWING, OWN, PATHS, Quirks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from turnout.config import model
    from turnout.config.compile.work import Work
    from turnout.config.source import Step
    from turnout.providers import Row
    from turnout.providers.dialect import Wire
    from turnout.providers.row import Setting

_PLACE: Final = re.compile(r"\{([a-z_]+)(-?)\}")
NO_PREFIX: Final = "global"
"""The value that ``{name-}`` leaves out."""


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """A wire as far as it is known before the person's operations, paths and quirks are laid over it."""

    dialect: snapshot.Dialect
    base_url: str
    operations: tuple[str, ...]
    paths: dict[str, str]
    quirks: Quirks


def wires(work: Work, path: tuple[Step, ...], written: model.Provider, known: Row | None) -> list[snapshot.Wire]:
    """The wires of a provider in order of preference; empty after a mistake, which is noted."""
    settings = _settings(work, path, written, known)
    if settings is None:
        return []
    if written.stream_usage is not None:
        quirks = written.quirks.model_copy(update={"stream_usage": written.stream_usage})
        written = written.model_copy(update={"quirks": quirks})
    if written.wires is not None:
        return _listed(work, path, written, known, settings)
    if known is not None:
        plans = [_of_row(wire, settings) for wire in known.wires if written.dialect in (None, wire.dialect)]
        if written.base_url is not None:
            moved = plans[0].base_url if plans else ""
            plans = [_moved(plan, written.base_url) for plan in plans if plan.base_url == moved]
        if not plans and written.base_url is None:
            speaks = " and ".join(wire.dialect for wire in known.wires)
            work.wrong((*path, "dialect"), f"the known provider {known.slug} speaks {speaks}: give base_url as well")
            return []
        if plans:
            return [_finished(work, path, written, plan, written.quirks) for plan in plans]
    if written.base_url is None:
        return []
    plan = _own(written.dialect or "openai", written.base_url)
    return [_finished(work, path, written, plan, written.quirks)]


def _listed(
    work: Work, path: tuple[Step, ...], written: model.Provider, known: Row | None, settings: Mapping[str, str]
) -> list[snapshot.Wire]:
    """Wires that were written one by one."""
    made: list[snapshot.Wire] = []
    of_row = {wire.dialect: wire for wire in known.wires} if known else {}
    for position, wire in enumerate(written.wires or []):
        where = (*path, "wires", position)
        if any(other.dialect == wire.dialect for other in made):
            work.wrong((*where, "dialect"), f"the dialect {wire.dialect} occurs twice in this provider")
        row_wire = of_row.get(wire.dialect)
        if row_wire is not None:
            plan = _of_row(row_wire, settings)
            plan = plan if wire.base_url is None else _moved(plan, wire.base_url)
        elif wire.base_url is not None:
            plan = _own(wire.dialect, wire.base_url)
        else:
            if not work.is_cut(*where, "base_url"):
                work.wrong(where, f"give base_url: no known provider says where {wire.dialect} is spoken here")
            continue
        made.append(_finished(work, where, wire, plan, written.quirks))
    return made


def _of_row(wire: Wire, settings: Mapping[str, str]) -> _Plan:
    usual = PATHS[wire.dialect]
    own = {operation: filled(path, settings) for operation, path in wire.paths}
    return _Plan(
        dialect=wire.dialect,
        base_url=filled(wire.base_url, settings),
        operations=wire.operations,
        paths={operation: own.get(operation, usual.get(operation, "")) for operation in (*usual, *own)},
        quirks=wire.quirks,
    )


def _own(dialect: snapshot.Dialect, base_url: str) -> _Plan:
    paths = dict(PATHS[dialect])
    return _Plan(dialect=dialect, base_url=base_url, operations=tuple(paths), paths=paths, quirks=OWN)


def _moved(plan: _Plan, base_url: str) -> _Plan:
    return _Plan(
        dialect=plan.dialect, base_url=base_url, operations=plan.operations, paths=plan.paths, quirks=plan.quirks
    )


def _finished(
    work: Work, where: tuple[Step, ...], written: model.Provider | model.Wire, plan: _Plan, common: model.Quirks
) -> snapshot.Wire:
    """The plan with what a person wrote about its operations, paths and quirks laid over it."""
    known = list(dict.fromkeys((*plan.paths, *FOLLOWING.get(plan.dialect, ()))))
    for operation in written.paths:
        if operation not in known:
            _unknown_operation(work, (*where, "paths", operation), operation, known, plan.dialect)
    for position, operation in enumerate(written.operations or []):
        if operation not in known:
            _unknown_operation(work, (*where, "operations", position), operation, known, plan.dialect)
    offered = written.operations if written.operations is not None else [*plan.operations, *written.paths]
    paths = {**plan.paths, **written.paths}
    return snapshot.Wire(
        dialect=plan.dialect,
        base_url=plan.base_url,
        paths={operation: paths[operation] for operation in known if operation in offered and operation in paths},
        quirks=_quirks(plan.quirks, common, written),
    )


def _unknown_operation(
    work: Work, where: tuple[Step, ...], operation: str, known: list[str], dialect: snapshot.Dialect
) -> None:
    work.wrong(
        where,
        f"the dialect {dialect} has the operations {', '.join(known)}: {operation}",
        name=operation,
        known=known,
    )


def _quirks(base: Quirks, common: model.Quirks, written: model.Provider | model.Wire) -> snapshot.Quirks:
    """The wire's own word wins over the provider's, and both over the row's."""
    values: dict[str, Any] = msgspec.structs.asdict(base)
    for layer in (common, written.quirks):
        values |= {name: value for name, value in layer.model_dump().items() if value is not None}
    return snapshot.Quirks(**values)


# ------------------------------------------------------------------------------------------------------------ settings


def setting(known: Setting, environment: Mapping[str, str]) -> str | None:
    """What the environment or the row's default says for a setting.

    Some variables hold a whole URL where a host is meant, with other tools; its scheme and last slash are left out.
    """
    found = (environment.get(variable, "").strip().removeprefix("https://").rstrip("/") for variable in known.env)
    return next((value for value in found if value), known.default)


def _settings(work: Work, path: tuple[Step, ...], written: model.Provider, known: Row | None) -> dict[str, str] | None:
    """The text of each of the row's settings; ``None`` when one is missing, which is noted."""
    expected = {one.name: one for one in known.settings} if known else {}
    for name in written.settings:
        if name not in expected:
            message = f"this provider has no setting {name}" if known else "only a known provider has settings"
            work.wrong((*path, "settings", name), message, name=name, known=expected)
    made: dict[str, str] | None = {}
    for name, one in expected.items():
        value = written.settings.get(name) or setting(one, work.environment)
        if value is not None and not is_setting(value):
            variables = " or ".join(one.env)
            work.wrong((*path, "settings"), f"{variables} does not hold what a {name} looks like: give settings.{name}")
            made = None
            continue
        if value is None and _is_unneeded(written):
            value = ""
        if value is None:
            if not work.is_cut(*path, "settings", name):
                variables = f"set the environment variable {one.env[0]}, or " if one.env else ""
                work.wrong((*path, "settings"), f"there is no {name} ({one.meaning}): {variables}give settings.{name}")
            made = None
            continue
        if one.choices and value and value not in dict(one.choices):
            known_values = [choice for choice, _ in one.choices]
            where = (*path, "settings", name)
            work.wrong(where, f"expected {' or '.join(known_values)}: {value}", name=value, known=known_values)
            made = None
        elif made is not None:
            made[name] = dict(one.choices).get(value, value)
    return made


def _is_unneeded(written: model.Provider) -> bool:
    """Whether every URL is written out, so that none of the row's is filled."""
    if written.wires is not None:
        return all(wire.base_url is not None for wire in written.wires)
    return written.base_url is not None


def filled(template: str, settings: Mapping[str, str]) -> str:
    """A row's URL or path with its settings in place; ``{model}`` stays for the plane."""

    def put(match: re.Match[str]) -> str:
        name, dash = match[1], match[2]
        if name not in settings:
            return match[0]
        if dash:
            return "" if settings[name] == NO_PREFIX else f"{settings[name]}-"
        return settings[name]

    return _PLACE.sub(put, template)
