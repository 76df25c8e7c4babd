"""The journal's batches: read as they were written, and refused when they are something else."""

from __future__ import annotations

import msgspec
import pytest

from tests.fake.booked import generation
from turnout.ledger import record


def test_a_batch_is_read_as_it_was_written() -> None:
    batch = [generation(1), generation(2, error_type="timeout", attempts=[])]
    assert record.decode(msgspec.msgpack.encode(batch)) == batch


def test_a_generation_is_an_array_with_the_attempts_inside_as_arrays() -> None:
    plain = msgspec.msgpack.decode(msgspec.msgpack.encode([generation(1)]))
    assert len(plain[0]) == len(record.Generation.__struct_fields__)
    assert plain[0][record.Generation.__struct_fields__.index("attempts")][1][0] == "openai"


@pytest.mark.parametrize("wrong", [b"\xc0", msgspec.msgpack.encode([[1, 2]]), msgspec.msgpack.encode([["id"]])])
def test_something_else_is_refused(wrong: bytes) -> None:
    with pytest.raises(msgspec.ValidationError):
        record.decode(wrong)
