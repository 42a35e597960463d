"""Place, create, update and end calls: what the edges ask of the switch."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl

from midcall.core import errors, events, numbers, sids
from midcall.core.accounts import Application
from midcall.core.calls import Call, Direction, Status
from midcall.core.errors import Refused
from midcall.core.leg import Leg
from midcall.core.line import Line
from midcall.core.sids import AccountSid, ApplicationSid, CallSid
from midcall.core.twiml import MAX_IDENTITY_CHARS
from midcall.ports import Clock, DeviceId, Entropy, Store, Trace
from midcall.switch.legs import Legs
from midcall.switch.numbers import Numbers
from midcall.switch.phones import Phones
from midcall.switch.rooms import Rooms
from midcall.switch.scripts import given_by, instructions, message_callback_of, reporting_of, script_of

log = logging.getLogger(__name__)

ENDING_S: Final = 5.0
"""How long a stopping server waits until the end of its legs is stored."""

MAX_PARAMETERS: Final = 100
"""What `To=client:bob?name=value&...` may carry."""

ANONYMOUS: Final = "anonymous"
"""Who calls with a token that has no identity."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A client's new outgoing call.

    Attributes:
        sid: the leg's new sid, minted by the caller, so that it can hold the leg before anything happens to it.
        identity: None for a token without one (`client:anonymous`).
        parameters: what the app gave to `connect`, decoded, in order.
        resume_window_s: how long the leg outlives its socket (promise C5).
    """

    sid: CallSid
    account_sid: AccountSid
    identity: str | None
    application_sid: ApplicationSid
    device: DeviceId
    offer: str
    parameters: Sequence[tuple[str, str]]
    resume_window_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCall:
    """`POST Calls`, read and checked. Exactly one of url, twiml and application_sid is set."""

    account_sid: AccountSid
    to: str
    from_: str
    url: str | None = None
    method: str = "POST"
    twiml: str | None = None
    application_sid: ApplicationSid | None = None
    fallback_url: str | None = None
    fallback_method: str = "POST"
    status_callback: str | None = None
    status_callback_method: str = "POST"
    status_callback_events: Sequence[str] = ("completed",)
    timeout_s: int = 60
    time_limit_s: int = 14_400
    caller_id: str | None = None
    send_digits: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallUpdate:
    """`POST Calls/{Sid}`, read and checked. None means unchanged."""

    status: str | None = None
    url: str | None = None
    method: str = "POST"
    twiml: str | None = None
    fallback_url: str | None = None
    fallback_method: str | None = None
    status_callback: str | None = None
    status_callback_method: str | None = None
    time_limit_s: int | None = None


class Calls:
    """Use cases of calls."""

    def __init__(
        self,
        *,
        store: Store,
        legs: Legs,
        rooms: Rooms,
        numbers: Numbers,
        clock: Clock,
        entropy: Entropy,
        trace: Trace | None = None,
        phones: Phones | None = None,
        resume_floor_s: float = 30.0,
    ) -> None:
        self._store = store
        self._legs = legs
        self._rooms = rooms
        self._numbers = numbers
        self._phones = phones or Phones()
        self._clock = clock
        self._entropy = entropy
        self._trace = trace
        self._resume_floor_s = resume_floor_s
        self._stopping = False

    async def place(self, placed: Placed) -> Call:
        """Start a client's call: the leg exists and is stored when this returns; all else follows as frames.

        Raises:
            Refused: APPLICATION_NOT_FOUND, APPLICATION_WITHOUT_URL, SERVER_STOPPING, STORE_UNAVAILABLE.
        """
        self._check_open()
        phone = self._phones.number_of(placed.account_sid, placed.identity)
        if phone is not None:
            return await self._begin(await self._by_phone(placed, phone))
        application = await self._store.application(placed.account_sid, placed.application_sid)
        if application is None:
            raise Refused(errors.APPLICATION_NOT_FOUND)
        if not application.voice_url:
            raise Refused(errors.APPLICATION_WITHOUT_URL)
        now = self._clock.now()
        call = Call(
            sid=placed.sid,
            account_sid=placed.account_sid,
            parent_sid=None,
            direction=Direction.INBOUND,
            from_=f"client:{placed.identity or ANONYMOUS}",
            to="",
            status=Status.RINGING,
            sdk_leg=True,
            created_at=now,
            updated_at=now,
            started_at=now,
            application_sid=application.sid,
        )
        leg = Leg(
            call=call,
            identity=placed.identity,
            script=script_of(application),
            custom=list(placed.parameters),
            reporting=reporting_of(application),
            message_callback=message_callback_of(application),
            offer=placed.offer,
            holder=placed.device,
            resume_window_s=max(placed.resume_window_s, self._resume_floor_s),
        )
        return await self._begin(leg)

    async def _by_phone(self, placed: Placed, phone: str) -> Leg:
        """The inbound leg of the number that a phone calls; its client is at the leg's own end."""
        number = numbers.parse(dict(placed.parameters).get("To", ""))
        destination = None if number is None else await self._numbers.destination(placed.account_sid, number)
        if number is None or destination is None or not destination.voice.voice_url:
            raise Refused(
                errors.CALLEE_UNAVAILABLE, f"{number or 'what was dialled'} is no number that anybody answers"
            )
        leg = destination.leg(sid=placed.sid, caller=phone, now=self._clock.now())
        leg.identity, leg.offer, leg.holder = placed.identity, placed.offer, placed.device
        leg.resume_window_s = max(placed.resume_window_s, self._resume_floor_s)
        return leg

    async def create(self, new: NewCall) -> Call:
        """Create a call by REST; stored and queued when this returns.

        Raises:
            Refused: TO_INVALID, FROM_INVALID, APPLICATION_NOT_FOUND, SERVER_STOPPING, STORE_UNAVAILABLE.
        """
        self._check_open()
        caller = new.caller_id or new.from_
        number = numbers.parse(new.to)
        identity: str | None
        custom: list[tuple[str, str]] = []
        line: Line | None = None
        if number is None:
            identity, custom = _client_of(new.to)
        else:
            identity = self._phones.client_of(new.account_sid, number)
            caller = _caller_by_phone(caller)
            if identity is None:
                line = Line(other=self._new_sid(), digits=new.send_digits)
        application = await self._application(new)
        script, reporting = instructions(new) if application is None else given_by(application)
        stir_status = await self._numbers.stir_status(new.account_sid, caller)
        now = self._clock.now()
        call = Call(
            sid=self._new_sid(),
            account_sid=new.account_sid,
            parent_sid=None,
            direction=Direction.OUTBOUND_API,
            from_=caller,
            to=number or f"client:{identity}",
            status=Status.QUEUED,
            sdk_leg=number is None,
            created_at=now,
            updated_at=now,
            application_sid=new.application_sid,
            stir_status=stir_status,
        )
        leg = Leg(
            call=call,
            identity=identity,
            line=line,
            digits=new.send_digits if line is None else "",
            script=script,
            custom=custom,
            reporting=reporting,
            message_callback=message_callback_of(application),
            resume_window_s=self._resume_floor_s,
            ring_timeout_s=new.timeout_s,
            time_limit_s=new.time_limit_s,
        )
        return await self._begin(leg)

    def _new_sid(self) -> CallSid:
        return CallSid(sids.mint("CA", self._entropy(sids.ENTROPY_BYTES)))

    async def _begin(self, leg: Leg) -> Call:
        self._check_open()  # again: what was looked up meanwhile took its time
        call = leg.call
        await self._legs.actors.begin(leg, leg.sid)
        self._legs.begin(leg.sid)
        if self._stopping:
            self._legs.tell(leg.sid, events.ServerStopped())
        return call

    async def _application(self, new: NewCall) -> Application | None:
        if new.application_sid is None:
            return None
        application = await self._store.application(new.account_sid, new.application_sid)
        if application is None:
            raise Refused(errors.APPLICATION_NOT_FOUND)
        return application

    async def update(self, account: AccountSid, sid: CallSid, update: CallUpdate) -> Call:
        """End or redirect a call; the row as it is afterwards.

        Raises:
            Refused: NOT_FOUND, CALL_NOT_REDIRECTABLE, SERVER_STOPPING, STORE_UNAVAILABLE.
        """
        call = await self._call(account, sid)
        redirects = update.url is not None or update.twiml is not None
        if call.status.is_final or (redirects and call.status is not Status.IN_PROGRESS):
            raise Refused(errors.CALL_NOT_REDIRECTABLE)  # before anything of the update is in force
        for event in _events_of(update):
            try:
                await self._legs.actors.ask(sid, event)
            except Refused as refusal:
                if refusal.rule is errors.NOT_FOUND:  # it ended meanwhile
                    raise Refused(errors.CALL_NOT_REDIRECTABLE) from None
                raise
        return await self._call(account, sid)

    async def delete(self, account: AccountSid, sid: CallSid) -> None:
        """Forget an ended call.

        Raises:
            Refused: NOT_FOUND, CALL_NOT_DELETABLE, STORE_UNAVAILABLE (then the call is still there).
        """
        call = await self._call(account, sid)
        if not call.status.is_final or sid in self._legs.actors:
            raise Refused(errors.CALL_NOT_DELETABLE)
        if self._trace is not None:  # first: when it cannot be done, the call is still there to be deleted again
            await self._trace.forget(account, sid)
        if not await self._store.delete_call(account, sid):
            raise Refused(errors.NOT_FOUND)

    async def _call(self, account: AccountSid, sid: CallSid) -> Call:
        call = await self._store.call(account, sid)
        if call is None:
            raise Refused(errors.NOT_FOUND)
        return call

    # What clients do to their legs. None of these waits or raises; an event for a leg that is over is dropped.

    def answered(self, leg: CallSid, device: DeviceId, sdp: str, resume_window_s: float) -> None:
        """A device accepted the leg it was offered."""
        window = max(resume_window_s, self._resume_floor_s)
        self._legs.tell(leg, events.Answered(device, sdp, window))

    def taken_over(self, leg: CallSid, device: DeviceId, offer: str, resume_window_s: float) -> None:
        """Another device of the identity answers for the one that was offered the leg; answered through
        `Devices.answer` with an SDP."""
        window = max(resume_window_s, self._resume_floor_s)
        self._legs.tell(leg, events.TakenOver(device, offer, window))

    def rejected(self, leg: CallSid, device: DeviceId) -> None:
        """A device turned the leg down; that ends it for all devices of the identity."""
        self._legs.tell(leg, events.Rejected(device))

    def hung_up(self, leg: CallSid, message: str | None = None) -> None:
        """The holder hung up (also before the answer)."""
        self._legs.tell(leg, events.HungUp())

    def reinvited(self, leg: CallSid, sdp: str) -> None:
        """The holder restarts ICE; answered through `Devices.answer` with an SDP."""
        self._legs.tell(leg, events.Reinvited(sdp))

    def pressed(self, leg: CallSid, digits: str) -> None:
        """Digits over signalling."""
        self._legs.tell(leg, events.Pressed(leg, digits, in_band=False))

    def away(self, leg: CallSid) -> None:
        """The holder's socket is gone; the resume window starts."""
        self._legs.tell(leg, events.WentAway())

    def back(self, leg: CallSid, sdp: str | None) -> None:
        """The holder is back on a new socket. `sdp` is set when it came with an ICE restart.

        The hub has bound the leg and sends the plain `answer` itself; with an SDP the switch answers through
        `Devices.answer`.
        """
        self._legs.tell(leg, events.CameBack(sdp))

    def device_gone(self, leg: CallSid, device: DeviceId) -> None:
        """A device that was offered the leg, and did not answer it, lost its socket."""
        self._legs.tell(leg, events.DeviceLost(device))

    def device_registered(self, account: AccountSid, identity: str, device: DeviceId) -> None:
        """A device registered (again): legs that ring for its identity are offered to it too."""
        self._legs.device_registered(account, identity, device)

    # The life of the server

    async def recover(self) -> int:
        """End the legs that a crash left behind: `in-progress` becomes completed, earlier failed (promise C5).

        Call it before anybody is let in. Returns how many legs there were.
        """
        ended = 0
        for owner in await self._store.live_owners():
            saved = await self._store.load(owner)
            if saved is None:
                continue
            if sids.parse(owner, "CA") is None:
                await self._rooms.bury(saved.state)
            else:
                await self._legs.bury(saved.state)
                ended += 1
        return ended

    @property
    def live(self) -> int:
        """Legs that are up on this node."""
        return len(self._legs.actors)

    async def stop(self, drain_s: float) -> None:
        """Take no new calls; give live ones `drain_s` seconds, then end them and wait until that is stored.

        A store that does not take it in time cannot hold the server up: the next start ends what is left.
        """
        self._stopping = True
        await self._idle_within(drain_s)
        for owner in self._legs.actors.owners:
            self._legs.tell(CallSid(owner), events.ServerStopped())
        await self._idle_within(ENDING_S)
        if self.live:
            log.warning("%d legs could not be ended; the next start does it", self.live)

    async def _idle_within(self, seconds: float) -> None:
        """Wait until no leg is left, but not for ever."""
        if seconds > 0:
            over = asyncio.get_running_loop().create_task(self._legs.idle())
            timer = self._clock.call_later(seconds, lambda: _cancel(over))
            try:
                await asyncio.gather(over, return_exceptions=True)
            finally:
                timer.cancel()

    async def close(self) -> None:
        """Stop at once; what was stored stays."""
        self._stopping = True
        await self._rooms.close()
        await self._legs.close()

    def _check_open(self) -> None:
        if self._stopping:
            raise Refused(errors.SERVER_STOPPING)


