"""What a message costs when 10^4, 10^5, 3·10^5 (and 10^6) are stored already: the curve should be flat.

python benchmarks/stored.py [--counts 10000 100000 300000] [--messages 3200] [--repeats 3]
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import uvloop
from harness import servers
from harness.fleets import CLIENTS, Listener, MidcallFleet, content, webhook
from harness.loads import Direction, closed_loop
from harness.processes import machine
from harness.report import Row, plot, save, table

from midcall.core.calls import Call, Status
from midcall.core.calls import Direction as CallDirection
from midcall.core.messages import JSON, Draft, Limits, Log
from midcall.core.sids import AccountSid, CallSid, MessageSid, mint
from midcall.ports import Transition
from midcall.storage.sqlite import SqliteStore

COUNTS: Final = (10_000, 100_000, 300_000)
PER_CALL: Final = 200
AT_ONCE: Final = 4_000
NOW: Final = 1_700_000_000.0
_LIMITS: Final = Limits(waiting_per_leg=1 << 40)


async def fill(store: SqliteStore, account: AccountSid, start: int, count: int) -> None:
    """Messages of calls, both ways, as they come from the store's own verbs."""
    for first in range(start, start + count, AT_ONCE):
        await asyncio.gather(
            *(
                _fill_call(store, account, place)
                for place in range(first, min(first + AT_ONCE, start + count), PER_CALL)
            )
        )


async def _fill_call(store: SqliteStore, account: AccountSid, place: int) -> None:
    leg = CallSid(mint("CA", place.to_bytes(16, "big")))
    call = Call(
        sid=leg,
        account_sid=account,
        parent_sid=None,
        direction=CallDirection.INBOUND,
        from_="client:somebody",
        to="",
        status=Status.IN_PROGRESS,
        sdk_leg=True,
        created_at=NOW,
        updated_at=NOW,
    )
    await store.save(Transition(owner=leg, account_sid=account, state=None, at=NOW, call=call))
    drafts = (
        Draft(
            account_sid=account,
            leg_sid=leg,
            log=Log.TO_CLIENT if number % 2 else Log.FROM_CLIENT,
            sid=MessageSid(mint("KX", (place + number).to_bytes(16, "big"))),
            content=content(0, number),
            content_type=JSON,
            at=NOW,
        )
        for number in range(PER_CALL)
    )
    await asyncio.gather(*(store.append_message(draft, _LIMITS) for draft in drafts))


async def run(*, counts: Sequence[int] = COUNTS, messages: int, repeats: int, clients: int = CLIENTS) -> list[Row]:
    curves: dict[Direction, list[tuple[float, float]]] = {"push": [], "send": []}
    listener = Listener()
    hook, url = await webhook(listener)
    with tempfile.TemporaryDirectory() as scratch:
        folder, stored = Path(scratch), 0
        for count in counts:
            account = await _account(folder)
            store = SqliteStore.open(folder / "midcall.db")
            await fill(store, account, stored, count - stored)
            await store.close()
            stored = count
            async with servers.midcall(folder) as server:
                fleet = MidcallFleet(server, listener, url)
                await fleet.open(clients)
                for direction, curve in curves.items():
                    await closed_loop(fleet, direction, clients * 5, clients)
                    costs = [await closed_loop(fleet, direction, messages, clients) for _ in range(repeats)]
                    curve.append((count, statistics.median(cost.cpu_us for cost in costs)))
                await fleet.close()
    hook.close()
    words = {"push": "server to client", "send": "client to server"}
    named = {words[direction]: curve for direction, curve in curves.items()}
    save("stored", machine=machine(), cpu_us_by_messages_stored=named)
    plot("stored", "Cost of a message beside messages stored", "messages stored", "server CPU per message, µs", named)
    return [
        Row(
            what=f"message {words[direction]} with {counts[-1]:,} stored, CPU",
            value=curve[-1][1],
            unit="µs",
            reference=f"with {counts[0]:,} stored {curve[0][1]:.0f} µs",
            ratio=curve[-1][1] / curve[0][1],
        )
        for direction, curve in curves.items()
    ]


async def _account(folder: Path) -> AccountSid:
    """The account of a folder; the first start makes it."""
    async with servers.midcall(folder) as server:
        return AccountSid(server.credentials["account_sid"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--counts", type=int, nargs="+", default=list(COUNTS))
    parser.add_argument("--messages", type=int, default=3_200)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    print(table(uvloop.run(run(counts=arguments.counts, messages=arguments.messages, repeats=arguments.repeats))))


if __name__ == "__main__":
    main()
