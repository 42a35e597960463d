"""RTP packets (RFC 3550 section 5.1), as far as a server that forwards them needs to look inside.

Own code and not aiortc's `RtpPacket`, because this runs for each packet of each call and extensions are dropped anyway.
"""

from __future__ import annotations

from struct import Struct
from typing import Final, NamedTuple

_FIXED: Final = Struct("!BBHII")
_VERSION: Final = 2 << 6
_PADDING: Final = 1 << 5
_EXTENSION: Final = 1 << 4


class Packet(NamedTuple):
    """The parts of an RTP packet that survive forwarding; padding, contributing sources and extensions do not."""

    payload_type: int
    marker: bool
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes


def parse(data: bytes) -> Packet | None:
    """Read a packet; None when it is malformed or has no payload."""
    if len(data) <= _FIXED.size:
        return None
    first, second, sequence, timestamp, ssrc = _FIXED.unpack_from(data)
    if first & 0xC0 != _VERSION:
        return None
    start = _FIXED.size + 4 * (first & 0x0F)
    if first & _EXTENSION:
        if len(data) < start + 4:
            return None
        start += 4 + 4 * int.from_bytes(data[start + 2 : start + 4], "big")
    end = len(data)
    if first & _PADDING:
        if data[-1] == 0:
            return None
        end -= data[-1]
    if start >= end:
        return None
    return Packet(second & 0x7F, second > 0x7F, sequence, timestamp, ssrc, data[start:end])


def build(payload_type: int, marker: bool, sequence: int, timestamp: int, ssrc: int, payload: bytes) -> bytes:
    """A packet without padding, contributing sources and extensions."""
    return _FIXED.pack(_VERSION, payload_type | (0x80 if marker else 0), sequence, timestamp, ssrc) + payload


def is_rtcp(data: bytes) -> bool:
    """Whether a datagram of a multiplexed session is RTCP (RFC 5761 section 4)."""
    return len(data) > 1 and 192 <= data[1] <= 223


def distance16(newer: int, older: int) -> int:
    """How far one 16 bit number is after another, wrapped: -32768 to 32767."""
    return (newer - older + 0x8000 & 0xFFFF) - 0x8000


def distance32(newer: int, older: int) -> int:
    """How far one 32 bit number is after another, wrapped."""
    return (newer - older + 0x80000000 & 0xFFFFFFFF) - 0x80000000
