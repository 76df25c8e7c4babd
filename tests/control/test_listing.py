"""Which models a caller sees, and by which names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from starlette.testclient import TestClient

from tests.fake.catalogues import CONFIG as CATALOGUE
from tests.fake.catalogues import SOME
from tests.fake.gateways import CLIENT, DISABLED, bearer
from tests.fake.gateways import gateway as make
from turnout.control.app import control
from turnout.ledger import store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PAGES = [
    "/api/v1/models",
    "/v1/models/user",
    "/v1/models/count",
    "/v1/models/acme/new",
    "/v1/model/acme/new",
    "/v1/models/acme/new/endpoints",
    "/api/v1/embeddings/models",
    "/v1/providers",
    "/v1beta/models",
    "/anthropic/v1/models",
]


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("headers", [bearer("sk-nobody"), bearer(DISABLED), {"authorization": ""}])
def test_without_a_good_key_nothing_is_shown(catalogue: TestClient, path: str, headers: dict[str, str]) -> None:
    answer = catalogue.get(path, headers=headers)
    assert answer.status_code == 401
    assert "acme" not in answer.text


def test_a_key_sees_and_counts_only_what_it_may_use(catalogue: TestClient) -> None:
    some = bearer(SOME)
    assert [model["id"] for model in catalogue.get("/v1/models", headers=some).json()["data"]] == [
        "acme/old",
        "acme/new",
    ]
    assert catalogue.get("/v1/models/count", headers=some).json() == {"data": {"count": 2}}
    assert "zeta" not in catalogue.get("/api/v1/models?use_rss=true", headers=some).text
    for path in ("/v1/models/zeta/embed", "/v1/model/zeta/embed", "/v1/models/zeta/embed/endpoints"):
        refused = catalogue.get(path, headers=some)
        assert (refused.status_code, "zeta/free" in refused.text) == (404, False)


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("acme/new", "acme/new"),
        ("acme%2Fnew", "acme/new"),
        ("best", "acme/new"),
        ("acme/new:nitro", "acme/new"),
        ("best:floor", "acme/new"),
        ("zeta/free:free", "zeta/free:free"),
        ("zeta/free%3Afree", "zeta/free:free"),
    ],
)
def test_a_model_is_found_by_slug_alias_and_routing_suffix(catalogue: TestClient, name: str, slug: str) -> None:
    for path in (f"/v1/models/{name}", f"/v1/models/{name}/endpoints", f"/api/v1/model/{name}"):
        body = catalogue.get(path).json()
        assert body.get("data", body)["id"] == slug


@pytest.mark.parametrize("name", ["acme/new:free", "acme/nwe", "wild/anything", "x" * 5000, "%00"])
def test_what_is_not_there_is_404_with_near_names(catalogue: TestClient, name: str) -> None:
    answer = catalogue.get(f"/api/v1/model/{name}")
    assert answer.status_code == 404
    error = answer.json()["error"]
    assert len(error["message"]) < 400
    assert ("acme/new" in error["metadata"].get("near", [])) == name.startswith("acme")


def test_a_reload_changes_what_is_listed(catalogue: TestClient) -> None:
    gateway = catalogue.app.state.gateway  # type: ignore[attr-defined]
    file = gateway.state_dir / "turnout.yaml"
    before = catalogue.get("/v1/models/count").json()["data"]["count"]
    file.write_text(file.read_text() + "  new/one: local\n")
    assert gateway.reloader.reload().error is None
    assert catalogue.get("/v1/models/count").json()["data"]["count"] == before + 1


@pytest.fixture
def routed(tmp_path: Path) -> Iterator[TestClient]:
    """The same gateway with its routers on."""
    made = make(tmp_path, config=CATALOGUE.replace("routers: false\n", ""))
    yield TestClient(control(made), raise_server_exceptions=False, headers=bearer(CLIENT))
    store.close_ledger(made.ledger)


def test_routers_are_models_in_every_list_for_every_key(routed: TestClient) -> None:
    slugs = ["openrouter/auto", "openrouter/free", "openrouter/pareto-code"]
    for headers in (bearer(CLIENT), bearer(SOME)):
        listed = [model["id"] for model in routed.get("/v1/models?q=router", headers=headers).json()["data"]]
        assert listed == slugs
    assert {model["id"] for model in routed.get("/anthropic/v1/models").json()["data"]} >= set(slugs)
    names = {model["name"] for model in routed.get("/v1beta/models").json()["models"]}
    assert names >= {f"models/{slug}" for slug in slugs}


@pytest.mark.parametrize("name", ["openrouter/auto", "turnout/auto"])
def test_a_router_has_a_page_by_each_of_its_names_and_no_endpoint(routed: TestClient, name: str) -> None:
    data = routed.get(f"/api/v1/models/{name}/endpoints").json()["data"]
    assert (data["id"], data["endpoints"]) == ("openrouter/auto", [])
