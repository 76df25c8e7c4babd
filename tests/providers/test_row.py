"""The shape of a row: unknown facts stay unknown."""

from __future__ import annotations

from turnout.providers.dialect import Wire
from turnout.providers.row import Policy, Row


def test_a_row_claims_nothing_that_it_does_not_say() -> None:
    wire = Wire(dialect="openai", base_url="https://h/v1", operations=("chat",))
    row = Row(slug="x", name="X", wires=(wire,), env=("X_KEY",), docs="https://h")
    assert row.policy == Policy(training=None, retention_days=None)
    assert (row.routing_fields, row.key_optional, row.identity) == (False, False, None)
    assert row.base_url == "https://h/v1"
    assert (wire.quirks.developer_role, wire.quirks.json_schema, wire.quirks.image_urls) == (False, False, False)
