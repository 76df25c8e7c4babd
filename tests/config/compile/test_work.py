"""The notebook of a compilation: where mistakes are told, and what is not told twice."""

from __future__ import annotations

from turnout.config.compile.work import Work
from turnout.config.load import read


def work(text: str) -> Work:
    return Work(read("t.yaml", text.encode(), {}, path=None), {})


def test_a_mistake_has_its_place_and_a_near_name() -> None:
    notes = work("providers:\n  groq: {name: x}\n")
    notes.wrong(("providers", "groq", "name"), "no", name="xy", known=["xyz", "abc"])
    (mistake,) = notes.mistakes
    assert (mistake.line, mistake.key_path, mistake.near) == (2, "providers.groq.name", "xyz")


def test_warnings_are_kept_apart() -> None:
    notes = work("providers: {}\n")
    notes.warn(("providers",), "careful")
    assert notes.mistakes == []
    assert [str(warning).endswith("careful") for warning in notes.warnings] == [True]


def test_what_was_left_out_is_cut_and_what_is_above_it_is_hurt() -> None:
    notes = work("providers: {own: {base_url: nonsense}}\n")
    assert notes.is_cut("providers", "own", "base_url")
    assert not notes.is_cut("providers", "own")
    assert notes.is_hurt("providers", "own")
