"""Calls by REST: the order of checks and their codes, filters, pages, updates."""

from __future__ import annotations

from typing import Any

import pytest

from midcall.core.alerts import ANY_ALERT
from midcall.core.calls import CallFilter, Direction, Status
from midcall.core.sids import CallSid
from midcall.ports import PageRequest
from support.rest import ACCOUNT, CALL, NOW, UNKNOWN_CALL, A, Edge, Json, a_call

NEW = {"To": "client:bob", "From": "client:alice", "Url": "https://app.example/voice"}

FIELDS = {
    "sid",
    "date_created",
    "date_updated",
    "parent_call_sid",
    "account_sid",
    "to",
    "to_formatted",
    "from",
    "from_formatted",
    "phone_number_sid",
    "status",
    "start_time",
    "end_time",
    "duration",
    "price",
    "price_unit",
    "direction",
    "answered_by",
    "api_version",
    "forwarded_from",
    "group_sid",
    "caller_name",
    "queue_time",
    "trunk_sid",
    "uri",
    "subresource_uris",
    "annotation",
}


def without(*names: str, **more: str) -> dict[str, str]:
    return {name: value for name, value in (NEW | more).items() if name not in names}


async def test_a_created_call_is_queued_and_shows_every_field(edge: Edge) -> None:
    answer = await edge.ask("POST", "/Calls.json", NEW)
    assert answer.status == 201
    assert set(answer.body) == FIELDS
    shown = answer.body
    assert (shown["status"], shown["direction"], shown["to"]) == ("queued", "outbound-api", "client:bob")
    assert (shown["to_formatted"], shown["from_formatted"]) == ("bob", "alice")
    assert (shown["price_unit"], shown["queue_time"], shown["duration"]) == ("USD", "0", None)
    assert shown["uri"] == f"{A}/Calls/{shown['sid']}.json"
    names = {"events", "notifications", "user_defined_messages", "user_defined_message_subscriptions"}
    assert set(shown["subresource_uris"]) == names


async def test_everything_that_was_asked_reaches_the_switch(edge: Edge) -> None:
    form = [
        *NEW.items(),
        ("Method", "get"),
        ("FallbackUrl", "http://localhost:5000/fallback"),
        ("FallbackMethod", "GET"),
        ("StatusCallback", "https://app.example/status#rc=2"),
        ("StatusCallbackMethod", "GET"),
        ("StatusCallbackEvent", "initiated ringing"),
        ("StatusCallbackEvent", "answered"),
        ("Timeout", "5"),
        ("TimeLimit", "60"),
        ("CallerId", "+15551234567"),
        ("SendDigits", "1234#ww"),
        ("Record", "true"),
        ("Nonsense", "ignored"),
    ]
    assert (await edge.ask("POST", "/Calls.json", form)).status == 201
    new = edge.calls.created[0]
    assert (new.method, new.fallback_method, new.status_callback_method) == ("GET", "GET", "GET")
    assert new.fallback_url == "http://localhost:5000/fallback"
    assert new.status_callback == "https://app.example/status#rc=2"
    assert tuple(new.status_callback_events) == ("initiated", "ringing", "answered")
    assert (new.timeout_s, new.time_limit_s, new.caller_id) == (5, 60, "+15551234567")


async def test_defaults_are_the_vendors(edge: Edge) -> None:
    await edge.ask("POST", "/Calls.json", without("Url", Twiml="<Response/>", To="client:bob?name=a%20b"))
    new = edge.calls.created[0]
    assert (new.url, new.twiml, new.method, new.to) == (None, "<Response/>", "POST", "client:bob?name=a%20b")
    assert tuple(new.status_callback_events) == ("completed",)
    assert (new.timeout_s, new.time_limit_s, new.status_callback) == (60, 14_400, None)


