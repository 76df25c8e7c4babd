"""What files and batches have in common: how one is looked at, listed and changed at the provider that keeps it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from starlette.requests import ClientDisconnect

from turnout.control import answer, booking, identity, keeper, passing
from turnout.control.passing import Errand, Failure

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from turnout.config.snapshot import Dialect, Key

CLIENT_LEFT: Final = 499
"""Status of a request whose client went away before its answer, as on hot endpoints."""

_FOR_THE_GATEWAY: Final = (keeper.MEMBER, "key")
"""Query parameters that do not pass: the second may hold the client's key."""


async def listing(request: Request, resource: str, dialect: Dialect) -> Response:
    """A page of the list of one provider."""
    return await _shown(errand(request, resource, dialect))


async def one(request: Request, resource: str, dialect: Dialect) -> Response:
    """One file or batch: read, or removed by ``DELETE``."""
    return await _shown(errand(request, resource, dialect))


async def change(errand: Errand, *, api: str, key: Key | None) -> Response:
    """What makes or ends something; booked, with the id of the booking in ``X-Generation-Id``."""
    watch = booking.Stopwatch()
    booked_id = booking.new_id(watch.began)
    headers = {"x-generation-id": booked_id}

    async def book(passed: booking.Passed) -> None:
        generation = booking.row(
            errand.request,
            booked_id=booked_id,
            watch=watch,
            api=api,
            key=key,
            keeper=errand.keeper,
            passed=passed,
        )
        await booking.book(errand.request, generation)

    try:
        found = await passing.ask(errand)
    except Failure as failure:
        await book(
            booking.Passed(
                status=failure.kind.status,
                upstream_status=failure.status,
                outcome=failure.outcome,
                error_type=failure.kind.error_type,
            )
        )
        failure.headers.update(headers)
        raise
    except ClientDisconnect:
        await book(booking.Passed(status=CLIENT_LEFT, upstream_status=0, outcome="cancelled"))
        raise
    made = found.body.get("id")
    await book(
        booking.Passed(
            status=found.status,
            upstream_status=found.status,
            outcome="ok",
            upstream_id=made if isinstance(made, str) else "",
        )
    )
    return answer.json(_public(errand, found.body), status=found.status, headers=headers)


def errand(request: Request, resource: str, dialect: Dialect, *further: str) -> Errand:
    """The request for a list, or for the one that the address names, and for what is below it."""
    snapshot = identity.gateway(request).reloader.current.snapshot
    query = {name: value for name, value in request.query_params.items() if name not in _FOR_THE_GATEWAY}
    ids = {name: query[name] for name in keeper.ID_PARAMETERS if name in query}
    public = request.path_params.get("id")
    named = (*ids.values(), *((public,) if public is not None else ()))
    chosen = keeper.choose(snapshot, dialect, said=keeper.named(request), ids=named)
    path = (resource, *(keeper.segments(keeper.split(public)[1]) if public is not None else ()), *further)
    query.update({name: keeper.split(value)[1] for name, value in ids.items()})
    return Errand(
        request=request,
        keeper=chosen,
        method=request.method if request.method != "HEAD" else "GET",
        path=path,
        query=query,
        raw_errors=snapshot.server.raw_errors,
    )


async def _shown(errand: Errand) -> Response:
    found = await passing.ask(errand)
    return answer.json(_public(errand, found.body), status=found.status)


def _public(errand: Errand, body: dict[str, Any]) -> dict[str, Any]:
    return keeper.outward(body, errand.keeper.provider.slug)
