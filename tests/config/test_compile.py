"""Compiling: what providers, models, wildcards, aliases, keys and prices come to, and every mistake between them."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import pytest
from written import compiled, mistakes, told

from turnout.config import snapshot
from turnout.config.compile import compile, detected, digested, filled, matching
from turnout.config.load import load, read
from turnout.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

LOCAL = """
providers:
  local: {base_url: http://127.0.0.1:8080/v1}
"""


def messages(directory: Path, text: str, environment: dict[str, str] | None = None) -> list[str]:
    return [message for _, _, message in told(directory, text, environment)]


# ----------------------------------------------------------------------------------------------------------- providers


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


# -------------------------------------------------------------------------------------------------------------- models


def test_the_short_forms_mean_the_long_one(tmp_path: Path) -> None:
    models = [
        compiled(tmp_path, f"{LOCAL}models: {{a/m: {short}}}").snapshot.models
        for short in ("local", "{provider: local}", "{endpoints: [{provider: local, model: m, tag: local}]}")
    ]
    assert models[0] == models[1] == models[2]


def test_the_upstream_name_leaves_the_author_out_except_at_a_gateway(tmp_path: Path) -> None:
    text = """
        providers: {local: {base_url: "http://127.0.0.1/v1"}, openrouter: {api_key: x}}
        models:
          a/m: {endpoints: [{provider: local}, {provider: openrouter}]}
          groq/openai/oss: local
          a/*: {endpoints: [{provider: local}, {provider: openrouter}]}
        """
    made = compiled(tmp_path, text).snapshot
    assert [[one.model for one in model.endpoints] for model in made.models] == [["m", "a/m"], ["openai/oss"]]
    assert [one.model for one in made.wildcards[0].endpoints] == ["*", "a/*"]


def test_an_empty_models_section_passes_every_name_on(tmp_path: Path) -> None:
    made = compiled(tmp_path, LOCAL).snapshot
    assert [(one.prefix, one.endpoints[0].model, one.endpoints[0].tag) for one in made.wildcards] == [
        ("local/", "*", "local")
    ]


def test_the_longest_wildcard_comes_first_and_star_is_never_empty(tmp_path: Path) -> None:
    made = compiled(
        tmp_path, LOCAL + "models: {'*': local, a/*: local, a/b-*: {provider: local, model: x-*-y}}"
    ).snapshot
    assert [one.prefix for one in made.wildcards] == ["a/b-", "a/", ""]
    found = matching(made.wildcards, "a/b-7")
    assert found is not None
    assert [one.model for one in filled(found, "a/b-7")] == ["x-7-y"]
    second = matching(made.wildcards, "a/b-")
    assert second is not None
    assert second.prefix == "a/"


def test_endpoints_of_one_provider_are_numbered_round_given_tags(tmp_path: Path) -> None:
    text = LOCAL + "models: {a/m: {endpoints: [{provider: local}, {provider: local, tag: local/2}, {provider: local}]}}"
    assert [one.tag for one in compiled(tmp_path, text).snapshot.models[0].endpoints] == ["local", "local/2", "local/3"]


@pytest.mark.parametrize(
    ("models", "key", "message"),
    [
        (
            "{plain: local}",
            "models.plain",
            "a model's slug has the form author/name, such as openai/gpt-4o, or ends in a wildcard, openai/*",
        ),
        ("{a/*b: local}", "models.a/*b", "a wildcard has one * at its very end, such as openai/*"),
        ("{a/m: {provider: lokal}}", "models.a/m.provider", "no provider is called lokal"),
        (
            "{a/m: {provider: groq}}",
            "models.a/m.provider",
            "the provider groq is known but not in this file: add it to providers",
        ),
        ("{a/m: {provider: local, model: x*}}", "models.a/m.model", "* only means something in a wildcard model"),
        ("{a/*: {provider: local, model: '**'}}", "models.a/*.model", "at most one * is replaced"),
        (
            "{a/*: {provider: local, name: x}}",
            "models.a/*.name",
            "a wildcard has endpoints only: it names no single model",
        ),
        (
            "{a/*: {provider: local, aliases: [x]}}",
            "models.a/*.aliases",
            "a wildcard has endpoints only: it names no single model",
        ),
        (
            "{a/m: {provider: local, tag: turbo}}",
            "models.a/m.tag",
            "a tag is the provider's slug, or begins with it: local/turbo",
        ),
        (
            "{a/m: {endpoints: [{provider: local, tag: local/x}, {provider: local, tag: local/x}]}}",
            "models.a/m.endpoints[1].tag",
            "the tag local/x occurs twice in this model",
        ),
    ],
)
def test_mistakes_of_a_model(tmp_path: Path, models: str, key: str, message: str) -> None:
    found = told(tmp_path, f"{LOCAL}models: {models}")
    assert (key, message) in [(where, what) for _, where, what in found]


def test_a_misspelt_provider_has_a_near_name(tmp_path: Path) -> None:
    assert mistakes(tmp_path, LOCAL + "models: {a/m: lokal}")[0].near == "local"


# -------------------------------------------------------------------------------------------------------------- prices


def test_prices_are_exact_and_default_to_the_prompt(tmp_path: Path) -> None:
    text = LOCAL + "models: {a/m: {provider: local, prices: {prompt: 0.1, completion: '0.000000001', request: 1e-9}}}"
    prices = compiled(tmp_path, text).snapshot.models[0].endpoints[0].prices
    assert prices is not None
    assert (prices.prompt, prices.completion, prices.cache_read, prices.cache_write) == (10**8, 1, 10**8, 10**8)
    assert prices.request == 1


def test_every_kind_of_price_has_its_default(tmp_path: Path) -> None:
    text = LOCAL + "models: {a/m: {provider: local, prices: {prompt: 1, completion: 2, cache_write: 1.25}}}"
    prices = compiled(tmp_path, text).snapshot.models[0].endpoints[0].prices
    assert prices is not None
    assert (prices.cache_read, prices.cache_write, prices.cache_write_1h) == (10**9, 125 * 10**7, 125 * 10**7)
    assert (prices.reasoning, prices.audio_prompt, prices.audio_completion) == (None, None, None)
    assert (prices.image_prompt, prices.image_completion) == (None, None)
    assert (prices.image, prices.web_search, prices.search_unit, prices.second, prices.character) == (0, 0, 0, 0, 0)
    assert (prices.tiers, prices.service) == ([], [])


def test_a_cached_price_that_follows_the_prompt_follows_that_of_its_tier(tmp_path: Path) -> None:
    tiers = "tiers: [{above_tokens: 9, prompt: 3}], service_tiers: [{tier: flex, prompt: 0.5}]"
    text = LOCAL + f"models: {{a/m: {{provider: local, prices: {{prompt: 1, completion: 2, {tiers}}}}}}}"
    prices = compiled(tmp_path, text).snapshot.models[0].endpoints[0].prices
    assert prices is not None
    (tier,), (service,) = prices.tiers, prices.service
    assert (tier.cache_read, tier.cache_write, tier.cache_write_1h) == (3 * 10**9,) * 3
    assert (service.cache_read, service.cache_write, service.completion) == (5 * 10**8, 5 * 10**8, None)
    text = text.replace("completion: 2,", "completion: 2, cache_read: 0.1, cache_write: 1.25, cache_write_1h: 2,")
    prices = compiled(tmp_path, text).snapshot.models[0].endpoints[0].prices
    assert prices is not None
    (tier,) = prices.tiers
    assert (tier.cache_read, tier.cache_write, tier.cache_write_1h) == (None, None, None)


def test_tiers_are_sorted_and_each_is_given_once(tmp_path: Path) -> None:
    def tiers(written: str) -> str:
        return LOCAL + f"models: {{a/m: {{provider: local, prices: {{prompt: 1, completion: 1, {written}}}}}}}"

    made = compiled(tmp_path, tiers("tiers: [{above_tokens: 200000}, {above_tokens: 128000}]"))
    prices = made.snapshot.models[0].endpoints[0].prices
    assert prices is not None
    assert [tier.above_tokens for tier in prices.tiers] == [128_000, 200_000]
    twice = "tiers: [{above_tokens: 5}, {above_tokens: 5}], service_tiers: [{tier: flex}, {tier: flex}]"
    assert messages(tmp_path, tiers(twice)) == ["this tier occurs twice: 5", "this tier occurs twice: flex"]


def test_the_price_version_changes_with_the_price_and_only_then(tmp_path: Path) -> None:
    def version(prices: str, more: str = "") -> str:
        text = f"{LOCAL}models: {{a/m: {{provider: local, prices: {prices}{more}}}}}"
        found = compiled(tmp_path, text).snapshot.models[0].endpoints[0].prices
        assert found is not None
        return found.version

    same = version("{prompt: 1, completion: 2}")
    assert same == version("{prompt: 1.0, completion: '2', cache_read: 1}", ", context_length: 5")
    assert same != version("{prompt: 1, completion: 2.000000001}")


def test_an_unknown_price_stays_unknown(tmp_path: Path) -> None:
    assert compiled(tmp_path, LOCAL + "models: {a/m: local}").snapshot.models[0].endpoints[0].prices is None


# ----------------------------------------------------------------------------------------------------------- endpoints


def test_an_endpoint_says_what_its_model_says_where_it_says_nothing_itself(tmp_path: Path) -> None:
    text = (
        LOCAL
        + """
models:
  a/m:
    supported_parameters: [tools]
    input_modalities: [text, image]
    endpoints:
      - local
""".replace(
            "- local",
            "- {provider: local}\n      - {provider: local, supported_parameters: [], input_modalities: [text]}",
        )
    )
    first, second = compiled(tmp_path, text).snapshot.models[0].endpoints
    assert (first.parameters, first.inputs, first.outputs) == (["tools"], ["text", "image"], [])
    assert (second.parameters, second.inputs) == ([], ["text"])
    (plain,) = compiled(tmp_path, LOCAL + "models: {a/m: local}").snapshot.models[0].endpoints
    assert (plain.parameters, plain.inputs, plain.quantization, plain.dialect) == (None, [], None, None)


def test_the_short_form_keeps_the_model_s_own_keys(tmp_path: Path) -> None:
    text = LOCAL + "models: {a/m: {provider: local, supported_parameters: [tools], quantization: fp8}}"
    model = compiled(tmp_path, text).snapshot.models[0]
    assert json.loads(model.card)["supported_parameters"] == ["tools"]
    assert (model.endpoints[0].parameters, model.endpoints[0].quantization) == (["tools"], "fp8")


def test_a_data_policy_is_the_endpoint_s_else_the_account_s_else_the_row_s(tmp_path: Path) -> None:
    text = """
        providers:
          openai: {api_key: k}
          ours: {row: openai, api_key: k, data_policy: {zdr: true, retention_days: 0}}
          own: {base_url: "http://h/v1"}
        models:
          a/m:
            endpoints:
              - {provider: openai}
              - {provider: ours}
              - {provider: ours, data_policy: {training: true}, tag: ours/two}
              - {provider: own}
        """
    found = [one.data_policy for one in compiled(tmp_path, text).snapshot.models[0].endpoints]
    assert [(one.training, one.retention_days, one.zdr) for one in found] == [
        (False, 30, False),
        (False, 0, True),
        (True, 0, True),
        (None, None, False),
    ]


def test_a_dialect_that_the_provider_does_not_speak_is_a_mistake(tmp_path: Path) -> None:
    text = LOCAL + "models: {a/m: {provider: local, dialect: gemini}}"
    assert messages(tmp_path, text) == ["the provider local speaks openai: gemini"]


# ------------------------------------------------------------------------------------------------------------- aliases


def test_aliases_are_followed_to_the_model(tmp_path: Path) -> None:
    text = LOCAL + "models: {a/m: {provider: local, aliases: [m]}}\naliases: {x: y, y: m, z: a/m}"
    assert compiled(tmp_path, text).snapshot.aliases == {"m": "a/m", "x": "a/m", "y": "a/m", "z": "a/m"}


def test_an_alias_of_a_wildcard_slug_makes_it_a_model(tmp_path: Path) -> None:
    made = compiled(tmp_path, LOCAL + "models: {a/*: local}\naliases: {x: a/deep/m}").snapshot
    assert made.aliases == {"x": "a/deep/m"}
    assert [(one.slug, one.endpoints[0].model) for one in made.models] == [("a/deep/m", "deep/m")]


@pytest.mark.parametrize(
    ("aliases", "message"),
    [
        ("{x: b/none}", "there is no model b/none"),
        ("{a/m: a/n}", "a/m is already the slug of a model"),
        ("{x: y, y: x}", "the alias x leads back to itself"),
        ("{x: x}", "the alias x leads back to itself"),
        ("{'x*': a/m}", "an alias has letters, digits and . _ : @ / ~ -, and no wildcard"),
        ("{given: a/n}", "the alias given is given to two models: a/m and a/n"),
    ],
)
def test_mistakes_of_an_alias(tmp_path: Path, aliases: str, message: str) -> None:
    text = f"{LOCAL}models: {{a/m: {{provider: local, aliases: [given]}}, a/n: local}}\naliases: {aliases}"
    assert message in messages(tmp_path, text)


def test_a_misspelt_target_has_a_near_name(tmp_path: Path) -> None:
    assert mistakes(tmp_path, LOCAL + "models: {a/model: local}\naliases: {x: a/modle}")[0].near == "a/model"


# ---------------------------------------------------------------------------------------------------------------- keys


def test_a_key_is_known_by_its_hash_only(tmp_path: Path) -> None:
    text = LOCAL + "keys: [{name: one, key: sk-a-long-enough-key, expires: 1800000000}]"
    key = compiled(tmp_path, text).snapshot.keys[0]
    assert key.sha256 == hashlib.sha256(b"sk-a-long-enough-key").hexdigest()
    assert (key.name, key.models, key.disabled, key.expires_unix) == ("one", None, False, 1_800_000_000)


def test_allowed_models_are_slugs_patterns_and_followed_aliases(tmp_path: Path) -> None:
    text = """
        providers: {local: {base_url: "http://127.0.0.1/v1"}}
        models: {a/m: {provider: local, aliases: [x]}, w/*: local}
        keys: [{name: k, sha256: %s, models: [x, a/*, w/any, w/*, "*", w/so-*]},
               {name: none, key: 0123456789abcdef, models: []}]
        """
    made = compiled(tmp_path, text % ("0" * 64)).snapshot
    assert [key.models for key in made.keys] == [["a/m", "a/*", "w/any", "w/*", "*", "w/so-*"], []]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ("[{name: a}]", "give key, or sha256 of it"),
        ("[{name: a, key: sk-0123456789abcdef, sha256: %s}]", "give either key or sha256, not both"),
        ("[{name: a, sha256: %s}, {name: a, key: sk-0123456789abcdef}]", "two keys are called a"),
        ("[{name: a, sha256: %s}, {name: b, sha256: %s}]", "the same key as a"),
        ("[{name: a, sha256: %s, models: [b/none]}]", "no model matches b/none"),
        ("[{name: a, sha256: %s, models: [b/*]}]", "no model matches b/*"),
        ("[{name: a, sha256: %s, models: ['*/m*']}]", "no model matches */m*"),
    ],
)
def test_mistakes_of_a_key(tmp_path: Path, keys: str, message: str) -> None:
    text = f"{LOCAL}models: {{a/m: local}}\nkeys: {keys.replace('%s', 'ab' * 32)}"
    assert messages(tmp_path, text) == [message]


