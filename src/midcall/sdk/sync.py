"""Devices and calls for scripts without asyncio: the same names, blocking.

    from midcall.sdk.sync import Device

    with Device(token, ca_file="…") as device:
        call = device.connect(params={"To": "bob"})
        call.wait_for("accept", timeout=30)

Each device runs on an event loop in a thread of its own. Handlers run in a second thread, one after the other, so that
they may block and use the device; what they raise is logged. `wait_for` differs from the asynchronous one where a
script needs it: events are kept from the first one on, so it returns the next event of that name that it has not
returned before, be it past or to come.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self, Unpack

from midcall.core.client import CallState, Direction
from midcall.core.messages import USER_DEFINED
from midcall.core.registration import DeviceState
from midcall.sdk import call as asynchronous
from midcall.sdk import device as asynchronous_device
from midcall.sdk import words
from midcall.sdk.audio import LocalStream, RemoteStream
from midcall.sdk.background import Background, Events
from midcall.sdk.call import CallerInfo
from midcall.sdk.errors import InvalidStateError
from midcall.sdk.messages import Message
from midcall.sdk.messages import SentMessage as Awaitable
from midcall.sdk.options import Options, OptionValues, RtcConfiguration
from midcall.sdk.preflight import PreflightReport

__all__ = ["Call", "Device", "SentMessage"]

_AFTER_THE_END = frozenset({"messageSent", "error", "cancel", "messageReceived", "disconnect", "reject"})


class SentMessage(str):
    """A message's sid, with a blocking `wait` for what becomes of it."""

    __slots__ = ("_background", "_sent")
    _background: Background
    _sent: Awaitable

    def __new__(cls, background: Background, sent: Awaitable) -> SentMessage:
        self = super().__new__(cls, sent)
        self._background, self._sent = background, sent
        return self

    def wait(self, timeout: float | None = None) -> Message:
        """The message, once the server has it.

        Raises:
            VoiceError: it was refused.
            TimeoutError: nothing was heard of it within so many seconds.
        """

        async def verdict() -> Message:
            return await self._sent

        return self._background.run(verdict(), timeout=timeout)


