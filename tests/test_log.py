"""Lines of text or of JSON, and granian quieter than we are."""

from __future__ import annotations

import json
import logging
import sys

from turnout import log


def test_a_line_of_json_is_one_object() -> None:
    try:
        raise ValueError("of the test")
    except ValueError:
        error = sys.exc_info()
    record = logging.LogRecord("turnout.x", logging.WARNING, "f", 1, "two\nlines %d", (5,), error)
    line = log.JsonFormatter().format(record)
    assert "\n" not in line
    shown = json.loads(line)
    assert (shown["level"], shown["logger"], shown["message"]) == ("warning", "turnout.x", "two\nlines 5")
    assert "ValueError: of the test" in shown["exception"]
    assert shown["time"].endswith("+00:00")


def test_granians_starts_and_stops_are_for_those_who_debug() -> None:
    assert log.dict_config(level="info", form="text")["loggers"]["_granian"]["level"] == "WARNING"
    assert log.dict_config(level="debug", form="text")["loggers"]["_granian"]["level"] == "DEBUG"
    assert log.dict_config(level="error", form="text")["loggers"]["_granian"]["level"] == "ERROR"


def test_a_granian_that_was_started_by_itself_keeps_its_logging() -> None:
    assert list(log.dict_config(level="info", form="json", granian=False)["loggers"]) == ["turnout"]
