"""One call of a device, with the surface of the browser SDK's `Call` in Python's habits.

What a frame or a wish means is decided by `core.client_call.CallMachine`; this file carries it out: frames, media and
events.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, TypeVar

from midcall.core import client as core
from midcall.core.client import CallState, Direction
from midcall.core.client_call import CallMachine
from midcall.core.client_messages import check_digits
from midcall.core.feedback import check_sdk_feedback
from midcall.core.messages import USER_DEFINED
from midcall.sdk import insights, messages, orders, words
from midcall.sdk.audio import LocalStream, RemoteStream
from midcall.sdk.conduct import Conduct
from midcall.sdk.connect_token import ConnectToken
from midcall.sdk.errors import InvalidArgumentError, InvalidStateError, VoiceError
from midcall.sdk.events import Emitter, Tasks
from midcall.sdk.link import Link
from midcall.sdk.messages import SentMessage
from midcall.sdk.options import RtcConfiguration
from midcall.wire import signal

H = TypeVar("H", bound=Callable[..., Any])

log = logging.getLogger("midcall.sdk")

AFTER_THE_END: Final = frozenset({"messageSent", "error", "cancel", "messageReceived"})
"""What can still come after a call's end: while messages of it are not judged, or while it rings elsewhere."""


@dataclass(frozen=True, slots=True)
class CallerInfo:
    """Whether the caller's identity was verified with the highest attestation."""

    is_verified: bool


