"""An event loop whose time is virtual: when nothing can run, the clock jumps to what is scheduled next.

One loop is one world: the server, its clients and the application under test run on it, and reach each other through
its `network`. Threads that the loop starts are counted: while one of them works, the clock stands and real time passes.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import selectors
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, Final, TypeVar, TypeVarTuple, Unpack

from midcall.testing.loop_diagnosis import EverybodyWaits, awaited, describe_tasks, describe_threads
from midcall.testing.loop_patches import patched
from midcall.testing.loop_threads import only_waits
from midcall.testing.loop_wall import Wall
from midcall.testing.network import Network
from midcall.testing.network_loop import NetworkLoop
from midcall.testing.network_threads import Doors, calling_from

__all__ = ["EverybodyWaits", "VirtualLoop"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

START: Final = 1_767_225_600.0
"""Epoch seconds at which a virtual world begins: 2026-01-01T00:00:00Z."""
PATIENCE_S: Final = 6 * 3_600.0
STUCK_S: Final = 40.0
RESOLUTION_S: Final = 1e-6
LOOK_S: Final = 0.01
"""Real seconds between two looks at threads that hold up the clock."""
LOOKS: Final = 2
"""So often in a row a thread has to be seen waiting before the clock goes on without it."""


class VirtualLoop(NetworkLoop, asyncio.SelectorEventLoop):
    """An asyncio loop in virtual time.

    Args:
        seed: of everything random in this world; parts draw from generators of their own made from it.
        start: epoch seconds at which the world begins; `time()` itself begins at 0.
        patience_s: virtual seconds for which the main task may wait for one thing while others do only what they
            have done all the time, such as heartbeats; then `EverybodyWaits` is raised in it. A timer that was set
            before the waiting began (a sleep of weeks) is waited for, however long.
        stuck_s: real seconds for which threads may hold up the clock without anything happening.

    Raises:
        ImportError: a package of the extra `testing` is missing.
    """

    # What BaseEventLoop keeps, and this class looks at.
    _scheduled: list[asyncio.TimerHandle]
    _default_executor: concurrent.futures.ThreadPoolExecutor | None
    _closed = True  # until it is a loop: one that could not be made has nothing to close when it is collected

    def __init__(
        self,
        *,
        seed: int | str = 0,
        start: float = START,
        patience_s: float = PATIENCE_S,
        stuck_s: float = STUCK_S,
    ) -> None:
        self._now = 0.0
        self.seed = seed
        self.start = start
        self.patience_s = patience_s
        self.stuck_s = stuck_s
        self.jumps = 0
        """How often the clock has moved."""
        self._working: dict[object, int | None] = {}
        self._main: asyncio.Future[Any] | None = None
        self._verdict: EverybodyWaits | None = None
        self._waits_for: object = None
        self._waits_since = 0.0
        self._set_before: list[asyncio.TimerHandle] = []
        self._awaited: tuple[object, ...] = ()
        self._stands_since: float | None = None
        self._waiting_looks = 0
        self._wall = Wall(start)
        super().__init__(_Jumping(self))
        # Timers so near each other fire together. Finer than what a float can tell after years, the loop would hang.
        self._clock_resolution = RESOLUTION_S
        self.network: Network = Network(self)
        self.doors = Doors(self)

    # ------------------------------------------------------------------------------------------------------- time

    def time(self) -> float:
        """Virtual seconds since the world began."""
        return self._now

    def now(self) -> float:
        """Epoch seconds of the virtual world, which is also what `time.time()` says while the loop runs."""
        return self.start + self._now

    def go_on(self) -> None:
        """Nothing can run: jump to the next timer, or say that there is none. For the selector."""
        if not self._scheduled:
            self._give_up("everybody waits and nothing is scheduled")
            return
        when = self._scheduled[0].when()
        if when <= self._now:
            return
        if self._waits_in_vain(when):
            self._give_up(f"the test waits, and for {self.patience_s:g} s of virtual time only routine work was done")
            return
        self._now = when
        self.jumps += 1
        self._wall.move_to(self.start + when)

    def _waits_in_vain(self, when: float) -> bool:
        """Whether the main task waits for the same thing since long, and every timer was set after it began to."""
        waits_for = getattr(self._main, "_fut_waiter", None)
        if waits_for is not self._waits_for or waits_for is None:
            self._note_waiting(waits_for)
            return False
        waited = when - self._waits_since
        if waited <= self.patience_s / 2 or self._main is None:
            return False
        deep = awaited(self._main)
        if deep != self._awaited:
            if self._awaited:  # a task that it waits for has got on
                self._note_waiting(waits_for)
            self._awaited = deep
            return False
        if waited <= self.patience_s:
            return False
        self._set_before = [handle for handle in self._set_before if handle._scheduled and not handle.cancelled()]  # type: ignore[attr-defined]
        return not self._set_before

    def _note_waiting(self, waits_for: object) -> None:
        self._waits_for, self._waits_since = waits_for, self._now
        self._set_before = list(self._scheduled)
        self._awaited = ()

    def _give_up(self, why: str) -> None:
        """End the main task with a diagnosis."""
        tasks = [task for task in asyncio.all_tasks(self) if not task.done()]
        threads = [ident for ident in self._working.values() if ident is not None]
        parts = [
            f"{why} (virtual time {self._now:.3f} s)",
            describe_tasks(tasks, self._main),
            describe_threads(threads),
        ]
        verdict = EverybodyWaits("\n".join(part for part in parts if part))
        if self._main is None or self._main.done() or self._verdict is not None:
            raise verdict
        self._verdict = verdict
        self._main.cancel()

    # ----------------------------------------------------------------------------------------------------- running

    def run_forever(self) -> None:
        """Run until `stop`. Meanwhile the process has the virtual wall clock, and threads find the virtual network."""
        with ExitStack() as held:
            held.enter_context(_alone(self))
            self._wall.begin()
            held.callback(self._wall.end)
            held.enter_context(patched(self))
            super().run_forever()

    def run_until_complete(self, future: Any) -> Any:
        """Run until the future is done.

        Raises:
            EverybodyWaits: it never will be.
        """
        future = asyncio.ensure_future(future, loop=self)
        self._main, before = future, self._main
        self._verdict = self._waits_for = None
        try:
            result = super().run_until_complete(future)
        except asyncio.CancelledError as cancelled:
            if self._verdict is not None:
                raise self._verdict from cancelled  # whose traceback shows the line that waited
            raise
        finally:
            self._main = before
        if self._verdict is not None:
            raise self._verdict
        return result

    async def shutdown_asyncgens(self) -> None:
        """What runners do before they close the loop; the doors of threads are shut with it."""
        await super().shutdown_asyncgens()
        await self.doors.shut()

    def close(self) -> None:
        if not self.is_closed():
            self.network.close()
        super().close()

    # ----------------------------------------------------------------------------------------------------- threads

    @property
    def threads(self) -> int:
        """Threads, and others, that hold up the clock now."""
        return len(self._working)

    @contextmanager
    def standing_clock(self) -> Iterator[None]:
        """While the block runs, real time passes and the virtual clock stands: for whoever waits for the real world."""
        ticket = object()
        self._working[ticket] = None
        try:
            yield
        finally:
            del self._working[ticket]

    def run_in_executor(
        self, executor: concurrent.futures.Executor | None, func: Callable[[Unpack[Ts]], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """Run it in a thread; the clock stands until it has returned."""
        if executor is None:
            if self._default_executor is None:
                self.set_default_executor(concurrent.futures.ThreadPoolExecutor(thread_name_prefix="asyncio"))
            self._check_default_executor()  # type: ignore[attr-defined]
            executor = self._default_executor
        assert executor is not None
        ticket = object()
        self._working[ticket] = None
        try:
            work = executor.submit(partial(self._work, ticket, func, *args))
        except BaseException:
            del self._working[ticket]
            raise
        future = asyncio.wrap_future(work, loop=self)
        # After the future's own callback: the clock must not jump between the end of the thread and its result.
        work.add_done_callback(lambda _: self._when_ended(ticket))
        return future

    async def shutdown_default_executor(self, *args: Any) -> None:
        """Wait in real time for the threads to end."""
        with self.standing_clock():
            await super().shutdown_default_executor(*args)

    def _work(self, ticket: object, func: Callable[[Unpack[Ts]], T], *args: *Ts) -> T:
        if ticket in self._working:  # nobody has given up waiting
            self._working[ticket] = threading.get_ident()
        with calling_from(self):
            return func(*args)

    @contextmanager
    def counted(self, func: Callable[..., T]) -> Iterator[Callable[..., T]]:
        """For libraries with threads of their own: the clock stands in the block; a thread runs what it gives."""
        ticket = object()
        self._working[ticket] = None
        try:
            yield partial(self._work, ticket, func)
        finally:
            self._working.pop(ticket, None)

    def _when_ended(self, ticket: object) -> None:
        try:
            self.call_soon_threadsafe(self._working.pop, ticket, None)
        except RuntimeError:  # the loop has been closed: nobody counts any more
            return

    def stand(self) -> bool:
        """Whether a thread that works keeps the clock from moving. For the selector."""
        if all(ident is not None and only_waits(ident, self.doors.ports) for ident in list(self._working.values())):
            self._waiting_looks += 1
            if self._waiting_looks >= LOOKS:
                self._stands_since = None
                return False
            return True
        self._waiting_looks = 0
        real = time.monotonic()
        if self._stands_since is None:
            self._stands_since = real
        elif real - self._stands_since > self.stuck_s:
            self._stands_since = None
            self._give_up(f"the clock has stood for {self.stuck_s:g} s of real time because a thread works")
        return True

    def has_moved(self) -> None:
        """Something has happened, here or in the real world. For the selector."""
        self._stands_since = None
        self._waiting_looks = 0


_running: list[VirtualLoop] = []


@contextmanager
def _alone(loop: VirtualLoop) -> Iterator[None]:
    """The wall clock and the names of threads belong to one loop at a time.

    Raises:
        RuntimeError: another virtual loop runs in this process.
    """
    if _running:
        raise RuntimeError("another virtual loop runs in this process, and there is only one wall clock")
    _running.append(loop)
    try:
        yield
    finally:
        _running.remove(loop)


class _Jumping(selectors.BaseSelector):
    """Waits for nothing: looks what is ready, and lets the loop's clock jump when nothing is."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self._real = selectors.DefaultSelector()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        loop = self._loop
        if loop.threads and timeout != 0:
            events = self._real.select(LOOK_S)
        else:
            events = self._real.select(0)
        if events or timeout == 0:
            loop.has_moved()
        elif not (loop.threads and loop.stand()):
            loop.go_on()
        return events

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.modify(fileobj, events, data)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()

    def close(self) -> None:
        self._real.close()


def run(main: Coroutine[Any, Any, T], *, seed: int | str = 0, **options: Any) -> T:
    """Run a coroutine in a virtual world of its own, from its beginning to its end.

    Args:
        main: the coroutine.
        seed: decides everything random; the same seed gives the same run, for applications that are all async.
        options: of `VirtualLoop`.
    """
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(seed=seed, **options)) as runner:
        return runner.run(main)
