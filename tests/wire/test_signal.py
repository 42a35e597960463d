"""Frames: golden texts in both directions, and nothing but Malformed for anything else."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from midcall.core import errors
from midcall.wire import signal

LEG = "CA" + "0" * 31 + "1"
MESSAGE = "KX" + "a" * 32
TEMPORARY = "TJS1f0c7c1e-9f0e-4b6e-8a55-0d4f6c1c2b3a"


def frame(type_: str, payload: object) -> str:
    return json.dumps({"payload": payload, "type": type_, "version": "1.6"})


CLIENT_FRAMES: list[tuple[str, dict[str, Any], signal.ClientFrame]] = [
    (
        "listen",
        {"token": "t", "reconnectTimeout": 13, "browserinfo": {"p": "browser"}},
        signal.Listen(token="t", reconnect_timeout=13, browser_info={"p": "browser"}),
    ),
    ("listen", {"token": "t", "reconnectTimeout": 0, "media": "none"}, signal.Listen(token="t", media="none")),
    ("register", {"media": {"audio": True}}, signal.Register(media=signal.Wanted(audio=True))),
    (
        "invite",
        {"callsid": TEMPORARY, "sdp": "v=0", "twilio": {"params": "a=b"}},
        signal.ClientInvite(call_sid=TEMPORARY, sdp="v=0", twilio=signal.Custom(params="a=b")),
    ),
    (
        "invite",
        {"callsid": LEG, "sdp": "v=0", "reconnect": "r", "twilio": {}},
        signal.ClientInvite(call_sid=LEG, sdp="v=0", reconnect="r"),
    ),
    ("answer", {"callsid": LEG, "sdp": "v=0"}, signal.ClientAnswer(call_sid=LEG, sdp="v=0")),
    ("reject", {"callsid": LEG}, signal.Reject(call_sid=LEG)),
    ("hangup", {"callsid": TEMPORARY}, signal.Hangup(call_sid=TEMPORARY)),
    ("hangup", {"callsid": LEG, "message": "gone"}, signal.Hangup(call_sid=LEG, message="gone")),
    ("reinvite", {"callsid": LEG, "sdp": "v=0"}, signal.Reinvite(call_sid=LEG, sdp="v=0")),
    ("dtmf", {"callsid": LEG, "dtmf": "12w#"}, signal.Dtmf(call_sid=LEG, digits="12w#")),
]

SERVER_FRAMES: list[tuple[str, dict[str, Any], signal.ServerFrame]] = [
    (
        "connected",
        {"edge": "e", "region": "r", "home": "h", "gateway": "g", "token": {"identity": "alice", "ttl": 9}},
        signal.Connected(edge="e", region="r", home="h", gateway="g", token=signal.TokenView(identity="alice", ttl=9)),
    ),
    ("ready", {}, signal.Ready()),
    ("offline", {}, signal.Offline()),
    ("close", {}, signal.Close()),
    ("error", {"error": {"code": 31204, "message": "m"}}, signal.Error(error=signal.Fault(code=31204, message="m"))),
    (
        "error",
        {"error": {"code": 31210, "message": "m", "retryAfter": 2.5}, "callsid": LEG, "voiceeventsid": MESSAGE},
        signal.Error(error=signal.Fault(code=31210, message="m", retry_after=2.5), call_sid=LEG, message_sid=MESSAGE),
    ),
    (
        "invite",
        {"callsid": LEG, "sdp": "v=0", "parameters": {"From": "client:alice"}, "reconnect": "r"},
        signal.ServerInvite(call_sid=LEG, sdp="v=0", parameters={"From": "client:alice"}, reconnect="r"),
    ),
    ("ringing", {"callsid": LEG}, signal.Ringing(call_sid=LEG)),
    ("ringing", {"callsid": LEG, "sdp": "v=0"}, signal.Ringing(call_sid=LEG, sdp="v=0")),
    ("answer", {"callsid": LEG, "reconnect": "r"}, signal.ServerAnswer(call_sid=LEG, reconnect="r")),
    ("cancel", {"callsid": LEG}, signal.Cancel(call_sid=LEG)),
    (
        "hangup",
        {"callsid": LEG, "error": {"code": 31480, "message": "m"}},
        signal.Hangup(call_sid=LEG, error=signal.Fault(code=31480, message="m")),
    ),
    (
        "ack",
        {"callsid": LEG, "voiceeventsid": MESSAGE, "acktype": "message"},
        signal.Ack(call_sid=LEG, message_sid=MESSAGE),
    ),
]


@pytest.mark.parametrize(("type_", "payload", "expected"), CLIENT_FRAMES)
def test_a_client_frame_is_decoded_and_encoded_back(
    type_: str, payload: dict[str, Any], expected: signal.ClientFrame
) -> None:
    assert signal.decode_client(frame(type_, payload)) == expected
    encoded = json.loads(signal.encode(expected))
    assert (encoded["type"], encoded["version"]) == (type_, "1.6")
    assert signal.decode_client(json.dumps(encoded)) == expected


@pytest.mark.parametrize(("type_", "payload", "expected"), SERVER_FRAMES)
def test_a_server_frame_has_exactly_the_documented_fields(
    type_: str, payload: dict[str, Any], expected: signal.ServerFrame
) -> None:
    assert json.loads(signal.encode(expected)) == {"type": type_, "version": "1.6", "payload": payload}
    assert signal.decode_server(frame(type_, payload)) == expected


def test_server_frames_may_lack_a_payload_and_bring_unknown_fields() -> None:
    assert signal.decode_server('{"type":"ready"}') == signal.Ready()
    assert signal.decode_server(frame("ringing", {"callsid": LEG, "gateway": "g"})) == signal.Ringing(call_sid=LEG)


CONTENTS = [
    '{"b":1,"a":2}',
    "1.0e+05",
    "-0.0",
    "123456789012345678901234567890",
    '"я \\u00e9 \\/"',
    "null",
    "[]",
    '{"a":" two  blanks "}',
]


@pytest.mark.parametrize("content", CONTENTS)
def test_the_spelling_of_content_survives_both_ways(content: str) -> None:
    text = (
        f'{{"payload":{{"callsid":"{LEG}","content":{content},"contenttype":"text/plain",'
        f'"messagetype":"user-defined-message","voiceeventsid":"{MESSAGE}"}},"type":"message","version":"1.6"}}'
    )
    message = signal.decode_client(text)
    assert isinstance(message, signal.Message)
    assert bytes(message.content).decode() == content
    assert signal.compact(bytes(message.content)).decode() == content
    sent = signal.encode(
        signal.Message(
            call_sid=LEG,
            message_sid=MESSAGE,
            message_type="user-defined-message",
            content=msgspec.Raw(content.encode()),
        )
    )
    assert f'"content":{content}'.encode() in sent
    assert b'"contenttype":"application/json"' in sent
    again = signal.decode_server(sent.decode())
    assert isinstance(again, signal.Message)
    assert bytes(again.content).decode() == content


def test_blanks_between_tokens_are_removed_and_nothing_else() -> None:
    spaced = b'{ "a" : [ 1.50 ,\t2e0 ] ,\r\n "b" : " x  \\" y " }'
    assert signal.compact(spaced) == b'{"a":[1.50,2e0],"b":" x  \\" y "}'


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x)))
def test_compacting_changes_no_value(value: object) -> None:
    spaced = json.dumps(value, indent=2, ensure_ascii=False).encode("utf-8", "surrogatepass")
    if b"\xed" in spaced and _has_surrogates(spaced):
        return
    assert signal.compact(spaced) == json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def _has_surrogates(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return True
    return False


def test_a_message_without_content_or_content_type_is_a_frame() -> None:
    payload = {"callsid": LEG, "messagetype": "user-defined-message", "voiceeventsid": MESSAGE}
    message = signal.decode_client(frame("message", payload))
    assert isinstance(message, signal.Message)
    assert bytes(message.content) == b""
    assert message.content_type == "application/json"


MALFORMED = [
    "",
    "\r\n",
    "null",
    "[]",
    "7",
    "{}",
    '{"type":7}',
    '{"type":"listen","payload":null}',
    '{"type":"listen","payload":[]}',
    '{"type":"listen","payload":{"token":7}}',
    '{"type":"register","payload":{}}',
    '{"type":"register","payload":{"media":{"audio":"yes"}}}',
    '{"type":"invite","payload":{"callsid":"","sdp":"v=0"}}',
    '{"type":"invite","payload":{"callsid":"TJS1","sdp":""}}',
    '{"type":"answer","payload":{"callsid":"CA1"}}',
    '{"type":"roster","payload":{}}',
    '{"type":"listen","payload":{}}x',
    '{"type":"listen"',
    "[" * 100_000,
    '{"type":"listen","payload":' + '{"a":' * 100_000,
    '{"type":"listen","payload":{"token":"\udc80"}}',
]


@pytest.mark.parametrize("text", MALFORMED)
def test_what_is_no_frame_is_malformed(text: str) -> None:
    with pytest.raises(signal.Malformed):
        signal.decode_client(text)


def test_a_strange_type_is_told_apart() -> None:
    with pytest.raises(signal.UnknownType):
        signal.decode_client('{"type":"roster","payload":{}}')
    with pytest.raises(signal.UnknownType):
        signal.decode_server('{"type":"presence"}')


@pytest.mark.parametrize(
    "text",
    [
        frame("message", {"callsid": LEG, "voiceeventsid": MESSAGE, "messagetype": 7, "content": 1}),
        frame("message", {"callsid": LEG, "voiceeventsid": MESSAGE, "content": 1}),
        frame("massage", {"callsid": LEG, "voiceeventsid": MESSAGE}),
        f'{{"type":"message","payload":{{"callsid":"{LEG}","voiceeventsid":"{MESSAGE}","content":"\\ud800"}}}}',
    ],
)
def test_the_ids_of_a_malformed_message_are_read(text: str) -> None:
    with pytest.raises(signal.Malformed) as caught:
        signal.decode_client(text)
    assert (caught.value.call_sid, caught.value.message_sid) == (LEG, MESSAGE)


def test_ids_that_are_no_ids_are_not_repeated() -> None:
    with pytest.raises(signal.Malformed) as caught:
        signal.decode_client(frame("message", {"callsid": ["x"], "voiceeventsid": "K" * 65}))
    assert (caught.value.call_sid, caught.value.message_sid) == (None, None)


def test_depth_is_bounded_and_brackets_in_strings_do_not_count() -> None:
    def nested(levels: int) -> str:
        payload = {"callsid": LEG, "voiceeventsid": MESSAGE, "messagetype": "m"}
        text = frame("message", {**payload, "content": "@"})
        return text.replace('"@"', "[" * levels + "]" * levels)

    signal.decode_client(nested(signal.MAX_DEPTH - 2))
    with pytest.raises(signal.Malformed):
        signal.decode_client(nested(signal.MAX_DEPTH - 1))
    signal.decode_client(frame("hangup", {"callsid": LEG, "message": '[{\\"[{"' * 20}))
    assert signal.too_deep("[" * 65)
    assert not signal.too_deep("[]" * 1000)


@given(st.text())
def test_any_text_decodes_to_a_frame_or_is_malformed(text: str) -> None:
    for decode in (signal.decode_client, signal.decode_server):
        with contextlib.suppress(signal.Malformed):
            decode(text)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["callsid", "sdp", "token", "media", "error", "voiceeventsid"]), inner)
    ),
    max_leaves=8,
)


@given(st.sampled_from(sorted({*signal._CLIENT, *signal._SERVER})), _json)
def test_any_payload_decodes_to_a_frame_or_is_malformed(type_: str, payload: object) -> None:
    for decode in (signal.decode_client, signal.decode_server):
        with contextlib.suppress(signal.Malformed):
            decode(frame(type_, payload))


def test_params_are_read_as_encode_uri_component_writes_them() -> None:
    assert signal.decode_params("To=client%3Abob&a=x%20%2B%20y&u=undefined&z=%E6%88%91&p=1+1") == (
        ("To", "client:bob"),
        ("a", "x + y"),
        ("u", "undefined"),
        ("z", "我"),
        ("p", "1+1"),
    )
    assert signal.decode_params(None) == signal.decode_params("") == ()
    assert signal.decode_params("a=1&a=2&=x&b") == (("a", "1"), ("a", "2"), ("b", ""))


def test_params_over_800_bytes_are_refused() -> None:
    assert signal.decode_params("k=" + "v" * 799)
    with pytest.raises(errors.Refused) as caught:
        signal.decode_params("k=" + "v" * 800)
    assert caught.value.rule is errors.PARAMETERS_TOO_LONG
    with pytest.raises(errors.Refused):
        signal.decode_params("k=" + "%E6%88%91" * 267)


def test_params_that_are_not_utf8_are_refused() -> None:
    with pytest.raises(errors.Refused) as caught:
        signal.decode_params("a=%ff")
    assert caught.value.rule is errors.FRAME_MALFORMED


def test_params_of_an_incoming_call_have_raw_names_and_encoded_values() -> None:
    pairs = [("custom + param", "我"), ("foobar", "some + value"), ("duplicate", "1"), ("duplicate", "2"), ("a=b", "x")]
    text = signal.encode_params(pairs)
    assert text == "custom + param=%E6%88%91&foobar=some%20%2B%20value&duplicate=1&duplicate=2"
    assert list(signal.decode_invite_params(text)) == pairs[:-1]


@given(st.lists(st.tuples(st.text(min_size=1, max_size=20), st.text(max_size=20)), max_size=10))
def test_params_survive_the_way_to_the_server(pairs: list[tuple[str, str]]) -> None:
    try:
        text = signal.encode_connect_params(pairs)
    except UnicodeEncodeError:
        return
    assert list(signal.decode_params(text)) == pairs
