"""From what a person wrote to what the machine reads: the only place that knows both.

Everything that a single field could not know is decided here: which providers are on, which key each of them sends,
which proxy lies between, what an alias finally means, which prices apply. The snapshot that comes out is complete.
Either there is a snapshot, or there is a :class:`ConfigError` with every mistake; never half of one.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass, field
from pathlib import Path  # noqa: TC003 — msgspec reads the annotations of Compiled at run time
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from turnout.auth.source import unfetched
from turnout.catalogue import data, offer
from turnout.config import account, model, preset, proxy, snapshot, variant
from turnout.config.card import card
from turnout.config.collector import collector_paused
from turnout.config.credential import credentials, environment_key
from turnout.config.mistake import in_order
from turnout.config.router import router_of, routers, scores
from turnout.config.snapshot import Preset  # noqa: TC001 — msgspec reads it at run time
from turnout.config.tier import tiered
from turnout.config.values import is_proxy, nano_dollars, redis_parts
from turnout.config.work import Work
from turnout.errors import ConfigError
from turnout.providers import ROWS, Row, row
from turnout.providers.row import Policy
from turnout.state import default_directory

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from decimal import Decimal

    from turnout.auth.source import Source
    from turnout.catalogue.entry import Endpoint, Entry
    from turnout.config.load import Loaded
    from turnout.config.source import Step

_T = TypeVar("_T", int, None)

KEY_CHARACTERS_MIN: Final = 16
"""Below this a key can be guessed in practice, so it is warned about."""

PROVIDER_SLUG: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
# A name may go on after another slash: behind a wildcard such as groq/* stand the provider's own names, some with one.
MODEL_SLUG: Final = re.compile(r"~?[A-Za-z0-9][A-Za-z0-9._-]{0,127}(?:/[A-Za-z0-9][A-Za-z0-9._:@-]{0,127}){1,3}")
WILDCARD: Final = re.compile(r"[A-Za-z0-9._:@/~-]{0,255}\*")
ALIAS: Final = re.compile(r"[A-Za-z0-9~@][A-Za-z0-9._:@/~-]{0,255}")
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}")
_DATABASE_URL: Final = re.compile(r"[a-z][a-z0-9_+]*://\S*")

HEADERS_OF_THE_GATEWAY: Final = frozenset(
    {"accept-encoding", "connection", "content-encoding", "content-length", "content-type", "expect", "host"}
    | {"keep-alive", "proxy-authorization", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
)
"""Headers that frame a message or describe its body: the gateway writes them, nobody else."""


@dataclass(frozen=True, kw_only=True)
class LedgerSettings:
    """Where generations are booked, and how they get there. At most one of ``path`` and ``url`` is set."""

    path: Path | None
    """SQLite file; with no ``url`` either, ``None`` means ``ledger.db`` in the state folder."""
    url: str | None = field(repr=False)
    """SQLAlchemy URL; a secret."""
    batch_records: int
    flush_ms: int
    retention_days: int | None
    """``None``: for ever."""


@dataclass(frozen=True, kw_only=True)
class LogSettings:
    """What is logged, and how."""

    level: str
    format: str
    """``text`` or ``json``."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the control side needs and the plane does not."""

    state_dir: Path | None
    """``None``: the default folder."""
    ledger: LedgerSettings
    log: LogSettings
    admin_sha256: str | None
    """Hash of the administration key; ``None``: the generated one counts."""


class Compiled(msgspec.Struct, frozen=True, kw_only=True):
    """A configuration that can be used."""

    snapshot: snapshot.Snapshot
    settings: Settings
    warnings: tuple[str, ...]
    """Not wrong, but probably not what was meant; each with its place."""
    watched_files: tuple[Path, ...]
    """A change of any of them asks for a reload. Empty when there is no file."""
    sources: tuple[Any, ...] = ()
    """The :class:`turnout.auth.source.Source` of each credential that must be fetched."""
    presets: tuple[Preset, ...] = ()
    """Those of the configuration; the snapshot may have further ones."""


def compile(
    loaded: Loaded,
    *,
    auth: bool,
    environment: Mapping[str, str],
    extra_keys: Sequence[snapshot.Key] = (),
    state_dir: Path | None = None,
    tokens: Callable[[Source], snapshot.Credential | None] = unfetched,
) -> Compiled:
    """Compiles what :func:`turnout.config.load.load` read.

    ``auth``: false lets every request in. ``extra_keys``: client keys from elsewhere (the generated one, a database);
    one that the file has too is the file's. ``state_dir``: where an updated catalogue would be, if not where the
    configuration says. ``tokens`` has the credentials that had to be fetched; a provider without
    its own is off, which is warned about. Without it the configuration is good for looking at only. Raises
    :class:`ConfigError` with all mistakes, those of loading included.
    """
    with collector_paused():
        work = Work(loaded, environment, tokens)
        state_dir = state_dir or loaded.config.server.state_dir or default_directory(environment)
        return _compile(work, auth=auth, extra_keys=extra_keys, state_dir=state_dir)


