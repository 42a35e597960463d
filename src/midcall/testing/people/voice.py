"""What a person says with real media: a tone or a file, for a while or to its end, and silence otherwise."""

from __future__ import annotations

import base64
import binascii
import io
import wave
from array import array
from typing import Final

from midcall.sdk.audio import FRAME_S, AudioSource, Silence, Tone
from midcall.testing.people.actions import Speak, seconds_of
from midcall.testing.people.problems import Unusable

MAX_SOUND_S: Final = 600.0


class Sound:
    """An `AudioSource` of samples in memory, once."""

    def __init__(self, samples: bytes, rate: int) -> None:
        self.rate = rate
        self._samples = samples
        self._at = 0
        self._step = int(rate * FRAME_S) * 2

    async def read(self) -> bytes:
        """The next 20 ms."""
        start, self._at = self._at, self._at + self._step
        return self._samples[start : self._at]


class Voice:
    """An `AudioSource` that ends: another one, cut after a while."""

    def __init__(self, source: AudioSource, *, lasts_s: float | None) -> None:
        self.rate = source.rate
        self._source = source
        self._left = None if lasts_s is None else round(lasts_s / FRAME_S)
        self._ended = False

    @property
    def is_sounding(self) -> bool:
        """Whether there is more to hear."""
        return not self._ended

    async def read(self) -> bytes:
        """The next 20 ms; nothing at the end."""
        if self._ended or self._left == 0:
            self._ended = True
            return b""
        if self._left is not None:
            self._left -= 1
        piece = await self._source.read()
        self._ended = not piece
        return piece


def silence() -> Voice:
    """Nothing more to say."""
    return Voice(Silence(), lasts_s=0)


def voice_of(speak: Speak) -> Voice:
    """What is said with real media.

    Raises:
        Unusable: a label alone, which only people without media can say, or a file that is no 16-bit PCM.
    """
    lasts_s = None if speak.last is None else min(seconds_of(speak.last), MAX_SOUND_S)
    if speak.wav is not None:
        return Voice(_sound(speak.wav), lasts_s=lasts_s)
    if speak.tone_hz is not None:
        return Voice(Tone(speak.tone_hz, level_dbfs=speak.level_dbfs), lasts_s=lasts_s)
    raise Unusable("this person has real media and speaks a tone (tone_hz) or a file (wav, base64), not a label")


def label_of(speak: Speak) -> str:
    """What is said without media.

    Raises:
        Unusable: nothing is.
    """
    if speak.label is not None:
        return speak.label
    if speak.tone_hz is not None:
        return tone_label(speak.tone_hz)
    if speak.file is not None:
        return speak.file
    raise Unusable("speak needs a label, a tone_hz or a file")


def tone_label(hertz: int) -> str:
    """How a tone is called where there is no sound."""
    return f"tone {hertz}"


def _sound(encoded: str) -> Sound:
    try:
        with wave.open(io.BytesIO(base64.b64decode(encoded, validate=True))) as file:
            if file.getsampwidth() != 2 or file.getnchannels() != 1:
                raise Unusable("wav takes 16-bit PCM with one channel")
            rate = file.getframerate()
            if not 8000 <= rate <= 48_000 or file.getnframes() > rate * MAX_SOUND_S:
                raise Unusable(f"wav takes 8,000 to 48,000 samples a second, at most {MAX_SOUND_S:g} s")
            samples = array("h", file.readframes(file.getnframes()))
    except (binascii.Error, wave.Error, EOFError, ValueError) as error:
        raise Unusable(f"wav takes a WAV file in base64: {error}") from None
    return Sound(samples.tobytes(), rate)
