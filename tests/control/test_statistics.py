"""What the plane knows of endpoints, on the pages of the catalogue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.testclient import TestClient

from tests.fake.catalogues import CONFIG
from tests.fake.gateways import CLIENT, bearer
from tests.fake.gateways import gateway as make
from turnout.control import statistics
from turnout.control.app import control
from turnout.ledger import store

if TYPE_CHECKING:
    from pathlib import Path

PATH = "/api/v1/models/acme/new/endpoints"
PERCENTILES = {"p50": 120.5, "p75": 150.0, "p90": 200.12345, "p99": 900.0}


def known(tag: str, **changes: Any) -> dict[str, Any]:
    """As the plane says it, with members that nobody shows."""
    return {
        "model": "acme/new",
        "tag": tag,
        "status": 0,
        "breaker": "closed",
        "uptime_last_5m": None,
        "uptime_last_30m": 90.0,
        "uptime_last_1d": 99.5,
        "latency_last_30m": PERCENTILES,
        "throughput_last_30m": PERCENTILES,
        **changes,
    }


def test_o07_the_page_shows_uptime_latency_and_throughput_to_callers_with_a_key(tmp_path: Path) -> None:
    made = make(tmp_path, config=CONFIG)
    try:
        made.plane.known = [  # type: ignore[attr-defined]  # the fake's own
            known("local", status=-2),
            known("groq", latency_last_30m=None),
            known("mistral", model="acme/old"),
        ]
        client = TestClient(control(made), raise_server_exceptions=False, headers=bearer(CLIENT))
        assert client.get(PATH, headers=bearer("sk-of-nobody-at-all")).status_code == 401
        shown = {endpoint["tag"]: endpoint for endpoint in client.get(PATH).json()["data"]["endpoints"]}
        (private,) = (
            endpoint
            for endpoint in client.get("/api/v1/endpoints/zdr").json()["data"]
            if endpoint["model_id"] == "acme/new"
        )
    finally:
        store.close_ledger(made.ledger)
    local, groq, mistral = shown["local"], shown["groq"], shown["mistral"]
    assert (local["status"], groq["status"], mistral["status"]) == (-2, 0, 0)
    assert [local[f"uptime_last_{window}"] for window in ("5m", "30m", "1d")] == [None, 90.0, 99.5]
    assert local["latency_last_30m"] == {"p50": 120.5, "p75": 150.0, "p90": 200.123, "p99": 900.0}
    assert local["throughput_last_30m"]["p99"] == 900.0
    assert groq["latency_last_30m"] is None
    assert [mistral[name] for name in ("uptime_last_30m", "latency_last_30m", "throughput_last_30m")] == [None] * 3
    assert private["uptime_last_1d"] == 99.5


def test_the_page_shows_the_last_probe_where_there_was_one(tmp_path: Path) -> None:
    made = make(tmp_path, config=CONFIG)
    began = {"began_ms": 1_764_031_697_123, "took_ms": 42}
    try:
        made.plane.known = [  # type: ignore[attr-defined]  # the fake's own
            known("local", probe={**began, "outcome": "failed"}),
            known("groq", probe={**began, "outcome": "nothing"}),
            known("mistral", probe=None),
        ]
        client = TestClient(control(made), raise_server_exceptions=False, headers=bearer(CLIENT))
        shown = {endpoint["tag"]: endpoint for endpoint in client.get(PATH).json()["data"]["endpoints"]}
    finally:
        store.close_ledger(made.ledger)
    at = "2025-11-25T00:48:17.123+00:00"
    assert shown["local"]["turnout_probe"] == {"at": at, "outcome": "failed", "milliseconds": 42}
    assert not any("turnout_probe" in shown[tag] for tag in ("groq", "mistral"))


def test_an_endpoint_that_nobody_asked_is_well_and_unknown() -> None:
    assert statistics.read(b'{"endpoints":[],"credentials":[]}') == {}
    assert statistics.UNKNOWN.status == 0
    assert statistics.UNKNOWN.uptime_last_1d is None
