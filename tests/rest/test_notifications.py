"""Alerts as notifications and as the monitor's alerts: fields, filters, pages, and the request that is to blame."""

from __future__ import annotations

from typing import Any

import pytest

from midcall.core.alerts import Alert, Level
from midcall.core.sids import AlertSid, CallSid
from midcall.ports import TraceEvent
from support.rest import ACCOUNT, CALL, MAIN_KEY, NOW, OTHER, SECRET, STANDARD_KEY, UNKNOWN_CALL, A, Edge, a_call

DAY = 86_400.0
ELSEWHERE = CallSid("CA" + "5" * 32)


def an_alert(number: int, **changes: Any) -> Alert:
    given: dict[str, Any] = {
        "sid": AlertSid(f"NO{number:032x}"),
        "account_sid": ACCOUNT,
        "call_sid": CALL,
        "code": 15003,
        "level": Level.WARNING,
        "reason": "A status callback was not delivered: answered 500",
        "at": NOW,
        "request_url": "https://app.example/status",
        "request_method": "POST",
    }
    return Alert(**given | changes)


async def add(edge: Edge, *alerts: Alert) -> None:
    await edge.calls.put(a_call(ELSEWHERE))
    for alert in alerts:
        await edge.store.add_alert(alert)


def numbers(page: Any, key: str = "notifications") -> list[int]:
    return [int(row["sid"][2:], 16) for row in page.body[key]]


async def test_a_notification_has_every_documented_field(edge: Edge) -> None:
    await add(edge, an_alert(1, line=7))
    (row,) = (await edge.ask("GET", "/Notifications.json")).body["notifications"]
    assert row == {
        "sid": f"NO{1:032x}",
        "account_sid": ACCOUNT,
        "call_sid": CALL,
        "api_version": "2010-04-01",
        "log": "1",
        "error_code": "15003",
        "more_info": "https://www.twilio.com/docs/errors/15003",
        "message_text": "ErrorCode=15003&LogLevel=WARN&Msg=A+status+callback+was+not+delivered%3A+answered+500&line=7",
        "message_date": "Wed, 02 Dec 2020 20:02:01 +0000",
        "request_method": "POST",
        "request_url": "https://app.example/status",
        "date_created": "Wed, 02 Dec 2020 20:02:01 +0000",
        "date_updated": "Wed, 02 Dec 2020 20:02:01 +0000",
        "uri": f"{A}/Notifications/NO{1:032x}.json",
    }
    one = await edge.ask("GET", row["uri"])
    assert one.body == row | {"request_variables": None, "response_headers": None, "response_body": None}


async def test_an_alert_of_the_monitor_has_every_documented_field(edge: Edge) -> None:
    await add(edge, an_alert(1, level=Level.ERROR, call_sid=None, request_url=None, request_method=None))
    page = await edge.ask("GET", "/v1/Alerts")
    (row,) = page.body["alerts"]
    assert row == {
        "sid": f"NO{1:032x}",
        "account_sid": ACCOUNT,
        "resource_sid": None,
        "service_sid": None,
        "api_version": "2010-04-01",
        "log_level": "error",
        "error_code": "15003",
        "more_info": "https://www.twilio.com/docs/errors/15003",
        "alert_text": "ErrorCode=15003&LogLevel=ERROR&Msg=A+status+callback+was+not+delivered%3A+answered+500",
        "request_method": None,
        "request_url": None,
        "date_generated": "2020-12-02T20:02:01Z",
        "date_created": "2020-12-02T20:02:01Z",
        "date_updated": "2020-12-02T20:02:01Z",
        "url": f"{edge.base_url}/v1/Alerts/NO{1:032x}",
    }
    one = await edge.ask("GET", f"/v1/Alerts/{row['sid']}")
    missing = dict.fromkeys(("request_variables", "request_headers", "response_headers", "response_body"))
    assert one.body == row | missing


async def test_links_of_the_monitor_are_absolute_and_lead_through_all_pages(edge: Edge) -> None:
    await add(edge, *(an_alert(number) for number in range(1, 6)))
    page = await edge.ask("GET", "/v1/Alerts?PageSize=2&LogLevel=warning")
    assert set(page.body["meta"]) == {
        *("key", "page", "page_size", "first_page_url", "previous_page_url", "url", "next_page_url")
    }
    seen = [numbers(page, "alerts")]
    while (url := page.body["meta"]["next_page_url"]) is not None:
        assert url.startswith(f"{edge.base_url}/v1/Alerts?LogLevel=warning&PageSize=2&Page=")
        page = await edge.ask("GET", url.removeprefix(edge.base_url))
        seen.append(numbers(page, "alerts"))
    assert seen == [[5, 4], [3, 2], [1]]
    back = await edge.ask("GET", page.body["meta"]["previous_page_url"].removeprefix(edge.base_url))
    assert numbers(back, "alerts") == [3, 2]


