"""What the machine reads: the compiled configuration, complete, with no default left to fill in.

Twin of ``rust/plane/src/snapshot/written.rs``: same names, same order of ideas. The golden bytes in
``tests/config/snapshot.golden.json`` tie the two together. A snapshot crosses to Rust as the JSON that
:func:`encode` gives, is parsed there once, and is swapped in whole.

Units are in the names. Times are whole milliseconds, sizes are bytes, prices are whole nano-dollars per million
tokens (1 USD per million tokens = 1_000_000_000), so that no float ever touches money.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Dialect = Literal["openai", "responses", "anthropic", "gemini", "bedrock", "cohere", "ollama"]
"""A protocol that providers speak."""

VARIANTS = ("free", "extended", "thinking", "batch")
"""Suffixes that are part of a slug: ``author/name:free`` is a variant of ``author/name``."""

SCHEMA = 3
"""Raised when a field changes meaning; the plane refuses a snapshot of another schema."""


class Frozen(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of every part of a snapshot: immutable, and a name that Rust would not know is an error."""


class Tls(Frozen, frozen=True):
    """Certificate of the public listener. Both files are read again when they change."""

    certificate_path: str
    private_key_path: str


class Limits(Frozen, frozen=True):
    """Bounds of the edge. At each bound the request is refused, never cut."""

    body_bytes_max: int
    form_bytes_max: int
    """Of a larger form with a file this much is held, and the rest is passed on while it arrives."""
    upload_bytes_max: int
    """The largest of those forms."""
    header_bytes_max: int
    headers_max: int
    connections_max: int
    requests_in_flight_max: int
    streams_per_connection_max: int
    answer_bytes_max: int
    """A plain upstream answer larger than this is refused as 502; streams are not limited."""
    event_bytes_max: int
    """One server-sent event larger than this ends the stream with an in-band error."""


class Timeouts(Frozen, frozen=True):
    """Times the edge waits for a client."""

    header_ms: int
    body_ms: int
    idle_ms: int
    write_ms: int
    """A client that takes nothing for this long is treated as gone."""
    keepalive_comment_ms: int
    """Silence of a stream after which a comment line is sent."""


class Attempts(Frozen, frozen=True):
    """Fallback before the first byte of an answer."""

    attempts_max: int
    total_ms: int
    """Deadline of all attempts together up to the first byte of the answer."""
    each_ms: int | None
    """What each attempt has up to its first byte, where that is less than the provider's own time."""


class Drain(Frozen, frozen=True):
    """Shutdown: keep accepting for ``min_ms``, let what is in flight finish until ``max_ms``."""

    min_ms: int
    max_ms: int


Explain = Literal["off", "request", "full"]
"""What a client may be told of why its request went where it went: nothing, what concerns the request itself, or also
the labels of providers' keys and the names of models at providers."""


class Server(Frozen, frozen=True):
    """The public side."""

    listen: list[str]
    tls: Tls | None
    cors_origins: list[str]
    """Exact origins, or ``*``. Empty: no CORS headers."""
    trusted_proxies: list[str]
    """CIDR networks whose ``X-Forwarded-For`` is believed."""
    threads: int
    limits: Limits
    timeouts: Timeouts
    attempts: Attempts
    drain: Drain
    raw_errors: bool
    """Whether an upstream's own error body is shown in ``error.metadata.raw``."""
    explain: Explain
    """What clients are told whose keys do not say otherwise."""


Policy = Literal["price", "throughput", "latency", "exacto", "weighted", "least_busy", "adaptive", "order"]
"""How endpoints that are equally good otherwise are ordered."""


class Wishes(Frozen, frozen=True):
    """Who may serve, and in which order; of everybody, or of one key. What several say is joined to the strictest."""

    policy: Policy | None
    """``None``: as everybody, and there as ``price``."""
    only: list[str]
    """Providers or endpoints; empty: all."""
    ignore: list[str]
    training: bool
    """Whether endpoints that train on what they are sent, or may, can serve."""
    zdr: bool
    """Whether only endpoints with zero data retention can serve."""
    hedge: bool | None
    """Whether requests may be hedged. ``None``: as everybody's."""


