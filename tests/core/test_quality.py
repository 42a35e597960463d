"""Samples and their MOS. The scores are what the browser SDK computes for the same figures."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midcall.core.quality import Counters, Sampler, mos


@pytest.mark.parametrize(
    ("rtt", "jitter", "lost", "score"),
    [
        (1.282, 2, 0, 4.431053031747499),
        (0, 0, 0, 4.433327950361177),
        (99, 20, 0, 4.3637079138844515),
        (100, 20, 0, 4.363135645675175),
        (400, 30, 1, 2.9575802028101763),
        (949, 20, 0, 1.002486037651776),
        (950, 20, 0, 1.0000314733439999),
        (2000, 0, 0, 1.0000314733439999),
        (50, 5, 10, 3.5027237881671764),
        (50, 5, 37, 1.0000314733439999),
        (50, 5, 38, 1),
        (0, 0, 100, 1),
    ],
)
def test_the_score_is_the_browser_sdks(rtt, jitter, lost, score):
    assert mos(rtt, jitter, lost) == pytest.approx(score, abs=1e-12)


@pytest.mark.parametrize("place", range(3))
@pytest.mark.parametrize("value", [-0.1, math.nan, math.inf])
def test_there_is_no_score_for_figures_that_cannot_be(place, value):
    figures = [1.0, 1.0, 1.0]
    figures[place] = value
    assert mos(*figures) is None


def test_there_is_no_score_without_a_round_trip():
    assert mos(None, 0, 0) is None


FIGURE = st.floats(0, 2000)


@given(FIGURE, FIGURE, st.floats(0, 100), st.floats(0, 100))
def test_a_score_is_on_the_scale_and_no_worse_for_less_loss(rtt, jitter, lost, more):
    score, worse = mos(rtt, jitter, min(lost, more)), mos(rtt, jitter, max(lost, more))
    assert score is not None
    assert worse is not None
    assert 1 <= worse <= score + 1e-9 < 4.5


def counters(**counts: Any) -> Counters:
    nothing = dict.fromkeys(
        ("bytes_sent", "packets_sent", "bytes_received", "packets_received", "packets_lost", "jitter_ms"), 0
    )
    return Counters(**{**nothing, "rtt_ms": 4.0, "codec_name": "PCMU", "timestamp_ms": 5.0, **counts})


def test_a_sample_has_what_changed_since_the_one_before_and_the_totals():
    sampler = Sampler()
    sampler.sample(counters(bytes_sent=160, packets_sent=1, packets_received=10), inputs=(), outputs=())
    sample = sampler.sample(
        counters(
            bytes_sent=8160,
            packets_sent=51,
            bytes_received=7520,
            packets_received=57,
            packets_lost=3,
            jitter_ms=2.5,
            timestamp_ms=1005.0,
        ),
        inputs=[100, 201],
        outputs=[32767],
    )
    assert (sample.bytes_sent, sample.packets_sent, sample.bytes_received) == (8000, 50, 7520)
    assert (sample.packets_received, sample.packets_lost, sample.packets_lost_fraction) == (47, 3, 6.0)
    assert (sample.audio_input_level, sample.audio_output_level) == (150, 32767)
    assert (sample.jitter, sample.rtt, sample.codec_name, sample.timestamp) == (2.5, 4.0, "PCMU", 1005.0)
    assert sample.mos == mos(4.0, 2.5, 6.0)
    assert (sample.totals.bytes_sent, sample.totals.packets_received, sample.totals.packets_lost) == (8160, 57, 3)
    assert sample.totals.packets_lost_fraction == 5.0


def test_the_first_sample_has_no_score_and_nothing_received_is_a_total_loss_and_no_loss_of_the_moment():
    sample = Sampler().sample(counters(), inputs=(), outputs=())
    assert (sample.mos, sample.packets_lost_fraction, sample.totals.packets_lost_fraction) == (None, 0.0, 100.0)
    assert (sample.audio_input_level, sample.audio_output_level) == (0, 0)


def test_a_round_trip_that_is_missing_is_the_one_before():
    sampler = Sampler()
    rtts = [sampler.sample(counters(rtt_ms=rtt), inputs=(), outputs=()).rtt for rtt in (None, 3.0, None, None, 7.0)]
    assert rtts == [None, 3.0, 3.0, 3.0, 7.0]


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(0, 100)), min_size=1, max_size=20))
def test_samples_add_up_to_their_totals(steps):
    sampler, received, lost, samples = Sampler(), 0, 0, []
    for more, gone in steps:
        received, lost = received + more, lost + gone
        samples.append(sampler.sample(counters(packets_received=received, packets_lost=lost), inputs=(), outputs=()))
    assert sum(sample.packets_received for sample in samples) == samples[-1].totals.packets_received == received
    assert sum(sample.packets_lost for sample in samples) == samples[-1].totals.packets_lost == lost
    assert all(0 <= sample.packets_lost_fraction <= 100 for sample in samples)
