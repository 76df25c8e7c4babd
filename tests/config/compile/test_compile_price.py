"""Prices become exact, each with its default."""

from __future__ import annotations

from typing import TYPE_CHECKING

from written import LOCAL, compiled, messages

if TYPE_CHECKING:
    from pathlib import Path


def test_prices_are_exact_and_default_to_the_prompt(tmp_path: Path) -> None:
    text = LOCAL + "models: {a/m: {provider: local, prices: {prompt: 0.1, completion: '0.000000001', request: 1e-9}}}"
    prices = compiled(tmp_path, text).snapshot.models[0].endpoints[0].prices
    assert prices is not None
    assert (prices.prompt, prices.completion, prices.cache_read, prices.cache_write) == (10**8, 1, 10**8, 10**8)
    assert prices.request == 1


def test_every_kind_of_price_has_its_default(tmp_path: Path) -> None:
    text = LOCAL + "models: {a/m: {provider: local, prices: {prompt: 1, completion: 2, cache_write: 1.25}}}"
    prices = compiled(tmp_path, text).snapshot.models[0].endpoints[0].prices
    assert prices is not None
    assert (prices.cache_read, prices.cache_write, prices.cache_write_1h) == (10**9, 125 * 10**7, 125 * 10**7)
    assert (prices.reasoning, prices.audio_prompt, prices.audio_completion) == (None, None, None)
    assert (prices.image_prompt, prices.image_completion) == (None, None)
    assert (prices.image, prices.web_search, prices.search_unit, prices.second, prices.character) == (0, 0, 0, 0, 0)
    assert (prices.tiers, prices.service) == ([], [])


def test_a_cached_price_that_follows_the_prompt_follows_that_of_its_tier(tmp_path: Path) -> None:
    tiers = "tiers: [{above_tokens: 9, prompt: 3}], service_tiers: [{tier: flex, prompt: 0.5}]"
    text = LOCAL + f"models: {{a/m: {{provider: local, prices: {{prompt: 1, completion: 2, {tiers}}}}}}}"
    prices = compiled(tmp_path, text).snapshot.models[0].endpoints[0].prices
    assert prices is not None
    (tier,), (service,) = prices.tiers, prices.service
    assert (tier.cache_read, tier.cache_write, tier.cache_write_1h) == (3 * 10**9,) * 3
    assert (service.cache_read, service.cache_write, service.completion) == (5 * 10**8, 5 * 10**8, None)
    text = text.replace("completion: 2,", "completion: 2, cache_read: 0.1, cache_write: 1.25, cache_write_1h: 2,")
    prices = compiled(tmp_path, text).snapshot.models[0].endpoints[0].prices
    assert prices is not None
    (tier,) = prices.tiers
    assert (tier.cache_read, tier.cache_write, tier.cache_write_1h) == (None, None, None)


def test_tiers_are_sorted_and_each_is_given_once(tmp_path: Path) -> None:
    def tiers(written: str) -> str:
        return LOCAL + f"models: {{a/m: {{provider: local, prices: {{prompt: 1, completion: 1, {written}}}}}}}"

    made = compiled(tmp_path, tiers("tiers: [{above_tokens: 200000}, {above_tokens: 128000}]"))
    prices = made.snapshot.models[0].endpoints[0].prices
    assert prices is not None
    assert [tier.above_tokens for tier in prices.tiers] == [128_000, 200_000]
    twice = "tiers: [{above_tokens: 5}, {above_tokens: 5}], service_tiers: [{tier: flex}, {tier: flex}]"
    assert messages(tmp_path, tiers(twice)) == ["this tier occurs twice: 5", "this tier occurs twice: flex"]


def test_the_price_version_changes_with_the_price_and_only_then(tmp_path: Path) -> None:
    def version(prices: str, more: str = "") -> str:
        text = f"{LOCAL}models: {{a/m: {{provider: local, prices: {prices}{more}}}}}"
        found = compiled(tmp_path, text).snapshot.models[0].endpoints[0].prices
        assert found is not None
        return found.version

    same = version("{prompt: 1, completion: 2}")
    assert same == version("{prompt: 1.0, completion: '2', cache_read: 1}", ", context_length: 5")
    assert same != version("{prompt: 1, completion: 2.000000001}")


def test_an_unknown_price_stays_unknown(tmp_path: Path) -> None:
    assert compiled(tmp_path, LOCAL + "models: {a/m: local}").snapshot.models[0].endpoints[0].prices is None
