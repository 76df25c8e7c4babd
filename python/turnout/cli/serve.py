"""``turnout serve``: what a person sees of it. The work is in :mod:`turnout.launch`."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

import turnout
from turnout import keys
from turnout.config.load import environment as read_environment
from turnout.errors import TurnoutError
from turnout.reload import Origin, origin_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from turnout.launch import Prepared
    from turnout.report import Started

PROVIDERS_SHOWN = 12


def serve(
    *,
    config: Path | None,
    listen: tuple[str, ...],
    demo: bool,
    auth: bool,
    state_dir: Path | None,
    threads: int | None,
) -> int:
    """Serves until a signal ends it; returns the exit code."""
    # Imported here: granian is only needed by this command.
    from turnout import launch

    out, errors = Console(), Console(stderr=True)
    environment = read_environment()
    asked = Origin(config=config, demo=demo, auth=auth, listen=listen, threads=threads, state_dir=state_dir)
    origin = origin_of(asked, environment)
    try:
        prepared = launch.prepare(origin, environment)
    except TurnoutError as error:
        _line(errors, Text(str(error), style="red"))
        return 1
    for warning in prepared.ready.compiled.warnings:
        _line(errors, Text(f"warning: {warning}", style="yellow"))

    shown = False

    def on_started(started: Started, first: bool) -> None:
        nonlocal shown
        if first:
            shown = True
            for line in welcome(prepared, started.addresses, asked_for_demo=demo):
                _line(out, line)
            out.file.flush()
        else:
            _line(errors, Text(f"worker {started.pid} has taken over"))

    code = launch.run(prepared, on_started=on_started)
    if not shown and (prepared.new_keys.client or prepared.new_keys.admin):
        # They are stored already, and this is the only moment at which they can be shown.
        for line in _about_keys(prepared):
            _line(errors, line)
    if code:
        _line(errors, Text("Turnout ended after an error; the lines above say why", style="red"))
    return code


def welcome(prepared: Prepared, addresses: Sequence[str], *, asked_for_demo: bool) -> list[Text]:
    """The start-up text, line by line."""
    snapshot = prepared.ready.snapshot
    scheme = "https" if snapshot.server.tls is not None else "http"
    lines = [Text.assemble(("Turnout ", "bold"), turnout.__version__, f"  (process {os.getpid()})"), Text()]
    lines += [_row("serving", f"{scheme}://{address}/v1") for address in addresses]
    lines.append(_row("config", _source(prepared)))
    lines.append(_row("providers", _providers(prepared)))
    lines.append(_row("models", _models(prepared)))
    lines.append(_row("state", str(prepared.state_dir)))
    lines += [Text(), *_about_demo(prepared, asked_for_demo=asked_for_demo), *_about_keys(prepared)]
    lines += [Text(), Text("Try it:", style="bold"), Text(), Text(curl(prepared, f"{scheme}://{_local(addresses[0])}"))]
    return lines


def curl(prepared: Prepared, base: str) -> str:
    """A line that works when it is pasted into a shell; with the key when this start made one."""
    snapshot = prepared.ready.snapshot
    parts = ["curl"]
    if prepared.origin.auth:
        key = prepared.new_keys.client or prepared.new_keys.session
        # Double quotes, so that the shell puts in the variable when the key cannot be shown.
        authorization = f"Authorization: Bearer {key or '$TURNOUT_KEY'}"
        parts += ["-H", shlex.quote(authorization) if key else f'"{authorization}"']
    if not snapshot.models:
        # With patterns only, which models there are is the provider's to know.
        return " ".join([*parts, f"{base}/v1/models"])
    body = f'{{"model":"{snapshot.models[0].slug}","messages":[{{"role":"user","content":"Hello, Turnout!"}}]}}'
    parts += ["-H", shlex.quote("Content-Type: application/json"), "-d", shlex.quote(body)]
    return " ".join([*parts, f"{base}/v1/chat/completions"])


def _source(prepared: Prepared) -> str:
    origin = prepared.origin
    if origin.config is not None:
        return str(origin.config) + (" (providers and models: the demo's)" if origin.demo else "")
    return "none, the demo" if origin.demo else "none, from keys in the environment"


def _providers(prepared: Prepared) -> str:
    names = [provider.name for provider in prepared.ready.snapshot.providers]
    more = len(names) - PROVIDERS_SHOWN
    return ", ".join(names[:PROVIDERS_SHOWN]) + (f" and {more} more" if more > 0 else "") or "none"


def _models(prepared: Prepared) -> str:
    snapshot = prepared.ready.snapshot
    patterns = ", ".join(f"{wildcard.prefix}*" for wildcard in snapshot.wildcards[:PROVIDERS_SHOWN])
    return f"{len(snapshot.models)}" + (f", and any that matches {patterns}" if patterns else "")


def _about_demo(prepared: Prepared, *, asked_for_demo: bool) -> list[Text]:
    if not prepared.origin.demo:
        return []
    why = (
        ""
        if asked_for_demo
        else "There is no configuration and no provider's key in the environment, so this is a demo. "
    )
    return [
        Text.assemble((f"{why}The model demo/echo is scripted: it repeats what it is told.", "yellow")),
        Text("For a real provider, set its key and start again:  OPENAI_API_KEY=… turnout serve"),
        Text("(GROQ_API_KEY, OPENROUTER_API_KEY and others work too), or write a file:  turnout init"),
        Text(),
    ]


def _about_keys(prepared: Prepared) -> list[Text]:
    made, lines = prepared.new_keys, []
    if not prepared.origin.auth:
        lines.append(Text("No key is asked for (--no-auth): everyone on this machine is let in.", style="yellow"))
    elif made.client is not None:
        lines.append(Text.assemble("Client key, shown this once:  ", (made.client, "bold")))
    elif keys_configured(prepared):
        lines.append(_row("keys", f"{len(prepared.ready.keys)} from the configuration"))
    else:
        lines.append(
            Text(
                f"The client key made at the first start is in force (its hash is in {keys.path(prepared.state_dir)})."
            )
        )
        lines.append(Text("Lost it? Make another in its place:  turnout key new"))
        if made.session is not None:
            lines.append(Text("The line below has a key that is good for this run of the demo only."))
    if made.admin is not None:
        lines.append(Text.assemble("Admin key, shown this once:   ", (made.admin, "bold")))
    return lines


def keys_configured(prepared: Prepared) -> bool:
    """Whether the configuration brings its own client keys."""
    from turnout.reload import SESSION_KEY_NAME, STORED_KEY_NAME

    own = {STORED_KEY_NAME, SESSION_KEY_NAME}
    return any(key.name not in own for key in prepared.ready.keys.values())


def _row(name: str, value: str) -> Text:
    return Text.assemble((f"  {name:<10}", "dim"), value)


def _local(address: str) -> str:
    """An address that a client on this machine can use, where a wildcard stands for all."""
    host, _, port = address.rpartition(":")
    if host in ("0.0.0.0", ""):
        return f"127.0.0.1:{port}"
    return f"[::1]:{port}" if host == "[::]" else address


def _line(console: Console, text: Text) -> None:
    console.print(text, soft_wrap=True, highlight=False)
