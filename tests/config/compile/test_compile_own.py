"""``config/compile/own.py``: keys of the API beside those of the configuration, or left out with the reason."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from written import NAME

from turnout.auth.google import GoogleSource
from turnout.auth.source import bearer
from turnout.config.compile import Compiled, compile
from turnout.config.load import load
from turnout.config.own import OwnKey
from turnout.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

OPENAI = "providers:\n  openai: {api_key: sk-shared}\ncatalogue: false\n"
ACCOUNT = {
    "type": "service_account",
    "client_email": "models@project.iam.gserviceaccount.com",
    "private_key": "secret",
    "token_uri": "https://oauth2.googleapis.com/token",
}
VERTEX = "providers:\n  google-vertex: {api_keys: [], settings: {project: p, location: europe-west4}}\n"


def key(provider: str = "openai", text: str | None = "sk-own", **changes: Any) -> OwnKey:
    members: dict[str, Any] = {
        "id": f"id-{text}",
        "label": f"byok-{text}",
        "disabled": False,
        "kind": "prioritized",
        "required": False,
        "exclusive": False,
        "zdr": None,
        "models": None,
        "hashes": None,
        "users": None,
    }
    return OwnKey(provider=provider, text=text, **members | changes)


def made(
    directory: Path, text: str, *keys: OwnKey, environment: dict[str, str] | None = None, **further: Any
) -> Compiled:
    path = directory / NAME
    path.write_text(text, encoding="utf-8")
    environment = environment or {}
    return compile(load(path, environment), auth=True, environment=environment, own_keys=keys, **further)


def values(compiled: Compiled) -> dict[str, list[str]]:
    return {one.slug: [credential.value for credential in one.credentials] for one in compiled.snapshot.providers}


def reasons(compiled: Compiled) -> list[str]:
    assert [left.reason in " ".join(compiled.warnings) for left in compiled.left_out.values()].count(False) == 0
    return [left.reason for left in compiled.left_out.values()]


def test_keys_stand_behind_the_shared_ones_in_their_order(tmp_path: Path) -> None:
    compiled = made(tmp_path, OPENAI, key(text="sk-2"), key(text="sk-1", kind="fallback", required=True))
    assert values(compiled) == {"openai": ["Bearer sk-shared", "Bearer sk-2", "Bearer sk-1"]}
    shared, first, second = compiled.snapshot.providers[0].credentials
    assert (shared.kind, first.kind, second.kind) == ("shared", "prioritized", "fallback")
    assert (first.required, second.required, second.label) == (False, True, "byok-sk-1")
    assert compiled.left_out == {}


def test_without_keys_nothing_is_different(tmp_path: Path) -> None:
    plain = made(tmp_path, OPENAI).snapshot
    assert made(tmp_path, OPENAI, key(disabled=True)).snapshot == plain
    assert made(tmp_path, OPENAI, key("nobody")).snapshot == plain


def test_hashes_become_names_and_a_hash_of_nobody_lets_nobody_in(tmp_path: Path) -> None:
    text = f"{OPENAI}keys: [{{name: ada, sha256: {'a' * 64}}}, {{name: bob, sha256: {'b' * 64}}}]\n"
    compiled = made(
        tmp_path, text, key(text="sk-1", hashes=["b" * 64, "c" * 64]), key(text="sk-2", hashes=["c" * 64], users=["u"])
    )
    rules = [one.rules for one in compiled.snapshot.providers[0].credentials]
    assert [rule and rule.keys for rule in rules] == [None, ["bob"], []]
    assert rules[2] is not None
    assert rules[2].users == ["u"]


def test_an_empty_list_means_keys_of_the_api_only(tmp_path: Path) -> None:
    text = "providers:\n  groq: {api_keys: []}\nmodels: {a/b: {provider: groq, model: m}}\ncatalogue: false\n"
    environment = {"GROQ_API_KEY": "gsk-shared"}
    off = made(tmp_path, text, environment=environment)
    assert off.snapshot.providers == []
    assert any("off until a key is handed in" in warning for warning in off.warnings)
    assert values(made(tmp_path, text, key("groq"), environment=environment)) == {"groq": ["Bearer sk-own"]}


def test_a_known_provider_outside_the_file_is_on_without_the_environments_key(tmp_path: Path) -> None:
    compiled = made(tmp_path, OPENAI, key("groq"), environment={"GROQ_API_KEY": "gsk-shared"})
    assert values(compiled) == {"openai": ["Bearer sk-shared"], "groq": ["Bearer sk-own"]}


def test_a_file_that_is_only_good_with_a_key_is_not_good(tmp_path: Path) -> None:
    # The gateway could not start again: the database is opened after the file was read.
    text = f"{OPENAI}models: {{a/b: {{provider: groq, model: m}}}}\n"
    with pytest.raises(ConfigError, match="groq is known but not in this file"):
        made(tmp_path, text, key("groq"))


def test_a_provider_that_would_make_the_file_wrong_is_left_out(tmp_path: Path) -> None:
    text = OPENAI.replace("sk-shared", "sk-shared, proxy: none")
    compiled = made(tmp_path, text, key("groq", "sk-groq"), key(), environment={"HTTPS_PROXY": "ftp://proxy"})
    assert values(compiled) == {"openai": ["Bearer sk-shared", "Bearer sk-own"]}
    assert "with it the configuration has a mistake" in reasons(compiled)[0]


@pytest.mark.parametrize(
    ("provider", "text", "reason"),
    [
        ("nobody", "sk", "there is no provider nobody"),
        ("ollama", "sk", "there is no provider ollama"),
        ("off", "sk", "enabled: false"),
        ("local", "sk", "asked without a key"),
        ("headed", "sk", "the header authorization by the configuration already"),
        ("amazon-bedrock", '{"accessKeyId": "A", "secretAccessKey": "S"}', "needs region"),
        ("own", json.dumps(ACCOUNT), "does not take a service account"),
        ("own", '[{"api_key": "k", "resource_name": "r"}]', "has no resource"),
        ("signed", "sk", "takes no plain key"),
    ],
)
def test_what_cannot_be_used_is_left_out_with_the_reason(tmp_path: Path, provider: str, text: str, reason: str) -> None:
    others = """
  off: {base_url: "http://h/v1", enabled: false}
  local: {base_url: "http://h/v1"}
  headed: {base_url: "http://h/v1", headers: {Authorization: x}, api_keys: []}
  own: {base_url: "http://h/v1", api_key: k}
  signed: {base_url: "http://h/v1", auth: {kind: sigv4, region: r, access_key_id: A, secret_access_key: S}}
