"""Browsers for media tests: aiortc peers that hide their candidates as the browser SDK does, hum, and listen."""

from __future__ import annotations

import asyncio
import fractions
import math
from array import array
from collections import deque
from collections.abc import Callable
from typing import TypeVar

from aiortc import AudioStreamTrack, MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError
from aiortc.rtcrtpsender import RTCRtpSender
from av import AudioFrame, AudioResampler

from midcall.core.sids import CallSid
from midcall.ports import (
    AnswerReady,
    ApplyAnswer,
    MakeOffer,
    Media,
    MediaCommand,
    MediaConnected,
    MediaEvent,
    OfferReady,
    Terminate,
)
from midcall.wire import rtp
from midcall.wire.telephone_event import tone

E = TypeVar("E", bound=MediaEvent)

RATE = 8000
FRAME = 160


def goertzel(samples: array[int], hz: float) -> float:
    """Share of a frequency in the samples' power: about 1 for that tone alone, about 0 without it."""
    power = sum(s * s for s in samples)
    if power < len(samples) * 100:  # quieter than 10 of 32,767 is silence
        return 0.0
    coefficient = 2 * math.cos(2 * math.pi * hz / RATE)
    before = last = 0.0
    for sample in samples:
        before, last = last, sample + coefficient * last - before
    return 2 * (last * last + before * before - coefficient * last * before) / (power * len(samples))


class Tone(MediaStreamTrack):
    """A microphone that hears one tone."""

    kind = "audio"

    def __init__(self, hz: float) -> None:
        super().__init__()
        self._hz = hz
        self._position = 0
        self._started = 0.0

    async def recv(self) -> AudioFrame:
        if self.readyState != "live":
            raise MediaStreamError
        loop = asyncio.get_running_loop()
        if not self._position:
            self._started = loop.time()
        await asyncio.sleep(max(0.0, self._started + self._position / RATE - loop.time()))
        samples = array(
            "h",
            (
                round(9000 * math.sin(2 * math.pi * self._hz * n / RATE))
                for n in range(self._position, self._position + FRAME)
            ),
        )
        frame = AudioFrame(format="s16", layout="mono", samples=FRAME)
        frame.planes[0].update(samples.tobytes())
        frame.sample_rate = RATE
        frame.pts = self._position
        frame.time_base = fractions.Fraction(1, RATE)
        self._position += FRAME
        return frame


