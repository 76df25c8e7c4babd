"""How the control API writes JSON: exact, with money as decimal numbers that never were floats."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.responses import Response

if TYPE_CHECKING:
    from collections.abc import Mapping

_encoder = msgspec.json.Encoder(decimal_format="number")

NANO = 9
"""Decimal places of a nano-dollar."""


def json(content: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer. Nobody may keep it: it concerns one key at one moment."""
    return Response(
        _encoder.encode(content),
        status_code=status,
        media_type="application/json",
        headers={"cache-control": "no-store", **(headers or {})},
    )


def moment(unix_seconds: int) -> str:
    """A moment as ``2027-01-15T08:00:00Z``."""
    return datetime.fromtimestamp(unix_seconds, UTC).isoformat().replace("+00:00", "Z")


def dollars(nano: int) -> Decimal | int:
    """Nano-dollars as dollars: 1_500_000_000 → 1.5. A plain ``0`` when there are none."""
    if nano == 0:
        return 0
    exact = Decimal(nano).scaleb(-NANO)
    # ``normalize`` alone would write 100 as 1E+2.
    return exact.quantize(Decimal(1)) if exact == exact.to_integral_value() else exact.normalize()
