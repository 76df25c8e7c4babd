"""``GET /api/v1/key``: what the presented key may do and has used."""

from __future__ import annotations

import logging
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

    from turnout.config.snapshot import Key
    from turnout.ledger.query import Usage

log = logging.getLogger("turnout.control")


async def read(request: Request) -> Response:
    """The key and its usage. With ``--no-auth``: what requests without a key have used together."""
    key = identity.client(request)
    ledger = identity.gateway(request).ledger
    try:
        usage = await run_in_threadpool(
            query.usage, ledger, key_sha256=key.sha256 if key is not None else "", now=datetime.now(UTC)
        )
    except SQLAlchemyError as error:
        log.warning("the ledger cannot be read: %s", describe(error))
        raise Refusal(refusal.LEDGER_UNAVAILABLE, headers={"retry-after": "2"}) from error
    return answer.json({"data": shape(key, usage)})


def shape(key: Key | None, usage: Usage) -> dict[str, Any]:
    """The key as OpenRouter's API shows one. There are no limits yet, so all of theirs are ``null``."""
    expires = key.expires_unix if key is not None else None
    return {
        "label": key.name if key is not None else "no authentication",
        "limit": None,
        "limit_remaining": None,
        "limit_reset": None,
        "include_byok_in_limit": False,
        "usage": answer.dollars(usage.total),
        "usage_daily": answer.dollars(usage.daily),
        "usage_weekly": answer.dollars(usage.weekly),
        "usage_monthly": answer.dollars(usage.monthly),
        "byok_usage": 0,
        "byok_usage_daily": 0,
        "byok_usage_weekly": 0,
        "byok_usage_monthly": 0,
        "is_free_tier": False,
        "is_management_key": False,
        "is_provisioning_key": False,
        "creator_user_id": None,
        "organization_id": None,
        "workspace_id": None,
        "allowed_data_regions": ["global"],
        "budgets": [],
        "effective_budget": None,
        # Numbers to their clients, so the sign of "no limit" is the one that rate_limit has below.
        "free_model_daily_requests": {"used": 0, "limit": -1, "remaining": -1},
        "expires_at": datetime.fromtimestamp(expires, UTC).isoformat().replace("+00:00", "Z") if expires else None,
        "rate_limit": {"requests": -1, "interval": "10s", "note": "This field is deprecated and safe to ignore."},
    }
