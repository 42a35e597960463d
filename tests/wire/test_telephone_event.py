"""Digits in RTP: each key once, in order, whatever the network does."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midcall.wire import telephone_event
from midcall.wire.telephone_event import DIGITS, DigitEar, Event, tone


def packets(digits: str, rate: int = 8000, start: int = 0) -> list[tuple[int, Event]]:
    """What a client sends for keys pressed one after the other: timestamp and event of each packet."""
    out = []
    for index, digit in enumerate(digits):
        for _, payload in tone(digit, rate):
            event = telephone_event.parse(payload)
            assert event is not None
            out.append((start + index * rate * 23 // 100 & 0xFFFFFFFF, event))
    return out


def heard(stream: list[tuple[int, Event]]) -> str:
    ear = DigitEar()
    return "".join(filter(None, (ear.hear(timestamp, event) for timestamp, event in stream)))


def test_a_tone_grows_and_says_its_end_three_times() -> None:
    events = [telephone_event.parse(payload) for _, payload in tone("#", 8000)]
    assert [e.duration for e in events if e] == [160, 320, 480, 640, 800, 960, 1120, 1280, 1280, 1280]
    assert [e.end for e in events if e] == [False] * 7 + [True] * 3
    assert {e.code for e in events if e} == {11}
    assert [round(offset * 1000) for offset, _ in tone("#", 8000)] == list(range(0, 200, 20))


def test_a_tone_of_another_clock_has_other_durations() -> None:
    last = list(tone("0", 48000))[-1][1]
    assert int.from_bytes(last[2:], "big") == 7680


def test_what_is_no_digit_has_no_tone() -> None:
    with pytest.raises(ValueError, match="substring"):
        next(tone("w", 8000))


def test_the_same_key_twice_is_two_digits() -> None:
    assert heard(packets("55")) == "55"


def test_a_key_held_longer_than_a_segment_is_one_digit() -> None:
    ear = DigitEar()
    assert ear.hear(1000, Event(5, False, 10, 0xFFFF)) == "5"
    assert ear.hear(1000 + 0xFFFF, Event(5, False, 10, 160)) is None
    assert ear.hear(1000 + 0xFFFF, Event(5, True, 10, 320)) is None
    assert ear.hear(1000 + 2 * 0xFFFF, Event(5, True, 10, 320)) == "5"


def test_events_that_are_no_digits_are_not_said() -> None:
    assert DigitEar().hear(0, Event(16, False, 10, 160)) is None


def test_a_client_that_starts_its_clock_anew_is_heard() -> None:
    stream = [*packets("1", start=4_000_000_000), *packets("2", start=5)]
    assert heard(stream) == "12"


@given(st.binary(max_size=8))
def test_no_payload_makes_the_parser_raise(payload: bytes) -> None:
    event = telephone_event.parse(payload)
    assert (event is None) == (len(payload) < 4)


@given(st.integers(0, 255), st.booleans(), st.integers(0, 63), st.integers(0, 0xFFFF))
def test_what_is_built_is_parsed(code: int, end: bool, volume: int, duration: int) -> None:
    event = Event(code, end, volume, duration)
    assert telephone_event.parse(telephone_event.build(event)) == event


@given(st.integers(0, 0xFFFF))
def test_a_duration_on_another_clock_fits_its_field(duration: int) -> None:
    assert 0 <= Event(1, False, 10, duration).scaled(8000, 48000).duration <= 0xFFFF


@given(
    st.text(alphabet=DIGITS, min_size=1, max_size=12),
    st.sampled_from([8000, 48000]),
    st.integers(0, 0xFFFFFFFF),
    st.randoms(use_true_random=False),
)
def test_digits_survive_loss_duplicates_and_reordering(
    digits: str, rate: int, start: int, chance: random.Random
) -> None:
    stream = packets(digits, rate, start)
    size = len(stream) // len(digits)
    arrived = []
    for first in range(0, len(stream), size):
        kept = chance.sample(stream[first : first + size], chance.randint(1, size))
        arrived += chance.choices(kept, k=chance.randint(0, 3)) + kept  # the gap between keys is never bridged
    assert heard(arrived) == digits


@given(
    st.text(alphabet=DIGITS, min_size=1, max_size=6),
    st.lists(st.integers(-3, 3), min_size=60, max_size=60),
)
def test_reordering_across_keys_neither_repeats_nor_swaps_digits(digits: str, shifts: list[int]) -> None:
    stream = packets(digits)
    order = sorted(range(len(stream)), key=lambda n: n + shifts[n % len(shifts)])
    assert heard([stream[n] for n in order]) == digits
