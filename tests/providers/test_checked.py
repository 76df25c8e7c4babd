"""What was compared: rows that exist, days that were, and a source read for every promise about data."""

from __future__ import annotations

from datetime import date

from turnout.providers import ROWS, row
from turnout.providers.checked import COMPARISONS, compared


def test_only_rows_that_exist_were_compared_and_each_once_with_a_source() -> None:
    for one in COMPARISONS:
        assert len(one.slugs) == len(set(one.slugs)) > 0
        assert [slug for slug in one.slugs if row(slug) is None] == []
        assert date(2026, 1, 1) <= date.fromisoformat(one.on) <= date(2100, 1, 1)
    assert len({(one.fact, one.source) for one in COMPARISONS}) == len(COMPARISONS)


def test_what_is_promised_about_data_was_read() -> None:
    """A row that claims no training, no retention or an agreement on it names a page, and somebody has read it."""
    promising = {
        known.slug
        for known in ROWS
        if known.policy.training is False or known.policy.retention_days is not None or known.policy.zdr_offered
    }
    read = {slug for one in COMPARISONS if one.fact == "data" for slug in one.slugs}
    assert promising <= read
    assert all(known.policy.source for known in ROWS if known.slug in read)


def test_compared_facts_are_there() -> None:
    for known in ROWS:
        facts = {one.fact for one in compared(known.slug)}
        assert "terms" not in facts or known.terms_url
        assert "variable" not in facts or known.env
        assert "data" not in facts or known.policy.source
    assert {one.fact for one in compared("groq")} == {"variable", "terms", "data"}
    assert compared("nobody") == []
