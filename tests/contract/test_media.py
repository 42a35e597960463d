"""What every media engine keeps: in this process, in a worker, silent, and none."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
from collections.abc import AsyncIterator

import pytest

from midcall.core.sdp import NO_MEDIA_SDP
from midcall.core.sids import CallSid
from midcall.media import EngineOptions, make_media
from midcall.media.workers import WorkerPool
from midcall.ports import (
    AnswerReady,
    ApplyAnswer,
    CloseMedia,
    Couple,
    DigitHeard,
    Join,
    Link,
    MakeOffer,
    Media,
    MediaConnected,
    MediaFailed,
    MediaLost,
    OfferReady,
    Part,
    PlayRingback,
    SendDigits,
    StopSound,
    Terminate,
)
from support.media_clients import Client, Studio

A, B, C = (CallSid("CA" + letter * 32) for letter in "abc")
V, W, X, Y = (CallSid("CA" + digit * 32) for digit in "1234")

pytestmark = pytest.mark.timeout(120)


def engine(name: str) -> Media:
    loopback = ("127.0.0.1",)
    if name == "worker":
        return make_media("aiortc", workers=1, addresses=loopback)
    if name == "none":
        return make_media("none")
    return make_media("silent" if name == "silent" else "aiortc", workers=0, addresses=loopback)


async def opened(name: str) -> AsyncIterator[Studio]:
    studio = Studio(engine(name))
    await studio.media.start(studio.ledger.record)
    yield studio
    await studio.close()


@pytest.fixture(params=["in process", "worker"])
async def studio(request: pytest.FixtureRequest) -> AsyncIterator[Studio]:
    """Engines that carry audio."""
    async for studio in opened(request.param):
        yield studio


@pytest.fixture(params=["in process", "worker", "silent"])
async def webrtc(request: pytest.FixtureRequest) -> AsyncIterator[Studio]:
    """Engines that speak WebRTC."""
    async for studio in opened(request.param):
        yield studio


@pytest.fixture(params=["in process", "worker", "silent", "none"])
async def any_engine(request: pytest.FixtureRequest) -> AsyncIterator[Studio]:
    async for studio in opened(request.param):
        yield studio


@pytest.fixture
async def worker() -> AsyncIterator[Studio]:
    studio = Studio(pool())
    await studio.media.start(studio.ledger.record)
    yield studio
    await studio.close()


def pool() -> WorkerPool:
    return WorkerPool(EngineOptions(addresses=("127.0.0.1",)), workers=1)


# ------------------------------------------------------------------------------------------------------ connecting


async def test_an_offer_without_candidates_is_answered_and_connects(webrtc: Studio) -> None:
    client = webrtc.client()
    await webrtc.called_by(client, A)
    await client.until(lambda: len(client.packets) > 10)


async def test_a_client_answers_our_offer_and_connects(webrtc: Studio) -> None:
    client = webrtc.client()
    await webrtc.call(client, A)
    await client.until(lambda: len(client.packets) > 10)


async def test_the_description_is_what_browsers_accept(webrtc: Studio) -> None:
    webrtc.do(MakeOffer(leg=A))
    sdp = (await webrtc.ledger.take(OfferReady, A)).sdp
    lines = sdp.split("\r\n")
    assert sdp.count("\n") == sdp.count("\r\n")
    assert next(line for line in lines if line.startswith("m=")).split()[3:] == ["0", "111", "126", "110"]
    assert {"a=sendrecv", "a=rtcp-mux", "a=setup:actpass", "a=rtpmap:0 PCMU/8000", "a=rtpmap:111 opus/48000/2"} <= {
        *lines
    }
    assert any(line.startswith("a=candidate:") and " 127.0.0.1 " in line for line in lines)


async def test_silence_is_heard_before_anything_else(webrtc: Studio) -> None:
    client = webrtc.client(hz=700)
    await webrtc.called_by(client, A)
    await client.until(client.hears_silence)


async def test_an_offer_starts_with_the_codec_of_the_leg_it_should_be_like(studio: Studio) -> None:
    await studio.called_by(studio.client(codecs=("opus", "PCMU")), A)
    studio.do(MakeOffer(leg=B, like=A))
    sdp = (await studio.ledger.take(OfferReady, B)).sdp
    assert " 111 0 " in sdp


# ------------------------------------------------------------------------------------------------------ hearing


@pytest.mark.parametrize(
    "codecs",
    [
        (("PCMU", "opus"), ("PCMU", "opus")),
        (("opus", "PCMU"), ("opus", "PCMU")),
        (("PCMU",), ("opus",)),
        (("opus", "PCMU"), ("PCMU",)),
    ],
    ids=["both PCMU", "both Opus", "transcoded", "one knows both"],
)
async def test_joined_legs_hear_each_other(studio: Studio, codecs: tuple[tuple[str, ...], tuple[str, ...]]) -> None:
    caller, callee = studio.client(hz=1000, codecs=codecs[0]), studio.client(hz=1500, codecs=codecs[1])
    await studio.called_by(caller, A)
    await studio.call(callee, B, like=A)
    studio.do(Join(leg=A, other=B))
    await asyncio.gather(caller.until(lambda: caller.hears(1500)), callee.until(lambda: callee.hears(1000)))


@pytest.mark.parametrize("codecs", [("PCMU", "opus"), ("opus", "PCMU")], ids=["PCMU", "Opus"])
async def test_frames_in_a_codec_that_both_know_are_passed_on_as_they_are(
    studio: Studio, codecs: tuple[str, ...]
) -> None:
    caller, callee = studio.client(hz=1000, codecs=codecs), studio.client(hz=1500, codecs=codecs)
    await studio.called_by(caller, A)
    await studio.call(callee, B, like=A)
    studio.do(Join(leg=A, other=B))
    await asyncio.gather(caller.until(lambda: caller.hears(1500)), callee.until(lambda: callee.hears(1000)))
    start = len(caller.packets), len(callee.packets)
    await asyncio.gather(caller.more(), callee.more())
    assert {packet.payload for packet in caller.packets[start[0] :]} <= set(callee.spoken)
    assert {packet.payload for packet in callee.packets[start[1] :]} <= set(caller.spoken)


async def test_a_leg_joined_with_itself_hears_itself_until_it_is_parted(studio: Studio) -> None:
    caller = studio.client(hz=1000)
    await studio.called_by(caller, A)
    studio.do(PlayRingback(leg=A), Join(leg=A, other=A))
    await caller.until(lambda: caller.hears(1000))
    start = len(caller.packets)
    await caller.more()
    assert {packet.payload for packet in caller.packets[start:]} <= set(caller.spoken)
    studio.do(Part(leg=A, other=A))
    await caller.until(caller.hears_silence)


async def test_a_key_pressed_into_an_echo_is_said_once_and_comes_back(studio: Studio) -> None:
    caller = studio.client(hz=1000)
    await studio.called_by(caller, A)
    studio.do(Join(leg=A, other=A))
    await caller.until(lambda: caller.hears(1000))
    await caller.press("5")
    assert (await studio.ledger.take(DigitHeard, A)).digit == "5"
    await caller.until(lambda: sum(p.payload_type == 126 and p.payload[1] >= 0x80 for p in caller.packets) == 3)
    assert not studio.ledger.events


async def test_an_echoing_leg_that_is_joined_with_another_hears_the_other(studio: Studio) -> None:
    caller, callee = studio.client(hz=1000), studio.client(hz=1500)
    await studio.called_by(caller, A)
    studio.do(Join(leg=A, other=A))
    await caller.until(lambda: caller.hears(1000))
    await studio.call(callee, B, like=A)
    studio.do(Join(leg=A, other=B))
    await asyncio.gather(caller.until(lambda: caller.hears(1500)), callee.until(lambda: callee.hears(1000)))


async def test_a_client_without_media_may_be_told_to_hear_itself(any_engine: Studio) -> None:
    any_engine.do(Terminate(leg=A, offer=NO_MEDIA_SDP), Join(leg=A, other=A))
    await any_engine.ledger.take(MediaConnected, A)
    any_engine.do(Part(leg=A, other=A), CloseMedia(leg=A))


async def test_the_line_goes_on_from_ringback_to_partner_to_silence_to_another_partner(studio: Studio) -> None:
    caller = studio.client(hz=1000)
    first, second = studio.client(hz=1500), studio.client(hz=2000)
    await studio.called_by(caller, A)
    studio.do(PlayRingback(leg=A))
    await caller.until(lambda: caller.hears(440) or caller.hears(480))
    await studio.call(first, B, like=A)
    await studio.call(second, C, like=A)
    studio.do(Join(leg=A, other=B))
    await caller.until(lambda: caller.hears(1500))
    studio.do(Part(leg=A, other=B))
    await asyncio.gather(caller.until(caller.hears_silence), first.until(first.hears_silence))
    studio.do(Join(leg=A, other=C))
    await asyncio.gather(caller.until(lambda: caller.hears(2000)), second.until(lambda: second.hears(1000)))

    assert len({packet.ssrc for packet in caller.packets}) == 1
    numbers = [packet.sequence for packet in caller.packets]
    assert numbers == [(numbers[0] + n) & 0xFFFF for n in range(len(numbers))]
    stamps = [packet.timestamp - caller.packets[0].timestamp & 0xFFFFFFFF for packet in caller.packets]
    assert all(earlier < later for earlier, later in itertools.pairwise(stamps))
    assert stamps[-1] < 8000 * 60


async def test_stopping_the_ringback_leaves_silence(studio: Studio) -> None:
    caller = studio.client()
    await studio.called_by(caller, A)
    studio.do(PlayRingback(leg=A))
    await caller.until(lambda: caller.hears(440) or caller.hears(480))
    studio.do(StopSound(leg=A))
    await caller.until(caller.hears_silence)


async def test_joined_before_connected_is_joined_afterwards(studio: Studio) -> None:
    caller, callee = studio.client(hz=1000), studio.client(hz=1500)
    studio.do(Terminate(leg=A, offer=await caller.offer()), MakeOffer(leg=B), Join(leg=A, other=B))
    await caller.take((await studio.ledger.take(AnswerReady, A)).sdp)
    studio.do(ApplyAnswer(leg=B, answer=await callee.answer((await studio.ledger.take(OfferReady, B)).sdp)))
    await asyncio.gather(caller.until(lambda: caller.hears(1500)), callee.until(lambda: callee.hears(1000)))


async def test_coupled_legs_are_answered_together_and_hear_each_other(studio: Studio) -> None:
    caller, callee = studio.client(hz=1000), studio.client(hz=1500)
    studio.do(Couple(leg=A, offer=await caller.offer(), child=B))
    offer = (await studio.ledger.take(OfferReady, B)).sdp
    assert not any(isinstance(event, AnswerReady) for event in studio.ledger.events)
    studio.do(ApplyAnswer(leg=B, answer=await callee.answer(offer)))
    await caller.take((await studio.ledger.take(AnswerReady, A)).sdp)
    await asyncio.gather(caller.until(lambda: caller.hears(1500)), callee.until(lambda: callee.hears(1000)))


async def test_a_silent_engine_never_bridges() -> None:
    async for studio in opened("silent"):
        caller, callee = studio.client(hz=1000), studio.client(hz=1500)
        await studio.called_by(caller, A)
        await studio.call(callee, B)
        studio.do(PlayRingback(leg=A), Join(leg=A, other=B))
        await caller.more()
        assert caller.hears_silence()


# ------------------------------------------------------------------------------------------------------ phone lines


async def calling_by_phone(studio: Studio, caller: Client, callee: Client) -> None:
    """A calls through a line from X to Y; the number's leg Y rings B."""
    await studio.called_by(caller, A)
    studio.do(Link(leg=Y, other=X, like=A), Join(leg=A, other=X))
    await studio.call(callee, B, like=Y)


