"""Synchronous code in threads: how it reaches a virtual network, and how its threads are told from others.

A thread has real sockets. For each place in the network that a thread looks up there is a door: a port on the real
loopback whose connections go on in memory. Names lead threads to doors through `socket.getaddrinfo`.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final
from unittest import mock

import aiohttp

from midcall.testing.network import LOOPBACK
from midcall.testing.network_tls import PretendedObject, PretendedSocket

if TYPE_CHECKING:
    from midcall.testing.loop import VirtualLoop

BACKLOG: Final = 128
_PROXIES: Final = ("http_proxy", "https_proxy", "all_proxy", "ws_proxy", "wss_proxy")

_caller = threading.local()


@contextmanager
def calling_from(loop: VirtualLoop) -> Iterator[None]:
    """While the block runs, this thread works for the loop."""
    _caller.loop = loop
    try:
        yield
    finally:
        _caller.loop = None


class Doors:
    """Ports of the real loopback, each leading to one place in the network."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self._lock = threading.Lock()
        self._doors: dict[tuple[str, int], socket.socket] = {}
        self._open: set[_Half] = set()
        self.ports: frozenset[int] = frozenset()

    def port(self, address: str, port: int) -> int:
        """The real port that leads there. For threads."""
        with self._lock:
            door = self._doors.get((address, port))
            if door is None:
                door = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
                door.bind((LOOPBACK, 0))
                door.listen(BACKLOG)
                door.setblocking(False)
                self._doors[address, port] = door
                self.ports |= {door.getsockname()[1]}
                self._loop.call_soon_threadsafe(self._loop.add_reader, door, self._on_knock, door, (address, port))
            return int(door.getsockname()[1])

    async def shut(self) -> None:
        """Close the doors and what has come through them. They open again when they are looked up again."""
        with self._lock:
            doors, self._doors = self._doors, {}
        for door in doors.values():
            self._loop.remove_reader(door)
            door.close()
        while self._open:
            self._open.pop().abort()
            await asyncio.sleep(0)

    def _on_knock(self, door: socket.socket, place: tuple[str, int]) -> None:
        try:
            entering, _ = door.accept()
        except OSError:
            return
        entering.setblocking(False)
        self._loop.create_task(self._let_in(entering, place), name="a thread's connection")

    async def _let_in(self, entering: socket.socket, place: tuple[str, int]) -> None:
        outside = _Half(self._open)
        inside = _Half()
        try:
            await self._loop.create_connection(lambda: inside, *place)
        except OSError:
            entering.close()
            return
        await self._loop.connect_accepted_socket(lambda: outside, entering)
        outside.join(inside)
        inside.join(outside)


class _Half(asyncio.Protocol):
    """One side of a door: what comes in here goes out there."""

    def __init__(self, among: set[_Half] | None = None) -> None:
        self._among = among
        self._transport: Any = None
        self._other: _Half | None = None
        self._early: list[bytes] = []
        self._ended = False

    def join(self, other: _Half) -> None:
        self._other = other
        for data in self._early:
            other._transport.write(data)
        if self._ended:
            other._transport.close()

    def abort(self) -> None:
        self._transport.abort()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        if self._among is not None:
            self._among.add(self)

    def data_received(self, data: bytes) -> None:
        if self._other is None:
            self._early.append(data)
        else:
            self._other._transport.write(data)

    def eof_received(self) -> bool:
        self._ended = True
        if self._other is not None and self._other._transport.can_write_eof():
            self._other._transport.write_eof()
        return True

    def connection_lost(self, error: Exception | None) -> None:
        self._ended = True
        if self._among is not None:
            self._among.discard(self)
        if self._other is not None:
            self._other._transport.close()

    def pause_writing(self) -> None:
        if self._other is not None:
            self._other._transport.pause_reading()

    def resume_writing(self) -> None:
        if self._other is not None:
            self._other._transport.resume_reading()


@contextmanager
def patched_for_threads(loop: VirtualLoop) -> Iterator[None]:
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
        works_for_loop = getattr(_caller, "loop", None) is loop
        if not works_for_loop and not loop.network.knows(name, port):
            return real_lookup(host, port, family, type, proto, flags)
        found = loop.network.lookup(name, port, type)
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
