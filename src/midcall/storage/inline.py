"""A worker without a thread: groups run on the loop, at times that a clock decides.

For whoever owns time: a simulation repeats a run exactly, crashes between a commit and its report included.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from itertools import islice
from typing import Protocol

from midcall.ports import Clock
from midcall.storage.worker import GROUP_LIMIT, Gathering, Task, groups_of


class RunsGroups(Protocol):
    """`worker.Groups`, or what stands for it."""

    def run(self, tasks: list[Task]) -> None: ...

    def close(self) -> None: ...


class InlineWorker(Gathering):
    """Implements `worker.Jobs`. Like the thread, it begins a group while the last one's report is under way.

    Args:
        groups: runs and commits a group in one step.
        delays: seconds until a group that waits begins, and from its commit to the report of it.
        capacity: jobs that may wait; more are refused.
    """

    def __init__(
        self, groups: RunsGroups, clock: Clock, *, delays: Callable[[], tuple[float, float]], capacity: int
    ) -> None:
        super().__init__(capacity)
        self._groups = groups
        self._clock = clock
        self._delays = delays
        self._queue: deque[Task] = deque()
        self._begins = False
        self._reports_until = 0.0
        self._ending = False

    def _take(self, tasks: list[Task]) -> None:
        self._queue.extend(tasks)
        self._begin_soon()

    def _end(self) -> None:
        self._ending = True
        self._begin_soon()

    def _begin_soon(self) -> None:
        if not self._begins:
            self._begins = True
            self._clock.call_later(self._delays()[0], self._run)

    def _run(self) -> None:
        self._begins = False
        tasks = list(islice(self._queue, GROUP_LIMIT))
        for _ in tasks:
            self._queue.popleft()
        for group in groups_of(tasks):
            self._groups.run(group)
            # Reports leave in the order of the commits.
            now = self._clock.monotonic()
            self._reports_until = max(self._reports_until, now + self._delays()[1])
            self._clock.call_later(self._reports_until - now, partial(self._report, group))
        if self._queue:
            self._begin_soon()
        elif self._ending:
            self._groups.close()
            self._clock.call_later(self._reports_until - self._clock.monotonic(), self._finish)
