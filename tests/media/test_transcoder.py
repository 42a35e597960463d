"""Between two codecs: the tone stays the tone, numbers tell of losses, garbage is dropped."""

from __future__ import annotations

from array import array

import pytest
from aiortc.codecs.base import Decoder
from aiortc.codecs.g711 import PcmuDecoder
from aiortc.codecs.opus import OpusDecoder
from aiortc.jitterbuffer import JitterFrame
from av import AudioFrame, AudioResampler

from midcall.media import sounds
from midcall.media.codecs import Codec
from midcall.media.transcoder import Transcoder
from midcall.wire.rtp import Packet
from support.media_clients import goertzel


def packet(codec: Codec, number: int, payload: bytes) -> Packet:
    return Packet(0, False, 65_530 + number & 0xFFFF, number * codec.clock_rate // 50, 7, payload)


def samples(codec: Codec, payloads: list[bytes]) -> array[int]:
    decoder: Decoder = PcmuDecoder() if codec is Codec.PCMU else OpusDecoder()
    resampler = AudioResampler(format="s16", layout="mono", rate=8000)
    out = array("h")
    for number, payload in enumerate(payloads):
        for frame in decoder.decode(JitterFrame(payload, number * codec.clock_rate // 50)):
            assert isinstance(frame, AudioFrame)
            for piece in resampler.resample(frame):
                out.frombytes(bytes(piece.planes[0])[: piece.samples * 2])
    return out


PAIRS = [(Codec.PCMU, Codec.OPUS), (Codec.OPUS, Codec.PCMU)]


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_a_tone_stays_that_tone(source: Codec, target: Codec) -> None:
    transcoder = Transcoder(source, target)
    out = []
    for number, payload in enumerate(sounds.ringback(source)[:90]):
        out += transcoder.convert(packet(source, number, payload))
    assert len(out) >= 85
    heard = samples(target, [payload for _, _, payload in out])[1600:9600]
    assert goertzel(heard, 440) > 0.35 and goertzel(heard, 480) > 0.35 and goertzel(heard, 700) < 0.01


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_numbers_tell_of_losses_and_pauses(source: Codec, target: Codec) -> None:
    transcoder = Transcoder(source, target)
    frames = sounds.ringback(source)
    places = []
    for number in [*range(10), 13, *range(20, 30)]:
        places += [(s, t) for s, t, _ in transcoder.convert(packet(source, number, frames[number]))]
    step = target.clock_rate // 50
    first = places[0]
    spans = [((s - first[0]) & 0xFFFF, t - first[1]) for s, t in places]
    assert spans[-1][1] == (spans[-1][0]) * step
    assert [s for s, _ in spans] == sorted({s for s, _ in spans})


def test_late_packets_and_garbage_are_dropped() -> None:
    transcoder = Transcoder(Codec.OPUS, Codec.PCMU)
    frames = sounds.ringback(Codec.OPUS)
    for number in (0, 1, 2):
        transcoder.convert(packet(Codec.OPUS, number, frames[number]))
    assert transcoder.convert(packet(Codec.OPUS, 1, frames[1])) == []
    assert transcoder.carry(packet(Codec.OPUS, 1, b"")) is None
    assert transcoder.convert(packet(Codec.OPUS, 3, b"\xff\xff\xff")) == []
    assert transcoder.convert(packet(Codec.OPUS, 4, frames[4]))


@pytest.mark.parametrize("codec", list(Codec))
def test_silence_is_silent_and_ringback_is_not_all_the_time(codec: Codec) -> None:
    assert max(map(abs, samples(codec, [sounds.silence(codec)] * 20))) < 10
    cycle = sounds.ringback(codec)
    assert len(cycle) == 300
    assert max(map(abs, samples(codec, list(cycle[:100])))) > 3500
    assert set(cycle[105:]) == {sounds.silence(codec)}
