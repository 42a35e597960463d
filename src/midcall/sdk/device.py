"""A client of the server: registers an identity, places calls, is called. The browser SDK's `Device` in Python.

What the application sees of a device is here; `signalling` has its line to the server, `callbook` its calls.
"""

from __future__ import annotations

import asyncio
import functools
import importlib.util
import logging
import ssl
from collections.abc import Callable, Mapping
from datetime import datetime
from types import TracebackType
from typing import ClassVar, Final, Literal, Self, Unpack

import aiohttp

from midcall import __version__
from midcall.core.registration import DeviceState
from midcall.sdk import edges, words
from midcall.sdk.audio import Silence
from midcall.sdk.audio_helper import AudioHelper
from midcall.sdk.call import Call
from midcall.sdk.callbook import CallBook
from midcall.sdk.chance import Chance
from midcall.sdk.clock import utc_now
from midcall.sdk.connect_token import ConnectToken
from midcall.sdk.errors import InvalidArgumentError, InvalidStateError, VoiceError
from midcall.sdk.events import Emitter, Tasks
from midcall.sdk.host import CallHost
from midcall.sdk.options import Options, OptionValues, RtcConfiguration
from midcall.sdk.preflight import PreflightTest
from midcall.sdk.signalling import Owner, Signalling
from midcall.sdk.transport import tls_context
from midcall.wire import signal

log = logging.getLogger("midcall.sdk")


