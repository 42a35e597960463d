"""What became of messages, as an operator sees it on a real server, and what survives when that dies."""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from customers import Customer, Hook
from devices import open_call
from servers import ENVIRONMENT, Server

from midcall.sdk import Device
from midcall.sdk.transport import Transport
from midcall.wire.notices import snake_case
from midcall.wire.signal import HEARTBEAT

TOKEN = "I-Twilio-Idempotency-Token"
MARK = "X-Midcall-Replay"


@pytest_asyncio.fixture(loop_scope="session")
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    server = Server(tmp_path / "data", options=("--set", "media_engine=none"))
    await server.start()
    yield server
    assert await server.stop() == 0, "\n".join(server.log)


async def midcall(server: Server, *arguments: str) -> str:
    """A command's output; it must succeed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "midcall", *arguments, "--data-dir", str(server.data_dir),
        env=ENVIRONMENT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode()


async def rows(server: Server, *arguments: str) -> list[Any]:
    return [json.loads(line) for line in (await midcall(server, *arguments, "--json")).splitlines()]


async def ask(customer: Customer, method: str, path: str, **form: str) -> tuple[int, Any]:
    """One REST request without any vendor's library."""
    made = customer.credentials
    whole = path if path.startswith("/") else f"/2010-04-01/Accounts/{made.account_sid}/{path}"
    headers = {"Authorization": aiohttp.encode_basic_auth(made.account_sid, made.auth_token)}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.request(method, made.http_url + whole, data=form or None) as answer,
    ):
        return answer.status, await answer.json(content_type=None)


async def state_of(customer: Customer, call: str, sid: str, wanted: str) -> Any:
    """The message, once it is in that state."""
    async with asyncio.timeout(10):
        while True:
            _, body = await ask(customer, "GET", f"Calls/{call}/UserDefinedMessages/{sid}.json")
            if body.get("state") == wanted:  # before it is stored there is none
                return body
            await asyncio.sleep(0.02)  # a resource has no event to wait for


async def test_a_message_finds_bob_from_alices_leg(server: Server, customer: Customer) -> None:
    host, ca_file = customer.credentials.signaling_host, customer.credentials.ca_file
    async with (
        Device(customer.token("alice"), host=host, ca_file=ca_file, media="none") as alice,
        Device(customer.token("bob"), host=host, ca_file=ca_file, media="none") as bob,
    ):
        await bob.register()
        rings = bob.wait_for("incoming", timeout=10)
        call = await alice.connect(params={"To": "bob"})
        ringing = call.wait_for("ringing", timeout=10)  # brings the sid, perhaps after bob has been rung
        incoming = await rings
        await ringing
        got = incoming.wait_for("messageReceived", timeout=10)
        leg = call.parameters["CallSid"]
        sent = (await midcall(server, "messages", "send", leg, '{"n": 1}', "--to-identity", "bob")).strip()
        assert ((await got).voice_event_sid, (await got).content) == (sent, {"n": 1})
        said = incoming.wait_for("messageSent", timeout=10)
        status, body = await ask(
            customer, "POST", f"Calls/{leg}/UserDefinedMessageSubscriptions.json",
            Callback=f"{customer.url}/messages", Identity="bob",
        )  # fmt: skip
        assert (status, body["call_sid"]) == (201, incoming.parameters["CallSid"])
        incoming.send_message({"n": 2})
        await said
        (heard,) = await customer.asked("messages")
        assert heard["CallSid"] == incoming.parameters["CallSid"]
        status, body = await ask(customer, "POST", f"Calls/{leg}/UserDefinedMessages.json", Content="1", Identity="eve")
        assert (status, body["code"]) == (400, 21220)
        assert f"{incoming.parameters['CallSid']} (bob)" in body["message"]


async def test_events_are_what_the_application_was_asked(server: Server, customer: Customer) -> None:
    async with open_call(customer) as call:
        leg = call.parameters["CallSid"]
        await customer.subscribe(leg)
        await customer.asked("messages", Sid=str(call.send_message({"a": ["ä", 1.50]})))
        _, body = await ask(customer, "GET", f"Calls/{leg}/Events.json")
    told = [
        (event["request"]["url"].removeprefix(f"{customer.url}/"), event["request"]["parameters"])
        for event in body["events"]
    ]
    heard = [
        (hook.path, {snake_case(name): value for name, value in hook.fields.items()})
        for hook in customer.hooks
        if hook.fields["CallSid"] == leg
    ]
    assert told == heard[: len(told)] and {path for path, _ in told} >= {"voice", "messages"}
    (voice, *_) = body["events"]
    assert voice["response"]["content_type"].startswith("text/xml")
    assert voice["response"]["response_body"].startswith("<Response>")


