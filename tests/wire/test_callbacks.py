"""Webhook requests as bytes: parameters, encodings, headers, signatures."""

from __future__ import annotations

import json
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midcall.core.lanes import Encoding
from midcall.core.messages import Log
from midcall.core.signature import sign
from midcall.wire.callbacks import (
    Prepared,
    Unbuildable,
    content_text,
    form_request,
    idempotency_token,
    message_params,
    message_request,
    resigner,
    status_params,
)
from support.lanes import AT, AUTH_TOKEN, an_entry

URL = "https://app.example/messages?tenant=7#rc=1"
TARGET = "https://app.example/messages?tenant=7"
FORM = "application/x-www-form-urlencoded; charset=UTF-8"


def built(encoding: Encoding = Encoding.FORM, method: str = "POST", **changes: object) -> Prepared:
    return message_request(
        an_entry(**changes), url=URL, method=method, encoding=encoding, auth_token=AUTH_TOKEN, token="t-1"
    )


# parameters


def test_a_message_has_seven_keys_and_all_of_them_are_strings() -> None:
    assert dict(message_params(an_entry(seq=3))) == {
        "ContentType": "application/json",
        "Content": '{"text":"hello"}',
        "SequenceNumber": "3",
        "CallSid": "CA" + "c" * 32,
        "Timestamp": "Tue, 14 Nov 2023 22:13:20 +0000",
        "AccountSid": "AC" + "a" * 32,
        "Sid": "KX" + "1" * 32,
    }


def test_the_timestamp_has_a_two_digit_day() -> None:
    at = AT + 18 * 86_400
    assert dict(message_params(an_entry(at=at)))["Timestamp"] == "Sat, 02 Dec 2023 22:13:20 +0000"


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b'"plain text"', "plain text"),
        (b'"caf\\u00e9 \\"x\\" \\n"', 'café "x" \n'),
        ('"grüße 🎧"'.encode(), "grüße 🎧"),
        (b'"{\\"a\\":1}"', '{"a":1}'),
        (b'"\\ud83c\\udfa7"', "🎧"),
        (b'"half \\ud83c"', "half �"),
        (b'""', ""),
        (b"1.50", "1.50"),
        (b"1e400", "1e400"),
        (b"12345678901234567890123", "12345678901234567890123"),
        (b"null", "null"),
        (b'{"b":1,"a":[1.0,-0],"b":2}', '{"b":1,"a":[1.0,-0],"b":2}'),
        ('{"ü":"\\u00fc"}'.encode(), '{"ü":"\\u00fc"}'),
    ],
)
def test_a_string_passes_as_its_text_and_everything_else_as_it_was_spelled(raw: bytes, text: str) -> None:
    assert content_text(raw) == text


@pytest.mark.parametrize("raw", [b'"\xff"', b"\xff", b'"open', b'"a" "b"'])
def test_content_that_is_no_json_text_cannot_be_built(raw: bytes) -> None:
    with pytest.raises(Unbuildable):
        content_text(raw)


def test_a_status_entry_is_its_parameters_in_order() -> None:
    entry = an_entry(log=Log.STATUS, content=b'{"To":"","CallStatus":"ringing","Called":"client:z\\u00e9"}')
    assert status_params(entry) == (("To", ""), ("CallStatus", "ringing"), ("Called", "client:zé"))


@pytest.mark.parametrize("raw", [b"[]", b'{"a":1}', b"{", b"\xff"])
def test_a_status_entry_that_is_no_object_of_strings_cannot_be_built(raw: bytes) -> None:
    with pytest.raises(Unbuildable):
        status_params(an_entry(log=Log.STATUS, content=raw))


# encodings


def test_a_form_and_json_carry_the_same_ids_and_the_same_signature() -> None:
    form, as_json = built(Encoding.FORM), built(Encoding.JSON)
    assert dict(parse_qsl(form.body.decode())) == json.loads(as_json.body)
    for name in ("X-Twilio-Signature", "I-Twilio-Idempotency-Token", "User-Agent", "Accept"):
        assert form.headers[name] == as_json.headers[name]
    assert form.headers["Content-Type"] == FORM
    assert as_json.headers["Content-Type"] == "application/json"


