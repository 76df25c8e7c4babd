"""What a person writes in ``turnout.yaml``, section by section.

The ``description`` of a field is its manual: meaning, why this default, and what happens at the ends. The page
``docs/config.md`` is made from these descriptions, the defaults and the bounds (:mod:`turnout.config.reference`). Units
are written with the value (``10s``, ``32MiB``) and are whole milliseconds and bytes once read.

What one field cannot know (does this provider exist, is this alias also a slug) is checked in
:mod:`turnout.config.compile`.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from turnout.config.snapshot import CostTier, Dialect, Policy  # noqa: TC001 — pydantic reads it at run time
from turnout.config.values import (
    AnyPath,
    BaseUrl,
    Bytes,
    CertificateFile,
    ExistingFile,
    HeaderPrefix,
    HeaderSecret,
    HeaderValue,
    ListenAddress,
    Milliseconds,
    Network,
    Origin,
    PriceUsd,
    PrivateKeyFile,
    ProxySecret,
    RedisSecret,
    Secret,
    SettingText,
    UnixTime,
    UrlPath,
    one_or_many,
    wrong,
)

SECOND: Final = 1_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
KIB: Final = 2**10
MIB: Final = 2**20
GIB: Final = 2**30


class Section(BaseModel):
    """Base of every section: immutable, a key that is not known is a mistake, and inputs stay out of error texts."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, validate_default=False)

    @model_validator(mode="before")
    @classmethod
    def _nothing_written(cls, written: Any) -> Any:
        """``server:`` with nothing behind it means the same as leaving it out, for sections and for their keys."""
        if written is None:
            return {}
        if isinstance(written, dict) and None in written.values():
            return {key: value for key, value in written.items() if value is not None}
        return written


class Tls(Section):
    """TLS on the public listener. Both files are watched and read again when they change."""

    certificate: CertificateFile = Field(
        description="PEM file of the certificate, followed by its chain. A relative path starts at the folder of the "
        "configuration file."
    )
    private_key: PrivateKeyFile = Field(description="PEM file of the certificate's private key, not encrypted.")


class Limits(Section):
    """Bounds of the public side. At each bound a request is refused with a clear error; nothing is cut short."""

    body: Bytes = Field(
        default=32 * MIB,
        ge=1 * KIB,
        le=1 * GIB,
        description="Largest request body. The default holds a long conversation with about twenty megabytes of "
        "pictures in base64, the most that large providers take; a larger body is refused with 413.",
    )
    headers_size: Bytes = Field(
        default=64 * KIB,
        ge=4 * KIB,
        le=1 * MIB,
        description="All header lines of a request together. Browsers and proxies stay far below; the default leaves "
        "room for large cookies and tracing headers. Above it: 431.",
    )
    headers: int = Field(
        default=100,
        ge=16,
        le=1000,
        description="Number of header lines of a request. The usual bound of HTTP servers; SDKs send about fifteen. "
        "Above it: 431.",
    )
    connections: int = Field(
        default=8192,
        ge=1,
        le=1_000_000,
        description="Client connections at the same time, of all threads together. An idle one costs a few kilobytes, "
        "so the default keeps memory for connections below a few hundred megabytes. At the bound new connections "
        "wait in the backlog of the socket. The limit of open files (ulimit -n) must allow twice as many.",
    )
    requests_in_flight: int = Field(
        default=4096,
        ge=1,
        le=1_000_000,
        description="Requests being served at the same time. Half of the connections, because kept connections are "
        "mostly idle; model calls last seconds, so this is hundreds of requests a second. Above it: 503 with "
        "Retry-After.",
    )
    streams_per_connection: int = Field(
        default=128,
        ge=1,
        le=10_000,
        description="Concurrent HTTP/2 streams of one connection, so that one client cannot take every place. The "
        "HTTP/2 specification advises at least 100; a client that wants more opens another connection.",
    )
    answer: Bytes = Field(
        default=64 * MIB,
        ge=64 * KIB,
        le=1 * GIB,
        description="Largest answer of a provider that is not streamed, because it is held whole to read its usage. "
        "The default holds 2,000 embeddings of 3,072 numbers with room. Above it the attempt counts as failed (502). "
        "Streams have no such bound.",
    )
    event: Bytes = Field(
        default=4 * MIB,
        ge=16 * KIB,
        le=64 * MIB,
        description="Largest single event of a stream. Text events have a few hundred bytes; pictures in base64 "
        "arrive as one event of one to three megabytes, hence the default. Above it the stream ends with an error "
        "event.",
    )


class Timeouts(Section):
    """How long the public side waits for a client."""

    header: Milliseconds = Field(
        default=10 * SECOND,
        ge=100,
        le=5 * MINUTE,
        description="From the first byte of a request, or from a new connection, to the end of its headers. A client "
        "sends them at once; ten seconds forgive a bad mobile network and still shed clients that send a byte at a "
        "time. After it the connection is closed (408 when something had been sent).",
    )
    body: Milliseconds = Field(
        default=60 * SECOND,
        ge=100,
        le=1 * HOUR,
        description="From the end of the headers to the end of the body. A minute carries the largest default body at "
        "half a megabyte a second. After it: 408.",
    )
    idle: Milliseconds = Field(
        default=75 * SECOND,
        ge=SECOND,
        le=1 * HOUR,
        description="A kept connection without a request is closed after this. Longer than the 60 s after which common "
        "load balancers drop an idle connection, so that they close it "
        "first and never send a request into a connection that Turnout is just closing.",
    )
    write: Milliseconds = Field(
        default=60 * SECOND,
        ge=SECOND,
        le=1 * HOUR,
        description="A client that accepts no byte of its answer for this long counts as gone, and its call to the "
        "provider is cancelled. A minute "
        "forgives a stalled network and still frees the provider's place.",
    )
    keepalive_comment: Milliseconds = Field(
        default=10 * SECOND,
        ge=SECOND,
        le=5 * MINUTE,
        description="Silence of a stream after which a comment line is sent, so that proxies on the way do not take "
        "the connection for dead. Below the shortest common idle timeout (15 to 30 s).",
    )


class Attempts(Section):
    """Trying other credentials and endpoints until the first byte of an answer has arrived. After that byte: never."""

    max: int = Field(
        default=4,
        ge=1,
        le=20,
        description="Attempts for one request, the first one included. Four reach a third endpoint even when a key "
        "is rate-limited on the way, and bound what an outage multiplies. 1 turns fallback off.",
    )
    total: Milliseconds = Field(
        default=10 * MINUTE,
        ge=SECOND,
        le=1 * HOUR,
        description="Deadline of all attempts together up to the first byte. The default is the time after which the "
        "OpenAI client libraries give up by themselves; trying longer serves nobody. After it: 504. A request can ask "
        "for less with the header X-Turnout-Timeout or provider.timeout in its body; after that: 408.",
    )
    each: Milliseconds | None = Field(
        default=None,
        ge=100,
        le=1 * HOUR,
        description="What each attempt has up to the first byte, connecting included. Default: only the provider's own "
        "times (timeouts.first_byte) hold. Set it where a late answer is worth less than a second try; an answer that "
        "is not streamed comes whole, so it must be long enough to write all of it. A request can ask for less with "
        "X-Turnout-Attempt-Timeout or provider.attempt_timeout.",
    )


