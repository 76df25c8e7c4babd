"""``GET providers``: whom this gateway can reach, as OpenRouter's clients read it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from turnout.control import answer, identity
from turnout.providers.rows import row

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
    """One provider. Of one that a person described, nothing but its names is known."""
    known = row(provider.slug)
    return {
        "name": provider.name,
        "slug": provider.slug,
        "privacy_policy_url": known.privacy_url if known else None,
        "terms_of_service_url": known.terms_url if known else None,
        "status_page_url": known.status_url if known else None,
        "headquarters": known.headquarters if known else None,
        "datacenters": list(known.datacenters) or None if known else None,
    }
