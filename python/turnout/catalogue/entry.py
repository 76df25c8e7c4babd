"""What the catalogue knows: models under OpenRouter-style slugs, and where each is served at which price.

Everything is frozen, and money is whole nano-dollars, in the same units as :class:`turnout.config.snapshot.Prices`, so
that no float stands between a provider's price list and a booked cost. A field that no source knows is absent; nothing
is guessed to fill it. Which source said what is kept in :attr:`Entry.sources` and :attr:`Endpoint.sources`, as indices
into :attr:`Catalogue.sources`.

These types are also the format of the data file: JSON with the same names, in which fields at their default are left
out.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

FORMAT: Final = 1
"""Raised when a field changes meaning; a file of another format is refused."""

NANO: Final = 1_000_000_000
"""Nano-dollars in a dollar, and so 1 USD per million tokens in the unit of :class:`Prices`."""


class Frozen(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Base of every part: immutable, and a name that is not known makes a file invalid instead of being lost."""


class Tier(Frozen, frozen=True):
    """Prices of a whole request whose prompt has more than ``above_tokens`` tokens. ``None``: the base price."""

    above_tokens: int
    prompt: int | None = None
    completion: int | None = None
    cache_read: int | None = None
    cache_write: int | None = None
    cache_write_1h: int | None = None


ServiceTier = Literal["flex", "priority", "batch"]


class Service(Frozen, frozen=True):
    """Prices of another service tier than the ordinary one. ``None``: the ordinary price."""

    tier: ServiceTier
    prompt: int | None = None
    completion: int | None = None
    cache_read: int | None = None
    cache_write: int | None = None


class Prices(Frozen, frozen=True):
    """Nano-dollars per million tokens, unless the field says otherwise."""

    prompt: int = 0
    completion: int = 0
    cache_read: int | None = None
    """``None``: no source knows it; charged like ``prompt``, because an unknown discount should not be assumed."""
    cache_write: int | None = None
    """``None``: as ``prompt``."""
    cache_write_1h: int | None = None
    """``None``: as ``cache_write``."""
    reasoning: int | None = None
    """``None``: as ``completion``."""
    audio_prompt: int | None = None
    """``None``: as ``prompt``."""
    audio_completion: int | None = None
    """``None``: as ``completion``."""
    image_prompt: int | None = None
    """Tokens of images; ``None``: as ``prompt``."""
    image_completion: int | None = None
    """Tokens of images; ``None``: as ``completion``."""
    image: int = 0
    """Nano-dollars per image that is charged by the piece."""
    request: int = 0
    """Nano-dollars per request."""
    web_search: int = 0
    """Nano-dollars per search."""
    search_unit: int = 0
    """Nano-dollars per search unit of a rerank."""
    second: int = 0
    """Nano-dollars per second of audio."""
    character: int = 0
    """Nano-dollars per million characters of speech."""
    tiers: tuple[Tier, ...] = ()
    """Ascending by ``above_tokens``."""
    service: tuple[Service, ...] = ()


class Reasoning(Frozen, frozen=True):
    """How a model thinks, and how much of that can be asked for."""

    mandatory: bool = False
    """It cannot be turned off."""
    efforts: tuple[str, ...] | None = None
    """Levels that it knows, from the highest down; ``None``: unknown, or it has none."""
    default_effort: str | None = None
    default_enabled: bool | None = None
    max_tokens: bool | None = None
    """Whether a budget in tokens can be given; ``None``: unknown."""


class Endpoint(Frozen, frozen=True):
    """A model at a provider. A field that is ``None`` is the model's own."""

    provider: str
    """Slug of a row of :mod:`turnout.providers`."""
    model: str
    """The provider's own name of the model."""
    tag: str = ""
    """Name of this endpoint among others of the same provider, ``deepinfra/turbo``. Empty: the provider's slug."""
    prices: Prices | None = None
    """``None``: unknown."""
    context_length: int | None = None
    completion_tokens_max: int | None = None
    dialect: str | None = None
    """The protocol in which this model must be asked for, where the provider speaks several; ``None``: any."""
    parameters: tuple[str, ...] | None = None
    quantization: str | None = None
    """``fp8``, ``fp4`` … as OpenRouter writes it; ``None``: unknown."""
    expires: str | None = None
    """Day (``YYYY-MM-DD``) from which the provider no longer serves it."""
    sources: tuple[int, ...] = ()
    """Who said: prices, tiers, service tiers, limits. Indices into :attr:`Catalogue.sources`; −1: nobody."""


class Entry(Frozen, frozen=True):
    """A model under its slug."""

    slug: str
    name: str
    canonical_slug: str = ""
    """Name that will always mean this very version. Empty: the slug itself."""
    created: int = 0
    """Unix seconds of the day on which it came out; 0: unknown."""
    description: str = ""
    hugging_face_id: str | None = None
    inputs: tuple[str, ...] = ("text",)
    """What it reads: ``text``, ``image``, ``file``, ``audio``, ``video``."""
    outputs: tuple[str, ...] = ("text",)
    """What it makes: ``text``, ``image``, ``audio``, ``video``, ``embeddings``, ``rerank``, ``speech`` or
    ``transcription``."""
    context_length: int | None = None
    completion_tokens_max: int | None = None
    parameters: tuple[str, ...] = ()
    """Request parameters that it understands, in OpenRouter's words. Empty: unknown."""
    reasoning: Reasoning | None = None
    """``None``: it does not reason."""
    tokenizer: str = "Other"
    """Family of its tokenizer, in OpenRouter's words."""
    knowledge_cutoff: str | None = None
    """``YYYY-MM-DD``, ``YYYY-MM`` or ``YYYY``."""
    expires: str | None = None
    """Day from which its author no longer serves it."""
    aliases: tuple[str, ...] = ()
    """Other names that mean it: the author's own, dated or not, without ``author/``."""
    endpoints: tuple[Endpoint, ...] = ()
    sources: tuple[int, ...] = ()
    """Who said: name, limits, abilities, dates. Indices into :attr:`Catalogue.sources`; −1: nobody."""


class Source(Frozen, frozen=True):
    """A place from which facts were taken."""

    name: str
    version: str
    released: str
    """Day of that version, ``YYYY-MM-DD``: the facts are at most as fresh."""
    url: str


class Catalogue(Frozen, frozen=True):
    """All of it."""

    format: int
    made: str
    """Day on which it was put together."""
    sources: tuple[Source, ...]
    families: dict[str, tuple[str, ...]]
    """``author/family`` → slugs, the newest first: what ``~author/family-latest`` chooses from."""
    models: tuple[Entry, ...]
    """By slug."""
    makers: dict[str, str] = {}
    """Provider → author of the models that it makes itself, where its own names are what follows the author in a slug:
    there a model that is not in the catalogue can be asked for as ``author/name``."""
