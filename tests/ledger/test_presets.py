"""``ledger/presets.py``: presets and their versions in the database."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from turnout.ledger import presets

if TYPE_CHECKING:
    from turnout.ledger.store import Ledger


def save(ledger: Ledger, slug: str = "brief", **config: object) -> presets.Preset:
    return presets.save(ledger, slug, config, system_prompt="Be brief.", creator="me", now_ms=1_000)


def test_v03_each_save_is_a_new_version_and_the_newest_counts(ledger: Ledger) -> None:
    first = save(ledger, temperature=0.5)
    with pytest.raises(presets.NotTheMaker):
        presets.save(ledger, "brief", {"temperature": 1}, system_prompt=None, creator="you", now_ms=2_000)
    second = presets.save(
        ledger, "brief", {"temperature": 1}, system_prompt=None, creator="you", now_ms=2_000, any_maker=True
    )
    assert (first.designated.version, second.designated.version) == (1, 2)
    assert (second.id, second.created_ms, second.updated_ms, second.creator) == (first.id, 1_000, 2_000, "me")
    assert presets.one(ledger, "brief") == second
    assert [one.config for one in presets.history(ledger, "brief")] == [{"temperature": 1}, {"temperature": 0.5}]
    assert presets.version(ledger, "brief", 1) == first.designated
    assert presets.version(ledger, "brief", 3) is None


def test_a_preset_is_changed_and_deleted(ledger: Ledger) -> None:
    save(ledger)
    changed = presets.change(ledger, "brief", now_ms=5_000, status="disabled", description="Short answers")
    assert changed is not None
    assert (changed.status, changed.status_ms, changed.description, changed.name) == (
        "disabled",
        5_000,
        "Short answers",
        "brief",
    )
    assert presets.change(ledger, "other", now_ms=1) is None
    assert presets.remove(ledger, "brief")
    assert not presets.remove(ledger, "brief")
    assert presets.one(ledger, "brief") is None
    assert presets.history(ledger, "brief") == []


def test_all_are_listed_by_name(ledger: Ledger) -> None:
    for slug in ("b", "a", "c"):
        save(ledger, slug)
    assert [one.slug for one in presets.every(ledger)] == ["a", "b", "c"]


def test_there_is_a_bound_of_presets_and_of_versions(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presets, "PRESETS_MAX", 1)
    monkeypatch.setattr(presets, "VERSIONS_MAX", 2)
    for _ in range(3):
        save(ledger)
    assert [one.version for one in presets.history(ledger, "brief")] == [3, 2]
    with pytest.raises(presets.TooManyPresets):
        save(ledger, "second")
