"""OpenRouter's routing, point by point: each point has a test that carries its name, or docs/checklist.md says why not.

The points are those of the groups below, numbered as in the compatibility checklist that Turnout was built by. A test
carries a point's name as ``test_r01_…`` in Python or ``fn r01_…`` in Rust; several points may share a test:
``test_r05_r06_…``.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
POINTS: Final = {"n": 11, "r": 37, "s": 8, "k": 13, "g": 11, "d": 6, "u": 6, "t": 2, "v": 4, "y": 8, "z": 2}
"""Letter of a group → its last number. Names, routing, stickiness, response cache, errors, debugging, routers, tiers,
presets, own provider keys, insurance."""
NAMED: Final = re.compile(r"(?:def test_|fn )((?:[a-z]\d\d_)+)")


def carried() -> set[str]:
    """Points that some test is named after."""
    files = [*(ROOT / "tests").rglob("test_*.py"), *(ROOT / "rust").rglob("*.rs")]
    names = (found for file in files for found in NAMED.findall(file.read_text(encoding="utf-8")))
    return {point for name in names for point in name.strip("_").split("_")}


def left_out() -> set[str]:
    """Points that the page gives a reason for."""
    page = (ROOT / "docs" / "checklist.md").read_text(encoding="utf-8")
    return {row.lower() for row in re.findall(r"^\| ([A-Z]\d\d) \| \S", page, re.MULTILINE)}


def test_every_point_has_a_test_or_a_reason() -> None:
    points = {f"{letter}{number:02}" for letter, last in POINTS.items() for number in range(1, last + 1)}
    assert points - carried() - left_out() == set()


def test_no_point_is_both_tested_and_left_out() -> None:
    assert carried() & left_out() == set()
