"""``GET models`` and ``GET models/{author}/{slug}``: what each key may ask for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.plane.harness import Rig, endpoint, key, model, provider, running, snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator

    from turnout.config.snapshot import Snapshot

SOME = "sk-only-openai-0123456789"
ONE = "sk-only-one-model-0123456789"
OFF = "sk-disabled-0123456789"
SLUGS = ["openai/gpt-5", "openai/gpt-5-mini", "meta/llama:free"]


def catalogue(address: str) -> Snapshot:
    return snapshot(
        [provider(address)],
        [model(endpoint(), slug=slug) for slug in SLUGS],
        keys=[
            key(),
            key(SOME, models=["openai/*"]),
            key(ONE, models=["meta/llama:free"]),
            key(OFF, disabled=True),
        ],
        aliases={"best": "openai/gpt-5"},
    )


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    with running(catalogue) as rig:
        yield rig


@pytest.mark.parametrize("prefix", ["/v1", "/api/v1"])
@pytest.mark.parametrize(
    ("secret", "slugs"), [(None, SLUGS), (SOME, SLUGS[:2]), (ONE, SLUGS[2:])], ids=["all", "an author's", "one"]
)
def test_a_key_sees_what_it_may_use(rig: Rig, prefix: str, secret: str | None, slugs: list[str]) -> None:
    headers = {} if secret is None else {"authorization": f"Bearer {secret}"}
    answer = rig.get(f"{prefix}/models", **headers)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert sorted(card["id"] for card in answer.json()["data"]) == sorted(slugs)


def test_openrouter_s_path_lists_models_that_write_text() -> None:
    def kinds(address: str) -> Snapshot:
        outputs = {"a/text": ["text"], "a/both": ["image", "text"], "a/unsaid": [], "b/embed": ["embeddings"]}
        models = [model(endpoint(outputs=words), slug=slug) for slug, words in outputs.items()]
        return snapshot([provider(address)], models, keys=[key(), key(SOME, models=["b/*", "a/both"])])

    with running(kinds) as rig:
        for secret, path, expected in (
            (rig.key, "/api/v1/models", ["a/text", "a/both", "a/unsaid"]),
            (rig.key, "/v1/models", ["a/text", "a/both", "a/unsaid", "b/embed"]),
            (SOME, "/api/v1/models", ["a/both"]),
            (SOME, "/v1/models", ["a/both", "b/embed"]),
        ):
            body = rig.get(path, authorization=f"Bearer {secret}").json()
            assert [card["id"] for card in body["data"]] == expected
            assert body["total_count"] == len(expected)


@pytest.mark.parametrize("name", ["openai/gpt-5", "openai%2Fgpt-5", "best", "openai/gpt-5?x=y"])
def test_a_model_by_its_names(rig: Rig, name: str) -> None:
    for prefix in ("/v1", "/api/v1"):
        answer = rig.get(f"{prefix}/models/{name}")
        assert (answer.status_code, answer.json()["id"]) == (200, "openai/gpt-5")


def test_a_colon_may_be_escaped(rig: Rig) -> None:
    assert rig.get("/v1/models/meta/llama:free").json() == rig.get("/v1/models/meta/llama%3Afree").json()


def test_a_missing_model_comes_with_near_names(rig: Rig) -> None:
    answer = rig.get("/v1/models/openai/gpt-6")
    assert answer.status_code == 404
    assert "openai/gpt-5" in answer.json()["error"]["message"]


@pytest.mark.parametrize("name", ["%", "%zz", "%ff%fe", "%00", "a%20b", "..", "openai/gpt-5%00"])
def test_odd_names_are_only_missing(rig: Rig, name: str) -> None:
    with rig.connect() as connection:
        head = f"GET /v1/models/{name} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {rig.key}\r\n\r\n"
        connection.write(head.encode())
        answer = connection.answer()
        assert answer.status == 404
        json.loads(answer.body)


def test_what_a_key_may_not_use_is_missing(rig: Rig) -> None:
    answer = rig.get("/v1/models/openai/gpt-5", authorization=f"Bearer {ONE}")
    assert answer.status_code == 404


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/openai/gpt-5"])
@pytest.mark.parametrize("presented", ["Bearer wrong", f"Bearer {OFF}", "", "Basic x"])
def test_without_a_good_key_nothing_is_listed(rig: Rig, path: str, presented: str) -> None:
    answer = rig.get(path, authorization=presented)
    assert answer.status_code in (401, 403)
    assert answer.json()["error"]["code"] == answer.status_code
    assert "gpt-5" not in answer.text.replace(path, "")


def test_other_methods_are_refused(rig: Rig) -> None:
    answer = rig.post({}, path="/v1/models")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, OPTIONS")


def test_a_swap_changes_the_list(rig: Rig) -> None:
    with running(catalogue) as own:
        own.swap(snapshot([provider(own.mock.address)], [model(endpoint(), slug="new/one")]))
        assert [card["id"] for card in own.get("/v1/models").json()["data"]] == ["new/one"]
