"""The control API's routes, all in one table, and the Starlette application around them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import Route

from turnout.control import (
    batches,
    byok,
    config,
    credits,
    endpoints,
    explain,
    files,
    generation,
    images,
    index,
    key,
    missing,
    models,
    presets,
    providers,
    refusal,
    reload,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.responses import Response

    from turnout.gateway import Gateway

    Handler = Callable[[Request], Awaitable[Response]]


def routes() -> list[Route]:
    """The table. What OpenRouter has under ``/api/v1`` is there under ``/v1`` too, as for the hot endpoints."""
    return [
        Route("/", index.read, methods=["GET"]),
        Route("/api/v1/generation", generation.read, methods=["GET"]),
        Route("/v1/generation", generation.read, methods=["GET"]),
        Route("/api/v1/key", key.read, methods=["GET"]),
        Route("/v1/key", key.read, methods=["GET"]),
        # Its name until 2025; clients still ask for it.
        Route("/api/v1/auth/key", key.read, methods=["GET"]),
        Route("/v1/auth/key", key.read, methods=["GET"]),
        Route("/api/v1/credits", credits.read, methods=["GET"]),
        Route("/v1/credits", credits.read, methods=["GET"]),
        *catalogue(),
        *stored(),
        *kept(),
        Route("/api/admin/reload", reload.create, methods=["POST"]),
        Route("/api/admin/credits", credits.listing, methods=["GET"]),
        Route("/api/admin/credits", credits.create, methods=["POST"]),
        Route("/api/admin/config", config.read, methods=["GET"]),
        Route("/api/admin/route/explain", explain.create, methods=["POST"]),
    ]


PREFIXES: Final = ("/api/v1", "/v1")


def catalogue() -> list[Route]:
    """What there is to ask for. A name holds slashes, so that the order of the routes decides.

    Anthropic's and Google's clients have their own addresses beside the two that they share with everybody.
    """
    pages: list[tuple[str, Handler]] = [
        ("/models", models.read),
        ("/models/count", models.read_count),
        ("/models/user", models.read_user),
        ("/models/{name:path}/endpoints", endpoints.read),
        ("/models/{name:path}", models.read_one),
        ("/model/{name:path}", models.read_wrapped),
        ("/embeddings/models", models.read_embeddings),
        ("/endpoints/zdr", endpoints.read_zdr),
        ("/images/models", images.read),
        ("/images/models/{name:path}/endpoints", images.read_endpoints),
        ("/providers", providers.read),
    ]
    routes = [Route(f"{prefix}{path}", handler, methods=["GET"]) for prefix in PREFIXES for path, handler in pages]
    for prefix in ("/anthropic/v1", "/v1beta"):
        routes.append(Route(f"{prefix}/models", models.read, methods=["GET"]))
        routes.append(Route(f"{prefix}/models/{{name:path}}", models.read_one, methods=["GET"]))
    return routes


def stored() -> list[Route]:
    """What providers keep for clients. Some of their ids hold a slash, so that the order of the routes decides."""
    pages: list[tuple[str, Handler, str]] = [
        ("/files", files.listing, "GET"),
        ("/files", files.create, "POST"),
        ("/files/{id:path}/content", files.content, "GET"),
        ("/files/{id:path}", files.read, "GET"),
        ("/files/{id:path}", files.delete, "DELETE"),
        ("/batches", batches.listing, "GET"),
        ("/batches", batches.create, "POST"),
        ("/batches/{id:path}/cancel", batches.cancel, "POST"),
        ("/batches/{id:path}", batches.read, "GET"),
    ]
    return [
        Route(f"{prefix}{path}", handler, methods=[method]) for prefix in PREFIXES for path, handler, method in pages
    ]


def kept() -> list[Route]:
    """Presets, and provider keys of somebody's own. What is posted to them is kept, and asked of nobody."""
    pages: list[tuple[str, Handler, str]] = [
        ("/presets", presets.listing, "GET"),
        ("/presets/{slug}", presets.read, "GET"),
        ("/presets/{slug}", presets.update, "PATCH"),
        ("/presets/{slug}", presets.delete, "DELETE"),
        ("/presets/{slug}/versions", presets.read_versions, "GET"),
        ("/presets/{slug}/versions/{version:int}", presets.read_version, "GET"),
        ("/presets/{slug}/chat/completions", presets.create_chat, "POST"),
        ("/presets/{slug}/messages", presets.create_messages, "POST"),
        ("/presets/{slug}/responses", presets.create_responses, "POST"),
        ("/byok", byok.listing, "GET"),
        ("/byok", byok.create, "POST"),
        ("/byok/{id}", byok.read, "GET"),
        ("/byok/{id}", byok.update, "PATCH"),
        ("/byok/{id}", byok.delete, "DELETE"),
    ]
    return [
        Route(f"{prefix}{path}", handler, methods=[method]) for prefix in PREFIXES for path, handler, method in pages
    ]


def control(gateway: Gateway) -> Starlette:
    """The application for a running gateway."""
    table = routes()
    app = Starlette(
        routes=table,
        exception_handlers={
            refusal.Refusal: refusal.refused,
            HTTPException: missing.answer_http,
            Exception: refusal.failed,
        },
    )
    app.state.gateway = gateway
    app.state.table = table
    return app
