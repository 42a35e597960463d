"""An event loop that stands still: its callbacks run when the driver says so, its time is the manual clock's.

One loop is one server process. When the process is killed, whatever waits in the loop never runs, and the loop is
thrown away; the world outside (clients, customers, network, disk) lives on in the clock.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Final

from midcall.testing.clock import ManualClock

BURIAL_ROUNDS: Final = 200


class Handle:
    """A callback in the loop's queue."""

    __slots__ = ("args", "callback", "context")

    def __init__(self, callback: Callable[..., object] | None, args: tuple[Any, ...], context: contextvars.Context):
        self.callback = callback
        self.args = args
        self.context = context

    def cancel(self) -> None:
        self.callback = None

    def cancelled(self) -> bool:
        return self.callback is None


class Process(asyncio.AbstractEventLoop):
    """The loop of one server process, and a Clock for it that dies with it."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.ready: deque[Handle] = deque()
        self.dead = False
        self.complaints: list[str] = []

    # what the driver does

    def run_one(self) -> None:
        """Run the oldest callback that is ready."""
        handle = self.ready.popleft()
        if handle.callback is not None:
            handle.context.run(handle.callback, *handle.args)

    def kill(self) -> None:
        """From now on the driver runs nothing of this."""
        self.dead = True

    def bury(self) -> None:
        """Cancel what a killed process has left, so that no coroutine is collected in the middle of its work.

        Tasks end in any order. So nothing that happens here may have an effect, nor use up any chance: whatever leads
        out of the process asks first whether it is dead.
        """
        assert self.dead
        asyncio._set_running_loop(self)
        try:
            for _ in range(BURIAL_ROUNDS):
                tasks = asyncio.all_tasks(self)
                if not tasks:
                    return
                for task in tasks:
                    task.cancel()
                while self.ready:
                    self.run_one()
        finally:
            asyncio._set_running_loop(None)
        raise AssertionError(f"tasks that cannot be cancelled: {tasks}")

    # Clock

    def now(self) -> float:
        return self.clock.now()

    def monotonic(self) -> float:
        return self.clock.monotonic()

    # AbstractEventLoop, as far as the product uses it

    def time(self) -> float:
        return self.clock.monotonic()

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return not self.dead

    def is_closed(self) -> bool:
        return False

    def call_soon(
        self, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> Handle:
        handle = Handle(callback, args, context or contextvars.copy_context())
        self.ready.append(handle)
        return handle

    call_soon_threadsafe = call_soon

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any, context: Any = None) -> Any:
        """Both asyncio's timer and the Clock port's."""
        return _Timer(self, callback, args, context, delay)

    def call_at(self, when: float, callback: Callable[..., object], *args: Any, context: Any = None) -> Any:
        return self.call_later(when - self.clock.monotonic(), callback, *args, context=context)

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(
        self, coro: Coroutine[Any, Any, Any], *, name: object = None, context: Any = None
    ) -> asyncio.Task[Any]:
        return asyncio.Task(coro, loop=self, name=name or "task", context=context)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        if not self.dead:
            self.complaints.append(f"{context.get('message')}: {context.get('exception')!r}")


class _Timer:
    """A timer that puts its callback into the loop, so that the process may be killed between any two callbacks."""

    __slots__ = ("_args", "_callback", "_context", "_handle", "_process", "_timer")

    def __init__(
        self, process: Process, callback: Callable[..., object], args: tuple[Any, ...], context: Any, delay: float
    ) -> None:
        self._process = process
        self._callback = callback
        self._args = args
        self._context = context or contextvars.copy_context()
        self._handle: Handle | None = None
        self._timer: Any = None
        if delay <= 0:
            self._fire()
        else:
            self._timer = process.clock.call_later(delay, self._fire)

    def _fire(self) -> None:
        if not self._process.dead:
            self._handle = Handle(self._callback, self._args, self._context)
            self._process.ready.append(self._handle)

    def cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._handle is not None:
            self._handle.cancel()
