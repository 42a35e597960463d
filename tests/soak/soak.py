"""A server under steady load for a while, watched from outside."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import apsw

from crash.load import Account
from crash.victim import Victim
from soak import plot, samples
from soak.samples import MB, Growth, Sample
from soak.traffic import Plan, Traffic


@dataclass(slots=True)
class Result:
    """What came of a soak."""

    samples: list[Sample] = field(default_factory=list)
    growths: list[Growth] = field(default_factory=list)
    calls: int = 0
    sent: int = 0
    posted: int = 0
    faults: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        return not self.faults and all(growth.holds for growth in self.growths)


async def soak(
    scratch: Path, plan: Plan, *, seconds: float, every_s: float, progress: Callable[[Sample], None], seed: int = 1
) -> Result:
    """Run it and leave data, `samples.csv` and `plot.svg` in the folder, which exists."""
    victim = Victim(scratch / "data", scratch / "server.log", engine="aiortc" if plan.with_audio else "none")
    result = Result()
    await victim.start()
    try:
        async with Traffic(Account.of(victim), plan, seed=seed) as traffic, watching(victim, traffic) as look:
            began = time.monotonic()
            while time.monotonic() - began < seconds:
                await asyncio.sleep(every_s)
                result.samples.append(await look(time.monotonic() - began))
                progress(result.samples[-1])
            await traffic.stop()
            result.calls, result.sent, result.posted = traffic.calls, traffic.sent, traffic.posted
            result.faults += traffic.faults
            if traffic.to_arrive:
                result.faults.append(f"{len(traffic.to_arrive)} messages did not arrive at the endpoint")
        if (code := await victim.stop()) != 0:
            result.faults.append(f"the server ended with {code}: {victim.last_words()}")
        result.faults += victim.complaints()
    finally:
        victim.kill()
        await victim.dead()
        victim.close()
    result.growths = samples.judge(result.samples)
    samples.keep(result.samples, scratch / "samples.csv")
    plot.draw(result.samples, scratch / "plot.svg", f"{plan.per_second:g} messages/s each way over {plan.calls} calls")
    return result


Look = Callable[[float], Awaitable[Sample]]


@asynccontextmanager
async def watching(victim: Victim, traffic: Traffic) -> AsyncIterator[Look]:
    """Takes samples of the server while its traffic goes on."""
    assert victim.process is not None
    pid = victim.process.pid
    db = apsw.Connection(str(victim.database), flags=apsw.SQLITE_OPEN_READONLY)
    db.set_busy_timeout(1000)
    async with aiohttp.ClientSession() as session:

        async def look(at_s: float) -> Sample:
            async with session.get(f"{victim.http_url}/metrics") as answer:
                lag_s = _metric(await answer.text(), "midcall_loop_lag_worst_seconds")
            waiting, oldest_at = db.execute(BEHIND).fetchone()
            return Sample(
                at_s=round(at_s, 1),
                server_mb=round(samples.resident_mb(pid), 2),
                media_mb=round(sum(map(samples.resident_mb, samples.children(pid))), 2),
                files=samples.open_files(pid),
                threads=samples.threads(pid),
                loop_lag_ms=round(1000 * lag_s, 1),
                lanes_waiting=waiting,
                oldest_undelivered_s=round(max(0.0, time.time() - oldest_at), 3) if oldest_at else 0.0,
                calls=traffic.calls,
                messages=traffic.sent + traffic.posted,
                database_mb=round(victim.database.stat().st_size / MB, 2),
            )

        try:
            yield look
        finally:
            db.close()


BEHIND = """
    SELECT count(*), min(entries.at) FROM lanes
    JOIN entries ON entries.leg = lanes.leg AND entries.log = lanes.log AND entries.seq = lanes.cursor + 1
    WHERE lanes.ready_at IS NOT NULL
"""
"""Lanes with work, and since when the oldest message at their heads waits."""


def _metric(text: str, name: str) -> float:
    return next(float(line.split()[1]) for line in text.splitlines() if line.startswith(name + " "))
