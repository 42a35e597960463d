"""How late the event loop is: what every client of a server waits for on top of its own work."""

from __future__ import annotations

from collections import deque
from typing import Final

from midcall.ports import Clock, Timer
from midcall.telemetry import Metrics

EVERY_S: Final = 0.25
REMEMBERED_S: Final = 10.0
_KEPT: Final = int(REMEMBERED_S / EVERY_S)


class LoopLag:
    """Asks to be called in a moment, and notes how much later that was. Costs four timers a second."""

    def __init__(self, clock: Clock, metrics: Metrics) -> None:
        self._clock = clock
        self._late = deque([0.0] * _KEPT, maxlen=_KEPT)
        self._timer: Timer | None = None
        self._due = 0.0
        self._seconds = metrics.histogram("midcall_loop_lag_seconds", "How late the event loop runs what is due.")
        metrics.gauge(
            "midcall_loop_lag_worst_seconds",
            f"The latest that the event loop was in the last {REMEMBERED_S:g} seconds.",
            lambda: max(self._late),
        )

    def start(self) -> None:
        """Measure until `close`."""
        self._due = self._clock.monotonic() + EVERY_S
        self._timer = self._clock.call_later(EVERY_S, self._tick)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _tick(self) -> None:
        late = max(0.0, self._clock.monotonic() - self._due)
        self._late.append(late)
        self._seconds.observe(late)
        self.start()
