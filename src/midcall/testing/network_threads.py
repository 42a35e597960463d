"""Synchronous code in threads: how it reaches a virtual network.

A thread has real sockets. For each place in the network that a thread looks up there is a door: a port on the real
loopback whose connections go on in memory.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from midcall.testing.network import LOOPBACK

if TYPE_CHECKING:
    from midcall.testing.loop import VirtualLoop

BACKLOG: Final = 128

_caller = threading.local()


@contextmanager
def calling_from(loop: VirtualLoop) -> Iterator[None]:
    """While the block runs, this thread works for the loop."""
    _caller.loop = loop
    try:
        yield
    finally:
        _caller.loop = None


def works_for(loop: VirtualLoop) -> bool:
    """Whether this thread does."""
    return getattr(_caller, "loop", None) is loop


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

    @property
    def open(self) -> int:
        """Connections that have come through a door and are up."""
        return len(self._open)

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
        self._early.clear()
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
        """One direction has ended; the connection has when both have."""
        self._ended = True
        other = self._other
        if other is not None and other._ended:
            self._transport.close()
            other._transport.close()
        elif other is not None:
            other._transport.write_eof()
        return True

    def connection_lost(self, error: Exception | None) -> None:
        self._ended = True
        if self._among is not None:
            self._among.discard(self)
        if self._other is not None and error is not None:
            self._other._transport.abort()
        elif self._other is not None:
            self._other._transport.close()

    def pause_writing(self) -> None:
        if self._other is not None:
            self._other._transport.pause_reading()

    def resume_writing(self) -> None:
        if self._other is not None:
            self._other._transport.resume_reading()
