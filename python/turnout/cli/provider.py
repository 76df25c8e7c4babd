"""``turnout provider``: the known providers, one of them in full, and whether one really answers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from turnout.auth.wallet import Wallet
from turnout.config import load, model
from turnout.config.compile import Compiled, compile
from turnout.config.compile.credential import environment_key
from turnout.config.mistake import nearest
from turnout.errors import TurnoutError
from turnout.providers import ROWS, Row, row
from turnout.providers.checked import compared

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from turnout.catalogue.entry import Catalogue
    from turnout.config.load import Loaded
    from turnout.gateway import Native
    from turnout.providers.probe import Outcome


def list_providers(config: Path | None) -> int:
    """Prints every known provider and those of the configuration; returns the exit code."""
    environment = load.environment()
    loaded = load.load(load.find(config, environment), environment)
    written = loaded.config.providers
    table = _table(f"Known providers ({len(ROWS)})")
    for head in ("slug", "name", "protocols", "key", "state"):
        table.add_column(head, overflow="fold")
    own = [slug for slug, provider in written.items() if row(provider.row or slug) is None]
    for slug in own:
        table.add_row(
            slug, written[slug].name or slug, _protocols(written[slug]), "", _state(loaded, slug, environment)
        )
    for known in ROWS:
        accounts = [slug for slug, provider in written.items() if (provider.row or slug) == known.slug]
        state = ", ".join(
            _state(loaded, slug, environment) + ("" if slug == known.slug else f" as {slug}") for slug in accounts
        )
        table.add_row(
            known.slug,
            known.name,
            ", ".join(wire.dialect for wire in known.wires),
            ", ".join(known.env) or ("none needed" if known.key_optional else "an identity"),
            state or _detected(loaded, known, environment),
        )
    _console().print(table)
    return 0


def show(name: str, config: Path | None) -> int:
    """Prints one provider in full; returns 1 when nobody is called so."""
    environment = load.environment()
    loaded = load.load(load.find(config, environment), environment)
    console = _console()
    written = loaded.config.providers.get(name)
    known = row((written.row if written else None) or name)
    if written is None and known is None:
        return _unknown(console, name, loaded)
    table = _table(name)
    table.add_column("what")
    table.add_column("value", overflow="fold")
    if known is not None:
        for what, value in _facts(known):
            table.add_row(what, value)
    elif written is not None:
        table.add_row("protocols", _protocols(written))
    table.add_row("here", _state(loaded, name, environment) if written else _detected(loaded, known, environment))
    console.print(table)
    return 0


def test(name: str, model_name: str | None, config: Path | None, *, module: Native | None = None) -> int:
    """Sends one small request over each protocol; returns 0 when every one that could be tried works."""
    from turnout.lifespan import native
    from turnout.providers import probe

    environment = load.environment()
    loaded = load.load(load.find(config, environment), environment)
    console = _console()
    written = loaded.config.providers.get(name)
    if written is None and row(name) is None:
        return _unknown(console, name, loaded)
    wallet = Wallet()
    try:
        compiled = _compiled(loaded, name, written or model.Provider(), environment, wallet)
        module = module or native()
    except TurnoutError as error:
        console.print(str(error), style="red", soft_wrap=True)
        return 1
    if not compiled.snapshot.providers:
        for status in wallet.status():
            console.print(status.error or f"{status.source}: there is no token", style="red", soft_wrap=True)
        return 1
    provider = compiled.snapshot.providers[0]
    slug = (written.row if written else None) or name
    trials = probe.trials(provider, model=model_name, slug=slug, catalogue=_catalogue(compiled))
    if any(trial.model is None and trial.question == "chat" for trial in trials):
        names = probe.listed(provider)
        trials = [
            replace(trial, model=names[0]) if trial.model is None and trial.question == "chat" and names else trial
            for trial in trials
        ]
    outcomes = probe.run(compiled.snapshot, trials, module)
    console.print(_outcomes(provider.name, outcomes))
    tried = [outcome for outcome in outcomes if outcome.status is not None]
    return 0 if tried and all(outcome.is_good for outcome in tried) else 1


def _compiled(
    loaded: Loaded, name: str, written: model.Provider, environment: Mapping[str, str], wallet: Wallet
) -> Compiled:
    """The configuration with this provider alone, switched on, its tokens fetched."""
    only = {
        "providers": {name: written.model_copy(update={"enabled": True})},
        "models": {},
        "aliases": {},
        "keys": [],
    }
    alone = replace(loaded, config=loaded.config.model_copy(update=only))
    compiled = compile(alone, auth=True, environment=environment, tokens=wallet.credential)
    if wallet.fetch(compiled.sources):
        compiled = compile(alone, auth=True, environment=environment, tokens=wallet.credential)
    return compiled


def _catalogue(compiled: Compiled) -> Catalogue | None:
    """The catalogue, or nothing when it cannot be read: then a model must be named."""
    from turnout.catalogue import data

    try:
        return data.load(compiled.settings.state_dir)
    except (TurnoutError, OSError):
        return None


def _outcomes(name: str, outcomes: list[Outcome]) -> Table:
    from turnout.providers import probe

    table = _table(name)
    for head in ("protocol", "host", "model", "status", "time", "tokens", "what came back"):
        table.add_column(head, overflow="fold")
    for outcome in outcomes:
        tokens = (outcome.prompt_tokens, outcome.completion_tokens)
        table.add_row(
            outcome.trial.wire.dialect,
            probe.host(outcome.trial.wire),
            outcome.trial.model or "",
            "" if outcome.status is None else str(outcome.status),
            f"{outcome.milliseconds} ms" if outcome.status is not None else "",
            " + ".join(str(count) for count in tokens if count is not None),
            outcome.said,
            style="green" if outcome.is_good else "yellow" if outcome.status is None else "red",
        )
    return table


def _facts(known: Row) -> list[tuple[str, str]]:
    policy = known.policy
    training = {None: "unknown", True: "yes", False: "no"}[policy.training]
    kept = "unknown" if policy.retention_days is None else f"{policy.retention_days} days"
    facts = [
        ("name", known.name),
        *((f"{wire.dialect}", f"{wire.base_url}: {', '.join(wire.operations)}") for wire in known.wires),
        ("key", ", or ".join(known.env) or ("none needed" if known.key_optional else "")),
        ("identity", "" if known.identity is None else str(known.identity.__struct_config__.tag)),
        *(
            (f"setting {one.name}", f"{one.meaning}; default {one.default or 'none'}; {', '.join(one.env)}")
            for one in known.settings
        ),
        ("trains on prompts", training),
        ("keeps prompts", kept),
        ("zero retention", "can be agreed on" if policy.zdr_offered else ""),
        ("said in", policy.source or ""),
        ("seat", known.headquarters or ""),
        ("computes in", ", ".join(known.datacenters)),
        ("documentation", known.docs),
        ("privacy", known.privacy_url or ""),
        ("terms", known.terms_url or ""),
        ("status page", known.status_url or ""),
        *((f"compared: {one.fact}", f"{one.source}, {one.on}") for one in compared(known.slug)),
    ]
    return [(what, value) for what, value in facts if value]


def _protocols(written: model.Provider) -> str:
    if written.wires is not None:
        return ", ".join(wire.dialect for wire in written.wires)
    return f"{written.dialect or 'openai'} {written.base_url or ''}".strip()


def _state(loaded: Loaded, slug: str, environment: Mapping[str, str]) -> str:
    """Whether an account of the configuration is on."""
    written = loaded.config.providers[slug]
    if not written.enabled:
        return "off"
    known = row(written.row or slug)
    has_key = written.api_key is not None or written.api_keys is not None or written.auth.kind is not None
    if known is not None and not has_key and known.env and environment_key(known, environment) is None:
        return "on" if known.identity is not None else "on, without its key"
    return "on"


def _detected(loaded: Loaded, known: Row | None, environment: Mapping[str, str]) -> str:
    """What the environment says about a provider that no file has."""
    if known is None or environment_key(known, environment) is None:
        return ""
    on = loaded.path is None and not loaded.config.providers and known.detect
    return "on, by the environment" if on else "its key is in the environment"


def _unknown(console: Console, name: str, loaded: Loaded) -> int:
    near = nearest(name, [*loaded.config.providers, *(known.slug for known in ROWS)])
    hint = f" (did you mean {near}?)" if near else ""
    console.print(
        f"no provider is called {name}{hint}; turnout provider list shows all", style="bold red", soft_wrap=True
    )
    return 1


def _console() -> Console:
    return Console(highlight=False, markup=False, emoji=False)


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left")