async def test_a_json_body_may_hold_an_array_of_events(edge: Edge) -> None:
    answer = await edge.ask(
        "POST", "/Calls.json", json=NEW | {"StatusCallbackEvent": ["ringing", "completed"], "Timeout": 7}
    )
    assert answer.status == 201
    assert tuple(edge.calls.created[0].status_callback_events) == ("ringing", "completed")
    assert edge.calls.created[0].timeout_s == 7


async def test_url_wins_over_twiml_and_a_warning_says_so(edge: Edge) -> None:
    answer = await edge.ask("POST", "/Calls.json", NEW | {"Twiml": "<Response/>"})
    assert (edge.calls.created[0].url, edge.calls.created[0].twiml) == (NEW["Url"], None)
    await edge.ask("POST", "/Calls.json", NEW)
    (alert,) = (await edge.store.alerts(ACCOUNT, ANY_ALERT, PageRequest())).rows
    assert (alert.call_sid, alert.code, alert.level) == (answer.body["sid"], 32019, "warning")


async def test_parameters_without_effect_leave_a_warning_where_somebody_would_wait_for_one(edge: Edge) -> None:
    quiet = {"Record": "false", "Trim": "do-not-trim", "CallReason": "a reason", "MachineDetectionTimeout": "30"}
    await edge.ask("POST", "/Calls.json", NEW | quiet)
    assert not (await edge.store.alerts(ACCOUNT, ANY_ALERT, PageRequest())).rows
    loud = {"Record": "true", "MachineDetection": "Enable", "Byoc": "BY" + "b" * 32, "SendDigits": "1"}
    answer = await edge.ask("POST", "/Calls.json", NEW | quiet | loud)
    (alert,) = (await edge.store.alerts(ACCOUNT, ANY_ALERT, PageRequest())).rows
    assert (alert.call_sid, alert.code, alert.level) == (answer.body["sid"], 20001, "warning")
    assert all(name in alert.reason for name in loud) and "Trim" not in alert.reason


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("Record", "perhaps", 20001),
        ("RecordingChannels", "quadro", 20001),
        ("RecordingTrack", "neither", 20001),
        ("RecordingStatusCallback", "nowhere", 21205),
        ("RecordingStatusCallbackMethod", "PUT", 21209),
        ("RecordingStatusCallbackEvent", "vanished", 20001),
        ("Trim", "hair", 20001),
        ("MachineDetection", "yes", 20001),
        ("MachineDetectionTimeout", "60", 20001),
        ("MachineDetectionSpeechThreshold", "999", 20001),
        ("MachineDetectionSpeechEndThreshold", "5001", 20001),
        ("MachineDetectionSilenceTimeout", "1", 20001),
        ("AsyncAmd", "1", 20001),
        ("AsyncAmdStatusCallback", "nowhere", 21205),
        ("AsyncAmdStatusCallbackMethod", "PUT", 21209),
        ("SipAuthUsername", "u" * 257, 20002),
        ("SipAuthPassword", "p" * 257, 20002),
        ("Byoc", "BY1", 20001),
        ("CallReason", "r" * 257, 20002),
        ("CallToken", "t" * 4_097, 20002),
        ("ClientNotificationUrl", "nowhere", 21205),
    ],
)
async def test_parameters_without_effect_are_judged_all_the_same(edge: Edge, name: str, value: str, code: int) -> None:
    assert (await edge.ask("POST", "/Calls.json", NEW | {name: value})).refused == (400, code)


