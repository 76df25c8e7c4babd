"""The keys of clients: their hashes, what they may use, and how much."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from turnout.config import model, snapshot
from turnout.config.compile.routing import wishes_of
from turnout.config.compile.slug import matching
from turnout.config.values import nano_dollars

if TYPE_CHECKING:
    from collections.abc import Sequence

    from turnout.config.compile.catalogue import Catalogue
    from turnout.config.compile.work import Work
    from turnout.config.source import Step

KEY_CHARACTERS_MIN: Final = 16
"""Below this a key can be guessed in practice, so it is warned about."""


def keys_of(work: Work, catalogue: Catalogue, extra: Sequence[snapshot.Key]) -> list[snapshot.Key]:
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
        wishes = written.routing
        keys[sha256] = snapshot.Key(
            sha256=sha256,
            name=written.name,
            models=models,
            disabled=written.disabled,
            expires_unix=written.expires,
            routing=wishes_of(wishes, hedge=wishes.hedge) if wishes.model_fields_set else None,
            limit=_limit(work, path, written),
            requests_per_minute=written.rate.requests_per_minute,
            explain=written.explain,
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


def _key_sha256(work: Work, path: tuple[Step, ...], written: model.Key) -> str | None:
    if written.key is not None and written.sha256 is not None:
        work.wrong(path, "give either key or sha256, not both")
    if written.key is not None:
        text = written.key.get_secret_value()
        if len(text) < KEY_CHARACTERS_MIN:
            work.warn(path, f"a key below {KEY_CHARACTERS_MIN} characters can be guessed")
        return sha256_of(text)
    if written.sha256 is not None:
        return written.sha256.lower()
    if not work.is_cut(*path, "key") and not work.is_cut(*path, "sha256"):
        work.wrong(path, "give key, or sha256 of it")
    return None


def _allowed(
    work: Work, catalogue: Catalogue, path: tuple[Step, ...], written: list[str], known: dict[str, str | None]
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


def _allowed_one(catalogue: Catalogue, pattern: str) -> str | None:
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


def sha256_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
