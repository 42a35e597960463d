"""Feedback and insights as REST shows them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from midcall.core.feedback import Feedback, FeedbackSummary
from midcall.core.insights import Insight
from midcall.wire.dates import iso8601, rfc2822
from midcall.wire.paging import Page
from midcall.wire.parameters import sid_pattern
from midcall.wire.resources import AccountSidText, CallSidText, Date

SummarySidText = Annotated[str, Meta(pattern=sid_pattern("FS"), min_length=34, max_length=34)]
InsightSidText = Annotated[str, Meta(pattern=sid_pattern("EV"), min_length=34, max_length=34)]
Day = Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\d$", extra_json_schema={"format": "date"})]


class FeedbackResource(Struct, frozen=True, kw_only=True):
    """What somebody thought of a call. `sid` is the call's. Issues are in the words of whoever gave it."""

    sid: CallSidText
    account_sid: AccountSidText
    quality_score: Annotated[int, Meta(ge=1, le=5)]
    issues: list[str]
    date_created: Date
    date_updated: Date


class FeedbackIssue(Struct, frozen=True, kw_only=True):
    """How often an issue was named."""

    description: str
    count: int
    percentage_of_total_calls: str


class FeedbackSummaryResource(Struct, frozen=True, kw_only=True):
    """Figures of some days' calls; the three of the score are null when nobody gave feedback."""

    sid: SummarySidText
    account_sid: AccountSidText
    start_date: Day
    end_date: Day
    include_subaccounts: bool
    status: Literal["completed"]
    call_count: int
    call_feedback_count: int
    quality_score_average: float | None
    quality_score_median: float | None
    quality_score_standard_deviation: float | None
    issues: list[FeedbackIssue]
    date_created: Date
    date_updated: Date


class InsightRecord(Struct, frozen=True, kw_only=True):
    """An event or a quality sample; `timestamp` is the client's, `payload` what its SDK said."""

    sid: InsightSidText
    account_sid: AccountSidText
    call_sid: CallSidText
    kind: Literal["event", "sample"]
    group: str
    name: str
    level: Literal["debug", "info", "warning", "error"]
    timestamp: str
    received_at: str
    payload: dict[str, Any]


class InsightPage(Page, frozen=True, kw_only=True):
    """A page of insights."""

    insights: list[InsightRecord]


_payload = msgspec.json.Decoder(dict[str, Any])


def feedback_resource(feedback: Feedback) -> FeedbackResource:
    return FeedbackResource(
        sid=feedback.call_sid,
        account_sid=feedback.account_sid,
        quality_score=feedback.score,
        issues=list(feedback.issues),
        date_created=rfc2822(feedback.created_at),
        date_updated=rfc2822(feedback.updated_at),
    )


def feedback_summary_resource(summary: FeedbackSummary) -> FeedbackSummaryResource:
    figures = summary.figures
    return FeedbackSummaryResource(
        sid=summary.sid,
        account_sid=summary.account_sid,
        start_date=summary.start_date,
        end_date=summary.end_date,
        include_subaccounts=summary.include_subaccounts,
        status="completed",
        call_count=figures.calls,
        call_feedback_count=figures.feedbacks,
        quality_score_average=_rounded(figures.average),
        quality_score_median=_rounded(figures.median),
        quality_score_standard_deviation=_rounded(figures.standard_deviation),
        issues=[
            FeedbackIssue(
                description=figure.issue,
                count=figure.count,
                percentage_of_total_calls=f"{figure.percent_of_calls:.2f}%",
            )
            for figure in figures.issues
        ],
        date_created=rfc2822(summary.created_at),
        date_updated=rfc2822(summary.created_at),
    )


def insight_record(insight: Insight) -> InsightRecord:
    assert insight.call_sid is not None, "only insights of a call are listed"
    return InsightRecord(
        sid=insight.sid,
        account_sid=insight.account_sid,
        call_sid=insight.call_sid,
        kind=insight.kind.value,
        group=insight.group,
        name=insight.name,
        level=insight.level,  # type: ignore[arg-type]
        timestamp=iso8601(insight.at),
        received_at=iso8601(insight.received_at),
        payload=_payload.decode(insight.payload),
    )


def _rounded(figure: float | None) -> float | None:
    return None if figure is None else round(figure, 2)
