"""A call's media session on aiortc: offers and answers like a browser's, without candidates of our own.

Imported only by devices that have media, because aiortc takes a while to import.
"""

from __future__ import annotations

import asyncio
import logging
import re
from array import array
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final

from aioice import Candidate
from aiortc import (
    MediaStreamError,
    MediaStreamTrack,
    RTCConfiguration,
    RTCIceServer,
    RTCPeerConnection,
    RTCRemoteInboundRtpStreamStats,
    RTCRtpCapabilities,
    RTCRtpSender,
    RTCSessionDescription,
)
from aiortc.codecs.opus import OpusEncoder
from aiortc.rtcconfiguration import RTCIceTransportPolicy
from av import AudioFrame, AudioResampler

from midcall.core.client import IceState
from midcall.core.loudness import Analyser
from midcall.core.quality import Counters
from midcall.sdk.audio import TELEPHONE_RATE, LocalStream, RemoteStream
from midcall.sdk.clock import utc_now
from midcall.sdk.digits import OUR_EVENTS, Digits, events_of, let_hear, with_events
from midcall.sdk.ice import PATIENCE, Patience
from midcall.sdk.monitor import Look
from midcall.sdk.options import RtcConfiguration
from midcall.sdk.restart import Restarts
from midcall.sdk.voice import Voice

log = logging.getLogger("midcall.sdk.media")

DIRECT: Final = RtcConfiguration()
OPUS_RATE: Final = 48_000
_CANDIDATES: Final = re.compile(r"^a=(candidate:|end-of-candidates).*\r\n", re.MULTILINE)
_ADDRESS: Final = re.compile(r"^c=IN IP[46] [^\r\n]+", re.MULTILINE)
_OPUS: Final = re.compile(r"^a=rtpmap:(\d+) opus/48000/2(?=\r\n)", re.MULTILINE)
_PORT: Final = re.compile(r"^m=audio \d+ ", re.MULTILINE)


