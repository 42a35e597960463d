"""Timelines of calls, for people who look for what went wrong. Lossy by design and never on a message's path."""

from __future__ import annotations

import asyncio
import logging
import os
from collections import deque
from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import apsw
import msgspec

from midcall.core.errors import Refused
from midcall.core.sids import AccountSid, CallSid
from midcall.ports import TraceEvent
from midcall.storage import queries
from midcall.storage.insights import MemoryInsights, SqliteInsights
from midcall.storage.worker import Worker

_log = logging.getLogger(__name__)

MEMORY_EVENTS: Final = 10_000
WAITING_EVENTS: Final = 10_000
FILE_BYTES: Final = 512 * 1024 * 1024
GATHER_S: Final = 0.5
"""How long events gather before they are written: a transaction for each would cost more than they are worth."""
DETAIL_BYTES: Final = 256 * 1024  # a TwiML document may have 64 KiB, and escapes make it longer
"""A longer detail is replaced by its length."""

_TRACE_SQL: Final = queries.load("trace_sql")
_PRAGMAS: Final = """
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = OFF;
    PRAGMA temp_store = MEMORY;
    PRAGMA secure_delete = ON;
    PRAGMA journal_size_limit = 16777216;
"""
Listener = Callable[[TraceEvent], None]
"""Is told of each event as it is recorded; the test kit puts what people did in order with it."""

_detail: Final = msgspec.json.Decoder(dict[str, object])


class MemoryTrace:
    """The last events of all calls together.

    Args:
        capacity: how many events are kept; older ones fall out.
    """

    def __init__(self, capacity: int = MEMORY_EVENTS) -> None:
        self._events: deque[TraceEvent] = deque(maxlen=capacity)
        self.insights = MemoryInsights(capacity)
        """What clients tell, as lossy as the trace."""
        self.listener: Listener | None = None

    def record(self, event: TraceEvent) -> None:
        self._events.append(event)
        if self.listener is not None:
            self.listener(event)

    async def timeline(
        self, account: AccountSid, leg: CallSid, limit: int, *, kinds: Collection[str] = ()
    ) -> Sequence[TraceEvent]:
        """The leg's newest events up to the limit, of some kinds or of all, oldest first."""
        mine = (e for e in self._events if e.leg_sid == leg and e.account_sid == account)
        return [e for e in mine if not kinds or e.kind in kinds][-limit:]

    async def forget(self, account: AccountSid, leg: CallSid) -> None:
        kept = [e for e in self._events if e.leg_sid != leg or e.account_sid != account]
        self._events.clear()
        self._events.extend(kept)
        self.insights.forget(account, leg)

    async def close(self) -> None:
        return


