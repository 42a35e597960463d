"""Media that is lost and found: calls over a network that is cut, against a real `midcall serve` with its media."""

from __future__ import annotations

import asyncio
import dataclasses
import re
from collections.abc import AsyncIterator, Iterator

import pytest

from midcall.core import quality_warnings
from midcall.folder import Credentials, ServerInfo
from midcall.sdk import Call, LevelMeter, Tone, conduct, ice, monitor
from midcall.sdk.media import MediaPeer
from midcall.wire import signal
from support.lossy_network import Network
from support.served import World, cut, living, serving

HASTE = ice.Patience(check_s=0.1, answer_s=0.4, disconnected_s=0.8, failed_s=1.5)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ServerInfo, Credentials]]:
    with serving(tmp_path_factory.mktemp("server")) as served:
        yield served


class Networks:
    """One between the caller's media and the server, one between the callee's and the server."""

    def __init__(self) -> None:
        self.caller, self.callee = Network(), Network()
        self.patience = HASTE


@pytest.fixture
async def networks(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Networks]:
    """All media goes by way of them, and loses patience soon."""
    networks = Networks()
    place, answer, apply, apply_restart = (
        MediaPeer.__init__,
        MediaPeer.answer,
        MediaPeer.apply,
        MediaPeer.apply_restart,
    )

    def hasty(self, *args, **options):
        place(self, *args, **{**options, "patience": networks.patience})
        self.network = networks.caller

    async def answer_through(self, offer: str) -> str:
        self.network = networks.callee
        return await answer(self, await networks.callee.through(offer))

    async def apply_through(self, sdp: str) -> None:
        await apply(self, await self.network.through(sdp))

    async def apply_restart_through(self, sdp: str) -> None:
        await apply_restart(self, await self.network.through(sdp))

    monkeypatch.setattr(MediaPeer, "__init__", hasty)
    monkeypatch.setattr(MediaPeer, "answer", answer_through)
    monkeypatch.setattr(MediaPeer, "apply", apply_through)
    monkeypatch.setattr(MediaPeer, "apply_restart", apply_restart_through)
    yield networks
    networks.caller.close()
    networks.callee.close()


@pytest.fixture
async def world(served: tuple[ServerInfo, Credentials], networks: Networks) -> AsyncIterator[World]:
    async with living(served) as world:
        world.media = "real"
        yield world


class Talk:
    """A call in which each end says a tone of its own and listens."""

    def __init__(self, call: Call, rung: Call) -> None:
        self.call, self.rung = call, rung
        call.get_local_stream().play(Tone(440))
        rung.get_local_stream().play(Tone(660))
        self.events = [watched(call), watched(rung)]

    async def is_heard(self) -> None:
        """Each end hears the other's tone from now on."""
        alice, bob = LevelMeter(), LevelMeter()
        self.call.get_remote_stream().add(alice)
        self.rung.get_remote_stream().add(bob)
        async with asyncio.timeout(10):
            await alice.until(lambda ear: ear.tone_dbfs(660) > -12)
            await bob.until(lambda ear: ear.tone_dbfs(440) > -12)


def watched(call: Call) -> list[object]:
    """What the call tells of losses, as it comes."""
    events: list[object] = []

    def note(name: str, *about: object) -> None:
        if name.startswith("warning"):
            events.extend([(name, about[0])] if about[0] == "ice-connectivity-lost" else [])
        else:
            events.append((name, about[0].code) if name in ("reconnecting", "error") else name)

    for name in ("warning", "warning-cleared", "reconnecting", "reconnected", "disconnect", "error"):
        call.on(name, lambda *about, name=name: note(name, *about))
    return events


class Placed:
    """Watches a call from its first moment on."""

    def __call__(self, call: Call) -> None:
        self.events = watched(call)
        self.reconnecting = call.wait_for("reconnecting", timeout=30)
        self.reconnected = call.wait_for("reconnected", timeout=30)


LOST = [("warning", "ice-connectivity-lost"), ("reconnecting", 53405)]
FOUND = [("warning-cleared", "ice-connectivity-lost"), "reconnected"]


