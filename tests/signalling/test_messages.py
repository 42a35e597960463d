"""Messages both ways: acks, errors, order, receipts, and clients that misbehave."""

from __future__ import annotations

import json
from typing import Any

import pytest

from midcall.core import errors
from midcall.core.errors import Refused
from midcall.core.messages import Log
from midcall.core.sids import CallSid
from midcall.ports import Invite, Nudge
from support.edge import ACCOUNT, Client, Edge, description, kx

CODES = [
    (errors.MESSAGE_TYPE_INVALID, 31210),
    (errors.MESSAGE_TOO_LARGE, 31212),
    (errors.RATE_EXCEEDED, 31206),
    (errors.CALL_NOT_ACTIVE, 31211),
    (errors.STORE_UNAVAILABLE, 31003),
]


async def say(client: Client, leg: str, number: int, content: Any = "hello", **changes: Any) -> str:
    fields = {
        "callsid": leg,
        "content": content,
        "contenttype": "application/json",
        "messagetype": "user-defined-message",
        "voiceeventsid": kx(number),
        **changes,
    }
    await client.send("message", **{name: value for name, value in fields.items() if value is not None})
    return kx(number)


async def test_a_message_is_stored_as_spelled_and_acknowledged(edge: Edge) -> None:
    client = await edge.listening()
    leg, _ = await edge.up_and_running(client)
    await client.ws.send_str(
        f'{{"payload":{{"callsid":"{leg}","content":{{"b": 1.50, "a":"я \\u00e9"}},"contenttype":"text/plain",'
        f'"messagetype":"user-defined-message","voiceeventsid":"{kx(1)}"}},"type":"message","version":"1.6"}}'
    )
    await client.expect("ack", acktype="message", callsid=leg, voiceeventsid=kx(1))
    ((account, stored_leg, message),) = edge.messages.accepted
    assert (account, stored_leg) == (ACCOUNT, leg)
    assert message.content == '{"b":1.50,"a":"я \\u00e9"}'.encode()
    assert (message.sid, message.content_type, message.message_type) == (kx(1), "text/plain", "user-defined-message")


async def test_the_ack_waits_for_the_store_and_later_messages_do_not_overtake(edge: Edge) -> None:
    client = await edge.listening()
    leg, _ = await edge.up_and_running(client)
    edge.messages.gate.clear()
    for number in range(1, 11):
        await say(client, leg, number, content=number)
    await edge.until(lambda: len(edge.messages.accepted) == 10)
    await client.nothing_more()
    assert [json.loads(message.content) for _, _, message in edge.messages.accepted] == list(range(1, 11))
    edge.messages.gate.set()
    for number in range(1, 11):
        await client.expect("ack", voiceeventsid=kx(number))


async def test_a_stuck_store_stops_the_reading_and_not_the_heart(make_edge: Any) -> None:
    edge = await make_edge(messages_in_flight=3)
    client = await edge.listening()
    other = await edge.listening()
    leg, _ = await edge.up_and_running(client)
    edge.messages.gate.clear()
    for number in range(1, 9):
        await say(client, leg, number)
    await edge.until(lambda: len(edge.messages.accepted) == 3)
    await other.nothing_more()
    for beats in range(5):  # echoes cannot be read now, so they are not missed
        edge.clock.advance(8)
        await edge.until(lambda beats=beats: client.heartbeats > beats)
        await other.nothing_more()
    assert len(edge.messages.accepted) == 3
    edge.messages.gate.set()
    for number in range(1, 9):
        await client.expect("ack", voiceeventsid=kx(number))


@pytest.mark.parametrize(("rule", "code"), CODES)
async def test_a_refused_message_gets_an_error_with_both_ids(edge: Edge, rule: errors.Rule, code: int) -> None:
    client = await edge.listening()
    leg, _ = await edge.up_and_running(client)
    edge.messages.refusal = Refused(rule)
    await say(client, leg, 1)
    payload = await client.expect("error", callsid=leg, voiceeventsid=kx(1))
    assert payload["error"] == {"code": code, "message": rule.text}


