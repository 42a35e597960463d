"""Two ways to load a server: each client its next message when the last one is through, or at fixed times."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from harness.fleets import Fleet
from harness.processes import cpu_seconds

Direction = Literal["push", "send"]
PATIENCE_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Cost:
    """What a server used for so many messages."""

    messages: int
    cpu_us: float
    per_second: float


class Steps:
    """Knows for each client when its message is through, and that none came out of order."""

    def __init__(self, fleet: Fleet, direction: Direction, clients: int) -> None:
        self._fleet = fleet
        self._push = direction == "push"
        self._missing = [0] * clients
        self._through: list[asyncio.Future[None] | None] = [None] * clients
        self._last = [-1] * clients
        fleet.listener.received = self._arrived
        fleet.listener.hooked = self._arrived
        fleet.listener.acked = self._done

    async def step(self, client: int, number: int) -> None:
        """One message, until it has arrived and its sender knows it was accepted."""
        through = asyncio.get_running_loop().create_future()
        self._through[client] = through
        if self._push:
            self._missing[client] = 1
            await self._fleet.push(client, number)
        else:
            self._missing[client] = 2
            self._fleet.send(client, number)
        await through

    def _arrived(self, client: int, number: int) -> None:
        if number <= self._last[client]:
            raise RuntimeError(f"message {number} of client {client} came after {self._last[client]}")
        self._last[client] = number
        self._done(client, number)

    def _done(self, client: int, number: int) -> None:
        self._missing[client] -= 1
        through = self._through[client]
        if not self._missing[client] and through is not None and not through.done():
            through.set_result(None)


_numbers = iter(range(1, 1 << 60))


async def closed_loop(fleet: Fleet, direction: Direction, messages: int, clients: int) -> Cost:
    """So many messages in all, one of each client on its way at a time."""
    steps = Steps(fleet, direction, clients)

    async def work(client: int) -> None:
        for _ in range(messages // clients):
            await steps.step(client, next(_numbers))

    cpu, began = cpu_seconds(fleet.server.pid), time.perf_counter()
    async with asyncio.timeout(PATIENCE_S + messages / 100):
        await asyncio.gather(*(work(client) for client in range(clients)))
    took, done = time.perf_counter() - began, messages // clients * clients
    used = cpu_seconds(fleet.server.pid) - cpu
    return Cost(done, used / done * 1e6, done / took)


@dataclass(slots=True)
class Latencies:
    """Seconds from the scheduled time of each message, so that waiting behind a slow one counts (no omission)."""

    acked: list[float] = field(default_factory=list)
    arrived: list[float] = field(default_factory=list)


async def open_loop(fleet: Fleet, direction: Direction, *, per_second: int, seconds: float, clients: int) -> Latencies:
    """Messages at fixed times, whatever the server does meanwhile."""
    latencies, due, total = Latencies(), {}, round(per_second * seconds)
    missing, finished = 2 * total, asyncio.get_running_loop().create_future()
    posts: set[asyncio.Task[None]] = set()

    def note(kept: list[float], number: int) -> None:
        nonlocal missing
        kept.append(time.perf_counter() - due[number])
        missing -= 1
        if not missing:
            finished.set_result(None)

    fleet.listener.acked = lambda client, number: note(latencies.acked, number)
    fleet.listener.received = fleet.listener.hooked = lambda client, number: note(latencies.arrived, number)

    async def push(client: int, number: int) -> None:
        await fleet.push(client, number)
        note(latencies.acked, number)

    def posted(task: asyncio.Task[None]) -> None:
        posts.discard(task)
        if (error := task.exception()) is not None and not finished.done():
            finished.set_exception(error)

    began = time.perf_counter() + 0.05
    for place in range(total):
        at = began + place / per_second
        if (wait := at - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        number, client = next(_numbers), place % clients
        due[number] = at
        if direction == "send":
            fleet.send(client, number)
        else:
            task = asyncio.create_task(push(client, number))
            posts.add(task)
            task.add_done_callback(posted)
    async with asyncio.timeout(PATIENCE_S):
        await finished
    return latencies


def percentile(values: Sequence[float], share: float) -> float:
    """The value that this share of all values does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
