"""The phone network of this server: from a leg that calls a number to a leg of that number, inside one account."""

from __future__ import annotations

from dataclasses import replace

from midcall.core import events
from midcall.core.calls import Call
from midcall.core.errors import Refused
from midcall.core.leg import Leg
from midcall.core.line import Line
from midcall.core.moves import Move
from midcall.ports import Clock
from midcall.switch.legs import Legs
from midcall.switch.numbers import Numbers


class Lines:
    """Answers `CallNumber` of all legs."""

    def __init__(self, legs: Legs, numbers: Numbers, clock: Clock) -> None:
        self._legs = legs
        self._numbers = numbers
        self._clock = clock
        legs.on_number = self.connect

    async def connect(self, calling: Call, line: Line) -> None:
        """Begin the leg at the other end of a line, or tell the calling one why there is none.

        The calling leg may be over before this one has begun; then it is told so here, because nobody was there to
        hear it.
        """
        try:
            called = await self._called(calling, line)
            if not isinstance(called, str):
                await self._legs.actors.begin(called, called.sid)
        except Refused as refused:
            called = refused.detail
        if isinstance(called, str):
            self._legs.tell(calling.sid, events.Unreached(called))
            return
        self._legs.begin(called.sid)
        if calling.sid not in self._legs.actors:
            self._legs.tell(called.sid, events.FarEnded(Move.HUNG_UP))

    async def _called(self, calling: Call, line: Line) -> Leg | str:
        """The number's leg, or why nobody answers there."""
        number = calling.to
        if line.problem is not None:
            return f"{number} is not called: {line.problem}"
        destination = await self._numbers.destination(calling.account_sid, number)
        if destination is None:
            return f"{number} is no number of this account, and there is no other phone network"
        if not destination.voice.voice_url:
            return f"{number} has no VoiceUrl, so nobody answers there"
        stir_status = await self._numbers.stir_status(calling.account_sid, calling.from_)
        leg = destination.leg(
            sid=line.other,
            caller=calling.from_,
            now=self._clock.now(),
            forwarded_from=calling.forwarded_from,
            stir_status=stir_status or calling.stir_status,
        )
        leg.line = replace(line, other=calling.sid, digits="", caller=calling.parent_sid)
        return leg
