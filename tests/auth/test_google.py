"""Google Cloud accounts: a signed assertion or the metadata server, and a token in return."""

from __future__ import annotations

import base64
import json
import socket
import time
from typing import TYPE_CHECKING

import pytest

from turnout.auth.google import GoogleSource
from turnout.auth.source import AuthError

if TYPE_CHECKING:
    from pathlib import Path

    from token_server import TokenServer

pytest.importorskip("google.auth")


@pytest.fixture(scope="module")
def private_key() -> str:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def account(directory: Path, private_key: str, url: str) -> GoogleSource:
    path = directory / "account.json"
    content = {
        "type": "service_account",
        "project_id": "p",
        "private_key_id": "1",
        "private_key": private_key,
        "client_email": "models@p.iam.gserviceaccount.com",
        "client_id": "1",
        "token_uri": f"{url}/token",
    }
    path.write_text(json.dumps(content))
    return GoogleSource(credentials_file=str(path))


def test_a_service_account_signs_for_a_token(server: TokenServer, tmp_path: Path, private_key: str) -> None:
    server.say(b'{"access_token": "ya29.x", "expires_in": 3599, "token_type": "Bearer"}')
    before = time.time()
    minted = account(tmp_path, private_key, server.url).mint(time.time)
    assert minted.credential.value == "Bearer ya29.x"
    assert before + 3500 < minted.expires_unix < time.time() + 3700
    (asked,) = server.asked
    assert asked.path == "/token"
    claims = asked.form["assertion"].split(".")[1]
    said = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
    assert said["iss"] == "models@p.iam.gserviceaccount.com"
    assert said["scope"] == "https://www.googleapis.com/auth/cloud-platform"


def test_a_refusal_says_why_and_never_the_key(server: TokenServer, tmp_path: Path, private_key: str) -> None:
    server.say(b'{"error": "invalid_grant", "error_description": "Invalid JWT Signature."}', status=400)
    source = account(tmp_path, private_key, server.url)
    with pytest.raises(AuthError, match="Invalid JWT Signature") as raised:
        source.mint(time.time)
    assert "PRIVATE KEY" not in str(raised.value)
    assert str(raised.value).startswith(f"Google account of {tmp_path}/account.json: ")


def test_a_login_is_refreshed(server: TokenServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The library knows one address for logins, whatever their file says.
    monkeypatch.setattr("google.oauth2.credentials._GOOGLE_OAUTH2_TOKEN_ENDPOINT", f"{server.url}/token")
    server.say(b'{"access_token": "ya29.u", "expires_in": 3599, "token_type": "Bearer"}')
    login = {"type": "authorized_user", "client_id": "c", "client_secret": "hush", "refresh_token": "1//r"}
    (tmp_path / "login.json").write_text(json.dumps(login))
    minted = GoogleSource(credentials_file=str(tmp_path / "login.json")).mint(time.time)
    assert minted.credential.value == "Bearer ya29.u"
    assert server.asked[0].form["refresh_token"] == "1//r"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"type": "nothing"}', "expected an account of type service_account or authorized_user or external_account"),
        ("[]", "expected an account of type"),
        ("{", "account.json: "),
        ('{"type": "service_account"}', "account.json: "),
    ],
)
def test_a_file_that_is_no_account_is_told(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "account.json").write_text(content)
    with pytest.raises(AuthError) as raised:
        GoogleSource(credentials_file=str(tmp_path / "account.json")).mint(time.time)
    assert message in str(raised.value)


def test_a_file_that_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(AuthError, match="No such file"):
        GoogleSource(credentials_file=str(tmp_path / "missing.json")).mint(time.time)


def test_a_machine_of_google_s_is_asked_for_its_own_account(server: TokenServer) -> None:
    server.say(b'{"access_token": "ya29.m", "expires_in": 3000, "token_type": "Bearer"}')
    minted = GoogleSource(credentials_file=None, metadata_host=server.address).mint(lambda: 1000.0)
    assert (minted.credential.value, minted.expires_unix) == ("Bearer ya29.m", 4000.0)
    (asked,) = server.asked
    assert asked.path.startswith("/computeMetadata/v1/instance/service-accounts/default/token?scopes=")
    assert asked.headers["metadata-flavor"] == "Google"


@pytest.mark.parametrize(("content", "status"), [(b"no", 404), (b"{}", 200), (b"[]", 200), (b"<", 200)])
def test_a_metadata_server_without_a_token_is_told(server: TokenServer, content: bytes, status: int) -> None:
    server.say(content, status=status)
    with pytest.raises(AuthError, match=f"gave no token, with status {status}"):
        GoogleSource(credentials_file=None, metadata_host=server.address).mint(time.time)


def test_elsewhere_it_says_what_to_do() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(AuthError, match="this is no machine of Google's, so give auth"):
            GoogleSource(credentials_file=None, metadata_host=host).mint(time.time)


def test_an_account_that_was_handed_in_needs_no_file(server: TokenServer, tmp_path: Path, private_key: str) -> None:
    account(tmp_path, private_key, server.url)
    content = (tmp_path / "account.json").read_text()
    server.say(b'{"access_token": "ya29.h", "expires_in": 3599, "token_type": "Bearer"}')
    source = GoogleSource(credentials_file=None, account=content)
    assert source.mint(time.time).credential.value == "Bearer ya29.h"
    assert source.describe() == "Google account models@p.iam.gserviceaccount.com"
    assert "PRIVATE KEY" not in repr(source)
