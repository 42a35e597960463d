"""The track a call speaks through, whatever the rates of its sources."""

from __future__ import annotations

from array import array

import pytest
from aiortc import MediaStreamError
from av import AudioResampler

from midcall.sdk import LevelMeter, Tone
from midcall.sdk.audio import LocalStream
from midcall.sdk.voice import Voice


async def said(voice: Voice, pieces: int) -> LevelMeter:
    """A meter that heard the last pieces."""
    meter = LevelMeter(rate=48_000)
    for _ in range(pieces):
        frame = await voice.recv()
        assert (frame.samples, frame.sample_rate, frame.format.name) == (960, 48_000, "s16")
        meter.write(array("h", bytes(frame.planes[0])[: 2 * frame.samples]))
    return meter


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    async def now(self):
        """Real time is for real calls."""

    monkeypatch.setattr(Voice, "_wait_for_turn", now)


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 48_000])
async def test_a_source_of_any_rate_is_said_at_the_codecs_and_at_its_level(rate):
    voice = Voice(LocalStream(Tone(440, level_dbfs=-12, rate=rate)), codec_rate=lambda: 48_000)
    meter = await said(voice, 20)
    assert meter.tone_dbfs(440) == pytest.approx(-12, abs=0.5)
    assert meter.level_dbfs() == pytest.approx(-12, abs=0.5)


async def test_sources_of_different_rates_follow_each_other_on_one_track():
    stream = LocalStream(Tone(440, level_dbfs=-12))
    voice = Voice(stream, codec_rate=lambda: 48_000)
    encoder = AudioResampler(format="s16", layout="stereo", rate=48_000)  # as aiortc's encoders have it
    stamps = []
    for rate in (8_000, 48_000, 16_000, 8_000):
        stream.play(Tone(660, level_dbfs=-12, rate=rate))
        for _ in range(3):
            frame = await voice.recv()
            stamps.append(frame.pts)
            encoder.resample(frame)
        assert (await said(voice, 12)).tone_dbfs(660) == pytest.approx(-12, abs=0.5)
        stamps += [stamps[-1] + 960 * n for n in range(1, 13)]
    assert stamps == [960 * n for n in range(len(stamps))]


async def test_a_source_of_the_codecs_own_rate_is_said_as_it_is():
    tone, same = Tone(440), Tone(440)
    voice = Voice(LocalStream(tone), codec_rate=lambda: 8_000)
    frame = await voice.recv()
    assert bytes(frame.planes[0])[:320] == await same.read()
    assert voice.newest == (bytes(frame.planes[0])[:320], 8_000)


async def test_a_track_that_has_ended_says_nothing():
    voice = Voice(LocalStream(Tone(440)), codec_rate=lambda: 8_000)
    voice.stop()
    with pytest.raises(MediaStreamError):
        await voice.recv()
