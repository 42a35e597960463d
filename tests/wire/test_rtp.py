"""Packets in and out of bytes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from midcall.wire import rtp

NUMBERS16 = st.integers(0, 0xFFFF)
NUMBERS32 = st.integers(0, 0xFFFFFFFF)


@given(st.integers(0, 127), st.booleans(), NUMBERS16, NUMBERS32, NUMBERS32, st.binary(min_size=1, max_size=50))
def test_what_is_built_is_parsed(
    kind: int, marker: bool, sequence: int, timestamp: int, ssrc: int, payload: bytes
) -> None:
    packet = rtp.parse(rtp.build(kind, marker, sequence, timestamp, ssrc, payload))
    assert packet == (kind, marker, sequence, timestamp, ssrc, payload)


@given(st.binary(max_size=80))
def test_no_bytes_make_the_parser_raise(data: bytes) -> None:
    packet = rtp.parse(data)
    assert packet is None or packet.payload


def test_sources_extensions_and_padding_are_stripped() -> None:
    plain = rtp.build(111, True, 1, 2, 3, b"")
    first = bytes([plain[0] | 0x32])  # two sources, an extension and padding
    sources = bytes(8)
    extension = b"\xbe\xde\x00\x01" + b"abcd"
    packet = rtp.parse(first + plain[1:] + sources + extension + b"voice" + b"\0\0\x03")
    assert packet is not None and packet.payload == b"voice"


def test_a_packet_that_is_all_padding_is_none() -> None:
    plain = rtp.build(0, False, 1, 2, 3, b"\0\0\x03")
    assert rtp.parse(bytes([plain[0] | 0x20]) + plain[1:]) is None


def test_control_packets_are_told_from_marked_audio() -> None:
    assert rtp.is_rtcp(bytes([0x80, 200]))
    assert not rtp.is_rtcp(rtp.build(0, True, 1, 2, 3, b"x"))
    assert not rtp.is_rtcp(rtp.build(126, True, 1, 2, 3, b"x"))


@given(NUMBERS16, st.integers(-0x8000, 0x7FFF))
def test_distances_are_wrapped(start: int, step: int) -> None:
    assert rtp.distance16((start + step) & 0xFFFF, start) == step
    assert rtp.distance32((start + step) & 0xFFFFFFFF, start) == step
