"""Feedback of a call and its summary, with a library that has them: gives, changes and sums up; prints what it read.

Takes the sid of a call; the account and its token come from the environment, and the host is the library's own.
"""

from __future__ import annotations

import datetime as dt
import json
import sys

from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client


def main(call_sid: str) -> None:
    client = Client()
    call = client.calls(call_sid)
    made = call.feedback().create(quality_score=3, issue=["imperfect-audio", "dropped-call"])
    changed = call.feedback().update(quality_score=4, issue=["one-way-audio"])
    fetched = call.feedback().fetch()
    today = dt.datetime.now(dt.UTC).date()
    days = {"start_date": today - dt.timedelta(days=1), "end_date": today}
    summary = client.calls.feedback_summaries.create(**days)
    again = client.calls.feedback_summaries(summary.sid).fetch()
    deleted = client.calls.feedback_summaries(summary.sid).delete()
    try:
        client.calls.feedback_summaries(summary.sid).fetch()
        missing = None
    except TwilioRestException as error:
        missing = [error.status, error.code]
    read = {
        "made": [made.sid, made.quality_score, made.issues],
        "changed": [changed.quality_score, changed.issues],
        "fetched": [fetched.quality_score, fetched.issues, fetched.date_created.isoformat() != ""],
        "summary": [summary.status, summary.call_feedback_count, float(summary.quality_score_average)],
        "issues": summary.issues,
        "again": again.sid == summary.sid,
        "deleted": deleted,
        "missing": missing,
    }
    print(json.dumps(read))


if __name__ == "__main__":
    main(sys.argv[1])