@pytest.mark.parametrize("codecs", [("PCMU", "opus"), ("opus", "PCMU")], ids=["PCMU", "Opus"])
async def test_linked_legs_carry_what_others_say_through_them(studio: Studio, codecs: tuple[str, ...]) -> None:
    caller, callee = studio.client(hz=1000, codecs=codecs), studio.client(hz=1500, codecs=codecs)
    await calling_by_phone(studio, caller, callee)
    await asyncio.gather(caller.until(caller.hears_silence), callee.until(callee.hears_silence))
    studio.do(Join(leg=Y, other=B))
    await asyncio.gather(caller.until(lambda: caller.hears(1500)), callee.until(lambda: callee.hears(1000)))
    start = len(caller.packets), len(callee.packets)
    await asyncio.gather(caller.more(), callee.more())
    assert {packet.payload for packet in caller.packets[start[0] :]} <= set(callee.spoken)
    assert {packet.payload for packet in callee.packets[start[1] :]} <= set(caller.spoken)
    studio.do(Part(leg=Y, other=B))
    await asyncio.gather(caller.until(caller.hears_silence), callee.until(callee.hears_silence))


@pytest.mark.parametrize(("first", "formats"), [("opus", " 111 0 "), ("PCMU", " 0 111 ")])
async def test_who_is_called_through_lines_is_offered_the_callers_codec_first(
    studio: Studio, first: str, formats: str
) -> None:
    await studio.called_by(studio.client(codecs=(first, "PCMU" if first == "opus" else "opus")), A)
    studio.do(Link(leg=Y, other=X, like=A), Link(leg=W, other=V, like=Y), MakeOffer(leg=B, like=W))
    assert formats in (await studio.ledger.take(OfferReady, B)).sdp


