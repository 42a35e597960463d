"""Rooms: what legs join. A dial's actor couples a parent with its children; it owns neither."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from midcall.core import events, sids
from midcall.core.calls import Call, Direction, Status
from midcall.core.dial import Child, DialRoom
from midcall.core.effects import BeginLeg, DialEffect, JoinLegs, OpenDial, PartLegs, PassDigits, TellLeg
from midcall.core.errors import Refused
from midcall.core.leg import Leg
from midcall.core.run import Script
from midcall.core.sids import AccountSid, CallSid
from midcall.core.twiml import Client
from midcall.ports import Clock, Entropy, Join, Media, Part, SendDigits, Store, Transition
from midcall.switch.actors import Actors
from midcall.switch.legs import Legs

_decoder: Final = msgspec.json.Decoder(DialRoom)


class _Owner(msgspec.Struct):
    """The part of a room's state that every version of this program reads."""

    id: str
    account_sid: AccountSid


class Rooms:
    """All live rooms of this node."""

    def __init__(
        self, legs: Legs, *, store: Store, media: Media, clock: Clock, entropy: Entropy, forgetful: bool = False
    ) -> None:
        self._legs = legs
        self._store = store
        self._media = media
        self._clock = clock
        self._entropy = entropy
        self.actors: Actors[DialRoom, events.DialEvent, DialEffect] = Actors(self, store, clock, forgetful=forgetful)
        legs.on_dial = self.open
        legs.on_room_event = self.actors.post

    def open(self, parent: Leg, dial: OpenDial) -> None:
        """Make the room of a `<Dial>` and a leg for each client, and begin."""
        children = [self._child(parent, dial, client) for client in dial.clients]
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

    def _child(self, parent: Leg, dial: OpenDial, client: Client) -> Leg:
        now = self._clock.now()
        call = Call(
            sid=CallSid(sids.mint("CA", self._entropy(sids.ENTROPY_BYTES))),
            account_sid=parent.call.account_sid,
            parent_sid=parent.sid,
            direction=Direction.OUTBOUND_DIAL,
            from_=dial.caller_id,
            to=f"client:{client.identity}",
            status=Status.QUEUED,
            sdk_leg=True,
            created_at=now,
            updated_at=now,
        )
        return Leg(
            call=call,
            identity=client.identity,
            whisper=Script(url=client.url, method=client.method) if client.url else None,
            custom=list(client.parameters),
            reporting=client.status_callback,
            message_callback=parent.message_callback,
            time_limit_s=dial.time_limit_s,
            dialed_by=dial.room,
        )

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
