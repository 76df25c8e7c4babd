"""From facts to entries: which facts are about the same model, what it is called, and whom to believe.

The steps, in order:

1. OpenRouter's own lists give the slugs. Variants that are prices or routes of one (``:batch``, ``:nitro``) are no
   models.
2. Every other fact finds its slug by what the model is called (:func:`~turnout.catalogue.making.names.spellings`).
3. What finds none becomes a new slug: of a provider's own models, and of open models under the name of their
   repository, where a second source confirms it or where only one source has the kind.
4. The facts of one model at one provider become an endpoint. For prices the sources are believed in the order of
   :data:`~turnout.catalogue.making.sources.SOURCES`, with the third and fourth exchanged, because a list from May
   must not overrule one from September; a price of zero counts only when nobody names another.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from statistics import median
from typing import TYPE_CHECKING, Any, Final

import msgspec

from turnout.catalogue.entry import FORMAT, Catalogue, Endpoint, Entry, Prices
from turnout.catalogue.making import abilities, families, names
from turnout.catalogue.making.names import PROVIDERS, Spelling
from turnout.catalogue.making.sources import GENAI, LITELLM, MADE, MODELS_DEV, PI, SOURCES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from turnout.catalogue.making.fact import Fact

TRUST: Final = (GENAI, LITELLM, PI, MODELS_DEV)
"""For prices and limits."""

HOSTS_TOO: Final = frozenset({"alibaba", "amazon-bedrock", "mistral"})
"""Providers that make models and serve those of others as well; other makers serve only their own."""

CURRENT: Final = frozenset({"anthropic", "google-ai-studio", "mistral", "openai", "xai"})
"""Providers of whose chat models litellm has all, and takes out what is retired: what it lacks there is gone."""

COMPARED_MIN: Final = 4
"""Endpoints that must have a price before one of them can be called far off."""

SLIP_FACTOR: Final = 20
"""Hosts differ by a factor of ten for the same model; more than this is a slip of the unit in the list."""

SKIPPED: Final = ("batch", "exacto", "nitro", "floor", "online")
"""Endings of a slug at OpenRouter that are no model of their own."""

SLUG: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,127}/[a-z0-9][a-z0-9._@-]{0,127}(?::[a-z0-9-]+)?")
REPOSITORY: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*")
_DATED: Final = re.compile(r"(20\d\d)-?([01]\d)-?([0-3]\d)")

OPEN_HOSTS: Final = (
    "huggingface", "chutes", "deepinfra", "wandb", "together", "nebius", "siliconflow", "baseten", "friendli",
    "hyperbolic",
)  # fmt: skip
"""Hosts whose names of open models are those of the repositories at Hugging Face."""

CLOSED: Final = frozenset({"anthropic", "x-ai", "cohere", "perplexity", "amazon", "black-forest-labs"})
"""Authors whose names at such hosts are no repositories."""

TOKENIZERS: Final = (
    (r"openai/", "GPT"), (r"anthropic/", "Claude"), (r"google/", "Gemini"), (r"x-ai/", "Grok"),
    (r"mistralai/", "Mistral"), (r"deepseek/", "DeepSeek"), (r"qwen/qwen3", "Qwen3"), (r"qwen/", "Qwen"),
    (r"meta-llama/llama-4", "Llama4"), (r"meta-llama/llama-2", "Llama2"), (r"meta-llama/", "Llama3"),
    (r"cohere/", "Cohere"), (r"amazon/nova", "Nova"),
)  # fmt: skip


@dataclass(frozen=True)
class Disagreement:
    """One price that sources name differently."""

    slug: str
    provider: str
    field: str
    said: dict[int, int]
    """Source → nano-dollars per million."""
    winner: int

    @property
    def spread(self) -> float:
        """How far apart, as a share of the one that was taken; for the report only."""
        taken = self.said[self.winner]
        return max(abs(price - taken) for price in self.said.values()) / taken if taken else float("inf")


@dataclass
class Merged:
    """The outcome."""

    catalogue: Catalogue
    disagreements: list[Disagreement] = field(default_factory=list)
    unmatched: Counter[str] = field(default_factory=Counter)
    """Facts left out, by provider: models that no slug was found for."""


def merge(
    facts: Iterable[Fact],
    price: Callable[[str, str], Prices | None],
    served: Iterable[str],
    known: Mapping[str, str] | None = None,
) -> Merged:
    """Merges all facts.

    ``price`` looks a provider's model up in genai-prices; ``served``: slugs of our providers; ``known``: slugs that
    exist already, with their kinds.
    """
    ours = set(served)
    every = [
        fact
        for fact in facts
        if fact.provider in ours and not _is_over(fact.expires) and names.serves(fact.provider, fact.model)
    ]
    slugs = _slugs(every)
    for known_slug, known_kind in (known or {}).items():
        slugs.add(known_slug, known_kind)
    placed: dict[str, list[tuple[Fact, Spelling]]] = defaultdict(list)
    homeless: list[Fact] = []
    for fact in every:
        _place(fact, slugs, placed, homeless)
    for slug, kind in _founders(homeless):
        slugs.add(slug, kind)
    left: list[Fact] = []
    for fact in homeless:
        _place(fact, slugs, placed, left)
    merged = Merged(Catalogue(format=FORMAT, made=MADE, sources=SOURCES, families={}, models=()))
    merged.unmatched.update(fact.provider for fact in left)
    entries = [_entry(slug, placed[slug], price, merged) for slug in sorted(placed)]
    entries = _with_own_aliases([entry for entry in entries if _is_served(entry, placed[entry.slug])])
    merged.catalogue = msgspec.structs.replace(
        merged.catalogue,
        models=tuple(entries),
        families=families.families(entries),
        makers={slug: known.author for slug, known in sorted(PROVIDERS.items()) if _is_maker(slug, known, ours)},
    )
    return merged


@dataclass
class _Slugs:
    """The slugs that exist, found by key."""

    by_key: dict[str, str] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)

    def add(self, slug: str, kind: str | None) -> None:
        self.kinds.setdefault(slug, kind or "chat")
        if ":" not in slug:
            self.by_key.setdefault(names.key(slug), slug)

    def find(self, fact: Fact) -> tuple[str, Spelling] | None:
        author = PROVIDERS[fact.provider].author
        for spelling in names.spellings(fact.model):
            slug = self.by_key.get(spelling.key)
            if slug is None or (fact.kind is not None and self.kinds[slug] != fact.kind):
                continue
            if author and fact.provider not in HOSTS_TOO and slug.partition("/")[0] != author:
                continue
            return slug, spelling
        return None


def _slugs(facts: Sequence[Fact]) -> _Slugs:
    """OpenRouter's slugs, those first that more sources know: they win where two have the same key."""
    listed: dict[str, list[Fact]] = defaultdict(list)
    for fact in facts:
        if fact.provider == "openrouter" and SLUG.fullmatch(fact.model) and not fact.model.startswith("openrouter/"):
            listed[fact.model].append(fact)
    slugs = _Slugs()
    for slug, known in sorted(listed.items(), key=lambda item: (-len(item[1]), item[0])):
        # One price list alone keeps models for ever, so it does not prove that OpenRouter still has one.
        if {fact.source for fact in known} != {GENAI} and slug.partition(":")[2] not in SKIPPED:
            slugs.add(slug, next((fact.kind for fact in known if fact.kind), None))
    return slugs


