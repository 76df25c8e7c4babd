"""Every client API meets every provider protocol, through the libraries that people use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import openai
import pytest

from tests.clients.serving import KEY, serve
from turnout._native import Mock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.clients.serving import Serving

anthropic = pytest.importorskip("anthropic", reason="needs anthropic: pip install anthropic")
genai = pytest.importorskip("google.genai", reason="needs google-genai: pip install google-genai")

from tests.clients import speakers  # noqa: E402  It needs both libraries.


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    provider = Mock("127.0.0.1:0")
    with serve(tmp_path_factory.mktemp("speakers"), speakers.configuration(provider.address)) as running:
        yield running
    provider.stop()


@pytest.mark.parametrize("dialect", speakers.DIALECTS)
@pytest.mark.parametrize("speaker", speakers.SAY, ids=lambda speaker: speaker.__name__)
def test_a_text_is_heard(gateway: Serving, speaker: speakers.Speaker, dialect: str) -> None:
    assert speaker(gateway.origin, KEY, f"echo/{dialect}") == speakers.HELLO


@pytest.mark.parametrize("dialect", speakers.DIALECTS)
@pytest.mark.parametrize("speaker", speakers.CALL, ids=lambda speaker: speaker.__name__)
def test_a02_b03_a_tool_is_called_and_its_result_told(
    gateway: Serving, speaker: speakers.Speaker, dialect: str
) -> None:
    assert speaker(gateway.origin, KEY, f"tool/{dialect}").startswith("the points are set")


@pytest.mark.parametrize("dialect", [name for name in speakers.DIALECTS if name not in ("responses", "anthropic")])
def test_e01_a_text_becomes_a_vector(gateway: Serving, dialect: str) -> None:
    with speakers.openai_client(gateway.origin, KEY) as client:
        floats = client.embeddings.create(model=f"embed/{dialect}", input=speakers.HELLO).data[0].embedding
        numbers = client.embeddings.create(
            model=f"embed/{dialect}", input=[speakers.HELLO], encoding_format="float"
        ).data[0]
    assert len(floats) == 4 and floats == pytest.approx(numbers.embedding, rel=1e-6)
    google = speakers.gemini_client(gateway.origin, KEY)
    content = google.models.embed_content(model=f"embed/{dialect}", contents=[speakers.HELLO])
    assert content.embeddings is not None and len(content.embeddings[0].values or []) == 4


@pytest.mark.parametrize("dialect", speakers.DIALECTS)
def test_tokens_are_counted_or_estimated(gateway: Serving, dialect: str) -> None:
    with speakers.anthropic_client(gateway.origin, KEY) as client:
        counted = client.messages.count_tokens(
            model=f"echo/{dialect}", messages=[{"role": "user", "content": speakers.HELLO}]
        )
    assert counted.input_tokens > 0
    google = speakers.gemini_client(gateway.origin, KEY)
    total = google.models.count_tokens(model=f"echo/{dialect}", contents=speakers.HELLO)
    assert (total.total_tokens or 0) > 0


def test_p13_a_model_of_another_kind_is_refused_in_the_callers_form(gateway: Serving) -> None:
    with (
        speakers.openai_client(gateway.origin, KEY) as client,
        pytest.raises(openai.BadRequestError, match="cannot be used with this API"),
    ):
        client.embeddings.create(model="echo/anthropic", input="a")
    with (
        speakers.anthropic_client(gateway.origin, KEY) as client,
        pytest.raises(anthropic.BadRequestError, match="is not a valid model ID") as refused,
    ):
        client.messages.create(model="no/such", max_tokens=9, messages=[{"role": "user", "content": "a"}])
    assert refused.value.body["error"]["type"] == "invalid_request_error"
    google = speakers.gemini_client(gateway.origin, KEY)
    with pytest.raises(genai.errors.ClientError, match="INVALID_ARGUMENT"):
        google.models.generate_content(model="no/such", contents="a")
