"""Timelines of calls, for people who look for what went wrong. Lossy by design and never on a message's path."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final

from midcall.core.sids import AccountSid, CallSid
from midcall.ports import TraceEvent

MEMORY_EVENTS: Final = 10_000


class MemoryTrace:
    """The last events of all calls together.

    Args:
        capacity: how many events are kept; older ones fall out.
    """

    def __init__(self, capacity: int = MEMORY_EVENTS) -> None:
        self._events: deque[TraceEvent] = deque(maxlen=capacity)

    def record(self, event: TraceEvent) -> None:
        self._events.append(event)

    async def timeline(self, account: AccountSid, leg: CallSid, limit: int) -> Sequence[TraceEvent]:
        """The leg's newest events up to the limit, oldest first."""
        return [e for e in self._events if e.leg_sid == leg and e.account_sid == account][-limit:]

    async def close(self) -> None:
        return
