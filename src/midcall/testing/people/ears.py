"""What a person hears in one call: labels and digits where there is no media, a meter and a decoder where there is."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

from midcall.sdk.audio import LevelMeter, RemoteStream
from midcall.testing.people.actions import ExpectSound
from midcall.testing.people.dtmf import DtmfDecoder
from midcall.testing.people.problems import Unusable
from midcall.testing.people.voice import tone_label

MAX_HEARD: Final = 1_000
MAX_DIGITS: Final = 1_000
NOISE_DBFS: Final = -45.0
"""What is louder than this is a sound; comfort noise and the coding of silence are below."""
TONE_DBFS: Final = -45.0
TONE_SHARE_DB: Final = 6.0
"""A tone is at most so much quieter than everything together."""


class Ears:
    """Remembers what was heard, until an expectation takes it. `on_heard` tells of each label and digit."""

    def __init__(self, *, real: bool, on_heard: Callable[[str, str], None]) -> None:
        self.real = real
        self.meter: LevelMeter | None = None
        self.digits = ""
        self._on_heard = on_heard
        self._labels: deque[str] = deque(maxlen=MAX_HEARD)

    @property
    def labels(self) -> tuple[str, ...]:
        """What was heard and not taken yet."""
        return tuple(self._labels)

    def listen(self, remote: RemoteStream) -> None:
        """There is sound to hear from now on."""
        if self.meter is None:
            self.meter = LevelMeter()
            remote.add(self.meter)
            remote.on_digit(self._digit)
            remote.add(DtmfDecoder(self._digit))  # whoever plays the tones itself

    def label(self, text: str) -> None:
        """A label came; whoever has real ears does not hear it."""
        if not self.real:
            self._labels.append(text)
            self._on_heard("sound", text)

    def label_digits(self, digits: str) -> None:
        """Digits came to a client without media."""
        if not self.real:
            for digit in digits:
                self._digit(digit)

    def _digit(self, digit: str) -> None:
        self.digits = (self.digits + digit)[-MAX_DIGITS:]
        self._on_heard("digit", digit)

    def take_digits(self, digits: str) -> bool:
        """Whether these digits came in this order next to each other; then they and all before them are taken."""
        _, found, rest = self.digits.partition(digits)
        if found:
            self.digits = rest
        return bool(found)

    def take_label(self, wanted: ExpectSound) -> str | None:
        """The first label that fits, which is taken."""
        label = wanted.label if wanted.tone_hz is None else tone_label(wanted.tone_hz)
        for heard in self._labels:
            if label is None or heard == label:
                self._labels.remove(heard)
                return heard
        return None


def sound_wish(wanted: ExpectSound) -> Callable[[LevelMeter], bool]:
    """What real ears wait for.

    Raises:
        Unusable: a label, which nobody says with real media.
    """
    if wanted.label is not None:
        raise Unusable("this person has real media and hears a tone (tone_hz) or a level (level_above_dbfs), no labels")
    hertz, level = wanted.tone_hz, wanted.level_above_dbfs

    def heard(meter: LevelMeter) -> bool:
        if level is not None and meter.level_dbfs() <= level:
            return False
        if hertz is None:
            return True
        tone = meter.tone_dbfs(hertz)
        return tone > TONE_DBFS and tone >= meter.level_dbfs() - TONE_SHARE_DB

    return heard


def is_noise(meter: LevelMeter) -> bool:
    """Whether there is any sound right now."""
    return meter.level_dbfs() > NOISE_DBFS
