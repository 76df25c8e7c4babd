"""``rust/plane/src/route/router/``: ``openrouter/auto``, ``…/free`` and ``…/pareto-code``."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from tests.plane.harness import PRICES, Rig, chat, endpoint, key, model, provider, router, running, snapshot
from turnout.config import snapshot as written

if TYPE_CHECKING:
    from collections.abc import Iterator

LIMITED = "sk-test-limited-0123456789"
CODE = "Write a Python function that merges two sorted lists"
QUESTION = (
    "Compare the climates of Norway and Portugal, and explain what the sea has to do with each of the two. Say also "
    "how the mountains of either country change what the wind brings."
)
AUTO = "openrouter/auto"


def prices(prompt: int, completion: int | None = None) -> written.Prices:
    """Dollars per million tokens."""
    dollar = 1_000_000_000
    return msgspec.structs.replace(
        PRICES, prompt=prompt * dollar, completion=(prompt if completion is None else completion) * dollar, request=0
    )


def scores(intelligence: int, coding: int | None = None, agentic: int | None = None) -> written.Scores:
    return written.Scores(intelligence=intelligence, coding=coding, agentic=agentic)


def one(
    slug: str, price: int | None, score: written.Scores | None, script: str = "plain", **changes: Any
) -> written.Model:
    """A model with one endpoint at the only provider."""
    whole = None if price is None else prices(price)
    return model(endpoint(0, script, prices=whole, **changes), slug=slug, scores=score)


# Ten models, two in each fifth by price; the second of each pair is better in general, the first in code.
LADDER = [
    one("tiny/talker", 1, scores(300, 200, 100)),
    one("tiny/coder", 2, scores(250, 350, 150)),
    one("small/talker", 3, scores(420, 300, 200)),
    one("small/coder", 4, scores(400, 450, 300)),
    one("middle/talker", 5, scores(560, 400, 400)),
    one("middle/coder", 6, scores(550, 600, 600)),
    one("large/talker", 7, scores(760, 650, 600)),
    one("large/coder", 8, scores(700, 800, 700)),
    one("huge/talker", 9, scores(950, 850, 800)),
    one("huge/coder", 10, scores(900, 990, 900)),
]


def ladder(address: str) -> written.Snapshot:
    return snapshot(
        [provider(address)],
        LADDER,
        keys=[key(), key(LIMITED, name="limited", models=["tiny/*"])],
        routers=[
            router("auto", AUTO, "openrouter/auto-beta", "turnout/auto"),
            router("pareto", "openrouter/pareto-code", "turnout/pareto-code"),
        ],
    )


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    with running(ladder) as rig:
        yield rig


def plugin(**options: Any) -> list[dict[str, Any]]:
    return [{"id": "auto-router", **options}]


def chosen(rig: Rig, text: str = QUESTION, model: str = AUTO, **members: Any) -> str:
    """The model that answers."""
    answer = rig.chat(text, model=model, **members)
    assert answer.status_code == 200, answer.text
    slug: str = answer.json()["model"]
    return slug


# auto


def test_u01_auto_answers_with_a_concrete_model_for_the_task(rig: Rig) -> None:
    assert chosen(rig) == "tiny/talker"
    assert chosen(rig, CODE) == "tiny/coder"


def test_the_router_that_chose_is_booked() -> None:
    with running(ladder) as rig:
        for members, chose in (
            ({"model": AUTO}, AUTO),
            ({"model": f"{AUTO}:floor"}, AUTO),
            ({"model": "turnout/auto"}, AUTO),
            ({"model": "tiny/talker"}, None),
            ({"model": "tiny/talker:floor"}, None),
            ({"model": "tiny/talker", "models": [AUTO]}, None),
        ):
            rig.post({**chat(QUESTION), **members})
            (booked,) = rig.booked(1)
            assert (booked.model, booked.router) == ("tiny/talker", chose), members


def test_u01_all_names_of_the_router_mean_it(rig: Rig) -> None:
    for name in (AUTO, "turnout/auto", "openrouter/auto-beta"):
        assert chosen(rig, CODE, name) == "tiny/coder"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"allowed_models": ["large/*", "huge/*"]}, "large/talker"),
        ({"allowed_models": ["*/coder"]}, "tiny/coder"),
        ({"allowed_models": ["middle/talker"]}, "middle/talker"),
        ({"excluded_models": ["tiny/*"]}, "small/talker"),
        ({"allowed_models": ["tiny/*"], "excluded_models": ["*/talker"]}, "tiny/coder"),
        ({"allowed_models": []}, "tiny/talker"),
        ({"enabled": False, "allowed_models": ["huge/*"]}, "tiny/talker"),
    ],
)
def test_u01_wildcards_of_the_request_narrow_the_choice(rig: Rig, options: Any, expected: str) -> None:
    assert chosen(rig, plugins=plugin(**options)) == expected


def test_u01_each_name_reads_its_own_plugin_only(rig: Rig) -> None:
    beta = [{"id": "auto-beta-router", "allowed_models": ["huge/talker"]}]
    assert chosen(rig, plugins=beta) == "tiny/talker"
    assert chosen(rig, model="openrouter/auto-beta", plugins=beta) == "huge/talker"


def test_u01_a_key_with_few_models_chooses_among_these(rig: Rig) -> None:
    answer = rig.post(chat(QUESTION, model=AUTO, plugins=plugin(cost_tier="max")), authorization=f"Bearer {LIMITED}")
    assert answer.json()["model"].startswith("tiny/")


@pytest.mark.parametrize(
    ("options", "member"),
    [
        ({"cost_tier": "cheap"}, "plugins[0].cost_tier"),
        ({"allowed_models": "tiny/*"}, "plugins[0].allowed_models"),
        ({"excluded_models": ["x"] * 1025}, "plugins[0].excluded_models[1024]"),
        ({"cost_quality_tradeoff": 11}, "plugins[0].cost_quality_tradeoff"),
    ],
)
def test_a_wrong_option_is_named(rig: Rig, options: Any, member: str) -> None:
    answer = rig.chat(model=AUTO, plugins=plugin(**options))
    assert answer.status_code == 400
    assert f"`{member}`" in answer.json()["error"]["message"]


@pytest.mark.parametrize("options", [{"excluded_models": ["*"]}, {"allowed_models": ["nobody/*"]}])
def test_u02_nothing_left_is_404_in_openrouters_words(rig: Rig, options: Any) -> None:
    answer = rig.chat(model=AUTO, plugins=plugin(**options))
    assert answer.status_code == 404
    assert answer.json()["error"]["message"] == "No models match your request and model restrictions"
    assert "x-generation-id" not in answer.headers


@pytest.mark.parametrize(
    ("tier", "talker", "coder"),
    [
        ("low", "tiny/talker", "tiny/coder"),
        ("medium", "small/talker", "small/coder"),
        ("high", "middle/talker", "middle/coder"),
        ("xhigh", "large/talker", "large/coder"),
        ("max", "huge/talker", "huge/coder"),
    ],
)
def test_u03_cost_tiers_are_fifths_by_price(rig: Rig, tier: str, talker: str, coder: str) -> None:
    assert chosen(rig, plugins=plugin(cost_tier=tier)) == talker
    assert chosen(rig, CODE, plugins=plugin(cost_tier=tier)) == coder


def test_u03_the_older_tradeoff_is_a_ceiling_and_gives_way_to_the_tier(rig: Rig) -> None:
    # Ten keeps the cheapest tenth, nought what is below the dearest tenth.
    assert chosen(rig, CODE, plugins=plugin(cost_quality_tradeoff=10)) == "tiny/talker"
    assert chosen(rig, CODE, plugins=plugin(cost_quality_tradeoff=0)) == "huge/talker"
    both = plugin(cost_quality_tradeoff=0, cost_tier="medium")
    assert chosen(rig, CODE, plugins=both) == "small/coder"


def test_u03_an_empty_fifth_gives_way_to_a_cheaper_one(rig: Rig) -> None:
    few = plugin(allowed_models=["tiny/talker", "huge/talker"], cost_tier="medium")
    assert chosen(rig, plugins=few) == "tiny/talker"
    few = plugin(allowed_models=["tiny/talker", "huge/talker"], cost_tier="max")
    assert chosen(rig, plugins=few) == "huge/talker"


def test_where_little_thought_is_needed_the_cheapest_good_enough_one_serves(rig: Rig) -> None:
    pair = plugin(allowed_models=["large/*", "huge/*"], cost_quality_tradeoff=0)
    assert chosen(rig, QUESTION, plugins=pair) == "huge/talker"
    assert chosen(rig, "Hello!", plugins=pair) == "large/talker"


def test_the_pinned_model_of_the_last_turn_is_used_again(rig: Rig) -> None:
    messages = [
        {"role": "user", "content": "Hello!"},
        {"role": "assistant", "content": "Hi.", "model": "middle/coder"},
        {"role": "user", "content": QUESTION},
    ]
    assert chosen(rig, messages=messages) == "tiny/talker"
    assert chosen(rig, messages=messages, plugins=plugin(pin_model=True)) == "middle/coder"
    # Not against the restrictions.
    kept = plugin(pin_model=True, excluded_models=["middle/*"])
    assert chosen(rig, messages=messages, plugins=kept) == "tiny/talker"


def test_u04_a_session_stays_with_its_model_while_that_may_be_chosen(rig: Rig) -> None:
    session = {"session_id": "u04"}
    assert chosen(rig, CODE, **session) == "tiny/coder"
    assert chosen(rig, QUESTION, **session) == "tiny/coder"
    assert chosen(rig, QUESTION, session_id="another") == "tiny/talker"
    # Another price, or a restriction, is a wish that counts more.
    assert chosen(rig, QUESTION, **session, plugins=plugin(cost_tier="max")) == "huge/talker"
    assert chosen(rig, QUESTION, **session, plugins=plugin(excluded_models=["tiny/coder"])) != "tiny/coder"


def test_the_wishes_of_the_request_leave_models_to_choose() -> None:
    def two(address: str) -> written.Snapshot:
        models = [
            one("a/cheap", 1, scores(900)),
            model(endpoint(1, prices=prices(5), tag="second"), slug="b/dear", scores=scores(100)),
        ]
        return snapshot([provider(address), provider(address, "second")], models, routers=[router("auto", AUTO)])

    with running(two) as rig:
        assert chosen(rig) == "a/cheap"
        assert chosen(rig, provider={"only": ["second"]}) == "b/dear"
        answer = rig.chat(model=AUTO, provider={"only": ["third"]})
        assert answer.status_code == 404


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/messages", {"messages": [{"role": "user", "content": CODE}], "max_tokens": 50}),
        ("/v1/responses", {"input": CODE}),
        ("/v1/responses", {"input": [{"role": "user", "content": [{"type": "input_text", "text": CODE}]}]}),
    ],
)
def test_every_api_with_a_conversation_has_the_router(rig: Rig, path: str, body: Any) -> None:
    answer = rig.post({"model": AUTO, **body}, path)
    assert answer.status_code == 200, answer.text
    assert answer.json()["model"] == "tiny/coder"


def test_gemini_has_the_router_in_its_path(rig: Rig) -> None:
    body = {"contents": [{"parts": [{"text": CODE}]}]}
    answer = rig.post(body, "/v1beta/models/openrouter/auto:generateContent")
    assert answer.status_code == 200, answer.text
    assert answer.json()["modelVersion"] == "tiny/coder"


def test_the_router_needs_messages(rig: Rig) -> None:
    answer = rig.post({"model": AUTO, "prompt": "Once upon a time"}, "/v1/completions")
    assert answer.status_code == 400
    assert "messages" in answer.json()["error"]["message"]
    answer = rig.post({"model": AUTO, "messages": []})
    assert answer.status_code == 400
    assert "messages" in answer.json()["error"]["message"]


def test_a_router_may_stand_in_a_list(rig: Rig) -> None:
    assert chosen(rig, CODE, "huge/talker", models=[AUTO]) == "huge/talker"
    assert chosen(rig, CODE, AUTO, models=["huge/talker"]) == "tiny/coder"


def test_the_next_model_serves_when_the_first_fails() -> None:
    def failing(address: str) -> written.Snapshot:
        broken = one("tiny/talker", 1, scores(300, 200, 100), "plain;status=503")
        return msgspec.structs.replace(ladder(address), models=[broken, *LADDER[1:]])

    with running(failing) as rig:
        assert chosen(rig) == "tiny/coder"


def test_u05_without_a_task_the_default_set_serves() -> None:
    pools = {"default": ["middle/coder"], "code": ["large/coder"], "code:debugging": ["huge/coder"]}

    def pooled(address: str) -> written.Snapshot:
        return msgspec.structs.replace(ladder(address), routers=[router("auto", AUTO, pools=pools)])

    with running(pooled) as rig:
        assert chosen(rig, "lorem ipsum dolor sit amet") == "middle/coder"
        assert chosen(rig, QUESTION) == "middle/coder"
        assert chosen(rig, CODE) == "large/coder"
        assert chosen(rig, "Fix this bug: the loop never ends") == "huge/coder"
        # The request's own list is more than a pool.
        assert chosen(rig, CODE, plugins=plugin(allowed_models=["tiny/talker"])) == "tiny/talker"


def test_the_operators_restrictions_hold_whatever_the_request_says() -> None:
    def restricted(address: str) -> written.Snapshot:
        mine = router("auto", AUTO, allowed=["small/*", "middle/*"], excluded=["*/coder"], cost_tier="max")
        return msgspec.structs.replace(ladder(address), routers=[mine])

    with running(restricted) as rig:
        assert chosen(rig, CODE) == "middle/talker"
        wide = plugin(allowed_models=["*"], cost_tier="low")
        assert chosen(rig, CODE, plugins=wide) == "small/talker"


def test_models_that_cannot_do_what_is_asked_are_passed_over() -> None:
    abilities = snapshot_of_abilities

    with running(abilities) as rig:
        assert chosen(rig) == "none/small"
        picture = [
            {"type": "text", "text": "What is this?"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
        ]
        assert chosen(rig, messages=[{"role": "user", "content": picture}]) == "sees/any"
        tools = [{"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}]
        assert chosen(rig, tools=tools) == "calls/any"
        assert chosen(rig, "word " * 4000) == "long/any"


def snapshot_of_abilities(address: str) -> written.Snapshot:
    """The better a model can do something special, the dearer it is; nobody knows how good they are."""
    plain: dict[str, Any] = {"inputs": ["text"], "outputs": ["text"], "parameters": [], "context_length": 4000}
    return snapshot(
        [provider(address)],
        [
            one("none/small", 1, None, **plain),
            one("sees/any", 2, None, **{**plain, "inputs": ["text", "image"]}),
            one("calls/any", 3, None, **{**plain, "parameters": ["tools"]}),
            one("long/any", 4, None, **{**plain, "context_length": 100_000}),
            one("vectors/only", 0, None, **{**plain, "outputs": ["embeddings"]}),
            one("none/small:extended", 0, None, **plain),
        ],
        routers=[router("auto", AUTO)],
    )


# free


def free_fleet(address: str) -> written.Snapshot:
    return snapshot(
        [provider(address)],
        [
            one("a/one:free", 0, None, inputs=["text"]),
            one("b/two", 0, None, inputs=["text"]),
            one("c/three:free", 0, None, inputs=["text", "image"]),
            one("d/paid", 1, scores(900)),
            one("e/unknown", None, scores(900)),
            one("f/paints", 0, None, outputs=["text", "image"]),
        ],
        routers=[router("free", "openrouter/free", "turnout/free")],
    )


def test_u06_free_draws_uniformly_among_what_costs_nothing() -> None:
    rounds = 300
    with running(free_fleet) as rig, rig.client() as client:
        body = chat(model="turnout/free")
        seen = Counter(client.post("/v1/chat/completions", json=body).json()["model"] for _ in range(rounds))
    assert set(seen) == {"a/one:free", "b/two", "c/three:free"}
    expected = rounds / 3
    chi_square = sum((count - expected) ** 2 / expected for count in seen.values())
    # Two degrees of freedom; a fair draw is above this once in a million runs.
    assert chi_square < -2 * math.log(1e-6), seen


def test_u06_free_keeps_to_models_that_can_do_what_is_asked() -> None:
    picture = [{"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}]
    with running(free_fleet) as rig:
        for _ in range(10):
            assert chosen(rig, model="openrouter/free", messages=[{"role": "user", "content": picture}]) == (
                "c/three:free"
            )
        booked = rig.booked(10)
        assert {generation.cost_nano for generation in booked} == {0}


def test_u06_free_without_a_free_model_is_404() -> None:
    def paid(address: str) -> written.Snapshot:
        whole = free_fleet(address)
        return msgspec.structs.replace(whole, models=whole.models[3:])

    with running(paid) as rig:
        answer = rig.chat(model="openrouter/free")
        assert answer.status_code == 404
        assert answer.json()["error"]["message"] == "No models match your request and model restrictions"


# pareto-code


def pareto(**options: Any) -> list[dict[str, Any]]:
    return [{"id": "pareto-router", **options}]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        # Above the median stand huge/coder 990 $10, huge/talker 850 $9, large/coder 800 $8, large/talker 650 $7,
        # middle/coder 600 $6: thirds of one, two and two.
        ({}, "huge/coder"),
        ({"min_coding_score": 0.66}, "huge/coder"),
        ({"min_coding_score": 0.5}, "large/coder"),
        ({"min_coding_score": 0}, "middle/coder"),
        # With a price the best of the frontier below it.
        ({"max_price": 8}, "large/coder"),
        ({"max_price": 2.5, "min_coding_score": 1}, "tiny/coder"),
        ({"max_price": 1}, "tiny/talker"),
    ],
)
def test_u07_pareto_takes_the_cheapest_of_its_third_or_the_best_below_a_price(
    rig: Rig, options: Any, expected: str
) -> None:
    assert chosen(rig, CODE, "openrouter/pareto-code", plugins=pareto(**options)) == expected


def test_u07_pareto_has_nothing_below_the_cheapest(rig: Rig) -> None:
    answer = rig.chat(model="turnout/pareto-code", plugins=pareto(max_price=0.5))
    assert answer.status_code == 404
    answer = rig.chat(model="turnout/pareto-code", plugins=pareto(min_coding_score=2))
    assert answer.status_code == 400
    assert "`plugins[0].min_coding_score`" in answer.json()["error"]["message"]


def test_u07_two_of_the_same_third_follow_the_first() -> None:
    def failing(address: str) -> written.Snapshot:
        models = [known for known in LADDER if known.slug != "large/coder"]
        broken = one("large/coder", 8, scores(700, 800, 700), "plain;status=503")
        return msgspec.structs.replace(ladder(address), models=[*models, broken])

    with running(failing) as rig:
        options = pareto(min_coding_score=0.5)
        assert chosen(rig, CODE, "openrouter/pareto-code", plugins=options) == "huge/talker"


# Why


def test_metadata_says_the_strategy_the_task_and_what_was_chosen_from(rig: Rig) -> None:
    said = rig.post(chat(CODE, model=AUTO), x_openrouter_metadata="enabled").json()["openrouter_metadata"]
    assert (said["requested"], said["strategy"]) == (AUTO, "auto")
    (stage,) = said["pipeline"]
    assert (stage["type"], stage["name"]) == ("plugin", "auto-router")
    assert stage["data"]["task_type"] == "code:generation"
    assert (stage["data"]["cost_tier"], stage["data"]["demand"], stage["data"]["script"]) == ("low", "medium", "latin")
    assert stage["data"]["candidates"] == len(LADDER)
    assert stage["data"]["models"] == ["tiny/coder", "tiny/talker"]
    body = chat(CODE, model="turnout/pareto-code", plugins=pareto(max_price=8))
    said = rig.post(body, x_openrouter_metadata="enabled").json()["openrouter_metadata"]
    assert said["strategy"] == "pareto"
    assert said["pipeline"][0]["data"]["models"] == ["large/coder", "large/talker", "middle/coder"]


# Listings


def test_routers_are_listed_for_every_key(rig: Rig) -> None:
    for secret in (None, LIMITED):
        headers = {"authorization": f"Bearer {secret}"} if secret else {}
        slugs = [one["id"] for one in rig.get("/api/v1/models", **headers).json()["data"]]
        assert slugs[-2:] == [AUTO, "openrouter/pareto-code"]
    assert rig.get("/v1/models/turnout/auto").json()["id"] == AUTO


def test_a_router_is_no_model_for_other_apis(rig: Rig) -> None:
    answer = rig.post({"model": AUTO, "input": "x"}, "/v1/embeddings")
    assert answer.status_code == 400
    assert answer.json()["error"]["availability"]["code"] == "wrong_endpoint"
