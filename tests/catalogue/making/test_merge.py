"""Facts about one model become one entry, and the sources are believed in their order."""

from __future__ import annotations

from typing import Any

from turnout.catalogue.entry import Entry, Prices, Tier
from turnout.catalogue.making import merge
from turnout.catalogue.making.fact import Fact
from turnout.catalogue.making.sources import GENAI, LITELLM, MODELS_DEV, PI

SERVED = ("openai", "openrouter", "groq", "deepinfra", "together", "anthropic", "amazon-bedrock")
CHEAP, DEAR = Prices(prompt=1, completion=2), Prices(prompt=3, completion=4)


def listed(slug: str, source: int = PI, **fields: Any) -> Fact:
    return Fact(source=source, provider="openrouter", model=slug, kind="chat", **fields)


def fact(provider: str, model: str, source: int = LITELLM, **fields: Any) -> Fact:
    return Fact(source=source, provider=provider, model=model, kind=fields.pop("kind", "chat"), **fields)


def merged(*facts: Fact, price: Any = lambda provider, model: None) -> merge.Merged:
    return merge.merge(facts, price, SERVED)


def entries(*facts: Fact, **more: Any) -> dict[str, Entry]:
    return {entry.slug: entry for entry in merged(*facts, **more).catalogue.models}


def test_hosts_find_the_slug_by_what_the_model_is_called() -> None:
    made = entries(
        listed("openai/gpt-oss-20b"), fact("groq", "openai/gpt-oss-20b"), fact("deepinfra", "openai/gpt-oss-20b-Turbo")
    )
    assert [(one.provider, one.tag, one.model) for one in made["openai/gpt-oss-20b"].endpoints] == [
        ("deepinfra", "deepinfra/turbo", "openai/gpt-oss-20b-Turbo"),
        ("groq", "", "openai/gpt-oss-20b"),
        ("openrouter", "", "openai/gpt-oss-20b"),
    ]


def test_a_maker_serves_only_its_own() -> None:
    made = entries(listed("meta-llama/llama-3.3-70b-instruct"), fact("openai", "llama-3.3-70b-instruct"))
    assert [one.provider for one in made["meta-llama/llama-3.3-70b-instruct"].endpoints] == ["openrouter"]


def test_prices_of_the_price_list_win_and_the_difference_is_noted() -> None:
    made = merged(
        listed("openai/gpt-9"),
        fact("openai", "gpt-9", prices=CHEAP),
        price=lambda provider, model: DEAR if provider == "openai" else None,
    )
    [endpoint, _] = made.catalogue.models[0].endpoints
    assert endpoint.prices == DEAR
    assert endpoint.sources[0] == GENAI
    assert [(one.field, one.said, one.winner) for one in made.disagreements] == [
        ("prompt", {GENAI: 3, LITELLM: 1}, GENAI),
        ("completion", {GENAI: 4, LITELLM: 2}, GENAI),
    ]


def test_the_list_of_september_wins_over_the_one_of_may() -> None:
    made = entries(listed("a/b", MODELS_DEV, prices=DEAR), listed("a/b", PI, prices=CHEAP))
    assert made["a/b"].endpoints[0].prices == CHEAP


def test_zero_counts_only_when_nobody_names_another_price() -> None:
    made = entries(listed("a/b", PI, prices=DEAR), listed("a/b", LITELLM, prices=Prices()))
    assert made["a/b"].endpoints[0].prices == DEAR
    made = entries(listed("a/b", PI, prices=Prices()))
    assert made["a/b"].endpoints[0].prices is None
    made = entries(listed("a/b:free", PI, prices=Prices()))
    assert made["a/b:free"].endpoints[0].prices == Prices()


def test_other_prices_come_from_a_source_that_agrees_on_the_two() -> None:
    tiers = (Tier(above_tokens=10, prompt=9),)
    first, second = Prices(prompt=1, completion=2), Prices(prompt=1, completion=2, cache_read=1, tiers=tiers)
    made = entries(listed("a/b", LITELLM, prices=first), listed("a/b", PI, prices=second))
    assert made["a/b"].endpoints[0].prices == second
    other = Prices(prompt=7, completion=2, cache_read=1)
    made = entries(listed("a/b", LITELLM, prices=first), listed("a/b", PI, prices=other))
    assert made["a/b"].endpoints[0].prices == first


def test_prices_and_routes_of_a_slug_are_no_models() -> None:
    assert set(entries(listed("a/b"), listed("a/b:batch"), listed("a/b:nitro"), listed("openrouter/auto"))) == {"a/b"}


def test_a_makers_new_model_gets_a_slug_when_a_second_source_confirms_it() -> None:
    assert entries(fact("openai", "gpt-9-2026-11-01")) == {}
    made = entries(fact("openai", "gpt-9-2026-11-01"), fact("openai", "gpt-9", PI))
    entry = made["openai/gpt-9"]
    assert (entry.endpoints[0].model, entry.canonical_slug) == ("gpt-9", "openai/gpt-9-2026-11-01")
    assert entry.aliases == ("gpt-9", "gpt-9-2026-11-01")


def test_a_kind_that_one_source_has_alone_needs_no_second() -> None:
    made = entries(fact("openai", "embed-9", kind="embeddings", outputs=("embeddings",)))
    assert made["openai/embed-9"].outputs == ("embeddings",)


def test_openrouters_name_is_kept_for_a_new_model() -> None:
    made = entries(listed("anthropic/claude-x-5.5", GENAI), fact("anthropic", "claude-x-5-5"))
    assert [one.provider for one in made["anthropic/claude-x-5.5"].endpoints] == ["anthropic", "openrouter"]


def test_what_one_price_list_keeps_for_ever_is_no_model() -> None:
    assert entries(listed("a/old", GENAI)) == {}


def test_expired_facts_are_left_out() -> None:
    assert entries(listed("a/b"), fact("groq", "b", expires="2026-11-01"))["a/b"].endpoints[0].provider == "openrouter"


def test_bedrock_is_asked_through_the_profile_that_works_everywhere() -> None:
    made = entries(
        listed("anthropic/claude-x-5"),
        fact("amazon-bedrock", "anthropic.claude-x-5-v1:0"),
        fact("amazon-bedrock", "us.anthropic.claude-x-5-v1:0"),
        fact("amazon-bedrock", "global.anthropic.claude-x-5-v1:0"),
    )
    assert made["anthropic/claude-x-5"].endpoints[0].model == "global.anthropic.claude-x-5-v1:0"


def test_a_price_far_from_all_others_in_an_older_list_is_a_slip() -> None:
    near = [fact(host, "openai/gpt-oss-20b", prices=CHEAP) for host in ("groq", "deepinfra", "together")]
    far = Prices(prompt=1_000, completion=2_000)
    made = entries(listed("openai/gpt-oss-20b", PI, prices=far), *near)
    assert [one.prices for one in made["openai/gpt-oss-20b"].endpoints] == [CHEAP, CHEAP, None, CHEAP]
    made = entries(listed("openai/gpt-oss-20b", LITELLM, prices=far), *near)
    assert far in [one.prices for one in made["openai/gpt-oss-20b"].endpoints]


def test_names_start_with_the_author() -> None:
    assert entries(listed("openai/gpt-9", name="GPT-9"))["openai/gpt-9"].name == "OpenAI: GPT-9"


def test_an_open_model_names_its_repository() -> None:
    made = entries(listed("z-ai/glm-9"), fact("deepinfra", "zai-org/GLM-9"), fact("together", "zai-org/GLM-9-FP8"))
    assert made["z-ai/glm-9"].hugging_face_id == "zai-org/GLM-9"
