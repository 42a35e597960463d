"""A thread that owns a database connection and runs jobs in groups, one transaction a group.

Group commit: while one group is being made durable, the next one gathers. A job that fails undoes itself only; a disk
that fails undoes the whole group, and every job of it is refused. Lazy jobs, whose loss in a power failure only repeats
something, are a group of their own that does not wait for the disk, and go first; those that nobody waits for share the
commit of whoever is there. `storage.inline` runs the same groups without the thread.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from queue import Empty, SimpleQueue
from typing import Any, Final, Protocol, TypeAlias, TypeVar

import apsw

from midcall.core import errors

T = TypeVar("T")
Job: TypeAlias = Callable[[apsw.Connection], T]

_log = logging.getLogger(__name__)

DISK_ERRORS: Final = (
    apsw.BusyError,
    apsw.CantOpenError,
    apsw.CorruptError,
    apsw.FullError,
    apsw.IOError,
    apsw.LockedError,
    apsw.NoMemError,
    apsw.NotADBError,
    apsw.PermissionsError,
    apsw.ReadOnlyError,
)
"""What the world does to a database. Other errors are ours and belong to the one job that raised them."""

_DURABLE: Final = "PRAGMA synchronous = FULL"
_LAZY: Final = "PRAGMA synchronous = NORMAL"

GROUP_LIMIT: Final = 500
"""Jobs in a transaction: bounds how long the first of them waits for the last."""


class Task:
    """A job on its way through the worker. Without a future nobody waits, and errors are logged."""

    __slots__ = ("error", "future", "job", "landed", "lazy", "result", "scrub")

    def __init__(
        self,
        job: Job[Any],
        future: asyncio.Future[Any] | None,
        *,
        scrub: bool = False,
        lazy: bool = False,
        landed: Callable[[Any], None] | None = None,
    ) -> None:
        self.job = job
        self.lazy = lazy
        self.future = future
        self.scrub = scrub
        self.landed = landed
        self.result: Any = None
        self.error: Exception | None = None

    def report(self) -> None:
        if self.landed is not None and self.error is None:
            self.landed(self.result)
        if self.future is None:
            if self.error is not None and not _says_disk(self.error):
                _log.error("a store write that nobody waits for failed", exc_info=self.error)
        elif self.future.done():  # the caller gave up waiting
            return
        elif self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


def _says_disk(error: Exception) -> bool:
    """Whether the disk is to blame: the group that met it has said so, once, however many jobs it refuses."""
    return isinstance(error, errors.Refused) and error.rule is errors.STORE_UNAVAILABLE


class Jobs(Protocol):
    """What a store needs of a worker."""

    def submit(
        self, job: Job[T], *, scrub: bool = False, lazy: bool = False, landed: Callable[[T], None] | None = None
    ) -> asyncio.Future[T]:
        """Run the job with the next group; the future resolves after its commit.

        Args:
            scrub: the job deletes what must not stay in the write-ahead log.
            lazy: the commit survives the process, but until the next one of a group that is not lazy, not a power
                failure. Lazy jobs overtake the others of their group; among themselves, those of `submit` keep their
                order, and those of `submit_soon`.
            landed: called with the result after the commit, in the order of the jobs, also when nobody waits any more.

        Raises:
            Refused: STORE_UNAVAILABLE, when too many wait or the worker is closed.
        """

    def submit_soon(self, job: Job[object], *, lazy: bool = False) -> None:
        """Run the job with the next group; nobody waits. Raises what `submit` raises."""

    async def close(self) -> None:
        """Run what was submitted, then let go of the file. Closing twice waits for the same end."""


class _HalfDone(Exception):
    """A job failed after it had written: its group is run once more, each job in a savepoint of its own."""


class Groups:
    """Runs groups on a connection, one transaction each. A group may be run twice, so jobs only touch the database.

    Args:
        db: the connection; nobody else touches it from now on.
        begin: the statement that begins a group.
    """

    def __init__(self, db: apsw.Connection, *, name: str, begin: str) -> None:
        self._db = db
        self._name = name
        self._begin = begin
        self._failing = False
        self._is_lazy = False

    def run(self, tasks: list[Task]) -> None:
        """Run a group's jobs and commit them, or refuse them all; each task holds its result or its error then."""
        try:
            self._set_lazy(all(task.lazy for task in tasks))
            try:
                self._transact(tasks, self._run_job)
            except _HalfDone:
                self._db.execute("ROLLBACK")
                self._transact(tasks, self._run_job_apart)
        except DISK_ERRORS as error:
            self._refuse(tasks, error)
            return
        except Exception as error:
            _log.exception("%s: a group failed", self._name)
            self._refuse(tasks, error)
            return
        if self._failing:
            self._failing = False
            _log.warning("%s works again", self._name)
        if any(task.scrub for task in tasks):
            self._truncate_log()

    def close(self) -> None:
        try:
            self._db.close()
        except apsw.Error:
            _log.exception("%s did not close cleanly", self._name)

    def _set_lazy(self, lazy: bool) -> None:
        """In a write-ahead log, NORMAL does not sync at a commit; the next sync, of whichever commit, covers it."""
        if lazy is not self._is_lazy:
            self._db.execute(_LAZY if lazy else _DURABLE)
            self._is_lazy = lazy

    def _transact(self, tasks: list[Task], run_job: Callable[[Task], None]) -> None:
        self._db.execute(self._begin)
        for task in tasks:
            run_job(task)
        self._db.execute("COMMIT")

    def _run_job(self, task: Task) -> None:
        """Without a savepoint: a job that is refused has nearly always been so before it wrote anything."""
        changes = self._db.total_changes()
        try:
            task.result = task.job(self._db)
        except DISK_ERRORS:
            raise
        except Exception as error:
            if self._db.total_changes() != changes:
                raise _HalfDone from error
            task.error = error

    def _run_job_apart(self, task: Task) -> None:
        task.error = None
        self._db.execute("SAVEPOINT job")
        try:
            task.result = task.job(self._db)
        except DISK_ERRORS:
            raise
        except Exception as error:
            task.error = error
            self._db.execute("ROLLBACK TO job")
        self._db.execute("RELEASE job")

    def _refuse(self, tasks: list[Task], error: Exception) -> None:
        """Undo the group and refuse all of it; one line in the log however long the disk stays full."""
        try:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
        except apsw.Error:
            _log.exception("%s could not roll back", self._name)
        if not self._failing:
            self._failing = True
            _log.error("%s does not work: %s", self._name, error)
        refuse_all(tasks)

    def _truncate_log(self) -> None:
        try:
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        except apsw.Error as error:  # the next deletion or the close does it
            _log.warning("%s did not truncate its log: %s", self._name, error)


