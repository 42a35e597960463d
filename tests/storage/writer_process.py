"""Run by a test that kills it: appends messages to a store and prints each sid once it is acknowledged."""

from __future__ import annotations

import asyncio
import sys
from itertools import count
from pathlib import Path

import uvloop

from midcall.core.messages import Limits, Log
from midcall.storage.sqlite import SqliteStore
from support.records import add_call, draft, subscription

AT_ONCE = 20


async def main(path: Path) -> None:
    store = SqliteStore.open(path)
    await add_call(store)
    limits = Limits(waiting_per_leg=10**9)
    await store.add_subscription(subscription(), limits)
    numbers = count(1)

    async def append() -> None:
        while True:
            appended = await store.append_message(draft(next(numbers), log=Log.FROM_CLIENT), limits)
            sys.stdout.write(f"{appended.entry.seq} {appended.entry.sid}\n")
            sys.stdout.flush()

    await asyncio.gather(*(append() for _ in range(AT_ONCE)))


if __name__ == "__main__":
    uvloop.run(main(Path(sys.argv[1])))
