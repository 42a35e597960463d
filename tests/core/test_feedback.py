"""Figures of feedback, compared with the statistics module."""

from __future__ import annotations

import statistics
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midcall.core.feedback import ISSUES, Figures, Tally, figures

SCORES = st.lists(st.integers(1, 5), min_size=1, max_size=50)


def tally(scores: list[int], issues: tuple[str, ...] = ()) -> Tally:
    return Tally(len(scores), Counter((score, issues) for score in scores))


@given(SCORES, SCORES)
def test_figures_of_several_tallies_are_those_of_all_scores_together(one: list[int], other: list[int]) -> None:
    made = figures([tally(one), tally(other, ("echo",))])
    both = one + other
    assert (made.calls, made.feedbacks) == (len(both), len(both))
    assert made.average == pytest.approx(statistics.mean(both))
    assert made.median == statistics.median(both)
    assert made.standard_deviation == pytest.approx(statistics.pstdev(both))


def test_without_feedback_there_is_no_score_and_with_no_calls_nothing_is_divided() -> None:
    assert figures([Tally(3, {})]) == Figures(
        calls=3, feedbacks=0, average=None, median=None, standard_deviation=None, issues=[]
    )
    assert figures([]).calls == 0


def test_issues_are_counted_in_percent_of_all_calls_the_most_frequent_first() -> None:
    made = figures([Tally(8, {(1, ("echo", "noisy-call")): 1, (2, ("echo",)): 1, (5, ()): 1})])
    assert [(each.issue, each.count, each.percent_of_calls) for each in made.issues] == [
        ("echo", 2, 25.0),
        ("noisy-call", 1, 12.5),
    ]


def test_the_words_of_rest_and_of_sdks_are_all_known() -> None:
    assert len(ISSUES) == 11
