"""What the control side needs and the plane does not."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from turnout.config.compile.key import sha256_of

if TYPE_CHECKING:
    from pathlib import Path

    from turnout.config.compile.work import Work

_DATABASE_URL: Final = re.compile(r"[a-z][a-z0-9_+]*://\S*")


@dataclass(frozen=True, kw_only=True)
class LedgerSettings:
    """Where generations are booked, and how they get there. At most one of ``path`` and ``url`` is set."""

    path: Path | None
    """SQLite file; with no ``url`` either, ``None`` means ``ledger.db`` in the state folder."""
    url: str | None = field(repr=False)
    """SQLAlchemy URL; a secret."""
    batch_records: int
    flush_ms: int
    retention_days: int | None
    """``None``: for ever."""


@dataclass(frozen=True, kw_only=True)
class LogSettings:
    """What is logged, and how."""

    level: str
    format: str
    """``text`` or ``json``."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the control side needs and the plane does not."""

    state_dir: Path | None
    """``None``: the default folder."""
    ledger: LedgerSettings
    log: LogSettings
    admin_sha256: str | None
    """Hash of the administration key; ``None``: the generated one counts."""


def settings_of(work: Work) -> Settings:
    server, ledger, log = work.config.server, work.config.ledger, work.config.log
    url = ledger.url.get_secret_value() if ledger.url else None
    if url is not None and _DATABASE_URL.fullmatch(url) is None:
        work.wrong(("ledger", "url"), "expected a database URL such as postgresql+psycopg://user:password@host/name")
    return Settings(
        state_dir=server.state_dir,
        ledger=LedgerSettings(
            path=ledger.path,
            url=url,
            batch_records=ledger.batch_records,
            flush_ms=ledger.flush,
            retention_days=ledger.retention_days,
        ),
        log=LogSettings(level=log.level, format=log.format),
        admin_sha256=sha256_of(server.admin_key.get_secret_value()) if server.admin_key else None,
    )
