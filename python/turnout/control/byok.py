"""``/api/v1/byok``: provider keys of somebody's own, handed in and taken back; for the admin.

A key goes in and never comes out: it is encrypted for the database, and shown masked. Before it is kept it is compiled
with everything else, so that one which cannot be used with its provider is refused with the reason. When the answer
comes the plane has it, or has it no more; requests in flight end with what they began with.
"""

from __future__ import annotations

import logging
import time
import uuid
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from turnout.config.own import OwnKeyError
from turnout.control import answer, identity, refusal
from turnout.control.refusal import Refusal
from turnout.control.upload import Upload
from turnout.errors import TurnoutError
from turnout.ledger import byok as store
from turnout.ledger.writer import describe
from turnout.reload import muted
from turnout.shelf import credential_label, filled, own_keys
from turnout.vault import VaultError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    from turnout.gateway import Gateway
    from turnout.ledger.byok import StoredKey
    from turnout.ledger.store import Ledger
    from turnout.reload import Ready

T = TypeVar("T")

log = logging.getLogger("turnout.control")

BODY_BYTES_MAX: Final = 64 * 1024
"""Largest body: the largest key is a service account of 3 KB, and three lists of 100 texts go with it."""

PAGE: Final = 50
PAGE_MAX: Final = 100

_Text = Annotated[str, Meta(min_length=1, max_length=store.RULE_CHARACTERS_MAX)]
_Texts = Annotated[list[_Text], Meta(max_length=store.RULES_MAX)]
_Hash = Annotated[str, Meta(pattern="^[a-f0-9]{64}$")]
_Hashes = Annotated[list[_Hash], Meta(min_length=1, max_length=store.RULES_MAX)]
_Name = Annotated[str, Meta(max_length=store.NAME_CHARACTERS_MAX)]
_Key = Annotated[str, Meta(min_length=1, max_length=store.TEXT_CHARACTERS_MAX)]
_Order = Annotated[int, Meta(ge=0, le=1_000_000)]


class Change(Struct, forbid_unknown_fields=True, kw_only=True):
    """A body of ``PATCH``. What it does not name stays."""

    key: _Key | UnsetType = UNSET
    name: _Name | UnsetType | None = UNSET
    disabled: bool | UnsetType = UNSET
    is_fallback: bool | UnsetType = UNSET
    is_required: bool | UnsetType = UNSET
    is_byok_only: bool | UnsetType = UNSET
    sort_order: _Order | UnsetType = UNSET
    allowed_models: _Texts | UnsetType | None = UNSET
    allowed_user_ids: _Texts | UnsetType | None = UNSET
    allowed_api_key_hashes: _Hashes | UnsetType | None = UNSET
    declared_zdr: bool | UnsetType | None = UNSET
    declared_region: Literal["global"] | UnsetType | None = UNSET
    """Taken for OpenRouter's clients' sake; there are no regional hosts here."""


class New(Change, kw_only=True):
    """A body of ``POST``."""

    provider: Annotated[str, Meta(min_length=1, max_length=64)]
    key: _Key


_FLAGS: Final = ("disabled", "is_fallback", "is_required", "is_byok_only")
_LISTS: Final = ("allowed_models", "allowed_user_ids", "allowed_api_key_hashes")


async def listing(request: Request) -> Response:
    """A page of the keys, by provider and in the order in which they are tried."""
    identity.admin(request)
    _no_workspace(request.query_params.get("workspace_id"))
    offset = _number(request, "offset", 0, low=0, high=2**31)
    limit = _number(request, "limit", PAGE, low=1, high=PAGE_MAX)
    provider = request.query_params.get("provider") or None
    page, total = await _ask(request, lambda ledger: store.page(ledger, offset=offset, limit=limit, provider=provider))
    return answer.json({"data": [_shown(request, key) for key in page], "total_count": total})


async def read(request: Request) -> Response:
    """One key."""
    identity.admin(request)
    key_id = _id(request)
    found = await _ask(request, lambda ledger: store.one(ledger, key_id))
    if found is None:
        raise _missing()
    return answer.json({"data": _shown(request, found)})


