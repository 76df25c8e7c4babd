"""Money is written exactly, and answers are not kept."""

from __future__ import annotations

import pytest

from turnout.control import answer


@pytest.mark.parametrize(
    ("nano", "written"),
    [
        (0, b"0"),
        (1, b"1E-9"),
        (1_500_000_000, b"1.5"),
        (100_000_000_000, b"100"),
        (12_345, b"0.000012345"),
        (123_456_789_012_345_678, b"123456789.012345678"),
    ],
)
def test_dollars_are_exact_numbers(nano: int, written: bytes) -> None:
    assert answer.json(answer.dollars(nano)).body == written


def test_nobody_may_keep_an_answer() -> None:
    assert answer.json({}).headers["cache-control"] == "no-store"
    assert answer.json({}, headers={"x-more": "1"}).headers["x-more"] == "1"
