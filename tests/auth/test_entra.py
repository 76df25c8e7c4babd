"""Entra ID: the exchange of a client's secret for a token, and what is told when it fails."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from turnout.auth.entra import EntraSource
from turnout.auth.source import AuthError

if TYPE_CHECKING:
    from token_server import TokenServer

NOW = 1_000_000.0


def clock() -> float:
    return NOW


def source(url: str) -> EntraSource:
    return EntraSource(tenant_id="t", client_id="c", client_secret="hush", scope="https://x/.default", authority=url)


def test_a_secret_is_exchanged_for_a_token(server: TokenServer) -> None:
    server.say(b'{"token_type": "Bearer", "expires_in": 3599, "access_token": "eyJ"}')
    minted = source(server.url).mint(clock)
    assert minted.expires_unix == NOW + 3599
    assert (minted.credential.name, minted.credential.value) == ("authorization", "Bearer eyJ")
    (asked,) = server.asked
    assert (asked.method, asked.path) == ("POST", "/t/oauth2/v2.0/token")
    assert asked.form == {
        "grant_type": "client_credentials",
        "client_id": "c",
        "client_secret": "hush",
        "scope": "https://x/.default",
    }


@pytest.mark.parametrize(
    ("content", "status", "message"),
    [
        (
            b'{"error": "invalid_client", "error_description": "AADSTS7000222: keys are expired.\\r\\nTrace ID: 1"}',
            401,
            "refused with status 401: AADSTS7000222: keys are expired.",
        ),
        (b"<html>", 502, "refused with status 502: no reason given"),
        (b'{"expires_in": 3599}', 200, "holds no access_token and expires_in"),
        (b'{"access_token": "x", "expires_in": "soon"}', 200, "holds no access_token and expires_in"),
        (b"[1]", 200, "holds no access_token and expires_in"),
    ],
)
def test_a_refusal_says_why_and_never_the_secret(
    server: TokenServer, content: bytes, status: int, message: str
) -> None:
    server.say(content, status=status)
    with pytest.raises(AuthError) as raised:
        source(server.url).mint(clock)
    assert str(raised.value).startswith("Entra application c of tenant t: ")
    assert message in str(raised.value)
    assert "hush" not in str(raised.value)


def test_a_server_that_is_not_there_is_told() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(AuthError, match="cannot be reached"):
            source(f"http://127.0.0.1:{taken.getsockname()[1]}").mint(clock)


def test_the_secret_is_not_printed() -> None:
    assert "hush" not in repr(source("http://x"))
