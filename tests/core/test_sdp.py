"""Whether a description comes from the peer we know."""

from __future__ import annotations

import pytest

from midcall.core.sdp import NO_MEDIA_SDP, Kinship, can_be_answer, compare, peer_of


def description(fingerprint: str = "AA:BB", ufrag: str = "u1", setup: str = "actpass", version: int = 2) -> str:
    return (
        f"v=0\r\no=- 1 {version} IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"
        f"a=ice-ufrag:{ufrag}\r\na=ice-pwd:secret\r\na=fingerprint:sha-256 {fingerprint}\r\na=setup:{setup}\r\n"
    )


@pytest.mark.parametrize(
    ("shown", "kinship"),
    [
        (description(), Kinship.SAME),
        (description(setup="active", version=9) + "a=candidate:1 1 udp 1 10.0.0.1 9 typ host\r\n", Kinship.SAME),
        (description(fingerprint="aa:bb"), Kinship.SAME),
        (description().replace("\r\n", "\n"), Kinship.SAME),
        (description(ufrag="u2"), Kinship.ICE_RESTART),
        (description(fingerprint="AA:CC"), Kinship.STRANGER),
        (description(fingerprint="AA:CC", ufrag="u2"), Kinship.STRANGER),
        (NO_MEDIA_SDP, Kinship.STRANGER),
        ("garbage", Kinship.STRANGER),
    ],
)
def test_fingerprint_and_ufrag_tell_who_comes_back(shown: str, kinship: Kinship) -> None:
    assert compare(peer_of(description()), peer_of(shown)) is kinship


def test_without_fingerprint_only_the_same_text_is_the_same_peer() -> None:
    known = peer_of(NO_MEDIA_SDP)
    assert compare(known, peer_of(NO_MEDIA_SDP)) is Kinship.SAME
    assert compare(known, peer_of(NO_MEDIA_SDP + "a=x\r\n")) is Kinship.STRANGER
    assert compare(known, peer_of(description())) is Kinship.STRANGER


def test_who_was_never_known_is_a_stranger() -> None:
    assert compare(None, peer_of(NO_MEDIA_SDP)) is Kinship.STRANGER


@pytest.mark.parametrize(
    ("sdp", "can"),
    [
        (description(setup="active"), True),
        (description(setup="passive"), True),
        (description(setup="actpass"), False),
        (description(setup=" actpass").replace("\r\n", "\n"), False),
        (NO_MEDIA_SDP, True),
    ],
)
def test_a_description_that_leaves_the_roles_open_is_no_answer(sdp: str, can: bool) -> None:
    assert can_be_answer(sdp) is can
