"""Feedback of calls, and its summaries."""

from __future__ import annotations

from typing import Final

from midcall.core import errors
from midcall.core.errors import Refused
from midcall.core.sids import SummarySid
from midcall.rest.endpoint import ACCOUNT, AnyEndpoint, Api, Asked, Endpoint
from midcall.switch.feedback import Callback, Period
from midcall.wire.feedback import (
    FeedbackResource,
    FeedbackSummaryResource,
    feedback_resource,
    feedback_summary_resource,
)
from midcall.wire.parameters import Nothing
from midcall.wire.requests import FeedbackForm, FeedbackSummaryForm


async def give(api: Api, asked: Asked[FeedbackForm]) -> FeedbackResource:
    form = asked.form
    given = await api.feedbacks.give(asked.account_sid, asked.call_sid, form.quality_score, form.issue)
    return feedback_resource(given)


async def fetch(api: Api, asked: Asked[Nothing]) -> FeedbackResource:
    feedback = await api.store.feedback(asked.account_sid, asked.call_sid)
    if feedback is None:
        raise Refused(errors.NOT_FOUND)
    return feedback_resource(feedback)


async def summarise(api: Api, asked: Asked[FeedbackSummaryForm]) -> FeedbackSummaryResource:
    form = asked.form
    if form.end_date.day < form.start_date.day:
        raise Refused(errors.PARAMETER_INVALID, "EndDate is before StartDate")
    summary = await api.feedbacks.summarise(
        asked.account_sid,
        Period(form.start_date.day, form.end_date.next_day),
        include_subaccounts=form.include_subaccounts,
        callback=None if form.status_callback is None else Callback(form.status_callback, form.status_callback_method),
    )
    return feedback_summary_resource(summary)


async def fetch_summary(api: Api, asked: Asked[Nothing]) -> FeedbackSummaryResource:
    summary = await api.store.feedback_summary(asked.account_sid, SummarySid(asked.sid))
    if summary is None:
        raise Refused(errors.NOT_FOUND)
    return feedback_summary_resource(summary)


async def delete_summary(api: Api, asked: Asked[Nothing]) -> None:
    if not await api.store.delete_feedback_summary(asked.account_sid, SummarySid(asked.sid)):
        raise Refused(errors.NOT_FOUND)


_FEEDBACK: Final = f"{ACCOUNT}/Calls/{{CallSid}}/Feedback"
_SUMMARY: Final = f"{ACCOUNT}/Calls/FeedbackSummary"

ENDPOINTS: Final[tuple[AnyEndpoint, ...]] = (
    Endpoint(
        method="POST",
        path=_FEEDBACK,
        name="CreateCallFeedback",
        summary="Say how good a call was; what is sent replaces earlier feedback, also what the client's SDK gave.",
        handler=give,
        form=FeedbackForm,
        answer=FeedbackResource,
        status=201,
    ),
    Endpoint(
        method="GET",
        path=_FEEDBACK,
        name="FetchCallFeedback",
        summary="How good a call was, by REST or by `call.postFeedback()` of its client.",
        handler=fetch,
        form=Nothing,
        answer=FeedbackResource,
    ),
    Endpoint(
        method="POST",
        path=_SUMMARY,
        name="CreateCallFeedbackSummary",
        summary="Sum up the feedback of the calls that were made on some days (UTC).",
        handler=summarise,
        form=FeedbackSummaryForm,
        answer=FeedbackSummaryResource,
        status=201,
    ),
    Endpoint(
        method="GET",
        path=f"{_SUMMARY}/{{Sid}}",
        name="FetchCallFeedbackSummary",
        summary="A summary with the figures of the moment in which it was made.",
        handler=fetch_summary,
        form=Nothing,
        answer=FeedbackSummaryResource,
        sid_prefix="FS",
    ),
    Endpoint(
        method="DELETE",
        path=f"{_SUMMARY}/{{Sid}}",
        name="DeleteCallFeedbackSummary",
        summary="Delete a summary; the feedback stays.",
        handler=delete_summary,
        form=Nothing,
        answer=None,
        status=204,
        sid_prefix="FS",
    ),
)
