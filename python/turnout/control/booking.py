"""Books what the control side itself passed to a provider, so that ``/generation?id=`` knows it as it knows the rest.

Only what changes something at the provider is booked: uploads, batches, and their ends. The row has no tokens and no
cost, because a batch's results are charged by the provider when they exist, and are not seen here.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import string
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from turnout.control import identity
from turnout.control.keeper import credential as credential_of
from turnout.ledger import store
from turnout.ledger.record import Attempt, Generation
from turnout.ledger.writer import describe

if TYPE_CHECKING:
    from starlette.requests import Request

    from turnout.config.snapshot import Key
    from turnout.control.keeper import Keeper

log = logging.getLogger("turnout.control")

LOOK_AGAIN_S: Final = (0.1, 0.4, 1.0)
"""Pauses after which a ledger that could not be written is tried again; the plane's own writer may have held it."""

_ALPHABET: Final = string.ascii_letters + string.digits


@dataclass(frozen=True)
class Passed:
    """How passing one request ended."""

    status: int
    """That the client is sent; 499: it left before."""
    upstream_status: int
    """That the provider answered; 0: none."""
    outcome: str
    """The word of :class:`turnout.ledger.record.Attempt`."""
    error_type: str | None = None
    upstream_id: str = ""
    """The provider's own id of what was made."""


def new_id(now: float) -> str:
    """An id as the plane makes them: ``gen-<unix seconds>-<20 letters and digits>``."""
    return f"gen-{int(now)}-{''.join(secrets.choice(_ALPHABET) for _ in range(20))}"


class Stopwatch:
    """When a request began, by both clocks: one tells the time, the other how long it took."""

    def __init__(self) -> None:
        self.began = time.time()
        self._start = time.monotonic()

    def microseconds(self) -> int:
        """Since the beginning."""
        return int((time.monotonic() - self._start) * 1_000_000)


def row(
    request: Request, *, booked_id: str, watch: Stopwatch, api: str, key: Key | None, keeper: Keeper, passed: Passed
) -> Generation:
    """The generation to book."""
    gateway, provider, headers = identity.gateway(request), keeper.provider, request.headers
    taken = watch.microseconds()
    credential = credential_of(provider)
    return Generation(
        id=booked_id,
        created_ms=int(watch.began * 1000),
        key_sha256=key.sha256 if key is not None else "",
        key_name=key.name if key is not None else "",
        api=api,
        model_requested="",
        model="",
        provider=provider.name if passed.outcome == "ok" else "",
        provider_slug=provider.slug,
        endpoint=provider.slug,
        upstream_model="",
        upstream_id=passed.upstream_id,
        streamed=False,
        cancelled=passed.outcome == "cancelled",
        status=passed.status,
        error_type=passed.error_type,
        finish_reason=None,
        native_finish_reason=None,
        tokens_prompt=0,
        tokens_completion=0,
        tokens_reasoning=0,
        tokens_cached=0,
        tokens_cache_write=0,
        usage_source="none",
        cost_nano=0,
        price_version="",
        queue_us=0,
        connect_us=0,
        ttft_us=0,
        total_us=taken,
        overhead_us=0,
        attempts=[
            Attempt(
                provider.slug,
                provider.slug,
                credential.label if credential else "",
                passed.upstream_status,
                taken,
                passed.outcome,
            )
        ],
        http_referer=headers.get("http-referer") or headers.get("referer", ""),
        app_title=headers.get("x-openrouter-title") or headers.get("x-title", ""),
        user_agent=headers.get("user-agent", ""),
        session_id=headers.get("x-session-id", ""),
        user="",
        client_address=headers.get("x-forwarded-for", ""),
        config_digest=gateway.reloader.current.snapshot.digest,
    )


async def book(request: Request, generation: Generation) -> None:
    """Writes it into the ledger before the answer is sent. A ledger that cannot be written fails no request."""
    ledger = identity.gateway(request).ledger
    kept = store.without_nul(generation)
    for pause in (*LOOK_AGAIN_S, None):
        try:
            await run_in_threadpool(store.insert, ledger, [kept])
        except SQLAlchemyError as error:
            if pause is None:
                log.error(
                    "%s at %s, status %d, could not be booked as %s: %s",
                    *(kept.api, kept.provider_slug, kept.status, kept.id, describe(error)),
                )
                return
        else:
            return
        await asyncio.sleep(pause)