class Drain(Section):
    """Shutting down on SIGTERM."""

    min: Milliseconds = Field(
        default=1 * SECOND,
        ge=0,
        le=5 * MINUTE,
        description="The readiness probe fails at once, and new requests are still served for this long, so that load "
        "balancers can notice. Set it above the probe's interval times its failure threshold. 0 stops at once.",
    )
    max: Milliseconds = Field(
        default=30 * SECOND,
        ge=0,
        le=1 * HOUR,
        description="What is in flight may finish until this, counted from the signal; then remaining streams end "
        "with an error event. Thirty seconds is what orchestrators allow before they kill. Not below min.",
    )

    @model_validator(mode="after")
    def _ordered(self) -> Drain:
        if self.max < self.min:
            raise wrong(
                "max is shorter than min: what is in flight could not outlast the time in which more is accepted"
            )
        return self


class Server(Section):
    """The public side: where Turnout listens, what it accepts, how it ends."""

    listen: Annotated[list[ListenAddress], BeforeValidator(one_or_many)] = Field(
        default=["127.0.0.1:4000"],
        min_length=1,
        max_length=16,
        description="Address and port, or a list of them. The default is reachable from this machine only, because "
        "opening a door to the network should be somebody's decision: 0.0.0.0:4000 does that. Port 0 takes a free "
        "one. Only read at start.",
    )
    tls: Tls | None = Field(
        default=None,
        description="Certificate and key of the listener. Without it Turnout speaks plain HTTP, which is right on "
        "loopback and behind a proxy that ends TLS.",
    )
    cors_origins: Annotated[list[Origin], BeforeValidator(one_or_many)] = Field(
        default=[],
        max_length=256,
        description='Web origins whose pages may call the API from a browser, or "*". Empty (the default) sends no '
        "CORS header, so browsers refuse.",
    )
    trusted_proxies: Annotated[list[Network], BeforeValidator(one_or_many)] = Field(
        default=[],
        max_length=1024,
        description="Networks whose X-Forwarded-For is believed for the client's address. Empty (the default) believes "
        "nobody, because any client can write that header.",
    )
    threads: int | None = Field(
        default=None,
        ge=1,
        le=256,
        description="Threads that serve requests. Default: the cores that this process may use. More than that does "
        "not serve faster; fewer leaves cores to others. Only read at start.",
    )
    limits: Limits = Field(default=Limits(), description="Bounds of requests and answers.")
    timeouts: Timeouts = Field(default=Timeouts(), description="How long to wait for clients.")
    attempts: Attempts = Field(default=Attempts(), description="Fallback before the first byte.")
    drain: Drain = Field(default=Drain(), description="Shutdown.")
    raw_errors: bool = Field(
        default=True,
        description="Whether a provider's own error body is passed on in error.metadata.raw, as OpenRouter does. Turn "
        "it off when callers must not learn details of the upstream account.",
    )
    state_dir: AnyPath | None = Field(
        default=None,
        description="Folder for the journal, the ledger and the generated keys; made when absent. Default: "
        "$XDG_STATE_HOME/turnout, or ~/.local/state/turnout. One gateway per folder. Only read at start.",
    )
    admin_key: HeaderSecret | None = Field(
        default=None,
        description="Key of the administration API (/api/admin/…). Default: one is made at the first start and its "
        "hash is kept in the state folder.",
    )

    @field_validator("listen")
    @classmethod
    def _no_address_twice(cls, listen: list[str]) -> list[str]:
        fixed = [address for address in listen if not address.endswith(":0")]
        if len(fixed) != len(set(fixed)):
            raise wrong("an address occurs twice")
        return listen


class Wishes(Section):
    """Who may serve, and who first. What the gateway, the key and the request say is joined to the strictest."""

    policy: Policy | None = Field(
        default=None,
        description="How endpoints that are equally good otherwise are ordered; a request says it in provider.sort. "
        "price: the cheapest most often, by one over the square of the price. throughput, latency: the fastest "
        "first. exacto: those that call tools best first. weighted: by the weights of the endpoints. least_busy: the "
        "less busy of two drawn. adaptive: by price, speed and failures together. order: as they are listed, whatever "
        "is known of them. Default: that of the gateway, and there price.",
    )
    only: Annotated[list[str], BeforeValidator(one_or_many)] = Field(
        default=[],
        max_length=64,
        description="Providers that may serve, by slug, or endpoints by tag. Default: all.",
    )
    ignore: Annotated[list[str], BeforeValidator(one_or_many)] = Field(
        default=[], max_length=64, description="Providers or endpoints that may not serve. Default: none."
    )
    data_collection: Literal["allow", "deny"] = Field(
        default="allow",
        description="deny leaves out endpoints that train on what they are sent, or are not known not to. "
        "Default: allow.",
    )
    zdr: bool = Field(
        default=False,
        description="Whether only endpoints with zero data retention may serve. Default: false.",
    )


class Sticky(Section):
    """Conversations stay with the endpoint that has their prompt in its cache, where reading from it is cheaper."""

    ttl: Milliseconds = Field(
        default=10 * MINUTE,
        ge=0,
        le=1 * DAY,
        description="How long after its last request a conversation is remembered. OpenRouter's time, and about that "
        "of the providers' caches. 0 turns it off.",
    )
    conversations: int = Field(
        default=100_000,
        ge=1,
        le=10_000_000,
        description="Conversations that are remembered, about 100 bytes each; beyond that the oldest are forgotten.",
    )


class Breaker(Section):
    """When an endpoint that keeps failing is left alone. It then stands behind all others and is still tried last."""

    failures: int = Field(
        default=5,
        ge=0,
        le=10_000,
        description="Failures in a row that open it. Five in a row are hardly chance where even one request in three "
        "fails. It also opens when an endpoint fails far more often than the model's others. 0 turns it off.",
    )
    open: Milliseconds = Field(
        default=30 * SECOND,
        ge=100,
        le=1 * HOUR,
        description="How long it stays open. Then one request at a time is let through, until one is served.",
    )
    open_max: Milliseconds = Field(
        default=5 * MINUTE,
        ge=100,
        le=1 * DAY,
        description="Each request that fails then opens it for twice as long, up to this.",
    )


