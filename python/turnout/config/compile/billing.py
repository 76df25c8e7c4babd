"""How money is counted, and the limits of what costs nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from turnout.config import snapshot

if TYPE_CHECKING:
    from turnout.config.compile.work import Work


def billing_of(work: Work) -> snapshot.Billing:
    config = work.config
    free = snapshot.Free(
        per_minute=config.free.per_minute,
        per_day=config.free.per_day,
        per_day_with_credits=config.free.per_day_with_credits,
    )
    if free.per_day_with_credits is not None and not config.credits.enabled:
        work.warn(("free", "per_day_with_credits"), "this has no effect while credits.enabled is false")
    return snapshot.Billing(
        credits=config.credits.enabled,
        reserve_tokens=config.billing.reserve_tokens,
        byok_fee_percent=config.billing.byok_fee_percent,
        free=free if any(value is not None for value in msgspec.structs.astuple(free)) else None,
    )
