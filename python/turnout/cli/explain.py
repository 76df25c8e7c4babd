"""``turnout explain [MODEL]``: what the configuration comes to, or how one name is served. Secrets are stars."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from rich.console import Console
from rich.table import Table

from turnout.config import load
from turnout.config.compile import Compiled, compile, filled, matching
from turnout.config.mistake import nearest
from turnout.config.values import dollars, show_bytes, show_day, show_ms
from turnout.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from turnout.config import snapshot

STARS = "***"
ROWS_MAX = 200
"""Longer tables are cut, with a line that says so: nobody reads 100,000 keys on a screen."""


@dataclass(frozen=True, kw_only=True)
class Resolution:
    """How a name that a client asks for is served."""

    slug: str
    how: str
    """``model``, ``alias`` or ``wildcard PATTERN``."""
    endpoints: list[snapshot.Endpoint]


def explain(model: str | None, config: Path | None) -> int:
    """Prints the compiled configuration, or what happens to ``model``; returns 1 for mistakes or an unknown name."""
    environment = load.environment()
    path = load.find(config, environment)
    console = Console(highlight=False, markup=False, emoji=False)
    try:
        compiled = compile(load.load(path, environment), auth=True, environment=environment)
    except ConfigError as error:
        console.print(str(error), soft_wrap=True)
        console.print("there are mistakes, so there is nothing to explain yet", style="bold red")
        return 1
    if model is not None:
        return _explain_model(console, compiled.snapshot, model)
    console.print(f"configuration {path or 'from the environment'}, digest {compiled.snapshot.digest}", soft_wrap=True)
    for table in _tables(compiled):
        console.print(table)
    for warning in compiled.warnings:
        console.print(f"{warning} (warning)", style="yellow", soft_wrap=True)
    return 0


def resolve(made: snapshot.Snapshot, name: str) -> Resolution | None:
    """What serves ``name``, in the plane's order: an alias is replaced, a model wins, then the longest wildcard."""
    slug = made.aliases.get(name, name)
    how = "alias" if slug != name else "model"
    for known in made.models:
        if known.slug == slug:
            return Resolution(slug=slug, how=how, endpoints=known.endpoints)
    wildcard = matching(made.wildcards, slug)
    if wildcard is None:
        return None
    return Resolution(slug=slug, how=f"wildcard {wildcard.prefix}*", endpoints=filled(wildcard, slug))


def _explain_model(console: Console, made: snapshot.Snapshot, name: str) -> int:
    found = resolve(made, name)
    chooser = next((one for one in made.routers if made.aliases.get(name, name) in one.names), None)
    if chooser is not None:
        arrow = f"{name} → {chooser.names[0]}" if name != chooser.names[0] else name
        console.print(f"{arrow} (router): a model is chosen for each request; see docs/auto-router.md", soft_wrap=True)
        return 0
    if found is None:
        near = nearest(name, [*(known.slug for known in made.models), *made.aliases])
        hint = f" (did you mean {near}?)" if near else ""
        console.print(f"no model is called {name}{hint}", style="bold red", soft_wrap=True)
        return 1
    arrow = f"{name} → {found.slug}" if name != found.slug else name
    console.print(f"{arrow} ({found.how}); endpoints in the order in which they are tried:", soft_wrap=True)
    for position, endpoint in enumerate(found.endpoints, 1):
        console.print(_endpoint(f"{position}. {endpoint.tag}", endpoint, made.providers[endpoint.provider]))
    attempts = made.server.attempts
    console.print(f"at most {attempts.attempts_max} attempts within {show_ms(attempts.total_ms)}")
    users = [key.name for key in made.keys if not key.disabled and _allows(key, found.slug)]
    console.print(f"keys that may use it: {_listed(users)}", soft_wrap=True)
    return 0


def _endpoint(title: str, endpoint: snapshot.Endpoint, provider: snapshot.Provider) -> Table:
    """One endpoint, written downwards so that it fits a narrow terminal."""
    prompt, completion, cache = _price_cells(endpoint.prices)
    return _filled(
        _table(title, "what", "value"),
        [
            ("provider", f"{provider.name} ({provider.slug})"),
            ("protocols", _wires(provider)),
            ("upstream model", endpoint.model),
            ("prompt", prompt),
            ("completion", completion),
            ("cache read / write", cache),
            ("price version", endpoint.prices.version if endpoint.prices else "unknown"),
            ("context, output", f"{_known(endpoint.context_length)}, {_known(endpoint.completion_tokens_max)}"),
            ("timeouts", _times(provider.timeouts)),
            ("proxy", _proxy(provider.proxy)),
            ("keys", _labels(provider)),
        ],
    )


def _allows(key: snapshot.Key, slug: str) -> bool:
    if key.models is None:
        return True
    return any(slug == one or (one.endswith("*") and slug.startswith(one[:-1])) for one in key.models)


