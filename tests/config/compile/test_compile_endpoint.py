"""The endpoints of a model: names upstream, tags, what they say and what their model says."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from written import LOCAL, compiled, messages, mistakes

if TYPE_CHECKING:
    from pathlib import Path


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


def test_endpoints_of_one_provider_are_numbered_round_given_tags(tmp_path: Path) -> None:
    text = LOCAL + "models: {a/m: {endpoints: [{provider: local}, {provider: local, tag: local/2}, {provider: local}]}}"
    assert [one.tag for one in compiled(tmp_path, text).snapshot.models[0].endpoints] == ["local", "local/2", "local/3"]


def test_a_misspelt_provider_has_a_near_name(tmp_path: Path) -> None:
    assert mistakes(tmp_path, LOCAL + "models: {a/m: lokal}")[0].near == "local"


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
