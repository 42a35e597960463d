"""The official Python library, curl, and requests recorded from nine official clients, against a real socket."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client

from midcall.core.calls import Status
from midcall.core.sids import CallSid
from support.rest import ACCOUNT, CALL, MAIN_KEY, NOW, SECRET, TOKEN, UNKNOWN_CALL, A, Edge, a_call, basic

RECORDED = Path(__file__).parent.parent / "contract" / "helper-requests.jsonl"

# twilio-python


def library(edge: Edge, user: str = ACCOUNT, password: str = TOKEN, **options: Any) -> Client:
    client = Client(user, password, ACCOUNT, **options)
    client.api.base_url = edge.base_url
    return client


def use_alerts(client: Client) -> None:
    """What went wrong, by both of the vendor's APIs for it."""
    client.monitor.base_url = client.api.base_url
    with pytest.raises(TwilioRestException):
        client.calls(CALL).user_defined_messages.create(content="no JSON")
    when = datetime.fromtimestamp(NOW, UTC)
    (alert,) = client.monitor.v1.alerts.list(log_level="warning", start_date=datetime(2020, 1, 1, tzinfo=UTC))
    assert (alert.resource_sid, alert.error_code, alert.date_created) == (CALL, "32702", when)
    assert client.monitor.v1.alerts(alert.sid).fetch().sid == alert.sid
    (note,) = client.notifications.list(log=1, message_date_after=date(2020, 1, 1))
    assert (note.sid, note.log, note.message_date) == (alert.sid, "1", when)
    assert client.notifications(note.sid).fetch().request_variables is None
    assert [row.sid for row in client.calls(CALL).notifications.list()] == [note.sid]
    assert client.calls(CALL).events.list() == []


def use_numbers(client: Client) -> None:
    """Phone numbers, with the methods of the library."""
    made = client.incoming_phone_numbers.create(
        phone_number="+14155550100", voice_url="https://app.example/v", voice_method="GET", friendly_name="Office"
    )
    assert (made.phone_number, made.voice_url, made.voice_method) == ("+14155550100", "https://app.example/v", "GET")
    assert made.date_created == datetime.fromtimestamp(NOW, UTC)
    assert (made.capabilities["voice"], made.voice_application_sid, made.trunk_sid) == (True, None, None)
    others = [client.incoming_phone_numbers.create(area_code="212").sid for _ in range(4)]
    assert [row.sid for row in client.incoming_phone_numbers.list(page_size=2)] == [*reversed(others), made.sid]
    assert [row.sid for row in client.incoming_phone_numbers.list(phone_number="+1415*")] == [made.sid]
    number = client.incoming_phone_numbers(made.sid)
    assert number.update(voice_url="", status_callback="https://app.example/s").voice_url is None
    assert number.fetch().status_callback == "https://app.example/s"
    with pytest.raises(TwilioRestException) as refused:
        client.incoming_phone_numbers.create(phone_number="+14155550100")
    assert (refused.value.status, refused.value.code) == (400, 21422)
    assert number.delete()
    call = client.calls.create(to="+12125550100", from_="+14155550100", twiml="<Response/>", send_digits="1w2")
    assert (call.to, call.to_formatted) == ("+12125550100", "(212) 555-0100")