class Adaptive(Section):
    """How the policy adaptive turns time and failures into money."""

    second: PriceUsd = Field(
        default=Decimal("0.0001"),
        description="US dollars that a second of waiting is worth, to the first token and to the last. A hundredth of "
        "a cent is a tenth of what a mid-sized answer of a mid-sized model costs. 0: price alone counts.",
    )
    failure: int = Field(
        default=10,
        ge=0,
        le=1000,
        description="How many times its cost a failed request costs. At 10 an endpoint of which one request in ten "
        "fails counts as twice as dear.",
    )
    limited: int = Field(
        default=2,
        ge=0,
        le=1000,
        description="The same of a request that is told to come back later (429), which costs little but time.",
    )
    exploration_percent: int = Field(
        default=2,
        ge=0,
        le=50,
        description="Share of the requests that go to any endpoint alike, so that one that has become better is found. "
        "2 % cost little even where the dearest is ten times as dear.",
    )


class Retries(Section):
    """Second tries at a provider, after another attempt of the same request failed. Those that succeed do not count, so
    a healthy provider takes over for another without any limit, and one that fails sees little more than without
    fallback."""

    percent: int = Field(
        default=20,
        ge=0,
        le=100,
        description="Of a hundred requests, so many may lead to a second try that fails at the same provider; it is "
        "passed over beyond that. 20 is the usual share in service meshes.",
    )
    per_second: int = Field(
        default=10,
        ge=0,
        le=100_000,
        description="So many a second beside them, so that a gateway with few requests is not hampered; ten seconds' "
        "worth may come at once.",
    )


class Routing(Wishes):
    """How endpoints are chosen, for all requests."""

    outage: Milliseconds = Field(
        default=30 * SECOND,
        ge=0,
        le=1 * HOUR,
        description="An endpoint that failed within this time stands behind the others. OpenRouter's time.",
    )
    require_tools: bool = Field(
        default=True,
        description="Whether a request with tools is refused (404) when no endpoint of the model takes tools, as "
        "OpenRouter does. false drops the tools then.",
    )
    sticky: Sticky = Field(default=Sticky(), description="Conversations that stay where their prompt is cached.")
    retries: Retries = Field(default=Retries(), description="How many second tries a failing provider may see.")
    breaker: Breaker = Field(default=Breaker(), description="When an endpoint that keeps failing is left alone.")
    cooldown_max: Milliseconds = Field(
        default=10 * MINUTE,
        ge=0,
        le=1 * DAY,
        description="Longest time for which an endpoint or a key that says when to come back (Retry-After) is left "
        "alone. 0: what it says is not heeded.",
    )
    adaptive: Adaptive = Field(default=Adaptive(), description="What time and failures cost the policy adaptive.")


class KeyRate(Section):
    """How often a key may ask."""

    requests_per_minute: int | None = Field(
        default=None,
        ge=1,
        le=10_000_000,
        description="Requests to models in a minute; more are refused (429). So many may come at once, and the "
        "allowance grows back evenly. Default: no limit.",
    )


class Cache(Section):
    """Whole answers that are given again to whoever asks exactly the same, at once and free of charge.

    A client asks for it with the header X-OpenRouter-Cache: true, for one answer's life with X-OpenRouter-Cache-TTL.
    """

    default: bool = Field(
        default=False,
        description="Whether it is used when neither a request nor its preset says so. Default: false, as at "
        "OpenRouter: most clients that repeat a question want another answer.",
    )
    ttl: Milliseconds = Field(
        default=5 * MINUTE,
        ge=1 * SECOND,
        le=1 * DAY,
        description="How long an answer is kept when the request does not say. Whole seconds; OpenRouter's time.",
    )
    size: Bytes = Field(
        default=64 * MIB,
        ge=0,
        le=1024 * GIB,
        description="Memory for answers; beyond it, those that were used the longest ago are forgotten. As much again "
        "may be taken by answers that are just being copied.",
    )
    entry: Bytes = Field(
        default=1 * MIB, ge=0, le=1 * GIB, description="Answers larger than this are not kept. 0 keeps none."
    )
    url: RedisSecret | None = Field(
        default=None,
        description="A Valkey or Redis server that keeps the answers instead of this process's memory, so that several "
        "gateways share them: redis://[user:password@]host[:port][/database], or rediss:// for TLS. A secret, because "
        "it may hold a password. While it is down, every request is a miss.",
    )
    prefix: str = Field(
        default="turnout:cache:",
        pattern="^[!-~]{0,128}$",
        description="What the server's keys begin with. Gateways with the same prefix share their answers.",
    )
    wait: Milliseconds = Field(
        default=50,
        ge=1,
        le=10 * SECOND,
        description="How long a request waits for the server before a provider is asked. A server beside the gateway "
        "answers within one millisecond.",
    )


class Key(Section):
    """A key that clients present as ``Authorization: Bearer …``. Only its SHA-256 leaves this section."""

    name: str = Field(
        min_length=1,
        max_length=128,
        description="Name for the ledger and the metrics. Must be unique; it is shown, so it should not be a secret.",
    )
    key: HeaderSecret | None = Field(
        default=None,
        description="The key itself: ${VARIABLE} or file:PATH rather than the text. Give either key or sha256. A key "
        "below 16 characters can be guessed and is warned about.",
    )
    sha256: str | None = Field(
        default=None,
        pattern="^[0-9A-Fa-f]{64}$",
        description='SHA-256 of the whole key in hex, so that the file holds no secret: printf %s "$KEY" | sha256sum.',
    )
    models: list[str] | None = Field(
        default=None,
        max_length=10_000,
        description="Models that it may use: slugs, aliases, or patterns such as openai/*. Default: all. An empty list "
        "allows none.",
    )
    disabled: bool = Field(default=False, description="Refuses the key without forgetting its name. Default: false.")
    expires: UnixTime | None = Field(
        default=None,
        description="Moment from which the key is refused: a date (00:00 UTC), a date and time, or Unix seconds. "
        "Default: never.",
    )
    routing: Wishes = Field(default=Wishes(), description="Who may serve this key's requests, and who first.")
    limit: PriceUsd | None = Field(
        default=None,
        description="US dollars that its requests may cost, in the period of limit_reset. Beyond it requests that cost "
        "something are refused (402); what a running request could cost counts as well. Default: no limit.",
    )
    limit_reset: Literal["daily", "weekly", "monthly"] | None = Field(
        default=None,
        description="When the limit begins anew: each day, Monday or first of the month at 00:00 UTC. Default: never.",
    )
    include_byok_in_limit: bool = Field(
        default=False,
        description="Whether what providers charge for requests with a key of the client's own counts for the limit "
        "too, and not only the gateway's fee. Default: false.",
    )
    rate: KeyRate = Field(default=KeyRate(), description="How often it may ask.")


