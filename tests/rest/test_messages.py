"""POST UserDefinedMessages: what gets 201, and in which order the rest is refused."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from io import BytesIO

import pytest
from aiohttp import FormData

from midcall.core.calls import Status
from midcall.core.messages import Log
from midcall.core.sids import CallSid
from support.rest import ACCOUNT, CALL, OTHER, UNKNOWN_CALL, Edge, a_call

PATH = f"/Calls/{CALL}/UserDefinedMessages.json"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


async def contents(edge: Edge) -> list[bytes]:
    return [entry.content for entry in await edge.store.entries_after(CALL, Log.TO_CLIENT, 0, 100)]


async def test_a_message_is_stored_and_answered_with_four_fields(edge: Edge) -> None:
    answer = await edge.ask("POST", PATH, {"Content": '{"hello":"world"}'})
    assert answer.status == 201
    assert set(answer.body) == {"account_sid", "call_sid", "sid", "date_created"}
    assert answer.body["date_created"] == "Wed, 02 Dec 2020 20:02:01 +0000"
    assert answer.body["sid"].startswith("KX")
    assert await contents(edge) == [b'{"hello":"world"}']


@pytest.mark.parametrize("body", ["Content=%7B%22k%22%3A%22v+%C3%A9%22%7D", "Content=%7B%22k%22%3A%22v%20%C3%A9%22%7D"])
async def test_plus_and_percent_20_are_both_a_space(edge: Edge, body: str) -> None:
    assert (await edge.ask("POST", PATH, body, headers=FORM)).status == 201
    assert await contents(edge) == ['{"k":"v é"}'.encode()]


async def test_numbers_and_key_order_are_kept_as_they_were_spelled(edge: Edge) -> None:
    text = '{"z": 1.10, "a": 1e2, "b": 12345678901234567890}'
    assert (await edge.ask("POST", PATH, {"Content": text})).status == 201
    assert await contents(edge) == [text.encode()]


async def test_multipart_and_json_bodies_are_read_too(edge: Edge) -> None:
    form = FormData(default_to_multipart=True)
    form.add_field("Content", '{"from":"multipart"}')
    assert (await edge.ask("POST", PATH, form)).status == 201
    assert (await edge.ask("POST", PATH, json={"Content": '{"from":"json text"}'})).status == 201
    raw = b'{"Content": {"z": 1.10, "a":[1,2]}, "Unknown": true}'
    assert (await edge.ask("POST", PATH, raw, headers={"Content-Type": "application/json"})).status == 201
    assert await contents(edge) == [
        b'{"from":"multipart"}',
        b'{"from":"json text"}',
        b'{"z": 1.10, "a":[1,2]}',
    ]


@pytest.mark.parametrize(
    ("form", "refused"),
    [
        ({}, (400, 32702)),
        ({"Content": ""}, (400, 32702)),
        ({"Content": "{not json"}, (400, 32702)),
        ({"Content": json.dumps("x" * 10_001)}, (400, 32703)),
        ({"Content": "1", "IdempotencyKey": "k" * 257}, (400, 20001)),
    ],
)
async def test_unusable_content_is_refused(edge: Edge, form: dict[str, str], refused: tuple[int, int]) -> None:
    assert (await edge.ask("POST", PATH, form)).refused == refused
    assert await contents(edge) == []


async def test_a_message_that_cannot_be_one_leaves_a_warning_on_the_call(edge: Edge) -> None:
    await edge.ask("POST", PATH, {"Content": "{secret"})
    await edge.ask("POST", PATH, b"{}", headers={"Content-Type": "text/plain"})
    await edge.ask("POST", PATH, {"Content": "1" * 10_001})
    await edge.ask("POST", f"/Calls/{UNKNOWN_CALL}/UserDefinedMessages.json", {})
    page = (await edge.ask("GET", f"/midcall/v1/Accounts/{ACCOUNT}/Alerts.json?CallSid={CALL}")).body
    assert [(alert["code"], alert["level"]) for alert in page["alerts"]] == [
        (32703, "warning"),
        (32701, "warning"),
        (32702, "warning"),
    ]
    assert "secret" not in str(page)


async def test_ten_thousand_code_points_pass(edge: Edge) -> None:
    assert (await edge.ask("POST", PATH, {"Content": json.dumps("é" * 9_998, ensure_ascii=False)})).status == 201


@pytest.mark.parametrize("body", [b"Content=%ff", b"\xff", b"&".join(b"a=1" for _ in range(1001))])
async def test_a_form_that_cannot_be_read_says_so(edge: Edge, body: bytes) -> None:
    assert (await edge.ask("POST", PATH, body, headers=FORM)).refused == (400, 20001)


async def test_other_content_types_are_refused_after_the_state_of_the_call(edge: Edge) -> None:
    text = {"Content-Type": "text/plain"}
    assert (await edge.ask("POST", PATH, b'{"a":1}', headers=text)).refused == (400, 32701)
    over = a_call(status=Status.COMPLETED)
    await edge.calls.put(over)
    assert (await edge.ask("POST", PATH, b'{"a":1}', headers=text)).refused == (400, 21220)


@pytest.mark.parametrize("sid", [UNKNOWN_CALL, "CA123", "XX" + "c" * 32])
async def test_an_unknown_or_malformed_call_is_404_with_the_path(edge: Edge, sid: str) -> None:
    path = f"/2010-04-01/Accounts/{ACCOUNT}/Calls/{sid}/UserDefinedMessages.json"
    answer = await edge.ask("POST", path, {})
    assert answer.refused == (404, 20404)
    assert answer.body["message"] == f"The requested resource {path} was not found"


async def test_a_call_of_another_account_is_404(edge: Edge) -> None:
    foreign = CallSid("CA" + "7" * 32)
    await edge.calls.put(a_call(foreign, account_sid=OTHER))
    answer = await edge.ask("POST", f"/Calls/{foreign}/UserDefinedMessages.json", {"Content": "1"})
    assert answer.refused == (404, 20404)


async def test_upper_case_sids_name_the_same_call(edge: Edge) -> None:
    path = f"/2010-04-01/Accounts/AC{ACCOUNT[2:].upper()}/Calls/CA{CALL[2:].upper()}/UserDefinedMessages"
    answer = await edge.ask("POST", path, {"Content": "1"})
    assert (answer.status, answer.body["call_sid"], answer.body["account_sid"]) == (201, CALL, ACCOUNT)


@pytest.mark.parametrize("status", [Status.QUEUED, Status.INITIATED, Status.COMPLETED, Status.CANCELED])
async def test_only_active_calls_take_messages(edge: Edge, status: Status) -> None:
    await edge.calls.put(a_call(status=status))
    assert (await edge.ask("POST", PATH, {"Content": "1"})).refused == (400, 21220)


async def test_the_wrong_leg_names_the_right_one(edge: Edge) -> None:
    parent = CallSid("CA" + "5" * 32)
    await edge.calls.put(a_call(parent, sdk_leg=False))
    await edge.calls.put(a_call(parent_sid=parent))
    answer = await edge.ask("POST", f"/Calls/{parent}/UserDefinedMessages.json", {"Content": "1"})
    assert answer.refused == (400, 21220)
    assert CALL in answer.body["message"]


async def test_an_idempotent_repeat_is_201_also_after_the_call(edge: Edge) -> None:
    form = {"Content": "1", "IdempotencyKey": "once"}
    first = await edge.ask("POST", PATH, form)
    await edge.calls.put(a_call(status=Status.COMPLETED))
    edge.clock.advance(60)
    again = await edge.ask("POST", PATH, form)
    assert (again.status, again.body) == (201, first.body)
    conflict = await edge.ask("POST", PATH, {"Content": "2", "IdempotencyKey": "once"})
    assert conflict.refused == (409, 20409)


async def test_too_many_messages_in_a_second_are_429(edge: Edge) -> None:
    for number in range(200):
        assert (await edge.ask("POST", PATH, {"Content": str(number)})).status == 201
    assert (await edge.ask("POST", PATH, {"Content": "1"})).refused == (429, 20429)


async def test_a_body_over_the_limit_is_413_and_stores_nothing(edge: Edge) -> None:
    big = b"Content=" + b"1" * (1024 * 1024)
    assert (await edge.ask("POST", PATH, BytesIO(big), headers=FORM)).refused == (413, 20413)

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b"1" * 65_536

    assert (await edge.ask("POST", PATH, chunks(), headers=FORM)).refused == (413, 20413)
    parts = FormData(default_to_multipart=True)
    for number in range(20):
        parts.add_field(f"Part{number}", "1" * 60_000)
    assert (await edge.ask("POST", PATH, parts)).refused == (413, 20413)
    assert await contents(edge) == []


@pytest.mark.parametrize(
    "body",
    [
        b"--b\r\nContent-Disposition: form-data\r\n\r\n1\r\n--b--\r\n",
        b"--b\r\nContent-Disposition: form-data; name=Content\r\n\r\n\xff\r\n--b--\r\n",
        b"--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\n1\r\n--c--\r\n--b--\r\n",
        b"--b\r\nContent-Disposition: form-data; name=Content\r\nContent-Encoding: gzip\r\n\r\nx\r\n--b--\r\n",
        b"--b\r\nno header\r\n",
        b"nothing",
        b"",
        b"".join(b"--b\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n" for _ in range(1_001)) + b"--b--\r\n",
    ],
)
async def test_a_malformed_multipart_body_is_the_senders_fault(edge: Edge, body: bytes) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    assert (await edge.ask("POST", PATH, body, headers=headers)).status == 400
    headers = {"Content-Type": "multipart/form-data"}
    assert (await edge.ask("POST", PATH, body, headers=headers)).status == 400
    assert await contents(edge) == []


@pytest.mark.parametrize("body", [b"[]", b"1", b"", b"{", b'{"Content": "\\ud800"}', b'{"Content":' + b"[" * 100_000])
async def test_a_malformed_json_body_is_the_senders_fault(edge: Edge, body: bytes) -> None:
    answer = await edge.ask("POST", PATH, body, headers={"Content-Type": "application/json"})
    assert answer.status == 400
    assert await contents(edge) == []


async def test_there_is_no_put(edge: Edge) -> None:
    answer = await edge.ask("PUT", PATH)
    assert answer.refused == (405, 20004)
    assert answer.headers["Allow"] == "GET, POST"