def use_everything(client: Client) -> None:
    """Every operation that we serve, through the library's own methods."""
    call = client.calls(CALL).fetch()
    assert (call.sid, call.status, call.start_time, call.from_formatted) == (CALL, "in-progress", None, "alice")
    assert call.date_created == datetime.fromtimestamp(NOW, UTC)

    message = client.calls(CALL).user_defined_messages.create(content='{"a": 1}', idempotency_key="k")
    again = client.calls(CALL).user_defined_messages.create(content='{"a": 1}', idempotency_key="k")
    assert message.sid == again.sid and message.sid.startswith("KX")

    subscription = client.calls(CALL).user_defined_message_subscriptions.create(
        callback="https://app.example/cb", method="POST"
    )
    assert client.calls(CALL).user_defined_message_subscriptions(subscription.sid).delete()

    made = client.calls.create(
        to="client:bob",
        from_="client:alice",
        twiml="<Response/>",
        status_callback="https://app.example/s",
        status_callback_event=["initiated", "ringing"],
        record=True,
        timeout=5,
    )
    assert (made.status, made.direction, made.queue_time) == ("queued", "outbound-api", "0")
    assert client.calls(made.sid).update(status="completed").status == "completed"
    assert client.calls(made.sid).delete()

    listed = client.calls.list(from_="client:carol", page_size=2, start_time_after=datetime(2020, 1, 1, tzinfo=UTC))
    assert len(listed) == 5
    assert client.calls.list(start_time=date(2019, 1, 1)) == []

    application = client.applications.create(friendly_name="app", voice_url="https://app.example/v")
    assert client.applications(application.sid).update(voice_method="GET").voice_method == "GET"
    assert [row.sid for row in client.applications.list(friendly_name="app")] == [application.sid]
    assert client.applications(application.sid).fetch().voice_url == "https://app.example/v"
    assert client.applications(application.sid).delete()

    for name, new in (("keys", client.new_keys), ("signing_keys", client.new_signing_keys)):
        keys = getattr(client, name)
        key = new.create(friendly_name="k")
        assert len(key.secret) == 32
        assert keys(key.sid).update(friendly_name="l").friendly_name == "l"
        assert key.sid in [row.sid for row in keys.list()]
        assert keys(key.sid).fetch().friendly_name == "l"
        assert keys(key.sid).delete()

    token = client.tokens.create(ttl=3600)
    assert (token.ttl, token.ice_servers, len(token.password)) == ("3600", [], 64)

    use_alerts(client)
    use_numbers(client)

    account = client.api.accounts(ACCOUNT).fetch()
    assert (account.sid, account.type, account.auth_token) == (ACCOUNT, "Full", TOKEN)
    sub = client.api.accounts.create(friendly_name="sub")
    assert client.api.accounts(sub.sid).calls.list() == []
    assert client.api.accounts(sub.sid).update(status="closed").status == "closed"
    assert {row.sid for row in client.api.accounts.list()} == {ACCOUNT, sub.sid}


@pytest.mark.parametrize(("user", "password"), [(ACCOUNT, TOKEN), (MAIN_KEY, SECRET)])
async def test_the_library_can_use_everything(edge: Edge, user: str, password: str) -> None:
    for number in range(5):
        await edge.calls.put(a_call(CallSid(f"CA{number:032x}"), from_="client:carol", started_at=NOW))
    await asyncio.to_thread(use_everything, library(edge, user, password))
    assert len(edge.checked.seen) >= 25


async def test_the_library_raises_what_we_refuse(edge: Edge) -> None:
    def refused(what: Any, *args: Any, **options: Any) -> tuple[int, int, str]:
        with pytest.raises(TwilioRestException) as raised:
            what(*args, **options)
        return raised.value.status, raised.value.code, raised.value.msg

    def ask() -> None:
        client = library(edge)
        path = f"{A}/Calls/{UNKNOWN_CALL}.json"
        assert refused(client.calls(UNKNOWN_CALL).fetch) == (
            404,
            20404,
            f"Unable to fetch record: The requested resource {path} was not found",
        )
        assert refused(client.calls.create, to="+1555", from_="a", url="https://a.example")[:2] == (400, 21211)
        messages = client.calls(CALL).user_defined_messages
        assert refused(messages.create, content="nonsense")[:2] == (400, 32702)
        assert refused(messages.create, content=json.dumps("x" * 10_000))[:2] == (400, 32703)
        wrong = library(edge, ACCOUNT, "wrong")
        assert refused(wrong.calls(CALL).fetch) == (401, 20003, "Unable to fetch record: Authenticate")

    await asyncio.to_thread(ask)


# curl