async def test_a_line_lives_in_the_worker_of_its_caller() -> None:
    studio = Studio(WorkerPool(EngineOptions(addresses=("127.0.0.1",)), workers=2))
    await studio.media.start(studio.ledger.record)
    caller, callee = studio.client(hz=1000), studio.client(hz=1500)
    await calling_by_phone(studio, caller, callee)
    studio.do(Join(leg=Y, other=B))
    await asyncio.gather(caller.until(lambda: caller.hears(1500)), callee.until(lambda: callee.hears(1000)))
    await studio.close()


async def test_what_is_played_to_a_linked_leg_is_heard_at_the_other_end(studio: Studio) -> None:
    caller, callee = studio.client(hz=1000), studio.client(hz=1500)
    await calling_by_phone(studio, caller, callee)
    studio.do(PlayRingback(leg=Y))
    await caller.until(lambda: caller.hears(440) or caller.hears(480))
    studio.do(StopSound(leg=Y))
    await caller.until(caller.hears_silence)


async def test_an_echo_at_the_far_end_comes_back(studio: Studio) -> None:
    caller = studio.client(hz=1000)
    await studio.called_by(caller, A)
    studio.do(Link(leg=Y, other=X), Join(leg=A, other=X), Join(leg=Y, other=Y))
    await caller.until(lambda: caller.hears(1000))