def _place(fact: Fact, slugs: _Slugs, placed: dict[str, list[tuple[Fact, Spelling]]], homeless: list[Fact]) -> None:
    if fact.provider == "openrouter":
        if fact.model in slugs.kinds:
            placed[fact.model].append((fact, Spelling(names.key(fact.model), exact=True)))
        elif ":" not in fact.model and SLUG.fullmatch(fact.model) and not fact.model.startswith("openrouter/"):
            homeless.append(fact)
    elif (found := slugs.find(fact)) is not None:
        placed[found[0]].append((fact, found[1]))
    else:
        homeless.append(fact)


def _founders(homeless: Sequence[Fact]) -> list[tuple[str, str | None]]:
    """The new slugs that deserve to exist, and their kinds."""
    listed = {names.key(fact.model): fact.model for fact in homeless if fact.provider == "openrouter"}
    groups: dict[str, list[Fact]] = defaultdict(list)
    for fact in homeless:
        if fact.provider == "openrouter" or re.search(r"-latest\b", fact.model):
            continue
        slug = _new_slug(fact)
        if slug and SLUG.fullmatch(slug):
            # Where OpenRouter's name is known after all, it is that one: claude-haiku-5.5, not claude-haiku-5-5.
            groups[listed.get(names.key(slug), slug)].append(fact)
    founders: list[tuple[str, str | None]] = []
    for slug, known in sorted(groups.items()):
        # A row of models.dev alone is from May: where nobody confirms it since, it may be gone.
        confirmed = len({fact.source for fact in known}) > 1 or slug in listed.values()
        rare = any(fact.kind not in (None, "chat") for fact in known)
        if confirmed or rare:
            founders.append((slug, next((fact.kind for fact in known if fact.kind), None)))
    return founders


