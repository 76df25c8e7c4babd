"""The rows are well formed, and the promised providers are among them."""

from __future__ import annotations

import re
from datetime import date
from urllib.parse import urlsplit

import pytest

from turnout.config.account import filled
from turnout.config.compile import PROVIDER_SLUG
from turnout.config.proxy import from_environment
from turnout.config.values import base_url
from turnout.providers import ROWS, Row, row
from turnout.providers.dialect import PATHS
from turnout.providers.rows import CHECKED

PROMISED = {
    *("openai", "openrouter", "groq", "together", "fireworks", "deepinfra", "deepseek", "mistral", "xai", "cerebras"),
    *("perplexity", "nebius", "novita", "hyperbolic", "sambanova", "nvidia", "moonshotai", "z-ai"),
    *("ollama", "vllm", "llamacpp", "lmstudio"),
}


def test_every_promised_provider_has_a_row() -> None:
    assert {known.slug for known in ROWS} >= PROMISED


def test_slugs_names_and_variables_are_unique() -> None:
    for values in (
        [known.slug for known in ROWS],
        [known.name for known in ROWS],
        [known.base_url for known in ROWS],
        [variable for known in ROWS for variable in known.env],
    ):
        assert len(values) == len(set(values))


@pytest.mark.parametrize("known", ROWS, ids=lambda known: known.slug)
def test_a_row_is_well_formed(known: Row) -> None:
    assert PROVIDER_SLUG.fullmatch(known.slug)
    assert known.wires
    for wire in known.wires:
        url = filled(wire.base_url, {setting.name: "x" for setting in known.settings})
        assert base_url(url) == url
        assert set(wire.operations) <= set(PATHS[wire.dialect])
    assert urlsplit(known.docs).scheme == "https"
    assert all(re.fullmatch(r"[A-Z][A-Z0-9_]+", variable) for variable in known.env)
    is_local = from_environment(known.base_url, {"ALL_PROXY": "http://p"}) is None
    assert known.key_optional == is_local == (not known.env)
    assert known.base_url.startswith("http://" if is_local else "https://")


def test_the_rows_are_found_by_slug_and_dated() -> None:
    assert row("groq") in ROWS
    assert row("nobody") is None
    assert date.fromisoformat(CHECKED) <= date(2100, 1, 1)


def test_only_a_gateway_gets_the_gateway_s_own_fields() -> None:
    assert [known.slug for known in ROWS if known.routing_fields] == ["openrouter"]