class Credential(Section):
    """One of several keys at the same provider."""

    key: HeaderSecret = Field(description="The provider's key: ${VARIABLE} or file:PATH rather than the text.")
    label: str | None = Field(
        default=None,
        pattern="^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$",
        description="Name of this key in the journal and metrics, unique in the provider; never part of the secret. "
        "Default: key-1, key-2 … by position.",
    )
    weight: int = Field(
        default=1,
        ge=1,
        le=1000,
        description="Share of the requests compared with the other shared keys. Equal by default. Keys with little "
        "left of their rate limit are drawn less often, and those that were told to wait last.",
    )
    kind: Literal["shared", "prioritized", "fallback"] = Field(
        default="shared",
        description="shared: for everybody alike. prioritized: somebody's own key (bring your own key), tried before "
        "all endpoints with shared keys, whatever provider.order says, in the order of this list. fallback: the same, "
        "tried after all others. A request that is served with one's own key is charged billing.byok_fee_percent only.",
    )
    required: bool = Field(
        default=False,
        description="Whether the provider's shared keys are not used for requests that this key fits. Default: false.",
    )
    models: list[str] | None = Field(
        default=None,
        min_length=1,
        max_length=100,
        description="Models that it is used for: slugs, or patterns such as openai/*. Default: all.",
    )
    keys: list[str] | None = Field(
        default=None,
        min_length=1,
        max_length=100,
        description="Names of the client keys that it is used for. Default: all.",
    )
    users: list[str] | None = Field(
        default=None,
        min_length=1,
        max_length=100,
        description="Users that it is used for, as the requests name them in user. A client can write what it likes "
        "there: it tells users of one client key apart and keeps no stranger out. Default: all.",
    )

    @model_validator(mode="after")
    def _has_an_owner(self) -> Credential:
        if self.required and self.kind == "shared":
            raise wrong("required is for keys of kind prioritized or fallback")
        return self


class UpstreamTimeouts(Section):
    """How long to wait for a provider. At each end the attempt counts as failed and the next candidate is tried."""

    connect: Milliseconds = Field(
        default=5 * SECOND,
        ge=50,
        le=2 * MINUTE,
        description="Name, TCP, proxy and TLS together. Round the world this takes under a second; five allow for two "
        "lost packets.",
    )
    first_byte: Milliseconds = Field(
        default=5 * MINUTE,
        ge=100,
        le=1 * HOUR,
        description="From the request's last byte to the first byte of the answer, and of a stream to its first event. "
        "An answer that is not streamed comes whole, so this is the time to write all of it: reasoning models "
        "take minutes. Lower it for models that start quickly, to fall back sooner.",
    )
    idle: Milliseconds = Field(
        default=2 * MINUTE,
        ge=100,
        le=1 * HOUR,
        description="Longest silence inside an answer that has begun. Streams that reason out of sight can pause for a "
        "minute; two minutes of nothing mean a dead connection.",
    )
    pool_idle: Milliseconds = Field(
        default=50 * SECOND,
        ge=0,
        le=1 * HOUR,
        description="A kept connection that was not used for this long is closed. Below the 60 s after which common "
        "front ends close it themselves, so that a request seldom meets a dying one. 0 keeps none.",
    )


class Quirks(Section):
    """Where a server differs from others of its dialect. Most of it only means something in the dialect ``openai``.

    Each default is the row's; without a row it is the one that is named.
    """

    stream_usage: bool | None = Field(
        default=None,
        description="Whether stream_options.include_usage may be sent. Default: true. false for servers that refuse "
        "it: then usage is taken when it comes by itself, and estimated when not.",
    )
    max_tokens: Literal["max_tokens", "max_completion_tokens"] | None = Field(
        default=None,
        description="Name of the bound on what is written. Default: max_tokens, the older and more widely known one.",
    )
    developer_role: bool | None = Field(
        default=None,
        description="Whether messages of the role developer are understood; else they are sent as system. "
        "Default: false.",
    )
    reasoning: Literal["effort", "object", "thinking", "none"] | None = Field(
        default=None,
        description="How a wish for reasoning is said: the field reasoning_effort, an object reasoning as OpenRouter "
        "has it, an object thinking with a type, or not at all. Default: effort.",
    )
    parallel_tool_calls: bool | None = Field(
        default=None, description="Whether the field parallel_tool_calls may be sent. Default: true."
    )
    tool_choice_required: Literal["required", "any"] | None = Field(
        default=None, description="The word for: some tool must be called. Default: required."
    )
    json_schema: bool | None = Field(
        default=None,
        description="Whether response_format may hold a JSON schema; else json_object is sent. Default: true.",
    )
    image_urls: bool | None = Field(
        default=None, description="Whether the server fetches images from http URLs itself. Default: true."
    )


class Wire(Section):
    """One protocol that a provider speaks, and where."""

    dialect: Dialect = Field(description="The protocol.")
    base_url: BaseUrl | None = Field(
        default=None,
        description="URL before the paths of the operations. Default: the row's for this dialect, if it has one.",
    )
    operations: list[str] | None = Field(
        default=None,
        min_length=1,
        max_length=16,
        description="What is offered there, of the operations of the dialect. Default: the row's, else all of them.",
    )
    paths: dict[str, UrlPath] = Field(
        default={},
        max_length=16,
        description="Operations that are elsewhere than usual: path below base_url, with {model} where the model's "
        "name belongs, and with a query if it needs one (?api-version=…).",
    )
    quirks: Quirks = Field(default=Quirks(), description="Where it differs from others of its dialect.")


AuthKind = Literal["bearer", "header", "query", "sigv4", "google", "entra"]