"""
    compiled = made(tmp_path, OPENAI.replace("\ncatalogue", f"{others}catalogue"), key(provider, text))
    (said,) = reasons(compiled)
    assert reason in said
    assert [left.is_wrong for left in compiled.left_out.values()] == [True]


def test_a_key_that_cannot_be_read_is_left_out_and_not_wrong(tmp_path: Path) -> None:
    compiled = made(tmp_path, OPENAI, key(text=None, problem="it is lost"))
    assert [(left.reason, left.is_wrong) for left in compiled.left_out.values()] == [("it is lost", False)]


@pytest.mark.parametrize(
    "kind", ["{kind: bearer}", "{kind: header, name: X-Key, prefix: Token}", "{kind: query, name: k}"]
)
def test_a_key_travels_as_the_provider_takes_it(tmp_path: Path, kind: str) -> None:
    text = f'providers:\n  own: {{base_url: "http://h/v1", api_key: k, auth: {kind}}}\n'
    shared, mine = made(tmp_path, text, key("own")).snapshot.providers[0].credentials
    assert (mine.scheme, mine.name, mine.value) == (shared.scheme, shared.name, shared.value[:-1] + "sk-own")


def test_a_service_account_waits_for_its_token(tmp_path: Path) -> None:
    account = key("google-vertex", json.dumps({**ACCOUNT, "region": "europe-west4"}))
    waiting = made(tmp_path, VERTEX, account, tokens=lambda source: None)
    (source,) = waiting.sources
    assert isinstance(source, GoogleSource)
    assert source.account is not None
    assert json.loads(source.account) == ACCOUNT
    assert "secret" not in repr(source)
    (left,) = waiting.left_out.values()
    assert not left.is_wrong
    assert left.reason == f"off until there is a token: Google account {ACCOUNT['client_email']}"
    there = made(tmp_path, VERTEX, account, tokens=lambda source: bearer("google", "ya29"))
    (used,) = there.snapshot.providers[0].credentials
    assert (used.value, used.kind, used.label) == ("Bearer ya29", "prioritized", account.label)
    # One that is switched off is not exchanged.
    assert made(tmp_path, VERTEX, key("google-vertex", account.text, disabled=True)).sources == ()
