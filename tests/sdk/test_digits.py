"""Digits in the RTP of a call: when keys are sent, how they look, and that the voice beside them stays whole."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from midcall.sdk.digits import KEY, MAX_WAITING, Digits, Keypad, events_of, with_events
from midcall.wire import rtp, telephone_event


def starts(keypad: Keypad, packets: int) -> dict[int, str]:
    """At which packet each key begins."""
    told = {n: keypad.next() for n in range(packets)}
    return {n: key[0] for n, key in told.items() if key is not None and key[1] == 0}


def pressed(digits: str) -> Keypad:
    keypad = Keypad()
    assert keypad.press(digits)
    return keypad


def test_keys_follow_one_another_without_a_pause():
    assert starts(pressed("12#"), 100) == {0: "1", KEY: "2", 2 * KEY: "#"}


@pytest.mark.parametrize(
    ("digits", "begin"),
    [
        ("1w2", {0: "1", 25: "2"}),
        ("w1", {25: "1"}),
        ("1ww2", {0: "1", 50: "2"}),
        ("123w4", {0: "1", KEY: "2", 2 * KEY: "3", 3 * KEY: "4"}),
        ("1w", {0: "1"}),
    ],
)
def test_a_pause_lets_the_next_run_begin_500_ms_after_the_one_before_and_cuts_none(digits, begin):
    keypad = pressed(digits)
    assert starts(keypad, 100) == begin
    assert not keypad


def test_a_pause_counts_from_the_press_and_not_from_what_was_pressed_long_ago():
    keypad = pressed("1")
    assert starts(keypad, 100) == {0: "1"}
    keypad.press("2w3")
    assert starts(keypad, 100) == {0: "2", 25: "3"}


def test_too_many_digits_are_refused_as_a_whole():
    keypad = Keypad()
    assert keypad.press("1" * MAX_WAITING)
    assert not keypad.press("2")
    assert set(starts(keypad, KEY * (MAX_WAITING + 1)).values()) == {"1"}


def voice(n: int) -> bytes:
    return rtp.build(0, False, 100 + n, 8000 + 160 * n, 7, b"voice")


def test_a_key_takes_the_place_of_the_voice_on_the_same_line_of_numbers():
    digits = Digits(lambda digit: None)
    digits.negotiated({8000: 126, 48000: 110}, 8000)
    digits.press("5")
    packets = [rtp.parse(digits.outgoing(voice(n))) for n in range(KEY + 1)]
    assert [packet.sequence for packet in packets] == [100 + n for n in range(KEY + 1)]
    events = [packet for packet in packets if packet.payload_type == 126]
    assert [packet.marker for packet in events] == [True] + [False] * 9
    assert {packet.timestamp for packet in events} == {8000}
    heard = [telephone_event.parse(packet.payload) for packet in events]
    assert {event.code for event in heard} == {5}
    assert [event.end for event in heard] == [False] * 7 + [True] * 3
    assert [event.duration for event in heard[:3]] == [160, 320, 480]
    assert [packet.payload for packet in packets[10:]] == [b"voice"] * (KEY - 9)


def test_reports_are_left_alone_and_are_no_packets_of_a_key():
    digits = Digits(lambda digit: None)
    digits.negotiated({8000: 126}, 8000)
    digits.press("5")
    report = bytes([0x80, 200, 0, 6]) + bytes(24)
    assert digits.outgoing(report) == report
    assert rtp.parse(digits.outgoing(voice(0))).payload_type == 126


@pytest.mark.parametrize(("rate", "number"), [(8000, 126), (48000, 110)])
def test_the_events_of_the_voices_own_clock_are_used(rate, number):
    digits = Digits(lambda digit: None)
    digits.negotiated({8000: 126, 48000: 110}, rate)
    digits.press("1")
    packet = rtp.parse(digits.outgoing(voice(0)))
    assert packet.payload_type == number
    assert telephone_event.parse(packet.payload).duration == rate // 50


def test_what_is_heard_is_told_once_and_leaves_no_gap_in_the_voice():
    told = []
    digits = Digits(told.append)
    digits.negotiated({8000: 126}, 8000)
    payloads = [payload for _, payload in telephone_event.tone("9", 8000)]
    line = [(0, b"voice", 160)] + [(126, payload, 320) for payload in payloads] + [(0, b"voice", 2080)]
    left = []
    for n, (number, payload, timestamp) in enumerate(line):
        packet = SimpleNamespace(
            ssrc=1, payload_type=number, payload=payload, timestamp=timestamp, sequence_number=(65_530 + n) & 0xFFFF
        )
        if not digits.hear(packet):
            left.append(packet.sequence_number)
    assert told == ["9"]
    assert left == [65_530, 65_531]


def test_descriptions_say_which_events_there_are():
    plain = "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0 96\r\na=rtpmap:96 opus/48000/2\r\n"
    described = with_events(plain, {8000: 126, 48000: 110})
    assert "m=audio 9 UDP/TLS/RTP/SAVPF 0 96 126 110\r\n" in described
    assert events_of(described) == {8000: 126, 48000: 110}
    assert events_of(plain) == {}
    assert with_events(plain, {}) == plain
    assert events_of("a=rtpmap:999 telephone-event/8000\r\n") == {}


@pytest.mark.parametrize("codec", ["pcmu", "opus"])
async def test_two_sessions_send_each_other_digits_and_go_on_talking(person, codec):
    caller, callee = person(440, (codec,)), person(660, (codec,))
    heard: asyncio.Queue[str] = asyncio.Queue()
    callee.remote.on_digit(heard.put_nowait)
    answer = await callee.peer.answer(await caller.peer.offer())
    events = {8000: 126, 48000: 110}
    assert events_of(answer) == events
    assert not caller.peer.takes_digits
    await caller.peer.apply(with_events(callee.description_with_candidates(), events))
    assert caller.peer.takes_digits
    assert caller.peer.send_digits("12w#")
    async with asyncio.timeout(10):
        assert [await heard.get() for _ in range(3)] == ["1", "2", "#"]
    callee.listen_anew()
    await callee.hears(440)
    await caller.hears(660)
    assert (await callee.peer.counters()).packets_lost == 0
