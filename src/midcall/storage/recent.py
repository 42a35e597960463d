"""What a store answers from memory: rows that are asked for with every request, and the newest messages to clients.

Only for a store that is the only writer of its file. Both are exact: what they hold is what the file holds, and what
they do not know for certain is read from it.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from itertools import islice
from typing import Final, Generic, TypeVar

from midcall.core.messages import Appended, Entry, Log
from midcall.core.sids import CallSid

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
T = TypeVar("T")

ROWS: Final = 4_096
TAIL_ENTRIES: Final = 64
TAIL_BYTES: Final = 16 * 1024 * 1024

_ENTRY_OVERHEAD: Final = 512
"""Bytes of an entry beside its content, roughly."""


class Rows(Generic[K, V]):
    """Rows by key, read once and forgotten when they change. What does not exist is not remembered.

    Args:
        capacity: rows that are kept; the one that was asked for least recently goes first.
    """

    def __init__(self, capacity: int = ROWS) -> None:
        self._kept: OrderedDict[K, V] = OrderedDict()
        self._capacity = capacity
        self._changes = 0
        self._changing = 0

    async def read(self, key: K, load: Callable[[], Awaitable[V | None]]) -> V | None:
        """The row as the file has it, from memory when it has been read since its last change."""
        kept = self._kept.get(key)
        if kept is not None:
            self._kept.move_to_end(key)
            return kept
        changes = self._changes
        found = await load()
        # A row that may have changed while it was read is not worth remembering.
        if found is not None and not self._changing and changes == self._changes:
            if len(self._kept) >= self._capacity:
                self._kept.popitem(last=False)
            self._kept[key] = found
        return found

    async def change(self, key: K, write: asyncio.Future[T]) -> T:
        """Forget the row until the write has ended, and what was read meanwhile.

        The write goes on when nobody waits for it any more, and so does the forgetting.
        """
        self._changing += 1
        self._kept.pop(key, None)
        write.add_done_callback(lambda _: self._changed())
        return await asyncio.shield(write)

    def _changed(self) -> None:
        self._changing -= 1
        self._changes += 1


class Tails:
    """The newest entries of the to_client logs, so that flushing what was just appended needs no reading.

    Args:
        entries: kept of each log.
        total_bytes: of all logs together, roughly; the log that was written to least recently goes first.
    """

    def __init__(self, entries: int = TAIL_ENTRIES, total_bytes: int = TAIL_BYTES) -> None:
        self._tails: OrderedDict[CallSid, deque[Entry]] = OrderedDict()
        self._entries = entries
        self._left = total_bytes

    def landed(self, appended: Appended) -> None:
        """An append has been committed. To be told of each one, in the order of the commits."""
        entry = appended.entry
        if appended.repeated or entry.log is not Log.TO_CLIENT:
            return
        tail = self._tails.get(entry.leg_sid)
        if tail is None:
            tail = self._tails[entry.leg_sid] = deque()
        else:
            self._tails.move_to_end(entry.leg_sid)
        tail.append(entry)
        self._left -= _cost(entry)
        if len(tail) > self._entries:
            self._left += _cost(tail.popleft())
        while self._left < 0:
            self.forget(next(iter(self._tails)))

    def after(self, leg: CallSid, seq: int, limit: int) -> Sequence[Entry] | None:
        """The log's entries after a number, in order; None when they are not all here."""
        tail = self._tails.get(leg)
        if tail is None or seq < tail[0].seq - 1:
            return None
        skipped = seq + 1 - tail[0].seq
        return list(islice(tail, skipped, skipped + limit))

    def forget(self, leg: CallSid) -> None:
        """The log is gone, or its turn has come."""
        for entry in self._tails.pop(leg, ()):
            self._left += _cost(entry)


def _cost(entry: Entry) -> int:
    return len(entry.content) + _ENTRY_OVERHEAD
