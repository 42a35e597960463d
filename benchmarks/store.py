"""What a durable append costs: alone, and with others in the same group commit. Prints JSON.

    python benchmarks/store.py [--folder FOLDER] [--messages 5000]

`cpu_us` is CPU time of the whole process per message, `wall_us` elapsed time per message. `busy_loop` repeats the last
size beside an event loop that burns 20 µs of Python per message, which is how a server looks when it is loaded.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import uvloop

from midcall.core.calls import Call, Direction, Status
from midcall.core.delivery import Delivered
from midcall.core.messages import JSON, Draft, Limits, Log, Subscription
from midcall.core.sids import AccountSid, CallSid, MessageSid, SubscriptionSid, mint
from midcall.ports import Transition
from midcall.storage.sqlite import SqliteStore

ACCOUNT = AccountSid(mint("AC", bytes(16)))
LIMITS = Limits(waiting_per_leg=10**9)
CONTENT = b'{"text": "' + b"x" * 180 + b'"}'
NOW = 1_700_000_000.0


def number(n: int) -> bytes:
    return n.to_bytes(16, "big")


async def add_leg(store: SqliteStore, n: int) -> CallSid:
    leg = CallSid(mint("CA", number(n)))
    call = Call(
        sid=leg,
        account_sid=ACCOUNT,
        parent_sid=None,
        direction=Direction.INBOUND,
        from_="client:bench",
        to="",
        status=Status.IN_PROGRESS,
        sdk_leg=True,
        created_at=NOW,
        updated_at=NOW,
    )
    await store.save(Transition(owner=leg, account_sid=ACCOUNT, state=b"{}", at=NOW, call=call))
    return leg


class Bench:
    def __init__(self, store: SqliteStore, legs: list[CallSid]) -> None:
        self.store = store
        self.legs = legs
        self.count = 0

    async def append(self) -> None:
        self.count += 1
        draft = Draft(
            account_sid=ACCOUNT,
            leg_sid=self.legs[self.count % len(self.legs)],
            log=Log.FROM_CLIENT,
            sid=MessageSid(mint("KX", number(self.count))),
            content=CONTENT,
            content_type=JSON,
            at=NOW,
        )
        await self.store.append_message(draft, LIMITS)

    async def append_beside_work(self) -> None:
        end = time.perf_counter() + 20e-6
        while time.perf_counter() < end:
            pass
        await self.append()

    async def drain(self, lane: SubscriptionSid) -> None:
        turn = await self.store.claim(lane, now=NOW, lease_until=NOW + 30)
        while turn is not None:
            self.count += 1
            turn = await self.store.settle(turn, Delivered(), now=NOW, lease_until=NOW + 30)


async def measure(work: Callable[[], Awaitable[None]], messages: int, at_once: int) -> dict[str, float]:
    """`at_once` workers share the messages; each starts its next one when its last is durable."""

    async def worker() -> None:
        for _ in range(messages // at_once):
            await work()

    usage, start = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(at_once)))
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - usage.ru_utime - usage.ru_stime
    done = messages // at_once * at_once
    return {
        "at_once": at_once,
        "cpu_us": round(cpu / done * 1e6, 1),
        "wall_us": round(wall / done * 1e6, 1),
        "per_second": round(done / wall),
    }


async def settle_all(store: SqliteStore, lanes: int, messages: int) -> dict[str, float]:
    """Claim and settle what was appended to so many legs with a subscription each."""
    legs = [await add_leg(store, 10_000 + n) for n in range(lanes)]
    subscriptions = [SubscriptionSid(mint("ZY", number(n))) for n in range(lanes)]
    for sid, leg in zip(subscriptions, legs, strict=True):
        subscription = Subscription(
            sid=sid, account_sid=ACCOUNT, leg_sid=leg, callback="http://localhost/", method="POST", created_at=NOW
        )
        await store.add_subscription(subscription, LIMITS)
    bench = Bench(store, legs)
    await measure(bench.append, messages, 100)
    bench.count = 0
    usage, start = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    await asyncio.gather(*(bench.drain(sid) for sid in subscriptions))
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - usage.ru_utime - usage.ru_stime
    return {
        "at_once": lanes,
        "cpu_us": round(cpu / bench.count * 1e6, 1),
        "wall_us": round(wall / bench.count * 1e6, 1),
        "per_second": round(bench.count / wall),
    }


async def run(folder: Path, messages: int) -> dict[str, object]:
    store = SqliteStore.open(folder / "bench.db")
    legs = [await add_leg(store, n) for n in range(1, 65)]
    bench = Bench(store, legs)
    await measure(bench.append, 200, 10)  # warm up
    appends = [await measure(bench.append, messages // 5 if n == 1 else messages, n) for n in (1, 10, 100, 400)]
    busy = await measure(bench.append_beside_work, messages, 400)
    settles = await settle_all(store, 100, messages)
    await store.close()
    return {"messages": messages, "append": appends, "append_beside_busy_loop": busy, "settle": settles}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="where the database is made (a new temporary folder)")
    parser.add_argument("--messages", type=int, default=5_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        result = uvloop.run(run(Path(folder), arguments.messages))
    json.dump(result, sys.stdout, indent=2)
    print()


if __name__ == "__main__":
    main()
