"""``turnout catalog show|diff|update``: what Turnout knows about models, and how to make it know newer things."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from rich.console import Console
from rich.table import Table

from turnout import state
from turnout.catalogue import data, difference, offer, update
from turnout.config.load import environment as read_environment
from turnout.config.mistake import nearest
from turnout.config.values import dollars, show_day
from turnout.errors import TurnoutError
from turnout.reload import Origin, compile_loaded, load_origin, origin_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from turnout.catalogue.difference import Change
    from turnout.catalogue.entry import Catalogue, Endpoint, Entry, Prices
    from turnout.config.load import Loaded

ROWS_MAX = 200
"""Longer tables are cut, with a line that says so; ``--json`` has everything."""


def show(*, slug: str | None, provider: str | None, state_dir: Path | None, config: Path | None, as_json: bool) -> int:
    """Prints a model, a provider's models, or what there is; returns 1 for a name that is not known."""
    console = _console()
    try:
        directory = _state_dir(config, state_dir)
        catalogue = data.load(directory)
    except TurnoutError as error:
        return _failed(error)
    if slug is not None:
        entry = _named(catalogue, slug)
        if entry is None:
            near = nearest(slug, data.by_slug(catalogue))
            return _failed(f"the catalogue has no model {slug}{f' (did you mean {near}?)' if near else ''}")
        return _print_json(entry) if as_json else _show_entry(console, catalogue, entry)
    if provider is not None:
        found = [
            (entry, endpoint)
            for entry in catalogue.models
            for endpoint in entry.endpoints
            if endpoint.provider == provider
        ]
        if not found:
            near = nearest(provider, _providers(catalogue))
            return _failed(f"the catalogue has no model of {provider}{f' (did you mean {near}?)' if near else ''}")
        if as_json:
            return _print_json([{"slug": entry.slug, **msgspec.to_builtins(endpoint)} for entry, endpoint in found])
        rows = [
            (
                entry.slug,
                endpoint.model,
                *_money(endpoint.prices),
                _known(endpoint.context_length or entry.context_length),
            )
            for entry, endpoint in found
        ]
        console.print(_table(f"{provider} (US dollars per million tokens)", _PROVIDER_HEADS, rows))
        return 0
    if as_json:
        return _print_json(catalogue)
    return _show_whole(console, catalogue, data.in_force(directory))


def diff(*, file: Path | None, state_dir: Path | None, config: Path | None, as_json: bool) -> int:
    """Prints how the catalogue differs from ``file`` or from the packaged one, and what the configuration overrides."""
    console = _console()
    environment = read_environment()
    try:
        origin = origin_of(Origin(config=config, state_dir=state_dir), environment)
        loaded = load_origin(origin, environment)
        directory = _directory(loaded, state_dir, environment)
        current = data.load(directory)
        if file is not None:
            try:
                content = file.read_bytes()
            except OSError as error:
                return _failed(f"the file cannot be read: {error.strerror}: {file}")
            other = update.updated(current, [update.document(content, str(file))], _today())
            title, changes = f"catalogue → {file}", list(difference.differences(current, other))
        elif data.in_force(directory) != data.PACKAGED:
            title, changes = "packaged → updated", list(difference.differences(data.load(), current))
        else:
            title, changes = "catalogue → installed genai-prices", list(_against_installed(current))
        overrides = list(_overrides(current, loaded, origin, environment))
    except TurnoutError as error:
        return _failed(error)
    if as_json:
        return _print_json({"differences": changes, "overrides": overrides})
    console.print(_changes(title, changes))
    console.print(_changes("catalogue → configuration", overrides))
    return 0


def run_update(*, places: tuple[str, ...], state_dir: Path | None, config: Path | None, undo: bool, force: bool) -> int:
    """Lays newer lists over the catalogue, into the state directory; returns 1 when nothing was taken."""
    console = _console()
    try:
        directory = state.prepare(_state_dir(config, state_dir))
        if undo:
            back = update.undo(directory)
            if back is None:
                return _failed(f"there is no update to take back: {directory}")
            console.print(f"in force again: {back}", style="green")
            return 0
        current = data.load(directory)
        documents = [_document(place) for place in places or update.USUAL]
        newer = update.updated(current, documents, _today())
        if not force:
            update.checked(current, newer, ", ".join(one.place for one in documents))
        changes = list(difference.differences(current, newer))
        if not changes:
            console.print("nothing new: the catalogue stays as it is", style="green")
            return 0
        path = update.write(directory, newer)
    except TurnoutError as error:
        return _failed(error)
    console.print(_changes("what is new", changes))
    console.print(f"wrote {path}: {_counts(newer)}; a running gateway takes it within two seconds", style="green")
    return 0


