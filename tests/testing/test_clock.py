"""The clock that tests turn by hand."""

from __future__ import annotations

import asyncio

import pytest

from midcall.testing.clock import ManualClock


def test_time_stands_still_until_it_is_turned() -> None:
    clock = ManualClock(start=100.0)
    assert (clock.now(), clock.monotonic()) == (100.0, 0.0)
    clock.advance(2.5)
    assert (clock.now(), clock.monotonic()) == (102.5, 2.5)
    with pytest.raises(ValueError, match="back"):
        clock.advance(-1)


def test_callbacks_fire_in_order_of_time_each_at_its_own_time() -> None:
    clock = ManualClock(start=0.0)
    fired: list[tuple[str, float]] = []
    for name, delay in (("late", 5), ("early", 1), ("same as early", 1), ("never", 11)):
        clock.call_later(delay, lambda name=name: fired.append((name, clock.now())))
    clock.advance(10)
    assert fired == [("early", 1), ("same as early", 1), ("late", 5)]
    assert clock.now() == 10
    assert clock.next_due == 1


def test_a_callback_may_set_another_that_is_due_in_the_same_turn() -> None:
    clock = ManualClock()
    beats: list[float] = []

    def beat() -> None:
        beats.append(clock.monotonic())
        clock.call_later(3, beat)

    clock.call_later(3, beat)
    clock.advance(10)
    assert beats == [3, 6, 9]


def test_a_cancelled_timer_does_not_fire_and_waits_no_more() -> None:
    clock = ManualClock()
    timer = clock.call_later(1, lambda: pytest.fail("fired"))
    timer.cancel()
    assert clock.next_due is None
    clock.advance(2)
    timer.cancel()


def test_a_callback_that_turns_the_clock_itself_does_not_turn_it_back() -> None:
    clock = ManualClock()
    clock.call_later(1, lambda: clock.advance(10))
    clock.advance(2)
    assert clock.monotonic() == 11


async def test_what_is_due_at_once_runs_in_the_next_turn_of_the_loop() -> None:
    clock = ManualClock()
    fired: list[str] = []
    clock.call_later(0, lambda: fired.append("now"))
    clock.call_later(-1, lambda: fired.append("then"))
    assert fired == []
    await clock.settle()
    assert fired == ["now", "then"]


def test_without_a_loop_what_is_due_at_once_waits_for_the_next_turn_of_the_clock() -> None:
    clock = ManualClock()
    fired: list[str] = []
    clock.call_later(0, lambda: fired.append("now"))
    clock.advance(0)
    assert fired == ["now"]


async def test_settle_lets_tasks_that_wake_each_other_run() -> None:
    clock = ManualClock()
    steps = 0

    async def step() -> None:
        nonlocal steps
        for _ in range(20):
            await asyncio.sleep(0)
            steps += 1

    task = asyncio.ensure_future(step())
    await clock.settle()
    assert steps == 20
    await task
