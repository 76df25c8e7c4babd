"""``python -m turnout.catalogue.making FOLDER``: the data file and the report of disagreements.

``make catalogue`` downloads the sources into the folder first. Both files are written into the source tree, to be
committed.
"""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from turnout.catalogue import data
from turnout.catalogue.making import genai, litellm, merge, modelsdev, pi, report, sources
from turnout.providers import ROWS

if TYPE_CHECKING:
    from collections.abc import Sequence

REPORT = Path(__file__).parents[4] / "docs" / "catalogue-disagreements.md"


def main(arguments: Sequence[str]) -> int:
    """Makes both files."""
    folder = Path(arguments[0])
    at = datetime.fromisoformat(f"{sources.MADE}T00:00:00+00:00")
    facts: list[Any] = [
        *genai.facts(at),
        *litellm.facts(sources.litellm(folder)),
        *modelsdev.facts(sources.models_dev(folder)),
        *pi.facts(sources.pi(folder)),
    ]
    merged = merge.merge(facts, genai.price_list(at), (row.slug for row in ROWS))
    data.PACKAGED.write_bytes(data.encode(merged.catalogue))
    REPORT.write_text(report.report(merged), encoding="utf-8")
    print(report.summary(merged))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
