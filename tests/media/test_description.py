"""Session descriptions: what browsers write is understood, everything else is refused with a sentence."""

from __future__ import annotations

import pytest
from aioice import Candidate
from hypothesis import given
from hypothesis import strategies as st

from midcall.media.codecs import Codec, Payloads
from midcall.media.description import OUR_PAYLOADS, Local, Setup, Unusable, read_answer, read_offer, write

BROWSER = "\r\n".join(
    [
        "v=0",
        "o=- 4611 2 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE 0",
        "m=audio 9 UDP/TLS/RTP/SAVPF 0 111 63 9 8 13 110 126",
        "c=IN IP4 0.0.0.0",
        "a=rtcp:9 IN IP4 0.0.0.0",
        "a=ice-ufrag:AbCd",
        "a=ice-pwd:0123456789abcdefghijklmn",
        "a=ice-options:trickle",
        "a=fingerprint:sha-256 " + ":".join(["0A"] * 32),
        "a=setup:actpass",
        "a=mid:0",
        "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level",
        "a=sendrecv",
        "a=msid:- 1234",
        "a=rtcp-mux",
        "a=rtcp-rsize",
        "a=rtpmap:0 PCMU/8000",
        "a=rtpmap:111 opus/48000/2",
        "a=rtcp-fb:111 transport-cc",
        "a=fmtp:111 minptime=10;useinbandfec=1;maxaveragebitrate=16000",
        "a=rtpmap:63 red/48000/2",
        "a=fmtp:63 111/111",
        "a=rtpmap:9 G722/8000",
        "a=rtpmap:8 PCMA/8000",
        "a=rtpmap:13 CN/8000",
        "a=rtpmap:110 telephone-event/48000",
        "a=rtpmap:126 telephone-event/8000",
        "",
    ]
)


def local(**changes: object) -> Local:
    values: dict[str, object] = {
        "session_id": 5,
        "version": 3,
        "mid": "0",
        "ufrag": "abcd",
        "password": "p" * 22,
        "fingerprint": ":".join(["FF"] * 32),
        "setup": Setup.EITHER,
        "direction": "sendrecv",
        "payloads": OUR_PAYLOADS,
        "bitrate": None,
        "candidates": [Candidate("f", 1, "udp", 1, "127.0.0.1", 4000, "host")],
        "ssrc": 9,
        "cname": "name",
    }
    return Local(**{**values, **changes})  # type: ignore[arg-type]


def test_a_browsers_offer_is_understood() -> None:
    remote = read_offer(BROWSER)
    assert remote.payloads == Payloads({Codec.PCMU: 0, Codec.OPUS: 111}, {48000: 110, 8000: 126})
    assert remote.payloads.preferred is Codec.PCMU
    assert (remote.mid, remote.ufrag, remote.setup, remote.direction) == ("0", "AbCd", Setup.EITHER, "sendrecv")
    assert remote.bitrate == 16000
    assert not remote.ice_lite


def test_the_clients_order_of_codecs_counts() -> None:
    remote = read_offer(BROWSER.replace("SAVPF 0 111", "SAVPF 111 0"))
    assert list(remote.payloads.audio) == [Codec.OPUS, Codec.PCMU]


def test_pcmu_needs_no_rtpmap() -> None:
    remote = read_offer(BROWSER.replace("a=rtpmap:0 PCMU/8000\r\n", ""))
    assert remote.payloads.audio[Codec.PCMU] == 0


def test_line_feeds_alone_are_understood() -> None:
    assert read_offer(BROWSER.replace("\r\n", "\n")) == read_offer(BROWSER)


def test_candidates_are_not_looked_at() -> None:
    odd = "a=candidate:what is this\r\na=candidate:1 1 udp 1 some-name.local 5 typ host\r\n"
    assert read_offer(BROWSER + odd) == read_offer(BROWSER)


@pytest.mark.parametrize("wish", ["5999", "510001", "abc", "-1", "9" * 5000])
def test_a_bitrate_out_of_range_is_no_wish(wish: str) -> None:
    assert read_offer(BROWSER.replace("maxaveragebitrate=16000", f"maxaveragebitrate={wish}")).bitrate is None


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ("a=rtcp-mux\r\n", "", "rtcp-mux"),
        ("a=ice-pwd:0123456789abcdefghijklmn\r\n", "", "ICE"),
        ("a=ice-ufrag:AbCd", "a=ice-ufrag:A", "ICE"),
        ("a=setup:actpass\r\n", "", "setup"),
        ("a=setup:actpass", "a=setup:holdconn", "parsed"),
        ("sha-256 0A", "sha-1 0A", "fingerprint"),
        ("sha-256 0A", "sha-256 zz", "fingerprint"),
        ("m=audio 9", "m=audio 0", "refuses"),
        ("m=audio", "m=video", "audio section"),
        ("SAVPF 0 111 63 9 8 13 110 126", "SAVPF 9 8 13", "neither"),
        ("SAVPF 0 111", "SAVPF 300 111", "parsed"),
        ("a=mid:0", "a=mid:0 0\v", "mid"),
        ("t=0 0\r\n", "t=0 0\r\n" + "b=AS:1\r\n" * 600, "lines"),
        ("t=0 0\r\n", "t=" + "0" * 70_000 + "\r\n", "long"),
    ],
)
def test_what_is_missing_or_wrong_is_named(old: str, new: str, word: str) -> None:
    assert old in BROWSER
    with pytest.raises(Unusable, match=word):
        read_offer(BROWSER.replace(old, new))


def test_two_audio_sections_are_refused() -> None:
    with pytest.raises(Unusable, match="one audio section"):
        read_offer(BROWSER + BROWSER[BROWSER.index("m=audio") :])


def test_an_answer_must_choose_its_dtls_role() -> None:
    with pytest.raises(Unusable, match="DTLS role"):
        read_answer(BROWSER)
    assert read_answer(BROWSER.replace("actpass", "active")).setup is Setup.CLIENT


@given(st.lists(st.integers(0, len(BROWSER) - 1), max_size=6), st.characters(), st.booleans())
def test_no_text_makes_it_raise_anything_else(places: list[int], character: str, cut: bool) -> None:
    text = BROWSER
    for place in places:
        text = text[:place] + character + text[place + 1 :]
    try:
        read_offer(text[: max(places, default=0)] if cut else text)
    except Unusable as refused:
        assert str(refused).endswith(".")


def test_what_we_write_we_understand() -> None:
    text = write(local(bitrate=20_000))
    remote = read_offer(text)
    assert remote.payloads == Payloads({Codec.PCMU: 0, Codec.OPUS: 111}, {8000: 126, 48000: 110})
    assert (remote.ufrag, remote.password, remote.bitrate) == ("abcd", "p" * 22, 20_000)
    assert "o=- 5 3 IN IP4 127.0.0.1\r\n" in text
    assert "a=candidate:f 1 udp 1 127.0.0.1 4000 typ host\r\n" in text


def test_an_answer_without_a_mid_has_no_bundle() -> None:
    text = write(local(mid="", setup=Setup.SERVER))
    assert "a=mid" not in text and "BUNDLE" not in text and "a=setup:passive\r\n" in text
