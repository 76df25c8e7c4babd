"""Which key or identity a provider is asked with, and what is told when there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from written import compiled, told

if TYPE_CHECKING:
    from pathlib import Path

    from turnout.config import snapshot

OWN = "base_url: 'http://h/v1'"


def credentials(directory: Path, provider: str, environment: dict[str, str] | None = None) -> list[snapshot.Credential]:
    return compiled(directory, f"providers: {{{provider}}}", environment).snapshot.providers[0].credentials


def messages(directory: Path, provider: str, environment: dict[str, str] | None = None) -> list[str]:
    return [message for _, _, message in told(directory, f"providers: {{{provider}}}", environment)]


@pytest.mark.parametrize(
    ("auth", "expected"),
    [
        ("{}", ("header", "authorization", "Bearer k")),
        ("{kind: bearer}", ("header", "authorization", "Bearer k")),
        ("{kind: header, name: X-Api-Key}", ("header", "x-api-key", "k")),
        ("{kind: header, name: Authorization, prefix: Token}", ("header", "authorization", "Token k")),
        ("{kind: query, name: key}", ("query", "key", "k")),
    ],
)
def test_a_key_travels_as_it_is_told(tmp_path: Path, auth: str, expected: tuple[str, str, str]) -> None:
    (one,) = credentials(tmp_path, f"own: {{{OWN}, api_key: k, auth: {auth}}}")
    assert (one.scheme, one.name, one.value) == expected
    assert one.sigv4 is None


def test_a_header_in_place_of_another_than_authorization_clashes_with_its_key(tmp_path: Path) -> None:
    text = f"own: {{{OWN}, api_key: k, auth: {{kind: header, name: x-api-key}}, headers: {{X-Api-Key: j}}}}"
    assert messages(tmp_path, text) == ["give either a key or the header X-Api-Key, not both"]


SIGNED = "own: {base_url: 'http://h', dialect: bedrock, auth: {kind: sigv4, region: eu-west-1"


def test_aws_keys_are_those_of_the_file_else_of_the_environment(tmp_path: Path) -> None:
    environment = {"AWS_ACCESS_KEY_ID": "AK", "AWS_SECRET_ACCESS_KEY": "SK", "AWS_SESSION_TOKEN": "ST"}
    (one,) = credentials(tmp_path, SIGNED + "}}", environment)
    assert (one.scheme, one.name, one.value, one.label) == ("sigv4", "", "", "aws")
    assert one.sigv4 is not None
    assert (one.sigv4.access_key_id, one.sigv4.secret_access_key, one.sigv4.session_token) == ("AK", "SK", "ST")
    assert (one.sigv4.region, one.sigv4.service) == ("eu-west-1", "bedrock")
    (one,) = credentials(tmp_path, SIGNED + ", access_key_id: A2, secret_access_key: S2, service: sts}}", environment)
    assert one.sigv4 is not None
    assert (one.sigv4.access_key_id, one.sigv4.session_token, one.sigv4.service) == ("A2", None, "sts")


@pytest.mark.parametrize(
    ("provider", "message"),
    [
        (SIGNED + ", access_key_id: A2}}", "give both access_key_id and secret_access_key"),
        (SIGNED + "}, api_key: k}", "sigv4 needs no api_key: give one or the other"),
        (f"own: {{{OWN}, api_key: k, auth: {{kind: header}}}}", "give the name of the header that carries the key"),
        (f"own: {{{OWN}, api_key: k, auth: {{name: x-key}}}}", "give kind as well: header or query"),
        (
            f"own: {{{OWN}, auth: {{kind: sigv4, access_key_id: a, secret_access_key: b}}}}",
            "there is no region to sign for: give it here, or set AWS_REGION",
        ),
    ],
)
def test_mistakes_of_auth(tmp_path: Path, provider: str, message: str) -> None:
    assert message in messages(tmp_path, provider)


def test_aws_without_credentials_says_what_to_set(tmp_path: Path) -> None:
    (message,) = messages(tmp_path, SIGNED + "}}")
    assert message.startswith("there are no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
