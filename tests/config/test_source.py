"""YAML with places: the core schema, variables, merge keys, and what is refused."""

from __future__ import annotations

import importlib.util
from decimal import Decimal

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from turnout.config import source
from turnout.config.source import DEPTH_MAX, UNSET, parse, show_path


def tree(text: str, environment: dict[str, str] | None = None) -> object:
    parsed = parse("t.yaml", text.encode(), environment or {})
    assert parsed.mistakes == []
    return parsed.tree


def told(content: str | bytes, environment: dict[str, str] | None = None) -> list[tuple[int, int, str]]:
    parsed = parse("t.yaml", content if isinstance(content, bytes) else content.encode(), environment or {})
    return [(mistake.line, mistake.column, mistake.message) for mistake in parsed.mistakes]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("true", True),
        ("False", False),
        ("no", "no"),
        ("on", "on"),
        ("~", None),
        ("", None),
        ("010", 10),
        ("0x1F", 31),
        ("0o17", 15),
        ("-7", -7),
        ("0.1", Decimal("0.1")),
        ("1e-9", Decimal("1e-9")),
        ("12:30", "12:30"),
        ("2027-01-31", "2027-01-31"),
        ("1_000", "1_000"),
        ("'5'", "5"),
        ("5" * 64, "5" * 64),
        (".inf", Decimal("Infinity")),
        ("-.INF", Decimal("-Infinity")),
        ("=", "="),
    ],
)
def test_scalars_are_read_by_the_core_schema(written: str, value: object) -> None:
    assert tree(f"x: {written}") == {"x": value}


def test_not_a_number_is_read_as_such() -> None:
    parsed = parse("t.yaml", b"x: .nan", {})
    assert parsed.tree["x"].is_nan()


def test_nothing_is_an_empty_configuration() -> None:
    assert tree("") == {}
    assert tree("# only a comment\n") == {}
    assert tree("\ufeffx: 1") == {"x": 1}


def test_keys_are_always_text() -> None:
    assert tree("1: a\ntrue: b") == {"1": "a", "true": "b"}


def test_merged_keys_are_overridden_by_own_ones() -> None:
    text = "a: &a {x: 1, y: 2}\nb: &b {y: 3, z: 4}\nc: {<<: [*a, *b], x: 5}"
    assert tree(text) == {"a": {"x": 1, "y": 2}, "b": {"y": 3, "z": 4}, "c": {"x": 5, "y": 2, "z": 4}}


def test_variables_are_replaced_in_values() -> None:
    environment = {"SET": "v", "EMPTY": ""}
    assert tree("x: a${SET}b", environment) == {"x": "avb"}
    assert tree("x: '${NONE:-d} ${EMPTY:-d} ${SET:-d} ${NONE:-}'", environment) == {"x": "d d v "}
    assert tree("x: $$SET $${SET} $5 a$", environment) == {"x": "$SET ${SET} $5 a$"}
    assert tree("x: ${EMPTY}", environment) == {"x": ""}
    assert tree("x: ${SET}", {"SET": "${OTHER}\ny: 1"}) == {"x": "${OTHER}\ny: 1"}


def test_a_variable_that_is_not_set_is_named() -> None:
    assert told("a: 1\nb: [x, 'y${NO_SUCH}']") == [
        (2, 8, "the environment variable NO_SUCH is not set: set it, or write ${NO_SUCH:-default}")
    ]
    assert UNSET in parse("t.yaml", b"b: ${NO_SUCH}", {}).tree["b"]


@pytest.mark.parametrize("written", ["${", "${}", "${1A}", "${A", "${A:+x}"])
def test_a_variable_that_is_not_well_formed_is_a_mistake(written: str) -> None:
    assert told(f"a: '{written}'") == [
        (1, 4, "${ must go on as in ${NAME} or ${NAME:-default}; write $$ for a dollar sign")
    ]


def test_a_default_that_holds_a_variable_is_a_mistake() -> None:
    assert [message for _, _, message in told("a: '${A:-${B}}'")] == [
        "the default of a variable is plain text: it cannot hold another variable"
    ]


def test_a_key_that_occurs_twice_is_a_mistake() -> None:
    assert told("a: {b: 1,\n  b: 2}") == [(2, 3, "this key occurs twice; the first one counts")]


