"""Kinds of values that a configuration is written in: durations, sizes, prices, secrets, addresses.

Each reader takes what YAML gave (text, a whole number, or an exact ``Decimal``) and returns the value in the unit that
the snapshot uses, or raises through :func:`wrong` with a sentence that says what was expected. A sentence never repeats
what may be a secret.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import unquote, urlsplit

from pydantic import BeforeValidator, PlainSerializer, SecretStr, ValidationInfo
from pydantic_core import PydanticCustomError

NANO: Final = 10**9
REDIS_PORT: Final = 6379
REDIS_DATABASE_DIGITS: Final = 5
PRICE_USD_MAX: Final = Decimal(1_000_000)
"""A dollar a token. Dearer is a slip of the unit, and the bound keeps tokens × price within 128 bits in the plane."""


@dataclass(frozen=True)
class Reading:
    """What a reader may need to know beyond the value: handed to pydantic as its context."""

    directory: Path
    """Relative paths start here: the folder of the configuration file."""
    watched: set[Path] = field(default_factory=set)
    """Files that were read besides the configuration, for the reload to watch."""


def wrong(sentence: str) -> PydanticCustomError:
    """The error of a reader; ``sentence`` is shown as it is."""
    return PydanticCustomError("turnout", "{sentence}", {"sentence": sentence})


_UNITS_MS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_UNITS_BYTES: Final = {
    "B": 1,
    "kB": 10**3,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
}
_NUMBER_UNIT: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)")


def duration_ms(written: object) -> int:
    """``10s``, ``250ms``, ``2m``, ``1h``, ``7d``, or a number of seconds, as whole milliseconds."""
    return _measure(
        written,
        _UNITS_MS,
        bare=1_000,
        what="a duration such as 250ms, 10s, 2m or a number of seconds",
        whole="millisecond",
    )


def size_bytes(written: object) -> int:
    """``32MiB``, ``64KiB``, ``10MB``, or a number of bytes."""
    return _measure(
        written, _UNITS_BYTES, bare=1, what="a size such as 64KiB, 32MiB or a number of bytes", whole="byte"
    )


def _measure(written: object, units: dict[str, int], *, bare: int, what: str, whole: str) -> int:
    """A number with a unit, exactly; a bare number counts in ``bare``."""
    if isinstance(written, bool) or not isinstance(written, (str, int, Decimal)):
        raise wrong(f"expected {what}")
    match = _NUMBER_UNIT.fullmatch(str(written).strip()) if len(str(written)) <= 40 else None
    if match is None or (match[2] and match[2] not in units):
        raise wrong(f"expected {what}")
    exact = Decimal(match[1]) * (units[match[2]] if match[2] else bare)
    if exact != exact.to_integral_value():
        raise wrong(f"finer than one {whole}: expected {what}")
    return int(exact)


def show_ms(value: int) -> str:
    """A duration as a person would write it: the largest unit that leaves no rest."""
    return _show(value, [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)], "ms")


def show_bytes(value: int) -> str:
    """A size as a person would write it: the largest binary unit that leaves no rest."""
    return _show(value, [("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)], "B")


def _show(value: int, units: list[tuple[str, int]], smallest: str) -> str:
    for unit, factor in units:
        if value and value % factor == 0:
            return f"{value // factor}{unit}"
    return f"{value}{smallest}"


def price_usd(written: object) -> Decimal:
    """A price in US dollars, exactly: decimal text or a YAML number, from 0, no finer than a nano-dollar."""
    if isinstance(written, bool) or not isinstance(written, (str, int, Decimal)):
        raise wrong("expected a price in US dollars, such as 0.15")
    if isinstance(written, str) and len(written) > 40:
        raise wrong("expected a price in US dollars, such as 0.15")
    try:
        price = Decimal(written)
    except InvalidOperation:
        raise wrong("expected a price in US dollars, such as 0.15") from None
    if not price.is_finite():
        raise wrong("a price must be a finite number")
    if price < 0:
        raise wrong("a price cannot be negative")
    if price > PRICE_USD_MAX:
        raise wrong(f"a price above {PRICE_USD_MAX:,} USD is surely a slip of the unit: prices are per million tokens")
    if price.as_tuple().exponent < -9 and (price * NANO) % 1:  # type: ignore[operator]  # finite: the exponent is an int
        raise wrong("finer than a nano-dollar: at most nine digits after the point are kept")
    return price


def nano_dollars(price: Decimal) -> int:
    """The same price in whole nano-dollars; exact, because :func:`price_usd` let nothing finer in."""
    return int(price * NANO)


def dollars(nano: int, per: int = 1) -> str:
    """``nano`` nano-dollars divided by ``per`` (a power of ten), as exact decimal text without an exponent."""
    exact = Decimal(nano).scaleb(-9 - (len(str(per)) - 1))
    text = format(exact, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def secret_text(written: object, info: ValidationInfo) -> object:
    """A secret: the text itself, or ``file:PATH`` for the content of a file without its final newline."""
    if isinstance(written, SecretStr):
        return written
    if isinstance(written, (int, Decimal)) and not isinstance(written, bool):
        raise wrong("expected text: put quotes around a secret that looks like a number")
    if not isinstance(written, str):
        raise wrong("expected text: the secret, ${VARIABLE} or file:PATH")
    text = written
    if text.startswith("file:"):
        path = existing_file(text[5:], info)
        try:
            text = path.read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise wrong(f"the file {path} cannot be read: {_reason(error)}") from None
    if not text:
        raise wrong("the secret is empty")
    return SecretStr(text)


def header_secret(written: object, info: ValidationInfo) -> object:
    """A secret that travels in an HTTP header: visible ASCII only, so that it cannot end the header early."""
    value = secret_text(written, info)
    if isinstance(value, SecretStr) and not _is_visible_ascii(value.get_secret_value()):
        raise wrong("the secret holds a space, a line break or a character outside ASCII, which no header can carry")
    return value


def header_value(written: object, info: ValidationInfo) -> object:
    """The value of an HTTP header: printable ASCII, spaces inside allowed."""
    if isinstance(written, (int, Decimal)) and not isinstance(written, bool):
        written = str(written)
    value = secret_text(written, info)
    if isinstance(value, SecretStr):
        text = value.get_secret_value()
        if text != text.strip() or not all(" " <= character <= "~" for character in text):
            raise wrong("a header's value is printable ASCII without a line break, and no space at its ends")
    return value


def _is_visible_ascii(text: str) -> bool:
    return all("!" <= character <= "~" for character in text)


def existing_file(written: object, info: ValidationInfo) -> Path:
    """A file that is there, as an absolute path; relative ones start at the configuration's folder."""
    path = any_path(written, info)
    # Also when it is missing: its appearance is a reason to read everything again.
    if isinstance(info.context, Reading):
        info.context.watched.add(path)
    if not path.is_file():
        raise wrong(f"there is no file {path}")
    return path


