"""One small request over each protocol of the scripted provider: what is asked, and what is told of the answer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from turnout import _native
from turnout.catalogue.entry import Catalogue, Endpoint, Entry, Prices
from turnout.config.compile import compile
from turnout.config.load import read
from turnout.providers import probe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from turnout.config import snapshot

PLACES = {
    "openai": "/v1",
    "responses": "/v1",
    "anthropic": "/v1",
    "gemini": "/v1beta",
    "bedrock": "",
    "cohere": "/v2",
    "ollama": "",
}
"""Where the scripted provider speaks each dialect."""


@pytest.fixture
def mock() -> Iterator[_native.Mock]:
    running = _native.Mock("127.0.0.1:0", record=True)
    yield running
    running.stop()


def whole(address: str, *dialects: str, **more: object) -> snapshot.Snapshot:
    """A provider that speaks these dialects at the scripted provider; ``more`` is written into each wire."""
    wires = [{"dialect": name, "base_url": f"http://{address}{PLACES[name]}", **more} for name in dialects]
    auth: dict[str, object] = {"api_key": "sk-upstream"}
    text = json.dumps({"providers": {"mine": {"wires": wires, **auth}}})
    return compile(read("t.yaml", text.encode(), {}, path=None), auth=True, environment={}).snapshot


def asked(mock: _native.Mock) -> list[dict[str, Any]]:
    return [one for one in json.loads(mock.received())["requests"] if one["method"] == "POST"]


def run(made: snapshot.Snapshot, model: str | None) -> list[probe.Outcome]:
    trials = probe.trials(made.providers[0], model=model, slug="mine", catalogue=None)
    return probe.run(made, trials, _native)


def test_every_dialect_is_asked_for_a_few_words(mock: _native.Mock) -> None:
    outcomes = run(whole(mock.address, *PLACES), "echo")
    told = [(one.trial.wire.dialect, one.status, one.said) for one in outcomes]
    assert [dialect for dialect, _, _ in told] == list(PLACES)
    assert {status for _, status, _ in told} == {200}, told
    assert all(one.is_good and one.said and one.prompt_tokens and one.completion_tokens for one in outcomes)
    assert len(asked(mock)) == len(PLACES)


def test_a_wire_without_chat_is_asked_for_what_it_has(mock: _native.Mock) -> None:
    embeddings = whole(mock.address, "openai", operations=["embeddings"])
    (outcome,) = run(embeddings, "embed")
    assert (outcome.status, outcome.trial.question) == (200, "embeddings")
    assert outcome.said.endswith(" numbers")
    (outcome,) = run(whole(mock.address, "cohere", operations=["rerank"]), "rerank")
    assert (outcome.status, outcome.said[:15]) == (200, "best: document ")


def test_what_costs_too_much_or_has_no_model_is_not_asked(mock: _native.Mock) -> None:
    (outcome,) = run(whole(mock.address, "openai", operations=["images"]), "picture")
    assert outcome.status is None
    assert outcome.said == "not tried: it offers images, which costs more than a test should"
    (outcome,) = run(whole(mock.address, "openai"), None)
    assert outcome.said == "not tried: no model of it is known; name one with --model"
    assert asked(mock) == []


@pytest.mark.parametrize(
    ("status", "part"),
    [
        (401, "(the key is wrong, or for another site of the provider)"),
        (403, "(the key may not use this model)"),
        (404, "The model does not exist (mock) (the URL or the model's name is wrong; try --model)"),
        (429, "(rate limit or quota; the key itself works)"),
        (500, "(mock)"),
    ],
)
def test_a_refusal_is_told_with_the_provider_s_status_and_words_and_a_hint(
    mock: _native.Mock, status: int, part: str
) -> None:
    (outcome,) = run(whole(mock.address, "openai"), f"echo;status={status}")
    assert not outcome.is_good
    assert outcome.status == status
    assert outcome.said.endswith(part)
    assert "{" not in outcome.said
    assert "sk-upstream" not in outcome.said
    assert len(asked(mock)) == 1


def test_a_provider_that_is_not_there_is_told(mock: _native.Mock) -> None:
    made = whole(mock.address, "openai")
    mock.stop()
    (outcome,) = run(made, "echo")
    assert not outcome.is_good
    assert outcome.said


def test_the_models_of_the_provider_s_own_list_are_found(mock: _native.Mock) -> None:
    provider = whole(mock.address, "openai").providers[0]
    assert "echo" in probe.listed(provider)
    mock.stop()
    assert probe.listed(provider) == []


def catalogue(*entries: Entry) -> Catalogue:
    return Catalogue(format=1, made="2026-11-22", sources=(), families={}, models=entries)


def entry(name: str, price: int | None, **more: Any) -> Entry:
    prices = None if price is None else Prices(prompt=price, completion=price)
    endpoint = Endpoint(provider="mine", model=name, prices=prices, **more.pop("endpoint", {}))
    return Entry(slug=f"a/{name}", name=name, endpoints=(endpoint,), **more)


def test_the_cheapest_model_that_can_be_asked_is_chosen() -> None:
    known = catalogue(
        entry("free", 0),
        entry("unpriced", None),
        entry("dear", 9),
        entry("cheap", 2),
        entry("over", 1, expires="2020-01-01"),
        entry("elsewhere", 1, endpoint={"dialect": "responses"}),
        entry("vectors", 1, outputs=("embeddings",)),
    )
    assert probe.cheapest(known, "mine", "chat", "openai") == "cheap"
    assert probe.cheapest(known, "mine", "chat", "responses") == "elsewhere"
    assert probe.cheapest(known, "mine", "embeddings", "openai") == "vectors"
    assert probe.cheapest(known, "other", "chat", "openai") is None
    assert probe.cheapest(catalogue(entry("free", 0)), "mine", "chat", "openai") == "free"
