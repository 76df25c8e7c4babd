"""Which client works with which provider protocol: tries all pairs and writes ``docs/clients.md``.

Part of ``make clients``. Libraries come from the development environment. Coding agents are programs of other
companies; they are installed with npm into ``.make/clients/agents``, at the versions below. Each is asked one thing,
without a terminal, with a home of its own. The model behind the gateway is scripted: it calls the first tool that it is
offered, and says a sentence when it hears the tool's result. So an agent that ends with that sentence has been through
the whole loop: request, tool call, tool result, answer.

Frameworks are programs of this folder (``frameworks/``), run with libraries that are installed below ``.make/clients``
for them alone, because they choose the versions of the vendors' libraries themselves.

Takes about fifteen minutes. The exit code is 1 when a pair fails.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.clients import speakers  # noqa: E402  The line above makes it importable.
from tests.clients.frameworks.python import FRAMEWORKS  # noqa: E402
from tests.clients.serving import KEY, Serving, serve  # noqa: E402
from turnout._native import Mock  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable

AGENTS_HOME: Final = ROOT / ".make" / "clients" / "agents"
PAGE: Final = ROOT / "docs" / "clients.md"
SENTENCE: Final = "the points are set and the line is clear"
PATIENCE_S: Final = 120


@dataclass(frozen=True, kw_only=True)
class Agent:
    """A coding agent: how it is installed and how it is asked."""

    name: str
    package: str
    """On npm, with its version."""
    program: str
    """Below ``node_modules``."""
    api: str
    """The API that it speaks."""
    environment: Callable[[str, str], dict[str, str]]
    """Origin and model → variables."""
    arguments: Callable[[str], list[str]]
    settings: Callable[[Path, str], None] = lambda home, origin: None
    """Writes what it wants to find in its home."""


def _codex(home: Path, origin: str) -> None:
    folder = home / ".codex"
    folder.mkdir(parents=True, exist_ok=True)
    lines = (
        'model_provider = "gateway"',
        "[model_providers.gateway]",
        'name = "gateway"',
        f'base_url = "{origin}/v1"',
        'env_key = "GATEWAY_KEY"',
        'wire_api = "responses"',
    )
    (folder / "config.toml").write_text("\n".join(lines) + "\n")


def _gemini(home: Path, origin: str) -> None:
    folder = home / ".gemini"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "settings.json").write_text(json.dumps({"security": {"auth": {"selectedType": "gemini-api-key"}}}))


def _opencode(home: Path, origin: str) -> None:
    folder = home / ".config" / "opencode"
    folder.mkdir(parents=True, exist_ok=True)
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "options": {"baseURL": f"{origin}/v1", "apiKey": KEY},
        "models": {f"tool/{dialect}": {} for dialect in speakers.DIALECTS},
    }
    (folder / "opencode.json").write_text(json.dumps({"provider": {"gateway": provider}}))


AGENTS: Final = (
    Agent(
        name="Claude Code",
        package="@anthropic-ai/claude-code@2.1.197",
        program="@anthropic-ai/claude-code-linux-x64/claude",
        api="Anthropic messages",
        environment=lambda origin, model: {
            "ANTHROPIC_BASE_URL": origin,
            "ANTHROPIC_API_KEY": KEY,
            "ANTHROPIC_MODEL": model,
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "DISABLE_AUTOUPDATER": "1",
            "DISABLE_TELEMETRY": "1",
        },
        arguments=lambda model: ["-p", "say hi", "--output-format", "json"],
    ),
    Agent(
        name="Codex",
        package="@openai/codex@0.169.0",
        program=".bin/codex",
        api="OpenAI responses",
        environment=lambda origin, model: {"GATEWAY_KEY": KEY},
        arguments=lambda model: ["exec", "--skip-git-repo-check", "--json", "-m", model, "say hi"],
        settings=_codex,
    ),
    Agent(
        name="Gemini CLI",
        package="@google/gemini-cli@0.61.0",
        program=".bin/gemini",
        api="Gemini",
        environment=lambda origin, model: {
            "GEMINI_API_KEY": KEY,
            "GOOGLE_GEMINI_BASE_URL": origin,
            "GEMINI_CLI_TRUST_WORKSPACE": "true",
        },
        arguments=lambda model: ["-m", model, "-p", "say hi"],
        settings=_gemini,
    ),
    Agent(
        name="opencode",
        package="opencode-ai@1.18.33",
        program="opencode-linux-x64/bin/opencode",
        api="OpenAI chat",
        environment=lambda origin, model: {"OPENCODE_DISABLE_MODELS_FETCH": "1", "OPENCODE_DISABLE_AUTOUPDATE": "1"},
        arguments=lambda model: ["run", "--model", f"gateway/{model}", "say hi"],
        settings=_opencode,
    ),
)


FRAMEWORKS_HOME: Final = ROOT / ".make" / "clients" / "frameworks"
FRAMEWORKS_SOURCE: Final = Path(__file__).parent / "frameworks"
PYTHON_PACKAGES: Final = {
    "langchain": ("langchain-openai==1.7.3", "langchain-anthropic==1.7.7", "langchain-google-genai==4.4.2"),
    "pydantic-ai": ("pydantic-ai-slim[anthropic,google,openai]==2.68.0",),
    "litellm": ("litellm==1.106.2", "mcp==2.3.0"),
    "instructor": ("instructor==1.17.0",),
}
"""An environment for each, by how its frameworks' names begin: they want different versions of the same libraries."""
JAVASCRIPT_PACKAGES: Final = (
    "ai@6.0.326",
    "@ai-sdk/openai@3.0.141",
    "@ai-sdk/anthropic@3.0.139",
    "@ai-sdk/google@3.0.141",
    "@openrouter/ai-sdk-provider@2.10.0",
    "zod@4.6.7",
)
VERCEL: Final = ("openai", "responses", "anthropic", "google", "openrouter")
"""What ``frameworks/vercel.mjs`` can be asked for."""


