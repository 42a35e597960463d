"""Cables between a browser and a server that a test can cut and mend: losses no page can fake.

`Cable` carries signalling (TCP), `MediaCable` audio (UDP).
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
import struct
from collections.abc import Callable
from types import TracebackType


class Cable:
    """Relays `localhost:port` to the server's port; TLS passes through untouched, so certificates still fit."""

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self._listener: asyncio.Server | None = None
        self._links: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._plugged = True
        self.port = 0

    async def __aenter__(self) -> Cable:
        self._listener = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        self.port = self._listener.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._listener
        self._listener.close()
        self.cut()
        self._flowing.set()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Both ends see a reset now; new connections are reset too, until mend."""
        self._plugged = False
        for link in list(self._links):
            _reset(link)

    def freeze(self) -> None:
        """Nothing moves any more and nobody is told, until mend."""
        self._flowing.clear()

    def mend(self) -> None:
        """Back to normal; what a freeze held back arrives now."""
        self._plugged = True
        self._flowing.set()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if not self._plugged:
            _reset(writer)
            return
        with contextlib.suppress(OSError):
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._server_port)
            ends = {writer, far_writer}
            self._links |= ends
            try:
                await asyncio.gather(self._pump(reader, far_writer), self._pump(far_reader, writer))
            finally:
                self._links -= ends
                far_writer.close()
        writer.close()

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, RuntimeError):  # uvloop raises the second for a socket that is closed
            while data := await source.read(65536):
                await self._flowing.wait()
                sink.write(data)
                await sink.drain()
            if sink.can_write_eof():
                sink.write_eof()


class MediaCable:
    """Relays each address that the server offers for media; a client is given the relay's instead.

    Packets that come while it is cut are gone.

    Attributes:
        loses: of so many packets in a row one is lost; 0 loses none.
        delay_s: how long a packet is under way.
    """

    def __init__(self) -> None:
        self.plugged = True
        self.loses = 0
        self.delay_s = 0.0
        self._packets = 0
        self._transports: list[asyncio.DatagramTransport] = []

    async def __aenter__(self) -> MediaCable:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for transport in self._transports:
            transport.close()

    def cut(self) -> None:
        self.plugged = False

    def mend(self) -> None:
        self.plugged = True

    def carry(self, send: Callable[[], None]) -> None:
        """Let a packet through, unless it gets lost."""
        self._packets += 1
        if self.loses and self._packets % self.loses == 0:
            return
        if self.delay_s:
            asyncio.get_running_loop().call_later(self.delay_s, send)
        else:
            send()

    async def relay(self, host: str, port: int) -> int:
        """Stand between a browser and an address of the server; the relay's port on the same host."""
        near, far = _MediaEnd(self), _MediaEnd(self)
        near.other, far.other = far, near
        far.peer = (host, port)
        loop = asyncio.get_running_loop()
        for end in (near, far):
            end.transport, _ = await loop.create_datagram_endpoint(lambda end=end: end, local_addr=(host, 0))
            self._transports.append(end.transport)
        return int(near.transport.get_extra_info("sockname")[1])


class _MediaEnd(asyncio.DatagramProtocol):
    """Passes on what it hears to whoever the other end heard last."""

    transport: asyncio.DatagramTransport
    other: _MediaEnd

    def __init__(self, cable: MediaCable) -> None:
        self.peer: tuple[str, int] | None = None
        self._cable = cable

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if not self._cable.plugged:
            return
        self.peer = addr
        if self.other.peer is not None:
            self._cable.carry(functools.partial(self._send, data, self.other.peer))

    def _send(self, data: bytes, peer: tuple[str, int]) -> None:
        if not self.other.transport.is_closing():
            self.other.transport.sendto(data, peer)

    def error_received(self, exc: Exception) -> None:
        """The socket at the other side is closed; ICE finds out by itself."""


def _reset(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    with contextlib.suppress(OSError, AttributeError, ValueError):  # closed already: what of uvloop, it depends when
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
