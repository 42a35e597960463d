"""Digits out of sound: the eight tones of DTMF (ITU-T Q.23), by Goertzel's algorithm on blocks of 20 ms. Pure."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable
from typing import Final

RATE: Final = 8000
BLOCK: Final = 160
"""Samples looked at together: 20 ms."""
ROWS: Final = (697, 770, 852, 941)
COLUMNS: Final = (1209, 1336, 1477, 1633)
KEYS: Final = ("123A", "456B", "789C", "*0#D")
SHARE: Final = 0.7
"""The two tones have at least so much of a block's power."""
TWIST: Final = 10.0
"""One of the two tones has at most so many times the power of the other."""
LOUD: Final = 300.0
"""Root mean square below which a block is silence."""
BLOCKS: Final = 2
"""A digit lasts at least so many blocks, and so does the gap after it."""


class DtmfDecoder:
    """An audio sink that finds digits; `on_digit` is called once for each."""

    def __init__(self, on_digit: Callable[[str], None]) -> None:
        self.rate = RATE
        self._on_digit = on_digit
        self._rest = array("h")
        self._candidate: str | None = None
        self._run = 0
        self._pressed: str | None = None

    def write(self, samples: array[int]) -> None:
        """Listen."""
        self._rest.extend(samples)
        while len(self._rest) >= BLOCK:
            block, self._rest = self._rest[:BLOCK], self._rest[BLOCK:]
            self._heard(digit_in(block))

    def close(self) -> None:
        """Nothing to close."""

    def _heard(self, digit: str | None) -> None:
        self._run = self._run + 1 if digit == self._candidate else 1
        self._candidate = digit
        if self._run >= BLOCKS and digit != self._pressed:
            self._pressed = digit
            if digit is not None:
                self._on_digit(digit)


def digit_in(block: array[int]) -> str | None:
    """The digit that a block of 20 ms is part of, if it is."""
    energy = sum(sample * sample for sample in block)
    if energy < LOUD * LOUD * len(block):
        return None
    rows = [_power(block, frequency) for frequency in ROWS]
    columns = [_power(block, frequency) for frequency in COLUMNS]
    row, column = max(rows), max(columns)
    if row + column < SHARE * energy or max(row, column) > TWIST * min(row, column):
        return None
    return KEYS[rows.index(row)][columns.index(column)]


def _power(block: array[int], frequency: int) -> float:
    """The part of a block's energy (sum of squares) that a frequency has."""
    factor = 2 * math.cos(2 * math.pi * frequency / RATE)
    last = before = 0.0
    for sample in block:
        last, before = sample + factor * last - before, last
    return 2 * (last * last + before * before - factor * last * before) / len(block)
