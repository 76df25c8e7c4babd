"""Cards of models: OpenRouter's required members, and a list that OpenAI's client reads."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import msgspec
import openai
import pytest
import yaml
from written import compiled

from turnout.catalogue import data
from turnout.catalogue import entry as catalogue
from turnout.config import model as config
from turnout.config import snapshot
from turnout.config.card import Card, card

if TYPE_CHECKING:
    from pathlib import Path

TEXT = """
    providers: {local: {base_url: "http://127.0.0.1/v1"}}
    models:
      a/known:
        name: Known
        description: d
        created: 2024-07-18
        input_modalities: [text, image]
        supported_parameters: [tools]
        endpoints:
          - provider: local
            prices: {prompt: 0.15, completion: 0.6, cache_read: 0.075, request: 0.01}
            context_length: 1000
          - {provider: local, prices: {prompt: 9, completion: 9}}
      a/unknown: local
    """

# Required members of `Model` in OpenRouter's public OpenAPI description.
REQUIRED = {
    "id",
    "canonical_slug",
    "name",
    "created",
    "pricing",
    "context_length",
    "architecture",
    "top_provider",
    "per_request_limits",
    "supported_parameters",
    "default_parameters",
    "supported_voices",
    "links",
}


def cards(directory: Path) -> list[dict[str, Any]]:
    models: list[snapshot.Model] = compiled(directory, TEXT).snapshot.models
    return [json.loads(model.card) for model in models]


def test_cards_have_what_openrouter_requires(tmp_path: Path) -> None:
    for made in cards(tmp_path):
        assert set(made) >= REQUIRED
        assert set(made["architecture"]) >= {"modality", "input_modalities", "output_modalities"}
        assert set(made["pricing"]) >= {"prompt", "completion"}
        assert made["top_provider"]["is_moderated"] is False


def test_a_card_tells_what_the_file_knows(tmp_path: Path) -> None:
    known = cards(tmp_path)[0]
    assert known["pricing"] == {
        "prompt": "0.00000015",
        "completion": "0.0000006",
        "request": "0.01",
        "input_cache_read": "0.000000075",
        "input_cache_write": "0.00000015",
    }
    assert known["architecture"]["modality"] == "text+image->text"
    assert (known["created"], known["context_length"], known["supported_parameters"]) == (
        1_721_260_800,
        1000,
        ["tools"],
    )


def test_prices_of_every_kind_have_openrouter_s_names(tmp_path: Path) -> None:
    prices = """{prompt: 1, completion: 2, cache_read: 0.1, cache_write: 1.25, cache_write_1h: 2, reasoning: 3,
        audio_prompt: 4, audio_completion: 5, image_prompt: 6, image_completion: 7, image: 0.01, request: 0.02,
        web_search: 0.03, search_unit: 0.04, second: 0.05, character: 8,
        tiers: [{above_tokens: 200000, prompt: 2, cache_write_1h: 4}]}"""
    made = compiled(
        tmp_path,
        f"providers: {{local: {{base_url: 'http://h/v1'}}}}\nmodels: {{a/b: {{provider: local, prices: {prices}}}}}",
    )
    assert json.loads(made.snapshot.models[0].card)["pricing"] == {
        "prompt": "0.000001",
        "completion": "0.000002",
        "request": "0.02",
        "image": "0.01",
        "image_token": "0.000006",
        "image_output": "0.000007",
        "audio": "0.000004",
        "audio_output": "0.000005",
        "web_search": "0.03",
        "internal_reasoning": "0.000003",
        "input_cache_read": "0.0000001",
        "input_cache_write": "0.00000125",
        "input_cache_write_1h": "0.000002",
        "search_unit": "0.04",
        "second": "0.05",
        "character": "0.000008",
        "overrides": [{"min_prompt_tokens": 200_000, "prompt": "0.000002", "input_cache_write_1h": "0.000004"}],
    }


def test_a_card_claims_nothing_that_the_file_does_not_know(tmp_path: Path) -> None:
    unknown = cards(tmp_path)[1]
    assert unknown["pricing"] == {"prompt": "-1", "completion": "-1"}
    assert (unknown["context_length"], unknown["created"], unknown["name"]) == (None, 0, "a/unknown")


def test_openai_s_client_reads_the_list(tmp_path: Path) -> None:
    body = json.dumps({"object": "list", "data": cards(tmp_path)}).encode()

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Silent."""

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}/v1"
        try:
            with openai.OpenAI(api_key="k", base_url=url, max_retries=0) as client:
                models = list(client.models.list())
        finally:
            server.shutdown()
            thread.join()
    assert [(one.id, one.object, one.owned_by, one.created) for one in models] == [
        ("a/known", "model", "a", 1_721_260_800),
        ("a/unknown", "model", "a", 0),
    ]


