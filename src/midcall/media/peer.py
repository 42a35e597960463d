"""One WebRTC connection of a leg: ICE, DTLS-SRTP, one line of packets out, one stream of packets in.

Knows packets, payload types and reports, but not what a call is; `bridge.Leg` decides what is sent.
"""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
import time
from typing import Final, Protocol

from aiortc.clock import current_ntp_time
from aiortc.rtp import (
    RtcpPacket,
    RtcpReceiverInfo,
    RtcpRrPacket,
    RtcpSdesPacket,
    RtcpSenderInfo,
    RtcpSourceInfo,
    RtcpSrPacket,
)

from midcall.media.codecs import Codec, Payloads
from midcall.media.description import OUR_PAYLOADS, Local, Remote, Setup, mirrored, write
from midcall.media.hooks import Agent, Dtls, PortRange
from midcall.media.reception import Reception
from midcall.media.rtp_line import Place, RtpLine
from midcall.wire import rtp, telephone_event
from midcall.wire.telephone_event import DigitEar, Event

_log = logging.getLogger(__name__)

CONNECT_S: Final = 30.0
"""How long ICE and DTLS may take together; browsers give up earlier."""

_CNAME_ITEM: Final = 1  # RFC 3550 section 6.5.1


class Identity:
    """What a leg's descriptions have in common, whichever peer they are of (RFC 8829 section 5.2.1).

    With the same stream name a browser keeps its remote stream when a fresh peer takes over.
    """

    def __init__(self) -> None:
        self.session_id = secrets.randbits(62)
        self.name = secrets.token_hex(8)
        self._version = 0

    def next_version(self) -> int:
        self._version += 1
        return self._version


class Listener(Protocol):
    """Whoever owns the peer. Called on the loop; must not raise."""

    def connected(self, peer: Peer) -> None: ...

    def lost(self, peer: Peer) -> None:
        """It never came up, or nothing comes any more."""

    def audio(self, peer: Peer, codec: Codec, packet: rtp.Packet) -> None: ...

    def event(self, peer: Peer, packet: rtp.Packet, event: Event, rate: int, digit: str | None) -> None:
        """A packet of a telephone event; `digit` at the first one of a key."""