def _document(place: str) -> update.Document:
    url = update.PUBLIC.get(place, place)
    if "://" in url:
        return update.document(update.download(url), url)
    try:
        return update.document(Path(place).read_bytes(), place)
    except OSError as error:
        known = ", ".join(update.PUBLIC)
        raise data.CatalogueError(
            f"not a file that can be read ({error.strerror}), and none of {known}, or an https URL: {place}"
        ) from error


def _state_dir(config: Path | None, state_dir: Path | None) -> Path:
    environment = read_environment()
    origin = origin_of(Origin(config=config, state_dir=state_dir), environment)
    return _directory(load_origin(origin, environment), state_dir, environment)


def _directory(loaded: Loaded, state_dir: Path | None, environment: Mapping[str, str]) -> Path:
    return state_dir or loaded.state_dir or state.default_directory(environment)


def _today() -> str:
    return datetime.now(UTC).date().isoformat()


def _named(catalogue: Catalogue, name: str) -> Entry | None:
    """The entry of a slug, of a family's alias, or of an author's own name."""
    family = name.removeprefix("~").removesuffix("-latest") if name.startswith("~") else None
    slug = catalogue.families.get(family, (name,))[0] if family else name
    return next(
        (entry for entry in catalogue.models if slug in (entry.slug, entry.canonical_slug) or slug in entry.aliases),
        None,
    )


# -------------------------------------------------------------------------------------------------------------- compare


def _against_installed(catalogue: Catalogue) -> list[Change]:
    """The prices that an installed genai-prices names differently today."""
    try:
        from turnout.catalogue.making.genai import price_list

        price = price_list(datetime.now(UTC))
    except ImportError as error:
        raise data.CatalogueError(
            "there is nothing to compare with: give --file, run turnout catalog update, or install genai-prices"
        ) from error
    changes: list[Change] = []
    for entry in catalogue.models:
        for endpoint in entry.endpoints:
            theirs = price(endpoint.provider, endpoint.model)
            if endpoint.prices is not None and theirs is not None:
                tag = endpoint.tag or endpoint.provider
                found = difference.prices(entry.slug, tag, endpoint.prices, theirs)
                changes += [one for one in found if one.field in ("prices.prompt", "prices.completion")]
    return changes


def _overrides(catalogue: Catalogue, loaded: Loaded, origin: Origin, environment: Mapping[str, str]) -> list[Change]:
    """What the configuration makes of the catalogue's models that its section ``models`` speaks of."""
    compiled = compile_loaded(loaded, origin, environment)
    made = {model.slug: model for model in compiled.snapshot.models}
    entries = data.by_slug(catalogue)
    changes: list[Change] = []
    for slug, written in loaded.config.models.items():
        if slug not in entries or slug not in made:
            continue
        entry = entries[slug]
        changes += [
            difference.Change(slug, None, name, None, _short(getattr(written, name)))
            for name in sorted(written.model_fields_set - {"endpoints", "aliases"})
        ]
        for endpoint in made[slug].endpoints:
            provider = compiled.snapshot.providers[endpoint.provider].slug
            known = next((one for one in entry.endpoints if one.model == endpoint.model), None)
            if known is None:
                changes.append(difference.Change(slug, endpoint.tag, "endpoint", None, endpoint.model))
                continue
            expected = offer.prices(known.prices, provider=provider, upstream=endpoint.model, tag=endpoint.tag)
            if expected != endpoint.prices:
                pairs = {
                    name: (getattr(expected, name, None), getattr(endpoint.prices, name, None))
                    for name in ("prompt", "completion", "cache_read", "cache_write", "request")
                }
                changes += [
                    difference.Change(slug, endpoint.tag, f"prices.{name}", before, after)
                    for name, (before, after) in pairs.items()
                    if before != after
                ]
    changes += [
        difference.Change(slug, None, "hidden", True, None)
        for slug in entries
        if offer.is_hidden(slug, loaded.config.catalogue.hide) and slug not in made
    ]
    return changes


# ---------------------------------------------------------------------------------------------------------------- print


def _show_whole(console: Console, catalogue: Catalogue, path: Path) -> int:
    console.print(f"{_counts(catalogue)}, as of {catalogue.made}: {path}", soft_wrap=True)
    kinds = Counter(kind for entry in catalogue.models for kind in entry.outputs)
    console.print(_table("Models by what they make", ("kind", "models"), [(k, str(n)) for k, n in kinds.most_common()]))
    sources = [(one.name, one.version, one.released, one.url) for one in catalogue.sources]
    console.print(_table("Sources", ("name", "version", "released", "where"), sources))
    providers = sorted(_providers(catalogue).items())
    console.print(_table("Endpoints by provider", ("provider", "endpoints"), [(k, str(n)) for k, n in providers]))
    return 0


