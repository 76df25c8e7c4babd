"""``GET providers``: whom this gateway can reach, as OpenRouter's clients read it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from turnout.control import answer, identity

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from turnout.config.snapshot import Provider


async def read(request: Request) -> Response:
    """The providers that are switched on, in the order of the configuration."""
    identity.client(request)
    snapshot = identity.gateway(request).reloader.current.snapshot
    return answer.json({"data": [shape(provider) for provider in snapshot.providers]})


def shape(provider: Provider) -> dict[str, Any]:
    """One provider."""
    return {
        "name": provider.name,
        "slug": provider.slug,
        "privacy_policy_url": None,
        "terms_of_service_url": None,
        "status_page_url": None,
        "headquarters": None,
        "datacenters": None,
    }