async def test_with_an_application_the_requests_urls_are_not_even_looked_at(edge: Edge) -> None:
    application = (await edge.ask("POST", "/Applications.json", {"VoiceUrl": "https://a.example"})).body["sid"]
    form = NEW | {"ApplicationSid": application, "Url": "not a url", "StatusCallback": "neither", "Twiml": "x" * 5_000}
    assert (await edge.ask("POST", "/Calls.json", form)).status == 201
    new = edge.calls.created[0]
    assert (new.application_sid, new.url, new.twiml, new.status_callback) == (application, None, None, None)


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({}, 21201),
        ({"To": ""}, 21201),
        ({"To": "client:bob"}, 21205),
        ({"To": "client:bob", "Url": ""}, 21205),
        ({"To": "+15551234567", "Url": "nonsense"}, 21205),
        (without("Url"), 21205),
        (without("From"), 21213),
        (without("From", Url="nonsense"), 21205),
        (without(To="+1"), 21211),
        (without(To="sip:bob@example.org"), 21211),
        (without(To="client:"), 21211),
        (without(To="client:" + "b" * 257), 21211),
        (without(To="client:b\x01b"), 21211),
        (without(From="alice\n"), 21212),
        (without(From="a" * 257), 21212),
        (without(Url="nonsense"), 21205),
        (without(Url="ftp://app.example"), 21205),
        (without(Url="https://my_app.example/"), 21205),
        (without(Url="https:///path"), 21205),
        (without("Url", ApplicationSid="AP" + "9" * 32), 21218),
        (without("Url", ApplicationSid="nonsense"), 21218),
        (without("Url", Twiml="x" * 4_001), 32018),
        (without(Timeout="soon"), 21208),
        (without(Timeout="601"), 21208),
        (without(Timeout="-1"), 21208),
        (without(TimeLimit="x"), 20001),
        (without(Method="PUT"), 21209),
        (without(FallbackMethod="PUT"), 21209),
        (without(StatusCallbackMethod="PUT"), 21209),
        (without(FallbackUrl="x"), 21205),
        (without(StatusCallback="x"), 21205),
        (without(StatusCallbackEvent="completed vanished"), 20001),
        (without(SendDigits="12e"), 21206),
        (without(SendDigits="1" * 33), 21206),
    ],
)
async def test_a_call_that_cannot_be_made_says_why(edge: Edge, form: dict[str, str], code: int) -> None:
    assert (await edge.ask("POST", "/Calls.json", form)).refused == (400, code)
    assert (await edge.store.calls(ACCOUNT, CallFilter(), PageRequest())).rows == [a_call()]


async def test_the_words_of_missing_parameters_are_the_vendors(edge: Edge) -> None:
    async def words(form: Json) -> str:
        return str((await edge.ask("POST", "/Calls.json", form)).body["message"])

    assert await words({}) == "No 'To' number is specified"
    assert await words(without("Url")) == "Url parameter is required."
    assert await words(without("From")) == "No 'From' number is specified"
    assert "client:<identity>" in await words(without(To="+1555"))


async def test_fetch_shows_dates_and_duration_as_text(edge: Edge) -> None:
    done = a_call(status=Status.COMPLETED, started_at=NOW, answered_at=NOW + 5, ended_at=NOW + 65)
    await edge.calls.put(done)
    shown = (await edge.ask("GET", f"/Calls/{CALL}.json")).body
    assert (shown["start_time"], shown["end_time"], shown["duration"]) == (
        "Wed, 02 Dec 2020 20:02:01 +0000",
        "Wed, 02 Dec 2020 20:03:06 +0000",
        "60",
    )
    assert (shown["to"], shown["direction"]) == ("", "inbound")


async def test_numbers_are_formatted_and_initiated_reads_queued(edge: Edge) -> None:
    await edge.calls.put(a_call(status=Status.INITIATED, from_="+14158675308", to="+4930123456"))
    shown = (await edge.ask("GET", f"/Calls/{CALL}")).body
    assert (shown["from_formatted"], shown["to_formatted"], shown["status"]) == (
        "(415) 867-5308",
        "+4930123456",
        "queued",
    )


@pytest.mark.parametrize("sid", [UNKNOWN_CALL, "CA1", "AP" + "c" * 32])
async def test_an_unknown_call_is_404_for_every_method(edge: Edge, sid: str) -> None:
    for method, form in (("GET", None), ("POST", {"Status": "completed"}), ("DELETE", None)):
        answer = await edge.ask(method, f"/Calls/{sid}.json", form)
        assert answer.refused == (404, 20404)
        assert answer.body["message"] == f"The requested resource {A}/Calls/{sid}.json was not found"


