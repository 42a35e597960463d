"""X-Twilio-Signature, step by step. The official validators have their say in tests/webhooks/test_validators.py."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midcall.core.signature import sign, signed_text, signed_url

TOKEN = "b" * 32


def test_a_known_request_has_its_known_signature() -> None:
    params = [("Digits", "1234"), ("CallSid", "CA" + "0" * 31 + "1"), ("Caller", "client:alice")]
    assert sign(TOKEN, "https://mycompany.example/myapp?foo=1&bar=2", params) == "zJPEr1hLryERHWw8LoOn2x/DRVI="


@pytest.mark.parametrize(
    ("url", "signed"),
    [
        ("https://app.example/a?b=c#rc=2", "https://app.example/a?b=c"),
        ("https://user:p%40ss@app.example/a", "https://app.example/a"),
        ("https://app.example:8443/a", "https://app.example/a"),
        ("https://app.example:443", "https://app.example"),
        ("http://app.example:3000/a", "http://app.example:3000/a"),
        ("http://app.example:80/a", "http://app.example/a"),
        ("https://app.example:8443?a=b:1@c/d", "https://app.example?a=b:1@c/d"),
        ("http://[::1]:3000/a", "http://[::1]:3000/a"),
        ("https://[::1]:3000/a", "https://[::1]/a"),
        ("https://[::1]/a", "https://[::1]/a"),
        ("https://app.example/a:80@b", "https://app.example/a:80@b"),
    ],
)
def test_the_signed_url_has_no_fragment_no_userinfo_and_only_ports_of_http(url: str, signed: str) -> None:
    assert signed_url(url) == signed


def test_names_are_sorted_by_code_unit_and_case_counts() -> None:
    assert signed_text("u", [("b", "1"), ("a", "2"), ("B", "3"), ("\U00010000", "4"), ("￰", "5")]) == (
        "uB3a2b1\U000100004￰5"
    )


def test_a_repeated_name_counts_each_of_its_values_once_in_order() -> None:
    assert signed_text("u", [("a", "2"), ("a", "1"), ("a", "2")]) == "ua1a2"


def test_empty_fields_count() -> None:
    assert sign(TOKEN, "http://x/", [("To", "")]) != sign(TOKEN, "http://x/")


@given(st.lists(st.tuples(st.text(max_size=3), st.text(max_size=3)), max_size=6))
def test_the_quick_way_for_plain_names_signs_what_the_long_way_does(params: list[tuple[str, str]]) -> None:
    pairs = sorted(set(params), key=lambda pair: tuple(part.encode("utf-16-be", "surrogatepass") for part in pair))
    assert signed_text("https://x.example/", params) == "https://x.example/" + "".join(map("".join, pairs))
