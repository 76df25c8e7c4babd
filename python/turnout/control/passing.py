"""Passes a request about files or batches to the provider that keeps them, and its answer back.

None of this is hot, and none of it can fall back to another provider: a file is where it is. So it is plain HTTP from
the control side, with the provider's own address, credential, headers, proxy, roots and times as the snapshot has them.
Bodies of files pass in parts both ways. Answers in JSON are small; they are read whole, because their ids change.

What the provider says of an error is told in the envelope of the API that was called. As on hot endpoints, a refusal of
*our* credential is never the client's 401, and the provider's text about it is not shown: it may quote the key.
"""

from __future__ import annotations

import logging
import ssl
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

import msgspec
from starlette.responses import StreamingResponse

from turnout.control import identity, keeper, refusal
from turnout.control.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    import httpx
    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

    from turnout.control.keeper import Keeper

log = logging.getLogger("turnout.control")

ANSWER_BYTES_MAX: Final = 16 * 1024 * 1024
"""Largest answer in JSON: a list of ten thousand files, the longest page that is known, is a quarter of that."""

ERROR_BYTES_MAX: Final = 64 * 1024
"""What is read of an error's body."""

MESSAGE_CHARACTERS_MAX: Final = 1000

FILES_BETA: Final = "files-api-2025-04-14"
"""Value of ``anthropic-beta`` without which Anthropic has no files, https://docs.claude.com/en/api/files-create,
as of November 2025."""

ANTHROPIC_VERSION: Final = "2023-06-01"

_FROM_CLIENT: Final = ("content-type", "accept", "idempotency-key", "anthropic-version", "anthropic-beta")
"""Headers of the client that mean something to the provider. Its key is for the gateway only."""

_TO_CLIENT: Final = (
    "content-type",
    "content-length",
    "content-encoding",
    "content-disposition",
    "last-modified",
    "etag",
)
"""Headers of a file's bytes that the client gets."""


@dataclass(frozen=True)
class Errand:
    """What to ask of whom."""

    request: Request
    keeper: Keeper
    method: str
    path: tuple[str, ...]
    """Segments below the provider's base URL, in clear."""
    body: bytes | AsyncIterator[bytes] | None = None
    length: int | None = None
    """Of a body in parts; ``None``: not known, and it goes in chunks."""
    query: Mapping[str, str] = field(default_factory=dict)
    raw_errors: bool = False
    """Whether the provider's own error body is shown."""


@dataclass(eq=False)
class Failure(Refusal):
    """A refusal after a provider was asked."""

    status: int = 0
    """What the provider answered; 0: nothing."""
    outcome: str = "status"
    """The word of :class:`turnout.ledger.record.Attempt`."""


@dataclass(frozen=True)
class Answer:
    """A good answer in JSON."""

    status: int
    body: dict[str, Any]
    """As the provider sent it."""


async def ask(errand: Errand) -> Answer:
    """Asks for JSON. Raises :class:`Failure`."""
    async with _exchange(errand) as answer:
        held = await _read(answer, ANSWER_BYTES_MAX)
        try:
            if len(held) > ANSWER_BYTES_MAX:
                raise msgspec.DecodeError("too long")
            return Answer(answer.status_code, msgspec.json.decode(held, type=dict[str, Any]))
        except msgspec.DecodeError as error:
            raise Failure(
                refusal.PROVIDER_INVALID_ANSWER,
                f"{errand.keeper.provider.name} answered with something else than a JSON object"
                f" of at most {ANSWER_BYTES_MAX} bytes",
                metadata=_blame(errand),
                status=answer.status_code,
                outcome="malformed",
            ) from error


async def fetch(errand: Errand) -> Content:
    """Asks for a file's bytes. Raises :class:`Failure` until they begin to come."""
    async with AsyncExitStack() as stack:
        answer = await stack.enter_async_context(_exchange(errand))
        return Content(answer, stack.pop_all())
    raise AssertionError("nothing above swallows an exception")


