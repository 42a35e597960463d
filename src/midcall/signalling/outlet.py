"""The way out of one socket: frames in order, memory bounded, and the count of heartbeats that makes receipts.

A heartbeat follows each batch of tracked frames. The client echoes heartbeats from the handler that took the frames
before them, so the n-th echo is the receipt of every tracked frame before the n-th heartbeat.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from midcall.signalling.carriage import Tracked
from midcall.wire import signal

_HEARTBEAT: Final = signal.HEARTBEAT.encode()


class Outlet:
    """Sends without ever waiting for the peer.

    Args:
        write: puts one text frame on the socket; may wait while the peer does not read.
        limit_bytes: when more than this waits, the peer is too slow.
        fail: called once with the reason when the socket cannot be written to any more.
    """

    def __init__(
        self, write: Callable[[bytes], Awaitable[None]], *, limit_bytes: int, fail: Callable[[str], None]
    ) -> None:
        self._write = write
        self._limit = limit_bytes
        self._fail = fail
        self._queue: deque[bytes] = deque()
        self._queued = 0
        self._unmarked: list[Tracked] = []
        self._marks: deque[list[Tracked]] = deque()
        self._writing: asyncio.Task[None] | None = None
        self._shut = False
        self._echoed = True
        self._missed = 0

    def send(self, frame: bytes, tracked: Tracked | None = None) -> None:
        """Queue a frame; a tracked one will be followed by a heartbeat."""
        if self._shut:
            return
        self._push(frame)
        if tracked is not None:
            self._unmarked.append(tracked)
        if self._queued > self._limit:
            self.shut()
            self._fail("slow reader")
            return
        self._wake()

    def beat(self) -> int:
        """Send a heartbeat now. Returns how many calls in a row have seen no echo of earlier heartbeats."""
        self._missed = self._missed + 1 if self._marks and not self._echoed else 0
        self._echoed = False
        if not self._shut:
            self._mark()
            self._wake()
        return self._missed

    def excuse(self) -> None:
        """Echoes could not be read until now, so none was missed."""
        self._echoed = True

    @property
    def awaits_echo(self) -> bool:
        """Whether more heartbeats were sent than echoes came."""
        return bool(self._marks)

    def echo(self) -> Sequence[Tracked]:
        """An awaited echo came: what it is the receipt of."""
        self._echoed = True
        return self._marks.popleft()

    def shut(self) -> None:
        """Send nothing any more, and drop what waits."""
        self._shut = True
        self._queue.clear()
        self._queued = 0

    async def drain(self) -> None:
        """Wait until everything is with the socket, or it is shut."""
        if self._writing is not None:
            await asyncio.wait([self._writing])

    async def close(self) -> None:
        """Shut, and end the writer."""
        self.shut()
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.wait([self._writing])

    def _push(self, frame: bytes) -> None:
        self._queue.append(frame)
        self._queued += len(frame)

    def _mark(self) -> None:
        self._push(_HEARTBEAT)
        self._marks.append(self._unmarked)
        self._unmarked = []

    def _wake(self) -> None:
        if self._writing is None:
            self._writing = asyncio.create_task(self._run())

    async def _run(self) -> None:
        try:
            while self._queue or (self._unmarked and not self._shut):
                if not self._queue:
                    self._mark()
                frame = self._queue.popleft()
                self._queued -= len(frame)
                await self._write(frame)
        except (ConnectionError, RuntimeError) as error:
            self.shut()
            self._fail(f"cannot write: {type(error).__name__}")
        finally:
            self._writing = None
