"""Where a message's microseconds go: CPU of each of the server's threads, and the loop's by part, from samples.

    python benchmarks/parts.py push|send [--messages 6400] [--sampler build/bench/py-spy/bin/py-spy]

The sampler is py-spy, installed beside (`python -m venv build/bench/py-spy && build/bench/py-spy/bin/pip install
py-spy`), run as root or with ptrace allowed. Without it only the threads are shown. The parts are the shares of a run
with the sampler, scaled to the CPU of a run without. It does not stop the server for a sample: that would count too
much for system calls.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import signal
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import uvloop
from harness import servers
from harness.fleets import CLIENTS, Listener, MidcallFleet, webhook
from harness.loads import Direction, closed_loop

SAMPLER: Final = servers.ROOT / "build" / "bench" / "py-spy" / "bin" / "py-spy"
PER_SECOND: Final = 400

PARTS: Final = (
    ("writing to sockets", r"^(StreamWriter\._writelines|_AiohttpSocket\.write|Exchanges\._ask)\b"),
    ("HTTP client", r"aiohttp/(client|connector|tracing)|webhooks/exchange"),
    ("HTTP server", r"aiohttp/web_(?!ws)|aiohttp/(http_|streams|payload)|_http_(parser|writer)|yarl/|multidict"),
    ("WebSocket", r"aiohttp/web_ws|aiohttp/_websocket|signalling/handler"),
    ("timeline", r"storage/trace|signalling/tracing|Hub\.record|Attempts\._record"),
    (
        "callback: built, signed, dispatched, judged",
        r"midcall/webhooks|wire/callbacks|core/(signature|delivery|overrides)",
    ),
    (
        "REST: credentials, form, resource, envelope",
        r"midcall/rest|wire/(forms|parameters|requests|resources)|accounts",
    ),
    ("frames, receipts, flushing", r"midcall/signalling|wire/signal"),
    ("message rules, nudges", r"midcall/(switch|bus|core)"),
    ("store, the loop's side", r"midcall/storage"),
)
OTHER: Final = "event loop: reading from sockets, waking, tasks, timers"


def thread_cpu_us(pid: int) -> dict[int, tuple[str, float]]:
    """CPU of each thread so far, by its id."""
    return {
        int(task.name): ((task / "comm").read_text().strip(), int((task / "schedstat").read_text().split()[0]) / 1e3)
        for task in Path(f"/proc/{pid}/task").iterdir()
    }


def part_of(frames: Iterable[str]) -> str:
    """The part to which a sample belongs: that of the innermost frame that belongs to any."""
    for frame in frames:
        for part, pattern in PARTS:
            if re.search(pattern, frame):
                return part
    return OTHER


def shares(raw: str) -> dict[str, float]:
    """Shares of the loop's samples by part, from py-spy's raw format: `frame;frame;… count` per line."""
    counted: Counter[str] = Counter()
    for line in raw.splitlines():
        stack, _, count = line.rpartition(" ")
        thread, *frames = stack.split(";")
        if "MainThread" in thread:
            counted[part_of(reversed(frames))] += int(count)
    total = counted.total() or 1
    return {part: count / total for part, count in counted.most_common()}


async def sampled(fleet: MidcallFleet, direction: Direction, messages: int, sampler: Path) -> dict[str, float]:
    with tempfile.NamedTemporaryFile() as out:
        options = ("--nonblocking", "--threads", "--format", "raw", "--rate", str(PER_SECOND), "--duration", "3600")
        command = [str(sampler), "record", *options, "--pid", str(fleet.server.pid), "--output", out.name]
        quiet = asyncio.subprocess.DEVNULL
        process = await asyncio.create_subprocess_exec(*command, stdout=quiet, stderr=quiet)
        await closed_loop(fleet, direction, messages, CLIENTS)
        process.send_signal(signal.SIGINT)
        await process.wait()
        return shares(out.read().decode())


async def run(direction: Direction, messages: int, sampler: Path | None) -> None:
    listener = Listener()
    hook, url = await webhook(listener)
    with tempfile.TemporaryDirectory() as folder:
        async with servers.midcall(Path(folder)) as server:
            fleet = MidcallFleet(server, listener, url)
            await fleet.open(CLIENTS)
            await closed_loop(fleet, direction, CLIENTS * 20, CLIENTS)
            before = thread_cpu_us(server.pid)
            cost = await closed_loop(fleet, direction, messages, CLIENTS)
            after = thread_cpu_us(server.pid)
            parts = await sampled(fleet, direction, messages, sampler) if sampler else {}
            await fleet.close()
    hook.close()
    print(f"{direction}: {cost.cpu_us:.0f} µs of CPU per message")
    for thread, (name, used) in sorted(after.items()):
        each = (used - before.get(thread, ("", 0.0))[1]) / cost.messages
        if each >= 1:
            print(f"  {each:6.1f} µs  {'loop' if thread == server.pid else name} (thread {thread - server.pid})")
        if thread == server.pid:
            for part, share in parts.items():
                print(f"         {each * share:6.1f} µs  {part}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("direction", choices=("push", "send"))
    parser.add_argument("--messages", type=int, default=6_400)
    parser.add_argument("--sampler", type=Path, default=SAMPLER)
    arguments = parser.parse_args()
    sampler = arguments.sampler if arguments.sampler.exists() else None
    uvloop.run(run(arguments.direction, arguments.messages, sampler))


if __name__ == "__main__":
    main()