class Client:
    """One browser. `codecs` in order of preference, as mime types; telephone-event is added to its descriptions."""

    def __init__(
        self, *, hz: float | None = None, codecs: tuple[str, ...] = ("PCMU", "opus"), events: bool = True
    ) -> None:
        self.pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.events = events
        self.packets: list[rtp.Packet] = []
        """What came in."""
        self.spoken: list[bytes] = []
        """Payloads of the audio that went out."""
        self.connected = asyncio.Event()
        self._ear: deque[int] = deque(maxlen=RATE // 5)
        self._heard = asyncio.Event()
        self._listening: asyncio.Task[None] | None = None
        self.pc.on("connectionstatechange", self._state_changed)
        self.pc.on("track", self._track)
        transceiver = self.pc.addTransceiver(Tone(hz) if hz else AudioStreamTrack(), direction="sendrecv")
        self._stay_on_loopback()
        capabilities = RTCRtpSender.getCapabilities("audio").codecs
        transceiver.setCodecPreferences(
            [c for name in codecs for c in capabilities if c.mimeType.lower() == f"audio/{name.lower()}"]
        )
        self._codecs = codecs

    def _stay_on_loopback(self) -> None:
        """aioice never offers loopback; these tests need no other interface."""
        agent = self.pc.getSenders()[0].transport.transport._connection
        gather = agent.get_component_candidates
        agent.get_component_candidates = lambda component, addresses, timeout=5: gather(
            component, ["127.0.0.1"], timeout
        )

    def _state_changed(self) -> None:
        if self.pc.connectionState == "connected":
            self._spy()
            self.connected.set()

    def _spy(self) -> None:
        dtls = self.pc.getSenders()[0].transport
        original = dtls._handle_rtp_data

        async def spy(data: bytes, arrival_time_ms: int) -> None:
            packet = rtp.parse(data)
            if packet is not None:
                self.packets.append(packet)
                self._heard.set()
            await original(data, arrival_time_ms=arrival_time_ms)

        send = dtls._send_rtp

        async def remember(data: bytes) -> None:
            packet = rtp.parse(data)
            if packet is not None and not rtp.is_rtcp(data):
                self.spoken.append(packet.payload)
            await send(data)

        dtls._handle_rtp_data = spy
        dtls._send_rtp = remember

    def _track(self, track: MediaStreamTrack) -> None:
        self._listening = asyncio.ensure_future(self._listen(track))

    async def _listen(self, track: MediaStreamTrack) -> None:
        resampler, shape = AudioResampler(format="s16", layout="mono", rate=RATE), 0
        try:
            while True:
                frame = await track.recv()
                if frame.sample_rate != shape:  # the codec changed in the middle of the stream
                    resampler, shape = AudioResampler(format="s16", layout="mono", rate=RATE), frame.sample_rate
                for resampled in resampler.resample(frame):
                    samples = array("h", bytes(resampled.planes[0])[: resampled.samples * 2])
                    self._ear.extend(samples)
                self._heard.set()
        except MediaStreamError:
            pass

    def hears(self, hz: float) -> bool:
        return len(self._ear) == self._ear.maxlen and goertzel(array("h", self._ear), hz) > 0.3

    def hears_silence(self) -> bool:
        return len(self._ear) == self._ear.maxlen and max(map(abs, self._ear)) < 100

    async def until(self, condition: Callable[[], bool], within: float = 10.0) -> None:
        """Wait until a condition on what was heard holds."""
        async with asyncio.timeout(within):
            while not condition():
                self._heard.clear()
                await self._heard.wait()

    async def more(self) -> None:
        """Wait for half a second of packets."""
        enough = len(self.packets) + 25
        await self.until(lambda: len(self.packets) > enough)

    async def offer(self) -> str:
        await self.pc.setLocalDescription(await self.pc.createOffer())
        return self._hidden(self.pc.localDescription.sdp)

    async def take(self, answer: str) -> None:
        await self.pc.setRemoteDescription(RTCSessionDescription(sdp=answer, type="answer"))

    async def answer(self, offer: str) -> str:
        await self.pc.setRemoteDescription(RTCSessionDescription(sdp=offer, type="offer"))
        await self.pc.setLocalDescription(await self.pc.createAnswer())
        return self._hidden(self.pc.localDescription.sdp)

    def _hidden(self, sdp: str) -> str:
        """No candidates, as the SDK sends it; and telephone-event, which aiortc does not know."""
        lines = [line for line in sdp.split("\r\n") if not line.startswith(("a=candidate:", "a=end-of-candidates"))]
        if self.events:
            for index, line in enumerate(lines):
                if line.startswith("m=audio"):
                    lines[index] = line + " 110 126"
            lines[-1:-1] = [
                "a=rtpmap:110 telephone-event/48000",
                "a=rtpmap:126 telephone-event/8000",
            ]
        return "\r\n".join(lines)

    async def press(self, digit: str) -> None:
        """Send the packets of one key on the line of the audio, as a browser does, the last one three times."""
        sender = self.pc.getSenders()[0]
        spy = sender.transport
        held: asyncio.Queue[rtp.Packet] = asyncio.Queue()
        original = spy._send_rtp

        async def tap(data: bytes) -> None:
            packet = rtp.parse(data)
            if not rtp.is_rtcp(data) and packet is not None:
                held.put_nowait(packet)
            else:
                await original(data)

        spy._send_rtp = tap  # from here on audio is held back, its numbers are the digit's
        base = await held.get()
        opus = self._codecs[0].lower() == "opus"
        for number, (_, payload) in enumerate(tone(digit, 48000 if opus else 8000)):
            sequence = base.sequence + number & 0xFFFF
            kind = 110 if opus else 126
            await original(rtp.build(kind, number == 0, sequence, base.timestamp, base.ssrc, payload))
            await held.get()  # a frame of audio is a tick of 20 ms
        spy._send_rtp = original

    async def close(self) -> None:
        await self.pc.close()
        if self._listening is not None:  # a track of a connection that never came up does not end
            self._listening.cancel()
            await asyncio.wait([self._listening])


class Ledger:
    """A media port's listener: keeps its events, and hands out each one once."""

    def __init__(self) -> None:
        self.events: list[MediaEvent] = []
        self._news = asyncio.Event()

    def record(self, event: MediaEvent) -> None:
        self.events.append(event)
        self._news.set()

    async def take(self, kind: type[E], leg: str, within: float = 20.0) -> E:
        """The first event of that kind and leg that was not taken yet."""
        async with asyncio.timeout(within):
            while True:
                for event in self.events:
                    if isinstance(event, kind) and event.leg == leg:
                        self.events.remove(event)
                        return event
                self._news.clear()
                await self._news.wait()


class Studio:
    """A media port with its ledger and its clients."""

    def __init__(self, media: Media) -> None:
        self.media = media
        self.ledger = Ledger()
        self._clients: list[Client] = []

    def do(self, *commands: MediaCommand) -> None:
        for command in commands:
            self.media.do(command)

    def client(
        self, *, hz: float | None = None, codecs: tuple[str, ...] = ("PCMU", "opus"), events: bool = True
    ) -> Client:
        client = Client(hz=hz, codecs=codecs, events=events)
        self._clients.append(client)
        return client

    async def called_by(self, client: Client, leg: str) -> None:
        """The client places a call."""
        self.do(Terminate(leg=CallSid(leg), offer=await client.offer()))
        await client.take((await self.ledger.take(AnswerReady, leg)).sdp)
        await client.connected.wait()
        await self.ledger.take(MediaConnected, leg)

    async def call(self, client: Client, leg: str, like: str | None = None) -> None:
        """The client is called and answers."""
        self.do(MakeOffer(leg=CallSid(leg), like=None if like is None else CallSid(like)))
        offer = (await self.ledger.take(OfferReady, leg)).sdp
        self.do(ApplyAnswer(leg=CallSid(leg), answer=await client.answer(offer)))
        await client.connected.wait()
        await self.ledger.take(MediaConnected, leg)

    async def close(self) -> None:
        for client in self._clients:
            await client.close()
        await self.media.close()
