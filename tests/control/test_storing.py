"""A client that leaves in the middle of its upload: the provider's request ends, and it is booked as left."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from sqlalchemy import text

from tests.fake.gateways import CLIENT, gateway
from tests.fake.keeping import config
from turnout.control.app import control
from turnout.control.storing import CLIENT_LEFT
from turnout.ledger import store

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.types import Message, Scope

    from tests.fake.keeping import Keeping


def test_a_client_that_leaves_is_booked_as_such(tmp_path: Path, kept: Keeping) -> None:
    made = gateway(tmp_path, config=config(kept.address))
    part = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n12345'
    messages: list[Message] = [
        {"type": "http.request", "body": part, "more_body": True},
        {"type": "http.disconnect"},
    ]
    sent: list[Message] = []

    async def receive() -> Message:
        return messages.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    scope: Scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/files",
        "query_string": b"",
        "headers": [
            (b"authorization", f"Bearer {CLIENT}".encode()),
            (b"content-type", b"multipart/form-data; boundary=b"),
            (b"content-length", b"1000"),
        ],
    }
    asyncio.run(control(made)(scope, receive, send))
    assert sent[0]["status"] == CLIENT_LEFT
    with made.ledger.engine.connect() as connection:
        (row,) = connection.execute(text("SELECT status, cancelled, api, provider_slug FROM generations"))
    store.close_ledger(made.ledger)
    assert tuple(row) == (CLIENT_LEFT, 1, "files", "one")