def _compile(work: Work, *, auth: bool, extra_keys: Sequence[snapshot.Key], state_dir: Path) -> Compiled:
    accounts = _accounts(work)
    catalogue = _catalogue(work, accounts, state_dir)
    whole = snapshot.Snapshot(
        schema=snapshot.SCHEMA,
        digest="",
        server=_server(work),
        auth=auth,
        routing=_routing(work),
        cache=_cache(work),
        billing=_billing(work),
        keys=_keys(work, catalogue, extra_keys),
        providers=accounts.providers,
        models=list(catalogue.models.values()),
        aliases=catalogue.aliases,
        wildcards=catalogue.wildcards,
        presets=_presets(work),
        routers=routers(work, catalogue.models, catalogue.aliases),
    )
    settings = _settings(work)
    if not whole.models and not whole.wildcards and not work.mistakes:
        work.warn(("models",), "no model can be asked for: there is no provider with a key")
    if work.mistakes:
        raise ConfigError(in_order(work.mistakes))
    return Compiled(
        snapshot=digested(whole),
        settings=settings,
        warnings=tuple(str(warning) for warning in in_order(work.warnings)),
        watched_files=work.loaded.watched,
        sources=tuple(dict.fromkeys(work.sources)),
        presets=tuple(whole.presets),
    )


def _presets(work: Work) -> list[snapshot.Preset]:
    presets: list[snapshot.Preset] = []
    for slug, written in work.config.presets.items():
        config = written.model_dump(exclude={"enabled", "system"}, exclude_none=True)
        try:
            presets.append(preset.compiled(slug, config, system=written.system, disabled=not written.enabled))
        except preset.PresetError as error:
            work.wrong(("presets", slug), str(error))
    return presets


def digested(whole: snapshot.Snapshot) -> snapshot.Snapshot:
    """The snapshot with its digest: a short hash of everything in it but the digest itself."""
    blank = msgspec.structs.replace(whole, digest="")
    return msgspec.structs.replace(blank, digest=hashlib.sha256(snapshot.encode(blank)).hexdigest()[:16])


def detected(environment: Mapping[str, str]) -> list[Row]:
    """The known providers that the environment is enough for, in the order of the table.

    Those whose variable commonly holds a credential for something else are left out: to have a cloud's login is not to
    have asked for its models.
    """
    return [
        known
        for known in ROWS
        if known.detect
        and environment_key(known, environment)
        and all(account.setting(setting, environment) is not None for setting in known.settings)
    ]


# ---------------------------------------------------------------------------------------------------- server, settings


def _server(work: Work) -> snapshot.Server:
    written = work.config.server
    return snapshot.Server(
        listen=written.listen,
        tls=snapshot.Tls(certificate_path=str(written.tls.certificate), private_key_path=str(written.tls.private_key))
        if written.tls
        else None,
        cors_origins=written.cors_origins,
        trusted_proxies=written.trusted_proxies,
        threads=written.threads or _cores(),
        limits=snapshot.Limits(
            body_bytes_max=written.limits.body,
            header_bytes_max=written.limits.headers_size,
            headers_max=written.limits.headers,
            connections_max=written.limits.connections,
            requests_in_flight_max=written.limits.requests_in_flight,
            streams_per_connection_max=written.limits.streams_per_connection,
            answer_bytes_max=written.limits.answer,
            event_bytes_max=written.limits.event,
        ),
        timeouts=snapshot.Timeouts(
            header_ms=written.timeouts.header,
            body_ms=written.timeouts.body,
            idle_ms=written.timeouts.idle,
            write_ms=written.timeouts.write,
            keepalive_comment_ms=written.timeouts.keepalive_comment,
        ),
        attempts=snapshot.Attempts(
            attempts_max=written.attempts.max, total_ms=written.attempts.total, each_ms=written.attempts.each
        ),
        drain=snapshot.Drain(min_ms=written.drain.min, max_ms=written.drain.max),
        raw_errors=written.raw_errors,
    )


def _routing(work: Work) -> snapshot.Routing:
    written = work.config.routing
    return snapshot.Routing(
        wishes=_wishes(written),
        outage_ms=written.outage,
        require_tools=written.require_tools,
        sticky=snapshot.Sticky(ttl_ms=written.sticky.ttl, conversations_max=written.sticky.conversations),
        retries=snapshot.Retries(percent=written.retries.percent, per_second=written.retries.per_second),
        breaker=snapshot.Breaker(
            failures=written.breaker.failures, open_ms=written.breaker.open, open_max_ms=written.breaker.open_max
        ),
        cooldown_max_ms=written.cooldown_max,
        adaptive=snapshot.Adaptive(
            second_nano=nano_dollars(written.adaptive.second),
            failure=written.adaptive.failure,
            limited=written.adaptive.limited,
            exploration_permille=written.adaptive.exploration_percent * 10,
        ),
    )


def _cache(work: Work) -> snapshot.Cache:
    written = work.config.cache
    place = redis_parts(written.url.get_secret_value()) if written.url is not None else None
    return snapshot.Cache(
        default=written.default,
        ttl_s=written.ttl // 1000,
        size_bytes=written.size,
        entry_bytes=written.entry,
        server=snapshot.CacheServer(
            host=place.host,
            port=place.port,
            tls=place.tls,
            username=place.username,
            password=place.password,
            database=place.database,
            prefix=written.prefix,
            wait_ms=written.wait,
        )
        if place is not None
        else None,
    )


def _wishes(written: model.Wishes) -> snapshot.Wishes:
    return snapshot.Wishes(
        policy=written.policy,
        only=written.only,
        ignore=written.ignore,
        training=written.data_collection == "allow",
        zdr=written.zdr,
    )


