"""What a leg hears: its partner, a sound of ours, digits, or silence; and who its partner is.

A leg outlives its peers: after an ICE restart a fresh peer takes the place of the old one, and partner, sound and
waiting digits stay.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import Final

from midcall.core.sids import CallSid
from midcall.media import sounds
from midcall.media.codecs import FRAME_S, Codec
from midcall.media.options import DIGITS_CAP
from midcall.media.peer import Peer
from midcall.media.transcoder import Transcoder
from midcall.wire import rtp, telephone_event
from midcall.wire.telephone_event import DIGITS, GAP_S, PAUSE, PAUSE_S, TONE_S, Event

_PLAYABLE: Final = frozenset(DIGITS + PAUSE)


class Leg:
    """One leg of a call in the engine.

    Attributes:
        peer: carries the audio; None before the first connection and after its loss.
        partner: the joined leg, if any; always mutual. It may be the leg itself.
        far: what a linked leg has in place of a peer: the leg at the other end. What one hears the other one says.
    """

    def __init__(self, sid: CallSid) -> None:
        self.sid = sid
        self.peer: Peer | None = None
        self.partner: Leg | None = None
        self.far: Leg | None = None
        self._position = 0
        self._ringing = False
        self._digits: deque[str] = deque()
        self._dialling: asyncio.Task[None] | None = None
        self._toning = False
        self._transcoder: Transcoder | None = None
        self._transcoder_key: tuple[int, int, Codec, Codec] | None = None

    # --------------------------------------------------------------------------------------------------- who is heard

    def join(self, other: Leg) -> None:
        """Make two legs hear each other and nobody else; a leg joined with itself hears itself."""
        self.part()
        other.part()
        self.partner, other.partner = other, self
        self.stop_sound()
        other.stop_sound()

    def part(self) -> None:
        """Undo `join`, if it was."""
        if self.partner is not None:
            self.partner.partner = None
            self.partner = None

    def link(self, far: Leg) -> None:
        """Make what one leg hears be said by the other, both ways. Links do not end before their legs."""
        self.far, far.far = far, self

    def heard(self) -> Leg | None:
        """Whose voice reaches this leg, through any number of links; None for nobody's.

        Joins and links are made of legs that were made for them, so that they never form a ring.
        """
        hearing: Leg = self
        while (speaker := hearing.partner) is not None and speaker.far is not None:
            hearing = speaker.far
        return speaker

    @property
    def _hears_ringback(self) -> bool:
        """It is played to this leg, or to one that this leg hears through a link."""
        hearing: Leg = self
        while not hearing._ringing:
            if hearing.partner is None or hearing.partner.far is None:
                return False
            hearing = hearing.partner.far
        return True

    def play_ringback(self) -> None:
        self._ringing = True
        self._position = 0

    def stop_sound(self) -> None:
        self._ringing = False

    @property
    def needs_sound(self) -> bool:
        """Whether frames have to be made for this leg, because nobody else sends it any."""
        if self.peer is None or not self.peer.connected or self._toning:
            return False
        speaker = self.heard()
        return speaker is None or speaker.peer is None or not speaker.peer.connected

    def tick(self, now: float) -> None:
        """Send the next 20 ms frame of what is made here. For legs with `needs_sound`."""
        assert self.peer is not None
        codec = self.peer.payloads.preferred
        if self._hears_ringback:
            cycle = sounds.ringback(codec)
            payload = cycle[self._position]
            self._position = (self._position + 1) % len(cycle)
        else:
            payload = sounds.silence(codec)
        self.peer.send(codec, self.peer.line.step(rate=codec.clock_rate, now=now), payload)

    # ------------------------------------------------------------------------------------------------------ forwarding

    def say_audio(self, source: Peer, codec: Codec, packet: rtp.Packet) -> None:
        """Audio of this leg's client, or of whoever speaks through its link."""
        if self.partner is not None:
            self.partner.hear_audio(source, codec, packet)

    def say_event(self, source: Peer, packet: rtp.Packet, event: Event, rate: int, digit: str | None) -> None:
        """A telephone event, likewise; `digit` at the first packet of a key."""
        if self.partner is not None:
            self.partner.hear_event(source, packet, event, rate, digit)

    def hear_audio(self, source: Peer, codec: Codec, packet: rtp.Packet) -> None:
        """Pass on a packet of the partner: as it is where this leg knows the codec, else transcoded."""
        if self.far is not None:
            self.far.say_audio(source, codec, packet)
            return
        peer = self.peer
        if peer is None or not peer.connected or self._toning:
            return
        now = time.monotonic()
        stream = (id(source), packet.ssrc)
        if codec in peer.payloads.audio:
            place = peer.line.follow(stream, packet.sequence, packet.timestamp, rate=codec.clock_rate, now=now)
            if place is not None:
                peer.send(codec, place, packet.payload, marker=packet.marker)
            return
        transcoder = self._transcoder_for(stream, codec, peer)
        for sequence, timestamp, payload in transcoder.convert(packet):
            place = peer.line.follow(stream, sequence, timestamp, rate=transcoder.target.clock_rate, now=now)
            if place is not None:
                peer.send(transcoder.target, place, payload)

    def hear_event(self, source: Peer, packet: rtp.Packet, event: Event, rate: int, digit: str | None) -> None:
        """Pass on a telephone event of the partner; a leg that did not negotiate them hears the key's tones.

        Timestamps of events are those of the audio beside them, whatever clock counts their durations.
        """
        if self.far is not None:
            self.far.say_event(source, packet, event, rate, digit)
            return
        peer = self.peer
        if peer is None or not peer.connected:
            return
        if not peer.payloads.events:
            self.send_digits(digit or "")
            return
        if self._toning:
            return
        codec, stream = source.codec_heard, (id(source), packet.ssrc)
        numbers: tuple[int, int] | None = (packet.sequence, packet.timestamp)
        if codec not in peer.payloads.audio:
            transcoder = self._transcoder_for(stream, codec, peer)
            codec, numbers = transcoder.target, transcoder.carry(packet)
        clock = peer.payloads.event_clock(codec)
        if clock is None or numbers is None:
            return
        place = peer.line.follow(stream, *numbers, rate=codec.clock_rate, now=time.monotonic())
        if place is not None:
            peer.send_event(clock, place, telephone_event.build(event.scaled(rate, clock)), marker=packet.marker)

    def _transcoder_for(self, stream: tuple[int, int], codec: Codec, peer: Peer) -> Transcoder:
        key = (*stream, codec, peer.payloads.preferred)
        if self._transcoder is None or self._transcoder_key != key:
            self._transcoder = Transcoder(codec, peer.payloads.preferred)
            self._transcoder_key = key
        return self._transcoder

    # ---------------------------------------------------------------------------------------------------------- digits

    def send_digits(self, digits: str) -> None:
        """Queue digits; they wait for the connection, and are sent as tones where telephone-event was not negotiated.

        A linked leg has nobody to send them to: the switch tells the leg at the other end.
        """
        if self.far is not None:
            return
        room = DIGITS_CAP - len(self._digits)
        self._digits.extend([digit for digit in digits if digit in _PLAYABLE][:room])
        self.dial()

    def dial(self) -> None:
        """Start sending the digits that wait, when there is a connection."""
        if self._digits and self._dialling is None and self.peer is not None and self.peer.connected:
            self._dialling = asyncio.get_running_loop().create_task(self._dial())

    async def _dial(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        try:
            while self._digits and self.peer is not None and self.peer.connected:
                digit = self._digits.popleft()
                if digit == PAUSE:
                    due += PAUSE_S
                else:
                    await self._tone(self.peer, digit, due)
                    due += TONE_S + GAP_S
                await asyncio.sleep(due - loop.time())
        finally:
            self._toning = False
            self._dialling = None

    async def _tone(self, peer: Peer, digit: str, start: float) -> None:
        rate = peer.payloads.event_clock(peer.codec)
        loop = asyncio.get_running_loop()
        self._toning = True
        if rate is None:
            codec = peer.payloads.preferred
            for number, payload in enumerate(sounds.key(codec, digit)):
                await asyncio.sleep(max(0.0, start + number * FRAME_S - loop.time()))
                peer.send(codec, peer.line.step(rate=codec.clock_rate, now=time.monotonic()), payload)
            self._toning = False
            return
        for number, (offset, payload) in enumerate(telephone_event.tone(digit, rate)):
            await asyncio.sleep(max(0.0, start + offset - loop.time()))
            if number == 0:
                place = peer.line.begin(rate=peer.codec.clock_rate, now=time.monotonic())
            else:
                place = peer.line.again()
            peer.send_event(rate, place, payload)
        self._toning = False

    # ------------------------------------------------------------------------------------------------------------- end

    def close(self) -> asyncio.Task[None] | None:
        """Leave the bridge and the link, and stop dialling; the task that stops, if there was one."""
        self.part()
        if self.far is not None:
            self.far.far = None
            self.far = None
        self._digits.clear()
        dialling = self._dialling
        if dialling is not None:
            dialling.cancel()
        return dialling
