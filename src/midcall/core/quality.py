"""What a call's media is like: counters become a sample a second, and a sample gets its MOS.

The formulas and units are the browser SDK's (reference sections 6.5 and 6.6), so that figures of both can be compared.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

SAMPLE_S: Final = 1.0

_BEST: Final = 94.768
_LEAST: Final = 6.52
_PER_PERCENT_LOST: Final = 2.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """What a media session has counted since its beginning.

    Attributes:
        bytes_sent, bytes_received: RTP payload only.
        jitter_ms: of what is received.
        rtt_ms: None while nothing is known.
        timestamp_ms: milliseconds since the epoch.
    """

    bytes_sent: int
    packets_sent: int
    bytes_received: int
    packets_received: int
    packets_lost: int
    jitter_ms: float
    rtt_ms: float | None
    codec_name: str | None
    timestamp_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Sums since the beginning; the lost fraction is in percent, and 100 while nothing has arrived."""

    bytes_sent: int = 0
    bytes_received: int = 0
    packets_sent: int = 0
    packets_received: int = 0
    packets_lost: int = 0
    packets_lost_fraction: float = 100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What the `sample` event carries. Bytes and packets are those since the sample before.

    Attributes:
        jitter, rtt: milliseconds; `rtt` is None until the other side has reported.
        packets_lost_fraction: percent of the packets that should have come.
        audio_input_level, audio_output_level: means of the levels since the sample before, from 0 to 32767.
        mos: from 1 to about 4.5; None in the first sample and while `rtt` is.
        timestamp: milliseconds since the epoch.
    """

    bytes_sent: int
    bytes_received: int
    packets_sent: int
    packets_received: int
    packets_lost: int
    packets_lost_fraction: float
    jitter: float
    rtt: float | None
    codec_name: str | None
    audio_input_level: int
    audio_output_level: int
    mos: float | None
    timestamp: float
    totals: Totals


def mos(rtt_ms: float | None, jitter_ms: float, lost_percent: float) -> float | None:
    """The mean opinion score that such a network earns; None unless all three are known, finite and not negative."""
    if rtt_ms is None or not all(math.isfinite(value) and value >= 0 for value in (rtt_ms, jitter_ms, lost_percent)):
        return None
    latency_ms = rtt_ms + 2 * jitter_ms + 10
    if latency_ms < 160:
        factor = _BEST - latency_ms / 40
    elif latency_ms < 1000:
        factor = _BEST - (latency_ms - 120) / 10
    else:
        factor = 0.0
    hurt = _PER_PERCENT_LOST * lost_percent
    factor = max(factor - hurt, _LEAST) if lost_percent <= factor / _PER_PERCENT_LOST else 0.0
    return 1 + 0.035 * factor + 7e-6 * factor * (factor - 60) * (100 - factor)


class Sampler:
    """Makes each sample from the counters now and at the sample before."""

    def __init__(self) -> None:
        self._before = Totals()
        self._rtt: float | None = None
        self._is_first = True

    def sample(self, now: Counters, *, inputs: Sequence[float], outputs: Sequence[float]) -> Sample:
        """The next sample.

        Args:
            now: what is counted so far.
            inputs, outputs: the audio levels measured since the sample before.
        """
        before, totals = self._before, _totals(now)
        received = totals.packets_received - before.packets_received
        lost = totals.packets_lost - before.packets_lost
        lost_percent = _percent(lost, received, if_none=0.0)
        if now.rtt_ms is not None:
            self._rtt = now.rtt_ms
        made = Sample(
            bytes_sent=totals.bytes_sent - before.bytes_sent,
            bytes_received=totals.bytes_received - before.bytes_received,
            packets_sent=totals.packets_sent - before.packets_sent,
            packets_received=received,
            packets_lost=lost,
            packets_lost_fraction=lost_percent,
            jitter=now.jitter_ms,
            rtt=self._rtt,
            codec_name=now.codec_name,
            audio_input_level=_mean(inputs),
            audio_output_level=_mean(outputs),
            mos=None if self._is_first else mos(self._rtt, now.jitter_ms, lost_percent),
            timestamp=now.timestamp_ms,
            totals=totals,
        )
        self._before, self._is_first = totals, False
        return made


def _totals(now: Counters) -> Totals:
    return Totals(
        bytes_sent=now.bytes_sent,
        bytes_received=now.bytes_received,
        packets_sent=now.packets_sent,
        packets_received=now.packets_received,
        packets_lost=now.packets_lost,
        packets_lost_fraction=_percent(now.packets_lost, now.packets_received, if_none=100.0),
    )


def _percent(lost: int, received: int, *, if_none: float) -> float:
    """How much of what should have come is lost. Late packets make a loss negative again: that is none."""
    return 100 * lost / (received + lost) if received + lost > 0 else if_none


def _mean(levels: Sequence[float]) -> int:
    return round(sum(levels) / len(levels)) if levels else 0
