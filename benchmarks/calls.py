"""Call set-ups per second and core, without media: connect, TwiML fetched, ringing at the other side, accepted.

    python benchmarks/calls.py [--calls 600] [--repeats 5]

A call counts when the caller has got its answer; its end, both hang-ups, is in the price.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import statistics
import tempfile
import time
from pathlib import Path
from typing import Final
from urllib.parse import unquote_plus

import uvloop
from harness import servers
from harness.fleets import Line, Listener, MidcallFleet, webhook
from harness.processes import cpu_seconds, machine
from harness.report import Row, met, save, table

from midcall.core.sdp import NO_MEDIA_SDP

TARGET: Final = 200.0
PAIRS: Final = 16
CALLERS: Final = 0
CALLEES: Final = 10_000
_FROM: Final = re.compile(r"(?:^|&)From=client:bench(\d+)")


def dial_twin(body: bytes) -> str:
    """TwiML that dials the callee of whoever calls."""
    found = _FROM.search(unquote_plus(body.decode()))
    assert found is not None, body
    identity = f"bench{int(found[1]) + CALLEES}"
    return f'<Response><Dial answerOnBridge="true"><Client>{identity}</Client></Dial></Response>'


async def open_pairs(fleet: MidcallFleet, pairs: int) -> list[tuple[Line, Line]]:
    opened = []
    for number in range(pairs):
        caller, callee = fleet.line(CALLERS + number), fleet.line(CALLEES + number, incoming=True)
        for line in (caller, callee):
            await line.connect(fleet.server.port)
        await callee.register()
        callee.on_invite = lambda payload, line=callee: line.tell(
            "answer", callsid=payload["callsid"], sdp=NO_MEDIA_SDP
        )
        opened.append((caller, callee))
    return opened


async def call(caller: Line, callee: Line, name: str) -> None:
    rings = caller.expect("ringing")
    over = callee.expect("hangup")
    answered = await caller.ask("invite", "answer", callsid=name, sdp=NO_MEDIA_SDP)
    assert rings.done()
    caller.tell("hangup", callsid=answered["callsid"])
    async with asyncio.timeout(30):
        await over


async def set_ups(fleet: MidcallFleet, pairs: list[tuple[Line, Line]], calls: int) -> dict[str, float]:
    async def work(place: int) -> None:
        for number in range(calls // len(pairs)):
            await call(*pairs[place], f"TJS{place}x{number}x{time.monotonic_ns()}")

    cpu, began = cpu_seconds(fleet.server.pid), time.perf_counter()
    await asyncio.gather(*(work(place) for place in range(len(pairs))))
    done = calls // len(pairs) * len(pairs)
    used, took = cpu_seconds(fleet.server.pid) - cpu, time.perf_counter() - began
    return {"calls": done, "cpu_ms": used / done * 1000, "per_core_second": done / used, "per_second": done / took}


async def run(*, calls: int, repeats: int, pairs: int = PAIRS) -> list[Row]:
    listener = Listener()
    listener.twiml = dial_twin
    hook, url = await webhook(listener)
    with tempfile.TemporaryDirectory() as scratch:
        async with servers.midcall(Path(scratch)) as server:
            fleet = MidcallFleet(server, listener, url)
            await fleet.point_application()
            opened = await open_pairs(fleet, pairs)
            await set_ups(fleet, opened, pairs)
            runs = [await set_ups(fleet, opened, calls) for _ in range(repeats)]
            await fleet.close()
    hook.close()
    save("calls", machine=machine(), runs=runs)
    value = statistics.median(one["per_core_second"] for one in runs)
    row = Row(
        what="call set-ups, engine none",
        value=value,
        unit="per core and second",
        target="200",
        met=met(value, TARGET, at_least=True),
    )
    return [row]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--calls", type=int, default=600)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    print(table(uvloop.run(run(calls=arguments.calls, repeats=arguments.repeats))))


if __name__ == "__main__":
    main()
