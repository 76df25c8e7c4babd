"""The feed is XML, whatever a model is called."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree

if TYPE_CHECKING:
    from starlette.testclient import TestClient


def test_a_reader_finds_models_with_their_days(catalogue: TestClient) -> None:
    answer = catalogue.get(
        "/api/v1/models?use_rss=true", headers={"host": "gate.example", "x-forwarded-proto": "https"}
    )
    channel = ElementTree.fromstring(answer.content).find("channel")
    assert channel is not None
    items = {item.findtext("guid"): item for item in channel.findall("item")}
    new = items["acme/new"]
    assert new.findtext("title") == "Acme & New"
    assert new.findtext("description") == "Sees  pictures"
    assert new.findtext("pubDate") == "Sun, 01 Jun 2025 00:00:00 GMT"
    assert new.findtext("link") == "https://gate.example/api/v1/models/acme/new/endpoints"
    assert items["zeta/unpriced"].find("pubDate") is None
