"""The line of sequence numbers and timestamps that one leg hears on its one SSRC.

Sources come and go (ringback, a partner, digits, another partner); the line goes on. libsrtp takes a sequence number
that goes back for a replay and drops it, and a browser that misses a thousand numbers conceals them all, so every new
source starts right after what was sent last.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final, NamedTuple

from midcall.wire.rtp import distance16, distance32

_FRAMES_PER_S: Final = 50
_STALLED: Final = 5
"""A sound that is behind by more frames than this (100 ms) stood still; by less, its frames are only bunched."""

_RESTART: Final = 1000
"""A source whose numbers jump by more packets than this (20 s) has started anew."""


class Place(NamedTuple):
    """Where a packet goes on the line; `marker` when something new begins (RFC 3551 section 4.1)."""

    sequence: int
    timestamp: int
    marker: bool


class RtpLine:
    """Maps packets of changing sources, and packets made here, onto one line.

    Times are monotonic seconds, rates are RTP clock rates in Hz of what is being sent.
    """

    __slots__ = (
        "_heard",
        "_sent_at",
        "_sequence",
        "_sequence_shift",
        "_source",
        "_span",
        "_timestamp",
        "_timestamp_shift",
        "ssrc",
    )

    def __init__(self, *, ssrc: int, sequence: int, timestamp: int) -> None:
        """The first packet gets the numbers after these."""
        self.ssrc = ssrc
        self._sequence = sequence
        self._timestamp = timestamp
        self._sent_at: float | None = None
        self._source: Hashable = None
        self._heard = 0
        self._span = 0
        self._sequence_shift = 0
        self._timestamp_shift = 0

    def follow(self, source: Hashable, sequence: int, timestamp: int, *, rate: int, now: float) -> Place | None:
        """Place a packet of a source: gaps and reordering stay as they were.

        Returns:
            None for a packet from before the source took over the line; its number belongs to somebody else.
        """
        ahead = distance16(sequence, self._heard)
        if (source, rate) != self._source or abs(ahead) > _RESTART:
            return self._adopt((source, rate), sequence, timestamp, rate=rate, now=now)
        mapped = timestamp + self._timestamp_shift & 0xFFFFFFFF
        if ahead > 0:
            self._heard = sequence
            self._span = min(self._span + ahead, _RESTART)
            self._sequence = sequence + self._sequence_shift & 0xFFFF
            if distance32(mapped, self._timestamp) > 0:  # the packets of one telephone event share a timestamp
                self._timestamp = mapped
                self._sent_at = now
        elif ahead == 0 or -ahead > self._span:
            return None
        return Place(sequence + self._sequence_shift & 0xFFFF, mapped, False)

    def begin(self, *, rate: int, now: float) -> Place:
        """Place the first packet of something that is made here."""
        self._source = None
        self._sequence = self._sequence + 1 & 0xFFFF
        self._timestamp = self._resume(rate, now)
        self._sent_at = now
        return Place(self._sequence, self._timestamp, True)

    def step(self, *, rate: int, now: float) -> Place:
        """Place the next 20 ms frame made here, whole frames after the one before."""
        if self._source != "frames" or self._sent_at is None:
            place = self.begin(rate=rate, now=now)
            self._source = "frames"
            return place
        behind = round((now - self._sent_at) * _FRAMES_PER_S)
        frames = behind if behind > _STALLED else 1
        self._sequence = self._sequence + 1 & 0xFFFF
        self._timestamp = self._timestamp + frames * rate // _FRAMES_PER_S & 0xFFFFFFFF
        # Not `now`: a tick that came late must not shift the ones after it.
        self._sent_at += frames / _FRAMES_PER_S
        return Place(self._sequence, self._timestamp, False)

    def again(self) -> Place:
        """Place one more packet of a telephone event: same timestamp (RFC 4733 section 2.5)."""
        self._sequence = self._sequence + 1 & 0xFFFF
        return Place(self._sequence, self._timestamp, False)

    def timestamp_at(self, now: float, *, rate: int) -> int:
        """What the line's clock reads now, for sender reports (RFC 3550 section 6.4.1)."""
        elapsed = 0.0 if self._sent_at is None else now - self._sent_at
        return self._timestamp + round(elapsed * rate) & 0xFFFFFFFF

    def _adopt(self, source: Hashable, sequence: int, timestamp: int, *, rate: int, now: float) -> Place:
        place = self.begin(rate=rate, now=now)
        self._source = source
        self._heard = sequence
        self._span = 0
        self._sequence_shift = place.sequence - sequence
        self._timestamp_shift = place.timestamp - timestamp
        return place

    def _resume(self, rate: int, now: float) -> int:
        """The timestamp after the last one by the time that passed, by one frame at least."""
        if self._sent_at is None:
            return self._timestamp
        passed = max(rate // _FRAMES_PER_S, round((now - self._sent_at) * rate))
        return self._timestamp + passed & 0xFFFFFFFF