def _show_entry(console: Console, catalogue: Catalogue, entry: Entry) -> int:
    reasoning = entry.reasoning
    rows = [
        ("name", entry.name),
        ("created", show_day(entry.created) if entry.created else "unknown"),
        ("context, output", f"{_known(entry.context_length)}, {_known(entry.completion_tokens_max)}"),
        ("reads → makes", f"{', '.join(entry.inputs)} → {', '.join(entry.outputs)}"),
        ("parameters", ", ".join(entry.parameters) or "unknown"),
        ("reasoning", "no" if reasoning is None else _reasons(entry)),
        ("knowledge until", entry.knowledge_cutoff or "unknown"),
        ("served until", entry.expires or "no end known"),
        ("Hugging Face", entry.hugging_face_id or "unknown"),
        (
            "other names",
            ", ".join([*entry.aliases, *([entry.canonical_slug] if entry.canonical_slug else [])]) or "none",
        ),
        ("known from", _sources(catalogue, entry.sources)),
    ]
    console.print(_table(entry.slug, ("what", "value"), rows))
    endpoints = [
        (
            endpoint.tag or endpoint.provider,
            endpoint.model,
            *_money(endpoint.prices),
            _further(endpoint),
            _known(endpoint.context_length),
            _sources(catalogue, endpoint.sources[:1]),
        )
        for endpoint in entry.endpoints
    ]
    heads = ("endpoint", "its name there", *_MONEY_HEADS, "further prices", "context", "price from")
    console.print(_table("Endpoints (US dollars per million tokens)", heads, endpoints))
    return 0


def _reasons(entry: Entry) -> str:
    assert entry.reasoning is not None
    said = ["always" if entry.reasoning.mandatory else "on demand"]
    if entry.reasoning.efforts:
        said.append(f"efforts {', '.join(entry.reasoning.efforts)}")
    if entry.reasoning.max_tokens:
        said.append("takes a budget of tokens")
    return "; ".join(said)


_MONEY_HEADS = ("prompt", "completion", "cache r/w")
_PROVIDER_HEADS = ("slug", "its name there", *_MONEY_HEADS, "context")


def _money(prices: Prices | None) -> tuple[str, str, str]:
    if prices is None:
        return "unknown", "unknown", ""
    cache = [_dollars(prices.cache_read), _dollars(prices.cache_write)]
    return _dollars(prices.prompt), _dollars(prices.completion), " / ".join(cache) if any(cache) else ""


def _further(endpoint: Endpoint) -> str:
    prices = endpoint.prices
    if prices is None:
        return ""
    said = [
        f"above {tier.above_tokens:,}: {_dollars(tier.prompt)} / {_dollars(tier.completion)}" for tier in prices.tiers
    ]
    said += [f"{one.tier}: {_dollars(one.prompt)} / {_dollars(one.completion)}" for one in prices.service]
    for name in ("image", "request", "web_search", "search_unit", "second"):
        if amount := getattr(prices, name):
            said.append(f"{name.replace('_', ' ')} ${dollars(amount)}")
    if prices.character:
        said.append(f"million characters {_dollars(prices.character)}")
    return "\n".join(said)


def _dollars(nano: int | None) -> str:
    return "" if nano is None else f"${dollars(nano)}"


def _sources(catalogue: Catalogue, indices: tuple[int, ...]) -> str:
    return ", ".join(dict.fromkeys(catalogue.sources[index].name for index in indices if index >= 0)) or "nobody"


def _providers(catalogue: Catalogue) -> Counter[str]:
    return Counter(endpoint.provider for entry in catalogue.models for endpoint in entry.endpoints)


def _counts(catalogue: Catalogue) -> str:
    providers = _providers(catalogue)
    return f"{len(catalogue.models)} models, {sum(providers.values())} endpoints at {len(providers)} providers"


def _known(number: int | None) -> str:
    return "unknown" if number is None else f"{number:,}"


def _changes(title: str, changes: list[Change]) -> Table:
    rows = [(one.slug, one.endpoint or "", one.field, _short(one.before), _short(one.after)) for one in changes]
    return _table(f"{title}: {len(changes)} differences", ("model", "endpoint", "what", "before", "after"), rows)


def _short(value: Any) -> str:
    text = "" if value is None else str(value)
    return text if len(text) <= 60 else f"{text[:59]}…"


def _table(title: str, heads: tuple[str, ...], rows: list[Any]) -> Table:
    table = Table(title=title, title_justify="left")
    for head in heads:
        table.add_column(head, overflow="fold")
    for row in rows[:ROWS_MAX]:
        table.add_row(*row)
    if len(rows) > ROWS_MAX:
        table.caption = f"and {len(rows) - ROWS_MAX} more; --json has all"
    return table


def _print_json(value: Any) -> int:
    # Straight to standard output: a terminal's width must not break a line of JSON.
    Console(soft_wrap=True, highlight=False, markup=False, emoji=False).print(
        msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
    )
    return 0


def _console() -> Console:
    return Console(highlight=False, markup=False, emoji=False)


def _failed(error: object) -> int:
    Console(stderr=True).print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
    return 1