@pytest.mark.parametrize(
    ("text", "line", "part"),
    [
        ("a: 1\nb: ]", 2, "not valid YAML"),
        ("a: 1\n b: 2", 2, "not valid YAML"),
        ("a: 1\n---\nb: 2", 2, "not valid YAML"),
        ("a: *nowhere", 1, "not valid YAML"),
        ("a: !python/object:os.system x", 1, "is not supported"),
        ("? [a]\n: 1", 1, "a key must be plain text"),
        ("a: {<<: 5}", 1, "<< needs a mapping"),
        ("- a", 1, "expected keys such as server:"),
        ("just text", 1, "expected keys such as server:"),
        ("a: \x01", 1, "a control character"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_line(text: str, line: int, part: str) -> None:
    found = told(text)
    assert len(found) == 1
    assert found[0][0] == line
    assert part in found[0][2]


def test_bytes_that_are_not_utf8_are_told_with_their_place() -> None:
    assert told(b"a: 1\nb: \xff") == [(2, 4, "this byte is not UTF-8: save the file as UTF-8")]


def test_nesting_and_expansion_are_bounded() -> None:
    deep = "a: " + "[" * (DEPTH_MAX + 10) + "]" * (DEPTH_MAX + 10)
    assert "nested deeper" in told(deep)[0][2]
    itself = told("a: &a [*a]")
    assert itself
    assert "nested deeper" in itself[0][2]


def test_the_expansion_of_aliases_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "NODES_MAX", 100)
    doubling = "\n".join(f"x{n}: &x{n} [*x{n - 1}, *x{n - 1}]" for n in range(1, 12))
    assert [message for _, _, message in told(f"x0: &x0 [1]\n{doubling}")] == [
        "more than 100 values after aliases are expanded"
    ]


def test_without_libyaml_the_result_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(yaml, "CSafeLoader")
    spec = importlib.util.spec_from_file_location("source_without_libyaml", source.__file__)
    assert spec is not None
    assert spec.loader is not None
    slow = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(slow)
    for text in ("a: {b: [1, 2.5, no, 2027-01-31, '${A:-x}']}", "a: ]", "a: 1\na: 2", "a: \x01", "a: " + "[" * 300):
        fast_one, slow_one = source.parse("t", text.encode(), {}), slow.parse("t", text.encode(), {})
        assert slow_one.tree == fast_one.tree
        assert [one.line for one in slow_one.mistakes] == [one.line for one in fast_one.mistakes]


def test_nesting_of_any_depth_is_a_mistake_and_no_crash() -> None:
    assert told("a: " + "[" * 200_000)
    assert told("a: " + "[" * 5_000 + "]" * 5_000)


def test_a_path_is_found_through_lists_merges_and_short_forms() -> None:
    parsed = parse("t.yaml", b"base: &b\n  deep: [1,\n    2]\nuser: {<<: *b}\n", {})
    assert (parsed.mistake(("base", "deep", 1), "m").line, parsed.mistake(("base", "deep", 1), "m").column) == (3, 5)
    merged = parsed.mistake(("user", "deep"), "m")
    assert (merged.line, merged.key_path) == (2, "user.deep")
    skipped = parsed.mistake(("user", "endpoints", 0, "missing"), "m")
    assert (skipped.line, skipped.key_path) == (4, "user.missing")
    assert parsed.mistake((), "m").line == 0


def test_paths_are_shown_as_people_write_them() -> None:
    assert show_path(("models", "a/b", "endpoints", 0, "tag")) == "models.a/b.endpoints[0].tag"


@given(st.binary(max_size=300))
def test_no_bytes_make_the_parser_raise(content: bytes) -> None:
    assert isinstance(parse("t.yaml", content, {}).tree, dict)


@given(st.text(max_size=200))
def test_no_text_makes_the_parser_raise(text: str) -> None:
    assert isinstance(parse("t.yaml", text.encode("utf-8", "surrogatepass"), {"A": "b"}).tree, dict)


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40))
def test_a_doubled_dollar_gives_any_text_back(text: str) -> None:
    quoted = "'" + text.replace("'", "''").replace("$", "$$") + "'"
    assert tree(f"x: {quoted}") == {"x": text}
