"""Every source says what it is and how old, and its numbers are read without floats."""

from __future__ import annotations

from decimal import Decimal
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

import pytest

from turnout.catalogue.making import sources

if TYPE_CHECKING:
    from pathlib import Path


def test_sources_say_version_day_and_place() -> None:
    for source in sources.SOURCES:
        assert source.version
        assert len(source.released) == 10
        assert source.released <= sources.MADE
        assert source.url.startswith("https://")


def test_the_installed_price_list_is_the_one_that_is_named() -> None:
    try:
        installed = version("genai-prices")
    except PackageNotFoundError:
        pytest.skip("genai-prices is not installed")
    assert installed == sources.SOURCES[sources.GENAI].version


def test_fractions_are_exact() -> None:
    assert sources.exact(b'{"a": 1.5e-07}') == {"a": Decimal("1.5e-07")}


def test_a_missing_source_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="make catalogue"):
        sources.litellm(tmp_path)
