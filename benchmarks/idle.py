"""Memory of a client that is registered and does nothing, beside the same WebSocket at other servers.

python benchmarks/idle.py [--clients 2000]
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import uvloop
from harness import servers
from harness.fleets import Listener, MidcallFleet, ReferenceFleet, trust, webhook
from harness.processes import machine, resident_bytes
from harness.report import Row, met, save, table

PLAIN_TARGET_KB: Final = 30.0
TLS_TARGET_KB: Final = 60.0
WARM: Final = 100
"""Clients that come first: what a server allocates once is not the clients' memory."""

AT_ONCE: Final = 50
SETTLE_S: Final = 1.0


async def bytes_per_client(pid: int, add: Callable[[int], Awaitable[None]], clients: int) -> float:
    """Resident memory that each of so many clients adds."""

    async def up_to(first: int, last: int) -> None:
        for start in range(first, last, AT_ONCE):
            await asyncio.gather(*(add(index) for index in range(start, min(last, start + AT_ONCE))))
        await asyncio.sleep(SETTLE_S)

    warm = min(WARM, clients)
    await up_to(0, warm)
    before = resident_bytes(pid)
    await up_to(warm, warm + clients)
    return (resident_bytes(pid) - before) / clients


async def of_midcall(folder: Path, clients: int, *, with_tls: bool) -> float:
    listener = Listener()
    async with servers.midcall(folder) as server:
        tls = trust(server) if with_tls else None
        fleet = MidcallFleet(server, listener, "", tls=tls)

        async def add(index: int) -> None:
            line = fleet.line(index, incoming=True)
            await line.connect(server.tls_port if tls else server.port, tls)
            await line.register()

        try:
            return await bytes_per_client(server.pid, add, clients)
        finally:
            await fleet.close()


async def of_reference(server: servers.Running, clients: int) -> float:
    fleet = ReferenceFleet(server, Listener())
    try:
        return await bytes_per_client(server.pid, fleet.add_socket, clients)
    finally:
        await fleet.close()


async def run(*, clients: int) -> list[Row]:
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        found["midcall"] = await of_midcall(folder / "plain", clients, with_tls=False)
        found["midcall, TLS"] = await of_midcall(folder / "tls", clients, with_tls=True)
        async with AsyncExitStack() as stack:
            hook, url = await webhook(Listener())
            stack.callback(hook.close)
            for reference in (servers.nchan(folder / "nchan"), servers.fastify(url), servers.fastapi(url)):
                server = await stack.enter_async_context(reference)
                found[server.name] = await of_reference(server, clients)
    save("idle", machine=machine(), clients=clients, bytes_per_client=found)
    kb = {name: value / 1000 for name, value in found.items()}
    beside = ", ".join(f"{name} {kb[name]:.1f} KB" for name in ("nchan", "fastify", "fastapi"))
    return [
        Row(
            what="idle registered client, memory",
            value=kb["midcall"],
            unit="KB",
            reference=beside,
            ratio=kb["midcall"] / kb["nchan"],
            target="30 KB",
            met=met(kb["midcall"], PLAIN_TARGET_KB),
        ),
        Row(
            what="idle registered client over TLS, memory",
            value=kb["midcall, TLS"],
            unit="KB",
            target="60 KB",
            met=met(kb["midcall, TLS"], TLS_TARGET_KB),
        ),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--clients", type=int, default=2_000)
    print(table(uvloop.run(run(clients=parser.parse_args().clients))))


if __name__ == "__main__":
    main()
