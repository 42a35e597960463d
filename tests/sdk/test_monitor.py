"""What a call tells about its media, with a clock that is turned by hand."""

from __future__ import annotations

from typing import Any

from midcall.core.quality import Counters, Sample
from midcall.sdk.monitor import Look, Monitor


class Media:
    """Fifty packets a second, louder with every look."""

    def __init__(self) -> None:
        self.looks = self.asked = 0
        self.rtt_ms = 2.0
        self.muted = False

    def look(self) -> Look:
        self.looks += 1
        return Look(0.25, 0.5, 100 * self.looks, 200, self.muted)

    async def counters(self) -> Counters:
        self.asked += 1
        return Counters(
            bytes_sent=8000 * self.asked,
            packets_sent=50 * self.asked,
            bytes_received=8000 * self.asked,
            packets_received=50 * self.asked,
            packets_lost=0,
            jitter_ms=1.0,
            rtt_ms=self.rtt_ms,
            codec_name="PCMU",
            timestamp_ms=1000.0 * self.asked,
        )


async def test_twenty_volumes_and_then_a_sample_are_told_each_second():
    told: list[tuple[Any, ...]] = []
    monitor = Monitor(Media(), lambda *event: told.append(event), call_made_at=100.0, now=100.0)
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
    monitor = Monitor(Media(), lambda name, *_: told.append(name), call_made_at=0.0, now=0.0)
    for now in (5.0, 5.05, 5.95, 6.05):
        await monitor.watch(now)
    assert told == ["volume", "sample", "volume", "volume", "volume", "sample"]


async def test_media_that_cannot_be_asked_ends_the_watch_in_silence():
    class Gone(Media):
        def look(self) -> Look:
            raise ConnectionError

    await Monitor(Gone(), lambda *_: None, call_made_at=0.0, now=0.0).run()


async def seconds(monitor: Monitor, first: int, last: int) -> None:
    for second in range(first, last + 1):
        for look in range(1, 21):
            await monitor.watch(second - 1 + look * 0.05 + 0.001)


async def test_a_slow_network_is_warned_of_before_its_sample_and_cleared_once_it_is_fast_for_long():
    told: list[tuple[Any, ...]] = []
    media = Media()
    media.rtt_ms = 401.0
    monitor = Monitor(
        media, lambda *event: told.append(event) if event[0] != "volume" else None, call_made_at=0.0, now=0.0
    )
    await seconds(monitor, 1, 6)
    assert [name for name, *_ in told] == ["sample"] * 4 + ["warning"] + ["sample"] * 2
    name, data = told[4][1:]
    assert (name, data.name, data.threshold.name, data.threshold.value) == ("high-rtt", "rtt", "max", 400)
    assert data.values == (401.0,) * 5
    media.rtt_ms = 2.0
    told.clear()
    await seconds(monitor, 7, 16)
    assert [event for event in told if event[0] != "sample"] == [("warning-cleared", "high-rtt")]
    assert told[-2] == ("warning-cleared", "high-rtt")


async def test_a_muted_call_is_not_warned_of_its_silence():
    told: list[str] = []
    media = Media()
    media.muted = True
    monitor = Monitor(media, lambda name, *_: told.append(name), call_made_at=0.0, now=0.0)
    media.look = lambda: Look(0, 0, 0, 0, media.muted)
    await seconds(monitor, 1, 20)
    assert "warning" not in told
    media.muted = False
    await seconds(monitor, 21, 29)
    assert "warning" not in told
    await seconds(monitor, 30, 30)
    assert told[-2:] == ["warning", "sample"]