class Sticky(Frozen, frozen=True):
    """Conversations stay with the endpoint that has their prompt in its cache."""

    ttl_ms: int
    """Of a conversation without requests; 0: off."""
    conversations_max: int


class Breaker(Frozen, frozen=True):
    """When an endpoint that keeps failing is left alone."""

    failures: int
    """In a row; 0: never."""
    open_ms: int
    open_max_ms: int
    """It opens for twice as long each time, up to this."""


class Adaptive(Frozen, frozen=True):
    """How the policy ``adaptive`` turns time and failures into money."""

    second_nano: int
    """What a second of waiting costs."""
    failure: int
    """How many times its cost a failed request costs."""
    limited: int
    """The same of a 429."""
    exploration_permille: int
    """Requests of a thousand that go to any endpoint alike."""


class Retries(Frozen, frozen=True):
    """Second tries that a failing provider may see."""

    percent: int
    """Of all requests."""
    per_second: int
    """Beside them, so many."""


class Hedge(Frozen, frozen=True):
    """When a second attempt is made beside a first one that is slow. Whether it may be is a wish."""

    after_ms: int | None
    """``None``: after the 95th percentile of the endpoint's time to the first token."""
    wait_min_ms: int
    """Bounds of that percentile."""
    wait_max_ms: int
    """Also where it is not known."""
    plain_after_ms: int | None
    """The same for answers that are not streamed; ``None``: they are not hedged."""
    percent: int
    """Of all requests, so many at most."""


class Routing(Frozen, frozen=True):
    """How endpoints are chosen."""

    wishes: Wishes
    outage_ms: int
    """An endpoint that failed within this time stands behind the others."""
    require_tools: bool
    """Whether a model of which no endpoint takes tools is refused when a request has some; else they are dropped."""
    sticky: Sticky
    retries: Retries
    hedge: Hedge
    breaker: Breaker
    cooldown_max_ms: int
    """Longest time for which what asks for rest is left alone."""
    adaptive: Adaptive
    probes_per_minute: int
    """Requests that the gateway makes by itself, of all providers together."""


class Probe(Frozen, frozen=True):
    """How the endpoints of a provider are asked by the gateway itself whether they serve."""

    every_ms: int
    """After a failure."""
    idle_ms: int
    """Without traffic. Zero: idle endpoints are not asked."""
    timeout_ms: int
    tokens: int
    """The most that an answer may have."""


class Limit(Frozen, frozen=True):
    """What a key may cost."""

    nano: int
    """Nano-dollars in a period."""
    reset: Literal["daily", "weekly", "monthly"] | None
    """When it begins anew, at 00:00 UTC; weeks on Monday. ``None``: never."""
    include_byok: bool
    """Whether what providers charge the owners of keys of the client's own counts too."""


class Free(Frozen, frozen=True):
    """How often models whose slug ends in ``:free`` may be asked, by the whole gateway. ``None``: no limit."""

    per_minute: int | None
    per_day: int | None
    per_day_with_credits: int | None
    """In place of :attr:`per_day` when ten dollars or more were ever added to the credits."""


class Billing(Frozen, frozen=True):
    """What requests are charged against."""

    credits: bool
    """Whether the gateway has credits, and refuses requests when they are used up."""
    reserve_tokens: int
    """Tokens that a request without ``max_tokens`` is taken to write at most, where money is limited."""
    byok_fee_percent: int
    """What is charged of the provider's price where the client's own key pays the provider."""
    free: Free | None


class CacheServer(Frozen, frozen=True):
    """A Valkey or Redis server that keeps answers, for several gateways."""

    host: str
    port: int
    tls: bool
    username: str
    """Empty: the server's default user."""
    password: str
    """Secret. Empty: none is asked for."""
    database: int
    prefix: str
    """Of every key."""
    wait_ms: int
    """A request waits no longer for it; then it is served by a provider."""


class Cache(Frozen, frozen=True):
    """Answers that are given again to whoever asks the same."""

    default: bool
    """Whether it is used when neither the request nor a preset says so."""
    ttl_s: int
    size_bytes: int
    """Of all answers in memory, and of all that are being copied."""
    entry_bytes: int
    """Larger answers are not kept."""
    server: CacheServer | None
    """``None``: answers are kept in memory."""