class MediaPeer:
    """One RTCPeerConnection with one audio section."""

    def __init__(
        self,
        local: LocalStream,
        remote: RemoteStream,
        *,
        codec_preferences: Sequence[str],
        on_ice: Callable[[IceState], None],
        rtc_configuration: RtcConfiguration = DIRECT,
        max_average_bitrate: int | None = None,
        dscp: bool = True,
        patience: Patience = PATIENCE,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        """Opens no socket yet.

        Args:
            local: what to send.
            remote: gets what comes.
            codec_preferences: `pcmu` and `opus`, the wanted one first.
            on_ice: called with what becomes of the way to the server.
            rtc_configuration: STUN and TURN servers.
            max_average_bitrate: the most that Opus should use, in bits per second.
            dscp: whether packets are marked as voice.
            patience: how long ICE waits.
            now: the time of day, for the samples' stamps.
        """
        self._connection = RTCPeerConnection(_rtc(rtc_configuration))
        self._remote = remote
        self._now = now
        self._listener: asyncio.Task[None] | None = None
        self._negotiated = False
        self._current = ""
        self._local = local
        self._voice = Voice(local, codec_rate=self._codec_rate)
        self._heard: AudioFrame | None = None
        self._analysers = Analyser(), Analyser()
        self._sender = self._connection.addTrack(self._voice)
        self._bitrate = max_average_bitrate
        self._digits = Digits(remote.hear_digit)
        self._payload_received = _look_into(self._connection.getTransceivers()[0].receiver, self._digits)
        self._connection.getTransceivers()[0].setCodecPreferences(_preferred(codec_preferences))
        self._connection.on("track", self._on_track)
        self._restarts = Restarts(
            self._connection, patience=patience, dscp=dscp, tell=on_ice, outgoing=self._digits.outgoing
        )

    @property
    def connected(self) -> bool:
        """Whether ICE and DTLS are up."""
        return self._restarts.is_connected

    def codec(self) -> str | None:
        """The codec we send, spelled as in statistics (`PCMU`, `opus`); None before it is negotiated."""
        codecs: list[Any] = self._connection.getTransceivers()[0]._codecs
        return codecs[0].mimeType.partition("/")[2] if codecs and self._negotiated else None

    def _codec_rate(self) -> int:
        return TELEPHONE_RATE if (self.codec() or "").upper() == "PCMU" else OPUS_RATE

    def look(self) -> Look:
        """How loud it is; a direction without sound since the last look is silent."""
        said, self._voice.newest = self._voice.newest, None
        heard, self._heard = self._heard, None
        sounds = (_native(*said) if said is not None else _SILENCE, _mono(heard) if heard is not None else _SILENCE)
        (input_volume, input_level), (output_volume, output_level) = (
            analyser.look(samples, rate) for analyser, (samples, rate) in zip(self._analysers, sounds, strict=True)
        )
        return Look(input_volume, output_volume, input_level, output_level, self._local.muted)

    async def counters(self) -> Counters:
        """What was sent and received so far."""
        statistics = (await self._connection.getStats()).values()
        reported = next((one for one in statistics if isinstance(one, RTCRemoteInboundRtpStreamStats)), None)
        transceiver: Any = self._connection.getTransceivers()[0]
        rate = transceiver._codecs[0].clockRate if transceiver._codecs else 1
        # The statistics have only the newest of the streams; a restart begins one more.
        streams = list(transceiver.receiver._RTCRtpReceiver__remote_streams.values())
        rtt_s = reported.roundTripTime if reported is not None else None
        return Counters(
            bytes_sent=self._restarts.bytes_sent,
            packets_sent=self._restarts.packets_sent,
            bytes_received=self._payload_received(),
            packets_received=sum(stream.packets_received for stream in streams),
            packets_lost=sum(stream.packets_lost for stream in streams),
            # aiortc counts jitter in the codec's clock.
            jitter_ms=1000 * streams[-1].jitter / rate if streams else 0.0,
            # It is measured with two clocks and may be below nothing, or not be there yet.
            rtt_ms=max(0.0, 1000 * rtt_s) if rtt_s is not None else None,
            codec_name=self.codec(),
            timestamp_ms=1000 * self._now().timestamp(),
        )

    async def offer(self) -> str:
        """An offer for a call that we place."""
        await self._connection.setLocalDescription(await self._connection.createOffer())
        return self._described(OUR_EVENTS)

    async def answer(self, offer: str) -> str:
        """Our answer to the server's offer."""
        self._restarts.expect(offer)
        await self._connection.setRemoteDescription(RTCSessionDescription(sdp=offer, type="offer"))
        await self._connection.setLocalDescription(await self._connection.createAnswer())
        described = self._described(events_of(offer))
        self._agreed(described)
        return described

    async def apply(self, answer: str) -> None:
        """The server's answer to our offer."""
        self._restarts.expect(answer)
        await self._connection.setRemoteDescription(RTCSessionDescription(sdp=answer, type="answer"))
        self._agreed(answer)

    async def restart(self) -> str:
        """An offer that restarts ICE, for a `reinvite`.

        Raises:
            ConnectionError: there is no address to send from.
        """
        self._current = await self._restarts.offer(self._current)
        return self._current

    async def apply_restart(self, answer: str) -> None:
        """The server's answer to a restart.

        Raises:
            ValueError: it cannot be used.
        """
        await self._restarts.apply(answer)

    def watch(self, told: Callable[[str, str], None]) -> None:
        """Tell how the connection comes about: the part (`ice`, `dtls`, `peer_connection`) and the state it is in."""
        connection, dtls = self._connection, self._sender.transport
        connection.on("iceconnectionstatechange", lambda: told("ice", connection.iceConnectionState))
        connection.on("connectionstatechange", lambda: told("peer_connection", connection.connectionState))
        dtls.on("statechange", lambda: told("dtls", str(dtls.state)))

    def way(self) -> tuple[Candidate, Candidate] | None:
        """Our end and the server's end of the way that media takes; None without one."""
        return self._restarts.way()

    def current(self) -> str:
        """Our newest description, for a resume."""
        return self._current

    async def close(self) -> None:
        """End the session and its tasks."""
        if self._listener is not None:
            self._listener.cancel()
            await asyncio.gather(self._listener, return_exceptions=True)
        await self._connection.close()
        self._remote.close()

    @property
    def takes_digits(self) -> bool:
        """Whether the server takes digits in RTP."""
        return bool(self._digits.payload_types)

    def send_digits(self, digits: str) -> bool:
        """Send digits in RTP; False when too many wait."""
        return self._digits.press(digits)

    def _agreed(self, answer: str) -> None:
        self._negotiated = True
        transceiver: Any = self._connection.getTransceivers()[0]
        self._digits.negotiated(events_of(answer), transceiver._codecs[0].clockRate)
        let_hear(transceiver.receiver, self._digits)
        if self._bitrate is not None and self.codec() == "opus":
            encoder = OpusEncoder()
            encoder.codec.bit_rate = self._bitrate
            transceiver.sender._RTCRtpSender__encoder = encoder

    def _described(self, events: dict[int, int]) -> str:
        """As a browser says it: candidates are learnt from our checks (reference section 6.2)."""
        text = _CANDIDATES.sub("", self._connection.localDescription.sdp)
        text = _PORT.sub("m=audio 9 ", _ADDRESS.sub("c=IN IP4 0.0.0.0", text))
        if self._bitrate is not None:
            text = _OPUS.sub(rf"\g<0>\r\na=fmtp:\g<1> maxaveragebitrate={self._bitrate}", text)
        self._current = with_events(text, events)
        return self._current

    def _on_track(self, track: MediaStreamTrack) -> None:
        if track.kind == "audio" and self._listener is None:
            self._listener = asyncio.get_running_loop().create_task(self._listen(track), name="midcall.sdk listener")

    async def _listen(self, track: MediaStreamTrack) -> None:
        resamplers: dict[int, AudioResampler] = {}
        while True:
            try:
                frame = await track.recv()
            except MediaStreamError:
                return
            assert isinstance(frame, AudioFrame)
            self._heard = frame
            sinks = self._remote.sinks
            for rate in {sink.rate for sink in sinks}:
                resampler = resamplers.setdefault(rate, AudioResampler(format="s16", layout="mono", rate=rate))
                for piece in resampler.resample(frame):
                    samples = array("h")
                    samples.frombytes(bytes(piece.planes[0])[: piece.samples * 2])
                    samples = self._remote.processed(samples, rate)
                    for sink in sinks:
                        if sink.rate == rate:
                            _write(sink, samples)


def _write(sink: Any, samples: array[int]) -> None:
    try:
        sink.write(samples)
    except Exception:
        log.exception("an audio sink failed")


_SILENCE: Final[tuple[array[int], int]] = array("h"), 8000


def _native(data: bytes, rate: int) -> tuple[array[int], int]:
    return array("h", data[: len(data) // 2 * 2]), rate


def _mono(frame: AudioFrame) -> tuple[array[int], int]:
    """aiortc's decoders give 16-bit samples, Opus's in two channels that are the same for a voice: take the first."""
    channels = frame.layout.nb_channels
    samples = array("h", bytes(frame.planes[0])[: frame.samples * channels * 2])
    return samples[::channels], frame.sample_rate


def _look_into(receiver: Any, digits: Digits) -> Callable[[], int]:
    """Take digits out of what comes, and count the bytes of RTP payload, which aiortc's statistics leave out."""
    handle = receiver._handle_rtp_packet
    count = 0

    async def look(packet: Any, arrival_time_ms: int) -> None:
        nonlocal count
        count += len(packet.payload)
        if not digits.hear(packet):
            await handle(packet, arrival_time_ms=arrival_time_ms)

    receiver._handle_rtp_packet = look
    return lambda: count


def _rtc(wanted: RtcConfiguration) -> RTCConfiguration:
    """aiortc uses the first STUN and the first TURN server of those given."""
    servers = [
        RTCIceServer(urls=list(server.urls), username=server.username, credential=server.credential)
        for server in wanted.servers
    ]
    policy = RTCIceTransportPolicy.RELAY if wanted.relay_only else RTCIceTransportPolicy.ALL
    return RTCConfiguration(iceServers=servers, iceTransportPolicy=policy)


def _preferred(names: Sequence[str]) -> list[Any]:
    capabilities: RTCRtpCapabilities = RTCRtpSender.getCapabilities("audio")
    return [
        codec for name in names for codec in capabilities.codecs if codec.mimeType.lower() == f"audio/{name.lower()}"
    ]