def _tables(compiled: Compiled) -> Iterable[Table]:
    made = compiled.snapshot
    yield _server(compiled)
    yield _filled(
        _table("Client keys", "name", "sha256", "models", "state"),
        [
            (
                key.name,
                f"{key.sha256[:12]}…",
                "all" if key.models is None else _listed(key.models),
                "disabled" if key.disabled else f"until {show_day(key.expires_unix)}" if key.expires_unix else "",
            )
            for key in made.keys
        ],
    )
    yield _filled(
        _table("Providers", "slug", "name", "protocols", "keys", "headers", "proxy", "timeouts"),
        [
            (
                provider.slug,
                provider.name,
                _wires(provider),
                _labels(provider),
                ", ".join(f"{name}: {STARS}" for name, _ in provider.headers),
                _proxy(provider.proxy),
                _times(provider.timeouts),
            )
            for provider in made.providers
        ],
    )
    served = [(known.slug, known.endpoints) for known in made.models]
    served += [(f"{wildcard.prefix}*", wildcard.endpoints) for wildcard in made.wildcards]
    yield _filled(
        _table(
            "Models and wildcards (US dollars per million tokens)",
            "slug",
            "tag",
            "upstream model",
            *_PRICE_HEADS,
            "context",
        ),
        [
            (
                slug if first else "",
                endpoint.tag,
                endpoint.model,
                *_price_cells(endpoint.prices),
                _known(endpoint.context_length),
            )
            for slug, endpoints in served
            for first, endpoint in zip([True, *[False] * (len(endpoints) - 1)], endpoints, strict=True)
        ],
    )
    if made.aliases:
        yield _filled(_table("Aliases", "alias", "slug"), list(made.aliases.items()))


def _server(compiled: Compiled) -> Table:
    server, settings = compiled.snapshot.server, compiled.settings
    limits, times = server.limits, server.timeouts
    return _filled(
        _table("Server", "what", "value"),
        [
            ("listen", ", ".join(server.listen)),
            ("tls", server.tls.certificate_path if server.tls else "off"),
            ("threads", str(server.threads)),
            ("CORS origins", _listed(server.cors_origins)),
            ("trusted proxies", _listed(server.trusted_proxies)),
            ("body, answer, event", ", ".join(map(show_bytes, _sizes(limits)))),
            ("headers", f"{limits.headers_max}, {show_bytes(limits.header_bytes_max)}"),
            ("connections, in flight", f"{limits.connections_max}, {limits.requests_in_flight_max}"),
            ("header, body, idle, write", ", ".join(map(show_ms, _waits(times)))),
            ("drain", f"{show_ms(server.drain.min_ms)} to {show_ms(server.drain.max_ms)}"),
            ("state folder", str(settings.state_dir or "default")),
            ("ledger", STARS if settings.ledger.url else str(settings.ledger.path or "ledger.db in the state folder")),
            ("log", f"{settings.log.level}, {settings.log.format}"),
        ],
    )


def _sizes(limits: snapshot.Limits) -> tuple[int, int, int]:
    return limits.body_bytes_max, limits.answer_bytes_max, limits.event_bytes_max


def _waits(times: snapshot.Timeouts) -> tuple[int, int, int, int]:
    return times.header_ms, times.body_ms, times.idle_ms, times.write_ms


def _table(title: str, *heads: str) -> Table:
    table = Table(title=title or None, title_justify="left")
    for head in heads:
        table.add_column(head, overflow="fold")
    return table


def _filled(table: Table, rows: list[tuple[str, ...]]) -> Table:
    for row in rows[:ROWS_MAX]:
        table.add_row(*row)
    if len(rows) > ROWS_MAX:
        table.caption = f"and {len(rows) - ROWS_MAX} more"
    return table


_PRICE_HEADS = ("prompt", "completion", "cache r/w")


def _price_cells(prices: snapshot.Prices | None) -> tuple[str, str, str]:
    """US dollars per million tokens: of the prompt, of the completion, of reading and writing the cache."""
    if prices is None:
        return "unknown", "unknown", "unknown"
    request = f" + ${dollars(prices.request)} a request" if prices.request else ""
    return (
        f"${dollars(prices.prompt)}{request}",
        f"${dollars(prices.completion)}",
        f"${dollars(prices.cache_read)} / ${dollars(prices.cache_write)}",
    )


def _wires(provider: snapshot.Provider) -> str:
    return "\n".join(f"{wire.dialect} {wire.base_url}" for wire in provider.wires)


def _times(times: snapshot.UpstreamTimeouts) -> str:
    connect, first, idle = show_ms(times.connect_ms), show_ms(times.first_byte_ms), show_ms(times.idle_ms)
    return f"connect {connect}, first byte {first}, idle {idle}"


def _labels(provider: snapshot.Provider) -> str:
    labels = [
        f"{credential.label}: {STARS}" + (f" (weight {credential.weight})" if len(provider.credentials) > 1 else "")
        for credential in provider.credentials
    ]
    return ", ".join(labels) or "none"


def _proxy(url: str | None) -> str:
    if url is None:
        return "direct"
    split = urlsplit(url)
    host = split.netloc.rpartition("@")[2]
    return f"{split.scheme}://{STARS}@{host}" if "@" in split.netloc else url


def _known(number: int | None) -> str:
    return "unknown" if number is None else f"{number:,}"


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:10])
    return f"{shown} and {len(names) - 10} more" if len(names) > 10 else shown or "none"