async def talking(world: World, **options) -> Talk:
    talk = Talk(*await world.open(**options))
    await talk.is_heard()
    return talk


@pytest.mark.parametrize("side", ["caller", "callee"])
async def test_a_call_whose_path_is_cut_finds_another_one_and_both_ends_are_heard_again(world, networks, side):
    talk = await talking(world)
    call, network, events = (
        (talk.call, networks.caller, talk.events[0])
        if side == "caller"
        else (talk.rung, networks.callee, talk.events[1])
    )
    reconnecting = call.wait_for("reconnecting", timeout=20)
    network.cut()
    await reconnecting
    assert call.status() == "reconnecting"
    reconnected = call.wait_for("reconnected", timeout=20)
    network.mend_for_newcomers()
    await reconnected
    assert call.status() == "open"
    await talk.is_heard()
    assert events == LOST + FOUND


async def test_a_call_finds_its_path_a_second_time(world, networks):
    talk = await talking(world)
    for _ in range(2):
        reconnected = talk.call.wait_for("reconnected", timeout=20)
        networks.caller.cut()
        await talk.call.wait_for("reconnecting", timeout=20)
        networks.caller.mend_for_newcomers()
        await reconnected
        await talk.is_heard()
    assert talk.events[0] == 2 * (LOST + FOUND)


async def test_a_call_whose_media_never_found_a_path_finds_it_by_a_restart(world, networks):
    networks.caller.cut()
    placed = Placed()
    talk = Talk(*await world.open(placed))
    await placed.reconnecting
    networks.caller.mend_for_newcomers()
    await placed.reconnected
    await talk.is_heard()
    assert placed.events == [("reconnecting", 53405), "reconnected"]


async def test_a_call_whose_first_dtls_session_fails_gets_another_one_by_a_restart(world, monkeypatch):
    apply = MediaPeer.apply

    async def spoil_and_apply(self, sdp: str) -> None:
        others = ":".join(["00"] * 32)
        await apply(self, re.sub(r"(a=fingerprint:sha-256 )\S+", rf"\g<1>{others}", sdp))

    monkeypatch.setattr(MediaPeer, "apply", spoil_and_apply)
    placed = Placed()
    talk = Talk(*await world.open(placed))
    await placed.reconnected
    await talk.is_heard()
    assert placed.events == [("reconnecting", 53405), "reconnected"]


async def test_a_path_that_comes_back_before_it_counts_as_failed_is_used_on(world, networks):
    talk = await talking(world)
    cleared = talk.call.wait_for("warning-cleared", where=lambda name: name == "ice-connectivity-lost", timeout=20)
    warned = talk.call.wait_for("warning", where=lambda name, _: name == "ice-connectivity-lost", timeout=20)
    networks.caller.cut()
    await warned
    networks.caller.mend()
    await cleared
    await talk.is_heard()
    assert talk.events[0] == [LOST[0], FOUND[0]]


async def test_a_call_whose_path_stays_cut_ends_when_it_was_tried_long_enough(world, networks, monkeypatch):
    monkeypatch.setattr(conduct, "RESTARTS_S", 2.2)  # two tries, of 1.5 s each
    talk = await talking(world)
    link = talk.call._link
    sent, transmit = [], link.transmit
    monkeypatch.setattr(link, "transmit", lambda frame, keep: sent.append(frame) or transmit(frame, keep=keep))
    over, failed = talk.call.wait_for("disconnect", timeout=20), talk.call.wait_for("error", timeout=20)
    hung_up = talk.rung.wait_for("disconnect", timeout=20)
    networks.caller.cut()
    await asyncio.gather(over, failed, hung_up)
    assert talk.events[0] == [*LOST, "disconnect", ("error", 53405)]
    assert [type(frame) for frame in sent] == [signal.Reinvite, signal.Reinvite, signal.Hangup]
    assert sent[-1].message
    assert talk.call.status() == "closed"


