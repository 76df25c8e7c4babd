"""The pages about models in OpenRouter's and OpenAI's shape."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.fake.booked import generation
from tests.fake.catalogues import ALL, TEXTS
from turnout.ledger import store

if TYPE_CHECKING:
    from starlette.testclient import TestClient


def test_the_list_has_both_envelopes(catalogue: TestClient) -> None:
    body = catalogue.get("/api/v1/models").json()
    assert set(body) == {"object", "data", "total_count", "links"}
    assert (body["object"], body["total_count"], body["links"]) == ("list", len(TEXTS), {"next": None})
    assert {model["object"] for model in body["data"]} == {"model"}


@pytest.mark.parametrize(
    ("query", "count"),
    [("", len(TEXTS)), ("?output_modalities=all", len(ALL)), ("?output_modalities=image", 1), ("?q=acme", 2)],
)
def test_the_count_is_the_length_of_the_list(catalogue: TestClient, query: str, count: int) -> None:
    assert catalogue.get(f"/api/v1/models/count{query}").json() == {"data": {"count": count}}
    assert catalogue.get(f"/api/v1/models{query}").json()["total_count"] == count


def test_embedding_models_have_their_own_list(catalogue: TestClient) -> None:
    body = catalogue.get("/api/v1/embeddings/models?offset=0&limit=500&output_modalities=text").json()
    assert [model["id"] for model in body["data"]] == ["zeta/embed"]


def test_one_model_comes_bare_or_in_data(catalogue: TestClient) -> None:
    bare = catalogue.get("/v1/models/acme/new").json()
    assert bare["pricing"]["prompt"] == "0.0000025"
    assert catalogue.get("/api/v1/model/acme/new").json() == {"data": bare}


def test_no_page_may_be_kept(catalogue: TestClient) -> None:
    for path in ("/v1/models", "/v1/models?use_rss=true", "/v1/models/acme/new"):
        assert catalogue.get(path).headers["cache-control"] == "no-store"


def test_a_feed_is_asked_for_by_name(catalogue: TestClient) -> None:
    answer = catalogue.get("/api/v1/models?use_rss=true&q=acme")
    assert answer.headers["content-type"] == "application/rss+xml"
    assert answer.text.count("<item>") == 2
    assert catalogue.get("/api/v1/models?use_rss=false").headers["content-type"] == "application/json"


def test_what_was_used_and_measured_sorts_the_list(catalogue: TestClient) -> None:
    now = int(time.time() * 1000)
    used = [
        ("zeta/unpriced", now, 500, 100),
        ("acme/new", now, 10, 50),
        # Eight days ago: popular, but not this week.
        ("acme/old", now - 8 * 86_400_000, 9_000, 10),
    ]
    ledger = catalogue.app.state.gateway.ledger  # type: ignore[attr-defined]
    store.insert(
        ledger,
        [
            generation(number, model=slug, created_ms=created, tokens_prompt=tokens, tokens_completion=0, ttft_us=ttft)
            for number, (slug, created, tokens, ttft) in enumerate(used)
        ],
    )

    def sorted_by(sort: str) -> list[str]:
        return [model["id"] for model in catalogue.get("/api/v1/models", params={"sort": sort}).json()["data"]]

    assert sorted_by("most-popular") == ["acme/old", "zeta/unpriced", "acme/new", "zeta/free:free"]
    assert sorted_by("top-weekly")[:2] == ["zeta/unpriced", "acme/new"]
    assert sorted_by("latency-low-to-high")[:2] == ["acme/new", "zeta/unpriced"]


def test_a_ledger_that_cannot_be_read_costs_only_the_order(catalogue: TestClient) -> None:
    with catalogue.app.state.gateway.ledger.engine.begin() as connection:  # type: ignore[attr-defined]
        connection.exec_driver_sql("drop table generations")
    body = catalogue.get("/api/v1/models?sort=most-popular").json()
    assert [model["id"] for model in body["data"]] == TEXTS


def test_without_keys_the_list_is_open(open_client: TestClient) -> None:
    assert [model["id"] for model in open_client.get("/v1/models/user").json()["data"]] == ["openai/gpt"]
