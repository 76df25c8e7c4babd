"""OpenRouter's own Python library, which refuses an answer that lacks anything its specification calls required."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from tests.clients.serving import KEY, eventually, serve
from turnout import keys

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.clients.serving import Serving
    from turnout._native import Mock

openrouter = pytest.importorskip("openrouter", reason="needs openrouter: pip install openrouter")
errors = pytest.importorskip("openrouter.errors")

SHARED, OWN, NEXT = "sk-shared-0123456789", "sk-own-0123456789-ada", "sk-own-9876543210-bob"
HELLO = [{"role": "user", "content": "Hello there"}]
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}


@pytest.fixture
def client(gateway: Serving, mock: Mock) -> Iterator[Any]:
    with openrouter.OpenRouter(api_key=KEY, server_url=f"{gateway.origin}/api/v1", retry_config=None) as made:
        yield made


def test_a_chat_plain_and_streamed(client: Any) -> None:
    plain = client.chat.send(model="demo/echo", messages=HELLO)
    assert plain.choices[0].message.content == "Hello there"
    assert plain.usage.cost > 0
    with client.chat.send(model="demo/echo", messages=HELLO, stream=True) as stream:
        chunks = list(stream)
    assert "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices) == "Hello there"
    assert [chunk.usage is not None for chunk in chunks] == [False] * (len(chunks) - 1) + [True]


def test_a_tool_call(client: Any) -> None:
    answer = client.chat.send(model="mock/tool", messages=HELLO, tools=[TOOL])
    assert answer.choices[0].finish_reason == "tool_calls"
    assert answer.choices[0].message.tool_calls[0].function.name == "weather"


def test_embeddings(client: Any) -> None:
    answer = client.embeddings.generate(model="mock/embedding;dim=4", input="Hello")
    assert len(answer.data[0].embedding) == 4


def test_the_list_of_models(client: Any) -> None:
    models = {model.id: model for model in client.models.list().result.data}
    assert models["demo/echo"].context_length == 8192
    assert float(models["demo/echo"].pricing.completion) == pytest.approx(2e-6)


def test_the_list_is_filtered_sorted_and_paged(client: Any) -> None:
    listed = client.models.list
    assert "demo/embed" not in {model.id for model in listed().result.data}
    assert {model.id for model in listed(output_modalities="embeddings,image").result.data} == {
        "demo/embed",
        "demo/paint",
    }
    assert listed(output_modalities="all", sort="newest").result.data[0].id == "demo/paint"
    assert [model.id for model in listed(q="ECHO", min_price=1, max_output_price=2, context=8192).result.data] == [
        "demo/echo"
    ]
    first = listed(output_modalities="all", limit=2)
    rest = first.next()
    assert len(first.result.data) == 2
    assert first.result.links.next
    assert {model.id for model in first.result.data}.isdisjoint(model.id for model in rest.result.data)
    assert client.models.count(output_modalities="all").data.count == first.result.total_count


def test_one_model_and_its_endpoints(client: Any) -> None:
    model = client.models.get(author="demo", slug="echo:nitro").data
    assert (model.id, model.pricing.completion) == ("demo/echo", "0.000002")
    found = client.endpoints.list(author="demo", slug="fallback").data
    assert [endpoint.tag for endpoint in found.endpoints] == ["mock", "mock/2"]
    with pytest.raises(errors.NotFoundResponseError):
        client.models.get(author="demo", slug="nothing")


def test_the_other_lists(client: Any) -> None:
    assert "demo/echo" in {model.id for model in client.models.list_for_user(security={"bearer": KEY}).result.data}
    assert [model.id for model in client.embeddings.list_models().result.data] == ["demo/embed"]
    assert [model.id for model in client.images.list_models().data] == ["demo/paint"]
    assert client.images.list_model_endpoints(author="demo", slug="paint").endpoints[0].provider_slug == "mock"
    assert client.endpoints.list_zdr_endpoints().data == []
    assert ("Mock", "mock") in [(provider.name, provider.slug) for provider in client.providers.list().data]


# The library warns of fields that OpenRouter is about to drop, just because the answer has them.
@pytest.mark.filterwarnings(r"ignore:warning. \*\* DEPRECATED:DeprecationWarning")
def test_the_key_and_the_generation(client: Any) -> None:
    assert client.api_keys.get_current_key_metadata().data.label == "tests"
    answer = client.chat.send(model="demo/echo", messages=HELLO)

    def look() -> Any:
        try:
            return client.generations.get_generation(id=answer.id).data
        except errors.NotFoundResponseError:
            return None

    generation = eventually(look, f"generation {answer.id}")
    assert generation.total_cost == pytest.approx(answer.usage.cost)
    assert generation.provider_name == "Mock"


@pytest.mark.parametrize(
    ("model", "error"),
    [
        ("demo/ecko", "BadRequestResponseError"),
        ("mock/other;status=429", "TooManyRequestsResponseError"),
        ("mock/other;status=500", "BadGatewayResponseError"),
        ("mock/other;status=503", "ServiceUnavailableResponseError"),
    ],
)
def test_errors_are_the_ones_of_the_specification(client: Any, model: str, error: str) -> None:
    with pytest.raises(getattr(errors, error)):
        client.chat.send(model=model, messages=HELLO)


def test_y08_provider_keys_are_handed_in_with_the_library_and_outlive_the_process(tmp_path: Path, mock: Mock) -> None:
    """All calls of ``byok``, against the real process, and nothing of it in clear in any file of it."""
    state = tmp_path / "state"
    state.mkdir()
    admin = keys.renew(state, "admin")
    config = f"""