def install_frameworks() -> None:
    """The frameworks, once."""
    home = FRAMEWORKS_HOME / "javascript"
    if not (home / "node_modules" / "zod").exists():
        home.mkdir(parents=True, exist_ok=True)
        (home / "package.json").write_text('{"private": true, "type": "module"}\n')
        npm = shutil.which("npm") or "npm"
        subprocess.run([npm, "install", "--no-audit", "--no-fund", *JAVASCRIPT_PACKAGES], cwd=home, check=True)
    shutil.copy(FRAMEWORKS_SOURCE / "vercel.mjs", home)
    for name, packages in PYTHON_PACKAGES.items():
        environment = FRAMEWORKS_HOME / name
        if not (environment / "installed").exists():
            subprocess.run([sys.executable, "-m", "venv", "--clear", str(environment)], check=True)
            pip = [str(environment / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"]
            subprocess.run([*pip, *packages], check=True)
            (environment / "installed").touch()


def frameworks() -> dict[str, list[str]]:
    """Name in the table → the command that runs it, without origin, key and model."""
    node = shutil.which("node") or "node"
    commands = {
        f"Vercel's ai, {name}": [node, str(FRAMEWORKS_HOME / "javascript" / "vercel.mjs"), name] for name in VERCEL
    }
    program = FRAMEWORKS_SOURCE / "python.py"
    for name in FRAMEWORKS:
        environment = next(known for known in PYTHON_PACKAGES if name.startswith(known))
        commands[name] = [str(FRAMEWORKS_HOME / environment / "bin" / "python"), str(program), name]
    return commands


def run(command: list[str], origin: str, model: str) -> str | None:
    """What is wrong, or nothing."""
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(FRAMEWORKS_HOME)}
    try:
        done = subprocess.run(
            [*command, origin, KEY, model],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )
    except subprocess.TimeoutExpired:
        return f"no answer within {PATIENCE_S} s"
    is_good = done.returncode == 0 and SENTENCE in done.stdout
    return None if is_good else f"exit {done.returncode}: {(done.stdout + done.stderr)[-300:]}"


def install() -> None:
    """The agents, once."""
    AGENTS_HOME.mkdir(parents=True, exist_ok=True)
    missing = [agent.package for agent in AGENTS if not (AGENTS_HOME / "node_modules" / agent.program).exists()]
    if missing:
        npm = shutil.which("npm")
        if npm is None:
            sys.exit("make clients needs npm, to install the agents: https://nodejs.org")
        (AGENTS_HOME / "package.json").write_text('{"private": true}\n')
        subprocess.run([npm, "install", "--no-audit", "--no-fund", *missing], cwd=AGENTS_HOME, check=True)


def ask(agent: Agent, origin: str, model: str) -> str | None:
    """What is wrong, or nothing."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        work = Path(folder) / "work"
        work.mkdir()
        home.mkdir()
        agent.settings(home, origin)
        environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(home), "TERM": "dumb"}
        program = AGENTS_HOME / "node_modules" / agent.program
        try:
            done = subprocess.run(
                [str(program), *agent.arguments(model)],
                cwd=work,
                env=environment | agent.environment(origin, model),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=PATIENCE_S,
            )
        except subprocess.TimeoutExpired:
            return f"no answer within {PATIENCE_S} s"
    return None if SENTENCE in done.stdout else f"exit {done.returncode}: {(done.stdout + done.stderr)[-300:]}"


def listen(speaker: speakers.Speaker, origin: str, dialect: str) -> str | None:
    """What is wrong, or nothing."""
    kind, expected = ("tool", SENTENCE) if speaker in speakers.CALL else ("echo", speakers.HELLO)
    try:
        heard = speaker(origin, KEY, f"{kind}/{dialect}")
    except Exception as error:  # noqa: BLE001  A library may raise anything, and the table shows that it did.
        return f"{type(error).__name__}: {error}"
    return None if heard.startswith(expected) else f"heard {heard[:80]!r}"


def rows(serving: Serving) -> list[tuple[str, list[str | None]]]:
    """Every client with what went wrong for each protocol."""
    table: list[tuple[str, list[str | None]]] = []
    for speaker in (*speakers.SAY, *speakers.CALL):
        label = (speaker.__doc__ or speaker.__name__).splitlines()[0].rstrip(".")
        table.append((label, [listen(speaker, serving.origin, dialect) for dialect in speakers.DIALECTS]))
        print(row(*table[-1]), flush=True)
    for name, command in frameworks().items():
        label = f"{name}, with a tool"
        table.append((label, [run(command, serving.origin, f"tool/{dialect}") for dialect in speakers.DIALECTS]))
        print(row(*table[-1]), flush=True)
    for agent in AGENTS:
        label = f"{agent.name} {agent.package.rpartition('@')[2]} ({agent.api}), with a tool"
        table.append((label, [ask(agent, serving.origin, f"tool/{dialect}") for dialect in speakers.DIALECTS]))
        print(row(*table[-1]), flush=True)
    return table


def row(label: str, wrongs: list[str | None]) -> str:
    """A line of the table."""
    return f"| {label} | " + " | ".join("no" if wrong else "yes" for wrong in wrongs) + " |"


def page(table: list[tuple[str, list[str | None]]]) -> str:
    """The page of the documentation."""
    libraries = ", ".join(f"{name} {version(name)}" for name in ("openai", "anthropic", "google-genai"))
    packages = (*JAVASCRIPT_PACKAGES[:-1], *(package for some in PYTHON_PACKAGES.values() for package in some))
    lines = [
        "# Clients and protocols",
        "",
        "Made by `make clients`: each client of the first column was run against a gateway whose provider speaks the",
        "protocol of the other columns. The provider is scripted (`turnout mock`). *With a tool* means the loop: the",
        "model calls a tool, the client sends the result, the model answers.",
        "",
        f"Libraries: {libraries}. Frameworks: {', '.join(packages)}.",
        "",
        "| client | " + " | ".join(speakers.DIALECTS) + " |",
        "| --- |" + " --- |" * len(speakers.DIALECTS),
    ]
    lines += [row(label, wrongs) for label, wrongs in table]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Tries all pairs and writes the page."""
    install()
    install_frameworks()
    provider = Mock("127.0.0.1:0")
    with (
        tempfile.TemporaryDirectory() as folder,
        serve(Path(folder), speakers.configuration(provider.address)) as serving,
    ):
        table = rows(serving)
    provider.stop()
    PAGE.write_text(page(table))
    failed = [(label, wrong) for label, wrongs in table for wrong in wrongs if wrong]
    for label, wrong in failed:
        print(f"failed: {label}: {wrong}", file=sys.stderr)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
