"""Newer facts: reading a published list, laying it over the catalogue, and keeping the result in the state directory.

A list changes prices, limits and abilities of what the catalogue has, and adds models and endpoints. It takes nothing
away: that a list does not name a model says nothing about other providers. A whole catalogue file replaces everything.

Nothing is taken before it was checked (:func:`checked`), the file is written beside the old one and renamed, and the
one before stays as ``catalogue.previous.json.gz`` for :func:`undo`.
"""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec

from turnout.catalogue import data, openrouter
from turnout.catalogue.data import CatalogueError
from turnout.catalogue.entry import Catalogue, Endpoint, Entry, Prices, Source
from turnout.catalogue.making import litellm, merge, modelsdev, sources
from turnout.providers import ROWS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from turnout.catalogue.making.fact import Fact

PUBLIC: Final = {
    "models.dev": "https://models.dev/api.json",
    "litellm": "https://raw.githubusercontent.com/BerriAI/litellm/main/model_prices_and_context_window.json",
    "openrouter": "https://openrouter.ai/api/v1/models?output_modalities=all",
}
"""Where the public lists are."""

USUAL: Final = ("models.dev", "litellm")
"""Those that are read when nobody says which."""

DOWNLOAD_BYTES_MAX: Final = 64 * 2**20
DOWNLOAD_SECONDS_MAX: Final = 60

PREVIOUS: Final = "catalogue.previous.json.gz"

SHRINK_MAX: Final = 0.5
"""A catalogue that loses more than this share of the models is refused: more likely a list that was cut short."""

PRICE_FACTOR_MAX: Final = 100
"""A price that changes by more than this factor is kept as it was: more likely a slip of the unit."""


@dataclass(frozen=True)
class Document:
    """A list that was read."""

    kind: str
    """``catalogue``, or one of :data:`PUBLIC`."""
    content: Any
    """The parsed JSON, or the :class:`Catalogue`."""
    place: str
    """File or URL."""


def download(url: str) -> bytes:
    """The bytes at an https URL. Raises :class:`CatalogueError`."""
    if not url.startswith("https://"):
        raise CatalogueError(f"only https is downloaded: {url}")
    request = urllib.request.Request(url, headers={"accept": "application/json", "user-agent": "turnout"})
    try:
        with urllib.request.urlopen(request, timeout=DOWNLOAD_SECONDS_MAX) as answer:
            content: bytes = answer.read(DOWNLOAD_BYTES_MAX + 1)
    except (OSError, urllib.error.URLError) as error:
        raise CatalogueError(f"the list cannot be downloaded ({error}): {url}") from error
    if len(content) > DOWNLOAD_BYTES_MAX:
        raise CatalogueError(f"the list has more than {DOWNLOAD_BYTES_MAX >> 20} MiB: {url}")
    return content


def document(content: bytes, place: str) -> Document:
    """Finds out what kind of list it is. Raises :class:`CatalogueError` when it is none."""
    if content[:2] == b"\x1f\x8b":
        return Document("catalogue", data.decode(content, place), place)
    try:
        parsed = sources.exact(content)
    except (ValueError, RecursionError) as error:
        raise CatalogueError(f"not JSON ({error}): {place}") from error
    if isinstance(parsed, dict):
        if "format" in parsed and "models" in parsed:
            return Document("catalogue", data.decode(content, place), place)
        if isinstance(parsed.get("data"), list):
            return Document("openrouter", parsed["data"], place)
        members = [member for member in parsed.values() if isinstance(member, dict)]
        if any(isinstance(member.get("models"), dict) for member in members):
            return Document("models.dev", parsed, place)
        if any("litellm_provider" in member for member in members):
            return Document("litellm", parsed, place)
    raise CatalogueError(
        f"not a list of models: expected a catalogue, models.dev's, litellm's or OpenRouter's: {place}"
    )


def updated(current: Catalogue, documents: Sequence[Document], today: str) -> Catalogue:
    """The catalogue with the documents laid over it, one after the other."""
    for one in documents:
        if one.kind == "catalogue":
            current = one.content
        else:
            current = overlaid(current, _entries(one, current), _source(one, today), today)
    return current


def _source(one: Document, today: str) -> Source:
    return Source(name=one.kind, version="live", released=today, url=one.place)


def _entries(one: Document, current: Catalogue) -> list[Entry]:
    """The entries that one list makes, under the slugs that are known already where it means the same model."""
    if one.kind == "openrouter":
        return list(openrouter.entries(one.content))
    try:
        facts: list[Fact] = list((modelsdev if one.kind == "models.dev" else litellm).facts(one.content))
    except (KeyError, TypeError, AttributeError, ValueError, ArithmeticError) as error:
        raise CatalogueError(f"the list has another shape than expected ({error!r}): {one.place}") from error
    known = {entry.slug: "chat" if "text" in entry.outputs else entry.outputs[0] for entry in current.models}
    served = [row.slug for row in ROWS]
    return list(merge.merge(facts, lambda _provider, _model: None, served, known).catalogue.models)