def _cores() -> int:
    """Cores that this process may use, where the system tells (Linux); else all of the machine."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _settings(work: Work) -> Settings:
    server, ledger, log = work.config.server, work.config.ledger, work.config.log
    url = ledger.url.get_secret_value() if ledger.url else None
    if url is not None and _DATABASE_URL.fullmatch(url) is None:
        work.wrong(("ledger", "url"), "expected a database URL such as postgresql+psycopg://user:password@host/name")
    return Settings(
        state_dir=server.state_dir,
        ledger=LedgerSettings(
            path=ledger.path,
            url=url,
            batch_records=ledger.batch_records,
            flush_ms=ledger.flush,
            retention_days=ledger.retention_days,
        ),
        log=LogSettings(level=log.level, format=log.format),
        admin_sha256=_sha256(server.admin_key.get_secret_value()) if server.admin_key else None,
    )


# ----------------------------------------------------------------------------------------------------------- providers


@dataclass(frozen=True, kw_only=True)
class _Accounts:
    """The providers that are on."""

    providers: list[snapshot.Provider]
    indices: dict[str, int]
    """Slug → position in :attr:`providers`."""
    policies: list[snapshot.DataPolicy]
    """Of each provider, for endpoints that say nothing else."""
    rows: dict[str, Row]
    """Slug → known provider that it is an account at, where it brings the catalogue's models."""


def _accounts(work: Work) -> _Accounts:
    written = dict(work.config.providers)
    if work.loaded.path is None and not written:
        written = {known.slug: model.Provider() for known in detected(work.environment)}
    accounts = _Accounts(providers=[], indices={}, policies=[], rows={})
    for slug, provider in written.items():
        if PROVIDER_SLUG.fullmatch(slug) is None:
            work.wrong(
                ("providers", slug), "a provider's slug has lower-case letters, digits, dots and dashes, at most 64"
            )
        if provider.enabled:
            known = row(provider.row or slug)
            made = _provider(work, slug, provider, known)
            if made is not None:
                accounts.indices[slug] = len(accounts.providers)
                accounts.providers.append(made)
                accounts.policies.append(_policy(provider, known))
                is_elsewhere = provider.base_url is not None or provider.wires is not None
                if known is not None and _first(provider.catalogue, None, not is_elsewhere):
                    accounts.rows[slug] = known
    return accounts


def _provider(work: Work, slug: str, written: model.Provider, known: Row | None) -> snapshot.Provider | None:
    """``None``: it is off because its credential is not there yet."""
    path = ("providers", slug)
    if written.row and known is None:
        work.wrong((*path, "row"), f"no known provider is called {written.row}", name=written.row, known=_row_slugs())
    is_told = bool(written.row) or any(work.is_hurt(*path, key) for key in ("base_url", "row", "wires"))
    if known is None and written.base_url is None and written.wires is None and not is_told:
        work.wrong(
            path,
            "not a known provider: give base_url, or row for the provider it stands for",
            name=slug,
            known=_row_slugs(),
        )
    if written.stream_usage is not None and written.quirks.stream_usage is not None:
        work.wrong((*path, "stream_usage"), "give either stream_usage or quirks.stream_usage, not both")
    wires = account.wires(work, path, written, known)
    headers = _headers(work, path, written)
    sent_as = credentials(work, path, written, known, {name for name, _ in headers})
    if sent_as is None:
        return None
    return snapshot.Provider(
        slug=slug,
        name=written.name or (known.name if known else slug),
        wires=wires,
        credentials=sent_as,
        headers=headers,
        timeouts=snapshot.UpstreamTimeouts(
            connect_ms=written.timeouts.connect,
            first_byte_ms=written.timeouts.first_byte,
            idle_ms=written.timeouts.idle,
            pool_idle_ms=written.timeouts.pool_idle,
        ),
        proxy=_proxy(work, path, written, wires[0].base_url) if wires else None,
        ca_path=str(written.ca) if written.ca else None,
        routing_fields=_first(written.routing_fields, known.routing_fields if known else None, False),
    )


def _policy(written: model.Provider, known: Row | None) -> snapshot.DataPolicy:
    """What the file says about the account, else what the row says about the provider."""
    of_row = known.policy if known else Policy()
    base = snapshot.DataPolicy(training=of_row.training, retention_days=of_row.retention_days, zdr=False)
    return _policy_over(base, written.data_policy)


def _policy_over(base: snapshot.DataPolicy, written: model.DataPolicy) -> snapshot.DataPolicy:
    said = {name: value for name, value in written.model_dump().items() if value is not None}
    return msgspec.structs.replace(base, **said) if said else base


def _row_slugs() -> list[str]:
    return [known.slug for known in ROWS]


def _first(written: bool | None, of_row: bool | None, otherwise: bool) -> bool:
    """The first of three that was said."""
    return written if written is not None else of_row if of_row is not None else otherwise


def _headers(work: Work, path: tuple[Step, ...], written: model.Provider) -> list[tuple[str, str]]:
    """Extra headers with lower-case names, as HTTP/2 wants them and HTTP/1 does not mind."""
    headers: dict[str, str] = {}
    for name, value in written.headers.items():
        where = (*path, "headers", name)
        lower = name.lower()
        if _HEADER_NAME.fullmatch(name) is None:
            work.wrong(where, "not the name of a header")
        elif lower in HEADERS_OF_THE_GATEWAY:
            work.wrong(where, "this header belongs to the message itself and is written by the gateway")
        elif lower in headers:
            work.wrong(where, "this header occurs twice; upper and lower case are the same")
        headers[lower] = value.get_secret_value()
    return list(headers.items())


