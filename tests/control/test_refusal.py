"""Every row of the table gives the envelope, with the status in it."""

from __future__ import annotations

import json

import pytest

from turnout.control import refusal
from turnout.control.refusal import Kind, Refusal


@pytest.mark.parametrize("kind", refusal.ALL, ids=lambda kind: f"{kind.status} {kind.error_type}")
def test_each_kind_is_told_in_the_envelope(kind: Kind) -> None:
    response = Refusal(kind, metadata={"more": 1}, headers={"x-more": "2"}).response()
    assert response.status_code == kind.status
    assert response.headers["x-more"] == "2"
    assert json.loads(bytes(response.body)) == {
        "error": {
            "code": kind.status,
            "message": kind.message,
            "metadata": {"error_type": kind.error_type, "more": 1},
        }
    }


def test_the_table_lists_every_kind() -> None:
    named = {value for value in vars(refusal).values() if isinstance(value, Kind)}
    assert named == set(refusal.ALL)


def test_401_says_which_scheme_is_expected() -> None:
    assert Refusal(refusal.NO_KEY).response().headers["www-authenticate"] == "Bearer"