async def test_a_bug_behind_a_message_is_no_traceback(edge: Edge, caplog: pytest.LogCaptureFixture) -> None:
    client = await edge.listening()
    leg, _ = await edge.up_and_running(client)
    edge.messages.refusal = ZeroDivisionError("inside")
    await say(client, leg, 1, content="private words")
    assert (await client.expect("error", callsid=leg, voiceeventsid=kx(1)))["error"]["code"] == 31000
    assert "inside" not in "".join(client.texts)
    assert "private words" not in caplog.text


async def test_a_message_to_a_leg_that_is_not_ones_own_is_refused_with_both_ids(edge: Edge) -> None:
    alice, mallory = await edge.listening("alice"), await edge.listening("mallory")
    leg, _ = await edge.up_and_running(alice)
    await say(mallory, leg, 1)
    assert (await mallory.expect("error", callsid=leg, voiceeventsid=kx(1)))["error"]["code"] == 31211
    edge.hub.hangup(leg)
    await alice.expect("hangup")
    await say(alice, leg, 2)
    assert (await alice.expect("error", callsid=leg, voiceeventsid=kx(2)))["error"]["code"] == 31211
    assert not edge.messages.accepted


@pytest.mark.parametrize("changes", [{"messagetype": 7}, {"messagetype": None}, {"callsid": ["x"]}])
async def test_a_malformed_message_is_told_so_and_the_session_lives(edge: Edge, changes: dict[str, Any]) -> None:
    client = await edge.listening()
    leg, _ = await edge.up_and_running(client)
    await say(client, leg, 1, **changes)
    assert (await client.expect("error", voiceeventsid=kx(1)))["error"]["code"] == 31100
    await say(client, leg, 2)
    await client.expect("ack", voiceeventsid=kx(2))


async def test_the_error_about_a_malformed_message_comes_again_until_it_is_receipted(edge: Edge) -> None:
    client = await edge.listening()
    leg, token = await edge.up_and_running(client)
    client.echoes = False
    await say(client, leg, 1, messagetype=7)
    await client.expect("error", callsid=leg, voiceeventsid=kx(1))
    await client.drop()
    await edge.until(lambda: edge.heard("away"))
    back = await edge.listening()
    await back.send("invite", callsid=leg, reconnect=token, sdp=description(), twilio={})
    await back.expect("answer")
    await back.expect("error", callsid=leg, voiceeventsid=kx(1))


@pytest.mark.parametrize("text", ["", "x", "{}", "[]", '{"type":"listen","payload":null}', "[" * 9000, "\r\n"])
async def test_a_malformed_frame_is_told_so_and_the_session_lives(edge: Edge, text: str) -> None:
    client = await edge.listening()
    await client.ws.send_str(text)
    assert (await client.expect("error"))["error"]["code"] == 31100
    await client.nothing_more()


async def test_a_binary_frame_is_malformed(edge: Edge) -> None:
    client = await edge.listening()
    await client.ws.send_bytes(b"\x00\x01")
    assert (await client.expect("error"))["error"]["code"] == 31100


async def test_a_frame_of_256_kib_is_read_and_a_larger_one_ends_only_its_socket(edge: Edge) -> None:
    client, other = await edge.listening(), await edge.listening()
    leg, _ = await edge.up_and_running(client)
    frame = json.dumps(
        {
            "payload": {
                "callsid": leg,
                "content": "@",
                "messagetype": "user-defined-message",
                "voiceeventsid": kx(1),
            },
            "type": "message",
        }
    )
    exact = frame.replace("@", "x" * (256 * 1024 - len(frame) + 1))
    assert len(exact) == 256 * 1024
    await client.ws.send_str(exact)
    await client.expect("ack", voiceeventsid=kx(1))
    await client.ws.send_str(exact + " ")
    assert await client.ended() == 1009
    await edge.until(lambda: edge.hub.counters.oversized == 1)
    await other.nothing_more()
    await edge.until(lambda: edge.heard("away"))


