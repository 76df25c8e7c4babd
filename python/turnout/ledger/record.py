"""One booked generation, as the plane journals it.

Twin of ``rust/plane/src/account.rs``: a MessagePack array whose fields stand in exactly this order. A golden file
(``tests/ledger/record.golden.hex``) ties the two.
"""

from __future__ import annotations

import msgspec


class Attempt(msgspec.Struct, frozen=True, array_like=True):
    """One try at one endpoint, in order."""

    provider: str
    """Provider slug."""
    endpoint: str
    """Endpoint tag."""
    credential: str
    """Credential label, or empty."""
    status: int
    """HTTP status that the provider answered; 0 when there was none."""
    latency_us: int
    outcome: str
    """``ok``, or an error kind: ``connect``, ``timeout``, ``status``, ``empty``, ``malformed``, ``closed``,
    ``cancelled``."""
    is_byok: bool = False
    """With a key of the client's own."""
    hedged: bool = False
    """It was made beside another one that was slow."""
    cost_nano: int = 0
    """What it is taken to have cost although another one served; part of the generation's cost. Nano-dollars."""


class Generation(msgspec.Struct, frozen=True, array_like=True):
    """A generation: one client request that reached routing, whether it succeeded or not."""

    id: str
    created_ms: int
    """Unix time in milliseconds when the request's head had been read."""
    key_sha256: str
    """Empty with ``--no-auth``."""
    key_name: str
    api: str
    """``chat``, ``completions``, ``embeddings`` …; ``probe``: the gateway's own request, to see whether an endpoint
    serves; ``judge``: the auto router's question what a request of the same key is about."""
    model_requested: str
    model: str
    """Slug that served, or the one that was tried last."""
    provider: str
    """Display name of the provider that served; empty when none did."""
    provider_slug: str
    endpoint: str
    upstream_model: str
    upstream_id: str
    """``id`` that the provider gave, or empty."""
    streamed: bool
    cancelled: bool
    """The client went away before the end."""
    status: int
    """HTTP status that the client was sent; 499 when it left before one was."""
    error_type: str | None
    finish_reason: str | None
    native_finish_reason: str | None
    tokens_prompt: int
    tokens_completion: int
    tokens_reasoning: int
    tokens_cached: int
    tokens_cache_write: int
    usage_source: str
    """``upstream``: the provider said so; ``estimated``: it did not, counted as bytes / 4; ``none``: no tokens were
    used."""
    cost_nano: int
    """Nano-dollars charged, with those of attempts that lost against a hedge."""
    price_version: str
    """Empty: the price was unknown and the cost is zero for that reason."""
    queue_us: int
    """From the head read to the first attempt: reading the body, authentication, routing."""
    connect_us: int
    """Connecting of the attempt that served; 0 on a kept connection."""
    ttft_us: int
    """From the head read to the first byte of the answer sent to the client; 0 when none was."""
    total_us: int
    overhead_us: int
    """Part of ``total_us`` not spent waiting for the provider or the client."""
    attempts: list[Attempt]
    http_referer: str
    app_title: str
    user_agent: str
    session_id: str
    user: str
    client_address: str
    config_digest: str
    response_cache_source_id: str = ""
    """The generation whose answer was given again from the response cache; empty: a provider was asked."""
    upstream_cost_nano: int | None = None
    """What the provider charged the owner of the key, where that was the client's own; ``cost_nano`` is the fee."""
    router: str | None = None
    """Slug of the router that chose the model; ``None``: the request named it."""


Batch = list[Generation]

_decoder = msgspec.msgpack.Decoder(Batch)


def decode(batch: bytes) -> Batch:
    """Reads what ``Plane.drain_journal`` returned. Raises :class:`msgspec.DecodeError` when it is something else."""
    return _decoder.decode(batch)
