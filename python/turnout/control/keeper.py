"""Which provider keeps a file or a batch, and how its ids say so.

A file lives in one account at one provider, so nothing here can fall back. The provider is named by the request
(``?provider=``, the header ``x-turnout-provider``, or a member of the body), or by the id: ids go out as
``{provider}~{their id}`` and come back so. When neither says anything, the only provider that could be meant is taken.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from turnout.control import refusal
from turnout.control.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from turnout.config.snapshot import Credential, Dialect, Provider, Snapshot, Wire

SEPARATOR: Final = "~"
"""Between a provider and its own id. It needs no encoding in an address."""

HEADER: Final = "x-turnout-provider"
MEMBER: Final = "provider"
"""Name of the query parameter, and of the member in a JSON body or a form."""

ID_MEMBERS: Final = ("id", "input_file_id", "output_file_id", "error_file_id", "first_id", "last_id")
"""Members of files, batches and lists of them that hold the id of a file or a batch."""

ID_PARAMETERS: Final = ("after", "after_id", "before_id")
"""Query parameters of lists that hold one."""


@dataclass(frozen=True)
class Keeper:
    """A provider with the protocol in which it is asked for files and batches."""

    provider: Provider
    wire: Wire


def keepers(snapshot: Snapshot, dialect: Dialect) -> list[Keeper]:
    """Who could be meant: the providers that speak this protocol and take a credential that can be sent from here."""
    return [
        Keeper(provider, wire)
        for provider in snapshot.providers
        if not provider.credentials or credential(provider) is not None
        for wire in provider.wires
        if wire.dialect == dialect
    ]


def credential(provider: Provider) -> Credential | None:
    """The credential that files go with; ``None``: there is none.

    Always the first, since what one key stored another of the same provider may not find. A signature is none: only
    the plane computes them. Neither is a key of somebody's own: files are everybody's here.
    """
    return next((one for one in provider.credentials if one.scheme != "sigv4" and one.kind == "shared"), None)


def named(request: Request, member: object = None) -> str | None:
    """The provider that the address, the header or a member of the body names. Raises :class:`Refusal` for two."""
    if member is not None and not isinstance(member, str):
        raise Refusal(refusal.INVALID_REQUEST, f"Expected the name of one provider in {MEMBER}")
    said = {one for one in (request.query_params.get(MEMBER), request.headers.get(HEADER), member) if one}
    if len(said) > 1:
        raise _several(said)
    return next(iter(said), None)


def split(public: str) -> tuple[str | None, str]:
    """An id as a client sends it, as provider and the provider's own id. ``None``: it names no provider."""
    slug, separator, own = public.partition(SEPARATOR)
    return (slug, own) if separator else (None, public)


def segments(own: str) -> tuple[str, ...]:
    """A provider's own id as the segments of an address. Some have a slash inside; none climbs out of its folder."""
    parts = tuple(own.split("/"))
    if any(part in ("", ".", "..") for part in parts):
        raise Refusal(refusal.NOT_FOUND, f"This cannot be an id: {own[:64]}")
    return parts


def join(slug: str, own: str) -> str:
    """An id as clients see it."""
    return f"{slug}{SEPARATOR}{own}"


def outward(body: Mapping[str, Any], slug: str) -> dict[str, Any]:
    """A provider's file, batch or list of them, with the ids that clients use."""
    public = {
        name: join(slug, value) if name in ID_MEMBERS and isinstance(value, str) and value else value
        for name, value in body.items()
    }
    if isinstance(listed := public.get("data"), list):
        public["data"] = [outward(one, slug) if isinstance(one, dict) else one for one in listed]
    return public


def choose(snapshot: Snapshot, dialect: Dialect, *, said: str | None, ids: tuple[str, ...] = ()) -> Keeper:
    """The one that is meant. ``said``: what the request names; ``ids``: the ids in it.

    Raises :class:`Refusal`, with the choices, when it is none or cannot be known.
    """
    possible = keepers(snapshot, dialect)
    choices = list(dict.fromkeys(keeper.provider.slug for keeper in possible))
    by_id = {slug for slug, _ in map(split, ids) if slug is not None}
    wanted = by_id | ({said} if said is not None else set())
    known = {"providers": choices}
    if len(wanted) > 1:
        raise _several(wanted)
    if not choices:
        raise Refusal(
            refusal.INVALID_REQUEST,
            f"No provider of this gateway that speaks the protocol {dialect} could keep files or batches; add one",
            metadata=known,
        )
    slug = next(iter(wanted), None)
    if slug is None:
        if len(choices) == 1:
            return possible[0]
        raise Refusal(
            refusal.INVALID_REQUEST,
            f"The request does not say which provider is meant, expected ?{MEMBER}= or the header {HEADER} with one of:"
            f" {', '.join(choices)}",
            metadata=known,
        )
    for keeper in possible:
        if keeper.provider.slug == slug:
            return keeper
    raise Refusal(
        refusal.NOT_FOUND if by_id else refusal.INVALID_REQUEST,
        f"{slug[:64]} keeps no files or batches here in the protocol {dialect}, expected one of: {', '.join(choices)}",
        metadata=known,
    )


def _several(names: set[str]) -> Refusal:
    return Refusal(
        refusal.INVALID_REQUEST,
        f"The request names several providers, expected one: {', '.join(sorted(names))[:200]}",
    )
