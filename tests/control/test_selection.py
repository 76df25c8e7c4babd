"""Filters, orders and pages of the list of models."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from tests.fake.catalogues import ALL, TEXTS
from turnout.control.refusal import Refusal
from turnout.control.selection import CATEGORIES, SORTS, Range, read

if TYPE_CHECKING:
    from starlette.testclient import TestClient

PATH = "/api/v1/models"


def slugs(client: TestClient, path: str = PATH, **parameters: Any) -> list[str]:
    answer = client.get(path, params=parameters)
    assert answer.status_code == 200, answer.text
    return [model["id"] for model in answer.json()["data"]]


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, TEXTS),
        ({"output_modalities": "all"}, ALL),
        ({"output_modalities": "embeddings,image"}, ["zeta/embed", "zeta/paint"]),
        ({"output_modalities": ""}, TEXTS),
        ({"input_modalities": "image"}, ["acme/new"]),
        ({"input_modalities": "text,image"}, ["acme/new"]),
        ({"input_modalities": "video"}, []),
        ({"supported_parameters": "temperature"}, ["acme/old", "acme/new"]),
        ({"supported_parameters": "temperature, tools"}, ["acme/new"]),
        ({"q": "acme"}, ["acme/old", "acme/new"]),
        ({"q": "NEW acme"}, ["acme/new"]),
        ({"context": 8000}, ["acme/old", "acme/new"]),
        ({"context": 8001}, ["acme/new"]),
        ({"min_price": 1}, ["acme/old", "acme/new"]),
        ({"min_price": 0, "max_price": "1.0"}, ["acme/old", "zeta/free:free"]),
        ({"max_price": "null"}, TEXTS),
        ({"min_output_price": "3.5"}, ["acme/new"]),
        ({"max_output_price": "3"}, ["acme/old", "zeta/free:free"]),
        ({"arch": "other"}, TEXTS),
        ({"arch": "GPT"}, []),
        ({"model_authors": "Acme,nobody"}, ["acme/old", "acme/new"]),
        ({"providers": "groq"}, ["acme/old", "acme/new"]),
        ({"zdr": "true"}, ["acme/new", "zeta/free:free", "zeta/unpriced"]),
        ({"region": "eu"}, ["acme/new"]),
        ({"region": "us"}, []),
        ({"providers": "own <server>"}, ["acme/new", "zeta/free:free", "zeta/unpriced"]),
        ({"max_age_days": 100_000}, ["acme/old", "acme/new", "zeta/free:free"]),
        ({"max_age_days": 0}, []),
        ({"min_age_days": 1000}, ["acme/old", "zeta/free:free"]),
        ({"category": "programming"}, []),
        ({"distillable": "true"}, []),
        ({"distillable": "false"}, TEXTS),
        ({"min_intelligence_index": 50}, ["acme/new"]),
        ({"max_coding_index": 45.5}, ["acme/old"]),
        ({"min_agentic_index": 0}, []),
        ({"sort": "coding-high-to-low"}, ["acme/new", "acme/old", "zeta/free:free", "zeta/unpriced"]),
        ({"max_tool_success_rate": 1}, []),
        ({"sort": "newest"}, ["acme/new", "zeta/free:free", "acme/old", "zeta/unpriced"]),
        ({"sort": "pricing-low-to-high"}, ["zeta/free:free", "acme/old", "acme/new", "zeta/unpriced"]),
        ({"sort": "pricing-high-to-low"}, ["acme/new", "acme/old", "zeta/free:free", "zeta/unpriced"]),
        ({"sort": "context-high-to-low"}, ["acme/new", "acme/old", "zeta/free:free", "zeta/unpriced"]),
        ({"sort": "throughput-high-to-low"}, TEXTS),
        ({"offset": 1, "limit": 2}, ["acme/new", "zeta/free:free"]),
        ({"offset": 3}, ["zeta/unpriced"]),
        ({"offset": 99, "limit": 1}, []),
        ({"sort": "newest", "limit": 1}, ["acme/new"]),
        ({"whatever": "is ignored"}, TEXTS),
    ],
)
def test_a_query_selects(catalogue: TestClient, parameters: dict[str, Any], expected: list[str]) -> None:
    assert slugs(catalogue, **parameters) == expected


def test_the_openai_path_lists_every_kind_unless_told_otherwise(catalogue: TestClient) -> None:
    assert slugs(catalogue, "/v1/models") == ALL
    assert slugs(catalogue, "/v1/models", output_modalities="text") == TEXTS


def test_pages_lead_to_each_other_and_keep_the_query(catalogue: TestClient) -> None:
    seen: list[str] = []
    following: str | None = f"{PATH}?sort=newest&limit=3&model_authors=acme%2Czeta&key=secret"
    while following:
        body = catalogue.get(following).json()
        assert body["total_count"] == len(TEXTS)
        seen += [model["id"] for model in body["data"]]
        following = body["links"]["next"]
        assert following is None or "secret" not in following
    assert seen == ["acme/new", "zeta/free:free", "acme/old", "zeta/unpriced"]


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 1001}, "limit"),
        ({"limit": "9" * 5000}, "limit"),
        ({"offset": -1}, "offset"),
        ({"offset": "²"}, "offset"),
        ({"context": "many"}, "context"),
        ({"min_price": "-1"}, "min_price"),
        ({"max_price": "1e999999999"}, "max_price"),
        ({"max_price": "nan"}, "max_price"),
        ({"output_modalities": "smell"}, "output_modalities"),
        ({"input_modalities": "text,smell"}, "input_modalities"),
        ({"sort": "best"}, "sort"),
        ({"category": "cooking"}, "category"),
        ({"region": "moon"}, "region"),
        ({"distillable": "yes"}, "distillable"),
        ({"zdr": "false"}, "zdr"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(catalogue: TestClient, parameters: dict[str, Any], named: str) -> None:
    answer = catalogue.get(PATH, params=parameters)
    error = answer.json()["error"]
    assert (answer.status_code, error["metadata"]["parameter"]) == (400, named)
    assert "expected" in error["message"]
    assert len(error["message"]) < 500


def test_every_order_and_category_of_openrouter_is_taken() -> None:
    for sort in SORTS:
        assert read({"sort": sort}, outputs="all").sort == sort
    for category in CATEGORIES:
        assert read({"category": category}, outputs="all").category == category
    with pytest.raises(Refusal):
        read({"sort": "x"}, outputs="all")


def test_an_unknown_value_is_only_in_an_open_range() -> None:
    assert Range().holds(None)
    assert not Range(low=Decimal(0)).holds(None)
    assert Range(Decimal(1), Decimal(2)).holds(Decimal(2))
    assert not Range(Decimal(1), Decimal(2)).holds(Decimal("2.01"))