async def test_two_lines_in_a_row_carry_both_ways(studio: Studio) -> None:
    caller, callee = studio.client(hz=1000), studio.client(hz=1500)
    await studio.called_by(caller, A)
    await studio.call(callee, B)
    studio.do(Link(leg=Y, other=X), Link(leg=W, other=V))
    studio.do(Join(leg=A, other=X), Join(leg=Y, other=V), Join(leg=W, other=B))
    await asyncio.gather(caller.until(lambda: caller.hears(1500)), callee.until(lambda: callee.hears(1000)))


async def test_a_key_pressed_at_one_end_of_a_line_is_said_once_and_reaches_the_other(studio: Studio) -> None:
    caller, callee = studio.client(), studio.client()
    await calling_by_phone(studio, caller, callee)
    studio.do(Join(leg=Y, other=B))
    await caller.press("5")
    assert (await studio.ledger.take(DigitHeard, A)).digit == "5"
    await callee.until(lambda: sum(p.payload_type == 126 and p.payload[1] >= 0x80 for p in callee.packets) == 3)
    assert not studio.ledger.events


async def test_a_line_that_ends_leaves_those_who_spoke_through_it_in_silence(studio: Studio) -> None:
    caller, callee = studio.client(hz=1000), studio.client(hz=1500)
    await calling_by_phone(studio, caller, callee)
    studio.do(Join(leg=Y, other=B))
    await caller.until(lambda: caller.hears(1500))
    studio.do(CloseMedia(leg=Y), SendDigits(leg=X, digits="1"), CloseMedia(leg=X))
    await asyncio.gather(caller.until(caller.hears_silence), callee.until(callee.hears_silence))
    assert not studio.ledger.events


