"""A clock that stands still until a test turns it: the `Clock` port without waiting."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable
from typing import Final

SETTLE_ROUNDS: Final = 100
"""Loop turns that `settle` gives to tasks which wake each other."""


class ManualTimer:
    """A callback that waits for its time. Cancelling twice, or after it ran, changes nothing."""

    __slots__ = ("_callback",)

    def __init__(self, callback: Callable[[], None]) -> None:
        self._callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        self._callback = None

    @property
    def is_waiting(self) -> bool:
        return self._callback is not None

    def fire(self) -> None:
        callback, self._callback = self._callback, None
        if callback is not None:
            callback()


class ManualClock:
    """Wall and monotonic time that move together, only by `advance`.

    Args:
        start: epoch seconds at the beginning; monotonic time begins at 0.
    """

    def __init__(self, start: float = 1_700_000_000.0) -> None:
        self._start = start
        self._elapsed = 0.0
        self._waiting: list[tuple[float, int, ManualTimer]] = []
        self._order = itertools.count()

    def now(self) -> float:
        return self._start + self._elapsed

    def monotonic(self) -> float:
        return self._elapsed

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> ManualTimer:
        """Run the callback when the clock gets there; when not positive, in the loop's next turn.

        Without a running loop, a callback that is due at once waits for the next `advance`, which may be of 0 seconds.
        """
        timer = ManualTimer(callback)
        heapq.heappush(self._waiting, (self._elapsed + max(0.0, delay_s), next(self._order), timer))
        if delay_s <= 0:
            self._fire_in_the_next_turn()
        return timer

    def _fire_in_the_next_turn(self) -> None:
        try:
            asyncio.get_running_loop().call_soon(self.advance, 0.0)
        except RuntimeError:  # no loop runs
            return

    def advance(self, seconds: float) -> None:
        """Turn the clock, firing what falls due on the way in order of time, each at its own time.

        Callbacks may set further timers; those fire too when they fall due before the end. What callbacks wake on the
        loop has not run when this returns: see `settle`.
        """
        if seconds < 0:
            raise ValueError("time does not go back")
        end = self._elapsed + seconds
        while self._waiting and self._waiting[0][0] <= end:
            due, _, timer = heapq.heappop(self._waiting)
            self._elapsed = max(self._elapsed, due)
            timer.fire()
        self._elapsed = max(self._elapsed, end)  # a callback may have turned the clock further

    @property
    def next_due(self) -> float | None:
        """Seconds until the next timer that was not cancelled; None when nothing waits."""
        while self._waiting and not self._waiting[0][2].is_waiting:
            heapq.heappop(self._waiting)
        return self._waiting[0][0] - self._elapsed if self._waiting else None

    async def settle(self) -> None:
        """Let tasks and callbacks that can run now run. Does not wait for threads or sockets."""
        for _ in range(SETTLE_ROUNDS):
            await asyncio.sleep(0)