def test_a_short_key_is_warned_about(tmp_path: Path) -> None:
    result = compiled(tmp_path, LOCAL + "keys: [{name: a, key: hunter2}]")
    assert len(result.warnings) == 1
    assert "below 16 characters" in result.warnings[0]
    assert "hunter2" not in result.warnings[0]


def test_keys_from_elsewhere_come_after_those_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_text(f"keys: [{{name: file, sha256: {'a' * 64}}}]")
    extra = [
        snapshot.Key(
            sha256=digit * 64,
            name=f"extra {digit}",
            models=None,
            disabled=False,
            expires_unix=None,
            routing=None,
            limit=None,
            requests_per_minute=None,
        )
        for digit in "ab"
    ]
    made = compile(load(tmp_path / "t.yaml", {}), auth=False, environment={}, extra_keys=extra).snapshot
    assert [key.name for key in made.keys] == ["file", "extra b"]
    assert made.auth is False


# --------------------------------------------------------------------------------------------------------------- whole


def test_mistakes_of_shape_and_between_sections_are_told_together_without_echoes(tmp_path: Path) -> None:
    text = """\
        server: {listen: nonsense}
        providers:
          local: {base_url: not-a-url}
          good: {base_url: "http://h/v1"}
        models:
          a/one: local
          a/two: {endpoints: [{provider: good, wrong: 1}, {provider: godo}]}
        keys:
          - {name: x}
          - {nmae: y, key: sk-0123456789abcdef}
          - {name: z, models: [a/tow]}
        aliases: {q: a/nothing}
        """
    assert [(line, key) for line, key, _ in told(tmp_path, text)] == [
        (1, "server.listen[0]"),
        (3, "providers.local.base_url"),
        (7, "models.a/two.endpoints[0].wrong"),
        (7, "models.a/two.endpoints[1].provider"),
        (9, "keys[0]"),
        (10, "keys[1].name"),
        (10, "keys[1].nmae"),
        (11, "keys[2]"),
        (11, "keys[2].models[0]"),
        (12, "aliases.q"),
    ]


