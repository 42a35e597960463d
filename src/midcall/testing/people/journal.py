"""What people did and saw, and what the server traced meanwhile, in order; and a bell for whoever waits for more."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar

import msgspec

from midcall.core.sids import CallSid
from midcall.ports import TraceEvent
from midcall.testing.people.problems import Abandoned

T = TypeVar("T")

MAX_ENTRIES: Final = 10_000
MAX_TEXT: Final = 4_096
"""Longer texts in a line's detail are cut; whoever needs all of a TwiML document asks the call's own timeline."""

MAX_DETAILS: Final = 50
"""Of one line; more are only counted."""

is_awaited: Final[ContextVar[Callable[[], bool]]] = ContextVar("is_awaited", default=lambda: True)
"""Whether somebody still waits for what is being done. A client that went away must not take what others wait for."""

HAS_SID: Final = "has the sid"
"""What a line says that brings a call's name and its sid together."""


@dataclass(slots=True)
class CallName:
    """How a person calls a call, and its sid once that is known."""

    id: str
    sid: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """A person's line of a timeline.

    Attributes:
        at: epoch seconds, by the server's clock.
        call: which call it is about.
    """

    at: float
    who: str
    what: str
    detail: Mapping[str, Any] = field(default_factory=dict)
    call: CallName | None = None


class Journal:
    """The lines of an account, of its people and of the server, in the order in which they came.

    Time alone would not order them: in virtual time much happens at the same moment. The oldest fall out.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._lines: deque[Entry | TraceEvent] = deque(maxlen=MAX_ENTRIES)
        self.began = self._complete_since = now()

    def note(
        self, who: str, what: str, detail: Mapping[str, Any] | None = None, *, call: CallName | None = None
    ) -> None:
        """Write a person's line; details that are None are left out."""
        shown = [(name, _cut(value)) for name, value in (detail or {}).items() if value is not None]
        told = dict(shown[:MAX_DETAILS])
        if len(shown) > MAX_DETAILS:
            told["…"] = f"{len(shown) - MAX_DETAILS} more"
        self._keep(Entry(self._now(), who, what, told, call))

    def trace(self, event: TraceEvent) -> None:
        """Write a line of the server."""
        if any(isinstance(value, str) and len(value) > MAX_TEXT for value in event.detail.values()):
            event = replace(event, detail={name: _cut(value) for name, value in event.detail.items()})
        self._keep(event)

    def clear(self) -> None:
        """Begin a new story."""
        self._lines.clear()
        self.began = self._complete_since = self._now()

    def _keep(self, line: Entry | TraceEvent) -> None:
        if len(self._lines) == MAX_ENTRIES:
            self._complete_since = self._lines[1].at
        self._lines.append(line)

    def __iter__(self) -> Iterator[Entry | TraceEvent]:
        return iter(self._lines)

    @property
    def entries(self) -> list[Entry]:
        """The people's lines."""
        return [line for line in self._lines if isinstance(line, Entry)]

    def has_all_of(self, leg: CallSid, events: list[TraceEvent]) -> bool:
        """Whether these events of a leg are all here."""
        return not events or events[0].at > self._complete_since or _count(self._lines, leg) >= len(events)


def _count(lines: deque[Entry | TraceEvent], leg: CallSid) -> int:
    return sum(isinstance(line, TraceEvent) and line.leg_sid == leg for line in lines)


def _cut(value: Any) -> Any:
    """A text, or what JSON makes of another value, that is not too long to be kept ten thousand times."""
    if isinstance(value, bool | int | float):
        return value
    text = value if isinstance(value, str) else msgspec.json.encode(value, enc_hook=repr).decode()
    return value if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}… ({len(text)} characters)"


class Bell:
    """Rung whenever something happened; those who wait look again."""

    def __init__(self) -> None:
        self._waiting: dict[asyncio.Future[None], None] = {}  # in order, so that a seed decides who goes on first

    def ring(self) -> None:
        """Wake everybody who waits."""
        waiting, self._waiting = self._waiting, {}
        for future in waiting:
            if not future.done():
                future.set_result(None)

    async def until(self, found: Callable[[], T | None], timeout_s: float) -> T | None:
        """Look, and look again whenever the bell rings, until something is found or time is over.

        Raises:
            Abandoned: nobody waits for it any more.
        """
        awaited = is_awaited.get()

        def look() -> T | None:
            if not awaited():
                raise Abandoned("whoever asked went away")
            return found()

        result = look()
        if result is not None:
            return result
        try:
            async with asyncio.timeout(timeout_s):
                while (result := look()) is None:
                    await self._rung()
        except TimeoutError:
            return look()
        return result

    async def _rung(self) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[future] = None
        try:
            await future
        finally:
            self._waiting.pop(future, None)
