"""Which key or identity a provider is asked with, and what is told when there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from written import compiled, told

from turnout.auth.aws import AwsSource, KeyPair
from turnout.auth.google import GoogleSource
from turnout.auth.source import bearer
from turnout.config.compile import compile
from turnout.config.load import load

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


BEDROCK = {"AWS_REGION": "eu-west-1"}


def source(directory: Path, provider: str, environment: dict[str, str] | None = None) -> Any:
    """The one source that the configuration has; with what the wallet would know of it, the provider is on."""
    result = compiled(directory, f"providers: {{{provider}}}", environment)
    (found,) = result.sources
    assert [one.label for one in result.snapshot.providers[0].credentials] == ["fetched"]
    return found


def test_bedrock_takes_its_own_key_before_it_signs(tmp_path: Path) -> None:
    pair = {"AWS_ACCESS_KEY_ID": "AK", "AWS_SECRET_ACCESS_KEY": "SK"}
    (one,) = credentials(tmp_path, "amazon-bedrock: {}", {**BEDROCK, **pair, "AWS_BEARER_TOKEN_BEDROCK": "bk"})
    assert (one.scheme, one.value) == ("header", "Bearer bk")
    (one,) = credentials(tmp_path, "amazon-bedrock: {}", {**BEDROCK, **pair})
    assert one.scheme == "sigv4"


def test_aws_without_credentials_says_what_to_set(tmp_path: Path) -> None:
    (message,) = messages(tmp_path, "amazon-bedrock: {}", BEDROCK)
    assert message == (
        "there are no credentials: set AWS_BEARER_TOKEN_BEDROCK, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
        "or give auth; auth: {kind: sigv4} alone takes the role of the machine"
    )


def test_aws_identities_are_sources(tmp_path: Path) -> None:
    found = source(tmp_path, "amazon-bedrock: {auth: {kind: sigv4}}", BEDROCK)
    assert found == AwsSource(region="eu-west-1", service="bedrock")
    found = source(tmp_path, "amazon-bedrock: {auth: {kind: sigv4, profile: work}}", BEDROCK)
    assert found == AwsSource(region="eu-west-1", service="bedrock", profile="work")
    role = "arn:aws:iam::123456789012:role/models"
    pair = {"AWS_ACCESS_KEY_ID": "AK", "AWS_SECRET_ACCESS_KEY": "SK"}
    found = source(tmp_path, f"amazon-bedrock: {{auth: {{kind: sigv4, role_arn: '{role}'}}}}", {**BEDROCK, **pair})
    assert (found.role_arn, found.pair) == (role, KeyPair(access_key_id="AK", secret_access_key="SK"))
    web = {"AWS_WEB_IDENTITY_TOKEN_FILE": "/var/run/token", "AWS_ROLE_ARN": role}
    found = source(tmp_path, "amazon-bedrock: {auth: {kind: sigv4}}", {**BEDROCK, **pair, **web})
    assert (found.role_arn, found.web_identity_token_file, found.pair) == (role, "/var/run/token", None)


def test_a_google_account_is_that_of_the_file_else_of_the_environment_else_of_the_machine(tmp_path: Path) -> None:
    (tmp_path / "account.json").write_text("{}")
    vertex = "google-vertex: {settings: {project: p}"
    assert source(tmp_path, vertex + "}") == GoogleSource(credentials_file=None)
    named = {"GOOGLE_APPLICATION_CREDENTIALS": "/etc/account.json"}
    assert source(tmp_path, vertex + "}", named) == GoogleSource(credentials_file="/etc/account.json")
    gcloud = tmp_path / ".config" / "gcloud"
    gcloud.mkdir(parents=True)
    (gcloud / "application_default_credentials.json").write_text("{}")
    found = source(tmp_path, vertex + "}", {"HOME": str(tmp_path)})
    assert found.credentials_file == str(gcloud / "application_default_credentials.json")
    found = source(tmp_path, vertex + ", auth: {credentials_file: account.json, scope: some}}", named)
    assert found == GoogleSource(credentials_file=str(tmp_path / "account.json"), scope="some")


ENTRA = {"AZURE_TENANT_ID": "t", "AZURE_CLIENT_ID": "c", "AZURE_CLIENT_SECRET": "s", "AZURE_RESOURCE_NAME": "r"}


def test_entra_stands_in_for_azure_s_key(tmp_path: Path) -> None:
    found = source(tmp_path, "azure: {}", ENTRA)
    assert (found.tenant_id, found.client_id, found.client_secret) == ("t", "c", "s")
    assert found.scope == "https://cognitiveservices.azure.com/.default"
    assert found.authority == "https://login.microsoftonline.com"
    text = "azure: {auth: {kind: entra, tenant_id: t2, token_url: 'https://login.partner.microsoftonline.cn'}}"
    found = source(tmp_path, text, {**ENTRA, "AZURE_API_KEY": "k"})
    assert (found.tenant_id, found.authority) == ("t2", "https://login.partner.microsoftonline.cn")
    (one,) = credentials(tmp_path, "azure: {}", {**ENTRA, "AZURE_API_KEY": "k"})
    assert (one.scheme, one.name, one.value) == ("header", "api-key", "k")


@pytest.mark.parametrize(
    ("provider", "message"),
    [
        ("azure: {}", "there is no key: set the environment variable AZURE_API_KEY, or give api_key or auth"),
        (
            "azure: {auth: {kind: entra, tenant_id: t}}",
            "Entra ID needs client_id and client_secret: give them here, or set AZURE_CLIENT_ID, AZURE_CLIENT_SECRET",
        ),
    ],
)
def test_mistakes_of_entra(tmp_path: Path, provider: str, message: str) -> None:
    assert messages(tmp_path, provider, {"AZURE_RESOURCE_NAME": "r"}) == [message]


def test_a_provider_is_off_until_its_token_is_there(tmp_path: Path) -> None:
    path = tmp_path / "turnout.yaml"
    path.write_text("providers: {azure: {}, groq: {api_key: k}}")
    environment = dict(ENTRA)
    loaded = load(path, environment)
    result = compile(loaded, auth=True, environment=environment, tokens=lambda source: None)
    assert [one.slug for one in result.snapshot.providers] == ["groq"]
    assert len(result.sources) == 1
    assert any("off until there is a token: Entra application c of tenant t" in one for one in result.warnings)
    result = compile(loaded, auth=True, environment=environment, tokens=lambda source: bearer("entra", "token"))
    assert [one.slug for one in result.snapshot.providers] == ["azure", "groq"]
    assert result.snapshot.providers[0].credentials[0].value == "Bearer token"
    assert result.snapshot.providers[0].wires[0].base_url == "https://r.openai.azure.com/openai"
