"""``rust/plane/src/route/sticky.rs``: a conversation stays with the endpoint that has its prompt in its cache.

Endpoints are tried as listed, so that nobody but a conversation that lives there begins with the second one:
:func:`settle` brings one there. That conversations are forgotten in time, and at the bound, is tested in that file,
where the clock can be moved.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from tests.plane.harness import (
    CHAT,
    PRICES,
    chat,
    endpoint,
    key,
    model,
    provider,
    routing,
    running,
    snapshot,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.plane.harness import Rig
    from turnout.config.snapshot import Snapshot

NAMES = ("first", "second", "third", "fourth")
OTHER_KEY = "sk-test-other-0123456789"


def fleet(address: str, *scripts: str, prices: Any = PRICES, **sticky: Any) -> Snapshot:
    """``test/model`` with one endpoint for each script."""
    return snapshot(
        [provider(address, name) for name in NAMES[: len(scripts)]],
        [model(*(endpoint(index, script, prices=prices) for index, script in enumerate(scripts)))],
        keys=[key(), key(OTHER_KEY, name="other")],
        routing=routing(sticky=sticky),
    )


@contextlib.contextmanager
def three(script: str = "plain;tokens=1", **changes: Any) -> Iterator[Rig]:
    """Three endpoints; as they stand, none of them says that it used its cache."""
    with running(lambda address: fleet(address, *[script] * 3, **changes)) as rig:
        yield rig


@pytest.fixture
def rig() -> Iterator[Rig]:
    with three() as rig:
        yield rig


def served(rig: Rig, body: Any = None, path: str = CHAT, **headers: str) -> str:
    """Who serves the request."""
    answer = rig.post(body if body is not None else chat(), path, **headers)
    assert answer.status_code == 200, answer.text
    return rig.booked(1)[0].provider_slug


def settle(rig: Rig, body: Any = None, **headers: str) -> None:
    """Brings a conversation to the second endpoint."""
    away = {**(body if body is not None else chat()), "provider": {"ignore": ["first"]}}
    assert served(rig, away, **headers) == "second"


def test_s01_a_session_stays_with_the_endpoint_that_served_it_first(rig: Rig) -> None:
    settle(rig, chat(session_id="s-1"))
    assert {served(rig, chat(f"turn {turn}", session_id="s-1")) for turn in range(20)} == {"second"}
    # Nobody else's requests go there.
    assert served(rig) == "first"
    assert served(rig, chat(session_id="s-2")) == "first"


def test_s01_streams_and_other_apis_are_of_the_same_session(rig: Rig) -> None:
    settle(rig, chat(session_id="s-1"))
    assert served(rig, chat(session_id="s-1", stream=True)) == "second"
    body = {"model": "test/model", "input": "Hello", "session_id": "s-1"}
    assert served(rig, body, "/v1/responses") == "second"


def test_s01_a_session_is_one_keys_own(rig: Rig) -> None:
    settle(rig, chat(session_id="s-1"))
    assert served(rig, chat(session_id="s-1"), authorization=f"Bearer {OTHER_KEY}") == "first"
    assert served(rig, chat(session_id="s-1")) == "second"


def test_s01_a_session_survives_a_swap_of_the_configuration(rig: Rig) -> None:
    settle(rig, chat(session_id="s-1"))
    rig.swap(fleet(rig.mock.address, *["plain;tokens=1"] * 4))
    assert served(rig, chat(session_id="s-1")) == "second"


def test_s02_the_header_names_a_session_and_the_body_wins(rig: Rig) -> None:
    settle(rig, **{"x-session-id": "s-1"})
    assert served(rig, **{"x-session-id": "s-1"}) == "second"
    assert served(rig, **{"x-session-id": "s-2"}) == "first"
    # It is the same name wherever it stands, and that of the body counts.
    assert served(rig, chat(session_id="s-1"), **{"x-session-id": "s-2"}) == "second"
    assert served(rig, chat(session_id="s-3"), **{"x-session-id": "s-1"}) == "first"


def test_s03_the_key_of_a_prompts_cache_names_a_conversation(rig: Rig) -> None:
    settle(rig, chat(prompt_cache_key="k-1"))
    assert served(rig, chat(prompt_cache_key="k-1")) == "second"
    assert served(rig, chat(prompt_cache_key="k-2")) == "first"
    # A session beats it, and is another name even when the words are the same.
    assert served(rig, chat(prompt_cache_key="k-1", session_id="s-1")) == "first"
    assert served(rig, chat(session_id="k-1")) == "first"


def test_s04_a_conversation_without_a_name_stays_once_it_read_from_the_cache() -> None:
    turns: list[dict[str, str]] = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}]
    body: dict[str, Any] = {"model": "test/model", "messages": turns}
    with three("plain;tokens=1;prompt=100;cached=80") as rig:
        settle(rig, body)
        for number in range(3):
            turns += [{"role": "assistant", "content": "Hi"}, {"role": "user", "content": f"and {number}?"}]
            assert served(rig, body) == "second"
        assert served(rig, chat("Something else")) == "first"


def test_s04_writing_to_the_cache_is_enough() -> None:
    body = {"model": "test/model", "max_tokens": 9, "messages": [{"role": "user", "content": "Hello"}]}
    with three("plain;tokens=1;prompt=100;written=80") as rig:
        settle(rig, body)
        assert served(rig, body) == "second"


def test_s04_without_any_use_of_the_cache_nothing_is_remembered(rig: Rig) -> None:
    settle(rig)
    assert served(rig) == "first"


def test_s05_a_time_of_zero_turns_it_off() -> None:
    with three(ttl_ms=0) as rig:
        settle(rig, chat(session_id="s-1"))
        assert served(rig, chat(session_id="s-1")) == "first"


def test_s06_an_order_of_the_clients_wins_and_is_not_remembered(rig: Rig) -> None:
    settle(rig, chat(session_id="s-1"))
    ordered = chat(session_id="s-1", provider={"order": ["third"]})
    assert {served(rig, ordered) for _ in range(3)} == {"third"}
    assert served(rig, chat(session_id="s-1")) == "second"
    assert served(rig, chat(session_id="s-2", provider={"order": ["third"]})) == "third"
    assert served(rig, chat(session_id="s-2")) == "first"


def test_s06_without_fallbacks_the_conversations_endpoint_is_the_only_one(rig: Rig) -> None:
    settle(rig, chat(session_id="s-1"))
    alone = {"allow_fallbacks": False}
    assert served(rig, chat(session_id="s-1", provider=alone)) == "second"
    assert served(rig, chat(session_id="s-2", provider=alone)) == "first"


def test_s07_a_failure_of_the_endpoint_does_not_move_the_conversation(rig: Rig) -> None:
    settle(rig, chat(session_id="s-1"))
    healthy = "plain;tokens=1"
    rig.swap(fleet(rig.mock.address, healthy, "plain;status=500", healthy))
    assert rig.post(chat(session_id="s-1")).status_code == 200
    (generation,) = rig.booked(1)
    # Tried where it lives first, and served by another.
    assert generation.attempts[0].provider == "second"
    assert generation.provider_slug != "second"
    rig.swap(fleet(rig.mock.address, *[healthy] * 3))
    assert served(rig, chat(session_id="s-1")) == "second"


def test_s07_a_conversation_whose_endpoint_is_excluded_moves(rig: Rig) -> None:
    settle(rig, chat(session_id="s-1"))
    assert served(rig, chat(session_id="s-1", provider={"ignore": ["second"]})) == "first"
    assert served(rig, chat(session_id="s-1", provider={"ignore": ["third"]})) == "first"


def test_s08_only_where_reading_from_the_cache_is_cheaper() -> None:
    equal = msgspec.structs.replace(PRICES, cache_read=PRICES.prompt)
    with three("plain;tokens=1;cached=5", prices=equal) as rig:
        settle(rig, chat(session_id="s-1"))
        assert served(rig, chat(session_id="s-1")) == "first"


def test_s08_where_no_price_is_known_a_name_is_enough() -> None:
    with three("plain;tokens=1;cached=5", prices=None) as rig:
        settle(rig, chat(session_id="s-1"))
        assert served(rig, chat(session_id="s-1")) == "second"
        settle(rig)
        assert served(rig) == "first"


def test_a_failed_answer_is_no_reason_to_stay(rig: Rig) -> None:
    rig.swap(fleet(rig.mock.address, "plain;status=500", "plain;status=400", "plain;status=500"))
    assert rig.post(chat(session_id="s-1", provider={"ignore": ["first"]})).status_code >= 400
    rig.booked(1)
    rig.swap(fleet(rig.mock.address, *["plain;tokens=1"] * 3))
    assert served(rig, chat(session_id="s-1")) == "first"
