"""What a call says when its source is slow, is replaced, or fails."""

from __future__ import annotations

import asyncio
import logging

import pytest

from midcall.sdk import Frames, Silence, Tone
from midcall.sdk.audio import LocalStream
from midcall.sdk.voice import Voice


class Waiting:
    """A source that has nothing yet."""

    rate = 8000

    def __init__(self) -> None:
        self.asked = 0
        self.cancelled = 0

    async def read(self) -> bytes:
        self.asked += 1
        try:
            return await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise


class Failing:
    rate = 8000

    async def read(self) -> bytes:
        raise OSError("the microphone is gone")


def voice(source) -> tuple[Voice, LocalStream]:
    stream = LocalStream(source)
    return Voice(stream, codec_rate=lambda: 8000), stream


async def loud(track: Voice) -> bool:
    return any(bytes((await track.recv()).planes[0]))


async def test_a_source_that_has_nothing_yet_is_silence_and_is_asked_once():
    source = Waiting()
    track, _ = voice(source)
    assert [await loud(track) for _ in range(3)] == [False] * 3
    assert source.asked == 1
    track.stop()
    await asyncio.sleep(0)
    assert source.cancelled == 1


async def test_a_source_that_is_waited_for_can_be_replaced():
    source = Waiting()
    track, stream = voice(source)
    assert not await loud(track)
    stream.play(Tone(440))
    assert await loud(track)
    assert source.cancelled == 1


async def test_what_a_slow_source_has_in_the_end_is_said_whole():
    pieces: asyncio.Queue[bytes] = asyncio.Queue()

    async def speak():
        while True:
            yield await pieces.get()

    track, _ = voice(Frames(speak(), rate=8000))
    assert not await loud(track)
    pieces.put_nowait(b"\1\1" * 320)
    said = [await loud(track) for _ in range(4)]
    assert said.count(True) == 2
    track.stop()


async def test_a_source_that_fails_is_logged_and_leaves_silence_until_another_one_is_played(caplog):
    track, stream = voice(Failing())
    with caplog.at_level(logging.ERROR, logger="midcall.sdk.media"):
        assert [await loud(track) for _ in range(3)] == [False] * 3
    assert len(caplog.records) == 1
    assert isinstance(stream.source, Silence)
    stream.play(Tone(440))
    assert await loud(track)


@pytest.mark.parametrize("muted", [False, True])
async def test_a_muted_source_goes_on_unheard(muted):
    track, stream = voice(Tone(440))
    stream.muted = muted
    assert await loud(track) is not muted
