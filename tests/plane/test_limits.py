"""Limits of keys, credits of the gateway, limits of free models: what is refused, when, and with which words."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.plane import harness
from tests.plane.harness import KEY, running, serving
from turnout.ledger import store
from turnout.ledger.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tests.plane.harness import Rig
    from turnout.config import snapshot as written
    from turnout.ledger.record import Generation

DOLLAR = 1_000_000_000
"""In nano-dollars."""

SHA256 = harness.key().sha256

ANSWER_NANO = 2_000 * 10 + 10_000 * 4 + 7
"""What the mock's usual answer costs at the harness's prices: ten tokens read, four written, and the request."""


def limited(nano: int, reset: str | None = None, *scripts: str, **changes: Any) -> AbstractContextManager[Rig]:
    """A gateway whose only key may cost so much."""
    limit = harness.written.Limit(nano=nano, reset=reset, include_byok=False)  # type: ignore[arg-type]
    return serving(*(scripts or ("plain;tokens=4",)), keys=[harness.key(limit=limit)], **changes)


def with_credits(nano: int, *scripts: str, **changes: Any) -> AbstractContextManager[Rig]:
    return serving(*(scripts or ("plain;tokens=4",)), billing=harness.billing(credits=True, **changes))


def sums(total: int = 0, *, daily: int = 0, weekly: int = 0, monthly: int = 0) -> dict[str, int]:
    return {"total": total, "daily": daily, "weekly": weekly, "monthly": monthly}


def tell(rig: Rig, *, at: datetime | None = None, **known: Any) -> None:
    """Tells the plane what a ledger would know."""
    at_ms = int((at.timestamp() if at else time.time()) * 1000)
    whole = {"at_ms": at_ms, "keys": {}, "own": {}, "gateway": None, "credits": None, "free_requests": 0, **known}
    rig.plane.spent(json.dumps(whole).encode())


def usage(rig: Rig, sha256: str | None = SHA256) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(rig.plane.usage(sha256))
    return found


def metadata(answer: Any) -> dict[str, Any]:
    found: dict[str, Any] = answer.json()["error"]["metadata"]
    return found


# A key's limit


def test_g05_a_key_whose_limit_is_used_up_is_told_so() -> None:
    with limited(70_000) as rig:
        first = rig.chat(max_tokens=4)
        assert first.status_code == 200
        assert usage(rig) == {**sums(ANSWER_NANO, daily=ANSWER_NANO, weekly=ANSWER_NANO, monthly=ANSWER_NANO)} | {
            "held": 0,
            "free_requests": 0,
            "own": sums(),
        }
        tell(rig, keys={SHA256: sums(9_993)})
        refused = rig.chat(max_tokens=4)
        assert refused.status_code == 402
        error = refused.json()["error"]
        assert error["message"].startswith(
            'Insufficient credits: the key "me" has used $0.00007 of its limit of $0.00007'
        )
        assert error["metadata"] == {
            "error_type": "payment_required",
            "limit_source": "openrouter_key_limit",
            "reason": "key_limit_exceeded",
            "remedy_hint": 'To increase, raise the key\'s "limit" in the configuration of this gateway',
            "limit_usd": 0.00007,
            "spend_usd": 0.00007,
        }
        assert rig.counters()["requests"] == 1
        rig.booked(1)


def test_g05_a_request_that_could_cost_too_much_is_told_how_many_tokens_it_can_afford() -> None:
    with limited(1_014_007) as rig:
        refused = rig.chat(max_tokens=101)
        assert refused.status_code == 402
        assert refused.json()["error"]["message"].startswith(
            "This request requires more credits, or fewer max_tokens."
            " You requested up to 101 tokens, but can only afford 100. "
        )
        assert metadata(refused)["reason"] == "weight_exceeds_budget"
        assert rig.chat(max_tokens=100).status_code == 200
        long = rig.chat("word " * 4000, max_tokens=1)
        assert long.json()["error"]["message"].startswith("Prompt tokens limit exceeded: 5004 > ")


def test_g05_several_answers_are_held_back_for() -> None:
    with limited(1_014_007) as rig:
        assert rig.chat(max_tokens=50, n=2).status_code == 200
        assert "up to 120 tokens" in rig.chat(max_tokens=60, n=2).json()["error"]["message"]


def test_a_request_that_names_no_maximum_is_taken_to_write_what_is_configured_or_the_models_own() -> None:
    def affordable(**changes: Any) -> str:
        limit = harness.written.Limit(nano=DOLLAR // 1000, reset=None, include_byok=False)
        made = lambda address: harness.snapshot(  # noqa: E731
            [harness.provider(address)],
            [harness.model(harness.endpoint(0, "plain", **changes))],
            keys=[harness.key(limit=limit)],
            billing=harness.billing(reserve_tokens=500),
        )
        with running(made) as rig:
            text: str = rig.chat().json()["error"]["message"]
            return text

    assert "You requested up to 500 tokens, but can only afford 98." in affordable()
    assert "You requested up to 500 tokens" in affordable(completion_tokens_max=1000)
    assert "You requested up to 200 tokens" in affordable(completion_tokens_max=200, context_length=400)
    assert "You requested up to 400 tokens" in affordable(context_length=400)


def test_the_dearest_endpoint_that_may_serve_is_held_back_for() -> None:
    cheap = harness.msgspec.structs.replace(harness.PRICES, completion=0)
    limit = harness.written.Limit(nano=500_000, reset=None, include_byok=False)

    def make(address: str) -> written.Snapshot:
        return harness.snapshot(
            [harness.provider(address), harness.provider(address, "second")],
            [
                harness.model(harness.endpoint(0, "plain", prices=cheap), harness.endpoint(1, "plain")),
                harness.model(harness.endpoint(0, "plain", prices=cheap), slug="test/cheap"),
            ],
            keys=[harness.key(limit=limit)],
        )

    with running(make) as rig:
        assert rig.chat(max_tokens=100).status_code == 402
        assert rig.chat(model="test/cheap", max_tokens=100).status_code == 200


def test_what_has_no_price_needs_no_money() -> None:
    free = harness.msgspec.structs.replace(harness.PRICES, prompt=0, completion=0, cache_read=0, cache_write=0)
    free = harness.msgspec.structs.replace(free, cache_write_1h=0, request=0)
    for prices in (None, free):
        limit = harness.written.Limit(nano=0, reset=None, include_byok=False)

        def make(address: str, prices: Any = prices, limit: Any = limit) -> written.Snapshot:
            return harness.snapshot(
                [harness.provider(address)],
                [harness.model(harness.endpoint(0, "plain", prices=prices))],
                keys=[harness.key(limit=limit)],
            )

        with running(make) as rig:
            assert rig.chat(max_tokens=100_000).status_code == 200


def test_g07_a_limit_begins_anew_and_says_when() -> None:
    now = datetime.now(UTC)
    for reset in ("daily", "weekly", "monthly"):
        with limited(1_000_000, reset) as rig:
            # A year ago all of it was used.
            used = {"daily": 1_000_000, "weekly": 1_000_000, "monthly": 1_000_000}
            tell(rig, at=now - timedelta(days=365), keys={SHA256: sums(1_000_000, **used)})
            assert rig.chat(max_tokens=4).status_code == 200, reset
            # Now it is.
            tell(rig, keys={SHA256: sums(1_000_000, **used)})
            refused = rig.chat(max_tokens=4)
            assert refused.status_code == 402
            assert f"of its {reset} limit of $0.001" in refused.json()["error"]["message"]
            again = datetime.fromisoformat(metadata(refused)["resets_at"])
            assert now < again <= now + timedelta(days=32)
            assert (again.hour, again.minute, again.second) == (0, 0, 0)
            assert reset != "weekly" or again.weekday() == 0
            assert reset != "monthly" or again.day == 1


def test_h04_what_was_used_is_known_at_once_for_plain_answers_and_streams() -> None:
    with serving("plain;tokens=4") as rig:
        rig.chat()
        assert usage(rig)["total"] == ANSWER_NANO
        rig.stream()
        assert usage(rig)["total"] == usage(rig)["daily"] == 2 * ANSWER_NANO
        assert usage(rig, None)["total"] == 2 * ANSWER_NANO
        # What the ledger will say is the same.
        assert sum(generation.cost_nano for generation in rig.booked(2)) == 2 * ANSWER_NANO


def test_usage_survives_a_swap_and_a_limit_that_comes_with_it_counts_what_was_used_before() -> None:
    with serving("plain;tokens=4") as rig:
        rig.chat()
        limit = harness.written.Limit(nano=ANSWER_NANO, reset="daily", include_byok=False)
        rig.swap(harness.scripted("plain;tokens=4", address=rig.mock.address, keys=[harness.key(limit=limit)]))
        assert rig.chat(max_tokens=1).status_code == 402
        assert usage(rig)["total"] == ANSWER_NANO


def test_a_request_that_failed_gives_back_what_was_held() -> None:
    with limited(1_000_000, None, "plain;status=500") as rig:
        assert rig.chat(max_tokens=50).status_code >= 500
        assert usage(rig)["held"] == 0
        assert usage(rig)["total"] == 0


def test_a_client_that_leaves_gives_back_what_was_held() -> None:
    with limited(1_000_000, None, "plain;stall=2") as rig:
        with rig.connect() as connection:
            connection.send(harness.chat(stream=True, max_tokens=50))
            connection.read_until(b"data: ")
            assert usage(rig)["held"] > 500_000
            refused = rig.chat(max_tokens=80)
            assert refused.status_code == 402
            assert metadata(refused)["reason"] == "in_flight_budget_exhausted"
            assert metadata(refused)["limit_source"] == "openrouter_in_flight_budget"
            assert refused.headers["retry-after"] == "2"
        harness.eventually(lambda: usage(rig)["held"] == 0, "what was held is given back")


def leaves(rig: Rig, body: Any, path: str = harness.CHAT) -> None:
    """A client that leaves as soon as the provider has been asked."""
    asked = rig.counters()["requests"]
    with rig.connect() as connection:
        connection.send(body, path)
        harness.eventually(lambda: rig.counters()["requests"] == asked + 1, "the provider has the request")


def test_a_client_that_leaves_early_spends_its_prompts_all_the_same() -> None:
    with limited(1_000_000, None, "plain;latency=60000") as rig:
        spent = 0
        for _ in range(3):
            leaves(rig, harness.chat("word " * 100, max_tokens=1))
            (booked,) = rig.booked(1)
            assert booked.usage_source == "estimated"
            spent += booked.cost_nano
            assert usage(rig)["total"] == spent > 2_000 * 100
        # Too little is left for a fourth.
        refused = rig.chat("word " * 100, max_tokens=1)
        assert (refused.status_code, metadata(refused)["limit_source"]) == (402, "openrouter_key_limit")


def test_a_client_that_leaves_before_its_picture_spends_nothing() -> None:
    with limited(1_000_000, None, "plain;latency=60000") as rig:
        leaves(rig, {"model": "test/model", "prompt": "a cat"}, "/v1/images/generations")
        (booked,) = rig.booked(1)
        assert (booked.usage_source, booked.cost_nano, usage(rig)["total"]) == ("none", 0, 0)


def test_z13_requests_at_the_same_time_do_not_spend_more_than_the_limit() -> None:
    # Room for ten answers that are held back for at their true cost or a little less.
    limit = ANSWER_NANO * 10
    with limited(limit, "daily", "plain;tokens=4;latency=20", server={"threads": 2}) as rig:
        with ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(lambda _: rig.chat("Hello there, you", max_tokens=4).status_code, range(60)))
        assert set(answers) == {200, 402}
        spent = usage(rig)
        assert spent["held"] == 0
        assert spent["total"] == answers.count(200) * ANSWER_NANO
        # The prompt is estimated at eight tokens and counted as ten: the last one may go over by that.
        assert spent["total"] <= limit + 20_000
        rig.booked(answers.count(200))


def test_g07_a_limit_counts_what_was_spent_before_a_restart_each_dollar_once(tmp_path: Path) -> None:
    """Also what the process before had booked but not yet carried into the ledger."""
    limit = ANSWER_NANO * 5

    @contextmanager
    def started(rig: Rig) -> Iterator[None]:
        ledger = store.open_ledger(store.sqlite_url(tmp_path / "ledger.db"))
        writer = Writer(rig.plane, ledger, rejected=tmp_path / "rejected.jsonl", wait_ms=5)
        writer.start(inherit=True)
        assert writer.open(timeout_s=20)
        yield
        assert writer.finish(timeout_s=20)
        store.close_ledger(ledger)

    with limited(limit, "monthly", state_dir=tmp_path) as rig:
        with started(rig):
            assert [rig.chat(max_tokens=4).status_code for _ in range(2)] == [200, 200]
        # After the writer's end: this one stays in the journal.
        assert rig.chat(max_tokens=4).status_code == 200
    # With the plane goes the lock of its journal, as with a process that ends.
    del rig
    with limited(limit, "monthly", state_dir=tmp_path) as rig, started(rig):
        assert usage(rig)["monthly"] == 3 * ANSWER_NANO
        assert [rig.chat(max_tokens=4).status_code for _ in range(3)] == [200, 200, 402]
        assert usage(rig)["total"] == usage(rig, None)["total"] == 5 * ANSWER_NANO
    with limited(limit, "monthly", state_dir=tmp_path) as rig, started(rig):
        assert usage(rig)["total"] == 5 * ANSWER_NANO
        assert rig.chat(max_tokens=4).status_code == 402


@pytest.mark.parametrize("included", [False, True])
def test_what_an_own_key_costs_its_owner_counts_for_the_limit_only_if_it_is_to(included: bool) -> None:
    """And it is counted beside the rest in either case."""
    limit = harness.written.Limit(nano=ANSWER_NANO + 60_000, reset=None, include_byok=included)
    own = harness.credential(kind="prioritized")
    with serving("plain;tokens=4", keys=[harness.key(limit=limit)], provider={"credentials": [own]}) as rig:
        statuses = [rig.chat(max_tokens=4).status_code for _ in range(3)]
        assert statuses == ([200, 200, 402] if included else [200, 200, 200])
        spent = usage(rig)
        assert (spent["total"], spent["held"]) == (0, 0)
        assert spent["own"]["total"] == spent["own"]["daily"] == statuses.count(200) * ANSWER_NANO
        if included:
            tell(rig, own={SHA256: sums(1_000)})
            assert usage(rig)["own"]["total"] == 2 * ANSWER_NANO + 1_000
            assert metadata(rig.chat(max_tokens=4))["spend_usd"] == 0.000121014
        rig.booked(statuses.count(200))


def test_a_refusal_for_money_is_explained_to_who_asks_for_it() -> None:
    with limited(1) as rig:
        refused = rig.post(harness.chat(max_tokens=4), x_openrouter_metadata="enabled")
        assert refused.status_code == 402
        assert refused.json()["openrouter_metadata"]["requested"] == "test/model"


# Credits


def test_credits_are_what_was_added_less_what_was_used() -> None:
    with with_credits(0) as rig:
        # The ledger has not been asked yet: nobody is refused for what is not known.
        assert rig.chat(max_tokens=4).status_code == 200
        tell(rig, credits=ANSWER_NANO + 60_000, gateway=sums(0))
        assert rig.chat(max_tokens=4).status_code == 200
        refused = rig.chat(max_tokens=4)
        assert refused.status_code == 402
        assert refused.json()["error"]["message"].startswith("Insufficient credits")
        assert metadata(refused)["limit_source"] == "openrouter_credits"
        assert metadata(refused)["reason"] == "credits_exhausted"
        tell(rig, credits=DOLLAR)
        assert rig.chat(max_tokens=4).status_code == 200


def test_g06_debts_stop_models_without_a_price_too() -> None:
    def make(address: str) -> written.Snapshot:
        return harness.snapshot(
            [harness.provider(address)],
            [harness.model(harness.endpoint(0, "plain", prices=None), slug="test/model:free")],
            billing=harness.billing(credits=True),
        )

    with running(make) as rig:
        tell(rig, credits=0, gateway=sums(0))
        assert rig.chat(model="test/model:free").status_code == 200
        tell(rig, gateway=sums(1))
        refused = rig.chat(model="test/model:free")
        assert refused.status_code == 402
        assert metadata(refused)["spend_usd"] == 1e-9


def test_requests_without_a_key_use_credits_too() -> None:
    with running(
        lambda address: harness.scripted("plain;tokens=4", address=address, auth=False, keys=[]), key=None
    ) as rig:
        rig.chat()
        assert usage(rig, "")["total"] == usage(rig, None)["total"] == ANSWER_NANO


# How often


def test_a_key_that_asks_too_often_is_refused_before_its_body_is_read() -> None:
    with serving("plain", keys=[harness.key(requests_per_minute=2)]) as rig:
        assert [rig.chat().status_code for _ in range(2)] == [200, 200]
        before = time.time() * 1000
        refused = rig.post(b"{ not JSON")
        assert refused.status_code == 429
        assert refused.json()["error"]["message"] == 'Rate limit exceeded: the key "me" may ask 2 times a minute'
        assert refused.headers["x-ratelimit-limit"] == "2"
        assert refused.headers["x-ratelimit-remaining"] == "0"
        assert before < int(refused.headers["x-ratelimit-reset"]) < before + 60_000
        assert 1 <= int(refused.headers["retry-after"]) <= 30
        assert metadata(refused)["headers"] == {
            "X-RateLimit-Limit": "2",
            "X-RateLimit-Remaining": "0",
            "X-RateLimit-Reset": refused.headers["x-ratelimit-reset"],
        }


def free_models(**limits: int) -> AbstractContextManager[Rig]:
    def make(address: str) -> written.Snapshot:
        endpoint = harness.endpoint(0, "plain", prices=None)
        return harness.snapshot(
            [harness.provider(address)],
            [harness.model(endpoint, slug="test/model:free"), harness.model(endpoint)],
            billing=harness.billing(free=limits, credits="per_day_with_credits" in limits),
            keys=[harness.key(), harness.key("sk-another-key-0123456789", name="you")],
        )

    return running(make)


def test_g08_free_models_are_limited_by_the_minute_for_all_keys_together() -> None:
    with free_models(per_minute=20) as rig:
        statuses = [rig.chat(model="test/model:free").status_code for _ in range(20)]
        # The minute of the clock may have ended in between.
        assert set(statuses) == {200}
        refused = harness.eventually(
            lambda: next(
                (
                    answer
                    for answer in (
                        rig.post(
                            harness.chat(model="test/model:free"), authorization="Bearer sk-another-key-0123456789"
                        )
                        for _ in range(21)
                    )
                    if answer.status_code == 429
                ),
                None,
            ),
            "the limit is met",
        )
        assert refused.json()["error"]["message"] == "Rate limit exceeded: free-models-per-min"
        assert refused.headers["x-ratelimit-limit"] == "20"
        assert refused.headers["x-ratelimit-remaining"] == "0"
        assert int(refused.headers["x-ratelimit-reset"]) % 60_000 == 0
        assert metadata(refused)["headers"]["X-RateLimit-Reset"] == refused.headers["x-ratelimit-reset"]
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        # Others are not limited, whatever they cost.
        assert rig.chat().status_code == 200


def test_g08_free_models_are_limited_by_the_day_and_ten_dollars_open_more() -> None:
    with free_models(per_day=50, per_day_with_credits=1000) as rig:
        tell(rig, credits=0, gateway=sums(0), free_requests=49)
        assert rig.chat(model="test/model:free").status_code == 200
        assert usage(rig, None)["free_requests"] == 50
        refused = rig.chat(model="test/model:free")
        assert refused.status_code == 429
        assert refused.json()["error"]["message"] == (
            "Rate limit exceeded: free-models-per-day. Add 10 credits to unlock 1000 free model requests per day"
        )
        assert metadata(refused)["limit_source"] == "openrouter_free_tier_daily"
        assert int(refused.headers["x-ratelimit-reset"]) % 86_400_000 == 0
        tell(rig, credits=10 * DOLLAR, free_requests=949)
        assert rig.chat(model="test/model:free").status_code == 200
        refused = rig.chat(model="test/model:free")
        assert refused.json()["error"]["message"] == "Rate limit exceeded: free-models-per-day-high-balance"
        assert refused.headers["x-ratelimit-limit"] == "1000"


def test_what_a_limit_refuses_is_told_in_the_form_of_the_api() -> None:
    with limited(1) as rig:
        body = {"model": "test/model", "max_tokens": 5, "messages": [{"role": "user", "content": "Hi"}]}
        answer = rig.post(body, "/v1/messages")
        assert answer.status_code == 402
        assert answer.json()["error"]["type"] == "billing_error"
        assert rig.post({"model": "test/model", "input": "Hi"}, "/v1/responses").status_code == 402
        assert KEY not in answer.text


# What is charged

REQUEST_NANO = 7
"""What a request costs at the harness's prices, whatever its tokens."""


