"""What a device can be told, and what it refuses to be told."""

from __future__ import annotations

import dataclasses

import pytest

from midcall.sdk import InvalidArgumentError
from midcall.sdk.options import IceServer, Options, OptionValues, RtcConfiguration


def test_the_keywords_are_the_options():
    assert set(OptionValues.__annotations__) == {field.name for field in dataclasses.fields(Options)}


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"host": ""}, "host"),
        ({"host": []}, "host"),
        ({"host": ["a", 1]}, "host"),
        ({"host": "wss://calls.example"}, "host"),
        ({"url": "https://calls.example/signal"}, "url"),
        ({"url": ["wss://calls.example/signal", "calls.example"]}, "url"),
        ({"edge": 5}, "edge"),
        ({"edge": {"ashburn"}}, "edge"),
        ({"codec_preferences": "opus"}, "codec_preferences"),
        ({"codec_preferences": ()}, "codec_preferences"),
        ({"codec_preferences": ("g729",)}, "codec_preferences"),
        ({"codec_preferences": (None,)}, "codec_preferences"),
        ({"max_average_bitrate": 5_999}, "max_average_bitrate"),
        ({"max_average_bitrate": 510_001}, "max_average_bitrate"),
        ({"max_average_bitrate": True}, "max_average_bitrate"),
        ({"dscp": "yes"}, "dscp"),
        ({"audio_source": None}, "audio_source"),
        ({"token_refresh_ms": "soon"}, "token_refresh_ms"),
        ({"token_refresh_ms": float("nan")}, "token_refresh_ms"),
        ({"max_call_signaling_timeout_ms": True}, "max_call_signaling_timeout_ms"),
        ({"allow_incoming_while_busy": 1}, "allow_incoming_while_busy"),
        ({"app_name": 5}, "app_name"),
        ({"app_version": "x" * 257}, "app_version"),
        ({"close_protection": True}, "no option 'close_protection'"),
    ],
)
def test_an_unusable_option_is_named(values, name):
    with pytest.raises(InvalidArgumentError, match=name):
        Options.of(values)
    with pytest.raises(InvalidArgumentError, match=name):
        Options().updated(values)


def test_options_are_merged_over_the_ones_before():
    before = Options.of({"app_name": "desk", "codec_preferences": ["OPUS"]})
    after = before.updated({"app_version": "2", "max_average_bitrate": 6_000})
    assert (after.app_name, after.app_version, after.codec_preferences) == ("desk", "2", ("opus",))
    assert (before.app_version, before.max_average_bitrate) == (None, None)


@pytest.mark.parametrize(("timeout_ms", "seconds"), [(0, 0), (-5, 0), (1, 1), (12_500, 13), (30_000, 30), (90_000, 30)])
def test_the_server_is_told_whole_seconds(timeout_ms, seconds):
    assert Options(max_call_signaling_timeout_ms=timeout_ms).reconnect_timeout_s == seconds


def test_ice_servers_may_have_a_browsers_shape():
    told = RtcConfiguration(
        ice_servers=[
            {"url": "stun:global.stun.example:3478", "urls": "stun:global.stun.example:3478"},
            {"urls": ["turn:a.example", "turns:a.example"], "username": "u", "credential": "secret"},
            IceServer(urls=("stun:b.example",)),
        ]
    )
    assert [server.urls for server in told.servers] == [
        ("stun:global.stun.example:3478",),
        ("turn:a.example", "turns:a.example"),
        ("stun:b.example",),
    ]
    assert told.servers[1].credential == "secret"
    assert "secret" not in repr(told)


@pytest.mark.parametrize("server", ["stun:a", {"urls": []}, {"urls": "http://a"}, {"urls": [5]}, {}, 7])
def test_what_is_no_ice_server_is_refused(server):
    with pytest.raises(InvalidArgumentError):
        RtcConfiguration(ice_servers=[server])


def test_only_relays_need_a_relay():
    with pytest.raises(InvalidArgumentError, match="TURN"):
        RtcConfiguration(ice_servers=[{"urls": "stun:a"}], relay_only=True)
    assert RtcConfiguration(ice_servers=[{"urls": "turn:a"}], relay_only=True).relay_only
