"""What a call tells about its media, with a clock that is turned by hand."""

from __future__ import annotations

from typing import Any

from midcall.core.quality import Counters, Sample
from midcall.sdk.monitor import Look, Monitor


class Media:
    """Fifty packets a second, louder with every look."""

    def __init__(self) -> None:
        self.looks = self.asked = 0

    def look(self) -> Look:
        self.looks += 1
        return Look(0.25, 0.5, 100 * self.looks, 200)

    async def counters(self) -> Counters:
        self.asked += 1
        return Counters(
            bytes_sent=8000 * self.asked,
            packets_sent=50 * self.asked,
            bytes_received=8000 * self.asked,
            packets_received=50 * self.asked,
            packets_lost=0,
            jitter_ms=1.0,
            rtt_ms=2.0,
            codec_name="PCMU",
            timestamp_ms=1000.0 * self.asked,
        )


async def test_twenty_volumes_and_then_a_sample_are_told_each_second():
    told: list[tuple[Any, ...]] = []
    monitor = Monitor(Media(), lambda *event: told.append(event), now=100.0)
    for look in range(1, 41):
        await monitor.watch(100.0 + look * 0.05 + 0.001)
    assert [name for name, *_ in told] == (["volume"] * 20 + ["sample"]) * 2
    assert told[0] == ("volume", 0.25, 0.5)
    samples: list[Sample] = [event[1] for event in told if event[0] == "sample"]
    assert [sample.audio_input_level for sample in samples] == [1050, 3050]  # of the second's own looks
    assert [sample.bytes_sent for sample in samples] == [8000, 8000]
    assert samples[0].mos is None
    assert samples[1].mos is not None


async def test_a_loop_that_was_late_takes_one_sample_and_goes_on_from_there():
    told: list[str] = []
    monitor = Monitor(Media(), lambda name, *_: told.append(name), now=0.0)
    for now in (5.0, 5.05, 5.95, 6.05):
        await monitor.watch(now)
    assert told == ["volume", "sample", "volume", "volume", "volume", "sample"]


async def test_media_that_cannot_be_asked_ends_the_watch_in_silence():
    class Gone(Media):
        def look(self) -> Look:
            raise ConnectionError

    await Monitor(Gone(), lambda *_: None, now=0.0).run()