def played(*parts: bytes) -> AbstractContextManager[Rig]:
    """A gateway whose provider answers with these bytes."""
    stack = ExitStack()
    upstream = stack.enter_context(harness.Upstream(harness.answering(*parts)))
    rig = stack.enter_context(running(lambda _: harness.scripted("plain", address=upstream.address)))

    @contextmanager
    def whole() -> Iterator[Rig]:
        with stack:
            yield rig

    return whole()


def nothing_written(finish: str | None, **tokens: int) -> dict[str, Any]:
    """A completion with a choice that says nothing."""
    usage = {"prompt_tokens": 10, "completion_tokens": 0, "total_tokens": 10, **tokens}
    choice = {"index": 0, "message": {"role": "assistant", "content": ""}, "finish_reason": finish}
    return harness.completion(choices=[choice], usage=usage)


@pytest.mark.parametrize(
    ("body", "cost"),
    [
        (nothing_written(None), REQUEST_NANO),
        # The cost stands in the answer before anything is known of its end.
        (dict(sorted(nothing_written(None).items(), reverse=True)), REQUEST_NANO),
        (nothing_written("error"), REQUEST_NANO),
        (nothing_written("error", completion_tokens=4), REQUEST_NANO),
        (nothing_written("stop"), 20_000 + REQUEST_NANO),
        (nothing_written(None, completion_tokens=1), 30_000 + REQUEST_NANO),
    ],
)
def test_z01_an_answer_without_tokens_or_a_reason_and_a_failed_one_cost_no_tokens(
    body: dict[str, Any], cost: int
) -> None:
    """The price of the request itself is charged all the same (Z02)."""
    with played(harness.plain_answer(body)) as rig:
        answer = rig.chat()
        assert answer.status_code == 200
        shown = answer.json()["usage"]
        assert round(shown["cost"] * 1e9) == cost
        assert (shown["prompt_tokens"], shown["completion_tokens"]) == (10, body["usage"]["completion_tokens"])
        (booked,) = rig.booked()
        assert (booked.cost_nano, booked.tokens_prompt) == (cost, 10)
        assert usage(rig)["total"] == cost


