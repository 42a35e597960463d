"""The SDK against a real `midcall serve`: two devices, whole calls, lost sockets. No media, so that it is quick."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator

import pytest
from cables import Cable

from midcall.folder import Credentials, ServerInfo
from midcall.sdk import Call, Device, VoiceError
from support.served import World, cut, living, serving


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ServerInfo, Credentials]]:
    """A server for all tests of this file; each makes a TwiML application of its own."""
    with serving(tmp_path_factory.mktemp("server"), "media_engine=none") as served:
        yield served


@pytest.fixture
async def world(served: tuple[ServerInfo, Credentials]) -> AsyncIterator[World]:
    async with living(served) as world:
        yield world


async def test_a_call_is_placed_answered_and_hung_up_by_the_callee(world):
    call, rung = await world.ringing()
    assert call.status() == "ringing"
    assert (rung.status(), rung.parameters["From"]) == ("pending", "client:alice")
    assert rung.custom_parameters == {"note": "a + b & c"}
    accepted = call.wait_for("accept", timeout=10)
    rung.accept()
    await accepted
    over = call.wait_for("disconnect", timeout=10)
    rung.disconnect()
    await over
    assert await asyncio.wait_for(world.statuses.get(), 10) == "completed"


async def test_another_device_takes_a_ringing_call_over(world):
    call, rung = await world.ringing()
    cancelled, accepted = rung.wait_for("cancel", timeout=10), call.wait_for("accept", timeout=10)
    taken = await world.device(world.callee).connect(connect_token=rung.connect_token)
    await asyncio.gather(taken.wait_for("accept", timeout=10), cancelled, accepted)
    assert (taken.parameters, taken.custom_parameters) == (rung.parameters, rung.custom_parameters)
    received = taken.wait_for("messageReceived", timeout=10)
    sid = taken.parameters["CallSid"]
    assert (await world.post(f"/Calls/{sid}/UserDefinedMessages.json", Content='{"for":"the taker"}'))[0] == 201
    assert (await received).content == {"for": "the taker"}
    over = taken.wait_for("disconnect", timeout=10)
    call.disconnect()
    await over


async def test_a_stranger_takes_no_ringing_call_over(world):
    call, rung = await world.ringing()
    stranger = await world.device("mallory").connect(connect_token=rung.connect_token)
    refused: VoiceError = await stranger.wait_for("error", timeout=10)
    assert refused.code == 31209
    assert (call.status(), rung.status()) == ("ringing", "pending")


@pytest.mark.parametrize(("stir", "verified"), [("TN-Validation-Passed-A", True), ("No-TN-Validation", False)])
async def test_a_call_by_way_of_a_phone_number_says_whether_its_caller_is_verified(world, stir, verified):
    status, number = await world.post("/IncomingPhoneNumbers.json", AreaCode="212", VoiceUrl=f"{world.url}/voice")
    assert status == 201
    _, caller = await world.post("/IncomingPhoneNumbers.json", AreaCode="212", StirStatus=stir)
    world.by_way_of = caller["phone_number"], number["phone_number"]
    call, rung = await world.open()
    assert rung.parameters["From"] == caller["phone_number"]
    assert rung.caller_info.is_verified is verified
    assert call.caller_info is None
    over = rung.wait_for("disconnect", timeout=10)
    call.disconnect()
    await over
    assert await asyncio.wait_for(world.statuses.get(), 10) == "completed"


async def test_the_caller_hangs_up_and_the_callee_is_told(world):
    call, rung = await world.open()
    over = rung.wait_for("disconnect", timeout=10)
    call.disconnect()
    await over


async def test_a_caller_who_gives_up_cancels_the_ringing(world):
    call, rung = await world.ringing()
    cancelled = rung.wait_for("cancel", timeout=10)
    call.disconnect()
    await cancelled


async def test_a_rejected_call_is_busy_for_the_caller(world):
    call, rung = await world.ringing()
    over = call.wait_for("disconnect", timeout=10)
    rung.reject()
    await over
    assert await asyncio.wait_for(world.statuses.get(), 10) == "busy"


async def test_an_ignored_call_rings_on_and_may_be_answered_elsewhere(world):
    call, rung = await world.ringing()
    rung.ignore()
    elsewhere = world.device(world.callee)
    again = elsewhere.wait_for("incoming", timeout=10)
    await elsewhere.register()
    other: Call = await again
    assert other.parameters["CallSid"] == rung.parameters["CallSid"]
    taken_back, accepted = rung.wait_for("cancel", timeout=10), call.wait_for("accept", timeout=10)
    other.accept()
    await accepted
    await taken_back


async def test_messages_go_both_ways_on_both_legs(world):
    ends = await world.open()
    for call in ends:
        sid = call.parameters["CallSid"]
        subscriptions = f"/Calls/{sid}/UserDefinedMessageSubscriptions.json"
        assert (await world.post(subscriptions, Callback=f"{world.url}/messages", Method="POST"))[0] == 201
        sent = call.send_message({"text": "héllo", "n": [1, 2.50]})
        await asyncio.wait_for(sent, 10)
        callback = await asyncio.wait_for(world.callbacks.get(), 10)
        assert (callback["Sid"], callback["CallSid"], callback["SequenceNumber"]) == (sent, sid, "1")
        assert callback["Content"] == '{"text":"héllo","n":[1,2.5]}'

        received = call.wait_for("messageReceived", timeout=10)
        status, made = await world.post(f"/Calls/{sid}/UserDefinedMessages.json", Content='{"reply": "ja"}')
        assert status == 201
        message = await received
        assert (message.voice_event_sid, message.content) == (made["sid"], {"reply": "ja"})


async def test_messages_go_both_ways_on_a_leg_that_rings(world):
    _, rung = await world.ringing()
    sid = rung.parameters["CallSid"]
    subscriptions = f"/Calls/{sid}/UserDefinedMessageSubscriptions.json"
    assert (await world.post(subscriptions, Callback=f"{world.url}/messages", Method="POST"))[0] == 201
    received = rung.wait_for("messageReceived", timeout=10)
    assert (await world.post(f"/Calls/{sid}/UserDefinedMessages.json", Content='"hi"'))[0] == 201
    assert (await received).content == "hi"
    sent = rung.send_message({"a": "ho"})
    await asyncio.wait_for(sent, 10)
    callback = await asyncio.wait_for(world.callbacks.get(), 10)
    assert (callback["Sid"], callback["CallSid"], callback["Content"]) == (sent, sid, '{"a":"ho"}')
    assert rung.status() == "pending"


@pytest.mark.parametrize(
    ("content", "kind", "code"),
    [("x", "no-such-type", 31210), ("x" * 60_000, "user-defined-message", 31212)],
    ids=["type", "size"],
)
async def test_a_message_that_the_server_refuses_fails_with_its_code(world, content, kind, code):
    call, _ = await world.open()
    with pytest.raises(VoiceError) as raised:
        await asyncio.wait_for(call.send_message(content, message_type=kind), 10)
    assert raised.value.code == code


async def test_a_call_and_its_messages_survive_a_cut_socket(world):
    call, rung = await world.open()
    device = world.devices[-1]
    device.on("error", lambda error: None)
    sid = call.parameters["CallSid"]
    await world.post(f"/Calls/{sid}/UserDefinedMessageSubscriptions.json", Callback=f"{world.url}/messages")
    heard = []
    call.on("messageReceived", lambda message: heard.append(message.content))
    reconnecting, reconnected = call.wait_for("reconnecting", timeout=10), call.wait_for("reconnected", timeout=10)
    before = [call.send_message({"n": n}) for n in range(5)]
    cut(device)
    await reconnecting
    during = [call.send_message({"n": n}) for n in range(5, 10)]
    for n in range(3):
        assert (await world.post(f"/Calls/{sid}/UserDefinedMessages.json", Content=json.dumps(n)))[0] == 201
    await reconnected
    for message in (*before, *during):
        await asyncio.wait_for(message, 10)
    callbacks = [await asyncio.wait_for(world.callbacks.get(), 10) for _ in range(10)]
    assert [callback["Sid"] for callback in callbacks] == [*before, *during]
    assert [callback["SequenceNumber"] for callback in callbacks] == [str(n) for n in range(1, 11)]
    last = call.wait_for("messageReceived", where=lambda message: message.content == "last", timeout=10)
    await world.post(f"/Calls/{sid}/UserDefinedMessages.json", Content='"last"')
    await last
    assert heard == [0, 1, 2, "last"]
    over = rung.wait_for("disconnect", timeout=10)
    call.disconnect()
    await over


async def test_the_called_side_survives_a_cut_socket_and_is_registered_again(world):
    call, rung = await world.open()
    bob = world.devices[0]
    bob.on("error", lambda error: None)
    reconnected, registered = rung.wait_for("reconnected", timeout=10), bob.wait_for("registered", timeout=10)
    cut(bob)
    await reconnected
    await registered
    assert rung.status() == "open"
    over = call.wait_for("disconnect", timeout=10)
    rung.disconnect()
    await over


async def test_a_new_token_leaves_calls_alone(world):
    call, _ = await world.open()
    device = world.devices[-1]
    device.update_token(device.token)
    await asyncio.wait_for(call.send_message("still here"), 10)
    assert call.status() == "open"


async def test_a_forged_token_is_refused(world):
    device = world.device("mallory", secret="0" * 32)
    device.on("error", lambda error: None)
    with pytest.raises(VoiceError) as raised:
        await asyncio.wait_for(device.register(), 10)
    assert raised.value.code == 31202


async def test_a_token_without_identity_calls_and_may_not_register(world):
    nobody = world.device(None)
    nobody.on("error", lambda error: None)
    with pytest.raises(VoiceError):
        await asyncio.wait_for(nobody.register(), 10)
    bob = world.device(world.callee)
    await bob.register()
    incoming = bob.wait_for("incoming", timeout=10)
    await nobody.connect()
    assert (await incoming).parameters["From"] == "client:anonymous"


async def test_nobody_at_home_is_no_answer(world):
    call = await world.device("alice").connect()
    await call.wait_for("disconnect", timeout=10)
    assert await asyncio.wait_for(world.statuses.get(), 10) == "no-answer"


async def test_feedback_on_both_legs_is_shown_by_rest(world):
    ends = await world.open()
    for call, score, issue in zip(ends, (2, 5), ("echo", None), strict=True):
        await call.post_feedback(score, issue)
    for call, score, issues in zip(ends, (2, 5), (["echo"], []), strict=True):
        status, feedback = await world.get(f"/Calls/{call.parameters['CallSid']}/Feedback.json")
        assert (status, feedback["quality_score"], feedback["issues"]) == (200, score, issues)


async def test_feedback_may_come_when_call_and_device_are_gone_and_the_last_word_counts(world):
    call, rung = await world.open()
    over = rung.wait_for("disconnect", timeout=10)
    call.disconnect()
    await over
    await world.devices[-1].destroy()
    path = f"/Calls/{call.parameters['CallSid']}/Feedback.json"
    await call.post_feedback()
    assert (await world.get(path))[0] == 404
    await call.post_feedback(1, "dropped-call")
    await call.post_feedback(4)
    feedback = (await world.get(path))[1]
    assert (feedback["quality_score"], feedback["issues"]) == (4, [])


async def test_a_destroyed_device_leaves_no_connection_behind_that_still_waits_for_a_server_out_of_reach(world):
    async with Cable(world.info.port) as cable:
        device = Device(world.device(world.callee).token, host=f"localhost:{cable.port}", tls=world.tls, media="none")
        await device.register()
        transport = device._signalling._transport._ws._response.connection.transport
        raw = transport.get_extra_info("socket")
        cable.freeze()
        await device.destroy()
        assert raw.fileno() == -1
