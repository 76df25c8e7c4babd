"""The object of a model in ``GET /models``: OpenRouter's, with the three fields that OpenAI's clients look for.

Only what the configuration or the catalogue knows is claimed. What neither knows is ``null``, an empty list, or
OpenRouter's ``-1`` for a price that cannot be told in advance; 0 would promise that the model is free.

A card is written once, when the configuration is compiled. The plane sends its text as it stands; the pages of the
control API read it back as a :class:`Card` to filter, sort and shape it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec
from msgspec import UNSET, UnsetType

from turnout.config.values import dollars

if TYPE_CHECKING:
    from collections.abc import Sequence

    from turnout.catalogue import entry as catalogue
    from turnout.config import model, snapshot

TOKENS_PER_PRICE: Final = 10**6

UNKNOWN_PRICE: Final = "-1"
"""OpenRouter's word for a price that depends on what a request turns into, or is not known."""


class Part(msgspec.Struct, frozen=True):
    """Base of a card's parts."""


class Architecture(Part, frozen=True, kw_only=True):
    """What goes in and comes out."""

    modality: str
    """Both sides in one word: ``text+image->text``."""
    input_modalities: tuple[str, ...]
    output_modalities: tuple[str, ...]
    tokenizer: str = "Other"
    """Family of its tokenizer in OpenRouter's words."""
    instruct_type: str | None = None


class Override(Part, frozen=True, kw_only=True, omit_defaults=True):
    """Prices that replace the base ones for a whole request; those that are absent stay."""

    min_prompt_tokens: int
    """A prompt must have more than so many tokens."""
    prompt: str | UnsetType = UNSET
    completion: str | UnsetType = UNSET
    input_cache_read: str | UnsetType = UNSET
    input_cache_write: str | UnsetType = UNSET
    input_cache_write_1h: str | UnsetType = UNSET


class Pricing(Part, frozen=True, kw_only=True, omit_defaults=True):
    """US dollars per token, image, search or request, as exact decimal text. A kind that has no price of its own is
    absent, and costs what ``prompt`` or ``completion`` does."""

    prompt: str
    completion: str
    request: str | UnsetType = UNSET
    image: str | UnsetType = UNSET
    """Per image, where images are charged by the piece."""
    image_token: str | UnsetType = UNSET
    image_output: str | UnsetType = UNSET
    """Per token of an image that is made."""
    audio: str | UnsetType = UNSET
    audio_output: str | UnsetType = UNSET
    web_search: str | UnsetType = UNSET
    internal_reasoning: str | UnsetType = UNSET
    input_cache_read: str | UnsetType = UNSET
    input_cache_write: str | UnsetType = UNSET
    input_cache_write_1h: str | UnsetType = UNSET
    search_unit: str | UnsetType = UNSET
    """Ours, as are the next two: OpenRouter has no word for them. Per search unit of a rerank."""
    second: str | UnsetType = UNSET
    """Per second of audio."""
    character: str | UnsetType = UNSET
    """Per character of speech."""
    overrides: tuple[Override, ...] = ()


class TopProvider(Part, frozen=True, kw_only=True):
    """Limits at the provider that is tried first."""

    context_length: int | None
    max_completion_tokens: int | None
    is_moderated: bool = False


class Reasoning(Part, frozen=True, kw_only=True, omit_defaults=True):
    """How the model thinks, and what of that can be asked for."""

    mandatory: bool
    supported_efforts: tuple[str, ...] | UnsetType | None = UNSET
    default_effort: str | UnsetType | None = UNSET
    default_enabled: bool | UnsetType = UNSET
    supports_max_tokens: bool | UnsetType = UNSET


class Index(Part, frozen=True, kw_only=True, omit_defaults=True):
    """Scores from 0 to 100 under OpenRouter's names."""

    intelligence_index: float | UnsetType = UNSET
    coding_index: float | UnsetType = UNSET
    agentic_index: float | UnsetType = UNSET


class Benchmarks(Part, frozen=True, kw_only=True):
    """OpenRouter has the figures of two boards here, under their names. Ours come from none, so they have a name of
    their own."""

    turnout: Index


class Links(Part, frozen=True, kw_only=True):
    """Where more is said."""

    details: str


class Card(Part, frozen=True, kw_only=True):
    """The object. ``reasoning`` is absent for a model that does not reason, as in OpenRouter's list."""

    id: str
    object: Literal["model"] = "model"
    created: int
    """Unix seconds; 0: unknown."""
    owned_by: str
    canonical_slug: str
    hugging_face_id: str | None = None
    name: str
    description: str
    context_length: int | None
    architecture: Architecture
    pricing: Pricing
    top_provider: TopProvider
    per_request_limits: None = None
    supported_parameters: tuple[str, ...]
    default_parameters: None = None
    supported_voices: None = None
    knowledge_cutoff: str | None = None
    expiration_date: str | None = None
    """Day from which it is no longer served, ``YYYY-MM-DD``."""
    reasoning: Reasoning | UnsetType = UNSET
    benchmarks: Benchmarks | UnsetType = UNSET
    """Absent where nothing is known."""
    links: Links


_encoder: Final = msgspec.json.Encoder()


