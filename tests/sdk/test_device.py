"""Devices against a scripted server: registration, tokens, lost sockets, refusals."""

from __future__ import annotations

import asyncio

import pytest

from midcall.sdk import Device, InvalidArgumentError, InvalidStateError, VoiceError
from midcall.sdk.edges import addresses
from midcall.sdk.options import Options
from midcall.wire import signal
from support.scripted_server import CALL, OTHER, opened, rung


async def test_a_device_registers_and_tells_its_states(server, make_device):
    device = make_device(max_call_signaling_timeout_ms=12_500)
    states = []
    for name in ("registering", "registered", "unregistered", "destroyed"):
        device.on(name, lambda name=name: states.append((name, device.state)))
    registration = asyncio.create_task(device.register())
    connection = await server.connection()
    listen = await connection.connected("alice")
    assert (listen.token, listen.media, listen.reconnect_timeout) == ("token", "none", 13)
    assert (await connection.expect(signal.Register)).media.audio
    await connection.send(signal.Ready())
    await registration
    assert (device.identity, device.edge, device.home) == ("alice", "ashburn", "us1")

    leaving = asyncio.create_task(device.unregister())
    assert not (await connection.expect(signal.Register)).media.audio
    await connection.send(signal.Offline())
    await leaving
    await device.destroy()
    assert states == [(name, name) for name in ("registering", "registered", "unregistered", "destroyed")]
    assert await connection.text() is None


async def test_the_heartbeat_is_echoed_after_the_frames_before_it(registered):
    device, connection = await registered()
    incoming = device.wait_for("incoming")
    device.on("incoming", lambda call: call.reject())
    await connection.send(signal.ServerInvite(call_sid=CALL, sdp="offer"))
    await connection.send_text("\n")
    assert (await connection.expect(signal.Reject)).call_sid == CALL
    assert await connection.text() == "\n"
    assert (await incoming).status() == "closed"


async def test_a_lost_socket_is_replaced_and_registered_again(server, registered):
    device, connection = await registered()
    error = device.wait_for("error", timeout=5)
    gone = device.wait_for("unregistered", timeout=5)
    again = device.wait_for("registered", timeout=5)
    connection.cut()
    assert (await error).code == 31005
    await gone
    await (await server.connection()).registered()
    await again


async def test_a_loss_is_told_as_an_error_then_to_calls_then_to_the_registration(registered):
    device, connection = await registered()
    call = await opened(device, connection)
    told = []
    device.on("error", lambda error: told.append((error.code, device.state)))
    call.on("reconnecting", lambda error: told.append((error.code, device.state)))
    gone = device.wait_for("unregistered", timeout=5)
    device.on("unregistered", lambda: told.append(("unregistered", device.edge)))
    connection.cut()
    await gone
    assert told == [(31005, "registered"), (53001, "registered"), ("unregistered", None)]


async def test_an_orderly_close_is_no_error(server, registered):
    device, connection = await registered()
    errors = []
    device.on("error", errors.append)
    await connection.close()
    await (await server.connection()).registered()
    assert errors == []


async def test_a_refused_token_fails_the_registration_and_nothing_is_tried_again(server, make_device):
    device = make_device()
    errors = []
    device.on("error", errors.append)
    registration = asyncio.create_task(device.register())
    connection = await server.connection()
    await connection.expect(signal.Listen)
    await connection.send(signal.Error(error=signal.Fault(code=31204, message="not a JWT")), signal.Close())
    with pytest.raises(VoiceError, match="not a JWT") as raised:
        await registration
    assert raised.value.code == 20101
    assert [error.code for error in errors] == [20101]
    assert device.state == "unregistered"
    assert await connection.text() is None

    registration = asyncio.create_task(device.register())  # the application may ask again, on a fresh socket
    await (await server.connection()).registered()
    await registration


async def test_a_registration_without_the_grant_is_refused_on_an_open_socket(server, make_device):
    device = make_device()
    device.on("error", lambda error: None)
    registration = asyncio.create_task(device.register())
    connection = await server.connection()
    await connection.connected()
    await connection.expect(signal.Register)
    await connection.send(signal.Error(error=signal.Fault(code=31201, message="no grant")))
    with pytest.raises(VoiceError) as raised:
        await registration
    assert raised.value.code == 20151
    placed = await device.connect()  # outgoing calls go on
    assert (await connection.expect(signal.ClientInvite)).call_sid == placed.outbound_connection_id