def _new_slug(fact: Fact) -> str | None:
    """The slug that a model nobody listed at OpenRouter would have there; ``None``: its author is not known."""
    own = PROVIDERS[fact.provider].author
    if fact.provider in OPEN_HOSTS and REPOSITORY.fullmatch(fact.model):
        organisation, _, name = fact.model.partition("/")
        return f"{names.author(organisation)}/{name.lower()}"
    if own and "/" not in fact.model and (own != "amazon" or re.search(r"(?:^|\.)amazon\.", fact.model)):
        name = re.sub(r"^.*amazon\.", "", fact.model).lower() if own == "amazon" else fact.model.lower()
        return f"{own}/{_undated(name).replace(':', '-')}"
    return None


def _undated(name: str) -> str:
    return re.sub(r"-(?:20\d{6}|20\d\d-\d\d-\d\d|latest)$", "", re.sub(r"(?:-v\d+)?:\d+$", "", name))


def _is_maker(slug: str, known: names.Names, ours: set[str]) -> bool:
    # What Bedrock calls its models cannot be guessed from a slug.
    return bool(known.author) and slug in ours and slug != "amazon-bedrock"


def _is_served(entry: Entry, placed: Sequence[tuple[Fact, Spelling]]) -> bool:
    """Whether it has an endpoint that more than the one price list knows which keeps models for ever."""
    return any(
        endpoint.provider != "openrouter"
        or any(fact.provider == "openrouter" and fact.source != GENAI for fact, _ in placed)
        for endpoint in entry.endpoints
    )


def _is_over(expires: str | None) -> bool:
    return bool(expires) and str(expires) <= MADE


# ------------------------------------------------------------------------------------------------------------- entries


