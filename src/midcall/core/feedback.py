"""What people thought of a call: one score and some issues per leg, and the figures of many."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from midcall.core.sids import AccountSid, CallSid, SummarySid

LEAST_SCORE: Final = 1
BEST_SCORE: Final = 5

REST_ISSUES: Final = (
    "audio-latency",
    "digits-not-captured",
    "dropped-call",
    "imperfect-audio",
    "incorrect-caller-id",
    "one-way-audio",
    "post-dial-delay",
    "unsolicited-call",
)
SDK_ISSUES: Final = ("audio-latency", "choppy-audio", "dropped-call", "echo", "noisy-call", "one-way-audio")
ISSUES: Final = tuple(sorted({*REST_ISSUES, *SDK_ISSUES}))
"""REST and SDKs know different words; both are kept as they were said."""


def check_sdk_feedback(score: object, issue: object) -> None:
    """Check what a person told an SDK, by the browser SDK's rules. Without a score the issue does not matter.

    Raises:
        ValueError: the score or the issue is none of those that there are.
    """
    if score is None:
        return
    if not isinstance(score, int) or isinstance(score, bool) or not LEAST_SCORE <= score <= BEST_SCORE:
        raise ValueError(f"Feedback score must be one of {', '.join(map(str, range(LEAST_SCORE, BEST_SCORE + 1)))}")
    if issue is not None and issue not in SDK_ISSUES:
        raise ValueError(f"Feedback issue must be one of {', '.join(SDK_ISSUES)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """The resource below a call. Times are epoch seconds."""

    account_sid: AccountSid
    call_sid: CallSid
    score: int
    issues: tuple[str, ...]
    created_at: float
    updated_at: float


@dataclass(frozen=True, slots=True)
class Tally:
    """What one account has to sum up.

    Attributes:
        calls: all of them, with feedback or without.
        given: how often each pair of score and issues was given.
    """

    calls: int
    given: Mapping[tuple[int, tuple[str, ...]], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueFigure:
    """How often an issue was named, in how many percent of all calls."""

    issue: str
    count: int
    percent_of_calls: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Attributes: the last three are None when nobody gave feedback; the deviation is that of the whole population."""

    calls: int
    feedbacks: int
    average: float | None
    median: float | None
    standard_deviation: float | None
    issues: Sequence[IssueFigure]


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackSummary:
    """Figures of the calls that began on the days from `start_date` to `end_date` (ISO 8601, UTC, both inclusive)."""

    sid: SummarySid
    account_sid: AccountSid
    start_date: str
    end_date: str
    include_subaccounts: bool
    figures: Figures
    created_at: float


def figures(tallies: Iterable[Tally]) -> Figures:
    """Sum up the tallies of one or several accounts."""
    calls, scores, issues = 0, Counter[int](), Counter[str]()
    for tally in tallies:
        calls += tally.calls
        for (score, named), count in tally.given.items():
            scores[score] += count
            for issue in named:
                issues[issue] += count
    total = scores.total()
    average = sum(score * count for score, count in scores.items()) / total if total else None
    return Figures(
        calls=calls,
        feedbacks=total,
        average=average,
        median=_median(scores),
        standard_deviation=None if average is None else _deviation(scores, average),
        issues=[
            IssueFigure(issue=issue, count=count, percent_of_calls=100 * count / calls if calls else 0.0)
            for issue, count in sorted(issues.items(), key=lambda pair: (-pair[1], pair[0]))
        ],
    )


def _median(scores: Counter[int]) -> float | None:
    total = scores.total()
    if not total:
        return None
    return (_ranked(scores, (total - 1) // 2) + _ranked(scores, total // 2)) / 2


def _ranked(scores: Counter[int], rank: int) -> int:
    """The score at a place (from 0) in the list of all, sorted."""
    below = 0
    for score in sorted(scores):
        below += scores[score]
        if rank < below:
            return score
    raise ValueError("there are not so many")


def _deviation(scores: Counter[int], average: float) -> float:
    squares = sum(count * (score - average) ** 2 for score, count in scores.items())
    return math.sqrt(squares / scores.total())
