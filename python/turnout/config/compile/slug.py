"""What names of models look like, and which wildcard serves one of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from turnout.config import snapshot

# A name may go on after another slash: behind a wildcard such as groq/* stand the provider's own names, some with one.
MODEL_SLUG: Final = re.compile(r"~?[A-Za-z0-9][A-Za-z0-9._-]{0,127}(?:/[A-Za-z0-9][A-Za-z0-9._:@-]{0,127}){1,3}")
WILDCARD: Final = re.compile(r"[A-Za-z0-9._:@/~-]{0,255}\*")
ALIAS: Final = re.compile(r"[A-Za-z0-9~@][A-Za-z0-9._:@/~-]{0,255}")


def matching(wildcards: Sequence[snapshot.Wildcard], slug: str) -> snapshot.Wildcard | None:
    """The wildcard that serves a slug; the list is in order of preference. What ``*`` stands for is never empty."""
    return next(
        (wildcard for wildcard in wildcards if slug.startswith(wildcard.prefix) and slug != wildcard.prefix), None
    )


def filled(wildcard: snapshot.Wildcard, slug: str) -> list[snapshot.Endpoint]:
    """The endpoints of a wildcard for one slug, ``*`` replaced in their models."""
    rest = slug.removeprefix(wildcard.prefix)
    return [
        msgspec.structs.replace(endpoint, model=endpoint.model.replace("*", rest)) for endpoint in wildcard.endpoints
    ]