def _entry(
    slug: str,
    placed: Sequence[tuple[Fact, Spelling]],
    price: Callable[[str, str], Prices | None],
    merged: Merged,
) -> Entry:
    author = slug.partition("/")[0]
    groups: dict[tuple[str, str, str | None], list[tuple[Fact, Spelling]]] = defaultdict(list)
    for fact, spelling in placed:
        groups[(fact.provider, spelling.variant, spelling.quantization)].append((fact, spelling))
    # Its author, then OpenRouter, know a model best; after them the sources in the order of trust.
    makers = {provider for provider, known in PROVIDERS.items() if known.author == author}
    facts = sorted(
        (fact for fact, _ in placed),
        key=lambda fact: (fact.provider not in makers, fact.provider != "openrouter", TRUST.index(fact.source)),
    )
    listed = [fact for fact in facts if fact.provider == "openrouter"]
    own = [fact for fact in facts if fact.provider in makers]
    kind = next((fact.kind for fact in listed + own + facts if fact.kind), "chat")
    inputs, outputs = _modalities(kind, listed, own, facts)
    endpoints = [
        endpoint
        for (provider, variant, quantization), group in sorted(groups.items(), key=lambda item: _place_order(item[0]))
        if (endpoint := _endpoint(slug, kind, provider, variant, quantization, group, price, merged)) is not None
    ]
    endpoints = _without_slips(endpoints)
    common = _common([endpoint.parameters for endpoint in endpoints if endpoint.parameters is not None])
    naming = next(
        (fact for fact in sorted([*listed, *own], key=_names_well) if fact.name),
        next((fact for fact in sorted(facts, key=_names_well) if fact.name), None),
    )
    named = naming.name if naming is not None and naming.name else slug.partition("/")[2]
    released, released_by = _released(listed + own + facts)
    return Entry(
        slug=slug,
        name=named if ": " in named else f"{names.display(slug)}: {named}",
        canonical_slug=_canonical(slug, own),
        created=released,
        hugging_face_id=_repository(slug, placed),
        inputs=inputs,
        outputs=outputs,
        context_length=_most(listed + own + facts, "context_length"),
        completion_tokens_max=_most(listed + own + facts, "completion_tokens_max"),
        parameters=common,
        reasoning=abilities.reasoning(slug, listed + own or facts) if kind == "chat" else None,
        tokenizer=next((name for start, name in TOKENIZERS if re.match(start, slug)), "Other"),
        knowledge_cutoff=next((fact.knowledge for fact in own + listed + facts if fact.knowledge), None),
        expires=next((fact.expires for fact in own if fact.expires), None),
        aliases=_aliases(own),
        endpoints=tuple(
            msgspec.structs.replace(endpoint, parameters=None) if endpoint.parameters == common else endpoint
            for endpoint in endpoints
        ),
        sources=(
            naming.source if naming is not None else -1,
            next((fact.source for fact in [*listed, *own, *facts] if fact.context_length), -1),
            next((fact.source for fact in own + listed + facts if fact.tools is not None), facts[0].source),
            released_by,
        ),
    )


def _names_well(fact: Fact) -> int:
    # models.dev writes names as their makers do; in genai-prices some are made out of the id.
    return (MODELS_DEV, PI, LITELLM, GENAI).index(fact.source)


def _without_slips(endpoints: Sequence[Endpoint]) -> list[Endpoint]:
    """The endpoints, with a price that only an older list has and that is far from all others taken for a slip."""
    costs = [one.prices.prompt + one.prices.completion for one in endpoints if one.prices and one.prices.prompt]
    if len(costs) < COMPARED_MIN:
        return list(endpoints)
    usual = median(costs)
    return [
        msgspec.structs.replace(one, prices=None, sources=(-1, -1, -1, one.sources[3]))
        if one.prices is not None
        and one.sources[0] in (PI, MODELS_DEV)
        and one.prices.prompt
        and not usual / SLIP_FACTOR < one.prices.prompt + one.prices.completion < usual * SLIP_FACTOR
        else one
        for one in endpoints
    ]


def _place_order(group: tuple[str, str, str | None]) -> tuple[str, str, str]:
    return group[0], group[1], group[2] or ""