class Content(StreamingResponse):
    """A file's bytes as they come, untouched."""

    def __init__(self, answer: httpx.Response, held: AsyncExitStack) -> None:
        kept = {name: answer.headers[name] for name in _TO_CLIENT if name in answer.headers}
        # Anyone with a key may have stored this. A browser must not take it for a page of the gateway.
        guards = {
            "x-content-type-options": "nosniff",
            "content-security-policy": "sandbox",
            "cache-control": "no-store",
        }
        super().__init__(answer.aiter_raw(), status_code=answer.status_code, headers={**kept, **guards})
        self._held = held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends it. The connection to the provider ends with it, also when the client goes away before."""
        async with self._held:
            await super().__call__(scope, receive, send)


@asynccontextmanager
async def _exchange(errand: Errand) -> AsyncIterator[httpx.Response]:
    """An answer whose status is good, and whose body has not been read."""
    import httpx  # Here, because it takes a third of a second of the start, and most gateways never keep a file.

    provider = errand.keeper.provider
    times = provider.timeouts
    patience = {
        "connect": times.connect_ms / 1000,
        "pool": times.connect_ms / 1000,
        "write": times.idle_ms / 1000,
        "read": times.first_byte_ms / 1000,
    }
    try:
        roots = httpx.create_ssl_context(trust_env=False)
        if provider.ca_path is not None:
            roots.load_verify_locations(provider.ca_path)
        # The bare transport: a client would write addresses into the log, and one may hold a credential.
        async with httpx.AsyncHTTPTransport(verify=roots, proxy=provider.proxy, trust_env=False) as transport:
            asked = httpx.Request(
                errand.method,
                _address(errand),
                headers=_headers(errand),
                content=errand.body,
                extensions={"timeout": patience},
            )
            answer = await transport.handle_async_request(asked)
            patience["read"] = times.idle_ms / 1000
            try:
                if not 200 <= answer.status_code < 300:
                    raise _refused(errand, answer, await _read(answer, ERROR_BYTES_MAX))
                yield answer
            finally:
                await answer.aclose()
    except httpx.TimeoutException as error:
        raise Failure(refusal.PROVIDER_TIMEOUT, metadata=_blame(errand), outcome="timeout") from error
    except (httpx.HTTPError, OSError, ssl.SSLError) as error:
        # Its text may quote a header or an address with a credential, so the log has its kind only.
        log.warning("%s could not be asked for files: %s", provider.slug, type(error).__name__)
        raise Failure(
            refusal.PROVIDER_UNAVAILABLE,
            f"{provider.name} could not be reached, or did not answer whole",
            metadata=_blame(errand),
            outcome="closed" if isinstance(error, httpx.RemoteProtocolError | httpx.ReadError) else "connect",
        ) from error


async def _read(answer: httpx.Response, bytes_max: int) -> bytes:
    """The body, or one part more than ``bytes_max`` of it."""
    held = bytearray()
    async for part in answer.aiter_bytes():
        held += part
        if len(held) > bytes_max:
            break
    return bytes(held)


def _address(errand: Errand) -> str:
    credential = keeper.credential(errand.keeper.provider)
    query = dict(errand.query)
    if credential is not None and credential.scheme == "query":
        query[credential.name] = credential.value
    path = "".join(f"/{quote(segment, safe='')}" for segment in errand.path)
    return f"{errand.keeper.wire.base_url}{path}{'?' if query else ''}{urlencode(query)}"


def _headers(errand: Errand) -> dict[str, str]:
    """Later ones win: the configuration over the client, and the credential over both."""
    given = errand.request.headers
    headers = {name: given[name] for name in _FROM_CLIENT if name in given}
    if errand.keeper.wire.dialect == "anthropic":
        headers.setdefault("anthropic-version", ANTHROPIC_VERSION)
        headers.setdefault("anthropic-beta", FILES_BETA)
    if errand.body is None:
        headers.pop("content-type", None)
    if errand.length is not None:
        headers["content-length"] = str(errand.length)
    headers["user-agent"] = f"turnout/{identity.gateway(errand.request).version}"
    # Bytes pass as they come, and not every client can unpack.
    headers["accept-encoding"] = "identity"
    headers.update({name.lower(): value for name, value in errand.keeper.provider.headers})
    credential = keeper.credential(errand.keeper.provider)
    if credential is not None and credential.scheme == "header":
        headers[credential.name] = credential.value
    return headers


def _refused(errand: Errand, answer: httpx.Response, body: bytes) -> Failure:
    """What the provider's status means; the statuses are read as ``rust/plane/src/failure.rs`` reads them.

    Only 404 is another thing here: there it is a model that the provider has no more, here a file that is not there.
    """
    status = answer.status_code
    kind = _KINDS.get(status) or (refusal.PROVIDER_UNAVAILABLE if status >= 500 else refusal.PROVIDER_INVALID_ANSWER)
    metadata = _blame(errand)
    headers = {}
    message = None
    if kind is not refusal.PROVIDER_REJECTED_CREDENTIAL:
        said = _message(body)
        message = f"{errand.keeper.provider.name} answered with status {status}{f': {said}' if said else ''}"
        if errand.raw_errors and body:
            metadata["raw"] = body[:ERROR_BYTES_MAX].decode("utf-8", "replace")
    if "retry-after" in answer.headers and kind.status in (429, 503):
        headers["retry-after"] = answer.headers["retry-after"]
    return Failure(kind, message, metadata=metadata, headers=headers, status=status, outcome="status")


_KINDS: Final = {
    **dict.fromkeys((400, 405, 409, 415, 422), refusal.PROVIDER_REFUSED),
    **dict.fromkeys((401, 402, 403), refusal.PROVIDER_REJECTED_CREDENTIAL),
    404: refusal.NOT_FOUND,
    410: refusal.NOT_FOUND,
    413: refusal.PAYLOAD_TOO_LARGE,
    **dict.fromkeys((408, 504), refusal.PROVIDER_TIMEOUT),
    429: refusal.PROVIDER_RATE_LIMITED,
    **dict.fromkeys((503, 529), refusal.PROVIDER_OVERLOADED),
}
"""A provider's status → what the client is told."""


def _message(body: bytes) -> str:
    """The sentence in an error's body, whose place is the same in all protocols that are asked here; or nothing."""
    try:
        told = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return ""
    error = told.get("error") if isinstance(told, dict) else None
    message = error.get("message") if isinstance(error, dict) else error
    return message[:MESSAGE_CHARACTERS_MAX] if isinstance(message, str) else ""


def _blame(errand: Errand) -> dict[str, Any]:
    return {"provider_name": errand.keeper.provider.name}
