"""A phone line: two legs without a client, one at each end. One called a number, the other is that number's.

What one end hears the other one says. Answer and end cross the line; each leg runs TwiML of its own, has a status of
its own, and may be in a room of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, assert_never

from midcall.core import events
from midcall.core.alerts import Level
from midcall.core.calls import Status
from midcall.core.effects import LegEffect, LinkMedia, Note, RaiseAlert, TellLeg
from midcall.core.moves import Move
from midcall.core.sids import CallSid

if TYPE_CHECKING:
    from midcall.core.leg import Leg

ANSWERS: Final = frozenset({Move.BUSY, Move.DECLINED, Move.BROKEN})
"""Ends of a ringing number's leg that its caller meets in the same way; by all others nobody answered."""

MAX_HOPS: Final = 5
"""Numbers that one call may be passed on through; more is a loop."""

MAX_BREADTH: Final = 100
"""Numbers that one call may ring at the same time, all that they pass it on to included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One end.

    Attributes:
        other: the leg at the other end. It begins when the number was found.
        hops: numbers that were called on the way here, this one included.
        breadth: numbers that were called beside each other, over all hops: their product.
        digits: what the calling end sends after the answer.
        caller: of the number's end: the leg that dialled, in whose codec it should be spoken.
    """

    other: CallSid
    hops: int = 1
    breadth: int = 1
    digits: str = ""
    caller: CallSid | None = None

    def passed_on(self, other: CallSid, *, beside: int, digits: str) -> Line:
        """The line to one of so many numbers that a leg at this end dials."""
        return Line(other=other, hops=self.hops + 1, breadth=self.breadth * beside, digits=digits)

    @property
    def problem(self) -> str | None:
        """Why the call must not go on to this number."""
        if self.hops > MAX_HOPS:
            return f"it would be the {self.hops}th number in a row that this call is passed on to; that is a loop"
        if self.breadth > MAX_BREADTH:
            return f"this call would ring {self.breadth} numbers at the same time; that is a loop"
        return None


def arrive(line: Line) -> Iterator[LegEffect]:
    """The number's leg begins."""
    yield Note(kind="line.called", detail=(("by", line.other),))
    yield LinkMedia(line.other, line.caller)
    yield TellLeg(line.other, events.Reached())


def on_line(leg: Leg, line: Line, event: events.OfLine, now: float) -> Iterator[LegEffect]:
    """News from the other end."""
    match event:
        case events.Reached():
            if leg.status is Status.QUEUED:
                yield Note(kind="line.reached", detail=(("leg", line.other),))
                yield from leg.ring(now)
        case events.Unreached(reason):
            if leg.status is Status.QUEUED:
                yield RaiseAlert(code=13224, level=Level.ERROR, reason=reason)
                yield from leg.end(Move.UNKNOWN, now)
        case events.FarAnswered():
            if leg.status is Status.RINGING and not leg.is_placed:
                yield from _answered(leg, line, now)
        case events.FarEnded(move):
            yield from leg.end(_after(leg, move), now)
        case events.Heard(digits, in_band):
            yield TellLeg(line.other, events.Pressed(line.other, digits, in_band))
        case _:
            assert_never(event)


def _answered(leg: Leg, line: Line, now: float) -> Iterator[LegEffect]:
    yield from leg.pick_up(now)
    if line.digits:
        yield TellLeg(line.other, events.Pressed(line.other, line.digits, in_band=False))
    yield from leg.go_on(now)


def _after(leg: Leg, move: Move) -> Move:
    """How a leg ends when the one at the other end ended so."""
    if leg.is_placed or leg.status is not Status.RINGING:
        return Move.HUNG_UP
    return move if move in ANSWERS else Move.DECLINED