def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()


def _client_of(to: str) -> tuple[str, list[tuple[str, str]]]:
    """Identity and custom parameters of `client:identity?name=value`.

    Raises:
        Refused: TO_INVALID.
    """
    scheme, _, rest = to.partition(":")
    identity, _, query = rest.partition("?")
    if scheme != "client" or not identity or len(identity) > MAX_IDENTITY_CHARS:
        reached = "client:IDENTITY and phone numbers in E.164 format"
        raise Refused(errors.TO_INVALID, f"To={to[:64]!r} cannot be called; this server reaches {reached}")
    try:
        return identity, parse_qsl(query, keep_blank_values=True, max_num_fields=MAX_PARAMETERS)
    except ValueError:
        raise Refused(errors.TO_INVALID, f"To has more than {MAX_PARAMETERS} parameters") from None


def _caller_by_phone(caller: str) -> str:
    """Who may call a phone number: another number, or a client.

    Raises:
        Refused: FROM_INVALID.
    """
    number = numbers.parse(caller)
    if number is None and not caller.startswith("client:"):
        raise Refused(errors.FROM_INVALID, f"From={caller[:64]!r} cannot call a phone number; take one in E.164 format")
    return number or caller


def _events_of(update: CallUpdate) -> list[events.LegEvent]:
    """What an update means for the leg, in order: settings first, so that they hold for what follows."""
    wanted: list[events.LegEvent] = []
    settings = events.SettingsChanged(
        fallback_url=update.fallback_url,
        fallback_method=update.fallback_method,
        status_callback=update.status_callback,
        status_callback_method=update.status_callback_method,
        time_limit_s=update.time_limit_s,
    )
    if settings != events.SettingsChanged():
        wanted.append(settings)
    if update.status is not None:
        wanted.append(events.EndAsked(only_unanswered=update.status == Status.CANCELED))
    elif update.url or update.twiml is not None:
        wanted.append(events.RedirectAsked(update.url, update.method, update.twiml))
    return wanted
