"""Receiver reports say what arrived."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from midcall.media.reception import Reception

RATE = 8000


def hear(reception: Reception, numbers: list[int], *, late: dict[int, float] | None = None) -> None:
    for number in numbers:
        now = number * 0.02 + (late or {}).get(number, 0.0)
        reception.heard(number & 0xFFFF, number * 160 & 0xFFFFFFFF, rate=RATE, now=now)


def test_a_complete_stream_has_no_loss_and_no_jitter() -> None:
    reception = Reception(7, 5)
    hear(reception, list(range(5, 105)))
    quality = reception.quality(now=3.0)
    assert (quality.fraction_lost, quality.packets_lost, quality.highest_sequence, quality.jitter) == (0, 0, 104, 0)


def test_loss_is_counted_for_the_interval_and_in_all() -> None:
    reception = Reception(7, 0)
    hear(reception, [n for n in range(100) if n % 4])
    hear(reception, list(range(100, 101)))
    quality = reception.quality(now=2.0)
    assert quality.packets_lost == 25 and 60 <= quality.fraction_lost <= 64
    hear(reception, list(range(101, 200)))
    quality = reception.quality(now=4.0)
    assert (quality.packets_lost, quality.fraction_lost) == (25, 0)


def test_numbers_go_on_across_a_wrap() -> None:
    reception = Reception(7, 65_530)
    hear(reception, list(range(65_530, 65_545)))
    quality = reception.quality(now=1.0)
    assert (quality.highest_sequence, quality.packets_lost) == (65_544, 0)


def test_uneven_arrival_is_jitter() -> None:
    reception = Reception(7, 0)
    hear(reception, list(range(200)), late=dict.fromkeys(range(0, 200, 2), 0.01))
    assert 60 < reception.quality(now=4.0).jitter <= 80


def test_a_stream_that_starts_anew_counts_from_there() -> None:
    reception = Reception(7, 0)
    hear(reception, [*range(10), *range(30_000, 30_010)])
    quality = reception.quality(now=1.0)
    assert (quality.packets_lost, quality.highest_sequence) == (0, 30_009)


def test_the_delay_since_the_senders_report_gives_the_round_trip() -> None:
    reception = Reception(7, 0)
    hear(reception, [0])
    assert reception.quality(now=1.0).delay_since_report == 0
    reception.reported(0x0123_4567_89AB_CDEF, now=10.0)
    quality = reception.quality(now=10.5)
    assert (quality.last_report, quality.delay_since_report) == (0x4567_89AB, 32_768)


@given(st.lists(st.tuples(st.integers(0, 0xFFFF), st.integers(0, 0xFFFFFFFF)), max_size=60))
def test_any_stream_gives_a_block_that_can_be_written(packets: list[tuple[int, int]]) -> None:
    reception = Reception(7, 0)
    for index, (sequence, timestamp) in enumerate(packets):
        reception.heard(sequence, timestamp, rate=RATE, now=index * 0.02)
    quality = reception.quality(now=5.0)
    assert 0 <= quality.fraction_lost <= 255
    assert -(1 << 23) <= quality.packets_lost < 1 << 23
    assert 0 <= quality.jitter <= 0xFFFFFFFF and 0 <= quality.highest_sequence <= 0xFFFFFFFF
