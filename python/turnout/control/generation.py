"""``GET /api/v1/generation?id=``: what was booked for one generation.

Rows reach the ledger a moment after the answer reached the client. So when the id was made within the last seconds and
is not there yet, the handler looks once more before it says 404.
"""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from turnout.control import answer, identity, refusal
from turnout.control.refusal import Refusal
from turnout.ledger import query
from turnout.ledger.writer import describe

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from turnout.gateway import Gateway
    from turnout.ledger.record import Attempt, Generation

log = logging.getLogger("turnout.control")

RECENT_S = 15
"""Ids made within this time may still be on their way into the ledger."""

LOOK_AGAIN_S = (0.1, 0.4)
"""Pauses before the second and third look; together more than the writer's own wait."""

API_TYPES = {"embeddings": "embeddings"}
"""OpenRouter's name of an API where it is not ``completions``."""


async def read(request: Request) -> Response:
    """The generation, for the key that made it."""
    key = identity.client(request)
    wanted = request.query_params.get("id")
    if not wanted:
        raise Refusal(refusal.INVALID_REQUEST, "Expected the generation's id, as in ?id=gen-…")
    found = await _find(identity.gateway(request), wanted, key.sha256 if key is not None else None)
    if found is None:
        raise Refusal(
            refusal.NOT_FOUND,
            f"Generation {wanted[:64]} is not in the ledger for this key; one is booked within a second of its answer",
            headers={"retry-after": "1"},
        )
    return answer.json({"data": shape(found)})


async def _find(gateway: Gateway, wanted: str, key_sha256: str | None) -> Generation | None:
    for pause in (0.0, *LOOK_AGAIN_S):
        if pause:
            await asyncio.sleep(pause)
        try:
            found = await run_in_threadpool(query.generation, gateway.ledger, wanted, key_sha256=key_sha256)
        except SQLAlchemyError as error:
            log.warning("the ledger cannot be read: %s", describe(error))
            raise Refusal(refusal.LEDGER_UNAVAILABLE, headers={"retry-after": "2"}) from error
        if found is not None or not is_recent(wanted, time.time()):
            return found
    return None


def is_recent(generation_id: str, now: float) -> bool:
    """Whether an id ``gen-<unix>-…`` was made within :data:`RECENT_S`."""
    parts = generation_id.split("-")
    return len(parts) == 3 and parts[0] == "gen" and parts[1].isdecimal() and abs(now - int(parts[1])) <= RECENT_S


def shape(generation: Generation) -> dict[str, Any]:
    """The generation as OpenRouter's API shows one.

    Every field of theirs is there; what this gateway does not have (workspaces, moderation, media) is ``null`` or zero.
    The last group is ours.
    """
    cost = answer.dollars(generation.cost_nano)
    return {
        "id": generation.id,
        "request_id": None,
        "upstream_id": generation.upstream_id or None,
        "created_at": datetime.fromtimestamp(generation.created_ms / 1000, UTC).isoformat(timespec="milliseconds"),
        "model": generation.model,
        "provider_name": generation.provider or None,
        "router": generation.router,
        "api_type": API_TYPES.get(generation.api, "completions"),
        "origin": generation.http_referer,
        "app_id": None,
        "http_referer": generation.http_referer or None,
        "user_agent": generation.user_agent or None,
        "external_user": generation.user or None,
        "session_id": generation.session_id or None,
        "workspace_id": None,
        "preset_id": None,
        "data_region": "global",
        "streamed": generation.streamed,
        "cancelled": generation.cancelled,
        "latency": _milliseconds(generation.ttft_us or generation.total_us),
        "generation_time": _milliseconds(generation.total_us - generation.ttft_us if generation.ttft_us else 0),
        "moderation_latency": None,
        "finish_reason": generation.finish_reason,
        "native_finish_reason": generation.native_finish_reason,
        "tokens_prompt": generation.tokens_prompt,
        "tokens_completion": generation.tokens_completion,
        "native_tokens_prompt": generation.tokens_prompt,
        "native_tokens_completion": generation.tokens_completion,
        "native_tokens_reasoning": generation.tokens_reasoning,
        "native_tokens_cached": generation.tokens_cached,
        "native_tokens_completion_images": 0,
        "num_media_prompt": 0,
        "num_media_completion": 0,
        "num_input_audio_prompt": 0,
        "num_search_results": 0,
        "num_fetches": 0,
        "web_search_engine": None,
        "total_cost": cost,
        "usage": cost,
        "upstream_inference_cost": answer.dollars(generation.upstream_cost_nano or 0),
        "cache_discount": None,
        "is_byok": generation.upstream_cost_nano is not None,
        "service_tier": None,
        "response_cache_source_id": generation.response_cache_source_id or None,
        "provider_responses": [_attempt(generation, attempt) for attempt in generation.attempts],
        "status": generation.status,
        "error_type": generation.error_type,
        "app_title": generation.app_title or None,
        "model_requested": generation.model_requested,
        "usage_source": generation.usage_source,
        "price_version": generation.price_version or None,
        "config_digest": generation.config_digest,
        "timings_ms": {
            "queue": _milliseconds(generation.queue_us),
            "connect": _milliseconds(generation.connect_us),
            "ttft": _milliseconds(generation.ttft_us),
            "total": _milliseconds(generation.total_us),
            "overhead": _milliseconds(generation.overhead_us),
        },
    }


def _attempt(generation: Generation, attempt: Attempt) -> dict[str, Any]:
    return {
        "id": generation.upstream_id or None if attempt.outcome == "ok" else None,
        "endpoint_id": attempt.endpoint,
        "provider_name": attempt.provider,
        "model_permaslug": generation.model,
        "status": attempt.status or None,
        "latency": _milliseconds(attempt.latency_us),
        "is_byok": attempt.is_byok,
        "routed_service_tier": None,
        "outcome": attempt.outcome,
        "hedged": attempt.hedged,
        # Only of an attempt that another one beside it overtook: what any other costs is part of the generation's own.
        "cost": answer.dollars(attempt.cost_nano) if attempt.cost_nano else None,
        "credential": attempt.credential or None,
    }


def _milliseconds(microseconds: int) -> float:
    return round(microseconds / 1000, 3)
