"""Which API the client of a request speaks, so that lists and refusals come in a shape that it reads.

The same path serves several: ``GET /v1/models`` is OpenAI's and OpenRouter's, Anthropic's for who sends its version
header, and Gemini's for who sends Google's key header. The two headers are sent by the vendors' own libraries with
every request, and by nobody else's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from starlette.requests import Request

ClientApi = Literal["openrouter", "anthropic", "gemini"]
"""``openrouter`` is OpenAI's too: what they share has one shape."""


def client_api(request: Request) -> ClientApi:
    """The API of this request."""
    path = request.url.path
    if path.startswith("/v1beta/"):
        return "gemini"
    if path.startswith("/anthropic/") or "anthropic-version" in request.headers:
        return "anthropic"
    if "x-goog-api-key" in request.headers or "x-goog-api-client" in request.headers:
        return "gemini"
    return "openrouter"
