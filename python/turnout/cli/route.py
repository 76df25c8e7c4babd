"""``turnout route FILE.json``: where a request would go and why, without sending it.

Without ``--url`` the configuration is compiled and put into a plane of its own, which plans the request and never
listens to anybody; what is known only from traffic (latency, uptime, outages) is then unknown. With ``--url`` a running
gateway is asked, which knows.
"""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
from rich.console import Console
from rich.table import Table

from turnout.config import load, snapshot
from turnout.config.compile import compile
from turnout.errors import TurnoutError

if TYPE_CHECKING:
    from pathlib import Path

    from turnout.gateway import Native

PATIENCE_S = 30.0
"""For the answer of a running gateway."""
ADMIN_KEY = "TURNOUT_ADMIN_KEY"
"""Where the admin key of a running gateway is looked for."""
WIDE = 180
"""Columns of a table that goes into a file or a pipe."""


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What to plan, and how to show it."""

    file: Path
    """The body of a request; ``-`` is the standard input."""
    api: str = "chat"
    model: str | None = None
    """Asked for instead of the body's own."""
    key: str | None = None
    """Name of a client key."""
    seed: int | None = None
    as_json: bool = False


def route(wish: Wish, *, config: Path | None, url: str | None = None) -> int:
    """Prints the plan; returns 1 when the request would be refused or cannot be planned."""
    # Where nobody sees a terminal's width, a table may be as wide as it needs to be.
    width = None if sys.stdout.isatty() else WIDE
    console = Console(highlight=False, markup=False, emoji=False, width=width)
    try:
        asked = _asked(wish)
        told: dict[str, Any] = json.loads(_remote(url, asked) if url is not None else _local(config, asked))
    except (TurnoutError, ValueError, OSError) as error:
        console.print(str(error), style="bold red", soft_wrap=True)
        return 1
    if wish.as_json:
        console.print(json.dumps(told, indent=2, ensure_ascii=False), soft_wrap=True)
    else:
        _show(console, told)
    return 1 if "error" in told else 0


def _asked(wish: Wish) -> bytes:
    """What the plane is asked. A file that is such a question already is taken as it is."""
    text = sys.stdin.buffer.read() if str(wish.file) == "-" else wish.file.read_bytes()
    try:
        said = json.loads(text)
    except ValueError as error:
        raise ValueError(f"{wish.file} is not JSON: {error}") from error
    if not isinstance(said, dict):
        raise ValueError(f"{wish.file}: expected a JSON object, the body of a request")
    asked: dict[str, Any] = said if isinstance(said.get("body"), dict) else {"api": wish.api, "body": said}
    if wish.model is not None:
        if asked.get("api", "chat").startswith("gemini"):
            asked["model"] = wish.model
        else:
            asked["body"] = {**asked["body"], "model": wish.model}
    if wish.key is not None:
        asked["key"] = wish.key
    if wish.seed is not None:
        asked["seed"] = wish.seed
    return json.dumps(asked).encode()


def _local(config: Path | None, asked: bytes) -> bytes:
    from turnout import _native

    module: Native = _native
    environment = load.environment()
    made = compile(load.load(load.find(config, environment), environment), auth=True, environment=environment).snapshot
    # A free port, which nobody is let in by: the plane is never started.
    server = msgspec.structs.replace(made.server, listen=["127.0.0.1:0"], tls=None, threads=1)
    with tempfile.TemporaryDirectory(prefix="turnout-route-") as folder:
        encoded = snapshot.encode(msgspec.structs.replace(made, server=server))
        plane = module.Plane(encoded, listeners=[], control_socket=None, state_dir=folder)
        try:
            return plane.explain(asked)
        finally:
            plane.stop()


def _remote(url: str, asked: bytes) -> bytes:
    import httpx  # Here, because it takes a third of a second that most commands do not need.

    key = load.environment().get(ADMIN_KEY)
    if not key:
        raise ValueError(f"a running gateway wants its admin key; put it into the environment as {ADMIN_KEY}")
    place = f"{url.rstrip('/')}/api/admin/route/explain"
    try:
        answer = httpx.post(
            place, content=asked, headers={"authorization": f"Bearer {key}"}, timeout=PATIENCE_S, trust_env=False
        )
    except httpx.HTTPError as error:
        raise ValueError(f"no answer from {place}: {error}") from error
    if answer.status_code != 200:
        raise ValueError(f"{place} answered {answer.status_code}: {_message(answer.content)}")
    return answer.content


def _message(content: bytes) -> str:
    try:
        return str(json.loads(content)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return "no reason given"


def _show(console: Console, told: dict[str, Any]) -> None:
    whole = told.get("turnout_explain")
    if whole is not None:
        names = ", ".join(whole["requested"]) or "no model"
        key = f", key {whole['key']}" if whole["key"] else ""
        console.print(f"{names} ({whole['strategy']}{key}), configuration {whole['config']}", soft_wrap=True)
        for policy in whole["policies"]:
            console.print(f"{policy['model']}: policy {policy['policy']}, from {policy['from']}", soft_wrap=True)
        for stage in whole["stages"]:
            console.print(f"{stage['name']}: {stage.get('summary', '')}", soft_wrap=True)
        if sticky := whole["sticky"]:
            console.print(f"conversation by {sticky['by']}: {sticky['decision']} {sticky['endpoint']}", soft_wrap=True)
        console.print(_table(whole["candidates"]))
        if whole["candidates_left_out"]:
            console.print(f"and {whole['candidates_left_out']} more that are not shown")
    if "error" in told:
        error = told["error"]
        console.print(f"would be refused: {error.get('message', error)}", style="bold red", soft_wrap=True)


def _table(candidates: list[dict[str, Any]]) -> Table:
    table = Table(title="Endpoints, in the order in which they would be tried", title_justify="left")
    for head in ("rank", "model", "provider", "endpoint", "$/M in, out", "latency", "tok/s", "uptime", "verdict"):
        table.add_column(head, overflow="fold")
    for one in candidates:
        known = one.get("statistics") or {}
        table.add_row(
            str(one["rank"] or "-"),
            one["model"],
            one["provider"],
            one["endpoint"],
            _prices(one.get("prices")),
            _median(known.get("latency_ms"), " ms"),
            _median(known.get("tokens_per_second"), ""),
            known.get("uptime", ""),
            _verdict(one),
            style=None if one["rank"] else "dim",
        )
    return table


def _prices(prices: dict[str, str] | None) -> str:
    return "" if prices is None else f"{prices['prompt']}, {prices['completion']}"


def _median(percentiles: dict[str, float] | None, unit: str) -> str:
    return "" if percentiles is None else f"{percentiles['p50']:.0f}{unit}"


def _verdict(one: dict[str, Any]) -> str:
    if one["dropped_by"]:
        return f"dropped: {one['dropped_by']}" + (f" ({one['detail']})" if one["detail"] else "")
    parts = [one["group"] or "", f"score {one['score']:.6g}" if one["score"] is not None else ""]
    return ", ".join(part for part in parts if part) or "may serve"
