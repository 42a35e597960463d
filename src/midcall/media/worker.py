"""A media worker: `python -m midcall.media.worker FD OPTIONS`, an `AiortcEngine` at the other end of a socket.

Started by `WorkerPool` only. It ends when the socket ends, and the kernel ends it when its parent dies.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import logging
import os
import signal
import socket
import sys
from typing import Final

import msgspec

from midcall.media.engine import AiortcEngine
from midcall.media.frames import Frame, FrameProtocol, LogLine
from midcall.media.options import EngineOptions
from midcall.media.tidying import Tidier, freeze, give_back
from midcall.ports import CloseMedia, MediaCommand, MediaEvent

_PR_SET_PDEATHSIG: Final = 1
_CLOSE_S: Final = 2.0
_LOG_CAP: Final = 256 * 1024
_LOG_LINE_CAP: Final = 8 * 1024


class _LogSender(logging.Handler):
    """Hands log records to the control process, which knows how they should look."""

    def __init__(self, link: FrameProtocol) -> None:
        super().__init__(logging.INFO)
        self._link = link

    def emit(self, record: logging.LogRecord) -> None:
        if self._link.unsent < _LOG_CAP:
            text = self.format(record)[:_LOG_LINE_CAP]
            self._link.send(LogLine(logger=record.name, level=record.levelno, text=text))


def die_with_parent(parent: int) -> None:
    """Ask the kernel to end this process with its parent; end at once when the parent is gone already."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(0)


async def run(link_socket: socket.socket, options: EngineOptions) -> None:
    """Serve until the socket ends."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    engine = AiortcEngine(options)
    tidier = Tidier(loop.call_later, give_back)

    def on_frame(frame: Frame) -> None:
        if isinstance(frame, MediaCommand):
            engine.do(frame)
        if isinstance(frame, CloseMedia):
            tidier.call_ended()

    link = FrameProtocol(on_frame, ended.set)
    await engine.start(lambda event: _say(link, event))
    await loop.create_unix_connection(lambda: link, sock=link_socket)
    # aioice tells each step of each connection at this level.
    logging.getLogger("aioice").setLevel(logging.WARNING)
    logging.basicConfig(level=logging.INFO, handlers=[_LogSender(link)])
    freeze()
    await ended.wait()
    with contextlib.suppress(TimeoutError):  # nobody is left to tell
        await asyncio.wait_for(engine.close(), _CLOSE_S)


def _say(link: FrameProtocol, event: MediaEvent) -> None:
    link.send(event)


def main(arguments: list[str]) -> None:
    """Take over the inherited socket and serve on it."""
    # Whoever stops the server decides when media ends: a drain may go on after the terminal's Ctrl-C.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    descriptor, parent, options = arguments
    die_with_parent(int(parent))
    link = socket.socket(fileno=int(descriptor))
    if sys.platform == "linux":
        import uvloop  # only required there

        runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
    else:
        runner = asyncio.Runner()
    with runner:
        runner.run(run(link, msgspec.json.decode(options, type=EngineOptions)))


if __name__ == "__main__":
    main(sys.argv[1:])
