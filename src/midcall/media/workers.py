"""Media in processes of its own, so that packets never wait for the control loop and the other way round.

Legs are spread over the workers; legs that name each other share one. A worker that dies takes its legs' media with
it, says so, and is replaced. Imports neither aiortc nor av: the control process starts fast.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from typing import Final

import msgspec

from midcall.core.sids import CallSid
from midcall.media.frames import Frame, FrameProtocol, LogLine
from midcall.media.options import EngineOptions
from midcall.ports import (
    ApplyAnswer,
    CloseMedia,
    Couple,
    Join,
    Link,
    MakeOffer,
    MediaCommand,
    MediaConnected,
    MediaEvent,
    MediaFailed,
    MediaLost,
    Terminate,
)

_log = logging.getLogger(__name__)

_BACKOFF_S: Final = (0.0, 0.2, 0.5, 1.0, 2.0, 5.0)
_HEALTHY_S: Final = 30.0
"""A worker that lived this long starts the backoff over."""

_MAX_WAITING: Final = 10_000
_STOP_S: Final = 5.0
_DIED: Final = "The media worker died."


class _Slot:
    """One worker, and its successors after deaths."""

    def __init__(
        self, options: EngineOptions, on_frame: Callable[[_Slot, Frame], None], on_death: Callable[[_Slot], None]
    ) -> None:
        self._options = options
        self._on_frame = on_frame
        self._on_death = on_death
        self._link: FrameProtocol | None = None
        self._waiting: list[MediaCommand] = []
        self._task: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()
        self.process: asyncio.subprocess.Process | None = None

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._keep_alive())

    def do(self, command: MediaCommand) -> None:
        """Send it, now or to the next worker. What waits belongs to legs that a next death would fail."""
        if self._link is not None:
            self._link.send(command)
        elif len(self._waiting) < _MAX_WAITING:
            self._waiting.append(command)
        else:
            _log.error("%s: no media worker to carry out %s", command.leg, type(command).__name__)

    async def stop(self) -> None:
        """Close the socket; the worker ends by that, or by force."""
        self._stopping.set()
        if self._task is not None:
            await self._task

    async def _keep_alive(self) -> None:
        loop = asyncio.get_running_loop()
        deaths = 0
        while not self._stopping.is_set():
            started = loop.time()
            try:
                await self._live()
            except OSError as error:
                _log.error("a media worker cannot be started: %s", error)
            if self._stopping.is_set():
                return
            deaths = 0 if loop.time() - started > _HEALTHY_S else deaths + 1
            self._link = None
            self._waiting.clear()
            self._on_death(self)
            delay = _BACKOFF_S[min(deaths, len(_BACKOFF_S)) - 1] if deaths else 0.0
            _log.error("a media worker died; starting another one in %.1f s", delay)
            try:
                await asyncio.wait_for(self._stopping.wait(), delay)
            except TimeoutError:
                continue

    async def _live(self) -> None:
        """One worker's life."""
        ended = asyncio.Event()
        ours, theirs = socket.socketpair()
        with theirs:
            link = FrameProtocol(lambda frame: self._on_frame(self, frame), ended.set)
            await asyncio.get_running_loop().create_unix_connection(lambda: link, sock=ours)
            try:
                self.process = await self._spawn(theirs)
            except OSError:
                link.abort()
                await ended.wait()
                raise
        self._link = link
        for command in self._waiting:
            link.send(command)
        self._waiting.clear()
        stopping = asyncio.ensure_future(self._stopping.wait())
        ending = asyncio.ensure_future(ended.wait())
        try:
            await asyncio.wait([stopping, ending], return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            ending.cancel()
            await self._bury(link, ended)

    async def _spawn(self, theirs: socket.socket) -> asyncio.subprocess.Process:
        # -P: a file called like a module in the working directory must not be imported instead.
        command = (sys.executable, "-P", "-m", "midcall.media.worker", str(theirs.fileno()), str(os.getpid()))
        return await asyncio.create_subprocess_exec(
            *command,
            msgspec.json.encode(self._options).decode(),
            pass_fds=(theirs.fileno(),),
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )

    async def _bury(self, link: FrameProtocol, ended: asyncio.Event) -> None:
        self._link = None
        link.close()
        await ended.wait()
        assert self.process is not None
        try:
            await asyncio.wait_for(self.process.wait(), _STOP_S)
        except TimeoutError:
            self.process.kill()
            await self.process.wait()
        self.process = None


class WorkerPool:
    """Implements `ports.Media` with one or more worker processes."""

    def __init__(self, options: EngineOptions, *, workers: int = 1) -> None:
        """
        Raises:
            ValueError: less than one worker.
        """
        if workers < 1:
            raise ValueError("a pool has one worker at least")
        self._slots = [_Slot(options, self._on_frame, self._on_death) for _ in range(workers)]
        self._homes: dict[CallSid, _Slot] = {}
        self._connected: set[CallSid] = set()
        self._emit: Callable[[MediaEvent], None] = lambda event: None

    @property
    def pids(self) -> list[int]:
        """Processes that run now."""
        return [slot.process.pid for slot in self._slots if slot.process is not None]

    async def start(self, on_event: Callable[[MediaEvent], None]) -> None:
        """Start the workers without waiting for them: what they are told meanwhile waits in their sockets."""
        self._emit = on_event
        for slot in self._slots:
            slot.start()

    async def close(self) -> None:
        await asyncio.gather(*(slot.stop() for slot in self._slots))

    def do(self, command: MediaCommand) -> None:
        match command:
            case Terminate(leg=leg):
                self._home(leg).do(command)
            case MakeOffer(leg=leg, like=like):
                self._home(leg, beside=like).do(command)
            case Couple(leg=leg, child=child):
                slot = self._home(leg)
                self._homes[child] = slot
                slot.do(command)
            case Link(leg=leg, other=other, like=like):
                slot = self._home(leg, beside=like)
                self._homes[other] = slot
                slot.do(command)
            case CloseMedia(leg=leg):
                slot_or_none = self._homes.pop(leg, None)
                self._connected.discard(leg)
                if slot_or_none is not None:
                    slot_or_none.do(command)
            case _:
                self._to_home(command)

    def _to_home(self, command: MediaCommand) -> None:
        slot = self._homes.get(command.leg)
        other = self._homes.get(command.other) if isinstance(command, Join) else None
        if slot is not None:
            slot.do(command)
        elif isinstance(command, ApplyAnswer):
            self._say(MediaFailed(leg=command.leg, reason="There is no offer to answer."))
        if other is not None and other is not slot:
            # Each worker ignores the leg it does not have and stops the sound of the other.
            other.do(command)
            if slot is not None:
                self._say(MediaFailed(leg=command.leg, reason="The two legs are in different media workers."))

    def _home(self, leg: CallSid, *, beside: CallSid | None = None) -> _Slot:
        """The worker of a leg; a new leg gets that of the one named, or the one with the fewest legs."""
        home = self._homes.get(leg)
        if home is None and beside is not None:
            home = self._homes.get(beside)
        if home is None:
            load = list(self._homes.values())
            home = min(self._slots, key=load.count)
        self._homes[leg] = home
        return home

    def _on_frame(self, slot: _Slot, frame: Frame) -> None:
        if isinstance(frame, LogLine):
            logging.getLogger(frame.logger).log(frame.level, "%s", frame.text)
            return
        if not isinstance(frame, MediaEvent) or self._homes.get(frame.leg) is not slot:
            return
        if isinstance(frame, MediaConnected):
            self._connected.add(frame.leg)
        elif isinstance(frame, MediaLost):
            self._connected.discard(frame.leg)
        self._emit(frame)

    def _on_death(self, slot: _Slot) -> None:
        for leg in [leg for leg, home in self._homes.items() if home is slot]:
            del self._homes[leg]
            if leg in self._connected:
                self._connected.discard(leg)
                self._emit(MediaLost(leg=leg))
            else:
                self._emit(MediaFailed(leg=leg, reason=_DIED))

    def _say(self, event: MediaEvent) -> None:
        asyncio.get_running_loop().call_soon(self._emit, event)