async def test_a_line_is_nothing_to_negotiate(any_engine: Studio) -> None:
    any_engine.do(Link(leg=Y, other=X), Terminate(leg=A, offer=NO_MEDIA_SDP), Join(leg=A, other=X))
    await any_engine.ledger.take(MediaConnected, A)
    any_engine.do(CloseMedia(leg=X), CloseMedia(leg=Y))
    assert not [event for event in any_engine.ledger.events if event.leg in (X, Y)]


async def test_a_killed_worker_fails_the_legs_of_its_lines(worker: Studio) -> None:
    await worker.called_by(worker.client(), A)
    worker.do(Link(leg=Y, other=X))
    pool = worker.media
    assert isinstance(pool, WorkerPool)
    os.kill(pool.pids[0], signal.SIGKILL)
    for leg in (X, Y):
        await worker.ledger.take(MediaFailed, leg)


# ------------------------------------------------------------------------------------------------------ digits


@pytest.mark.parametrize(
    "codecs",
    [(("PCMU", "opus"), ("PCMU", "opus")), (("opus",), ("opus",)), (("PCMU",), ("opus",))],
    ids=["8 kHz", "48 kHz", "transcoded"],
)
async def test_a_pressed_key_is_said_once_and_passed_on(
    studio: Studio, codecs: tuple[tuple[str, ...], tuple[str, ...]]
) -> None:
    caller, callee = studio.client(codecs=codecs[0]), studio.client(codecs=codecs[1])
    await studio.called_by(caller, A)
    await studio.call(callee, B, like=A)
    studio.do(Join(leg=A, other=B))
    for digit in "5#5":
        await caller.press(digit)
    said = [(await studio.ledger.take(DigitHeard, A)).digit for _ in range(3)]
    assert said == ["5", "#", "5"]
    wanted = 110 if codecs[1][0] == "opus" else 126
    await callee.until(lambda: sum(p.payload_type == wanted and p.payload[1] >= 0x80 for p in callee.packets) == 9)
    events = [packet for packet in callee.packets if packet.payload_type == wanted]
    stamps = list(dict.fromkeys(packet.timestamp for packet in events))
    assert [{p.payload[0] for p in events if p.timestamp == stamp} for stamp in stamps] == [{5}, {11}, {5}]
    full = 0.16 * (48000 if wanted == 110 else 8000)
    assert {int.from_bytes(p.payload[2:], "big") for p in events if p.payload[1] >= 0x80} == {full}
    assert not studio.ledger.events


async def test_digits_are_sent_as_telephone_events_in_order(webrtc: Studio) -> None:
    client = webrtc.client()
    await webrtc.called_by(client, A)
    webrtc.do(SendDigits(leg=A, digits="1w#"))
    await client.until(lambda: sum(p.payload_type == 126 and p.payload[1] >= 0x80 for p in client.packets) == 6)
    events = [packet for packet in client.packets if packet.payload_type == 126]
    stamps = list(dict.fromkeys(packet.timestamp for packet in events))
    assert [{p.payload[0] for p in events if p.timestamp == stamp} for stamp in stamps] == [{1}, {11}]
    assert [p.marker for p in events] == [True, *[False] * 9] * 2
    assert 0.7 * 8000 < stamps[1] - stamps[0] & 0xFFFFFFFF < 1.5 * 8000
    assert int.from_bytes(events[-1].payload[2:], "big") == 0.16 * 8000
    numbers = [packet.sequence for packet in client.packets]
    assert numbers == [(numbers[0] + n) & 0xFFFF for n in range(len(numbers))]


async def test_a_leg_without_telephone_event_hears_digits_as_tones(webrtc: Studio) -> None:
    client = webrtc.client(events=False)
    await webrtc.called_by(client, A)
    webrtc.do(SendDigits(leg=A, digits="1w#"))
    for row, column in ((697, 1209), (941, 1477)):
        await client.until(lambda row=row, column=column: client.hears(row) and client.hears(column))
    assert {packet.payload_type for packet in client.packets} == {0}


# ------------------------------------------------------------------------------------------------------ changes


async def test_a_second_offer_takes_the_legs_place_in_its_bridge(studio: Studio) -> None:
    caller, callee = studio.client(hz=1000), studio.client(hz=1500)
    await studio.called_by(caller, A)
    await studio.call(callee, B, like=A)
    studio.do(Join(leg=A, other=B))
    await callee.until(lambda: callee.hears(1000))
    moved = studio.client(hz=2000)
    await studio.called_by(moved, A)
    await asyncio.gather(moved.until(lambda: moved.hears(1500)), callee.until(lambda: callee.hears(2000)))
    forgotten = len(caller.packets)
    await moved.more()
    assert len(caller.packets) == forgotten, "the old peer is still served"
    assert not any(isinstance(event, MediaLost) for event in studio.ledger.events)


