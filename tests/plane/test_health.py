"""Health and metrics as the outside sees them, before and after traffic and trouble."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tests.plane.harness import Rig, chat, eventually, scripted, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from prometheus_client.metrics_core import Metric


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample of a text that must be OpenMetrics."""
    assert text.endswith("# EOF\n")
    found = {}
    parse: Callable[[str], Iterable[Metric]] = text_string_to_metric_families
    for family in parse(text):
        assert family.documentation, family.name
        for sample in family.samples:
            found[sample.name, tuple(sorted(sample.labels.items()))] = sample.value
    return found


def total(rig: Rig, name: str, **labels: str) -> float:
    chosen = samples(rig.plane.metrics()).items()
    return sum(value for (found, having), value in chosen if found == name and labels.items() <= dict(having).items())


def test_live_and_ready() -> None:
    with serving("plain") as rig:
        assert rig.get("/health/live").json() == {"status": "live"}
        answer = rig.get("/health/ready")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
        body = answer.json()
        assert body["status"] == "ready"
        assert body["config"] == {"generation": 1, "digest": "test-digest", "reload_error": None}
        assert body["ledger"]["error"] is None
        assert body["tls_error"] is None


def test_neither_asks_for_a_key() -> None:
    with serving("plain") as rig, rig.client(headers={}) as client:
        for path in ("/health/live", "/health/ready", "/metrics"):
            assert client.get(path).status_code == 200


def test_a_failed_reload_shows_until_the_next_good_one() -> None:
    with serving("plain") as rig:
        rig.plane.reload_failed("turnout.yaml:3: unknown key serber")
        answer = rig.get("/health/ready")
        assert (answer.status_code, answer.json()["status"]) == (200, "ready, with warnings")
        assert answer.json()["config"]["reload_error"] == "turnout.yaml:3: unknown key serber"
        before = rig.plane.metrics()
        rig.swap(scripted("plain", address=rig.mock.address, digest="next"))
        assert rig.get("/health/ready").json()["config"] == {"generation": 2, "digest": "next", "reload_error": None}
        assert before != rig.plane.metrics()


def test_a_ledger_that_lags_shows_and_leaves_it_ready() -> None:
    with serving("plain") as rig:
        rig.chat()
        rig.plane.ledger_behind("database is locked")
        answer = rig.get("/health/ready")
        assert (answer.status_code, answer.json()["ledger"]["error"]) == (200, "database is locked")
        assert answer.json()["ledger"]["pending"] == 1
        rig.booked()
        rig.plane.ledger_behind(None)
        body = rig.get("/health/ready").json()
        assert (body["status"], body["ledger"]["error"], body["ledger"]["pending"]) == ("ready", None, 0)


def test_the_method_and_the_body_agree() -> None:
    with serving("plain") as rig:
        assert rig.health().keys() == rig.get("/health/ready").json().keys()


def test_metrics_parse_and_add_up() -> None:
    with serving("plain", "plain", server={"threads": 2}) as rig:
        before = samples(rig.get("/metrics").text)
        assert before
        for _ in range(7):
            assert rig.chat().status_code == 200
        for _ in range(5):
            assert rig.stream().done
        for _ in range(3):
            assert rig.post(b"{").status_code == 400
        for _ in range(2):
            assert rig.post(chat(), authorization="Bearer wrong").status_code == 401
        rig.booked(12)
        answer = rig.get("/metrics")
        assert answer.headers["content-type"].startswith("application/openmetrics-text")
        after = samples(answer.text)
        for (name, labels), value in before.items():
            if name.endswith(("_total", "_count", "_bucket")):
                assert after[name, labels] >= value, name
        assert total(rig, "turnout_requests_total") == 12
        assert total(rig, "turnout_refusals_total") == 5
        assert total(rig, "turnout_panics_total") == 0
        assert total(rig, "turnout_requests_in_flight") == 0
        eventually(lambda: total(rig, "turnout_connections_open") == 0, "connections are counted down")
        # A histogram's last bucket is its count.
        for (name, labels), value in after.items():
            if name.endswith("_bucket") and dict(labels)["le"] == "+Inf":
                rest = tuple(label for label in labels if label[0] != "le")
                assert after[name.removesuffix("_bucket") + "_count", rest] == value