class Auth(Section):
    """How the provider is told who is asking. Needed where the row says nothing, or to use another way than the row's.

    ``bearer``, ``header`` and ``query`` carry api_key. ``sigv4``, ``google`` and ``entra`` are identities: they sign
    requests, or are exchanged for tokens of short life, which are renewed beside the traffic before they end.
    """

    kind: AuthKind | None = Field(
        default=None,
        description="bearer: Authorization: Bearer KEY. header: the key in the header name. query: the key in the "
        "URL's parameter name, for providers with no other way. sigv4: AWS. google: a Google Cloud account. "
        "entra: Microsoft Entra ID. Default: the row's, else bearer.",
    )
    name: str | None = Field(
        default=None,
        pattern="^[A-Za-z0-9_-]{1,64}$",
        description="Of the header or the query parameter that carries the key: x-api-key, key.",
    )
    prefix: HeaderPrefix = Field(
        default="", description="Text before the key in the header, and a space after it: Token. Default: nothing."
    )
    access_key_id: HeaderSecret | None = Field(
        default=None, description="sigv4: default AWS_ACCESS_KEY_ID, if no profile is given."
    )
    secret_access_key: HeaderSecret | None = Field(
        default=None, description="sigv4: default AWS_SECRET_ACCESS_KEY, if no profile is given."
    )
    session_token: HeaderSecret | None = Field(
        default=None, description="sigv4: of credentials that expire. Default: AWS_SESSION_TOKEN."
    )
    profile: str | None = Field(
        default=None,
        min_length=1,
        max_length=128,
        description="sigv4: profile of the AWS configuration files, which may log in by SSO or a program. Needs the "
        "extra turnout[aws]. Default: AWS_PROFILE, if no keys are given.",
    )
    role_arn: str | None = Field(
        default=None,
        pattern="^arn:[a-z0-9-]+:iam::[0-9]{12}:role/.{1,512}$",
        description="sigv4: role to assume with the credentials above, or with web_identity_token_file. Needs the "
        "extra turnout[aws]. Default: none, or AWS_ROLE_ARN beside AWS_WEB_IDENTITY_TOKEN_FILE.",
    )
    external_id: Secret | None = Field(default=None, description="sigv4: external ID that the role asks for.")
    web_identity_token_file: AnyPath | None = Field(
        default=None,
        description="sigv4: file with the OpenID Connect token to exchange for the role, as Kubernetes mounts it. It "
        "is read again at each exchange. Default: AWS_WEB_IDENTITY_TOKEN_FILE.",
    )
    region: SettingText | None = Field(
        default=None,
        description="sigv4: region that is signed for. Default: settings.region, else AWS_REGION.",
    )
    service: str | None = Field(
        default=None,
        pattern="^[a-z0-9-]{1,64}$",
        description="sigv4: service that is signed for. Default: the row's, else bedrock.",
    )
    credentials_file: ExistingFile | None = Field(
        default=None,
        description="google: JSON file of a service account, of a user's login, or of workload identity federation. "
        "Default: GOOGLE_APPLICATION_CREDENTIALS, else gcloud's login, else the metadata server. Needs the extra "
        "turnout[google].",
    )
    tenant_id: str | None = Field(
        default=None, pattern="^[A-Za-z0-9.-]{1,128}$", description="entra: default AZURE_TENANT_ID."
    )
    client_id: str | None = Field(
        default=None, pattern="^[A-Za-z0-9.-]{1,128}$", description="entra: default AZURE_CLIENT_ID."
    )
    client_secret: Secret | None = Field(default=None, description="entra: default AZURE_CLIENT_SECRET.")
    scope: str | None = Field(
        default=None,
        pattern="^[!-~]{1,256}$",
        description="google and entra: what the token is for. Default: the row's.",
    )
    token_url: BaseUrl | None = Field(
        default=None,
        description="google, entra and sigv4 with a role: where to exchange, for a sovereign cloud or a private "
        "address. Default: the provider's public one.",
    )


class DataPolicy(Section):
    """What happens to what is sent. A row tells what the provider's terms say; say here what yours do."""

    training: bool | None = Field(
        default=None, description="Whether it may be used for training. Default: the row's, else unknown."
    )
    retention_days: int | None = Field(
        default=None, ge=0, le=36_500, description="How long it is kept. Default: the row's, else unknown."
    )
    zdr: bool | None = Field(
        default=None,
        description="Whether zero data retention is in force for this account. Default: false; it is never assumed.",
    )


def _credentials(written: Any) -> Any:
    """A plain list of keys is a list of credentials without label and weight."""
    listed = one_or_many(written)
    return [{"key": item} if isinstance(item, str) else item for item in listed] if isinstance(listed, list) else listed


class Provider(Section):
    """A provider account. The slug before it is the name that endpoints and ``provider.order`` use."""

    row: str | None = Field(
        default=None,
        description="Known provider to take URL, environment variable and abilities from; see the table of providers. "
        "Default: the slug, if it is a known one. Give it to have two accounts at one provider, or leave it out and "
        "give base_url for a provider that is not in the table.",
    )
    name: str | None = Field(
        default=None,
        min_length=1,
        max_length=64,
        description="Display name, the provider field of answers. Default: the row's, else the slug.",
    )
    dialect: Dialect | None = Field(
        default=None,
        description="Protocol that the provider speaks. Default: all of the row's, else openai. With a row that has "
        "several, only this one is used.",
    )
    base_url: BaseUrl | None = Field(
        default=None,
        description="URL before the paths of the operations, with the version: https://api.example.com/v1 before "
        "/chat/completions. Default: the row's. With a row it takes the place of the preferred URL; protocols that "
        "the row has elsewhere are left out then. Needed when there is no row.",
    )
    operations: list[str] | None = Field(
        default=None,
        min_length=1,
        max_length=16,
        description="What it offers: chat, completions, embeddings … Default: the row's, else all operations of the "
        "dialect.",
    )
    paths: dict[str, UrlPath] = Field(
        default={},
        max_length=16,
        description="Operations that are elsewhere than usual: path below base_url, with {model} where the model's "
        "name belongs, and with a query if it needs one (?api-version=…).",
    )
    wires: list[Wire] | None = Field(
        default=None,
        min_length=1,
        max_length=7,
        description="Instead of dialect, base_url, operations and paths, for a provider with several protocols: each "
        "with its own, in order of preference.",
    )
    quirks: Quirks = Field(default=Quirks(), description="Where it differs from others of its dialect.")
    settings: dict[str, SettingText] = Field(
        default={},
        max_length=16,
        description="What the row's URLs leave open, by name: region, resource, project … See the table of providers. "
        "Default: the environment variables there.",
    )
    auth: Auth = Field(default=Auth(), description="How it is told who is asking.")
    api_key: HeaderSecret | None = Field(
        default=None,
        description="The provider's key: ${VARIABLE} or file:PATH rather than the text. Default: the row's "
        "environment variable. A provider without a row, or on one's own machine, goes without a key.",
    )
    api_keys: Annotated[list[Credential], BeforeValidator(_credentials)] | None = Field(
        default=None,
        min_length=1,
        max_length=1000,
        description="Several keys instead of one: requests are spread by weight, and a key that is refused or "
        "rate-limited is followed by the next.",
    )
    data_policy: DataPolicy = Field(default=DataPolicy(), description="What it does with what it is sent.")
    headers: dict[str, HeaderValue] = Field(
        default={},
        max_length=64,
        description="Headers to add to every request, for instance an organisation. They are treated as secrets. "
        "Headers that frame the message (Host, Content-Length, Connection …) cannot be set.",
    )
    timeouts: UpstreamTimeouts = Field(default=UpstreamTimeouts(), description="How long to wait for it.")
    proxy: ProxySecret | None = Field(
        default=None,
        description="HTTP proxy on the way to it, http://[user:password@]host:port, or none. Default: HTTPS_PROXY, "
        "HTTP_PROXY or ALL_PROXY of the environment, minding NO_PROXY; loopback is always reached directly then.",
    )
    ca: CertificateFile | None = Field(
        default=None,
        description="PEM file of certificates to trust besides the usual roots, for a private one. Default: none.",
    )
    routing_fields: bool | None = Field(
        default=None,
        description="Whether the gateway's own request fields (provider, models, usage …) are passed on. Default: the "
        "row's, else false; true only makes sense for another gateway of this kind.",
    )
    stream_usage: bool | None = Field(
        default=None,
        description="Short for quirks.stream_usage.",
    )
    catalogue: bool | None = Field(
        default=None,
        description="Whether it brings the models that the catalogue has for its row. Default: true for a known "
        "provider, false where base_url or wires are written, because that is another server.",
    )
    enabled: bool = Field(
        default=True,
        description="false leaves the provider and its endpoints out of use without removing them from the file.",
    )

    @model_validator(mode="after")
    def _one_way_to_give_keys(self) -> Provider:
        if self.api_key is not None and self.api_keys is not None:
            raise wrong("give either api_key or api_keys, not both")
        return self

    @model_validator(mode="after")
    def _one_way_to_give_wires(self) -> Provider:
        single = self.model_fields_set & {"dialect", "base_url", "operations", "paths"}
        if self.wires is not None and single:
            raise wrong(f"give either wires or {sorted(single)[0]}, not both: each wire has its own")
        return self


