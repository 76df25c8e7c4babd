"""What the plane knows of endpoints from their recent requests, as the pages of the catalogue show it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import msgspec

from turnout.control import identity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

KEPT_S: Final = 1.0
"""How long what the plane said is shown again: it works its numbers out anew once a second itself."""


class Percentiles(msgspec.Struct, frozen=True):
    """Milliseconds that so many per cent stay below, or tokens per second that so many reach."""

    p50: float
    p75: float
    p90: float
    p99: float


class Probe(msgspec.Struct, frozen=True):
    """The last request that the gateway made by itself, to see whether an endpoint serves."""

    began_ms: int
    """Unix time in milliseconds."""
    outcome: str
    """``served``, ``failed``, ``limited``, ``unclear``; ``nothing``: it is under way, or could not be made."""
    took_ms: int


class Endpoint(msgspec.Struct, frozen=True):
    """One endpoint: what is shown of ``EndpointReport`` in ``rust/plane/src/statistics/report.rs``."""

    model: str
    tag: str
    status: int
    """0 is well, and the lower the worse; ``docs/health.md`` has the numbers."""
    uptime_last_5m: float | None
    """Per cent; ``None`` without a request in that time."""
    uptime_last_30m: float | None
    uptime_last_1d: float | None
    latency_last_30m: Percentiles | None
    throughput_last_30m: Percentiles | None
    probe: Probe | None = None


UNKNOWN: Final = Endpoint(
    model="",
    tag="",
    status=0,
    uptime_last_5m=None,
    uptime_last_30m=None,
    uptime_last_1d=None,
    latency_last_30m=None,
    throughput_last_30m=None,
)
"""Of an endpoint that never had a request, nor a probe: nothing speaks against it."""


class _Report(msgspec.Struct, frozen=True):
    endpoints: list[Endpoint]


_report: Final = msgspec.json.Decoder(_Report)

Known = dict[tuple[str, str], Endpoint]
"""By slug of the model and tag."""


def read(report: bytes) -> Known:
    """What ``Plane.statistics`` gives."""
    return {(known.model, known.tag): known for known in _report.decode(report).endpoints}


def of(request: Request) -> Mapping[tuple[str, str], Endpoint]:
    """What is known now, of every endpoint that had a request."""
    state = request.app.state
    kept: tuple[float, Known] | None = getattr(state, "statistics", None)
    now = time.monotonic()
    if kept is None or now - kept[0] >= KEPT_S:
        kept = state.statistics = (now, read(identity.gateway(request).plane.statistics()))
    return kept[1]
