"""The beginning of a form (``multipart/form-data``): its fields before the first file, without holding the file.

Who sends a file names its provider in a field of the same form, and client libraries write fields before files. So
looking at the beginning is enough, and the rest passes as it comes. The field is for the gateway, and is cut out:
providers refuse what they do not know.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

BEGINNING_BYTES_MAX: Final = 64 * 1024
"""How much is looked at. A field that begins later is not found, and passes on."""

_BOUNDARY = re.compile(r'multipart/form-data\s*;(?:.*;)?\s*boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))', re.IGNORECASE)
_NAME = re.compile(rb'content-disposition:[^\r\n]*[;\s]name="([^"\r\n]*)"', re.IGNORECASE)
_FILE = re.compile(rb"content-disposition:[^\r\n]*;\s*filename\*?=", re.IGNORECASE)


@dataclass(frozen=True)
class Beginning:
    """What the first bytes of a form say."""

    value: str | None
    """Of the field that was looked for; ``None``: it is not there."""
    rest: bytes
    """The same bytes without that field."""
    cut: int
    """How many bytes it took."""


def boundary(content_type: str) -> bytes | None:
    """What stands between the parts of a form; ``None``: the type is another, or names none."""
    found = _BOUNDARY.match(content_type.strip())
    return (found[1] or found[2]).encode("latin-1", "replace") if found is not None else None


def read(beginning: bytes, boundary: bytes, field: str) -> Beginning | None:
    """Looks for a field before the first file. ``None``: more bytes are needed to know."""
    delimiter = b"--" + boundary
    at = beginning.find(delimiter)
    absent = Beginning(value=None, rest=beginning, cut=0)
    while at >= 0:
        head = at + len(delimiter)
        if beginning.startswith(b"--", head):
            return absent
        begin = beginning.find(b"\r\n\r\n", head)
        if begin < 0:
            return None
        # RFC 7578 section 4.2: each part says its name there.
        lines = beginning[head:begin]
        if _FILE.search(lines):
            return absent
        end = beginning.find(b"\r\n" + delimiter, begin + 2)
        if end < 0:
            return None
        found = _NAME.search(lines)
        if found is not None and found[1] == field.encode():
            value = beginning[begin + 4 : end].decode("utf-8", "replace").strip()
            return Beginning(value=value or None, rest=beginning[:at] + beginning[end + 2 :], cut=end + 2 - at)
        at = end + 2
    return None
