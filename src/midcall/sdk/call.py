"""One call of a device, with the surface of the browser SDK's `Call` in Python's habits.

What a frame or a wish means is decided by `core.client.CallMachine`; this file carries it out: frames, media, events.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable, Coroutine, Generator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol, TypeVar

import msgspec

from midcall.core import client as core
from midcall.core.client import CallState, Direction
from midcall.core.feedback import check_sdk_feedback
from midcall.core.messages import JSON, USER_DEFINED
from midcall.core.registration import Misused
from midcall.core.sdp import NO_MEDIA_SDP
from midcall.sdk import insights
from midcall.sdk.audio import LocalStream, RemoteStream
from midcall.sdk.connect_token import ConnectToken
from midcall.sdk.errors import InvalidArgumentError, InvalidStateError, VoiceError
from midcall.sdk.events import Emitter, Tasks
from midcall.sdk.monitor import Monitor
from midcall.sdk.options import RtcConfiguration
from midcall.wire import signal

if TYPE_CHECKING:
    from midcall.sdk.media import MediaPeer

H = TypeVar("H", bound=Callable[..., Any])

MAX_UNHEARD: Final = 1000
"""Messages kept for a call that nobody listens to yet."""

MEDIA_GRACE_S: Final = 5.0
"""How long after its media is lost a call waits for a hangup before it ends itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What `messageReceived` and `messageSent` carry.

    Attributes:
        content: any JSON value.
        content_type: as the sender said it.
        message_type: `user-defined-message`.
        voice_event_sid: the message's `KX…` sid.
    """

    content: Any
    content_type: str
    message_type: str
    voice_event_sid: str


@dataclass(frozen=True, slots=True)
class CallerInfo:
    """Whether the caller's identity was verified with the highest attestation."""

    is_verified: bool


class SentMessage(str):
    """A message's sid, which can also be awaited: for the Message once the server has it, or for a VoiceError."""

    __slots__ = ("_verdict",)
    _verdict: asyncio.Future[Message]

    def __new__(cls, sid: str, verdict: asyncio.Future[Message]) -> SentMessage:
        self = super().__new__(cls, sid)
        self._verdict = verdict
        return self

    def __await__(self) -> Generator[Any, None, Message]:
        return asyncio.shield(self._verdict).__await__()


class Link(Protocol):
    """What a call needs from its device."""

    def transmit(self, frame: signal.Frame, *, keep: bool) -> bool:
        """Send a frame, or keep it for the next socket; whether there is a socket."""

    def transmit_encoded(self, frame: bytes) -> bool:
        """Send a message's frame if there is a socket; whether there is one."""

    async def publish(self, event: bytes) -> None:
        """Tell the event gateway; failures are logged only."""

    def mint_message_sid(self) -> str:
        """A new `KX…`."""

    def now(self) -> datetime:
        """The time of day."""

    def application(self) -> insights.Application:
        """Whose device it is."""

    def open_media(self, call: Call) -> MediaPeer | None:
        """A media session for the call; None for devices without media."""

    def settle(self, work: Coroutine[Any, Any, Any], name: str) -> None:
        """Let cleaning up finish in the background, also while the device is being destroyed."""

    def before_accept(self, call: Call) -> None:
        """The call is about to be accepted: end the one that is up."""

    def changed(self, call: Call) -> None:
        """The call's state or sid may have changed."""

    def message_failed(self, call: Call, error: VoiceError) -> None:
        """A message of the call was refused."""