def any_path(written: object, info: ValidationInfo) -> Path:
    """A path that need not be there yet; relative ones start at the configuration's folder."""
    if not isinstance(written, (str, Path)) or not str(written).strip():
        raise wrong("expected a path")
    directory = info.context.directory if isinstance(info.context, Reading) else Path.cwd()
    return (directory / Path(str(written)).expanduser()).absolute()


def pem_file(label: str) -> Any:
    """A reader of a file that holds a PEM block whose name ends in ``label``."""

    def read(written: object, info: ValidationInfo) -> Path:
        path = existing_file(written, info)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise wrong(f"the file {path} cannot be read: {_reason(error)}") from None
        if re.search(rb"-----BEGIN [A-Z0-9 ]*" + label.encode() + rb"-----", content) is None:
            raise wrong(f"the file {path} holds no PEM block of kind {label}")
        return path

    return read


def _reason(error: Exception) -> str:
    return (error.strerror or "unknown reason") if isinstance(error, OSError) else "not UTF-8 text"


_HOST_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252}[A-Za-z0-9])?")


def listen_address(written: object) -> str:
    """``HOST:PORT`` with an IP address or ``localhost``; IPv6 in brackets. Names are not looked up."""
    expected = "expected an address and a port, such as 127.0.0.1:4000 or [::1]:4000"
    if not isinstance(written, str):
        raise wrong(expected)
    host, colon, port = written.strip().rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or len(port) > 5 or int(port) > 65535:
        raise wrong(expected)
    if host == "localhost":
        host = "127.0.0.1"
    bracketed = host.startswith("[") and host.endswith("]")
    try:
        address = ipaddress.ip_address(host[1:-1] if bracketed else host)
    except ValueError:
        raise wrong(f"{expected}; the host must be an IP address or localhost") from None
    if bracketed != (address.version == 6):
        raise wrong(f"{expected}; an IPv6 address stands in brackets")
    return f"[{address}]:{int(port)}" if bracketed else f"{address}:{int(port)}"