async def test_a_call_is_told_from_both_sides(server: Server, customer: Customer) -> None:
    async with open_call(customer) as call:
        leg = call.parameters["CallSid"]
        subscription = await customer.subscribe(leg)
        got = call.wait_for("messageReceived", timeout=10)
        sent = (await midcall(server, "messages", "send", leg, '{"n": 1}')).strip()
        await got
        received = await state_of(customer, leg, sent, "received")
        times = [received[f"{name}_at"] for name in ("accepted", "stored", "written", "received")]
        assert times == sorted(times) and None not in times
        said = str(call.send_message({"n": 2}))
        await customer.asked("messages", Sid=said)
        delivered = await state_of(customer, leg, said, "delivered")
        assert delivered["written_at"] <= delivered["delivered_at"]
        assert {row["sid"] for row in await rows(server, "messages", "list", "--call", leg)} == {sent, said}
        shown = await midcall(server, "messages", "show", leg, said)
        assert '{"n":2}' in shown and "delivered, attempts 1, last answer 204" in shown
        (delivery,) = await rows(server, "deliveries", "list", leg)
        assert (delivery["message_sid"], delivery["state"], delivery["attempts"]) == (said, "delivered", 1)
        (lane,) = await rows(server, "subscriptions", "list", "--call", leg)
        assert (lane["sid"], lane["delivered_up_to"]) == (subscription, "1")
    exported = [json.loads(line) for line in (await midcall(server, "messages", "export")).splitlines()]
    assert {row["sid"] for row in exported} == {sent, said}


async def test_messages_are_told_as_they_come(server: Server, customer: Customer) -> None:
    async with open_call(customer) as call:
        leg = call.parameters["CallSid"]
        tail = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "midcall", "messages", "tail", "--json", "--data-dir", str(server.data_dir),
            env=ENVIRONMENT, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert tail.stdout is not None
        try:
            async with asyncio.timeout(20):
                line = asyncio.ensure_future(tail.stdout.readline())
                while not line.done():  # what was said before it listened is not told
                    call.send_message("hello")
                    await asyncio.wait([line], timeout=0.2)
                assert json.loads(await line)["call_sid"] == leg
        finally:
            tail.terminate()
            await tail.wait()


async def test_what_was_given_up_is_replayed_after_a_restart_with_its_own_ids(
    server: Server, customer: Customer
) -> None:
    answers = [410]
    customer.judge = lambda hook: answers[0]
    async with open_call(customer) as call:
        leg = call.parameters["CallSid"]
        await customer.subscribe(leg)
        sids = [str(call.send_message({"n": n})) for n in range(3)]
        await state_of(customer, leg, sids[0], "undelivered")
    await server.kill()
    await server.start()
    missing = await rows(server, "deliveries", "undelivered", "--call", leg)
    assert [row["message_sid"] for row in missing] == sids[::-1]
    answers[0] = 204
    (replay,) = await rows(server, "deliveries", "replay", "--undelivered", "--since", "1h")
    await customer.asked("messages", Sid=sids[-1])
    await state_of(customer, leg, sids[-1], "delivered")
    again = [hook for hook in customer.hooks if hook.path == "messages" and MARK in hook.headers]
    assert [hook["Sid"] for hook in again] == sids
    assert {hook.headers[MARK] for hook in again} == {replay["sid"]}
    first = next(hook for hook in customer.hooks if hook.path == "messages")
    assert again[0].headers[TOKEN] == first.headers[TOKEN]
    assert [row["state"] for row in await rows(server, "deliveries", "replays")] == ["done"]
    assert {row["resolved_by"] for row in await rows(server, "deliveries", "undelivered")} == {replay["sid"]}


