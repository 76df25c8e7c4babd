"""How a bench is asked and how it answers: the same options and the same form for every script."""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence


def options(question: str) -> argparse.Namespace:
    """The options that every script has."""
    parser = argparse.ArgumentParser(description=question)
    parser.add_argument(
        "--smoke", action="store_true", help="shortest run that still touches everything; proves nothing"
    )
    parser.add_argument("--rounds", type=int, default=7, help="rounds of a comparison, default 7")
    parser.add_argument("--seconds", type=float, default=5.0, help="length of one measurement, default 5")
    return parser.parse_args()


def show(_options: argparse.Namespace, result: dict[str, Any]) -> None:
    """Prints the result as JSON."""
    json.dump(result, sys.stdout, indent=1)
    print()


def median(values: Sequence[float]) -> dict[str, float]:
    """Median and quartiles: what is claimed, and how far rounds were apart."""
    if len(values) < 2:
        return {"median": values[0], "low": values[0], "high": values[0]}
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return {"median": round(middle, 3), "low": round(low, 3), "high": round(high, 3)}
