"""Cards of models: OpenRouter's required members, and a list that OpenAI's client reads."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import openai
from written import compiled

if TYPE_CHECKING:
    from pathlib import Path

    from turnout.config import snapshot

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
    for card in cards(tmp_path):
        assert set(card) >= REQUIRED
        assert set(card["architecture"]) >= {"modality", "input_modalities", "output_modalities"}
        assert set(card["pricing"]) >= {"prompt", "completion"}
        assert card["top_provider"]["is_moderated"] is False


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
