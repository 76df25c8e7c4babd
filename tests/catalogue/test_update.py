"""Newer lists change what they name and take nothing away; what is unfit is not taken; an update can be taken back."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from turnout.catalogue import data, update
from turnout.catalogue.data import CatalogueError
from turnout.catalogue.entry import Catalogue, Endpoint, Entry, Prices, Service, Source

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BATCH = (Service(tier="batch", prompt=1),)

CURRENT = Catalogue(
    format=1,
    made="2026-01-01",
    sources=(Source(name="old", version="1", released="2026-01-01", url=""),),
    families={},
    makers={},
    models=(
        Entry(
            slug="meta-llama/llama-9",
            name="Llama 9",
            endpoints=(
                Endpoint(
                    provider="groq",
                    model="llama-9-versatile",
                    prices=Prices(prompt=2_000_000_000, completion=3_000_000_000, service=BATCH),
                    sources=(0, -1, 0, -1),
                ),
                Endpoint(provider="openrouter", model="meta-llama/llama-9", sources=(-1, -1, -1, -1)),
            ),
            sources=(0, 0, 0, 0),
        ),
    ),
)


def taken(kind: Any, current: Catalogue = CURRENT) -> Catalogue:
    return update.updated(current, [update.document(json.dumps(kind).encode(), "here")], "2026-12-01")


def openrouter(slug: str = "meta-llama/llama-9", prompt: str = "0.000001", **fields: Any) -> dict[str, Any]:
    return {"data": [{"id": slug, "name": "N", "pricing": {"prompt": prompt, "completion": "0.000003"}, **fields}]}


def models_dev(cost: dict[str, Any], name: str = "llama-9-versatile") -> dict[str, Any]:
    row = {
        "name": "Llama 9",
        "cost": cost,
        "limit": {"context": 64, "output": 8},
        "modalities": {"input": ["text"], "output": ["text"]},
    }
    listed = {"meta-llama/llama-9": {**row, "cost": {}}}
    return {"groq": {"models": {name: row}}, "openrouter": {"models": listed}}


def test_a_list_gives_prices_where_there_were_none_and_its_name() -> None:
    made = taken(openrouter(context_length=99))
    [entry] = made.models
    endpoint = entry.endpoints[1]
    assert endpoint.prices == Prices(prompt=1_000_000_000, completion=3_000_000_000)
    assert entry.context_length == 99
    assert made.sources[endpoint.sources[0]].name == "openrouter"
    assert (made.made, made.sources[1].released) == ("2026-12-01", "2026-12-01")


def test_what_a_list_does_not_name_stays() -> None:
    made = taken(openrouter())
    assert made.models[0].endpoints[0] == CURRENT.models[0].endpoints[0]
    assert made.models[0].name == "Llama 9"


def test_other_prices_stay_while_the_main_ones_do() -> None:
    same = taken(models_dev({"input": 2, "output": 3, "cache_read": 1})).models[0].endpoints[0]
    assert same.prices == Prices(
        prompt=2_000_000_000, completion=3_000_000_000, cache_read=1_000_000_000, service=BATCH
    )
    changed = taken(models_dev({"input": 1, "output": 3})).models[0].endpoints[0]
    assert changed.prices == Prices(prompt=1_000_000_000, completion=3_000_000_000)
    assert changed.context_length == 64


def test_a_slip_of_the_unit_is_not_believed() -> None:
    assert (
        taken(models_dev({"input": 2000, "output": 3000})).models[0].endpoints[0].prices
        == CURRENT.models[0].endpoints[0].prices
    )


def test_new_models_and_endpoints_are_added() -> None:
    made = taken(openrouter("acme/new"))
    assert [entry.slug for entry in made.models] == ["acme/new", "meta-llama/llama-9"]
    assert made.models[0].sources == (1, 1, 1, 1)
    made = taken(models_dev({"input": 1, "output": 1}, "llama-9-instruct-turbo"))
    assert [endpoint.tag for endpoint in made.models[0].endpoints] == ["", "groq/turbo", ""]


def test_the_same_list_again_has_one_line_in_the_table() -> None:
    made = taken(openrouter(), taken(openrouter()))
    assert [source.name for source in made.sources] == ["old", "openrouter"]


def test_litellms_map_is_known_by_its_shape() -> None:
    row = {"litellm_provider": "groq", "mode": "chat", "input_cost_per_token": 1e-06, "output_cost_per_token": 3e-06}
    assert update.document(json.dumps({"groq/x": row}).encode(), "here").kind == "litellm"


def test_litellms_prices_reach_the_slugs_that_are_known() -> None:
    row = {"litellm_provider": "groq", "mode": "chat", "input_cost_per_token": 1e-06, "output_cost_per_token": 3e-06}
    made = taken({"groq/llama-9-versatile": row})
    assert made.models[0].endpoints[0].prices == Prices(prompt=1_000_000_000, completion=3_000_000_000)
    assert made.sources[made.models[0].endpoints[0].sources[0]].name == "litellm"


def test_a_whole_catalogue_replaces_everything() -> None:
    other = msgspec.structs.replace(CURRENT, models=CURRENT.models[:1], made="2026-11-11")
    for content in (data.encode(other), msgspec.json.encode(other)):
        assert update.updated(CURRENT, [update.document(content, "here")], "2026-12-01") == other


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"a": 1}', b"<html>", b'{"format": 1, "models": 3}'])
def test_what_is_no_list_is_refused(content: bytes) -> None:
    with pytest.raises(CatalogueError, match="here"):
        update.document(content, "here")


def test_a_list_of_another_shape_is_refused() -> None:
    with pytest.raises(CatalogueError, match="another shape"):
        taken({"groq": {"models": {"m": {"modalities": 3}}}})


def test_a_list_that_was_cut_short_is_refused() -> None:
    with pytest.raises(CatalogueError, match="1 of 1 models would be lost"):
        update.checked(CURRENT, msgspec.structs.replace(CURRENT, models=()), "here")
    update.checked(CURRENT, CURRENT, "here")


def test_an_update_is_in_force_and_can_be_taken_back(tmp_path: Path) -> None:
    assert update.undo(tmp_path) is None
    update.write(tmp_path, CURRENT)
    assert data.load(tmp_path) == CURRENT
    second = msgspec.structs.replace(CURRENT, made="2026-02-02")
    update.write(tmp_path, second)
    assert data.load(tmp_path).made == "2026-02-02"
    assert update.undo(tmp_path) == tmp_path / data.UPDATED
    assert data.load(tmp_path) == CURRENT
    assert update.undo(tmp_path) == data.PACKAGED
    assert sorted(path.name for path in tmp_path.iterdir()) == []


def test_only_https_is_downloaded() -> None:
    with pytest.raises(CatalogueError, match="only https"):
        update.download("http://127.0.0.1/x")


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port on which a server speaks plain HTTP, so that TLS with it fails."""

    class Plain(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            """Nothing to standard error."""

    server = HTTPServer(("127.0.0.1", 0), Plain)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_failed_download_is_told(closed_port: int) -> None:
    with pytest.raises(CatalogueError, match="cannot be downloaded"):
        update.download(f"https://127.0.0.1:{closed_port}/x")