async def test_what_was_sent_before_a_hangup_still_belongs_to_the_call(edge: Edge) -> None:
    client = await edge.listening()
    leg, _ = await edge.up_and_running(client)
    edge.messages.gate.clear()
    await say(client, leg, 1)
    await client.send("hangup", callsid=leg)
    await edge.until(lambda: edge.messages.accepted)
    await edge.clock.settle()
    assert not edge.heard("hung_up")
    edge.messages.gate.set()
    await client.expect("ack", voiceeventsid=kx(1))
    await edge.until(lambda: edge.heard("hung_up"))


async def test_a_message_whose_leg_ended_meanwhile_is_still_acknowledged(edge: Edge) -> None:
    client = await edge.listening()
    leg, _ = await edge.up_and_running(client)
    edge.messages.gate.clear()
    await say(client, leg, 1)
    await edge.until(lambda: edge.messages.accepted)
    edge.hub.hangup(leg)
    await client.expect("hangup")
    edge.messages.gate.set()
    await client.expect("ack", voiceeventsid=kx(1))


# to the client


async def test_messages_to_the_client_come_in_order_and_echoes_are_their_receipts(edge: Edge) -> None:
    client = await edge.listening()
    leg, _ = await edge.up_and_running(client)
    edge.messages.add(leg, '{"n":1.0,"я":"я"}')
    edge.messages.add(leg, "2")
    first = await client.expect("message", callsid=leg, voiceeventsid=kx(1), content={"n": 1.0, "я": "я"})
    assert (first["contenttype"], first["messagetype"]) == ("application/json", "user-defined-message")
    assert '"content":{"n":1.0,"я":"я"}' in client.texts[-1] + client.texts[-2]
    await client.expect("message", voiceeventsid=kx(2), content=2)
    await edge.until(lambda: edge.messages.receipts)
    assert edge.messages.receipts[-1] == (leg, edge.hub.reader(leg), 2)


async def test_without_an_echo_nothing_is_receipted(edge: Edge) -> None:
    client = await edge.listening()
    leg, _ = await edge.up_and_running(client)
    client.echoes = False
    edge.messages.add(leg, "1")
    await client.expect("message")
    await edge.until(lambda: client.heartbeats)
    await client.nothing_more()
    assert not edge.messages.receipts
    await client.ws.send_str("\n")
    await client.nothing_more()
    await client.ws.send_str("\n")  # nobody asked for this one
    await client.nothing_more()
    assert [seq for _, _, seq in edge.messages.receipts] == [1]


async def test_echoes_that_nobody_asked_for_are_slowed_down_like_frames(make_edge: Any) -> None:
    edge = await make_edge(frames_per_second=10)
    client = await edge.listening()
    for _ in range(20):
        await client.ws.send_str("\n")
    await client.send("register", media={"audio": False})
    other = await edge.listening()
    await other.nothing_more()
    assert client.frames.empty()
    edge.clock.advance(1)
    edge.clock.advance(1)
    await edge.until(lambda: edge.clock.advance(0.2) or not client.frames.empty())
    await client.expect("offline")


async def test_messages_wait_until_the_client_knows_the_sid(edge: Edge) -> None:
    client = await edge.listening()
    await client.send("invite", callsid="TJS1", sdp=description(), twilio={})
    await edge.until(lambda: edge.calls.placed)
    leg = edge.calls.placed[0].sid
    edge.messages.add(leg, "1")
    await edge.clock.settle()
    await client.nothing_more()
    edge.hub.ringing(leg, None)
    await client.expect("ringing")
    await client.expect("message", content=1)


async def test_every_device_that_rings_has_its_own_reader(edge: Edge) -> None:
    leg = CallSid("CA" + "c" * 32)
    edge.messages.add(leg, "1")
    clients = [await edge.registered("bob") for _ in range(2)]
    devices = edge.hub.registered(ACCOUNT, "bob")
    for client, device in zip(clients, devices, strict=True):
        edge.hub.invite(device, Invite(leg=leg, sdp="v=offer", parameters={}))
        await client.expect("invite")
        await client.expect("message", content=1)
    edge.messages.add(leg, "2")
    for client in clients:
        await client.expect("message", content=2)
    await edge.until(lambda: {(leg, device, 2) for device in devices} <= set(edge.messages.receipts))


