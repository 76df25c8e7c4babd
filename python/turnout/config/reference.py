"""The page ``docs/config.md``, made from the model: every field with its meaning, default, range and reasons.

``python -m turnout.config.reference > docs/config.md`` writes it; a test compares it with the file.
"""

from __future__ import annotations

import sys
import types
from decimal import Decimal
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from turnout.config import model
from turnout.config.values import Kind, one_or_many

_HEAD: Final = """\
# Configuration

<!-- Made by `python -m turnout.config.reference > docs/config.md`; a test compares the two. Change the descriptions in
python/turnout/config/model/ instead of this page. -->

`turnout check` reports every mistake of a file at once; `turnout explain` shows what it comes to. The file is the one
given with `-c`, else the one named by `TURNOUT_CONFIG`, else `turnout.yaml` in the current folder. Without a file, each
provider whose environment variable is set is on and serves `SLUG/*`.

The file is YAML 1.2. Values may hold `${NAME}` (must be set), `${NAME:-text}` (the text when unset or empty) and `$$`
(a dollar sign). A secret may also be `file:PATH`: the content of that file without its final line break. Relative paths
start at the folder of the configuration file. Unknown keys and keys that occur twice are mistakes. A list with one
member may be written without its brackets where the kind says "one or a list". Text that begins with `*` needs quotes.

The known providers, their variables and settings are in [providers.md](providers.md).

| written as | means |
| --- | --- |
| duration | `250ms`, `10s`, `2m`, `1h`, `7d`, or a number of seconds |
| size | `512B`, `64KiB`, `32MiB`, `1GiB`, `10MB` (powers of ten), or a number of bytes |
| price | US dollars as a number or text, at most nine digits after the point |
| moment | `2027-01-31` (00:00 UTC), `2027-01-31T18:00:00Z`, or Unix seconds |
"""


def render() -> str:
    """The whole page."""
    parts = [_HEAD]
    for path, section in _sections(model.Config, ""):
        parts.append(_section(path, section))
    return "\n".join(parts)


def _sections(section: type[BaseModel], path: str) -> list[tuple[str, type[BaseModel]]]:
    """A section and those below it, in the order in which a person meets them."""
    found = [(path, section)]
    for name, field in section.model_fields.items():
        below, step = _below(field.annotation)
        if below is not None:
            found += _sections(below, f"{path}.{name}{step}" if path else f"{name}{step}")
    return found


def _below(annotation: Any) -> tuple[type[BaseModel] | None, str]:
    """The section that a field holds, and how a path goes on through it."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _below(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return _below(next(part for part in get_args(annotation) if part is not type(None)))
    if origin is list:
        below, _ = _below(get_args(annotation)[0])
        return below, "[]"
    if origin is dict:
        below, _ = _below(get_args(annotation)[1])
        return below, ".SLUG"
    return (annotation, "") if isinstance(annotation, type) and issubclass(annotation, BaseModel) else (None, "")


def _section(path: str, section: type[BaseModel]) -> str:
    title = f"## `{path}`" if path else "## The file"
    lines = [title, "", " ".join((section.__doc__ or "").replace("``", "`").split()), ""]
    lines += ["| key | kind | default | range | meaning |", "| --- | --- | --- | --- | --- |"]
    for name, field in section.model_fields.items():
        kinds = _kinds(field.annotation, field.metadata)
        show = next((kind.show for kind in kinds), _plain)
        cells = [
            f"`{name}`",
            _kind(field.annotation, kinds, listable=_is_listable(field)),
            _default(field, show),
            _range(field.metadata, show),
            (field.description or "").replace("|", "\\|"),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def _kinds(annotation: Any, metadata: list[Any]) -> list[Kind]:
    """Every :class:`Kind` on the way from a field to its innermost type."""
    kinds = [item for item in metadata if isinstance(item, Kind)]
    if get_origin(annotation) is Annotated:
        kinds += [item for item in get_args(annotation)[1:] if isinstance(item, Kind)]
    for part in get_args(annotation):
        if get_origin(part) is not None or part in (str, int, Decimal):
            kinds += _kinds(part, [])
    return kinds


def _kind(annotation: Any, kinds: list[Kind], *, listable: bool = False) -> str:
    below, step = _below(annotation)
    if below is not None:
        return {"": "section", "[]": "list of sections", ".SLUG": "sections by slug"}[step]
    core = annotation
    while get_origin(core) in (Annotated, Union, types.UnionType):
        core = next(part for part in get_args(core) if part is not type(None))
    if get_origin(core) is dict:
        return f"{kinds[0].name if kinds else 'text'} by name"
    if get_origin(core) in (list, tuple):
        inner = kinds[0].name if kinds else _kind(get_args(core)[0], [])
        return f"one or a list: {inner}" if listable else f"list: {inner}"
    if get_origin(core) is Literal:
        return " or ".join(f"`{value}`" for value in get_args(core))
    if kinds:
        return kinds[0].name
    return {bool: "true or false", int: "whole number", float: "number", str: "text"}[core]


def _is_listable(field: Any) -> bool:
    """Whether a single value may stand for a list of one."""
    return any(getattr(item, "func", None) is one_or_many for item in field.metadata)


def _default(field: Any, show: Any) -> str:
    if field.default is PydanticUndefined:
        return "required"
    if field.default is None or isinstance(field.default, BaseModel):
        return ""
    if isinstance(field.default, (list, tuple)):
        return ", ".join(f"`{value}`" for value in field.default) or "empty"
    if field.default in ({}, ""):
        return "empty"
    return f"`{show(field.default) if type(field.default) is int else _plain(field.default)}`"


def _plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _range(metadata: list[Any], show: Any) -> str:
    """Bounds of a number; of text and lists, the most that is taken."""
    least = next((item.ge for item in metadata if hasattr(item, "ge")), None)
    most = next((item.le for item in metadata if hasattr(item, "le")), None)
    if least is not None and most is not None:
        return f"{show(least)} to {show(most)}"
    length = next((item.max_length for item in metadata if hasattr(item, "max_length")), None)
    return f"at most {length}" if length is not None else ""


if __name__ == "__main__":
    sys.stdout.write(render())
