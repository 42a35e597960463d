"""One leg on the server's side: its status, its client, its media and its TwiML run, as data.

`core.moves` has the table that moves the status. `Leg.handle` takes an event and says what has to be done; it owns no
socket, no clock and no chance, so a whole call runs in a unit test, and a leg can be put away and read back between any
two events. `core.verbs` steps through the leg's TwiML.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final, assert_never

from midcall.core import errors, events, line, verbs
from midcall.core.alerts import Level
from midcall.core.calls import Call, Direction, Status
from midcall.core.effects import (
    MOVED,
    AcceptAnswer,
    AnswerOffer,
    CallNumber,
    CloseMedia,
    InviteDevices,
    LegEffect,
    Note,
    OfferMedia,
    PlayDigits,
    RaiseAlert,
    Report,
    Ringback,
    ShowAnswer,
    ShowHangup,
    ShowRinging,
    ShowTaken,
    StopEcho,
    StopSound,
    TellLeg,
    TellRoom,
)
from midcall.core.errors import Refused
from midcall.core.line import Line
from midcall.core.moves import SIP_OF, TRANSITIONS, Move, Shown, Timer
from midcall.core.run import Run, Script
from midcall.core.sids import CallSid
from midcall.core.twiml import StatusCallback

MEDIA_LOST_S: Final = 60.0
"""A leg whose media is gone ends after this, unless the client restarts ICE (docs/reference/twiml.md)."""


@dataclass(slots=True, kw_only=True)
class MessageCallback:
    """Where the messages of an application's legs go, from the first one on."""

    url: str
    method: str = "POST"