async def test_a_replay_under_way_goes_on_after_the_server_was_killed(server: Server, customer: Customer) -> None:
    seen: list[str] = []

    def judge(hook: Hook) -> int:
        seen.append(hook["SequenceNumber"])
        return 204 if seen.count("2") > 1 or hook["SequenceNumber"] == "1" else 503

    async with open_call(customer) as call:
        leg = call.parameters["CallSid"]
        await customer.subscribe(leg)
        sids = [str(call.send_message({"n": n})) for n in range(3)]
        await customer.asked("messages", Sid=sids[-1])
        await state_of(customer, leg, sids[-1], "delivered")
    customer.judge = judge
    (replay,) = await rows(server, "deliveries", "replay", leg)
    await customer.asked("messages", count=2, Sid=sids[1])
    await server.kill()
    await server.start()
    await customer.asked("messages", count=2, Sid=sids[2], timeout=20)
    # In doubt a message is sent again, with the same ids and never after a later one.
    again = [hook["Sid"] for hook in customer.hooks if hook.headers.get(MARK) == replay["sid"]]
    assert list(dict.fromkeys(again)) == sids
    assert again == sorted(again, key=sids.index)


async def test_the_first_message_is_heard_through_the_application_and_by_who_asks_for_the_start(
    customer: Customer,
) -> None:
    application = f"Applications/{customer.credentials.application_sid}.json"
    status, _ = await ask(customer, "POST", application, MessageCallback=f"{customer.url}/messages/all")
    assert status == 200
    async with open_call(customer) as call:
        leg = call.parameters["CallSid"]
        first = str(call.send_message("first"))
        await customer.asked("messages/all", Sid=first, SequenceNumber="1")
        path = f"Calls/{leg}/UserDefinedMessageSubscriptions.json"
        status, _ = await ask(customer, "POST", path, Callback=f"{customer.url}/messages/late", ReplayFrom="start")
        assert status == 201
        await customer.asked("messages/late", Sid=first, SequenceNumber="1")


async def test_an_idempotency_key_is_honoured_by_the_next_server(server: Server, customer: Customer) -> None:
    async with open_call(customer) as call:
        leg = call.parameters["CallSid"]
        message = {"Content": '"once"', "IdempotencyKey": "k"}
        subscription = {"Callback": f"{customer.url}/messages", "IdempotencyKey": "k"}
        made = [
            await ask(customer, "POST", f"Calls/{leg}/UserDefinedMessages.json", **message),
            await ask(customer, "POST", f"Calls/{leg}/UserDefinedMessageSubscriptions.json", **subscription),
        ]
        await server.kill()
        await server.start()
        again = [
            await ask(customer, "POST", f"Calls/{leg}/UserDefinedMessages.json", **message),
            await ask(customer, "POST", f"Calls/{leg}/UserDefinedMessageSubscriptions.json", **subscription),
        ]
        assert again == made
        assert [status for status, _ in made] == [201, 201]
        message["Content"] = '"twice"'
        status, refused = await ask(customer, "POST", f"Calls/{leg}/UserDefinedMessages.json", **message)
        assert (status, refused["code"]) == (409, 20409)
        _, listed = await ask(customer, "GET", f"Calls/{leg}/UserDefinedMessages.json")
        assert len(listed["user_defined_messages"]) == 1


async def test_a_message_that_a_client_repeats_counts_once_also_after_the_server_was_killed(
    server: Server, customer: Customer
) -> None:
    tls = ssl.create_default_context(cafile=customer.credentials.ca_file)
    url = f"wss://{customer.credentials.signaling_host}/signal"
    async with open_call(customer) as call:
        leg = call.parameters["CallSid"]
        await customer.subscribe(leg)
        first = call.send_message({"n": 1})
        await first
        again = {
            "callsid": leg,
            "content": {"n": 1},
            "contenttype": "application/json",
            "messagetype": "user-defined-message",
            "voiceeventsid": str(first),
        }
        frame = json.dumps({"type": "message", "version": "1.6", "payload": again}).encode()
        call._link.transmit_encoded(frame)  # as browsers do whose ack was lost
        last = call.send_message({"n": 2})
        await last
        await customer.asked("messages", Sid=str(last))
        await state_of(customer, leg, str(last), "delivered")
        await server.kill()
        await server.start()
        # The call ended with its server, so that nobody can speak for its leg any more; the message is still one.
        async with aiohttp.ClientSession() as session, session.ws_connect(url, ssl=tls) as socket:
            listen = {"token": customer.token("alice"), "reconnectTimeout": 0}
            await socket.send_json({"type": "listen", "version": "1.6", "payload": listen})
            assert (await socket.receive_json())["type"] == "connected"
            await socket.send_str(frame.decode())
            refused = (await socket.receive_json())["payload"]
            assert (refused["error"]["code"], refused["voiceeventsid"]) == (31211, str(first))
    _, listed = await ask(customer, "GET", f"Calls/{leg}/UserDefinedMessages.json")
    assert [row["sid"] for row in listed["user_defined_messages"]] == [str(last), str(first)]
    heard = [(hook["SequenceNumber"], hook["Sid"]) for hook in customer.hooks if hook.path == "messages"]
    assert heard == [("1", str(first)), ("2", str(last))]


