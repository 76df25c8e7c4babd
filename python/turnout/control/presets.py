"""``/api/v1/presets``: members of requests kept under a name, with versions.

A body that is posted to ``/presets/{name}/chat/completions`` (or ``/messages``, ``/responses``) is not asked of a
model: it becomes the preset, or its next version. It counts from the moment of the answer. Presets of the
configuration file are listed too, and changed only there.
"""

from __future__ import annotations

import logging
import time
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from turnout.config import preset as config_preset
from turnout.control import answer, identity, preset_body, refusal
from turnout.control.refusal import Refusal
from turnout.control.upload import Upload
from turnout.ledger import presets as store
from turnout.ledger.writer import describe
from turnout.reload import with_presets

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.responses import Response

    from turnout.config import snapshot
    from turnout.control.preset_body import Api
    from turnout.ledger.presets import Preset, Version
    from turnout.ledger.store import Ledger
    from turnout.reload import Ready

T = TypeVar("T")

log = logging.getLogger("turnout.control")

BODY_BYTES_MAX: Final = 256 * 1024
"""Largest preset: it is a part of every snapshot, and laid under every request that names it."""

TEXT_MAX: Final = 1_000
"""Characters of a name or description."""

_NAMESPACE: Final = uuid.UUID("6f1f2f52-5f0c-4b0e-9d5b-0a6d6f0e7a11")
"""Presets of the configuration have no stored id; theirs are made of their names."""


async def listing(request: Request) -> Response:
    """All presets, those of the configuration first."""
    identity.client(request)
    stored = await _ask(request, store.every)
    written = [_of_file(request, one) for one in _written(request)]
    taken = {one["slug"] for one in written}
    data = [*written, *(_preset(one) for one in stored if one.slug not in taken)]
    return answer.json({"data": data, "total_count": len(data)})


async def read(request: Request) -> Response:
    """One preset with its newest version."""
    identity.client(request)
    slug = request.path_params["slug"]
    for one in _written(request):
        if one.slug == slug:
            return answer.json({"data": _of_file(request, one)})
    return answer.json({"data": _preset(await _known(request, slug))})


async def read_versions(request: Request) -> Response:
    """All versions of a preset, the newest first."""
    identity.client(request)
    slug = request.path_params["slug"]
    for one in _written(request):
        if one.slug == slug:
            return answer.json({"data": [_of_file(request, one)["designated_version"]], "total_count": 1})
    preset = await _known(request, slug)
    found = await _ask(request, lambda ledger: store.history(ledger, slug))
    return answer.json({"data": [_version(one, preset.id) for one in found], "total_count": len(found)})


async def read_version(request: Request) -> Response:
    """One version of a preset."""
    identity.client(request)
    slug, number = request.path_params["slug"], request.path_params["version"]
    preset = await _known(request, slug)
    found = await _ask(request, lambda ledger: store.version(ledger, slug, number))
    if found is None:
        raise Refusal(refusal.NOT_FOUND, f"The preset {slug} has no version {number}")
    return answer.json({"data": _version(found, preset.id)})


async def create_chat(request: Request) -> Response:
    """A preset, or its next version, from a body of chat."""
    return await _create(request, "chat")


async def create_messages(request: Request) -> Response:
    """The same from a body of Anthropic's API."""
    return await _create(request, "messages")


async def create_responses(request: Request) -> Response:
    """The same from a body of OpenAI's newer API."""
    return await _create(request, "responses")


async def _create(request: Request, api: Api) -> Response:
    creator, any_maker = _maker(request)
    slug = request.path_params["slug"]
    body = await _body(request)
    _not_of_file(request, slug)
    try:
        config, system = preset_body.preset(api, body)
        config_preset.check(slug, config)
    except config_preset.PresetError as error:
        raise Refusal(refusal.INVALID_REQUEST, str(error)) from error
    try:
        saved = await _change(
            request,
            lambda ledger: store.save(
                ledger,
                slug,
                config,
                system_prompt=system,
                creator=creator,
                now_ms=_now_ms(),
                any_maker=any_maker,
            ),
        )
    except store.NotTheMaker as error:
        raise Refusal(
            refusal.KEY_LIMITED, f"The preset {slug} was made with another key; that key or the admin key changes it"
        ) from error
    except store.TooManyPresets as error:
        raise Refusal(refusal.INVALID_REQUEST, str(error)) from error
    return answer.json({"data": _preset(saved)})


async def update(request: Request) -> Response:
    """Another name, description or status; for the admin."""
    identity.admin(request)
    slug = request.path_params["slug"]
    body = await _body(request)
    _not_of_file(request, slug)
    if unknown := sorted(body.keys() - {"name", "description", "status"}):
        raise Refusal(refusal.INVALID_REQUEST, f"Expected name, description or status, seen: {unknown[0][:64]}")
    if body.get("status", "active") not in store.STATUSES:
        raise Refusal(refusal.INVALID_REQUEST, f"Expected a status of: {', '.join(store.STATUSES)}")
    for name in ("name", "description"):
        if not isinstance(body.get(name, ""), str) or len(body.get(name, "")) > TEXT_MAX:
            raise Refusal(refusal.INVALID_REQUEST, f"{name} must be text of at most {TEXT_MAX} characters")
    changed = await _change(request, lambda ledger: store.change(ledger, slug, now_ms=_now_ms(), **body))
    if changed is None:
        raise _missing(slug)
    return answer.json({"data": _preset(changed)})


