"""Provider keys that were handed in through the API ("bring your own key"), and the forms that they may have.

A key is a plain text, or the JSON that OpenRouter takes for clouds: an AWS key pair, a Google service account, an Azure
resource's key. ``compile/own`` puts them beside the keys of the configuration.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from turnout.auth.aws import KeyPair
from turnout.errors import TurnoutError

if TYPE_CHECKING:
    from collections.abc import Mapping

TOKEN_URIS: Final = ("https://oauth2.googleapis.com/token", "https://accounts.google.com/o/oauth2/token")
"""Where a handed-in service account may send its assertion: the gateway asks no address of somebody's choice."""

MASK_CHARACTERS_MIN: Final = 16
"""A shorter key is masked whole: seven of its characters would be half of it."""

_PLAIN: Final = re.compile(r"[!-~]{1,4096}")


class OwnKeyError(TurnoutError):
    """A key that cannot be used with its provider; the text says why, and holds nothing of the key."""


class OwnKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key of somebody's own, in clear."""

    id: str
    provider: str
    label: str
    """Name in the journal and metrics; another one for each other key, since what is known of a key goes by it."""
    text: str | None
    """Secret; ``None``: it cannot be read, and ``problem`` says why."""
    problem: str | None = None
    disabled: bool
    kind: Literal["prioritized", "fallback"]
    required: bool
    exclusive: bool
    zdr: bool | None
    models: list[str] | None
    hashes: list[str] | None
    """SHA-256 of the client keys that may use it."""
    users: list[str] | None

    def __repr__(self) -> str:
        """Without the secret."""
        return f"OwnKey(id={self.id!r}, provider={self.provider!r}, label={self.label!r}, …)"


class LeftOut(msgspec.Struct, frozen=True, kw_only=True):
    """Why a key is not used."""

    reason: str
    is_wrong: bool
    """True: it does not fit its provider. False: it may come to be used by itself, or cannot be read."""


class Plain(msgspec.Struct, frozen=True):
    """A key that travels as it is."""

    key: str
    region: str | None = None


class Pair(msgspec.Struct, frozen=True):
    """AWS's key pair."""

    pair: KeyPair
    region: str | None


class Account(msgspec.Struct, frozen=True):
    """Google's service account."""

    content: dict[str, Any]
    region: str | None


class Resource(msgspec.Struct, frozen=True):
    """A key of an Azure resource."""

    key: str
    resource: str


Form = Plain | Pair | Account | Resource


def parse(text: str) -> Form:
    """The form of a key. Raises :class:`OwnKeyError`."""
    text = text.strip()
    if not text.startswith(("{", "[")):
        if _PLAIN.fullmatch(text) is None:
            raise OwnKeyError("the key is empty, too long, or holds a space or a character that no header can carry")
        return Plain(text)
    try:
        said = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise OwnKeyError(f"the key begins as JSON does and is none: {error}") from None
    if isinstance(said, list):
        return _azure(said)
    if "accessKeyId" in said or "secretAccessKey" in said:
        pair = KeyPair(
            access_key_id=_text(said, "accessKeyId"),
            secret_access_key=_text(said, "secretAccessKey"),
            session_token=_text(said, "sessionToken") if said.get("sessionToken") is not None else None,
        )
        return Pair(pair, _optional(said, "region"))
    if "private_key" in said or "type" in said:
        return _service_account(said)
    if "resource_name" in said or "endpoint_url" in said:
        return _azure([said])
    return Plain(_text(said, "api_key"), _optional(said, "region"))


def _service_account(said: dict[str, Any]) -> Account:
    # Other kinds of files name programs to run and addresses to ask, which is for the configuration only.
    if said.get("type") != "service_account":
        raise OwnKeyError('expected the JSON of a service account, with "type": "service_account"')
    for name in ("client_email", "private_key", "token_uri"):
        if not isinstance(said.get(name), str) or not said[name]:
            raise OwnKeyError(f"the service account lacks the text {name}")
    if said["token_uri"] not in TOKEN_URIS:
        raise OwnKeyError(f"the service account's token_uri must be {TOKEN_URIS[0]}")
    content = {name: value for name, value in said.items() if name not in ("region", "bucket")}
    return Account(content, _optional(said, "region"))


def _azure(said: list[Any]) -> Form:
    if len(said) != 1 or not isinstance(said[0], dict):
        raise OwnKeyError("expected a list of one object; hand in the keys of several resources one by one")
    if "endpoint_url" in said[0]:
        raise OwnKeyError(
            "keys of single deployments are not taken: deployments are written in the configuration, hand in "
            '{"api_key": …, "resource_name": …} or the key alone'
        )
    return Resource(_text(said[0], "api_key"), _text(said[0], "resource_name"))


def _text(said: Mapping[str, Any], name: str) -> str:
    value = said.get(name)
    if not isinstance(value, str) or _PLAIN.fullmatch(value) is None:
        raise OwnKeyError(f"expected a text without spaces in {name}")
    return value


def _optional(said: Mapping[str, Any], name: str) -> str | None:
    return None if said.get(name) is None else _text(said, name)


def masked(text: str) -> str:
    """What may be shown of a key: its first three characters and its last four; of JSON, those of what names it."""
    form = parse(text)
    match form:
        case Pair():
            shown = form.pair.access_key_id
        case Account():
            shown = form.content["client_email"]
        case _:
            shown = form.key
    return f"{shown[:3]}...{shown[-4:]}" if len(shown) >= MASK_CHARACTERS_MIN else "***"