async def test_a_slow_client_has_only_a_window_of_messages_in_memory(make_edge: Any) -> None:
    edge = await make_edge(unreceipted_messages=4)
    client = await edge.listening()
    leg, _ = await edge.up_and_running(client)
    client.echoes = False
    for number in range(1, 11):
        edge.messages.add(leg, str(number))
    for number in range(1, 5):
        await client.expect("message", content=number)
    await edge.until(lambda: client.heartbeats)
    reads = edge.messages.reads
    edge.messages.add(leg, "11")
    await client.nothing_more()
    assert edge.messages.reads == reads  # nothing can be sent, so nothing is read
    client.echoes = True
    for _ in range(client.heartbeats):
        await client.ws.send_str("\n")
    for number in range(5, 12):
        await client.expect("message", content=number)
    await edge.until(lambda: edge.messages.receipts and edge.messages.receipts[-1][2] == 11)


async def test_a_lost_nudge_costs_one_sweep(edge: Edge) -> None:
    client = await edge.listening()
    leg, _ = await edge.up_and_running(client)
    edge.messages.add(leg, "1", nudge=False)
    for beats in range(4):
        edge.clock.advance(8)
        await edge.until(lambda beats=beats: client.heartbeats > beats)
        await client.ws.ping()
        await edge.clock.settle()
    await client.expect("message", content=1)


async def test_a_store_that_cannot_be_read_is_asked_again(edge: Edge) -> None:
    client = await edge.listening()
    leg, _ = await edge.up_and_running(client)
    edge.messages.read_error = Refused(errors.STORE_UNAVAILABLE)
    reads = edge.messages.reads
    edge.messages.add(leg, "1")
    await edge.until(lambda: edge.messages.reads > reads)
    await edge.clock.settle()
    edge.messages.read_error = None
    edge.clock.advance(1)
    await client.expect("message", content=1)


async def test_nudges_about_other_logs_and_legs_read_nothing(edge: Edge) -> None:
    client = await edge.listening()
    leg, _ = await edge.up_and_running(client)
    await edge.clock.settle()
    reads = edge.messages.reads
    edge.bus.nudge(Nudge(leg, Log.FROM_CLIENT))
    edge.bus.nudge(Nudge(CallSid("CA" + "e" * 32), Log.TO_CLIENT))
    await edge.clock.settle()
    assert edge.messages.reads == reads


async def test_a_slow_reader_is_dropped_and_nobody_else_waits(make_edge: Any) -> None:
    edge = await make_edge(queued_bytes=64 * 1024, unreceipted_messages=10_000)
    slow, other = await edge.listening("alice"), await edge.listening("bob")
    leg, _ = await edge.up_and_running(slow)
    transport = slow.ws._response.connection.transport
    transport.pause_reading()
    edge.messages.add(leg, json.dumps("x" * 9000), nudge=False)
    for _ in range(3000):  # far more than kernel buffers take
        edge.messages.add(leg, json.dumps("x" * 9000), nudge=False)
    edge.messages._bus.nudge(Nudge(leg, Log.TO_CLIENT))
    await edge.until(lambda: edge.heard("away"))
    assert edge.hub.counters.slow_readers == 1
    await other.nothing_more()
    transport.resume_reading()


async def test_a_client_that_is_too_fast_is_read_more_slowly_and_loses_nothing(make_edge: Any) -> None:
    edge = await make_edge(frames_per_second=20)
    client = await edge.listening()
    leg, _ = await edge.up_and_running(client)
    for number in range(1, 41):
        await say(client, leg, number)
    other = await edge.listening()
    await edge.until(lambda: len(edge.messages.accepted) == 18)  # `listen` and `invite` were frames too
    await other.nothing_more()
    assert len(edge.messages.accepted) == 18
    edge.clock.advance(0.5)
    await edge.until(lambda: len(edge.messages.accepted) > 18)
    await other.nothing_more()
    assert len(edge.messages.accepted) < 40
    edge.clock.advance(1)
    await edge.until(lambda: len(edge.messages.accepted) >= 39)
    edge.clock.advance(1)
    for number in range(1, 41):
        await client.expect("ack", voiceeventsid=kx(number))