def _proxy(work: Work, path: tuple[Step, ...], written: model.Provider, base_url: str) -> str | None:
    if written.proxy is not None:
        url = written.proxy.get_secret_value()
        return None if url == "none" else url.rstrip("/")
    found = proxy.from_environment(base_url, work.environment)
    if found is None:
        return None
    variable, url = found
    if not is_proxy(url):
        # Going round a proxy that somebody demands would be worse than not starting.
        work.wrong(
            path,
            f"the environment variable {variable} is not the URL of an http or https proxy: "
            "set HTTPS_PROXY, or proxy here",
        )
    return url.rstrip("/")


# ------------------------------------------------------------------------------------------- models, wildcards, aliases


@dataclass(kw_only=True)
class _Catalogue:
    """What can be asked for."""

    models: dict[str, snapshot.Model]
    wildcards: list[snapshot.Wildcard]
    """Longest prefix first."""
    aliases: dict[str, str]
    off: set[str]
    """Slugs and patterns that were written but are not served: cut as wrong, or all their providers are off."""


def _catalogue(work: Work, accounts: _Accounts, state_dir: Path) -> _Catalogue:
    catalogue = _Catalogue(models={}, wildcards=[], aliases={}, off=_cut_slugs(work))
    offered = _offer(work, accounts, state_dir)
    tagged: list[tuple[str, str, tuple[Step, ...]]] = []
    # Variants come after the models that they are variants of, since they may have the same endpoints.
    for slug, written in sorted(work.config.models.items(), key=lambda item: variant.split(item[0])[1] is not None):
        path = ("models", slug)
        is_wildcard = "*" in slug
        if is_wildcard and WILDCARD.fullmatch(slug) is None:
            work.wrong(path, "a wildcard has one * at its very end, such as openai/*")
        elif not is_wildcard and MODEL_SLUG.fullmatch(slug) is None:
            work.wrong(
                path, "a model's slug has the form author/name, such as openai/gpt-4o, or ends in a wildcard, openai/*"
            )
        endpoints = tiered(
            _variant_endpoints(catalogue, slug, written) or _endpoints(work, slug, written, accounts, offered)
        )
        tagged += [(alias, slug, (*path, "aliases", position)) for position, alias in enumerate(written.aliases)]
        if is_wildcard:
            for key in sorted(written.model_fields_set - {"endpoints"}):
                work.wrong((*path, key), "a wildcard has endpoints only: it names no single model")
        if not endpoints:
            catalogue.off.add(slug)
            if not work.is_hurt(*path):
                work.warn(path, "not served: all its providers are off")
        elif is_wildcard:
            catalogue.wildcards.append(snapshot.Wildcard(prefix=slug.removesuffix("*"), endpoints=endpoints))
        else:
            catalogue.models[slug] = snapshot.Model(
                slug=slug,
                endpoints=endpoints,
                card=card(
                    slug,
                    written,
                    endpoints[0],
                    offered.entries[slug] if offered.serves(slug) else None,
                    scores(slug, written),
                ),
                distillable=written.distillable,
                created=written.created or _born(offered.entries.get(slug)),
                scores=scores(slug, written),
                reasoning=_reasoning(written, offered.entries.get(slug)),
            )
    # The lists have the order of the file.
    catalogue.models = {slug: catalogue.models[slug] for slug in work.config.models if slug in catalogue.models}
    tagged += _bring(work, catalogue, offered)
    tagged += _free(work, catalogue, offered, {alias for alias, _, _ in tagged})
    if not work.config.models and not catalogue.off:
        for provider in accounts.indices.keys() - accounts.rows.keys() if offered.accounts else accounts.indices:
            written_endpoint = model.Endpoint(provider=provider, model="*")
            endpoint = _endpoint(accounts, written_endpoint, None, upstream="*", tag=provider)
            catalogue.wildcards.append(snapshot.Wildcard(prefix=f"{provider}/", endpoints=[endpoint]))
    # A longer prefix is more specific; the order of the file decides nothing between different prefixes.
    catalogue.wildcards.sort(key=lambda wildcard: -len(wildcard.prefix))
    tagged += [(alias, target, ("aliases", alias)) for alias, target in work.config.aliases.items()]
    _aliases(work, catalogue, tagged)
    return catalogue


def _born(entry: Entry | None) -> int:
    return (entry.created if entry is not None else 0) or 0


def _reasoning(written: model.Model, entry: Entry | None) -> snapshot.Reasoning | None:
    if written.reasoning is not None:
        return snapshot.Reasoning(mandatory=written.reasoning.mandatory, efforts=list(written.reasoning.efforts))
    known = entry.reasoning if entry is not None else None
    return None if known is None else snapshot.Reasoning(mandatory=known.mandatory, efforts=list(known.efforts or ()))


def _variant_endpoints(catalogue: _Catalogue, slug: str, written: model.Model) -> list[snapshot.Endpoint]:
    """The endpoints that a variant without any of its own has from the model that it is a variant of."""
    base, suffix = variant.split(slug)
    if suffix is None or written.endpoints or base not in catalogue.models:
        return []
    return variant.chosen(catalogue.models[base].endpoints, suffix)


