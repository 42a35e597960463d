"""Feedback of calls, and summaries of it. Issues and figures are JSON: nobody searches in them."""

from __future__ import annotations

from typing import Final

import apsw
import msgspec

from midcall.core import errors
from midcall.core.errors import Refused
from midcall.core.feedback import Feedback, FeedbackSummary, Figures, Tally
from midcall.core.sids import AccountSid, CallSid, SummarySid
from midcall.storage import rows
from midcall.storage.queries import first, run, value

_issues: Final = msgspec.json.Decoder(tuple[str, ...])
_figures: Final = msgspec.json.Decoder(Figures)


def put(db: apsw.Connection, feedback: Feedback) -> Feedback:
    account, call = rows.key(feedback.account_sid, "AC"), rows.key(feedback.call_sid, "CA")
    issues = msgspec.json.encode(feedback.issues)
    row = (call, account, feedback.score, issues, feedback.created_at, feedback.updated_at)
    if first(db, "call", (account, call)) is None:
        raise Refused(errors.NOT_FOUND)
    run(db, "put_feedback", row)
    stored = fetch(db, feedback.account_sid, feedback.call_sid)
    assert stored is not None
    return stored


def fetch(db: apsw.Connection, account: AccountSid, call: CallSid) -> Feedback | None:
    row = first(db, "feedback", (rows.key(account, "AC"), rows.key(call, "CA")))
    if row is None:
        return None
    score, issues, created_at, updated_at = row
    return Feedback(
        account_sid=account,
        call_sid=call,
        score=score,
        issues=_issues.decode(issues),
        created_at=created_at,
        updated_at=updated_at,
    )


def tally(db: apsw.Connection, account: AccountSid, since: float, until: float) -> Tally:
    where = (rows.key(account, "AC"), since, until)
    given = {(score, _issues.decode(issues)): count for score, issues, count in run(db, "tally_feedback", where)}
    return Tally(value(db, "count_calls", where), given)


def put_summary(db: apsw.Connection, summary: FeedbackSummary) -> None:
    row = (
        rows.key(summary.sid, "FS"),
        rows.key(summary.account_sid, "AC"),
        summary.start_date,
        summary.end_date,
        summary.include_subaccounts,
        msgspec.json.encode(summary.figures),
        summary.created_at,
    )
    run(db, "put_feedback_summary", row)


def summary(db: apsw.Connection, account: AccountSid, sid: SummarySid) -> FeedbackSummary | None:
    row = first(db, "feedback_summary", (rows.key(account, "AC"), rows.key(sid, "FS")))
    if row is None:
        return None
    start_date, end_date, include_subaccounts, figures, created_at = row
    return FeedbackSummary(
        sid=sid,
        account_sid=account,
        start_date=start_date,
        end_date=end_date,
        include_subaccounts=bool(include_subaccounts),
        figures=_figures.decode(figures),
        created_at=created_at,
    )


def delete_summary(db: apsw.Connection, account: AccountSid, sid: SummarySid) -> bool:
    run(db, "delete_feedback_summary", (rows.key(account, "AC"), rows.key(sid, "FS")))
    return db.changes() > 0
