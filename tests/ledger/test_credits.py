"""Credits in the ledger: each addition once, and the plane hears of the sums in their order."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

from turnout.ledger.credits import Credits

if TYPE_CHECKING:
    from turnout.ledger.store import Ledger


class Told:
    def __init__(self) -> None:
        self.credits: list[int] = []

    def spent(self, json_text: bytes) -> None:
        self.credits.append(json.loads(json_text)["credits"])


def test_additions_at_the_same_time_are_all_there_and_told_in_order(ledger: Ledger) -> None:
    told = Told()
    credits = Credits(ledger, told, now_ms=lambda: 5)
    threads = [threading.Thread(target=credits.add, args=(10, f"note {number}")) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert credits.total() == 80
    assert told.credits == [10 * count for count in range(1, 9)]
    latest = credits.latest(3)
    assert [addition.id for addition in latest] == [8, 7, 6]
    assert latest[0].created_ms == 5