def _free(
    work: Work, catalogue: _Catalogue, offered: offer.Offer, taken: set[str]
) -> list[tuple[str, str, tuple[Step, ...]]]:
    """Adds ``:free`` to the models that have endpoints which cost nothing.

    Where all of them do, it is another name of the model, and returned as such: a list of models that are all on one's
    own machine need not be twice as long.
    """
    names: list[tuple[str, str, tuple[Step, ...]]] = []
    for base, known in list(catalogue.models.items()):
        slug = f"{base}:free"
        if variant.split(base)[1] is not None or slug in work.config.models or slug in taken | catalogue.off:
            continue
        endpoints = variant.free(known.endpoints)
        if not endpoints or offer.is_hidden(slug, offered.hide):
            continue
        if (other := catalogue.models.get(slug)) is not None:
            tags = {endpoint.tag for endpoint in other.endpoints}
            more = [endpoint for endpoint in endpoints if endpoint.tag not in tags]
            catalogue.models[slug] = msgspec.structs.replace(other, endpoints=[*other.endpoints, *more])
        elif all(variant.is_free(endpoint.prices) for endpoint in known.endpoints):
            names.append((slug, base, ("models", base)))
        else:
            written, entry = work.config.models.get(base, model.Model()), offered.entries.get(base)
            name = f"{written.name or (entry.name if entry else base)} (free)"
            said = written.model_copy(update={"name": name})
            catalogue.models[slug] = msgspec.structs.replace(
                known, slug=slug, endpoints=endpoints, card=card(slug, said, endpoints[0], entry, known.scores)
            )
    return names


def _cut_slugs(work: Work) -> set[str]:
    return {str(path[1]) for path in work.loaded.cut if len(path) > 1 and path[0] == "models"}


def _offer(work: Work, accounts: _Accounts, state_dir: Path) -> offer.Offer:
    """What the catalogue has for the accounts; nothing where it is off."""
    written = work.config.catalogue
    if not written.enabled or not accounts.rows:
        return offer.Offer()
    bringing = [
        offer.Account(
            slug=slug,
            row=known.slug,
            index=accounts.indices[slug],
            dialects=frozenset(wire.dialect for wire in accounts.providers[accounts.indices[slug]].wires),
            policy=accounts.policies[accounts.indices[slug]],
            is_gateway=accounts.providers[accounts.indices[slug]].routing_fields,
        )
        for slug, known in accounts.rows.items()
    ]
    try:
        known = data.load(state_dir)
    except data.CatalogueError as error:
        work.warn(("catalogue",), f"the one that came with Turnout is used: {error}")
        known = data.load()
    for position, pattern in enumerate(written.hide):
        if not any(offer.is_hidden(entry.slug, [pattern]) for entry in known.models):
            work.warn(("catalogue", "hide", position), f"hides nothing: the catalogue has no model {pattern}")
    return offer.offer(known, bringing, written.hide)


def _bring(work: Work, catalogue: _Catalogue, offered: offer.Offer) -> list[tuple[str, str, tuple[Step, ...]]]:
    """Adds the catalogue's models and passed-on names; returns its aliases, those that nobody else has taken."""
    unwritten = model.Model()
    for entry, endpoints in offer.models(offered):
        if entry.slug not in work.config.models:
            catalogue.models[entry.slug] = snapshot.Model(
                slug=entry.slug,
                endpoints=tiered(endpoints),
                card=card(entry.slug, unwritten, endpoints[0], entry, scores(entry.slug, unwritten)),
                distillable=None,
                created=_born(entry),
                scores=scores(entry.slug, unwritten),
                reasoning=_reasoning(unwritten, entry),
            )
    written = {wildcard.prefix for wildcard in catalogue.wildcards}
    if work.config.catalogue.pass_through:
        catalogue.wildcards += [
            snapshot.Wildcard(prefix=prefix, endpoints=endpoints)
            for prefix, endpoints in offer.passes(offered).items()
            if prefix not in written and f"{prefix}*" not in catalogue.off
        ]
    taken = {alias for known in work.config.models.values() for alias in known.aliases}
    taken |= work.config.aliases.keys() | work.config.models.keys()
    return [
        (alias, slug, ("catalogue",))
        for alias, slug in offer.aliases(offered, catalogue.models).items()
        if alias not in taken and alias not in catalogue.models
    ]


def _endpoints(
    work: Work, slug: str, written: model.Model, accounts: _Accounts, offered: offer.Offer
) -> list[snapshot.Endpoint]:
    """The endpoints of one model at providers that are on, in the order of the file, or as the catalogue has them."""
    if not written.endpoints:
        return _known_endpoints(work, slug, written, offered)
    endpoints: list[snapshot.Endpoint] = []
    chosen = {endpoint.tag for endpoint in written.endpoints if endpoint.tag}
    tags: set[str] = set()
    for position, endpoint in enumerate(written.endpoints):
        path = ("models", slug, "endpoints", position)
        tag = endpoint.tag
        if tag is not None:
            if tag in tags:
                work.wrong((*path, "tag"), f"the tag {tag} occurs twice in this model")
            if tag != endpoint.provider and not tag.startswith(f"{endpoint.provider}/"):
                work.wrong(
                    (*path, "tag"), f"a tag is the provider's slug, or begins with it: {endpoint.provider}/{tag}"
                )
        else:
            tag = _free_tag(endpoint.provider, tags | chosen)
        tags.add(tag)
        index = accounts.indices.get(endpoint.provider)
        if index is None:
            _unknown_provider(work, (*path, "provider"), endpoint.provider, accounts.indices)
            continue
        provider = accounts.providers[index]
        spoken = [wire.dialect for wire in provider.wires]
        if endpoint.dialect is not None and endpoint.dialect not in spoken and spoken:
            work.wrong(
                (*path, "dialect"), f"the provider {provider.slug} speaks {' and '.join(spoken)}: {endpoint.dialect}"
            )
        _tiers(work, (*path, "prices"), endpoint.prices)
        known = offered.at(slug, endpoint.provider, endpoint.model)
        upstream = known[1].model if known else _upstream_model(work, path, slug, endpoint, provider)
        made = _endpoint(accounts, endpoint, written, upstream=upstream, tag=tag)
        endpoints.append(made if known is None else _filled_in(made, endpoint, *known))
    return endpoints


