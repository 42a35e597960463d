"""An event loop in a thread, and what programs without one need to talk to it: for `midcall.sdk.sync`."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine, Set
from typing import Any, Final, TypeVar

from midcall.sdk.errors import InvalidStateError
from midcall.sdk.events import Emitter

T = TypeVar("T")

log = logging.getLogger("midcall.sdk")

MAX_KEPT: Final = 1000
"""Events of one name that are kept for `wait_for`; the oldest are forgotten."""
MAX_WAITING: Final = 1000
"""Events that wait for the thread of handlers; more are left out, and logged."""
JOIN_S: Final = 5.0


class Background:
    """A loop in one thread, and a second thread in which handlers run one after the other."""

    def __init__(self, name: str) -> None:
        """Starts both. They do not keep a program alive that forgets to close them."""
        self._loop = asyncio.new_event_loop()
        self._work: queue.Queue[tuple[str, Callable[..., Any], tuple[Any, ...]] | None] = queue.Queue(MAX_WAITING)
        self._running = True
        self._threads = [
            threading.Thread(target=self._run_loop, name=f"{name}: loop", daemon=True),
            threading.Thread(target=self._run_handlers, name=f"{name}: handlers", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    @property
    def is_running(self) -> bool:
        """Whether it has not been closed."""
        return self._running

    def run(self, work: Coroutine[Any, Any, T], *, timeout: float | None = None) -> T:
        """Let the loop do something, and wait for it; given up after so many seconds, or by Control-C, it is cancelled.

        Raises:
            TimeoutError: it took too long.
            InvalidStateError: the loop has ended.
        """
        if not self._running or threading.current_thread() is self._threads[0]:
            work.close()
            raise InvalidStateError("the device has been destroyed" if not self._running else "this is the loop itself")
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(timeout)
        except concurrent.futures.TimeoutError:
            if future.done():  # the work's own
                raise
            future.cancel()
            raise TimeoutError(f"not done within {timeout:g} s") from None
        except BaseException:
            future.cancel()
            raise

    def call(self, function: Callable[[], T]) -> T:
        """Call a function on the loop; here, when the loop has ended or is what asks."""
        if not self._running or threading.current_thread() is self._threads[0]:
            return function()

        async def called() -> T:
            return function()

        return self.run(called())

    def handle(self, what: str, handler: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        """Let the second thread call a handler, after those before it."""
        try:
            self._work.put_nowait((what, handler, arguments))
        except queue.Full:
            log.warning("%s is left out: %d events wait", what, MAX_WAITING)

    def close(self) -> None:
        """End both threads. Handlers that wait are still called, if they let the thread come to its end in time."""
        if not self._running:
            return
        self._running = False
        self._loop.call_soon_threadsafe(self._loop.stop)
        with contextlib.suppress(queue.Full):
            self._work.put(None, timeout=JOIN_S)
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(JOIN_S)

    def _run_loop(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
            left = asyncio.all_tasks(self._loop)
            for task in left:
                task.cancel()
            self._loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
        finally:
            self._loop.close()

    def _run_handlers(self) -> None:
        while (item := self._work.get()) is not None:
            what, handler, arguments = item
            try:
                handler(*arguments)
            except Exception:
                log.exception("%s failed", what)


class Kept:
    """Events that happened, for whoever asks for them, later or soon."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._events: dict[str, deque[tuple[Any, ...]]] = {}
        self._over: tuple[Exception, frozenset[str]] | None = None

    def put(self, name: str, arguments: tuple[Any, ...]) -> None:
        """An event happened."""
        with self._condition:
            self._events.setdefault(name, deque(maxlen=MAX_KEPT)).append(arguments)
            self._condition.notify_all()

    def end(self, error: Exception, names: Set[str]) -> None:
        """Events of these names cannot come any more."""
        with self._condition:
            self._over = error, frozenset(names)
            self._condition.notify_all()

    def take(self, name: str, fits: Callable[..., bool], timeout: float | None) -> tuple[Any, ...]:
        """The oldest event that fits, which is nobody else's from then on; waits for one.

        Raises:
            TimeoutError: none came within so many seconds.
        """
        until = time.monotonic() + timeout if timeout is not None else None
        with self._condition:
            while True:
                events = self._events.get(name, ())
                for index, arguments in enumerate(events):
                    if fits(*arguments):
                        del self._events[name][index]
                        return arguments
                if self._over is not None and name in self._over[1]:
                    raise self._over[0]
                left = until - time.monotonic() if until is not None else None
                if left is not None and left <= 0:
                    raise TimeoutError(f"no {name!r} within {timeout:g} s")
                self._condition.wait(left)


class Events:
    """Events of a device or a call: kept for `wait_for`, handed to handlers."""

    def __init__(self, background: Background, source: Emitter, wrap: Callable[[Any], Any]) -> None:
        """On the loop, before the source can have told anything."""
        self._background = background
        self._source = source
        self._wrap = wrap
        self._kept = Kept()
        self._handlers: dict[str, list[Callable[..., Any]]] = {}
        for name in map(str, source.EVENTS):
            source.on(name, lambda *arguments, name=name: self._happened(name, arguments))

    def on(self, event: str, handler: Callable[..., Any]) -> Callable[..., Any]:
        """Call the handler at each event from now on, in the thread of handlers; returns the handler."""
        self._must_know(event)
        self._handlers.setdefault(event, []).append(handler)
        return handler

    def once(self, event: str, handler: Callable[..., Any]) -> Callable[..., Any]:
        """Call the handler at the next event only; returns what `off` takes."""

        def single(*arguments: Any) -> Any:
            self.off(event, single)
            return handler(*arguments)

        return self.on(event, single)

    def off(self, event: str, handler: Callable[..., Any]) -> None:
        """Call the handler no more; unknown handlers are ignored."""
        self._must_know(event)
        handlers = self._handlers.get(event, [])
        if handler in handlers:
            handlers.remove(handler)

    def remove_all_listeners(self) -> None:
        """Forget all handlers."""
        self._handlers.clear()

    def wait_for(self, event: str, *, where: Callable[..., bool] | None = None, timeout: float | None = None) -> Any:
        """The next event that was not waited for before, past or to come.

        Args:
            event: the event's name.
            where: a predicate over the event's arguments; events that do not fit stay for others.
            timeout: seconds.

        Returns:
            None for an event without arguments, the argument of an event with one, otherwise a tuple.

        Raises:
            TimeoutError: there was none in time.
            InvalidStateError: there is none and cannot be one, because the call has ended or the device is destroyed.
        """
        self._must_know(event)
        arguments = self._kept.take(event, where or (lambda *_: True), timeout)
        return arguments[0] if len(arguments) == 1 else arguments or None

    def _happened(self, name: str, arguments: tuple[Any, ...]) -> None:
        """On the loop."""
        told = tuple(self._wrap(argument) for argument in arguments)
        self._kept.put(name, told)
        for handler in list(self._handlers.get(name, ())):
            self._background.handle(f"a handler of {name!r}", handler, told)
        self._after(name)

    def _after(self, name: str) -> None:
        """On the loop, after an event."""

    def _must_know(self, event: str) -> None:
        if event not in self._source.EVENTS:
            raise ValueError(f"no event {event!r}; there are {', '.join(sorted(self._source.EVENTS))}")
