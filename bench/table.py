"""The table that a person reads: each question, what was found, and what was to reach."""

from __future__ import annotations

from typing import Any, Final

INSTRUCTIONS_MAX: Final = 25_000
ALLOCATIONS_MAX: Final = 20
SYSCALLS_MAX: Final = 6.5
"""Of a plain request of 1 KB, one connection."""
ADDED_P50_OVER_NGINX_US_MAX: Final = 10
TAIL_RATIO_MAX: Final = 1.5
CHUNK_TO_NGINX_MAX: Final = 1.2
STREAM_KB_MAX: Final = 24
SWAP_DELAY_MS_MAX: Final = 2
HIT_TO_ERROR_MAX: Final = 1.3
"""Instructions of an answer from the response cache to those of an error's."""
FUNCTIONS_SHOWN: Final = 25


def markdown(whole: dict[str, Any]) -> str:
    """The whole report."""
    benches = whole["benches"]
    parts = ["# Bench", "", *(f"- {name}: {value}" for name, value in whole["setting"].items())]
    parts += [f"- took: {whole['took_s']} s", "", "Values are medians over the rounds, with quartiles in brackets.", ""]
    parts += targets(benches)
    for name, section in SECTIONS.items():
        if name in benches:
            parts += ["", f"## {benches[name]['question']}", "", *section(benches[name])]
    return "\n".join(parts) + "\n"


def row(*cells: object) -> str:
    """A line of a table."""
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def head(*names: str) -> list[str]:
    """Its first two lines."""
    return [row(*names), row(*("---" for _ in names))]


def value(found: dict[str, float] | None, unit: str = "", *, digits: int = 1) -> str:
    """A median with its quartiles."""
    if found is None:
        return "–"
    return f"{found['median']:,.{digits}f} [{found['low']:,.{digits}f}–{found['high']:,.{digits}f}]{unit}"


def targets(benches: dict[str, Any]) -> list[str]:
    """What was to reach, and what was found."""
    lines: list[tuple[str, str, float | None, float]] = []
    if plain := benches.get("cost", {}).get("cases", {}).get("plain"):
        lines += [
            ("instructions a plain request", "", plain.get("instructions"), INSTRUCTIONS_MAX),
            ("allocations a plain request", "", plain.get("allocations"), ALLOCATIONS_MAX),
            (
                "system calls a plain request, one connection",
                "",
                plain.get("syscalls", {}).get("1", {}).get("all"),
                SYSCALLS_MAX,
            ),
        ]
    cases = benches.get("cost", {}).get("cases", {})
    if (error := cases.get("refused", {}).get("instructions")) and (hit := cases["hit"].get("instructions")):
        lines.append(
            (
                "instructions of an answer from the cache to a refusal's",
                "×",
                hit / error,
                HIT_TO_ERROR_MAX,
            )
        )
    rounds = benches.get("rounds", {})
    if ratio := rounds.get("closed", {}).get("64", {}).get("turnout_to_nginx_cpu"):
        lines.append(("processor time a request to nginx's, 64 connections, all processes", "×", ratio["median"], 1.0))
        plane = (
            rounds["closed"]["64"]["turnout"]["plane_us"]["median"]
            / rounds["closed"]["64"]["nginx"]["cpu_us"]["median"]
        )
        lines.append(("the same, the plane's threads only", "×", plane, 1.0))
    if (at := rounds.get("open", {}).get("2000", {})) and "nginx" in at:
        over = at["turnout"]["added_p50_us"]["median"] - at["nginx"]["added_p50_us"]["median"]
        lines.append(("added p50 at 2,000 requests/s beyond nginx's", " µs", over, ADDED_P50_OVER_NGINX_US_MAX))
    if busy := benches.get("tail", {}).get("disturbances", {}).get("python busy"):
        lines.append(("p99 with Python busy to without", "×", busy["p99_ratio"]["median"], TAIL_RATIO_MAX))
    streams = benches.get("streams", {})
    if ratio := streams.get("contenders", {}).get("turnout_to_nginx_cpu"):
        lines.append(("processor time a chunk to nginx's", "×", ratio["median"], CHUNK_TO_NGINX_MAX))
    if memory := benches.get("memory", {}).get("turnout"):
        lines.append(("memory an idle stream", " KB", memory["per_stream_kb"], STREAM_KB_MAX))
    if latency := benches.get("snapshot", {}).get("latency"):
        delay = (latency["swaps"]["max_us"]["median"] - latency["calm"]["max_us"]["median"]) / 1000
        lines.append(
            ("longest request with swaps of 100,000 keys, beyond that without", " ms", delay, SWAP_DELAY_MS_MAX)
        )
    shown = head("to reach", "at most", "found", "")
    for what, unit, found, most in lines:
        if found is None:
            shown.append(row(what, f"{most:,}{unit}", "not measured", ""))
        else:
            shown.append(
                row(what, f"{most:,}{unit}", f"{found:,.2f}{unit}", "reached" if found <= most else "**missed**")
            )
    if streams:
        same = streams["bytes_identical"]
        shown.append(row("stream contents identical", "", "yes" if same else "no", "reached" if same else "**missed**"))
    return shown


