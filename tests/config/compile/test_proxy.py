"""Proxies from the environment, by the rules that command line tools share."""

from __future__ import annotations

import pytest

from turnout.config.compile.proxy import from_environment

HTTPS = "https://api.example.com/v1"


@pytest.mark.parametrize(
    ("url", "environment", "found"),
    [
        (HTTPS, {}, None),
        (HTTPS, {"HTTPS_PROXY": "http://p:1"}, ("HTTPS_PROXY", "http://p:1")),
        (HTTPS, {"https_proxy": "http://low:1", "HTTPS_PROXY": "http://up:1"}, ("https_proxy", "http://low:1")),
        (HTTPS, {"HTTP_PROXY": "http://p:1"}, None),
        ("http://h/v1", {"HTTP_PROXY": "p:1"}, ("HTTP_PROXY", "http://p:1")),
        (HTTPS, {"ALL_PROXY": "http://all:1"}, ("ALL_PROXY", "http://all:1")),
        (HTTPS, {"ALL_PROXY": "http://all:1", "HTTPS_PROXY": "http://p:1"}, ("HTTPS_PROXY", "http://p:1")),
        (HTTPS, {"HTTPS_PROXY": " "}, None),
        ("http://127.0.0.1:8080", {"HTTP_PROXY": "p:1"}, None),
        ("http://[::1]:8080", {"HTTP_PROXY": "p:1"}, None),
        ("http://localhost", {"HTTP_PROXY": "p:1"}, None),
    ],
)
def test_the_variable_is_chosen_by_scheme(url: str, environment: dict[str, str], found: tuple[str, str] | None) -> None:
    assert from_environment(url, environment) == found


@pytest.mark.parametrize(
    ("url", "no_proxy", "direct"),
    [
        (HTTPS, "*", True),
        (HTTPS, "api.example.com", True),
        (HTTPS, "example.com", True),
        (HTTPS, ".example.com", True),
        (HTTPS, "*.example.com", True),
        (HTTPS, "ample.com", False),
        (HTTPS, "other.com, API.example.COM", True),
        (HTTPS, "other.com example.com", True),
        (HTTPS, "example.com:443", True),
        (HTTPS, "example.com:8443", False),
        ("https://h:8443/", "h:8443", True),
        ("https://10.1.2.3/", "10.0.0.0/8", True),
        ("https://10.1.2.3/", "10.1.2.3", True),
        ("https://10.1.2.3/", "2.3", False),
        ("https://[fd00::1]/", "fd00::/8", True),
        ("https://[fd00::1]:99/", "[fd00::1]:99", True),
        ("https://[fd00::1]:99/", "[fd00::1]:98", False),
        (HTTPS, "", False),
        (HTTPS, ",,", False),
    ],
)
def test_no_proxy_covers_hosts_suffixes_networks_and_ports(url: str, no_proxy: str, direct: bool) -> None:
    environment = {"HTTPS_PROXY": "http://p:1", "NO_PROXY": no_proxy}
    assert (from_environment(url, environment) is None) is direct
