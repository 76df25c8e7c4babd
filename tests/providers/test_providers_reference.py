"""``docs/providers.md`` says what the rows say."""

from __future__ import annotations

from pathlib import Path

from turnout.providers import ROWS
from turnout.providers.reference import render

PAGE = Path(__file__).parents[2] / "docs" / "providers.md"


def test_the_page_is_up_to_date() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text == render(), "run: python -m turnout.providers.reference > docs/providers.md"


def test_every_row_wire_variable_and_setting_is_on_the_page() -> None:
    page = render()
    for row in ROWS:
        assert f"| `{row.slug}` | {row.name} |" in page
        assert all(f"`{name}`" in page for name in row.env)
        assert all(f"**{wire.dialect}** `{wire.base_url}`" in page for wire in row.wires)
        assert all(f"| `{row.slug}` | `{setting.name}` |" in page for setting in row.settings)


def test_what_is_not_known_is_called_unknown() -> None:
    line = next(line for line in render().splitlines() if line.startswith("| `chutes` | unknown"))
    assert line.startswith("| `chutes` | unknown | unknown | unknown | US |")