async def test_a_leg_that_waits_for_an_answer_can_be_given_an_offer_instead(studio: Studio) -> None:
    """Another device takes a ringing call over."""
    caller, callee = studio.client(hz=1000), studio.client(hz=1500)
    await studio.called_by(caller, A)
    studio.do(MakeOffer(leg=B, like=A))
    offer = (await studio.ledger.take(OfferReady, B)).sdp
    late = studio.client()
    answer = await late.answer(offer)
    await studio.called_by(callee, B)
    studio.do(Join(leg=A, other=B))
    await asyncio.gather(caller.until(lambda: caller.hears(1500)), callee.until(lambda: callee.hears(1000)))
    studio.do(ApplyAnswer(leg=B, answer=answer))
    assert (await studio.ledger.take(MediaFailed, B)).peers_fault
    await callee.more()
    assert callee.hears(1000)


async def test_the_answer_to_a_second_offer_has_a_later_version(webrtc: Studio) -> None:
    origins = []
    for _ in range(2):
        client = webrtc.client()
        webrtc.do(Terminate(leg=A, offer=await client.offer()))
        sdp = (await webrtc.ledger.take(AnswerReady, A)).sdp
        await client.take(sdp)
        origins.append(next(line for line in sdp.split("\r\n") if line.startswith("o=")).split())
    assert origins[0][1] == origins[1][1]
    assert int(origins[1][2]) > int(origins[0][2])


async def test_a_client_that_leaves_is_lost(webrtc: Studio) -> None:
    client = webrtc.client()
    await webrtc.called_by(client, A)
    await client.close()
    await webrtc.ledger.take(MediaLost, A)


async def test_a_closed_leg_tells_its_client_and_nobody_else(webrtc: Studio) -> None:
    client = webrtc.client()
    await webrtc.called_by(client, A)
    closed = asyncio.Event()
    client.pc.on("connectionstatechange", closed.set)
    webrtc.do(CloseMedia(leg=A), CloseMedia(leg=A), CloseMedia(leg=B))
    await asyncio.wait_for(closed.wait(), 10)
    assert not webrtc.ledger.events


async def test_a_leg_can_be_closed_in_the_middle_of_everything(webrtc: Studio) -> None:
    client = webrtc.client()
    offer = await client.offer()
    webrtc.do(
        Terminate(leg=A, offer=offer), CloseMedia(leg=A), Terminate(leg=B, offer=offer), SendDigits(leg=B, digits="1")
    )
    await webrtc.ledger.take(AnswerReady, B)
    webrtc.do(CloseMedia(leg=B))
    other = webrtc.client()
    await webrtc.called_by(other, C)
    assert not webrtc.ledger.events


# ------------------------------------------------------------------------------------------------------ bad input

GARBAGE = {
    "empty": "",
    "text": "hello",
    "binary": "\0" * 100,
    "no audio": "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n",
    "broken audio": "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF x\r\n",
    "too long": "v=0\r\n" + "a=x\r\n" * 20_000,
}


@pytest.mark.parametrize("sdp", GARBAGE.values(), ids=GARBAGE.keys())
async def test_garbage_fails_its_leg_with_a_sentence(any_engine: Studio, sdp: str) -> None:
    any_engine.do(Terminate(leg=A, offer=sdp))
    failed = await any_engine.ledger.take(MediaFailed, A)
    assert failed.peers_fault
    assert failed.reason.endswith(".") and len(failed.reason) < 120


async def test_garbage_for_a_connected_leg_does_not_end_its_audio(studio: Studio) -> None:
    caller, callee = studio.client(hz=1000), studio.client(hz=1500)
    await studio.called_by(caller, A)
    await studio.call(callee, B)
    studio.do(Join(leg=A, other=B), Terminate(leg=A, offer="garbage"), ApplyAnswer(leg=B, answer="garbage"))
    assert (await studio.ledger.take(MediaFailed, A)).peers_fault
    assert (await studio.ledger.take(MediaFailed, B)).peers_fault
    await asyncio.gather(caller.until(lambda: caller.hears(1500)), callee.until(lambda: callee.hears(1000)))


