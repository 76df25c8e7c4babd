"""What every section has in common, and the units in which defaults are written."""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel, ConfigDict, model_validator

SECOND: Final = 1_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
KIB: Final = 2**10
MIB: Final = 2**20
GIB: Final = 2**30


class Section(BaseModel):
    """Base of every section: immutable, a key that is not known is a mistake, and inputs stay out of error texts."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, validate_default=False)

    @model_validator(mode="before")
    @classmethod
    def _nothing_written(cls, written: Any) -> Any:
        """``server:`` with nothing behind it means the same as leaving it out, for sections and for their keys."""
        if written is None:
            return {}
        if isinstance(written, dict) and None in written.values():
            return {key: value for key, value in written.items() if value is not None}
        return written