class PriceTier(Section):
    """Prices of a request whose prompt is longer than a number of tokens; they apply to the whole of it.

    US dollars per million tokens. Each default is the price of the section above.
    """

    above_tokens: int = Field(ge=1, le=1_000_000_000, description="Tokens of the prompt that must be exceeded.")
    prompt: PriceUsd | None = Field(default=None, description="Tokens that are read and were not cached.")
    completion: PriceUsd | None = Field(default=None, description="Tokens that are written.")
    cache_read: PriceUsd | None = Field(
        default=None,
        description="Prompt tokens from the cache. Default: as above; if nothing is said there, as prompt.",
    )
    cache_write: PriceUsd | None = Field(
        default=None, description="Prompt tokens put into the cache. The same default."
    )
    cache_write_1h: PriceUsd | None = Field(
        default=None,
        description="Prompt tokens put into a cache for an hour. Default: as above; if nothing is said there, as "
        "cache_write.",
    )


class PriceService(Section):
    """Prices of a service tier. US dollars per million tokens. Each default is the price of the section above."""

    tier: Literal["flex", "priority", "batch"] = Field(description="The tier that the provider granted.")
    prompt: PriceUsd | None = Field(default=None, description="Tokens that are read and were not cached.")
    completion: PriceUsd | None = Field(default=None, description="Tokens that are written.")
    cache_read: PriceUsd | None = Field(
        default=None,
        description="Prompt tokens from the cache. Default: as above; if nothing is said there, as prompt.",
    )
    cache_write: PriceUsd | None = Field(
        default=None, description="Prompt tokens put into the cache. The same default."
    )


class Prices(Section):
    """US dollars per million tokens, exact to the nano-dollar, where nothing else is said."""

    prompt: PriceUsd = Field(description="Tokens that are read and were not cached. 0 is free.")
    completion: PriceUsd = Field(description="Tokens that are written. 0 is free.")
    cache_read: PriceUsd | None = Field(
        default=None,
        description="Prompt tokens that came from the provider's cache. Default: the price of prompt, because a "
        "discount that is not known should not be assumed.",
    )
    cache_write: PriceUsd | None = Field(
        default=None,
        description="Prompt tokens that were put into the provider's cache. Default: the price of prompt.",
    )
    cache_write_1h: PriceUsd | None = Field(
        default=None,
        description="Prompt tokens put into a cache that keeps them for an hour. Default: the price of cache_write.",
    )
    reasoning: PriceUsd | None = Field(
        default=None, description="Tokens of reasoning. Default: the price of completion."
    )
    audio_prompt: PriceUsd | None = Field(
        default=None, description="Audio tokens that are read. Default: the price of prompt."
    )
    audio_completion: PriceUsd | None = Field(
        default=None, description="Audio tokens that are written. Default: the price of completion."
    )
    image_prompt: PriceUsd | None = Field(
        default=None, description="Image tokens that are read. Default: the price of prompt."
    )
    image_completion: PriceUsd | None = Field(
        default=None, description="Image tokens that are written. Default: the price of completion."
    )
    image: PriceUsd = Field(
        default=0, validate_default=True, description="US dollars for each image in the prompt. Default: 0."
    )
    request: PriceUsd = Field(
        default=0, validate_default=True, description="US dollars for each request, besides its tokens. Default: 0."
    )
    web_search: PriceUsd = Field(
        default=0, validate_default=True, description="US dollars for each web search. Default: 0."
    )
    search_unit: PriceUsd = Field(
        default=0, validate_default=True, description="US dollars for each search unit of a rerank. Default: 0."
    )
    second: PriceUsd = Field(
        default=0, validate_default=True, description="US dollars for each second of audio. Default: 0."
    )
    character: PriceUsd = Field(
        default=0, validate_default=True, description="US dollars per million characters of speech. Default: 0."
    )
    tiers: list[PriceTier] = Field(
        default=[], max_length=16, description="Other prices for long prompts. Default: none."
    )
    service_tiers: list[PriceService] = Field(
        default=[], max_length=3, description="Other prices for flex, priority and batch. Default: none."
    )


Modality = Literal["text", "image", "audio", "file", "video", "embeddings", "rerank", "speech", "transcription"]


class Endpoint(Section):
    """A model at a provider."""

    provider: str = Field(description="Slug of a provider in this file.")
    model: str | None = Field(
        default=None,
        min_length=1,
        max_length=256,
        description="The provider's own name of the model. Default: the catalogue's, else the slug without its "
        "author, or the whole slug at a gateway (routing_fields). In a wildcard, * stands for what the wildcard "
        "matched, and is the default.",
    )
    prices: Prices | None = Field(
        default=None,
        description="What it costs. Default: the catalogue's; where it has none the price is unknown: then nothing is "
        "charged, and the ledger says so.",
    )
    context_length: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000_000,
        description="Tokens of prompt and completion together. Default: the catalogue's, else unknown, shown as null.",
    )
    max_output_tokens: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000_000,
        description="Most tokens of one completion. Default: the catalogue's, else unknown, shown as null.",
    )
    tag: str | None = Field(
        default=None,
        pattern="^[A-Za-z0-9][A-Za-z0-9._/-]{0,127}$",
        description="Name of this endpoint in the journal and metrics: the provider's slug, or that and a variant, "
        "deepinfra/turbo. Unique in the model. Default: the provider's slug, numbered from the second one on.",
    )
    dialect: Dialect | None = Field(
        default=None,
        description="Protocol of the provider that this model is served on, where it is not served on all of them. "
        "Default: whichever fits the request best.",
    )
    supported_parameters: tuple[str, ...] | None = Field(
        default=None,
        max_length=64,
        description="Request parameters that it understands (tools, temperature …). Default: the model's.",
    )
    input_modalities: tuple[Modality, ...] | None = Field(
        default=None, min_length=1, description="What it reads. Default: the model's."
    )
    output_modalities: tuple[Modality, ...] | None = Field(
        default=None, min_length=1, description="What it writes. Default: the model's."
    )
    quantization: Literal["int4", "int8", "fp4", "fp6", "fp8", "fp16", "bf16", "fp32"] | None = Field(
        default=None, description="Precision of its weights. Default: unknown."
    )
    data_policy: DataPolicy = Field(
        default=DataPolicy(), description="What happens to what it is sent. Default: as the provider says."
    )
    weight: int = Field(
        default=1,
        ge=0,
        le=1_000_000,
        description="Share of the requests compared with the model's other endpoints, under the policy weighted. 0 "
        "serves only when the others fail. Default: 1.",
    )
    region: str | None = Field(
        default=None,
        pattern="^[a-z0-9-]{1,32}$",
        description="Where it computes: eu, us … Default: unknown.",
    )