def _known_endpoints(work: Work, slug: str, written: model.Model, offered: offer.Offer) -> list[snapshot.Endpoint]:
    """The catalogue's endpoints of a model of which only other things were written."""
    entry = offered.entries.get(slug)
    base, suffix = variant.split(slug)
    if entry is None and suffix is not None and base in offered.entries:
        of_base = offer.endpoints(offered.entries[base], offered.accounts)
        if found := variant.chosen(of_base, suffix):
            return found
    if entry is None:
        if not work.is_hurt("models", slug):
            if slug.endswith("*") or not offered.accounts:
                hint = "give endpoints"
            else:
                hint = "give endpoints: the catalogue does not know this model"
            work.wrong(("models", slug), hint, name=slug, known=offered.entries)
        return []
    said = {"input_modalities": "inputs", "output_modalities": "outputs", "supported_parameters": "parameters"}
    changes: dict[str, Any] = {
        field: list(getattr(written, key)) for key, field in said.items() if key in written.model_fields_set
    }
    return [msgspec.structs.replace(one, **changes) for one in offer.endpoints(entry, offered.accounts)]


def _filled_in(
    made: snapshot.Endpoint, written: model.Endpoint, entry: Entry, known: Endpoint, account: offer.Account
) -> snapshot.Endpoint:
    """An endpoint with what the catalogue knows in place of what was not written."""
    whole = offer.endpoint(entry, known, account)
    prices = made.prices or offer.prices(known.prices, provider=account.slug, upstream=made.model, tag=made.tag)
    dialect = whole.dialect if whole.dialect in account.dialects else None
    return msgspec.structs.replace(
        made,
        prices=prices,
        context_length=made.context_length or whole.context_length,
        completion_tokens_max=made.completion_tokens_max or whole.completion_tokens_max,
        dialect=made.dialect or dialect,
        parameters=whole.parameters if made.parameters is None else made.parameters,
        inputs=made.inputs or whole.inputs,
        outputs=made.outputs or whole.outputs,
        quantization=made.quantization or whole.quantization,
    )


def _free_tag(provider: str, taken: set[str]) -> str:
    """The provider's slug, numbered when the model has it already."""
    tag, number = provider, 1
    while tag in taken:
        number += 1
        tag = f"{provider}/{number}"
    return tag


def _unknown_provider(work: Work, path: tuple[Step, ...], slug: str, indices: dict[str, int]) -> None:
    if slug in work.config.providers or work.is_cut("providers", slug):
        return
    if row(slug) is not None:
        work.wrong(
            path, f"the provider {slug} is known but not in this file: add it to providers", name=slug, known=indices
        )
    else:
        work.wrong(path, f"no provider is called {slug}", name=slug, known=work.config.providers)


def _upstream_model(
    work: Work, path: tuple[Step, ...], slug: str, endpoint: model.Endpoint, provider: snapshot.Provider
) -> str:
    """The provider's name for the model. A gateway knows whole slugs; everybody else only what follows the author."""
    is_wildcard = slug.endswith("*")
    if endpoint.model is None:
        if is_wildcard:
            return slug if provider.routing_fields else "*"
        # A variant is the gateway's word; the provider knows the model.
        return slug if provider.routing_fields else variant.split(slug)[0].partition("/")[2]
    stars = endpoint.model.count("*")
    if stars > (1 if is_wildcard else 0):
        work.wrong(
            (*path, "model"),
            "at most one * is replaced" if is_wildcard else "* only means something in a wildcard model",
        )
    return endpoint.model


def _endpoint(
    accounts: _Accounts, written: model.Endpoint, of: model.Model | None, *, upstream: str, tag: str
) -> snapshot.Endpoint:
    """``of`` is the model that it belongs to; what that says about itself counts for its endpoints as well."""
    index = accounts.indices[written.provider]
    parameters = written.supported_parameters
    if parameters is None and of is not None and of.supported_parameters:
        parameters = of.supported_parameters
    inputs, outputs = written.input_modalities, written.output_modalities
    if of is not None:
        # The defaults of a model are for its card; only what somebody wrote is known of its endpoints.
        inputs = inputs or (of.input_modalities if "input_modalities" in of.model_fields_set else None)
        outputs = outputs or (of.output_modalities if "output_modalities" in of.model_fields_set else None)
    return snapshot.Endpoint(
        provider=index,
        model=upstream,
        tag=tag,
        prices=_prices(written.prices, written.provider, upstream, tag) if written.prices else None,
        context_length=written.context_length,
        completion_tokens_max=written.max_output_tokens,
        dialect=written.dialect,
        parameters=None if parameters is None else list(parameters),
        inputs=list(inputs or ()),
        outputs=list(outputs or ()),
        quantization=written.quantization,
        data_policy=_policy_over(accounts.policies[index], written.data_policy),
        weight=written.weight,
        service_tier=None,
        region=written.region,
    )


