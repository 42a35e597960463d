"""A device's line to its server: the socket, the registration on it, the token's life, and what each frame means.

`core.registration` decides about registration and `core.client_call` about calls; this file performs and tells.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import aiohttp

from midcall import __version__
from midcall.core import client as core
from midcall.core import registration
from midcall.core.client import CallState
from midcall.core.registration import DeviceState
from midcall.sdk import edges
from midcall.sdk.callbook import CallBook
from midcall.sdk.chance import Chance
from midcall.sdk.errors import AUTHORISATION, InvalidStateError, VoiceError, call_fault, device_error, message_error
from midcall.sdk.events import Tasks
from midcall.sdk.options import Options
from midcall.sdk.transport import Lost, Transport
from midcall.wire import signal

log = logging.getLogger("midcall.sdk")

REFRESH_S: Final = 30.0
"""A registration is repeated this often."""
MAX_RETRY_AFTER_S: Final = 24 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """What the line tells whose it is.

    Attributes:
        state_changed: of the registration; gets the new state.
        failed: gets an error.
        invited: somebody calls; gets the frame.
        token_will_expire: the access token ends soon.
    """

    state_changed: Callable[[DeviceState], None]
    failed: Callable[[VoiceError], None]
    invited: Callable[[signal.ServerInvite], None]
    token_will_expire: Callable[[], None]


class Signalling:
    """The line. Opens nothing until it is asked.

    Attributes:
        token: the access token.
        options: what the device was told; changed by `move` and by the device.
        identity, home: what the server said last.
        edge: where the server is, while there is a socket.
    """

    def __init__(
        self,
        owner: Owner,
        calls: CallBook,
        token: str,
        options: Options,
        *,
        tls: ssl.SSLContext | None,
        session: aiohttp.ClientSession | None,
        with_media: bool,
        chance: Chance,
    ) -> None:
        self.token = token
        self.options = options
        self.identity: str | None = None
        self.edge: str | None = None
        self.home: str | None = None
        self._owner = owner
        self._calls = calls
        self._tls = tls
        self._session = session
        self._with_media = with_media
        self._chance = chance
        self._registration = registration.Registration()
        self._transport: Transport | None = None
        self._closings = Tasks()
        self._refusal: VoiceError | None = None
        self._waiting: dict[str, list[asyncio.Future[None]]] = {}
        self._refresh: asyncio.TimerHandle | None = None
        self._expiry: asyncio.TimerHandle | None = None

    # ------------------------------------------------------------------------------------------- what devices ask

    @property
    def state(self) -> DeviceState:
        """Of the registration."""
        return self._registration.state

    @property
    def address(self) -> str:
        """Where the socket is, was last, or will be first."""
        return self._transport.address if self._transport is not None else edges.addresses(self.options)[0]

    async def register(self) -> None:
        """Ask for incoming calls; returns once the server offers them."""
        self._register(registration.RegisterAsked())
        self._open()
        await self._wait("registered")

    async def unregister(self) -> None:
        """Ask for no more incoming calls; returns once the server has confirmed."""
        self._register(registration.UnregisterAsked())
        await self._wait("unregistered")

    async def ready(self) -> None:
        """A socket on which the token has been accepted."""
        self._open()
        if not self._registration.connected:
            await self._wait("connected")

    def renew(self, token: str) -> None:
        """Use another token; an open socket tells the server at once."""
        self.token = token
        if self._transport is not None:
            self._transport.send(self.greeting(), keep=False)

    def move(self, options: Options, tls: ssl.SSLContext | None) -> None:
        """Leave this server for another one; a device that was registered, or wanted to be, registers there."""
        self.options, self._tls = options, tls
        if self._transport is None:
            return
        self._retire()
        self._without_socket()
        self._open()

    def heed(self, options: Options) -> None:
        """Options have changed, the server has not."""
        self.options = options
        if self._transport is not None:
            self._transport.prefer_for(max(0.0, options.max_call_signaling_timeout_ms / 1000))

    def prefer_this_address(self) -> None:
        """A call lives here: come back here first after a loss."""
        if self._transport is not None:
            self._transport.prefer(edges.preferred(self.options, address=self._transport.address, edge=self.edge))

    def prefer_no_address(self) -> None:
        """No call is left."""
        if self._transport is not None:
            self._transport.prefer(None)

    def transmit(self, frame: bytes, *, keep: bool) -> bool:
        """Send a frame, or keep it for the next socket; whether there is a socket."""
        return self._transport is not None and self._transport.send(frame, keep=keep)

    def end(self) -> None:
        """Want nothing of the server any more; `close` comes next."""
        self._stop_timers()
        self._fail_waiting(InvalidStateError("the device has been destroyed"))
        self._register(registration.WentOffline())  # a browser emits `unregistered` before `destroyed`
        self._register(registration.DestroyAsked())
        self._calls.tell_all(core.SignallingEnded())

    async def close(self) -> None:
        """Close the line for good."""
        if self._transport is not None:
            await self._transport.close()
        await self._closings.finish()

    # ----------------------------------------------------------------------------------------- what the socket says

    def greeting(self) -> bytes:
        """The `listen` frame."""
        return signal.encode(
            signal.Listen(
                token=self.token,
                reconnect_timeout=self.options.reconnect_timeout_s,
                media=None if self._with_media else signal.NO_MEDIA,
                browser_info={"p": "python", "v": __version__},
            )
        )

    def on_text(self, text: str) -> None:
        """A frame came: say what it means to the registration or to its call."""
        try:
            frame = signal.decode_server(text)
        except signal.UnknownType as error:
            log.debug("ignored a frame: %s", error.reason)
            return
        except signal.Malformed as error:
            log.warning("ignored a frame: %s", error.reason)
            return
        try:
            self._on_frame(frame)
        except Exception:
            log.exception("a %s frame could not be handled", frame.TYPE)

    def on_lost(self, lost: Lost) -> None:
        """The socket is gone: registration waits for the next one, calls that can be resumed wait too."""
        self._without_socket(VoiceError(31005, lost.reason, lost.error) if lost.is_error else None)

    def _without_socket(self, error: VoiceError | None = None) -> None:
        """The order is the browser SDK's: the error, then what it means to calls, then to the registration."""
        self._stop_timers()
        if error is not None:
            self._owner.failed(error)
        self._calls.tell_all(core.SignallingLost())
        self._calls.abandon(closed_only=True)
        self.edge = None
        self._register(registration.StreamLost())
        self._resolve("unregistered")

    def _on_frame(self, frame: signal.ServerFrame) -> None:
        if self.state is DeviceState.DESTROYED and not isinstance(frame, signal.Ack | signal.Error):
            return
        match frame:
            case signal.Message():
                if call := self._calls.get(frame.call_sid):
                    call._receive(frame)
            case signal.Ack():
                if frame.ack_type == "message" and (call := self._calls.get(frame.call_sid)):
                    call._acknowledge(frame.message_sid)
            case signal.Error():
                self._on_error(frame)
            case signal.Connected():
                self._on_connected(frame)
            case signal.Ready():
                self._register(registration.Readied())
                self._resolve("registered")
            case signal.Offline():
                self._register(registration.WentOffline())
                self._resolve("unregistered")
            case signal.Close():
                self._on_close()
            case signal.ServerInvite():
                self._owner.invited(frame)
            case signal.Ringing():
                self._calls.tell_outgoing(frame.call_sid, core.Rang(frame.call_sid, frame.sdp))
            case signal.ServerAnswer():
                self._calls.tell_outgoing(frame.call_sid, core.Answered(frame.call_sid, frame.sdp, frame.reconnect))
            case signal.Cancel():
                self._calls.tell(frame.call_sid, core.Cancelled())
            case signal.Hangup():
                self._calls.tell(frame.call_sid, core.HungUp(self._fault(frame.error)))

    def _fault(self, error: signal.Fault | None) -> core.Fault | None:
        if error is None:
            return None
        precise = self.options.enable_improved_signaling_error_precision
        return core.Fault(*call_fault(error.code, error.message, precise=precise))

    def _on_connected(self, frame: signal.Connected) -> None:
        self.identity, self.home = frame.token.identity, frame.home
        self.edge = edges.edge_of(frame.edge, frame.region)
        self._refusal = None
        self._announce_expiry(frame.token.ttl)
        if self._registration.connected:  # a new token on the same socket: nothing was lost
            return
        self._calls.tell_all(core.SignallingBack())
        self._register(registration.StreamConnected())
        self._resolve("connected")

    def _on_error(self, frame: signal.Error) -> None:
        wait = frame.error.retry_after
        if self._transport is not None and wait is not None and 0 < wait <= MAX_RETRY_AFTER_S:
            self._transport.retry_after(wait)
        call = self._calls.get(frame.call_sid)
        precise = self.options.enable_improved_signaling_error_precision
        if frame.message_sid is not None:
            if call is not None:
                error = message_error(frame.error.code, frame.error.message, precise=precise)
                call._refuse(frame.message_sid, error)
            return
        error = device_error(frame.error.code, frame.error.message, precise=precise)
        if call is not None and call.status() == CallState.PENDING:
            error.call = call
        if frame.call_sid is None:
            self._note_refusal(error, frame.error.code)
        self._owner.failed(error)

    def _note_refusal(self, error: VoiceError, code: int) -> None:
        """An error about the client itself: whoever waits for the server's yes gets this no."""
        self._refusal = error
        asked = bool(self._waiting.get("registered"))
        if self.state is DeviceState.REGISTERING and (asked or {code, error.code} & AUTHORISATION):
            self._register(registration.StreamRefused())
        self._fail_waiting(error)
        if error.code == 20104:
            self._stop_refreshing()

    def _on_close(self) -> None:
        """The server does not want us back: nothing is reconnected until the application asks again."""
        error = self._refusal or VoiceError(53000, "the server closed the connection for good")
        self._retire()
        self._stop_timers()
        self.edge = None
        self._register(registration.StreamRefused())
        self._register(registration.StreamLost())
        self._fail_waiting(error)
        self._calls.tell_all(core.SignallingEnded())
        self._calls.abandon()

    # ----------------------------------------------------------------------------------------- registration, timers

    def _register(self, event: registration.DeviceEvent) -> None:
        try:
            effects = self._registration.handle(event)
        except registration.Misused as error:
            raise InvalidStateError(str(error)) from None
        for effect in effects:
            match effect:
                case registration.SendRegister(audio):
                    self._send_register(audio)
                case registration.EmitState(state):
                    self._owner.state_changed(state)

    def _send_register(self, audio: bool) -> None:
        self.transmit(signal.encode(signal.Register(media=signal.Wanted(audio))), keep=False)
        self._stop_refreshing()
        if audio:
            self._refresh = _after(REFRESH_S, self._send_register, True)

    def _announce_expiry(self, ttl_s: float) -> None:
        if self._expiry is not None:
            self._expiry.cancel()
        wait = max(0.0, ttl_s - self.options.token_refresh_ms / 1000)
        self._expiry = _after(wait, self._owner.token_will_expire)

    def _stop_refreshing(self) -> None:
        if self._refresh is not None:
            self._refresh.cancel()
            self._refresh = None

    def _stop_timers(self) -> None:
        self._stop_refreshing()
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None

    # -------------------------------------------------------------------------------------------- socket, milestones

    def _open(self) -> None:
        if self._transport is None:
            self._transport = Transport(
                edges.addresses(self.options),
                self,
                tls=self._tls,
                session=self._session,
                use_proxies=edges.named_by_edge(self.options),
                preferred_limit_s=max(0.0, self.options.max_call_signaling_timeout_ms / 1000),
                chance=self._chance,
            )
        self._transport.open()

    def _retire(self) -> None:
        """Close the socket in the background; nothing that it still says matters."""
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.hush()
            self._closings.spawn(transport.close(), "closing of the socket")

    async def _wait(self, milestone: str) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = self._waiting.setdefault(milestone, [])
        waiting.append(future)
        try:
            await future
        finally:
            if future in waiting:
                waiting.remove(future)

    def _resolve(self, milestone: str) -> None:
        for future in self._waiting.pop(milestone, []):
            if not future.done():
                future.set_result(None)

    def _fail_waiting(self, error: Exception) -> None:
        waiting, self._waiting = self._waiting, {}
        for future in (future for futures in waiting.values() for future in futures):
            if not future.done():
                future.set_exception(error)


def _after(seconds: float, function: Callable[..., object], *arguments: Any) -> asyncio.TimerHandle:
    return asyncio.get_running_loop().call_later(seconds, function, *arguments)
