"""A provider that is on brings its models; what somebody wrote wins over what the catalogue says."""

from __future__ import annotations

import sys
import textwrap
from typing import TYPE_CHECKING, Any

import pytest

from turnout.catalogue import data
from turnout.catalogue.entry import Catalogue, Endpoint, Entry, Prices, Tier
from turnout.config.compile import Compiled, compile
from turnout.config.load import load
from turnout.config.snapshot import encode
from turnout.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from turnout.config import snapshot

ENVIRONMENT = {
    "OPENAI_API_KEY": "sk-1",
    "GROQ_API_KEY": "gsk-1",
    "XAI_API_KEY": "xai-1",
    "DEEPINFRA_API_KEY": "di-1",
    "OPENROUTER_API_KEY": "or-1",
}

SMALL = Catalogue(
    format=1,
    made="2026-11-22",
    sources=(),
    families={"openai/gpt": ("openai/gpt-9", "openai/gpt-8"), "x-ai/grok": ("x-ai/grok-9",)},
    makers={"openai": "openai", "xai": "x-ai"},
    models=(
        Entry(
            slug="meta-llama/llama-9",
            name="Meta: Llama 9",
            context_length=1000,
            parameters=("tools",),
            endpoints=(
                Endpoint(provider="deepinfra", model="L9", prices=Prices(prompt=2, completion=2), quantization="fp8"),
                Endpoint(
                    provider="deepinfra",
                    model="L9-Turbo",
                    tag="deepinfra/turbo",
                    prices=Prices(prompt=1, completion=1, tiers=(Tier(above_tokens=5, prompt=9),)),
                ),
                Endpoint(
                    provider="groq", model="llama-9-versatile", prices=Prices(prompt=1, completion=2), context_length=99
                ),
                Endpoint(provider="openrouter", model="meta-llama/llama-9"),
            ),
        ),
        Entry(
            slug="openai/gpt-8",
            name="OpenAI: GPT-8",
            canonical_slug="openai/gpt-8-2026-01-01",
            aliases=("gpt-8", "gpt-8-2026-01-01"),
            inputs=("text", "image"),
            endpoints=(
                Endpoint(provider="openai", model="gpt-8", prices=Prices(prompt=5, completion=6)),
                Endpoint(provider="openrouter", model="openai/gpt-8", prices=Prices(prompt=5, completion=6)),
            ),
        ),
        Entry(
            slug="openai/gpt-9",
            name="OpenAI: GPT-9",
            endpoints=(Endpoint(provider="openai", model="gpt-9", dialect="responses"),),
        ),
        Entry(slug="x-ai/grok-9", name="xAI: Grok 9", endpoints=(Endpoint(provider="xai", model="grok-9"),)),
    ),
)


def made(directory: Path, text: str) -> Compiled:
    """The configuration ``text`` with the small catalogue as the updated one of its state directory."""
    (directory / data.UPDATED).write_bytes(data.encode(SMALL))
    path = directory / "turnout.yaml"
    path.write_text(f"server: {{state_dir: {directory}}}\n" + textwrap.dedent(text), encoding="utf-8")
    return compile(load(path, ENVIRONMENT), auth=True, environment=ENVIRONMENT)


def models(directory: Path, text: str) -> dict[str, list[snapshot.Endpoint]]:
    return {model.slug: model.endpoints for model in made(directory, text).snapshot.models}


def tags(endpoints: list[snapshot.Endpoint]) -> list[str]:
    return [endpoint.tag for endpoint in endpoints]


def test_a_provider_brings_its_models(tmp_path: Path) -> None:
    assert list(models(tmp_path, "providers: {openai: , xai: }")) == ["openai/gpt-8", "openai/gpt-9", "x-ai/grok-9"]


def test_the_cheapest_endpoint_comes_first_and_the_unpriced_last(tmp_path: Path) -> None:
    found = models(tmp_path, "providers: {openrouter: , groq: , deepinfra: }")["meta-llama/llama-9"]
    assert tags(found) == ["deepinfra/turbo", "groq", "deepinfra", "openrouter"]


def test_of_equal_prices_the_makers_own_comes_first(tmp_path: Path) -> None:
    assert tags(models(tmp_path, "providers: {openrouter: , openai: }")["openai/gpt-8"]) == ["openai", "openrouter"]


def test_an_endpoint_is_complete(tmp_path: Path) -> None:
    turbo, _ = models(tmp_path, "providers: {deepinfra: }")["meta-llama/llama-9"]
    assert (turbo.model, turbo.context_length, turbo.parameters, turbo.inputs) == (
        "L9-Turbo",
        1000,
        ["tools"],
        ["text"],
    )
    assert turbo.prices is not None
    assert len(turbo.prices.version) == 12
    assert (turbo.prices.cache_read, turbo.prices.cache_write_1h) == (1, 1)
    assert (turbo.prices.tiers[0].prompt, turbo.prices.tiers[0].cache_read) == (9, 9)


def test_a_model_is_pinned_to_the_protocol_that_serves_it(tmp_path: Path) -> None:
    assert models(tmp_path, "providers: {openai: }")["openai/gpt-9"][0].dialect == "responses"
    assert "openai/gpt-9" not in models(tmp_path, "providers: {openai: {dialect: openai}}")


