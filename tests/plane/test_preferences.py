"""``provider`` in a request, ``routing`` of the gateway and of a key: who may serve, and what is said if nobody may."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.plane.harness import (
    CHAT,
    PRICES,
    Rig,
    chat,
    endpoint,
    key,
    model,
    provider,
    routing,
    running,
    snapshot,
    wishes,
)
from turnout.config import snapshot as written

if TYPE_CHECKING:
    from collections.abc import Iterator

STRICT = "sk-test-strict-0123456789"
PRIVATE = "sk-test-private-0123456789"

TOOLS = [{"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}]
SCHEMA = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
SOUND = {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}


def priced(prompt: int, completion: int) -> written.Prices:
    """Dollars per million tokens."""
    return written.Prices(
        **{
            **{name: getattr(PRICES, name) for name in PRICES.__struct_fields__},
            "prompt": prompt * 1_000_000_000,
            "completion": completion * 1_000_000_000,
        }
    )


def policy(*, training: bool | None = None, zdr: bool = False) -> written.DataPolicy:
    return written.DataPolicy(training=training, retention_days=None, zdr=zdr)


def catalogue(address: str) -> written.Snapshot:
    """Four providers, and a model for each thing in which endpoints can differ."""
    endpoints = {
        "slugs": [
            endpoint(0, tag="alpha/us"),
            endpoint(0, tag="alpha/eu"),
            endpoint(0, tag="alpha/us/flex", service_tier="flex"),
            endpoint(1, tag="beta"),
        ],
        "privacy": [
            endpoint(0, tag="alpha", data_policy=policy(training=True)),
            endpoint(1, tag="beta"),
            endpoint(2, tag="gamma", data_policy=policy(training=False)),
            endpoint(3, tag="delta", data_policy=policy(training=False, zdr=True)),
        ],
        "trains": [endpoint(0, tag="alpha", data_policy=policy(training=True))],
        "weights": [
            endpoint(0, tag="alpha", quantization="int4"),
            endpoint(1, tag="beta", quantization="mxfp8"),
            endpoint(2, tag="gamma", quantization="bf16"),
            endpoint(3, tag="delta"),
        ],
        "prices": [
            endpoint(0, tag="alpha", prices=priced(4, 20)),
            endpoint(1, tag="beta", prices=priced(2, 10)),
            endpoint(2, tag="gamma", prices=None),
        ],
        "lengths": [
            endpoint(0, tag="alpha", context_length=1000, completion_tokens_max=100),
            endpoint(1, tag="beta", context_length=10_000, completion_tokens_max=500),
        ],
        "media": [
            endpoint(0, tag="alpha", inputs=["text"]),
            endpoint(1, tag="beta", inputs=["text", "image"]),
            endpoint(2, tag="gamma", inputs=["text", "image", "file"]),
        ],
        "blind": [endpoint(0, tag="alpha", inputs=["text"])],
        "abilities": [
            endpoint(0, tag="alpha", parameters=["temperature"]),
            endpoint(1, tag="beta", parameters=["tools", "tool_choice", "temperature", "response_format"]),
            endpoint(2, tag="gamma", parameters=["response_format", "structured_outputs", "verbosity"]),
        ],
        "unable": [endpoint(0, "echo", tag="alpha", parameters=["temperature"])],
        "regions": [endpoint(0, tag="alpha", region="us"), endpoint(1, tag="beta", region="eu")],
        "nowhere": [endpoint(0, tag="alpha")],
    }
    return snapshot(
        [provider(address, slug) for slug in ("alpha", "beta", "gamma", "delta")],
        [
            *(model(*those, slug=f"test/{name}") for name, those in endpoints.items()),
            model(endpoint(0, tag="alpha"), slug="test/permits", distillable=True),
            model(endpoint(0, tag="alpha"), slug="test/forbids", distillable=False),
        ],
        keys=[
            key(),
            key(STRICT, name="strict", routing=wishes(only=["gamma", "delta"], ignore=["delta"])),
            key(PRIVATE, name="private", routing=wishes(training=False, zdr=True)),
        ],
    )


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    with running(catalogue) as rig:
        yield rig


def ask(rig: Rig, name: str, preferences: Any = None, *, secret: str | None = None, **members: Any) -> Any:
    """``members`` with a ``host`` go to that host."""
    headers = {"authorization": f"Bearer {secret}"} if secret else {}
    if "host" in members:
        headers["host"] = members.pop("host")
    body = {**chat(), "model": f"test/{name}", **members}
    if preferences is not None:
        body["provider"] = preferences
    return rig.post(body, CHAT, **headers)


def order(rig: Rig, name: str, preferences: Any = None, **more: Any) -> list[str]:
    """Tags of those that may serve: each one is asked for by itself, with the preferences beside."""
    tags = [one.tag for one in next(m for m in catalogue("x").models if m.slug == f"test/{name}").endpoints]
    return [
        tag
        for tag in tags
        if ask(rig, name, {**(preferences or {}), "order": [tag], "allow_fallbacks": False}, **more).status_code == 200
    ]


def refused(answer: Any, status: int = 404) -> Any:
    assert answer.status_code == status, answer.text
    return answer.json()["error"]


# Slugs


def test_r09_a_base_slug_means_all_endpoints_a_full_one_means_one_and_tiers_are_left_out(rig: Rig) -> None:
    # A tier that `order` names in full is let in; nothing else lets it in.
    assert order(rig, "slugs", {"only": ["alpha"]}) == ["alpha/us", "alpha/eu", "alpha/us/flex"]
    assert ask(rig, "slugs", {"only": ["ALPHA/EU"]}).status_code == 200
    assert refused(ask(rig, "slugs", {"only": ["alpha/ap"]}))["metadata"]["available_providers"] == ["alpha", "beta"]
    error = refused(ask(rig, "slugs", {"only": ["alpha"], "ignore": ["alpha/us", "alpha/eu"]}))
    assert error["message"] == "No allowed providers are available for the selected model."


def test_r07_only_restricts_and_an_unknown_one_is_told_what_there_is(rig: Rig) -> None:
    assert ask(rig, "slugs", {"only": ["beta"]}).json()["provider"] == "Beta"
    error = refused(ask(rig, "slugs", {"only": ["nobody"]}))
    assert error["message"] == "No allowed providers are available for the selected model."
    assert error["metadata"]["available_providers"] == ["alpha", "beta"]
    assert error["metadata"]["requested_providers"] == ["nobody"]
    assert error["availability"]["code"] == "constraint_filtered"
    assert error["availability"]["excluded_by"] == ["allowed_providers"]
    assert error["availability"]["requested_models"] == ["test/slugs"]


def test_r08_ignore_excludes_and_is_joined_with_the_keys(rig: Rig) -> None:
    assert ask(rig, "privacy", {"ignore": ["alpha", "beta"]}).json()["provider"] == "Gamma"
    # The key may use gamma and delta, and not delta.
    assert ask(rig, "privacy", secret=STRICT).json()["provider"] == "Gamma"
    assert ask(rig, "privacy", {"only": ["gamma", "alpha"]}, secret=STRICT).json()["provider"] == "Gamma"
    for preferences in ({"ignore": ["gamma"]}, {"only": ["delta"]}, {"only": ["alpha"]}):
        assert (
            "allowed_providers"
            in refused(ask(rig, "privacy", preferences, secret=STRICT))["availability"]["excluded_by"]
        )


def test_r04_order_is_honoured_and_those_without_the_model_are_skipped(rig: Rig) -> None:
    assert ask(rig, "slugs", {"order": ["gamma", "beta", "alpha"]}).json()["provider"] == "Beta"
    assert ask(rig, "slugs", {"order": ["gamma"]}).json()["provider"] == "Alpha"


def test_the_gateways_wishes_hold_for_everybody() -> None:
    def make(address: str) -> written.Snapshot:
        return snapshot(
            [provider(address, "alpha"), provider(address, "beta")],
            [model(endpoint(0, tag="alpha"), endpoint(1, tag="beta"))],
            routing=routing(wishes={"only": ["beta"], "training": False}),
        )

    with running(make) as rig:
        error = refused(rig.chat())
        assert error["availability"]["code"] == "privacy_restricted"
        assert error["availability"]["excluded_by"] == ["allowed_providers", "data_policy:training"]
        assert error["message"].startswith(
            "No endpoints available matching your guardrail restrictions and data policy. Configure: "
        )


# Privacy


def test_r14_deny_leaves_out_who_trains_and_who_is_not_known_not_to(rig: Rig) -> None:
    assert order(rig, "privacy", {"data_collection": "deny"}) == ["gamma", "delta"]
    assert order(rig, "privacy", {"data_collection": "allow"}) == ["alpha", "beta", "gamma", "delta"]
    error = refused(ask(rig, "trains", {"data_collection": "deny"}))
    assert error["message"].startswith(
        "No endpoints found matching your data policy (Paid model training). Configure: "
    )
    assert error["availability"]["code"] == "privacy_restricted"
    assert error["availability"]["excluded_by"] == ["data_policy:training"]


def test_r15_zdr_is_asked_for_by_the_request_or_by_the_key(rig: Rig) -> None:
    assert order(rig, "privacy", {"zdr": True}) == ["delta"]
    assert order(rig, "privacy", {"zdr": False}) == ["alpha", "beta", "gamma", "delta"]
    assert order(rig, "privacy", {"zdr": False}, secret=PRIVATE) == ["delta"]
    error = refused(ask(rig, "trains", {"zdr": True}))
    assert "(Zero data retention)" in error["message"]
    assert error["availability"]["excluded_by"] == ["data_policy:zdr"]


def test_r16_distillable_text_needs_a_model_whose_author_permits_it(rig: Rig) -> None:
    wish = {"enforce_distillable_text": True}
    assert ask(rig, "permits", wish).status_code == 200
    assert ask(rig, "forbids").status_code == 200
    for name in ("forbids", "nowhere"):
        assert refused(ask(rig, name, wish))["availability"]["excluded_by"] == ["distillable_text"]


# What an endpoint is


@pytest.mark.parametrize(
    ("wanted", "tags"),
    [
        (["fp8"], ["beta"]),
        (["mxfp8", "bf16"], ["beta", "gamma"]),
        (["unknown"], ["delta"]),
        (["int4", "unknown"], ["alpha", "delta"]),
        ([], ["alpha", "beta", "gamma", "delta"]),
    ],
)
def test_r13_quantizations_admit_their_supersets(rig: Rig, wanted: list[str], tags: list[str]) -> None:
    assert order(rig, "weights", {"quantizations": wanted}) == tags


def test_r13_no_endpoint_of_this_precision(rig: Rig) -> None:
    error = refused(ask(rig, "weights", {"quantizations": ["fp32"]}))
    assert error["availability"]["excluded_by"] == ["quantization"]


@pytest.mark.parametrize(
    ("price", "tags"),
    [
        ({"prompt": 2}, ["beta"]),
        ({"prompt": "2.0"}, ["beta"]),
        ({"prompt": 4, "completion": 20}, ["alpha", "beta"]),
        ({"completion": "10.000000001"}, ["beta"]),
        ({"request": 0}, []),
        ({"request": "0.000000007"}, ["alpha", "beta"]),
        ({"image": 0}, ["alpha", "beta"]),
        ({"audio": 3}, ["beta"]),
        ({}, ["alpha", "beta", "gamma"]),
    ],
)
def test_r12_a_price_above_the_highest_is_left_out(rig: Rig, price: Any, tags: list[str]) -> None:
    assert order(rig, "prices", {"max_price": price}) == tags


def test_r12_nobody_is_cheap_enough(rig: Rig) -> None:
    error = refused(ask(rig, "prices", {"max_price": {"prompt": 1, "completion": "1e1"}}))
    assert error["availability"]["code"] == "constraint_filtered"
    assert error["availability"]["excluded_by"] == ["max_price"]
    assert error["availability"]["constraint"] == {
        "field": "provider.max_price",
        "detail": "prompt 1.000000000, completion 10.000000000",
    }


def test_r22_endpoints_into_which_the_prompt_does_not_fit_are_left_out(rig: Rig) -> None:
    long, longer = "word " * 3000, "word " * 40_000
    # Where it fits nowhere, the provider of the largest context says so in its own words, which clients know.
    for text in (long, longer):
        assert ask(rig, "lengths", messages=[{"role": "user", "content": text}]).json()["provider"] == "Beta"
    error = refused(ask(rig, "lengths", messages=[{"role": "user", "content": longer}], max_tokens=501))
    assert error["availability"]["excluded_by"] == ["context_length", "max_tokens"]
    # By the usual estimate 1250 tokens: perhaps it fits all the same, so the endpoint stays, behind.
    doubtful: dict[str, Any] = {"messages": [{"role": "user", "content": "word " * 1000}]}
    assert order(rig, "lengths", **doubtful) == ["alpha", "beta"]
    assert ask(rig, "lengths", **doubtful).json()["provider"] == "Beta"


def test_q04_endpoints_that_write_less_are_left_out(rig: Rig) -> None:
    assert order(rig, "lengths", max_tokens=200) == ["beta"]
    error = refused(ask(rig, "lengths", max_tokens=501))
    assert error["availability"]["excluded_by"] == ["max_tokens"]
    assert error["availability"]["constraint"] == {"field": "max_tokens", "detail": "501"}


def test_m03_images_go_to_endpoints_that_see(rig: Rig) -> None:
    content = [{"type": "text", "text": "what is this?"}, IMAGE]
    messages = [{"role": "user", "content": content}]
    assert order(rig, "media", messages=messages) == ["beta", "gamma"]
    error = refused(ask(rig, "blind", messages=messages))
    assert error["message"] == "No endpoints found that support image input"
    assert error["availability"]["excluded_by"] == ["input_modalities"]
    # The word alone is no image.
    assert ask(rig, "blind", messages=[{"role": "user", "content": 'a "image_url" in a text'}]).status_code == 200


def test_m06_sound_and_film_need_endpoints_that_take_them(rig: Rig) -> None:
    film = {"type": "video_url", "video_url": {"url": "https://example.com/film.mp4"}}
    for part, word in ((SOUND, "audio"), (film, "video")):
        error = refused(ask(rig, "media", messages=[{"role": "user", "content": [part]}]))
        assert error["message"] == f"No endpoints found that support {word} input"


def test_a_document_goes_to_those_that_read_it_and_else_to_all(rig: Rig) -> None:
    part = {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="}}
    messages = [{"role": "user", "content": [part]}]
    assert ask(rig, "media", messages=messages).json()["provider"] == "Gamma"
    assert ask(rig, "blind", messages=messages).status_code == 200


# What an endpoint can do


def test_r19_tools_go_to_endpoints_that_take_them(rig: Rig) -> None:
    assert ask(rig, "abilities").json()["provider"] == "Alpha"
    assert order(rig, "abilities", tools=TOOLS) == ["beta"]
    assert ask(rig, "abilities", tools=[]).json()["provider"] == "Alpha"


@pytest.mark.parametrize(
    ("members", "provider_name"),
    [
        ({"response_format": {"type": "json_object"}}, "Beta"),
        ({"response_format": SCHEMA}, "Gamma"),
        ({"response_format": {"type": "text"}}, "Alpha"),
        ({"verbosity": "low"}, "Gamma"),
        ({"verbosity": None}, "Alpha"),
    ],
)
def test_r20_a_form_and_verbosity_go_to_endpoints_that_know_them(rig: Rig, members: Any, provider_name: str) -> None:
    assert ask(rig, "abilities", **members).json()["provider"] == provider_name


def test_r20_where_nobody_knows_them_the_model_stays(rig: Rig) -> None:
    assert ask(rig, "unable", response_format=SCHEMA, verbosity="low").status_code == 200


def test_r21_tools_that_nobody_takes_are_refused_unless_they_may_be_dropped(rig: Rig) -> None:
    error = refused(ask(rig, "unable", tools=TOOLS))
    assert error["message"].startswith(
        'No endpoints found that support tool use. Try disabling "look_up". To learn more'
    )
    assert error["availability"]["excluded_by"] == ["tools"]

    def make(address: str) -> written.Snapshot:
        able = endpoint(0, "echo", parameters=["temperature"])
        return snapshot([provider(address)], [model(able)], routing=routing(require_tools=False))

    with running(make) as lenient:
        assert lenient.chat(tools=TOOLS).status_code == 200
        assert "tools" not in lenient.received()[0]["body"]


def test_q03_require_parameters_leaves_out_who_lacks_any(rig: Rig) -> None:
    wish = {"require_parameters": True}
    assert order(rig, "abilities", wish, temperature=1) == ["alpha", "beta"]
    assert order(rig, "abilities", wish, temperature=1, tools=TOOLS) == ["beta"]
    error = refused(ask(rig, "abilities", wish, seed=7))
    assert "seed is not taken" in error["message"]
    assert error["availability"]["excluded_by"] == ["require_parameters"]
    # Each API has its own names: these are stop and temperature.
    body = {"model": "test/abilities", "max_tokens": 9, "messages": chat()["messages"], "provider": wish}
    assert rig.post({**body, "temperature": 1}, "/v1/messages").status_code == 200
    assert rig.post({**body, "stop_sequences": ["x"]}, "/v1/messages").status_code == 404


def test_marks_for_a_cache_are_required_only_where_everything_is(rig: Rig) -> None:
    content = [{"type": "text", "text": "long", "cache_control": {"type": "ephemeral"}}]
    messages = [{"role": "user", "content": content}]
    assert ask(rig, "nowhere", messages=messages).status_code == 200
    error = refused(ask(rig, "nowhere", {"require_parameters": True}, messages=messages))
    assert error["message"] == "No endpoints found that support cache control"


# Regions


def test_r30_a_host_stands_for_a_region(rig: Rig) -> None:
    assert ask(rig, "regions").json()["provider"] == "Alpha"
    assert ask(rig, "regions", host="eu.gateway.example").json()["provider"] == "Beta"
    assert ask(rig, "regions", host="US.gateway.example:8080").json()["provider"] == "Alpha"
    # No endpoint is there, so the host is just a host.
    assert ask(rig, "regions", host="ap.gateway.example").json()["provider"] == "Alpha"
    error = refused(ask(rig, "nowhere", host="eu.gateway.example"), 403)
    assert error["availability"]["code"] == "region_restricted"
    assert error["availability"]["excluded_by"] == ["data_region"]


# How far it reaches


def test_an_entry_of_models_with_nobody_left_is_skipped(rig: Rig) -> None:
    answer = ask(rig, "trains", {"data_collection": "deny"}, models=["test/privacy"])
    assert (answer.json()["model"], answer.json()["provider"]) == ("test/privacy", "Gamma")


def test_r29_fallbacks_of_anthropics_api_are_models(rig: Rig) -> None:
    body = {"model": "test/trains", "max_tokens": 9, "messages": chat()["messages"], "provider": {"zdr": True}}
    answer = rig.post({**body, "fallbacks": [{"model": "test/privacy"}]}, "/v1/messages")
    assert answer.json()["model"] == "test/privacy"
    for wrong in (
        {"fallbacks": [{"model": "test/privacy"}] * 4},
        {"fallbacks": [{"model": "test/privacy", "max_tokens": 1}]},
        {"fallbacks": [{"model": "test/privacy"}], "models": ["test/privacy"]},
    ):
        assert rig.post({**body, **wrong}, "/v1/messages").status_code == 400


@pytest.mark.parametrize(
    ("preferences", "said"),
    [
        ({"sort": "cheapest"}, "`provider.sort` must be price, throughput"),
        ({"sort": {"by": "price", "partition": "all"}}, "`provider.sort.partition` must be model or none"),
        ({"data_collection": "never"}, "`provider.data_collection` must be allow or deny"),
        ({"max_price": {"prompt": "cheap"}}, "`provider.max_price.prompt` must be US dollars"),
        ({"quantizations": ["fp5"]}, "`provider.quantizations` must be an array of these"),
        ({"preferred_max_latency": -1}, "`provider.preferred_max_latency` must be a number that is not negative"),
        ({"zdr": 1}, "`provider.zdr` must be true or false"),
    ],
)
def test_a_wish_that_cannot_be_understood_is_refused(rig: Rig, preferences: Any, said: str) -> None:
    assert refused(ask(rig, "slugs", preferences), 400)["message"].startswith(said)


def test_members_that_are_not_known_are_tolerated(rig: Rig) -> None:
    assert ask(rig, "slugs", {"options": {"alpha": {"x": 1}}, "later": True}).status_code == 200
