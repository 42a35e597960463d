"""The gauge of the loop's lateness."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from midcall.app.lag import EVERY_S, REMEMBERED_S, LoopLag
from midcall.telemetry import Metrics


class Alarm:
    """A timer that a test rings, as late as it likes."""

    def __init__(self, ring: Callable[[], None]) -> None:
        self.ring = ring
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class LateClock:
    """A clock whose timers fire when the test says."""

    def __init__(self) -> None:
        self.at = 100.0
        self.alarms: list[Alarm] = []

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> Alarm:
        self.alarms.append(Alarm(callback))
        return self.alarms[-1]

    def ring(self, *, late_s: float) -> None:
        self.at += EVERY_S + late_s
        self.alarms[-1].ring()


def worst(metrics: Metrics) -> float:
    line = next(line for line in metrics.text().splitlines() if line.startswith("midcall_loop_lag_worst_seconds "))
    return float(line.split()[1])


def test_the_worst_lateness_is_shown_until_it_is_long_ago() -> None:
    clock, metrics = LateClock(), Metrics()
    lag = LoopLag(clock, metrics)
    assert worst(metrics) == 0
    lag.start()
    clock.ring(late_s=0.0)
    clock.ring(late_s=0.3)
    clock.ring(late_s=0.002)
    assert worst(metrics) == pytest.approx(0.3)
    assert "midcall_loop_lag_seconds_count 3" in metrics.text()
    for _ in range(int(REMEMBERED_S / EVERY_S)):
        clock.ring(late_s=0.001)
    assert worst(metrics) == pytest.approx(0.001)


def test_a_closed_gauge_asks_for_nothing_more() -> None:
    clock = LateClock()
    lag = LoopLag(clock, Metrics())
    lag.close()
    lag.start()
    lag.close()
    assert [alarm.cancelled for alarm in clock.alarms] == [True]
