"""``python -m turnout.local``; see the package."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from turnout import state
from turnout.errors import TurnoutError
from turnout.local import MODEL, run


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m turnout.local",
        description=f"Serves a small real model as {MODEL}. Further options go to turnout serve, such as --listen.",
        # An abbreviation could be meant for turnout serve.
        allow_abbrev=False,
    )
    default = state.default_directory(os.environ)
    default = default.with_name(f"{default.name}-local")
    parser.add_argument("--state", type=Path, default=default, metavar="PATH", help=f"state directory [{default}]")
    options, arguments = parser.parse_known_args()
    try:
        code = run(options.state, arguments)
    except TurnoutError as error:
        print(error, file=sys.stderr)
        code = 1
    raise SystemExit(code)


if __name__ == "__main__":
    main()
