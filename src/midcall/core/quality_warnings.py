"""Which samples are worth a warning, and when it is over: the browser SDK's thresholds (reference section 6.8).

`ice-connectivity-lost` is no rule over samples, and `constant-audio-output-level` is nothing that an SDK tells its
application; neither is here.
"""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from midcall.core.quality import Sample

QUIET_S: Final = 5.0
"""Nothing is judged in the first seconds of a call, and a warning stands at least as long."""
WINDOW: Final = 10
"""How many samples are remembered; one is taken each second."""


class Bound(StrEnum):
    """How values are compared with a threshold."""

    MAX = "max"
    MIN = "min"
    MAX_AVERAGE = "max_average"
    MIN_STANDARD_DEVIATION = "min_standard_deviation"


@dataclass(frozen=True, slots=True)
class Threshold:
    """What was crossed: such as more than 400."""

    name: Bound
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WarningData:
    """What the `warning` event tells besides the warning's name.

    Attributes:
        name: the field of `Sample` that crossed the threshold.
        values: that field in each of `samples`, the oldest first; empty for a standard deviation.
        value: the standard deviation, otherwise None.
    """

    name: str
    threshold: Threshold
    values: tuple[float, ...] = ()
    value: float | None = None
    samples: tuple[Sample, ...] = ()


@dataclass(frozen=True, slots=True)
class Raised:
    """Tell `warning`."""

    warning: str
    data: WarningData


@dataclass(frozen=True, slots=True)
class Cleared:
    """Tell `warning-cleared`."""

    warning: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """When to warn.

    Attributes:
        stat: the field of `Sample` that is looked at, in the last `window` samples.
        to_raise, to_clear: how many values have to cross the threshold, and how many still may when it is over.
        clear_value: the average at which it is over.
    """

    warning: str
    stat: str
    threshold: Threshold
    window: int = WINDOW
    to_raise: int = 3
    to_clear: int = 0
    clear_value: float | None = None


def _max(value: float) -> Threshold:
    return Threshold(Bound.MAX, value)


def _min(value: float) -> Threshold:
    return Threshold(Bound.MIN, value)


def _no_bytes(warning: str, stat: str) -> Rule:
    return Rule(warning=warning, stat=stat, threshold=_min(1), window=3, to_raise=3, to_clear=2)


RULES: Final = (
    Rule(
        warning="constant-audio-input-level",
        stat="audio_input_level",
        threshold=Threshold(Bound.MIN_STANDARD_DEVIATION, 327.67),
    ),
    _no_bytes("low-bytes-received", "bytes_received"),
    _no_bytes("low-bytes-sent", "bytes_sent"),
    Rule(warning="high-jitter", stat="jitter", threshold=_max(30)),
    Rule(warning="low-mos", stat="mos", threshold=_min(3)),
    Rule(warning="high-packet-loss", stat="packets_lost_fraction", threshold=_max(1)),
    Rule(
        warning="high-packets-lost-fraction",
        stat="packets_lost_fraction",
        threshold=Threshold(Bound.MAX_AVERAGE, 3),
        window=7,
        clear_value=1,
    ),
    Rule(warning="high-rtt", stat="rtt", threshold=_max(400)),
)


class QualityWarnings:
    """Judges the samples of one call. Times are seconds of any one clock."""

    def __init__(self, *, call_made_at: float) -> None:
        self._judged_from = call_made_at + QUIET_S
        self._samples: deque[Sample] = deque(maxlen=WINDOW)
        self._inputs: deque[Sequence[float]] = deque(maxlen=WINDOW)
        self._raised_at: dict[str, float] = {}

    def judge(self, sample: Sample, *, inputs: Sequence[float] | None, now: float) -> list[Raised | Cleared]:
        """What one more sample brings about.

        Args:
            sample: the newest.
            inputs: the audio levels that were sent since the one before; None while the call is muted, which is meant
                to be constant and says nothing about a microphone.
            now: the time.
        """
        self._samples.append(sample)
        if inputs is None:
            self._inputs.clear()
        else:
            self._inputs.append(inputs)
        if now < self._judged_from:
            return []
        return [verdict for rule in RULES if (verdict := self._judge(rule, now)) is not None]

    def _judge(self, rule: Rule, now: float) -> Raised | Cleared | None:
        crossed, data = self._look(rule)
        raised_at = self._raised_at.get(rule.warning)
        if crossed and raised_at is None:
            self._raised_at[rule.warning] = now
            return Raised(rule.warning, data)
        if crossed is False and raised_at is not None and now - raised_at >= QUIET_S:
            del self._raised_at[rule.warning]
            return Cleared(rule.warning)
        return None

    def _look(self, rule: Rule) -> tuple[bool | None, WarningData]:
        """Whether the threshold is crossed; None for neither that nor over, and while too little is known."""
        if rule.threshold.name is Bound.MIN_STANDARD_DEVIATION:
            return self._deviation(rule)
        samples = tuple(self._samples)[-rule.window :]
        values = [getattr(sample, rule.stat) for sample in samples]
        known = [float(value) for value in values if value is not None]
        data = WarningData(name=rule.stat, threshold=rule.threshold, values=tuple(known), samples=samples)
        if len(known) < len(values):
            return None, data
        if rule.threshold.name is Bound.MAX_AVERAGE:
            return _average_crosses(rule, known), data
        return _enough_cross(rule, known), data

    def _deviation(self, rule: Rule) -> tuple[bool | None, WarningData]:
        levels = [level for second in self._inputs for level in second]
        if len(self._inputs) < rule.window or not levels:
            return None, WarningData(name=rule.stat, threshold=rule.threshold)
        value = statistics.pstdev(levels)
        return value < rule.threshold.value, WarningData(name=rule.stat, threshold=rule.threshold, value=value)


def _enough_cross(rule: Rule, values: Sequence[float]) -> bool | None:
    limit = rule.threshold.value
    crossing = sum(value > limit if rule.threshold.name is Bound.MAX else value < limit for value in values)
    if crossing >= rule.to_raise:
        return True
    return False if crossing <= rule.to_clear else None


def _average_crosses(rule: Rule, values: Sequence[float]) -> bool | None:
    if len(values) < rule.window:
        return None
    average = statistics.fmean(values)
    if average > rule.threshold.value:
        return True
    return False if average <= (rule.threshold.value if rule.clear_value is None else rule.clear_value) else None