def _tiers(work: Work, path: tuple[Step, ...], written: model.Prices | None) -> None:
    """Tiers that could not be told apart are mistakes."""
    if written is None:
        return
    for key, seen in (
        ("tiers", [tier.above_tokens for tier in written.tiers]),
        ("service_tiers", [service.tier for service in written.service_tiers]),
    ):
        for position, value in enumerate(seen):
            if value in seen[:position]:
                work.wrong((*path, key, position), f"this tier occurs twice: {value}")


def _prices(written: model.Prices, provider: str, upstream: str, tag: str) -> snapshot.Prices:
    prompt = nano_dollars(written.prompt)
    cache_write = _nano(written.cache_write, prompt)
    unversioned = snapshot.Prices(
        version="",
        prompt=prompt,
        completion=nano_dollars(written.completion),
        cache_read=_nano(written.cache_read, prompt),
        cache_write=cache_write,
        cache_write_1h=_nano(written.cache_write_1h, cache_write),
        reasoning=_nano(written.reasoning, None),
        audio_prompt=_nano(written.audio_prompt, None),
        audio_completion=_nano(written.audio_completion, None),
        image_prompt=_nano(written.image_prompt, None),
        image_completion=_nano(written.image_completion, None),
        image=nano_dollars(written.image),
        request=nano_dollars(written.request),
        web_search=nano_dollars(written.web_search),
        search_unit=nano_dollars(written.search_unit),
        second=nano_dollars(written.second),
        character=nano_dollars(written.character),
        tiers=[
            snapshot.Tier(
                above_tokens=tier.above_tokens,
                prompt=_nano(tier.prompt, None),
                completion=_nano(tier.completion, None),
                cache_read=_nano(_cached(tier.cache_read, written.cache_read, tier.prompt), None),
                cache_write=_nano(_cached(tier.cache_write, written.cache_write, tier.prompt), None),
                cache_write_1h=_nano(
                    _cached(
                        tier.cache_write_1h,
                        written.cache_write_1h,
                        _cached(tier.cache_write, written.cache_write, tier.prompt),
                    ),
                    None,
                ),
            )
            for tier in sorted(written.tiers, key=lambda tier: tier.above_tokens)
        ],
        service=[
            snapshot.Service(
                tier=service.tier,
                prompt=_nano(service.prompt, None),
                completion=_nano(service.completion, None),
                cache_read=_nano(_cached(service.cache_read, written.cache_read, service.prompt), None),
                cache_write=_nano(_cached(service.cache_write, written.cache_write, service.prompt), None),
            )
            for service in written.service_tiers
        ],
    )
    return versioned(unversioned, provider=provider, upstream=upstream, tag=tag)


def _cached(of_tier: Decimal | None, of_base: Decimal | None, followed: Decimal | None) -> Decimal | None:
    """A tier's price of cached tokens: its own, else the base's; one that follows another price does so here too."""
    return followed if of_tier is None and of_base is None else of_tier


def versioned(prices: snapshot.Prices, *, provider: str, upstream: str, tag: str) -> snapshot.Prices:
    """The prices with their version: a short hash of them and of the endpoint that they belong to."""
    blank = msgspec.structs.replace(prices, version="")
    identity = msgspec.json.encode([provider, upstream, tag, blank])
    return msgspec.structs.replace(blank, version=hashlib.sha256(identity).hexdigest()[:12])


def _nano(price: Decimal | None, otherwise: _T) -> int | _T:
    return otherwise if price is None else nano_dollars(price)


def matching(wildcards: Sequence[snapshot.Wildcard], slug: str) -> snapshot.Wildcard | None:
    """The wildcard that serves a slug; the list is in order of preference. What ``*`` stands for is never empty."""
    return next(
        (wildcard for wildcard in wildcards if slug.startswith(wildcard.prefix) and slug != wildcard.prefix), None
    )


def filled(wildcard: snapshot.Wildcard, slug: str) -> list[snapshot.Endpoint]:
    """The endpoints of a wildcard for one slug, ``*`` replaced in their models."""
    rest = slug.removeprefix(wildcard.prefix)
    return [
        msgspec.structs.replace(endpoint, model=endpoint.model.replace("*", rest)) for endpoint in wildcard.endpoints
    ]


def _aliases(work: Work, catalogue: _Catalogue, written: list[tuple[str, str, tuple[Step, ...]]]) -> None:
    """Follows each alias to the slug that it finally means."""
    targets: dict[str, str] = {}
    for alias, target, path in written:
        if ALIAS.fullmatch(alias) is None:
            work.wrong(path, "an alias has letters, digits and . _ : @ / ~ -, and no wildcard")
        elif alias in work.config.models:
            work.wrong(path, f"{alias} is already the slug of a model")
        elif targets.get(alias, target) != target:
            work.wrong(path, f"the alias {alias} is given to two models: {targets[alias]} and {target}")
        else:
            targets[alias] = target
    for alias, _, path in written:
        if targets.get(alias) is None or alias in catalogue.aliases:
            continue
        slug, seen = targets[alias], {alias}
        while slug in targets and slug not in seen:
            seen.add(slug)
            slug = targets[slug]
        if slug in seen:
            work.wrong(path, f"the alias {alias} leads back to itself")
        elif slug in catalogue.models or _adopted(catalogue, slug):
            catalogue.aliases[alias] = slug
        elif (chooser := router_of(work, catalogue.models, targets, slug)) is not None:
            catalogue.aliases[alias] = chooser
        elif slug in catalogue.off:
            if not work.is_hurt("models", slug):
                work.warn(path, f"not served: all providers of {slug} are off")
        elif not work.is_cut("models"):
            work.wrong(path, f"there is no model {slug}", name=slug, known=[*work.config.models, *targets])


