"""Which models a query of ``GET /models`` asks for, in which order, and which page of them.

The parameters are OpenRouter's. A parameter that does not fit is refused, with what was expected; one that nobody knows
is ignored, because clients may be newer than this gateway. What is not known of a model never passes a bound: a model
without a price is in no price range, one without a benchmark in no range of benchmarks. In an order by something that
is not known, it comes last.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal, get_args
from urllib.parse import urlencode

from msgspec import UNSET

from turnout.control import refusal
from turnout.control.refusal import Refusal
from turnout.providers.rows import row

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from turnout.config.snapshot import Snapshot
    from turnout.control.listing import Shown
    from turnout.ledger.query import Record

    Records = Mapping[str, Record]

LIMIT_MAX: Final = 1000
LIMIT_DEFAULT: Final = 500
"""Page size when only an offset is given. Without either, the list comes whole."""

SECONDS_PER_DAY: Final = 86_400
TOKENS_PER_PRICE: Final = 10**6

Modality = Literal[
    "text", "image", "file", "audio", "video", "embeddings", "rerank", "decisions", "speech", "transcription"
]
MODALITIES: Final = frozenset(get_args(Modality))

CATEGORIES: Final = frozenset(
    {
        "programming",
        "roleplay",
        "marketing",
        "marketing/seo",
        "technology",
        "science",
        "translation",
        "legal",
        "finance",
        "health",
        "trivia",
        "academia",
    }
)

SORTS: Final = frozenset(
    {
        "most-popular",
        "newest",
        "top-weekly",
        "pricing-low-to-high",
        "pricing-high-to-low",
        "context-high-to-low",
        "throughput-high-to-low",
        "latency-low-to-high",
        "intelligence-high-to-low",
        "coding-high-to-low",
        "agentic-high-to-low",
        "design-arena-elo-high-to-low",
    }
)

EU: Final = "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK"
REGIONS: Final = {"us": frozenset({"US"}), "eu": frozenset(EU.split())}
"""Region → its countries."""

BENCHMARKS: Final = ("intelligence_index", "coding_index", "agentic_index", "tool_success_rate")
"""Measures that a query may bound with ``min_`` and ``max_``. The last one is known of no model."""


@dataclass(frozen=True)
class Range:
    """A bound on each side, both included. ``None``: open."""

    low: Decimal | None = None
    high: Decimal | None = None

    @property
    def is_open(self) -> bool:
        """Whether anything passes, also what is not known."""
        return self.low is None and self.high is None

    def holds(self, value: Decimal | None) -> bool:
        """Whether a value is in the range; an unknown one only when the range is open."""
        if self.is_open:
            return True
        if value is None:
            return False
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)


@dataclass(frozen=True)
class Query:
    """What was asked. Empty tuples and ``None`` ask for nothing."""

    outputs: frozenset[str] | None = None
    """Any of these suffices; ``None``: all models."""
    inputs: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    context: int = 0
    prompt_price: Range = Range()
    """Dollars per million tokens."""
    completion_price: Range = Range()
    architectures: tuple[str, ...] = ()
    authors: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()
    category: str | None = None
    distillable: bool | None = None
    zdr: bool = False
    region: str | None = None
    age_days: Range = Range()
    benchmarks: tuple[Range, ...] = ()
    sort: str | None = None
    offset: int | None = None
    limit: int | None = None


@dataclass(frozen=True)
class Page:
    """A part of what was found."""

    models: Sequence[Shown]
    total: int
    """Of all pages."""
    next_offset: int | None
    """``None``: this is the last page."""


def read(parameters: Mapping[str, str], *, outputs: str) -> Query:
    """The query in a request's parameters. ``outputs`` are the output modalities where none are asked for."""
    given = {name: text.strip() for name, text in parameters.items() if text.strip()}
    distillable = _choice(given, "distillable", ("true", "false"))
    return Query(
        outputs=_outputs(given.get("output_modalities", outputs)),
        inputs=_modalities("input_modalities", given.get("input_modalities", "")),
        parameters=_list(given.get("supported_parameters", "")),
        words=tuple(given.get("q", "").lower().split()),
        context=_whole(given, "context", low=1) or 0,
        prompt_price=_range(given, "price"),
        completion_price=_range(given, "output_price"),
        architectures=_list(given.get("arch", "")),
        authors=_list(given.get("model_authors", "")),
        providers=_list(given.get("providers", "")),
        category=_choice(given, "category", CATEGORIES),
        distillable=None if distillable is None else distillable == "true",
        zdr=_choice(given, "zdr", ("true",)) is not None,
        region=_choice(given, "region", tuple(REGIONS)),
        age_days=_range(given, "age_days"),
        benchmarks=tuple(_range(given, measure) for measure in BENCHMARKS),
        sort=_choice(given, "sort", SORTS),
        **paging(given),
    )