ENTRY = catalogue.Entry(
    slug="a/known",
    name="From the catalogue",
    canonical_slug="a/known-2024-07-18",
    created=5,
    description="Catalogue's words",
    hugging_face_id="a/Known",
    inputs=("text", "file"),
    context_length=4096,
    completion_tokens_max=512,
    parameters=("tools", "reasoning"),
    reasoning=catalogue.Reasoning(mandatory=True, efforts=("high", "low"), max_tokens=False),
    tokenizer="GPT",
    knowledge_cutoff="2024-04",
    expires="2027-01-01",
)


def combined(directory: Path, model: str) -> dict[str, Any]:
    """The card of a model written like this, with the catalogue's entry."""
    loaded = compiled(
        directory, f"providers: {{local: {{base_url: 'http://127.0.0.1/v1'}}}}\nmodels: {{a/known: {model}}}"
    )
    written = config.Model.model_validate(yaml.safe_load(model))
    made: dict[str, Any] = json.loads(card("a/known", written, loaded.snapshot.models[0].endpoints[0], ENTRY))
    return made


def test_the_catalogue_says_what_the_file_does_not(tmp_path: Path) -> None:
    made = combined(tmp_path, "{provider: local}")
    assert (made["name"], made["created"], made["description"]) == ("From the catalogue", 5, "Catalogue's words")
    assert (made["canonical_slug"], made["hugging_face_id"]) == ("a/known-2024-07-18", "a/Known")
    assert made["architecture"] == {
        "modality": "text+file->text",
        "input_modalities": ["text", "file"],
        "output_modalities": ["text"],
        "tokenizer": "GPT",
        "instruct_type": None,
    }
    assert made["supported_parameters"] == ["tools", "reasoning"]
    assert made["reasoning"] == {"mandatory": True, "supported_efforts": ["high", "low"], "supports_max_tokens": False}
    assert (made["knowledge_cutoff"], made["expiration_date"]) == ("2024-04", "2027-01-01")
    assert made["top_provider"] == {"context_length": 4096, "max_completion_tokens": 512, "is_moderated": False}


def test_the_file_wins_over_the_catalogue_field_by_field(tmp_path: Path) -> None:
    made = combined(tmp_path, "{provider: local, name: Mine, context_length: 1000, input_modalities: [text]}")
    assert (made["name"], made["context_length"]) == ("Mine", 1000)
    assert made["architecture"]["modality"] == "text->text"
    assert (made["description"], made["top_provider"]["max_completion_tokens"]) == ("Catalogue's words", 512)


def test_a_card_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    text = compiled(tmp_path, TEXT).snapshot.models[0].card
    assert msgspec.json.encode(msgspec.json.decode(text, type=Card)).decode() == text


def test_a_model_that_does_not_reason_has_no_word_about_it(tmp_path: Path) -> None:
    assert all("reasoning" not in made for made in cards(tmp_path))


def test_openrouter_s_library_takes_the_card_of_every_model_in_the_catalogue() -> None:
    strict = pytest.importorskip("openrouter.components.model", reason="needs openrouter: pip install openrouter")
    written = config.Model.model_validate({"provider": "x"})
    entries = data.load().models
    for entry in entries:
        first = snapshot.Endpoint(
            provider=0,
            model="m",
            tag="t",
            prices=None,
            context_length=None,
            completion_tokens_max=None,
            dialect=None,
            parameters=None,
            inputs=[],
            outputs=[],
            quantization=None,
            data_policy=snapshot.DataPolicy(training=None, retention_days=None, zdr=False),
            weight=1,
            service_tier=None,
            region=None,
        )
        read = strict.Model.model_validate_json(card(entry.slug, written, first, entry))
        assert (read.id, read.name) == (entry.slug, entry.name)
    assert len(entries) >= 300
