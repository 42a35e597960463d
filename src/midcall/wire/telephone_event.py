"""Digits in RTP (RFC 4733): hears each key once, however many packets tell of it, and makes the packets for a key.

Packets of one key share a timestamp; the last one is sent three times. Any of them may be lost.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import Final, NamedTuple

from midcall.wire.rtp import distance32

DIGITS: Final = "0123456789*#ABCD"
"""Event codes 0 to 15 (RFC 4733 section 3.2)."""

PAUSE: Final = "w"
PAUSE_S: Final = 0.5
TONE_S: Final = 0.16
GAP_S: Final = 0.07
_PACKET_S: Final = 0.02
_VOLUME: Final = 10  # dBm0 without its sign; what browsers send
_END_PACKETS: Final = 3  # RFC 4733 section 2.5.1.4
_SEGMENT: Final = 0xFFFF  # RFC 4733 section 2.5.1.3: a longer key goes on in a new event after this duration
_LATE: Final = 480_000
"""Timestamps further back than this (10 s at 48 kHz) are not late, the client's clock started anew."""

_EVENT: Final = Struct("!BBH")


class Event(NamedTuple):
    """The payload of one packet: `duration` so far in units of the RTP clock."""

    code: int
    end: bool
    volume: int
    duration: int

    def scaled(self, rate: int, other_rate: int) -> Event:
        """The same with its duration on another clock."""
        return self._replace(duration=min(self.duration * other_rate // rate, _SEGMENT))


def parse(payload: bytes) -> Event | None:
    if len(payload) < _EVENT.size:
        return None
    code, flags, duration = _EVENT.unpack_from(payload)
    return Event(code, bool(flags & 0x80), flags & 0x3F, duration)


def build(event: Event) -> bytes:
    return _EVENT.pack(event.code, (0x80 if event.end else 0) | event.volume, event.duration)


class DigitEar:
    """Listens to the events of one stream and says each digit once, in the order the keys were pressed.

    A digit is said at the first packet that tells of it, so a lost start or end makes no difference. Packets that
    come after those of a later key are dropped: a digit in the wrong place is worse than none.
    """

    __slots__ = ("_code", "_ended", "_timestamp")

    def __init__(self) -> None:
        self._timestamp: int | None = None
        self._code = -1
        self._ended = False

    def hear(self, timestamp: int, event: Event) -> str | None:
        """The digit when this packet is the first of its key; None otherwise."""
        if self._timestamp is not None:
            ahead = distance32(timestamp, self._timestamp)
            if ahead == 0:
                self._ended = self._ended or event.end
                return None
            if -_LATE <= ahead < 0:
                return None
            if ahead == _SEGMENT and event.code == self._code and not self._ended:
                self._timestamp = timestamp
                self._ended = event.end
                return None
        self._timestamp = timestamp
        self._code = event.code
        self._ended = event.end
        return DIGITS[event.code] if event.code < len(DIGITS) else None


def tone(digit: str, rate: int) -> Iterator[tuple[float, bytes]]:
    """The packets of one key: seconds after its start, and payload. Durations grow; the end is said three times.

    Raises:
        ValueError: not one of `DIGITS`.
    """
    code = DIGITS.index(digit)
    last = round(TONE_S / _PACKET_S)
    for number in range(1, last + _END_PACKETS):
        duration = round(min(number, last) * _PACKET_S * rate)
        yield (number - 1) * _PACKET_S, build(Event(code, number >= last, _VOLUME, duration))
