"""From a file (or from nothing) to the model, with every mistake of shape gathered.

The environment is read here and nowhere else: callers get it once from :func:`environment` and pass it on.

When parts of the file are wrong, they are cut out and the rest is still read, so that
:func:`turnout.config.compile.compile` can add the mistakes between sections and a person sees all at once. A
configuration with any mistake is never used: ``compile`` raises.
"""

from __future__ import annotations

import os
import types
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from turnout.config import model
from turnout.config.collector import collector_paused
from turnout.config.mistake import Mistake, nearest
from turnout.config.source import UNSET, Source, Step, parse
from turnout.config.values import Kind, Reading

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pydantic.fields import FieldInfo
    from pydantic_core import ErrorDetails

CONFIG_VARIABLE: Final = "TURNOUT_CONFIG"
DEFAULT_NAME: Final = "turnout.yaml"


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """A configuration as it was read, and what is wrong with it so far."""

    config: model.Config
    source: Source
    path: Path | None
    """The file; ``None`` when there is none and the environment decides."""
    watched: tuple[Path, ...] = ()
    """The file and every file it names: a change of any asks for a reload."""
    mistakes: tuple[Mistake, ...] = ()
    cut: frozenset[tuple[Step, ...]] = frozenset()
    """Paths of the parts that were left out of ``config`` because they are wrong."""
    positions: Mapping[tuple[Step, ...], list[int]] = field(default_factory=dict)
    """For each list that lost members: the position in the file of each that is left."""

    @property
    def state_dir(self) -> Path | None:
        """``server.state_dir``, needed before compiling; ``None``: the default folder."""
        return self.config.server.state_dir

    @property
    def encryption_keys(self) -> tuple[str, ...]:
        """``server.encryption_keys``, needed before compiling."""
        return tuple(key.get_secret_value() for key in self.config.server.encryption_keys)

    @property
    def has_keys(self) -> bool:
        """Whether the file has client keys, so that none need be made."""
        return bool(self.config.keys)

    def mistake(self, path: Sequence[Step], message: str, near: str | None = None) -> Mistake:
        """A mistake at this path of ``config``, told at its place in the file."""
        return self.source.mistake(self.written(path), message, near)

    def written(self, path: Sequence[Step]) -> tuple[Step, ...]:
        """A path of ``config`` as a path of the file: the two differ where list members were cut out."""
        return _unshift(tuple(path), self.positions)


def environment() -> dict[str, str]:
    """A copy of the process's environment, taken once by whoever starts loading."""
    return dict(os.environ)


def find(option: Path | None, environment: Mapping[str, str], directory: Path | None = None) -> Path | None:
    """Which file to read: the option, else ``TURNOUT_CONFIG``, else ``turnout.yaml`` here if there is one, else none.

    A file that was asked for and is missing is not replaced by another: :func:`load` reports it.
    """
    if option is not None:
        return option
    named = environment.get(CONFIG_VARIABLE)
    if named:
        return Path(named)
    default = (directory or Path.cwd()) / DEFAULT_NAME
    return default if default.is_file() else None


def load(path: Path | None, environment: Mapping[str, str]) -> Loaded:
    """Reads ``path``; with ``None`` gives the empty configuration, which :mod:`compile` fills from the environment.

    Does not raise for anything that a person wrote: ``mistakes`` of the result tells it.
    """
    if path is None:
        return read("environment", b"", environment, path=None)
    try:
        content = path.read_bytes()
    except OSError as error:
        missing = Mistake(str(path), 0, 0, "", f"the configuration file cannot be read: {error.strerror}")
        source = Source(str(path), None, {}, [missing])
        return Loaded(config=model.Config(), source=source, path=path, watched=(path.absolute(),), mistakes=(missing,))
    return read(str(path), content, environment, path=path)


def read(name: str, content: bytes, environment: Mapping[str, str], *, path: Path | None) -> Loaded:
    """The same for text that is already in memory; relative paths start at the folder of ``path``, or here."""
    with collector_paused():
        return _read(name, content, environment, path)


def _read(name: str, content: bytes, environment: Mapping[str, str], path: Path | None) -> Loaded:
    source = parse(name, content, environment)
    reading = Reading(directory=(path.absolute().parent if path else Path.cwd()))
    mistakes = list(source.mistakes)
    cut: set[tuple[Step, ...]] = set()
    tree = source.tree
    positions: dict[tuple[Step, ...], list[int]] = {}
    config = None
    # A second round is only needed when cutting a part leaves another one incomplete; its complaints are echoes.
    for round_number in range(8):
        try:
            config = model.Config.model_validate(tree, context=reading)
            break
        except ValidationError as error:
            for detail in error.errors(include_url=False, include_input=True):
                where = _present(tree, detail["loc"])
                if round_number == 0 and not _holds_unset(detail["input"]):
                    mistakes.append(_told(source, detail))
                cut.add(_unshift(where, positions))
            tree, positions = _without(source.tree, cut)
    watched = [path.absolute(), *sorted(reading.watched)] if path else sorted(reading.watched)
    return Loaded(
        config=config or model.Config(),
        source=source,
        path=path,
        watched=tuple(watched),
        mistakes=tuple(mistakes),
        cut=frozenset(cut),
        positions=positions,
    )


