"""A dial: the room in which a parent waits for its children. The first answer wins, a hangup crosses.

The room owns neither leg: it is told what happens to them and tells each what follows. Each leg can leave it
(REST redirects one side), so nothing owns a tree of calls.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, assert_never

from midcall.core import events
from midcall.core.calls import Status
from midcall.core.effects import BeginLeg, DialEffect, JoinLegs, PartLegs, PassDigits, TellLeg
from midcall.core.sids import AccountSid, CallSid

RING: Final = "ring"
LIMIT: Final = "limit"

OUTCOMES: Final = (Status.COMPLETED, Status.BUSY, Status.NO_ANSWER, Status.CANCELED, Status.FAILED)
"""What to call a dial without a bridge: the first of these words that a child ended with. It is COMPLETED when a child
answered and its whisper hung up; `DialBridged` tells the difference."""


class ChildState(StrEnum):
    """Where a child is, as the room sees it."""

    WAITING = "waiting"  # a sequential dial has not come to it yet
    CALLING = "calling"
    ANSWERED = "answered"  # it hears its whisper, or it is the winner
    GONE = "gone"


@dataclass(slots=True, kw_only=True)
class Child:
    """One child as the room knows it; `result` is the status that it ended with."""

    sid: CallSid
    state: ChildState = ChildState.WAITING
    result: Status | None = None


@dataclass(slots=True, kw_only=True)
class DialRoom:
    """One `<Dial>`. Everything is data; `handle` is the only way in.

    Attributes:
        winner: the child that was bridged with the parent: the first that was ready for it.
        bridged_at: when that was, in epoch seconds.
        rang: the parent was told that somebody is being alerted.
        over: the parent was told the outcome.
        timers: name to epoch seconds; whoever runs the room takes one off before it says that it fired.
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
    bridged_at: float | None = None
    rang: bool = False
    parent_left: bool = False
    over: bool = False
    timers: dict[str, float] = field(default_factory=dict)

    @property
    def done(self) -> bool:
        """Nothing can happen here any more."""
        return self.over and all(child.state is ChildState.GONE for child in self.children)

    @property
    def is_settled(self) -> bool:
        """No child can win any more."""
        return self.winner is not None or self.parent_left or self.over

    def handle(self, event: events.DialEvent, *, now: float) -> list[DialEffect]:
        """Take one event; say what has to be done about it."""
        return list(self._on(event, now))

    def _on(self, event: events.DialEvent, now: float) -> Iterator[DialEffect]:
        match event:
            case events.Opened():
                yield from self._open(now)
            case events.ChildRang():
                if not self.rang and not self.is_settled:
                    self.rang = True
                    yield TellLeg(self.parent, events.DialRang(self.id))
            case events.ChildAnswered(child):
                self._child(child).state = ChildState.ANSWERED
            case events.ChildReady(child):
                yield from self._ready(child, now)
            case events.ChildEnded(child, status):
                yield from self._gone(child, status, now, left=False)
            case events.ChildLeft(child):
                yield from self._gone(child, Status.COMPLETED, now, left=True)
            case events.ParentLeft():
                yield from self._parent_left()
            case events.Pressed(leg, digits, in_band):
                yield from self._pressed(leg, digits, in_band=in_band)
            case events.TimerFired(name):
                yield from self._timer(name)
            case _:
                assert_never(event)

    # ringing

    def _open(self, now: float) -> Iterator[DialEffect]:
        if not self.children:
            yield from self._finish(Status.FAILED, None)
            return
        yield from self._ring(self.children[:1] if self.sequential else self.children, now)

    def _ring(self, children: Sequence[Child], now: float) -> Iterator[DialEffect]:
        self.timers[RING] = now + self.timeout_s
        for child in children:
            child.state = ChildState.CALLING
            yield BeginLeg(child.sid)

    def _call_off(self) -> Iterator[DialEffect]:
        """Nobody but the winner is wanted any more. Told once; a child that answers meanwhile obeys all the same."""
        for child in self.children:
            if child.state in (ChildState.WAITING, ChildState.CALLING):
                yield TellLeg(child.sid, events.Canceled())
            elif child.state is ChildState.ANSWERED and child.sid != self.winner:
                yield TellLeg(child.sid, events.Dropped())

    # the children

    def _ready(self, sid: CallSid, now: float) -> Iterator[DialEffect]:
        if self.is_settled:  # and the child was told so
            return
        self.winner, self.bridged_at = sid, now
        self.timers = {LIMIT: now + self.time_limit_s}
        yield from self._call_off()
        yield JoinLegs(self.parent, sid)
        yield TellLeg(self.parent, events.DialAnswered(self.id))

    def _gone(self, sid: CallSid, result: Status, now: float, *, left: bool) -> Iterator[DialEffect]:
        """A child ended, or left the room for other TwiML."""
        child = self._child(sid)
        child.state, child.result = ChildState.GONE, result
        if self.over:
            return
        if sid == self.winner:
            assert self.bridged_at is not None
            if not self.parent_left:
                yield PartLegs(self.parent, sid)
            duration_s = None if left else max(0, round(now - self.bridged_at))
            yield from self._finish(Status.COMPLETED, sid, duration_s=duration_s)
        elif self.winner is None and not self._any(ChildState.CALLING, ChildState.ANSWERED):
            waiting = [each for each in self.children if each.state is ChildState.WAITING]
            if waiting and not self.parent_left:
                yield from self._ring(waiting[:1], now)
            else:
                yield from self._finish(self._unbridged(), sid, duration_s=0)

    def _unbridged(self) -> Status:
        if self.parent_left:
            return Status.CANCELED
        results = {child.result for child in self.children}
        return next(word for word in OUTCOMES if word in results)

    # the parent, digits and time

    def _parent_left(self) -> Iterator[DialEffect]:
        self.parent_left = True
        self.timers = {}
        if self.over:
            return
        if self.winner is not None:
            yield PartLegs(self.parent, self.winner)
            yield TellLeg(self.winner, events.Dropped())
            return
        yield from self._call_off()

    def _pressed(self, leg: CallSid, digits: str, *, in_band: bool) -> Iterator[DialEffect]:
        if self.winner is None or self.over or leg not in (self.parent, self.winner):
            return
        other = self.winner if leg == self.parent else self.parent
        if not in_band:
            yield PassDigits(other, digits)
        yield TellLeg(other, events.Heard(digits, in_band))
        if self.hangup_on_star and leg == self.parent and "*" in digits:
            yield TellLeg(self.winner, events.Dropped())

    def _timer(self, name: str) -> Iterator[DialEffect]:
        if name == RING:
            for child in self.children:
                if child.state is ChildState.CALLING:
                    yield TellLeg(child.sid, events.RingTimedOut())
        else:
            assert self.winner is not None
            yield TellLeg(self.winner, events.Dropped(overtime=True))

    def _finish(self, status: Status, child: CallSid | None, *, duration_s: int | None = None) -> Iterator[DialEffect]:
        self.over = True
        self.timers = {}
        bridged = self.winner is not None
        yield TellLeg(self.parent, events.DialOver(self.id, status, child, duration_s, bridged))

    def _child(self, sid: CallSid) -> Child:
        return next(child for child in self.children if child.sid == sid)

    def _any(self, *states: ChildState) -> bool:
        return any(child.state in states for child in self.children)
