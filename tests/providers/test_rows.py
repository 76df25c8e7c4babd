"""The rows: well-formed, unique, and with no promise that has no source."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest

from turnout.config.compile import PROVIDER_SLUG
from turnout.config.compile.account import filled
from turnout.config.compile.proxy import from_environment
from turnout.config.values import base_url, is_setting, url_path
from turnout.providers import ROWS, Row, row
from turnout.providers.dialect import FOLLOWING, PATHS

PROMISED = {
    *("openai", "openrouter", "groq", "together", "fireworks", "deepinfra", "deepseek", "mistral", "xai", "cerebras"),
    *("perplexity", "nebius", "novita", "hyperbolic", "sambanova", "nvidia", "moonshotai", "z-ai", "anthropic"),
    *("google-ai-studio", "google-vertex", "amazon-bedrock", "azure", "cohere", "minimax", "alibaba", "cloudflare"),
    *("ollama", "vllm", "llamacpp", "lmstudio"),
}


def settings(known: Row) -> dict[str, str]:
    """A value for each setting."""
    return {one.name: dict(one.choices).get(one.default or "", one.default or "x") for one in known.settings}


def urls(known: Row) -> list[tuple[str, str]]:
    return [(wire.dialect, filled(wire.base_url, settings(known))) for wire in known.wires]


def test_every_promised_provider_has_a_row() -> None:
    assert {known.slug for known in ROWS} >= PROMISED
    assert len(ROWS) >= 60


def test_slugs_names_places_and_variables_are_unique() -> None:
    for values in (
        [known.slug for known in ROWS],
        [known.name for known in ROWS],
        [place for known in ROWS for place in urls(known) if "x" not in settings(known).values()],
        [variable for known in ROWS for variable in known.env],
    ):
        assert len(values) == len(set(values))


@pytest.mark.parametrize("known", ROWS, ids=lambda known: known.slug)
def test_a_row_is_well_formed(known: Row) -> None:
    assert PROVIDER_SLUG.fullmatch(known.slug)
    assert len({wire.dialect for wire in known.wires}) == len(known.wires) >= 1
    for wire in known.wires:
        url = filled(wire.base_url, settings(known))
        assert base_url(url) == url
        assert wire.operations
        assert set(wire.operations) <= {*PATHS[wire.dialect], *FOLLOWING.get(wire.dialect, ())}
        assert {operation for operation, _ in wire.paths} <= set(wire.operations)
        for _, path in wire.paths:
            assert url_path(filled(path, settings(known)))
    for link in (known.docs, known.privacy_url, known.terms_url, known.status_url, known.policy.source):
        assert link is None or urlsplit(link).scheme == "https"
    assert all(re.fullmatch(r"[A-Z][A-Z0-9_]+", variable) for variable in known.env)
    for country in (known.headquarters, *known.datacenters):
        assert country is None or re.fullmatch(r"[A-Z]{2}", country)
    is_local = from_environment(known.base_url, {"ALL_PROXY": "http://p"}) is None
    assert known.key_optional == is_local == (not known.env and known.identity is None)
    assert known.base_url.startswith("http://" if is_local else "https://")


@pytest.mark.parametrize("known", [known for known in ROWS if known.settings], ids=lambda known: known.slug)
def test_every_setting_is_used_and_has_a_default_that_exists(known: Row) -> None:
    text = " ".join([wire.base_url + str(wire.paths) for wire in known.wires])
    for setting in known.settings:
        assert f"{{{setting.name}}}" in text or f"{{{setting.name}-}}" in text
        assert setting.default is None or is_setting(setting.default)
        assert not setting.choices or setting.default in dict(setting.choices)
    assert "{" not in " ".join(url for _, url in urls(known))


def test_a_policy_without_a_source_claims_nothing() -> None:
    for known in ROWS:
        policy = known.policy
        claims = policy.training is not None or policy.retention_days is not None or policy.zdr_offered
        assert claims == (policy.source is not None), known.slug


def test_the_rows_are_found_by_slug() -> None:
    assert row("groq") in ROWS
    assert row("nobody") is None


def test_only_a_gateway_gets_the_gateway_s_own_fields() -> None:
    assert [known.slug for known in ROWS if known.routing_fields] == ["openrouter"]


def test_what_is_commonly_set_for_something_else_switches_nothing_on() -> None:
    quiet = {known.slug for known in ROWS if not known.detect}
    common = {"GITHUB_TOKEN", "WANDB_API_KEY", "DATABRICKS_TOKEN", "CLOUDFLARE_API_TOKEN"}
    assert {known.slug for known in ROWS if common & set(known.env)} <= quiet
