"""YAML text with the place of every key, the environment filled in.

Only YAML's core schema (1.2) is read: ``no`` and ``on`` are text, ``010`` is ten, a number with a point is an exact
``Decimal``, a date stays text. A key that occurs twice is a mistake instead of a silent choice. Anchors, aliases and
``<<`` work; their expansion is bounded.

Variables: ``${NAME}`` must be set, ``${NAME:-text}`` takes the text when it is unset or empty, ``$$`` is a dollar sign.
They are replaced in values, never in keys, and never change the structure: the result is always text.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import yaml

from turnout.config.mistake import Mistake

try:
    from yaml import CSafeLoader as _BaseLoader
except ImportError:  # PyYAML was built without libyaml: the same result, about ten times slower.
    from yaml import SafeLoader as _BaseLoader  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Step = str | int
"""One step into the tree: a key, or a position in a list."""

SOURCE_BYTES_MAX: Final = 128 * 2**20
NODES_MAX: Final = 10_000_000
"""Values after aliases are expanded; a file that reaches this was made to exhaust memory."""
DEPTH_MAX: Final = 64
NUMBER_CHARACTERS_MAX: Final = 40
"""No field takes a longer number; what is longer is text, such as a SHA-256 that happens to have digits only."""

_TAG: Final = "tag:yaml.org,2002:"


class _Loader(_BaseLoader):
    """Composes nodes; the plain scalars that mean something are YAML 1.2's."""

    # Replaces the resolvers of YAML 1.1 that every loader inherits; the loop below fills it.
    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 — PyYAML declares it as a plain attribute
    depth = 0

    def resolve(self, kind: type[yaml.Node], value: Any, implicit: Any) -> str:
        """The tag of a node. Called for each of a million nodes, so it does without what Turnout never registers."""
        if kind is not yaml.ScalarNode:
            return _TAG + ("map" if kind is yaml.MappingNode else "seq")
        if implicit[0]:
            for tag, pattern in self.yaml_implicit_resolvers.get(value[:1], ()):
                if pattern.match(value):
                    return str(tag)
        return _TAG + "str"

    def descend_resolver(self, current_node: yaml.Node | None, current_index: Any) -> None:
        """Called before each node, above it ``current_node``. libyaml's composer recurses in C, where nobody else
        counts: a file of brackets would end the process."""
        self.depth += 1
        if self.depth > DEPTH_MAX:
            mark = current_node.start_mark if current_node else None
            raise yaml.MarkedYAMLError(problem=f"nested deeper than {DEPTH_MAX} levels", problem_mark=mark)

    def ascend_resolver(self) -> None:
        """Called after each node."""
        self.depth -= 1


for _name, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", "~nN\0"),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    (
        "float",
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        "-+.0123456789",
    ),
    ("merge", r"<<", "<"),
):
    _Loader.add_implicit_resolver(
        _TAG + _name, re.compile(rf"(?:{_pattern})\Z"), ["" if c == "\0" else c for c in _first]
    )


class Source:
    """A parsed file: ``tree`` in plain values, ``mistakes`` found on the way, and the place of every key."""

    def __init__(self, name: str, root: yaml.Node | None, tree: Any, mistakes: list[Mistake]) -> None:
        self.name = name
        self.tree = tree
        self.mistakes = mistakes
        self._root = root

    def mistake(self, path: Sequence[Step], message: str, near: str | None = None) -> Mistake:
        """A mistake at this key, or at the closest one above it that was written.

        Steps that nobody wrote are skipped, so a path through a short form (``endpoints``, 0) finds the inline key.
        """
        node = self._root
        line, column = (node.start_mark.line + 1, node.start_mark.column + 1) if node and path else (0, 0)
        shown: list[Step] = []
        for position, step in enumerate(path):
            found = _child(node, step)
            if found is None:
                if position == len(path) - 1:
                    shown.append(step)
                continue
            mark, node = found
            line, column = mark.start_mark.line + 1, mark.start_mark.column + 1
            shown.append(step)
        return Mistake(self.name, line, column, show_path(shown), message, near)


