"""A TCP cable between a browser and a server that a test can cut, freeze and mend: losses no page can fake."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
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


def _reset(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    with contextlib.suppress(OSError, AttributeError, ValueError):  # closed already: what of uvloop, it depends when
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
