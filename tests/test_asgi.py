"""The lifespan protocol, as a server sees it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.fake.gateways import gateway as make
from turnout.asgi import Application
from turnout.errors import TurnoutError
from turnout.ledger import store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from turnout.gateway import Gateway


async def call(application: Application, scope: dict[str, Any], *received: str) -> list[dict[str, Any]]:
    """Calls the application with these messages; returns what it sent."""
    messages = iter(received)
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": next(messages)}

    async def send(message: Any) -> None:
        sent.append(message)

    await application(scope, receive, send)
    return sent


def test_the_gateway_runs_between_start_and_end(tmp_path: Path) -> None:
    made = make(tmp_path)
    seen = []

    @asynccontextmanager
    async def running(worker: object) -> AsyncIterator[Gateway]:
        seen.append("started")
        yield made
        seen.append("ended")

    sent = asyncio.run(
        call(Application(running=running), {"type": "lifespan"}, "lifespan.startup", "lifespan.shutdown")
    )
    assert [message["type"] for message in sent] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert seen == ["started", "ended"]
    store.close_ledger(made.ledger)


@pytest.mark.parametrize("error", [TurnoutError("the reason"), ZeroDivisionError("the reason")])
def test_a_failed_start_is_told_with_its_reason_and_ends_the_protocol(error: Exception) -> None:
    @asynccontextmanager
    async def running(worker: object) -> AsyncIterator[Gateway]:
        raise error
        yield

    sent = asyncio.run(call(Application(running=running), {"type": "lifespan"}, "lifespan.startup"))
    assert sent == [{"type": "lifespan.startup.failed", "message": "Turnout cannot start: the reason"}]


def test_a_server_without_lifespans_is_told_what_it_lacks() -> None:
    with pytest.raises(RuntimeError, match="lifespan"):
        asyncio.run(call(Application(), {"type": "http"}))
