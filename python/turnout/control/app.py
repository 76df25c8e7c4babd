"""The control API's routes, all in one table, and the Starlette application around them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import Route

from turnout.control import config, generation, index, key, missing, refusal, reload

if TYPE_CHECKING:
    from turnout.gateway import Gateway


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
        Route("/api/admin/reload", reload.create, methods=["POST"]),
        Route("/api/admin/config", config.read, methods=["GET"]),
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