async def test_an_unusable_answer_leaves_the_offer_open_for_a_better_one(webrtc: Studio) -> None:
    client = webrtc.client()
    webrtc.do(MakeOffer(leg=A))
    offer = (await webrtc.ledger.take(OfferReady, A)).sdp
    webrtc.do(ApplyAnswer(leg=A, answer="garbage"))
    assert (await webrtc.ledger.take(MediaFailed, A)).peers_fault
    webrtc.do(ApplyAnswer(leg=A, answer=await client.answer(offer)))
    await webrtc.ledger.take(MediaConnected, A)


async def test_an_answer_nobody_asked_for_fails(webrtc: Studio) -> None:
    webrtc.do(ApplyAnswer(leg=A, answer="v=0\r\n"))
    await webrtc.ledger.take(MediaFailed, A)


# ------------------------------------------------------------------------------------------------------ no media


async def test_a_client_without_media_is_answered_in_kind(any_engine: Studio) -> None:
    any_engine.do(Terminate(leg=A, offer=NO_MEDIA_SDP))
    assert (await any_engine.ledger.take(AnswerReady, A)).sdp == NO_MEDIA_SDP
    await any_engine.ledger.take(MediaConnected, A)


async def test_a_client_may_answer_an_offer_without_media(any_engine: Studio) -> None:
    any_engine.do(MakeOffer(leg=A))
    await any_engine.ledger.take(OfferReady, A)
    any_engine.do(ApplyAnswer(leg=A, answer=NO_MEDIA_SDP))
    await any_engine.ledger.take(MediaConnected, A)
    any_engine.do(CloseMedia(leg=A))


async def test_joining_a_client_without_media_leaves_the_other_in_silence(studio: Studio) -> None:
    client = studio.client(hz=1000)
    await studio.called_by(client, A)
    studio.do(PlayRingback(leg=A))
    await client.until(lambda: client.hears(440) or client.hears(480))
    studio.do(Terminate(leg=B, offer=NO_MEDIA_SDP))
    await studio.ledger.take(MediaConnected, B)
    studio.do(Join(leg=B, other=A), SendDigits(leg=B, digits="1"), PlayRingback(leg=B))
    await client.until(client.hears_silence)
    studio.do(Part(leg=B, other=A), CloseMedia(leg=B))


async def test_a_coupled_child_without_media_leaves_its_caller_answered(studio: Studio) -> None:
    caller = studio.client()
    studio.do(Couple(leg=A, offer=await caller.offer(), child=B))
    await studio.ledger.take(OfferReady, B)
    studio.do(ApplyAnswer(leg=B, answer=NO_MEDIA_SDP))
    await studio.ledger.take(MediaConnected, B)
    await caller.take((await studio.ledger.take(AnswerReady, A)).sdp)
    await studio.ledger.take(MediaConnected, A)


async def test_an_engine_without_media_refuses_a_real_offer() -> None:
    async for studio in opened("none"):
        client = studio.client()
        studio.do(Terminate(leg=A, offer=await client.offer()))
        failed = await studio.ledger.take(MediaFailed, A)
        assert failed.peers_fault and "no media engine" in failed.reason


# ------------------------------------------------------------------------------------------------------ workers


async def test_a_killed_worker_loses_its_legs_and_new_calls_work(worker: Studio) -> None:
    client = worker.client()
    await worker.called_by(client, A)
    worker.do(MakeOffer(leg=B))
    await worker.ledger.take(OfferReady, B)
    assert isinstance(worker.media, WorkerPool)
    (pid,) = worker.media.pids
    os.kill(pid, signal.SIGKILL)
    await worker.ledger.take(MediaLost, A)
    assert not (await worker.ledger.take(MediaFailed, B)).peers_fault
    again = worker.client()
    await worker.called_by(again, A)
    assert worker.media.pids != [pid]


async def test_closing_ends_the_worker() -> None:
    media = pool()
    await media.start(lambda event: None)
    media.do(MakeOffer(leg=A))
    await media.close()
    assert not media.pids
