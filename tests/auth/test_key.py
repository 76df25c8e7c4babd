"""A key as what carries it."""

from __future__ import annotations

import pytest

from turnout.auth.key import BEARER, Header, KeyScheme, Query, credential


@pytest.mark.parametrize(
    ("scheme", "expected"),
    [
        (BEARER, ("header", "authorization", "Bearer k")),
        (Header(name="x-api-key"), ("header", "x-api-key", "k")),
        (Query(name="key"), ("query", "key", "k")),
    ],
)
def test_a_key_is_carried_by_its_scheme(scheme: KeyScheme, expected: tuple[str, str, str]) -> None:
    made = credential(scheme, label="main", key="k", weight=3)
    assert (made.scheme, made.name, made.value) == expected
    assert (made.label, made.weight, made.sigv4) == ("main", 3, None)


def test_a_key_is_not_printed() -> None:
    assert "sk-secret" not in repr(credential(BEARER, label="main", key="sk-secret", weight=1))