def _modalities(
    kind: str, listed: Sequence[Fact], own: Sequence[Fact], facts: Sequence[Fact]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    ranked = [*own, *listed] or list(facts)
    order = ("text", "image", "file", "audio", "video")
    votes = Counter(word for fact in ranked for word in set(fact.inputs))
    told = sum(bool(fact.inputs) for fact in ranked)
    inputs = tuple(word for word in order if votes[word] * 2 >= max(told, 1) and votes[word])
    if kind != "chat":
        return inputs or ("text",), (kind,)
    out = Counter(word for fact in ranked for word in set(fact.outputs))
    spoken = sum(bool(fact.outputs) for fact in ranked)
    outputs = tuple(word for word in order if out[word] and out[word] * 2 >= max(spoken, 1))
    return inputs or ("text",), outputs or ("text",)


def _common(lists: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """What the model understands somewhere, since a request can be sent there."""
    known = {name for one in lists for name in one}
    return tuple(name for name in abilities.ORDER if name in known)


def _most(facts: Sequence[Fact], name: str) -> int | None:
    return next((value for fact in facts if (value := getattr(fact, name)) is not None), None)


def _released(facts: Sequence[Fact]) -> tuple[int, int]:
    for fact in facts:
        if fact.released and (day := _day(fact.released)) is not None:
            return day, fact.source
    for fact in facts:
        if (found := _DATED.search(fact.model)) and (day := _day("-".join(found.groups()))) is not None:
            return day, fact.source
    return 0, -1


def _day(text: str) -> int | None:
    whole = text if len(text) == 10 else f"{text}-01" if len(text) == 7 else f"{text}-01-01"
    try:
        day = date.fromisoformat(whole)
    except ValueError:
        return None
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


def _canonical(slug: str, own: Sequence[Fact]) -> str:
    """The author's dated name under the author's slug; empty where there is none, or the slug is dated itself."""
    if _DATED.search(slug):
        return ""
    dated = sorted(
        {fact.model for fact in own if _DATED.search(fact.model) and not re.search(r"[/:@]|\.\w+\.", fact.model)}
    )
    return f"{slug.partition('/')[0]}/{dated[-1].lower()}" if dated else ""


def _aliases(own: Sequence[Fact]) -> tuple[str, ...]:
    return tuple(sorted({fact.model for fact in own if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]*", fact.model)}))


def _with_own_aliases(entries: Sequence[Entry]) -> list[Entry]:
    """The entries without the aliases that two of them claim."""
    claims = Counter(alias for entry in entries for alias in entry.aliases)
    return [
        msgspec.structs.replace(entry, aliases=tuple(alias for alias in entry.aliases if claims[alias] == 1))
        for entry in entries
    ]


def _repository(slug: str, placed: Sequence[tuple[Fact, Spelling]]) -> str | None:
    author, _, name = slug.partition(":")[0].partition("/")
    if author in CLOSED or name.startswith(("gemini", "gpt-4", "gpt-5", "gpt-6", "o1", "o3", "o4")) or ":" in slug:
        return None
    found = [
        (not spelling.exact, OPEN_HOSTS.index(fact.provider), fact.model)
        for fact, spelling in placed
        if fact.provider in OPEN_HOSTS
        and not spelling.variant
        and spelling.quantization is None
        and REPOSITORY.fullmatch(fact.model)
        and not fact.model.endswith("-TEE")
    ]
    return min(found)[2] if found else None


# ----------------------------------------------------------------------------------------------------------- endpoints


def _endpoint(
    slug: str,
    kind: str,
    provider: str,
    variant: str,
    quantization: str | None,
    group: Sequence[tuple[Fact, Spelling]],
    price: Callable[[str, str], Prices | None],
    merged: Merged,
) -> Endpoint | None:
    called = _called(provider, group)
    same = [fact for fact, _ in group if fact.model.lower() == called.lower()]
    if provider != "openrouter" and all(fact.source == GENAI for fact, _ in group):
        # That price list keeps models for ever, and lists some that the provider never served.
        return None
    if provider in CURRENT and kind == "chat" and all(fact.source != LITELLM for fact, _ in group):
        return None
    said: dict[int, Prices] = {}
    if (found := price(provider, called)) is not None:
        said[GENAI] = found
    for fact in same:
        if fact.prices is not None and fact.source != GENAI:
            said.setdefault(fact.source, fact.prices)
    tag = "/".join(dict.fromkeys(part for part in (provider, variant, quantization) if part))
    prices, by = _settled(slug, provider, said, merged)
    limits = sorted(same, key=lambda fact: TRUST.index(fact.source))
    return Endpoint(
        provider=provider,
        model=called,
        tag=tag if tag != provider else "",
        prices=prices,
        context_length=_most(limits, "context_length"),
        completion_tokens_max=_most(limits, "completion_tokens_max"),
        dialect=_dialect(provider, called, same),
        parameters=abilities.parameters(slug, provider, [fact for fact, _ in group]) if kind == "chat" else None,
        quantization=quantization,
        expires=next((fact.expires for fact in same if fact.expires), None),
        sources=(*by, next((fact.source for fact in limits if fact.context_length), -1)),
    )


def _called(provider: str, group: Sequence[tuple[Fact, Spelling]]) -> str:
    """The provider's name to use: the one that is the model's own, that most sources know, the shortest."""
    votes = Counter(fact.model.lower() for fact, _ in group)
    # The price list of genai-prices writes some names its own way.
    spelled = Counter(fact.model for fact, _ in group if fact.source != GENAI)
    return min(
        ((fact.model, spelling) for fact, spelling in group),
        key=lambda item: (
            _region(item[0])
            if provider == "amazon-bedrock"
            else _version(item[0])
            if provider == "google-vertex-anthropic"
            else 0,
            not item[1].exact,
            -votes[item[0].lower()],
            -spelled[item[0]],
            len(item[0]),
            item[0],
        ),
    )[0]


def _region(model: str) -> int:
    """Bedrock: the profile that works in every region first; then, for models that need a profile, the American one."""
    if model.startswith("global."):
        return 0
    needs_profile = re.search(r"(?:anthropic|meta|deepseek)\.", model) is not None
    if model.startswith("us."):
        return 1 if needs_profile else 3
    if "@" in model or re.match(r"[a-z-]+\.[a-z0-9]+\.", model):
        return 4
    return 2


def _version(model: str) -> int:
    """Vertex: a name that says its version first."""
    return 0 if re.search(r"@20\d{6}", model) else 1 if "@" in model else 2


def _dialect(provider: str, model: str, facts: Sequence[Fact]) -> str | None:
    if provider == "google-vertex":
        return "openai" if model.endswith("-maas") else "gemini"
    if provider in ("openai", "azure", "azure-v1") and any(fact.responses_only for fact in facts):
        return "responses"
    return None


def _settled(
    slug: str, provider: str, said: dict[int, Prices], merged: Merged
) -> tuple[Prices | None, tuple[int, int, int]]:
    """The prices to take, and who said the base, the tiers and the service tiers."""
    priced = {source: prices for source, prices in said.items() if _costs(prices)}
    if not priced:
        free = len(said) > 1 or slug.endswith(":free")
        source = next((source for source in TRUST if source in said), -1)
        return (Prices(), (source, -1, -1)) if said and free else (None, (-1, -1, -1))
    ranked = [source for source in TRUST if source in priced]
    winner = ranked[0]
    taken = priced[winner]
    _compare(slug, provider, priced, winner, merged)
    tiers_by, service_by = (winner if taken.tiers else -1), (winner if taken.service else -1)
    changes: dict[str, Any] = {}
    for source in ranked[1:]:
        other = priced[source]
        if (other.prompt, other.completion) != (taken.prompt, taken.completion):
            # Its other prices belong to another price list.
            continue
        for name in _SECONDARY:
            if name not in changes and getattr(taken, name) in (None, 0) and getattr(other, name):
                changes[name] = getattr(other, name)
        # genai-prices has tiers, and so says where there are none; the others may just not know.
        if tiers_by < 0 and other.tiers and winner != GENAI:
            changes["tiers"], tiers_by = other.tiers, source
        if service_by < 0 and other.service:
            changes["service"], service_by = other.service, source
    return msgspec.structs.replace(taken, **changes), (winner, tiers_by, service_by)


_SECONDARY: Final = (
    "cache_read", "cache_write", "cache_write_1h", "reasoning", "audio_prompt", "audio_completion", "image_prompt",
    "image_completion", "image", "request", "web_search", "search_unit", "second", "character",
)  # fmt: skip


def _costs(prices: Prices) -> bool:
    return any(getattr(prices, name) for name in ("prompt", "completion", *_SECONDARY))


def _compare(slug: str, provider: str, priced: dict[int, Prices], winner: int, merged: Merged) -> None:
    for name in ("prompt", "completion", "cache_read", "cache_write"):
        values = {source: getattr(prices, name) for source, prices in priced.items() if getattr(prices, name)}
        if winner in values and len(set(values.values())) > 1:
            merged.disagreements.append(Disagreement(slug, provider, name, values, winner))
