"""``docs/config.md`` says what the model says."""

from __future__ import annotations

from pathlib import Path

from turnout.config import model
from turnout.config.reference import _sections, render

PAGE = Path(__file__).parents[2] / "docs" / "config.md"


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == render(), "run: python -m turnout.config.reference > docs/config.md"


def test_every_section_and_field_is_on_the_page() -> None:
    page = render()
    for path, section in _sections(model.Config, ""):
        start = page.index(f"## `{path}`" if path else "## The file")
        end = page.find("\n## ", start + 1)
        for name in section.model_fields:
            assert f"| `{name}` |" in page[start:end], f"{path}.{name}"


def test_defaults_and_ranges_are_written_with_their_units() -> None:
    page = render()
    assert "| `body` | size | `32MiB` | 1KiB to 1GiB |" in page
    assert "| `header` | duration | `10s` | 100ms to 5m |" in page
    assert "| `flush` | duration | `250ms` | 10ms to 1m |" in page
    assert "| `prompt` | price | required |" in page