async def test_of_a_deleted_call_nothing_that_was_said_is_left_on_the_disk(server: Server, customer: Customer) -> None:
    async with open_call(customer) as call:
        leg = call.parameters["CallSid"]
        await customer.subscribe(leg)
        sid = str(call.send_message({"secret": "from the client"}))
        await customer.asked("messages", Sid=sid)
        received = await customer.send(leg, {"secret": "to the client"})
        await state_of(customer, leg, received, "received")
        await state_of(customer, leg, sid, "delivered")
    await customer.asked("status", CallStatus="completed")
    words = (b"from the client", b"to the client", bytes.fromhex(sid[2:]), bytes.fromhex(received[2:]))
    assert {word for word in words if word in on_disk(server)} == set(words)
    async with asyncio.timeout(10):
        while (await ask(customer, "DELETE", f"Calls/{leg}.json"))[0] != 204:  # noqa: ASYNC110  # until it is over
            await asyncio.sleep(0.02)
    assert [word for word in words if word in on_disk(server)] == []


def on_disk(server: Server) -> bytes:
    """Every byte in the server's folder, its write-ahead logs included."""
    return b"".join(path.read_bytes() for path in server.data_dir.rglob("*") if path.is_file())


async def test_a_recorded_delivery_tells_why_an_app_behind_a_proxy_refuses_it(
    server: Server, customer: Customer
) -> None:
    async with open_call(customer) as call:
        leg = call.parameters["CallSid"]
        await customer.subscribe(leg)
        sid = str(call.send_message({"a": ["ü", 1.50]}))
        (hook,) = await customer.asked("messages", Sid=sid)
        await state_of(customer, leg, sid, "delivered")
    delivery = ("doctor", "signature", "--call", leg, "--message", sid)
    # The recorded request, made again, has the signature that the app got. It is JSON, whose keys are signed.
    shown = await _doctor(server, *delivery, "--signature", hook.headers["X-Twilio-Signature"])
    assert [line.split()[1] for line in shown if line.startswith("✗")] == ["body"]
    shown = await _doctor(server, *delivery, "--url", "https://inner.test/messages")
    assert {line.split()[1] for line in shown if line.startswith("✗")} == {"scheme", "host", "port", "body"}


async def _doctor(server: Server, *arguments: str) -> list[str]:
    """What it says when something is wrong."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "midcall", *arguments, "--data-dir", str(server.data_dir)),
        env=ENVIRONMENT,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    assert process.returncode == 1
    return out.decode().splitlines()


async def test_after_a_crash_only_a_message_without_a_receipt_is_undelivered(
    server: Server, customer: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_call(customer) as call:
        leg = call.parameters["CallSid"]
        received = await customer.send(leg, 1)
        await state_of(customer, leg, received, "received")
        monkeypatch.setattr(Transport, "send", _without_echoes(Transport.send))
        got = call.wait_for("messageReceived", timeout=10)
        written = await customer.send(leg, 2)
        await got
        await state_of(customer, leg, written, "written")
        await server.kill()
    await server.start()
    await state_of(customer, leg, received, "received")
    lost = await state_of(customer, leg, written, "undelivered")
    assert lost["reason"] == "receipt unknown"
    (row,) = await rows(server, "deliveries", "undelivered", "--call", leg)
    assert (row["message_sid"], row["direction"]) == (written, "to-client")


def _without_echoes(send: Callable[..., None]) -> Callable[..., None]:
    """A client that takes frames and whose receipts get lost."""

    def send_all_else(self: Transport, frame: bytes, **how: Any) -> None:
        if frame != HEARTBEAT.encode():
            send(self, frame, **how)

    return send_all_else