def network(written: object) -> str:
    """A CIDR network or a single address, in its normal form."""
    if not isinstance(written, str):
        raise wrong("expected a network such as 10.0.0.0/8")
    try:
        return str(ipaddress.ip_network(written.strip()))
    except ValueError as error:
        hint = (
            "its address has bits behind the prefix"
            if "host bits" in str(error)
            else "expected a network such as 10.0.0.0/8"
        )
        raise wrong(f"not a network: {hint}") from None


def origin(written: object) -> str:
    """``*`` or an origin as browsers send it: scheme, host and port, no path."""
    if not isinstance(written, str):
        raise wrong("expected * or an origin such as https://app.example.com")
    if written == "*":
        return written
    split = _split(written)
    if split is None or split.path not in ("", "/") or split.query or split.fragment or split.username is not None:
        raise wrong("expected * or an origin such as https://app.example.com, without a path")
    # Browsers leave the usual port out, and the plane compares whole origins.
    usual = ":443" if split.scheme == "https" else ":80"
    return f"{split.scheme}://{split.netloc.lower().removesuffix(usual)}"


def base_url(written: object) -> str:
    """An absolute http(s) URL without query, fragment or user; a slash at its end is dropped."""
    if not isinstance(written, str):
        raise wrong("expected a URL such as https://api.example.com/v1")
    split = _split(written)
    if split is None:
        raise wrong("expected an absolute http or https URL such as https://api.example.com/v1")
    if split.username is not None or split.password is not None:
        raise wrong("a user or password in the URL would leak into logs: use api_key or headers")
    if split.query or split.fragment or "?" in written or "#" in written:
        raise wrong("a base URL has no query and no fragment")
    return f"{split.scheme}://{split.netloc.lower()}{split.path.rstrip('/')}"


_SETTING: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,126}[A-Za-z0-9])?")


def setting_text(written: object) -> str:
    """A part of a host name or path, such as a region: nothing that could end the part it stands in."""
    if isinstance(written, (int, Decimal)) and not isinstance(written, bool):
        written = str(written)
    if not isinstance(written, str) or not is_setting(written):
        raise wrong("expected letters, digits, dots, dashes and underscores, at most 128, such as eu-central-1")
    return written


def is_setting(text: str) -> bool:
    """Whether this can stand in a host name or path without ending it."""
    return _SETTING.fullmatch(text) is not None


def url_path(written: object) -> str:
    """A path below a base URL, with ``{model}`` at most once and a query if need be."""
    expected = "expected a path such as /chat/completions or /models/{model}:generate?alt=sse"
    if not isinstance(written, str) or len(written) > 512 or not written.startswith("/"):
        raise wrong(expected)
    plain = written.replace("{model}", "", 1)
    if not _is_visible_ascii(plain) or any(mark in plain for mark in '{}#<>"\\^`|'):
        raise wrong(f"{expected}; {{model}} may stand in it once, and nothing else in braces")
    return written


def header_prefix(written: object) -> str:
    """What stands before a key in a header: a word, and one space that is added when it is not written."""
    if not isinstance(written, str) or not _is_visible_ascii(written.strip()) or len(written) > 64:
        raise wrong("expected a word such as Token")
    return f"{written.strip()} " if written.strip() else ""


def proxy_secret(written: object, info: ValidationInfo) -> object:
    """``none``, or a proxy's URL; a secret, because it may hold a password."""
    if written is False:
        return SecretStr("none")
    value = secret_text(written, info)
    if isinstance(value, SecretStr) and value.get_secret_value() != "none" and not is_proxy(value.get_secret_value()):
        raise wrong("expected none, or a proxy such as http://user:password@proxy.example.com:3128 (http or https)")
    return value


def is_proxy(url: str) -> bool:
    """Whether this is the URL of an HTTP proxy and nothing more."""
    split = _split(url)
    return split is not None and split.path in ("", "/") and not split.query and not split.fragment


def redis_secret(written: object, info: ValidationInfo) -> object:
    """The URL of a Valkey or Redis server; a secret, because it may hold a password."""
    value = secret_text(written, info)
    if isinstance(value, SecretStr) and redis_parts(value.get_secret_value()) is None:
        raise wrong("expected redis://user:password@host:6379/0, or rediss://… for TLS")
    return value


@dataclass(frozen=True)
class RedisPlace:
    """Where a Valkey or Redis server is."""

    host: str
    port: int
    tls: bool
    username: str
    password: str
    database: int