def test_the_headers_are_those_that_allow_lists_expect() -> None:
    headers = built().headers
    assert headers["User-Agent"] == "TwilioProxy/1.1"
    assert headers["Accept"] == "*/*"
    assert headers["I-Twilio-Idempotency-Token"] == "t-1"


def test_json_keeps_non_ascii_and_signs_the_sorted_keys() -> None:
    request = built(Encoding.JSON, content='"grüße"'.encode())
    assert "grüße".encode() in request.body
    assert request.headers["X-Twilio-Signature"] == sign(AUTH_TOKEN, TARGET, json.loads(request.body).items())
    assert "bodySHA256" not in request.url


def test_get_appends_to_the_query_strictly_escaped_and_signs_the_url() -> None:
    request = built(method="GET", content=b'{"a b":"~*\'()+/?&"}')
    assert request.method == "GET"
    assert request.body == b""
    assert request.url.startswith(TARGET + "&ContentType=application%2Fjson&Content=%7B%22a%20b%22%3A%22~%2A%27%28%29")
    assert dict(parse_qsl(urlsplit(request.url).query))["Content"] == '{"a b":"~*\'()+/?&"}'
    assert request.headers["X-Twilio-Signature"] == sign(AUTH_TOKEN, request.url)
    assert "Content-Type" not in request.headers


def test_the_fragment_is_not_sent() -> None:
    assert built().url == TARGET


def test_the_same_delivery_is_the_same_bytes_again() -> None:
    assert built(Encoding.JSON) == built(Encoding.JSON)


def test_the_token_of_a_delivery_depends_on_its_names_only() -> None:
    assert idempotency_token("ZY1", "KX1") == idempotency_token("ZY1", "KX1")
    assert len({idempotency_token(lane, sid) for lane in ("ZY1", "ZY2") for sid in ("KX1", "KX2")}) == 4
    assert idempotency_token("ZY1", "KX1") == str(uuid5(UUID("8f7c1f0e-5f0a-5a57-9d0c-5d1c2d1c7a11"), "ZY1/KX1"))


@given(
    st.lists(st.tuples(st.text(min_size=1), st.text()), max_size=8),
    st.sampled_from(["GET", "POST"]),
)
def test_whatever_the_fields_are_they_arrive_and_are_what_was_signed(
    fields: list[tuple[str, str]], method: str
) -> None:
    request = form_request(method, TARGET, fields, auth_token=AUTH_TOKEN, token="t")
    if method == "GET":
        arrived = parse_qsl(urlsplit(request.url).query, keep_blank_values=True)[1:]
        signed = sign(AUTH_TOKEN, request.url)
    else:
        arrived = parse_qsl(request.body.decode(), keep_blank_values=True)
        signed = sign(AUTH_TOKEN, request.url, arrived)
    assert arrived == fields
    assert request.headers["X-Twilio-Signature"] == signed


def test_empty_fields_are_sent() -> None:
    request = form_request("POST", TARGET, [("To", ""), ("From", "client:a")], auth_token=AUTH_TOKEN, token="t")
    assert request.body == b"To=&From=client%3Aa"


def test_a_url_that_cannot_be_requested_cannot_be_built() -> None:
    with pytest.raises(Unbuildable):
        form_request("POST", "ftp://x/", [], auth_token=AUTH_TOKEN, token="t")


# redirects


def test_a_redirected_form_is_signed_for_its_new_url() -> None:
    request = form_request("POST", TARGET, [("To", ""), ("A", "1")], auth_token=AUTH_TOKEN, token="t")
    resign = resigner(AUTH_TOKEN, request.headers)
    kept = resign("POST", "https://other.example/", request.body)
    assert kept["X-Twilio-Signature"] == sign(AUTH_TOKEN, "https://other.example/", [("To", ""), ("A", "1")])
    assert kept["Content-Type"] == FORM
    became_get = resign("GET", "https://other.example/?x=1", b"")
    assert became_get["X-Twilio-Signature"] == sign(AUTH_TOKEN, "https://other.example/?x=1")
    assert "Content-Type" not in became_get
    assert became_get["I-Twilio-Idempotency-Token"] == "t"
