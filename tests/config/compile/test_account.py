"""What is written about a provider, laid over its row: protocols, URLs, paths, quirks and settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from written import compiled, mistakes, told

from turnout.config.compile import account
from turnout.providers.dialect import PATHS

if TYPE_CHECKING:
    from pathlib import Path

    from turnout.config import snapshot


def wires(directory: Path, provider: str, environment: dict[str, str] | None = None) -> list[snapshot.Wire]:
    return compiled(directory, f"providers: {{{provider}}}", environment).snapshot.providers[0].wires


def messages(directory: Path, provider: str) -> list[str]:
    return [message for _, _, message in told(directory, f"providers: {{{provider}}}")]


def test_an_own_provider_speaks_openai_s_protocol_with_all_its_operations(tmp_path: Path) -> None:
    (wire,) = wires(tmp_path, "own: {base_url: 'http://h/v1'}")
    assert (wire.dialect, wire.base_url, wire.paths) == ("openai", "http://h/v1", PATHS["openai"])
    assert (wire.quirks.stream_usage, wire.quirks.max_tokens, wire.quirks.json_schema) == (True, "max_tokens", True)


@pytest.mark.parametrize("dialect", PATHS)
def test_every_dialect_can_be_chosen_for_an_own_provider(tmp_path: Path, dialect: str) -> None:
    (wire,) = wires(tmp_path, f"own: {{dialect: {dialect}, base_url: 'http://h'}}")
    assert wire.dialect == dialect
    assert list(wire.paths) == list(PATHS[wire.dialect])


def test_operations_choose_and_paths_move(tmp_path: Path) -> None:
    (wire,) = wires(
        tmp_path,
        "own: {base_url: 'http://h', operations: [chat], paths: {chat: '/d/{model}/chat?api-version=1', rerank: /r}}",
    )
    assert wire.paths == {"chat": "/d/{model}/chat?api-version=1"}
    (wire,) = wires(tmp_path, "own: {base_url: 'http://h', paths: {rerank: /v2/rerank}}")
    assert wire.paths == {**PATHS["openai"], "rerank": "/v2/rerank"}


def test_streams_of_messages_may_have_a_path_of_their_own(tmp_path: Path) -> None:
    own = "own: {dialect: anthropic, base_url: 'http://h', "
    (wire,) = wires(tmp_path, own + "paths: {messages: '/{model}:plain', messages_stream: '/{model}:stream'}}")
    usual = PATHS["anthropic"]
    assert wire.paths == {**usual, "messages": "/{model}:plain", "messages_stream": "/{model}:stream"}
    (wire,) = wires(tmp_path, own + "operations: [messages, messages_stream]}")
    # The plane sends them where plain messages go.
    assert wire.paths == {"messages": usual["messages"]}


def test_a_path_that_is_given_at_a_row_adds_its_operation(tmp_path: Path) -> None:
    (plain,) = wires(tmp_path, "groq: {api_key: k, dialect: openai}")
    assert "rerank" not in plain.paths
    (wire,) = wires(tmp_path, "groq: {api_key: k, dialect: openai, paths: {rerank: /rerank}}")
    assert wire.paths == {**plain.paths, "rerank": "/rerank"}


def test_a_base_url_takes_the_place_of_the_row_s_first(tmp_path: Path) -> None:
    found = wires(tmp_path, "groq: {api_key: k, base_url: 'http://proxy/v1'}")
    assert {wire.base_url for wire in found} == {"http://proxy/v1"}


def test_wires_are_kept_in_order_and_may_lean_on_the_row(tmp_path: Path) -> None:
    first, second = wires(
        tmp_path,
        "groq: {api_key: k, wires: [{dialect: anthropic, base_url: 'http://a/v1'}, {dialect: openai}]}",
    )
    assert (first.dialect, first.base_url) == ("anthropic", "http://a/v1")
    assert (second.dialect, second.base_url) == ("openai", "https://api.groq.com/openai/v1")


def test_quirks_of_a_wire_win_over_the_provider_s_and_those_over_the_row_s(tmp_path: Path) -> None:
    (wire,) = wires(tmp_path, "mistral: {api_key: k, dialect: openai, stream_usage: true}")
    assert wire.quirks.stream_usage is True
    text = (
        "own: {quirks: {reasoning: none, image_urls: false},"
        " wires: [{dialect: openai, base_url: 'http://h', quirks: {reasoning: thinking}},"
        " {dialect: responses, base_url: 'http://h'}]}"
    )
    first, second = wires(tmp_path, text)
    assert (first.quirks.reasoning, first.quirks.image_urls) == ("thinking", False)
    assert (second.quirks.reasoning, second.quirks.image_urls) == ("none", False)


@pytest.mark.parametrize(
    ("provider", "message"),
    [
        ("own: {wires: [{dialect: gemini}]}", "give base_url: no known provider says where gemini is spoken here"),
        (
            "own: {wires: [{dialect: openai, base_url: 'http://h'}], base_url: 'http://h'}",
            "give either wires or base_url, not both: each wire has its own",
        ),
        (
            "own: {wires: [{dialect: openai, base_url: 'http://h'}, {dialect: openai, base_url: 'http://i'}]}",
            "the dialect openai occurs twice in this provider",
        ),
        (
            "own: {dialect: cohere, base_url: 'http://h', operations: [chat, embeddings]}",
            "the dialect cohere has the operations chat, embed, rerank: embeddings",
        ),
        (
            "own: {dialect: cohere, base_url: 'http://h', paths: {images: /x}}",
            "the dialect cohere has the operations chat, embed, rerank: images",
        ),
        (
            "own: {base_url: 'http://h', paths: {chat: chat}}",
            "expected a path such as /chat/completions or /models/{model}:generate?alt=sse",
        ),
        ("own: {base_url: 'http://h', settings: {region: x}}", "only a known provider has settings"),
        ("groq: {api_key: k, settings: {region: x}}", "this provider has no setting region"),
        (
            "groq: {api_key: k, dialect: bedrock}",
            "the known provider groq speaks openai and responses: give base_url as well",
        ),
        (
            "own: {base_url: 'http://h', stream_usage: true, quirks: {stream_usage: true}}",
            "give either stream_usage or quirks.stream_usage, not both",
        ),
    ],
)
def test_mistakes_of_wires(tmp_path: Path, provider: str, message: str) -> None:
    assert messages(tmp_path, provider) == [message]


def test_a_misspelt_operation_has_a_near_name(tmp_path: Path) -> None:
    text = "providers: {own: {base_url: 'http://h', operations: [embedings]}}"
    assert mistakes(tmp_path, text)[0].near == "embeddings"


def test_settings_go_into_urls_and_the_global_one_leaves_its_prefix_out() -> None:
    template = "https://{location-}host/{location}/{model}"
    assert account.filled(template, {"location": "eu"}) == "https://eu-host/eu/{model}"
    assert account.filled(template, {"location": "global"}) == "https://host/global/{model}"


def test_a_setting_is_the_written_one_else_that_of_the_environment_else_the_default(tmp_path: Path) -> None:
    environment = {
        "OPENAI_API_KEY": "k",
        "DATABRICKS_TOKEN": "k",
        "DATABRICKS_HOST": "https://dbc-1.cloud.example.com/",
    }
    (first, _) = wires(tmp_path, "openai: {}", environment)
    assert first.base_url == "https://api.openai.com/v1"
    (first, _) = wires(tmp_path, "openai: {settings: {region: eu}}", environment)
    assert first.base_url == "https://eu.api.openai.com/v1"
    (wire,) = wires(tmp_path, "databricks: {}", environment)
    assert wire.base_url == "https://dbc-1.cloud.example.com/serving-endpoints"
    (wire,) = wires(tmp_path, "databricks: {base_url: 'http://h/serving'}", {"DATABRICKS_TOKEN": "k"})
    assert wire.base_url == "http://h/serving"


@pytest.mark.parametrize(
    ("provider", "environment", "message"),
    [
        (
            "databricks: {api_key: k}",
            {},
            "there is no host (host name of the workspace): set the environment variable DATABRICKS_HOST, or give "
            "settings.host",
        ),
        ("openai: {api_key: k, settings: {region: moon}}", {}, "expected us or eu: moon"),
        (
            "databricks: {api_key: k}",
            {"DATABRICKS_HOST": "h/evil?x=1"},
            "DATABRICKS_HOST does not hold what a host looks like: give settings.host",
        ),
    ],
)
def test_mistakes_of_settings(tmp_path: Path, provider: str, environment: dict[str, str], message: str) -> None:
    found = told(tmp_path, f"providers: {{{provider}}}", environment)
    assert [what for _, _, what in found] == [message]


def test_azure_s_deployments_have_urls_of_their_own(tmp_path: Path) -> None:
    chat, responses = wires(tmp_path, "azure: {api_key: k, settings: {resource: r, api_version: 2024-10-21}}")
    assert chat.paths["chat"] == "/deployments/{model}/chat/completions?api-version=2024-10-21"
    assert responses.base_url + responses.paths["responses"] == "https://r.openai.azure.com/openai/v1/responses"
