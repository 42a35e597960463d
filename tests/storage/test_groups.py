"""Lazy jobs do not wait for the disk, the others always do, and each kind keeps its order."""

from __future__ import annotations

from pathlib import Path

import apsw

from midcall.storage.sqlite import connect
from midcall.storage.worker import Task, Worker, groups_of

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


def test_lazy_jobs_go_first_and_each_kind_keeps_its_order() -> None:
    tasks = [Task(lambda db: None, None, lazy=number % 3 == 0) for number in range(8)]
    lazy, others = groups_of(tasks)
    assert [tasks.index(task) for task in lazy] == [0, 3, 6]
    assert [tasks.index(task) for task in others] == [1, 2, 4, 5, 7]


def test_there_are_no_empty_groups() -> None:
    assert list(groups_of([])) == []
    assert len(list(groups_of([Task(lambda db: None, None, lazy=True)]))) == 1


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