class Peer:
    """Make one, ask for `answer`, or for `offer` and then `accept`; it connects by itself; `close` it in any case."""

    def __init__(self, listener: Listener, identity: Identity, *, addresses: tuple[str, ...], ports: PortRange) -> None:
        self._listener = listener
        self._addresses = addresses
        self._ports = ports
        self._agent: Agent | None = None
        self._dtls: Dtls | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._reports: asyncio.TimerHandle | None = None
        self._closing: asyncio.Task[None] | None = None
        self._identity = identity
        self.line = RtpLine(
            ssrc=secrets.randbits(32),
            sequence=secrets.randbelow(1 << 15),  # RFC 3711 section 3.3.1: an early wrap loses the roll-over counter
            timestamp=secrets.randbits(31),
        )
        self.connected = False
        self.codec = Codec.PCMU
        """What was sent last, or will be first."""
        self.codec_heard = Codec.PCMU
        """What the client sent last, or is likely to send."""
        self._use(OUR_PAYLOADS)
        self._reception: Reception | None = None
        self._ear = DigitEar()
        self._packets = 0
        self._octets = 0

    # ------------------------------------------------------------------------------------------------- descriptions

    async def answer(self, remote: Remote) -> str:
        """Our answer to a client's offer; then connect.

        Raises:
            NoPort: no socket could be opened.
        """
        await self._open(controlling=remote.ice_lite)
        self._use(remote.payloads)
        # Browsers that may choose get to open: their first flight then waits for us when ICE is done.
        setup = Setup.CLIENT if remote.setup is Setup.SERVER else Setup.SERVER
        text = self._describe(
            mid=remote.mid,
            setup=setup,
            direction=mirrored(remote.direction),
            bitrate=remote.bitrate,
        )
        self._connect(remote, server=setup is Setup.SERVER)
        return text

    async def offer(self, first: Codec) -> str:
        """Our offer, with that codec first.

        Raises:
            NoPort: no socket could be opened.
        """
        await self._open(controlling=True)
        ordered = sorted(OUR_PAYLOADS.audio.items(), key=lambda item: item[0] is not first)
        self._use(Payloads(dict(ordered), OUR_PAYLOADS.events))
        return self._describe(mid="0", setup=Setup.EITHER, direction="sendrecv", bitrate=None)

    def accept(self, remote: Remote) -> None:
        """The client's answer to our offer; then connect."""
        self._use(remote.payloads)
        self._connect(remote, server=remote.setup is Setup.CLIENT)

    def _use(self, payloads: Payloads) -> None:
        self.payloads = payloads
        self.codec = self.codec_heard = payloads.preferred
        self._audio_types = {number: codec for codec, number in payloads.audio.items()}
        self._event_types = {number: rate for rate, number in payloads.events.items()}

    async def _open(self, *, controlling: bool) -> None:
        self._agent = Agent(controlling=controlling, addresses=self._addresses, ports=self._ports)
        self._dtls = Dtls(self._agent, self._fail)
        await self._agent.gather_candidates()

    def _describe(self, *, mid: str, setup: Setup, direction: str, bitrate: int | None) -> str:
        assert self._agent is not None and self._dtls is not None
        return write(
            Local(
                session_id=self._identity.session_id,
                version=self._identity.next_version(),
                mid=mid,
                ufrag=self._agent.local_username,
                password=self._agent.local_password,
                fingerprint=self._dtls.fingerprint,
                setup=setup,
                direction=direction,
                payloads=self.payloads,
                bitrate=bitrate,
                candidates=self._agent.local_candidates,
                ssrc=self.line.ssrc,
                cname=self._identity.name,
            )
        )

    # --------------------------------------------------------------------------------------------------- connection

    def _connect(self, remote: Remote, *, server: bool) -> None:
        self._connecting = asyncio.get_running_loop().create_task(self._run(remote, server=server))

    async def _run(self, remote: Remote, *, server: bool) -> None:
        assert self._agent is not None and self._dtls is not None
        self._agent.remote_is_lite = remote.ice_lite
        self._agent.remote_username = remote.ufrag
        self._agent.remote_password = remote.password
        try:
            async with asyncio.timeout(CONNECT_S):
                await self._agent.connect()
                await self._dtls.handshake(server=server, fingerprints=remote.fingerprints)
        except (ConnectionError, TimeoutError):
            self._fail()
            return
        except Exception:
            _log.exception("connecting a media peer failed")
            self._fail()
            return
        self.connected = True
        self._agent.on_srtp = self._received
        self._schedule_report()
        self._listener.connected(self)

    def _fail(self) -> None:
        self.connected = False
        if self._closing is None:
            self._listener.lost(self)

    def close(self, *, farewell: bool = True) -> asyncio.Task[None]:
        """End it; the task is done when sockets and tasks are gone.

        Args:
            farewell: tell the client. Not for a peer whose place was taken: the client would take it for the new one.
        """
        if self._closing is None:
            self.connected = False
            self._closing = asyncio.get_running_loop().create_task(self._close(farewell=farewell))
        return self._closing

    async def _close(self, *, farewell: bool) -> None:
        if self._reports is not None:
            self._reports.cancel()
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.wait([self._connecting])
        if self._agent is None or self._dtls is None:
            return
        if not farewell:
            await self._agent.close()
        await self._dtls.close()
        await self._agent.close()

    # ---------------------------------------------------------------------------------------------------- packets out

    def send(self, codec: Codec, place: Place, payload: bytes, *, marker: bool = False) -> None:
        """Send audio at its place on the line."""
        self.codec = codec
        self._transmit(self.payloads.audio[codec], place, payload, marker=marker or place.marker)

    def send_event(self, rate: int, place: Place, payload: bytes, *, marker: bool = False) -> None:
        """Send a telephone event of a clock that was negotiated."""
        self._transmit(self.payloads.events[rate], place, payload, marker=marker or place.marker)

    def _transmit(self, payload_type: int, place: Place, payload: bytes, *, marker: bool) -> None:
        if not self.connected or self._dtls is None:
            return
        self._packets += 1
        self._octets += len(payload)
        self._dtls.send(rtp.build(payload_type, marker, place.sequence, place.timestamp, self.line.ssrc, payload))

    # ----------------------------------------------------------------------------------------------------- packets in

    def _received(self, data: bytes) -> None:
        if not self.connected or self._dtls is None:
            return
        rtcp = rtp.is_rtcp(data)
        plain = self._dtls.open(data, rtcp=rtcp)
        if plain is None:
            return
        if rtcp:
            self._control(plain)
            return
        packet = rtp.parse(plain)
        if packet is None:
            return
        codec = self._audio_types.get(packet.payload_type)
        if codec is not None:
            self.codec_heard = codec
            self._count(packet, codec.clock_rate)
            self._listener.audio(self, codec, packet)
            return
        rate = self._event_types.get(packet.payload_type)
        event = None if rate is None else telephone_event.parse(packet.payload)
        if rate is not None and event is not None:
            self._count(packet, None)
            self._listener.event(self, packet, event, rate, self._ear.hear(packet.timestamp, event))

    def _count(self, packet: rtp.Packet, rate: int | None) -> None:
        if self._reception is None or self._reception.ssrc != packet.ssrc:
            self._reception = Reception(packet.ssrc, packet.sequence)
            self._ear = DigitEar()
        self._reception.heard(packet.sequence, packet.timestamp, rate=rate, now=time.monotonic())

    # -------------------------------------------------------------------------------------------------------- reports

    def _control(self, data: bytes) -> None:
        try:
            packets = RtcpPacket.parse(data)
        except Exception:  # struct and value errors alike; the sender is our own client, the loss is one report
            return
        for packet in packets:
            if isinstance(packet, RtcpSrPacket) and self._reception is not None and packet.ssrc == self._reception.ssrc:
                self._reception.reported(packet.sender_info.ntp_timestamp, now=time.monotonic())

    def _schedule_report(self) -> None:
        # Browsers make a sample of their statistics each second; RFC 3550 section 6.2 wants the jitter.
        delay = 0.5 + random.random()  # noqa: S311
        self._reports = asyncio.get_running_loop().call_later(delay, self._report)

    def _report(self) -> None:
        if self.connected and self._dtls is not None:
            self._dtls.send(self._compose_report(time.monotonic()), rtcp=True)
            self._schedule_report()

    def _compose_report(self, now: float) -> bytes:
        blocks = []
        if self._reception is not None:
            quality = self._reception.quality(now=now)
            blocks.append(
                RtcpReceiverInfo(
                    ssrc=self._reception.ssrc,
                    fraction_lost=quality.fraction_lost,
                    packets_lost=quality.packets_lost,
                    highest_sequence=quality.highest_sequence,
                    jitter=quality.jitter,
                    lsr=quality.last_report,
                    dlsr=quality.delay_since_report,
                )
            )
        first: RtcpSrPacket | RtcpRrPacket
        if self._packets:
            info = RtcpSenderInfo(
                ntp_timestamp=current_ntp_time(),
                rtp_timestamp=self.line.timestamp_at(now, rate=self.codec.clock_rate),
                packet_count=self._packets & 0xFFFFFFFF,
                octet_count=self._octets & 0xFFFFFFFF,
            )
            first = RtcpSrPacket(ssrc=self.line.ssrc, sender_info=info, reports=blocks)
        else:
            first = RtcpRrPacket(ssrc=self.line.ssrc, reports=blocks)
        name = RtcpSdesPacket([RtcpSourceInfo(self.line.ssrc, [(_CNAME_ITEM, self._identity.name.encode())])])
        return bytes(first) + bytes(name)