class Key(Frozen, frozen=True):
    """A client key. Only its SHA-256 is known here."""

    sha256: str
    """Lower-case hex of the SHA-256 of the whole key."""
    name: str
    models: list[str] | None
    """Slugs or ``author/*`` patterns it may use; ``None`` means all."""
    disabled: bool
    expires_unix: int | None
    routing: Wishes | None
    """``None``: no wish but those of everybody."""
    limit: Limit | None
    requests_per_minute: int | None
    explain: Explain | None
    """``None``: what everybody is told."""


class SigV4(Frozen, frozen=True):
    """An AWS identity that signs each request: the plane computes the signature, since it covers the body."""

    access_key_id: str
    secret_access_key: str
    """Secret."""
    session_token: str | None
    """Secret. Set for credentials that expire."""
    region: str
    service: str
    """The name that is signed for, ``bedrock`` for Bedrock's run time."""

    def __repr__(self) -> str:
        """Without the secrets."""
        return f"SigV4(access_key_id='***', secret_access_key='***', region={self.region!r}, service={self.service!r})"


class CredentialRules(Frozen, frozen=True):
    """Whom a credential may be used for. All must fit; ``None`` fits all."""

    models: list[str] | None
    """Slugs or ``author/*`` patterns."""
    keys: list[str] | None
    """Names of client keys."""
    users: list[str] | None
    """What requests say in ``user``."""


class Credential(Frozen, frozen=True):
    """One upstream key, as what carries it in a request."""

    label: str
    """Name for the journal and metrics; never the secret."""
    scheme: Literal["header", "query", "sigv4"]
    name: str
    """Header in lower case, or query parameter; empty for ``sigv4``."""
    value: str
    """Secret. Whole header value, e.g. ``Bearer sk-…``, or query value; empty for ``sigv4``."""
    weight: int
    sigv4: SigV4 | None
    """Set exactly when the scheme is ``sigv4``."""
    kind: Literal["shared", "prioritized", "fallback"] = "shared"
    """Whether it is for everybody alike, or somebody's own: tried before or after everything else."""
    required: bool = False
    """Whether it takes the place of the provider's shared keys wherever it may be used."""
    exclusive: bool = False
    """The same for all models, also those that it may not be used for."""
    zdr: bool | None = None
    """Whether its account keeps nothing of what it is sent; ``None``: as the endpoint says."""
    rules: CredentialRules | None = None
    """Whom it may be used for; ``None``: for all."""

    def __repr__(self) -> str:
        """Without the secret, so that a log or a traceback with locals cannot show it."""
        shown = f"label={self.label!r}, scheme={self.scheme!r}, name={self.name!r}, value='***', weight={self.weight}"
        return f"Credential({shown}, sigv4={self.sigv4!r})"


class UpstreamTimeouts(Frozen, frozen=True):
    """Times the gateway waits for a provider."""

    connect_ms: int
    """TCP, proxy and TLS together."""
    first_byte_ms: int
    """From the request's last byte to the answer's first, and for a stream to its first event."""
    idle_ms: int
    """Longest silence inside an answer that has begun."""
    pool_idle_ms: int
    """A kept connection unused for this long is closed."""


class Quirks(Frozen, frozen=True):
    """Where servers of one dialect differ. Most of them only mean something in the dialect ``openai``."""

    stream_usage: bool
    """Whether ``stream_options.include_usage`` may be sent."""
    max_tokens: Literal["max_tokens", "max_completion_tokens"]
    """Name of the bound on what is written."""
    developer_role: bool
    """Whether messages of the role ``developer`` are understood; else they are sent as ``system``."""
    reasoning: Literal["effort", "object", "thinking", "none"]
    """How a wish for reasoning is said: ``reasoning_effort``, OpenRouter's object ``reasoning``, an object
    ``thinking`` with a ``type`` as Anthropic has it, or not at all."""
    parallel_tool_calls: bool
    """Whether the field ``parallel_tool_calls`` may be sent."""
    tool_choice_required: Literal["required", "any"]
    """The word for "some tool must be called"."""
    json_schema: bool
    """Whether ``response_format`` may hold a schema; else ``json_object`` is sent."""
    image_urls: bool
    """Whether the provider fetches images from http URLs itself."""


