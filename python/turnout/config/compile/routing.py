"""How endpoints are chosen: of the whole gateway, and of one key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from turnout.config import model, snapshot
from turnout.config.values import nano_dollars

if TYPE_CHECKING:
    from turnout.config.compile.work import Work


def routing_of(work: Work) -> snapshot.Routing:
    written = work.config.routing
    return snapshot.Routing(
        wishes=wishes_of(written, hedge=written.hedge.enabled),
        outage_ms=written.outage,
        require_tools=written.require_tools,
        sticky=snapshot.Sticky(ttl_ms=written.sticky.ttl, conversations_max=written.sticky.conversations),
        retries=snapshot.Retries(percent=written.retries.percent, per_second=written.retries.per_second),
        hedge=snapshot.Hedge(
            after_ms=written.hedge.after,
            wait_min_ms=written.hedge.wait_min,
            wait_max_ms=max(written.hedge.wait_min, written.hedge.wait_max),
            plain_after_ms=written.hedge.plain_after,
            percent=written.hedge.percent,
        ),
        breaker=snapshot.Breaker(
            failures=written.breaker.failures, open_ms=written.breaker.open, open_max_ms=written.breaker.open_max
        ),
        cooldown_max_ms=written.cooldown_max,
        adaptive=snapshot.Adaptive(
            second_nano=nano_dollars(written.adaptive.second),
            failure=written.adaptive.failure,
            limited=written.adaptive.limited,
            exploration_permille=written.adaptive.exploration_percent * 10,
        ),
        probes_per_minute=written.probe.per_minute,
    )


def wishes_of(written: model.Wishes, *, hedge: bool | None) -> snapshot.Wishes:
    return snapshot.Wishes(
        policy=written.policy,
        only=written.only,
        ignore=written.ignore,
        training=written.data_collection == "allow",
        zdr=written.zdr,
        hedge=hedge,
    )


def probe_of(of_all: model.Probe, own: model.ProviderProbe) -> snapshot.Probe | None:
    """How a provider's endpoints are probed: as it says itself, else as all are. ``None``: they are not."""
    said = {name: value for name, value in own.model_dump().items() if value is not None}
    merged = of_all.model_copy(update=said)
    if not merged.enabled:
        return None
    return snapshot.Probe(every_ms=merged.every, idle_ms=merged.idle, timeout_ms=merged.timeout, tokens=merged.tokens)
