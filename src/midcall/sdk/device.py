"""A client of the server: registers an identity, places calls, is called. The browser SDK's `Device` in Python.

`core.registration` decides about registration; this file owns the socket, the timers and the calls.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, Self

import aiohttp

from midcall import __version__
from midcall.core import client as core
from midcall.core import registration, vendor
from midcall.core.client import CallState, Direction
from midcall.core.client_call import CallMachine
from midcall.core.registration import DeviceState
from midcall.sdk.audio import AudioSource, LocalStream, Silence
from midcall.sdk.call import Call
from midcall.sdk.chance import Chance
from midcall.sdk.clock import utc_now
from midcall.sdk.connect_token import ConnectToken
from midcall.sdk.errors import AUTHORISATION, InvalidArgumentError, InvalidStateError, VoiceError, device_error
from midcall.sdk.events import Emitter, Tasks
from midcall.sdk.insights import Gateway
from midcall.sdk.options import RtcConfiguration
from midcall.sdk.transport import Loss, Transport, tls_context
from midcall.wire import signal

if TYPE_CHECKING:
    from midcall.sdk.media import MediaPeer

log = logging.getLogger("midcall.sdk")

DEFAULT_HOST: Final = "localhost:8443"
REFRESH_S: Final = 30.0
"""A registration is repeated this often."""
MAX_RECONNECT_S: Final = 30
CODECS: Final = frozenset({"pcmu", "opus"})


class Device(Emitter):
    """A Voice SDK client.

    Events, with their arguments: registering(), registered(), unregistered(), destroyed(), incoming(call),
    error(VoiceError, whose `call` says which pending call it is about), tokenWillExpire(device).

        async with Device(token, ca_file="…") as device:
            call = await device.connect(params={"To": "bob"})
            await call.wait_for("accept")
    """

    EVENTS: ClassVar[frozenset[str]] = frozenset(
        {"registering", "registered", "unregistered", "destroyed", "incoming", "error", "tokenWillExpire"}
    )

    def __init__(
        self,
        token: str,
        *,
        host: str | None = None,
        url: str | None = None,
        edge: str | None = None,
        ca_file: str | None = None,
        tls: ssl.SSLContext | None = None,
        session: aiohttp.ClientSession | None = None,
        media: Literal["real", "none"] = "real",
        codec_preferences: Sequence[str] = ("pcmu", "opus"),
        audio_source: Callable[[], AudioSource] = Silence,
        max_call_signaling_timeout_ms: int = 0,
        token_refresh_ms: int = 10_000,
        allow_incoming_while_busy: bool = False,
        mirror_message_errors: bool = False,
        chance: Chance | None = None,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        """Opens nothing; `register` and `connect` do. Needs a running loop.

        Args:
            token: the access token.
            host: `HOST:PORT` of the server; default `localhost:8443`.
            url: the whole address of the signalling socket, `wss://…/signal` or `ws://…/signal`.
            edge: without host and url, the vendor's host of that edge, reached through the environment's proxies.
            ca_file: PEM file with the authority to trust instead of the system's.
            tls: a whole TLS context instead, which many devices may share.
            session: an aiohttp session to share; it is not closed.
            media: `none` declares to the server that this client has no media.
            codec_preferences: `pcmu` and `opus`, the wanted one first.
            audio_source: makes what a call says; see `midcall.sdk.audio`.
            max_call_signaling_timeout_ms: how long the server should keep a call whose socket is lost (at most 30 s).
            token_refresh_ms: how long before its expiry a token is announced by `tokenWillExpire`.
            allow_incoming_while_busy: emit `incoming` also during a call; otherwise such calls go on ringing unseen.
            mirror_message_errors: message errors, which calls emit, are emitted by the device as well.
            chance: where identifiers and the jitter of waits come from; None is the system's.
            now: the time of day, aware of its zone; waits use the event loop's clock and nothing else.

        Raises:
            InvalidArgumentError: an argument cannot be used.
        """
        super().__init__(Tasks())
        self._check(token, media, codec_preferences)
        self._token = token
        self._with_media = media == "real"
        self._codecs = tuple(name.lower() for name in codec_preferences)
        self._audio_source = audio_source
        self._reconnect_timeout_s = _reconnect_timeout_s(max_call_signaling_timeout_ms)
        self._token_refresh_s = token_refresh_ms / 1000
        self._allow_incoming_while_busy = allow_incoming_while_busy
        self._mirror_message_errors = mirror_message_errors
        self._url = url or signal_url(host, edge)
        self._tls = tls or (tls_context(ca_file) if self._url.startswith("wss:") else None)
        self._session = session
        self._chance = chance or Chance()
        self._now = now
        self._use_proxies = host is None and url is None and edge is not None
        self._gateway = Gateway(self._url, tls=self._tls, session=session, use_proxies=self._use_proxies)
        self._registration = registration.Registration()
        self._transport: Transport | None = None
        self._closings = Tasks()
        self._calls: dict[str, Call] = {}
        self._active: Call | None = None
        self._placing = False
        self._refusal: VoiceError | None = None
        self._waiting: dict[str, list[asyncio.Future[None]]] = {}
        self._refresh: asyncio.TimerHandle | None = None
        self._expiry: asyncio.TimerHandle | None = None
        self._identity: str | None = None
        self._edge: str | None = None
        self._home: str | None = None

    @staticmethod
    def _check(token: object, media: str, codecs: Sequence[str]) -> None:
        if not isinstance(token, str):
            raise InvalidArgumentError("the access token must be a string")
        if media not in ("real", "none"):
            raise InvalidArgumentError("media is 'real' or 'none'")
        if not codecs or {name.lower() for name in codecs} - CODECS:
            raise InvalidArgumentError("codec_preferences are 'pcmu' and 'opus'")

    # ------------------------------------------------------------------------------------------------- properties

    @property
    def state(self) -> DeviceState:
        """unregistered, registering, registered or destroyed."""
        return self._registration.state

    @property
    def calls(self) -> tuple[Call, ...]:
        """Incoming calls that are pending."""
        return tuple(call for call in self._each() if call.status() == CallState.PENDING)

    @property
    def is_busy(self) -> bool:
        """Whether a call is up, or being placed."""
        return self._placing or self._active is not None

    @property
    def identity(self) -> str | None:
        """The identity in the token, once the server has read it."""
        return self._identity

    @property
    def edge(self) -> str | None:
        """Where the server says it is."""
        return self._edge

    @property
    def home(self) -> str | None:
        """The server's region."""
        return self._home

    @property
    def token(self) -> str:
        """The access token."""
        return self._token

    # ----------------------------------------------------------------------------------------------------- methods

    async def register(self) -> None:
        """Ask for incoming calls; returns once the server offers them.

        Raises:
            InvalidStateError: the device is not unregistered.
            VoiceError: the server refused.
        """
        self._register(registration.RegisterAsked())
        self._open()
        await self._wait("registered")

    async def unregister(self) -> None:
        """Ask for no more incoming calls; returns once the server has confirmed.

        Raises:
            InvalidStateError: the device is not registered.
        """
        self._register(registration.UnregisterAsked())
        await self._wait("unregistered")

    async def connect(self, *, params: Mapping[str, object] | None = None, connect_token: str | None = None) -> Call:
        """Place a call, or take over the one that a connect token names; returns while it is connecting.

        Args:
            params: what the application's voice URL gets; values are made strings.
            connect_token: another device's `call.connect_token`.

        Raises:
            InvalidStateError: the device is destroyed or has a call already.
            InvalidArgumentError: the connect token cannot be read.
            VoiceError: the server refused the access token.
        """
        if self.state is DeviceState.DESTROYED:
            raise InvalidStateError("the device has been destroyed")
        if self.is_busy:
            raise InvalidStateError("A Call is already active")
        taken = ConnectToken.decode(connect_token) if connect_token is not None else None
        self._placing = True
        try:
            self._open()
            if not self._registration.connected:
                await self._wait("connected")
            call = self._taken_call(taken) if taken is not None else self._new_call(params or {})
            for pending in self.calls:
                pending.ignore()
            self._active = call
        finally:
            self._placing = False
        pairs = [(key, value) for key, value in call.custom_parameters.items()]
        call._place(signal.encode_connect_params(pairs) if pairs and taken is None else None)
        return call

    def update_token(self, token: str) -> None:
        """Use a new access token from now on; an open socket tells the server at once.

        Raises:
            InvalidStateError: the device is destroyed.
            InvalidArgumentError: the token is not a string.
        """
        if self.state is DeviceState.DESTROYED:
            raise InvalidStateError("the device has been destroyed")
        if not isinstance(token, str):
            raise InvalidArgumentError("the access token must be a string")
        self._token = token
        if self._transport is not None:
            self._transport.send(self.greeting(), keep=False)

    def disconnect_all(self) -> None:
        """End the call that is up; pending calls go on ringing elsewhere."""
        for call in self._each():
            call.disconnect()

    async def destroy(self) -> None:
        """Reject pending calls, end the active one, close the socket. The device cannot be used again."""
        if self.state is DeviceState.DESTROYED:
            return
        for call in self._each():
            call.reject()
            call.disconnect()
        self._stop_timers()
        self._fail_waiting(InvalidStateError("the device has been destroyed"))
        self._register(registration.DestroyAsked())
        if self._transport is not None:
            await self._transport.close()
        self._abandon_calls()
        await self._closings.finish()
        await self._tasks.close()
        self.remove_all_listeners()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.destroy()

    # ----------------------------------------------------------------------------------------- what the socket says

    def greeting(self) -> bytes:
        """The `listen` frame."""
        return signal.encode(
            signal.Listen(
                token=self._token,
                reconnect_timeout=self._reconnect_timeout_s,
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

    def on_lost(self, loss: Loss) -> None:
        """The socket is gone: registration waits for the next one, calls that can be resumed wait too."""
        self._stop_timers()
        self._register(registration.StreamLost())
        self._resolve("unregistered")
        if loss.abrupt:
            self._emit_error(VoiceError(31005, loss.reason, loss.error))
        for call in self._each():
            call._handle(core.SignallingLost())
        self._abandon_calls(closed_only=True)

    def _on_frame(self, frame: signal.ServerFrame) -> None:
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
                self._on_invite(frame)
            case signal.Ringing():
                self._tell_outgoing(frame.call_sid, core.Rang(frame.call_sid, frame.sdp))
            case signal.ServerAnswer():
                self._tell_outgoing(frame.call_sid, core.Answered(frame.call_sid, frame.sdp, frame.reconnect))
            case signal.Cancel():
                self._tell(frame.call_sid, core.Cancelled())
            case signal.Hangup():
                fault = core.Fault(frame.error.code, frame.error.message) if frame.error is not None else None
                self._tell(frame.call_sid, core.HungUp(fault))

    def _on_connected(self, frame: signal.Connected) -> None:
        self._identity, self._edge, self._home = frame.token.identity, frame.edge, frame.home
        self._refusal = None
        self._announce_expiry(frame.token.ttl)
        if self._registration.connected:  # a new token on the same socket: nothing was lost
            return
        for call in self._each():
            call._handle(core.SignallingBack())
        self._register(registration.StreamConnected())
        self._resolve("connected")

    def _on_error(self, frame: signal.Error) -> None:
        call = self._calls.get(frame.call_sid) if frame.call_sid is not None else None
        if frame.message_sid is not None:
            if call is not None:
                call._refuse(frame.message_sid, VoiceError(frame.error.code, frame.error.message))
            return
        error = device_error(frame.error.code, frame.error.message)
        if call is not None and call.status() == CallState.PENDING:
            error.call = call
        if frame.call_sid is None:
            self._note_refusal(error)
        self._emit_error(error)

    def _note_refusal(self, error: VoiceError) -> None:
        """An error about the client itself: whoever waits for the server's yes gets this no."""
        self._refusal = error
        asked = bool(self._waiting.get("registered"))
        if self.state is DeviceState.REGISTERING and (asked or error.code in AUTHORISATION):
            self._register(registration.StreamRefused())
        self._fail_waiting(error)
        if error.code == 20104:
            self._stop_refreshing()

    def _on_close(self) -> None:
        """The server does not want us back: nothing is reconnected until the application asks again."""
        error = self._refusal or VoiceError(53000, "the server closed the connection for good")
        transport, self._transport = self._transport, None
        self._stop_timers()
        self._register(registration.StreamRefused())
        self._register(registration.StreamLost())
        self._fail_waiting(error)
        for call in self._each():
            call._handle(core.SignallingEnded())
        self._abandon_calls()
        if transport is not None:
            self._closings.spawn(transport.close(), "closing of the socket")

    def _on_invite(self, frame: signal.ServerInvite) -> None:
        if frame.call_sid in self._calls:  # a repeat
            return
        if self.is_busy and not self._allow_incoming_while_busy:
            return
        call = Call(
            self,
            self._tasks,
            CallMachine.incoming(frame.call_sid, frame.reconnect),
            connection_id=self._chance.connection_id(),
            parameters={**frame.parameters, "CallSid": frame.call_sid},
            custom_parameters=dict(signal.decode_invite_params(frame.parameters.get("Params"))),
            local=LocalStream(self._audio_source()),
            offer=frame.sdp,
        )
        self._calls[frame.call_sid] = call
        self.emit("incoming", call)

    def _tell(self, call_id: str, event: core.CallEvent) -> None:
        if call := self._calls.get(call_id):
            call._handle(event)

    def _tell_outgoing(self, call_id: str, event: core.CallEvent) -> None:
        """`ringing` and `answer` may be the first frames with the sid of the call that is being placed."""
        call = self._calls.get(call_id)
        if call is None and (placed := self._active) is not None and placed._sid is None:
            call = placed
        if call is not None:
            call._handle(event)

    # --------------------------------------------------------------------------------------------- what calls need

    def transmit(self, frame: signal.Frame, *, keep: bool) -> bool:
        """Send a frame of a call."""
        return self._transport is not None and self._transport.send(signal.encode(frame), keep=keep)

    def transmit_encoded(self, frame: bytes) -> bool:
        """Send a message's frame, if there is a socket."""
        return self._transport is not None and self._transport.send(frame, keep=False)

    async def publish(self, event: bytes) -> None:
        """Tell the server's event gateway something about a call."""
        await self._gateway.post(event, self._token)

    def mint_message_sid(self) -> str:
        """A new `KX…`."""
        return self._chance.message_sid()

    def now(self) -> datetime:
        """The time of day."""
        return self._now()

    def fraction(self) -> float:
        """A number from [0, 1) by chance."""
        return self._chance.fraction()

    def open_media(self, call: Call, configuration: RtcConfiguration | None) -> MediaPeer | None:
        """A media session for the call, unless this device has none."""
        if not self._with_media:
            return None
        from midcall.sdk.media import MediaPeer  # takes a while to import, so only who needs it pays

        return MediaPeer(
            call._local,
            call._remote,
            codec_preferences=self._codecs,
            on_ice=call._media.ice_changed,
            configuration=configuration,
            now=self._now,
        )

    def settle(self, work: Coroutine[Any, Any, Any], name: str) -> None:
        """Run clean-up work that `destroy` waits for."""
        self._closings.spawn(work, name)

    def before_accept(self, call: Call) -> None:
        """Only one call is up at a time."""
        if self._active is not None and self._active is not call:
            self._active.disconnect()
        self._active = call

    def changed(self, call: Call) -> None:
        """Keep the books: calls by their ids, and which one is up."""
        if call._sid is not None and call.direction is Direction.OUTGOING:
            self._calls.setdefault(call._sid, call)
        if call.status() == CallState.CLOSED and self._active is call:
            self._active = None
        if call._is_over:
            self._forget(call)

    def message_failed(self, call: Call, error: VoiceError) -> None:
        """The documentation's samples look for message errors on the device; the option brings them there too."""
        if self._mirror_message_errors:
            self._emit_error(error)

    def _each(self) -> list[Call]:
        """All calls, once each: an outgoing one is kept under both of its ids."""
        return list(dict.fromkeys(self._calls.values()))

    def _forget(self, call: Call) -> None:
        for call_id in (call._sid, call.outbound_connection_id):
            if call_id is not None and self._calls.get(call_id) is call:
                del self._calls[call_id]

    def _abandon_calls(self, *, closed_only: bool = False) -> None:
        for call in self._each():
            if call.status() == CallState.CLOSED or not closed_only:
                call._give_up_messages()
                self._forget(call)

    # --------------------------------------------------------------------------------------------------- placing

    def _new_call(self, params: Mapping[str, object]) -> Call:
        strings = {key: str(value) for key, value in params.items()}
        return self._outgoing(CallMachine.outgoing(), {}, strings)

    def _taken_call(self, taken: ConnectToken) -> Call:
        machine = CallMachine.outgoing(taken.parameters["CallSid"], taken.reconnect)
        return self._outgoing(machine, taken.parameters, taken.custom_parameters)

    def _outgoing(self, machine: CallMachine, parameters: Mapping[str, str], custom: Mapping[str, str]) -> Call:
        connection_id = self._chance.connection_id()
        call = Call(
            self,
            self._tasks,
            machine,
            connection_id=connection_id,
            parameters=parameters,
            custom_parameters=custom,
            local=LocalStream(self._audio_source()),
        )
        self._calls[machine.call_sid or connection_id] = call
        return call

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
                    self.emit(state)

    def _send_register(self, audio: bool) -> None:
        if self._transport is not None:
            self._transport.send(signal.encode(signal.Register(media=signal.Wanted(audio))), keep=False)
        self._stop_refreshing()
        if audio:
            self._refresh = asyncio.get_running_loop().call_later(REFRESH_S, self._send_register, True)

    def _announce_expiry(self, ttl_s: float) -> None:
        if self._expiry is not None:
            self._expiry.cancel()
        wait = max(0.0, ttl_s - self._token_refresh_s)
        self._expiry = asyncio.get_running_loop().call_later(wait, self.emit, "tokenWillExpire", self)

    def _stop_refreshing(self) -> None:
        if self._refresh is not None:
            self._refresh.cancel()
            self._refresh = None

    def _stop_timers(self) -> None:
        self._stop_refreshing()
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None

    def _open(self) -> None:
        if self._transport is None:
            self._transport = Transport(
                self._url,
                self,
                tls=self._tls,
                session=self._session,
                use_proxies=self._use_proxies,
                chance=self._chance,
            )
        self._transport.open()

    def _emit_error(self, error: VoiceError) -> None:
        if not self._listened("error"):
            log.warning("nobody listens for errors of this device: %s", error)
        self.emit("error", error)

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


def signal_url(host: str | None, edge: str | None) -> str:
    """Where the signalling socket is."""
    if host is None:
        host = f"voice-js.{edge}.{vendor.DOMAIN}" if edge is not None else DEFAULT_HOST
    return f"wss://{host}/signal"


def _reconnect_timeout_s(timeout_ms: int) -> int:
    return min(MAX_RECONNECT_S, -(-max(0, timeout_ms) // 1000))
