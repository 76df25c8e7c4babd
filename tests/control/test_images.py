"""Models that make images."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from turnout.config.card import Pricing
from turnout.control.images import prices

if TYPE_CHECKING:
    from starlette.testclient import TestClient


def test_only_models_that_make_images_are_listed(catalogue: TestClient) -> None:
    (paint,) = catalogue.get("/api/v1/images/models").json()["data"]
    assert paint["id"] == "zeta/paint"
    assert paint["architecture"] == {"input_modalities": ["text"], "output_modalities": ["image"]}
    endpoints = catalogue.get(paint["endpoints"]).json()
    assert (endpoints["id"], endpoints["endpoints"][0]["provider_slug"]) == ("zeta/paint", "local")
    assert endpoints["endpoints"][0]["pricing"] == []


def test_a_model_that_makes_none_has_no_such_endpoints(catalogue: TestClient) -> None:
    answer = catalogue.get("/v1/images/models/acme/new/endpoints")
    assert answer.status_code == 404
    assert "makes no images" in answer.json()["error"]["message"]


def test_what_costs_something_is_billed_by_its_unit() -> None:
    known = Pricing(prompt="0.000005", completion="0.00001", image_output="0.00004", image="0.02", request="0")
    assert prices(known) == [
        {"billable": "input_text", "unit": "token", "cost_usd": Decimal("0.000005")},
        {"billable": "input_image", "unit": "image", "cost_usd": Decimal("0.02")},
        {"billable": "output_image", "unit": "token", "cost_usd": Decimal("0.00004")},
    ]
    assert prices(Pricing(prompt="-1", completion="-1")) == []
