"""Microphones and speakers, on a stand-in for PortAudio: no hardware was heard here."""

from __future__ import annotations

import asyncio
import sys
from array import array

import pytest

from midcall.sdk import InvalidArgumentError, InvalidStateError, NotSupportedError, VoiceError
from midcall.sdk.audio import AudioProcessor, LocalStream, RemoteStream, Silence, Tone
from midcall.sdk.audio_helper import AudioHelper
from midcall.sdk.events import Tasks
from midcall.sdk.hardware import MAX_WAITING, Microphone, Speaker
from support.fake_portaudio import FakePortAudio

PIECE = array("h", range(960)).tobytes()
LOUD = array("h", [20_000, -20_000] * 480).tobytes()
HEADSET, DESK, MONITOR = "ALSA/Headset", "ALSA/Desk microphone", "ALSA/Monitor"


class Speaking:
    """A call's sound."""

    def __init__(self) -> None:
        self._local, self._remote = LocalStream(Silence()), RemoteStream()


class Stage:
    """A helper, the hardware, and the call that is up."""

    def __init__(self, hardware: FakePortAudio) -> None:
        self.hardware = hardware
        self.call: Speaking | None = None
        self.helper = AudioHelper(Tasks(), lambda: self.call)


@pytest.fixture
async def stage(monkeypatch):
    hardware = FakePortAudio(("Headset", 1, 2), ("Desk microphone", 2, 0), ("Monitor", 0, 2))
    monkeypatch.setitem(sys.modules, "sounddevice", hardware)
    stage = Stage(hardware)
    yield stage
    await stage.helper._close()
    assert not any(stream.is_open for stream in hardware.streams)


async def test_devices_are_listed_by_names_that_last(stage):
    assert list(stage.helper.available_input_devices) == ["default", HEADSET, DESK]
    assert list(stage.helper.available_output_devices) == ["default", HEADSET, MONITOR]
    headset = stage.helper.available_input_devices[HEADSET]
    assert (headset.label, headset.kind) == ("Headset", "audioinput")
    assert stage.helper.is_output_selection_supported