def test_the_card_is_the_catalogues(tmp_path: Path) -> None:
    [model, *_] = made(tmp_path, "providers: {openai: }").snapshot.models
    assert '"name":"OpenAI: GPT-8"' in model.card
    assert '"canonical_slug":"openai/gpt-8-2026-01-01"' in model.card


def test_two_accounts_at_one_provider_both_serve(tmp_path: Path) -> None:
    text = "providers: {openai: , work: {row: openai, api_key: sk-2}}"
    assert tags(models(tmp_path, text)["openai/gpt-8"]) == ["openai", "work"]


def test_a_server_of_ones_own_brings_nothing_unless_told(tmp_path: Path) -> None:
    assert models(tmp_path, "providers: {openai: {base_url: 'http://127.0.0.1:1/v1'}}") == {}
    told = models(tmp_path, "providers: {openai: {base_url: 'http://127.0.0.1:1/v1', catalogue: true}}")
    assert "openai/gpt-8" in told
    assert models(tmp_path, "providers: {openai: {catalogue: false}}") == {}


def test_it_can_be_turned_off(tmp_path: Path) -> None:
    result = made(tmp_path, "providers: {openai: }\ncatalogue: false").snapshot
    assert result.models == []
    assert [wildcard.prefix for wildcard in result.wildcards] == ["openai/"]


# ----------------------------------------------------------------------------------------------------- what is written


def test_an_endpoint_without_a_price_takes_the_known_one(tmp_path: Path) -> None:
    [endpoint] = models(tmp_path, "providers: {groq: }\nmodels: {meta-llama/llama-9: groq}")["meta-llama/llama-9"]
    assert (endpoint.model, endpoint.context_length) == ("llama-9-versatile", 99)
    assert endpoint.prices is not None
    assert endpoint.prices.completion == 2


def test_what_is_written_wins_field_by_field(tmp_path: Path) -> None:
    text = """
        providers: {groq: }
        models:
          meta-llama/llama-9:
            name: Ours
            endpoints: [{provider: groq, context_length: 7, prices: {prompt: 1, completion: 1}}]
    """
    [model] = made(tmp_path, text).snapshot.models
    [endpoint] = model.endpoints
    assert (endpoint.model, endpoint.context_length, endpoint.parameters) == ("llama-9-versatile", 7, ["tools"])
    assert endpoint.prices is not None
    assert endpoint.prices.prompt == 1_000_000_000
    assert '"name":"Ours"' in model.card


def test_written_endpoints_are_all_and_in_their_order(tmp_path: Path) -> None:
    text = "providers: {groq: , deepinfra: }\nmodels: {meta-llama/llama-9: {endpoints: [{provider: deepinfra}]}}"
    assert tags(models(tmp_path, text)["meta-llama/llama-9"]) == ["deepinfra"]


def test_another_name_at_the_provider_is_another_endpoint(tmp_path: Path) -> None:
    text = "providers: {{deepinfra: }}\nmodels: {{meta-llama/llama-9: {{provider: deepinfra, model: {name}}}}}"
    [turbo] = models(tmp_path, text.format(name="L9-Turbo"))["meta-llama/llama-9"]
    assert turbo.prices is not None
    assert turbo.prices.prompt == 1
    [unknown] = models(tmp_path, text.format(name="L9-Other"))["meta-llama/llama-9"]
    assert unknown.prices is None


