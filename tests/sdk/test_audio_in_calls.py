"""Microphones, speakers and processors in real calls, on a stand-in for PortAudio."""

from __future__ import annotations

import asyncio
import sys
from array import array
from collections.abc import AsyncIterator, Iterator

import pytest

from midcall.folder import Credentials, ServerInfo
from midcall.sdk import LevelMeter, Tone
from support.fake_portaudio import FakePortAudio, Stream
from support.served import World, living, serving

RATE = 48_000


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ServerInfo, Credentials]]:
    with serving(tmp_path_factory.mktemp("server")) as served:
        yield served


@pytest.fixture
async def world(served: tuple[ServerInfo, Credentials]) -> AsyncIterator[World]:
    async with living(served) as world:
        world.media = "real"
        yield world


@pytest.fixture
def hardware(monkeypatch: pytest.MonkeyPatch) -> FakePortAudio:
    hardware = FakePortAudio(("Headset", 1, 2))
    monkeypatch.setitem(sys.modules, "sounddevice", hardware)
    return hardware


async def sing(stream: Stream, frequency: int) -> None:
    """The microphone hears a tone, in its own time."""
    tone, clock = Tone(frequency, level_dbfs=-12, rate=RATE), asyncio.get_running_loop().time
    due = clock()
    while stream.is_open:
        stream.capture(await tone.read())
        due += 0.02
        await asyncio.sleep(due - clock())


async def listen(stream: Stream, meter: LevelMeter) -> None:
    """The speaker plays, and somebody hears it."""
    clock = asyncio.get_running_loop().time
    due = clock()
    while stream.is_open:
        meter.write(array("h", stream.play(RATE // 50)))
        due += 0.02
        await asyncio.sleep(due - clock())


class Halved:
    """A processor that makes everything quieter, by 6 dB."""

    def process(self, samples, rate):
        return array("h", [sample // 2 for sample in samples])


async def test_a_call_changes_over_to_the_microphone_and_is_heard_by_the_speaker(world, hardware):
    call, rung = await world.open(audio_source=lambda: Tone(660, level_dbfs=-12))
    bob, alice = world.devices
    far = LevelMeter()
    rung.get_remote_stream().add(far)
    rung.get_local_stream().play(Tone(880, level_dbfs=-12))
    async with asyncio.timeout(20):
        await far.until(lambda meter: meter.tone_dbfs(660) > -20)

    await alice.audio.set_input_device("ALSA/Headset")
    await alice.audio.speaker_devices.set("default")
    microphone, speaker = hardware.streams
    near = LevelMeter(rate=RATE)
    work = [asyncio.create_task(sing(microphone, 440)), asyncio.create_task(listen(speaker, near))]
    async with asyncio.timeout(20):
        await far.until(lambda meter: meter.tone_dbfs(440) > -20 and meter.tone_dbfs(660) < -30)
        await near.until(lambda meter: meter.tone_dbfs(880) > -20)

    alice.audio.add_processor(Halved())
    alice.audio.add_processor(Halved(), True)
    async with asyncio.timeout(20):
        await far.until(lambda meter: -20 < meter.tone_dbfs(440) < -16)
        await near.until(lambda meter: -20 < meter.tone_dbfs(880) < -16)

    over = call.wait_for("disconnect", timeout=10)
    call.disconnect()
    await over
    assert (microphone.is_open, speaker.is_open) == (True, True)  # the next call uses them too
    await alice.destroy()
    assert (microphone.is_open, speaker.is_open) == (False, False)
    await asyncio.gather(*work)
    assert bob.audio.input_device is None
