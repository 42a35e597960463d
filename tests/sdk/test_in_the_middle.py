"""What applications do in the middle of something: in handlers, while they wait, after the end, in another loop."""

from __future__ import annotations

import asyncio
import gc

import msgspec
import pytest

from midcall.sdk import (
    Call,
    Device,
    InvalidArgumentError,
    InvalidStateError,
    RtcConfiguration,
    VoiceError,
    WavFile,
    sync,
)
from midcall.sdk import messages as sdk_messages
from midcall.sdk import transport as sdk_transport
from midcall.wire import signal
from support.scripted_server import CALL, MESSAGE, OTHER, opened, rung

DECLINED = signal.Fault(code=31002, message="no")

# ----------------------------------------------------------------------------------------------------------- handlers


async def test_a_call_is_accepted_and_written_to_in_its_incoming_handler(registered):
    device, connection = await registered()

    def take(call):
        call.on("accept", lambda call: call.send_message("hello"))
        call.accept()

    device.on("incoming", take)
    await rung(device, connection)
    await connection.expect(signal.ClientAnswer)
    assert (await connection.expect(signal.Message)).content == msgspec.Raw(b'"hello"')


@pytest.mark.parametrize(
    ("event", "frames"),
    [
        ("ringing", [signal.Ringing(call_sid=CALL, sdp="early")]),
        ("accept", [signal.ServerAnswer(call_sid=CALL, sdp="answer", reconnect="first")]),
        (
            "error",
            [signal.Ringing(call_sid=CALL), signal.Hangup(call_sid=CALL, error=DECLINED)],
        ),
    ],
)
async def test_a_handler_may_hang_up_and_disconnect_comes_once(event, frames, registered):
    device, connection = await registered()
    call = await device.connect()
    seen = []
    call.on(event, lambda *_: call.disconnect())
    call.on("disconnect", lambda _: seen.append(device.is_busy))
    over = call.wait_for("disconnect", timeout=5)
    await connection.expect(signal.ClientInvite)
    await connection.send(*frames)
    await over
    assert (call.status(), seen) == ("closed", [False])


async def test_an_echo_in_message_received_answers_each_message(registered):
    device, connection = await registered()
    call = await opened(device, connection)
    call.on("messageReceived", lambda message: call.send_message(message.content))
    for number in range(3):
        sid = f"KX{number:032x}"
        await connection.send(
            signal.Message(call_sid=CALL, message_sid=sid, content=msgspec.Raw(b"%d" % number), **signal_kind())
        )
        assert (await connection.expect(signal.Message)).content == msgspec.Raw(b"%d" % number)


def signal_kind() -> dict[str, str]:
    return {"message_type": "user-defined-message", "content_type": "application/json"}


async def test_a_device_is_destroyed_in_a_handler_that_comes_to_its_own_end(registered):
    device, connection = await registered()
    call = await opened(device, connection)
    ended = asyncio.get_running_loop().create_future()

    async def end(_):
        await device.destroy()
        ended.set_result(device.state)

    call.on("disconnect", end)
    await connection.send(signal.Hangup(call_sid=CALL))
    async with asyncio.timeout(5):
        assert await ended == "destroyed"
        await device.destroy()


async def test_handlers_and_predicates_that_raise_stop_nobody(registered, caplog):
    device, connection = await registered()
    call = await opened(device, connection)

    def fail(*_):
        raise RuntimeError("mine")

    async def fail_later(*_):
        fail()

    call.on("error", fail)
    call.on("error", fail_later)
    wrong = call.wait_for("error", where=fail)
    over = call.wait_for("disconnect", timeout=5)
    await connection.send(signal.Hangup(call_sid=CALL, error=signal.Fault(code=31005, message="")))
    assert await over is call
    with pytest.raises(RuntimeError, match="mine"):
        await wrong
    await device.destroy()
    assert caplog.text.count("a handler of 'error' failed") == 2


async def test_accepting_makes_way_for_what_handlers_of_the_old_call_decide(registered):
    device, connection = await registered(allow_incoming_while_busy=True)
    call = await opened(device, connection)
    pending = await rung(device, connection, call_sid=OTHER)
    call.on("disconnect", lambda _: pending.reject())
    pending.accept()
    assert (call.status(), pending.status(), device.is_busy) == ("closed", "closed", False)

    call = await opened_again(device, connection)
    first, second = [await rung(device, connection, call_sid="CA" + letter * 32) for letter in "cd"]
    call.on("disconnect", lambda _: second.accept())
    first.accept()
    assert (call.status(), second.status(), first.status()) == ("closed", "closed", "open")


async def opened_again(device, connection):
    call = await device.connect()
    accepted = call.wait_for("accept", timeout=5)
    while not isinstance(signal.decode_client(await connection.text() or ""), signal.ClientInvite):
        pass
    await connection.send(signal.ServerAnswer(call_sid=CALL, sdp="answer", reconnect="first"))
    await accepted
    return call


# -------------------------------------------------------------------------------------------- waits that are given up