async def test_signalling_and_media_that_are_lost_together_come_back_together(world, networks):
    talk = await talking(world)
    device = world.devices[-1]
    device.on("error", lambda error: None)
    networks.caller.cut()
    await talk.call.wait_for("reconnecting", where=lambda error: error.code == 53405, timeout=20)
    reconnected = talk.call.wait_for("reconnected", timeout=20)
    cut(device)
    await talk.call.wait_for("reconnecting", where=lambda error: error.code == 53001, timeout=20)
    networks.caller.mend_for_newcomers()
    sent = talk.call.send_message("while both were lost")
    await reconnected
    assert talk.call.status() == "open"
    await asyncio.wait_for(sent, 10)
    await talk.is_heard()
    assert talk.events[0] == [*LOST, ("reconnecting", 53001), *FOUND]


async def test_nothing_is_sent_without_consent_and_digits_wait_for_it(world, networks, monkeypatch):
    networks.patience = dataclasses.replace(HASTE, failed_s=60)
    talk = await talking(world)
    heard: asyncio.Queue[str] = asyncio.Queue()
    talk.rung.get_remote_stream().on_digit(heard.put_nowait)
    warned = talk.call.wait_for("warning", where=lambda name, _: name == "ice-connectivity-lost", timeout=20)
    networks.caller.cut()
    await warned
    peer = talk.call._media.peer
    before = await peer.counters()
    talk.call.send_digits("7")
    samples = talk.call.wait_for("sample", timeout=20)
    await samples
    after = await peer.counters()
    assert (after.packets_sent, after.bytes_sent) == (before.packets_sent, before.bytes_sent)
    assert heard.empty()
    networks.caller.mend()
    assert await asyncio.wait_for(heard.get(), 10) == "7"


async def test_a_call_that_the_server_ends_tells_of_no_loss_although_its_media_goes_first(world, networks):
    talk = await talking(world)
    over = talk.call.wait_for("disconnect", timeout=20)
    talk.rung.disconnect()
    await over
    assert talk.events[0] == ["disconnect"]


async def test_bytes_that_stop_and_checks_that_nobody_answers_are_a_loss_before_ice_has_failed(
    world, networks, monkeypatch
):
    monkeypatch.setattr(monitor, "SAMPLE_S", 0.1)
    monkeypatch.setattr(quality_warnings, "QUIET_S", 0.3)
    networks.patience = dataclasses.replace(HASTE, failed_s=60)
    talk = await talking(world)
    warned: list[tuple[str, str]] = []
    for event in ("warning", "warning-cleared"):
        talk.call.on(event, lambda name, *_, event=event: warned.append((event, name)))
    raised = talk.call.wait_for("warning", where=lambda name, _: name == "low-bytes-received", timeout=20)
    cleared = talk.call.wait_for("warning-cleared", where=lambda name: name == "low-bytes-received", timeout=20)
    reconnected = talk.call.wait_for("reconnected", timeout=20)
    networks.caller.cut()
    await talk.call.wait_for("reconnecting", timeout=20)
    networks.caller.mend_for_newcomers()
    await asyncio.gather(raised, reconnected, cleared)
    assert talk.events[0] == LOST + FOUND
    await talk.is_heard()

    late: list[str] = []
    for event in ("warning", "warning-cleared", "sample", "volume"):
        talk.call.on(event, lambda *_, event=event: late.append(event))
    talk.call.disconnect()
    late.clear()
    networks.caller.cut()
    await asyncio.gather(talk.call._media._monitoring, return_exceptions=True)
    assert late == []


@pytest.mark.parametrize("caller", ["real", "none"])
async def test_digits_are_heard_in_order_whether_they_went_in_rtp_or_by_signalling(world, caller):
    call, rung = await world.open(media=caller)
    heard: asyncio.Queue[str] = asyncio.Queue()
    rung.get_remote_stream().on_digit(heard.put_nowait)
    call.send_digits("1w#2")
    async with asyncio.timeout(10):
        assert [await heard.get() for _ in range(3)] == ["1", "#", "2"]
