"""What is the same for every provider that speaks a dialect: the operations it has, and where they usually are.

A path is relative to a wire's base URL. ``{model}`` in it is replaced by the percent-encoded model when a request is
sent; a query may follow. The plane knows what an operation means, this table only where it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

Dialect = Literal["openai", "responses", "anthropic", "gemini", "bedrock", "cohere", "ollama"]

PATHS: Final[Mapping[Dialect, Mapping[str, str]]] = {
    "openai": {
        "chat": "/chat/completions",
        "completions": "/completions",
        "embeddings": "/embeddings",
        "rerank": "/rerank",
        "images": "/images/generations",
        "image_edits": "/images/edits",
        "speech": "/audio/speech",
        "transcriptions": "/audio/transcriptions",
        "translations": "/audio/translations",
        "moderations": "/moderations",
    },
    "responses": {"responses": "/responses"},
    "anthropic": {"messages": "/messages", "count_tokens": "/messages/count_tokens"},
    "gemini": {
        "generate": "/models/{model}:generateContent",
        "generate_stream": "/models/{model}:streamGenerateContent?alt=sse",
        "count_tokens": "/models/{model}:countTokens",
        "embed": "/models/{model}:embedContent",
        "embed_batch": "/models/{model}:batchEmbedContents",
    },
    "bedrock": {
        "converse": "/model/{model}/converse",
        "converse_stream": "/model/{model}/converse-stream",
        "invoke": "/model/{model}/invoke",
    },
    "cohere": {"chat": "/chat", "embed": "/embed", "rerank": "/rerank"},
    "ollama": {"chat": "/api/chat", "embed": "/api/embed"},
}
"""Dialect → operation → usual path."""

FOLLOWING: Final[Mapping[Dialect, tuple[str, ...]]] = {"anthropic": ("messages_stream",)}
"""Dialect → operations that go where the plain ones go, unless a path is written for them."""


class Quirks(msgspec.Struct, frozen=True, kw_only=True):
    """Where servers of one dialect differ; the fields are those of :class:`turnout.config.snapshot.Quirks`.

    The defaults are what a row may claim without a source: the plainest words, and "no" to every ability.
    ``stream_usage`` is the exception, because a stream without usage cannot be priced: it is "yes" except where a
    provider is known to refuse the field or to send usage without being asked.
    """

    stream_usage: bool = True
    max_tokens: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    developer_role: bool = False
    reasoning: Literal["effort", "object", "thinking", "none"] = "none"
    parallel_tool_calls: bool = False
    tool_choice_required: Literal["required", "any"] = "required"
    json_schema: bool = False
    image_urls: bool = False


OWN: Final = Quirks(reasoning="effort", parallel_tool_calls=True, json_schema=True, image_urls=True)
"""Of a provider that a person describes without a row: the protocol as it is written, in its oldest and most widely
understood words. Who writes a base URL knows the server, and can say what it lacks."""


class Wire(msgspec.Struct, frozen=True, kw_only=True):
    """One protocol that a known provider speaks. ``base_url`` and ``paths`` may name the row's settings in braces."""

    dialect: Dialect
    base_url: str
    operations: tuple[str, ...]
    """Those that its documentation has, of :data:`PATHS`."""
    paths: tuple[tuple[str, str], ...] = ()
    """Operations that are elsewhere than usual, with their path."""
    quirks: Quirks = Quirks()
