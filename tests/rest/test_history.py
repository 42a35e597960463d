"""What became of messages, as REST tells it; deliveries, replays, the export."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aiohttp import ClientPayloadError

from midcall.core.delivery import Delivered, EndLane, RetryAt, Verdict
from midcall.core.lanes import Attempt
from midcall.core.messages import Draft, Limits, Log, Subscription
from midcall.core.sids import MessageSid, SubscriptionSid
from midcall.switch.messages import ClientMessage
from support.rest import ACCOUNT, CALL, NOW, UNKNOWN_CALL, Edge, a_call

MESSAGES = f"/Calls/{CALL}/UserDefinedMessages"
DELIVERIES = f"/Calls/{CALL}/Deliveries"
OWN = f"/midcall/v1/Accounts/{ACCOUNT}"
CALLBACK = "https://user:secret@app.example/cb"


def kx(number: int) -> str:
    return f"KX{number:032x}"


async def say(edge: Edge, *numbers: int) -> None:
    """Messages of the leg's client."""
    for number in numbers:
        message = ClientMessage(
            sid=kx(number), content=b'{"n":%d}' % number, content_type="a/b", message_type="user-defined-message"
        )
        await edge.messages.accept_from_client(ACCOUNT, CALL, message)


async def subscribe(edge: Edge, number: int = 1) -> str:
    sid = SubscriptionSid(f"ZY{number:032x}")
    wish = Subscription(
        sid=sid, account_sid=ACCOUNT, leg_sid=CALL, callback=CALLBACK, method="POST", created_at=edge.clock.now()
    )
    await edge.store.add_subscription(wish, Limits())
    return sid


async def settle(edge: Edge, lane: str, *verdicts: Verdict, status: int | None = 204) -> None:
    for verdict in verdicts:
        now = edge.clock.now()
        turn = await edge.store.claim(lane, now=now, lease_until=now + 30)
        assert turn is not None
        attempt = Attempt(sent_at=now - 1, status=status, error=None if status else 11205)
        await edge.store.settle(turn, verdict, now=now, lease_until=now - 1, attempt=attempt)


async def listed(edge: Edge, path: str, key: str = "user_defined_messages") -> list[Any]:
    answer = await edge.ask("GET", path)
    assert answer.status == 200, answer.body
    rows: list[Any] = answer.body[key]
    return rows


async def test_a_message_to_the_client_is_stored_then_written_then_received(edge: Edge) -> None:
    sid = (await edge.ask("POST", f"{MESSAGES}.json", {"Content": '{"a":  1.50}'})).body["sid"]
    path = f"{MESSAGES}/{sid}.json"
    fresh = (await edge.ask("GET", path)).body
    assert (fresh["state"], fresh["direction"], fresh["sequence_number"]) == ("stored", "to-client", "1")
    assert fresh["content"] == '{"a":  1.50}'
    assert fresh["accepted_at"] == fresh["stored_at"] == "2020-12-02T20:02:01.000Z"
    edge.devices.written[CALL, 1] = NOW + 1
    written = (await edge.ask("GET", path)).body
    assert (written["state"], written["written_at"]) == ("written", "2020-12-02T20:02:02.000Z")
    edge.devices.written.clear()
    edge.store.move_cursor(CALL, "device", 1, written_at=NOW + 1, at=NOW + 2)
    received = (await edge.ask("GET", path)).body
    assert (received["state"], received["received_at"]) == ("received", "2020-12-02T20:02:03.000Z")
    assert received["written_at"] == written["written_at"]


async def test_a_message_that_the_client_did_not_get_says_why(edge: Edge) -> None:
    sid = (await edge.ask("POST", f"{MESSAGES}.json", {"Content": "1"})).body["sid"]
    await edge.end_call(receipts_lost=True)
    shown = (await edge.ask("GET", f"{MESSAGES}/{sid}")).body
    assert (shown["state"], shown["reason"], shown["received_at"]) == ("undelivered", "receipt unknown", None)
    assert shown["gave_up_at"] is not None
    (row,) = await listed(edge, f"{OWN}/Undelivered.json?CallSid={CALL}", "undelivered")
    assert (row["message_sid"], row["direction"], row["reason"]) == (sid, "to-client", "receipt unknown")


