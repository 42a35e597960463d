"""Makes the sounds of src/midcall/browser/sounds: `.venv/bin/python scripts/make_sounds.py`.

The browser SDK fetches these 16 files by name. All of them are made here, from sines: a ringtone, the digits of
ITU-T Q.23, rising and falling tones for the begin and end of a call, and a bell whose beats a preflight test sends.
"""

from __future__ import annotations

import io
import math
from array import array
from collections.abc import Sequence
from pathlib import Path

import av

RATE = 16_000
BIT_RATE = 24_000
LOUDNESS = 0.25
RAMP_S = 0.008
"""Tones begin and end softly, or they would click."""

FOLDER = Path(__file__).parent.parent / "src" / "midcall" / "browser" / "sounds"

ROWS, COLUMNS = (697, 770, 852, 941), (1209, 1336, 1477)
KEYS = ("123", "456", "789", "*0#")
FILE_OF_KEY = {"*": "star", "#": "hash"}

Samples = list[float]


def tone(*hz: float, seconds: float, decay_s: float | None = None) -> Samples:
    """Sines of equal strength together; with a decay they fade like something that was struck."""
    count = round(RATE * seconds)
    ramp = round(RATE * RAMP_S)
    fade = [1.0 if decay_s is None else math.exp(-n / RATE / decay_s) for n in range(count)]
    edge = [min(1.0, n / ramp, (count - 1 - n) / ramp) for n in range(count)]
    return [
        LOUDNESS / len(hz) * fade[n] * edge[n] * sum(math.sin(2 * math.pi * f * n / RATE) for f in hz)
        for n in range(count)
    ]


def silence(seconds: float) -> Samples:
    return [0.0] * round(RATE * seconds)


def ringtone() -> Samples:
    """Four seconds that loop: two short trills, then a pause."""
    trill = [sample for _ in range(5) for hz in (659.3, 784.0) for sample in tone(hz, 2 * hz, seconds=0.05)]
    return trill + silence(0.2) + trill + silence(4.0 - 2 * 0.5 - 0.2)


def bell() -> Samples:
    """Twenty-one seconds of strokes on a bell, louder and softer, so that a line under test hears changing levels."""
    strokes: Samples = []
    for n in range(42):
        stroke = tone(562, 845, 1_124, seconds=0.35, decay_s=0.05 + 0.02 * (n % 4)) + silence(0.15)
        strokes += [sample * (3.0 if n % 2 else 1.8) for sample in stroke]
    return strokes


def sounds() -> dict[str, Samples]:
    """Each file's samples by its name without `.mp3`."""
    made = {
        "incoming": ringtone(),
        "outgoing": tone(392.0, seconds=0.12) + tone(523.3, seconds=0.18),
        "disconnect": tone(523.3, seconds=0.12) + tone(392.0, seconds=0.18),
        "cowbell": bell(),
    }
    for row, keys in zip(ROWS, KEYS, strict=True):
        for column, key in zip(COLUMNS, keys, strict=True):
            made[f"dtmf-{FILE_OF_KEY.get(key, key)}"] = tone(row, column, seconds=0.2)
    return made


def mp3(samples: Sequence[float]) -> bytes:
    """One channel, without tags."""
    out = io.BytesIO()
    with av.open(out, "w", format="mp3", options={"write_xing": "0", "id3v2_version": "0"}) as container:
        stream = container.add_stream("libmp3lame", rate=RATE, options={"b": str(BIT_RATE)})
        stream.layout = "mono"
        pcm = array("h", (round(max(-1.0, min(1.0, sample)) * 32_767) for sample in samples))
        frame = av.AudioFrame(format="s16", layout="mono", samples=len(pcm))
        frame.planes[0].update(pcm.tobytes())
        frame.sample_rate = RATE
        resampler = av.AudioResampler(format="s16p", layout="mono", rate=RATE)
        for part in resampler.resample(frame):
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    return out.getvalue()


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, samples in sorted(sounds().items()):
        (FOLDER / f"{name}.mp3").write_bytes(mp3(samples))


if __name__ == "__main__":
    main()
