"""Posts to the event gateway: what is read of them, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midcall.core import errors
from midcall.core.errors import Refused, Rule
from midcall.core.insights import Kind
from midcall.wire.insights import MAX_CALLS, MAX_DEPTH, MAX_PAYLOAD_BYTES, MAX_SAMPLES, Given, InsightPost, read_post

CALL = "CA" + "c" * 32
SAMPLE = {
    "call_sid": CALL,
    "timestamp": "2026-11-20T23:28:35.140Z",
    "mos": 4.4,
    "rtt": 1,
    "jitter": None,
    "audio_codec": "opus",
}


def post(payload: Any, **changes: Any) -> bytes:
    """As the browser SDK spells it."""
    body = {
        "publisher": "twilio-js-sdk",
        "group": "connection",
        "name": "outgoing",
        "level": "INFO",
        "timestamp": "2026-11-20T23:28:35.140Z",
        "private": False,
        "payload_type": "application/json",
        "payload": payload,
    }
    return json.dumps({**body, **changes}).encode()


def event(payload: Any, **changes: Any) -> InsightPost:
    return read_post(Kind.EVENT, post(payload, **changes))


def refused(kind: Kind, body: bytes) -> Rule:
    with pytest.raises(Refused) as caught:
        read_post(kind, body)
    return caught.value.rule


def test_an_event_keeps_its_payload_as_it_was_sent() -> None:
    read = event({"call_sid": CALL.upper(), "temp_call_sid": "TJS1-a", "x": [1, {"y": 2}]})
    assert (read.group, read.name, read.level) == ("connection", "outgoing", "info")
    (told,) = read.told
    assert told.call_sid == CALL
    assert told.temporary_sid == "TJS1-a"
    assert told.at == 1795217315.14
    assert json.loads(told.payload)["x"] == [1, {"y": 2}]


@pytest.mark.parametrize("payload", [{}, {"call_sid": None}, {"call_sid": ""}, {"temp_call_sid": "TJS1"}])
def test_an_event_may_come_before_its_call_has_a_sid(payload: dict[str, Any]) -> None:
    assert event(payload).told[0].call_sid is None


def test_samples_are_read_one_by_one() -> None:
    read = read_post(Kind.SAMPLE, post([SAMPLE, {**SAMPLE, "mos": None}], group="quality-metrics-samples"))
    assert [json.loads(told.payload)["mos"] for told in read.told] == [4.4, None]
    assert {told.call_sid for told in read.told} == {CALL}


@pytest.mark.parametrize(
    ("payload", "given"),
    [
        ({"quality_score": 3, "issue_name": "echo"}, Given(3, ("echo",))),
        ({"quality_score": 5}, Given(5, ())),
        ({"quality_score": 5, "issue_name": None}, Given(5, ())),
        ({"quality_score": 4, "issue_name": "not-reported"}, Given(4, ())),
        ({"quality_score": 0, "issue_name": "not-reported"}, None),
    ],
)
def test_feedback_is_read_from_its_event(payload: dict[str, Any], given: Given | None) -> None:
    assert event({"call_sid": CALL, **payload}, group="feedback", name="received").feedback == given


def test_declined_feedback_is_none() -> None:
    assert event({"call_sid": CALL}, group="feedback", name="received-none").feedback is None


@pytest.mark.parametrize(
    "payload",
    [{"quality_score": 6}, {"quality_score": "5"}, {"quality_score": 2.5}, {}, {"quality_score": 1, "issue_name": "x"}],
)
def test_feedback_that_no_sdk_gives_is_refused(payload: dict[str, Any]) -> None:
    body = post({"call_sid": CALL, **payload}, group="feedback", name="received")
    assert refused(Kind.EVENT, body) is errors.PARAMETER_INVALID


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (Kind.EVENT, b""),
        (Kind.EVENT, b"null"),
        (Kind.EVENT, b"\xff"),
        (Kind.EVENT, b"[" * 100_000),
        (Kind.EVENT, post([])),
        (Kind.EVENT, post(None)),
        (Kind.EVENT, post({"call_sid": "CA1"})),
        (Kind.EVENT, post({"call_sid": 1})),
        (Kind.EVENT, post({"temp_call_sid": "TJS " * 2})),
        (Kind.EVENT, post({}, group="")),
        (Kind.EVENT, post({}, group="x" * 129)),
        (Kind.EVENT, post({}, name="a\nb")),
        (Kind.EVENT, post({}, level="LOUD")),
        (Kind.EVENT, post({}, timestamp="yesterday")),
        (Kind.EVENT, post({}, timestamp="2026-11-20T23:28:35.140")),
        (Kind.SAMPLE, post({})),
        (Kind.SAMPLE, post([1])),
        (Kind.SAMPLE, post([{**SAMPLE, "timestamp": None}])),
        (Kind.SAMPLE, post([{**SAMPLE, "mos": "good"}])),
        (Kind.SAMPLE, post([SAMPLE] * (MAX_SAMPLES + 1))),
        (Kind.SAMPLE, post([{**SAMPLE, "temp_call_sid": f"TJS{number}"} for number in range(MAX_CALLS + 1)])),
    ],
)
def test_what_cannot_be_read_is_refused(kind: Kind, body: bytes) -> None:
    assert refused(kind, body) is errors.PARAMETER_INVALID


def test_payloads_are_bounded_in_length_and_depth() -> None:
    assert refused(Kind.EVENT, post({"x": "y" * MAX_PAYLOAD_BYTES})) is errors.BODY_TOO_LARGE
    deepest = MAX_DEPTH - 1  # the payload itself is the first level
    assert event({"x": json.loads("[" * deepest + "]" * deepest)}).told
    assert refused(Kind.EVENT, post({"x": json.loads("[" * MAX_DEPTH + "]" * MAX_DEPTH)})) is errors.PARAMETER_INVALID
    endless = post({"x": 1}).replace(b'{"x": 1}', b'{"x": ' + b"[" * 9_000)
    assert refused(Kind.EVENT, endless) is errors.PARAMETER_INVALID


RULES = (errors.PARAMETER_INVALID, errors.BODY_TOO_LARGE)


@given(
    st.sampled_from(Kind),
    st.binary(max_size=200)
    | st.recursive(
        st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=9),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    ).map(post),
)
def test_any_post_is_read_or_refused_by_rule(kind: Kind, body: bytes) -> None:
    try:
        read_post(kind, body)
    except Refused as caught:
        assert caught.rule in RULES
