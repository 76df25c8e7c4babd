"""``rust/plane/src/authenticate.rs``: who a request is from, before anything else of it is looked at."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.plane.harness import CHAT, KEY, UPSTREAM_KEY, Rig, chat, key, running, scripted, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from turnout.config.snapshot import Snapshot

DISABLED = "sk-test-disabled-0123456789"
EXPIRED = "sk-test-expired-0123456789"
LASTING = "sk-test-lasting-0123456789"


def with_keys(address: str) -> Snapshot:
    now = int(time.time())
    return scripted(
        "plain;tokens=1",
        address=address,
        keys=[
            key(),
            key(DISABLED, name="off", disabled=True),
            key(EXPIRED, name="old", expires_unix=now - 1),
            key(LASTING, name="new", expires_unix=now + 3600),
        ],
    )


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    # The rig itself sends no key, so that each test says what it sends.
    with running(with_keys, key=None) as rig:
        yield rig


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": f"Bearer {KEY}"},
        {"authorization": f"bearer {KEY}"},
        {"authorization": f"BEARER   {KEY}  "},
        {"x-api-key": KEY},
        {"x-goog-api-key": KEY},
        {"authorization": f"Bearer {KEY}", "x-api-key": "something else"},
        {"authorization": "Bearer ", "x-api-key": KEY},
        {"authorization": f"Bearer {LASTING}"},
    ],
)
def test_a_key_is_taken_from_any_header_that_clients_use(rig: Rig, headers: dict[str, str]) -> None:
    # Raw, because a client library refuses to send blanks at the end of a value.
    with rig.connect() as connection:
        connection.send(chat(), **headers)
        assert connection.answer().status == 200
    (booked,) = rig.booked(1)
    assert booked.key_name in ("me", "new")


@pytest.mark.parametrize("query", [f"key={KEY}", f"alt=sse&key={KEY}", f"key={KEY.replace('-', '%2D')}"])
def test_a_key_may_stand_in_the_query(rig: Rig, query: str) -> None:
    assert rig.post(chat(), f"{CHAT}?{query}").status_code == 200
    rig.booked(1)


@pytest.mark.parametrize(
    ("headers", "says"),
    [
        ({}, "No auth credentials found"),
        ({"authorization": "Bearer "}, "No auth credentials found"),
        ({"x-api-key": ""}, "No auth credentials found"),
        ({"authorization": "Bearer sk-unknown"}, "does not know the key"),
        ({"authorization": f"Bearer {KEY}x"}, "does not know the key"),
        ({"authorization": f"Bearer {KEY[:-1]}"}, "does not know the key"),
        ({"authorization": f"Bearer {KEY.upper()}"}, "does not know the key"),
        ({"authorization": f"Bearer {UPSTREAM_KEY}"}, "does not know the key"),
        ({"authorization": "Bearer " + "x" * 4000}, "does not know the key"),
        ({"authorization": f"Basic {KEY}"}, "not of the form `Bearer <key>`"),
        ({"authorization": KEY}, "not of the form `Bearer <key>`"),
        ({"authorization": f"Bearer {DISABLED}"}, "disabled"),
        ({"authorization": f"Bearer {EXPIRED}"}, "expired"),
    ],
)
def test_strangers_are_refused_and_told_why(rig: Rig, headers: dict[str, str], says: str) -> None:
    rig.mock.reset()
    with rig.connect() as connection:
        connection.send(chat(), **headers)
        answer = connection.answer()
    assert answer.status == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    error = answer.json()["error"]
    assert says in error["message"]
    assert (error["code"], error["metadata"]["error_type"]) == (401, "authentication")
    for secret in (KEY, UPSTREAM_KEY, DISABLED, EXPIRED):
        assert secret.encode() not in answer.body
    assert rig.counters()["requests"] == 0
    rig.booked(0, patience_s=0)


def test_the_digest_of_a_key_is_not_a_key(rig: Rig) -> None:
    assert rig.post(chat(), CHAT, authorization=f"Bearer {key().sha256}").status_code == 401


def test_strangers_do_not_get_to_upload(rig: Rig) -> None:
    with rig.connect() as connection:
        connection.write(f"POST {CHAT} HTTP/1.1\r\nhost: g\r\ncontent-length: 900000\r\n\r\n".encode())
        # Nothing of the body has been sent, and the answer is here.
        assert connection.answer().status == 401


def test_a_new_snapshot_takes_a_key_away_at_once() -> None:
    with serving("plain;tokens=1") as rig, rig.connect() as connection:
        connection.send(chat())
        assert connection.answer().status == 200
        rig.swap(scripted("plain", address=rig.mock.address, keys=[key(disabled=True)]))
        connection.send(chat())
        assert connection.answer().status == 401


def test_without_authentication_anyone_is_let_in() -> None:
    with running(lambda address: scripted("plain;tokens=1", address=address, auth=False, keys=[]), key=None) as rig:
        assert rig.post(chat()).status_code == 200
        assert rig.post(chat(), CHAT, authorization="Bearer whatever").status_code == 200
        assert rig.post(chat(), CHAT, authorization="Nonsense").status_code == 200
        assert {(g.key_sha256, g.key_name) for g in rig.booked(3)} == {("", "")}


def test_the_clients_key_never_reaches_a_provider_and_the_providers_key_never_the_client() -> None:
    with serving("echo;echo_headers=1") as rig:
        answer = rig.post(chat(), CHAT, **{"x-api-key": KEY, "x-goog-api-key": KEY, "cookie": "a=b"})
        (received,) = rig.received()
        headers = dict(received["headers"])
        assert KEY not in str(received)
        assert headers["authorization"] == f"Bearer {UPSTREAM_KEY}"
        assert not {"x-api-key", "x-goog-api-key", "cookie"} & set(headers)
        # The mock's answer quotes the headers that it received, so the body does hold the key; ours add nothing.
        assert UPSTREAM_KEY not in str(answer.headers)
        assert UPSTREAM_KEY not in rig.plane.metrics() + rig.plane.health()


def test_many_keys_are_told_apart_on_one_thread() -> None:
    secrets = [f"sk-test-{number:04}-0123456789" for number in range(200)]

    def make(address: str) -> Snapshot:
        return scripted("plain;tokens=1", address=address, keys=[key(secret, name=secret[8:12]) for secret in secrets])

    with running(make) as rig, rig.connect() as connection:
        for secret in secrets + secrets[::7]:
            connection.send(chat(), authorization=f"Bearer {secret}")
            assert connection.answer().status == 200
        names = [booked.key_name for booked in rig.booked(len(secrets) + len(secrets[::7]))]
        assert names == [secret[8:12] for secret in secrets + secrets[::7]]