def paging(given: Mapping[str, str]) -> dict[str, int | None]:
    """The two parameters of every list that comes in pages."""
    return {
        "offset": _whole(given, "offset", low=0),
        "limit": _whole(given, "limit", low=1, high=LIMIT_MAX),
    }


def select(
    models: Sequence[Shown], query: Query, snapshot: Snapshot, *, now: float, records: Records = MappingProxyType({})
) -> list[Shown]:
    """The models that the query asks for, sorted.

    ``now`` is in Unix seconds. ``records`` are those of the last :data:`MEASURED_DAYS` of the query's order, by slug.
    """
    # Nothing here knows what a model is used for or whether it may be distilled.
    if query.category is not None or query.distillable:
        return []
    found = [shown for shown in models if _fits(shown, query, snapshot, now)]
    return _sorted(found, query.sort, records)


def page(models: Sequence[Shown], query: Query) -> Page:
    """The part that was asked for."""
    if query.offset is None and query.limit is None:
        return Page(models, len(models), None)
    start = query.offset or 0
    end = start + (query.limit or LIMIT_DEFAULT)
    return Page(models[start:end], len(models), end if end < len(models) else None)


def next_link(path: str, parameters: Mapping[str, str], query: Query, found: Page) -> str | None:
    """Where the next page is: the same path and parameters, further on."""
    if found.next_offset is None:
        return None
    # A key in the query is a secret, and the caller has it.
    rest = {name: text for name, text in parameters.items() if name not in ("offset", "limit", "key")}
    paged = {**rest, "offset": str(found.next_offset), "limit": str(query.limit or LIMIT_DEFAULT)}
    return f"{path}?{urlencode(paged)}"


def without_paging(query: Query) -> Query:
    """The same for the whole list, as feeds and counts want it."""
    return replace(query, offset=None, limit=None)


# --------------------------------------------------------------------------------------------------------- one model


def _fits(shown: Shown, query: Query, snapshot: Snapshot, now: float) -> bool:
    card = shown.card
    text = f"{card.name}\n{shown.slug}".lower()
    age = (Decimal(int(now)) - card.created) / SECONDS_PER_DAY if card.created else None
    return (
        (query.outputs is None or not query.outputs.isdisjoint(card.architecture.output_modalities))
        and set(query.inputs) <= set(card.architecture.input_modalities)
        and set(query.parameters) <= set(card.supported_parameters)
        and all(word in text for word in query.words)
        and (not query.context or (card.context_length or 0) >= query.context)
        and query.prompt_price.holds(per_million(card.pricing.prompt))
        and query.completion_price.holds(per_million(card.pricing.completion))
        and (not query.architectures or card.architecture.tokenizer.lower() in query.architectures)
        and (not query.authors or shown.author.lower() in query.authors)
        and (not query.providers or not _providers(shown, snapshot).isdisjoint(query.providers))
        and query.age_days.holds(age)
        and all(
            bound.holds(_index(shown, measure)) for measure, bound in zip(BENCHMARKS, query.benchmarks, strict=False)
        )
        and (not query.zdr or any(endpoint.data_policy.zdr for endpoint in shown.model.endpoints))
        and (query.region is None or _is_in(shown, snapshot, REGIONS[query.region]))
    )


def _index(shown: Shown, measure: str) -> Decimal | None:
    """What is known of how good a model is, from 0 to 100."""
    if shown.card.benchmarks is UNSET:
        return None
    value = getattr(shown.card.benchmarks.turnout, measure, UNSET)
    return None if value is UNSET else Decimal(str(value))


def _is_in(shown: Shown, snapshot: Snapshot, countries: frozenset[str]) -> bool:
    """Whether somebody serves the model in these countries only. Who also computes elsewhere promises nothing."""
    rows = (row(snapshot.providers[endpoint.provider].slug) for endpoint in shown.model.endpoints)
    return any(known is not None and known.datacenters and countries.issuperset(known.datacenters) for known in rows)


def per_million(price: str) -> Decimal | None:
    """Dollars per million tokens; ``None`` for a price that is not known."""
    dollars = Decimal(price)
    return None if dollars < 0 else dollars * TOKENS_PER_PRICE


def _providers(shown: Shown, snapshot: Snapshot) -> set[str]:
    """Slugs and names of those who serve a model, in lower case."""
    found = (snapshot.providers[endpoint.provider] for endpoint in shown.model.endpoints)
    return {name.lower() for provider in found for name in (provider.slug, provider.name)}