async def test_a_vendors_host_is_named_with_https_wherever_tls_ended(edge: Edge) -> None:
    page = await edge.ask("GET", "/v1/Alerts", headers={"Host": "monitor.twilio.com"})
    assert page.body["meta"]["url"].startswith("https://monitor.twilio.com/v1/Alerts?")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", [4, 3, 2, 1]),
        ("Log=0", [3]),
        ("Log=1", [4, 2, 1]),
        ("Log=2", []),
        ("MessageDate=2020-12-02", [1]),
        ("MessageDate%3C=2020-12-04", [2, 1]),
        ("MessageDate%3E=2020-12-04", [4, 3]),
        ("MessageDate%3E=2020-12-03&MessageDate%3C=2020-12-05", [3, 2]),
    ],
)
async def test_notifications_are_filtered(edge: Edge, query: str, found: list[int]) -> None:
    levels = (Level.WARNING, Level.WARNING, Level.ERROR, Level.WARNING)
    await add(edge, *(an_alert(n, at=NOW + (n - 1) * DAY, level=levels[n - 1]) for n in range(1, 5)))
    assert numbers(await edge.ask("GET", f"/Notifications.json?{query}")) == found
    assert numbers(await edge.ask("GET", f"/Calls/{CALL}/Notifications.json?{query}")) == found
    assert numbers(await edge.ask("GET", f"/Calls/{ELSEWHERE}/Notifications.json?{query}")) == []


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("LogLevel=error", [3]),
        ("LogLevel=notice", []),
        ("StartDate=2020-12-03", [3, 2]),
        ("EndDate=2020-12-03", [2, 1]),
        ("StartDate=2020-12-02T20:02:01Z&EndDate=2020-12-02T20:02:01Z", [1]),
        ("EndDate=2020-12-02T20:02:00Z", []),
    ],
)
async def test_alerts_of_the_monitor_are_filtered_both_ends_included(edge: Edge, query: str, found: list[int]) -> None:
    levels = (Level.WARNING, Level.WARNING, Level.ERROR)
    await add(edge, *(an_alert(n, at=NOW + 0.4 + (n - 1) * DAY, level=levels[n - 1]) for n in range(1, 4)))
    assert numbers(await edge.ask("GET", f"/v1/Alerts?{query}"), "alerts") == found


@pytest.mark.parametrize(
    "path",
    [
        "/Notifications.json?Log=4",
        "/Notifications.json?Log=error",
        "/Notifications.json?MessageDate=06/11/2019",
        "/Notifications.json?PageToken=PAAP" + "1" * 32,
        "/v1/Alerts?LogLevel=loud",
        "/v1/Alerts?StartDate=yesterday",
    ],
)
async def test_a_filter_that_cannot_be_read_is_refused(edge: Edge, path: str) -> None:
    assert (await edge.ask("GET", path)).refused == (400, 20001)


async def test_alerts_of_others_are_not_there(edge: Edge) -> None:
    await add(edge, an_alert(1, account_sid=OTHER), an_alert(2, call_sid=ELSEWHERE))
    for path in (
        f"/Notifications/NO{1:032x}.json",
        f"/v1/Alerts/NO{1:032x}",
        f"/Calls/{CALL}/Notifications/NO{2:032x}.json",
        f"/Calls/{UNKNOWN_CALL}/Notifications.json",
        f"/Notifications/NO{9:032x}.json",
    ):
        assert (await edge.ask("GET", path)).refused == (404, 20404)
    assert numbers(await edge.ask("GET", "/v1/Alerts"), "alerts") == [2]


@pytest.mark.parametrize("user", [MAIN_KEY, STANDARD_KEY])
async def test_a_key_sees_the_alerts_of_its_account(edge: Edge, user: str) -> None:
    await add(edge, an_alert(1))
    assert numbers(await edge.ask("GET", "/v1/Alerts", user=user, password=SECRET), "alerts") == [1]


async def test_one_notification_shows_the_request_that_is_to_blame(edge: Edge) -> None:
    edge.trace.record(
        TraceEvent(
            at=NOW,
            account_sid=ACCOUNT,
            leg_sid=CALL,
            kind="twiml.fetch",
            detail={
                "fetch": 1,
                "method": "POST",
                "url": "https://app.example/voice",
                "status": 500,
                "error": None,
                "reason": "",
                "duration_ms": 3.2,
                "parameters": {"CallSid": CALL, "To": ""},
                "content_type": "text/plain",
                "body": "no such table",
            },
        )
    )
    await add(edge, an_alert(1, code=11200, webhook="twiml/1"), an_alert(2, webhook="twiml/2"))
    one = (await edge.ask("GET", f"/Notifications/NO{1:032x}.json")).body
    assert one["request_variables"] == f"CallSid={CALL}&To="
    assert (one["response_headers"], one["response_body"]) == ("Content-Type=text%2Fplain", "no such table")
    assert (await edge.ask("GET", f"/v1/Alerts/NO{1:032x}")).body["response_body"] == "no such table"
    assert (await edge.ask("GET", f"/Notifications/NO{2:032x}.json")).body["response_body"] is None
