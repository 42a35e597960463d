"""What a test call says about a network: figures of its samples, and a word for the whole, for `midcall.sdk`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from midcall.core.quality import Sample


class CallQuality(StrEnum):
    """What calls over this network will be like."""

    EXCELLENT = "excellent"
    GREAT = "great"
    GOOD = "good"
    FAIR = "fair"
    DEGRADED = "degraded"


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one quantity, over a call. The average has five significant digits."""

    average: float
    min: float
    max: float


@dataclass(frozen=True, slots=True)
class Stats:
    """Figures of a call: jitter and round trip in milliseconds, MOS from 1 to about 4.5."""

    jitter: Figures
    mos: Figures
    rtt: Figures


def call_quality(mos: float) -> CallQuality:
    """The browser SDK's word for an average MOS.

    It has gaps between its words, from 3.6 to 3.7 and from 4.0 to 4.1, which it calls degraded; here they belong to the
    word below them.
    """
    if mos > 4.2:
        return CallQuality.EXCELLENT
    if mos >= 4.1:
        return CallQuality.GREAT
    if mos >= 3.7:
        return CallQuality.GOOD
    if mos >= 3.1:
        return CallQuality.FAIR
    return CallQuality.DEGRADED


def stats(samples: Sequence[Sample]) -> Stats | None:
    """Figures from the first sample on that has a MOS; None when there is none."""
    first = next((index for index, sample in enumerate(samples) if sample.mos), None)
    if first is None:
        return None
    counted = samples[first:]
    return Stats(
        jitter=_figures([sample.jitter for sample in counted]),
        mos=_figures([sample.mos for sample in counted if sample.mos is not None]),
        rtt=_figures([sample.rtt for sample in counted if sample.rtt is not None]),
    )


def _figures(values: Sequence[float]) -> Figures:
    return Figures(average=float(f"{sum(values) / len(values):.5g}"), min=min(values), max=max(values))
