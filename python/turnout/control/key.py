"""``GET /api/v1/key``: what the presented key may do and has used."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from turnout.control import answer, identity, refusal
from turnout.control.refusal import Refusal
from turnout.ledger import query, spent
from turnout.ledger.writer import describe

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from starlette.requests import Request
    from starlette.responses import Response

    from turnout.config.snapshot import Billing, Key
    from turnout.gateway import Gateway

    T = TypeVar("T")

log = logging.getLogger("turnout.control")


async def read(request: Request) -> Response:
    """The key and its usage. With ``--no-auth``: what requests without a key have used together."""
    key = identity.client(request)
    gateway = identity.gateway(request)
    usage = await used(gateway, key.sha256 if key is not None else "")
    billing = gateway.reloader.current.snapshot.billing
    added = await asked(gateway.credits.total) if billing.credits else None
    return answer.json({"data": shape(key, usage, billing, added)})


async def used(gateway: Gateway, sha256: str | None) -> spent.Usage:
    """What was charged to a key, or with ``None`` to all: as the plane knows it, which is ahead of the ledger.

    Raises :class:`Refusal` when the plane does not know yet what was spent before its start, and the ledger cannot be
    read either.
    """
    if gateway.writer.told():
        return spent.decode(gateway.plane.usage(sha256))
    now = datetime.now(UTC)
    found = await asked(lambda: query.usage(gateway.ledger, key_sha256=sha256, now=now))
    return spent.Usage(total=found.total, daily=found.daily, weekly=found.weekly, monthly=found.monthly)


async def asked(ask: Callable[[], T]) -> T:
    try:
        return await run_in_threadpool(ask)
    except SQLAlchemyError as error:
        log.warning("the ledger cannot be read: %s", describe(error))
        raise Refusal(refusal.LEDGER_UNAVAILABLE, headers={"retry-after": "2"}) from error


def shape(key: Key | None, usage: spent.Usage, billing: Billing, added: int | None) -> dict[str, Any]:
    """The key as OpenRouter's API shows one. ``added``: all that was ever added to the credits; ``None``: there are
    none.
    """
    limit = key.limit if key is not None else None
    left = None
    if limit is not None:
        periods = {"daily": usage.daily, "weekly": usage.weekly, "monthly": usage.monthly}
        own = {"daily": usage.own.daily, "weekly": usage.own.weekly, "monthly": usage.own.monthly}
        used = periods[limit.reset] if limit.reset is not None else usage.total
        if limit.include_byok:
            used += own[limit.reset] if limit.reset is not None else usage.own.total
        left = max(limit.nano - used, 0)
    expires = key.expires_unix if key is not None else None
    per_minute = key.requests_per_minute if key is not None else None
    return {
        "label": key.name if key is not None else "no authentication",
        "limit": answer.dollars(limit.nano) if limit is not None else None,
        "limit_remaining": answer.dollars(left) if left is not None else None,
        "limit_reset": limit.reset if limit is not None else None,
        "include_byok_in_limit": limit is not None and limit.include_byok,
        "usage": answer.dollars(usage.total),
        "usage_daily": answer.dollars(usage.daily),
        "usage_weekly": answer.dollars(usage.weekly),
        "usage_monthly": answer.dollars(usage.monthly),
        "byok_usage": answer.dollars(usage.own.total),
        "byok_usage_daily": answer.dollars(usage.own.daily),
        "byok_usage_weekly": answer.dollars(usage.own.weekly),
        "byok_usage_monthly": answer.dollars(usage.own.monthly),
        # Who has never paid for anything is on the free tier, where paying is a thing.
        "is_free_tier": added is not None and added <= 0,
        "is_management_key": False,
        "is_provisioning_key": False,
        "creator_user_id": None,
        "organization_id": None,
        "workspace_id": None,
        "allowed_data_regions": ["global"],
        "budgets": [],
        "effective_budget": {"remaining_usd": answer.dollars(left)} if left is not None else None,
        "free_model_daily_requests": _free(usage.free_requests, billing, added),
        "expires_at": answer.moment(expires) if expires else None,
        # Numbers to their clients, so -1 is the sign of "no limit".
        "rate_limit": {
            "requests": -1 if per_minute is None else per_minute,
            "interval": "10s" if per_minute is None else "60s",
            "note": "This field is deprecated and safe to ignore.",
        },
    }


HIGH_BALANCE_NANO = 10_000_000_000
"""Ten dollars: what must ever have been added for the higher limit of free requests."""


def _free(requests: int, billing: Billing, added: int | None) -> dict[str, int]:
    """Requests of free models today, by all keys together."""
    limit = None
    if billing.free is not None:
        limit = billing.free.per_day
        if added is not None and added >= HIGH_BALANCE_NANO:
            limit = billing.free.per_day_with_credits or limit
    if limit is None:
        return {"used": requests, "limit": -1, "remaining": -1}
    return {"used": requests, "limit": limit, "remaining": max(limit - requests, 0)}
