"""Turns the stream of one codec into one of another, for two legs that have none in common.

Decoders and encoders are aiortc's. Frames come out whole, 20 ms each; fractions wait for the next packet in.
"""

from __future__ import annotations

import fractions
import logging
from typing import Final

import av
from aiortc.codecs.base import Decoder, Encoder
from aiortc.codecs.g711 import PcmuDecoder, PcmuEncoder
from aiortc.codecs.opus import OpusDecoder, OpusEncoder
from aiortc.jitterbuffer import JitterFrame

from midcall.media.codecs import Codec
from midcall.wire.rtp import Packet, distance16, distance32

_log = logging.getLogger(__name__)

_RESTART: Final = 1000
_FRAMES_PER_S: Final = 50


class Transcoder:
    """One direction between two legs. Keeps the codecs' memory, so it serves one stream."""

    def __init__(self, source: Codec, target: Codec) -> None:
        self.source = source
        self.target = target
        self._decoder: Decoder = PcmuDecoder() if source is Codec.PCMU else OpusDecoder()
        self._encoder: Encoder = PcmuEncoder() if target is Codec.PCMU else OpusEncoder()
        self._samples = 0
        self._heard: Packet | None = None
        self._sequence = 0
        self._timestamp = 0

    def convert(self, packet: Packet) -> list[tuple[int, int, bytes]]:
        """The frames that are complete after this packet, each with its sequence number and timestamp.

        None for a packet that comes late or cannot be decoded. Losses and pauses show as they did in the source.
        """
        if not self._advance(packet):
            return []
        numbered = []
        step = self.target.clock_rate // _FRAMES_PER_S
        for index, payload in enumerate(self._recode(packet.payload)):
            self._sequence = self._sequence + 1 & 0xFFFF
            numbered.append((self._sequence, self._timestamp + index * step & 0xFFFFFFFF, payload))
        return numbered

    def carry(self, packet: Packet) -> tuple[int, int] | None:
        """Sequence number and timestamp for a packet of the same stream that is not audio; None when it comes late."""
        if not self._advance(packet):
            return None
        self._sequence = self._sequence + 1 & 0xFFFF
        return self._sequence, self._timestamp

    def _advance(self, packet: Packet) -> bool:
        if self._heard is not None:
            ahead = distance16(packet.sequence, self._heard.sequence)
            if -_RESTART < ahead <= 0:
                return False
            if 0 < ahead < _RESTART:
                self._sequence = self._sequence + ahead - 1 & 0xFFFF
            passed = distance32(packet.timestamp, self._heard.timestamp)
            scaled = passed * self.target.clock_rate // self.source.clock_rate
            self._timestamp = self._timestamp + scaled & 0xFFFFFFFF
        self._heard = packet
        return True

    def _recode(self, payload: bytes) -> list[bytes]:
        out: list[bytes] = []
        try:
            for frame in self._decoder.decode(JitterFrame(payload, self._samples)):
                assert isinstance(frame, av.AudioFrame)
                # Counted here: the resampler would take a jump in time for sound to make up.
                frame.pts = self._samples
                frame.time_base = fractions.Fraction(1, frame.sample_rate)
                self._samples += frame.samples
                out += self._encoder.encode(frame)[0]
        except av.FFmpegError:
            _log.debug("dropped a %s frame that cannot be decoded", self.source.encoding)
        return out
