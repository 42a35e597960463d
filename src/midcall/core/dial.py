"""A dial: the room in which a parent waits for its children. The first answer wins, a hangup crosses.

The room owns neither leg: it is told what happens to them and tells each what follows. Each leg can leave it
(REST redirects one side), so nothing owns a tree of calls.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from midcall.core import events
from midcall.core.calls import Status
from midcall.core.effects import BeginLeg, DialEffect, JoinLegs, PartLegs, PassDigits, TellLeg
from midcall.core.sids import AccountSid, CallSid

RING = "ring"
LIMIT = "limit"


class ChildState(StrEnum):
    """Where a child is, as the room sees it."""

    WAITING = "waiting"  # a sequential dial has not come to it yet
    CALLING = "calling"
    ANSWERED = "answered"
    GONE = "gone"


@dataclass(slots=True, kw_only=True)
class Child:
    sid: CallSid
    state: ChildState = ChildState.WAITING
    result: Status | None = None


@dataclass(slots=True, kw_only=True)
class DialRoom:
    """One `<Dial>`. Everything is data; `handle` is the only way in.

    Attributes:
        winner: the child that answered first.
        over: the parent was told the outcome.
    """

    id: str
    account_sid: AccountSid
    parent: CallSid
    children: list[Child]
    timeout_s: int
    time_limit_s: int
    hangup_on_star: bool
    sequential: bool
    winner: CallSid | None = None
    answered_at: float | None = None
    rang: bool = False
    parent_left: bool = False
    over: bool = False
    timers: dict[str, float] = field(default_factory=dict)

    @property
    def done(self) -> bool:
        """Nothing can happen here any more."""
        return self.over and all(child.state is ChildState.GONE for child in self.children)

    def handle(self, event: events.DialEvent, *, now: float) -> list[DialEffect]:
        """Take one event; say what has to be done about it."""
        return list(self._on(event, now))

    def _on(self, event: events.DialEvent, now: float) -> Iterator[DialEffect]:
        match event:
            case events.Opened():
                yield from self._open(now)
            case events.ChildRang():
                if not self.rang and self.winner is None:
                    self.rang = True
                    yield TellLeg(self.parent, events.DialRang(self.id))
            case events.ChildAnswered(child):
                yield from self._answered(child, now)
            case events.ChildEnded(child, status):
                yield from self._ended(child, status, now)
            case events.ChildLeft(child):
                yield from self._left(child)
            case events.ParentLeft():
                yield from self._parent_left()
            case events.Pressed(leg, digits, in_band):
                yield from self._pressed(leg, digits, in_band=in_band)
            case events.TimerFired(name):
                yield from self._timer(name)

    def _open(self, now: float) -> Iterator[DialEffect]:
        if not self.children:
            yield from self._finish(Status.FAILED, None)
            return
        yield from self._ring(self.children[:1] if self.sequential else self.children, now)

    def _ring(self, children: list[Child], now: float) -> Iterator[DialEffect]:
        self.timers[RING] = now + self.timeout_s
        for child in children:
            child.state = ChildState.CALLING
            yield BeginLeg(child.sid)

    def _answered(self, sid: CallSid, now: float) -> Iterator[DialEffect]:
        child = self._child(sid)
        if self.winner is not None or self.over or self.parent_left or child.state is not ChildState.CALLING:
            yield TellLeg(sid, events.Dropped())
            return
        self.winner, self.answered_at = sid, now
        child.state = ChildState.ANSWERED
        self.timers = {LIMIT: now + self.time_limit_s}
        yield from self._call_off(events.Canceled())
        yield JoinLegs(self.parent, sid)
        yield TellLeg(self.parent, events.DialAnswered(self.id))

    def _call_off(self, event: events.Canceled | events.RingTimedOut) -> Iterator[DialEffect]:
        """No child that has not answered is wanted any more."""
        for child in self.children:
            if child.state is ChildState.WAITING:
                child.state = ChildState.CALLING
                yield TellLeg(child.sid, events.Canceled())
            elif child.state is ChildState.CALLING:
                yield TellLeg(child.sid, event)

    def _ended(self, sid: CallSid, status: Status, now: float) -> Iterator[DialEffect]:
        child = self._child(sid)
        child.state, child.result = ChildState.GONE, status
        if self.over:
            return
        if sid == self.winner:
            assert self.answered_at is not None
            yield PartLegs(self.parent, sid)
            yield from self._finish(Status.COMPLETED, sid, duration_s=round(now - self.answered_at))
        elif self.winner is None and not self._any(ChildState.CALLING):
            waiting = [each for each in self.children if each.state is ChildState.WAITING]
            if waiting and not self.parent_left:
                yield from self._ring(waiting[:1], now)
            else:
                yield from self._finish(self._unanswered(), sid)

    def _unanswered(self) -> Status:
        """What to call a dial that nobody answered: the word of those that were tried that says most."""
        if self.parent_left:
            return Status.CANCELED
        results = {child.result for child in self.children}
        return next(
            (word for word in (Status.BUSY, Status.NO_ANSWER, Status.FAILED) if word in results), Status.NO_ANSWER
        )

    def _left(self, sid: CallSid) -> Iterator[DialEffect]:
        self._child(sid).state = ChildState.GONE
        if sid == self.winner and not self.over:
            yield PartLegs(self.parent, sid)
            yield from self._finish(Status.COMPLETED, sid)

    def _parent_left(self) -> Iterator[DialEffect]:
        self.parent_left = True
        self.timers = {}
        if self.winner is not None and not self.over:
            yield TellLeg(self.winner, events.Dropped())
        elif not self.over:
            yield from self._call_off(events.Canceled())
            if not self._any(ChildState.CALLING):
                yield from self._finish(Status.CANCELED, None)

    def _pressed(self, leg: CallSid, digits: str, *, in_band: bool) -> Iterator[DialEffect]:
        if self.winner is None or self.over:
            return
        if not in_band:
            yield PassDigits(self.winner if leg == self.parent else self.parent, digits)
        if self.hangup_on_star and leg == self.parent and "*" in digits:
            yield TellLeg(self.winner, events.Dropped())

    def _timer(self, name: str) -> Iterator[DialEffect]:
        if name == RING and self.winner is None:
            if self.sequential:
                yield from (
                    TellLeg(child.sid, events.RingTimedOut())
                    for child in self.children
                    if child.state is ChildState.CALLING
                )
            else:
                yield from self._call_off(events.RingTimedOut())
        elif name == LIMIT and self.winner is not None:
            yield TellLeg(self.winner, events.Dropped(overtime=True))

    def _finish(self, status: Status, child: CallSid | None, *, duration_s: int | None = None) -> Iterator[DialEffect]:
        self.over = True
        self.timers = {}
        bridged = self.winner is not None
        if not bridged:
            duration_s = 0 if child is not None else None
        yield TellLeg(self.parent, events.DialOver(self.id, status, child, duration_s, bridged))

    def _child(self, sid: CallSid) -> Child:
        return next(child for child in self.children if child.sid == sid)

    def _any(self, state: ChildState) -> bool:
        return any(child.state is state for child in self.children)