class Benchmarks(Section):
    """How good a model is, from 0 to 100, for the routers to choose by. Each default is Turnout's own estimate."""

    intelligence: float | None = Field(
        default=None, ge=0, le=100, description="General knowledge and reasoning. Default: the estimate, else unknown."
    )
    coding: float | None = Field(
        default=None, ge=0, le=100, description="Programming. Default: the estimate, else as intelligence."
    )
    agentic: float | None = Field(
        default=None,
        ge=0,
        le=100,
        description="Work over many steps with tools. Default: the estimate, else as intelligence.",
    )


class Reasoning(Section):
    """How much a model can be asked to think. A level that it does not know is replaced by the nearest."""

    mandatory: bool = Field(
        default=False,
        description="Whether it always thinks. A request that turns thought off is refused then, or served with the "
        "least of it where the model is one of several or the newest of a family. Default: false.",
    )
    efforts: tuple[Literal["max", "xhigh", "high", "medium", "low", "minimal", "none"], ...] = Field(
        default=(),
        max_length=7,
        description="Levels that it knows. Default: unknown, so that every level is passed on.",
    )


class Model(Section):
    """A slug that clients may ask for, and where it is served.

    The short form of a model with a single endpoint writes the endpoint's keys directly under the slug; the shortest
    form is the provider's slug alone.
    """

    endpoints: list[Endpoint] = Field(
        default=[],
        max_length=64,
        description="Where it is served; routing.policy says in which order they are tried, and with order it is that "
        "of the list. Default: where the catalogue says that the providers of this file serve it, the cheapest first.",
    )
    name: str | None = Field(
        default=None,
        min_length=1,
        max_length=256,
        description="Display name. Default: the catalogue's, else the slug. The defaults of the following keys are the "
        "catalogue's as well, where it knows the model.",
    )
    description: str = Field(default="", max_length=8192, description="Free text for GET /models. Default: empty.")
    created: UnixTime = Field(
        default=0, description="When the model came out: a date or Unix seconds. Default: 0, which means unknown."
    )
    aliases: tuple[str, ...] = Field(
        default=(),
        max_length=256,
        description="Other names for it; the same as entries of the section aliases.",
    )
    input_modalities: tuple[Modality, ...] = Field(
        default=("text",),
        min_length=1,
        description="What it reads: a request with an image, sound or a film goes to endpoints only that read it. "
        "Default: text in GET /models, and nothing is left out.",
    )
    output_modalities: tuple[Modality, ...] = Field(
        default=("text",),
        min_length=1,
        description="What it writes, for GET /models; embeddings for an embedding model. Nothing is "
        "enforced. Default: text.",
    )
    supported_parameters: tuple[str, ...] = Field(
        default=(),
        max_length=64,
        description="Request parameters that it understands (tools, temperature …). Others are left out of what is "
        "sent, and a request with tools is refused if they are not among them. Default: empty, which means unknown.",
    )

    distillable: bool | None = Field(
        default=None,
        description="Whether its author permits to train other models with what it writes, for "
        "provider.enforce_distillable_text. Default: unknown, which does not count as permission.",
    )
    benchmarks: Benchmarks = Field(default=Benchmarks(), description="How good it is; see docs/auto-router.md.")
    reasoning: Reasoning | None = Field(
        default=None, description="How much it can be asked to think. Default: the catalogue's, else unknown."
    )

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, written: Any) -> Any:
        if isinstance(written, str):
            return {"endpoints": [{"provider": written}]}
        if not isinstance(written, dict):
            return written
        # A key that both have stays with the model; its endpoint takes it from there.
        below = Endpoint.model_fields.keys() - cls.model_fields.keys()
        inline = {key: value for key, value in written.items() if key in below and value is not None}
        if not inline or "endpoints" in written:
            return written
        rest = {key: value for key, value in written.items() if key not in below}
        return {**rest, "endpoints": [inline]}


class Preset(Section):
    """Members of a request that are kept under a name: @preset/NAME as a model, or the field preset.

    Besides the keys below it takes every member of POST /chat/completions but the conversation: models, provider,
    temperature, max_tokens, tools, response_format, reasoning, plugins … They are not checked before they are used.
    """

    model_config = ConfigDict(extra="allow", frozen=True, hide_input_in_errors=True, validate_default=False)

    enabled: bool = Field(default=True, description="false refuses requests that name it.")
    system: str | None = Field(
        default=None,
        max_length=262_144,
        description="System prompt; it stands before the request's own. Default: none.",
    )
    model: str | None = Field(
        default=None,
        min_length=1,
        max_length=256,
        description="What is asked for when the request names only the preset. Default: the request has to say.",
    )
    cache_enabled: bool | None = Field(
        default=None, description="Whether answers are kept in the response cache. Default: as the request says."
    )
    cache_ttl_seconds: int | None = Field(
        default=None, ge=1, le=86_400, description="How long they are kept. Default: as the request says."
    )


class Catalogue(Section):
    """The models that Turnout knows by itself: for each known provider that is on, what it serves and what it costs.

    ``catalogue: false`` is short for ``enabled: false``.
    """

    enabled: bool = Field(
        default=True,
        description="Whether providers bring their models. false serves only what the section models lists.",
    )
    hide: Annotated[list[str], BeforeValidator(one_or_many)] = Field(
        default=[],
        max_length=10_000,
        description="Models to leave out: slugs, or patterns such as anthropic/* or openai/gpt-4*. Names that the "
        "catalogue does not know are not passed on below such a pattern either, so what is hidden cannot be had under "
        "another name. What the section models lists is served all the same.",
    )
    pass_through: bool = Field(
        default=True,
        description="Whether names that the catalogue does not know are passed on: PROVIDER/name, and author/name "
        "where the author is the provider, such as openai/a-model-of-today. Their price is unknown. OpenRouter takes "
        "any name that nobody else does.",
    )

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, written: Any) -> Any:
        return {"enabled": written} if isinstance(written, bool) else written


RouterPattern = Annotated[str, Field(min_length=1, max_length=256)]


class _Router(Section):
    """What the routers have in common."""

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, written: Any) -> Any:
        return {"enabled": written} if isinstance(written, bool) else written

    enabled: bool = Field(
        default=True,
        description="Whether the name is served. false frees it: then a model or a wildcard of this file may have it.",
    )
    allowed_models: Annotated[list[RouterPattern], BeforeValidator(one_or_many)] = Field(
        default=[],
        max_length=1024,
        description="Models that it may choose: slugs, or patterns with any number of *, such as anthropic/* or "
        "*/claude-*. Default: every model that writes text and has no variant in its slug.",
    )
    excluded_models: Annotated[list[RouterPattern], BeforeValidator(one_or_many)] = Field(
        default=[], max_length=1024, description="Models that it may not choose, in the same form. Default: none."
    )


