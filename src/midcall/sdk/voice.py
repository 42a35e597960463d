"""The track that a call speaks through: 20 ms at a time, in real time, at one rate whatever its sources have."""

from __future__ import annotations

import asyncio
import fractions
import logging
from collections.abc import Callable

from aiortc import MediaStreamError, MediaStreamTrack
from av import AudioFrame, AudioResampler

from midcall.sdk.audio import FRAME_S, AudioSource, LocalStream, Silence

log = logging.getLogger("midcall.sdk.media")


class Voice(MediaStreamTrack):
    """Reads the local stream in real time.

    aiortc's encoders take sound of one rate only, that of their first frame, and end the track at another one. So the
    rate is the codec's from the beginning, and a source of another rate is resampled, anew after each change.

    Attributes:
        newest: what was read last, native byte order, and its rate; whoever looks at it sets it to None.
    """

    kind = "audio"

    def __init__(self, stream: LocalStream, *, codec_rate: Callable[[], int]) -> None:
        """Takes what to read, and who says the codec's rate once that is agreed, before the first read."""
        super().__init__()
        self._stream = stream
        self._codec_rate = codec_rate
        self._rate = 0
        self.newest: tuple[bytes, int] | None = None
        self._started: float | None = None
        self._sent = 0
        self._resampler: AudioResampler | None = None
        self._resampled_rate = 0
        self._held = bytearray()
        self._reading: asyncio.Task[tuple[bytes, int]] | None = None
        self._asked: AudioSource | None = None

    async def recv(self) -> AudioFrame:
        """The next 20 ms."""
        if self.readyState != "live":
            raise MediaStreamError
        await self._wait_for_turn()
        self._rate = self._rate or self._codec_rate()
        self.newest = data, rate = await self._read()
        if rate != self._rate:
            data = self._converted(data, rate)
        frame = _frame(data, self._rate)
        frame.time_base = fractions.Fraction(1, self._rate)
        frame.pts = round(self._sent * FRAME_S * self._rate)
        self._sent += 1
        return frame

    def stop(self) -> None:
        """End it, and wait for no source any more."""
        super().stop()
        self._forget_reading()

    async def _read(self) -> tuple[bytes, int]:
        """20 ms of the source; silence while it has none, as a browser's track has, and after it has failed."""
        source = self._stream.source
        if self._asked is not source:  # a source that is waited for may be replaced
            self._forget_reading()
        if self._reading is None:
            self._asked = source
            self._reading = asyncio.get_running_loop().create_task(self._stream.read())
        await asyncio.wait([self._reading], timeout=FRAME_S)
        if not self._reading.done():
            return bytes(round(source.rate * FRAME_S) * 2), source.rate
        reading, self._reading = self._reading, None
        try:
            return reading.result()
        except Exception:
            log.exception("an audio source failed; there is silence until another one is played")
            silence = Silence(rate=source.rate)
            if self._stream.source is source:
                self._stream.play(silence)
            return await silence.read(), source.rate

    def _forget_reading(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def _converted(self, data: bytes, rate: int) -> bytes:
        """20 ms at our rate. The first piece of a source begins with the silence that its resampler holds back."""
        size = round(self._rate * FRAME_S) * 2
        if self._resampler is None or rate != self._resampled_rate:
            self._resampler = AudioResampler(format="s16", layout="mono", rate=self._rate)
            self._resampled_rate = rate
            self._held.clear()
        for piece in self._resampler.resample(_frame(data, rate)):
            self._held += bytes(piece.planes[0])[: piece.samples * 2]
        made = bytes(self._held[:size])
        del self._held[:size]
        return made.rjust(size, b"\0")

    async def _wait_for_turn(self) -> None:
        now = asyncio.get_running_loop().time()
        if self._started is None:
            self._started = now
        wait = self._started + self._sent * FRAME_S - now
        if wait < -1.0:  # the process slept: go on from here instead of catching up in a burst
            self._started -= wait
        elif wait > 0:
            await asyncio.sleep(wait)


def _frame(data: bytes, rate: int) -> AudioFrame:
    frame = AudioFrame(format="s16", layout="mono", samples=len(data) // 2)
    frame.planes[0].update(data.ljust(frame.planes[0].buffer_size, b"\0"))
    frame.sample_rate = rate
    return frame
