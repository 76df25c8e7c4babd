"""AWS key pairs: where they come from, and that they stay unseen."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from turnout.auth import aws
from turnout.auth.aws import AwsSource, KeyPair
from turnout.auth.source import AuthError

if TYPE_CHECKING:
    from pathlib import Path

    from token_server import TokenServer


def test_a_pair_of_the_environment_needs_both_halves() -> None:
    both = {"AWS_ACCESS_KEY_ID": " AK ", "AWS_SECRET_ACCESS_KEY": "SK", "AWS_SESSION_TOKEN": ""}
    assert aws.key_pair(both) == aws.KeyPair(access_key_id="AK", secret_access_key="SK", session_token=None)
    assert aws.key_pair({"AWS_ACCESS_KEY_ID": "AK"}) is None
    assert aws.key_pair({**both, "AWS_SECRET_ACCESS_KEY": " "}) is None


def test_nothing_of_a_pair_is_printed() -> None:
    pair = aws.KeyPair(access_key_id="AKIA1", secret_access_key="hush", session_token="token")
    made = aws.credential(pair, label="aws", region="eu-west-1", service="bedrock")
    for shown in (repr(pair), repr(made), str(made.sigv4)):
        assert not any(secret in shown for secret in ("AKIA1", "hush", "token'"))
    assert made.sigv4 is not None
    assert (made.sigv4.region, made.sigv4.service) == ("eu-west-1", "bedrock")


ROLE = "arn:aws:iam::123456789012:role/models"
ENDS = "2026-11-22T13:00:00Z"
ENDS_UNIX = 1_795_352_400.0


def answer(action: str) -> bytes:
    """What the token service says to an exchange."""
    return f"""<{action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><{action}Result><Credentials>
        <AccessKeyId>ASIA1</AccessKeyId><SecretAccessKey>made</SecretAccessKey><SessionToken>session</SessionToken>
        <Expiration>{ENDS}</Expiration></Credentials></{action}Result></{action}Response>""".encode()


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of this machine's own AWS settings, and no machine to ask for its role."""
    pytest.importorskip("botocore")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.mark.usefixtures("clean")
def test_a_role_is_assumed_with_a_signed_request(server: TokenServer) -> None:
    server.say(answer("AssumeRole"), kind="text/xml")
    pair = KeyPair(access_key_id="AKIA1", secret_access_key="hush")
    source = AwsSource(
        region="eu-west-1", service="bedrock", pair=pair, role_arn=ROLE, external_id="ext", token_url=server.url
    )
    minted = source.mint(time.time)
    assert minted.expires_unix == ENDS_UNIX
    assert minted.credential.sigv4 is not None
    assert (minted.credential.sigv4.access_key_id, minted.credential.sigv4.session_token) == ("ASIA1", "session")
    (asked,) = server.asked
    assert (asked.form["Action"], asked.form["RoleArn"], asked.form["ExternalId"]) == ("AssumeRole", ROLE, "ext")
    assert "AKIA1" in asked.headers["authorization"]


@pytest.mark.usefixtures("clean")
def test_a_web_identity_is_read_from_its_file_and_exchanged_unsigned(server: TokenServer, tmp_path: Path) -> None:
    server.say(answer("AssumeRoleWithWebIdentity"), kind="text/xml")
    (tmp_path / "token").write_text("eyJ.web.identity\n")
    source = AwsSource(
        region="eu-west-1",
        service="bedrock",
        role_arn=ROLE,
        web_identity_token_file=str(tmp_path / "token"),
        token_url=server.url,
    )
    assert source.mint(time.time).expires_unix == ENDS_UNIX
    (asked,) = server.asked
    assert asked.form["WebIdentityToken"] == "eyJ.web.identity"
    assert "authorization" not in asked.headers


@pytest.mark.usefixtures("clean")
def test_a_profile_is_read_and_read_again_after_a_while(tmp_path: Path) -> None:
    (tmp_path / "credentials").write_text("[work]\naws_access_key_id = AKIA2\naws_secret_access_key = hush\n")
    minted = AwsSource(region="eu-west-1", service="bedrock", profile="work").mint(lambda: 1000.0)
    assert minted.credential.sigv4 is not None
    assert minted.credential.sigv4.access_key_id == "AKIA2"
    assert minted.expires_unix == 1000.0 + aws.UNTOLD_LIFE_S


@pytest.mark.usefixtures("clean")
def test_what_fails_says_why_and_never_a_secret(server: TokenServer, tmp_path: Path) -> None:
    server.say(
        b"<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>not you</Message></Error>"
        b"</ErrorResponse>",
        status=403,
        kind="text/xml",
    )
    pair = KeyPair(access_key_id="AKIA1", secret_access_key="hush")
    source = AwsSource(region="eu-west-1", service="bedrock", pair=pair, role_arn=ROLE, token_url=server.url)
    with pytest.raises(AuthError, match=r"AccessDenied.*not you") as raised:
        source.mint(time.time)
    assert str(raised.value).startswith(f"AWS role {ROLE}: ")
    assert "hush" not in str(raised.value) + repr(source)
    with pytest.raises(AuthError, match=r"AWS profile nobody: .*nobody"):
        AwsSource(region="eu-west-1", service="bedrock", profile="nobody").mint(time.time)
    with pytest.raises(AuthError, match="AWS identity of this machine: there are no credentials"):
        AwsSource(region="eu-west-1", service="bedrock").mint(time.time)
    missing = str(tmp_path / "missing")
    with pytest.raises(AuthError, match="No such file"):
        AwsSource(region="eu-west-1", service="b", role_arn=ROLE, web_identity_token_file=missing).mint(time.time)