async def test_a_clients_message_is_as_far_as_its_slowest_subscription(edge: Edge) -> None:
    await say(edge, 1)
    first, second = await subscribe(edge, 1), await subscribe(edge, 2)
    await say(edge, 2)
    await settle(edge, first, Delivered())
    await settle(edge, second, RetryAt(NOW + 9), status=None)
    states = {row["sid"]: row["state"] for row in await listed(edge, MESSAGES)}
    assert states == {kx(1): "stored", kx(2): "written"}
    rows = {row["subscription_sid"]: row for row in await listed(edge, DELIVERIES, "deliveries")}
    assert rows[first]["state"] == "delivered"
    assert (rows[first]["attempts"], rows[first]["last_status"], rows[first]["last_error"]) == (1, 204, None)
    assert (rows[second]["state"], rows[second]["last_status"], rows[second]["last_error"]) == ("retrying", None, 11205)
    assert {row["url"] for row in rows.values()} == {"https://app.example/cb"}
    edge.clock.advance(9)
    await settle(edge, second, Delivered())
    assert [row["state"] for row in await listed(edge, f"{MESSAGES}?State=delivered")] == ["delivered"]


async def test_lists_are_filtered_and_pages_are_full_while_there_is_more(edge: Edge) -> None:
    for number in range(1, 8):
        await say(edge, number)
        await edge.ask("POST", f"{MESSAGES}.json", {"Content": str(number)})
    sids: list[str] = []
    path: str | None = f"{MESSAGES}.json?Direction=from-client&State=stored&PageSize=3"
    pages = []
    while path is not None:
        body = (await edge.ask("GET", path)).body
        pages.append(body)
        sids += [row["sid"] for row in body["user_defined_messages"]]
        path = body["next_page_uri"]
    assert sids == [kx(number) for number in range(7, 0, -1)]
    assert [len(page["user_defined_messages"]) for page in pages] == [3, 3, 1]
    back = (await edge.ask("GET", pages[2]["previous_page_uri"])).body
    assert back["user_defined_messages"] == pages[1]["user_defined_messages"]
    assert len(await listed(edge, f"{MESSAGES}?Direction=to-client")) == 7
    assert await listed(edge, f"{MESSAGES}?State=received") == []


async def test_a_filter_that_few_messages_match_reads_on_until_the_page_is_full(edge: Edge) -> None:
    for number in range(1, 502):
        await edge.store.append_message(
            Draft(
                account_sid=ACCOUNT,
                leg_sid=CALL,
                log=Log.TO_CLIENT,
                sid=MessageSid(kx(number)),
                content=b"1",
                content_type="",
                at=NOW,
            ),
            Limits(),
        )
    edge.store.move_cursor(CALL, "device", 2, at=NOW)
    body = (await edge.ask("GET", f"{MESSAGES}?State=received&PageSize=1")).body
    assert [row["sid"] for row in body["user_defined_messages"]] == [kx(2)]
    rest = (await edge.ask("GET", body["next_page_uri"])).body
    assert [row["sid"] for row in rest["user_defined_messages"]] == [kx(1)]


@pytest.mark.parametrize("path", [MESSAGES, DELIVERIES, f"{MESSAGES}/{kx(1)}"])
async def test_an_unknown_call_is_404(edge: Edge, path: str) -> None:
    assert (await edge.ask("GET", path.replace(CALL, UNKNOWN_CALL))).refused == (404, 20404)


@pytest.mark.parametrize("query", ["State=lost", "Direction=sideways", "PageToken=PAKX1"])
async def test_an_unusable_filter_says_why(edge: Edge, query: str) -> None:
    assert (await edge.ask("GET", f"{MESSAGES}?{query}")).refused == (400, 20001)


# subscriptions


async def test_a_subscription_may_begin_at_the_first_message(edge: Edge) -> None:
    await say(edge, 1, 2)
    form = {"Callback": CALLBACK, "ReplayFrom": "start", "IdempotencyKey": "k"}
    made = await edge.ask("POST", f"/Calls/{CALL}/UserDefinedMessageSubscriptions.json", form)
    assert made.status == 201
    await settle(edge, made.body["sid"], Delivered(), Delivered())
    assert [row["sequence_number"] for row in await listed(edge, DELIVERIES, "deliveries")] == ["2", "1"]
    del form["ReplayFrom"]
    other = await edge.ask("POST", f"/Calls/{CALL}/UserDefinedMessageSubscriptions.json", form)
    assert other.refused == (409, 20409)
    form["ReplayFrom"] = "yesterday"
    assert (await edge.ask("POST", f"/Calls/{CALL}/UserDefinedMessageSubscriptions.json", form)).refused == (400, 20001)