class Call(Emitter):
    """A call to or from a device. Made by `Device.connect` and the device's `incoming` event, never by hand.

    Events, with their arguments: accept(call), audio(remote stream), cancel(), disconnect(call), error(VoiceError),
    messageReceived(Message), messageSent(Message), mute(is_muted, call), reconnected(), reconnecting(VoiceError),
    reject(), ringing(has_early_media). Messages that arrive while nobody listens wait for the first listener.

    A call with media has more, from the moment that the other side's description is known: volume(input, output) every
    50 ms, from 0 to 1 on the browser SDK's scale, sample(Sample) every second, warning(name, WarningData) and
    warning-cleared(name) for the names and thresholds in `midcall.core.quality_warnings.RULES`, and without data
    (None) for `ice-connectivity-lost`. None of them comes after `disconnect`, `cancel` or `reject`.

    `reconnecting` comes with 53001 when signalling is lost and with 53405 when media is, `reconnected` when both are
    back. For lost media ICE is restarted for 30 seconds; then `disconnect` comes, and `error` with 53405.

    Where the vendor's documentation and the browser SDK disagree, this follows the browser SDK: `cancel` comes only
    when the server takes a call back, so neither for `ignore()` nor for giving up an outgoing call, which emits
    `disconnect`; errors of messages come on the call; the first key of an outgoing call's parameters is `CallSid`.
    """

    State = CallState
    CallDirection = Direction
    Codec = words.Codec
    FeedbackScore = words.FeedbackScore
    FeedbackIssue = words.FeedbackIssue
    IceGatheringFailureReason = words.IceGatheringFailureReason
    MediaFailure = words.MediaFailure

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
        machine: CallMachine,
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
        self._rtc_configuration = RtcConfiguration()
        self._media = Conduct(
            tasks,
            tell=self._handle,
            emit=self.emit,
            agreed=lambda: self.emit("audio", self._remote),
            chance=link.fraction,
        )
        self._outbox = messages.Outbox()
        self._unheard = messages.Unheard()
        self._has_ended = False

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
        """The codec we send, spelled as in statistics, `PCMU` or `opus`; None without media.

        The vendor's documentation has it in lower case; the browser SDK does not. Compare without regard to case.
        """
        return self._media.peer.codec() if self._media.peer is not None else None

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
        """pending, connecting, ringing, open, reconnecting or closed.

        While ICE is restarted it reads `open` from the server's answer on, as in the browser SDK; `reconnected` tells
        when media flows.
        """
        return self._machine.state

    # -------------------------------------------------------------------------------------------------- call control

    def accept(self, *, rtc_configuration: RtcConfiguration | None = None) -> None:
        """Take a pending call; another call that is up is disconnected first. Otherwise does nothing.

        Args:
            rtc_configuration: STUN and TURN servers for its media.

        Raises:
            InvalidArgumentError: the configuration is none.
        """
        configuration = RtcConfiguration.of(rtc_configuration)
        if self._machine.state is CallState.PENDING:
            self._rtc_configuration = configuration
            self._link.before_accept(self)
            self._handle(core.AcceptAsked())

    def reject(self) -> None:
        """Turn a pending call down, which ends it for the caller. Otherwise does nothing."""
        self._handle(core.RejectAsked())

    def ignore(self) -> None:
        """Let a pending call go on ringing elsewhere: nothing is sent. Otherwise does nothing.

        No event comes until the server takes the call back, then `cancel`; the vendor's documentation has it at once.
        """
        self._handle(core.IgnoreAsked())

    def disconnect(self) -> None:
        """End the call; does nothing while it is pending."""
        self._handle(core.DisconnectAsked())

    def mute(self, should_mute: bool = True) -> None:
        """Send silence instead of the source, or the source again; emits `mute` when that changes something.

        In any state: what is said before a call is open holds once it is.
        """
        if should_mute != self._local.muted:
            self._local.muted = should_mute
            self.emit("mute", should_mute, self)

    def is_muted(self) -> bool:
        """Whether silence is sent."""
        return self._local.muted

    def get_local_stream(self) -> LocalStream | None:
        """What we say; its `play` changes the source during the call. None before there is media, and without it.

        The vendor's documentation has it return nothing; the browser SDK returns the stream.
        """
        return self._local if self._media.peer is not None else None

    def get_remote_stream(self) -> RemoteStream | None:
        """What we hear; its `add` takes sinks at any time, `on_digit` a function. None before there is media."""
        return self._remote if self._media.peer is not None else None

    def send_digits(self, digits: str) -> None:
        """Send DTMF digits: 0-9, *, # and w; an empty text sends none.

        They go in RTP where the server takes telephone-event there, each key for 160 ms and 70 ms before the next, and
        after a `w` the next begins 500 ms after the beginning of those before it, or when they are through. Otherwise,
        and for calls without media, one frame of signalling has them all, and the server keeps the pauses.

        Raises:
            InvalidArgumentError: other characters, or more than 1,000 that wait already.
            InvalidStateError: the call is pending or closed, or has no sid yet.
        """
        try:
            check_digits(digits)
        except ValueError as error:
            raise InvalidArgumentError(str(error)) from None
        call_sid = self._machine.call_sid
        if call_sid is None or self._machine.state in (CallState.PENDING, CallState.CLOSED):
            raise InvalidStateError(f"digits need a call that is ringing or open; this one is {self.status()}")
        if self._media.peer is not None and self._media.peer.takes_digits:
            if not self._media.peer.send_digits(digits):
                raise InvalidArgumentError("too many digits wait to be sent")
        elif digits and not self._link.transmit(signal.Dtmf(call_sid=call_sid, digits=digits), keep=False):
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
            InvalidStateError: the call has no sid yet, or too many messages wait for their verdicts or for the socket.
        """
        raw = messages.check(content, message_type, content_type, self._machine.call_sid)
        assert self._machine.call_sid is not None
        written = messages.write(
            content,
            raw,
            call_sid=self._machine.call_sid,
            sid=self._link.mint_message_sid(),
            message_type=message_type,
            content_type=content_type,
        )
        sent = self._outbox.add(written)
        is_closed = self._machine.state is CallState.CLOSED
        if is_closed or not self._machine.signalling_lost:
            try:
                transmitted = self._link.transmit_encoded(written.frame)
            except InvalidStateError:
                self._outbox.withdraw(sent)
                raise
            if is_closed and not transmitted:
                self._give_up_messages()
        self._link.changed(self)  # a closed call has been forgotten, but its message gets a verdict too
        return sent

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

    def _never(self, event: str) -> Exception | None:
        if not self._has_ended or (event == "messageReceived" and self._unheard):
            return None
        return None if event in AFTER_THE_END and not self._is_over else InvalidStateError("the call has ended")

    def _hand_over(self, event: str) -> None:
        """Give the messages that waited for a listener to the first one."""
        while event == "messageReceived" and self._unheard and self._listened(event):
            self.emit(event, self._unheard.take())

    # --------------------------------------------------------------------------------------- what the device reports

    @property
    def _sid(self) -> str | None:
        return self._machine.call_sid

    @property
    def _is_over(self) -> bool:
        """Nothing about this call can come any more."""
        return self._machine.state is CallState.CLOSED and not self._machine.ignored and not len(self._outbox)

    @property
    def _awaits_verdicts(self) -> bool:
        """Messages have been sent that the server has not judged."""
        return len(self._outbox) > 0

    def _place(self, params: str | None) -> None:
        """Send the invite of an outgoing call, after media has made its offer."""
        if (fault := self._open_media()) is None:
            self._media.offer(lambda sdp: self._invite(sdp, params))
        else:  # whoever places it has to be able to listen first
            asyncio.get_running_loop().call_soon(self._handle, core.MediaBroke(fault))

    def _open_media(self) -> core.Fault | None:
        """Open media, unless this client has none; why it cannot be."""
        try:
            self._media.peer = self._link.open_media(self)
        except VoiceError as error:
            return core.Fault(error.code, error.detail)
        except Exception as error:
            log.warning("the media of a call cannot be opened", exc_info=True)
            return core.Fault(53400, str(error))
        return None

    def _invite(self, sdp: str, params: str | None) -> None:
        frame = signal.ClientInvite(
            call_sid=self._machine.call_sid or self._connection_id,
            sdp=sdp,
            reconnect=self._machine.reconnect,
            twilio=signal.Custom(params),
        )
        self._link.transmit(frame, keep=True)

    def _receive(self, frame: signal.Message) -> None:
        message = messages.read(frame)
        if message is None:
            return
        if self._listened("messageReceived"):
            self.emit("messageReceived", message)
        else:
            self._unheard.keep(message)

    def _acknowledge(self, message_sid: str) -> None:
        message = self._outbox.acknowledge(message_sid)
        if message is not None:
            self.emit("messageSent", message)
            self._link.changed(self)
            self._give_up_waiting()

    def _refuse(self, message_sid: str, error: VoiceError) -> None:
        if self._outbox.refuse(message_sid, error):
            self.emit("error", error)
            self._link.message_failed(self, error)
            self._link.changed(self)
            self._give_up_waiting()

    def _give_up_messages(self) -> None:
        self._outbox.give_up()
        self._give_up_waiting()

    # ------------------------------------------------------------------------------------- what the machine orders

    def _handle(self, event: core.CallEvent) -> None:
        before = self._machine.state
        effects = self._machine.handle(event)
        if self._machine.call_sid is not None:
            self._parameters["CallSid"] = self._machine.call_sid
        if effects:
            self._link.changed(self)
        ends = self._machine.state is CallState.CLOSED
        for effect in effects:
            if not ends and self._machine.state is CallState.CLOSED:
                return  # a handler of what came before has ended the call
            self._perform(effect)
        if ends and (effects or before is not CallState.CLOSED):
            self._has_ended = True
            self._give_up_waiting()
            self._link.changed(self)

    def _perform(self, effect: core.CallEffect) -> None:
        if isinstance(effect, orders.ToSend):
            frame = orders.frame_of(
                effect, call_id=self._machine.call_sid or self._connection_id, description=self._media.current()
            )
            self._link.transmit(frame, keep=not isinstance(effect, orders.ForOneSocket))
        elif isinstance(effect, core.StartAnswer):
            if (fault := self._open_media()) is None:
                self._media.answer(self._offer)
            else:
                self._handle(core.MediaBroke(fault))
        elif isinstance(effect, core.StopMedia):
            if (peer := self._media.stop()) is not None:
                self._link.settle(peer.close(), "closing of a call's media")
        elif isinstance(effect, core.SendWaitingMessages):
            for written in self._outbox.frames():
                self._link.transmit_encoded(written)
        elif not self._media.perform(effect):
            name, arguments = orders.event_of(effect, self)
            self.emit(name, *arguments)

    def __str__(self) -> str:
        """The same for every call, as in the browser SDK; `repr` says more."""
        return "[midcall.Call instance]"

    def __repr__(self) -> str:
        return f"<Call {self.direction} {self._machine.call_sid or self._connection_id} {self.status()}>"
