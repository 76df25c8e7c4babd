"""The model itself: every field is documented, and the defaults keep their own rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from turnout.config import model
from turnout.config.reference import _sections

if TYPE_CHECKING:
    from pydantic import BaseModel

SECTIONS = [section for _, section in _sections(model.Config, "")]


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.__name__)
def test_every_field_is_described_and_every_section_has_a_sentence(section: type[BaseModel]) -> None:
    assert (section.__doc__ or "").strip()
    for name, field in section.model_fields.items():
        assert field.description, name
        assert field.description.strip().endswith((".", ")")), name


@pytest.mark.parametrize("section", [model.Server, model.Limits, model.Timeouts, model.Attempts, model.Drain])
def test_defaults_pass_their_own_validation(section: type[BaseModel]) -> None:
    for name, field in section.model_fields.items():
        least = next((item.ge for item in field.metadata if hasattr(item, "ge")), None)
        most = next((item.le for item in field.metadata if hasattr(item, "le")), None)
        if least is not None and field.default is not None:
            assert least <= field.default <= most, name


def test_a_section_is_immutable() -> None:
    with pytest.raises(ValueError, match="frozen"):
        model.Log().level = "debug"


def test_the_defaults_fit_together() -> None:
    server, upstream = model.Server(), model.UpstreamTimeouts()
    assert server.attempts.total >= upstream.first_byte >= upstream.connect
    assert server.limits.requests_in_flight <= server.limits.connections
    assert server.limits.event <= server.limits.answer
    assert server.timeouts.keepalive_comment < server.timeouts.idle
