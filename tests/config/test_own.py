"""``config/own.py``: the forms of provider keys, and what may be shown of them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from turnout.auth.aws import KeyPair
from turnout.config.own import Account, OwnKey, OwnKeyError, Pair, Plain, Resource, masked, parse

ACCOUNT = {
    "type": "service_account",
    "client_email": "models@project.iam.gserviceaccount.com",
    "private_key": "-----BEGIN PRIVATE KEY-----\nhush\n",
    "token_uri": "https://oauth2.googleapis.com/token",
}


def test_a_key_is_plain_text_or_the_json_of_a_cloud() -> None:
    assert parse(" sk-x \n") == Plain("sk-x")
    assert parse('{"api_key": "sk-x", "region": "us"}') == Plain("sk-x", "us")
    assert parse('{"accessKeyId": "A", "secretAccessKey": "S"}') == Pair(
        KeyPair(access_key_id="A", secret_access_key="S"), None
    )
    whole = {"accessKeyId": "A", "secretAccessKey": "S", "sessionToken": "T", "region": "eu-west-1"}
    assert parse(json.dumps(whole)) == Pair(
        KeyPair(access_key_id="A", secret_access_key="S", session_token="T"), "eu-west-1"
    )
    assert parse('[{"api_key": "k", "resource_name": "r", "resource_type": "openai"}]') == Resource("k", "r")
    assert parse('{"api_key": "k", "resource_name": "r"}') == Resource("k", "r")
    # Region and bucket are OpenRouter's words beside the account.
    placed = json.dumps({**ACCOUNT, "region": "europe-west4", "bucket": "b"})
    assert parse(placed) == Account(ACCOUNT, "europe-west4")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        ("a b", "holds a space"),
        ("schlüssel", "no header can carry"),
        ("x" * 5000, "too long"),
        ("{", "is none"),
        ("{}", "api_key"),
        ("[]", "one object"),
        ("[1]", "one object"),
        ('{"api_key": 7}', "api_key"),
        ('{"accessKeyId": "A"}', "secretAccessKey"),
        ('{"accessKeyId": "A", "secretAccessKey": "S S"}', "without spaces"),
        ('[{"api_key": "k"}]', "resource_name"),
        ('{"endpoint_url": "https://x", "api_key": "k"}', "single deployments"),
        ('{"type": "external_account"}', "service_account"),
        ('{"private_key": "k"}', "service_account"),
        (json.dumps({**ACCOUNT, "client_email": ""}), "client_email"),
        (json.dumps({**ACCOUNT, "token_uri": "http://169.254.169.254/"}), "token_uri must be https://oauth2"),
    ],
)
def test_other_texts_are_refused_without_repeating_them(text: str, message: str) -> None:
    with pytest.raises(OwnKeyError, match=message) as raised:
        parse(text)
    assert "hush" not in str(raised.value)
    assert "S S" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("sk-proj-0123456789-AbCd", "sk-...AbCd"),
        ("fifteen-of-them", "***"),
        ('{"accessKeyId": "AKIAIOSFODNN7EXAMPLE", "secretAccessKey": "s"}', "AKI...MPLE"),
        ('{"api_key": "0123456789abcdef", "resource_name": "r"}', "012...cdef"),
        (json.dumps(ACCOUNT), "mod....com"),
    ],
)
def test_little_is_shown_of_a_key(text: str, shown: str) -> None:
    assert masked(text) == shown


def test_a_key_in_a_traceback_shows_no_secret() -> None:
    members: dict[str, Any] = dict.fromkeys(("disabled", "required", "exclusive"), False)
    members |= dict.fromkeys(("zdr", "models", "hashes", "users"))
    key = OwnKey(id="i", provider="p", label="l", text="sk-secret", kind="fallback", **members)
    assert "sk-secret" not in repr(key)
