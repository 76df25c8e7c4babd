"""Which proxy stands between this machine and a provider, by the variables that command line tools agree on.

``HTTPS_PROXY`` or ``HTTP_PROXY`` by the scheme of the URL, else ``ALL_PROXY``; lower case before upper case, as curl
does. ``NO_PROXY`` is a list of hosts, domain suffixes, addresses and networks, each with an optional port, or ``*``.
Loopback is never sent through a proxy that only the environment names: such a proxy cannot reach this machine's own.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping


def from_environment(url: str, environment: Mapping[str, str]) -> tuple[str, str] | None:
    """The variable and the proxy's URL for ``url``, or ``None`` for a direct connection. The URL is not checked."""
    split = urlsplit(url)
    host = split.hostname or ""
    port = split.port or (443 if split.scheme == "https" else 80)
    if _is_loopback(host):
        return None
    for name in (f"{split.scheme}_proxy", "all_proxy"):
        for variable in (name, name.upper()):
            proxy = environment.get(variable, "").strip()
            if proxy:
                excepted = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
                if _is_excepted(host, port, excepted):
                    return None
                return variable, proxy if "://" in proxy else f"http://{proxy}"
    return None


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    address = _address(host)
    return address is not None and address.is_loopback


def _is_excepted(host: str, port: int, no_proxy: str) -> bool:
    """Whether any entry of ``NO_PROXY`` covers this host and port."""
    return any(
        _covers(entry.strip().lower(), host.lower(), port)
        for entry in no_proxy.replace(" ", ",").split(",")
        if entry.strip()
    )


def _covers(entry: str, host: str, port: int) -> bool:
    if entry == "*":
        return True
    name, entry_port = _host_and_port(entry)
    if entry_port is not None and entry_port != port:
        return False
    address = _address(host)
    if address is not None:
        try:
            return address in ipaddress.ip_network(name, strict=False)
        except ValueError:
            return False
    suffix = name.removeprefix("*").removeprefix(".")
    return bool(suffix) and (host == suffix or host.endswith(f".{suffix}"))


def _host_and_port(entry: str) -> tuple[str, int | None]:
    if entry.startswith("["):
        name, _, rest = entry[1:].partition("]")
        port = rest.removeprefix(":")
    elif entry.count(":") == 1:
        name, _, port = entry.partition(":")
    else:
        return entry, None
    return (name, int(port)) if port.isascii() and port.isdigit() else (name, None)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
