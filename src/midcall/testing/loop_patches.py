"""What is different in the process while a virtual loop runs, so that libraries need not be told of it.

Names lead threads to doors (`network_threads`), TLS to what is in memory is pretended, threads of anyio are counted,
and proxies of the environment are forgotten. Everything is as before when the loop rests.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final
from unittest import mock

import aiohttp

from midcall.testing.network import LOOPBACK
from midcall.testing.network_threads import Doors, works_for
from midcall.testing.network_tls import PretendedObject, PretendedSocket

if TYPE_CHECKING:
    from midcall.testing.loop import VirtualLoop

_PROXIES: Final = ("http_proxy", "https_proxy", "all_proxy", "ws_proxy", "wss_proxy")


@contextmanager
def patched(loop: VirtualLoop) -> Iterator[None]:
    """While the block runs, threads find the loop's network, TLS there is pretended, and anyio's threads count."""
    real_lookup = socket.getaddrinfo
    real_socket = ssl.SSLContext.wrap_socket
    real_bio = ssl.SSLContext.wrap_bio

    def getaddrinfo(host: Any, port: Any, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if asyncio._get_running_loop() is loop:
            raise RuntimeError(
                f"a synchronous connection to {name} on the event loop would wait for itself; "
                "make it in a thread: `await asyncio.to_thread(…)`"
            )
        if not works_for(loop) and not loop.network.knows(name, port):
            return real_lookup(host, port, family, type, proto, flags)
        found = loop.network.lookup(name, port, type)
        if found[0][4][1]:  # the port; refused here, where there is somebody to tell why
            loop.network.listener(name, found[0][4][1])
        return [(*info[:4], (LOOPBACK, loop.doors.port(*info[4]))) for info in found]

    def wrap_socket(self: ssl.SSLContext, sock: socket.socket, *args: Any, **options: Any) -> Any:
        if _leads_through(sock, loop.doors):
            return PretendedSocket(self, sock, options.get("server_hostname"))
        return real_socket(self, sock, *args, **options)

    def wrap_bio(self: ssl.SSLContext, incoming: Any, outgoing: Any, *args: Any, **options: Any) -> Any:
        if asyncio._get_running_loop() is loop:
            return PretendedObject(self, incoming, outgoing, options.get("server_hostname"))
        return real_bio(self, incoming, outgoing, *args, **options)

    with ExitStack() as held:
        for owner, name, ours in (
            (socket, "getaddrinfo", getaddrinfo),
            (ssl.SSLContext, "wrap_socket", wrap_socket),
            (ssl.SSLContext, "wrap_bio", wrap_bio),
            # With aiodns installed, aiohttp would ask real name servers.
            (aiohttp.connector, "DefaultResolver", aiohttp.ThreadedResolver),
        ):
            held.enter_context(mock.patch.object(owner, name, ours))
        held.enter_context(_without_proxies())
        held.enter_context(_counted_anyio(loop))
        yield


def _leads_through(sock: socket.socket, doors: Doors) -> bool:
    try:
        return sock.getpeername()[1] in doors.ports
    except (OSError, IndexError, TypeError):
        return False


@contextmanager
def _without_proxies() -> Iterator[None]:
    """A proxy of the environment is not in this world."""
    found = {name: value for name, value in os.environ.items() if name.lower() in _PROXIES}
    for name in found:
        del os.environ[name]
    try:
        yield
    finally:
        for name, value in found.items():
            os.environ.setdefault(name, value)


@contextmanager
def _counted_anyio(loop: VirtualLoop) -> Iterator[None]:
    """anyio (Starlette, FastAPI, httpx) has threads of its own, which no executor of the loop knows."""
    if find_spec("anyio") is None:
        yield
        return
    from anyio._backends._asyncio import AsyncIOBackend

    real = AsyncIOBackend.run_sync_in_worker_thread.__func__  # type: ignore[attr-defined]

    async def run_sync_in_worker_thread(cls: Any, /, func: Callable[..., Any], args: Any, **options: Any) -> Any:
        if asyncio.get_running_loop() is not loop:
            return await real(cls, func, args, **options)
        with loop.counted(func) as counted:
            return await real(cls, counted, args, **options)

    with mock.patch.object(AsyncIOBackend, "run_sync_in_worker_thread", classmethod(run_sync_in_worker_thread)):
        yield
