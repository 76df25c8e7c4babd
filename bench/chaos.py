"""When five endpoints fail in every way, what do clients see, who waits how long, and what is booked?

    python bench/chaos.py [--seconds 600] [--rate 500] [--seed 1]

Open loop: so many requests a second in four client APIs, streams and plain, some of whose clients leave, against
``turnout serve`` with five scripted endpoints in four protocols. What each endpoint does to each request follows from
the seed (``weather.py``), the clients read every byte (``caller.py``), and at the end all is held against the ledger
and the endpoints' own counts (``judge.py``). It fails when a rule of the judge is broken, when the gateway does not
come to rest behind it, or when the counts do not agree.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import gc
import hashlib
import http.client
import json
import signal
import subprocess
import sys
import time
from contextlib import AsyncExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import uvloop

import judge
import rig
from caller import Clients
from weather import ENDPOINTS, MODELS, TOKENS, Spell, forecast, wish

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from caller import Seen
    from weather import Wish

QUESTION: Final = "When five endpoints fail in every way, what do clients see, who waits how long, and what is booked?"

TIMES: Final = judge.Times(total_s=12, idle_s=2, slack_s=2)
"""Six attempts could time out within the total, and there are five endpoints: it never cuts the last one off."""

SMOKE_TIMES: Final = judge.Times(total_s=30, idle_s=5, slack_s=20)
"""Beside other benches at once, and with programs that are built for tests."""

POOL_IDLE_S: Final = 3
GROWTH_MAX_KB: Final = 64 * 1024
"""Most that the process may grow between the first quarter of the run and its end. Tables that fill up take less."""
BACK_UP_S: Final = 0.2
"""After a process is back: what it has to catch up with is not held against anybody."""


class Endpoint:
    """One scripted provider, which can be frozen and taken down, and its count of all that it was sent."""

    def __init__(self, program: Path, name: str, port: int) -> None:
        self.name = name
        self.address = f"127.0.0.1:{port}"
        self.counted = 0
        self.phases: list[judge.Phase] = []
        self._program = program
        self._running: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Starts it, and returns when it listens."""
        self._running = subprocess.Popen(
            [self._program, "--listen", self.address, "--stdin"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self._running.stdout is not None
        if not self._running.stdout.readline().startswith("listening on "):
            raise rig.BenchError(f"the provider does not listen on {self.address}")

    def stop(self) -> None:
        """Ends it, with all of its connections, and keeps its count."""
        if self._running is None:
            return
        said, _ = self._running.communicate()
        self._running = None
        self.counted += json.loads(said)["counters"]["requests"]

    async def live(self, spells: Sequence[Spell], began_s: float) -> None:
        """Freezes it and takes it down when its weather says so."""
        for spell in spells:
            if spell.kind not in ("frozen", "down"):
                continue
            await asyncio.sleep(began_s + spell.start_s - time.monotonic())
            start_s = time.monotonic()
            if spell.kind == "down":
                await asyncio.to_thread(self.stop)
            else:
                self._signal(signal.SIGSTOP)
            try:
                await asyncio.sleep(began_s + spell.end_s - time.monotonic())
            finally:
                if spell.kind == "down":
                    await asyncio.to_thread(self.start)
                else:
                    self._signal(signal.SIGCONT)
                self.phases.append((start_s, time.monotonic() + BACK_UP_S))

    def _signal(self, number: signal.Signals) -> None:
        if self._running is not None:
            self._running.send_signal(number)


def config(endpoints: Sequence[Endpoint], limits: judge.Times, *, threads: int) -> str:
    """The gateway's configuration: its defaults, but for short times and as many attempts as there are endpoints."""
    base = {"openai": "/v1", "anthropic": "/v1", "gemini": "/v1beta", "bedrock": ""}
    times = f"connect: 1s, first_byte: {limits.idle_s:g}s, idle: {limits.idle_s:g}s, pool_idle: {POOL_IDLE_S}s"
    providers = "\n".join(
        f"  {endpoint.name}: {{dialect: {ENDPOINTS[endpoint.name]}, "
        f'base_url: "http://{endpoint.address}{base[ENDPOINTS[endpoint.name]]}", api_key: provider-key, proxy: none, '
        f"timeouts: {{{times}}}}}"
        for endpoint in endpoints
    )
    models = "\n".join(
        f"  {model}:\n    endpoints:\n"
        + "\n".join(
            f'      - {{provider: {name}, model: "fixed;tokens={TOKENS};inside={name}", '
            "prices: {prompt: 0.1, completion: 0.5}}"
            for name in names
        )
        for model, names in MODELS.items()
    )
    digest = hashlib.sha256(rig.KEY.encode()).hexdigest()
    return f"""\
server:
  threads: {threads}
  drain: {{min: 0, max: 2s}}
  attempts: {{max: {len(ENDPOINTS)}, total: {limits.total_s:g}s}}
catalogue: {{enabled: false}}
ledger: {{flush: 100ms}}
keys:
  - {{name: bench, sha256: {digest}}}
providers:
{providers}
models:
{models}
"""


@contextmanager
def gateway(text: str, folder: Path) -> Iterator[rig.Running]:
    """``turnout serve`` with this configuration."""
    address = f"127.0.0.1:{rig.free_port()}"
    file, state, log = folder / "turnout.yaml", folder / "state", folder / "turnout.log"
    file.write_text(text)
    command: list[str | Path] = [rig.python(), "-m", "turnout", "serve", "-c", file, "--listen", address]
    with rig.process([*command, "--state", state], log=log) as running:
        rig.wait_until_answers(address, "/health/ready", running, log)
        yield rig.Running("turnout", address, running.pid, own_models=True, folder=state)


def expected(endpoint: Endpoint) -> str:
    """What a whole answer says, from an endpoint itself."""
    host, _, port = endpoint.address.rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=10)
    body = {"model": f"fixed;tokens={TOKENS}", "messages": [{"role": "user", "content": "Hello"}]}
    connection.request("POST", "/v1/chat/completions", json.dumps(body))
    text: str = json.load(connection.getresponse())["choices"][0]["message"]["content"]
    connection.close()
    return text


@dataclasses.dataclass
class Watch:
    """What the gateway took, at times of the run."""

    pid: int
    memory_kb: list[int] = dataclasses.field(default_factory=list)

    def look(self) -> None:
        self.memory_kb.append(rig.memory_kb(self.pid)["pss_kb"])

    def sockets(self) -> int:
        """Those that the whole tree has open, each once, however many processes share it."""
        found = set()
        for pid in rig.processes(self.pid):
            for file in Path(f"/proc/{pid}/fd").iterdir():
                with suppress(FileNotFoundError):
                    found.add(str(file.readlink()))
        return sum(name.startswith("socket:") for name in found)


async def volley(
    target: rig.Running, endpoints: Sequence[Endpoint], options: argparse.Namespace, watch: Watch
) -> list[Seen]:
    """All requests, each when it is due, to the last answer."""
    weather = forecast(options.seed, options.seconds)
    clients = Clients(target.address)
    seen: list[Seen] = []
    total = int(options.seconds * options.rate)
    # Looking for rubbish among so many objects would stop all clients for seconds, and there is none.
    gc.disable()
    began_s = time.monotonic() + 0.2

    async def one(asked: Wish) -> None:
        seen.append(await clients.send(asked))

    async with AsyncExitStack() as stack:
        stack.push_async_callback(clients.close)
        group = await stack.enter_async_context(asyncio.TaskGroup())
        moods = [group.create_task(endpoint.live(weather[endpoint.name], began_s)) for endpoint in endpoints]
        for number in range(total):
            asked = wish(options.seed, number, options.rate, weather)
            wait_s = began_s + asked.due_s - time.monotonic()
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            group.create_task(one(asked))
            if number == total // 4:
                watch.look()
        for mood in moods:
            mood.cancel()
    gc.enable()
    return seen


def at_rest(address: str) -> dict[str, float]:
    """Waits until nothing runs and all is booked; what is left of that otherwise."""
    names = ("turnout_requests_in_flight", "turnout_endpoint_in_flight", "turnout_journal_pending_records")
    deadline_s = time.monotonic() + 30
    while True:
        left = {name: value for name in names if (value := rig.metric(address, name))}
        if not left or time.monotonic() > deadline_s:
            return left
        time.sleep(0.1)


def run(options: argparse.Namespace) -> dict[str, Any]:
    """The whole of it; the report."""
    programs = rig.binaries()
    limits = SMOKE_TIMES if options.smoke else TIMES
    with rig.folder() as folder:
        endpoints = [Endpoint(programs.mock, name, rig.free_port()) for name in ENDPOINTS]
        try:
            for endpoint in endpoints:
                endpoint.start()
            text = expected(endpoints[0])
            # That one is no business of the gateway.
            endpoints[0].counted -= 1
            with gateway(config(endpoints, limits, threads=options.threads), folder) as target:
                watch = Watch(target.pid)
                sockets = watch.sockets()
                seen = uvloop.run(volley(target, endpoints, options, watch))
                left = at_rest(target.address)
                # The pools let go of what they kept.
                deadline_s = time.monotonic() + POOL_IDLE_S + 10
                while (sockets_after := watch.sockets()) > sockets + 2 and time.monotonic() < deadline_s:
                    time.sleep(0.2)
                watch.look()
                denied, stale = (
                    int(rig.metric(target.address, f"turnout_{name}_total") or 0)
                    for name in ("retries_denied", "upstream_stale_retries")
                )
        finally:
            for endpoint in endpoints:
                endpoint.stop()
        phases = {endpoint.name: endpoint.phases for endpoint in endpoints}
        weather = forecast(options.seed, options.seconds)
        asked = ((wish(options.seed, saw.number, options.rate, weather), saw) for saw in seen)
        verdict = judge.judge(asked, judge.rows(folder / "state" / "ledger.db"), phases, text, limits)
    growth_kb = watch.memory_kb[-1] - watch.memory_kb[0]
    counted = {endpoint.name: endpoint.counted for endpoint in endpoints}
    reached, unsure = sum(verdict.reached.values()), sum(verdict.unsure.values())
    excused = min(denied, verdict.findings["preventable"])
    wrong = {rule: count for rule, count in verdict.findings.items() if count and rule != "preventable"}
    if verdict.findings["preventable"] > excused:
        wrong["preventable"] = verdict.findings["preventable"] - excused
    # A connection that turns out to be closed is no attempt, and the endpoint may have seen the request on it.
    if not -unsure <= sum(counted.values()) - reached <= stale + unsure:
        wrong["counts do not agree"] = sum(counted.values()) - reached
    if left:
        wrong["not at rest"] = len(left)
    if sockets_after > sockets + 2:
        wrong["sockets left open"] = sockets_after - sockets
    if growth_kb > GROWTH_MAX_KB:
        wrong["memory grew by KB"] = growth_kb
    streams, plain = ([saw for saw in seen if saw.stream is kind] for kind in (True, False))
    return {
        "question": QUESTION,
        "seconds": options.seconds,
        "rate": options.rate,
        "seed": options.seed,
        "requests": len(seen),
        "wrong": wrong,
        "examples": {rule: told for rule, told in verdict.examples.items() if rule in wrong},
        "outcomes": dict(verdict.outcomes.most_common()),
        "gone_around": verdict.gone_around,
        "attempts": dict(verdict.attempts.most_common()),
        "tries": dict(sorted(verdict.tries.items())),
        "attempts_per_request": round(sum(verdict.attempts.values()) / max(len(seen), 1), 3),
        "retries_denied": denied,
        "excused_by_a_denied_retry": excused,
        "counted_by_the_endpoints": counted,
        "reached_by_the_ledger": dict(verdict.reached),
        "stale_retries": stale,
        "unsure": unsure,
        "phases": {name: len(away) for name, away in phases.items()},
        "first_byte_of_a_stream_max_s": round(max((saw.first_s for saw in streams), default=0), 3),
        "silence_in_a_stream_max_s": round(max((saw.gap_s for saw in streams), default=0), 3),
        "plain_answer_max_s": round(max((saw.took_s for saw in plain), default=0), 3),
        "memory_kb": {"first_quarter": watch.memory_kb[0], "end": watch.memory_kb[-1]},
        "sockets": {"before": sockets, "after": sockets_after},
        "left": left,
    }


def main() -> int:
    """Runs it and prints JSON; 1 when something is wrong."""
    parser = argparse.ArgumentParser(description=QUESTION)
    parser.add_argument("--seconds", type=float, default=600.0, help="for how long requests are sent, default 600")
    parser.add_argument("--rate", type=float, default=500.0, help="requests a second, default 500")
    parser.add_argument("--seed", type=int, default=1, help="of all that happens, default 1")
    parser.add_argument("--threads", type=int, default=1, help="the gateway's data-plane threads, default 1")
    parser.add_argument("--smoke", action="store_true", help="five seconds at 60 requests a second")
    parser.add_argument("--rounds", type=int, help="not used; every script of the bench has it")
    options = parser.parse_args()
    if options.smoke:
        options.seconds, options.rate = 5.0, 60.0
    report = run(options)
    report["deadlines_s"] = dataclasses.asdict(SMOKE_TIMES if options.smoke else TIMES)
    json.dump(report, sys.stdout, indent=1)
    print()
    for rule, count in report["wrong"].items():
        print(f"chaos: {rule}: {count}", *report["examples"].get(rule, ()), sep="\n  ", file=sys.stderr)
    return 1 if report["wrong"] else 0


if __name__ == "__main__":
    raise SystemExit(main())