async def test_updates_reach_the_switch(edge: Edge) -> None:
    form = {
        "Url": "https://app.example/new",
        "Method": "GET",
        "FallbackUrl": "",
        "StatusCallback": "https://app.example/s",
        "StatusCallbackMethod": "GET",
        "TimeLimit": "9",
    }
    assert (await edge.ask("POST", f"/Calls/{CALL}.json", form)).status == 200
    update = edge.calls.updates[0]
    assert (update.status, update.url, update.method, update.twiml) == (None, form["Url"], "GET", None)
    assert (update.fallback_url, update.fallback_method) == ("", None)
    assert (update.status_callback, update.status_callback_method, update.time_limit_s) == (
        form["StatusCallback"],
        "GET",
        9,
    )


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({"Url": "x"}, 21205),
        ({"Method": "PATCH", "Url": "https://a.example"}, 21209),
        ({"Status": "queued"}, 20001),
        ({"Url": "https://a.example", "Twiml": "<Response/>"}, 20001),
        ({"Twiml": "x" * 4_001}, 32018),
    ],
)
async def test_an_unusable_update_says_why(edge: Edge, form: dict[str, str], code: int) -> None:
    assert (await edge.ask("POST", f"/Calls/{CALL}.json", form)).refused == (400, code)
    assert edge.calls.updates == []


async def test_an_ended_call_takes_no_update_and_can_be_deleted(edge: Edge) -> None:
    assert (await edge.ask("DELETE", f"/Calls/{CALL}.json")).refused == (400, 20009)
    ended = await edge.ask("POST", f"/Calls/{CALL}.json", {"Status": "completed"})
    assert (ended.status, ended.body["status"]) == (200, "completed")
    refused = await edge.ask("POST", f"/Calls/{CALL}.json", {"Status": "completed"})
    assert refused.refused == (400, 21220)
    assert refused.body["message"] == "Call is not in-progress. Cannot redirect."
    gone = await edge.ask("DELETE", f"/Calls/{CALL}.json")
    assert (gone.status, gone.body) == (204, None)
    assert (await edge.ask("GET", f"/Calls/{CALL}.json")).status == 404


# lists


async def many(edge: Edge, number: int, **changes: Any) -> list[str]:
    """Calls made one hour apart; their sids, newest first."""
    sids = []
    for index in range(number):
        sid = CallSid(f"CA{index:032x}")
        sids.append(sid)
        at = NOW + index * 3_600
        await edge.calls.put(a_call(sid, created_at=at, started_at=at, **changes))
    return sids[::-1]


async def test_pages_follow_each_other_forwards_and_backwards(edge: Edge) -> None:
    newest_first = await many(edge, 5, from_="client:carol")
    path = f"{A}/Calls.json?From=client%3Acarol&PageSize=2"
    first = (await edge.ask("GET", path)).body
    assert [call["sid"] for call in first["calls"]] == newest_first[:2]
    assert first["previous_page_uri"] is None
    assert (first["page"], first["page_size"], first["start"], first["end"]) == (0, 2, 0, 1)
    assert first["first_page_uri"] == f"{path}&Page=0"
    assert first["uri"] == f"{path}&Page=0"
    assert first["next_page_uri"] == f"{path}&Page=1&PageToken=PA{newest_first[2]}"

    second = (await edge.ask("GET", first["next_page_uri"])).body
    assert second["uri"] == first["next_page_uri"]
    assert [call["sid"] for call in second["calls"]] == newest_first[2:4]
    assert (second["page"], second["start"], second["end"]) == (1, 2, 3)

    last = (await edge.ask("GET", second["next_page_uri"])).body
    assert [call["sid"] for call in last["calls"]] == newest_first[4:]
    assert (last["next_page_uri"], last["start"], last["end"]) == (None, 4, 4)

    back = (await edge.ask("GET", last["previous_page_uri"])).body
    assert (back["calls"], back["page"]) == (second["calls"], 1)
    front = (await edge.ask("GET", back["previous_page_uri"])).body
    assert (front["calls"], front["page"], front["previous_page_uri"]) == (first["calls"], 0, None)


