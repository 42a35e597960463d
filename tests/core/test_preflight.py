"""Figures and words of a test call."""

from __future__ import annotations

import dataclasses

import pytest

from midcall.core.preflight import CallQuality, Figures, call_quality, stats
from midcall.core.quality import Sample, Totals

SAMPLE = Sample(
    bytes_sent=0,
    bytes_received=0,
    packets_sent=0,
    packets_received=0,
    packets_lost=0,
    packets_lost_fraction=0.0,
    jitter=9.0,
    rtt=None,
    codec_name="opus",
    audio_input_level=0,
    audio_output_level=0,
    mos=None,
    timestamp=0.0,
    totals=Totals(),
)


@pytest.mark.parametrize(
    ("mos", "word"),
    [
        (4.5, "excellent"),
        (4.2001, "excellent"),
        (4.2, "great"),
        (4.1, "great"),
        (4.05, "good"),
        (4.0, "good"),
        (3.7, "good"),
        (3.65, "fair"),
        (3.1, "fair"),
        (3.09, "degraded"),
        (1.0, "degraded"),
    ],
)
def test_the_word_for_a_mos(mos, word):
    assert call_quality(mos) is CallQuality(word)


def test_figures_begin_with_the_first_mos():
    samples = [
        SAMPLE,
        dataclasses.replace(SAMPLE, mos=4.4, rtt=10.0, jitter=1.0),
        SAMPLE,
        dataclasses.replace(SAMPLE, mos=4.1, rtt=21.0, jitter=3.0),
    ]
    found = stats(samples)
    assert found.mos == Figures(4.25, 4.1, 4.4)
    assert found.rtt == Figures(15.5, 10.0, 21.0)
    assert found.jitter == Figures(4.3333, 1.0, 9.0)


@pytest.mark.parametrize("samples", [[], [SAMPLE], [dataclasses.replace(SAMPLE, mos=0.0, rtt=1.0)]])
def test_without_a_mos_there_are_no_figures(samples):
    assert stats(samples) is None
