"""Judges a run of ``chaos.py``: what each client saw, beside what the endpoints were told and what the ledger says.

An endpoint *would have served* a request when it was told nothing bad for it and its process ran all the while. The
rules, each with its name in the report:

- ``preventable``: before its first byte a client was told of an error, though an endpoint that would have served was
  not tried. What explains it: a denied retry (``turnout_retries_denied_total``), as many times as that counts.
- ``lost``: an endpoint that would have served was tried, and the attempt failed all the same.
- ``truncated``: an answer passed for whole and was not.
- ``silent``: an answer broke off, and the client was not told.
- ``hung``: a client waited longer than the deadlines allow.
- ``unbooked``, ``twice``: not exactly one row in the ledger.
- ``misbooked``: the row says something else than the client saw or the endpoints were told.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter, defaultdict
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from caller import Seen
    from weather import Wish

Phase = tuple[float, float]
"""From when to when a process was frozen or gone."""

EXAMPLES: Final = 3
"""Findings that are told at length, of each rule."""


@dataclass(frozen=True)
class Times:
    """The deadlines that the gateway was configured with, and how late a busy machine may be."""

    total_s: float
    idle_s: float
    slack_s: float


@dataclass(frozen=True)
class Row:
    """What the ledger has of a request."""

    number: int
    status: int
    error_type: str | None
    cancelled: bool
    streamed: bool
    attempts: list[dict[str, Any]]


def rows(ledger: Path) -> Iterator[Row]:
    """All rows of a run."""
    with closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True)) as database:
        found = database.execute(
            "SELECT http_referer, status, error_type, cancelled, streamed, attempts FROM generations"
        )
        for referer, status, error_type, cancelled, streamed, attempts in found:
            number = int(referer.removeprefix("chaos:"))
            yield Row(number, status, error_type, bool(cancelled), bool(streamed), json.loads(attempts))


@dataclass
class Verdict:
    """What was found."""

    findings: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    outcomes: Counter[str] = field(default_factory=Counter)
    """How requests ended, as clients saw it."""
    attempts: Counter[str] = field(default_factory=Counter)
    """Attempts by what the ledger calls them."""
    reached: Counter[str] = field(default_factory=Counter)
    """Attempts by endpoint, without those that had no connection."""
    unsure: Counter[str] = field(default_factory=Counter)
    """Those of them that the endpoint may not have counted: its process was away, or the client left."""
    tries: Counter[int] = field(default_factory=Counter)
    """Requests by their number of attempts."""
    gone_around: int = 0
    """Requests that were served whole although an attempt had failed."""

    def found(self, rule: str, example: str) -> None:
        self.findings[rule] += 1
        if len(self.examples[rule]) < EXAMPLES:
            self.examples[rule].append(example)


def judge(
    seen: Iterable[tuple[Wish, Seen]],
    booked: Iterable[Row],
    phases: Mapping[str, Sequence[Phase]],
    text: str,
    times: Times,
) -> Verdict:
    """Holds all three against each other. ``text`` is what every whole answer says."""
    by_number: dict[int, list[Row]] = defaultdict(list)
    for row in booked:
        by_number[row.number].append(row)
    verdict = Verdict()
    for wish, saw in seen:
        found = by_number.pop(wish.number, [])
        _answer(verdict, wish, saw, text, times)
        if not found:
            verdict.found("unbooked", f"{wish} {saw}")
            continue
        if len(found) > 1:
            verdict.found("twice", f"{wish} {found}")
        _row(verdict, wish, saw, found[0], phases)
    for number, strangers in by_number.items():
        verdict.found("misbooked", f"nobody sent number {number}: {strangers}")
    return verdict


def _answer(verdict: Verdict, wish: Wish, saw: Seen, text: str, times: Times) -> None:
    """What the client saw, by itself."""
    verdict.outcomes[_ending(saw)] += 1
    about = f"{wish} {saw}"
    if saw.whole and saw.text != text:
        verdict.found("truncated", about)
    if not (saw.whole or saw.error or saw.left):
        verdict.found("silent", about)
    # Nothing of a plain answer comes before its end, so the total holds for all of it.
    first_s, gap_s = (saw.first_s, saw.gap_s) if wish.stream else (saw.took_s, 0.0)
    if saw.hung or first_s > times.total_s + times.slack_s or gap_s > times.idle_s + times.slack_s:
        verdict.found("hung", about)


def _ending(saw: Seen) -> str:
    if saw.left:
        return "left"
    if saw.whole:
        return "whole"
    return f"error {saw.status}" if saw.status >= 400 else "broken off, and told so"


def _row(verdict: Verdict, wish: Wish, saw: Seen, row: Row, phases: Mapping[str, Sequence[Phase]]) -> None:
    """What the ledger says, beside what was seen and what was told to the endpoints."""
    about = f"{wish} {saw} {row}"
    ended_s = saw.sent_s + saw.took_s
    away = {
        name
        for name in wish.faults
        if any(start <= ended_s and saw.sent_s <= end for start, end in phases.get(name, ()))
    }
    tried = [attempt["provider"] for attempt in row.attempts]
    verdict.tries[len(tried)] += 1
    for index, attempt in enumerate(row.attempts):
        name, outcome = attempt["provider"], attempt["outcome"]
        verdict.attempts[outcome] += 1
        if outcome != "connect":
            verdict.reached[name] += 1
            verdict.unsure[name] += (name in away and outcome != "ok") or outcome == "cancelled"
        fault = wish.faults.get(name)
        if fault is None:
            verdict.found("misbooked", f"{name} was not to be tried: {about}")
            continue
        is_last = index + 1 == len(tried)
        if outcome in fault.outcomes or name in away or (outcome == "cancelled" and is_last and row.cancelled):
            continue
        rule = "lost" if fault.breaks == "never" else "misbooked"
        verdict.found(rule, f"{name} was told {fault.script!r}, and the attempt is called {outcome}: {about}")
    if len(set(tried)) != len(tried):
        verdict.found("misbooked", f"one endpoint twice: {about}")
    served = bool(row.attempts) and row.attempts[-1]["outcome"] == "ok"
    verdict.gone_around += served and len(tried) > 1
    if saw.left:
        return
    if (row.status, row.cancelled, row.streamed) != (saw.status, False, wish.stream):
        verdict.found("misbooked", f"status, cancelled or streamed: {about}")
    if served != saw.whole or (row.error_type is None) != saw.whole:
        verdict.found("misbooked", f"served or not: {about}")
    if saw.whole or saw.text:
        return
    missed = [
        name
        for name, fault in wish.faults.items()
        if fault.breaks == "never" and name not in away and name not in tried
    ]
    if missed:
        verdict.found("preventable", f"{missed} would have served: {about}")
