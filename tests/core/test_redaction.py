"""No secret survives the redaction table."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midcall.core.redaction import REDACTED, redact

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJBQzEifQ.c2lnbmF0dXJl"
SECRET = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (f"Authorization: Basic {SECRET}==", SECRET),
        (f"{{'Authorization': 'Bearer {SECRET}'}}", SECRET),
        (f"sent Basic {SECRET} there", SECRET),
        (f'{{"token":"{JWT}"}}', JWT),
        (f"the token {JWT} is bad", "c2lnbmF0dXJl"),
        (f'{{"reconnect":"{SECRET}"}}', SECRET),
        (f'{{"signalingReconnectToken" : "{SECRET}"}}', SECRET),
        (f'{{"auth_token": "a\\"{SECRET}"}}', SECRET),
        (f"AuthToken={SECRET}&x=1", SECRET),
        (f"https://x.test/?ApiSecret={SECRET}", SECRET),
        (f'{{"urls":"turn:t","username":"u","credential":"{SECRET}"}}', SECRET),
        (f"https://user:{SECRET}@example.test/voice", SECRET),
        (f"a=ice-pwd:{SECRET}\r\n", SECRET),
    ],
)
def test_a_secret_is_taken_out(text: str, secret: str) -> None:
    assert secret not in redact(text)
    assert REDACTED in redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "POST https://example.test/voice?CallSid=CA1&To=client%3Abob",
        '{"callsid":"CA1","voiceeventsid":"KX1","messagetype":"user-defined-message"}',
        "a basic call; the bearer was away",
        "mail bob@example.test",
    ],
)
def test_other_text_stays_as_it_is(text: str) -> None:
    assert redact(text) == text


@given(st.text(max_size=200))
def test_redaction_is_total_and_repeatable(text: str) -> None:
    assert redact(redact(text)) == redact(text)