async def curl(edge: Edge, *arguments: str) -> tuple[int, Any]:
    process = await asyncio.create_subprocess_exec(
        *("curl", "--silent", "--noproxy", "*", "--write-out", "\n%{http_code}", "--user", f"{ACCOUNT}:{TOKEN}"),
        *arguments,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    out = (await process.communicate())[0].decode()
    body, _, status = out.rpartition("\n")
    return int(status), json.loads(body) if body else None


async def test_curl_sends_messages_forms_and_multipart(edge: Edge) -> None:
    url = f"{edge.base_url}{A}/Calls/{CALL}/UserDefinedMessages.json"
    assert (await curl(edge, url, "--data-urlencode", 'Content={"a":1}'))[0] == 201
    assert (await curl(edge, url, "--form", 'Content={"a":2}'))[0] == 201
    assert (await curl(edge, url, "--json", '{"Content":{"a":3}}'))[0] == 201
    assert (await curl(edge, url, "--data", "Content=nonsense"))[1]["code"] == 32702
    assert (await curl(edge, url, "--header", "Expect: 100-continue", "--data", "Content=4"))[0] == 201


async def test_curl_types_a_filter_by_hand_and_gets_an_upload_refused(edge: Edge, tmp_path: Path) -> None:
    await edge.calls.put(a_call(started_at=NOW))
    status, page = await curl(edge, f"{edge.base_url}{A}/Calls.json?StartTime>=2020-12-01&StartTime<=2020-12-03")
    assert (status, len(page["calls"])) == (200, 1)
    big = tmp_path / "big"
    big.write_bytes(b"Content=" + b"1" * 1_200_000)
    url = f"{edge.base_url}{A}/Calls/{CALL}/UserDefinedMessages.json"
    assert (await curl(edge, url, "--data", f"@{big}"))[1]["code"] == 20413


# recorded requests


def recorded() -> list[Any]:
    rows = [json.loads(line) for line in RECORDED.read_text().splitlines()]
    names = Counter[str]()
    params = []
    for row in rows:
        name = f"{row['client']} {row['method']} {row['path'].partition('?')[0].rpartition('/')[2]}"
        names[name] += 1
        params.append(pytest.param(row, id=f"{name} {names[name]}"))
    return params


EXPECTED = {
    "GET Accounts.json": 200,
    "GET AC.json": 200,
    "GET Calls.json": 200,
    "GET CA.json": 200,
    "POST Calls.json": 201,
    "POST CA.json": 200,
    "POST UserDefinedMessages.json": 201,
    "POST UserDefinedMessageSubscriptions.json": 201,
    "DELETE ZY.json": 204,
    "POST Tokens.json": 201,
}


@pytest.mark.parametrize("row", recorded())
async def test_a_recorded_request_gets_what_its_client_needs(edge: Edge, row: Any) -> None:
    await edge.calls.put(a_call(UNKNOWN_CALL, status=Status.IN_PROGRESS))
    await edge.calls.put(a_call(CallSid("CA" + "4" * 32), status=Status.IN_PROGRESS))
    path = row["path"]
    if row["method"] == "DELETE":
        made = await edge.ask(
            "POST",
            f"/Calls/{UNKNOWN_CALL}/UserDefinedMessageSubscriptions.json",
            {"Callback": "https://app.example"},
        )
        path = made.body["uri"]
    headers = {name: value for name, value in row["headers"].items() if name not in ("Host", "Content-Length")}
    headers["Authorization"] = basic(ACCOUNT, TOKEN)
    body = row["body"].encode() or None
    async with edge.client.request(row["method"], path, data=body, headers=headers) as response:
        answer = await response.read()
    resource = path.partition("?")[0].rpartition("/")[2]
    if len(resource) == 39:
        resource = f"{resource[:2]}.json"
    assert response.status == EXPECTED[f"{row['method']} {resource}"]
    assert (answer == b"") == (response.status == 204)
    assert edge.checked.checked > 0