def _sorted(models: list[Shown], sort: str | None, records: Records) -> list[Shown]:
    """Sorted, what is not known last. An order by something that is known of no model leaves the order as it is."""
    key = _KEYS.get(sort or "")
    measure = _MEASURES.get(sort or "")
    values: list[Decimal | float | None]
    if measure is not None:
        values = [measure(records[shown.slug]) if shown.slug in records else None for shown in models]
    elif key is not None:
        values = [key(shown) for shown in models]
    else:
        return models
    # What is not known is behind everything else in either direction; equal ones keep their order.
    order = sorted(range(len(models)), key=lambda at: (values[at] is None, values[at] or 0))
    return [models[at] for at in order]


def _average_price(shown: Shown) -> Decimal | None:
    prompt, completion = (per_million(price) for price in (shown.card.pricing.prompt, shown.card.pricing.completion))
    return None if prompt is None or completion is None else (prompt + completion) / 2


def _negative(value: Decimal | float | None) -> Decimal | float | None:
    """For an order from high to low."""
    return None if value is None else -value


_KEYS: Final[Mapping[str, Callable[[Shown], Decimal | float | None]]] = {
    "newest": lambda shown: _negative(shown.card.created or None),
    "pricing-low-to-high": _average_price,
    "pricing-high-to-low": lambda shown: _negative(_average_price(shown)),
    "context-high-to-low": lambda shown: _negative(shown.card.context_length),
    "intelligence-high-to-low": lambda shown: _negative(_index(shown, "intelligence_index")),
    "coding-high-to-low": lambda shown: _negative(_index(shown, "coding_index")),
    "agentic-high-to-low": lambda shown: _negative(_index(shown, "agentic_index")),
}

_MEASURES: Final[Mapping[str, Callable[[Record], float | None]]] = {
    "most-popular": lambda record: -record.tokens,
    "top-weekly": lambda record: -record.tokens,
    "throughput-high-to-low": lambda record: None if record.tokens_per_s is None else -record.tokens_per_s,
    "latency-low-to-high": lambda record: record.ttft_us,
}

MEASURED_DAYS: Final[Mapping[str, int]] = {
    "most-popular": 30,
    "top-weekly": 7,
    "throughput-high-to-low": 1,
    "latency-low-to-high": 1,
}
"""Order → how far back this gateway's own generations count for it."""


# -------------------------------------------------------------------------------------------------------- parameters


def _list(text: str) -> tuple[str, ...]:
    """Comma-separated words in lower case."""
    return tuple(word for word in (part.strip().lower() for part in text.split(",")) if word)


def _modalities(name: str, text: str) -> tuple[str, ...]:
    words = _list(text)
    for word in words:
        if word not in MODALITIES:
            raise _wrong(name, word, f"a comma-separated list of {', '.join(sorted(MODALITIES))}")
    return words


def _outputs(text: str) -> frozenset[str] | None:
    if text.lower() == "all":
        return None
    return frozenset(_modalities("output_modalities", text))


def _choice(given: Mapping[str, str], name: str, choices: Sequence[str] | frozenset[str]) -> str | None:
    text = given.get(name)
    if text is not None and text not in choices:
        raise _wrong(name, text, f"one of {', '.join(sorted(choices))}")
    return text


def _whole(given: Mapping[str, str], name: str, *, low: int, high: int | None = None) -> int | None:
    text = given.get(name)
    if text is None or text == "null":
        return None
    # Longer ones than this are no number of models or tokens, and take long to convert.
    number = int(text) if text.isascii() and text.isdecimal() and len(text) <= 18 else -1
    if number < low or (high is not None and number > high):
        bound = f"from {low} to {high}" if high is not None else f"of at least {low}"
        raise _wrong(name, text, f"a whole number {bound}")
    return number


def _range(given: Mapping[str, str], name: str) -> Range:
    return Range(_bound(given, f"min_{name}"), _bound(given, f"max_{name}"))


def _bound(given: Mapping[str, str], name: str) -> Decimal | None:
    text = given.get(name)
    if text is None or text == "null":
        return None
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("nan")
    # An exponent without bound would make arithmetic without bound of it.
    if not number.is_finite() or number < 0 or not (number == 0 or math.fabs(number.adjusted()) <= 18):
        raise _wrong(name, text, "a number of at least 0")
    return number


def _wrong(name: str, seen: str, expected: str) -> Refusal:
    return Refusal(
        refusal.INVALID_REQUEST,
        f'The parameter {name} is "{seen[:64]}", expected {expected}',
        metadata={"parameter": name},
    )
