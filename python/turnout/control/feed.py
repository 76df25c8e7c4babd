"""The list of models as an RSS 2.0 feed, for readers that tell people of new models.

The document is put together by :mod:`xml.etree`, which escapes what it is given; what XML cannot hold at all (control
characters) is taken out first. There is no chat page that an item could lead to, so ``use_rss_chat_links`` changes
nothing: each item leads to what the gateway knows of the model.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree

if TYPE_CHECKING:
    from collections.abc import Sequence

    from turnout.control.listing import Shown

_NOT_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def rss(models: Sequence[Shown], address: str) -> bytes:
    """The feed. ``address`` is the gateway's own, ``https://host``."""
    root = ElementTree.Element("rss", version="2.0")
    channel = ElementTree.SubElement(root, "channel")
    _text(channel, "title", "Turnout: models")
    _text(channel, "link", f"{address}/api/v1/models")
    _text(channel, "description", "Models that this gateway serves")
    for shown in models:
        item = ElementTree.SubElement(channel, "item")
        _text(item, "title", shown.card.name)
        _text(item, "link", f"{address}{shown.card.links.details}")
        _text(item, "description", shown.card.description)
        _text(item, "guid", shown.slug).set("isPermaLink", "false")
        if shown.card.created:
            _text(item, "pubDate", format_datetime(datetime.fromtimestamp(shown.card.created, UTC), usegmt=True))
    document: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return document


def _text(parent: ElementTree.Element, name: str, text: str) -> ElementTree.Element:
    element = ElementTree.SubElement(parent, name)
    element.text = _NOT_XML.sub("", text)
    return element