class Call(Events):
    """`midcall.sdk.Call`, blocking. Made by `Device.connect` and the device's `incoming` event."""

    EVENTS = asynchronous.Call.EVENTS
    State = CallState
    CallDirection = Direction
    Codec = words.Codec
    FeedbackScore = words.FeedbackScore
    FeedbackIssue = words.FeedbackIssue
    IceGatheringFailureReason = words.IceGatheringFailureReason
    MediaFailure = words.MediaFailure

    def __init__(self, background: Background, call: asynchronous.Call, wrap: Callable[[Any], Any]) -> None:
        self._call = call
        super().__init__(background, call, wrap)

    # ------------------------------------------------------------------------------------------------- properties

    @property
    def direction(self) -> Direction:
        """INCOMING or OUTGOING."""
        return self._call.direction

    @property
    def parameters(self) -> Mapping[str, str]:
        """Incoming: From, To, CallSid, AccountSid. Outgoing: empty until `ringing` or `accept`, then CallSid."""
        return self._background.call(lambda: self._call.parameters)

    @property
    def custom_parameters(self) -> Mapping[str, str]:
        """Outgoing: what `connect` was given. Incoming: what the TwiML's Parameters say."""
        return self._background.call(lambda: self._call.custom_parameters)

    @property
    def caller_info(self) -> CallerInfo | None:
        """Whether the caller was verified; None when nothing is known."""
        return self._background.call(lambda: self._call.caller_info)

    @property
    def codec(self) -> str | None:
        """The codec we send: `PCMU` or `opus`; None without media."""
        return self._background.call(lambda: self._call.codec)

    @property
    def connect_token(self) -> str | None:
        """Lets another device of the same identity take the call over, by `connect(connect_token=…)`."""
        return self._background.call(lambda: self._call.connect_token)

    @property
    def outbound_connection_id(self) -> str:
        """The temporary `TJS…` id, until the server gives a sid."""
        return self._call.outbound_connection_id

    def status(self) -> str:
        """pending, connecting, ringing, open, reconnecting or closed."""
        return self._background.call(self._call.status)

    # ----------------------------------------------------------------------------------------------------- methods

    def accept(self, *, rtc_configuration: RtcConfiguration | None = None) -> None:
        """Take a pending call; another call that is up is disconnected first."""
        self._do(lambda: self._call.accept(rtc_configuration=rtc_configuration))

    def reject(self) -> None:
        """Turn a pending call down, which ends it for the caller."""
        self._do(self._call.reject)

    def ignore(self) -> None:
        """Let a pending call go on ringing elsewhere."""
        self._do(self._call.ignore)

    def disconnect(self) -> None:
        """End the call; does nothing while it is pending."""
        self._do(self._call.disconnect)

    def mute(self, should_mute: bool = True) -> None:
        """Send silence instead of the source, or the source again."""
        self._do(lambda: self._call.mute(should_mute))

    def is_muted(self) -> bool:
        """Whether silence is sent."""
        return self._background.call(self._call.is_muted)

    def get_local_stream(self) -> LocalStream | None:
        """What we say; None without media. `play` may be called from here."""
        return self._background.call(self._call.get_local_stream)

    def get_remote_stream(self) -> RemoteStream | None:
        """What we hear; None without media. Sinks may be added from here, and are written to on the loop."""
        return self._background.call(self._call.get_remote_stream)

    def send_digits(self, digits: str) -> None:
        """Send DTMF digits: 0-9, *, # and w (a pause of 500 ms)."""
        self._do(lambda: self._call.send_digits(digits))

    def send_message(
        self, content: Any, *, message_type: str = USER_DEFINED, content_type: str | None = None
    ) -> SentMessage:
        """Send a message to the server-side application; `wait` on the result waits until the server has it."""
        send = self._call.send_message
        sent = self._background.call(lambda: send(content, message_type=message_type, content_type=content_type))
        return SentMessage(self._background, sent)

    def post_feedback(self, score: int | None = None, issue: str | None = None) -> None:
        """Tell the server what a person thought of the call. The device must not have been destroyed yet."""
        self._background.run(self._call.post_feedback(score, issue))

    def _do(self, act: Callable[[], None]) -> None:
        def done() -> None:
            act()
            self._after("")

        self._background.call(done)

    def _after(self, name: str) -> None:
        if self._call.status() == CallState.CLOSED:
            self._kept.end(InvalidStateError("the call has ended"), self._source.EVENTS - _AFTER_THE_END)

    def __str__(self) -> str:
        return str(self._call)

    def __repr__(self) -> str:
        return repr(self._call)