async def test_frames_that_make_no_sense_are_survived(registered):
    device, connection = await registered()
    for text in ("", "nonsense", "[]", '{"type":"invite","payload":{}}', '{"type":"presence"}', '{"type":"hangup"}'):
        await connection.send_text(text)
    await connection.send(signal.Cancel(call_sid=CALL), signal.Ack(call_sid=CALL, message_sid="KX1"))
    assert (await rung(device, connection)).status() == "pending"


async def test_a_new_token_is_told_on_the_same_socket(registered):
    device, connection = await registered()
    device.update_token("newer")
    assert (await connection.connected("alice")).token == "newer"
    await connection.send_text("\n")
    assert await connection.text() == "\n"  # neither a second registration nor a resume came before it
    assert device.state == "registered"


async def test_a_token_that_ends_soon_is_announced(server, make_device):
    device = make_device()
    announced = device.wait_for("tokenWillExpire", timeout=5)
    registration = asyncio.create_task(device.register())
    connection = await server.connection()
    await connection.connected(ttl=10)
    assert await announced is device
    await connection.send(signal.Ready())
    await registration


async def test_a_destroyed_device_refuses_everything(make_device):
    device = make_device()
    await device.destroy()
    with pytest.raises(InvalidStateError):
        await device.register()
    with pytest.raises(InvalidStateError):
        await device.connect()
    with pytest.raises(InvalidStateError):
        device.update_token("other")


async def test_destroying_ends_a_registration_that_waits(server, make_device):
    device = make_device()
    registration = asyncio.create_task(device.register())
    await (await server.connection()).expect(signal.Listen)
    await device.destroy()
    with pytest.raises(InvalidStateError):
        await registration


async def test_a_server_that_is_not_there_is_an_error_event_and_patience(make_device, unused_tcp_port):
    device = make_device(url=f"ws://127.0.0.1:{unused_tcp_port}/signal")
    error = device.wait_for("error", timeout=5)
    registration = asyncio.create_task(device.register())
    assert (await error).code == 31005
    assert not registration.done()
    registration.cancel()


async def test_leaving_the_block_destroys_the_device_and_leaves_no_task(server):
    before = asyncio.all_tasks()
    async with Device("token", url=server.url, media="none") as device:
        placing = asyncio.create_task(device.connect())
        connection = await server.connection()
        await connection.connected()
        call = await placing
        await connection.expect(signal.ClientInvite)
    assert call.status() == "closed"
    assert (await connection.expect(signal.Hangup)).call_sid == call.outbound_connection_id
    assert await connection.text() is None
    own = {task for task in asyncio.all_tasks() - before if "midcall.sdk" in task.get_name()}
    assert own == set()


@pytest.mark.parametrize(
    "options", [{"media": "video"}, {"codec_preferences": ()}, {"codec_preferences": ("g729",)}, {"token": None}]
)
async def test_unusable_options_are_refused(options):
    with pytest.raises(InvalidArgumentError):
        Device(**{"token": "token", **options})


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, ["wss://localhost:8443/signal"]),
        ({"host": "calls.example:444", "edge": "ashburn"}, ["wss://calls.example:444/signal"]),
        ({"host": ["a:1", "b:2"]}, ["wss://a:1/signal", "wss://b:2/signal"]),
        ({"url": ["ws://a/signal", "wss://b/x"], "host": "c"}, ["ws://a/signal", "wss://b/x"]),
        ({"edge": "ashburn"}, ["wss://voice-js.ashburn.twilio.com/signal"]),
        (
            {"edge": ["sydney", "roaming"]},
            ["wss://voice-js.sydney.twilio.com/signal", "wss://voice-js.roaming.twilio.com/signal"],
        ),
    ],
)
def test_the_addresses_come_from_url_host_or_edge(options, expected):
    assert list(addresses(Options(**options))) == expected


async def test_disconnecting_all_takes_pending_calls_from_the_list_and_leaves_them_ringing(registered):
    device, connection = await registered()
    pending = await rung(device, connection)
    device.disconnect_all()
    assert (device.calls, pending.status()) == ((), "pending")
    pending.accept()
    assert (await connection.expect(signal.ClientAnswer)).call_sid == CALL


async def test_destroying_rejects_what_is_still_in_the_list(registered):
    device, connection = await registered()
    await rung(device, connection)
    device.disconnect_all()
    await rung(device, connection, call_sid=OTHER)
    await device.destroy()
    assert (await connection.expect(signal.Reject)).call_sid == OTHER
    assert await connection.text() is None
