"""How the Python side logs: lines of text or of JSON on standard error, in the launcher and in the worker alike."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

import msgspec

_json = msgspec.json.Encoder()

TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class JsonFormatter(logging.Formatter):
    """One JSON object per line."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as JSON text."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return _json.encode(line).decode()


def dict_config(*, level: str, form: str, granian: bool = True) -> dict[str, Any]:
    """The configuration for :func:`logging.config.dictConfig`; granian applies it in every process it starts.

    Granian's own logger is ``_granian``. It tells of every start and stop of a worker at level INFO, which only someone
    who debugs wants to know; its warnings and errors are for everyone. Where granian was started by itself, its
    logging is its own: ``granian`` is false then.
    """
    formatter: dict[str, Any] = {"()": "turnout.log.JsonFormatter"} if form == "json" else {"format": TEXT}
    levels = {"turnout": level, **({"_granian": granian_level(level)} if granian else {})}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"turnout": formatter},
        "handlers": {
            "turnout": {"class": "logging.StreamHandler", "formatter": "turnout", "stream": "ext://sys.stderr"},
        },
        "loggers": {
            name: {"handlers": ["turnout"], "level": wanted.upper(), "propagate": False}
            for name, wanted in levels.items()
        },
    }


def granian_level(level: str) -> str:
    """The level of granian's logger that goes with ours."""
    return "warning" if level.lower() == "info" else level.lower()