class Device(Emitter):
    """A Voice SDK client.

    Events, with their arguments: registering(), registered(), unregistered(), destroyed(), incoming(call),
    error(VoiceError, whose `call` says which pending call it is about), tokenWillExpire(device).

        async with Device(token, ca_file="…") as device:
            call = await device.connect(params={"To": "bob"})
            await call.wait_for("accept")

    Attributes:
        version, package_name: of this SDK.
    """

    EVENTS: ClassVar[frozenset[str]] = frozenset(words.EventName)
    State = DeviceState
    EventName = words.EventName
    version: Final = __version__
    package_name: Final = "midcall"

    def __init__(
        self,
        token: str,
        *,
        media: Literal["real", "none"] = "real",
        session: aiohttp.ClientSession | None = None,
        chance: Chance | None = None,
        now: Callable[[], datetime] = utc_now,
        **options: Unpack[OptionValues],
    ) -> None:
        """Opens nothing; `register` and `connect` do. Needs a running loop, and belongs to it.

        Args:
            token: the access token.
            media: `none` declares to the server that this client has no media.
            session: an aiohttp session to share; it is not closed.
            chance: where identifiers and the jitter of waits come from; None is the system's.
            now: the time of day, aware of its zone; waits use the event loop's clock and nothing else.
            options: see `midcall.sdk.options.Options`; `update_options` changes them later.

        Raises:
            InvalidArgumentError: an argument cannot be used.
            InvalidStateError: no event loop is running.
            OSError: the `ca_file` cannot be read.
        """
        super().__init__(Tasks())
        self._loop = _running_loop()
        if not isinstance(token, str):
            raise InvalidArgumentError("the access token must be a string")
        if media not in ("real", "none"):
            raise InvalidArgumentError("media is 'real' or 'none'")
        self._options = Options.of(options)
        tls, with_media, chance = _tls(self._options), media == "real", chance or Chance()
        audio = AudioHelper(self._tasks, lambda: self._calls.active)
        self._audio: AudioHelper | None = audio
        self._calls = CallBook()
        owner = Owner(
            state_changed=self.emit,
            failed=self._emit_error,
            invited=self._invited,
            token_will_expire=lambda: self.emit("tokenWillExpire", self),
        )
        self._signalling = Signalling(
            owner, self._calls, token, self._options, tls=tls, session=session, with_media=with_media, chance=chance
        )
        self._host = CallHost(
            self._signalling,
            self._calls,
            self._tasks,
            options=self._options,
            tls=tls,
            session=session,
            audio=audio,
            with_media=with_media,
            chance=chance,
            now=now,
            emit_error=self._emit_error,
        )
        self._placing = False
        self._ending: asyncio.Task[None] | None = None

    @classmethod
    def run_preflight(
        cls,
        token: str,
        *,
        fake_mic_input: bool = False,
        signaling_timeout_ms: float = 10_000,
        rtc_configuration: RtcConfiguration | None = None,
        session: aiohttp.ClientSession | None = None,
        chance: Chance | None = None,
        now: Callable[[], datetime] = utc_now,
        **options: Unpack[OptionValues],
    ) -> PreflightTest:
        """Test the way to the server by a call without parameters, which the application has to answer by itself.

        Args:
            token: an access token that allows incoming and outgoing calls.
            fake_mic_input: speak a tone that comes and goes, and hang up after 20 s; otherwise the call speaks from
                `audio_source`, and the test lasts until the server hangs up.
            signaling_timeout_ms: how long registering may take.
            rtc_configuration: STUN and TURN servers for the call's media.
            session, chance, now, options: of the device that is made for the test.
        """
        source = options.pop("audio_source", Silence)
        make = functools.partial(cls, token, session=session, chance=chance, now=now, **options)
        return PreflightTest(
            make,
            fake_mic_input=fake_mic_input,
            signaling_timeout_ms=signaling_timeout_ms,
            rtc_configuration=rtc_configuration,
            audio_source=source,
            now=now,
        )

    @staticmethod
    def is_supported() -> bool:
        """Whether devices with media work here. Devices without media work everywhere."""
        return importlib.util.find_spec("aiortc") is not None

    # ------------------------------------------------------------------------------------------------- properties

    @property
    def state(self) -> DeviceState:
        """unregistered, registering, registered or destroyed."""
        return self._signalling.state

    @property
    def audio(self) -> AudioHelper | None:
        """Microphones and speakers; None when the device is destroyed. See `midcall.sdk.audio_helper`."""
        return self._audio

    @property
    def calls(self) -> tuple[Call, ...]:
        """Incoming calls that are pending."""
        return self._calls.pending()

    @property
    def is_busy(self) -> bool:
        """Whether a call is up, or being placed."""
        return self._placing or self._calls.active is not None

    @property
    def identity(self) -> str | None:
        """The identity in the token, once the server has read it."""
        return self._signalling.identity

    @property
    def edge(self) -> str | None:
        """Where the server says it is; None without a socket."""
        return self._signalling.edge

    @property
    def home(self) -> str | None:
        """The server's region, as it said last."""
        return self._signalling.home

    @property
    def token(self) -> str:
        """The access token."""
        return self._signalling.token

    @property
    def options(self) -> Options:
        """What the device has been told."""
        return self._options

    # ----------------------------------------------------------------------------------------------------- methods

    async def register(self) -> None:
        """Ask for incoming calls; returns once the server offers them.

        Who stops waiting, as by `asyncio.timeout`, takes nothing back: the device goes on registering, and `registered`
        tells when it is.

        Raises:
            InvalidStateError: the device is not unregistered.
            VoiceError: the server refused.
        """
        self._must_be_at_home()
        await self._signalling.register()

    async def unregister(self) -> None:
        """Ask for no more incoming calls; returns once the server has confirmed.

        Raises:
            InvalidStateError: the device is not registered.
            VoiceError: the server answered with an error.
        """
        self._must_be_at_home()
        await self._signalling.unregister()

    async def connect(
        self,
        *,
        params: Mapping[str, object] | None = None,
        connect_token: str | None = None,
        rtc_configuration: RtcConfiguration | None = None,
    ) -> Call:
        """Place a call, or take over the one that a connect token names; returns while it is connecting.

        Calls that ring here meanwhile are ignored, as by the browser SDK: they go on ringing elsewhere. Who stops
        waiting before it returns has placed no call.

        Args:
            params: what the application's voice URL gets; values are made strings.
            connect_token: another device's `call.connect_token`; `params` do not matter then.
            rtc_configuration: STUN and TURN servers for the call's media.

        Raises:
            InvalidStateError: the device is destroyed or has a call already.
            InvalidArgumentError: the parameters, the connect token or the configuration cannot be used.
            VoiceError: the server refused the access token.
        """
        self._must_live()
        self._must_be_at_home()
        self._must_be_free()
        taken = ConnectToken.decode(connect_token) if connect_token is not None else None
        strings = _strings(params)
        encoded = _encoded(strings)
        configuration = RtcConfiguration.of(rtc_configuration)
        self._placing = True
        try:
            await self._signalling.ready()
        finally:
            self._placing = False
        self._must_live()
        self._must_be_free()  # a call that rang here may have been accepted meanwhile
        host = self._host
        call = host.taken(taken, configuration) if taken is not None else host.placed(strings, configuration)
        for pending in self.calls:
            pending.ignore()
        self._calls.active = call
        call._place(encoded if taken is None else None)
        return call

    def update_options(self, **options: Unpack[OptionValues]) -> None:
        """Change options; what is not named stays. Most concern calls, sockets and tokens from now on.

        With another server (`host`, `url`, `edge`, `ca_file`, `tls`) the socket is closed and opened there; a device
        that was registered registers again, pending calls are cancelled. Nothing changes when an error is raised,
        whereas a browser has merged the options by then.

        Raises:
            InvalidStateError: the device is destroyed, or a call is up and the options name another server.
            InvalidArgumentError: there is no such option, or it cannot have this value.
        """
        self._must_live()
        updated = self._options.updated(options)
        moves = _place(updated) != _place(self._options)
        if moves and self._calls.active is not None:
            raise InvalidStateError("Cannot change Edge while on an active Call")
        if moves:
            self._host.tls = _tls(updated)
        self._options = self._host.options = updated
        if moves:
            self._signalling.move(updated, self._host.tls)
        else:
            self._signalling.heed(updated)

    def update_token(self, token: str) -> None:
        """Use a new access token from now on; an open socket tells the server at once.

        Raises:
            InvalidStateError: the device is destroyed.
            InvalidArgumentError: the token is not a string.
        """
        self._must_live()
        if not isinstance(token, str):
            raise InvalidArgumentError("the access token must be a string")
        self._signalling.renew(token)

    def disconnect_all(self) -> None:
        """End the call that is up, and show pending calls in `calls` no more.

        As in the browser SDK the pending ones go on ringing all the same, and who still has one can take it.
        """
        self._calls.dismiss_pending()
        for call in self._calls.each():
            call.disconnect()

    async def destroy(self) -> None:
        """Reject the calls in `calls`, end the active one, close the socket. The device cannot be used again.

        It is carried through also when its caller is cancelled meanwhile, and may be asked for several times.

        Raises:
            InvalidStateError: the device belongs to another event loop.
        """
        self._must_be_at_home()
        if self._ending is None:
            for call in self.calls:
                call.reject()
            self.disconnect_all()
            self._signalling.end()
            self._ending = self._loop.create_task(self._end(asyncio.current_task()), name="midcall.sdk end of a device")
        await asyncio.shield(self._ending)

    async def _end(self, asked_by: asyncio.Task[object] | None) -> None:
        await self._signalling.close()
        self._calls.abandon()
        audio, self._audio = self._audio, None
        if audio is not None:
            await audio._close()
        await self._host.closings.finish()
        await self._tasks.close(spare=asked_by)
        self.remove_all_listeners()
        self._give_up_waiting()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.destroy()

    def __repr__(self) -> str:
        return f"<Device {self.identity or 'without identity'} {self.state}>"

    # --------------------------------------------------------------------------------------- what the line tells us

    def _emit_error(self, error: VoiceError) -> None:
        """Emit `error`; nobody should overlook one, so without a listener it is logged."""
        if not self._listened("error"):
            log.warning("nobody listens for errors of this device: %s", error)
        self.emit("error", error)

    def _invited(self, frame: signal.ServerInvite) -> None:
        """Somebody calls."""
        if self.state is DeviceState.DESTROYED or self._calls.get(frame.call_sid) is not None:  # a repeat
            return
        if self.is_busy and not self._options.allow_incoming_while_busy:
            return
        self.emit("incoming", self._host.offered(frame))

    def _never(self, event: str) -> Exception | None:
        return InvalidStateError("the device has been destroyed") if self.state is DeviceState.DESTROYED else None

    def _must_live(self) -> None:
        if self.state is DeviceState.DESTROYED:
            raise InvalidStateError("the device has been destroyed")

    def _must_be_free(self) -> None:
        if self.is_busy:
            raise InvalidStateError("A Call is already active")

    def _must_be_at_home(self) -> None:
        if asyncio.get_running_loop() is not self._loop:
            raise InvalidStateError("the device belongs to another event loop")


def _running_loop() -> asyncio.AbstractEventLoop:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        raise InvalidStateError(
            "no event loop is running: make the device in a coroutine, or use midcall.sdk.sync"
        ) from None


def _strings(params: Mapping[str, object] | None) -> dict[str, str]:
    """What the application's voice URL gets."""
    if params is not None and not isinstance(params, Mapping):
        raise InvalidArgumentError("params is a mapping")
    return {str(key): str(value) for key, value in (params or {}).items()}


def _encoded(params: Mapping[str, str]) -> str | None:
    """Parameters as an invite has them; None without any."""
    try:
        return signal.encode_connect_params(list(params.items())) if params else None
    except UnicodeError:
        raise InvalidArgumentError("params has characters that are none") from None


def _place(options: Options) -> tuple[frozenset[str], str | None, ssl.SSLContext | None]:
    """What makes a server another one. The order of addresses does not, as in the browser SDK."""
    return frozenset(edges.addresses(options)), options.ca_file, options.tls


def _tls(options: Options) -> ssl.SSLContext | None:
    if options.tls is not None:
        return options.tls
    secure = any(address.startswith("wss:") for address in edges.addresses(options))
    return tls_context(options.ca_file) if secure else None
