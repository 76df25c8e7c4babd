"""The tree of exceptions carries what a person needs."""

from __future__ import annotations

from turnout.config.mistake import Mistake
from turnout.errors import ConfigError, TurnoutError


def test_a_config_error_holds_and_prints_every_mistake() -> None:
    mistakes = [Mistake("t", 1, 2, "a", "first"), Mistake("t", 3, 4, "b", "second")]
    error = ConfigError(mistakes)
    assert isinstance(error, TurnoutError)
    assert error.mistakes == tuple(mistakes)
    assert str(error) == "t:1:2 a: first\nt:3:4 b: second"
