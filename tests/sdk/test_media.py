"""Media sessions of the SDK, two of them talking over loopback."""

from __future__ import annotations

import asyncio
import gc
import re
import socket

import pytest

from midcall.core.client import IceState
from midcall.sdk import Tone
from midcall.sdk.ice import Agent
from midcall.wire import signal
from support.media_sessions import HASTE
from support.scripted_server import CALL


async def test_an_offer_looks_like_a_browsers(person):
    offer = await person(440).peer.offer()
    assert "m=audio 9 UDP/TLS/RTP/SAVPF 0 " in offer
    assert "candidate" not in offer
    assert "a=setup:actpass" in offer
    assert offer.count("m=") == 1
    assert offer.replace("\r\n", "").count("\n") == 0


@pytest.mark.parametrize(("codecs", "codec"), [(("pcmu", "opus"), "PCMU"), (("opus", "pcmu"), "opus")])
async def test_two_sessions_hear_each_other_in_the_preferred_codec(person, codecs, codec):
    caller, callee = person(440, codecs), person(660, codecs)
    assert caller.peer.codec() is None
    await callee.peer.answer(await caller.peer.offer())
    await caller.peer.apply(callee.description_with_candidates())
    await asyncio.gather(caller.hears(660), callee.hears(440))
    assert caller.ear.tone_dbfs(440) < caller.ear.tone_dbfs(660) - 20
    assert (caller.peer.codec(), callee.peer.codec()) == (codec, codec)
    await caller.is_told(IceState.CONNECTED)
    assert caller.peer.connected

    caller.voice.muted = True
    async with asyncio.timeout(10):
        await callee.ear.until(lambda ear: ear.level_dbfs() < -60)
    assert caller.states == [IceState.CONNECTED]


async def test_the_end_of_the_other_side_is_noticed_because_it_answers_no_more(person):
    caller, callee = person(440, patience=HASTE), person(660)
    await callee.peer.answer(await caller.peer.offer())
    await caller.peer.apply(callee.description_with_candidates())
    await callee.hears(440)
    await callee.peer.close()
    await caller.is_told(IceState.CONNECTED, IceState.DISCONNECTED, IceState.FAILED)


async def test_closing_ones_own_session_is_no_loss(person):
    one = person(440)
    await one.peer.offer()
    await one.peer.close()
    assert one.states == []


@pytest.mark.parametrize(("codec", "rate"), [("pcmu", 8000), ("opus", 48_000)])
async def test_a_call_tells_how_loud_and_how_good_its_media_is(person, registered, codec, rate):
    other = person(660, (codec,))
    device, connection = await registered(
        media="real", audio_source=lambda: Tone(440, rate=rate), codec_preferences=(codec,)
    )
    call = await device.connect()
    measured = call.wait_for("sample", where=lambda sample: sample.mos is not None, timeout=15)
    heard = call.wait_for("volume", where=lambda said, heard: said > 0.1 and heard > 0.1, timeout=15)
    invite = await connection.expect(signal.ClientInvite)
    await other.peer.answer(invite.sdp)
    answer = other.description_with_candidates()
    await connection.send(signal.ServerAnswer(call_sid=CALL, sdp=answer, reconnect="token"))
    said, heard_at = await heard
    assert 0.1 < said < 1
    assert 0.1 < heard_at < 1
    sample = await measured
    assert sample.codec_name == call.codec
    assert 0 < sample.packets_sent <= 100
    assert 0 < sample.packets_received <= 100
    assert sample.bytes_received > 10 * sample.packets_received
    assert sample.totals.bytes_sent > sample.bytes_sent > 0
    assert 0 <= sample.rtt < 1000
    assert 0 <= sample.jitter < 1000
    assert 0 < sample.audio_input_level < 32_767
    assert 0 < sample.audio_output_level < 32_767

    events: list[str] = []
    for event in ("sample", "volume"):
        call.on(event, lambda *_, event=event: events.append(event))
    call.disconnect()
    await asyncio.gather(call._media._monitoring, return_exceptions=True)
    assert events == []


async def test_a_limit_of_opus_is_told_to_the_other_side_and_kept(person):
    caller, callee = person(440, ("opus",), max_average_bitrate=12_000), person(660, ("opus",))
    offer = await caller.peer.offer()
    assert "maxaveragebitrate=12000" in offer
    await callee.peer.answer(offer)
    await caller.peer.apply(callee.description_with_candidates())
    await callee.hears(440)
    await caller.hears(660)
    limited, free = [await one.peer.counters() for one in (caller, callee)]
    assert limited.bytes_sent / limited.packets_sent < free.bytes_sent / free.packets_sent / 3


@pytest.mark.parametrize(("dscp", "marked"), [(True, 0xB8), (False, 0)])
async def test_packets_are_marked_as_voice_unless_unwanted(person, dscp, marked):
    one = person(440, dscp=dscp)
    await one.peer.offer()
    for protocol in one.peer._restarts._path._agent._protocols:
        sending = protocol.transport.get_extra_info("socket")
        if sending.family == socket.AF_INET:
            assert sending.getsockopt(socket.IPPROTO_IP, socket.IP_TOS) == marked


async def test_a_source_can_be_replaced_while_it_is_heard(person):
    caller, callee = person(440), person(660)
    await callee.peer.answer(await caller.peer.offer())
    await caller.peer.apply(callee.description_with_candidates())
    await callee.hears(440)
    caller.voice.play(Tone(880))
    await callee.hears(880)


@pytest.mark.parametrize("leave", ["close", "cancel"])
async def test_a_session_that_ends_while_it_opens_sockets_leaves_none_open(person, leave, recwarn, monkeypatch):
    begun = asyncio.Event()
    gather = Agent.get_component_candidates

    async def gather_and_tell(self, *args, **options):
        begun.set()
        return await gather(self, *args, **options)

    monkeypatch.setattr(Agent, "get_component_candidates", gather_and_tell)
    one = person(440)
    agent = one.peer._restarts._path._agent
    offering = asyncio.create_task(one.peer.offer())
    await begun.wait()
    if leave == "cancel":
        offering.cancel()
    await one.peer.close()
    await asyncio.gather(offering, return_exceptions=True)
    assert agent._gathering.done()
    assert agent._protocols == []
    gc.collect()
    assert not [warning for warning in recwarn if "unclosed" in str(warning.message)]


@pytest.mark.parametrize("line", ["fingerprint", "ice-ufrag", "ice-pwd"])
async def test_a_description_that_media_could_not_use_is_refused_at_once(person, line):
    caller, callee = person(440), person(660)
    offer = await caller.peer.offer()
    await callee.peer.answer(offer)
    answer = re.sub(rf"a={line}:[^\r]*\r\n", "", callee.description_with_candidates())
    with pytest.raises(ValueError, match="has no"):
        await caller.peer.apply(answer)
    with pytest.raises(ValueError, match="has no"):
        await person(440).peer.answer(re.sub(rf"a={line}:[^\r]*\r\n", "", offer))
