"""What is answered where there is nothing: 404 that names paths which come near, and 405 that names the methods."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Final

from starlette.exceptions import HTTPException

from turnout.control import refusal
from turnout.control.client_api import client_api
from turnout.control.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request
    from starlette.responses import Response

HOT: Final = (
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/embeddings",
    "/health/live",
    "/health/ready",
    "/metrics",
)
"""Paths that the plane serves. A request for one of them is only seen here on granian's own address."""

NEAR_MAX: Final = 3


def near_paths(path: str, known: Sequence[str]) -> list[str]:
    """Known paths that are most like this one."""
    return difflib.get_close_matches(path.rstrip("/"), known, n=NEAR_MAX, cutoff=0.6)


async def answer_http(request: Request, error: Exception) -> Response:
    """Starlette's handler for its own exceptions: no such path, wrong method."""
    assert isinstance(error, HTTPException)
    path, spoken = request.url.path, client_api(request)
    if error.status_code == 405:
        allow = dict(error.headers or {}).get("Allow", "")
        return Refusal(
            refusal.METHOD_NOT_ALLOWED,
            f"{request.method} is not allowed on {path}, expected {allow}",
            headers={"allow": allow},
        ).response(spoken)
    if error.status_code != 404:
        kind = refusal.Kind(error.status_code, "invalid_request", error.detail)
        return Refusal(kind, headers=dict(error.headers or {})).response(spoken)
    if path.removeprefix("/api") in HOT:
        return Refusal(
            refusal.NOT_FOUND, f"{path} is served on the gateway's public address, not on that of its control API"
        ).response(spoken)
    near = near_paths(path, [*(route.path for route in request.app.state.table), *HOT])
    hint = f", near it are {' and '.join(near)}" if near else ""
    return Refusal(
        refusal.NOT_FOUND, f"There is nothing at {path}{hint}", metadata={"near": near} if near else {}
    ).response(spoken)
