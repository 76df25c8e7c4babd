"""The operations of the dialects, and the quirks of their servers."""

from __future__ import annotations

import typing

import msgspec

from turnout.config import snapshot
from turnout.config.values import url_path
from turnout.providers import dialect


def test_every_dialect_of_the_snapshot_has_its_paths() -> None:
    assert set(dialect.PATHS) == set(typing.get_args(snapshot.Dialect)) == set(typing.get_args(dialect.Dialect))


def test_every_path_is_one_that_a_person_could_write() -> None:
    for paths in dialect.PATHS.values():
        assert paths
        for path in paths.values():
            assert url_path(path) == path


def test_the_quirks_are_those_of_the_snapshot() -> None:
    assert [field.name for field in msgspec.structs.fields(dialect.Quirks)] == [
        field.name for field in msgspec.structs.fields(snapshot.Quirks)
    ]
    for quirks in (dialect.Quirks(), dialect.OWN):
        assert msgspec.convert(msgspec.to_builtins(quirks), snapshot.Quirks).stream_usage is True