async def test_subscriptions_of_the_account_show_their_lanes(edge: Edge) -> None:
    sid = await subscribe(edge)
    await say(edge, 1, 2)
    await settle(edge, sid, Delivered(), RetryAt(NOW + 600, down=True))
    (row,) = await listed(edge, f"{OWN}/Subscriptions?CallSid={CALL}", "subscriptions")
    assert (row["sid"], row["state"], row["delivered_up_to"], row["attempts"]) == (sid, "down", "1", 1)
    assert row["next_attempt_at"] == "2020-12-02T20:12:01.000Z"
    assert row["callback"] == "https://app.example/cb"


async def test_an_application_has_a_callback_for_messages(edge: Edge) -> None:
    form = {"MessageCallback": "https://app.example/m", "MessageCallbackMethod": "get"}
    made = (await edge.ask("POST", "/Applications.json", form)).body
    assert (made["message_callback"], made["message_callback_method"]) == ("https://app.example/m", "GET")
    path = f"/Applications/{made['sid']}.json"
    assert (await edge.ask("POST", path, {"FriendlyName": "x"})).body["message_callback"] == "https://app.example/m"
    assert (await edge.ask("POST", path, {"MessageCallback": ""})).body["message_callback"] is None
    assert (await edge.ask("POST", path, {"MessageCallback": "ftp://x"})).refused == (400, 21205)


# replays


async def lose(edge: Edge) -> str:
    """Three messages, of which a subscription gave up the second and the third; the subscription."""
    sid = await subscribe(edge)
    await say(edge, 1, 2, 3)
    await settle(edge, sid, Delivered())
    await settle(edge, sid, EndLane("the endpoint answered 410"), status=410)
    return sid


async def test_what_was_given_up_is_replayed_and_marked(edge: Edge) -> None:
    subscription = await lose(edge)
    assert [row["state"] for row in await listed(edge, MESSAGES)] == ["undelivered", "undelivered", "delivered"]
    made = await edge.ask("POST", f"{OWN}/Replays.json", {"Undelivered": "true"})
    assert made.status == 201
    (replay,) = made.body["replays"]
    assert (replay["call_sid"], replay["subscription_sid"]) == (CALL, subscription)
    assert (replay["sequence_numbers"], replay["remaining"], replay["state"]) == ([[2, 3]], 2, "running")
    await settle(edge, replay["sid"], Delivered(), Delivered())
    done = (await edge.ask("GET", f"{OWN}/Replays/{replay['sid']}.json")).body
    assert (done["state"], done["messages"], done["remaining"]) == ("done", 2, 0)
    rows = await listed(edge, f"{OWN}/Undelivered.json", "undelivered")
    assert {row["resolved_by"] for row in rows} == {replay["sid"]}
    assert [row["state"] for row in await listed(edge, MESSAGES)] == ["delivered"] * 3
    told = await listed(edge, f"{DELIVERIES}?ReplaySid={replay['sid']}", "deliveries")
    assert [(row["sequence_number"], row["replay_sid"]) for row in told] == [("3", replay["sid"]), ("2", replay["sid"])]
    assert (await edge.ask("POST", f"{OWN}/Replays.json", {"Undelivered": "true"})).body == {"replays": []}


async def test_one_message_a_range_or_a_call_can_be_replayed(edge: Edge) -> None:
    await subscribe(edge)
    await say(edge, 1, 2, 3)

    async def numbers(**form: str) -> list[list[int]]:
        answer = await edge.ask("POST", f"{OWN}/Replays.json", {"CallSid": CALL, **form})
        assert answer.status == 201, answer.body
        return [pair for replay in answer.body["replays"] for pair in replay["sequence_numbers"]]

    assert await numbers(MessageSid=kx(2)) == [[2, 2]]
    assert await numbers(FirstSequenceNumber="2") == [[2, 3]]
    assert await numbers(FirstSequenceNumber="1", LastSequenceNumber="2") == [[1, 2]]
    assert await numbers() == [[1, 3]]
    assert await numbers(Url="https://other.example/", Method="GET") == [[1, 3]]
    assert await numbers(FirstSequenceNumber="9") == []
    replays = await listed(edge, f"{OWN}/Replays?CallSid={CALL}", "replays")
    assert len(replays) == 5
    assert (replays[0]["url"], replays[0]["method"]) == ("https://other.example/", "GET")


