"""Events of devices and calls: `on`, `once`, `off` and an awaitable `wait_for`, with the names JavaScript uses.

Plain functions run at once, in the order of the frames that caused them; coroutine functions run as tasks that the
device owns. A handler that raises is logged and stops nobody else.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, ClassVar, Final, TypeVar

log = logging.getLogger("midcall.sdk")

Handler = Callable[..., Any]
H = TypeVar("H", bound=Handler)

FINISH_S: Final = 2.0
"""How long work that should finish may take when its owner closes."""


class Tasks:
    """Background work with an owner: whatever still runs when the owner closes is cancelled and awaited."""

    def __init__(self) -> None:
        self._running: dict[asyncio.Task[Any], None] = {}  # in the order of their births: a set's order is chance

    def spawn(self, work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        """Run a coroutine; an exception in it is logged."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._running[task] = None
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._running.pop(task, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("%s failed", task.get_name(), exc_info=error)

    async def finish(self) -> None:
        """Await what runs, for a while, then close."""
        if self._running:
            await asyncio.wait(self._running, timeout=FINISH_S)
        await self.close()

    async def close(self, *, spare: asyncio.Task[Any] | None = None) -> None:
        """Cancel and await what is left, except the task that asks, and one more."""
        rest = [task for task in self._running if task not in (asyncio.current_task(), spare)]
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)


class Emitter:
    """Base of `Device` and `Call`. Subclasses name their events in EVENTS; any other name is a ValueError."""

    EVENTS: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, tasks: Tasks) -> None:
        self._tasks = tasks
        self._handlers: dict[str, list[Handler]] = {}
        self._waiters: dict[str, list[tuple[asyncio.Future[Any], Callable[..., bool] | None]]] = {}

    def on(self, event: str, handler: H) -> H:
        """Call the handler (a function or a coroutine function) at each event; returns the handler."""
        self._known(event)
        self._handlers.setdefault(event, []).append(handler)
        return handler

    def once(self, event: str, handler: Handler) -> Handler:
        """Call the handler at the next event only; returns what `off` takes."""

        def single(*arguments: Any) -> Any:
            self.off(event, single)
            return handler(*arguments)

        return self.on(event, single)

    def off(self, event: str, handler: Handler) -> None:
        """Call the handler no more; unknown handlers are ignored."""
        self._known(event)
        handlers = self._handlers.get(event, [])
        if handler in handlers:
            handlers.remove(handler)

    def wait_for(
        self, event: str, *, where: Callable[..., bool] | None = None, timeout: float | None = None
    ) -> asyncio.Future[Any]:
        """The next event, as a future that listens from this moment on, awaited now or later.

        Args:
            event: the event's name.
            where: a predicate over the event's arguments; events that do not fit are passed by.
            timeout: seconds, after which the future raises TimeoutError.

        Returns:
            None for an event without arguments, the argument of an event with one, otherwise a tuple. An event that
            cannot come any more, because the call has ended or the device is destroyed, raises InvalidStateError; what
            the predicate raises is raised here.
        """
        self._known(event)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        entry = (future, where)
        self._waiters.setdefault(event, []).append(entry)
        alarm = loop.call_later(timeout, self._time_out, event, future, timeout) if timeout is not None else None

        def finished(_: asyncio.Future[Any]) -> None:
            if alarm is not None:
                alarm.cancel()
            if entry in (waiting := self._waiters.get(event, [])):
                waiting.remove(entry)

        future.add_done_callback(finished)
        if (reason := self._never(event)) is not None:
            _fail(future, reason)
        return future

    def remove_all_listeners(self) -> None:
        """Forget all handlers."""
        self._handlers.clear()

    def emit(self, event: str, *arguments: Any) -> None:
        """Tell everybody who listens."""
        self._known(event)
        for future, where in list(self._waiters.get(event, ())):
            if not future.done():
                _tell(future, where, arguments)
        for handler in list(self._handlers.get(event, ())):
            self._run(event, handler, arguments)

    def _run(self, event: str, handler: Handler, arguments: tuple[Any, ...]) -> None:
        try:
            result = handler(*arguments)
        except Exception:
            log.exception("a handler of %r failed", event)
            return
        if inspect.isawaitable(result):
            self._tasks.spawn(_finish(result), f"a handler of {event!r}")

    def _listened(self, event: str) -> bool:
        waiting = any(not future.done() for future, _ in self._waiters.get(event, ()))
        return waiting or bool(self._handlers.get(event))

    def _never(self, event: str) -> Exception | None:
        """Why the event cannot come any more; None while it can."""
        return None

    def _give_up_waiting(self) -> None:
        """Fail the waiters of events that cannot come any more, in an order that no hash decides."""
        for event, waiters in list(self._waiters.items()):
            if (reason := self._never(event)) is not None:
                for future, _ in list(waiters):
                    _fail(future, reason)

    @staticmethod
    def _time_out(event: str, future: asyncio.Future[Any], timeout: float) -> None:
        if not future.done():
            future.set_exception(TimeoutError(f"no {event!r} within {timeout:g} s"))

    def _known(self, event: str) -> None:
        if event not in self.EVENTS:
            raise ValueError(f"no event {event!r}; there are {', '.join(sorted(self.EVENTS))}")


def _tell(future: asyncio.Future[Any], where: Callable[..., bool] | None, arguments: tuple[Any, ...]) -> None:
    """Resolve a waiter, if the event fits. A predicate that raises harms nobody but who waits with it."""
    try:
        if where is None or where(*arguments):
            future.set_result(arguments[0] if len(arguments) == 1 else arguments or None)
    except Exception as error:
        future.set_exception(error)


def _fail(future: asyncio.Future[Any], reason: Exception) -> None:
    if not future.done():
        future.set_exception(reason)
        future.exception()  # seen: a waiter that nobody awaits is not worth a log line


async def _finish(work: Awaitable[Any]) -> None:
    await work
