"""What the control side is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from written import LOCAL, mistakes

if TYPE_CHECKING:
    from pathlib import Path


def test_a_database_url_without_a_scheme_is_a_mistake_that_does_not_repeat_it(tmp_path: Path) -> None:
    found = mistakes(tmp_path, LOCAL + "ledger: {url: 'user:hunter2@host'}")
    assert found[0].key_path == "ledger.url"
    assert "hunter2" not in str(found[0])