def overlaid(current: Catalogue, newer: Sequence[Entry], source: Source, today: str) -> Catalogue:
    """``current`` with the facts of ``newer``, which came from ``source``."""
    known = [
        (index, one) for index, one in enumerate(current.sources) if one.name == source.name and one.version == "live"
    ]
    # The same list read again replaces its line in the table.
    index = known[0][0] if known else len(current.sources)
    table = (*current.sources[:index], source, *current.sources[index + 1 :])
    entries = {entry.slug: entry for entry in current.models}
    for entry in newer:
        before = entries.get(entry.slug)
        entries[entry.slug] = _added(entry, index) if before is None else _overlaid(before, entry, index)
    return msgspec.structs.replace(
        current, made=today, sources=table, models=tuple(entry for _, entry in sorted(entries.items()))
    )


def _added(entry: Entry, source: int) -> Entry:
    endpoints = tuple(
        msgspec.structs.replace(endpoint, sources=tuple(source if said >= 0 else -1 for said in _sources(endpoint)))
        for endpoint in entry.endpoints
    )
    return msgspec.structs.replace(entry, endpoints=endpoints, sources=(source,) * 4)


def _sources(endpoint: Endpoint) -> tuple[int, int, int, int]:
    prices = endpoint.prices
    return (
        -1 if prices is None else 0,
        0 if prices and prices.tiers else -1,
        0 if prices and prices.service else -1,
        0 if endpoint.context_length else -1,
    )


def _overlaid(before: Entry, newer: Entry, source: int) -> Entry:
    endpoints = list(before.endpoints)
    for endpoint in newer.endpoints:
        position = next((i for i, one in enumerate(endpoints) if _is_same(one, endpoint)), None)
        if position is not None:
            endpoints[position] = _endpoint(endpoints[position], endpoint, source)
        elif all((one.provider, one.tag) != (endpoint.provider, endpoint.tag) for one in endpoints):
            endpoints += _added(msgspec.structs.replace(newer, endpoints=(endpoint,)), source).endpoints
    # Fields that a list leaves out say nothing, and what is known of the model itself only OpenRouter knows better: in
    # other lists it may be a host's own limit.
    knows_better = all(endpoint.provider == "openrouter" for endpoint in newer.endpoints)
    changes = {
        name: value
        for name in ("hugging_face_id", "context_length", "completion_tokens_max", "knowledge_cutoff", "expires")
        if (value := getattr(newer, name)) is not None and (knows_better or getattr(before, name) is None)
    }
    if before.created == 0 and newer.created:
        changes["created"] = newer.created
    endpoints.sort(key=lambda endpoint: (endpoint.provider, endpoint.tag))
    return msgspec.structs.replace(before, **changes, endpoints=tuple(endpoints))


def _is_same(one: Endpoint, other: Endpoint) -> bool:
    return one.provider == other.provider and one.model.lower() == other.model.lower()


def _endpoint(before: Endpoint, newer: Endpoint, source: int) -> Endpoint:
    by = list(before.sources or (-1, -1, -1, -1))
    prices = before.prices
    if newer.prices is not None and (newer.prices.prompt or before.prices is None) and _is_likely(before, newer.prices):
        prices, by[0] = _prices(before.prices, newer.prices), source
    if newer.context_length is not None:
        by[3] = source
    return msgspec.structs.replace(
        before,
        prices=prices,
        context_length=newer.context_length or before.context_length,
        completion_tokens_max=newer.completion_tokens_max or before.completion_tokens_max,
        expires=newer.expires or before.expires,
        sources=tuple(by),
    )


def _is_likely(before: Endpoint, newer: Prices) -> bool:
    for name in ("prompt", "completion"):
        old, new = getattr(before.prices, name, 0), getattr(newer, name)
        if old and new and not old / PRICE_FACTOR_MAX <= new <= old * PRICE_FACTOR_MAX:
            return False
    return True


def _prices(before: Prices | None, newer: Prices) -> Prices:
    """The newer prices; kinds that they leave out stay while the two main ones are as before."""
    if before is None or (before.prompt, before.completion) != (newer.prompt, newer.completion):
        return newer
    return msgspec.structs.replace(
        before,
        **{name: getattr(newer, name) for name in newer.__struct_fields__ if getattr(newer, name) not in (None, 0, ())},
    )


def checked(current: Catalogue, newer: Catalogue, place: str) -> None:
    """Raises :class:`CatalogueError` when the newer one should not be taken."""
    wrong = next(data.mistakes(newer), None)
    if wrong is not None:
        raise CatalogueError(f"the catalogue is unfit for use, {wrong}: {place}")
    lost = len({entry.slug for entry in current.models} - {entry.slug for entry in newer.models})
    if current.models and lost / len(current.models) > SHRINK_MAX:
        raise CatalogueError(
            f"{lost} of {len(current.models)} models would be lost, so the list is probably cut short;"
            f" --force takes it all the same: {place}"
        )


def write(state_dir: Path, newer: Catalogue) -> Path:
    """Puts the catalogue in force; the updated one that was there before can be had again with :func:`undo`."""
    path = state_dir / data.UPDATED
    beside = state_dir / f"{data.UPDATED}.new"
    with beside.open("wb") as file:
        file.write(data.encode(newer))
        file.flush()
        os.fsync(file.fileno())
    if path.exists():
        path.replace(state_dir / PREVIOUS)
    beside.replace(path)
    return path


def undo(state_dir: Path) -> Path | None:
    """Takes the last update back: the one before it is in force again, or the packaged one. ``None``: there is none."""
    path, previous = state_dir / data.UPDATED, state_dir / PREVIOUS
    if not path.exists():
        return None
    path.unlink()
    if previous.exists():
        data.decode(previous.read_bytes(), str(previous))
        previous.replace(path)
    return data.in_force(state_dir)
