"""Loudness on a browser's scale, for sound of any rate."""

from __future__ import annotations

import math

import pytest

from midcall.core.loudness import Analyser

RATES = (8000, 16_000, 44_100, 48_000)


def sine(frequency: int, peak: float, rate: int, phase: float = 0.0) -> list[int]:
    return [round(peak * math.sin(2 * math.pi * frequency * n / rate + phase)) for n in range(rate // 50)]


def looks(frequency: int, peak: float, rate: int) -> tuple[float, float]:
    """Volume and level of a steady tone: means over phases, once smoothing has settled."""
    seen = []
    for step in range(16):
        analyser = Analyser()
        sound = sine(frequency, peak, rate, 2 * math.pi * step / 16)
        for _ in range(8):
            look = analyser.look(sound, rate)
        seen.append(look)
    return sum(volume for volume, _ in seen) / 16, sum(level for _, level in seen) / 16


@pytest.mark.parametrize("rate", RATES)
def test_silence_and_nothing_are_zero(rate):
    assert Analyser().look([], rate) == Analyser().look([0] * 960, rate) == (0, 0)


def test_a_constant_is_as_loud_as_the_formulas_say():
    # A constant c is 0.42 c in the bin of 0 Hz, 0.25 c in the next, 0.04 c in the one after: Blackman's coefficients.
    decibels = [20 * math.log10(share * 0.5) for share in (0.42, 0.25, 0.04)]
    level = sum(math.floor(255 * (db + 127) / 127) for db in decibels) / 16 / 255 * 32767
    volume = sum(min(255, math.floor(255 * (db + 20 * math.log10(0.7) + 100) / 70)) for db in decibels) / 16 / 255
    seen = Analyser().look([16384] * 32, 48_000)
    assert seen[1] == pytest.approx(level)
    assert seen[0] == pytest.approx(volume, abs=1e-9)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("frequency", [440, 1000])
def test_a_tone_is_as_loud_at_every_rate(rate, frequency):
    volume, level = looks(frequency, 16_384, rate)
    reference_volume, reference_level = looks(frequency, 16_384, 48_000)
    assert volume == pytest.approx(reference_volume, rel=0.05)
    assert level == pytest.approx(reference_level, rel=0.05)


def test_louder_sound_has_a_higher_volume_and_level():
    seen = [looks(440, peak, 8000) for peak in (10, 100, 1000, 10_000, 32_767)]
    assert seen == sorted(seen)
    assert all(0 <= volume <= 1 and 0 <= level <= 32_767 for volume, level in seen)
    assert len({volume for volume, _ in seen}) == len({level for _, level in seen}) == 5


def test_volume_fades_and_level_drops_at_once():
    analyser = Analyser()
    loud, _ = analyser.look([16_384] * 160, 8000)
    faded, level = analyser.look([0] * 160, 8000)
    assert 0 < faded < loud
    assert level == 0
