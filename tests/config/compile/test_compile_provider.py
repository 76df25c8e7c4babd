"""Which providers are on, with which keys, headers and proxies, and every mistake of one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from written import LOCAL, compiled, messages, mistakes, told

from turnout.config import snapshot
from turnout.config.compile import compile, detected
from turnout.config.load import load

if TYPE_CHECKING:
    from pathlib import Path


def test_without_a_file_the_environment_decides() -> None:
    environment = {"GROQ_API_KEY": "gsk-1", "OPENAI_API_KEY": "sk-1", "DEEPSEEK_API_KEY": ""}
    made = compile(load(None, environment), auth=True, environment=environment).snapshot
    assert [provider.slug for provider in made.providers] == ["openai", "groq"]
    assert [(one.prefix, one.endpoints[0].model) for one in made.wildcards] == [("openai/", "*"), ("groq/", "*")]
    assert made.providers[1].credentials[0].value == "Bearer gsk-1"
    assert [row.slug for row in detected(environment)] == ["openai", "groq"]


def test_a_key_alone_switches_nothing_on_where_a_setting_lacks_or_the_key_is_commonly_for_something_else() -> None:
    quiet = {"AWS_BEARER_TOKEN_BEDROCK": "b", "GITHUB_TOKEN": "g", "WANDB_API_KEY": "w", "AZURE_API_KEY": "a"}
    assert detected(quiet) == []
    told = {**quiet, "AWS_REGION": "eu-west-1", "AZURE_RESOURCE_NAME": "r"}
    made = compile(load(None, told), auth=True, environment=told).snapshot
    assert [(one.slug, one.wires[0].base_url) for one in made.providers] == [
        ("amazon-bedrock", "https://bedrock-runtime.eu-west-1.amazonaws.com"),
        ("azure", "https://r.openai.azure.com/openai"),
    ]


def test_without_file_and_keys_it_warns_that_nothing_can_be_asked_for() -> None:
    result = compile(load(None, {}), auth=True, environment={})
    assert result.snapshot.providers == []
    assert "no model can be asked for" in result.warnings[0]


def test_with_a_file_only_its_providers_are_on(tmp_path: Path) -> None:
    made = compiled(tmp_path, "providers: {groq: }", {"GROQ_API_KEY": "gsk-1", "OPENAI_API_KEY": "sk-1"}).snapshot
    assert [provider.slug for provider in made.providers] == ["groq"]
    assert made.providers[0].credentials[0].value == "Bearer gsk-1"


def test_the_second_variable_of_a_row_is_taken_when_the_first_is_empty(tmp_path: Path) -> None:
    made = compiled(tmp_path, "providers: {deepinfra: {}}", {"DEEPINFRA_API_KEY": " ", "DEEPINFRA_TOKEN": "t"}).snapshot
    assert made.providers[0].credentials[0].value == "Bearer t"


def test_a_row_without_its_key_is_a_mistake(tmp_path: Path) -> None:
    assert told(tmp_path, "providers:\n  groq:\n") == [
        (2, "providers.groq", "there is no key: set the environment variable GROQ_API_KEY, or give api_key")
    ]


def test_a_variable_that_holds_a_line_break_is_a_mistake_that_does_not_repeat_it(tmp_path: Path) -> None:
    found = messages(tmp_path, "providers: {groq: }", {"GROQ_API_KEY": "gsk-one\ngsk-two"})
    assert found == ["the environment variable GROQ_API_KEY holds characters that no key has"]


@pytest.mark.parametrize("local", ["ollama", "vllm", "llamacpp", "lmstudio"])
def test_a_server_on_this_machine_needs_no_key(tmp_path: Path, local: str) -> None:
    assert compiled(tmp_path, f"providers: {{{local}: }}").snapshot.providers[0].credentials == []


def test_a_header_may_stand_for_the_key(tmp_path: Path) -> None:
    made = compiled(tmp_path, "providers: {groq: {headers: {Authorization: Token x}}}").snapshot
    assert made.providers[0].headers == [("authorization", "Token x")]
    assert made.providers[0].credentials == []


def test_a_second_account_at_a_row_takes_its_url_and_abilities(tmp_path: Path) -> None:
    made = compiled(
        tmp_path, "providers: {work: {row: mistral, api_key: k}, home: {row: openrouter, api_key: k}}"
    ).snapshot
    assert [provider.wires[0].base_url for provider in made.providers] == [
        "https://api.mistral.ai/v1",
        "https://openrouter.ai/api/v1",
    ]
    assert [provider.wires[0].quirks.stream_usage for provider in made.providers] == [False, True]
    assert [provider.routing_fields for provider in made.providers] == [False, True]


def test_several_keys_keep_order_weight_and_label(tmp_path: Path) -> None:
    made = compiled(
        tmp_path, "providers: {groq: {api_keys: [a, {key: b, weight: 5}, {key: c, label: spare}]}}"
    ).snapshot
    credentials = made.providers[0].credentials
    assert [(one.label, one.value, one.weight) for one in credentials] == [
        ("key-1", "Bearer a", 1),
        ("key-2", "Bearer b", 5),
        ("spare", "Bearer c", 1),
    ]


def test_a_provider_that_is_off_leaves_the_endpoints_out_and_warns(tmp_path: Path) -> None:
    result = compiled(
        tmp_path,
        LOCAL + "  groq: {enabled: false}\n"
        "models:\n  a/both: {endpoints: [{provider: groq}, {provider: local}]}\n  a/gone: groq\naliases: {x: a/gone}\n",
    )
    assert [one.slug for one in result.snapshot.models] == ["a/both"]
    assert [one.tag for one in result.snapshot.models[0].endpoints] == ["local"]
    assert result.snapshot.aliases == {}
    assert [warning.split(": ", 1)[1] for warning in result.warnings] == [
        "not served: all its providers are off",
        "not served: all providers of a/gone are off",
    ]


@pytest.mark.parametrize(
    ("provider", "message"),
    [
        ("grok: {api_key: x}", "not a known provider: give base_url, or row for the provider it stands for"),
        ("own: {row: grok, api_key: x}", "no known provider is called grok"),
        (
            "own: {base_url: 'http://h', headers: {Host: x}}",
            "this header belongs to the message itself and is written by the gateway",
        ),
        ("own: {base_url: 'http://h', headers: {'a b': x}}", "not the name of a header"),
        (
            "own: {base_url: 'http://h', headers: {X-A: x, x-a: y}}",
            "this header occurs twice; upper and lower case are the same",
        ),
        ("groq: {api_key: x, headers: {authorization: y}}", "give either a key or the header Authorization, not both"),
        ("groq: {api_keys: [{key: a, label: l}, {key: b, label: l}]}", "the label l occurs twice in this provider"),
        (
            "Own: {base_url: 'http://h'}",
            "a provider's slug has lower-case letters, digits, dots and dashes, at most 64",
        ),
    ],
)
def test_mistakes_of_a_provider(tmp_path: Path, provider: str, message: str) -> None:
    assert messages(tmp_path, f"providers: {{{provider}}}") == [message]


def test_a_misspelt_row_has_a_near_name(tmp_path: Path) -> None:
    assert mistakes(tmp_path, "providers: {grok: {api_key: x}}")[0].near == "groq"
    assert mistakes(tmp_path, "providers: {x: {row: open-ai, api_key: x}}")[0].near == "openai"


def test_a_proxy_of_the_environment_that_is_not_http_is_not_gone_round(tmp_path: Path) -> None:
    text = "providers: {own: {base_url: 'https://h/v1'}}"
    assert (
        "ALL_PROXY is not the URL of an http or https proxy"
        in messages(tmp_path, text, {"ALL_PROXY": "socks5://p:1"})[0]
    )
    none = "providers: {own: {base_url: 'https://h/v1', proxy: none}}"
    assert compiled(tmp_path, none, {"ALL_PROXY": "socks5://p:1"}).snapshot.providers[0].proxy is None


def test_a_proxy_of_the_file_wins_over_the_environment(tmp_path: Path) -> None:
    text = "providers: {own: {base_url: 'https://h/v1', proxy: 'http://file:1'}, other: {base_url: 'https://h/v1'}}"
    made = compiled(tmp_path, text, {"https_proxy": "env:2"}).snapshot
    assert [provider.proxy for provider in made.providers] == ["http://file:1", "http://env:2"]


def test_probes_are_off_and_a_provider_says_for_itself(tmp_path: Path) -> None:
    made = compiled(tmp_path, "providers: {groq: }", {"GROQ_API_KEY": "gsk-1"}).snapshot
    assert made.providers[0].probe is None
    providers = "providers:\n  groq: {probe: {idle: 0, tokens: 16}}\n  openai: {probe: {enabled: false}}\n"
    environment = {"GROQ_API_KEY": "gsk-1", "OPENAI_API_KEY": "sk-1"}
    on = compiled(tmp_path, f"routing: {{probe: {{enabled: true, every: 3s}}}}\n{providers}", environment).snapshot
    asked = snapshot.Probe(every_ms=3000, idle_ms=0, timeout_ms=10_000, tokens=16)
    assert [provider.probe for provider in on.providers] == [asked, None]
    alone = compiled(tmp_path, "providers: {groq: {probe: {enabled: true}}}", environment).snapshot
    assert alone.providers[0].probe == snapshot.Probe(every_ms=10_000, idle_ms=300_000, timeout_ms=10_000, tokens=1)
