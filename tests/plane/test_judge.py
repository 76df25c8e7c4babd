"""``rust/plane/src/judge.rs`` and ``route/router/judge.rs``: a model tells the auto router what a request is about."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec
import pytest

from tests.plane.harness import (
    PRICES,
    Rig,
    chat,
    closed_port,
    credential,
    endpoint,
    eventually,
    key,
    model,
    provider,
    router,
    running,
    snapshot,
)
from turnout.config import snapshot as written

if TYPE_CHECKING:
    from collections.abc import Callable

AUTO = "openrouter/auto"
JUDGE = "judge/small"
LIMITED = "sk-test-limited-0123456789"
QUESTION = "Compare the climates of Norway and Portugal, and explain what the sea has to do with each of the two."
"""By its words a question, for which the talker is better; for code the coder is."""
PICTURE = [
    {"type": "text", "text": "What is it?"},
    {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}},
]


def opinion(task: str = "code:generation", difficulty: int = 3, **more: str) -> str:
    """The script of a judge that always says this."""
    said = quote(json.dumps({"task": task, "difficulty": difficulty}), safe="")
    return ";".join(
        ["plain;tokens=1;prompt=100", f"chars={said}", *(f"{name}={value}" for name, value in more.items())]
    )


def priced(slug: str, dollars: int, intelligence: int, coding: int) -> written.Model:
    nano = dollars * 1_000_000_000
    prices = msgspec.structs.replace(PRICES, prompt=nano, completion=nano, request=0)
    scores = written.Scores(intelligence=intelligence, coding=coding, agentic=None)
    return model(endpoint(0, "plain;tokens=1", prices=prices, tag=slug), slug=slug, scores=scores)


def gateway(script: str, judge: dict[str, Any] | None = None, **changes: Any) -> Callable[[str], written.Snapshot]:
    """Two models to choose from, and a judge at a provider of its own. ``judge``: how it is asked otherwise."""
    ours = changes.pop("at", {})

    def make(address: str) -> written.Snapshot:
        base = written.Judge(model=JUDGE, timeout_ms=5000, ttl_ms=60_000, opinions_max=100)
        return snapshot(
            [provider(address, "first"), provider(ours.pop("address", address), "second", **ours)],
            [
                priced("test/talker", 1, 900, 300),
                priced("test/coder", 1, 300, 900),
                model(endpoint(1, script, tag="judge"), slug=JUDGE),
            ],
            keys=[key(), key(LIMITED, name="limited", models=["test/*"])],
            routers=[
                router("auto", AUTO, excluded=["judge/*"], judge=msgspec.structs.replace(base, **(judge or {}))),
                router("free", "openrouter/free"),
            ],
            **changes,
        )

    return make


def ask(rig: Rig, text: Any = QUESTION, **members: Any) -> tuple[str, dict[str, Any] | None]:
    """The model that answered, and what the metadata says of the judge."""
    answer = rig.post(chat(text, **{"model": AUTO, **members}), x_openrouter_metadata="enabled")
    assert answer.status_code == 200, answer.text
    said = answer.json()
    (stage,) = [stage for stage in said["openrouter_metadata"]["pipeline"] if stage["name"].endswith("-router")]
    judge: dict[str, Any] | None = stage["data"].get("judge")
    return said["model"], judge


def judged(rig: Rig) -> list[dict[str, Any]]:
    """What the judge was asked."""
    bodies = (json.loads(received["body"]) for received in rig.received() if received.get("body"))
    return [body for body in bodies if "You sort requests" in json.dumps(body)]


@pytest.mark.parametrize(
    ("task", "difficulty", "expected"),
    [
        ("code:generation", 3, "test/coder"),
        ("question", 3, "test/talker"),
        ("writing", 2, "test/talker"),
        # Whoever does the easy ones well enough is as good; both cost the same, so the first.
        ("code:generation", 1, "test/talker"),
    ],
)
def test_what_the_judge_says_decides(task: str, difficulty: int, expected: str) -> None:
    with running(gateway(opinion(task, difficulty))) as rig:
        answered, judge = ask(rig)
        assert answered == expected
        assert judge is not None
        assert (judge["model"], judge["outcome"], judge["guess"]) == (JUDGE, "answered", "question")
        assert judge["milliseconds"] >= 0


def test_the_judge_is_shown_the_last_words_and_asked_for_a_form() -> None:
    with running(gateway(opinion())) as rig:
        earlier = [{"role": "system", "content": "You are Ada."}, {"role": "user", "content": "Hello"}]
        rig.chat(
            model=AUTO,
            messages=[*earlier, {"role": "assistant", "content": "Hi"}, {"role": "user", "content": QUESTION}],
        )
        (asked,) = judged(rig)
        shown = json.loads(asked["messages"][1]["content"])
        assert shown == {"program": "You are Ada.", "user": QUESTION, "tools": False, "must_fit_a_schema": False}
        assert asked["response_format"]["json_schema"]["schema"]["required"] == ["task", "difficulty"]
        assert asked["max_tokens"] == 64
        assert "stream" not in asked


def test_the_key_that_asks_pays_for_the_judge_in_a_row_of_its_own() -> None:
    with running(gateway(opinion(usage="asked"))) as rig:
        rig.post(chat(QUESTION, model=AUTO), x_title="An App", user_agent="agent/1")
        judge, answer = rig.booked(2)
        assert (judge.api, judge.model, judge.key_name, judge.status) == ("judge", JUDGE, "me", 200)
        assert (answer.api, answer.model, answer.key_name) == ("chat", "test/coder", "me")
        assert (judge.app_title, judge.user_agent) == ("An App", "agent/1")
        # 100 tokens read and one written, and the price of a request.
        assert judge.cost_nano == 100 * 2000 + 10_000 + 7
        usage = json.loads(rig.plane.usage(judge.key_sha256))
        assert usage["total"] == judge.cost_nano + answer.cost_nano
        assert rig.metric("turnout_requests_total", model=JUDGE) == 0
        assert rig.metric("turnout_requests_total") == 1
        assert rig.metric("turnout_tokens_total", model=JUDGE, kind="prompt") == 100
        # What was waited for the judge is not the gateway's own time.
        assert answer.total_us > judge.total_us


def test_the_same_words_are_judged_once() -> None:
    with running(gateway(opinion())) as rig:
        assert [ask(rig)[1]["outcome"] for _ in range(3)] == ["answered", "remembered", "remembered"]  # type: ignore[index]
        assert ask(rig)[0] == "test/coder"
        assert len(judged(rig)) == 1
        ask(rig, "Another question altogether?")
        assert len(judged(rig)) == 2
        assert rig.metric("turnout_judgements_total", outcome="remembered") == 3
        assert rig.metric("turnout_judgements_total", outcome="answered") == 2


def test_without_a_time_to_live_every_request_is_judged() -> None:
    with running(gateway(opinion(), {"ttl_ms": 0})) as rig:
        for _ in range(3):
            ask(rig)
        assert len(judged(rig)) == 3


@pytest.mark.parametrize(
    ("script", "outcome"),
    [
        ("plain;status=500", "failed"),
        ("plain;status=429", "failed"),
        ("plain;cut=0", "failed"),
        ("plain;stall=0", "late"),
        ("plain;latency=20000", "late"),
        ("plain", "nonsense"),
        ("plain;nochoices=1", "failed"),
        (opinion("cooking"), "nonsense"),
        (opinion("math", 4), "nonsense"),
    ],
)
def test_u05_when_the_judge_is_no_help_the_guess_stands(script: str, outcome: str) -> None:
    with running(gateway(script, {"timeout_ms": 300 if outcome == "late" else 20_000})) as rig:
        answered, judge = ask(rig)
        assert answered == "test/talker"
        assert judge is not None
        assert judge["outcome"] == outcome
        assert judge["milliseconds"] < 20_000
        assert rig.metric("turnout_judgements_total", outcome=outcome) == 1


def test_a_request_in_a_hurry_gives_the_judge_half_of_its_time() -> None:
    with running(gateway("plain;stall=0", {"timeout_ms": 30_000})) as rig:
        answer = rig.post(chat(QUESTION, model=AUTO), x_turnout_timeout="3s", x_openrouter_metadata="enabled")
        assert answer.json()["model"] == "test/talker"
        (stage,) = answer.json()["openrouter_metadata"]["pipeline"]
        assert stage["data"]["judge"]["outcome"] == "late"
        assert 1500 <= stage["data"]["judge"]["milliseconds"] < 3000


def test_requests_in_a_hurry_do_not_make_the_judge_rest() -> None:
    with running(gateway("plain;stall=0;times=4", {"timeout_ms": 30_000})) as rig:
        for number in range(4):
            rig.post(chat(f"Question {number}?", model=AUTO), x_turnout_timeout="100ms")
        assert ask(rig)[1]["outcome"] == "nonsense"  # type: ignore[index]


def test_u05_a_judge_that_cannot_be_reached_is_no_help() -> None:
    with running(gateway(opinion(), at={"address": f"127.0.0.1:{closed_port()}"})) as rig:
        answered, judge = ask(rig)
        assert answered == "test/talker"
        assert judge is not None
        assert judge["outcome"] == "failed"


def test_u05_a_judge_that_is_down_is_left_alone() -> None:
    with running(gateway("plain;status=500")) as rig:
        outcomes = [ask(rig, f"Question {number}?")[1]["outcome"] for number in range(6)]  # type: ignore[index]
        assert outcomes == ["failed"] * 3 + ["resting"] * 3
        assert len(judged(rig)) == 3


def test_a_judge_with_several_endpoints_is_asked_at_the_next() -> None:
    def make(address: str) -> written.Snapshot:
        whole = gateway(opinion())(address)
        judge = model(endpoint(1, "plain;status=500", tag="a"), endpoint(0, opinion(), tag="b"), slug=JUDGE)
        return msgspec.structs.replace(whole, models=[*whole.models[:2], judge])

    with running(make) as rig:
        assert ask(rig)[0] == "test/coder"
        judge, _ = rig.booked(2)
        assert [attempt.outcome for attempt in judge.attempts] == ["status", "ok"]


@pytest.mark.parametrize(
    "members",
    [
        {"model": "test/talker"},
        {"model": "openrouter/free"},
        # The router is only there for when the model fails.
        {"model": "test/talker", "models": [AUTO]},
        {"messages": [{"role": "user", "content": PICTURE}]},
        {"messages": [{"role": "user", "content": " "}]},
    ],
)
def test_nobody_is_asked_where_there_is_nothing_to_judge(members: Any) -> None:
    with running(gateway(opinion())) as rig:
        rig.chat(**{"model": AUTO, **members})
        assert not judged(rig)
        assert rig.metric("turnout_judgements_total") == 0


def test_every_api_with_a_conversation_is_judged_and_streams_are() -> None:
    turn = [{"role": "user", "content": QUESTION}]
    with running(gateway(opinion(), {"ttl_ms": 0})) as rig:
        said = [
            rig.post({"model": AUTO, "messages": turn, "max_tokens": 9}, "/v1/messages").json()["model"],
            rig.post({"model": AUTO, "input": QUESTION}, "/v1/responses").json()["model"],
            rig.post({"contents": [{"parts": [{"text": QUESTION}]}]}, f"/v1beta/models/{AUTO}:generateContent").json()[
                "modelVersion"
            ],
            rig.stream(QUESTION, model=AUTO).chunks[0]["model"],
        ]
        assert said == ["test/coder"] * 4
        assert len(judged(rig)) == 4


def test_whoever_may_not_see_a_request_is_not_asked_about_it() -> None:
    with running(gateway(opinion())) as rig:
        for preferences in ({"only": ["first"]}, {"ignore": ["second"]}, {"zdr": True}):
            rig.chat(f"{QUESTION} {preferences}", model=AUTO, provider=preferences)
        assert not judged(rig)
        # That is no failure of the judge's, who is asked again at once.
        assert ask(rig)[0] == "test/coder"


def test_a_key_that_may_not_use_the_judges_model_is_not_judged() -> None:
    with running(gateway(opinion())) as rig:
        answer = rig.post(chat(QUESTION, model=AUTO), authorization=f"Bearer {LIMITED}")
        assert answer.json()["model"] == "test/talker"
        assert not judged(rig)


def test_a_conversation_that_has_its_model_is_not_judged_again() -> None:
    with running(gateway(opinion())) as rig:
        session = {"session_id": "one"}
        assert ask(rig, **session)[0] == "test/coder"
        answered, judge = ask(rig, "And what of Iceland?", **session)
        assert answered == "test/coder"
        assert judge is not None
        assert judge["outcome"] == "settled"
        assert len(judged(rig)) == 1


def test_a_client_that_leaves_takes_the_question_with_it() -> None:
    with running(gateway("plain;stall=0")) as rig:
        with rig.connect() as connection:
            connection.send(chat(QUESTION, model=AUTO))
            eventually(lambda: len(judged(rig)) == 1, "the judge is asked")
        (row,) = rig.booked()
        assert (row.api, row.cancelled) == ("judge", True)
        eventually(lambda: rig.counters()["client_gone"] == 1, "the judge's connection is closed")


def test_a_rehearsal_asks_nobody_and_tells_what_is_remembered() -> None:
    with running(gateway(opinion())) as rig:
        body = json.dumps(chat(QUESTION, model=AUTO)).encode()

        def rehearsed() -> tuple[str, str]:
            (stage,) = json.loads(rig.plane.explain(body))["turnout_explain"]["stages"]
            assert JUDGE in stage["summary"]
            return stage["data"]["judge"]["outcome"], stage["data"]["models"][0]

        assert rehearsed() == ("unasked", "test/talker")
        ask(rig)
        assert rehearsed() == ("remembered", "test/coder")
        assert len(judged(rig)) == 1


def test_a_key_without_money_is_not_judged() -> None:
    with running(gateway(opinion())) as rig:
        whole = gateway(opinion())(rig.mock.address)
        limit = written.Limit(nano=1, reset=None, include_byok=False)
        rig.swap(msgspec.structs.replace(whole, keys=[key(limit=limit)]))
        assert rig.chat(QUESTION, model=AUTO).status_code == 402
        assert not judged(rig)


def test_the_judge_is_asked_with_the_clients_own_key_where_there_is_one() -> None:
    own = credential("sk-somebodys-own", label="own", kind="prioritized")
    with running(gateway(opinion(), at={"credentials": [own, credential()]})) as rig:
        ask(rig)
        (received,) = [one for one in rig.received() if "You sort requests" in one["body"]]
        assert dict(received["headers"])["authorization"] == "Bearer sk-somebodys-own"
