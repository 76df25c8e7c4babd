"""Presets of the configuration: members of a request that are kept under a name.

A preset is written in the words of ``POST /chat/completions``. What routes it, the system prompt and how answers are
cached are told apart here; the rest is handed on as JSON.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import msgspec

from turnout.config import snapshot

if TYPE_CHECKING:
    from collections.abc import Mapping

SLUG: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""What may follow ``@preset/`` in the name of a model."""

OF_THE_REQUEST: Final = frozenset(
    {"messages", "prompt", "input", "contents", "stream", "stream_options", "preset", "user", "session_id", "trace"}
)
"""Members that belong to one request and to no preset."""

TTL_S_MAX: Final = 86_400
"""Longest time that an answer is kept, of openrouter.md's response caching."""


class PresetError(ValueError):
    """A preset that cannot be one; the text says why."""


def compiled(slug: str, config: Mapping[str, Any], *, system: str | None, disabled: bool) -> snapshot.Preset:
    """The preset as the plane reads it. Raises :class:`PresetError`."""
    check(slug, config)
    rest = dict(config)
    enabled, ttl = rest.pop("cache_enabled", None), rest.pop("cache_ttl_seconds", None)
    return snapshot.Preset(
        slug=slug,
        disabled=disabled,
        model=rest.pop("model", None),
        system=system or None,
        config=_json(rest),
        cache_enabled=enabled,
        cache_ttl_seconds=None if ttl is None else min(max(ttl, 1), TTL_S_MAX),
    )


# YAML's numbers are exact decimals.
_encoder: Final = msgspec.json.Encoder(decimal_format="number")


def _json(config: Mapping[str, Any]) -> str:
    text = _encoder.encode(config)
    try:
        msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise PresetError("a number must be finite") from error
    return text.decode()


def check(slug: str, config: Mapping[str, Any]) -> None:
    """Raises :class:`PresetError` for a name or members that no preset can have."""
    if SLUG.fullmatch(slug) is None:
        raise PresetError("a preset's name has letters, digits, dots, dashes and underscores, at most 64")
    for name in sorted(OF_THE_REQUEST & config.keys()):
        raise PresetError(f"{name} belongs to a request and not to a preset")
    model, models = config.get("model"), config.get("models")
    if model is not None and (not isinstance(model, str) or not model or "@preset/" in model):
        raise PresetError("model must be the name of a model, and not of another preset")
    if models is not None and not (isinstance(models, list) and all(isinstance(one, str) for one in models)):
        raise PresetError("models must be a list of names")
    for name, kind, expected in (
        ("cache_enabled", bool, "true or false"),
        ("cache_ttl_seconds", int, "a whole number of seconds"),
        ("provider", dict, "an object"),
        ("tools", list, "a list"),
    ):
        value = config.get(name)
        if value is not None and (not isinstance(value, kind) or (kind is int and isinstance(value, bool))):
            raise PresetError(f"{name} must be {expected}")