async def test_a_connect_that_is_cancelled_places_no_call(server, make_device):
    device = make_device()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(device.connect(), 0.05)
    assert not device.is_busy
    connection = await server.connection()
    await connection.connected()
    call = await asyncio.wait_for(device.connect(params={"To": "bob"}), 5)
    assert (await connection.expect(signal.ClientInvite)).call_sid == call.outbound_connection_id


async def test_a_register_that_is_cancelled_goes_on_in_the_background(server, make_device):
    device = make_device()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(device.register(), 0.05)
    assert device.state == "registering"
    registered = device.wait_for("registered", timeout=5)
    await (await server.connection()).registered()
    await registered


async def test_a_wait_that_is_cancelled_is_forgotten(registered):
    device, _ = await registered()
    for _ in range(100):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(device.wait_for("incoming", timeout=3600), 0)
    await asyncio.sleep(0)
    assert device._waiters["incoming"] == []


async def test_a_destroy_that_is_cancelled_is_carried_through(registered):
    device, connection = await registered()
    ending = asyncio.create_task(device.destroy())
    await asyncio.sleep(0)
    ending.cancel()
    await asyncio.gather(ending, return_exceptions=True)
    assert await connection.text() is None
    await device.destroy()
    assert device._signalling._transport._task.done()


async def test_a_call_that_is_accepted_while_another_is_placed_wins(server, make_device):
    device = make_device(allow_incoming_while_busy=True)
    registration = asyncio.create_task(device.register())
    connection = await server.connection()
    await connection.registered()
    await registration
    device._signalling._registration.connected = False  # as between two sockets
    placing = asyncio.create_task(device.connect())
    pending = await rung(device, connection)
    pending.accept()
    device._signalling._resolve("connected")
    with pytest.raises(InvalidStateError, match="already active"):
        await placing
    assert (pending.status(), device.is_busy) == ("open", True)


# ------------------------------------------------------------------------------------------------------ after the end


@pytest.mark.parametrize("event", ["accept", "disconnect", "messageSent", "messageReceived", "cancel", "error"])
async def test_waiting_for_what_cannot_come_any_more_fails_at_once(event, registered):
    device, connection = await registered()
    call = await opened(device, connection)
    call.disconnect()
    with pytest.raises(InvalidStateError, match="ended"):
        await call.wait_for(event)


async def test_waits_for_what_comes_after_the_end_last_as_long_as_it_can_come(registered):
    device, connection = await registered()
    call = await opened(device, connection)
    sent = call.send_message("last words")
    call.disconnect()
    judged, received = call.wait_for("messageSent"), call.wait_for("messageReceived")
    await connection.send(signal.Ack(call_sid=CALL, message_sid=str(sent)))
    assert (await judged).content == "last words"
    with pytest.raises(InvalidStateError, match="ended"):
        await received


async def test_messages_that_nobody_heard_are_heard_after_the_end(registered):
    device, connection = await registered()
    call = await opened(device, connection)
    over = call.wait_for("disconnect", timeout=5)
    message = signal.Message(call_sid=CALL, message_sid=MESSAGE, content=msgspec.Raw(b"1"), **signal_kind())
    await connection.send(message, signal.Hangup(call_sid=CALL))
    await over
    assert (await call.wait_for("messageReceived")).content == 1


async def test_an_ignored_call_whose_socket_is_lost_is_waited_for_no_more(registered):
    device, connection = await registered()
    call = await rung(device, connection)
    call.ignore()
    cancelled = call.wait_for("cancel")
    await connection.close()
    with pytest.raises(InvalidStateError, match="ended"):
        await cancelled


async def test_a_destroyed_device_lets_nobody_wait(registered):
    device, connection = await registered()
    pending = await rung(device, connection)
    device.disconnect_all()
    waits = [device.wait_for("incoming"), device.audio.wait_for("deviceChange")]
    cancelled = pending.wait_for("cancel", timeout=5)
    await device.destroy()
    for wait in (*waits, device.wait_for("error")):
        with pytest.raises(InvalidStateError, match="destroyed"):
            await wait
    await cancelled
    pending.accept()
    assert (pending.status(), device.is_busy) == ("closed", False)


async def test_a_device_that_is_being_destroyed_takes_no_call(registered):
    device, _ = await registered()
    rings = []
    device.on("incoming", rings.append)
    ending = asyncio.create_task(device.destroy())
    await asyncio.sleep(0)
    invite = signal.ServerInvite(call_sid=CALL, sdp="offer", parameters={})
    device._signalling.on_text(signal.encode(invite).decode())
    token = signal.TokenView(ttl=3600, identity="alice")
    connected = signal.Connected(edge="", region="", home="", gateway="", token=token)
    device._signalling.on_text(signal.encode(connected).decode())
    await ending
    assert (rings, device._signalling._expiry) == ([], None)


# ---------------------------------------------------------------------------------------------------- wrong arguments


@pytest.mark.parametrize(
    "arguments",
    [
        {"params": "To=bob"},
        {"params": {"To": "\ud800"}},
        {"rtc_configuration": {"iceServers": []}},
        {"connect_token": 5},
    ],
)
async def test_a_call_with_unusable_arguments_is_refused_and_leaves_the_device_free(arguments, registered):
    device, _ = await registered()
    with pytest.raises(InvalidArgumentError):
        await device.connect(**arguments)
    assert not device.is_busy


