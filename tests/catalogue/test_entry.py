"""The types are the format of the file: what is at its default is left out, what is not known is refused."""

from __future__ import annotations

import msgspec
import pytest

from turnout.catalogue.entry import Endpoint, Entry, Prices

ENTRY = Entry(
    slug="a/b", name="B", endpoints=(Endpoint(provider="p", model="b-1", prices=Prices(prompt=1, completion=2)),)
)


def test_defaults_are_left_out() -> None:
    assert msgspec.json.encode(ENTRY) == (
        b'{"slug":"a/b","name":"B","endpoints":[{"provider":"p","model":"b-1","prices":{"prompt":1,"completion":2}}]}'
    )


def test_what_is_written_is_read_back() -> None:
    assert msgspec.json.decode(msgspec.json.encode(ENTRY), type=Entry) == ENTRY


def test_an_unknown_field_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="colour"):
        msgspec.json.decode(b'{"slug":"a/b","name":"B","colour":1}', type=Entry)


def test_money_is_never_a_fraction() -> None:
    with pytest.raises(msgspec.ValidationError, match="int"):
        msgspec.json.decode(b'{"prompt":0.5}', type=Prices)