class Wire(Frozen, frozen=True):
    """One protocol that an account speaks, and where."""

    dialect: Dialect
    base_url: str
    """Scheme, host, optional port and path prefix without a trailing slash: ``https://api.openai.com/v1``."""
    paths: dict[str, str]
    """Operation → path below :attr:`base_url`; ``{model}`` in it stands for the percent-encoded model, and a query
    may follow. An operation that is absent is not offered. The operations of each dialect are in
    :data:`turnout.providers.dialect.PATHS`."""
    quirks: Quirks


class Provider(Frozen, frozen=True):
    """One upstream account: where, how, with which credentials. Position in the list is its index."""

    slug: str
    name: str
    wires: list[Wire]
    """In order of preference; never empty."""
    credentials: list[Credential]
    """Empty: requests go out without one."""
    headers: list[tuple[str, str]]
    timeouts: UpstreamTimeouts
    proxy: str | None
    """``http://[user:password@]host:port`` (or https), already resolved from config and environment."""
    ca_path: str | None
    """PEM file of extra trusted roots."""
    routing_fields: bool
    """Whether the gateway's own fields (``provider``, ``models``, ``usage`` …) are forwarded: true for OpenRouter."""
    probe: Probe | None
    """``None``: they are not."""

    def __repr__(self) -> str:
        """Without headers and proxy, any of which may hold a secret."""
        return f"Provider(slug={self.slug!r}, wires={self.wires!r}, credentials={self.credentials!r}, …)"


class Tier(Frozen, frozen=True):
    """Other prices for the whole of a request whose prompt is longer than this. ``None``: the base price."""

    above_tokens: int
    prompt: int | None
    completion: int | None
    cache_read: int | None
    cache_write: int | None
    cache_write_1h: int | None


class Service(Frozen, frozen=True):
    """Other prices for a service tier that the provider granted, as its answer says. ``None``: the base price.

    An endpoint that stands for a tier itself has that tier's prices, and those of ``default`` here.
    """

    tier: Literal["default", "flex", "priority", "batch"]
    prompt: int | None
    completion: int | None
    cache_read: int | None
    cache_write: int | None


class Prices(Frozen, frozen=True):
    """Nano-dollars per million tokens where nothing else is said."""

    version: str
    """Short hash of the row; booked with each generation."""
    prompt: int
    completion: int
    cache_read: int
    cache_write: int
    cache_write_1h: int
    """Written to a cache that keeps it for an hour."""
    reasoning: int | None
    """``None``: as :attr:`completion`."""
    audio_prompt: int | None
    """``None``: as :attr:`prompt`."""
    audio_completion: int | None
    """``None``: as :attr:`completion`."""
    image_prompt: int | None
    """Per million image tokens; ``None``: as :attr:`prompt`."""
    image_completion: int | None
    """``None``: as :attr:`completion`."""
    image: int
    """Nano-dollars per image in the prompt."""
    request: int
    """Nano-dollars per request."""
    web_search: int
    """Nano-dollars per search."""
    search_unit: int
    """Nano-dollars per search unit of a rerank."""
    second: int
    """Nano-dollars per second of audio."""
    character: int
    """Nano-dollars per million characters."""
    tiers: list[Tier]
    """Ascending; the highest one that a prompt exceeds applies."""
    service: list[Service]
    """At most one per tier."""


class DataPolicy(Frozen, frozen=True):
    """What an endpoint does with what it is sent. ``None``: not known, which is never taken for a promise."""

    training: bool | None
    """Whether prompts may be used for training."""
    retention_days: int | None
    zdr: bool
    """Zero data retention is in force for this account."""


class Endpoint(Frozen, frozen=True):
    """A model at a provider."""

    provider: int
    """Index into :attr:`Snapshot.providers`."""
    model: str
    """The provider's own name of the model."""
    tag: str
    """Name of this endpoint in the journal and metrics: ``provider`` or ``provider/variant``."""
    prices: Prices | None
    """``None``: unknown, booked as zero and marked so."""
    context_length: int | None
    completion_tokens_max: int | None
    dialect: Dialect | None
    """The provider's wire that serves it; ``None``: whichever fits the request best."""
    parameters: list[str] | None
    """Request parameters that it understands, in OpenRouter's words; ``None``: unknown."""
    inputs: list[str]
    """Modalities that it reads; empty: unknown."""
    outputs: list[str]
    """Modalities that it writes; empty: unknown."""
    quantization: str | None
    data_policy: DataPolicy
    weight: int
    """Share of the requests under the policy ``weighted``."""
    service_tier: Literal["flex", "priority"] | None
    """Set where this is another tier of service of the same model at the same provider; its tag ends in it."""
    region: str | None
    """Where it computes, when that is known: ``eu``, ``us`` …"""


