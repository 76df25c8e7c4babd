"""Kinds of values: what is read, exactly, and what is refused with a sentence."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from turnout.config import values

if TYPE_CHECKING:
    from collections.abc import Callable


def refused(read: Callable[[Any], object], written: object) -> str:
    with pytest.raises(PydanticCustomError) as raised:
        read(written)
    return raised.value.message()


@pytest.mark.parametrize(
    ("written", "milliseconds"),
    [
        ("10s", 10_000),
        ("250ms", 250),
        ("2m", 120_000),
        ("1h", 3_600_000),
        ("7d", 604_800_000),
        ("1.5s", 1_500),
        (10, 10_000),
        (Decimal("0.25"), 250),
        ("30", 30_000),
        (" 5 s ", 5_000),
        (0, 0),
    ],
)
def test_durations_are_whole_milliseconds(written: object, milliseconds: int) -> None:
    assert values.duration_ms(written) == milliseconds


@pytest.mark.parametrize("written", ["", "s", "10 parsecs", "-1s", "1S", "1s2", True, None, [], {}, "1e3s", "9" * 50])
def test_what_is_no_duration_is_refused(written: object) -> None:
    assert refused(values.duration_ms, written).startswith("expected a duration")


def test_a_duration_finer_than_a_millisecond_is_refused() -> None:
    assert refused(values.duration_ms, "0.5ms").startswith("finer than one millisecond")
    assert refused(values.duration_ms, Decimal("0.0001")).startswith("finer than one millisecond")


@pytest.mark.parametrize(
    ("written", "size"),
    [
        ("32MiB", 2**25),
        ("64KiB", 65_536),
        ("1GiB", 2**30),
        ("10MB", 10**7),
        ("1kB", 1000),
        ("5B", 5),
        (7, 7),
        ("0.5KiB", 512),
    ],
)
def test_sizes_are_whole_bytes(written: object, size: int) -> None:
    assert values.size_bytes(written) == size


@pytest.mark.parametrize("written", ["32 megs", "-1", False, None, "1TiB"])
def test_what_is_no_size_is_refused(written: object) -> None:
    assert refused(values.size_bytes, written).startswith("expected a size")


@given(st.integers(0, 10**15))
def test_a_shown_duration_reads_back(value: int) -> None:
    assert values.duration_ms(values.show_ms(value)) == value


@given(st.integers(0, 10**15))
def test_a_shown_size_reads_back(value: int) -> None:
    assert values.size_bytes(values.show_bytes(value)) == value


@given(st.integers(0, int(values.PRICE_USD_MAX) * values.NANO))
def test_a_price_is_exact_in_both_directions(nano: int) -> None:
    text = values.dollars(nano)
    assert values.nano_dollars(values.price_usd(text)) == nano
    assert values.nano_dollars(values.price_usd(Decimal(text))) == nano
    assert Decimal(values.dollars(nano, 10**6)) * 10**15 == nano


@pytest.mark.parametrize(
    ("nano", "per", "text"),
    [
        (0, 1, "0"),
        (150_000_000, 1, "0.15"),
        (150_000_000, 10**6, "0.00000015"),
        (10**10, 1, "10"),
        (1, 10**6, "0." + "0" * 14 + "1"),
    ],
)
def test_dollars_are_decimal_text_without_exponent(nano: int, per: int, text: str) -> None:
    assert values.dollars(nano, per) == text


@pytest.mark.parametrize(
    ("written", "part"),
    [
        ("-1", "negative"),
        (-1, "negative"),
        (Decimal("-0.1"), "negative"),
        ("nan", "finite"),
        (Decimal("Infinity"), "finite"),
        ("0.0000000001", "finer than a nano-dollar"),
        ("1e-10", "finer than a nano-dollar"),
        ("1000001", "slip of the unit"),
        ("1e999999", "slip of the unit"),
        ("free", "expected a price"),
        (True, "expected a price"),
        (None, "expected a price"),
        ("1" * 50, "expected a price"),
    ],
)
def test_what_is_no_price_is_refused(written: object, part: str) -> None:
    assert part in refused(values.price_usd, written)


def test_zeros_behind_the_ninth_digit_are_not_finer() -> None:
    assert values.nano_dollars(values.price_usd("0.10000000000000")) == 10**8


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("127.0.0.1:4000", "127.0.0.1:4000"),
        ("localhost:80", "127.0.0.1:80"),
        ("[::1]:0", "[::1]:0"),
        ("0.0.0.0:65535", "0.0.0.0:65535"),
        ("[0:0::1]:04000", "[::1]:4000"),
    ],
)
def test_listen_addresses_are_normal(written: str, normal: str) -> None:
    assert values.listen_address(written) == normal


@pytest.mark.parametrize(
    "written",
    ["4000", ":4000", "*:4000", "example.com:80", "::1:80", "127.0.0.1:65536", "1.2.3.4:", "[1.2.3.4]:5", 4000],
)
def test_what_is_no_listen_address_is_refused(written: object) -> None:
    assert refused(values.listen_address, written).startswith("expected an address and a port")


def test_networks_are_normal_and_strict() -> None:
    assert values.network("10.0.0.0/8") == "10.0.0.0/8"
    assert values.network("192.0.2.7") == "192.0.2.7/32"
    assert "bits behind the prefix" in refused(values.network, "10.0.0.1/8")
    for written in ("10.0.0.0/33", "example.com", 10, ""):
        assert "expected a network" in refused(values.network, written)


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("*", "*"),
        ("https://App.example.com", "https://app.example.com"),
        ("http://h:80", "http://h"),
        ("http://h:3000/", "http://h:3000"),
    ],
)
def test_origins_are_what_browsers_send(written: str, normal: str) -> None:
    assert values.origin(written) == normal


@pytest.mark.parametrize("written", ["example.com", "https://h/path", "https://u@h", "ftp://h", 5])
def test_what_is_no_origin_is_refused(written: object) -> None:
    assert refused(values.origin, written).startswith("expected * or an origin")


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("https://API.example.com/v1/", "https://api.example.com/v1"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("http://h_1/a//b/", "http://h_1/a//b"),
    ],
)
def test_base_urls_lose_the_last_slash(written: str, normal: str) -> None:
    assert values.base_url(written) == normal


@pytest.mark.parametrize(
    "written",
    [
        "h/v1",
        "ftp://h",
        "https://",
        "https://h:0",
        "https://h:99999",
        "https://h/a b",
        "https://h/\r\nX: 1",
        "https://h/?a",
        "https://h#b",
        "https://-h",
        5,
        "",
    ],
)
def test_what_is_no_base_url_is_refused(written: object) -> None:
    assert "URL" in refused(values.base_url, written)


def test_a_password_in_a_base_url_is_refused_without_repeating_it() -> None:
    assert "hunter2" not in refused(values.base_url, "https://user:hunter2@host/v1")


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("2027-01-31", 1_801_353_600),
        ("2027-01-31T01:00:00+01:00", 1_801_353_600),
        ("2027-01-31 00:00", 1_801_353_600),
        (5, 5),
        ("5", 5),
    ],
)
def test_moments_are_unix_seconds(written: object, seconds: int) -> None:
    assert values.unix_time(written) == seconds


@pytest.mark.parametrize("written", ["tomorrow", "2027-13-01", -1, True, Decimal("1.5"), 10**18, "9" * 30, None])
def test_what_is_no_moment_is_refused(written: object) -> None:
    assert refused(values.unix_time, written).startswith("expected a date")


def read_secret(kind: Any, written: object, directory: Path) -> SecretStr:
    reading = values.Reading(directory=directory)
    found: SecretStr = TypeAdapter(kind).validate_python(written, context=reading)
    return found


def test_a_secret_comes_from_text_or_file_and_prints_stars(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("hunter2\r\n")
    for written in ("hunter2", "file:key", f"file:{tmp_path}/key", SecretStr("hunter2")):
        secret = read_secret(values.HeaderSecret, written, tmp_path)
        assert secret.get_secret_value() == "hunter2"
        assert "hunter2" not in repr(secret) + str(secret)


def test_a_secret_file_is_watched(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("x")
    reading = values.Reading(directory=tmp_path)
    TypeAdapter(values.Secret).validate_python("file:key", context=reading)
    assert reading.watched == {tmp_path / "key"}


@pytest.mark.parametrize(
    ("written", "part"),
    [
        ("", "empty"),
        ("file:none", "there is no file"),
        ("file:", "expected a path"),
        ("file:empty", "empty"),
        ("file:binary", "cannot be read: not UTF-8"),
        ("two words", "no header can carry"),
        ("sk-ä", "no header can carry"),
        ("line\nbreak", "no header can carry"),
        (12345, "put quotes"),
        (True, "expected text"),
        ([], "expected text"),
    ],
)
def test_what_is_no_secret_is_refused(tmp_path: Path, written: object, part: str) -> None:
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(ValidationError) as raised:
        read_secret(values.HeaderSecret, written, tmp_path)
    assert part in raised.value.errors()[0]["msg"]


def test_a_header_value_may_hold_spaces_inside(tmp_path: Path) -> None:
    assert read_secret(values.HeaderValue, "a b", tmp_path).get_secret_value() == "a b"
    assert read_secret(values.HeaderValue, 5, tmp_path).get_secret_value() == "5"
    for written in (" a", "a\nb", "ä"):
        with pytest.raises(ValidationError):
            read_secret(values.HeaderValue, written, tmp_path)


@pytest.mark.parametrize("written", ["none", False, "http://p:3128", "https://user:pw@p:3128/"])
def test_proxies_are_http(tmp_path: Path, written: object) -> None:
    assert read_secret(values.ProxySecret, written, tmp_path)


@pytest.mark.parametrize("written", ["socks5://p:1080", "p:3128", "http://p/path", "http://p?x"])
def test_other_proxies_are_refused_without_repeating_them(tmp_path: Path, written: str) -> None:
    with pytest.raises(ValidationError) as raised:
        read_secret(values.ProxySecret, written, tmp_path)
    assert written not in raised.value.errors()[0]["msg"]


def test_a_pem_file_must_hold_what_it_is_for(tmp_path: Path) -> None:
    (tmp_path / "c.pem").write_text("-----BEGIN CERTIFICATE-----\n")
    (tmp_path / "k.pem").write_text("-----BEGIN RSA PRIVATE KEY-----\n")
    reading = values.Reading(directory=tmp_path)
    assert TypeAdapter(values.CertificateFile).validate_python("c.pem", context=reading) == tmp_path / "c.pem"
    assert TypeAdapter(values.PrivateKeyFile).validate_python("k.pem", context=reading) == tmp_path / "k.pem"
    with pytest.raises(ValidationError, match="no PEM block of kind CERTIFICATE"):
        TypeAdapter(values.CertificateFile).validate_python("k.pem", context=reading)


def test_paths_start_at_the_folder_of_the_file_or_at_home(tmp_path: Path) -> None:
    reading = values.Reading(directory=tmp_path)
    assert TypeAdapter(values.AnyPath).validate_python("a/b", context=reading) == tmp_path / "a" / "b"
    assert TypeAdapter(values.AnyPath).validate_python("~/b", context=reading) == Path.home() / "b"


@pytest.mark.parametrize("written", ["eu-central-1", "my_account.eu", 7])
def test_a_setting_is_part_of_a_host_or_path(written: object) -> None:
    assert values.setting_text(written) == str(written)


@pytest.mark.parametrize("written", ["", "a/b", "a?b", "-a", "a-", "{model}", "a b", "x" * 129, None, True])
def test_what_would_end_its_part_of_a_url_is_no_setting(written: object) -> None:
    assert "such as eu-central-1" in refused(values.setting_text, written)


@pytest.mark.parametrize("written", ["/chat", "/m/{model}:go?alt=sse", "/a?api-version=1"])
def test_a_path_may_name_the_model_and_have_a_query(written: str) -> None:
    assert values.url_path(written) == written


@pytest.mark.parametrize("written", ["chat", "", "/{modell}", "/{model}/{model}", "/a b", "/a#b", "/" + "x" * 512, 7])
def test_what_is_no_path_of_a_url_is_refused(written: object) -> None:
    assert "expected a path such as /chat/completions" in refused(values.url_path, written)


@pytest.mark.parametrize(("written", "read"), [("Token", "Token "), ("Token ", "Token "), ("", "")])
def test_a_prefix_ends_in_one_space(written: str, read: str) -> None:
    assert values.header_prefix(written) == read


@pytest.mark.parametrize("written", ["a\nb", "x" * 65, 7])
def test_what_no_header_could_carry_is_no_prefix(written: object) -> None:
    assert "expected a word" in refused(values.header_prefix, written)


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("redis://cache", values.RedisPlace("cache", 6379, False, "", "", 0)),
        ("redis://:p%40ss@10.0.0.1:7000/3", values.RedisPlace("10.0.0.1", 7000, False, "", "p@ss", 3)),
        (
            "rediss://me:secret@cache.example.com/",
            values.RedisPlace("cache.example.com", 6379, True, "me", "secret", 0),
        ),
        ("redis://[::1]:1", values.RedisPlace("::1", 1, False, "", "", 0)),
    ],
)
def test_a_servers_url_is_taken_apart(url: str, place: values.RedisPlace) -> None:
    assert values.redis_parts(url) == place


@pytest.mark.parametrize(
    "url",
    ["", "cache:6379", "http://cache", "redis://", "redis://a b", "redis://c:0", "redis://c:x", "redis://c/one",
     "redis://c/1/2", "redis://c?db=1", "redis://c/123456"],
)  # fmt: skip
def test_what_is_no_servers_url_is_refused(url: str) -> None:
    assert values.redis_parts(url) is None
