"""Rooms: what legs join. A dial's actor couples a parent with its children; it owns neither."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypedDict

import msgspec

from midcall.core import events, sids
from midcall.core.calls import Call, Direction, Status
from midcall.core.dial import Child, DialRoom
from midcall.core.effects import BeginLeg, DialEffect, JoinLegs, OpenDial, PartLegs, PassDigits, TellLeg
from midcall.core.errors import Refused
from midcall.core.leg import Leg
from midcall.core.line import Line
from midcall.core.run import Script
from midcall.core.sids import AccountSid, CallSid
from midcall.core.twiml import Noun, Number
from midcall.ports import Clock, Entropy, Join, Media, Part, SendDigits, Store, Transition
from midcall.switch.actors import Actors
from midcall.switch.legs import Legs
from midcall.switch.phones import Phones

_decoder: Final = msgspec.json.Decoder(DialRoom)


class _Owner(msgspec.Struct):
    """The part of a room's state that every version of this program reads."""

    id: str
    account_sid: AccountSid


class Rooms:
    """All live rooms of this node."""

    def __init__(
        self,
        legs: Legs,
        *,
        store: Store,
        media: Media,
        clock: Clock,
        entropy: Entropy,
        phones: Phones | None = None,
        forgetful: bool = False,
    ) -> None:
        self._legs = legs
        self._store = store
        self._media = media
        self._clock = clock
        self._entropy = entropy
        self._phones = phones or Phones()
        self.actors: Actors[DialRoom, events.DialEvent, DialEffect] = Actors(self, store, clock, forgetful=forgetful)
        legs.on_dial = self.open
        legs.on_room_event = self.actors.post

    def open(self, parent: Leg, dial: OpenDial) -> None:
        """Make the room of a `<Dial>` and a leg for each noun, and begin."""
        children = [self._child(parent, dial, noun) for noun in dial.nouns]
        room = DialRoom(
            id=dial.room,
            account_sid=parent.call.account_sid,
            parent=parent.sid,
            children=[Child(sid=child.sid) for child in children],
            timeout_s=dial.timeout_s,
            time_limit_s=dial.time_limit_s,
            hangup_on_star=dial.hangup_on_star,
            sequential=dial.sequential,
        )
        try:
            for child in children:
                self._legs.actors.begin_soon(child, child.sid)
            self.actors.begin_soon(room, room.id)
        except Refused:  # the store's queue is full: nobody is rung, and the parent goes on
            for child in children:
                self._legs.tell(child.sid, events.Canceled())
            self._legs.tell(parent.sid, events.DialOver(dial.room, Status.FAILED, None, None, bridged=False))
        else:
            self.actors.post(room.id, events.Opened())

    def _child(self, parent: Leg, dial: OpenDial, noun: Noun) -> Leg:
        now = self._clock.now()
        by_phone = isinstance(noun, Number)
        call = Call(
            sid=self._new_sid(),
            account_sid=parent.call.account_sid,
            parent_sid=parent.sid,
            direction=Direction.OUTBOUND_DIAL,
            from_=dial.caller_id,
            to=noun.number if isinstance(noun, Number) else f"client:{noun.identity}",
            status=Status.QUEUED,
            sdk_leg=not by_phone,
            created_at=now,
            updated_at=now,
            **_inherited(parent, dial.caller_id, by_phone=by_phone),
        )
        child = Leg(
            call=call,
            identity=None,
            whisper=Script(url=noun.url, method=noun.method) if noun.url else None,
            reporting=noun.status_callback,
            message_callback=parent.message_callback,
            time_limit_s=dial.time_limit_s,
            dialed_by=dial.room,
        )
        if not isinstance(noun, Number):
            child.identity, child.custom = noun.identity, list(noun.parameters)
        elif (phone := self._phones.client_of(call.account_sid, noun.number)) is not None:
            child.identity, child.digits = phone, noun.send_digits
        else:
            other, beside = self._new_sid(), 1 if dial.sequential else _phones(dial)
            before = parent.line or Line(other=other, hops=0)
            child.line = before.passed_on(other, beside=beside, digits=noun.send_digits)
        return child

    def _new_sid(self) -> CallSid:
        return CallSid(sids.mint("CA", self._entropy(sids.ENTROPY_BYTES)))

    async def bury(self, state: bytes) -> None:
        """Remove a room which a crash left behind."""
        room = msgspec.json.decode(state, type=_Owner)
        gone = Transition(owner=room.id, account_sid=room.account_sid, state=None, at=self._clock.now())
        await self._store.save(gone)

    # actors.Kind

    def decode(self, state: bytes) -> DialRoom:
        return _decoder.decode(state)

    def handle(self, machine: DialRoom, event: events.DialEvent, now: float) -> list[DialEffect]:
        return machine.handle(event, now=now)

    def step(
        self, machine: DialRoom, event: events.DialEvent | None, effects: Sequence[DialEffect], now: float
    ) -> Transition:
        return Transition(
            owner=machine.id,
            account_sid=machine.account_sid,
            state=None if machine.done else msgspec.json.encode(machine),
            at=now,
            timers=dict(machine.timers),
        )

    def perform(self, machine: DialRoom, effects: Sequence[DialEffect]) -> None:
        for effect in effects:
            match effect:
                case BeginLeg(leg):
                    self._legs.begin(leg)
                case TellLeg(leg, event):
                    self._legs.tell(leg, event)
                case JoinLegs(leg, other):
                    self._media.do(Join(leg=leg, other=other))
                case PartLegs(leg, other):
                    self._media.do(Part(leg=leg, other=other))
                case PassDigits(leg, digits):
                    self._media.do(SendDigits(leg=leg, digits=digits))

    async def close(self) -> None:
        """Stop at once; rooms stay stored as they are."""
        await self.actors.close()


def _phones(dial: OpenDial) -> int:
    return sum(isinstance(noun, Number) for noun in dial.nouns)


class _Inherited(TypedDict, total=False):
    stir_status: str
    forwarded_from: str


def _inherited(parent: Leg, caller_id: str, *, by_phone: bool) -> _Inherited:
    """What a dialled leg says of a caller whose call it passes on; a caller id of its own ends that."""
    if caller_id != parent.call.from_:
        return {}
    inherited: _Inherited = {"stir_status": parent.call.stir_status}
    if by_phone and parent.line is not None and parent.is_placed:
        inherited["forwarded_from"] = parent.call.to
    return inherited
