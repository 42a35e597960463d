"""What a receiver report says about the stream of one client (RFC 3550 section 6.4 and appendix A).

Browsers take round-trip time, loss and jitter of their statistics from it, and Opus its redundancy.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from midcall.wire.rtp import distance16

_RESTART: Final = 3000
"""MAX_DROPOUT of appendix A.1: numbers further apart are a new stream."""


class Quality(NamedTuple):
    """One report block: loss of the last interval in 1/256, loss in all, numbers in 32 bit, jitter in clock units."""

    fraction_lost: int
    packets_lost: int
    highest_sequence: int
    jitter: int
    last_report: int
    delay_since_report: int


class Reception:
    """Counts one source. Times are monotonic seconds."""

    __slots__ = (
        "_base",
        "_expected_before",
        "_highest",
        "_jitter",
        "_received",
        "_received_before",
        "_report",
        "_report_at",
        "_transit",
        "ssrc",
    )

    def __init__(self, ssrc: int, sequence: int) -> None:
        self.ssrc = ssrc
        self._start(sequence)
        self._jitter = 0.0
        self._transit: tuple[int, float] | None = None
        self._report = 0
        self._report_at: float | None = None

    def _start(self, sequence: int) -> None:
        self._base = sequence
        self._highest = sequence - 1
        self._received = 0
        self._expected_before = 0
        self._received_before = 0

    def heard(self, sequence: int, timestamp: int, *, rate: int | None, now: float) -> None:
        """Count a packet; `rate` None for one whose timestamp says nothing about jitter."""
        ahead = distance16(sequence, self._highest & 0xFFFF)
        if abs(ahead) > _RESTART:
            self._start(sequence)
            ahead = 1
            self._transit = None
        self._received += 1
        if ahead <= 0:
            return
        self._highest += ahead
        if rate is None:
            return
        transit = now * rate - timestamp
        if self._transit is not None and self._transit[0] == rate:
            # Appendix A.8. Far apart means a wrapped or restarted clock, not jitter.
            difference = abs(transit - self._transit[1])
            if difference < 5 * rate:
                self._jitter += (difference - self._jitter) / 16
        self._transit = (rate, transit)

    def reported(self, ntp_timestamp: int, *, now: float) -> None:
        """Note a sender report of this source."""
        self._report = ntp_timestamp >> 16 & 0xFFFFFFFF
        self._report_at = now

    def quality(self, *, now: float) -> Quality:
        """The report block for now; starts a new interval."""
        expected = self._highest - self._base + 1
        expected_now = expected - self._expected_before
        lost_now = expected_now - (self._received - self._received_before)
        self._expected_before = expected
        self._received_before = self._received
        delay = 0 if self._report_at is None else round((now - self._report_at) * 65536)
        return Quality(
            fraction_lost=min(255, (lost_now << 8) // expected_now) if expected_now > 0 and lost_now > 0 else 0,
            packets_lost=max(-(1 << 23), min((1 << 23) - 1, expected - self._received)),
            highest_sequence=self._highest & 0xFFFFFFFF,
            jitter=min(round(self._jitter), 0xFFFFFFFF),
            last_report=self._report,
            delay_since_report=min(delay, 0xFFFFFFFF),
        )