class SqliteTrace:
    """Timelines in a file of their own, on a thread of their own. Made by `open`.

    What is recorded within a moment makes up a batch. When the disk cannot keep up, new events are
    dropped and counted; when the file is full, its oldest events go.
    """

    def __init__(self, worker: Worker, *, waiting_events: int, file_bytes: int) -> None:
        self._worker = worker
        self.insights = SqliteInsights(worker)
        """What clients tell, in the same file."""
        self._capacity = waiting_events
        self._file_bytes = file_bytes
        self._waiting: list[TraceEvent] = []
        self._writing: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.listener: Listener | None = None
        self.dropped = 0
        """Events lost since the start."""

    @classmethod
    def open(
        cls, path: Path | str, *, waiting_events: int = WAITING_EVENTS, file_bytes: int = FILE_BYTES
    ) -> SqliteTrace:
        """Open or create the file; one that is damaged is thrown away, for it was never promised.

        Args:
            path: the file, or `:memory:`.
            waiting_events: how many may wait for the disk.
            file_bytes: size at which the oldest events are given up.

        Raises:
            OSError, apsw.Error: the file cannot be opened or written.
        """
        try:
            db = _connect(path)
        except (apsw.NotADBError, apsw.CorruptError):
            _log.warning("the trace file is damaged and starts anew")
            for suffix in ("", "-wal", "-shm"):
                Path(f"{path}{suffix}").unlink(missing_ok=True)
            db = _connect(path)
        worker = Worker(db, name="trace", begin="BEGIN IMMEDIATE", capacity=1_000)
        return cls(worker, waiting_events=waiting_events, file_bytes=file_bytes)

    def record(self, event: TraceEvent) -> None:
        """Keep the event, if there is room for it. Never raises and never waits."""
        if self.listener is not None:
            self.listener(event)
        if len(self._waiting) >= self._capacity:
            self._drop(1)
            return
        self._waiting.append(event)
        if self._writing is not None:
            return
        if self._timer is None:
            self._write_later()
        elif len(self._waiting) * 2 > self._capacity:
            self._write()

    def _write_later(self) -> None:
        try:
            self._timer = asyncio.get_running_loop().call_later(GATHER_S, self._write)
        except RuntimeError:  # called without a loop
            self._lose()

    def _write(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        batch, self._waiting = self._waiting, []
        try:
            self._writing = self._worker.submit(partial(_insert, events=batch, file_bytes=self._file_bytes))
        except Refused:  # closed
            self._drop(len(batch))
            return
        self._writing.add_done_callback(partial(self._written, len(batch)))

    def _written(self, count: int, writing: asyncio.Future[None]) -> None:
        self._writing = None
        if writing.cancelled() or writing.exception() is not None:
            self._drop(count)
        if self._waiting:
            self._write_later()

    def _lose(self) -> None:
        self._drop(len(self._waiting))
        self._waiting.clear()

    def _drop(self, count: int) -> None:
        if not self.dropped:
            _log.warning("trace events are dropped: the trace file does not keep up")
        self.dropped += count

    async def timeline(
        self, account: AccountSid, leg: CallSid, limit: int, *, kinds: Collection[str] = ()
    ) -> Sequence[TraceEvent]:
        """The leg's newest events up to the limit, oldest first; nothing when the file cannot be read."""
        await self._flush()
        try:
            return await self._worker.submit(partial(_timeline, account=account, leg=leg, limit=limit, kinds=kinds))
        except Refused:
            return []

    async def forget(self, account: AccountSid, leg: CallSid) -> None:
        await self._flush()
        await self._worker.submit(partial(_forget, account=account, leg=leg), scrub=True)

    async def _flush(self) -> None:
        """Wait until what was recorded before is written or lost."""
        while self._writing is not None or self._waiting:
            if self._writing is None:
                self._write()
            if self._writing is not None:
                await asyncio.wait([self._writing])
            await asyncio.sleep(0)  # `_written` may run after us

    async def close(self) -> None:
        await self._flush()
        await self._worker.close()


def _connect(path: Path | str) -> apsw.Connection:
    if str(path) != ":memory:":
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    db = apsw.Connection(str(path))
    try:
        db.set_busy_timeout(1_000)
        db.execute(_PRAGMAS).fetchall()
        queries.migrate(db, queries.migrations("trace_migrations"))
    except apsw.Error:
        db.close()
        raise
    return db


def _insert(db: apsw.Connection, events: Sequence[TraceEvent], file_bytes: int) -> None:
    db.executemany(_TRACE_SQL["record"], [_row(event) for event in events])
    while _used_bytes(db) > file_bytes:
        before = db.total_changes()
        db.execute(_TRACE_SQL["prune"])
        db.execute(_TRACE_SQL["prune_insights"])
        if db.total_changes() == before:
            break


def _used_bytes(db: apsw.Connection) -> int:
    return (int(db.pragma("page_count")) - int(db.pragma("freelist_count"))) * int(db.pragma("page_size"))


def _row(event: TraceEvent) -> tuple[Any, ...]:
    return event.at, event.account_sid, event.leg_sid, event.kind, _encoded(event.detail)


def _encoded(detail: object) -> bytes:
    try:
        text = msgspec.json.encode(detail, enc_hook=repr)
    except Exception as error:  # whatever a detail holds, its line stays
        return msgspec.json.encode({"unreadable": str(error)})
    return text if len(text) <= DETAIL_BYTES else msgspec.json.encode({"left_out_bytes": len(text)})


def _timeline(
    db: apsw.Connection, account: AccountSid, leg: CallSid, limit: int, kinds: Collection[str]
) -> list[TraceEvent]:
    wanted = msgspec.json.encode(list(kinds)).decode() if kinds else None
    rows = db.execute(_TRACE_SQL["timeline"], {"leg": leg, "account": account, "kinds": wanted, "limit": limit})
    return [
        TraceEvent(at=at, account_sid=account, leg_sid=leg, kind=kind, detail=_detail.decode(detail))
        for at, kind, detail in reversed(rows.fetchall())
    ]


def _forget(db: apsw.Connection, account: AccountSid, leg: CallSid) -> None:
    db.execute(_TRACE_SQL["forget"], (leg, account))
    db.execute(_TRACE_SQL["forget_insights"], (leg, account))