providers: {{openai: {{base_url: "http://{mock.address}/v1", api_key: {SHARED}}}}}
models: {{demo/echo: {{provider: openai, model: echo}}}}
"""

    def sent_with(gateway: Serving) -> str:
        mock.reset()
        with openrouter.OpenRouter(api_key=KEY, server_url=f"{gateway.origin}/api/v1") as client:
            assert client.chat.send(model="demo/echo", messages=HELLO).usage.is_byok is True
        (received,) = json.loads(mock.received())["requests"]
        value: str = dict(received["headers"])["authorization"]
        return value

    with serve(tmp_path, config) as gateway:
        with openrouter.OpenRouter(api_key=admin, server_url=f"{gateway.origin}/api/v1", retry_config=None) as client:
            made = client.byok.create(provider="openai", key=OWN, name="Ada's", allowed_models=["demo/*"]).data
            assert (made.label, made.sort_order, made.is_required, made.workspace_id) == ("sk-...-ada", 0, False, None)
            assert client.byok.get(id=made.id).data == made
            listed = client.byok.list(provider="openai").result
            assert (listed.data, listed.total_count) == ([made], 1)
            assert sent_with(gateway) == f"Bearer {OWN}"
            changed = client.byok.update(id=made.id, key=NEXT, is_fallback=False, allowed_models=None).data
            assert (changed.id, changed.label, changed.allowed_models) == (made.id, "sk-...-bob", None)
            assert sent_with(gateway) == f"Bearer {NEXT}"
            with pytest.raises(errors.BadRequestResponseError, match="no provider krea"):
                client.byok.create(provider="krea", key=OWN)
            with pytest.raises(errors.NotFoundResponseError):
                client.byok.get(id=str(uuid.uuid4()))
        with (
            openrouter.OpenRouter(api_key=KEY, server_url=f"{gateway.origin}/api/v1", retry_config=None) as client,
            pytest.raises(errors.ForbiddenResponseError, match="admin key"),
        ):
            client.byok.create(provider="openai", key=OWN)
    with serve(tmp_path, config) as gateway:
        assert sent_with(gateway) == f"Bearer {NEXT}"
        with openrouter.OpenRouter(api_key=admin, server_url=f"{gateway.origin}/api/v1", retry_config=None) as client:
            assert client.byok.delete(id=made.id).DELETED is True
            assert client.byok.list().result.total_count == 0
        written = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
        assert b"byok_keys" in written
        assert OWN.encode() not in written
        assert NEXT.encode() not in written
