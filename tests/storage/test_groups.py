"""Lazy jobs do not wait for the disk, the others do, each kind keeps its order, and a failure is its job's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from midcall.storage.sqlite import connect
from midcall.storage.worker import Groups, Task, Worker, groups_of

NORMAL, FULL = 1, 2


def synchronous(db: apsw.Connection) -> int:
    return int(db.pragma("synchronous"))


async def test_only_a_group_of_lazy_jobs_does_without_the_disk(tmp_path: Path) -> None:
    worker = Worker(connect(tmp_path / "some.db"), name="test", begin="BEGIN IMMEDIATE", capacity=10)
    assert await worker.submit(synchronous) == FULL
    assert await worker.submit(synchronous, lazy=True) == NORMAL
    assert await worker.submit(synchronous) == FULL
    together = [worker.submit(synchronous, lazy=lazy) for lazy in (False, True, False, True)]
    assert [await submitted for submitted in together] == [FULL, NORMAL, FULL, NORMAL]
    await worker.close()


def task(*, lazy: bool, awaited: bool) -> Task:
    some: Any = object()
    return Task(lambda db: None, some if awaited else None, lazy=lazy)


def test_lazy_jobs_that_somebody_waits_for_go_first_and_each_kind_keeps_its_order() -> None:
    tasks = [task(lazy=number % 3 == 0, awaited=True) for number in range(8)]
    lazy, others = groups_of(tasks)
    assert [tasks.index(task) for task in lazy] == [0, 3, 6]
    assert [tasks.index(task) for task in others] == [1, 2, 4, 5, 7]


def test_lazy_jobs_that_nobody_waits_for_share_the_commit_of_the_others() -> None:
    receipts = [task(lazy=True, awaited=False) for _ in range(2)]
    message, claim = task(lazy=False, awaited=True), task(lazy=True, awaited=True)
    assert list(groups_of([receipts[0], message, claim, receipts[1]])) == [[claim], [*receipts, message]]
    assert list(groups_of([receipts[0], claim])) == [[claim], [receipts[0]]]


def test_there_are_no_empty_groups() -> None:
    assert list(groups_of([])) == []
    assert len(list(groups_of([task(lazy=True, awaited=True)]))) == 1


async def test_what_has_landed_is_told_in_the_order_of_the_jobs_also_when_nobody_waits(tmp_path: Path) -> None:
    worker = Worker(connect(tmp_path / "some.db"), name="test", begin="BEGIN IMMEDIATE", capacity=10)
    landed: list[int] = []
    writes = [worker.submit(lambda db, n=n: n, landed=landed.append) for n in range(3)]
    writes[1].cancel()
    await writes[2]
    assert landed == [0, 1, 2]
    failing = worker.submit(lambda db: 1 // 0, landed=landed.append)
    await worker.close()
    assert isinstance(failing.exception(), ZeroDivisionError)
    assert landed == [0, 1, 2]


def counting(db: apsw.Connection) -> list[int]:
    return [number for (number,) in db.execute("SELECT number FROM numbers ORDER BY number")]


@pytest.fixture
def numbers(tmp_path: Path) -> Iterator[apsw.Connection]:
    db = apsw.Connection(str(tmp_path / "numbers.db"))
    db.execute("CREATE TABLE numbers (number INTEGER PRIMARY KEY)")
    yield db
    db.close()


def adding(number: int) -> Task:
    return Task(lambda db: db.execute("INSERT INTO numbers VALUES (?)", (number,)).fetchall(), None)


def failing_after(number: int) -> Task:
    def fail(db: apsw.Connection) -> None:
        db.execute("INSERT INTO numbers VALUES (?)", (number,))
        raise ZeroDivisionError

    return Task(fail, None)


def test_a_job_that_fails_before_it_writes_leaves_its_group_alone(numbers: apsw.Connection) -> None:
    runs: list[None] = []
    tasks = [adding(1), Task(lambda db: runs.append(None) or 1 // 0, None), adding(2)]
    Groups(numbers, name="test", begin="BEGIN IMMEDIATE").run(tasks)
    assert counting(numbers) == [1, 2]
    assert [type(task.error) for task in tasks] == [type(None), ZeroDivisionError, type(None)]
    assert len(runs) == 1


def test_a_job_that_fails_after_it_has_written_undoes_itself_only(numbers: apsw.Connection) -> None:
    refused = Task(lambda db: 1 // 0, None)
    tasks = [adding(1), refused, failing_after(7), adding(2), failing_after(8)]
    Groups(numbers, name="test", begin="BEGIN IMMEDIATE").run(tasks)
    assert counting(numbers) == [1, 2]
    failed = [isinstance(task.error, ZeroDivisionError) for task in tasks]
    assert failed == [False, True, True, False, True]
