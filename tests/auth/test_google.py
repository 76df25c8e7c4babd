"""Google Cloud accounts: a signed assertion or the metadata server, and a token in return."""

from __future__ import annotations

import base64
import json
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


def test_a_file_that_is_no_account_is_told(tmp_path: Path) -> None:
    (tmp_path / "account.json").write_text('{"type": "nothing"}')
    with pytest.raises(AuthError, match="account.json"):
        GoogleSource(credentials_file=str(tmp_path / "account.json")).mint(time.time)
    with pytest.raises(AuthError, match="missing.json"):
        GoogleSource(credentials_file=str(tmp_path / "missing.json")).mint(time.time)


def test_without_a_file_the_metadata_server_is_asked(
    server: TokenServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("GCE_METADATA_HOST", server.address)
    monkeypatch.setenv("GCE_METADATA_IP", server.address)
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "p")

    def script(path: str) -> bytes:
        if path.startswith("/computeMetadata/v1/instance/service-accounts/") and "token" in path:
            return b'{"access_token": "ya29.m", "expires_in": 3000, "token_type": "Bearer"}'
        if "universe" in path:
            return b"googleapis.com"
        return b'{"email": "m@p", "scopes": [], "aliases": []}'

    server.script = script
    minted = GoogleSource(credentials_file=None).mint(time.time)
    assert minted.credential.value == "Bearer ya29.m"
    assert all(asked.headers.get("metadata-flavor") == "Google" for asked in server.asked)
