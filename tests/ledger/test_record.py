"""The journal's batches: read as they were written, and refused when they are something else."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tests.fake.booked import generation
from turnout.ledger import record


def test_a_batch_is_read_as_it_was_written() -> None:
    batch = [generation(1), generation(2, error_type="timeout", attempts=[])]
    assert record.decode(msgspec.msgpack.encode(batch)) == batch


def test_a_generation_is_an_array_with_the_attempts_inside_as_arrays() -> None:
    plain = msgspec.msgpack.decode(msgspec.msgpack.encode([generation(1)]))
    assert len(plain[0]) == len(record.Generation.__struct_fields__)
    assert plain[0][record.Generation.__struct_fields__.index("attempts")][1][0] == "openai"


@pytest.mark.parametrize("wrong", [b"\xc0", msgspec.msgpack.encode([[1, 2]]), msgspec.msgpack.encode([["id"]])])
def test_something_else_is_refused(wrong: bytes) -> None:
    with pytest.raises(msgspec.ValidationError):
        record.decode(wrong)


def test_the_golden_record_is_what_the_plane_packs() -> None:
    """Twin of the test in ``rust/plane/src/record.rs``: the same values, field by field."""
    packed = bytes.fromhex(Path(__file__).with_name("record.golden.hex").read_text())
    # The journal gives an array of records; one is an array with one element.
    (generation,) = record.decode(b"\x91" + packed)
    assert generation == record.Generation(
        id="gen-1764031697-AbCdEfGhIjKlMnOpQrSt",
        created_ms=1_764_031_697_123,
        key_sha256="ab" * 32,
        key_name="key name",
        api="chat",
        model_requested="alias",
        model="author/slug",
        provider="Provider Two",
        provider_slug="provider-two",
        endpoint="provider-two/fast",
        upstream_model="upstream-model",
        upstream_id="chatcmpl-1",
        streamed=True,
        cancelled=False,
        status=200,
        error_type=None,
        finish_reason="stop",
        native_finish_reason="end_turn",
        tokens_prompt=101,
        tokens_completion=202,
        tokens_reasoning=33,
        tokens_cached=44,
        tokens_cache_write=55,
        usage_source="upstream",
        cost_nano=123_456_789_012,
        price_version="prices-1",
        queue_us=61,
        connect_us=62,
        ttft_us=63,
        total_us=64,
        overhead_us=65,
        attempts=[
            record.Attempt("p1", "e1", "c1", 429, 11, "status", is_byok=True, cost_nano=13),
            record.Attempt("p2", "e2", "c2", 200, 22, "ok", hedged=True),
        ],
        http_referer="https://app.example",
        app_title="An App",
        user_agent="agent/1",
        session_id="session-1",
        user="user-1",
        client_address="192.0.2.1",
        config_digest="digest-1",
        response_cache_source_id="gen-1764031000-Source",
        upstream_cost_nano=777,
        router="openrouter/auto",
    )
