"""Finding and reading a file, and mistakes of shape in our own words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from written import compiled, mistakes, told

from turnout.config import load, model

if TYPE_CHECKING:
    from pathlib import Path


def test_the_file_is_the_option_else_the_variable_else_the_one_here_else_none(tmp_path: Path) -> None:
    option, named, here = tmp_path / "option.yaml", tmp_path / "named.yaml", tmp_path / "turnout.yaml"
    variable = {"TURNOUT_CONFIG": str(named)}
    assert load.find(None, {}, tmp_path) is None
    here.write_text("")
    assert load.find(None, {}, tmp_path) == here
    assert load.find(None, {"TURNOUT_CONFIG": ""}, tmp_path) == here
    assert load.find(None, variable, tmp_path) == named
    assert load.find(option, variable, tmp_path) == option


def test_a_file_that_is_not_there_is_a_mistake_and_is_watched(tmp_path: Path) -> None:
    loaded = load.load(tmp_path / "none.yaml", {})
    assert [mistake.message for mistake in loaded.mistakes] == [
        "the configuration file cannot be read: No such file or directory"
    ]
    assert loaded.watched == (tmp_path / "none.yaml",)


def test_without_a_file_everything_is_default() -> None:
    loaded = load.load(None, {})
    assert loaded.config == model.Config()
    assert (loaded.mistakes, loaded.watched, loaded.path) == ((), (), None)
    assert loaded.has_keys is False
    assert loaded.state_dir is None


def test_the_environment_is_a_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TURNOUT_TEST", "x")
    taken = load.environment()
    monkeypatch.setenv("TURNOUT_TEST", "y")
    assert taken["TURNOUT_TEST"] == "x"


def test_sections_and_keys_with_nothing_behind_them_are_left_out(tmp_path: Path) -> None:
    text = "server: {limits: , threads: , timeouts: {header: }}\nkeys:\nproviders:\nmodels:\nledger:\nlog:\n"
    (tmp_path / "t.yaml").write_text(text)
    assert load.load(tmp_path / "t.yaml", {}).config == model.Config()


@pytest.mark.parametrize(
    ("text", "key", "message", "near"),
    [
        ("sever: {}", "sever", "unknown key", "server"),
        ("server: {time_outs: {}}", "server.time_outs", "unknown key", "timeouts"),
        ("server: {limits: {bodi: 1}}", "server.limits.bodi", "unknown key", "body"),
        ("keys: [{nam: x}]", "keys[0].nam", "unknown key", "name"),
        ("providers: {groq: {api_kee: x}}", "providers.groq.api_kee", "unknown key", "api_key"),
        ("providers: {groq: {api_keys: [{kye: x}]}}", "providers.groq.api_keys[0].kye", "unknown key", "key"),
        ("models: {a/b: {provder: x}}", "models.a/b.provder", "unknown key", "provider"),
        ("models: {a/b: {provider: x, contxt_length: 1}}", "models.a/b.contxt_length", "unknown key", "context_length"),
        (
            "models: {a/b: {endpoints: [{provider: x, modle: 1}]}}",
            "models.a/b.endpoints[0].modle",
            "unknown key",
            "model",
        ),
        ("models: {a/b: {provider: x, endpoints: []}}", "models.a/b.provider", "unknown key", "provider"),
        ("log: {level: inf}", "log.level", "expected debug or info or warning or error", "info"),
        ("log: {level: [1]}", "log.level", "expected debug or info or warning or error", None),
        (
            "models: {a/b: {provider: x, input_modalities: [text, imagge]}}",
            "models.a/b.input_modalities[1]",
            "expected text or image or audio or file or video or embeddings or rerank or speech or transcription",
            "image",
        ),
        ("server: {threads: many}", "server.threads", "expected a whole number", None),
        ("server: {threads: 1.5}", "server.threads", "expected a whole number", None),
        ("server: {threads: 0}", "server.threads", "too small: at least 1", None),
        ("server: {limits: {body: 2GiB}}", "server.limits.body", "too large: at most 1GiB", None),
        ("server: {timeouts: {idle: 0.5}}", "server.timeouts.idle", "too small: at least 1s", None),
        ("server: {raw_errors: perhaps}", "server.raw_errors", "expected true or false", None),
        ("server: {listen: []}", "server.listen", "must not be empty", None),
        ("server: {listen: ['[::1]:5', '[0::1]:5']}", "server.listen", "an address occurs twice", None),
        ("server: 5", "server", "expected keys with values below it, not a single value or a list", None),
        ("keys: {}", "keys", "expected a list", None),
        ("providers: []", "providers", "expected keys with values below it, not a single value or a list", None),
        ("models: {a/b: {model: x}}", "models.a/b.provider", "this key is required", None),
        (
            "models: {a/b: {provider: x, prices: {prompt: 1}}}",
            "models.a/b.prices.completion",
            "this key is required",
            None,
        ),
        (
            "models: {a/b: {provider: x, prices: {prompt: -1, completion: 0}}}",
            "models.a/b.prices.prompt",
            "a price cannot be negative",
            None,
        ),
        ("keys: [{key: 0123456789abcdef}]", "keys[0].name", "this key is required", None),
        ("keys: [{name: 5, key: x}]", "keys[0].name", "expected text: put quotes around it", None),
        ("keys: [{name: '', key: x}]", "keys[0].name", "must not be empty", None),
        ("keys: [{name: x, sha256: abc}]", "keys[0].sha256", "expected 64 hexadecimal digits", None),
        ("aliases: {x: [a]}", "aliases.x", "expected text", None),
        (
            "providers: {groq: {api_keys: [{key: a, weight: 0}]}}",
            "providers.groq.api_keys[0].weight",
            "too small: at least 1",
            None,
        ),
        (
            "providers: {groq: {api_keys: [{key: a, weight: 1001}]}}",
            "providers.groq.api_keys[0].weight",
            "too large: at most 1000",
            None,
        ),
        (
            "providers: {groq: {api_keys: [{key: a, label: 'b c'}]}}",
            "providers.groq.api_keys[0].label",
            "expected at most 64 letters, digits, dots, dashes or underscores",
            None,
        ),
        (
            "providers: {groq: {api_key: a, api_keys: [b]}}",
            "providers.groq",
            "give either api_key or api_keys, not both",
            None,
        ),
        (
            "providers: {groq: {dialect: klingon}}",
            "providers.groq.dialect",
            "expected openai or responses or anthropic or gemini or bedrock or cohere or ollama",
            None,
        ),
        (
            "server: {drain: {min: 10s, max: 5s}}",
            "server.drain",
            "max is shorter than min: what is in flight could not outlast the time in which more is accepted",
            None,
        ),
        ("ledger: {path: x, url: 'a://b'}", "ledger", "give either path or url, not both", None),
    ],
)
def test_mistakes_of_shape(tmp_path: Path, text: str, key: str, message: str, near: str | None) -> None:
    found = [(one.key_path, one.message, one.near) for one in mistakes(tmp_path, text)]
    assert (key, message, near) in found


def test_missing_files_are_told(tmp_path: Path) -> None:
    text = "server: {tls: {certificate: c.pem, private_key: k.pem}}\nproviders: {groq: {api_key: 'file:key'}}"
    assert [(line, key, message) for line, key, message in told(tmp_path, text)] == [
        (1, "server.tls.certificate", f"there is no file {tmp_path}/c.pem"),
        (1, "server.tls.private_key", f"there is no file {tmp_path}/k.pem"),
        (2, "providers.groq.api_key", f"there is no file {tmp_path}/key"),
    ]


def test_an_unset_variable_is_told_once_and_not_again_as_a_wrong_value(tmp_path: Path) -> None:
    text = "server: {threads: '${N}'}\nproviders: {groq: {api_key: '${KEY}'}}\nkeys: [{name: k, sha256: '${HASH}'}]"
    assert [message.split(" is not set")[0] for _, _, message in told(tmp_path, text)] == [
        "the environment variable N",
        "the environment variable KEY",
        "the environment variable HASH",
    ]


def test_no_mistake_repeats_a_value(tmp_path: Path) -> None:
    """A secret can stand anywhere by mistake; the place is enough to find it."""
    secret = "sk-hunter2"
    environment = {"S": secret}
    text = """
        server: {listen: '${S}', threads: '${S}', cors_origins: '${S}', trusted_proxies: '${S}', raw_errors: '${S}'}
        keys: [{name: a, key: '${S} x', expires: '${S}'}, {name: b, sha256: '${S}'}]
        providers:
          own: {base_url: '${S}', proxy: '${S}', ca: '${S}x', headers: {A: "${S}\\n"}, timeouts: {idle: '${S}'}}
        models: {a/b: {provider: own, prices: {prompt: '${S}', completion: '${S}'}, created: '${S}'}}
        log: {level: '${S}', format: '${S}'}
        ledger: {url: '${S}', batch_records: '${S}'}
        """
    found = mistakes(tmp_path, text, environment)
    assert len(found) >= 18
    texts = [str(one) for one in found if one.key_path != "providers.own.ca"]
    assert not [text for text in texts if secret in text]


def test_variables_and_file_secrets_reach_the_snapshot(tmp_path: Path) -> None:
    (tmp_path / "groq.key").write_text("from-file\n")
    text = "providers: {groq: {api_key: 'file:groq.key'}, openai: {api_key: '${KEY:-default}'}}"
    values = [one.credentials[0].value for one in compiled(tmp_path, text).snapshot.providers]
    assert values == ["Bearer from-file", "Bearer default"]