def test_a_wrong_list_member_does_not_shift_the_places_of_the_others(tmp_path: Path) -> None:
    text = "keys:\n  - 7\n  - {name: a}\n  - [x]\n  - {name: b}\n"
    assert [(line, key) for line, key, _ in told(tmp_path, text)] == [
        (2, "keys[0]"),
        (3, "keys[1]"),
        (4, "keys[2]"),
        (5, "keys[3]"),
    ]


def test_threads_default_to_the_cores(tmp_path: Path) -> None:
    assert compiled(tmp_path, LOCAL).snapshot.server.threads >= 1
    assert compiled(tmp_path, LOCAL + "server: {threads: 3}").snapshot.server.threads == 3


def test_the_digest_changes_with_the_content(tmp_path: Path) -> None:
    one, two = compiled(tmp_path, LOCAL).snapshot, compiled(tmp_path, LOCAL + "log: {level: debug}").snapshot
    assert one.digest == two.digest == digested(one).digest
    assert compiled(tmp_path, LOCAL + "server: {threads: 3}").snapshot.digest != one.digest


def test_a_database_url_without_a_scheme_is_a_mistake_that_does_not_repeat_it(tmp_path: Path) -> None:
    found = mistakes(tmp_path, LOCAL + "ledger: {url: 'user:hunter2@host'}")
    assert found[0].key_path == "ledger.url"
    assert "hunter2" not in str(found[0])


