"""Media sessions of the SDK, two of them talking over loopback."""

from __future__ import annotations

import asyncio

import pytest

from midcall.core.client import IceState
from midcall.sdk import Tone
from midcall.sdk.ice import Patience
from midcall.wire import signal
from support.scripted_server import CALL

HASTE = Patience(check_s=0.05, answer_s=0.2, disconnected_s=0.4, failed_s=0.6)


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