async def create(request: Request) -> Response:
    """Takes a key in."""
    identity.admin(request)
    body = await _body(request, New)
    _known_hashes(request, body)
    gateway = identity.gateway(request)
    now_ms = time.time_ns() // 1_000_000

    def decide(stored: Sequence[StoredKey]) -> Decision:
        key = _changed(gateway, store.fresh(body.provider, beside=stored, now_ms=now_ms), body)
        return Decision(
            before=None, key=key, after=[*stored, key], write=lambda ledger: store.add(ledger, key), must_fit=True
        )

    key = await _decided(request, decide)
    log.info("the provider key %s for %s was taken in", key.id, key.provider)
    return answer.json({"data": _shown(request, key)}, status=201)


async def update(request: Request) -> Response:
    """Changes a key, or puts another in its place."""
    identity.admin(request)
    key_id = _id(request)
    body = await _body(request, Change)
    _known_hashes(request, body)
    gateway = identity.gateway(request)

    def decide(stored: Sequence[StoredKey]) -> Decision:
        before = _found(stored, key_id)
        key = _changed(gateway, before, body)
        return Decision(
            before=before,
            key=key,
            after=[key if one.id == key_id else one for one in stored],
            write=lambda ledger: store.change(ledger, key),
            # One that does not fit, because its provider was changed, can still be renamed or switched off.
            must_fit=body.key is not UNSET,
            withdraws=key.disabled,
        )

    key = await _decided(request, decide)
    log.info("the provider key %s for %s was changed%s", key.id, key.provider, _told(body))
    return answer.json({"data": _shown(request, key)})


