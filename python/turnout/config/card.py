"""The object of a model in ``GET /models``: OpenRouter's, with the three fields that OpenAI's clients look for.

Only what the configuration knows is claimed. What it does not know is ``null``, an empty list, or OpenRouter's ``-1``
for a price that cannot be told in advance; 0 would promise that the model is free.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from turnout.config.values import dollars

if TYPE_CHECKING:
    from turnout.config import model, snapshot

_encoder = msgspec.json.Encoder()

TOKENS_PER_PRICE = 10**6


def card(slug: str, written: model.Model, first: snapshot.Endpoint) -> str:
    """JSON text of the model ``slug``; prices and lengths are those of its ``first`` endpoint."""
    inputs, outputs = written.input_modalities, written.output_modalities
    members: dict[str, Any] = {
        "id": slug,
        "object": "model",
        "created": written.created,
        "owned_by": slug.partition("/")[0],
        "canonical_slug": slug,
        "name": written.name or slug,
        "description": written.description,
        "context_length": first.context_length,
        "architecture": {
            "modality": f"{'+'.join(inputs)}->{'+'.join(outputs)}",
            "input_modalities": inputs,
            "output_modalities": outputs,
            "tokenizer": "Other",
            "instruct_type": None,
        },
        "pricing": _pricing(first.prices),
        "top_provider": {
            "context_length": first.context_length,
            "max_completion_tokens": first.completion_tokens_max,
            "is_moderated": False,
        },
        "per_request_limits": None,
        "supported_parameters": written.supported_parameters,
        "default_parameters": None,
        "supported_voices": None,
        "links": {"details": f"/api/v1/models/{slug}/endpoints"},
    }
    return _encoder.encode(members).decode()


def _pricing(prices: snapshot.Prices | None) -> dict[str, str]:
    """US dollars per token (per request for ``request``) as exact decimal text."""
    if prices is None:
        return {"prompt": "-1", "completion": "-1"}
    return {
        "prompt": dollars(prices.prompt, TOKENS_PER_PRICE),
        "completion": dollars(prices.completion, TOKENS_PER_PRICE),
        "request": dollars(prices.request),
        "input_cache_read": dollars(prices.cache_read, TOKENS_PER_PRICE),
        "input_cache_write": dollars(prices.cache_write, TOKENS_PER_PRICE),
    }