def cost(found: dict[str, Any]) -> list[str]:
    """Instructions, allocations, system calls; then where they are."""
    lines = head("a request", "instructions", "of the process", "allocations", "bytes", "system calls c = 1", "c = 8")
    for name, case in found["cases"].items():
        calls = case.get("syscalls", {})
        lines.append(
            row(
                f"{name}: {case['what']}",
                *(
                    f"{case[key]:,}" if key in case else "–"
                    for key in ("instructions", "instructions_process", "allocations", "allocated_bytes")
                ),
                *(calls.get(count, {}).get("all", "–") for count in ("1", "8")),
            )
        )
    plain = found["cases"].get("plain", {})
    for key, title in (
        ("functions_self", "Instructions of a plain request by function, without what it calls"),
        ("functions_inclusive", "The same with what it calls"),
        ("allocation_sites", "Allocations of a plain request by place"),
    ):
        if plain.get(key):
            lines += ["", f"{title}:", "", *head("", "where")]
            lines += [row(f"{count:,}", f"`{name}`") for name, count in plain[key][:FUNCTIONS_SHOWN]]
    return lines


def rounds(found: dict[str, Any]) -> list[str]:
    """Closed loop, then open loop."""
    lines = head(
        "closed loop", "contender", "requests/s", "p50 µs", "p99 µs", "CPU µs/request", "of that the plane", ""
    )
    for count, contenders in found["closed"].items():
        for name, one in contenders.items():
            if name == "turnout_to_nginx_cpu":
                lines.append(row(f"c = {count}", "turnout ÷ nginx", "", "", "", value(one, digits=2), "", ""))
                continue
            bound = "limited by the harness" if one["harness_bound"] else ""
            plane = value(one["plane_us"]) if name == "turnout" else ""
            cells = [
                value(one["per_second"], digits=0),
                value(one["p50_us"]),
                value(one["p99_us"]),
                value(one["cpu_us"]),
            ]
            lines.append(row(f"c = {count}", name, *cells, plane, bound))
    lines += ["", *head("open loop", "contender", "p50 µs", "p90 µs", "p99 µs", "added p50 µs", "added p99 µs")]
    for rate, contenders in found["open"].items():
        for name, one in contenders.items():
            cells = [value(one.get(key)) for key in ("p50_us", "p90_us", "p99_us", "added_p50_us", "added_p99_us")]
            lines.append(row(f"{int(rate):,}/s", name, *cells))
    return lines


def listener(found: dict[str, Any]) -> list[str]:
    """Processor time per request, and what granian's listener alone costs beside it."""
    lines = head("64 connections", "µs CPU a request")
    lines.append(row("Turnout's plane threads: everything hot", value(found["turnout_plane_us"])))
    lines.append(row("Turnout, whole tree, with the ledger", value(found["turnout_cpu_us"])))
    lines.append(row("granian, ASGI: read the body, answer", value(found["granian_cpu_us"])))
    lines.append(row("granian ÷ plane threads", value(found["granian_to_plane"], "×", digits=2)))
    return lines


def tail(found: dict[str, Any]) -> list[str]:
    """Each disturbance beside calm."""
    lines = head(f"open loop, {found['rate']:,}/s", "p50 µs", "p90 µs", "p99 µs", "max µs", "p99 to calm")
    for name, one in found["disturbances"].items():
        cells = [value(one[key]) for key in ("p50_us", "p90_us", "p99_us", "max_us")]
        lines.append(row(name, *cells, value(one["p99_ratio"], " ×", digits=2)))
    return lines


