"""``POST /api/admin/reload``: read the configuration again, now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool

from turnout.control import answer, identity, refusal
from turnout.control.refusal import Refusal

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response


async def create(request: Request) -> Response:
    """Reloads, and says what runs now; 422 with every mistake when the new configuration is wrong."""
    identity.admin(request)
    outcome = await run_in_threadpool(identity.gateway(request).reloader.reload)
    if outcome.error is not None:
        raise Refusal(
            refusal.RELOAD_FAILED, metadata={"digest": outcome.digest, "mistakes": outcome.error.splitlines()}
        )
    return answer.json(
        {"data": {"digest": outcome.digest, "changed": outcome.changed, "warnings": list(outcome.warnings)}}
    )
