"""ICE restarts between two sessions on loopback: what a server of another make may do with DTLS."""

from __future__ import annotations

import re

import pytest

from midcall.core.client import IceState
from midcall.core.sdp import Kinship, compare, peer_of


@pytest.fixture
async def pair(person):
    caller, callee = person(440), person(660)
    await callee.peer.answer(await caller.peer.offer())
    await caller.peer.apply(callee.description_with_candidates())
    await caller.hears(660)
    await callee.hears(440)
    return caller, callee


async def test_a_restart_offers_the_same_session_with_new_credentials_and_a_higher_version(pair):
    caller, _ = pair
    before = caller.peer.current()
    offer = await caller.peer.restart()
    assert compare(peer_of(before), peer_of(offer)) is Kinship.ICE_RESTART
    assert caller.peer.current() == offer
    origin, next_origin = (re.search(r"^o=(\S+ \S+) (\d+) ", text, re.MULTILINE) for text in (before, offer))
    assert next_origin[1] == origin[1]
    assert int(next_origin[2]) == int(origin[2]) + 1
    assert "a=setup:actpass" in offer
    assert "candidate" not in offer


@pytest.mark.parametrize("restarter", ["the one that offered the call", "the one that answered it"])
async def test_a_server_that_keeps_its_identity_keeps_the_session(pair, restarter):
    caller, callee = pair if restarter == "the one that offered the call" else reversed(pair)
    session = caller.peer._restarts._dtls
    agent = caller.peer._restarts._path._agent
    answer = await callee.keeping_session(await caller.peer.restart())
    await caller.peer.apply_restart(answer)
    await caller.is_told(IceState.CONNECTED, IceState.CONNECTED)
    await callee.is_told(IceState.CONNECTED, IceState.CONNECTED)
    assert caller.peer._restarts._dtls is session
    assert caller.peer._restarts._path._agent is not agent
    for one, frequency in ((caller, callee.frequency), (callee, caller.frequency)):
        one.listen_anew()
        await one.hears(frequency)
    assert caller.peer.connected


async def test_the_counters_go_on_over_a_restart(pair):
    caller, callee = pair
    before = await caller.peer.counters()
    await caller.peer.apply_restart(await callee.keeping_session(await caller.peer.restart()))
    await caller.is_told(IceState.CONNECTED, IceState.CONNECTED)
    caller.listen_anew()
    await caller.hears(660)
    after = await caller.peer.counters()
    assert after.packets_sent > before.packets_sent > 0
    assert after.packets_received > before.packets_received > 0
    assert after.bytes_received > before.bytes_received > 0


@pytest.mark.parametrize("answer", ["", "v=0\r\n", "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"])
async def test_an_answer_that_is_none_is_refused(pair, answer):
    caller, callee = pair
    await caller.peer.restart()
    with pytest.raises(ValueError, match=r"."):
        await caller.peer.apply_restart(answer)
    callee.listen_anew()
    await callee.hears(440)


async def test_a_session_that_the_other_side_has_closed_is_not_taken_for_connected_but_can_be_ended(pair):
    caller, callee = pair
    await callee.peer._restarts._dtls.stop()
    await caller.peer._restarts.until_ended()
    assert not caller.peer.connected
    await caller.peer.close()


async def test_a_session_ends_cleanly_in_the_middle_of_a_restart(pair):
    caller, callee = pair
    answer = await callee.keeping_session(await caller.peer.restart())
    nowhere = re.sub(r"(udp \d+) \S+ \d+ typ", r"\1 127.0.0.1 9 typ", answer)
    await caller.peer.apply_restart(nowhere)
    await caller.peer.restart()
    await caller.peer.close()
    with pytest.raises(ConnectionError, match="closed"):
        await caller.peer.restart()