async def test_an_unusable_configuration_leaves_a_call_pending(registered):
    device, connection = await registered()
    call = await rung(device, connection)
    with pytest.raises(InvalidArgumentError):
        call.accept(rtc_configuration={"iceServers": []})
    assert call.status() == "pending"


@pytest.mark.parametrize("digits", [5, None, ["1"], b"1"])
async def test_digits_that_are_no_text_are_refused(digits, registered):
    device, connection = await registered()
    call = await opened(device, connection)
    with pytest.raises(InvalidArgumentError):
        call.send_digits(digits)


async def test_a_content_type_that_is_no_text_is_refused(registered):
    device, connection = await registered()
    call = await opened(device, connection)
    with pytest.raises(InvalidArgumentError):
        call.send_message("hello", content_type=5)


@pytest.mark.parametrize(
    ("options", "configuration", "code"),
    [
        ({"audio_source": lambda: WavFile("not-there.wav")}, None, 31402),
        ({}, RtcConfiguration(ice_servers=[{"urls": "turn:"}]), 53400),
    ],
)
@pytest.mark.parametrize("direction", ["outgoing", "incoming"])
async def test_a_call_whose_media_cannot_be_opened_ends_with_an_error(
    options, configuration, code, direction, registered
):
    device, connection = await registered(media="real", **options)
    call = await (
        device.connect(rtc_configuration=configuration) if direction == "outgoing" else rung(device, connection)
    )
    error, over = call.wait_for("error", timeout=5), call.wait_for("disconnect", timeout=5)
    call.accept(rtc_configuration=configuration)
    assert (await error).code == code
    await over
    assert not device.is_busy
    await connection.expect(signal.Hangup)


# ------------------------------------------------------------------------------------------------------------- loops


def test_a_device_needs_a_running_loop():
    with pytest.raises(InvalidStateError, match=r"midcall\.sdk\.sync"):
        Device("token", media="none")


def test_a_device_stays_in_the_loop_that_it_was_made_in():
    async def make():
        return Device("token", media="none")

    device = asyncio.run(make())
    for act in (device.register, device.unregister, device.connect, device.destroy):
        with pytest.raises(InvalidStateError, match="another event loop"):
            asyncio.run(act())


def test_the_blocking_device_and_call_have_the_names_of_the_others():
    def names(kind):
        return {name for name in dir(kind) if not name.startswith("_")}

    assert names(Device) - names(sync.Device) == {"audio", "emit"}
    assert names(Call) - names(sync.Call) == {"emit"}


# ------------------------------------------------------------------------------------------------------------ amounts


async def test_ten_thousand_messages_leave_no_memory_behind(registered):
    device, connection = await registered()
    call = await opened(device, connection)
    received = 0

    def count(_):
        nonlocal received
        received += 1

    call.on("messageReceived", count)

    async def exchange(times):
        for _ in range(times // 100):
            sent = [call.send_message({"number": number}) for number in range(100)]
            for _ in sent:
                frame = await connection.expect(signal.Message)
                await connection.send(signal.Ack(call_sid=CALL, message_sid=frame.message_sid), frame)
            await asyncio.gather(*map(_awaited, sent))
        gc.collect()
        return len(gc.get_objects())

    before = await exchange(500)
    after = await exchange(10_000)
    assert received >= 10_400
    assert after - before < 500
    assert len(call._outbox) == 0


async def _awaited(sent):
    return await sent


async def test_messages_without_verdict_are_bounded_and_a_refused_one_is_not_sent_later(registered, monkeypatch):
    monkeypatch.setattr(sdk_messages, "MAX_UNJUDGED", 3)
    device, connection = await registered()
    call = await opened(device, connection)
    for number in range(3):
        call.send_message(number)
    with pytest.raises(InvalidStateError, match="verdict"):
        call.send_message(3)
    assert len(call._outbox) == 3
    monkeypatch.setattr(sdk_transport, "MAX_QUEUED", 0)
    monkeypatch.setattr(sdk_messages, "MAX_UNJUDGED", 4)
    with pytest.raises(InvalidStateError, match="waiting for the server"):
        call.send_message(3)
    assert len(call._outbox) == 3


async def test_a_full_queue_neither_stops_heartbeats_nor_a_hangup(registered, monkeypatch):
    device, connection = await registered()
    call = await opened(device, connection)
    transport = device._signalling._transport
    monkeypatch.setattr(sdk_transport, "MAX_QUEUED", 3)
    with pytest.raises(InvalidStateError):
        for number in range(4):
            call.send_message(number)
    transport._echo()
    call.disconnect()
    for _ in range(3):
        await connection.expect(signal.Message)
    await connection.expect(signal.Hangup)
    with pytest.raises(VoiceError):
        await connection_lost(device, connection, call)


async def connection_lost(device, connection, call):
    """What a closed call's message comes to when the socket goes."""
    sent = call.send_message("too late")
    await connection.close()
    await sent
