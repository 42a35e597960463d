"""Audio without hardware: sources a call speaks from, sinks a call is heard by.

Everything is signed 16-bit mono. A source is asked for 20 ms at a time; a sink gets what came from the other side,
resampled to the rate it asks for.
"""

from __future__ import annotations

import asyncio
import logging
import math
import sys
import wave
from array import array
from collections import deque
from collections.abc import AsyncIterator, Callable
from functools import lru_cache
from pathlib import Path
from typing import Final, Protocol

from midcall.sdk.errors import InvalidArgumentError

log = logging.getLogger("midcall.sdk.audio")

FRAME_S: Final = 0.02
TELEPHONE_RATE: Final = 8000
FULL_SCALE: Final = 32768
ASK_S: Final = 0.05
SILENCE_DBFS: Final = -96.0
"""What a meter shows when it hears nothing at all."""


class AudioSource(Protocol):
    """Where a call's own voice comes from.

    Attributes:
        rate: samples per second.
    """

    rate: int

    async def read(self) -> bytes:
        """The next 20 ms, native byte order; shorter or empty at the end, which is then followed by silence.

        May take its time: until it returns there is silence. What it raises is logged, and ends this source.
        """


class AudioSink(Protocol):
    """Where the other side's voice goes.

    Attributes:
        rate: samples per second it wants.
    """

    rate: int

    def write(self, samples: array[int]) -> None:
        """Some milliseconds of sound."""

    def close(self) -> None:
        """The call's media has ended."""


class AudioProcessor(Protocol):
    """Something that changes sound on its way: a filter, a gain, a noise gate."""

    def process(self, samples: array[int], rate: int) -> array[int]:
        """As many samples as came. What was heard comes once for each rate that sinks ask for."""


# ----------------------------------------------------------------------------------------------------------- sources


class Tone:
    """A sine tone for ever."""

    def __init__(self, frequency: int, *, level_dbfs: float = -6.0, rate: int = TELEPHONE_RATE) -> None:
        """Takes whole hertz below half the rate, and a level of at most 0 dBFS."""
        if not 0 < frequency < rate / 2 or level_dbfs > 0:
            raise InvalidArgumentError("a tone is between 0 Hz and half the rate, and at most 0 dBFS")
        self.rate = rate
        self._second = _sine(frequency, level_dbfs, rate)
        self._at = 0
        self._step = int(rate * FRAME_S) * 2

    async def read(self) -> bytes:
        """The next 20 ms; a whole number of hertz joins itself after each second."""
        start, self._at = self._at, (self._at + self._step) % len(self._second)
        return self._second[start : start + self._step]


@lru_cache(maxsize=16)
def _sine(frequency: int, level_dbfs: float, rate: int) -> bytes:
    peak = 10 ** (level_dbfs / 20) * (FULL_SCALE - 1)
    turn = 2 * math.pi * frequency / rate
    return array("h", (round(peak * math.sin(turn * n)) for n in range(rate))).tobytes()


class Silence:
    """Nothing to hear."""

    def __init__(self, *, rate: int = TELEPHONE_RATE) -> None:
        self.rate = rate
        self._frame = bytes(int(rate * FRAME_S) * 2)

    async def read(self) -> bytes:
        """20 ms of zeros."""
        return self._frame


class WavFile:
    """A WAV file (16-bit PCM, any rate; channels are mixed), once or again and again."""

    def __init__(self, path: str | Path, *, repeat: bool = False) -> None:
        """Reads the whole file.

        Raises:
            InvalidArgumentError: it is not 16-bit PCM.
        """
        try:
            with wave.open(str(path), "rb") as file:
                if file.getsampwidth() != 2:
                    raise InvalidArgumentError(f"{path} is not 16-bit PCM")
                self.rate = file.getframerate()
                samples = _native(file.readframes(file.getnframes()))
                self._sound = _mixed(samples, file.getnchannels()).tobytes()
        except (wave.Error, EOFError) as error:
            raise InvalidArgumentError(f"{path} cannot be read: {error}") from error
        self._repeat = repeat
        self._at = 0

    async def read(self) -> bytes:
        """The next 20 ms."""
        step = int(self.rate * FRAME_S) * 2
        if self._repeat and self._at >= len(self._sound):
            self._at = 0
        start, self._at = self._at, self._at + step
        return self._sound[start : start + step]


