"""A telephone world without a loop: legs, rooms and the mail between them, performed purely.

It does with effects what `switch` does, with nothing behind it: one mailbox per actor, timers as rows, one answer of
the engine for each offer, documents from a dictionary. While effects pass by, it checks what must hold at any time.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import msgspec

from midcall.core import events
from midcall.core.calls import FINAL, Call, Direction, Status
from midcall.core.dial import Child, ChildState, DialRoom
from midcall.core.effects import (
    MOVED,
    AnswerOffer,
    BeginLeg,
    CallNumber,
    CloseMedia,
    DialEffect,
    FetchTwiml,
    JoinLegs,
    LegEffect,
    LinkMedia,
    Note,
    OfferMedia,
    OpenDial,
    PartLegs,
    RaiseAlert,
    Report,
    ShowAnswer,
    ShowHangup,
    ShowRinging,
    TellLeg,
    TellRoom,
)
from midcall.core.errors import Refused
from midcall.core.leg import Leg
from midcall.core.line import Line
from midcall.core.moves import TRANSITIONS
from midcall.core.run import Script
from midcall.core.sids import AccountSid, CallSid
from midcall.core.twiml import Number, StatusCallback

ACCOUNT = AccountSid("AC" + "0" * 32)
EVERY_EVENT = StatusCallback(url="https://app.test/status", events=("initiated", "ringing", "answered", "completed"))
WAYS = {(status, result) for (status, _), result in TRANSITIONS.items()}

Effect = LegEffect | DialEffect


@dataclass(frozen=True, slots=True)
class Done:
    """One effect, and whose it was."""

    owner: str
    effect: Effect


@dataclass(frozen=True, slots=True)
class Reply:
    """What the outside has to say to an actor, whenever it gets around to it."""

    owner: str
    event: events.LegEvent


@dataclass
class World:
    """Everything that is alive.

    Attributes:
        forgetful: every machine is put away and read back after every event.
        patient: nothing is delivered until `deliver` or `settle` is called.
        web: documents by URL; a number is a failure with that code. What is missing stays unanswered.
        devices: identity to device names.
        numbers: phone number to the URL of its TwiML.
        log: all effects, oldest first.
        told: how often a room told its parent the outcome; how often a leg reported.
        open: legs whose client was shown an answer.
    """

    forgetful: bool = False
    patient: bool = False
    now: float = 1_000_000.0
    web: dict[str, str | int] = field(default_factory=dict)
    devices: dict[str, list[str]] = field(default_factory=dict)
    machines: dict[str, Leg | DialRoom] = field(default_factory=dict)
    over: dict[str, Leg | DialRoom] = field(default_factory=dict)
    mail: dict[str, deque[object]] = field(default_factory=dict)
    replies: list[Reply] = field(default_factory=list)
    fetching: list[FetchTwiml] = field(default_factory=list)
    alarms: dict[tuple[str, str], float] = field(default_factory=dict)
    log: list[Done] = field(default_factory=list)
    joined: set[tuple[str, str]] = field(default_factory=set)
    told: Counter[str] = field(default_factory=Counter)
    open: set[str] = field(default_factory=set)
    children: list[CallSid] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    numbers: dict[str, str] = field(default_factory=dict)
    linked: set[tuple[str, str]] = field(default_factory=set)
    sids: int = -1

    # what tests ask

    def leg(self, sid: str) -> Leg:
        machine = self.machines.get(sid) or self.over[sid]
        assert isinstance(machine, Leg)
        return machine

    def room(self, name: str) -> DialRoom:
        machine = self.machines.get(name) or self.over[name]
        assert isinstance(machine, DialRoom)
        return machine

    def of(self, owner: str, *kinds: type) -> list[Effect]:
        return [done.effect for done in self.log if done.owner == owner and isinstance(done.effect, kinds)]

    def statuses(self, sid: str) -> list[str]:
        notes = [effect for effect in self.of(sid, Note) if isinstance(effect, Note) and effect.kind == MOVED]
        return [str(dict(note.detail)["status"]) for note in notes]

    def shown(self, sid: str) -> list[Effect]:
        return self.of(sid, ShowRinging, ShowAnswer, ShowHangup)

    def reports(self, sid: str) -> list[tuple[str, str, int, int | None]]:
        return [
            (effect.event, str(effect.status), effect.sequence, effect.sip)
            for effect in self.of(sid, Report)
            if isinstance(effect, Report)
        ]

    def requests(self, sid: str) -> list[FetchTwiml]:
        return [effect for effect in self.of(sid, FetchTwiml) if isinstance(effect, FetchTwiml)]

    def alerts(self, sid: str) -> list[tuple[int, str, int | None]]:
        return [
            (effect.code, str(effect.level), effect.line)
            for effect in self.of(sid, RaiseAlert)
            if isinstance(effect, RaiseAlert)
        ]

    # what happens

    def place(
        self, url: str = "https://app.test/voice", *, custom: Iterable[tuple[str, str]] = (), fallback: str = ""
    ) -> CallSid:
        """A client places a call."""
        call = self._call(Direction.INBOUND, Status.RINGING, "client:alice", "")
        return self.begin(
            Leg(
                call=call,
                identity="alice",
                script=Script(url=url, fallback_url=fallback),
                custom=list(custom),
                offer="offer of alice",
            )
        )

    def create(self, twiml: str, *, identity: str = "bob", reporting: StatusCallback | None = EVERY_EVENT) -> CallSid:
        """REST creates a call."""
        call = self._call(Direction.OUTBOUND_API, Status.QUEUED, "app", f"client:{identity}")
        return self.begin(Leg(call=call, identity=identity, script=Script(twiml=twiml), reporting=reporting))

    def begin(self, leg: Leg) -> CallSid:
        self._house(leg.sid, leg)
        self._tell(leg.sid, events.Begun())
        return leg.sid

    def tell(self, owner: str, event: object) -> None:
        """Something happens to a leg or a room; all that follows from it happens too, unless the world is patient."""
        self._tell(owner, event)

    def advance(self, seconds: float) -> None:
        """Let time pass; timers fire in order."""
        end = self.now + seconds
        while due := sorted((at, key) for key, at in self.alarms.items() if at <= end):
            at, key = due[0]
            self.now = max(self.now, at)
            del self.alarms[key]
            self._tell(key[0], events.TimerFired(key[1]))
        self.now = end

    def document(self, text: str | int, *, url: str | None = None) -> None:
        """The oldest request is answered with TwiML, or fails with a code."""
        self._answer(self.fetching.pop(0), text, url)

    def settle(self) -> None:
        """Deliver everything that can be delivered."""
        while True:
            known = next((wanted for wanted in self.fetching if wanted.url in self.web), None)
            if self.pending:
                self.deliver(self.pending[0])
            elif self.replies:
                self.reply(0)
            elif known is not None:
                self.fetching.remove(known)
                self._answer(known, self.web[known.url], None)
            else:
                return

    def come_to_rest(self) -> None:
        """Settle, and check what holds when nobody has mail: rooms and the legs in them agree."""
        self.settle()
        for machine in self.machines.values():
            if isinstance(machine, Leg):
                assert {machine.dialing, machine.dialed_by} <= {None, *self.machines}, "a leg is in a room that is gone"
                if machine.line is not None and machine.status not in (Status.QUEUED, *FINAL):
                    assert machine.line.other in self.machines, "one end of a line outlives the other"
            else:
                assert not machine.over, "a dial is over, and a child of it lives on"
                assert machine.parent in self.machines, "a dial outlives its parent"
                bridged = (machine.parent, machine.winner) in self.joined
                assert bridged == (machine.winner is not None), "a bridge is there, or not there, without a winner"

    @property
    def pending(self) -> list[str]:
        """Actors that have mail."""
        return [owner for owner, box in self.mail.items() if box]

    def reply(self, index: int) -> None:
        """One answer from outside arrives in its actor's mailbox."""
        reply = self.replies.pop(index)
        self._post(reply.owner, reply.event)

    def deliver(self, owner: str) -> None:
        """One actor takes its oldest mail."""
        event = self.mail[owner].popleft()
        machine = self.machines.get(owner)
        if machine is None:
            return
        if isinstance(event, events.TimerFired):
            if machine.timers.get(event.name, self.now + 1) > self.now:
                return
            del machine.timers[event.name]
        before = msgspec.json.encode(machine)
        try:
            if isinstance(machine, Leg):
                self._take_leg(machine, event)
            else:
                self._take_room(machine, event)
        except Refused as refusal:
            assert msgspec.json.encode(machine) == before, "what is refused changes nothing"
            self.refused.append(refusal.rule.name)

    # the machinery

    def _tell(self, owner: str, event: object) -> None:
        self._post(owner, event)
        if not self.patient:
            self.settle()

    def _post(self, owner: str, event: object) -> None:
        if owner in self.machines:
            self.mail[owner].append(event)

    def _sid(self) -> CallSid:
        self.sids += 1
        return CallSid(f"CA{self.sids:032x}")

    def _call(
        self,
        direction: Direction,
        status: Status,
        from_: str,
        to: str,
        parent: CallSid | None = None,
        *,
        sdk: bool = True,
    ) -> Call:
        return Call(
            sid=self._sid(),
            account_sid=ACCOUNT,
            parent_sid=parent,
            direction=direction,
            from_=from_,
            to=to,
            status=status,
            sdk_leg=sdk,
            created_at=self.now,
            updated_at=self.now,
            started_at=self.now if direction is Direction.INBOUND else None,
        )

    def _house(self, owner: str, machine: Leg | DialRoom) -> None:
        self.machines[owner] = machine
        self.mail[owner] = deque()

    def _take_leg(self, leg: Leg, event: object) -> None:
        if isinstance(event, events.Begun) and not leg.is_placed:
            event = events.Begun(tuple(self.devices.get(leg.identity or "", ())))
        before = leg.status
        effects = leg.handle(event, now=self.now)  # type: ignore[arg-type]
        self._check_leg(leg, before, effects)
        self._put_away(leg.sid, leg)
        for effect in effects:
            self.log.append(Done(leg.sid, effect))
            self._perform_leg(leg, effect)

    def _take_room(self, room: DialRoom, event: object) -> None:
        effects = room.handle(event, now=self.now)  # type: ignore[arg-type]
        self._check_room(room, effects)
        self._put_away(room.id, room)
        for effect in effects:
            self.log.append(Done(room.id, effect))
            self._perform_room(effect)

    def _put_away(self, owner: str, machine: Leg | DialRoom) -> None:
        if self.forgetful:
            machine = msgspec.json.decode(msgspec.json.encode(machine), type=type(machine))
            self.machines[owner] = machine
        if machine.done:
            self.over[owner] = self.machines.pop(owner)
            del self.mail[owner]
        self.alarms = {key: at for key, at in self.alarms.items() if key[0] != owner}
        if not machine.done:
            self.alarms.update({(owner, str(name)): at for name, at in machine.timers.items()})

    def _perform_leg(self, leg: Leg, effect: LegEffect) -> None:
        match effect:
            case FetchTwiml():
                if not effect.discard:
                    self.fetching.append(effect)
            case AnswerOffer(sdp):
                self.replies.append(Reply(leg.sid, events.AnswerMade(f"answer to {sdp}")))
            case OfferMedia():
                self.replies.append(Reply(leg.sid, events.OfferMade(f"offer for {leg.identity}")))
            case CloseMedia():
                self.joined = {pair for pair in self.joined if leg.sid not in pair}
            case OpenDial():
                self._open(leg, effect)
            case TellRoom(room, event):
                self._post(room, event)
            case TellLeg(sid, news):
                self._post(sid, news)
            case CallNumber():
                self.replies.append(self._reach(leg))
            case LinkMedia(other):
                self.linked.add((leg.sid, other))
            case _:
                pass

    def _perform_room(self, effect: DialEffect) -> None:
        match effect:
            case BeginLeg(sid):
                self._post(sid, events.Begun())
            case TellLeg(sid, event):
                self._post(sid, event)
            case JoinLegs(leg, other):
                self.joined.add((leg, other))
            case PartLegs(leg, other):
                self.joined.discard((leg, other))
            case _:
                pass

    def _open(self, parent: Leg, dial: OpenDial) -> None:
        children: list[Child] = []
        for noun in dial.nouns:
            by_phone = isinstance(noun, Number)
            to = noun.number if isinstance(noun, Number) else f"client:{noun.identity}"
            leg = Leg(
                call=self._call(
                    Direction.OUTBOUND_DIAL, Status.QUEUED, dial.caller_id, to, parent.sid, sdk=not by_phone
                ),
                identity=None if isinstance(noun, Number) else noun.identity,
                line=Line(other=self._sid()) if by_phone else None,
                whisper=Script(url=noun.url, method=noun.method) if noun.url else None,
                custom=[] if isinstance(noun, Number) else list(noun.parameters),
                reporting=noun.status_callback,
                time_limit_s=dial.time_limit_s,
                dialed_by=dial.room,
            )
            self._house(leg.sid, leg)
            self.children.append(leg.sid)
            children.append(Child(sid=leg.sid))
        room = DialRoom(
            id=dial.room,
            account_sid=ACCOUNT,
            parent=parent.sid,
            children=children,
            timeout_s=dial.timeout_s,
            time_limit_s=dial.time_limit_s,
            hangup_on_star=dial.hangup_on_star,
            sequential=dial.sequential,
        )
        self._house(room.id, room)
        self._post(room.id, events.Opened())

    def _reach(self, calling: Leg) -> Reply:
        """The number's leg, which begins when its world gets around to it; or word that there is none."""
        assert calling.line is not None
        url = self.numbers.get(calling.call.to)
        if url is None:
            return Reply(calling.sid, events.Unreached("no such number"))
        call = self._call(Direction.INBOUND, Status.RINGING, calling.call.from_, calling.call.to, sdk=False)
        line = Line(other=calling.sid)
        called = Leg(call=replace(call, sid=calling.line.other), identity=None, line=line, script=Script(url=url))
        self._house(called.sid, called)
        return Reply(called.sid, events.Begun())

    def _answer(self, wanted: FetchTwiml, text: str | int, url: str | None) -> None:
        found = url or wanted.url
        event: events.LegEvent
        if isinstance(text, int):
            event = events.TwimlFailed(wanted.fetch, found, text, "it could not be had")
        else:
            event = events.TwimlArrived(wanted.fetch, found, text)
        self._tell(wanted.call.sid, event)

    # what must hold at any time

    def _check_leg(self, leg: Leg, before: Status, effects: Sequence[LegEffect]) -> None:
        at = before
        for effect in effects:
            if isinstance(effect, Note) and effect.kind == MOVED:
                status = Status(str(dict(effect.detail)["status"]))
                if status is not Status.INITIATED:
                    assert (at, status) in WAYS, f"{leg.sid} went from {at} to {status}"
                    at = status
            if isinstance(effect, Report):
                assert effect.sequence == self.told[leg.sid], "sequence numbers have no gap"
                self.told[leg.sid] += 1
            if isinstance(effect, ShowAnswer):
                self.open.add(leg.sid)
            if isinstance(effect, ShowRinging):
                assert leg.sid not in self.open, "a client was shown ringing after the answer"
        assert at is leg.status
        if before.is_final:
            assert all(isinstance(effect, FetchTwiml) and effect.discard for effect in effects)
        if leg.status.is_final:
            assert not leg.timers

    def _check_room(self, room: DialRoom, effects: Sequence[DialEffect]) -> None:
        for effect in effects:
            if isinstance(effect, TellLeg) and isinstance(effect.event, events.DialOver):
                self.told[room.id] += 1
            if isinstance(effect, JoinLegs):
                assert self.told[f"{room.id} joined"] == 0, "two children were bridged"
                self.told[f"{room.id} joined"] += 1
        assert self.told[room.id] == int(room.over), "the parent hears once how its dial ended"
        if room.over:
            assert not room.timers
        for child in room.children:
            if child.state is ChildState.GONE and child.sid in self.machines:
                leg = self.leg(child.sid)
                assert leg.dialed_by is None or leg.status.is_final, "the room forgot a child that is still in it"
