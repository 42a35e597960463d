"""Makes the calls of a device, and does for them what they need of it: the device's side of `link.Link`."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Coroutine, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import aiohttp

from midcall.core.client import CallState
from midcall.core.client_call import CallMachine
from midcall.sdk import edges
from midcall.sdk.audio import LocalStream, Silence
from midcall.sdk.audio_helper import AudioHelper
from midcall.sdk.call import Call
from midcall.sdk.callbook import CallBook
from midcall.sdk.chance import Chance
from midcall.sdk.connect_token import ConnectToken
from midcall.sdk.errors import VoiceError
from midcall.sdk.events import Tasks
from midcall.sdk.insights import Application, Gateway
from midcall.sdk.options import Options, RtcConfiguration
from midcall.sdk.signalling import Signalling
from midcall.wire import signal

if TYPE_CHECKING:
    from midcall.sdk.media import MediaPeer


class CallHost:
    """What calls stand on.

    Attributes:
        options, tls: what the device was told last.
        closings: work that has to be finished when the device ends.
    """

    def __init__(
        self,
        signalling: Signalling,
        calls: CallBook,
        tasks: Tasks,
        *,
        options: Options,
        tls: ssl.SSLContext | None,
        session: aiohttp.ClientSession | None,
        audio: AudioHelper,
        with_media: bool,
        chance: Chance,
        now: Callable[[], datetime],
        emit_error: Callable[[VoiceError], None],
    ) -> None:
        self.options = options
        self.tls = tls
        self.closings = Tasks()
        self._signalling = signalling
        self._calls = calls
        self._tasks = tasks
        self._session = session
        self._audio = audio
        self._with_media = with_media
        self._chance = chance
        self._now = now
        self._emit_error = emit_error

    # ------------------------------------------------------------------------------------------------- for the device

    def offered(self, frame: signal.ServerInvite) -> Call:
        """A call to us."""
        call = Call(
            self,
            self._tasks,
            CallMachine.incoming(frame.call_sid, frame.reconnect),
            connection_id=self._chance.connection_id(),
            parameters={**frame.parameters, "CallSid": frame.call_sid},
            custom_parameters=dict(signal.decode_invite_params(frame.parameters.get("Params"))),
            local=LocalStream(Silence()),
            offer=frame.sdp,
        )
        self._calls.add(frame.call_sid, call)
        return call

    def placed(self, params: Mapping[str, str], configuration: RtcConfiguration) -> Call:
        """A call from us, not begun yet."""
        return self._outgoing(CallMachine.outgoing(), {}, params, configuration)

    def taken(self, token: ConnectToken, configuration: RtcConfiguration) -> Call:
        """The continuation of another device's call, not begun yet."""
        machine = CallMachine.outgoing(token.parameters["CallSid"], token.reconnect)
        return self._outgoing(machine, token.parameters, token.custom_parameters, configuration)

    def _outgoing(
        self,
        machine: CallMachine,
        parameters: Mapping[str, str],
        custom: Mapping[str, str],
        configuration: RtcConfiguration,
    ) -> Call:
        connection_id = self._chance.connection_id()
        call = Call(
            self,
            self._tasks,
            machine,
            connection_id=connection_id,
            parameters=parameters,
            custom_parameters=custom,
            local=LocalStream(Silence()),
        )
        call._rtc_configuration = configuration
        self._calls.add(machine.call_sid or connection_id, call)
        return call

    # --------------------------------------------------------------------------------------------- what calls need

    def transmit(self, frame: signal.Frame, *, keep: bool) -> bool:
        """Send a frame of a call."""
        return self._signalling.transmit(signal.encode(frame), keep=keep)

    def transmit_encoded(self, frame: bytes) -> bool:
        """Send a message's frame, if there is a socket."""
        return self._signalling.transmit(frame, keep=False)

    async def publish(self, event: bytes) -> None:
        """Tell the server's event gateway something about a call."""
        gateway = Gateway(tls=self.tls, session=self._session, use_proxies=edges.named_by_edge(self.options))
        await gateway.post(event, address=self._signalling.address, token=self._signalling.token)

    def application(self) -> Application:
        """What the event gateway is told about the device."""
        return Application(
            name=self.options.app_name,
            version=self.options.app_version,
            dscp=self.options.dscp and self._with_media,
            restarts_ice=self._with_media,
        )

    def mint_message_sid(self) -> str:
        """A new `KX…`."""
        return self._chance.message_sid()

    def now(self) -> datetime:
        """The time of day."""
        return self._now()

    def fraction(self) -> float:
        """A number from [0, 1) by chance."""
        return self._chance.fraction()

    def open_media(self, call: Call) -> MediaPeer | None:
        """A media session for the call, unless this device has none."""
        if not self._with_media:
            return None
        from midcall.sdk.media import MediaPeer  # takes a while to import, so only who needs it pays

        try:
            call._local.play(self.options.audio_source())
        except Exception as error:
            raise VoiceError(31402, str(error), error) from error
        self._audio._prepare(call)
        return MediaPeer(
            call._local,
            call._remote,
            codec_preferences=self.options.codec_preferences,
            on_ice=call._media.ice_changed,
            rtc_configuration=call._rtc_configuration,
            max_average_bitrate=self.options.max_average_bitrate,
            dscp=self.options.dscp,
            now=self._now,
        )

    def settle(self, work: Coroutine[Any, Any, Any], name: str) -> None:
        """Run clean-up work that `destroy` waits for."""
        self.closings.spawn(work, name)

    def before_accept(self, call: Call) -> None:
        """Only one call is up at a time."""
        self._calls.make_active(call)

    def changed(self, call: Call) -> None:
        """Keep the books; an open call makes its socket's address the one to go back to."""
        self._calls.changed(call)
        if call.status() == CallState.OPEN:
            self._signalling.prefer_this_address()
        elif self._calls.active is None and not self._calls.pending():
            self._signalling.prefer_no_address()

    def message_failed(self, call: Call, error: VoiceError) -> None:
        """The documentation's samples look for message errors on the device; the option brings them there too."""
        if self.options.mirror_message_errors:
            self._emit_error(error)