@pytest.mark.timeout(300)  # six seconds of work, on a machine that may be busy
def test_a_hundred_thousand_keys_and_five_thousand_models_compile() -> None:
    """Bounds what is kept, not the time; a quadratic step would meet the time limit of the test."""
    keys = "\n".join(
        f"  - {{name: key-{n}, sha256: {hashlib.sha256(str(n).encode()).hexdigest()}, models: [a{n % 50}/*]}}"
        for n in range(100_000)
    )
    models = "\n".join(
        f"  a{n % 50}/m-{n}: {{provider: local, prices: {{prompt: 1, completion: 2}}}}" for n in range(5_000)
    )
    loaded = read("big", f"{LOCAL}models:\n{models}\nkeys:\n{keys}\n".encode(), {}, path=None)
    made = compile(loaded, auth=True, environment={}).snapshot
    assert (len(made.keys), len(made.models)) == (100_000, 5_000)
    encoded = snapshot.encode(made)
    assert len(encoded) < 30_000_000
    assert json.loads(encoded)["keys"][-1]["name"] == "key-99999"


def test_many_mistakes_are_counted_and_not_all_listed(tmp_path: Path) -> None:
    text = "aliases:\n" + "\n".join(f"  x{n}: a/none-{n}" for n in range(1_000))
    with pytest.raises(ConfigError) as raised:
        compiled(tmp_path, text)
    assert len(raised.value.mistakes) == 201
    assert str(raised.value.mistakes[-1]).endswith("and 800 more mistakes")
