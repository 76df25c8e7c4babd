"""``config/variant.py``: slugs that end in ``:free`` and the like."""

from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING

import msgspec
import pytest
from tests.plane.harness import PRICES, endpoint
from written import compiled, told

from turnout.catalogue import data
from turnout.config import variant
from turnout.config.snapshot import Prices, Reasoning, Service, Snapshot, Tier

if TYPE_CHECKING:
    from pathlib import Path

NOTHING = msgspec.structs.replace(
    PRICES, prompt=0, completion=0, cache_read=0, cache_write=0, cache_write_1h=0, request=0
)


@pytest.mark.parametrize(
    ("slug", "parts"),
    [
        ("a/b", ("a/b", None)),
        ("a/b:free", ("a/b", "free")),
        ("a/b:8b", ("a/b:8b", None)),
        ("a/b:8b:thinking", ("a/b:8b", "thinking")),
        ("a/b:nitro", ("a/b:nitro", None)),
    ],
)
def test_a_variant_is_told_by_its_suffix(slug: str, parts: tuple[str, str | None]) -> None:
    assert variant.split(slug) == parts


@pytest.mark.parametrize(
    ("prices", "free"),
    [
        (None, False),
        (NOTHING, True),
        (PRICES, False),
        (msgspec.structs.replace(NOTHING, request=1), False),
        (msgspec.structs.replace(NOTHING, reasoning=0), True),
        (msgspec.structs.replace(NOTHING, reasoning=1), False),
        (
            msgspec.structs.replace(
                NOTHING,
                tiers=[
                    Tier(
                        above_tokens=5,
                        prompt=1,
                        completion=None,
                        cache_read=None,
                        cache_write=None,
                        cache_write_1h=None,
                    )
                ],
            ),
            False,
        ),
        (
            msgspec.structs.replace(
                NOTHING, service=[Service(tier="flex", prompt=0, completion=0, cache_read=0, cache_write=None)]
            ),
            True,
        ),
    ],
)
def test_free_is_what_costs_nothing_at_all(prices: Prices | None, free: bool) -> None:
    assert variant.is_free(prices) is free


def test_a_variant_has_the_endpoints_of_the_model_and_free_those_that_are() -> None:
    both = [endpoint(0, prices=PRICES), endpoint(1, prices=NOTHING), endpoint(0, service_tier="flex", prices=PRICES)]
    assert variant.chosen(both, "thinking") == both[:2]
    assert variant.chosen(both, "free") == both[1:2]


NOTHING_COSTS = "prices: {prompt: 0, completion: 0}"
PROVIDERS = """
providers:
  local: {base_url: http://127.0.0.1:8080/v1}
  other: {base_url: http://127.0.0.1:8081/v1, routing_fields: true}
"""


def slugs(made: Snapshot) -> dict[str, list[str]]:
    return {one.slug: [endpoint.tag for endpoint in one.endpoints] for one in made.models}


def test_n03_a_model_with_some_free_endpoints_has_a_free_variant_of_them(tmp_path: Path) -> None:
    made = compiled(
        tmp_path,
        f"""
        {textwrap.indent(PROVIDERS, "        ").strip()}
        models:
          a/b:
            name: B
            endpoints: [{{provider: local, prices: {{prompt: 1, completion: 1}}}}, {{provider: other, {NOTHING_COSTS}}}]
        """,
    ).snapshot
    assert slugs(made) == {"a/b": ["local", "other"], "a/b:free": ["other"]}
    card = json.loads(made.models[1].card)
    assert (card["id"], card["name"], card["pricing"]["prompt"]) == ("a/b:free", "B (free)", "0")


def test_n03_a_model_that_is_free_altogether_is_its_own_free_variant(tmp_path: Path) -> None:
    made = compiled(
        tmp_path,
        f"""
        {textwrap.indent(PROVIDERS, "        ").strip()}
        models:
          a/b: {{provider: local, {NOTHING_COSTS}}}
          a/c: {{provider: local, prices: {{prompt: 0, completion: 0.1}}}}
          a/d: local
        """,
    ).snapshot
    assert made.aliases == {"a/b:free": "a/b"}
    assert list(slugs(made)) == ["a/b", "a/c", "a/d"]


def test_n11_a_variant_without_endpoints_has_those_of_the_model(tmp_path: Path) -> None:
    made = compiled(
        tmp_path,
        f"""
        {textwrap.indent(PROVIDERS, "        ").strip()}
        models:
          a/b:thinking: {{}}
          a/b: {{endpoints: [local, {{provider: other, tag: other/x}}]}}
          a/c:extended: {{endpoints: [{{provider: local}}, {{provider: other}}]}}
        """.replace("[local,", "[{provider: local},"),
    ).snapshot
    assert slugs(made)["a/b:thinking"] == ["local", "other/x"]
    # Only a gateway knows variants by their names.
    extended = next(one for one in made.models if one.slug == "a/c:extended")
    assert [endpoint.model for endpoint in extended.endpoints] == ["c", "a/c:extended"]


def test_n11_a_variant_of_nothing_is_a_mistake(tmp_path: Path) -> None:
    found = told(tmp_path, PROVIDERS + "models:\n  a/b:thinking: {}\n")
    assert [(key, message) for _, key, message in found] == [("models.a/b:thinking", "give endpoints")]


def test_n07_the_catalogue_names_the_newest_of_a_family_that_is_served(tmp_path: Path) -> None:
    text = "providers: {anthropic: {api_key: sk-example}}\ncatalogue: {enabled: true}\nmodels: {}"
    made = compiled(tmp_path, text).snapshot
    family = data.load().families["anthropic/claude-haiku"]
    assert made.aliases["~anthropic/claude-haiku-latest"] == family[0]
    hidden = text.replace("enabled: true", f"enabled: true, hide: [{family[0]}]")
    assert compiled(tmp_path, hidden).snapshot.aliases["~anthropic/claude-haiku-latest"] == family[1]


def test_q10_levels_of_thought_are_the_files_else_the_catalogues(tmp_path: Path) -> None:
    text = """
    providers: {openai: {api_key: sk-example}}
    catalogue: {enabled: true}
    models:
      openai/o3: {reasoning: {mandatory: true, efforts: [high]}}
    """
    made = {one.slug: one for one in compiled(tmp_path, text).snapshot.models}
    assert made["openai/o3"].reasoning == Reasoning(mandatory=True, efforts=["high"])
    known = next(one.reasoning for one in data.load().models if one.slug == "openai/gpt-5")
    assert known is not None
    assert made["openai/gpt-5"].reasoning == Reasoning(mandatory=known.mandatory, efforts=list(known.efforts or ()))
