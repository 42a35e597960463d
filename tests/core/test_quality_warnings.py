"""Warnings over samples: each threshold, its window, and how long a warning stands."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midcall.core.quality import Sample, Totals
from midcall.core.quality_warnings import QUIET_S, RULES, Cleared, QualityWarnings, Raised

VARIED = (0.0, 1000.0)


def sample(**fields: Any) -> Sample:
    good = {
        "bytes_sent": 8000,
        "bytes_received": 8000,
        "packets_sent": 50,
        "packets_received": 50,
        "packets_lost": 0,
        "packets_lost_fraction": 0.0,
        "jitter": 1.0,
        "rtt": 10.0,
        "codec_name": "PCMU",
        "audio_input_level": 500,
        "audio_output_level": 500,
        "mos": 4.4,
        "timestamp": 0.0,
        "totals": Totals(),
    }
    return Sample(**{**good, **fields})


def told(
    samples: Iterable[Sample], inputs: Sequence[float] | None = VARIED, *, since: float = -QUIET_S
) -> list[tuple[int, str]]:
    """The seconds in which something is told, with + for raised and - for cleared; the call is old enough."""
    warnings = QualityWarnings(call_made_at=since)
    return [
        (second, ("+" if isinstance(verdict, Raised) else "-") + verdict.warning)
        for second, one in enumerate(samples, 1)
        for verdict in warnings.judge(one, inputs=inputs, now=float(second))
    ]


def series(stat: str, values: Iterable[float | None]) -> list[Sample]:
    return [sample(**{stat: value}) for value in values]


@pytest.mark.parametrize(
    ("warning", "stat", "at", "beyond"),
    [
        ("high-rtt", "rtt", 400, 400.1),
        ("low-mos", "mos", 3, 2.99),
        ("high-jitter", "jitter", 30, 30.1),
        ("high-packet-loss", "packets_lost_fraction", 1, 1.01),
    ],
)
def test_three_of_ten_beyond_a_threshold_raise_and_ten_good_ones_clear(warning, stat, at, beyond):
    good = [at] * 10
    assert told(series(stat, good * 3)) == []
    assert told(series(stat, [beyond, *good[:3], beyond, *good])) == []
    # The third of ten comes in second 10; the last one leaves the window in second 20.
    assert told(series(stat, [beyond, *good[:4], beyond, *good[:3], beyond, *good])) == [
        (10, f"+{warning}"),
        (20, f"-{warning}"),
    ]
    assert told(series(stat, [beyond, *good[:5], beyond, *good[:3], beyond, *good])) == []


@pytest.mark.parametrize(
    ("warning", "stat"), [("low-bytes-sent", "bytes_sent"), ("low-bytes-received", "bytes_received")]
)
def test_three_seconds_without_a_byte_raise_and_one_byte_clears_after_five_seconds(warning, stat):
    assert told(series(stat, [0, 0, 1, 0, 0, 1])) == []
    assert told(series(stat, [0, 0, 0, 1, 1, 1, 1, 1])) == [(3, f"+{warning}"), (8, f"-{warning}")]
    assert told(series(stat, [0] * 7 + [1])) == [(3, f"+{warning}"), (8, f"-{warning}")]


def test_more_than_three_percent_lost_on_average_raise_and_one_percent_clears():
    only = "high-packets-lost-fraction"

    def lost(values: Sequence[float]) -> list[tuple[int, str]]:
        return [(second, name) for second, name in told(series("packets_lost_fraction", values)) if name[1:] == only]

    assert lost([100] * 6) == []
    assert lost([3] * 20) == []
    assert lost([3] * 6 + [3.1]) == [(7, f"+{only}")]
    assert lost([22] + [0] * 6 + [8] + [0] * 20) == [(7, f"+{only}"), (15, f"-{only}")]
    assert lost([22] + [0] * 6 + [7] + [0] * 20) == [(7, f"+{only}"), (12, f"-{only}")]


def test_a_figure_that_is_missing_suspends_the_rule_until_it_has_left_the_window():
    assert told(series("mos", [None, *[1.0] * 9])) == []
    assert told(series("mos", [None, *[1.0] * 10])) == [(11, "+low-mos")]


def test_ten_seconds_of_the_same_level_raise_and_a_varied_one_clears():
    warnings = QualityWarnings(call_made_at=-QUIET_S)
    for second in range(1, 10):
        assert warnings.judge(sample(), inputs=[700.0] * 20, now=second) == []
    (raised,) = warnings.judge(sample(), inputs=[700.0] * 20, now=10)
    assert isinstance(raised, Raised)
    assert (raised.warning, raised.data.value) == ("constant-audio-input-level", 0.0)
    assert (raised.data.threshold.name, raised.data.threshold.value) == ("min_standard_deviation", 327.67)
    for second in range(11, 15):
        assert warnings.judge(sample(), inputs=[0.0, 30_000.0] * 10, now=second) == []
    assert warnings.judge(sample(), inputs=[700.0] * 20, now=15) == [Cleared("constant-audio-input-level")]


def test_while_muted_the_level_is_not_judged_and_the_ten_seconds_begin_anew():
    warnings = QualityWarnings(call_made_at=-QUIET_S)
    levels: list[list[float] | None] = [[0.0]] * 9 + [None] + [[0.0]] * 9
    assert all(warnings.judge(sample(), inputs=level, now=second) == [] for second, level in enumerate(levels))
    assert len(warnings.judge(sample(), inputs=[0.0], now=len(levels))) == 1


def test_nothing_is_told_in_the_first_five_seconds_of_a_call_but_they_count():
    assert told(series("rtt", [500] * 6), since=0.5) == [(6, "+high-rtt")]


STAT = st.sampled_from([(rule.stat, rule.threshold.value) for rule in RULES])


@given(st.lists(st.tuples(STAT, st.floats(0, 3)), max_size=60), st.floats(0, 10))
def test_warnings_are_raised_and_cleared_in_turn_and_stand_five_seconds(steps, quiet):
    samples = [sample(**{stat: value * factor}) for (stat, value), factor in steps]
    stands: dict[str, int] = {}
    for second, (sign, *rest) in ((second, tuple(name)) for second, name in told(samples, since=quiet)):
        name = "".join(rest)
        assert second >= quiet + QUIET_S
        if sign == "+":
            assert name not in stands
            stands[name] = second
        else:
            assert second - stands.pop(name) >= QUIET_S
