"""The providers that are on: which they are, and what each of them is sent and through what."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from turnout.config import model, snapshot
from turnout.config.compile import account, own, proxy
from turnout.config.compile.credential import credentials, environment_key
from turnout.config.compile.routing import probe_of
from turnout.config.values import is_proxy
from turnout.providers import ROWS, Row, row
from turnout.providers.row import Policy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from turnout.config.compile.work import Work
    from turnout.config.source import Step

PROVIDER_SLUG: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}")
HEADERS_OF_THE_GATEWAY: Final = frozenset(
    {"accept-encoding", "connection", "content-encoding", "content-length", "content-type", "expect", "host"}
    | {"keep-alive", "proxy-authorization", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
)
"""Headers that frame a message or describe its body: the gateway writes them, nobody else."""


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


@dataclass(frozen=True, kw_only=True)
class Accounts:
    """The providers that are on."""

    providers: list[snapshot.Provider]
    indices: dict[str, int]
    """Slug → position in :attr:`providers`."""
    policies: list[snapshot.DataPolicy]
    """Of each provider, for endpoints that say nothing else."""
    rows: dict[str, Row]
    """Slug → known provider that it is an account at, where it brings the catalogue's models."""


def accounts_of(work: Work) -> Accounts:
    written = dict(work.config.providers)
    if work.loaded.path is None and not written:
        written = {known.slug: model.Provider() for known in detected(work.environment)}
    accounts = Accounts(providers=[], indices={}, policies=[], rows={})
    for slug, provider in (written | own.added(work, written)).items():
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
    """``None``: it is off because it has no credential yet."""
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
    header_names = {name for name, _ in headers}
    sent_as = credentials(work, path, written, known, header_names)
    # An empty list of keys says that there are those of the API only.
    has_own_only = sent_as is None or written.api_keys == []
    handed_in = own.credentials(work, slug, written, known, header_names, goes_without=not sent_as and not has_own_only)
    if has_own_only and not sent_as and not handed_in:
        if sent_as is not None:
            work.warn(path, "off until a key is handed in: POST /api/v1/byok")
        return None
    sent_as = [*(sent_as or ()), *handed_in]
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
        probe=probe_of(work.config.routing.probe, written.probe),
    )


def _policy(written: model.Provider, known: Row | None) -> snapshot.DataPolicy:
    """What the file says about the account, else what the row says about the provider."""
    of_row = known.policy if known else Policy()
    base = snapshot.DataPolicy(training=of_row.training, retention_days=of_row.retention_days, zdr=False)
    return policy_over(base, written.data_policy)


def policy_over(base: snapshot.DataPolicy, written: model.DataPolicy) -> snapshot.DataPolicy:
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