class Scores(Frozen, frozen=True):
    """How good a model is thought to be: tenths of a point, 0 to 1000. ``None``: not known."""

    intelligence: int | None
    coding: int | None
    agentic: int | None


class Reasoning(Frozen, frozen=True):
    """How much a model can be asked to think."""

    mandatory: bool
    """It cannot be turned off."""
    efforts: list[str]
    """Levels that it knows; empty: not known."""


class Model(Frozen, frozen=True):
    """A slug that clients may ask for. Endpoints are tried in this order."""

    slug: str
    endpoints: list[Endpoint]
    card: str
    """JSON text of its object in ``GET /models``, ready to send."""
    distillable: bool | None
    """Whether the author permits to train other models with what it writes; ``None``: not known."""
    created: int
    """Unix seconds; 0: not known."""
    scores: Scores | None
    """What the routers choose by; ``None``: nothing is known."""
    reasoning: Reasoning | None
    """``None``: not known, or it does not reason."""


CostTier = Literal["low", "medium", "high", "xhigh", "max"]
"""A fifth of the models by price, the cheapest fifth first."""


class Judge(Frozen, frozen=True):
    """Who is asked what a request is about."""

    model: str
    """A slug; no router's."""
    timeout_ms: int
    """For all attempts together."""
    ttl_ms: int
    """How long an opinion is remembered; zero: not at all."""
    opinions_max: int


class Router(Frozen, frozen=True):
    """A slug behind which a model is chosen for each request. What a kind has no use for is empty."""

    kind: Literal["auto", "free", "pareto"]
    names: list[str]
    """The slug first, then its other names; none of them is a model or an alias."""
    card: str
    """JSON text of its object in ``GET /models``."""
    allowed: list[str]
    """Patterns with any number of ``*``; empty: all models that suit."""
    excluded: list[str]
    pools: dict[str, list[str]]
    """Task, its field (what stands before the colon) or ``default`` → patterns that are used for it instead."""
    cost_tier: CostTier
    """Where the request says none."""
    coding_score_min: int
    """Of ``pareto``, thousandths, where the request says none."""
    judge: Judge | None
    """Of ``auto``; ``None``: it decides alone."""


class Wildcard(Frozen, frozen=True):
    """``openai/*``: any slug with this prefix, sent to these endpoints."""

    prefix: str
    """The pattern without its final ``*``."""
    endpoints: list[Endpoint]
    """``model`` of each may hold ``*``, which becomes what the wildcard matched."""


class Preset(Frozen, frozen=True):
    """Members that a request which names it gets where it has none of its own."""

    slug: str
    disabled: bool
    model: str | None
    """What it asks for; ``None``: the request has to say."""
    system: str | None
    """Stands before the request's own instructions."""
    config: str
    """JSON text of an object: its other members, in the words of chat."""
    cache_enabled: bool | None
    """Whether answers are kept; ``None``: it does not say."""
    cache_ttl_seconds: int | None


class Snapshot(Frozen, frozen=True):
    """The whole of it."""

    schema: int
    digest: str
    """Short hash of the content; shown in health, metrics and each booked generation."""
    server: Server
    auth: bool
    """False only with ``--no-auth``: any request is let in."""
    routing: Routing
    cache: Cache
    billing: Billing
    keys: list[Key]
    providers: list[Provider]
    models: list[Model]
    aliases: dict[str, str]
    """Alias → slug of :attr:`models`; already flattened, no alias of an alias."""
    wildcards: list[Wildcard]
    """Longest prefix first."""
    presets: list[Preset]
    """Each in its newest version."""
    routers: list[Router]


_encoder = msgspec.json.Encoder()


def encode(snapshot: Snapshot) -> bytes:
    """The bytes that ``Plane`` takes."""
    return _encoder.encode(snapshot)