def test_z01_a_stream_that_ends_in_an_error_costs_no_tokens() -> None:
    for script in ("plain;tokens=8;pace=2;error_in=4", "plain;tokens=8;pace=2;cut=4", "plain;tokens=8;finish=error"):
        with serving(script) as rig:

            def begun(rig: Rig = rig) -> Generation | None:
                """The record of a stream; ``None``: it failed before anything of it was passed on."""
                rig.stream()
                (booked,) = rig.booked()
                return booked if booked.status == 200 else None

            booked = harness.eventually(begun, "a stream that begins")
            assert booked.cost_nano == REQUEST_NANO, script
            assert booked.tokens_prompt > 0
            assert usage(rig)["total"] == REQUEST_NANO


def test_z01_a_translated_answer_that_failed_costs_no_tokens_either() -> None:
    with running(
        lambda address: harness.scripted(
            "plain;finish=error",
            address=address,
            provider={"wires": [harness.wire(address, "ollama")]},
        )
    ) as rig:
        answer = rig.chat()
        (booked,) = rig.booked()
        assert answer.json()["choices"][0]["finish_reason"] == booked.finish_reason == "error"
        assert booked.cost_nano == REQUEST_NANO


def test_z02_a_search_is_charged_though_the_answer_failed() -> None:
    prices = harness.msgspec.structs.replace(harness.PRICES, web_search=500)
    body = nothing_written("error", server_tool_use={"web_search_requests": 3})  # type: ignore[arg-type]
    with harness.Upstream(harness.answering(harness.plain_answer(body))) as upstream:
        made = harness.snapshot(
            [harness.provider(upstream.address)], [harness.model(harness.endpoint(0, "plain", prices=prices))]
        )
        with running(lambda _: made) as rig:
            rig.chat()
            assert rig.booked()[0].cost_nano == REQUEST_NANO + 3 * 500


# What a provider's filter found


def test_g10_what_a_filter_of_the_provider_found_is_told() -> None:
    flagged = "x" * 80 + "y" * 80
    found = {"reasons": ["violence"], "flagged_input": flagged, "provider_name": "Other", "model_slug": "their/model"}
    body = {"error": {"code": 403, "message": "Your input was flagged", "metadata": found}}
    with played(harness.plain_answer(body, status=403)) as rig:
        refused = rig.chat()
        assert refused.status_code == 400
        told = metadata(refused)
        assert told["error_type"] == "content_policy_violation"
        assert told["reasons"] == ["violence"]
        assert told["flagged_input"] == "x" * 49 + "…" + "y" * 50
        assert told["model_slug"] == "their/model"
        assert told["provider_name"] == "First"