@pytest.mark.parametrize(
    ("form", "refused"),
    [
        ({}, (400, 20001)),
        ({"CallSid": UNKNOWN_CALL}, (404, 20404)),
        ({"CallSid": CALL, "MessageSid": kx(9)}, (404, 20404)),
        ({"CallSid": CALL, "SubscriptionSid": "ZY" + "9" * 32}, (404, 20404)),
        ({"CallSid": CALL, "MessageSid": kx(1), "LastSequenceNumber": "2"}, (400, 20001)),
        ({"CallSid": CALL, "Since": "2020-01-01"}, (400, 20001)),
        ({"Undelivered": "true", "MessageSid": kx(1)}, (400, 20001)),
        ({"CallSid": CALL, "Url": "gopher://x"}, (400, 21205)),
    ],
)
async def test_an_unusable_wish_says_why(edge: Edge, form: dict[str, str], refused: tuple[int, int]) -> None:
    await say(edge, 1)
    assert (await edge.ask("POST", f"{OWN}/Replays.json", form)).refused == refused


async def test_a_replay_can_be_stopped_once(edge: Edge) -> None:
    await subscribe(edge)
    await say(edge, 1)
    (replay,) = (await edge.ask("POST", f"{OWN}/Replays.json", {"CallSid": CALL})).body["replays"]
    path = f"{OWN}/Replays/{replay['sid']}.json"
    assert (await edge.ask("DELETE", path)).status == 204
    assert (await edge.ask("DELETE", path)).refused == (404, 20404)
    shown = (await edge.ask("GET", path)).body
    assert (shown["state"], shown["reason"]) == ("stopped", "the replay was stopped")
    (row,) = await listed(edge, f"{DELIVERIES}?ReplaySid={replay['sid']}", "deliveries")
    assert (row["state"], row["reason"]) == ("undelivered", "the replay was stopped")


# export


async def lines(edge: Edge, query: str = "") -> list[Any]:
    headers = {"Authorization": edge.authorization}
    async with edge.client.get(f"{OWN}/Messages.json{query}", headers=headers) as response:
        assert response.status == 200
        assert response.content_type == "application/jsonl"
        assert response.headers["Twilio-Request-Id"].startswith("RQ")
        return [json.loads(line) for line in (await response.text()).splitlines()]


async def test_everything_that_was_said_comes_as_json_lines(edge: Edge) -> None:
    other = a_call(UNKNOWN_CALL)
    await edge.calls.put(other)
    await say(edge, 1, 2)
    edge.clock.advance(10)
    await edge.ask("POST", f"/Calls/{UNKNOWN_CALL}/UserDefinedMessages", {"Content": '"hello"'})
    whole = await lines(edge)
    assert [(line["call_sid"], line["content"]) for line in whole] == [
        (UNKNOWN_CALL, '"hello"'),
        (CALL, '{"n":1}'),
        (CALL, '{"n":2}'),
    ]
    assert [line["sid"] for line in await lines(edge, f"?CallSid={CALL}")] == [kx(1), kx(2)]
    assert len(await lines(edge, "?Since=2020-12-02T20:02:05Z")) == 1
    assert (await edge.ask("GET", f"{OWN}/Messages?CallSid=CA{'7' * 32}")).refused == (404, 20404)


async def test_an_export_that_fails_on_the_way_has_no_end(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    await say(edge, *range(1, 150))
    edge.clock.advance(1)
    await say(edge, *range(150, 300))
    read = edge.store.entries_after

    async def broken(*arguments: Any) -> Any:
        if arguments[2] > 0:
            raise RuntimeError("the disk has gone")
        return await read(*arguments)

    monkeypatch.setattr(edge.store, "entries_after", broken)
    with pytest.raises(ClientPayloadError):
        await lines(edge)