def card(
    slug: str,
    written: model.Model,
    first: snapshot.Endpoint,
    entry: catalogue.Entry | None = None,
    scores: snapshot.Scores | None = None,
) -> str:
    """JSON text of the model ``slug``; prices and limits are those of its ``first`` endpoint.

    What the file says of the model wins over what the catalogue's ``entry`` does, field by field.
    """

    def said(field: str, known: Any) -> Any:
        return getattr(written, field) if entry is None or field in written.model_fields_set else known

    inputs = said("input_modalities", entry.inputs if entry else ())
    outputs = said("output_modalities", entry.outputs if entry else ())
    context_length = first.context_length
    completion_tokens_max = first.completion_tokens_max
    if entry is not None:
        context_length = context_length or entry.context_length
        completion_tokens_max = completion_tokens_max or entry.completion_tokens_max
    whole = Card(
        id=slug,
        created=said("created", entry.created if entry else 0),
        owned_by=slug.partition("/")[0],
        canonical_slug=(entry.canonical_slug if entry else "") or slug,
        hugging_face_id=entry.hugging_face_id if entry else None,
        name=said("name", entry.name if entry else "") or slug,
        description=said("description", entry.description if entry else ""),
        context_length=context_length,
        architecture=Architecture(
            modality=f"{'+'.join(inputs)}->{'+'.join(outputs)}",
            input_modalities=tuple(inputs),
            output_modalities=tuple(outputs),
            tokenizer=entry.tokenizer if entry else "Other",
        ),
        pricing=pricing(first.prices),
        top_provider=TopProvider(context_length=context_length, max_completion_tokens=completion_tokens_max),
        supported_parameters=tuple(said("supported_parameters", entry.parameters if entry else ())),
        knowledge_cutoff=entry.knowledge_cutoff if entry else None,
        expiration_date=entry.expires if entry else None,
        benchmarks=_benchmarks(scores) if scores is not None else UNSET,
        reasoning=_reasoning(written, entry.reasoning if entry else None),
        links=Links(details=f"/api/v1/models/{slug}/endpoints"),
    )
    return _encoder.encode(whole).decode()


def router_card(slug: str, name: str, description: str, *, parameters: Sequence[str]) -> str:
    """JSON text of a router: a model without an endpoint, whose price depends on what it chooses."""
    whole = Card(
        id=slug,
        created=0,
        owned_by=slug.partition("/")[0],
        canonical_slug=slug,
        name=name,
        description=description,
        context_length=None,
        architecture=Architecture(
            modality="text+image+file->text",
            input_modalities=("text", "image", "file"),
            output_modalities=("text",),
            tokenizer="Router",
        ),
        pricing=pricing(None),
        top_provider=TopProvider(context_length=None, max_completion_tokens=None),
        supported_parameters=tuple(parameters),
        links=Links(details=f"/api/v1/models/{slug}/endpoints"),
    )
    return _encoder.encode(whole).decode()


def _benchmarks(scores: snapshot.Scores) -> Benchmarks:
    def points(tenths: int | None) -> float | UnsetType:
        return UNSET if tenths is None else tenths / 10

    return Benchmarks(
        turnout=Index(
            intelligence_index=points(scores.intelligence),
            coding_index=points(scores.coding),
            agentic_index=points(scores.agentic),
        )
    )


def pricing(prices: snapshot.Prices | None) -> Pricing:
    """The prices as OpenRouter's API writes them."""
    if prices is None:
        return Pricing(prompt=UNKNOWN_PRICE, completion=UNKNOWN_PRICE)
    return Pricing(
        prompt=dollars(prices.prompt, TOKENS_PER_PRICE),
        completion=dollars(prices.completion, TOKENS_PER_PRICE),
        request=dollars(prices.request),
        image=_piece(prices.image),
        image_token=_token(prices.image_prompt),
        image_output=_token(prices.image_completion),
        audio=_token(prices.audio_prompt),
        audio_output=_token(prices.audio_completion),
        web_search=_piece(prices.web_search),
        internal_reasoning=_token(prices.reasoning),
        input_cache_read=_token(prices.cache_read),
        input_cache_write=_token(prices.cache_write),
        # Only where an hour costs something else than minutes, as in OpenRouter's list.
        input_cache_write_1h=_token(prices.cache_write_1h if prices.cache_write_1h != prices.cache_write else None),
        search_unit=_piece(prices.search_unit),
        second=_piece(prices.second),
        character=_token(prices.character or None),
        overrides=tuple(
            Override(
                min_prompt_tokens=tier.above_tokens,
                prompt=_token(tier.prompt),
                completion=_token(tier.completion),
                input_cache_read=_token(tier.cache_read),
                input_cache_write=_token(tier.cache_write),
                input_cache_write_1h=_token(tier.cache_write_1h),
            )
            for tier in prices.tiers
        ),
    )


def _token(nano: int | None) -> str | UnsetType:
    """A price per million as one per piece; absent where it is that of text."""
    return UNSET if nano is None else dollars(nano, TOKENS_PER_PRICE)


def _piece(nano: int) -> str | UnsetType:
    """A price of something that most models do not charge for; absent where it is free."""
    return dollars(nano) if nano else UNSET


def _reasoning(written: model.Model, known: catalogue.Reasoning | None) -> Reasoning | UnsetType:
    if written.reasoning is not None:
        return Reasoning(mandatory=written.reasoning.mandatory, supported_efforts=written.reasoning.efforts or None)
    if known is None:
        return UNSET
    return Reasoning(
        mandatory=known.mandatory,
        supported_efforts=known.efforts,
        default_effort=UNSET if known.default_effort is None else known.default_effort,
        default_enabled=UNSET if known.default_enabled is None else known.default_enabled,
        supports_max_tokens=UNSET if known.max_tokens is None else known.max_tokens,
    )
