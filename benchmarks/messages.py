"""What a message costs the server both ways, and how long it takes, beside servers that keep nothing.

    python benchmarks/messages.py [--messages 6400] [--repeats 5] [--quick]

CPU is user and system time of the server's processes per message, with 64 clients that each have one message on its
way. Push: a POST comes in, a WebSocket frame goes out. Send: a WebSocket frame comes in, a webhook is answered, an
acknowledgement goes back. Midcall stores, orders, checks credentials, signs and receipts; the others do none of it.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import uvloop
from harness import servers
from harness.fleets import CLIENTS, Fleet, Listener, MidcallFleet, ReferenceFleet, trust, webhook
from harness.loads import Cost, Direction, Latencies, closed_loop, open_loop, percentile
from harness.processes import machine
from harness.report import Row, met, save, table

PUSH_TARGET: Final = 8.0
SEND_TARGET_US: Final = 250.0
P50_TARGET_MS: Final = 3.0
P99_TARGET_MS: Final = 15.0
RATE: Final = 1_000

REFERENCES: Final[dict[Direction, tuple[str, ...]]] = {
    "push": ("nchan", "fastify", "fastapi"),
    "send": ("fastify", "fastapi"),
}


def fsync_seconds(folder: Path, rounds: int = 200) -> list[float]:
    """What this disk takes to make 4 KiB at the end of a file durable."""
    taken = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(rounds):
            file.write(b"x" * 4096)
            file.flush()
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            taken.append(time.perf_counter() - began)
    return taken


async def open_fleets(stack: AsyncExitStack, folder: Path, clients: int) -> dict[str, Fleet]:
    """All servers at once, so that every repeat measures them side by side; those that rest cost nothing."""
    listener = Listener()
    hook, url = await webhook(listener)
    stack.callback(hook.close)
    enter = stack.enter_async_context
    fleets: dict[str, Fleet] = {}
    for reference in (servers.nchan(folder / "nchan"), servers.fastify(f"{url}/hook"), servers.fastapi(f"{url}/hook")):
        server = await enter(reference)
        fleets[server.name] = ReferenceFleet(server, listener)
    plain = await enter(servers.midcall(folder / "plain"))
    fleets["midcall"] = MidcallFleet(plain, listener, url)
    behind_tls = await enter(servers.midcall(folder / "tls"))
    fleets["midcall, TLS"] = MidcallFleet(behind_tls, listener, url, tls=trust(behind_tls))
    for fleet in fleets.values():
        await fleet.open(clients)
        stack.push_async_callback(fleet.close)
    return fleets


async def measure_costs(
    fleets: dict[str, Fleet], messages: int, repeats: int, clients: int
) -> dict[str, dict[str, list[Cost]]]:
    """Costs by direction and server. One round before the first counts for nobody."""
    costs: dict[str, dict[str, list[Cost]]] = {}
    for direction, references in REFERENCES.items():
        names = (*references, "midcall", "midcall, TLS")
        costs[direction] = {name: [] for name in names}
        for repeat in range(repeats + 1):
            for name in names:
                # nchan is so quick that it gets more to do, or its share could not be read
                count = messages * (4 if name == "nchan" else 1)
                cost = await closed_loop(fleets[name], direction, count if repeat else clients * 10, clients)
                if repeat:
                    costs[direction][name].append(cost)
    return costs


async def measure_latencies(
    fleet: Fleet, seconds: float, repeats: int, clients: int, rate: int
) -> dict[str, list[Latencies]]:
    found: dict[str, list[Latencies]] = {}
    for direction in REFERENCES:
        await open_loop(fleet, direction, per_second=rate, seconds=min(1.0, seconds), clients=clients)
        found[direction] = [
            await open_loop(fleet, direction, per_second=rate, seconds=seconds, clients=clients) for _ in range(repeats)
        ]
    return found


def cost_rows(costs: dict[str, dict[str, list[Cost]]]) -> list[Row]:
    rows = []
    for direction, words in (("push", "server to client"), ("send", "client to server")):
        ours = [cost.cpu_us for cost in costs[direction]["midcall"]]
        for name in costs[direction]:
            if name.startswith("midcall"):
                continue
            theirs = [cost.cpu_us for cost in costs[direction][name]]
            ratio = statistics.median(one / other for one, other in zip(ours, theirs, strict=True))
            reference = f"{name} {statistics.median(theirs):.1f} µs"
            is_measure = name == "nchan"
            rows.append(
                Row(
                    what=f"message {words}, CPU",
                    value=statistics.median(ours),
                    unit="µs",
                    reference=reference,
                    ratio=ratio,
                    target="ratio 8" if is_measure else "",
                    met=met(ratio, PUSH_TARGET) if is_measure else None,
                )
            )
        if direction == "send":
            value = statistics.median(ours)
            rows.append(
                Row(
                    what=f"message {words}, CPU",
                    value=value,
                    unit="µs",
                    target="250 µs",
                    met=met(value, SEND_TARGET_US),
                )
            )
        behind_tls = statistics.median(cost.cpu_us for cost in costs[direction]["midcall, TLS"])
        rows.append(Row(what=f"message {words} over TLS, CPU", value=behind_tls, unit="µs"))
    return rows


def latency_rows(found: dict[str, list[Latencies]], fsync_ms: float) -> list[Row]:
    rows = []
    for direction, words in (("push", "POST accepted (201)"), ("send", "message acknowledged")):
        rows += _percentiles(words, [run.acked for run in found[direction]], fsync_ms)
    for direction, words in (("push", "message at the client"), ("send", "message at the webhook")):
        rows += _percentiles(words, [run.arrived for run in found[direction]], fsync_ms)
    return rows


def _percentiles(words: str, runs: list[list[float]], fsync_ms: float) -> list[Row]:
    rows = []
    for share, target in ((0.5, P50_TARGET_MS), (0.99, P99_TARGET_MS)):
        above = statistics.median(percentile(run, share) for run in runs) * 1000 - fsync_ms
        what = f"{words}, p{share * 100:.0f} above one fsync"
        rows.append(Row(what=what, value=above, unit="ms", target=f"{target:g} ms", met=met(above, target)))
    return rows


async def run(*, messages: int, repeats: int, seconds: float, clients: int = CLIENTS, rate: int = RATE) -> list[Row]:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        async with AsyncExitStack() as stack:
            fleets = await open_fleets(stack, folder, clients)
            costs = await measure_costs(fleets, messages, repeats, clients)
            fsyncs = fsync_seconds(folder)
            latencies = await measure_latencies(fleets["midcall"], seconds, repeats, clients, rate)
            fsyncs += fsync_seconds(folder)
        rows = cost_rows(costs)
        fsync_ms = percentile(fsyncs, 0.5) * 1000
        rows.append(Row(what="one fsync on this disk, p50", value=fsync_ms, unit="ms"))
        rows.append(Row(what="one fsync on this disk, p99", value=percentile(fsyncs, 0.99) * 1000, unit="ms"))
        rows += latency_rows(latencies, fsync_ms)
        shares = {
            direction: [
                {
                    name: {f"p{share * 100:g}": percentile(values, share) * 1000 for share in (0.5, 0.9, 0.99, 0.999)}
                    for name, values in (("acked_ms", one.acked), ("arrived_ms", one.arrived))
                }
                for one in found
            ]
            for direction, found in latencies.items()
        }
        save(
            "messages", machine=machine(), rows=rows, costs=costs, latencies=shares, fsync_ms=fsync_ms, per_second=rate
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--messages", type=int, default=6_400, help="per server, direction and repeat")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=8.0, help="of each open loop")
    arguments = parser.parse_args()
    print(table(uvloop.run(run(messages=arguments.messages, repeats=arguments.repeats, seconds=arguments.seconds))))


if __name__ == "__main__":
    main()