class Device(Events):
    """`midcall.sdk.Device`, blocking. Use it in a `with` block, or end it by `destroy`."""

    EVENTS = asynchronous_device.Device.EVENTS
    State = DeviceState
    EventName = words.EventName
    version = asynchronous_device.Device.version
    package_name = asynchronous_device.Device.package_name
    is_supported = staticmethod(asynchronous_device.Device.is_supported)

    def __init__(self, token: str, **options: Any) -> None:
        """Takes what `midcall.sdk.Device` takes. Opens nothing; `register` and `connect` do.

        Raises:
            InvalidArgumentError: an argument cannot be used.
        """
        self._wrapped: dict[asynchronous.Call, Call] = {}
        background = Background("midcall device")
        try:

            async def make() -> None:
                self._device = asynchronous_device.Device(token, **options)
                super(Device, self).__init__(background, self._device, self._outward)

            background.run(make())
        except BaseException:
            background.close()
            raise

    @staticmethod
    def run_preflight(token: str, *, timeout: float | None = None, **options: Any) -> PreflightReport:
        """Test the way to the server; see `midcall.sdk.Device.run_preflight`.

        Raises:
            SdkError: the test failed.
            TimeoutError: it took longer than so many seconds.
        """

        async def test() -> PreflightReport:
            async with asynchronous_device.Device.run_preflight(token, **options) as running:
                return await running.result()

        background = Background("midcall preflight")
        try:
            return background.run(test(), timeout=timeout)
        finally:
            background.close()

    # ------------------------------------------------------------------------------------------------- properties

    @property
    def state(self) -> DeviceState:
        """unregistered, registering, registered or destroyed."""
        return self._background.call(lambda: self._device.state)

    @property
    def calls(self) -> tuple[Call, ...]:
        """Incoming calls that are pending."""
        return self._background.call(lambda: tuple(self._outward(call) for call in self._device.calls))

    @property
    def is_busy(self) -> bool:
        """Whether a call is up, or being placed."""
        return self._background.call(lambda: self._device.is_busy)

    @property
    def identity(self) -> str | None:
        """The identity in the token, once the server has read it."""
        return self._background.call(lambda: self._device.identity)

    @property
    def edge(self) -> str | None:
        """Where the server says it is; None without a socket."""
        return self._background.call(lambda: self._device.edge)

    @property
    def home(self) -> str | None:
        """The server's region, as it said last."""
        return self._background.call(lambda: self._device.home)

    @property
    def token(self) -> str:
        """The access token."""
        return self._background.call(lambda: self._device.token)

    @property
    def options(self) -> Options:
        """What the device has been told."""
        return self._background.call(lambda: self._device.options)

    # ----------------------------------------------------------------------------------------------------- methods

    def register(self, *, timeout: float | None = None) -> None:
        """Ask for incoming calls; returns once the server offers them. TimeoutError after so many seconds."""
        self._background.run(self._device.register(), timeout=timeout)

    def unregister(self, *, timeout: float | None = None) -> None:
        """Ask for no more incoming calls; returns once the server has confirmed."""
        self._background.run(self._device.unregister(), timeout=timeout)

    def connect(
        self,
        *,
        params: Mapping[str, object] | None = None,
        connect_token: str | None = None,
        rtc_configuration: RtcConfiguration | None = None,
        timeout: float | None = None,
    ) -> Call:
        """Place a call, or take one over; returns while it is connecting. See `midcall.sdk.Device.connect`."""

        async def place() -> Any:
            return self._outward(
                await self._device.connect(
                    params=params, connect_token=connect_token, rtc_configuration=rtc_configuration
                )
            )

        placed = self._background.run(place(), timeout=timeout)
        assert isinstance(placed, Call)
        return placed

    def set_input_device(self, device_id: str) -> None:
        """Speak from this microphone; see `midcall.sdk.audio_helper.AudioHelper.set_input_device`."""
        audio = self._device.audio
        if audio is None:
            raise InvalidStateError("the device has been destroyed")
        self._background.run(audio.set_input_device(device_id))

    def set_speakers(self, device_ids: str | tuple[str, ...]) -> None:
        """Be heard by these speakers; see `midcall.sdk.audio_helper.OutputDevices.set`."""
        audio = self._device.audio
        if audio is None:
            raise InvalidStateError("the device has been destroyed")
        self._background.run(audio.speaker_devices.set(device_ids))

    def update_options(self, **options: Unpack[OptionValues]) -> None:
        """Change options; see `midcall.sdk.Device.update_options`."""
        self._background.call(lambda: self._device.update_options(**options))

    def update_token(self, token: str) -> None:
        """Use a new access token from now on."""
        self._background.call(lambda: self._device.update_token(token))

    def disconnect_all(self) -> None:
        """End the call that is up."""
        self._background.call(self._device.disconnect_all)

    def destroy(self) -> None:
        """Reject pending calls, end the active one, close the socket, end the threads. Cannot be used again."""
        if self._background.is_running:
            try:
                self._background.run(self._device.destroy())
            finally:
                self._background.close()
                ended = InvalidStateError("the device has been destroyed")
                for events in (self, *self._wrapped.values()):
                    events._kept.end(ended, events._source.EVENTS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.destroy()

    def __repr__(self) -> str:
        return repr(self._device)

    def _outward(self, argument: Any) -> Any:
        """On the loop: what the asynchronous side says, as a script sees it."""
        if argument is self._device:
            return self
        if not isinstance(argument, asynchronous.Call):
            return argument
        for call in [call for call in self._wrapped if call.status() == CallState.CLOSED and call is not argument]:
            del self._wrapped[call]  # its wrapper lives on with whoever has it
        if argument not in self._wrapped:
            self._wrapped[argument] = Call(self._background, argument, self._outward)
        return self._wrapped[argument]