@dataclass(slots=True, kw_only=True)
class Leg:
    """The live side of a call.

    Attributes:
        call: the row that REST shows.
        identity: of the SDK client on this leg, or of the client that is a phone (`switch.phones`).
        line: of a leg without an SDK client.
        digits: what is sent after the answer to a client that is a phone.
        script: the leg's own TwiML; a child, which is only bridged, has none until REST redirects it.
        whisper: TwiML that a child runs after its answer and before the bridge.
        custom: parameters the client gave (placed legs), or that it is shown (rung legs).
        begun: it was started; a leg that ends before sends no callbacks (docs/reference/twiml.md).
        reporting: its status callback; `reported` counts what was sent.
        message_callback: of the application whose TwiML the leg runs, or of the leg that dialled it;
            `hears_messages`: its subscription was opened.
        offer: the SDP that the leg began with: the client's (placed) or ours (rung).
        answer: our answer to a placing client's offer; later answers of the engine are for restarts of ICE.
        goal, shown: how far the client of a placed leg should be told, and was told; `sdp_shown`: with the answer.
        offered: devices that the leg was offered to; `holder`: the device that has the leg.
        resume_window_s: how long the leg waits for its client when the client's socket is gone.
        fetches, dials: how many were begun; they number requests and rooms.
        dialing: the room of the `<Dial>` that this leg runs; `dialed_by`: the room that this leg is a child in.
        timers: name to epoch seconds; whoever runs the leg takes one off before it says that it fired.
    """

    call: Call
    identity: str | None
    line: Line | None = None
    digits: str = ""
    script: Script | None = None
    whisper: Script | None = None
    custom: list[tuple[str, str]] = field(default_factory=list)
    begun: bool = False
    reporting: StatusCallback | None = None
    reported: int = 0
    message_callback: MessageCallback | None = None
    hears_messages: bool = False
    offer: str = ""
    answer: str | None = None
    goal: Shown = Shown.NOTHING
    shown: Shown = Shown.NOTHING
    sdp_shown: bool = False
    offered: list[str] = field(default_factory=list)
    holder: str | None = None
    resume_window_s: float = 30.0
    ring_timeout_s: int = 60
    time_limit_s: int = 14_400
    run: Run | None = None
    fetches: int = 0
    dials: int = 0
    dialing: str | None = None
    dialed_by: str | None = None
    timers: dict[str, float] = field(default_factory=dict)

    @property
    def sid(self) -> CallSid:
        return self.call.sid

    @property
    def status(self) -> Status:
        return self.call.status

    @property
    def is_placed(self) -> bool:
        """It came here: from a client, or from the calling end of a line."""
        return self.call.direction is Direction.INBOUND

    @property
    def done(self) -> bool:
        """Over, and nobody owes it an answer: it can be forgotten."""
        return self.status.is_final and self.dialing is None

    def handle(self, event: events.LegEvent, *, now: float) -> list[LegEffect]:
        """Take one event; say what has to be done about it.

        Raises:
            Refused: CALL_NOT_REDIRECTABLE for what REST asks of a leg that is over or not in progress.
        """
        return list(self._on(event, now))

    def _on(self, event: events.LegEvent, now: float) -> Iterator[LegEffect]:
        if self.status.is_final:
            yield from self._after_the_end(event)
            return
        match event:
            case events.Begun(devices):
                yield from self._begin(devices, now)
            case events.OfferMade() | events.AnswerMade() | events.MediaUp() | events.MediaDown() | events.MediaBroke():
                yield from self._media(event, now)
            case events.TwimlArrived() | events.TwimlFailed():
                yield from verbs.on_document(self, event, now)
            case events.DialRang() | events.DialAnswered() | events.DialOver():
                yield from verbs.on_dial(self, event, now)
            case events.Reached() | events.Unreached() | events.FarAnswered() | events.FarEnded() | events.Heard():
                if self.line is not None:
                    yield from line.on_line(self, self.line, event, now)
            case events.EndAsked() | events.RedirectAsked() | events.SettingsChanged():
                yield from self._rest(event, now)
            case events.TimerFired(name):
                yield from self._timer(Timer(name), now)
            case events.Canceled() | events.RingTimedOut() | events.Dropped():
                if self.dialed_by is not None:  # a child that has left its room is no business of it
                    yield from self._unwanted(event, now)
            case events.ServerStopped():
                yield from self.end(Move.BROKEN, now)
            case _:
                yield from self._client(event, now)

    # the beginning

    def _begin(self, devices: tuple[str, ...], now: float) -> Iterator[LegEffect]:
        self.begun = True
        if self.is_placed:
            yield Note(kind="leg.placed", detail=(("from", self.call.from_), ("status", str(self.status))))
            yield from self._accept()
            assert self.script is not None
            yield from verbs.start(self, self.script, now)
            return
        self.call = replace(self.call, started_at=now, updated_at=now)
        yield from self._report("initiated", Status.INITIATED, now)
        if not devices and self.line is None:
            yield from self.end(Move.UNREACHABLE, now)
            return
        if self.dialed_by is None:
            self.timers[Timer.RING] = now + self.ring_timeout_s
        self.offered = list(devices)
        yield OfferMedia(self.call.parent_sid) if self.line is None else CallNumber()

    def _accept(self) -> Iterator[LegEffect]:
        if self.line is None:
            yield AnswerOffer(self.offer)
        else:
            yield from line.arrive(self.line)

    def ring(self, now: float) -> Iterator[LegEffect]:
        self._move(Move.RANG, now)
        yield from self._report("ringing", Status.RINGING, now)
        if self.offered:
            yield InviteDevices(tuple(self.offered), self.offer)
        if self.dialed_by is not None:
            yield TellRoom(self.dialed_by, events.ChildRang(self.sid))

    def _unwanted(self, event: events.ToChild, now: float) -> Iterator[LegEffect]:
        match event:
            case events.Canceled():
                yield from self.end(Move.CANCELED, now)
            case events.RingTimedOut():
                if self.status is not Status.IN_PROGRESS:
                    yield from self.end(Move.TIMED_OUT, now)
            case events.Dropped(overtime):
                if overtime:
                    yield _overtime()
                yield from self.end(Move.HUNG_UP, now)
            case _:
                assert_never(event)

    # the client

    def _client(self, event: events.OfClient, now: float) -> Iterator[LegEffect]:
        match event:
            case events.Answered(device, sdp, resume_window_s):
                if self.status is Status.RINGING and device in self.offered:
                    self.resume_window_s = resume_window_s
                    yield from self._answered(device, AcceptAnswer(sdp), now)
            case events.TakenOver(device, offer, resume_window_s):
                if self.status is Status.RINGING and device in self.offered:
                    self.resume_window_s = resume_window_s
                    yield Note(kind="leg.taken_over")
                    yield from self._answered(device, AnswerOffer(offer), now)
            case events.Rejected(device):
                if self.status is Status.RINGING and device in self.offered:
                    self.offered.remove(device)
                    yield from self.end(Move.REJECTED, now)
            case events.HungUp():
                yield from self.end(Move.HUNG_UP, now)
            case events.Reinvited(sdp):
                yield from self._restart_ice(sdp)
            case events.Pressed(_, digits, in_band):
                yield from self._pressed(digits, in_band=in_band)
            case events.WentAway():
                if self.is_placed or self.holder is not None:
                    self.timers[Timer.RESUME] = now + self.resume_window_s
                    yield Note(kind="leg.away")
            case events.CameBack(new_sdp):
                self.timers.pop(Timer.RESUME, None)
                yield Note(kind="leg.back")
                if new_sdp is not None:
                    yield from self._restart_ice(new_sdp)
            case events.DeviceJoined(device):
                yield from self._device_joined(device)
            case events.DeviceLost(device):
                # The leg rings on: a page is loaded again, and a client that accepts or rejects while its socket is
                # gone says so as soon as it has another one.
                if self.status is Status.QUEUED and device in self.offered:
                    self.offered.remove(device)
            case _:
                assert_never(event)

    def _device_joined(self, device: str) -> Iterator[LegEffect]:
        """It rings too; while our offer is still being made it waits for it with the others."""
        if self.is_placed or self.status is Status.IN_PROGRESS or device in self.offered:
            return
        self.offered.append(device)
        if self.status is Status.RINGING:
            yield InviteDevices((device,), self.offer)

    def _answered(self, device: str, media: AcceptAnswer | AnswerOffer, now: float) -> Iterator[LegEffect]:
        self.holder = device
        self.offered = []
        yield media
        yield from self.pick_up(now)
        yield ShowTaken(device)
        if self.digits:
            yield PlayDigits(self.digits)
        yield from self.go_on(now)

    def go_on(self, now: float) -> Iterator[LegEffect]:
        """A leg that rang somebody was answered."""
        self.timers.pop(Timer.RING, None)
        if self.dialed_by is not None:
            yield TellRoom(self.dialed_by, events.ChildAnswered(self.sid))
        if self.whisper is not None:
            yield from verbs.start(self, self.whisper, now, whisper=True)
        elif self.dialed_by is not None:
            yield from self.be_bridged()
        else:
            assert self.script is not None
            yield from verbs.start(self, self.script, now)

    def be_bridged(self) -> Iterator[LegEffect]:
        """A child has answered, and has heard its whisper."""
        self.whisper, self.run = None, None
        assert self.dialed_by is not None
        yield TellRoom(self.dialed_by, events.ChildReady(self.sid))

    def _restart_ice(self, sdp: str) -> Iterator[LegEffect]:
        """Only for a client that has our SDP: others have nothing to restart."""
        if self.sdp_shown or self.holder is not None:
            yield AnswerOffer(sdp)

    def _pressed(self, digits: str, *, in_band: bool) -> Iterator[LegEffect]:
        for digit in digits:
            if digit != "w":
                yield Note(kind="leg.digit", detail=(("digit", digit), ("in_band", int(in_band))))
        room = self.dialing or self.dialed_by
        if room is not None:
            yield TellRoom(room, events.Pressed(self.sid, digits, in_band))

    # media

    def _media(self, event: events.OfMedia, now: float) -> Iterator[LegEffect]:
        match event:
            case events.OfferMade(sdp):
                if self.status is Status.QUEUED:
                    self.offer = sdp
                    yield from self.ring(now)
            case events.AnswerMade(sdp):
                if self.is_placed and self.answer is None:
                    self.answer = sdp
                    yield from self.show(self.goal)
                else:  # an ICE restart or a takeover: the SDK takes the SDP from an `answer`, which opens its call
                    self.shown = Shown.ANSWERED
                    yield ShowAnswer(sdp)
            case events.MediaUp():
                self.timers.pop(Timer.MEDIA, None)
                yield Note(kind="media.up")
            case events.MediaDown():
                self.timers.setdefault(Timer.MEDIA, now + MEDIA_LOST_S)
                yield Note(kind="media.down")
            case events.MediaBroke(reason, peers_fault):
                yield Note(kind="media.broken", detail=(("reason", reason),))
                code = errors.SDP_UNUSABLE.signalling if peers_fault else 53405
                yield from self.end(Move.BROKEN, now, code=code, message=reason)
            case _:
                assert_never(event)

    def show(self, goal: Shown) -> Iterator[LegEffect]:
        """Tell the client of a placed leg how far its call is, as soon as there is an SDP to tell it with."""
        self.goal = max(self.goal, goal)
        if not self.is_placed or self.answer is None or self.shown >= self.goal:
            return
        sdp = None if self.sdp_shown else self.answer
        self.shown, self.sdp_shown = self.goal, True
        if self.goal is Shown.RINGING:
            yield ShowRinging(sdp)
        else:
            yield ShowAnswer(sdp)

    def ring_back(self) -> Iterator[LegEffect]:
        """Somebody is being alerted for this leg: it hears so."""
        yield from self.show(Shown.RINGING)
        yield Ringback()

    # status

    def pick_up(self, now: float) -> Iterator[LegEffect]:
        """The leg is answered, in the sense of REST; a placed leg's client may still be hearing it ring."""
        if self.status is not Status.RINGING:
            return
        self._move(Move.ANSWERED, now)
        self.timers[Timer.LIMIT] = now + self.time_limit_s
        yield from self._report("answered", Status.IN_PROGRESS, now)
        if self.line is not None and self.is_placed:
            yield TellLeg(self.line.other, events.FarAnswered())

    def end(
        self, move: Move, now: float, *, code: int | None = None, message: str | None = None
    ) -> Iterator[LegEffect]:
        """End the leg; its client, its media and its rooms follow."""
        answered = self.call.answered_at is not None
        self._move(move, now)
        self.timers.clear()
        sip = 200 if answered else SIP_OF.get(move, 487)
        yield from self._report("completed", self.status, now, sip=sip)
        if self.line is None:
            yield ShowHangup(code, message)
        else:
            yield TellLeg(self.line.other, events.FarEnded(move))
        yield CloseMedia()
        if self.dialing is not None:
            yield TellRoom(self.dialing, events.ParentLeft())
        if self.dialed_by is not None:
            yield TellRoom(self.dialed_by, events.ChildEnded(self.sid, self.status))

    def _move(self, move: Move, now: float) -> None:
        status = TRANSITIONS[self.status, move]
        self.call = replace(
            self.call,
            status=status,
            updated_at=now,
            started_at=now if self.call.started_at is None and status.is_active else self.call.started_at,
            answered_at=now if move is Move.ANSWERED else self.call.answered_at,
            ended_at=now if status.is_final else None,
        )

    def _report(self, event: str, status: Status, now: float, *, sip: int | None = None) -> Iterator[LegEffect]:
        yield Note(kind=MOVED, detail=(("status", str(status)),))
        if self.begun and self.reporting is not None and event in self.reporting.events:
            yield Report(call=self.call, event=event, status=status, sequence=self.reported, at=now, sip=sip)
            self.reported += 1

    # time and REST

    def _timer(self, timer: Timer, now: float) -> Iterator[LegEffect]:
        match timer:
            case Timer.PAUSE:
                yield from verbs.on_pause_over(self, now)
            case Timer.RING:
                yield from self.end(Move.TIMED_OUT, now)
            case Timer.RESUME:
                yield Note(kind="leg.not_resumed")
                yield from self.end(Move.HUNG_UP, now)
            case Timer.LIMIT:
                yield _overtime()
                yield from self.end(Move.HUNG_UP, now)
            case Timer.MEDIA:
                yield RaiseAlert(
                    code=32014, level=Level.WARNING, reason="the leg's media was lost and did not come back"
                )
                yield from self.end(Move.HUNG_UP, now)
            case _:
                assert_never(timer)

    def _rest(self, event: events.OfRest, now: float) -> Iterator[LegEffect]:
        match event:
            case events.EndAsked(only_unanswered):
                if not (only_unanswered and self.status is Status.IN_PROGRESS):
                    yield from self.end(Move.HUNG_UP, now)
            case events.RedirectAsked(url, method, twiml):
                if self.status is not Status.IN_PROGRESS:
                    raise Refused(errors.CALL_NOT_REDIRECTABLE)
                yield from self._leave_rooms()
                fallback = self.script or Script()
                self.script = replace(fallback, url=url or "", method=method, twiml=twiml)
                self.whisper = None
                yield from verbs.start(self, self.script, now)
            case events.SettingsChanged():
                self._change(event, now)
            case _:
                assert_never(event)

    def _leave_rooms(self) -> Iterator[LegEffect]:
        self.timers.pop(Timer.PAUSE, None)
        if self.run is not None and self.run.echoing:
            yield StopEcho()
        if self.dialing is not None:
            yield TellRoom(self.dialing, events.ParentLeft())
            yield StopSound()
        if self.dialed_by is not None:
            yield TellRoom(self.dialed_by, events.ChildLeft(self.sid))
        self.dialing = self.dialed_by = None

    def _change(self, event: events.SettingsChanged, now: float) -> None:
        if event.time_limit_s is not None:
            self.time_limit_s = event.time_limit_s
            if self.call.answered_at is not None:
                self.timers[Timer.LIMIT] = max(now, self.call.answered_at + event.time_limit_s)
        if event.fallback_url is not None or event.fallback_method is not None:
            script = self.script or Script()
            url = script.fallback_url if event.fallback_url is None else event.fallback_url
            self.script = replace(
                script, fallback_url=url, fallback_method=event.fallback_method or script.fallback_method
            )
        if event.status_callback is not None:
            old = self.reporting or StatusCallback(url="")
            self.reporting = replace(old, url=event.status_callback) if event.status_callback else None
        if event.status_callback_method is not None and self.reporting is not None:
            self.reporting = replace(self.reporting, method="GET" if event.status_callback_method == "GET" else "POST")

    def _after_the_end(self, event: events.LegEvent) -> Iterator[LegEffect]:
        if isinstance(event, events.DialOver) and event.room == self.dialing:
            yield from verbs.on_dial_over_after_the_end(self, event)
        elif isinstance(event, events.EndAsked | events.RedirectAsked | events.SettingsChanged):
            raise Refused(errors.CALL_NOT_REDIRECTABLE)


def _overtime() -> RaiseAlert:
    return RaiseAlert(code=32015, level=Level.WARNING, reason="the call reached its time limit")