async def test_what_was_shown_may_be_deleted_before_the_next_page_is_asked_for(edge: Edge) -> None:
    sids = await many(edge, 5, from_="client:carol", status=Status.COMPLETED)
    seen: list[str] = []
    uri: str | None = "/Calls.json?From=client%3Acarol&PageSize=2"
    while uri is not None:
        page = (await edge.ask("GET", uri)).body
        for call in page["calls"]:
            seen.append(call["sid"])
            assert (await edge.ask("DELETE", f"/Calls/{call['sid']}.json")).status == 204
        uri = page["next_page_uri"]
    assert seen == sids


async def test_an_empty_page_ends_at_0(edge: Edge) -> None:
    page = (await edge.ask("GET", "/Calls.json?From=nobody")).body
    assert (page["calls"], page["start"], page["end"], page["page_size"]) == ([], 0, 0, 50)
    assert set(page) == {
        *("uri", "first_page_uri", "next_page_uri", "previous_page_uri"),
        *("page", "page_size", "start", "end", "calls"),
    }


@pytest.mark.parametrize(
    ("query", "size"),
    [("PageSize=7", 7), ("PageSize=0", 50), ("PageSize=x", 50), ("PageSize=-3", 50), ("PageSize=1000", 1000)],
)
async def test_page_sizes(edge: Edge, query: str, size: int) -> None:
    assert (await edge.ask("GET", f"/Calls.json?{query}")).body["page_size"] == size


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("PageSize=1001", 20007),
        ("PageToken=PAAP" + "0" * 32, 20001),
        ("PageToken=nonsense", 20001),
        ("Status=initiated", 20001),
        ("Status=gone", 20001),
        ("ParentCallSid=x", 20001),
        ("StartTime=yesterday", 20001),
        ("EndTime%3C=2020-13-01", 20001),
        ("From=%ff", 20001),
    ],
)
async def test_an_unusable_filter_says_why(edge: Edge, query: str, code: int) -> None:
    assert (await edge.ask("GET", f"/Calls.json?{query}")).refused == (400, code)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", 6),
        ("StartTime=2020-12-02", 4),
        ("StartTime=2020-12-03", 1),
        ("StartTime=2020-12-02T23:59:59Z", 4),
        ("StartTime%3E=2020-12-02T22:02:01Z", 3),
        ("StartTime>=2020-12-02T22:02:01", 3),
        ("StartTime%3C=2020-12-02T22:02:01Z", 2),
        ("StartTime%3E=2020-12-02T21:00:00Z&StartTime%3C=2020-12-02T23:00:00Z", 2),
        ("StartTime%3E=2020-12-02T23:02:01%2B01:00", 3),
        ("StartTime%3E=2020-12-03&StartTime=2020-12-02", 0),
        ("EndTime%3E=2020-01-01", 0),
        ("Status=in-progress", 6),
        ("Status=completed", 0),
        ("From=client:alice", 6),
        ("From=alice", 0),
        ("To=client:alice", 0),
        (f"ParentCallSid={CALL}", 0),
        ("Unknown=1", 6),
        ("Status=", 6),
    ],
)
async def test_filters(edge: Edge, query: str, found: int) -> None:
    await many(edge, 5)  # 20:02:01 to 00:02:01 the next day; the sixth was never started
    page = (await edge.ask("GET", f"/Calls.json?{query}")).body
    assert len(page["calls"]) == found


async def test_children_are_found_by_their_parent_in_any_case(edge: Edge) -> None:
    await edge.calls.put(a_call(UNKNOWN_CALL, parent_sid=CALL, direction=Direction.OUTBOUND_DIAL))
    page = (await edge.ask("GET", f"/Calls.json?ParentCallSid=CA{CALL[2:].upper()}")).body
    assert [call["parent_call_sid"] for call in page["calls"]] == [CALL]
