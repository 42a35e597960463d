"""Devices and calls without asyncio: the script is a thread beside the test's loop, which has the server."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest

from midcall.sdk import InvalidArgumentError, InvalidStateError, VoiceError
from midcall.sdk.background import MAX_KEPT, MAX_WAITING, Background, Kept
from midcall.sdk.sync import Call, Device
from midcall.wire import signal
from support.scripted_server import CALL, MESSAGE, OTHER, Connection


@pytest.fixture
async def script(server):
    """Runs a function in a thread, with a device for the server; awaits its result."""
    devices: list[Device] = []

    def run(function: Callable[[Device], Any], **options: Any) -> Awaitable[Any]:
        def body() -> Any:
            with Device("token", url=server.url, media="none", **options) as device:
                devices.append(device)
                return function(device)

        return asyncio.create_task(asyncio.to_thread(body))

    before = set(threading.enumerate())
    yield run
    for device in devices:
        assert not device._background.is_running
    left = {thread for thread in set(threading.enumerate()) - before if "midcall" in thread.name}
    assert left == set()


async def invite(connection: Connection, call_sid: str = CALL) -> None:
    await connection.send(signal.ServerInvite(call_sid=call_sid, sdp="offer", parameters={"From": "client:bob"}))


async def test_a_script_calls_and_hangs_up(server, script):
    def call(device: Device) -> list[object]:
        assert device.state == "unregistered"
        call = device.connect(params={"To": "bob"}, timeout=10)
        told = [device.is_busy, device.identity, device.edge, device.home, device.token, call.direction]
        assert call.wait_for("accept", timeout=10) is call
        sent = call.send_message({"n": 1})
        told += [call.status(), call.parameters, dict(call.custom_parameters), sent.wait(timeout=10).content]
        call.mute()
        assert call.wait_for("mute", timeout=10) == (True, call)
        told += [call.is_muted(), call.codec, call.caller_info, call.get_local_stream(), call.get_remote_stream()]
        call.disconnect()
        call.wait_for("disconnect", timeout=10)
        assert call.connect_token
        return told

    running = script(call)
    connection = await server.connection()
    await connection.connected("alice")
    placed = await connection.expect(signal.ClientInvite)
    assert placed.twilio.params == "To=bob"
    await connection.send(signal.Ringing(call_sid=CALL))
    await connection.send(signal.ServerAnswer(call_sid=CALL, sdp="answer", reconnect="first"))
    message = await connection.expect(signal.Message)
    await connection.send(signal.Ack(call_sid=CALL, message_sid=message.message_sid, ack_type="message"))
    assert (await connection.expect(signal.Hangup)).call_sid == CALL
    assert await running == [
        *(True, "alice", "ashburn", "us1", "token", "OUTGOING"),
        *("open", {"CallSid": CALL}, {"To": "bob"}, {"n": 1}),
        *(True, None, None, None, None),
    ]


async def test_a_script_waits_for_a_call_and_for_what_has_happened_already(server, script):
    cancelled = threading.Event()

    def answer(device: Device) -> str:
        device.register(timeout=10)
        call = device.wait_for("incoming", timeout=10)
        assert isinstance(call, Call)
        device.on("incoming", lambda second: cancelled.set() if second.wait_for("cancel", timeout=10) is None else None)
        call.accept()
        said = call.wait_for("messageReceived", where=lambda message: message.content == "two", timeout=10)
        first = call.wait_for("messageReceived", timeout=10)
        assert cancelled.wait(10)
        call.wait_for("disconnect", timeout=10)
        with pytest.raises(InvalidStateError, match="ended"):
            call.wait_for("reconnected", timeout=10)
        device.unregister(timeout=10)
        return f"{first.content} {said.content}"

    running = script(answer, allow_incoming_while_busy=True)
    connection = await server.connection()
    await connection.registered()
    await invite(connection)
    await connection.expect(signal.ClientAnswer)
    for number, content in enumerate((b'"one"', b'"two"')):
        await connection.send(
            signal.Message(
                call_sid=CALL,
                message_sid=f"{MESSAGE[:-1]}{number}",
                message_type="user-defined-message",
                content_type="application/json",
                content=msgspec.Raw(content),
            )
        )
    await invite(connection, OTHER)
    await connection.send(signal.Cancel(call_sid=OTHER), signal.Hangup(call_sid=CALL))
    assert not (await connection.expect(signal.Register)).media.audio
    await connection.send(signal.Offline())
    assert await running == "one two"


async def test_a_handler_may_block_and_one_that_fails_stops_nobody(server, script, caplog):
    taken = threading.Event()

    def fail(call: Call) -> None:
        raise RuntimeError("no")

    def take(call: Call) -> None:
        call.accept()
        call.wait_for("accept", timeout=10)
        taken.set()

    def wait(device: Device) -> None:
        device.on("incoming", fail)
        device.on("incoming", take)
        device.off("incoming", print)
        device.register(timeout=10)
        assert taken.wait(10)

    running = script(wait)
    connection = await server.connection()
    await connection.registered()
    await invite(connection)
    await connection.expect(signal.ClientAnswer)
    await running
    assert "a handler of 'incoming' failed" in caplog.text


async def test_errors_are_those_of_the_asynchronous_device(server, script):
    def misuse(device: Device) -> None:
        with pytest.raises(VoiceError, match="20101"):
            device.register(timeout=10)
        assert device.wait_for("error", timeout=10).code == 20101
        with pytest.raises(ValueError, match="no event 'accept'"):
            device.on("accept", print)
        with pytest.raises(TimeoutError, match="no 'incoming' within"):
            device.wait_for("incoming", timeout=0)
        with pytest.raises(InvalidArgumentError):
            device.update_token(None)
        with pytest.raises(InvalidArgumentError):
            device.update_options(app_name=1)
        device.update_options(app_name="script")
        device.update_token("other")
        device.disconnect_all()
        assert device.calls == ()

    running = script(misuse)
    connection = await server.connection()
    await connection.expect(signal.Listen)
    await connection.send(signal.Error(error=signal.Fault(code=31204)), signal.Close())
    await running


async def test_a_call_that_is_ignored_ends_waits(server, script):
    def ignore(device: Device) -> None:
        device.register(timeout=10)
        call = device.wait_for("incoming", timeout=10)
        assert device.calls == (call,)
        call.ignore()
        with pytest.raises(InvalidStateError):
            call.wait_for("accept", timeout=10)
        call.reject()

    running = script(ignore)
    connection = await server.connection()
    await connection.registered()
    await invite(connection)
    await running


async def test_a_destroyed_device_can_be_looked_at_and_does_nothing(server, script):
    def destroy(device: Device) -> None:
        device.destroy()
        device.destroy()
        assert (device.state, device.is_busy, device.calls) == ("destroyed", False, ())
        with pytest.raises(InvalidStateError):
            device.connect()
        with pytest.raises(InvalidStateError):
            device.update_options(app_name="script")
        with pytest.raises(InvalidStateError):
            device.set_input_device("default")
        with pytest.raises(InvalidStateError):
            device.set_speakers("default")

    await script(destroy)


async def test_destroying_ends_what_other_threads_wait_for(server, script):
    def body(device):
        call = device.wait_for("incoming", timeout=5)
        with ThreadPoolExecutor(2) as pool:
            waits = [pool.submit(device.wait_for, "error"), pool.submit(call.wait_for, "messageReceived")]
            device.destroy()
            for wait in waits:
                with pytest.raises(InvalidStateError, match="destroyed"):
                    wait.result(5)
        with pytest.raises(InvalidStateError, match="destroyed"):
            device.wait_for("incoming")
        assert device.wait_for("destroyed") is None

    def registering(device):
        device.register(timeout=5)
        body(device)

    done = script(registering)
    connection = await server.connection()
    await connection.registered()
    await invite(connection)
    await done


def test_unusable_options_leave_no_thread():
    before = threading.active_count()
    with pytest.raises(InvalidArgumentError):
        Device("token", media="video")
    assert threading.active_count() == before


def test_what_takes_too_long_is_cancelled():
    background = Background("test")
    cancelled = threading.Event()

    async def forever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    with pytest.raises(TimeoutError, match=r"not done within 0\.01 s"):
        background.run(forever(), timeout=0.01)
    assert cancelled.wait(10)

    async def late() -> None:
        raise TimeoutError("its own")

    with pytest.raises(TimeoutError, match="its own"):
        background.run(late(), timeout=10)
    background.close()
    background.close()


def test_events_that_nobody_fetches_are_bounded(caplog):
    kept = Kept()
    for number in range(MAX_KEPT + 5):
        kept.put("volume", (number,))
    assert kept.take("volume", lambda number: True, 0) == (5,)

    background = Background("test")
    blocked = threading.Event()
    for _ in range(MAX_WAITING + 3):
        background.handle("a handler", blocked.wait, ())
    assert "events wait" in caplog.text
    blocked.set()
    background.close()


def test_a_preflight_of_a_script_fails_by_an_exception(unused_tcp_port):
    before = threading.active_count()
    with pytest.raises(VoiceError, match="31005"):
        Device.run_preflight("token", url=f"ws://127.0.0.1:{unused_tcp_port}/signal", timeout=20)
    assert threading.active_count() == before
