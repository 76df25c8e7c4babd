"""The data file: where it is, how it is read and written, and what makes one unfit for use.

Two places: the file that came with this version, and one in the state directory, which ``turnout catalog update``
writes and which wins while it is there. It is read when it is first asked for, once; a file that was changed since is
read again.
"""

from __future__ import annotations

import gzip
import re
import zlib
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from turnout.catalogue.entry import FORMAT, Catalogue, Entry
from turnout.errors import TurnoutError

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGED: Final = Path(__file__).parent / "catalogue.json.gz"
"""The file that came with this version."""

UPDATED: Final = "catalogue.json.gz"
"""Its name in the state directory."""

FILE_BYTES_MAX: Final = 64 * 2**20
"""Unpacked; a larger file is refused instead of filling the memory. The packaged one has two megabytes."""

SLUG: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,127}/[a-z0-9][a-z0-9._@-]{0,127}(?::[a-z0-9-]{1,32})?")

_decoder: Final = msgspec.json.Decoder(Catalogue)


class CatalogueError(TurnoutError):
    """A catalogue cannot be read, or is unfit for use."""


def load(state_dir: Path | None = None) -> Catalogue:
    """The catalogue in force: the updated one of ``state_dir`` if there is one, else the packaged one.

    Raises :class:`CatalogueError` for a file that cannot be used.
    """
    path = in_force(state_dir)
    status = path.stat()
    return _read(path, status.st_mtime_ns, status.st_size)


def in_force(state_dir: Path | None) -> Path:
    """The file that :func:`load` reads."""
    updated = state_dir / UPDATED if state_dir is not None else None
    return updated if updated is not None and updated.is_file() else PACKAGED


def by_slug(catalogue: Catalogue) -> dict[str, Entry]:
    """The entries by slug."""
    return {entry.slug: entry for entry in catalogue.models}


@lru_cache(maxsize=2)
def _read(path: Path, _changed_ns: int, _size: int) -> Catalogue:
    content = path.read_bytes()
    # The packaged file is looked at by the tests, and the check takes as long as the reading.
    return _decoded(content, str(path)) if path == PACKAGED else decode(content, str(path))


def encode(catalogue: Catalogue) -> bytes:
    """The bytes of a file: one line a model, compressed, the same bytes for the same content on every machine."""
    head = msgspec.json.encode(msgspec.structs.replace(catalogue, models=()))
    lines = b",\n".join(msgspec.json.encode(entry) for entry in catalogue.models)
    # The empty list of models in the head is taken apart to put the lines between its brackets.
    before, _, after = head.rpartition(b'"models":[]')
    text = before + b'"models":[\n' + lines + b"\n]" + after + b"\n"
    return gzip.compress(text, compresslevel=9, mtime=0)


def decode(content: bytes, name: str) -> Catalogue:
    """Reads and checks the bytes of a file; ``name`` is for messages. Raises :class:`CatalogueError`."""
    catalogue = _decoded(content, name)
    wrong = next(mistakes(catalogue), None)
    if wrong is not None:
        raise CatalogueError(f"the catalogue is unfit for use, {wrong}: {name}")
    return catalogue


def _decoded(content: bytes, name: str) -> Catalogue:
    try:
        return _decoder.decode(_unpacked(content))
    except (OSError, EOFError, zlib.error, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CatalogueError(f"not a catalogue of this version of Turnout ({error}): {name}") from error


def _unpacked(content: bytes) -> bytes:
    if content[:2] != b"\x1f\x8b":
        return content
    unpacker = zlib.decompressobj(wbits=31)
    text = unpacker.decompress(content, FILE_BYTES_MAX)
    if unpacker.unconsumed_tail:
        raise EOFError(f"it unpacks to more than {FILE_BYTES_MAX >> 20} MiB")
    return text


def mistakes(catalogue: Catalogue) -> Iterator[str]:
    """What makes a catalogue unfit: each thing in a few words."""
    if catalogue.format != FORMAT:
        yield f"its format is {catalogue.format} and this version reads {FORMAT}"
        return
    seen: set[str] = set()
    for entry in catalogue.models:
        if SLUG.fullmatch(entry.slug) is None:
            yield f"a slug is not of the form author/name: {entry.slug[:100]!r}"
        if entry.slug in seen:
            yield f"the slug {entry.slug} occurs twice"
        seen.add(entry.slug)
        if not entry.endpoints:
            yield f"{entry.slug} has no endpoint"
        if any(prices is not None and _is_negative(prices) for prices in (one.prices for one in entry.endpoints)):
            yield f"{entry.slug} has a price below zero"
    for family, members in catalogue.families.items():
        if not set(members) <= seen:
            yield f"the family {family} has a member that is no model"


def _is_negative(prices: object) -> bool:
    if isinstance(prices, int):
        return prices < 0
    if isinstance(prices, tuple):
        return any(map(_is_negative, prices))
    if isinstance(prices, msgspec.Struct):
        return any(_is_negative(getattr(prices, name)) for name in prices.__struct_fields__)
    return False