def _told(source: Source, detail: ErrorDetails) -> Mistake:
    """A pydantic error in our words. The value is not repeated: the place shows it, and it may be a secret."""
    where, context = detail["loc"], detail.get("ctx", {})
    field, section, annotation = _described(where)
    show = next((kind.show for kind in field.metadata if isinstance(kind, Kind)), str) if field else str
    near = None
    match detail["type"]:
        case "turnout":
            message = str(context["sentence"])
        case "missing":
            message = "this key is required"
        case "extra_forbidden":
            message = "unknown key"
            near = nearest(str(where[-1]), _keys(section)) if section else None
        case "int_type" | "int_parsing" | "int_parsing_size" | "int_from_float" | "finite_number":
            message = "expected a whole number"
        case "bool_type" | "bool_parsing":
            message = "expected true or false"
        case "string_type":
            is_scalar = isinstance(detail["input"], (int, Decimal))
            message = "expected text: put quotes around it" if is_scalar else "expected text"
        case "greater_than_equal":
            message = f"too small: at least {show(context['ge'])}"
        case "less_than_equal":
            message = f"too large: at most {show(context['le'])}"
        case "string_pattern_mismatch":
            message = _FORMS.get(str(where[-1]), "not in the expected form")
        case "string_too_short" | "too_short":
            message = "must not be empty"
        case "string_too_long":
            message = f"longer than {context['max_length']} characters"
        case "too_long":
            message = f"more than {context['max_length']} entries"
        case "literal_error":
            known = [str(value) for value in _literals(annotation)]
            message = f"expected {' or '.join(known)}"
            near = nearest(str(detail["input"]), known)
        case "list_type" | "tuple_type":
            message = "expected a list"
        case "dict_type" | "model_type" | "model_attributes_type":
            message = "expected keys with values below it, not a single value or a list"
        case _:
            message = detail["msg"]
    return source.mistake(where, message, near)


_FORMS: Final = {
    "sha256": "expected 64 hexadecimal digits",
    "label": "expected at most 64 letters, digits, dots, dashes or underscores",
    "tag": "expected the provider's slug, or that and a variant such as deepinfra/turbo",
}


def _described(where: Iterable[Step]) -> tuple[FieldInfo | None, type[BaseModel] | None, Any]:
    """Where a path of pydantic ends: the field, the section that the last step belongs to, and the type there."""
    annotation: Any = model.Config
    field: FieldInfo | None = None
    section: type[BaseModel] | None = None
    for step in where:
        annotation = _core(annotation)
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            section = annotation
            field = annotation.model_fields.get(str(step))
            annotation = field.annotation if field else None
        elif get_origin(annotation) in (list, dict, tuple):
            # list[X], dict[str, X] and tuple[X, ...] are all that the model uses.
            annotation = next(part for part in reversed(get_args(annotation)) if part is not ...)
            section, field = None, None
    return field, section, _core(annotation)


def _core(annotation: Any) -> Any:
    """Without ``| None`` and ``Annotated``."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _core(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return _core(next(part for part in get_args(annotation) if part is not type(None)))
    return annotation


def _keys(section: type[BaseModel]) -> list[str]:
    """Keys that may be written in a section; a model also takes those of its single endpoint."""
    inline = model.Endpoint.model_fields if section is model.Model else {}
    return [*section.model_fields, *inline]


def _literals(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) is Literal else ()


def _holds_unset(value: Any) -> bool:
    """Whether a value is wrong only because a variable is not set, which has been told already."""
    return isinstance(value, str) and UNSET in value


def _present(tree: Any, where: Iterable[Step]) -> tuple[Step, ...]:
    """The steps of a path that are in the tree; those of expanded short forms are not."""
    present: list[Step] = []
    for step in where:
        if isinstance(tree, dict):
            if step not in tree:
                continue
        elif not (isinstance(tree, list) and isinstance(step, int) and step < len(tree)):
            continue
        tree = tree[step]
        present.append(step)
    return tuple(present)


def _unshift(where: tuple[Step, ...], positions: Mapping[tuple[Step, ...], list[int]]) -> tuple[Step, ...]:
    """A path in a tree that lost list members, as a path in the tree as it was written."""
    whole: list[Step] = []
    for position, step in enumerate(where):
        kept = positions.get(where[:position])
        whole.append(kept[step] if kept is not None and isinstance(step, int) and step < len(kept) else step)
    return tuple(whole)


def _without(tree: Any, cut: set[tuple[Step, ...]]) -> tuple[Any, dict[tuple[Step, ...], list[int]]]:
    """A copy without the cut parts; for each list that lost members, the old positions of what is left."""
    positions: dict[tuple[Step, ...], list[int]] = {}
    above = {path[:length] for path in cut for length in range(len(path))}

    def copy(value: Any, old: tuple[Step, ...], new: tuple[Step, ...]) -> Any:
        if old not in above:
            return value
        if isinstance(value, dict):
            return {key: copy(part, (*old, key), (*new, key)) for key, part in value.items() if (*old, key) not in cut}
        if isinstance(value, list):
            kept = [position for position in range(len(value)) if (*old, position) not in cut]
            if len(kept) < len(value):
                positions[new] = kept
            return [copy(value[position], (*old, position), (*new, index)) for index, position in enumerate(kept)]
        return value

    return ({} if () in cut else copy(tree, (), ())), positions
