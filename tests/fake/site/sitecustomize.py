"""On PYTHONPATH, this makes ``tests/fake/native.py`` the module ``turnout._native``: Python imports it at its start.

With ``TURNOUT_TEST_IMPORTS`` naming a file, each process that loads the native module adds its id there, so that a
test can see that the launcher's own process never does.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
from pathlib import Path


class _Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name: str, path: object, target: object = None) -> importlib.machinery.ModuleSpec | None:
        if name != "turnout._native":
            return None
        if noted := os.environ.get("TURNOUT_TEST_IMPORTS"):
            with Path(noted).open("a") as file:
                file.write(f"{os.getpid()}\n")
        return importlib.util.spec_from_file_location(name, Path(__file__).parent.parent / "native.py")


sys.meta_path.insert(0, _Finder())
