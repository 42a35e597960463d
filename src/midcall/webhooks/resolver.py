"""Name resolution for the sender: only addresses that the guard lets through come out.

The connector connects to what comes out here, so the address that was checked is the address that is reached.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from aiohttp.abc import AbstractResolver, ResolveResult

from midcall.webhooks.guard import AddressRefused, Guard

Lookup = Callable[[str, int, int], Awaitable[Sequence[str]]]
"""(host, port, family) to addresses. Raises OSError when the name does not resolve."""

THREADS: Final = 32
"""Names that are looked up at the same time. Not the loop's own pool: names that hang must hold up nobody else."""


class ThreadedLookup:
    """The system's resolver, off the loop."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="webhook-names")

    async def __call__(self, host: str, port: int, family: int) -> Sequence[str]:
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._threads, _getaddrinfo, host, port, family)
        return list(dict.fromkeys(found))

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


def _getaddrinfo(host: str, port: int, family: int) -> Sequence[str]:
    found = socket.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)
    return [_address(sockaddr) for *_, sockaddr in found]


def _address(sockaddr: tuple[object, ...]) -> str:
    zone = f"%{sockaddr[3]}" if len(sockaddr) == 4 and sockaddr[3] else ""
    return f"{sockaddr[0]}{zone}"


class GuardedResolver(AbstractResolver):
    """Resolves through a lookup, then asks the guard about each address."""

    def __init__(self, guard: Guard, lookup: Lookup) -> None:
        self._guard = guard
        self._lookup = lookup

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Addresses that may be connected to.

        Raises:
            AddressRefused: the name has addresses, and none may be reached.
            OSError: the name does not resolve.
        """
        addresses = await self._lookup(host, port, family)
        if not addresses:
            raise OSError(socket.EAI_NONAME, "no address")
        refusals = {address: self._guard.refusal(host, address) for address in addresses}
        allowed = [address for address in addresses if refusals[address] is None]
        if not allowed:
            raise AddressRefused(refusals[addresses[0]])
        return [_result(host, address, port) for address in allowed]

    async def close(self) -> None:
        """Nothing to let go of: the lookup belongs to who made it."""


def _result(host: str, address: str, port: int) -> ResolveResult:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return ResolveResult(
        hostname=host, host=address, port=port, family=family, proto=socket.IPPROTO_TCP, flags=socket.AI_NUMERICHOST
    )
