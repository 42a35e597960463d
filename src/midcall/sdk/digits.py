"""Digits in the RTP of a call (RFC 4733), which aiortc does not know: negotiated, sent and heard beside its audio.

A browser sends digits so where the server takes telephone-event, and so does this: they go with the voice and need no
signalling. While a key sounds, its packets take the place of those of the voice, on the same line of numbers, which is
what the standard asks for and why nothing here has a clock of its own: a packet is 20 ms.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from midcall.wire import rtp, telephone_event
from midcall.wire.telephone_event import GAP_S, PAUSE, PAUSE_S, TONE_S, DigitEar

MAX_WAITING: Final = 1000
"""Digits that wait to be sent; more are refused."""

PACKET_S: Final = 0.02
KEY: Final = round((TONE_S + GAP_S) / PACKET_S)
"""Packets from the start of a key to that of the next."""
_PAUSE: Final = round(PAUSE_S / PACKET_S)

OUR_EVENTS: Final = {8000: 126, 48000: 110}
"""What we offer: clock rate to payload type, with the numbers that browsers use."""

_RTPMAP: Final = re.compile(r"^a=rtpmap:(\d{1,3}) telephone-event/(8000|48000)\b", re.MULTILINE | re.IGNORECASE)
_AUDIO: Final = re.compile(r"^m=audio [^\r\n]*", re.MULTILINE)


def with_events(description: str, events: dict[int, int]) -> str:
    """A description of one audio section, with these telephone events added: clock rate to payload type."""
    numbers = "".join(f" {number}" for number in events.values())
    lines = "".join(
        f"a=rtpmap:{number} telephone-event/{rate}\r\na=fmtp:{number} 0-16\r\n" for rate, number in events.items()
    )
    return _AUDIO.sub(lambda found: found[0] + numbers, description) + lines


def events_of(description: str) -> dict[int, int]:
    """The telephone events of a description: clock rate to payload type."""
    found = {int(rate): int(number) for number, rate in _RTPMAP.findall(description)}
    return {rate: number for rate, number in found.items() if number < 128}


class Keypad:
    """Which key is sent when, in packets. `w` lets the next run of keys begin 500 ms after the beginning of the one
    before, as in a browser, but never before that one is through: there its last keys would be lost."""

    def __init__(self) -> None:
        self._waiting: deque[str] = deque()
        self._key = ""
        self._position = 0
        self._age = 0

    def __bool__(self) -> bool:
        return bool(self._waiting or self._key)

    def press(self, digits: str) -> bool:
        """Queue keys and pauses; False, and nothing is queued, when too many wait already."""
        if len(self._waiting) + len(digits) > MAX_WAITING:
            return False
        if not self:
            self._age = 0
        self._waiting.extend(digits)
        return True

    def next(self) -> tuple[str, int] | None:
        """What the next packet tells: a key, and its how manieth packet of it; None for the voice."""
        while not self._key and self._waiting and (self._waiting[0] != PAUSE or self._age >= _PAUSE):
            head = self._waiting.popleft()
            if head == PAUSE:
                self._age = 0
            else:
                self._key, self._position = head, 0
        self._age += 1
        if not self._key:
            return None
        told = self._key, self._position
        self._position += 1
        if self._position == KEY:
            self._key = ""
        return told


class Digits:
    """The digits of one connection, both ways."""

    def __init__(self, on_digit: Callable[[str], None]) -> None:
        """`on_digit` gets each digit that is heard, when its key is pressed."""
        self._on_digit = on_digit
        self._events: dict[int, int] = {}
        self._rate = 0
        self._keypad = Keypad()
        self._packets: list[bytes] = []
        self._started = 0
        self._ears: tuple[int, DigitEar] = 0, DigitEar()
        self._left_out = 0

    def negotiated(self, events: dict[int, int], clock_rate: int) -> None:
        """What both sides know, and the clock of the voice, whose events are preferred."""
        self._events = events
        self._rate = clock_rate if clock_rate in events else next(iter(events), 0)

    def press(self, digits: str) -> bool:
        """Send digits, once they are negotiated; False when too many wait."""
        return self._keypad.press(digits)

    @property
    def payload_types(self) -> frozenset[int]:
        """Of packets that tell of keys."""
        return frozenset(self._events.values())

    def outgoing(self, data: bytes) -> bytes:
        """What to send in place of a packet of the voice."""
        if not self._keypad or rtp.is_rtcp(data):
            return data
        packet = rtp.parse(data)
        told = self._keypad.next() if packet is not None else None
        if packet is None or told is None:
            return data
        digit, position = told
        if position == 0:
            self._packets = [payload for _, payload in telephone_event.tone(digit, self._rate)]
            self._started = packet.timestamp
        if position >= len(self._packets):
            return data
        return rtp.build(
            self._events[self._rate],
            position == 0,
            packet.sequence,
            self._started,
            packet.ssrc,
            self._packets[position],
        )

    def hear(self, packet: Any) -> bool:
        """Whether a packet, as aiortc has read it, tells of a key; the voice is numbered as if there were none."""
        if packet.ssrc != self._ears[0]:
            self._ears, self._left_out = (packet.ssrc, DigitEar()), 0
        if packet.payload_type not in self.payload_types:
            packet.sequence_number = packet.sequence_number - self._left_out & 0xFFFF
            return False
        self._left_out += 1
        event = telephone_event.parse(packet.payload)
        digit = None if event is None else self._ears[1].hear(packet.timestamp, event)
        if digit is not None:
            self._on_digit(digit)
        return True


def let_hear(receiver: Any, digits: Digits) -> None:
    """Let aiortc's router hand the events to the receiver, which hands them on; for each new negotiation."""
    table = receiver.transport._rtp_router.payload_type_table
    for number in digits.payload_types:
        table.setdefault(number, set()).add(receiver)
