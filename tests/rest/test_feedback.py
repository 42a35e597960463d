"""Feedback of calls, summaries of it, and the insights of a call, over REST."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import parse_qs

import pytest
from twilio.request_validator import RequestValidator

from midcall.core.alerts import AlertFilter
from midcall.core.insights import Insight, Kind
from midcall.core.sids import CallSid, InsightSid
from midcall.ports import PageRequest
from support.rest import ACCOUNT, CALL, NOW, OTHER, TOKEN, UNKNOWN_CALL, Edge, a_call

FEEDBACK = f"/Calls/{CALL}/Feedback.json"
SUMMARY = "/Calls/FeedbackSummary.json"
DAY = "2020-12-02"


async def test_feedback_is_created_fetched_and_replaced(edge: Edge) -> None:
    assert (await edge.ask("GET", FEEDBACK)).refused == (404, 20404)
    made = await edge.ask("POST", FEEDBACK, {"QualityScore": "3", "Issue": "imperfect-audio"})
    assert made.status == 201
    assert made.body == {
        "sid": CALL,
        "account_sid": ACCOUNT,
        "quality_score": 3,
        "issues": ["imperfect-audio"],
        "date_created": "Wed, 02 Dec 2020 20:02:01 +0000",
        "date_updated": "Wed, 02 Dec 2020 20:02:01 +0000",
    }
    assert (await edge.ask("GET", FEEDBACK)).body == made.body
    edge.clock.advance(60)
    several = [("QualityScore", "1"), ("Issue", "echo"), ("Issue", "dropped-call"), ("Issue", "echo")]
    updated = await edge.ask("POST", FEEDBACK, several)
    assert updated.body["issues"] == ["echo", "dropped-call"]
    assert updated.body["date_created"] == made.body["date_created"]
    assert updated.body["date_updated"] == "Wed, 02 Dec 2020 20:03:01 +0000"


@pytest.mark.parametrize(
    "form",
    [{}, {"QualityScore": "0"}, {"QualityScore": "6"}, {"QualityScore": "4.5"}, {"QualityScore": "3", "Issue": "bad"}],
)
async def test_feedback_has_a_score_from_1_to_5_and_known_issues(edge: Edge, form: dict[str, str]) -> None:
    assert (await edge.ask("POST", FEEDBACK, form)).refused == (400, 20001)
    assert (await edge.ask("GET", FEEDBACK)).status == 404


async def test_there_is_no_feedback_of_a_call_that_is_not_the_accounts(edge: Edge) -> None:
    path = f"/Calls/{UNKNOWN_CALL}/Feedback.json"
    assert (await edge.ask("POST", path, {"QualityScore": "3"})).refused == (404, 20404)
    await edge.ask("POST", FEEDBACK, {"QualityScore": "3"})
    other = await edge.ask("GET", f"/2010-04-01/Accounts/{OTHER}{FEEDBACK}", user=OTHER, password="d" * 32)
    assert other.refused == (404, 20404)


def leg(number: int) -> CallSid:
    return CallSid(f"CA{number:032x}")


async def summed_up(edge: Edge, **form: str) -> dict[str, Any]:
    made = await edge.ask("POST", SUMMARY, {"StartDate": DAY, "EndDate": DAY, **form})
    assert made.status == 201
    body: dict[str, Any] = made.body
    return body


async def test_a_summary_has_the_figures_of_the_days_calls(edge: Edge) -> None:
    for number, score, issue in ((1, 5, ""), (2, 2, "echo"), (3, 3, "echo")):
        await edge.calls.put(a_call(leg(number), created_at=NOW))
        await edge.ask("POST", f"/Calls/{leg(number)}/Feedback.json", {"QualityScore": str(score), "Issue": issue})
    await edge.calls.put(a_call(leg(4), created_at=NOW - 86_400))
    await edge.ask("POST", f"/Calls/{leg(4)}/Feedback.json", {"QualityScore": "1"})

    made = await summed_up(edge)
    assert made == {
        "sid": made["sid"],
        "account_sid": ACCOUNT,
        "start_date": DAY,
        "end_date": DAY,
        "include_subaccounts": False,
        "status": "completed",
        "call_count": 4,
        "call_feedback_count": 3,
        "quality_score_average": 3.33,
        "quality_score_median": 3.0,
        "quality_score_standard_deviation": 1.25,
        "issues": [{"description": "echo", "count": 2, "percentage_of_total_calls": "50.00%"}],
        "date_created": "Wed, 02 Dec 2020 20:02:01 +0000",
        "date_updated": "Wed, 02 Dec 2020 20:02:01 +0000",
    }
    assert made["sid"].startswith("FS")
    earlier = await edge.ask("POST", SUMMARY, {"StartDate": "2020-12-01", "EndDate": DAY})
    assert (earlier.body["call_count"], earlier.body["quality_score_average"]) == (5, 2.75)


async def test_a_summary_keeps_its_figures_until_it_is_deleted(edge: Edge) -> None:
    made = await summed_up(edge)
    await edge.ask("POST", FEEDBACK, {"QualityScore": "1"})
    path = f"/Calls/FeedbackSummary/{made['sid']}.json"
    assert (await edge.ask("GET", path)).body == made
    assert made["quality_score_average"] is None
    assert (await edge.ask("DELETE", path)).status == 204
    assert (await edge.ask("DELETE", path)).refused == (404, 20404)
    assert (await edge.ask("GET", path)).refused == (404, 20404)


async def test_a_summary_takes_subaccounts_in_when_asked(edge: Edge) -> None:
    inner = (await edge.ask("POST", "/2010-04-01/Accounts.json")).body["sid"]
    await edge.calls.put(a_call(leg(1), account_sid=inner, created_at=NOW))
    await edge.ask("POST", f"/2010-04-01/Accounts/{inner}/Calls/{leg(1)}/Feedback.json", {"QualityScore": "1"})
    assert (await summed_up(edge))["call_feedback_count"] == 0
    assert (await summed_up(edge, IncludeSubaccounts="true"))["call_feedback_count"] == 1


@pytest.mark.parametrize(
    "form",
    [
        {"StartDate": DAY},
        {"EndDate": DAY},
        {"StartDate": "2020-12-03", "EndDate": DAY},
        {"StartDate": "today", "EndDate": DAY},
        {"StartDate": DAY, "EndDate": DAY, "IncludeSubaccounts": "maybe"},
    ],
)
async def test_a_summary_needs_two_days_in_order(edge: Edge, form: dict[str, str]) -> None:
    assert (await edge.ask("POST", SUMMARY, form)).refused == (400, 20001)


async def test_the_longest_period_can_be_summed_up(edge: Edge) -> None:
    made = await edge.ask("POST", SUMMARY, {"StartDate": "1970-01-01", "EndDate": "9998-12-31"})
    assert (made.status, made.body["end_date"]) == (201, "9998-12-31")


async def test_a_finished_summary_is_announced_with_a_signature(edge: Edge) -> None:
    url = "https://app.example/summed?x=1"
    made = await summed_up(edge, StatusCallback=url)
    request = await asyncio.wait_for(edge.sender.requests.get(), 5)
    fields = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
    assert fields["FeedbackSummarySid"] == made["sid"]
    assert fields["Status"] == "completed"
    assert RequestValidator(TOKEN).validate(url, fields, request.headers["X-Twilio-Signature"])


async def test_an_announcement_that_fails_is_tried_three_times_and_leaves_an_alert(edge: Edge) -> None:
    edge.sender.statuses = [500, 500, 500]
    await summed_up(edge, StatusCallback="https://user:secret@app.example/summed")
    tokens = []
    for wait_s in (1, 5, None):
        request = await asyncio.wait_for(edge.sender.requests.get(), 5)
        tokens.append(request.headers["I-Twilio-Idempotency-Token"])
        if wait_s is not None:
            await edge.clock.settle()
            edge.clock.advance(wait_s)
    assert len(set(tokens)) == 1
    await edge.clock.settle()
    (alert,) = (await edge.store.alerts(ACCOUNT, AlertFilter(), PageRequest())).rows
    assert alert.code == 11200
    assert "500" in alert.reason
    assert alert.request_url == "https://app.example/summed"


def insight(number: int, **changes: Any) -> Insight:
    values: dict[str, Any] = {
        "sid": InsightSid(f"EV{number:032x}"),
        "account_sid": ACCOUNT,
        "call_sid": CALL,
        "temporary_sid": None,
        "kind": Kind.EVENT,
        "group": "connection",
        "name": "muted",
        "level": "info",
        "at": NOW + number / 8,
        "received_at": NOW + number,
        "payload": b'{"sdk_version": "2.18.5"}',
    }
    return Insight(**{**values, **changes})


async def test_insights_of_a_call_are_listed_in_pages_newest_first(edge: Edge) -> None:
    edge.insight_log.record([insight(number) for number in range(1, 4)])
    first = await edge.ask("GET", f"/Calls/{CALL}/Insights.json?PageSize=2")
    assert first.body["insights"][0] == {
        "sid": insight(3).sid,
        "account_sid": ACCOUNT,
        "call_sid": CALL,
        "kind": "event",
        "group": "connection",
        "name": "muted",
        "level": "info",
        "timestamp": "2020-12-02T20:02:01.375Z",
        "received_at": "2020-12-02T20:02:04.000Z",
        "payload": {"sdk_version": "2.18.5"},
    }
    second = await edge.ask("GET", first.body["next_page_uri"])
    assert [row["sid"] for row in second.body["insights"]] == [insight(1).sid]


async def test_insights_are_filtered(edge: Edge) -> None:
    edge.insight_log.record([insight(1), insight(2, kind=Kind.SAMPLE), insight(3, level="error", group="feedback")])
    for query, found in (("Kind=sample", [2]), ("Level=error", [3]), ("Group=connection", [2, 1])):
        answer = await edge.ask("GET", f"/Calls/{CALL}/Insights.json?{query}")
        assert [row["sid"] for row in answer.body["insights"]] == [insight(number).sid for number in found]
    assert (await edge.ask("GET", f"/Calls/{CALL}/Insights.json?Kind=other")).refused == (400, 20001)
    assert (await edge.ask("GET", f"/Calls/{UNKNOWN_CALL}/Insights.json")).refused == (404, 20404)
