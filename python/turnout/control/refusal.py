"""The ways in which the control API says no, in one table, in the envelope of the API that was called.

The table of the hot endpoints is ``rust/wire/src/refusal/kind.rs``; kinds that both have carry the same names and
statuses.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from turnout.control import answer
from turnout.control.client_api import client_api

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from turnout.control.client_api import ClientApi


@dataclass(frozen=True)
class Kind:
    """A row of the table."""

    status: int
    error_type: str
    """Stable code for programs, ``error.metadata.error_type``."""
    message: str
    """The sentence when nothing more exact can be said."""


INVALID_REQUEST: Final = Kind(400, "invalid_request", "The request is not valid")
NO_KEY: Final = Kind(401, "authentication", "No auth credentials found, expected the header Authorization: Bearer KEY")
UNKNOWN_KEY: Final = Kind(401, "authentication", "The key is not known to this gateway")
DISABLED_KEY: Final = Kind(401, "authentication", "The key is disabled")
EXPIRED_KEY: Final = Kind(401, "authentication", "The key has expired")
NOT_ADMIN: Final = Kind(
    403, "permission_denied", "This is for the admin key; a new one is made by: turnout key new --admin"
)
NOT_FOUND: Final = Kind(404, "not_found", "Not found")
PRESET_OF_FILE: Final = Kind(409, "conflict", "The preset stands in the configuration")
METHOD_NOT_ALLOWED: Final = Kind(405, "method_not_allowed", "The method is not allowed here")
KEY_LIMITED: Final = Kind(403, "permission_denied", "The key may not do this")
PAYLOAD_TOO_LARGE: Final = Kind(413, "payload_too_large", "The body is too large")
PROVIDER_REFUSED: Final = Kind(400, "invalid_request", "The provider refused the request")
PROVIDER_RATE_LIMITED: Final = Kind(429, "rate_limit_exceeded", "The provider limits the rate of requests")
PROVIDER_UNAVAILABLE: Final = Kind(502, "provider_unavailable", "The provider could not serve the request")
PROVIDER_INVALID_ANSWER: Final = Kind(502, "provider_unavailable", "The provider's answer could not be used")
PROVIDER_REJECTED_CREDENTIAL: Final = Kind(
    502,
    "provider_unavailable",
    "The provider did not accept the gateway's credential; its operator has to check the key",
)
PROVIDER_OVERLOADED: Final = Kind(503, "provider_overloaded", "The provider is overloaded")
PROVIDER_TIMEOUT: Final = Kind(504, "timeout", "The provider took too long to answer")
RELOAD_FAILED: Final = Kind(422, "unprocessable", "The configuration was not taken, the running one goes on")
SERVER: Final = Kind(500, "server", "Internal error; the log of the gateway says more")
LEDGER_UNAVAILABLE: Final = Kind(503, "ledger_unavailable", "The ledger cannot be read at the moment, try again")

ALL: Final = (
    INVALID_REQUEST,
    NO_KEY,
    UNKNOWN_KEY,
    DISABLED_KEY,
    EXPIRED_KEY,
    NOT_ADMIN,
    NOT_FOUND,
    PRESET_OF_FILE,
    METHOD_NOT_ALLOWED,
    KEY_LIMITED,
    PAYLOAD_TOO_LARGE,
    PROVIDER_REFUSED,
    PROVIDER_RATE_LIMITED,
    PROVIDER_UNAVAILABLE,
    PROVIDER_INVALID_ANSWER,
    PROVIDER_REJECTED_CREDENTIAL,
    PROVIDER_OVERLOADED,
    PROVIDER_TIMEOUT,
    RELOAD_FAILED,
    SERVER,
    LEDGER_UNAVAILABLE,
)


ANTHROPIC_TYPES: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    413: "request_too_large",
    422: "invalid_request_error",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}
"""Status → ``error.type`` in Anthropic's API; any other is ``api_error``."""

GOOGLE_STATUSES: Final = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    405: "UNIMPLEMENTED",
    413: "INVALID_ARGUMENT",
    422: "FAILED_PRECONDITION",
    429: "RESOURCE_EXHAUSTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
"""Status → ``error.status`` in Google's APIs; any other is ``INTERNAL``."""


@dataclass
class Refusal(Exception):
    """Raised anywhere below a handler; :func:`refused` makes the answer of it."""

    kind: Kind
    message: str | None = None
    """More exact than the kind's own sentence."""
    metadata: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)

    def response(self, spoken: ClientApi = "openrouter") -> Response:
        """The envelope of the API that the client speaks, with the status in it wherever it has a place for one."""
        headers = dict(self.headers)
        if self.kind.status == 401:
            headers.setdefault("www-authenticate", "Bearer")
        return answer.json(self._body(spoken), status=self.kind.status, headers=headers)

    def _body(self, spoken: ClientApi) -> dict[str, Any]:
        status, message = self.kind.status, self.message or self.kind.message
        if spoken == "anthropic":
            return {
                "type": "error",
                "error": {"type": ANTHROPIC_TYPES.get(status, "api_error"), "message": message},
                "request_id": None,
            }
        if spoken == "gemini":
            return {"error": {"code": status, "message": message, "status": GOOGLE_STATUSES.get(status, "INTERNAL")}}
        metadata = {"error_type": self.kind.error_type, **self.metadata}
        return {"error": {"code": status, "message": message, "metadata": metadata}}


async def refused(request: Request, error: Exception) -> Response:
    """Starlette's handler for :class:`Refusal`."""
    assert isinstance(error, Refusal)
    return error.response(client_api(request))


async def failed(request: Request, error: Exception) -> Response:
    """Starlette's handler for everything that nobody expected; it logs the traceback itself."""
    return Refusal(SERVER).response(client_api(request))