class Frames:
    """Sound that the application makes: an async iterator of byte strings of any length."""

    def __init__(self, frames: AsyncIterator[bytes], *, rate: int) -> None:
        self.rate = rate
        self._frames = frames
        self._rest = bytearray()

    async def read(self) -> bytes:
        """The next 20 ms, waiting for the iterator when it has none yet."""
        step = int(self.rate * FRAME_S) * 2
        while len(self._rest) < step:
            try:
                self._rest += await anext(self._frames)
            except StopAsyncIteration:
                break
        taken = bytes(self._rest[:step])
        del self._rest[:step]
        return taken


def _native(data: bytes) -> array[int]:
    samples = array("h")
    samples.frombytes(data[: len(data) // 2 * 2])
    if sys.byteorder == "big":
        samples.byteswap()
    return samples


def _mixed(samples: array[int], channels: int) -> array[int]:
    if channels == 1:
        return samples
    whole = len(samples) // channels * channels
    return array("h", (sum(samples[n : n + channels]) // channels for n in range(0, whole, channels)))


# ------------------------------------------------------------------------------------------------------------- sinks


class LevelMeter:
    """Hears how loud it is, and how loud one frequency is in it, over the last moments."""

    def __init__(self, *, window_s: float = 0.2, rate: int = TELEPHONE_RATE) -> None:
        self.rate = rate
        self._heard: deque[int] = deque(maxlen=int(window_s * rate))
        self._total = 0
        self._asked_at = 0
        self._wishes: list[tuple[Callable[[LevelMeter], bool], asyncio.Future[None]]] = []

    @property
    def heard_s(self) -> float:
        """Seconds of sound that came so far, silence included."""
        return self._total / self.rate

    def write(self, samples: array[int]) -> None:
        """Listen."""
        self._heard.extend(samples)
        self._total += len(samples)
        if self._wishes and self._total - self._asked_at >= ASK_S * self.rate:
            self._asked_at = self._total
            self._look()

    def close(self) -> None:
        """Keeps what was heard last."""

    async def until(self, heard: Callable[[LevelMeter], bool]) -> None:
        """Wait until the predicate holds; it is asked about every 50 ms of sound. Bound it by a timeout."""
        if heard(self):
            return
        wish = (heard, asyncio.get_running_loop().create_future())
        self._wishes.append(wish)
        try:
            await wish[1]
        finally:
            self._wishes.remove(wish)

    def _look(self) -> None:
        for heard, future in self._wishes:
            if not future.done() and heard(self):
                future.set_result(None)

    def level_dbfs(self) -> float:
        """Loudness; a sine at full scale is 0 dBFS."""
        if not self._heard:
            return SILENCE_DBFS
        power = sum(sample * sample for sample in self._heard) / len(self._heard)
        return _dbfs(math.sqrt(2 * power))

    def tone_dbfs(self, frequency: float) -> float:
        """Loudness of one frequency, by Goertzel's algorithm; a sine at full scale is 0 dBFS."""
        if not self._heard:
            return SILENCE_DBFS
        factor = 2 * math.cos(2 * math.pi * frequency / self.rate)
        last = before = 0.0
        for sample in self._heard:
            last, before = sample + factor * last - before, last
        power = last * last + before * before - factor * last * before
        return _dbfs(2 * math.sqrt(max(power, 0.0)) / len(self._heard))


def _dbfs(amplitude: float) -> float:
    return max(SILENCE_DBFS, 20 * math.log10(amplitude / FULL_SCALE)) if amplitude > 0 else SILENCE_DBFS


class CallbackSink:
    """Hands every piece of sound to a function."""

    def __init__(self, function: Callable[[array[int]], None], *, rate: int = TELEPHONE_RATE) -> None:
        self.rate = rate
        self._function = function

    def write(self, samples: array[int]) -> None:
        """Call the function."""
        self._function(samples)

    def close(self) -> None:
        """Nothing to close."""


class WavRecorder:
    """Writes what it hears to a WAV file (16-bit PCM, mono)."""

    def __init__(self, path: str | Path, *, rate: int = TELEPHONE_RATE) -> None:
        self.rate = rate
        self._file = wave.open(str(path), "wb")  # noqa: SIM115 - closed by close()
        self._file.setnchannels(1)
        self._file.setsampwidth(2)
        self._file.setframerate(rate)

    def write(self, samples: array[int]) -> None:
        """Append."""
        self._file.writeframes(_little(samples))

    def close(self) -> None:
        """Complete the file."""
        self._file.close()


def _little(samples: array[int]) -> bytes:
    if sys.byteorder == "big":
        samples = array("h", samples)
        samples.byteswap()
    return samples.tobytes()


# ----------------------------------------------------------------------------------------------------------- streams


class LocalStream:
    """A call's own voice: what `call.get_local_stream()` returns.

    Attributes:
        muted: silence is sent instead of the source.
        processor: changes what is spoken; one that fails is logged and removed.
    """

    def __init__(self, source: AudioSource) -> None:
        self._source = source
        self.muted = False
        self.processor: AudioProcessor | None = None

    @property
    def source(self) -> AudioSource:
        """What is spoken."""
        return self._source

    def play(self, source: AudioSource) -> None:
        """Speak something else from the next 20 ms on."""
        self._source = source

    async def read(self) -> tuple[bytes, int]:
        """The next 20 ms, filled up with silence, and their rate. A muted source goes on unheard."""
        source = self._source
        step = int(source.rate * FRAME_S) * 2
        data = (await source.read()).ljust(step, b"\0")
        if self.processor is not None:
            data = self._processed(self.processor, data, source.rate)
        return bytes(step) if self.muted else data, source.rate

    def _processed(self, processor: AudioProcessor, data: bytes, rate: int) -> bytes:
        try:
            return (
                processor.process(array("h", data[: len(data) // 2 * 2]), rate)
                .tobytes()[: len(data)]
                .ljust(len(data), b"\0")
            )
        except Exception:
            log.exception("an audio processor failed and is left out from now on")
            self.processor = None
            return data


class RemoteStream:
    """The other side's voice: what `call.get_remote_stream()` returns. Without sinks it is dropped, cheaply.

    Attributes:
        processor: changes what is heard; one that fails is logged and removed.
    """

    def __init__(self) -> None:
        self._sinks: list[AudioSink] = []
        self._on_digit: list[Callable[[str], None]] = []
        self.processor: AudioProcessor | None = None

    def processed(self, samples: array[int], rate: int) -> array[int]:
        """Sound as the sinks get it."""
        if self.processor is None:
            return samples
        try:
            return self.processor.process(samples, rate)
        except Exception:
            log.exception("an audio processor failed and is left out from now on")
            self.processor = None
            return samples

    @property
    def sinks(self) -> tuple[AudioSink, ...]:
        """Who listens."""
        return tuple(self._sinks)

    def add(self, sink: AudioSink) -> None:
        """Let a sink listen from now on; it is closed with the call."""
        self._sinks.append(sink)

    def remove(self, sink: AudioSink) -> None:
        """Let it listen no more, without closing it."""
        if sink in self._sinks:
            self._sinks.remove(sink)

    def close(self) -> None:
        """Close all sinks."""
        for sink in self._sinks:
            sink.close()
        self._sinks.clear()

    def on_digit(self, heard: Callable[[str], None]) -> None:
        """Call a function with each digit that the other side presses: 0-9, *, #, A-D. Until the call ends.

        A browser's stream has no such thing: it plays the tone to its user.
        """
        self._on_digit.append(heard)

    def hear_digit(self, digit: str) -> None:
        """A digit came."""
        for heard in list(self._on_digit):
            try:
                heard(digit)
            except Exception:
                log.exception("a function that hears digits failed")
