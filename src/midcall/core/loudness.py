"""How loud sound is, on the scale of a browser's analyser (reference section 6.7).

A browser looks at 32 points at 48 kHz through a Blackman window, and takes the mean of the 16 bins in decibels. Sound
of another rate is looked at as if it had been resampled: one matrix per rate does both.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

VOLUME_S: Final = 0.05
"""A look is taken this often."""
BEST_LEVEL: Final = 32767

_RATE: Final = 48_000
_POINTS: Final = 32
_BINS: Final = _POINTS // 2
_FULL_SCALE: Final = 32768
_BYTE: Final = 255
_REACH: Final = 8  # samples on each side that the resampling looks at


class Analyser:
    """Volumes of one stream, look by look."""

    def __init__(self) -> None:
        self._smooth = [0.0] * _BINS

    def look(self, newest: Sequence[int], rate: int) -> tuple[float, float]:
        """Look at the end of some mono sound of signed 16-bit samples; short sound is preceded by silence.

        Returns:
            The volume for people, from 0 (-100 dB) to 1 (-30 dB), smoothed over looks with 0.3; and the level of
            samples and warnings, from 0 (-127 dB) to 32767 (0 dB), of this look alone.
        """
        rows = _analysis(rate)
        seen = newest[-len(rows[0]) :]
        gone = len(rows[0]) - len(seen)
        magnitudes = [abs(sum(map(_product, row[gone:], seen))) for row in rows]
        self._smooth = [0.3 * old + 0.7 * new for old, new in zip(self._smooth, magnitudes, strict=True)]
        return _mean(self._smooth, -100.0, -30.0) / _BYTE, _mean(magnitudes, -127.0, 0.0) / _BYTE * BEST_LEVEL


def _product(factor: complex, sample: int) -> complex:
    return factor * sample


def _mean(magnitudes: Sequence[float], lowest_db: float, highest_db: float) -> float:
    return sum(_byte(magnitude, lowest_db, highest_db) for magnitude in magnitudes) / _BINS


def _byte(magnitude: float, lowest_db: float, highest_db: float) -> int:
    if magnitude <= 0:
        return 0
    decibels = 20 * math.log10(magnitude)
    return min(_BYTE, max(0, math.floor(_BYTE * (decibels - lowest_db) / (highest_db - lowest_db))))


@lru_cache(maxsize=8)
def _analysis(rate: int) -> tuple[tuple[complex, ...], ...]:
    """For each bin, what each of the last samples contributes."""
    step = rate / _RATE
    needed = math.ceil((_POINTS - 1) * step) + 2 * _REACH
    last = needed - 1 - _REACH if rate != _RATE else needed - 1
    places = [last - (_POINTS - 1 - point) * step for point in range(_POINTS)]
    windows = [_blackman(point) / _POINTS / _FULL_SCALE for point in range(_POINTS)]
    return tuple(
        tuple(
            sum(
                window * _interpolation(sample - place) * cmath.exp(-2j * math.pi * bin_ * point / _POINTS)
                for point, (place, window) in enumerate(zip(places, windows, strict=True))
            )
            for sample in range(needed)
        )
        for bin_ in range(_BINS)
    )


def _blackman(point: int) -> float:
    turn = 2 * math.pi * point / _POINTS
    return 0.42 - 0.5 * math.cos(turn) + 0.08 * math.cos(2 * turn)


def _interpolation(distance: float) -> float:
    """A sinc within a Hann window: what a sample adds to a point so many samples away."""
    if abs(distance) >= _REACH:
        return 0.0
    sinc = 1.0 if distance == 0 else math.sin(math.pi * distance) / (math.pi * distance)
    return sinc * math.cos(math.pi * distance / 2 / _REACH) ** 2