def streams(found: dict[str, Any]) -> list[str]:
    """Paced streams."""
    lines = head(
        f"{found['streams']} streams",
        "added TTFT p50 µs",
        "p99",
        "added gap p99 µs",
        "CPU µs/chunk",
        "of that the plane",
    )
    for name, one in found["contenders"].items():
        if name == "turnout_to_nginx_cpu":
            lines.append(row("turnout ÷ nginx", "", "", "", value(one, digits=2), ""))
            continue
        cells = [value(one.get(f"added_{key}")) for key in ("ttft_p50_us", "ttft_p99_us", "gap_p99_us")]
        plane = value(one["plane_per_chunk_us"]) if name == "turnout" else ""
        lines.append(row(name, *cells, value(one["cpu_per_chunk_us"]), plane))
    return lines


def memory(found: dict[str, Any]) -> list[str]:
    """Megabytes, and kilobytes for each."""
    count, stalled = found["streams"], found["stalled"]
    lines = head(
        "",
        "idle RSS MB",
        "idle PSS MB",
        f"PSS with {count:,} idle streams",
        "KB for each",
        "after them",
        f"with {stalled} stalled readers",
    )
    for name in ("turnout", "nginx"):
        if one := found.get(name):
            mb = [
                f"{one[key][kind] / 1024:,.1f}"
                for key, kind in (("idle", "rss_kb"), ("idle", "pss_kb"), ("with_streams", "pss_kb"))
            ]
            after, blocked = (f"{one[key]['pss_kb'] / 1024:,.1f}" for key in ("after_streams", "with_stalled"))
            lines.append(row(name, *mb, one["per_stream_kb"], after, blocked))
    return lines


def snapshot(found: dict[str, Any]) -> list[str]:
    """The steps, then what requests notice."""
    lines = head("step", f"{found['keys']:,} keys, {found['models']:,} models")
    lines += [
        row("read and check the file", f"{found['load_ms']:,} ms"),
        row("compile", f"{found['compile_ms']:,} ms"),
        row("encode", f"{found['encode_ms']:,} ms, {found['bytes'] / 2**20:,.1f} MB"),
        row("read into the plane and swap", value(found["swap_ms"], " ms")),
        row("memory added", f"{found['memory_added_kb'] / 1024:,.1f} MB"),
        row("the plane's time a request, small configuration", f"{found['look_up_small']['plane_us']} µs"),
        row("the same, large, other key and model each time", f"{found['look_up_large']['plane_us']} µs"),
        "",
        *head("open loop, 1,000/s", "p50 µs", "p99 µs", "p99.9 µs", "max µs"),
    ]
    for name in ("calm", "swaps"):
        one = found["latency"][name]
        lines.append(row(name, *(value(one[key]) for key in ("p50_us", "p99_us", "p999_us", "max_us"))))
    return lines


def chaos(found: dict[str, Any]) -> list[str]:
    """What clients saw, what was tried for it, and what the judge found wrong."""

    def counts(which: dict[str, int]) -> str:
        return ", ".join(f"{name}: {count:,}" for name, count in which.items()) or "nothing"

    memory = found["memory_kb"]
    return [
        *head("", f"{found['seconds']:,.0f} s at {found['rate']:,.0f} requests/s, seed {found['seed']}"),
        row("requests", f"{found['requests']:,}"),
        row("**wrong**", counts(found["wrong"])),
        row("what clients saw", counts(found["outcomes"])),
        row("served whole after a failed attempt", f"{found['gone_around']:,}"),
        row("attempts, as the ledger calls them", counts(found["attempts"])),
        row("requests by their number of attempts", counts(found["tries"])),
        row("attempts a request", found["attempts_per_request"]),
        row(
            "second tries that the retry budget denied, and errors that these explain",
            f"{found['retries_denied']:,}, {found['excused_by_a_denied_retry']:,}",
        ),
        row("times that a process was frozen or down", sum(found["phases"].values())),
        row(
            "requests by the endpoints' own count, and by the ledger",
            f"{sum(found['counted_by_the_endpoints'].values()):,}, {sum(found['reached_by_the_ledger'].values()):,} "
            f"and up to {found['stale_retries']:,} on connections that were closing",
        ),
        row("latest first byte of a stream", f"{found['first_byte_of_a_stream_max_s']} s"),
        row("longest silence within one", f"{found['silence_in_a_stream_max_s']} s"),
        row("latest plain answer", f"{found['plain_answer_max_s']} s"),
        row("memory after a quarter, and at the end", f"{memory['first_quarter'] >> 10}, {memory['end'] >> 10} MB"),
    ]


SECTIONS: Final = {
    "cost": cost,
    "rounds": rounds,
    "listener": listener,
    "tail": tail,
    "streams": streams,
    "memory": memory,
    "snapshot": snapshot,
    "chaos": chaos,
}
