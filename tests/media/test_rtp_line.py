"""One line of numbers, whoever speaks."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from midcall.media.rtp_line import RtpLine
from midcall.wire.rtp import distance16, distance32

PCMU = 8000


def line(sequence: int = 0, timestamp: int = 0) -> RtpLine:
    return RtpLine(ssrc=1, sequence=sequence, timestamp=timestamp)


def test_a_new_source_starts_right_after_what_was_sent() -> None:
    out = line(100, 1000)
    first = out.step(rate=PCMU, now=0.0)
    assert first == (101, 1000, True)
    assert out.step(rate=PCMU, now=0.02) == (102, 1160, False)
    assert out.follow("a", 60000, 4_000_000_000, rate=PCMU, now=0.05) == (103, 1160 + 240, True)
    assert out.follow("a", 60001, 4_000_000_160, rate=PCMU, now=0.07) == (104, 1160 + 400, False)


def test_gaps_of_the_source_stay_gaps() -> None:
    out = line()
    out.follow("a", 10, 0, rate=PCMU, now=0.0)
    place = out.follow("a", 13, 480, rate=PCMU, now=0.06)
    assert place is not None and (place.sequence, place.timestamp) == (4, 480)


def test_a_reordered_packet_gets_its_own_number() -> None:
    out = line()
    out.follow("a", 10, 0, rate=PCMU, now=0.0)
    out.follow("a", 12, 320, rate=PCMU, now=0.04)
    assert out.follow("a", 11, 160, rate=PCMU, now=0.041) == (2, 160, False)
    assert out.follow("a", 13, 480, rate=PCMU, now=0.06) == (4, 480, False)


def test_a_packet_from_before_the_source_took_over_is_dropped() -> None:
    out = line()
    out.step(rate=PCMU, now=0.0)
    out.follow("a", 10, 0, rate=PCMU, now=0.02)
    assert out.follow("a", 9, -160 & 0xFFFFFFFF, rate=PCMU, now=0.03) is None
    assert out.follow("a", 10, 0, rate=PCMU, now=0.03) is None


def test_a_source_that_jumps_starts_anew() -> None:
    out = line()
    out.follow("a", 10, 0, rate=PCMU, now=0.0)
    assert out.follow("a", 20_000, 77, rate=PCMU, now=0.02) == (2, 160, True)


def test_a_change_of_clock_rate_starts_anew() -> None:
    out = line()
    out.follow("a", 10, 0, rate=PCMU, now=0.0)
    assert out.follow("a", 11, 960, rate=48000, now=0.02) == (2, 960, True)


def test_time_that_passed_in_silence_passes_on_the_line() -> None:
    out = line()
    out.follow("a", 10, 0, rate=PCMU, now=0.0)
    place = out.follow("b", 10, 0, rate=PCMU, now=5.0)
    assert place is not None and place.timestamp == 40_000


def test_late_ticks_do_not_shift_the_frames_after_them() -> None:
    out = line()
    stamps = [out.step(rate=PCMU, now=now).timestamp for now in (0.0, 0.031, 0.04, 0.069, 0.08)]
    assert stamps == [0, 160, 320, 480, 640]


def test_a_sound_that_stood_still_skips_the_time() -> None:
    out = line()
    out.step(rate=PCMU, now=0.0)
    assert out.step(rate=PCMU, now=1.0).timestamp == 8000


def test_the_packets_of_a_digit_share_a_timestamp_and_audio_goes_on_after_it() -> None:
    out = line()
    out.step(rate=PCMU, now=0.0)
    start = out.begin(rate=PCMU, now=0.02)
    again = out.again()
    assert (again.sequence, again.timestamp) == (start.sequence + 1, start.timestamp)
    after = out.follow("a", 500, 500, rate=PCMU, now=0.22)
    assert after == (again.sequence + 1, start.timestamp + 1600, True)


def test_the_clock_for_reports_runs_between_packets() -> None:
    out = line(0, 1000)
    out.step(rate=PCMU, now=10.0)
    assert out.timestamp_at(10.5, rate=PCMU) == 5000


STEPS = st.lists(
    st.tuples(st.sampled_from(["a", "b", "tone", "digit"]), st.integers(1, 3), st.integers(1, 200)), max_size=60
)


@given(STEPS, st.integers(0, 0xFFFF), st.integers(0, 0xFFFFFFFF))
def test_numbers_never_go_back_and_are_never_used_twice(
    steps: list[tuple[str, int, int]], sequence: int, timestamp: int
) -> None:
    out = line(sequence, timestamp)
    now = 0.0
    counters = {"a": 65_530, "b": 3}
    places = []
    for kind, ahead, wait_ms in steps:
        now += wait_ms / 1000
        if kind in counters:
            counters[kind] += ahead
            place = out.follow(kind, counters[kind] & 0xFFFF, counters[kind] * 160, rate=PCMU, now=now)
            assert place is not None
            places.append(place)
        elif kind == "tone":
            places.append(out.step(rate=PCMU, now=now))
        else:
            places += [out.begin(rate=PCMU, now=now), *(out.again() for _ in range(ahead))]
    for earlier, later in itertools.pairwise(places):
        assert 1 <= distance16(later.sequence, earlier.sequence) <= 3
        assert distance32(later.timestamp, earlier.timestamp) >= 0
