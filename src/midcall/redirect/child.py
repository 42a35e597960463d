"""A command in the foreground while something runs beside it: the terminal, signals and the exit status are its own."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Final, TypeVar

T = TypeVar("T")

NOT_FOUND: Final = 127
NOT_EXECUTABLE: Final = 126
"""As shells and env(1) answer."""

_PASSED: Final = frozenset(
    {signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2}
)
_IGNORED_BY_PYTHON: Final = (signal.SIGPIPE, signal.SIGXFSZ)
_FROM_KERNEL: Final = 0x80
"""`si_code` of what a terminal sends (SI_KERNEL), to the whole foreground group: the command has it already."""


@contextmanager
def signals_kept() -> Iterator[set[signal.Signals]]:
    """Keep the signals that `run` waits for from acting on this process and on threads started inside; the old mask."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _PASSED | {signal.SIGCHLD})
    try:
        yield {signal.Signals(number) for number in before}
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def run(command: Sequence[str], environment: Mapping[str, str], mask: set[signal.Signals]) -> int:
    """Start a command in this process group, pass signals on, wait until it ends; inside `signals_kept` only.

    Args:
        mask: the signals that the command begins with blocked.

    Returns:
        Its exit status, 128 + n when signal n ended it, as shells have it.

    Raises:
        OSError: it cannot be started.
    """
    if (early := signal.sigpending() & _PASSED) and (number := signal.sigwait(early)):
        return 128 + number  # somebody has changed his mind before there was anything to stop
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # who started us may ignore it, and no status would be kept for us
    pid = os.posix_spawnp(command[0], list(command), environment, setsigmask=mask, setsigdef=_IGNORED_BY_PYTHON)
    while True:
        caught = signal.sigwaitinfo(_PASSED | {signal.SIGCHLD})
        if caught.si_signo == signal.SIGCHLD:
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                code = os.waitstatus_to_exitcode(status)
                return code if code >= 0 else 128 - code
        elif caught.si_code != _FROM_KERNEL:
            os.kill(pid, caught.si_signo)


@contextmanager
def beside(service: AbstractAsyncContextManager[T]) -> Iterator[T]:
    """Run an asynchronous service in a thread of its own for as long as the block lasts; what it yields.

    Raises:
        Exception: whatever kept it from starting.
    """
    started: list[T] = []
    failed: list[Exception] = []
    ready, loop, stop = threading.Event(), asyncio.new_event_loop(), asyncio.Event()

    async def live() -> None:
        try:
            async with service as value:
                started.append(value)
                ready.set()
                await stop.wait()
        except Exception as error:
            failed.append(error)
        finally:
            ready.set()

    def work() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(live())

    thread = threading.Thread(target=work, name="proxy", daemon=True)
    thread.start()
    ready.wait()
    try:
        if failed:
            raise failed[0]
        yield started[0]
    finally:
        if thread.is_alive():
            loop.call_soon_threadsafe(stop.set)
        thread.join()