async def test_without_hardware_there_is_nothing_not_even_a_default(monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", FakePortAudio())
    helper = AudioHelper(Tasks(), lambda: None)
    assert dict(helper.available_input_devices) == dict(helper.available_output_devices) == {}
    with pytest.raises(InvalidArgumentError, match="Device not found: default"):
        await helper.set_input_device("default")


async def test_without_portaudio_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    helper = AudioHelper(Tasks(), lambda: None)
    assert not helper.is_output_selection_supported
    for ask in (helper.set_input_device("default"), helper.speaker_devices.set("default"), helper.refresh_devices()):
        with pytest.raises(NotSupportedError, match=r"midcall\[audio\].*libportaudio2"):
            await ask


async def test_a_call_speaks_from_the_microphone_from_the_next_piece_on(stage):
    stage.call = Speaking()
    assert await stage.call._local.read() == (bytes(320), 8000)
    await stage.helper.set_input_device(DESK)
    (stream,) = stage.hardware.streams
    assert (stream.device, stage.helper.input_device.device_id) == (1, DESK)
    stream.capture(PIECE)
    await asyncio.sleep(0)
    assert await stage.call._local.read() == (PIECE, 48_000)
    await stage.helper.set_input_device(HEADSET)
    assert not stream.is_open
    stage.hardware.streams[1].capture(LOUD)
    await asyncio.sleep(0)
    assert await stage.call._local.read() == (LOUD, 48_000)


async def test_calls_to_come_speak_from_it_too_each_with_all_of_the_sound(stage):
    await stage.helper.set_input_device("default")
    calls = [Speaking(), Speaking()]
    for call in calls:
        stage.helper._prepare(call)
    stage.hardware.streams[0].capture(PIECE)
    await asyncio.sleep(0)
    assert [await call._local.read() for call in calls] == [(PIECE, 48_000)] * 2
    assert stage.hardware.streams[0].device is None  # the system's choice


async def test_the_same_microphone_again_is_left_open(stage):
    await stage.helper.set_input_device(DESK)
    await stage.helper.set_input_device(DESK)
    assert len(stage.hardware.streams) == 1


async def test_the_microphone_stays_during_a_call_and_can_be_unset_after_it(stage):
    await stage.helper.unset_input_device()
    await stage.helper.set_input_device(DESK)
    stage.call = Speaking()
    with pytest.raises(InvalidStateError, match="while a call is in progress"):
        await stage.helper.unset_input_device()
    stage.call = None
    await stage.helper.unset_input_device()
    assert stage.helper.input_device is None
    call = Speaking()
    stage.helper._prepare(call)
    assert isinstance(call._local.source, Silence)


@pytest.mark.parametrize("device_id", ["ALSA/Monitor", "", None, 1])
async def test_an_unknown_microphone_is_refused_and_the_old_one_stays(stage, device_id):
    await stage.helper.set_input_device(DESK)
    with pytest.raises(InvalidArgumentError):
        await stage.helper.set_input_device(device_id)
    assert stage.helper.input_device.device_id == DESK


async def test_a_microphone_that_cannot_be_opened_has_a_code(stage):
    stage.hardware.broken.add(1)
    with pytest.raises(VoiceError, match="Device unavailable") as raised:
        await stage.helper.set_input_device(DESK)
    assert raised.value.code == 31402
    assert stage.helper.input_device is None


async def test_old_sound_is_dropped_and_a_late_microphone_is_silence(stage):
    microphone = await Microphone.open(DESK)
    tap = microphone.tap()
    for number in range(MAX_WAITING + 2):
        stage.hardware.streams[0].capture(bytes([number] * 1920))
    await asyncio.sleep(0)
    assert [(await tap.read())[0] for _ in range(MAX_WAITING)] == [2, 3, 4, 5, 6]
    assert await tap.read() == b""
    await microphone.close()
    stage.hardware.streams[0].capture(PIECE)
    await asyncio.sleep(0)
    assert await tap.read() == b""


async def test_the_input_volume_is_told_while_somebody_listens(stage):
    await stage.helper.set_input_device(DESK)
    volumes = []
    stage.helper.on("inputVolume", volumes.append)
    for _ in range(10):  # 200 ms
        stage.hardware.streams[0].capture(LOUD)
    await asyncio.sleep(0)
    assert len(volumes) == 4
    assert all(0 < volume <= 1 for volume in volumes)


async def test_an_unplugged_microphone_is_told_and_leaves_silence(stage):
    stage.call = Speaking()
    await stage.helper.set_input_device(DESK)
    changed = stage.helper.wait_for("deviceChange", timeout=5)
    stage.hardware.streams[0].unplug()
    (lost,) = await changed
    assert (lost.device_id, stage.helper.input_device) == (DESK, None)
    assert await stage.call._local.read() == (bytes(1920), 48_000)


async def test_looking_again_tells_what_came_and_went(stage):
    changes = []
    stage.helper.on("deviceChange", changes.append)
    await stage.helper.refresh_devices()
    stage.hardware.plugged.pop(1)
    await stage.helper.refresh_devices()
    assert [[device.device_id for device in lost] for lost in changes] == [[DESK]]
    await stage.helper.set_input_device(HEADSET)
    with pytest.raises(InvalidStateError):
        await stage.helper.refresh_devices()


async def test_calls_are_heard_by_the_speakers_in_use(stage):
    speakers = stage.helper.speaker_devices
    stage.call = Speaking()
    await speakers.set([HEADSET, MONITOR])
    assert speakers.get() == {HEADSET, MONITOR}
    stage.helper._prepare(stage.call)  # adds none twice
    for sink in stage.call._remote.sinks:
        sink.write(array("h", [1, 2, 3]))
    streams = stage.hardware.streams
    assert [array("h", stream.play(4)).tolist() for stream in streams] == [[1, 2, 3, 0]] * 2
    await speakers.set(MONITOR)
    assert [stream.is_open for stream in streams] == [False, True]
    assert len(stage.call._remote.sinks) == 1
    assert await speakers.delete(MONITOR)
    assert not await speakers.delete(MONITOR)
    assert stage.call._remote.sinks == ()


async def test_a_speaker_outlives_the_call(stage):
    await stage.helper.speaker_devices.set("default")
    call = Speaking()
    stage.helper._prepare(call)
    call._remote.close()
    assert stage.hardware.streams[0].is_open


async def test_when_one_speaker_cannot_be_opened_nothing_changes(stage):
    await stage.helper.speaker_devices.set(HEADSET)
    stage.hardware.broken.add(2)
    with pytest.raises(VoiceError):
        await stage.helper.speaker_devices.set(["default", MONITOR])
    assert stage.helper.speaker_devices.get() == {HEADSET}
    assert [stream.is_open for stream in stage.hardware.streams] == [True, False, False]


async def test_a_speaker_that_is_too_slow_leaves_out_what_is_oldest(stage):
    speaker = await Speaker.open(MONITOR)
    for number in range(MAX_WAITING + 1):
        speaker.write(array("h", [number] * 960))
    assert array("h", stage.hardware.streams[0].play(1))[0] == 1
    speaker.close()
    speaker.close()


async def test_the_speakers_can_be_tried(stage, monkeypatch):
    with pytest.raises(InvalidStateError):
        await stage.helper.speaker_devices.test()
    await stage.helper.speaker_devices.set(MONITOR)
    played = asyncio.Event()
    monkeypatch.setattr(Speaker, "write", lambda self, samples: played.set() if any(samples) else None)
    trial = asyncio.create_task(stage.helper.speaker_devices.test())
    await played.wait()
    trial.cancel()


class Louder(AudioProcessor):
    def process(self, samples, rate):
        return array("h", [2 * sample for sample in samples])


class Failing(AudioProcessor):
    def process(self, samples, rate):
        raise RuntimeError("no")


async def test_a_processor_changes_what_is_said_and_one_what_is_heard(stage):
    stage.call = Speaking()
    stage.call._local.play(Tone(440, level_dbfs=-12))
    plain, _ = await LocalStream(Tone(440, level_dbfs=-12)).read()
    louder = Louder()
    stage.helper.add_processor(louder)
    stage.helper.add_processor(louder, True)
    assert array("h", (await stage.call._local.read())[0])[10] == 2 * array("h", plain)[10]
    assert stage.call._remote.processed(array("h", [3]), 8000) == array("h", [6])
    for is_remote, side in ((False, "Local"), (True, "Remote")):
        with pytest.raises(NotSupportedError, match=side):
            stage.helper.add_processor(Louder(), is_remote)
        with pytest.raises(InvalidArgumentError, match=side):
            stage.helper.remove_processor(Louder(), is_remote)
        stage.helper.remove_processor(louder, is_remote)
    assert stage.call._remote.processed(array("h", [3]), 8000) == array("h", [3])
    with pytest.raises(InvalidArgumentError, match="process"):
        stage.helper.add_processor(object())


async def test_a_processor_that_fails_is_left_out(stage, caplog):
    stage.call = Speaking()
    stage.helper.add_processor(Failing())
    stage.helper.add_processor(Failing(), True)
    assert await stage.call._local.read() == (bytes(320), 8000)
    assert stage.call._remote.processed(array("h", [3]), 8000) == array("h", [3])
    assert (stage.call._local.processor, stage.call._remote.processor) == (None, None)
    assert caplog.text.count("an audio processor failed") == 2


async def test_a_device_has_a_helper_until_it_is_destroyed(make_device, stage):
    device = make_device()
    await device.audio.set_input_device(DESK)
    await device.destroy()
    assert device.audio is None
    assert not stage.hardware.streams[0].is_open
