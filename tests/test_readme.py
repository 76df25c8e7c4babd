"""The README's blocks are true: its configuration compiles, its program parses, its commands and files exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from turnout.cli import app
from turnout.config import load
from turnout.config.compile import compile as compile_config
from turnout.providers.rows import ROWS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def test_the_configuration_compiles(tmp_path: Path) -> None:
    (block,) = blocks("yaml")
    (tmp_path / "groq.key").write_text("gsk-test\n")
    path = tmp_path / "turnout.yaml"
    path.write_text(block)
    environment = {"LAPTOP_KEY": "sk-to-v1-" + "ab" * 32, "OPENAI_API_KEY": "sk-test"}
    compiled = compile_config(load.load(path, environment), auth=True, environment=environment)
    slugs = [model.slug for model in compiled.snapshot.models]
    assert slugs[:2] == ["openai/gpt-4o-mini", "meta-llama/llama-3.3-70b-instruct"]
    assert len(slugs) > 50, "the providers bring the rest of their models"


def test_the_program_parses() -> None:
    for block in blocks("python"):
        ast.parse(block)


@pytest.mark.parametrize("name", re.findall(r"^\| `turnout (\w+)", README, re.MULTILINE))
def test_each_command_exists(name: str) -> None:
    assert CliRunner().invoke(app, [name, "--help"]).exit_code == 0


def test_each_make_target_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"\bmake ([a-z]+)\b", "\n".join(blocks("sh"))):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_each_linked_file_exists() -> None:
    for link in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / link).exists(), link


def test_each_named_provider_is_on_the_page_that_the_readme_links() -> None:
    page = (ROOT / "docs" / "providers.md").read_text(encoding="utf-8")
    assert "docs/providers.md" in README
    assert [row.slug for row in ROWS if f"| `{row.slug}` | {row.name} |" not in page] == []
