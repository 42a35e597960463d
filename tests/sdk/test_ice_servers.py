"""STUN and TURN servers that an application names are used, also for a restart."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from midcall.core.client import IceState
from midcall.sdk import ice
from midcall.sdk.options import RtcConfiguration
from midcall.wire import signal
from support.media_sessions import HASTE
from support.relay_server import RelayServer, relaying
from support.scripted_server import rung


@pytest.fixture
async def relay(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RelayServer]:
    """One that is gone before the callers are."""
    monkeypatch.setattr(ice, "FAREWELL_S", 0.05)
    async with relaying() as relay:
        yield relay


def turn(relay: RelayServer, credential: str = "secret") -> RtcConfiguration:
    server = {"urls": f"turn:127.0.0.1:{relay.port}?transport=udp", "username": "alice", "credential": credential}
    return RtcConfiguration(ice_servers=[server], relay_only=True)


async def talk(caller, callee) -> None:
    await callee.peer.answer(await caller.peer.offer())
    await caller.peer.apply(callee.description_with_candidates())
    await asyncio.gather(caller.hears(660), callee.hears(440))


async def test_a_stun_server_is_asked(person, relay):
    configuration = RtcConfiguration(ice_servers=[{"urls": [f"stun:127.0.0.1:{relay.port}"]}])
    await person(440, rtc_configuration=configuration).peer.offer()
    assert relay.asked > 0


async def test_nobody_is_asked_unless_told(person, relay):
    await talk(person(440), person(660))
    assert (relay.asked, relay.relayed) == (0, 0)


async def test_a_call_that_may_use_relays_only_goes_through_one(person, relay):
    caller = person(440, rtc_configuration=turn(relay))
    await talk(caller, person(660))
    assert relay.relayed > 0
    assert {one.type for one in caller.peer._restarts._path.local_candidates} == {"relay"}


async def test_a_restart_goes_through_the_relay_again(person, relay):
    caller, callee = person(440, rtc_configuration=turn(relay)), person(660)
    await talk(caller, callee)
    await caller.peer.apply_restart(await callee.keeping_session(await caller.peer.restart()))
    await caller.is_told(IceState.CONNECTED, IceState.CONNECTED)
    relay.relayed = 0
    callee.listen_anew()
    await callee.hears(440)
    assert relay.relayed > 0


async def test_a_relay_that_does_not_know_us_leaves_no_way_and_that_is_told(person, relay):
    caller = person(440, rtc_configuration=turn(relay, credential="wrong"), patience=HASTE)
    await caller.peer.offer()
    assert relay.refused >= 2
    assert caller.states == [IceState.FAILED]
    with pytest.raises(ConnectionError, match="no address"):
        await caller.peer.restart()


async def test_a_relay_that_is_gone_does_not_hold_up_the_end_of_a_call(person, relay):
    caller = person(440, rtc_configuration=turn(relay))
    await talk(caller, person(660))
    relay.close()
    async with asyncio.timeout(5):
        await caller.peer.close()


async def test_what_connect_and_accept_are_given_is_used(person, registered, relay):
    configuration = RtcConfiguration(ice_servers=[{"urls": f"stun:127.0.0.1:{relay.port}"}])
    device, connection = await registered(media="real")
    placed = await device.connect(rtc_configuration=configuration)
    await connection.expect(signal.ClientInvite)
    assert relay.asked > 0
    placed.disconnect()
    await connection.expect(signal.Hangup)

    relay.asked = 0
    rings = await rung(device, connection, sdp=await person(440).peer.offer())
    rings.accept(rtc_configuration=configuration)
    await connection.expect(signal.ClientAnswer)
    assert relay.asked > 0
