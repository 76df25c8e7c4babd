"""A whole configuration: all parts, put together into one snapshot."""

from __future__ import annotations

import hashlib
from pathlib import Path  # noqa: TC003 — msgspec reads the annotations of Compiled at run time
from typing import TYPE_CHECKING, Any

import msgspec

from turnout.auth.source import Source, unfetched
from turnout.config import preset, snapshot
from turnout.config.collector import collector_paused
from turnout.config.compile import own
from turnout.config.compile.billing import billing_of
from turnout.config.compile.cache import cache_of
from turnout.config.compile.catalogue import catalogue_of
from turnout.config.compile.key import keys_of
from turnout.config.compile.provider import accounts_of
from turnout.config.compile.router import routers
from turnout.config.compile.routing import routing_of
from turnout.config.compile.server import server_of
from turnout.config.compile.settings import Settings, settings_of
from turnout.config.compile.work import Work
from turnout.config.mistake import in_order
from turnout.config.own import LeftOut  # noqa: TC001 — msgspec reads it at run time
from turnout.config.snapshot import Preset  # noqa: TC001 — msgspec reads it at run time
from turnout.errors import ConfigError
from turnout.state import default_directory

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from turnout.config.load import Loaded
    from turnout.config.own import OwnKey


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
    left_out: dict[str, LeftOut] = {}
    """Keys of the API that are not used, by id."""


def compile(
    loaded: Loaded,
    *,
    auth: bool,
    environment: Mapping[str, str],
    extra_keys: Sequence[snapshot.Key] = (),
    state_dir: Path | None = None,
    tokens: Callable[[Source], snapshot.Credential | None] = unfetched,
    own_keys: Sequence[OwnKey] = (),
) -> Compiled:
    """Compiles what :func:`turnout.config.load.load` read.

    ``auth``: false lets every request in. ``extra_keys``: client keys from elsewhere (the generated one, a database);
    one that the file has too is the file's. ``state_dir``: where an updated catalogue would be, if not where the
    configuration says. ``tokens`` has the credentials that had to be fetched; a provider without
    its own is off, which is warned about. Without it the configuration is good for looking at only. ``own_keys`` were
    handed in through the API; those that cannot be used are left out, with the reason. Raises
    :class:`ConfigError` with all mistakes, those of loading included.
    """
    with collector_paused():
        state_dir = state_dir or loaded.config.server.state_dir or default_directory(environment)
        # Without the API's keys first: a file that is good only with them could not be started with.
        plain = _compile(Work(loaded, environment, tokens), auth=auth, extra_keys=extra_keys, state_dir=state_dir)
        left_out: dict[str, LeftOut] = {}
        while own_keys:
            work = Work(loaded, environment, tokens, own_keys)
            work.left_out |= left_out
            try:
                return _compile(work, auth=auth, extra_keys=extra_keys, state_dir=state_dir)
            except ConfigError as error:
                own_keys, more = own.without_added(own_keys, loaded.config.providers, str(error.mistakes[0]))
                left_out |= more
        if not left_out:
            return plain
        return msgspec.structs.replace(plain, left_out=left_out, warnings=(*plain.warnings, *own.warnings(left_out)))


def _compile(work: Work, *, auth: bool, extra_keys: Sequence[snapshot.Key], state_dir: Path) -> Compiled:
    accounts = accounts_of(work)
    catalogue = catalogue_of(work, accounts, state_dir)
    keys = keys_of(work, catalogue, extra_keys)
    whole = snapshot.Snapshot(
        schema=snapshot.SCHEMA,
        digest="",
        server=server_of(work),
        auth=auth,
        routing=routing_of(work),
        cache=cache_of(work),
        billing=billing_of(work),
        keys=keys,
        providers=own.named(accounts.providers, work.own, keys),
        models=list(catalogue.models.values()),
        aliases=catalogue.aliases,
        wildcards=catalogue.wildcards,
        presets=_presets(work),
        routers=routers(work, catalogue.models, catalogue.aliases, catalogue.wildcards),
    )
    settings = settings_of(work)
    if not whole.models and not whole.wildcards and not work.mistakes:
        work.warn(("models",), "no model can be asked for: there is no provider with a key")
    if work.mistakes:
        raise ConfigError(in_order(work.mistakes))
    return Compiled(
        snapshot=digested(whole),
        settings=settings,
        warnings=(*(str(warning) for warning in in_order(work.warnings)), *own.warnings(work.left_out)),
        watched_files=work.loaded.watched,
        sources=tuple(dict.fromkeys(work.sources)),
        presets=tuple(whole.presets),
        left_out=work.left_out,
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