def redis_parts(url: str) -> RedisPlace | None:
    """The parts of a ``redis://`` or ``rediss://`` URL, or ``None`` when it is none."""
    if not url or not _is_visible_ascii(url):
        return None
    try:
        split = urlsplit(url)
        port = split.port
    except ValueError:
        return None
    host, database = split.hostname or "", split.path.removeprefix("/")
    if split.scheme not in ("redis", "rediss") or not host or port == 0 or split.query or split.fragment:
        return None
    if ":" not in host and _HOST_NAME.fullmatch(host) is None:
        return None
    if database and not (database.isascii() and database.isdigit() and len(database) <= REDIS_DATABASE_DIGITS):
        return None
    return RedisPlace(
        host=host,
        port=port or REDIS_PORT,
        tls=split.scheme == "rediss",
        username=unquote(split.username or ""),
        password=unquote(split.password or ""),
        database=int(database or 0),
    )


def _split(url: str) -> Any:
    """The parts of an absolute http(s) URL in visible ASCII with a sane host and port, or ``None``."""
    if not _is_visible_ascii(url) or not url:
        return None
    try:
        split = urlsplit(url)
        port = split.port
    except ValueError:
        return None
    host = split.hostname or ""
    if split.scheme not in ("http", "https") or not host or port == 0:
        return None
    if ":" not in host and _HOST_NAME.fullmatch(host) is None:
        return None
    return split


def unix_time(written: object) -> int:
    """A moment as Unix seconds: that number, ``2027-01-31`` (00:00 UTC), or a date and time (UTC without an offset)."""
    expected = "expected a date such as 2027-01-31, a moment such as 2027-01-31T18:00:00Z, or Unix seconds"
    if isinstance(written, bool):
        raise wrong(expected)
    if isinstance(written, int):
        seconds = written
    elif isinstance(written, str) and written.strip().isascii() and written.strip().isdigit():
        seconds = int(written) if len(written) < 20 else -1
    elif isinstance(written, str):
        try:
            moment = datetime.fromisoformat(written.strip())
        except ValueError:
            raise wrong(expected) from None
        seconds = int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
    else:
        raise wrong(expected)
    if not 0 <= seconds <= 253_402_300_799:
        raise wrong(f"{expected}; the moment must lie between 1970 and 9999")
    return seconds


def show_day(seconds: int) -> str:
    """A moment as people read it, in UTC."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return str(date(moment.year, moment.month, moment.day)) if seconds % 86_400 == 0 else moment.isoformat()


def one_or_many(written: object) -> object:
    """A list may be written without its brackets when it has one member."""
    return written if isinstance(written, list) else [written]


@dataclass(frozen=True)
class Kind:
    """Name of a kind of value in the generated reference, and how its numbers are shown there."""

    name: str
    show: Any = str


Milliseconds = Annotated[int, BeforeValidator(duration_ms), Kind("duration", show_ms)]
Bytes = Annotated[int, BeforeValidator(size_bytes), Kind("size", show_bytes)]
PriceUsd = Annotated[Decimal, BeforeValidator(price_usd), Kind("price")]
Secret = Annotated[SecretStr, BeforeValidator(secret_text), Kind("secret")]
HeaderSecret = Annotated[SecretStr, BeforeValidator(header_secret), Kind("secret")]
HeaderValue = Annotated[SecretStr, BeforeValidator(header_value), Kind("secret")]
RedisSecret = Annotated[SecretStr, BeforeValidator(redis_secret), Kind("Redis URL, secret")]
ProxySecret = Annotated[SecretStr, BeforeValidator(proxy_secret), Kind("proxy URL, secret")]
ExistingFile = Annotated[Path, BeforeValidator(existing_file), PlainSerializer(str), Kind("file")]
CertificateFile = Annotated[Path, BeforeValidator(pem_file("CERTIFICATE")), Kind("PEM file")]
PrivateKeyFile = Annotated[Path, BeforeValidator(pem_file("PRIVATE KEY")), Kind("PEM file")]
AnyPath = Annotated[Path, BeforeValidator(any_path), Kind("path")]
ListenAddress = Annotated[str, BeforeValidator(listen_address), Kind("address")]
Network = Annotated[str, BeforeValidator(network), Kind("network")]
Origin = Annotated[str, BeforeValidator(origin), Kind("origin")]
SettingText = Annotated[str, BeforeValidator(setting_text), Kind("text")]
UrlPath = Annotated[str, BeforeValidator(url_path), Kind("path of a URL")]
HeaderPrefix = Annotated[str, BeforeValidator(header_prefix), Kind("text")]
BaseUrl = Annotated[str, BeforeValidator(base_url), Kind("URL")]
UnixTime = Annotated[int, BeforeValidator(unix_time), Kind("moment", show_day)]
