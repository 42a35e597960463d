"""Sources, sinks and streams, without any network."""

from __future__ import annotations

import asyncio
import itertools
import wave
from array import array

import pytest

from midcall.sdk import CallbackSink, Frames, InvalidArgumentError, LevelMeter, Silence, Tone, WavFile, WavRecorder
from midcall.sdk.audio import LocalStream, RemoteStream


async def heard(source, seconds: float = 0.4) -> LevelMeter:
    """A meter that has listened to a source."""
    meter = LevelMeter(rate=source.rate)
    for _ in range(round(seconds / 0.02)):
        samples = array("h")
        samples.frombytes(await source.read())
        meter.write(samples)
    return meter


async def test_a_tone_is_heard_at_its_level_and_its_frequency_only():
    meter = await heard(Tone(440, level_dbfs=-6))
    assert meter.level_dbfs() == pytest.approx(-6, abs=0.1)
    assert meter.tone_dbfs(440) == pytest.approx(-6, abs=0.1)
    assert meter.tone_dbfs(660) < -60


async def test_a_tone_joins_itself_after_a_second():
    tone = Tone(441, rate=8000)
    sound = array("h")
    for _ in range(100):
        sound.frombytes(await tone.read())
    assert sound[:8000] == sound[8000:]
    steps = [abs(after - before) for before, after in itertools.pairwise(sound)]
    assert max(steps) == pytest.approx(steps[0], rel=0.02)  # the steepest step of a sine is its first


async def test_silence_is_the_floor():
    assert (await heard(Silence())).level_dbfs() == -96
    assert LevelMeter().tone_dbfs(440) == -96


@pytest.mark.parametrize("arguments", [{"frequency": 0}, {"frequency": 4000}, {"frequency": 440, "level_dbfs": 1}])
def test_impossible_tones_are_refused(arguments):
    with pytest.raises(InvalidArgumentError):
        Tone(**arguments)


async def test_a_meter_can_be_waited_for():
    meter = LevelMeter()
    waiting = asyncio.create_task(meter.until(lambda meter: meter.tone_dbfs(440) > -10))
    tone = Tone(440)
    while not waiting.done():
        samples = array("h")
        samples.frombytes(await tone.read())
        meter.write(samples)
        await asyncio.sleep(0)
    assert meter.heard_s < 1


async def test_a_wav_file_is_mixed_and_may_repeat(tmp_path):
    path = tmp_path / "stereo.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(array("h", [100, 300] * 400).tobytes())  # 25 ms
    once = WavFile(path)
    assert once.rate == 16_000
    assert array("h", await once.read()) == array("h", [200] * 320)
    assert array("h", await once.read()) == array("h", [200] * 80)
    assert await once.read() == b""
    again = WavFile(path, repeat=True)
    lengths = [len(await again.read()) for _ in range(4)]
    assert lengths == [640, 160, 640, 160]


def test_a_file_that_is_no_wav_is_refused(tmp_path):
    path = tmp_path / "song.wav"
    path.write_bytes(b"RIFF nothing")
    with pytest.raises(InvalidArgumentError, match=r"song\.wav"):
        WavFile(path)


async def test_frames_of_any_length_are_cut_to_20_ms():
    async def pieces():
        for size in (100, 300, 10):
            yield bytes(size)

    source = Frames(pieces(), rate=8000)
    assert [len(await source.read()) for _ in range(3)] == [320, 90, 0]


async def test_a_local_stream_fills_up_mutes_and_changes_its_source():
    async def nothing():
        return
        yield b""

    stream = LocalStream(Frames(nothing(), rate=8000))
    assert await stream.read() == (bytes(320), 8000)
    stream.play(Tone(440, rate=16_000))
    data, rate = await stream.read()
    assert (len(data), rate, any(data)) == (640, 16_000, True)
    stream.muted = True
    assert not any((await stream.read())[0])


def test_a_recording_holds_what_was_heard(tmp_path):
    path = tmp_path / "heard.wav"
    recorder = WavRecorder(path)
    remote = RemoteStream()
    pieces = []
    remote.add(recorder)
    remote.add(CallbackSink(pieces.append))
    for sink in remote.sinks:
        sink.write(array("h", [1, -2, 3]))
    remote.close()
    with wave.open(str(path), "rb") as file:
        assert (file.getframerate(), file.getnchannels()) == (8000, 1)
        assert array("h", file.readframes(3)) == array("h", [1, -2, 3])
    assert pieces == [array("h", [1, -2, 3])]
    assert remote.sinks == ()