async def delete(request: Request) -> Response:
    """Deletes a preset with its versions; for the admin."""
    identity.admin(request)
    slug = request.path_params["slug"]
    _not_of_file(request, slug)
    if not await _change(request, lambda ledger: store.remove(ledger, slug)):
        raise _missing(slug)
    return answer.json({"deleted": True})


def _maker(request: Request) -> tuple[str, bool]:
    """Who posts, and whether it may change what others made: the admin may, and anybody with ``--no-auth``.

    Every key may name any preset, so a key that could change another's would change what others' applications do.
    """
    try:
        identity.admin(request)
    except Refusal:
        key = identity.client(request)
        return (key.name, False) if key is not None else ("", True)
    return "", True


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


async def _body(request: Request) -> dict[str, Any]:
    upload = Upload(request, bytes_max=BODY_BYTES_MAX)
    try:
        return msgspec.json.decode(await upload.whole(), type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise Refusal(refusal.INVALID_REQUEST, "Expected a JSON object") from error


async def _ask(request: Request, question: Callable[[Ledger], T]) -> T:
    """Asks the database, or refuses when it does not answer."""
    try:
        return await run_in_threadpool(question, identity.gateway(request).ledger)
    except SQLAlchemyError as error:
        log.warning("the presets cannot be read or written: %s", describe(error))
        raise Refusal(refusal.LEDGER_UNAVAILABLE, headers={"retry-after": "2"}) from error


async def _change(request: Request, change: Callable[[Ledger], T]) -> T:
    """Changes the database, and puts what it holds then in place before anybody is told."""
    gateway = identity.gateway(request)
    done: list[T] = []

    def both(ready: Ready) -> Ready:
        # While nobody else puts anything in place: what was read before another change would take that back.
        done.append(change(gateway.ledger))
        return with_presets(ready, store.every(gateway.ledger))

    await _ask(request, lambda ledger: gateway.reloader.amend(both))
    return done[0]


async def _known(request: Request, slug: str) -> Preset:
    found = await _ask(request, lambda ledger: store.one(ledger, slug))
    if found is None:
        raise _missing(slug)
    return found


def _missing(slug: str) -> Refusal:
    return Refusal(refusal.NOT_FOUND, f"There is no preset {slug[:64]}")


def _written(request: Request) -> tuple[snapshot.Preset, ...]:
    """Those of the configuration."""
    return identity.gateway(request).reloader.current.compiled.presets


def _not_of_file(request: Request, slug: str) -> None:
    if any(one.slug == slug for one in _written(request)):
        raise Refusal(refusal.PRESET_OF_FILE, f"The preset {slug} stands in the configuration; change it there")


def _preset(one: Preset) -> dict[str, Any]:
    return {
        "id": one.id,
        "slug": one.slug,
        "name": one.name,
        "description": one.description or None,
        "status": one.status,
        "status_updated_at": _time(one.status_ms),
        "designated_version_id": one.designated.id,
        "creator_user_id": one.creator or None,
        "workspace_id": None,
        "created_at": _time(one.created_ms),
        "updated_at": _time(one.updated_ms),
        "designated_version": _version(one.designated, one.id),
    }


def _version(one: Version, preset_id: str) -> dict[str, Any]:
    return {
        "id": one.id,
        "preset_id": preset_id,
        "version": one.version,
        "system_prompt": one.system_prompt,
        "config": one.config,
        "creator_id": one.creator or None,
        "created_at": _time(one.created_ms),
        "updated_at": _time(one.created_ms),
    }


def _of_file(request: Request, one: snapshot.Preset) -> dict[str, Any]:
    """A preset of the configuration in the same shape; it has no times, and one version."""
    own = str(uuid.uuid5(_NAMESPACE, one.slug))
    config: dict[str, Any] = msgspec.json.decode(one.config)
    for name in ("model", "cache_enabled", "cache_ttl_seconds"):
        if getattr(one, name) is not None:
            config[name] = getattr(one, name)
    version = str(uuid.uuid5(_NAMESPACE, f"{one.slug}/{one.config}"))
    return {
        "id": own,
        "slug": one.slug,
        "name": one.slug,
        "description": None,
        "status": "disabled" if one.disabled else "active",
        "status_updated_at": None,
        "designated_version_id": version,
        "creator_user_id": None,
        "workspace_id": None,
        "created_at": None,
        "updated_at": None,
        "designated_version": {
            "id": version,
            "preset_id": own,
            "version": 1,
            "system_prompt": one.system,
            "config": config,
            "creator_id": None,
            "created_at": None,
            "updated_at": None,
        },
    }


def _time(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
