"""``rust/plane/src/account.rs``: one exact record for each generation, and its way into the ledger."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.plane.harness import (
    CHAT,
    KEY,
    PRICES,
    chat,
    endpoint,
    eventually,
    key,
    model,
    provider,
    running,
    serving,
    snapshot,
)
from turnout.ledger import record, store
from turnout.ledger.writer import Writer

if TYPE_CHECKING:
    from pathlib import Path

    from turnout.config.snapshot import Snapshot


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
def test_everything_about_an_answer_is_booked(stream: bool) -> None:
    with serving("plain;tokens=7;prompt=100;cached=40;reasoning=2") as rig:
        before = int(time.time() * 1000)
        answer = rig.post(
            chat(stream=stream, user="u-1", session_id="s-1"),
            CHAT,
            **{"http-referer": "https://app.example", "x-title": "App", "user-agent": "tests/1"},
        )
        after = int(time.time() * 1000)
        (g,) = rig.booked(1)
        assert g.id == answer.headers["x-generation-id"]
        assert before - 1000 <= g.created_ms <= after
        assert g.id.split("-")[1] == str(g.created_ms // 1000)
        assert (g.key_sha256, g.key_name) == (key().sha256, "me")
        assert (g.api, g.streamed, g.cancelled, g.status, g.error_type) == ("chat", stream, False, 200, None)
        assert (g.model_requested, g.model, g.upstream_model) == (
            "test/model",
            "test/model",
            "plain;tokens=7;prompt=100;cached=40;reasoning=2",
        )
        assert (g.provider, g.provider_slug, g.endpoint) == ("First", "first", "tag-0")
        assert g.upstream_id.startswith("chatcmpl")
        assert (g.finish_reason, g.native_finish_reason) == ("stop", "stop")
        assert (g.tokens_prompt, g.tokens_completion, g.tokens_reasoning, g.tokens_cached) == (100, 7, 2, 40)
        assert g.usage_source == "upstream"
        # 60 fresh tokens, 40 from the cache, 7 generated, and the request: to the nano-dollar.
        assert g.cost_nano == 60 * 2000 + 40 * 500 + 7 * 10_000 + 7
        assert g.price_version == PRICES.version
        assert (g.http_referer, g.app_title, g.user_agent) == ("https://app.example", "App", "tests/1")
        assert (g.session_id, g.user, g.client_address) == ("s-1", "u-1", "127.0.0.1")
        assert g.config_digest == "test-digest"
        (attempt,) = g.attempts
        assert (attempt.provider, attempt.endpoint, attempt.credential) == ("first", "tag-0", "key-1")
        assert (attempt.status, attempt.outcome) == (200, "ok")


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
def test_times_add_up(stream: bool) -> None:
    wait = "ttft=200" if stream else "latency=200"
    with serving(f"plain;tokens=3;{wait}") as rig:
        started = time.monotonic()
        rig.chat(stream=stream)
        took_us = (time.monotonic() - started) * 1e6
        (g,) = rig.booked(1)
        assert 200_000 <= g.ttft_us <= g.total_us <= took_us
        assert 200_000 <= g.attempts[0].latency_us <= g.total_us
        assert 0 < g.connect_us < g.total_us
        # The provider's 200 ms are no overhead of ours.
        assert g.overhead_us <= g.total_us - 200_000
        assert g.queue_us <= g.total_us
        rig.chat(stream=stream)
        (again,) = rig.booked(1)
        assert again.connect_us == 0


def test_time_for_the_clients_body_is_no_overhead() -> None:
    with serving("plain;tokens=1") as rig, rig.connect() as connection:
        body = b'{"model":"test/model","messages":[]}'
        head = f"POST {CHAT} HTTP/1.1\r\nhost: g\r\nauthorization: Bearer {KEY}\r\ncontent-length: {len(body)}\r\n\r\n"
        connection.write(head.encode())
        # The head is there; the body takes its time. Nothing can be observed meanwhile, so this is a wait by the clock.
        until = time.monotonic() + 0.3
        eventually(lambda: time.monotonic() > until, "0.3 s have passed")
        connection.write(body)
        assert connection.answer().status == 200
        (g,) = rig.booked(1)
        assert g.total_us >= 290_000
        assert g.overhead_us < 200_000


def test_a_price_that_is_unknown_is_booked_as_unknown() -> None:
    def make(address: str) -> Snapshot:
        return snapshot([provider(address)], [model(endpoint(model="plain;tokens=5", prices=None))])

    with running(make) as rig:
        assert rig.chat().json()["usage"]["cost"] == 0
        (g,) = rig.booked(1)
        assert (g.cost_nano, g.price_version, g.tokens_completion) == (0, "", 5)


def test_a_request_that_was_never_routed_is_not_booked() -> None:
    with serving("plain") as rig:
        assert rig.chat(model="nobody/knows").status_code == 400
        assert rig.post(chat(), authorization="Bearer wrong").status_code == 401
        assert rig.post(b"{").status_code == 400
        rig.booked(0, patience_s=0)


def test_the_clients_texts_are_cut_not_refused() -> None:
    with serving("plain;tokens=1") as rig:
        assert rig.post(chat(user="é" * 500), CHAT, **{"x-title": "t" * 2000}).status_code == 200
        (g,) = rig.booked(1)
        assert len(g.app_title.encode()) == 256
        assert set(g.user) == {"é"}
        assert len(g.user.encode()) <= 256


def test_what_is_not_committed_comes_again_and_what_is_does_not() -> None:
    with serving("plain;tokens=1") as rig:
        ids = [rig.chat().headers["x-generation-id"] for _ in range(5)]
        packed, _ = rig.plane.drain_journal(2, 5000)
        again, token = rig.plane.drain_journal(2, 5000)
        assert [g.id for g in record.decode(packed)] == [g.id for g in record.decode(again)] == ids[:2]
        rig.plane.commit_journal(token)
        with pytest.raises(ValueError, match=r"."):
            rig.plane.commit_journal(token + 1_000_000)
        assert [g.id for g in rig.booked(3)] == ids[2:]


def test_records_outlive_the_plane(tmp_path: Path) -> None:
    with serving("plain;tokens=1", state_dir=tmp_path) as rig:
        ids = [rig.chat().headers["x-generation-id"] for _ in range(3)]
    with serving("plain;tokens=1", state_dir=tmp_path) as rig:
        ids.append(rig.chat().headers["x-generation-id"])
        assert {g.id for g in rig.booked(4)} == set(ids)


def test_the_writer_carries_records_into_sqlite(tmp_path: Path) -> None:
    with serving("plain;tokens=2", "plain;tokens=2") as rig:
        ledger = store.open_ledger(store.sqlite_url(tmp_path / "ledger.db"))
        writer = Writer(rig.plane, ledger, rejected=tmp_path / "rejected.jsonl", wait_ms=20)
        writer.start()
        ids = {rig.chat(stream=number % 2 == 1).headers["x-generation-id"] for number in range(20)}
        assert writer.finish(timeout_s=30)
        store.close_ledger(ledger)
        with closing(sqlite3.connect(tmp_path / "ledger.db")) as database:
            rows = dict(database.execute("select id, cost_nano from generations"))
        assert set(rows) == ids
        assert set(rows.values()) == {10 * 2000 + 2 * 10_000 + 7}
        assert not (tmp_path / "rejected.jsonl").exists()
        rig.booked(0, patience_s=0)


def test_metrics_say_what_the_records_say() -> None:
    with serving("plain;tokens=2", "plain;tokens=2") as rig:
        for number in range(6):
            rig.chat(stream=number % 2 == 1)
        records = rig.booked(6)
        labels = {"model": "test/model", "provider": "first"}
        assert rig.metric("turnout_requests_total", **labels, status="200") == 6
        assert rig.metric("turnout_requests_streamed_total", **labels) == 3
        assert rig.metric("turnout_tokens_total", **labels, kind="completion") == 12
        assert rig.metric("turnout_attempts_total", **labels, outcome="ok") == 6
        cost = sum(g.cost_nano for g in records) / 1e9
        assert abs(rig.metric("turnout_cost_dollars_total", **labels) - cost) < 1e-12