def test_a_model_may_be_described_without_its_endpoints(tmp_path: Path) -> None:
    text = "providers: {openai: }\nmodels: {openai/gpt-8: {name: Ours, input_modalities: [text]}}"
    [model, *_] = made(tmp_path, text).snapshot.models
    assert [(one.tag, one.inputs) for one in model.endpoints] == [("openai", ["text"])]
    assert '"name":"Ours"' in model.card


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("openai/gpt-88: {name: x}", "give endpoints: the catalogue does not know this model"),
        ("openai/*: {}", "give endpoints"),
    ],
)
def test_a_model_that_is_not_known_needs_endpoints(tmp_path: Path, model: str, message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        made(tmp_path, f"providers: {{openai: }}\nmodels: {{{model}}}")
    [mistake] = raised.value.mistakes
    assert mistake.message == message


def test_a_known_model_that_no_provider_of_the_file_has_is_warned_about(tmp_path: Path) -> None:
    result = made(tmp_path, "providers: {openai: }\nmodels: {x-ai/grok-9: {name: x}}")
    assert any("not served" in warning for warning in result.warnings)


# ------------------------------------------------------------------------------------------------- hidden, passed on


def test_hidden_models_are_left_out_but_what_is_written_is_served(tmp_path: Path) -> None:
    text = "providers: {openai: , xai: , groq: }\ncatalogue: {hide: [openai/*, x-ai/grok-9]}"
    assert list(models(tmp_path, text)) == ["meta-llama/llama-9"]
    assert "openai/gpt-8" in models(tmp_path, text + "\nmodels: {openai/gpt-8: {name: Ours}}")


def test_a_pattern_that_hides_nothing_is_warned_about(tmp_path: Path) -> None:
    result = made(tmp_path, "providers: {openai: }\ncatalogue: {hide: [openai/gpt-8, openai/gtp-9]}")
    [warning] = result.warnings
    assert "hides nothing: the catalogue has no model openai/gtp-9" in warning


def test_names_of_tomorrow_are_passed_on_with_their_price_unknown(tmp_path: Path) -> None:
    result = made(tmp_path, "providers: {openai: , xai: , groq: , openrouter: }").snapshot
    found = {
        wildcard.prefix: [(one.tag, one.model, one.prices) for one in wildcard.endpoints]
        for wildcard in result.wildcards
    }
    assert found == {
        "openai/": [("openai", "*", None)],
        "xai/": [("xai", "*", None)],
        "x-ai/": [("xai", "*", None)],
        "groq/": [("groq", "*", None)],
        "openrouter/": [("openrouter", "*", None)],
        "": [("openrouter", "*", None)],
    }
    assert result.wildcards[-1].prefix == ""


def test_what_is_hidden_cannot_be_had_by_passing_it_on(tmp_path: Path) -> None:
    text = "providers: {openai: , groq: , openrouter: }\ncatalogue: {hide: [openai/gpt-8]}"
    result = made(tmp_path, text).snapshot
    assert [wildcard.prefix for wildcard in result.wildcards] == ["openrouter/", "groq/"]


def test_passing_on_can_be_turned_off(tmp_path: Path) -> None:
    result = made(tmp_path, "providers: {openai: }\ncatalogue: {pass_through: false}").snapshot
    assert result.wildcards == []
    assert result.models


def test_a_written_wildcard_wins(tmp_path: Path) -> None:
    text = "providers: {openai: , groq: }\nmodels: {openai/*: groq}"
    result = made(tmp_path, text).snapshot
    found = {wildcard.prefix: tags(wildcard.endpoints) for wildcard in result.wildcards}
    assert found == {"openai/": ["groq"], "groq/": ["groq"]}


# -------------------------------------------------------------------------------------------------------------- aliases


def test_own_and_dated_names_and_families_lead_to_the_model(tmp_path: Path) -> None:
    aliases = made(tmp_path, "providers: {openai: {dialect: openai}}").snapshot.aliases
    assert aliases == {
        "gpt-8": "openai/gpt-8",
        "gpt-8-2026-01-01": "openai/gpt-8",
        "openai/gpt-8-2026-01-01": "openai/gpt-8",
        # gpt-9 is not served here, so the newest that is.
        "~openai/gpt-latest": "openai/gpt-8",
    }


def test_a_written_alias_wins(tmp_path: Path) -> None:
    result = made(tmp_path, "providers: {openai: }\naliases: {gpt-8: openai/gpt-9}")
    assert result.snapshot.aliases["gpt-8"] == "openai/gpt-9"
    assert result.warnings == ()


# ------------------------------------------------------------------------------------------------------- the real thing


def test_a_broken_updated_file_is_told_and_gone_round(tmp_path: Path) -> None:
    made(tmp_path, "providers: {openai: }")
    (tmp_path / data.UPDATED).write_bytes(b"broken")
    path = tmp_path / "turnout.yaml"
    result = compile(load(path, ENVIRONMENT), auth=True, environment=ENVIRONMENT)
    assert len(result.snapshot.models) > 20
    assert any("the one that came with Turnout is used" in warning for warning in result.warnings)


def test_the_packaged_catalogue_serves_every_known_provider(tmp_path: Path) -> None:
    environment: dict[str, Any] = {**ENVIRONMENT, "XDG_STATE_HOME": str(tmp_path)}
    result = compile(load(None, environment), auth=True, environment=environment).snapshot
    slugs = {model.slug for model in result.models}
    assert len(slugs) >= 300
    assert {"openai/gpt-4o-mini", "meta-llama/llama-3.3-70b-instruct", "openai/text-embedding-3-small"} <= slugs
    assert all(model.endpoints for model in result.models)
    for alias, slug in result.aliases.items():
        assert slug in slugs, alias


def test_the_whole_of_it_for_fifteen_providers_stays_small(tmp_path: Path) -> None:
    variables = (
        "OPENAI ANTHROPIC GROQ MISTRAL TOGETHER FIREWORKS DEEPINFRA DEEPSEEK XAI CEREBRAS PERPLEXITY NEBIUS NOVITA "
        "GEMINI OPENROUTER"
    )
    environment: dict[str, Any] = {f"{name}_API_KEY": "k-12345678901234567890" for name in variables.split()}
    environment["XDG_STATE_HOME"] = str(tmp_path)
    loaded = load(None, environment)
    compile(loaded, auth=True, environment=environment)
    calls = 0

    def count(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    # Time depends on the machine, the number of calls does not: 105,000 of them take 0.2 s here.
    sys.setprofile(count)
    try:
        result = compile(loaded, auth=True, environment=environment).snapshot
    finally:
        sys.setprofile(None)
    assert len(result.providers) == 15
    assert calls < 200_000
    assert len(encode(result)) < 4_000_000
