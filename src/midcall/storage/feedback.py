"""Feedback in both stores: the memory store's dictionaries, and the SQLite store's jobs."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import partial

from midcall.core import errors
from midcall.core.calls import Call
from midcall.core.errors import Refused
from midcall.core.feedback import Feedback, FeedbackSummary, Tally
from midcall.core.sids import AccountSid, CallSid, SummarySid
from midcall.storage.verbs import feedback as verbs
from midcall.storage.worker import Jobs


class MemoryFeedback:
    """The part of the memory store."""

    _calls: dict[CallSid, Call]

    def __init__(self) -> None:
        self._feedback: dict[CallSid, Feedback] = {}
        self._summaries: dict[tuple[AccountSid, SummarySid], FeedbackSummary] = {}

    async def put_feedback(self, feedback: Feedback) -> Feedback:
        call = self._calls.get(feedback.call_sid)
        if call is None or call.account_sid != feedback.account_sid:
            raise Refused(errors.NOT_FOUND)
        before = self._feedback.get(feedback.call_sid)
        if before is not None:
            feedback = replace(feedback, created_at=before.created_at)
        self._feedback[feedback.call_sid] = feedback
        return feedback

    async def feedback(self, account: AccountSid, call: CallSid) -> Feedback | None:
        found = self._feedback.get(call)
        return found if found is not None and found.account_sid == account else None

    async def feedback_tally(self, account: AccountSid, since: float, until: float) -> Tally:
        calls = [
            sid for sid, call in self._calls.items() if call.account_sid == account and since <= call.created_at < until
        ]
        given = (self._feedback[sid] for sid in calls if sid in self._feedback)
        return Tally(len(calls), Counter((feedback.score, feedback.issues) for feedback in given))

    async def put_feedback_summary(self, summary: FeedbackSummary) -> None:
        self._summaries[summary.account_sid, summary.sid] = summary

    async def feedback_summary(self, account: AccountSid, sid: SummarySid) -> FeedbackSummary | None:
        return self._summaries.get((account, sid))

    async def delete_feedback_summary(self, account: AccountSid, sid: SummarySid) -> bool:
        return self._summaries.pop((account, sid), None) is not None


class SqliteFeedback:
    """The part of the SQLite store."""

    _writer: Jobs
    _reader: Jobs

    async def put_feedback(self, feedback: Feedback) -> Feedback:
        return await self._writer.submit(partial(verbs.put, feedback=feedback))

    async def feedback(self, account: AccountSid, call: CallSid) -> Feedback | None:
        return await self._reader.submit(partial(verbs.fetch, account=account, call=call))

    async def feedback_tally(self, account: AccountSid, since: float, until: float) -> Tally:
        return await self._reader.submit(partial(verbs.tally, account=account, since=since, until=until))

    async def put_feedback_summary(self, summary: FeedbackSummary) -> None:
        await self._writer.submit(partial(verbs.put_summary, summary=summary))

    async def feedback_summary(self, account: AccountSid, sid: SummarySid) -> FeedbackSummary | None:
        return await self._reader.submit(partial(verbs.summary, account=account, sid=sid))

    async def delete_feedback_summary(self, account: AccountSid, sid: SummarySid) -> bool:
        return await self._writer.submit(partial(verbs.delete_summary, account=account, sid=sid), scrub=True)