async def delete(request: Request) -> Response:
    """Deletes a key, and what was kept of it."""
    identity.admin(request)
    key_id = _id(request)

    def decide(stored: Sequence[StoredKey]) -> Decision:
        before = _found(stored, key_id)
        return Decision(
            before=before,
            key=before,
            after=[one for one in stored if one.id != key_id],
            write=lambda ledger: store.remove(ledger, key_id),
            withdraws=True,
        )

    key = await _decided(request, decide)
    log.info("the provider key %s for %s was deleted", key.id, key.provider)
    return answer.json({"deleted": True})


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What is to become of the keys."""

    before: StoredKey | None
    """The key as it was."""
    key: StoredKey
    """The key as it will be."""
    after: Sequence[StoredKey]
    """All keys then."""
    write: Callable[[Ledger], object]
    """Tells the database."""
    must_fit: bool = False
    """Whether a key that its provider cannot take is refused."""
    withdraws: bool = False
    """Whether the key is not used any more."""


async def _decided(request: Request, decide: Callable[[Sequence[StoredKey]], Decision]) -> StoredKey:
    """Compiles, then tells the database, then the plane: what fails keeps the later steps from happening."""
    gateway = identity.gateway(request)
    decisions: list[Decision] = []

    def change(current: Ready) -> Ready:
        decision = decide(store.every(gateway.ledger))
        decisions.append(decision)
        ready = _compiled(gateway, current, decision)
        left = ready.compiled.left_out.get(decision.key.id)
        if decision.must_fit and left is not None and left.is_wrong:
            raise Refusal(refusal.INVALID_REQUEST, f"The key cannot be used: {left.reason}")
        decision.write(gateway.ledger)
        return ready

    try:
        await _ask(request, lambda ledger: gateway.reloader.amend(change))
    except store.TooManyKeys as error:
        raise Refusal(refusal.INVALID_REQUEST, str(error)) from error
    except VaultError as error:
        raise Refusal(refusal.SERVER, f"The key cannot be encrypted: {error}") from error
    return decisions[0].key


def _compiled(gateway: Gateway, current: Ready, decision: Decision) -> Ready:
    try:
        return gateway.reloader.remade(own_keys(decision.after, gateway.vault))
    except VaultError:
        raise
    except (TurnoutError, OSError) as error:
        # Only after a start from the last good configuration, with a file that is wrong ever since.
        if not decision.withdraws or decision.before is None:
            raise Refusal(refusal.RELOAD_FAILED, f"The configuration is wrong, mend it first: {error}") from error
        return muted(current, decision.before.provider, credential_label(decision.before))


def _changed(gateway: Gateway, key: StoredKey, body: Change) -> StoredKey:
    """The key with what the body says."""
    values: dict[str, Any] = {
        name: value
        for name in (*_FLAGS, *_LISTS, "name", "sort_order", "declared_zdr")
        if (value := getattr(body, name)) is not UNSET
    }
    key = replace(key, **values)
    if key.is_byok_only and key.is_fallback:
        raise Refusal(refusal.INVALID_REQUEST, "is_byok_only cannot be combined with is_fallback")
    if body.key is UNSET:
        return key
    try:
        return filled(key, body.key, gateway.vault)
    except OwnKeyError as error:
        raise Refusal(refusal.INVALID_REQUEST, f"The key cannot be used: {error}") from error


def _told(body: Change) -> str:
    """For the log: which members were changed, without their values."""
    names = [name for name in body.__struct_fields__ if getattr(body, name) is not UNSET]
    return f": {', '.join(names)}" if names else ""


def _found(stored: Sequence[StoredKey], key_id: str) -> StoredKey:
    for one in stored:
        if one.id == key_id:
            return one
    raise _missing()


def _known_hashes(request: Request, body: Change) -> None:
    """Refuses hashes of client keys that there are not: they would be slips, and the key of no use."""
    known = identity.gateway(request).reloader.current.keys
    for sha256 in body.allowed_api_key_hashes or ():
        if sha256 not in known:
            raise Refusal(refusal.INVALID_REQUEST, f"allowed_api_key_hashes: no client key has this hash: {sha256}")


async def _body(request: Request, kind: type[T]) -> T:
    upload = Upload(request, bytes_max=BODY_BYTES_MAX)
    content = await upload.whole()
    try:
        plain = msgspec.json.decode(content, type=dict[str, Any])
        _no_workspace(plain.pop("workspace_id", None))
        return msgspec.convert(plain, kind)
    except msgspec.ValidationError as error:
        raise Refusal(refusal.INVALID_REQUEST, str(error)) from error
    except msgspec.DecodeError as error:
        raise Refusal(refusal.INVALID_REQUEST, "Expected a JSON object") from error


def _no_workspace(named: object) -> None:
    if named is not None:
        raise Refusal(refusal.INVALID_REQUEST, "There are no workspaces here; leave workspace_id out")


def _number(request: Request, name: str, default: int, *, low: int, high: int) -> int:
    said = request.query_params.get(name)
    if said is None or said == "":
        return default
    if not said.isascii() or not said.isdecimal() or len(said) > 10 or not low <= int(said) <= high:
        raise Refusal(refusal.INVALID_REQUEST, f"Expected a whole number from {low} to {high} in {name}")
    return int(said)


def _id(request: Request) -> str:
    try:
        return str(uuid.UUID(request.path_params["id"]))
    except ValueError:
        raise _missing() from None


def _missing() -> Refusal:
    return Refusal(refusal.NOT_FOUND, "There is no provider key with this id")


async def _ask(request: Request, question: Callable[[Ledger], T]) -> T:
    """Asks the database, or refuses when it does not answer."""
    try:
        return await run_in_threadpool(question, identity.gateway(request).ledger)
    except SQLAlchemyError as error:
        log.warning("the provider keys cannot be read or written: %s", describe(error))
        raise Refusal(refusal.LEDGER_UNAVAILABLE, headers={"retry-after": "2"}) from error


def _shown(request: Request, key: StoredKey) -> dict[str, Any]:
    """OpenRouter's object, with why the key is not used, if it is not."""
    left = identity.gateway(request).reloader.current.compiled.left_out.get(key.id)
    created = datetime.fromtimestamp(key.created_ms / 1000, UTC).isoformat(timespec="milliseconds")
    return {
        "id": key.id,
        "provider": key.provider,
        "name": key.name,
        "label": key.label,
        "disabled": key.disabled,
        "is_fallback": key.is_fallback,
        "is_required": key.is_required,
        "is_byok_only": key.is_byok_only,
        "sort_order": key.sort_order,
        "allowed_models": key.allowed_models,
        "allowed_user_ids": key.allowed_user_ids,
        "allowed_api_key_hashes": key.allowed_api_key_hashes,
        "declared_region": None,
        "declared_zdr": key.declared_zdr,
        "workspace_id": None,
        "created_at": created.replace("+00:00", "Z"),
        "problem": left.reason if left is not None else None,
    }