class AutoRouter(_Router):
    """``openrouter/auto``, also ``turnout/auto``: a model for the task. ``auto: false`` is short for enabled: false."""

    cost_tier: CostTier = Field(
        default="low",
        description="Which fifth of the models by price is chosen from, where the request does not say it: low is the "
        "cheapest fifth, max the dearest. OpenRouter's default.",
    )
    pools: dict[str, Annotated[list[RouterPattern], BeforeValidator(one_or_many)]] = Field(
        default={},
        max_length=32,
        description="Models for a task instead of allowed_models: task: patterns. A task is a name of "
        "docs/auto-router.md (code:debugging), its first word (code), or default, which counts for every other task "
        "and for requests of which none is told.",
    )


class FreeRouter(_Router):
    """``openrouter/free``, also ``turnout/free``: any model that costs nothing and can do what is asked."""


class ParetoRouter(_Router):
    """``openrouter/pareto-code``, also ``turnout/pareto-code``: the cheapest model that programs well enough."""

    min_coding_score: float = Field(
        default=0.66,
        ge=0,
        le=1,
        description="How well, where the request does not say it: from 0.66 the best third of the models that are "
        "above the median, from 0.33 the next, below it the last. OpenRouter's default.",
    )


class Routers(Section):
    """Names behind which a model is chosen for each request. ``routers: false`` turns all of them off."""

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, written: Any) -> Any:
        return dict.fromkeys(cls.model_fields, written) if isinstance(written, bool) else written

    auto: AutoRouter = Field(default=AutoRouter(), description="By the task.")
    free: FreeRouter = Field(default=FreeRouter(), description="Without costs.")
    pareto_code: ParetoRouter = Field(default=ParetoRouter(), description="For code, by price.")


class Ledger(Section):
    """Where booked generations are kept. Requests never wait for it; the journal holds them until it catches up."""

    path: AnyPath | None = Field(
        default=None, description="SQLite file. Default: ledger.db in the state folder. Give either path or url."
    )
    url: Secret | None = Field(
        default=None,
        description="SQLAlchemy URL of a database instead, for instance "
        "postgresql+psycopg://user:password@host/name. A secret.",
    )
    batch_records: int = Field(
        default=2_000,
        ge=1,
        le=10_000,
        description="Most generations of one transaction. Larger ones are hardly faster and hold the database longer.",
    )
    flush: Milliseconds = Field(
        default=250,
        ge=10,
        le=1 * MINUTE,
        description="How long a booked generation may wait for company before it is written. A client that looks its "
        "generation up at once finds it within about this time.",
    )
    retention_days: int | None = Field(
        default=None,
        ge=1,
        le=36_500,
        description="Generations older than this are deleted. Default: kept for ever, since deleting "
        "books is a decision.",
    )

    @model_validator(mode="after")
    def _one_place(self) -> Ledger:
        if self.path is not None and self.url is not None:
            raise wrong("give either path or url, not both")
        return self


class Log(Section):
    """What the process writes to standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info",
        description="Least severity that is written. info tells starts, reloads and failures, no requests.",
    )
    format: Literal["text", "json"] = Field(
        default="text", description="text for people, json (one object a line) for collectors."
    )


class Credits(Section):
    """An account of the whole gateway: what was added to it, less what requests cost."""

    enabled: bool = Field(
        default=False,
        description="Whether requests are refused (402) when the credits are used up. They are added with "
        "POST /api/admin/credits. Off by default: a gateway of one's own has no need to be paid.",
    )


class FreeModels(Section):
    """How often models whose slug ends in :free may be asked, by all keys together as at OpenRouter."""

    per_minute: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000,
        description="Requests in a minute of the clock; OpenRouter has 20. Default: no limit, because whoever offers "
        "models for free on a gateway of their own knows what they bear.",
    )
    per_day: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000_000,
        description="Requests in a day (UTC); OpenRouter has 50. Default: no limit.",
    )
    per_day_with_credits: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000_000,
        description="In place of per_day when 10 dollars or more were ever added to the credits; OpenRouter has 1000. "
        "Default: as per_day.",
    )


class Billing(Section):
    """How money is counted."""

    reserve_tokens: int = Field(
        default=8_192,
        ge=1,
        le=10_000_000,
        description="Tokens that a request which names no max_tokens is taken to write at most (or the model's own "
        "maximum, if that is less), where a limit or credits must cover it beforehand. Few requests write more. "
        "A higher value refuses more requests near a limit; a lower one lets a running request overspend it by more.",
    )
    byok_fee_percent: int = Field(
        default=0,
        ge=0,
        le=100,
        description="Percentage of the provider's price that a request is charged when it was served with a key of the "
        "client's own (api_keys of kind prioritized or fallback). OpenRouter takes 5 beyond an allowance; 0 charges "
        "nothing.",
    )


class Config(Section):
    """The whole file. Everything may be left out."""

    server: Server = Field(default=Server(), description="The public side.")
    keys: list[Key] = Field(
        default=[],
        max_length=1_000_000,
        description="Keys of clients. When there is none, one is made at the first start and shown once.",
    )
    providers: dict[str, Provider] = Field(
        default={},
        max_length=10_000,
        description="Provider accounts by slug. With a file, only the providers in it are used; without one, every "
        "known provider whose environment variable is set.",
    )
    models: dict[str, Model] = Field(
        default={},
        max_length=1_000_000,
        description="Models by slug author/name, or by wildcard such as openai/*, besides those of the catalogue. "
        "A slug may end in :free, :extended, :thinking or :batch: without endpoints such a variant has those of the "
        "model. What is written here wins over what the catalogue says, field by field. The longest wildcard wins, "
        "and a slug wins over wildcards. When the section is empty, each provider SLUG serves SLUG/*, with the rest of "
        "the name passed on.",
    )
    catalogue: Catalogue = Field(default=Catalogue(), description="Models that providers bring without being listed.")
    presets: dict[str, Preset] = Field(
        default={},
        max_length=1_000,
        description="Presets by name. Others are made through the API; one of the same name there is left out.",
    )
    aliases: dict[str, str] = Field(
        default={},
        max_length=1_000_000,
        description="Other names for models: alias: slug. An alias of an alias is followed. What serves is "
        "booked under its slug.",
    )
    routing: Routing = Field(default=Routing(), description="How endpoints are chosen.")
    credits: Credits = Field(default=Credits(), description="Prepaid money of the whole gateway.")
    free: FreeModels = Field(default=FreeModels(), description="Limits of models that cost nothing.")
    billing: Billing = Field(default=Billing(), description="How money is counted.")
    routers: Routers = Field(default=Routers(), description="Names behind which a model is chosen.")
    cache: Cache = Field(default=Cache(), description="Answers that are given again.")
    ledger: Ledger = Field(default=Ledger(), description="Where generations are booked.")
    log: Log = Field(default=Log(), description="What is logged.")
