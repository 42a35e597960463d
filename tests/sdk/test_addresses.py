"""Devices with several addresses, and devices that are told to go elsewhere."""

from __future__ import annotations

import asyncio

import pytest

from midcall.core.reconnection import Reconnection
from midcall.sdk import Chance, InvalidArgumentError, InvalidStateError
from midcall.sdk.edges import edge_of, preferred
from midcall.sdk.options import Options
from midcall.wire import signal
from support.scripted_server import CALL, MESSAGE, Server, opened, rung, serving

LATER = signal.Fault(code=31902, message="later", retry_after=7)


@pytest.fixture
async def other() -> Server:
    async with serving() as server:
        yield server


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Waits between tries take no time; what they would have been."""
    waits = []

    def lost(self, loss, *, now, lost=Reconnection.lost):
        answer = lost(self, loss, now=now)
        waits.append(answer)
        return 0.0

    monkeypatch.setattr(Reconnection, "lost", lost)
    return waits


async def test_a_host_that_does_not_answer_gives_way_to_the_next(server, make_device, unused_tcp_port, at_once):
    device = make_device(url=[f"ws://127.0.0.1:{unused_tcp_port}/signal", server.url], chance=Chance.seeded(1))
    error = device.wait_for("error", timeout=5)
    registration = asyncio.create_task(device.register())
    assert (await error).code == 31005
    await (await server.connection()).registered()
    await registration
    assert 1 <= at_once[0] <= 5 * 1.4  # several addresses: the first wait spreads the crowd


async def test_a_call_goes_back_to_where_it_is(server, other, make_device, at_once):
    device = make_device(url=[server.url, other.url], max_call_signaling_timeout_ms=30_000)
    device.on("error", lambda error: None)
    registration = asyncio.create_task(device.register())
    connection = await server.connection()
    await connection.registered()
    await registration
    call = await opened(device, connection)
    rules = device._signalling._transport._rules
    assert rules.address() == server.url
    rules._index = 1  # as after a fall-back
    connection.cut()
    again = await server.connection()
    back = call.wait_for("reconnected", timeout=5)
    await again.connected()
    resume = await again.expect(signal.ClientInvite)
    assert resume.reconnect == "first"
    await again.send(signal.ServerAnswer(call_sid=CALL, sdp="answer", reconnect="second"))
    await back
    call.disconnect()
    assert rules.address() == other.url  # no call is left: the order of the list counts again


@pytest.mark.parametrize(
    ("options", "edge", "expected"),
    [
        ({"edge": ["roaming", "sydney"]}, "ashburn", "wss://voice-js.ashburn.twilio.com/signal"),
        ({"edge": "roaming"}, None, "wss://here/signal"),
        ({"host": ["there", "here"]}, "ashburn", "wss://here/signal"),
    ],
)
def test_the_preferred_address_is_of_the_edge_that_answered_or_where_the_call_is(options, edge, expected):
    assert preferred(Options(**options), address="wss://here/signal", edge=edge) == expected


@pytest.mark.parametrize(
    ("edge", "region", "expected"),
    [
        ("dublin", "EU_IRELAND", "dublin"),
        ("", "EU_IRELAND", "dublin"),
        ("", "us9", "us9"),
        ("", "", None),
    ],
)
def test_the_edge_is_what_the_server_says_or_that_of_its_region(edge, region, expected):
    assert edge_of(edge, region) == expected


async def test_a_device_without_a_socket_is_at_no_edge(registered):
    device, connection = await registered()
    assert device.edge == "ashburn"
    gone = device.wait_for("unregistered", timeout=5)
    await connection.close()
    await gone
    assert (device.edge, device.home, device.identity) == (None, "us1", "alice")


@pytest.mark.parametrize("message_sid", [None, MESSAGE])
async def test_a_wait_that_the_server_names_counts_on_the_way_back_to_a_call(registered, at_once, message_sid):
    device, connection = await registered()
    device.on("error", lambda error: None)
    await opened(device, connection)
    await connection.send(signal.Error(error=LATER, call_sid=CALL, message_sid=message_sid))
    gone = device.wait_for("unregistered", timeout=5)
    await connection.close()
    await gone
    assert at_once == [7]


@pytest.mark.parametrize("seconds", [7, -1, 1e300])
async def test_an_idle_device_does_not_obey_it_and_nobody_obeys_nonsense(registered, at_once, seconds):
    device, connection = await registered()
    device.on("error", lambda error: None)
    if seconds != 7:
        await opened(device, connection)
    await connection.send(signal.Error(error=signal.Fault(code=31902, retry_after=seconds)))
    gone = device.wait_for("unregistered", timeout=5)
    await connection.close()
    await gone
    assert at_once[0] <= 0.14


async def test_other_addresses_move_the_device_and_its_registration(registered, other):
    device, connection = await registered()
    states = []
    for name in ("unregistered", "registering", "registered"):
        device.on(name, lambda name=name: states.append(name))
    ringing = await rung(device, connection)
    cancelled = ringing.wait_for("cancel", timeout=5)
    registered_again = device.wait_for("registered", timeout=5)
    device.update_options(url=other.url, app_name="desk")
    assert (device.edge, device.options.app_name) == (None, "desk")
    await cancelled
    assert await connection.text() is None
    await (await other.connection()).registered()
    await registered_again
    assert states == ["unregistered", "registering", "registered"]


async def test_a_registration_that_waits_is_finished_at_the_new_address(server, other, make_device):
    device = make_device()
    registration = asyncio.create_task(device.register())
    await (await server.connection()).expect(signal.Listen)
    device.update_options(url=other.url)
    await (await other.connection()).registered()
    await registration


async def test_what_the_old_server_still_says_is_not_heard(registered, other):
    device, connection = await registered()
    calls = []
    device.on("incoming", calls.append)
    device.update_options(url=other.url)
    await connection.send(signal.ServerInvite(call_sid=CALL, sdp="offer"))
    again = device.wait_for("registered", timeout=5)
    await (await other.connection()).registered()
    await again
    assert calls == []


async def test_an_address_cannot_change_during_a_call_and_nothing_else_does_then(registered, other):
    device, connection = await registered()
    await opened(device, connection)
    with pytest.raises(InvalidStateError, match="Cannot change Edge while on an active Call"):
        device.update_options(url=other.url, app_name="desk")
    assert device.options.app_name is None
    device.update_options(app_name="desk", allow_incoming_while_busy=True)
    assert (await rung(device, connection, call_sid="CA" + "c" * 32)).status() == "pending"


async def test_the_same_addresses_in_another_order_move_nothing(registered, server, other):
    device, connection = await registered(url=[server.url, other.url])
    device.update_options(url=[other.url, server.url])
    await connection.send_text("\n")
    assert await connection.text() == "\n"
    assert device.state == "registered"


async def test_an_unregistered_device_opens_nothing_when_it_moves(make_device, other):
    device = make_device()
    device.update_options(url=other.url)
    placing = asyncio.create_task(device.connect())
    connection = await other.connection()
    await connection.connected()
    await placing


async def test_options_are_checked_and_a_destroyed_device_takes_none(make_device):
    device = make_device()
    with pytest.raises(InvalidArgumentError, match="token_refresh_ms"):
        device.update_options(token_refresh_ms="soon")
    with pytest.raises(InvalidArgumentError, match="close_protection"):
        device.update_options(close_protection=True)
    await device.destroy()
    with pytest.raises(InvalidStateError):
        device.update_options(app_name="desk")
