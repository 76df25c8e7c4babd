"""The sections ``ledger`` and ``log``: what the process keeps and what it writes."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from turnout.config.model.section import MINUTE, Section
from turnout.config.values import AnyPath, Milliseconds, Secret, wrong


class Ledger(Section):
    """Where booked generations are kept. Requests never wait for it; the journal holds them until it catches up."""

    path: AnyPath | None = Field(
        default=None, description="SQLite file. Default: ledger.db in the state folder. Give either path or url."
    )
    url: Secret | None = Field(
        default=None,
        description="SQLAlchemy URL of a database instead, for instance "
        "postgresql+psycopg://user:password@host/name. A secret.",
    )
    batch_records: int = Field(
        default=2_000,
        ge=1,
        le=10_000,
        description="Most generations of one transaction. Larger ones are hardly faster and hold the database longer.",
    )
    flush: Milliseconds = Field(
        default=250,
        ge=10,
        le=1 * MINUTE,
        description="How long a booked generation may wait for company before it is written. A client that looks its "
        "generation up at once finds it within about this time.",
    )
    retention_days: int | None = Field(
        default=None,
        ge=1,
        le=36_500,
        description="Generations older than this are deleted. Default: kept for ever, since deleting "
        "books is a decision.",
    )

    @model_validator(mode="after")
    def _one_place(self) -> Ledger:
        if self.path is not None and self.url is not None:
            raise wrong("give either path or url, not both")
        return self


class Log(Section):
    """What the process writes to standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info",
        description="Least severity that is written. info tells starts, reloads and failures, no requests.",
    )
    format: Literal["text", "json"] = Field(
        default="text", description="text for people, json (one object a line) for collectors."
    )
