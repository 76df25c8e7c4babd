"""What goes wrong at the five endpoints of ``chaos.py``, for which request and when: all follows from one seed.

Each endpoint has weather: spells of some seconds, in which it is well, fails now and then, is out altogether, limits
its callers, breaks answers off, is slow, is frozen (its process is stopped, so that connections are accepted and
nothing is said), or is down (its process is gone). But for the last two, what an endpoint does to a request is decided
with the request and stands in its text, ``[one status=503]``, where the scripted provider finds it (``turnout-mock
--help``, ``inside=``). So it is known of every request which endpoints would have served it.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ENDPOINTS: Final = {"one": "openai", "two": "openai", "three": "anthropic", "four": "gemini", "five": "bedrock"}
"""Name → the protocol that it speaks."""

MODELS: Final[Mapping[str, tuple[str, ...]]] = {
    "chaos/five": tuple(ENDPOINTS),
    "chaos/three": ("two", "three", "five"),
    "chaos/pair": ("one", "four"),
}
"""Model → the endpoints that have it."""

TOKENS: Final = 8
"""Length of each answer. Positions below are events or bytes of it."""

Api = Literal["chat", "messages", "responses", "gemini"]
APIS: Final[tuple[Api, ...]] = ("chat", "chat", "messages", "responses", "gemini")
"""What clients speak, chat twice as often as each other."""


@dataclass(frozen=True)
class Fault:
    """What an endpoint may do to a request."""

    script: str
    outcomes: frozenset[str]
    """What the ledger may call such an attempt."""
    breaks: Literal["never", "before", "after"]
    """Whether it fails, and whether something of the answer may have reached the client by then."""


def _faults(breaks: Literal["never", "before", "after"], table: Mapping[str, str]) -> tuple[Fault, ...]:
    return tuple(Fault(script, frozenset(outcomes.split()), breaks) for script, outcomes in table.items())


WELL: Final = Fault("", frozenset({"ok"}), "never")

ODD: Final = (
    WELL,
    *_faults(
        "never",
        dict.fromkeys(("latency=30", "ttft=80", "pace=15", "close=1", "refuse_reuse=1", "split=20", "gzip=1"), "ok"),
    ),
)
"""Slow or strange, and whole."""

LIMITED: Final = _faults("before", dict.fromkeys(("status=429;retry_after=1", "status=429"), "status"))

EARLY: Final = (
    *LIMITED,
    *_faults(
        "before",
        {
            "status=500": "status",
            "status=502": "status",
            "status=503;retry_after=1": "status",
            "status=529": "status",
            "drop=1": "closed",
            "drop=1;rst=0": "closed",
            "latency=60000": "timeout",
            "stall=0": "timeout",
            "cut=0": "closed empty malformed",
            "rst=0": "closed empty malformed",
            "garbage=0": "malformed",
            "empty=1": "empty malformed",
            "error_in=0": "status",
        },
    ),
)
"""Fails before anything of an answer is there; for streams and plain answers alike."""

EARLY_PLAIN: Final = (
    *EARLY,
    *_faults(
        "before",
        {
            "wronglength=50": "closed",
            "cut=40": "closed",
            "cut=40;chunked=1": "closed malformed",
            "rst=40": "closed",
            "stall=40": "timeout",
            "binary=1": "malformed",
        },
    ),
)
"""A plain answer cannot reach anybody before its end, so all of its faults are early."""

EARLY_STREAM: Final = (*EARLY, *_faults("before", {"ttft=60000": "timeout"}))

LATE: Final = _faults(
    "after",
    {
        "cut=4;pace=2": "closed malformed",
        "cut=4;part=9;pace=2": "closed malformed",
        "rst=4;pace=2": "closed",
        "stall=4;pace=2": "timeout",
        "garbage=4;pace=2": "malformed",
        "error_in=4;pace=2": "status",
        "cut=5": "closed malformed",
    },
)
"""Breaks a stream off in its middle."""

SLOW: Final = _faults("never", {"latency=150;pace=30": "ok"})

Kind = Literal["well", "flaky", "out", "limited", "breaking", "slow", "frozen", "down"]
_SPELLS: Final[Mapping[Kind, int]] = {
    "well": 40,
    "flaky": 20,
    "out": 12,
    "limited": 8,
    "breaking": 10,
    "slow": 6,
    "frozen": 5,
    "down": 6,
}
"""How often each comes."""


@dataclass(frozen=True)
class Spell:
    """A time in which an endpoint is in one mood."""

    kind: Kind
    start_s: float
    end_s: float
    choice: int
    """Which of the faults it is, where a spell has only one."""


def forecast(seed: int, seconds: float) -> dict[str, list[Spell]]:
    """The weather of each endpoint."""
    found: dict[str, list[Spell]] = {}
    for name in ENDPOINTS:
        draw = random.Random(f"{seed} {name}")
        at_s, spells = 0.0, []
        while at_s < seconds:
            (kind,) = draw.choices(tuple(_SPELLS), tuple(_SPELLS.values()))
            lasts_s = draw.uniform(1, 3) if kind in ("frozen", "down") else min(15, 1 + draw.expovariate(1 / 5))
            spells.append(Spell(kind, at_s, at_s + lasts_s, draw.randrange(1 << 30)))
            at_s += lasts_s
        found[name] = spells
    return found


def _fault(spell: Spell, draw: random.Random, *, stream: bool) -> Fault:
    """What an endpoint in this mood does to a request."""
    early = EARLY_STREAM if stream else EARLY_PLAIN
    chance = draw.random()
    match spell.kind:
        case "flaky" if chance < 0.3:
            return draw.choice((*early, *LATE) if stream else early)
        case "out":
            return early[spell.choice % len(early)]
        case "limited" if chance < 0.8:
            return LIMITED[spell.choice % len(LIMITED)]
        case "breaking" if chance < 0.4:
            return draw.choice(LATE if stream else early)
        case "slow":
            return SLOW[0]
        case "well" if chance < 0.02:
            return draw.choice(early)
        case _:
            return draw.choice(ODD) if chance > 0.9 else WELL


@dataclass(frozen=True)
class Wish:
    """One request, and what each endpoint would do to it."""

    number: int
    due_s: float
    api: Api
    stream: bool
    models: tuple[str, ...]
    """The model, and those to fall back to."""
    faults: Mapping[str, Fault]
    """Of each endpoint that may be tried."""
    leaves_s: float | None
    """After which time the client goes away; ``None``: it stays."""
    session: str | None
    order: tuple[str, ...]
    """Who is to be tried first, whatever the gateway knows of them; empty: that is left to the gateway."""

    @property
    def text(self) -> str:
        """What the user says."""
        scripts = "".join(f" [{name} {fault.script}]" for name, fault in self.faults.items() if fault.script)
        return f"Request {self.number}{scripts}"


def wish(seed: int, number: int, rate: float, weather: Mapping[str, Sequence[Spell]]) -> Wish:
    """The request of this number."""
    draw = random.Random(seed * 1_000_003 + number)
    due_s = number / rate
    api = draw.choice(APIS)
    stream = draw.random() < 0.6
    chance = draw.random()
    models: tuple[str, ...] = (
        ("chaos/five",) if chance < 0.75 else ("chaos/three",) if chance < 0.9 else ("chaos/pair",)
    )
    if api == "chat" and chance > 0.95:
        models = ("chaos/pair", "chaos/three")
    faults = {
        name: _fault(next(spell for spell in weather[name] if due_s < spell.end_s), draw, stream=stream)
        for model in models
        for name in MODELS[model]
    }
    leaves_s = 0.0003 + draw.expovariate(100) if draw.random() < 0.03 else None
    session = f"s{draw.randrange(50)}" if draw.random() < 0.1 else None
    # Otherwise hardly anybody would meet an endpoint in trouble: routing learns within a few requests.
    order = tuple(draw.sample(list(faults), len(faults))) if api != "gemini" and draw.random() < 0.3 else ()
    return Wish(number, due_s, api, stream, models, faults, leaves_s, session, order)
