"""The tree is the architecture: every module of the package has its test where a reader looks for it."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "python" / "turnout"

TESTED_ELSEWHERE = {
    **dict.fromkeys(
        (f"providers/{subject}.py" for subject in ("clouds", "gateways", "hosts", "labs", "local")),
        "holds rows only; tests/providers/test_rows.py looks at each",
    ),
    **dict.fromkeys(
        (
            f"config/model/{section}.py"
            for section in (
                *("auth", "billing", "cache", "catalogue", "file", "key", "model", "preset", "price", "process"),
                *("provider", "router", "routing", "section", "server"),
            )
        ),
        "holds fields only; tests/config/test_model.py looks at each, and test_load.py at values that are wrong",
    ),
    **dict.fromkeys(
        (f"config/compile/{part}.py" for part in ("billing", "cache", "routing")),
        "copies what was written; tests/config/test_snapshot.py compares every field",
    ),
    "catalogue/making/fact.py": "holds values only; the tests of every source beside it make some",
    "gateway.py": "holds values only; tests/test_lifespan.py makes one and uses it",
    "local/model.py": "tests/local/test_local.py runs it with stand-ins for the optional packages",
}
"""Modules without a test file of their own name, and where they are tested instead."""


def modules() -> list[Path]:
    found = (path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))
    return sorted(path for path in found if not path.name.startswith("__") and "migrations" not in path.parts)


def test_every_module_has_its_test() -> None:
    lacking = [
        path.as_posix()
        for path in modules()
        if path.as_posix() not in TESTED_ELSEWHERE
        and not (ROOT / "tests" / path.parent / f"test_{path.name}").exists()
        and not (ROOT / "tests" / path.parent / f"test_{path.parent.name}_{path.name}").exists()
    ]
    assert not lacking, "write tests/<folder>/test_<file>.py, or say in TESTED_ELSEWHERE where they are tested"


def test_the_exceptions_are_needed() -> None:
    assert {path for path in TESTED_ELSEWHERE if not (PACKAGE / path).exists()} == set()
