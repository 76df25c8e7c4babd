"""``GET models`` and what belongs to it: the list with OpenRouter's filters, the count, one model.

The plane itself answers the bare list and a single model from the same cards; here is what takes a decision. One object
serves OpenRouter's clients and OpenAI's alike. Anthropic's and Google's libraries ask at the same paths and get the
shapes that they know, see :mod:`turnout.control.client_api`.

Every page wants a client key wherever the gateway has keys, also where OpenRouter's are public: which models a company
can reach, and through whom, is nobody else's business.
"""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from turnout.control import answer, feed, identity, listing, models_anthropic, models_gemini, selection
from turnout.control.client_api import client_api
from turnout.ledger import query as ledger
from turnout.ledger.writer import describe

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from turnout.control.listing import Shown
    from turnout.control.selection import Query
    from turnout.ledger.query import Record

log = logging.getLogger("turnout.control")

RSS: Final = "application/rss+xml"


async def read(request: Request) -> Response:
    """``GET models``, in the shape of the API that asks."""
    spoken = client_api(request)
    if spoken == "anthropic":
        return models_anthropic.page(request)
    if spoken == "gemini":
        return models_gemini.page(request)
    parameters = request.query_params
    query = selection.read(parameters, outputs=default_outputs(request))
    found = await _select(request, query)
    if parameters.get("use_rss", "").lower() in ("true", "1"):
        return Response(
            feed.rss(found, identity.address(request)), media_type=RSS, headers={"cache-control": "no-store"}
        )
    return answer.json(paged(request, found, query))


async def read_user(request: Request) -> Response:
    """``GET models/user``: what the presented key may use. That is the same list, since no list shows more."""
    return await read(request)


async def read_count(request: Request) -> Response:
    """``GET models/count``: how many the list has with the same parameters."""
    query = selection.read(request.query_params, outputs=default_outputs(request))
    return answer.json({"data": {"count": len(await _select(request, query))}})


async def read_embeddings(request: Request) -> Response:
    """``GET embeddings/models``: those that make embeddings."""
    given: Mapping[str, str] = {**request.query_params, "output_modalities": "embeddings"}
    query = selection.read(given, outputs="embeddings")
    return answer.json(paged(request, await _select(request, query), query))


async def read_one(request: Request) -> Response:
    """``GET models/{model}``: the object itself, as OpenAI, Anthropic and Google have it."""
    shown = listing.one(request, request.path_params["name"])
    spoken = client_api(request)
    if spoken == "anthropic":
        return answer.json(models_anthropic.shape(shown))
    if spoken == "gemini":
        return answer.json(models_gemini.shape(shown))
    return answer.json(shown.raw)


async def read_wrapped(request: Request) -> Response:
    """``GET model/{author}/{slug}``: the object in ``data``, as OpenRouter has it."""
    return answer.json({"data": listing.one(request, request.path_params["name"]).raw})


def default_outputs(request: Request) -> str:
    """What is listed when no output modality is asked for: OpenRouter lists models that write text, OpenAI all."""
    return "text" if request.url.path.startswith("/api/") else "all"


def paged(request: Request, found: list[Shown], query: Query) -> dict[str, Any]:
    """A page of models in OpenRouter's envelope, with the ``object`` that OpenAI's has."""
    part = selection.page(found, query)
    return {
        "object": "list",
        "data": [shown.raw for shown in part.models],
        "total_count": part.total,
        "links": {"next": selection.next_link(request.url.path, request.query_params, query, part)},
    }


async def _select(request: Request, query: Query) -> list[Shown]:
    models = listing.visible(request)
    snapshot = listing.of(request).snapshot
    days = selection.MEASURED_DAYS.get(query.sort or "")
    records: Mapping[str, Record] = {}
    if days is not None:
        since = datetime.now(UTC) - timedelta(days=days)
        try:
            records = await run_in_threadpool(ledger.records, identity.gateway(request).ledger, since=since)
        except SQLAlchemyError as error:
            # A list in another order is of more use than none.
            log.warning("models are not sorted by %s, the ledger cannot be read: %s", query.sort, describe(error))
    return selection.select(models, query, snapshot, now=time.time(), records=records)
