"""One actor per leg: feeds it events, stores its steps, performs its effects through the ports."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Final

import msgspec

from midcall.core import events, sids, webhooks
from midcall.core.alerts import Alert, Level
from midcall.core.calls import Call, Status
from midcall.core.effects import (
    MOVED,
    AcceptAnswer,
    AnswerOffer,
    CallNumber,
    CloseMedia,
    FetchTwiml,
    InviteDevices,
    LegEffect,
    LinkMedia,
    Note,
    OfferMedia,
    OpenDial,
    PlayDigits,
    RaiseAlert,
    Report,
    Ringback,
    ShowAnswer,
    ShowHangup,
    ShowRinging,
    ShowTaken,
    StartEcho,
    StopEcho,
    StopSound,
    TellLeg,
    TellRoom,
)
from midcall.core.errors import Refused
from midcall.core.leg import Leg
from midcall.core.line import Line
from midcall.core.messages import Log, Subscription
from midcall.core.sdp import NO_MEDIA_SDP
from midcall.core.sids import AccountSid, AlertSid, CallSid, SubscriptionSid
from midcall.ports import (
    AnswerReady,
    ApplyAnswer,
    Bus,
    Clock,
    DeviceId,
    Devices,
    DigitHeard,
    Entropy,
    Invite,
    Join,
    Link,
    MakeOffer,
    Media,
    MediaConnected,
    MediaEvent,
    MediaFailed,
    MediaLost,
    Nudge,
    OfferReady,
    Part,
    PlayRingback,
    SendDigits,
    StatusLane,
    Store,
    Terminate,
    Trace,
    TraceEvent,
    Transition,
)
from midcall.ports import CloseMedia as CloseMediaCommand
from midcall.ports import StopSound as StopSoundCommand
from midcall.switch.actors import Actors
from midcall.switch.fetch import TwimlFetcher
from midcall.wire import call_parameters
from midcall.wire.signal import encode_params

log = logging.getLogger(__name__)

LISTED: Final = 1_000
"""Undelivered messages that are counted at the end of a leg; no more than these can wait (promise M8)."""

MAX_FETCHES: Final = 1_000
"""Requests for TwiML that may be under way at once."""

_decoder: Final = msgspec.json.Decoder(Leg)


class _Row(msgspec.Struct):
    """The part of a leg's state that every version of this program reads."""

    call: Call


def _salvage(state: bytes) -> Leg:
    """A leg that may have been stored by another version: its row is enough to end it."""
    try:
        return _decoder.decode(state)
    except msgspec.ValidationError:
        return Leg(call=msgspec.json.decode(state, type=_Row).call, identity=None)


