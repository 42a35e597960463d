"""Sounds that Midcall makes itself, as encoded 20 ms frames: a ringback tone, keys of a telephone and silence.

Encoded once a process; playing one costs a packet and no more.
"""

from __future__ import annotations

import math
from array import array
from functools import cache
from typing import Final

from aiortc.codecs.base import Encoder
from aiortc.codecs.g711 import PcmuEncoder
from aiortc.codecs.opus import OpusEncoder
from av import AudioFrame

from midcall.media.codecs import Codec

_RATE: Final = 8000
_FRAME: Final = 160
_TONES_HZ: Final = (440, 480)  # the precise tone plan of North America
_LEVEL: Final = 2600  # of 32,767 for each tone: about -19 dBm0
_KEY_FRAMES: Final = 8  # as long as a key's telephone event
_KEYS: Final = ("123A", "456B", "789C", "*0#D")  # ITU-T Q.23
_ROWS_HZ: Final = (697, 770, 852, 941)
_COLUMNS_HZ: Final = (1209, 1336, 1477, 1633)
_ON_FRAMES: Final = 100
_CYCLE_FRAMES: Final = 300


@cache
def silence(codec: Codec) -> bytes:
    """One frame that sounds like nothing."""
    if codec is Codec.PCMU:
        return b"\xff" * _FRAME
    return b"\xf8\xff\xfe"  # a 20 ms CELT frame without energy (RFC 6716 sections 3.1 and 4.3)


@cache
def ringback(codec: Codec) -> tuple[bytes, ...]:
    """The frames of one cycle, 2 s of tone and 4 s of silence; to be repeated."""
    encoder: Encoder = PcmuEncoder() if codec is Codec.PCMU else OpusEncoder()
    frames: list[bytes] = []
    for number in range(_ON_FRAMES):
        frames += encoder.encode(_tone(number * _FRAME, _TONES_HZ))[0]
    frames += [silence(codec)] * (_CYCLE_FRAMES - len(frames))
    return tuple(frames)


@cache
def key(codec: Codec, digit: str) -> tuple[bytes, ...]:
    """The frames of a key's two tones, for clients that know no telephone events.

    Raises:
        StopIteration: there is no such key.
    """
    row = next(number for number, keys in enumerate(_KEYS) if digit in keys)
    tones = _ROWS_HZ[row], _COLUMNS_HZ[_KEYS[row].index(digit)]
    encoder: Encoder = PcmuEncoder() if codec is Codec.PCMU else OpusEncoder()
    frames: list[bytes] = []
    for number in range(_KEY_FRAMES):
        frames += encoder.encode(_tone(number * _FRAME, tones))[0]
    return tuple(frames)


def warm() -> None:
    """Encode everything now, so that the first call does not wait for it."""
    for codec in Codec:
        ringback(codec)


def _tone(start: int, tones: tuple[int, int]) -> AudioFrame:
    samples = array(
        "h",
        (
            round(sum(_LEVEL * math.sin(2 * math.pi * hz * n / _RATE) for hz in tones))
            for n in range(start, start + _FRAME)
        ),
    )
    frame = AudioFrame(format="s16", layout="mono", samples=_FRAME)
    frame.planes[0].update(samples.tobytes())
    frame.sample_rate = _RATE
    frame.pts = start
    return frame
