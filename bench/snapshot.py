"""What does a large configuration cost: 100,000 keys and 5,000 models?

Compiling it from a file, encoding it and reading it into the plane happen beside the traffic; a request should notice
none of it. So: the times of the steps; the latency of an open loop of 1,000 requests a second while such a snapshot is
swapped in twice a second, beside the same without swaps; and what a look-up costs in the large one beside a small one,
with a key and a model that differ from request to request.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import random
import time
from typing import TYPE_CHECKING, Any, Final

import report
import rig
from cost import encoded
from guest import Guest, guest

if TYPE_CHECKING:
    from pathlib import Path

QUESTION: Final = "What does a large configuration cost: 100,000 keys and 5,000 models?"
KEYS: Final = 100_000
MODELS: Final = 5_000
RATE: Final = 1_000
LOOK_UPS: Final = 4_000


def main() -> None:
    """Runs it and prints JSON."""
    options = report.options(QUESTION)
    keys, models, rounds, seconds = (KEYS, MODELS, options.rounds, options.seconds)
    if options.smoke:
        keys, models, rounds, seconds = 1_000, 100, 1, 0.5
    with rig.folder() as folder:
        report.show(options, measure(rig.binaries(), rig.python(), folder, keys, models, rounds, seconds))


def key(number: int) -> str:
    """A client key of the large configuration."""
    return f"sk-turnout-bench-{number:08d}-0123456789abcdefghijkl"


def written(mock_address: str, keys: int, models: int) -> str:
    """The large configuration: what :func:`rig.config` has, and many more of each."""
    head, _, tail = rig.config(mock_address, threads=2).partition("providers:\n")
    digests = "\n".join(
        f"  - {{name: key-{number}, sha256: {hashlib.sha256(key(number).encode()).hexdigest()}}}"
        for number in range(keys)
    )
    prices = "prices: {prompt: 0.15, completion: 0.6}"
    slugs = "\n".join(
        f"  many/model-{number}: {{provider: scripted, model: fixed, {prices}}}" for number in range(models)
    )
    return f"{head}{digests}\nproviders:\n{tail}{slugs}\n"


def measure(
    programs: rig.Binaries, python: str, folder: Path, keys: int, models: int, rounds: int, seconds: float
) -> dict[str, Any]:
    """All of it."""
    from turnout.config import snapshot as written_snapshot
    from turnout.config.compile import compile as compile_config
    from turnout.config.load import load

    result: dict[str, Any] = {"question": QUESTION, "keys": keys, "models": models, "rounds": rounds}
    with rig.mock(programs, folder, core=None) as provider:
        small, large = folder / "small.json", folder / "large.json"
        small.write_bytes(encoded(provider.address, folder))
        file = folder / "large.yaml"
        file.write_text(
            written(provider.address, keys, models).replace("server:\n", 'server:\n  listen: ["127.0.0.1:0"]\n')
        )
        began = time.perf_counter()
        loaded = load(file, {})
        loaded_at = time.perf_counter()
        compiled = compile_config(loaded, auth=True, environment={})
        compiled_at = time.perf_counter()
        large.write_bytes(written_snapshot.encode(compiled.snapshot))
        result |= {
            "load_ms": round((loaded_at - began) * 1000, 1),
            "compile_ms": round((compiled_at - loaded_at) * 1000, 1),
            "encode_ms": round((time.perf_counter() - compiled_at) * 1000, 1),
            "bytes": large.stat().st_size,
        }
        del loaded, compiled
        with guest(python, folder, small) as inside:
            result["look_up_small"] = look_ups(inside, 1, 1)
            idle = rig.memory_kb(inside.running.pid)["pss_kb"]
            result["swap_ms"] = report.median([float(inside.tell(f"swap-once {large}")) for _ in range(rounds)])
            result["look_up_large"] = look_ups(inside, keys, models)
            result["memory_added_kb"] = rig.memory_kb(inside.running.pid)["pss_kb"] - idle
        with guest(python, folder, large, large) as inside:
            result["latency"] = swaps(programs, inside, rounds, seconds)
    return result


def swaps(programs: rig.Binaries, inside: Guest, rounds: int, seconds: float) -> dict[str, Any]:
    """Latency without and with swaps, by turns."""
    seen: dict[str, list[dict[str, float]]] = {"calm": [], "swaps": []}
    for number in range(rounds):
        for name in ("calm", "swaps") if number % 2 else ("swaps", "calm"):
            inside.tell("calm" if name == "calm" else "swap 500")
            found = rig.load(programs, inside.running, rig.PLAIN, connections=64, seconds=seconds, rate=RATE, core=None)
            seen[name].append({f"{key}_us": found["latency_us"][key] for key in ("p50", "p99", "p999", "max")})
    return {
        name: {key: report.median([one[key] for one in measured]) for key in measured[0]}
        for name, measured in seen.items()
    } | {"all": seen}


def look_ups(inside: Guest, keys: int, models: int) -> dict[str, float]:
    """Time of the plane's threads per request, with keys and models drawn by lot, one request after the other."""
    draw = random.Random(1)
    host, _, port = inside.running.address.rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=rig.START_S)
    used: list[float] = []
    for count in (LOOK_UPS // 10, LOOK_UPS):
        with rig.spending(inside.running.pid) as spent:
            for _ in range(count):
                secret = rig.KEY if keys == 1 else key(draw.randrange(keys))
                slug = rig.PLAIN.slug if models == 1 else f"many/model-{draw.randrange(models)}"
                headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}
                connection.request("POST", "/v1/chat/completions", rig.PLAIN.body(slug), headers)
                answer = connection.getresponse()
                text = answer.read()
                if answer.status != 200 or json.loads(text)["model"] != slug:
                    raise rig.BenchError(f"asked for {slug}, got {answer.status}: {text[:300]!r}")
        used.append(spent[0].plane_us / count)
    connection.close()
    # The first were for warming up.
    return {"plane_us": round(used[-1], 2)}


if __name__ == "__main__":
    main()