class Call(Emitter):
    """A call to or from a device. Made by `Device.connect` and the device's `incoming` event, never by hand.

    Events, with their arguments: accept(call), audio(remote stream), cancel(), disconnect(call), error(VoiceError),
    messageReceived(Message), messageSent(Message), mute(is_muted, call), reconnected(), reconnecting(VoiceError),
    reject(), ringing(has_early_media). Messages that arrive while nobody listens wait for the first listener.

    A call with media has more, from the moment that the other side's description is known: volume(input, output) every
    50 ms, from 0 to 1 on the browser SDK's scale, sample(Sample) every second, warning(name, WarningData) and
    warning-cleared(name) for the names and thresholds in `midcall.core.quality_warnings.RULES`.
    """

    EVENTS: ClassVar[frozenset[str]] = frozenset(
        {
            "accept",
            "audio",
            "cancel",
            "disconnect",
            "error",
            "messageReceived",
            "messageSent",
            "mute",
            "reconnected",
            "reconnecting",
            "reject",
            "ringing",
            "sample",
            "volume",
            "warning",
            "warning-cleared",
        }
    )

    def __init__(
        self,
        link: Link,
        tasks: Tasks,
        machine: core.CallMachine,
        *,
        connection_id: str,
        parameters: Mapping[str, str],
        custom_parameters: Mapping[str, str],
        local: LocalStream,
        offer: str | None = None,
    ) -> None:
        super().__init__(tasks)
        self._link = link
        self._machine = machine
        self._connection_id = connection_id
        self._parameters = dict(parameters)
        self._custom = dict(custom_parameters)
        self._offer = offer
        self._local = local
        self._remote = RemoteStream()
        self._media: MediaPeer | None = None
        self._rtc_configuration = RtcConfiguration()
        self._monitoring: asyncio.Task[None] | None = None
        self._made_at = asyncio.get_running_loop().time()
        self._mourning: asyncio.TimerHandle | None = None
        self._outstanding = core.Outstanding()
        self._verdicts: dict[str, tuple[Message, asyncio.Future[Message]]] = {}
        self._unheard: deque[Message] = deque(maxlen=MAX_UNHEARD)

    # ------------------------------------------------------------------------------------------------- properties

    @property
    def direction(self) -> Direction:
        """INCOMING or OUTGOING."""
        return self._machine.direction

    @property
    def parameters(self) -> Mapping[str, str]:
        """Incoming: From, To, CallSid, AccountSid. Outgoing: empty until `ringing` or `accept`, then CallSid."""
        return dict(self._parameters)

    @property
    def custom_parameters(self) -> Mapping[str, str]:
        """Outgoing: what `connect` was given. Incoming: what the TwiML's Parameters say."""
        return dict(self._custom)

    @property
    def caller_info(self) -> CallerInfo | None:
        """Whether the caller was verified; None when nothing is known."""
        status = self._parameters.get("StirStatus")
        return CallerInfo(status == "TN-Validation-Passed-A") if status else None

    @property
    def codec(self) -> str | None:
        """The codec we send: `PCMU` or `opus`; None without media."""
        return self._media.codec() if self._media is not None else None

    @property
    def connect_token(self) -> str | None:
        """Lets another device of the same identity take the call over, by `connect(connect_token=…)`."""
        if self._machine.reconnect is None or "CallSid" not in self._parameters:
            return None
        return ConnectToken(self._parameters, self._custom, self._machine.reconnect).encode()

    @property
    def outbound_connection_id(self) -> str:
        """The temporary `TJS…` id, until the server gives a sid."""
        return self._connection_id

    def status(self) -> str:
        """pending, connecting, ringing, open, reconnecting or closed."""
        return self._machine.state

    # -------------------------------------------------------------------------------------------------- call control

    def accept(self) -> None:
        """Take a pending call; another call that is up is disconnected first. Otherwise does nothing."""
        if self._machine.state is CallState.PENDING:
            self._link.before_accept(self)
            self._handle(core.AcceptAsked())

    def reject(self) -> None:
        """Turn a pending call down, which ends it for the caller. Otherwise does nothing."""
        self._handle(core.RejectAsked())

    def ignore(self) -> None:
        """Let a pending call go on ringing elsewhere: nothing is sent and no event comes. Otherwise does nothing."""
        self._handle(core.IgnoreAsked())

    def disconnect(self) -> None:
        """End the call; does nothing while it is pending."""
        self._handle(core.DisconnectAsked())

    def mute(self, should_mute: bool = True) -> None:
        """Send silence instead of the source, or the source again."""
        if should_mute != self._local.muted:
            self._local.muted = should_mute
            self.emit("mute", should_mute, self)

    def is_muted(self) -> bool:
        """Whether silence is sent."""
        return self._local.muted

    def get_local_stream(self) -> LocalStream | None:
        """What we say; None without media."""
        return self._local if self._media is not None else None

    def get_remote_stream(self) -> RemoteStream | None:
        """What we hear; None without media."""
        return self._remote if self._media is not None else None

    def send_digits(self, digits: str) -> None:
        """Send DTMF digits: 0-9, *, # and w (a pause of 500 ms); an empty text sends none.

        Raises:
            InvalidArgumentError: other characters.
            InvalidStateError: the call is pending or closed, or has no sid yet.
        """
        try:
            core.check_digits(digits)
        except ValueError as error:
            raise InvalidArgumentError(str(error)) from None
        call_sid = self._machine.call_sid
        if call_sid is None or self._machine.state in (CallState.PENDING, CallState.CLOSED):
            raise InvalidStateError(f"digits need a call that is ringing or open; this one is {self.status()}")
        if digits and not self._link.transmit(signal.Dtmf(call_sid=call_sid, digits=digits), keep=False):
            self.emit("error", VoiceError(31005, "digits could not be sent: signalling is reconnecting"))

    async def post_feedback(self, score: int | None = None, issue: str | None = None) -> None:
        """Tell the server what a person thought of the call: its Feedback resource, which the last word replaces.

        Works at any time, also after the call and its device have ended. As in the browser SDK, returning does not
        mean that the server took it: a gateway that cannot be reached, or refuses, is only logged.

        Args:
            score: from 1, bad, to 5, good; None says that the person was asked and gave none.
            issue: audio-latency, choppy-audio, dropped-call, echo, noisy-call or one-way-audio. Ignored without score.

        Raises:
            InvalidArgumentError: there is no such score, or no such issue.
        """
        try:
            check_sdk_feedback(score, issue)
        except ValueError as error:
            raise InvalidArgumentError(str(error)) from None
        subject = insights.Subject(
            direction=self.direction,
            call_sid=self._machine.call_sid,
            temporary_sid=self._connection_id,
            codec=self.codec,
        )
        await self._link.publish(
            insights.feedback_event(subject, score, issue, application=self._link.application(), now=self._link.now())
        )

    # ------------------------------------------------------------------------------------------------------- messages

    def send_message(
        self, content: Any, *, message_type: str = USER_DEFINED, content_type: str | None = None
    ) -> SentMessage:
        """Send a message to the server-side application.

        It is kept until the server acknowledges it (`messageSent`) or refuses it (`error` on this call), and sent
        again with the same sid when the call comes back after a lost connection.

        Args:
            content: any value that JSON can express, except None.
            message_type: the server knows `user-defined-message` only.
            content_type: default `application/json`.

        Returns:
            The `KX…` sid; awaiting it waits for the verdict.

        Raises:
            InvalidArgumentError: the arguments cannot make a message.
            InvalidStateError: the call has no sid yet.
        """
        try:
            core.check_message(content, message_type, self._machine.call_sid)
            raw = json.dumps(content, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
        except Misused as error:
            raise InvalidStateError(str(error)) from None
        except (ValueError, TypeError, RecursionError) as error:
            raise InvalidArgumentError(str(error)) from None
        assert self._machine.call_sid is not None
        sid = self._link.mint_message_sid()
        message = Message(
            content=content, content_type=content_type or JSON, message_type=message_type, voice_event_sid=sid
        )
        frame = signal.encode(
            signal.Message(
                call_sid=self._machine.call_sid,
                message_sid=sid,
                message_type=message_type,
                content_type=message.content_type,
                content=msgspec.Raw(raw),
            )
        )
        verdict: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._outstanding.sent(sid, frame)
        self._verdicts[sid] = (message, verdict)
        self._link.changed(self)  # a closed call has been forgotten, but its message gets a verdict too
        if self._machine.state is not CallState.RECONNECTING:
            sent = self._link.transmit_encoded(frame)
            if not sent and self._machine.state is CallState.CLOSED:
                self._give_up_messages()
        return SentMessage(sid, verdict)

    def on(self, event: str, handler: H) -> H:
        """Call the handler at each event; see `Emitter.on`."""
        super().on(event, handler)
        self._hand_over(event)
        return handler

    def wait_for(
        self, event: str, *, where: Callable[..., bool] | None = None, timeout: float | None = None
    ) -> asyncio.Future[Any]:
        """The next event; see `Emitter.wait_for`."""
        future = super().wait_for(event, where=where, timeout=timeout)
        self._hand_over(event)
        return future

    def _hand_over(self, event: str) -> None:
        """Give the messages that waited for a listener to the first one."""
        while event == "messageReceived" and self._unheard and self._listened(event):
            self.emit(event, self._unheard.popleft())

    # --------------------------------------------------------------------------------------- what the device reports

    @property
    def _sid(self) -> str | None:
        return self._machine.call_sid

    @property
    def _is_over(self) -> bool:
        """Nothing about this call can come any more."""
        return self._machine.state is CallState.CLOSED and not self._machine.ignored and not len(self._outstanding)

    @property
    def _awaits_verdicts(self) -> bool:
        """Messages have been sent that the server has not judged."""
        return len(self._outstanding) > 0

    def _place(self, params: str | None) -> None:
        """Send the invite of an outgoing call, after media has made its offer."""
        self._media = self._link.open_media(self)
        if self._media is None:
            self._invite(NO_MEDIA_SDP, params)
        else:
            self._tasks.spawn(self._offer_and_invite(self._media, params), "offer of a call")

    async def _offer_and_invite(self, media: MediaPeer, params: str | None) -> None:
        try:
            sdp = await media.offer()
        except Exception as error:
            self._handle(core.MediaBroke(core.Fault(53400, str(error))))
            return
        if self._machine.state is not CallState.CLOSED:
            self._invite(sdp, params)

    def _invite(self, sdp: str, params: str | None) -> None:
        frame = signal.ClientInvite(
            call_sid=self._machine.call_sid or self._connection_id,
            sdp=sdp,
            reconnect=self._machine.reconnect,
            twilio=signal.Custom(params),
        )
        self._link.transmit(frame, keep=True)

    def _receive(self, frame: signal.Message) -> None:
        try:
            content = json.loads(bytes(frame.content))
        except (ValueError, RecursionError):
            return
        message = Message(
            content=content,
            content_type=frame.content_type,
            message_type=frame.message_type,
            voice_event_sid=frame.message_sid,
        )
        if self._listened("messageReceived"):
            self.emit("messageReceived", message)
        else:
            self._unheard.append(message)

    def _acknowledge(self, message_sid: str) -> None:
        if not self._outstanding.judged(message_sid):
            return
        message, verdict = self._verdicts.pop(message_sid)
        if not verdict.done():
            verdict.set_result(message)
        self.emit("messageSent", message)
        self._link.changed(self)

    def _refuse(self, message_sid: str, error: VoiceError) -> None:
        if not self._outstanding.judged(message_sid):
            return
        self._fail_verdict(message_sid, error)
        self.emit("error", error)
        self._link.message_failed(self, error)
        self._link.changed(self)

    def _fail_verdict(self, message_sid: str, error: VoiceError) -> None:
        _, verdict = self._verdicts.pop(message_sid)
        if not verdict.done():
            verdict.set_exception(error)
            verdict.exception()  # seen: whoever does not await it has the `error` event

    def _give_up_messages(self) -> None:
        """Nobody will judge what is still outstanding: the call is over and its socket is gone."""
        for message_sid in self._outstanding.give_up():
            self._fail_verdict(message_sid, VoiceError(53001, "the call ended before the server judged the message"))

    def _media_lost(self) -> None:
        """A server that ends a call may close its media a moment before its `hangup` frame is here."""
        if self._machine.state is not CallState.CLOSED:
            self._mourning = asyncio.get_running_loop().call_later(MEDIA_GRACE_S, self._media_gone)

    def _media_gone(self) -> None:
        self._handle(core.MediaBroke(core.Fault(53405, "the media connection was interrupted")))

    # ------------------------------------------------------------------------------------- what the machine orders

    def _handle(self, event: core.CallEvent) -> None:
        effects = self._machine.handle(event)
        if self._machine.call_sid is not None:
            self._parameters["CallSid"] = self._machine.call_sid
        if effects:
            self._link.changed(self)
        for effect in effects:
            self._perform(effect)
        if effects and self._machine.state is CallState.CLOSED:
            ended = InvalidStateError("the call has ended")
            self._give_up_waiting(ended, self.EVENTS - {"messageSent", "error", "cancel", "messageReceived"})
            self._link.changed(self)

    def _perform(self, effect: core.CallEffect) -> None:
        match effect:
            case core.StartAnswer():
                self._start_answer()
            case core.ApplyRemote(sdp):
                self._start_applying(sdp)
            case core.StopMedia():
                self._stop_media()
            case core.SendWaitingMessages():
                for frame in self._outstanding.frames():
                    self._link.transmit_encoded(frame)
            case core.SendAnswer() | core.SendReject() | core.SendHangup() | core.SendResume():
                # A resume is made anew for every socket; the others must not be lost with one.
                self._link.transmit(self._frame(effect), keep=not isinstance(effect, core.SendResume))
            case _:
                self._emit_effect(effect)

    def _frame(self, effect: core.SendAnswer | core.SendReject | core.SendHangup | core.SendResume) -> signal.Frame:
        call_id = self._machine.call_sid or self._connection_id
        match effect:
            case core.SendAnswer(sdp):
                return signal.ClientAnswer(call_sid=call_id, sdp=sdp)
            case core.SendReject():
                return signal.Reject(call_sid=call_id)
            case core.SendHangup(message):
                return signal.Hangup(call_sid=call_id, message=message)
            case core.SendResume(reconnect):
                sdp = self._media.current() if self._media is not None else NO_MEDIA_SDP
                return signal.ClientInvite(call_sid=call_id, sdp=sdp, reconnect=reconnect)

    def _emit_effect(self, effect: core.CallEffect) -> None:
        match effect:
            case core.EmitAccept():
                self.emit("accept", self)
            case core.EmitRinging(early_media):
                self.emit("ringing", early_media)
            case core.EmitCancel():
                self.emit("cancel")
            case core.EmitReject():
                self.emit("reject")
            case core.EmitDisconnect():
                self.emit("disconnect", self)
            case core.EmitReconnecting(fault):
                self.emit("reconnecting", VoiceError(fault.code, fault.message))
            case core.EmitReconnected():
                self.emit("reconnected")
            case core.EmitError(fault):
                self.emit("error", VoiceError(fault.code, fault.message))
            case _:
                raise AssertionError(effect)

    def _start_answer(self) -> None:
        self._media = self._link.open_media(self)
        if self._media is None:
            self._handle(core.LocalAnswerMade(NO_MEDIA_SDP))
        else:
            self._tasks.spawn(self._answer(self._media), "answer to a call")

    async def _answer(self, media: MediaPeer) -> None:
        assert self._offer is not None
        try:
            sdp = await media.answer(self._offer)
        except Exception as error:
            self._handle(core.MediaBroke(core.Fault(53402, str(error))))
            return
        self._media_agreed(media)
        self._handle(core.LocalAnswerMade(sdp))

    def _start_applying(self, sdp: str) -> None:
        if self._media is None:
            self._handle(core.RemoteApplied())
        else:
            self._tasks.spawn(self._apply(self._media, sdp), "answer from the server")

    async def _apply(self, media: MediaPeer, sdp: str) -> None:
        try:
            await media.apply(sdp)
        except Exception as error:
            self._handle(core.MediaBroke(core.Fault(53402, str(error))))
            return
        self._media_agreed(media)
        self._handle(core.RemoteApplied())

    def _media_agreed(self, media: MediaPeer) -> None:
        """Both descriptions are known, of early media too: there is something to hear, and to measure."""
        if self._machine.state is CallState.CLOSED:
            return
        self.emit("audio", self._remote)
        if self._monitoring is None:
            now = asyncio.get_running_loop().time()
            monitor = Monitor(media, self._measured, call_made_at=self._made_at, now=now)
            self._monitoring = self._tasks.spawn(monitor.run(), "monitor of a call's media")

    def _measured(self, event: str, *arguments: Any) -> None:
        if self._machine.state is not CallState.CLOSED:
            self.emit(event, *arguments)

    def _stop_media(self) -> None:
        if self._monitoring is not None:
            self._monitoring.cancel()
        if self._mourning is not None:
            self._mourning.cancel()
        if self._media is not None:
            self._link.settle(self._media.close(), "closing of a call's media")

    def __repr__(self) -> str:
        return f"<Call {self.direction} {self._machine.call_sid or self._connection_id} {self.status()}>"