def groups_of(tasks: list[Task]) -> Iterator[list[Task]]:
    """What gathered, as it is to be committed: lazy jobs that somebody waits for, then the others.

    Lazy jobs that nobody waits for are at the head of the others, to share their commit.
    """
    awaited = [task for task in tasks if task.lazy and task.future is not None]
    unawaited = [task for task in tasks if task.lazy and task.future is None]
    others = [task for task in tasks if not task.lazy]
    for group in (awaited, unawaited + others):
        if group:
            yield group


def refuse_all(tasks: list[Task]) -> None:
    """Nothing of a group was done."""
    for task in tasks:
        task.result = None
        task.error = errors.Refused(errors.STORE_UNAVAILABLE)


class Gathering:
    """The loop's side of a worker: bounds what waits, and hands over once in a turn of the loop.

    Args:
        capacity: jobs that may wait; more are refused.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._waiting = 0
        self._gathered: list[Task] = []
        self._closed: asyncio.Future[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def submit(
        self, job: Job[T], *, scrub: bool = False, lazy: bool = False, landed: Callable[[T], None] | None = None
    ) -> asyncio.Future[T]:
        """See `Jobs`."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._add(Task(job, future, scrub=scrub, lazy=lazy, landed=landed))
        return future

    def submit_soon(self, job: Job[object], *, lazy: bool = False) -> None:
        """See `Jobs`."""
        self._add(Task(job, None, lazy=lazy))

    def _add(self, task: Task) -> None:
        if self._closed is not None or self._waiting >= self._capacity:
            raise errors.Refused(errors.STORE_UNAVAILABLE)
        self._waiting += 1
        if not self._gathered:
            # One turn of the loop makes one hand-over, however many messages it read.
            self._loop = asyncio.get_running_loop()
            self._loop.call_soon(self._hand_over)
        self._gathered.append(task)

    def _hand_over(self) -> None:
        if self._gathered:
            tasks, self._gathered = self._gathered, []
            self._take(tasks)

    def _take(self, tasks: list[Task]) -> None:
        raise NotImplementedError

    def _end(self) -> None:
        """Nothing more will be taken."""
        raise NotImplementedError

    async def close(self) -> None:
        """See `Jobs`."""
        if self._closed is None:
            self._loop = asyncio.get_running_loop()
            self._closed = self._loop.create_future()
            self._hand_over()
            self._end()
        await asyncio.shield(self._closed)

    def _report(self, tasks: list[Task]) -> None:
        self._waiting -= len(tasks)
        for task in tasks:
            task.report()

    def _finish(self) -> None:
        assert self._closed is not None
        if not self._closed.done():
            self._closed.set_result(None)


class Worker(Gathering):
    """Runs jobs on a connection in a thread of its own, called from one event loop.

    Args:
        db: the connection; only the worker touches it from now on.
        begin: the statement that begins a group.
        capacity: jobs that may wait; more are refused.
    """

    def __init__(self, db: apsw.Connection, *, name: str, begin: str, capacity: int) -> None:
        super().__init__(capacity)
        self._groups = Groups(db, name=name, begin=begin)
        self._name = name
        self._handed_over: SimpleQueue[list[Task] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def _take(self, tasks: list[Task]) -> None:
        self._handed_over.put(tasks)

    def _end(self) -> None:
        self._handed_over.put(None)

    # Below, the worker's thread.

    def _run(self) -> None:
        for gathered in self._next_groups():
            for tasks in groups_of(gathered):
                self._groups.run(tasks)
                self._call_loop(self._report, tasks)
        self._groups.close()
        self._call_loop(self._finish)

    def _next_groups(self) -> Iterator[list[Task]]:
        """Everything that has gathered since the last group, up to the limit, until the end is announced."""
        open_ = True
        while open_:
            tasks = self._handed_over.get()
            if tasks is None:
                return
            while len(tasks) < GROUP_LIMIT:
                try:
                    more = self._handed_over.get_nowait()
                except Empty:
                    break
                if more is None:
                    open_ = False
                    break
                tasks += more
            yield tasks

    def _call_loop(self, callback: Callable[..., object], *args: object) -> None:
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(callback, *args)
        except RuntimeError:  # the loop has ended; nobody waits any more
            _log.debug("%s: an answer came after the loop had ended", self._name)

    # On the loop again.

    def _finish(self) -> None:
        self._thread.join()
        super()._finish()
