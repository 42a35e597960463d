"""The worker without a thread: the same order and the same groups, when the clock says so."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from midcall.core.errors import Refused
from midcall.storage.inline import InlineWorker
from midcall.storage.worker import Task
from midcall.testing.clock import ManualClock


class Groups:
    """Writes down which jobs ran together."""

    def __init__(self) -> None:
        self.ran: list[list[Any]] = []
        self.closed = False

    def run(self, tasks: list[Task]) -> None:
        for task in tasks:
            task.result = task.job(None)  # type: ignore[arg-type]
        self.ran.append([task.result for task in tasks])

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def groups() -> Groups:
    return Groups()


def worker(groups: Groups, clock: ManualClock, *delays: tuple[float, float], capacity: int = 10) -> InlineWorker:
    left = iter([*delays, *[(1.0, 1.0)] * 20])
    return InlineWorker(groups, clock, delays=lambda: next(left), capacity=capacity)


async def test_a_group_begins_after_its_delay_and_is_reported_after_another(clock: ManualClock, groups: Groups) -> None:
    inline = worker(groups, clock)
    first, second = inline.submit(lambda db: 1), inline.submit(lambda db: 2)
    await clock.settle()
    clock.advance(0.9)
    assert groups.ran == []
    clock.advance(0.1)
    assert groups.ran == [[1, 2]]
    await clock.settle()
    assert not first.done()
    clock.advance(1)
    assert (await first, await second) == (1, 2)


async def test_what_comes_while_a_report_is_under_way_is_the_next_group(clock: ManualClock, groups: Groups) -> None:
    inline = worker(groups, clock)
    inline.submit_soon(lambda db: 1)
    await clock.settle()
    clock.advance(1)
    inline.submit_soon(lambda db: 2)
    await clock.settle()
    clock.advance(1)
    assert groups.ran == [[1], [2]]


async def test_reports_leave_in_the_order_of_their_commits(clock: ManualClock, groups: Groups) -> None:
    inline = worker(groups, clock, (0.0, 0.0), (0.0, 9.0), (0.0, 0.0), (0.0, 1.0))
    order: list[int] = []
    inline.submit(lambda db: 1).add_done_callback(lambda done: order.append(done.result()))
    await clock.settle()
    inline.submit(lambda db: 2).add_done_callback(lambda done: order.append(done.result()))
    await clock.settle()
    assert groups.ran == [[1], [2]]
    clock.advance(5)
    await clock.settle()
    assert order == []
    clock.advance(4)
    await clock.settle()
    assert order == [1, 2]


async def test_closing_runs_what_was_submitted_and_takes_no_more(clock: ManualClock, groups: Groups) -> None:
    inline = worker(groups, clock)
    last = inline.submit(lambda db: 1)
    closing = asyncio.gather(inline.close(), inline.close())
    await clock.settle()
    with pytest.raises(Refused):
        inline.submit(lambda db: 2)
    clock.advance(5)
    await closing
    assert (await last, groups.ran, groups.closed) == (1, [[1]], True)


async def test_more_than_its_capacity_is_refused(clock: ManualClock, groups: Groups) -> None:
    inline = worker(groups, clock, capacity=1)
    inline.submit_soon(lambda db: 1)
    with pytest.raises(Refused):
        inline.submit_soon(lambda db: 2)
    await clock.settle()
    clock.advance(2)
    inline.submit_soon(lambda db: 3)
