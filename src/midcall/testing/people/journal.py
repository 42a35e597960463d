"""What people did and saw, in order, and a bell that wakes whoever waits for more of it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

T = TypeVar("T")

MAX_ENTRIES: Final = 10_000


@dataclass(slots=True)
class CallName:
    """How a person calls a call, and its sid once that is known."""

    id: str
    sid: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of a timeline.

    Attributes:
        at: epoch seconds, by the server's clock.
        who: a person's name, or `server`.
        call: which call it is about.
    """

    at: float
    who: str
    what: str
    detail: Mapping[str, Any] = field(default_factory=dict)
    call: CallName | None = None


class Journal:
    """The entries of an account's people; the oldest ones fall out."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._entries: deque[Entry] = deque(maxlen=MAX_ENTRIES)

    def note(
        self, who: str, what: str, detail: Mapping[str, Any] | None = None, *, call: CallName | None = None
    ) -> None:
        """Write a line; details that are None are left out."""
        told = {name: value for name, value in (detail or {}).items() if value is not None}
        self._entries.append(Entry(self._now(), who, what, told, call))

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries)


class Bell:
    """Rung whenever something happened; those who wait look again."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Future[None]] = set()

    def ring(self) -> None:
        """Wake everybody who waits."""
        waiting, self._waiting = self._waiting, set()
        for future in waiting:
            if not future.done():
                future.set_result(None)

    async def until(self, found: Callable[[], T | None], timeout_s: float) -> T | None:
        """Look, and look again whenever the bell rings, until something is found or time is over."""
        result = found()
        if result is not None:
            return result
        try:
            async with asyncio.timeout(timeout_s):
                while (result := found()) is None:
                    await self._rung()
        except TimeoutError:
            return found()
        return result

    async def _rung(self) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        try:
            await future
        finally:
            self._waiting.discard(future)