class Legs:
    """All live legs of this node. `on_room_event` and `on_dial` connect them with the rooms, `on_number` with the
    phone network."""

    def __init__(
        self,
        *,
        store: Store,
        media: Media,
        devices: Devices,
        bus: Bus,
        fetcher: TwimlFetcher,
        clock: Clock,
        entropy: Entropy,
        trace: Trace,
        first_sequence: int = 1,
        forgetful: bool = False,
    ) -> None:
        self._store = store
        self._media = media
        self._devices = devices
        self._bus = bus
        self._fetcher = fetcher
        self._clock = clock
        self._entropy = entropy
        self._trace = trace
        self._first_sequence = first_sequence
        self._work: set[asyncio.Task[None]] = set()
        self._last_words: set[asyncio.Task[None]] = set()
        self._ringing: dict[tuple[AccountSid, str], dict[CallSid, None]] = {}  # the longest ringing first
        self.actors: Actors[Leg, events.LegEvent, LegEffect] = Actors(self, store, clock, forgetful=forgetful)
        self.on_room_event: Callable[[str, events.DialEvent], None] = lambda room, event: None
        self.on_number: Callable[[Call, Line], Coroutine[None, None, None]] = _no_network
        self.on_dial: Callable[[Leg, OpenDial], None] = lambda leg, effect: None

    # what happens to legs

    def tell(self, leg: CallSid, event: events.LegEvent) -> None:
        """Give a leg an event; one that is over drops it."""
        self.actors.post(leg, event)

    def begin(self, leg: CallSid) -> None:
        """Start a leg that is stored: ring its devices, or run its TwiML."""
        self.tell(leg, events.Begun())

    def device_registered(self, account: AccountSid, identity: str, device: DeviceId) -> None:
        """Offer a device the legs that ring for its identity."""
        for leg in tuple(self._ringing.get((account, identity), ())):
            self.tell(leg, events.DeviceJoined(device))

    def on_media(self, event: MediaEvent) -> None:
        """Pass an engine's event to the leg it is about."""
        match event:
            case OfferReady(leg=leg, sdp=sdp):
                self.tell(leg, events.OfferMade(sdp))
            case AnswerReady(leg=leg, sdp=sdp):
                self.tell(leg, events.AnswerMade(sdp))
            case MediaConnected(leg=leg):
                self.tell(leg, events.MediaUp())
            case MediaLost(leg=leg):
                self.tell(leg, events.MediaDown())
            case MediaFailed(leg=leg, reason=reason, peers_fault=peers_fault):
                self.tell(leg, events.MediaBroke(reason, peers_fault))
            case DigitHeard(leg=leg, digit=digit):
                self.tell(leg, events.Pressed(leg, digit, in_band=True))

    async def idle(self) -> None:
        """Wait until no leg is left, and what its end left undelivered is told."""
        await self.actors.idle()
        if self._last_words:
            await asyncio.wait(self._last_words)

    async def close(self) -> None:
        """Stop at once; legs stay stored as they are."""
        await self.actors.close()
        for task in self._work:
            task.cancel()
        await asyncio.gather(*self._work, return_exceptions=True)

    async def bury(self, state: bytes) -> None:
        """End a leg which a crash left behind. Its client, media and rooms are gone already."""
        leg, now = _salvage(state), self._clock.now()
        leg.dialing = leg.dialed_by = None
        effects = leg.handle(events.ServerStopped(), now=now)
        step = self.step(leg, events.ServerStopped(), effects, now)
        await self._store.save(replace(step, reader=leg.holder, receipts_lost=True))
        await self.list_undelivered(leg)

    async def list_undelivered(self, leg: Leg) -> None:
        """Make messages that the client did not get before the end visible as an alert (promise M8).

        They are listed as undelivered anyway, so a disk that is full just now costs the alert only.
        """
        try:
            lost = await self._store.undelivered(leg.call.account_sid, leg.sid, LISTED)
            count = sum(undelivered.entry.log is Log.TO_CLIENT for undelivered in lost)
            if count:
                reason = f"{count} messages did not reach the client before the call ended"
                wanted = RaiseAlert(code=32700, level=Level.WARNING, reason=reason)
                await self._store.add_alert(self._alert(leg, wanted, self._clock.now()))
        except Refused as refused:
            log.warning("an alert was not stored: %s", refused.detail, extra={"call_sid": leg.sid})

    # actors.Kind

    def decode(self, state: bytes) -> Leg:
        return _decoder.decode(state)

    def handle(self, machine: Leg, event: events.LegEvent, now: float) -> list[LegEffect]:
        if isinstance(event, events.Begun) and machine.identity is not None and not machine.is_placed:
            key = (machine.call.account_sid, machine.identity)
            self._ringing.setdefault(key, {}).setdefault(machine.sid)
            event = events.Begun(tuple(self._devices.registered(*key)))
        return machine.handle(event, now=now)

    def step(self, machine: Leg, event: events.LegEvent | None, effects: Sequence[LegEffect], now: float) -> Transition:
        subscriptions = self._message_callback(machine, now)
        reports = [effect for effect in effects if isinstance(effect, Report)]
        alerts = [effect for effect in effects if isinstance(effect, RaiseAlert)]
        moved = event is None or any(isinstance(effect, Note) and effect.kind == MOVED for effect in effects)
        return Transition(
            owner=machine.sid,
            account_sid=machine.call.account_sid,
            state=None if machine.done else msgspec.json.encode(machine),
            at=now,
            timers=dict(machine.timers),
            call=machine.call if moved else None,
            status_lane=_status_lane(machine, event),
            status_entries=[call_parameters.status_callback(report) for report in reports],
            reader=self._devices.reader(machine.sid) if machine.status.is_final else None,
            subscriptions=subscriptions,
            first_sequence=self._first_sequence,
            alerts=[self._alert(machine, alert, now) for alert in alerts],
        )

    def _message_callback(self, leg: Leg, now: float) -> Sequence[Subscription]:
        """The subscription of the leg's application, opened by the step that makes the leg active: no message of its
        client can have come before. The leg is marked, so that it is opened once."""
        wanted = leg.message_callback
        if wanted is None or leg.hears_messages or not (leg.call.sdk_leg and leg.status.is_active):
            return ()
        leg.hears_messages = True
        sid = SubscriptionSid(sids.mint("ZY", self._entropy(sids.ENTROPY_BYTES)))
        return (
            Subscription(
                sid=sid,
                account_sid=leg.call.account_sid,
                leg_sid=leg.sid,
                callback=wanted.url,
                method=wanted.method,
                created_at=now,
                from_start=True,
            ),
        )

    def _alert(self, leg: Leg, wanted: RaiseAlert, now: float) -> Alert:
        return Alert(
            sid=AlertSid(sids.mint("NO", self._entropy(sids.ENTROPY_BYTES))),
            account_sid=leg.call.account_sid,
            call_sid=leg.sid,
            code=wanted.code,
            level=wanted.level,
            reason=wanted.reason,
            at=now,
            line=wanted.line,
            request_url=wanted.url,
            request_method=wanted.method,
            webhook=None if wanted.fetch is None else webhooks.of_fetch(wanted.fetch),
        )

    def perform(self, machine: Leg, effects: Sequence[LegEffect]) -> None:
        if machine.identity is not None and machine.status not in (Status.QUEUED, Status.RINGING):
            self._rings_no_more(machine)
        for effect in effects:
            self._perform(machine, effect)

    def _rings_no_more(self, leg: Leg) -> None:
        key = (leg.call.account_sid, leg.identity or "")
        ringing = self._ringing.get(key)
        if ringing is not None:
            ringing.pop(leg.sid, None)
            if not ringing:
                del self._ringing[key]

    def _perform(self, leg: Leg, effect: LegEffect) -> None:
        sid = leg.sid
        match effect:
            case Report():  # stored with the step
                self._bus.nudge(Nudge(sid, Log.STATUS))
            case RaiseAlert(code=code, reason=reason):
                log.warning("alert %d: %s", code, reason, extra={"call_sid": sid})
            case Note(kind=kind, detail=detail):
                if kind == MOVED:
                    log.info("%s call is %s", leg.call.direction, dict(detail)["status"], extra={"call_sid": sid})
                self._trace.record(
                    TraceEvent(
                        at=self._clock.now(),
                        account_sid=leg.call.account_sid,
                        leg_sid=sid,
                        kind=kind,
                        detail=dict(detail),
                    )
                )
            case FetchTwiml():
                self._fetch(leg, effect)
            case AnswerOffer(sdp):
                self._media.do(Terminate(leg=sid, offer=sdp))
            case OfferMedia(like):
                self._media.do(MakeOffer(leg=sid, like=like))
            case AcceptAnswer(sdp):
                self._media.do(ApplyAnswer(leg=sid, answer=sdp))
            case Ringback():
                self._media.do(PlayRingback(leg=sid))
            case StopSound():
                self._media.do(StopSoundCommand(leg=sid))
            case StartEcho():
                self._media.do(Join(leg=sid, other=sid))
            case StopEcho():
                self._media.do(Part(leg=sid, other=sid))
            case PlayDigits(digits):
                self._media.do(SendDigits(leg=sid, digits=digits))
            case CloseMedia():
                self._media.do(CloseMediaCommand(leg=sid))
            case InviteDevices(devices, sdp):
                self._invite(leg, devices, sdp)
            case ShowRinging(sdp):
                self._devices.ringing(sid, sdp)
            case ShowAnswer(sdp):
                self._devices.answer(sid, sdp)
            case ShowTaken(winner):
                self._devices.taken(sid, DeviceId(winner))
            case ShowHangup(code, message):
                self._devices.hangup(sid, code, message)
                telling = self._spawn(self.list_undelivered(leg), f"undelivered {sid}")
                self._last_words.add(telling)
                telling.add_done_callback(self._last_words.discard)
            case CallNumber():
                assert leg.line is not None
                self._spawn(self.on_number(leg.call, leg.line), f"number {sid}")
            case LinkMedia(other, like):
                self._media.do(Link(leg=sid, other=other, like=like))
            case OpenDial():
                self.on_dial(leg, effect)
            case TellRoom(room, event):
                self.on_room_event(room, event)
            case TellLeg(other, news):
                self.tell(other, news)

    def _invite(self, leg: Leg, devices: Sequence[str], sdp: str) -> None:
        parameters = call_parameters.invite(leg.call, encode_params(leg.custom))
        for name in devices:
            device = DeviceId(name)
            shown = NO_MEDIA_SDP if self._devices.declares_no_media(device) else sdp
            self._devices.invite(device, Invite(leg=leg.sid, sdp=shown, parameters=parameters))

    def _fetch(self, leg: Leg, wanted: FetchTwiml) -> None:
        if len(self._work) >= MAX_FETCHES and not wanted.discard:
            self.tell(leg.sid, events.TwimlFailed(wanted.fetch, wanted.url, 11200, "too many requests are under way"))
            return
        self._spawn(self._fetched(wanted), f"twiml {leg.sid}")

    def _spawn(self, work: Coroutine[None, None, None], name: str) -> asyncio.Task[None]:
        """Run work beside the actor; it is cancelled and awaited by `close`."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._work.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._work.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("%s failed", task.get_name(), exc_info=error)

    async def _fetched(self, wanted: FetchTwiml) -> None:
        try:
            arrived: events.TwimlArrived | events.TwimlFailed = await self._fetcher.fetch(wanted)
        except Exception:
            log.exception("a TwiML request could not be made", extra={"call_sid": wanted.call.sid})
            arrived = events.TwimlFailed(wanted.fetch, wanted.url, 12400, "an internal error occurred")
        if not wanted.discard:
            self.tell(wanted.call.sid, arrived)


async def _no_network(call: Call, line: Line) -> None:
    raise NotImplementedError(f"{call.sid} calls {call.to}, and there is no phone network")


def _status_lane(leg: Leg, event: events.LegEvent | None) -> StatusLane | None:
    """Opened with the leg, and changed when REST changes it.

    Named again when the leg starts: nobody waits for the first step of a child, so the store may have missed it.
    """
    if leg.reporting is not None and (event is None or isinstance(event, events.Begun | events.SettingsChanged)):
        return StatusLane(url=leg.reporting.url, method=leg.reporting.method)
    if isinstance(event, events.SettingsChanged) and event.status_callback == "":
        return StatusLane(url="", method="POST")
    return None