def show_path(path: Sequence[Step]) -> str:
    """``models.openai/gpt-4o.endpoints[0]``."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else str(step)
    return text


def parse(name: str, content: bytes, environment: Mapping[str, str]) -> Source:
    """Reads YAML; never raises for what is in it. ``name`` is how the file is called in mistakes."""
    if len(content) > SOURCE_BYTES_MAX:
        return Source(name, None, {}, [Mistake(name, 0, 0, "", f"the file has more than {SOURCE_BYTES_MAX >> 20} MiB")])
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start]
        line, column = before.count(b"\n") + 1, error.start - (before.rfind(b"\n") + 1) + 1
        return Source(
            name, None, {}, [Mistake(name, line, column, "", "this byte is not UTF-8: save the file as UTF-8")]
        )
    try:
        root = _composed(text)
    except yaml.MarkedYAMLError as error:
        return Source(name, None, {}, [_syntax(name, error)])
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        return Source(name, None, {}, [Mistake(name, line, 1, "", "a control character that YAML does not allow")])
    if root is None:
        return Source(name, None, {}, [])
    builder = _Builder(name, environment)
    tree = builder.value(root, ())
    source = Source(name, root, tree, builder.mistakes)
    if not isinstance(tree, dict):
        if tree is None:
            source.tree = {}
        else:
            builder.mistakes.append(
                Mistake(name, 1, 1, "", "expected keys such as server: or providers:, not a list or a single value")
            )
            source.tree = {}
    return source


def _composed(text: str) -> yaml.Node | None:
    """The nodes of the only document, or ``None`` when there is none. Raises what PyYAML raises."""
    loader = _Loader(text)
    try:
        root: yaml.Node | None = loader.get_single_node()
    finally:
        loader.dispose()
    return root


def _syntax(name: str, error: yaml.MarkedYAMLError) -> Mistake:
    mark = error.problem_mark or error.context_mark
    what = " ".join(part for part in (error.context, error.problem) if part) or "not YAML"
    return Mistake(name, mark.line + 1 if mark else 0, mark.column + 1 if mark else 0, "", f"not valid YAML: {what}")


def _child(node: yaml.Node | None, step: Step) -> tuple[yaml.Node, yaml.Node] | None:
    """The node to point at and the node to go on with; merged keys are found where they were written."""
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int):
        return (node.value[step], node.value[step]) if 0 <= step < len(node.value) else None
    if not isinstance(node, yaml.MappingNode):
        return None
    merged: list[yaml.Node] = []
    for key, value in node.value:
        if key.tag == _TAG + "merge":
            merged += value.value if isinstance(value, yaml.SequenceNode) else [value]
        elif isinstance(key, yaml.ScalarNode) and key.value == step:
            return key, value
    return next((found for part in merged if (found := _child(part, step))), None)


class _Builder:
    """Turns nodes into plain values and gathers mistakes."""

    def __init__(self, name: str, environment: Mapping[str, str]) -> None:
        self.name = name
        self.environment = environment
        self.mistakes: list[Mistake] = []
        self.nodes = 0

    def value(self, node: yaml.Node, path: tuple[Step, ...]) -> Any:
        self.nodes += 1
        if len(path) > DEPTH_MAX:
            # Only an alias that stands inside its own anchor gets here; anything else was refused while composing.
            self.wrong(node, path[:1], f"nested deeper than {DEPTH_MAX} levels: an alias holds itself")
            return None
        if self.nodes > NODES_MAX:
            if self.nodes == NODES_MAX + 1:
                self.wrong(node, path, f"more than {NODES_MAX} values after aliases are expanded")
            return None
        if isinstance(node, yaml.ScalarNode):
            return self.scalar(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*path, position)) for position, item in enumerate(node.value)]
        return self.mapping(node, path)

    def mapping(self, node: yaml.Node, path: tuple[Step, ...]) -> dict[str, Any]:
        own: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key, value in node.value:
            if key.tag == _TAG + "merge":
                parts = value.value if isinstance(value, yaml.SequenceNode) else [value]
                for part in parts:
                    if not isinstance(part, yaml.MappingNode):
                        self.wrong(part, path, "<< needs a mapping, or a list of mappings")
                        continue
                    # The first of several merged mappings wins over the later ones, as in YAML's merge draft.
                    merged = {**self.mapping(part, path), **merged}
                continue
            if not isinstance(key, yaml.ScalarNode):
                self.wrong(key, path, "a key must be plain text")
                continue
            if key.value in own:
                self.wrong(key, (*path, key.value), "this key occurs twice; the first one counts")
                continue
            own[key.value] = self.value(value, (*path, key.value))
        return {**merged, **own} if merged else own

    def scalar(self, node: yaml.ScalarNode, path: tuple[Step, ...]) -> Any:
        text: str = node.value
        match node.tag.removeprefix(_TAG):
            case "str":
                return self.expand(node, path) if "$" in text else text
            case "null":
                return None
            case "bool":
                return text.lower() == "true"
            case "int" | "float" if len(text) > NUMBER_CHARACTERS_MAX:
                return text
            case "int":
                return int(text, 8 if text.startswith("0o") else 16 if text.startswith("0x") else 10)
            case "float":
                return _decimal(text)
            case other:
                self.wrong(node, path, f"the tag {other} is not supported; write a plain value")
                return text

    def expand(self, node: yaml.ScalarNode, path: tuple[Step, ...]) -> str:
        def replaced(match: re.Match[str]) -> str:
            if match["dollar"]:
                return "$"
            if match["name"] is None:
                self.wrong(node, path, "${ must go on as in ${NAME} or ${NAME:-default}; write $$ for a dollar sign")
                return match[0]
            found = self.environment.get(match["name"])
            if match["default"] is not None:
                if "${" in match["default"]:
                    self.wrong(node, path, "the default of a variable is plain text: it cannot hold another variable")
                return found or match["default"]
            if found is None:
                self.wrong(
                    node,
                    path,
                    f"the environment variable {match['name']} is not set: set it, "
                    f"or write ${{{match['name']}:-default}}",
                )
                # A value that is wrong only because of this must not be reported a second time.
                return UNSET
            return found

        return _VARIABLE.sub(replaced, node.value)

    def wrong(self, node: yaml.Node, path: tuple[Step, ...], message: str) -> None:
        mark = node.start_mark
        self.mistakes.append(Mistake(self.name, mark.line + 1, mark.column + 1, show_path(path), message))


def _decimal(text: str) -> Decimal:
    """An exact number; YAML writes infinity and not-a-number with a leading point."""
    if text.lower().endswith(".inf"):
        return Decimal("-Infinity" if text.startswith("-") else "Infinity")
    return Decimal("NaN") if text.lower() == ".nan" else Decimal(text)


UNSET: Final = "\ue000unset"
"""Stands where a variable was not set; a second mistake about a value that holds it says nothing new."""

_VARIABLE: Final = re.compile(r"(?P<dollar>\$\$)|\$\{(?:(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}|)")
