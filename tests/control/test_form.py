"""Fields before the first file, at any place where the bytes may be cut."""

from __future__ import annotations

import pytest

from turnout.control import form

FIELD = b'--xx\r\nContent-Disposition: form-data; name="provider"\r\n\r\nopenai\r\n'
PURPOSE = b'--xx\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
FILE = b'--xx\r\nContent-Disposition: form-data; name="file"; filename="provider"\r\n\r\n--xx not\r\n--xx--\r\n'


@pytest.mark.parametrize("whole", [FIELD + PURPOSE + FILE, PURPOSE + FIELD + FILE])
def test_the_field_is_found_and_cut_out(whole: bytes) -> None:
    assert form.read(whole, b"xx", "provider") == form.Beginning("openai", PURPOSE + FILE, len(FIELD))


def test_a_field_after_the_file_is_not_looked_for() -> None:
    whole = PURPOSE + FILE + FIELD
    assert form.read(whole, b"xx", "provider") == form.Beginning(None, whole, 0)


def test_a_form_without_a_file_ends() -> None:
    assert form.read(PURPOSE + b"--xx--\r\n", b"xx", "provider") == form.Beginning(None, PURPOSE + b"--xx--\r\n", 0)


def test_a_cut_anywhere_asks_for_more_or_finds_the_same() -> None:
    whole = PURPOSE + FIELD + FILE
    for cut in range(len(whole)):
        found = form.read(whole[:cut], b"xx", "provider")
        assert found is None or found.value == "openai", cut


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        ("multipart/form-data; boundary=abc", b"abc"),
        ('Multipart/Form-Data; charset=utf-8; boundary="a b"', b"a b"),
        ("multipart/form-data", None),
        ("application/json", None),
        ("", None),
    ],
)
def test_the_boundary_is_read_from_the_type(content_type: str, expected: bytes | None) -> None:
    assert form.boundary(content_type) == expected
