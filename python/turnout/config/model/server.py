"""The section ``server``: where Turnout listens, what it accepts from clients, how it ends."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field, SecretStr, field_validator, model_validator

from turnout.config.model.section import GIB, HOUR, KIB, MIB, MINUTE, SECOND, Section
from turnout.config.snapshot import Explain
from turnout.config.values import (
    AnyPath,
    Bytes,
    CertificateFile,
    HeaderSecret,
    ListenAddress,
    Milliseconds,
    Network,
    Origin,
    PrivateKeyFile,
    Secret,
    one_or_many,
    wrong,
)
from turnout.vault import KEY_CHARACTERS_MIN, KEYS_MAX


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
    form: Bytes = Field(
        default=1 * MIB,
        ge=64 * KIB,
        le=1 * GIB,
        description="How much is held of a larger form with sound to be transcribed; the rest goes to the provider "
        "while it arrives. While only what is held has been sent, another endpoint can be tried. Such a form has to "
        "name its model in this part, before the file; one that does not is held whole, up to body.",
    )
    upload: Bytes = Field(
        default=512 * MIB,
        ge=64 * KIB,
        le=16 * GIB,
        description="Largest form that is passed on in this way, and largest file that POST /files passes on. "
        "It costs no memory; providers take 25 MB to 1 GB. Above it: 413.",
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
    explain: Explain = Field(
        default="request",
        description="What X-Turnout-Explain tells clients, unless their key says otherwise. request: endpoints, "
        "filters, prices and times of their own request. full: also the labels of providers' keys and the names that "
        "models have at providers, which may hold account numbers. off: nothing, and debug.echo_upstream_body, which "
        "shows what presets add to a request, is ignored. X-OpenRouter-Metadata and the admin key are answered in any "
        "case.",
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

    encryption_keys: Annotated[list[Secret], BeforeValidator(one_or_many)] = Field(
        default=[],
        max_length=KEYS_MAX,
        description="Texts that the provider keys of POST /api/v1/byok are encrypted with in the database: the first "
        "encrypts, all decrypt. Each has at least 32 characters, such as openssl rand -hex 32 gives; ${VARIABLE} or "
        "file:PATH rather than the text. Gateways that share a database need the same. Default: one is made when the "
        "first key is handed in, and kept in the file secrets.key of the state folder.",
    )

    @field_validator("encryption_keys")
    @classmethod
    def _long_enough(cls, keys: list[SecretStr]) -> list[SecretStr]:
        if any(len(key.get_secret_value()) < KEY_CHARACTERS_MIN for key in keys):
            raise wrong(f"a key has at least {KEY_CHARACTERS_MIN} characters: openssl rand -hex 32 gives one")
        return keys

    @field_validator("listen")
    @classmethod
    def _no_address_twice(cls, listen: list[str]) -> list[str]:
        fixed = [address for address in listen if not address.endswith(":0")]
        if len(fixed) != len(set(fixed)):
            raise wrong("an address occurs twice")
        return listen