def _adopted(catalogue: _Catalogue, slug: str) -> bool:
    """Whether a wildcard serves the slug; if so it becomes a model of its own, since aliases lead to models."""
    wildcard = matching(catalogue.wildcards, slug)
    if wildcard is None or MODEL_SLUG.fullmatch(slug) is None:
        return False
    endpoints = filled(wildcard, slug)
    unwritten = model.Model()
    catalogue.models[slug] = snapshot.Model(
        slug=slug,
        endpoints=endpoints,
        card=card(slug, unwritten, endpoints[0], scores=scores(slug, unwritten)),
        distillable=None,
        created=0,
        scores=scores(slug, unwritten),
        reasoning=None,
    )
    return True


# ---------------------------------------------------------------------------------------------------------------- keys


def _keys(work: Work, catalogue: _Catalogue, extra: Sequence[snapshot.Key]) -> list[snapshot.Key]:
    keys: dict[str, snapshot.Key] = {}
    names: set[str] = set()
    allowed: dict[str, str | None] = {}
    for position, written in enumerate(work.config.keys):
        path = ("keys", position)
        if written.name in names:
            work.wrong((*path, "name"), f"two keys are called {written.name}")
        names.add(written.name)
        sha256 = _key_sha256(work, path, written)
        models = None if written.models is None else _allowed(work, catalogue, path, written.models, allowed)
        if sha256 is None:
            continue
        if sha256 in keys:
            work.wrong(path, f"the same key as {keys[sha256].name}")
        keys[sha256] = snapshot.Key(
            sha256=sha256,
            name=written.name,
            models=models,
            disabled=written.disabled,
            expires_unix=written.expires,
            routing=_wishes(written.routing) if written.routing.model_fields_set else None,
            limit=_limit(work, path, written),
            requests_per_minute=written.rate.requests_per_minute,
        )
    for key in extra:
        keys.setdefault(key.sha256, key)
    return list(keys.values())


def _limit(work: Work, path: tuple[Step, ...], written: model.Key) -> snapshot.Limit | None:
    if written.limit is None:
        for key in ("limit_reset", "include_byok_in_limit"):
            if key in written.model_fields_set and getattr(written, key) and not work.is_cut(*path, "limit"):
                work.wrong((*path, key), "this is about a limit, give limit too")
        return None
    return snapshot.Limit(
        nano=nano_dollars(written.limit), reset=written.limit_reset, include_byok=written.include_byok_in_limit
    )


def _billing(work: Work) -> snapshot.Billing:
    config = work.config
    free = snapshot.Free(
        per_minute=config.free.per_minute,
        per_day=config.free.per_day,
        per_day_with_credits=config.free.per_day_with_credits,
    )
    if free.per_day_with_credits is not None and not config.credits.enabled:
        work.warn(("free", "per_day_with_credits"), "this has no effect while credits.enabled is false")
    return snapshot.Billing(
        credits=config.credits.enabled,
        reserve_tokens=config.billing.reserve_tokens,
        byok_fee_percent=config.billing.byok_fee_percent,
        free=free if any(value is not None for value in msgspec.structs.astuple(free)) else None,
    )


def _key_sha256(work: Work, path: tuple[Step, ...], written: model.Key) -> str | None:
    if written.key is not None and written.sha256 is not None:
        work.wrong(path, "give either key or sha256, not both")
    if written.key is not None:
        text = written.key.get_secret_value()
        if len(text) < KEY_CHARACTERS_MIN:
            work.warn(path, f"a key below {KEY_CHARACTERS_MIN} characters can be guessed")
        return _sha256(text)
    if written.sha256 is not None:
        return written.sha256.lower()
    if not work.is_cut(*path, "key") and not work.is_cut(*path, "sha256"):
        work.wrong(path, "give key, or sha256 of it")
    return None


def _allowed(
    work: Work, catalogue: _Catalogue, path: tuple[Step, ...], written: list[str], known: dict[str, str | None]
) -> list[str]:
    """Slugs and patterns with aliases replaced; ``known`` remembers answers, since many keys share few patterns."""
    allowed: list[str] = []
    for position, pattern in enumerate(written):
        if pattern not in known:
            known[pattern] = _allowed_one(catalogue, pattern)
        found = known[pattern]
        if found is not None:
            allowed.append(found)
        elif pattern not in catalogue.off and not work.is_cut("models"):
            names = [*catalogue.models, *catalogue.aliases]
            work.wrong((*path, "models", position), f"no model matches {pattern}", name=pattern, known=names)
    return allowed


def _allowed_one(catalogue: _Catalogue, pattern: str) -> str | None:
    """What the plane compares with: the slug or pattern itself, or what an alias means; ``None``: matches nothing."""
    slug = catalogue.aliases.get(pattern, pattern)
    if not slug.endswith("*"):
        return slug if slug in catalogue.models or matching(catalogue.wildcards, slug) else None
    prefix = slug[:-1]
    if "*" in prefix:
        return None
    serves = any(known.startswith(prefix) for known in catalogue.models)
    meets = any(w.prefix.startswith(prefix) or prefix.startswith(w.prefix) for w in catalogue.wildcards)
    return slug if serves or meets else None


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
