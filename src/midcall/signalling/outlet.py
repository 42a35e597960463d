"""The way out of one socket: frames in order, memory bounded, and the count of heartbeats that makes receipts.

A heartbeat follows each batch of tracked frames. The client echoes heartbeats from the handler that took the frames
before them, so the n-th echo is the receipt of every tracked frame before the n-th heartbeat.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from midcall.signalling.carriage import Tracked
from midcall.wire import signal

WRITE_BYTES: Final = 64 * 1024
"""What is handed to a socket at once, roughly; the rest waits here, where it is counted."""

_HEARTBEAT: Final = signal.HEARTBEAT.encode()


class Sink(Protocol):
    """What an outlet needs of its socket."""

    def write(self, frames: Sequence[bytes]) -> None:
        """Hand over text frames, in one piece.

        Raises:
            ConnectionError, RuntimeError: the socket has ended.
        """

    @property
    def is_full(self) -> bool:
        """Whether the peer does not read as fast as we write."""

    async def drained(self) -> None:
        """Wait until it is not full any more. Raises what `write` raises."""


class Outlet:
    """Sends without ever waiting for the peer: what is sent within a turn of the loop goes out in one piece.

    Args:
        limit_bytes: when more than this waits, the peer is too slow.
        fail: called once with the reason when the socket cannot be written to any more.
    """

    def __init__(self, sink: Sink, *, limit_bytes: int, fail: Callable[[str], None]) -> None:
        self._sink = sink
        self._limit = limit_bytes
        self._fail = fail
        self._queue: deque[bytes] = deque()
        self._queued = 0
        self._unmarked: list[Tracked] = []
        self._marks: deque[list[Tracked]] = deque()
        self._woken = False
        self._waiting: asyncio.Task[None] | None = None
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
            self._push(_HEARTBEAT)
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
        while self._has_more():
            self._write()
            if self._waiting is not None:
                await asyncio.wait([self._waiting])

    async def close(self) -> None:
        """Shut, and end what waits for the peer."""
        self.shut()
        if self._waiting is not None:
            self._waiting.cancel()
            await asyncio.wait([self._waiting])

    def _push(self, frame: bytes) -> None:
        self._queue.append(frame)
        self._queued += len(frame)

    def _mark(self) -> None:
        """A heartbeat goes out, whose echo will be the receipt of what was sent since the last one."""
        self._marks.append(self._unmarked)
        self._unmarked = []

    def _wake(self) -> None:
        if not self._woken and self._waiting is None:
            self._woken = True
            asyncio.get_running_loop().call_soon(self._write)

    def _write(self) -> None:
        """Hand over what waits, as far as the peer reads it."""
        self._woken = False
        if self._waiting is not None:
            return
        try:
            while self._has_more() and not self._sink.is_full:
                self._sink.write(self._next_frames())
        except (ConnectionError, RuntimeError) as error:
            self._give_up(error)
        if self._has_more():
            self._waiting = asyncio.create_task(self._write_when_drained())

    async def _write_when_drained(self) -> None:
        try:
            await self._sink.drained()
        except (ConnectionError, RuntimeError) as error:
            self._give_up(error)
        finally:
            self._waiting = None
        self._wake()

    def _has_more(self) -> bool:
        return not self._shut and bool(self._queue or self._unmarked)

    def _next_frames(self) -> Sequence[bytes]:
        """What goes out in one piece; the heartbeat goes with the last of what waits."""
        frames, size = [], 0
        while self._queue and size < WRITE_BYTES:
            frame = self._queue.popleft()
            frames.append(frame)
            size += len(frame)
        self._queued -= size
        if not self._queue and self._unmarked:
            frames.append(_HEARTBEAT)
            self._mark()
        return frames

    def _give_up(self, error: Exception) -> None:
        self.shut()
        self._fail(f"cannot write: {type(error).__name__}")
