"""A call's events: each webhook once, in order, with what was sent and what came back."""

from __future__ import annotations

from typing import Any

import pytest

from midcall.core.messages import Draft, Limits, Log
from midcall.core.sids import CallSid, MessageSid
from midcall.ports import TraceEvent
from midcall.switch.messages import ClientMessage
from support.rest import ACCOUNT, CALL, NOW, UNKNOWN_CALL, A, Edge

EVENTS = f"/Calls/{CALL}/Events.json"
LANE = "ZY" + "1" * 32


def record(edge: Edge, what: str, at: float = 0.0, **detail: object) -> None:
    given: dict[str, object] = {
        "method": "POST",
        "url": "https://app.example/hook",
        "status": 204,
        "error": None,
        "reason": "",
        "duration_ms": 12.6,
    }
    edge.trace.record(TraceEvent(at=NOW + at, account_sid=ACCOUNT, leg_sid=CALL, kind=what, detail={**given, **detail}))


def fetched(edge: Edge, number: int, **detail: object) -> None:
    record(edge, "twiml.fetch", number, fetch=number, **detail)


def attempted(edge: Edge, sid: str, seq: int, at: float = 0.0, **detail: object) -> None:
    record(edge, "webhook.attempt", at, **{"lane": LANE, "kind": "messages", "sid": sid, "seq": seq, **detail})


async def events(edge: Edge, query: str = "") -> list[Any]:
    answer = await edge.ask("GET", EVENTS + query)
    assert answer.status == 200
    found: list[Any] = answer.body["events"]
    return found


async def test_a_call_without_webhooks_has_no_events(edge: Edge) -> None:
    assert await events(edge) == []
    assert (await edge.ask("GET", f"/Calls/{UNKNOWN_CALL}/Events.json")).refused == (404, 20404)


async def test_a_request_for_twiml_shows_what_was_sent_and_what_came(edge: Edge) -> None:
    fetched(
        edge,
        1,
        status=200,
        parameters={"CallSid": CALL, "To": "", "note": "x"},
        content_type="text/xml",
        body="<Response/>",
    )
    assert await events(edge) == [
        {
            "request": {
                "method": "POST",
                "url": "https://app.example/hook",
                "parameters": {"call_sid": CALL, "to": "", "note": "x"},
            },
            "response": {
                "response_code": 200,
                "request_duration": 13,
                "content_type": "text/xml",
                "response_body": "<Response/>",
                "date_created": "Wed, 02 Dec 2020 20:02:02 +0000",
                "error_code": None,
                "error_message": None,
                "attempts": 1,
            },
        }
    ]


async def test_attempts_of_one_webhook_are_one_event_that_shows_the_last(edge: Edge) -> None:
    fetched(edge, 1, status=None, error=11205, reason="the connection failed")
    attempted(edge, "KX" + "1" * 32, 1, at=2)
    fetched(edge, 1, status=200)
    fetched(edge, 2, status=None, error=11210, reason="the name does not resolve")
    told = [(one["response"]["response_code"], one["response"]["attempts"]) for one in await events(edge)]
    assert told == [(200, 2), (204, 1), (None, 1)]
    last = (await events(edge))[-1]["response"]
    assert (last["error_code"], last["error_message"]) == ("11210", "the name does not resolve")


async def test_a_callback_shows_the_message_that_its_log_still_has(edge: Edge) -> None:
    sid = "KX" + "1" * 32
    message = ClientMessage(sid=sid, content=b'{"n": 1}', content_type="a/b", message_type="user-defined-message")
    await edge.messages.accept_from_client(ACCOUNT, CALL, message)
    attempted(edge, sid, 1)
    attempted(edge, "KX" + "2" * 32, 2)
    known, unknown = await events(edge)
    assert known["request"]["parameters"] == {
        "content_type": "a/b",
        "content": '{"n": 1}',
        "sequence_number": "1",
        "call_sid": CALL,
        "timestamp": "Wed, 02 Dec 2020 20:02:01 +0000",
        "account_sid": ACCOUNT,
        "sid": sid,
    }
    assert unknown["request"]["parameters"] == {}


async def test_a_status_callback_shows_its_parameters(edge: Edge) -> None:
    draft = Draft(
        account_sid=ACCOUNT,
        leg_sid=CALL,
        log=Log.STATUS,
        sid=MessageSid("KX" + "3" * 32),
        content=b'{"CallStatus":"completed","CallbackSource":"call-progress-events"}',
        content_type="application/json",
        at=NOW,
    )
    await edge.store.append_message(draft, Limits())
    attempted(edge, draft.sid, 1, lane=CALL, kind="status")
    (event,) = await events(edge)
    assert event["request"]["parameters"] == {"call_status": "completed", "callback_source": "call-progress-events"}


async def test_pages_lead_through_all_events_and_back(edge: Edge) -> None:
    for number in range(1, 6):
        fetched(edge, number, url=f"https://app.example/{number}")
    first = (await edge.ask("GET", f"{EVENTS}?PageSize=2")).body
    assert (first["start"], first["end"], first["previous_page_uri"]) == (0, 1, None)
    second = (await edge.ask("GET", first["next_page_uri"])).body
    assert [event["request"]["url"][-1] for event in second["events"]] == ["3", "4"]
    fetched(edge, 6, url="https://app.example/6")
    third = (await edge.ask("GET", second["next_page_uri"])).body
    assert [event["request"]["url"][-1] for event in third["events"]] == ["5", "6"]
    assert (third["start"], third["end"], third["next_page_uri"]) == (4, 5, None)
    back = (await edge.ask("GET", third["previous_page_uri"])).body
    assert back["events"] == second["events"]
    beyond = (await edge.ask("GET", f"{EVENTS}?PageToken=PA99")).body
    assert (beyond["events"], beyond["next_page_uri"], beyond["previous_page_uri"]) == ([], None, None)


@pytest.mark.parametrize("token", ["PA", "PX1", "PA-1", "PA" + "1" * 32, "1"])
async def test_a_page_token_that_was_never_given_out_is_refused(edge: Edge, token: str) -> None:
    assert (await edge.ask("GET", f"{EVENTS}?PageToken={token}")).refused == (400, 20001)


async def test_a_line_that_cannot_be_read_is_left_out(edge: Edge) -> None:
    edge.trace.record(
        TraceEvent(at=NOW, account_sid=ACCOUNT, leg_sid=CALL, kind="twiml.fetch", detail={"left_out_bytes": 300_000})
    )
    fetched(edge, 2)
    record(edge, "leg.status")
    assert len(await events(edge)) == 1


async def test_the_call_says_where_its_events_are(edge: Edge) -> None:
    uris = (await edge.ask("GET", f"/Calls/{CALL}.json")).body["subresource_uris"]
    assert (uris["events"], uris["notifications"]) == (f"{A}{EVENTS}", f"{A}/Calls/{CallSid(CALL)}/Notifications.json")
