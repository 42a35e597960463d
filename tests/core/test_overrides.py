"""Connection overrides in a URL's fragment: what counts, what is clamped, what is plain."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midcall.core.overrides import DEFAULTS, RetryOn, parse

URL = "https://app.example/path?x=1#"


def test_all_keys_are_read() -> None:
    asked = parse(URL + "ct=2000&rt=3000&tt=4000&rc=5&rp=4xx,5xx")
    assert asked is not None
    assert (asked.connect_s, asked.read_s, asked.total_s, asked.retries) == (2.0, 3.0, 4.0, 5)
    assert asked.retry_on == {RetryOn.CLIENT_ERROR, RetryOn.SERVER_ERROR}
    assert not asked.clamped
    assert not asked.bad_policy


def test_what_is_not_said_is_the_default() -> None:
    assert parse(URL + "rc=1") == DEFAULTS


@pytest.mark.parametrize("fragment", ["", "top", "a=b&c", "sni=n", "e=dublin", "rc", "x" * 600 + "&rc=1"])
def test_a_plain_fragment_asks_for_nothing(fragment: str) -> None:
    assert parse(URL + fragment) is None


def test_a_url_without_fragment_asks_for_nothing() -> None:
    assert parse("https://app.example/?rc=3") is None


@pytest.mark.parametrize(
    ("fragment", "name", "value"),
    [
        ("ct=1", "connect_s", 0.1),
        ("ct=99999", "connect_s", 10.0),
        ("rt=0", "read_s", 0.1),
        ("rt=15001", "read_s", 15.0),
        ("tt=-5", "total_s", 0.1),
        ("tt=16000", "total_s", 15.0),
        ("rc=6", "retries", 5),
        ("rc=-1", "retries", 0),
        ("rc=many", "retries", 1),
        ("rc=", "retries", 1),
    ],
)
def test_numbers_out_of_range_are_clamped_and_named(fragment: str, name: str, value: float) -> None:
    asked = parse(URL + fragment)
    assert asked is not None
    assert getattr(asked, name) == value
    assert asked.clamped == (fragment[:2],)


@pytest.mark.parametrize("policy", ["6xx", "ct;rt", "", "ct,,rt"])
def test_an_unreadable_policy_falls_back_to_the_default_and_says_so(policy: str) -> None:
    asked = parse(URL + f"rp={policy}")
    assert asked is not None
    assert asked.bad_policy
    assert asked.retry_on == DEFAULTS.retry_on


def test_an_escaped_comma_separates_too() -> None:
    asked = parse(URL + "rp=CT%2Crt")
    assert asked is not None
    assert asked.retry_on == {RetryOn.CONNECT, RetryOn.READ}


@given(st.text())
def test_no_fragment_breaks_anything(fragment: str) -> None:
    asked = parse(URL + fragment)
    assert asked is None or (0.1 <= asked.total_s <= 15 and 0 <= asked.retries <= 5)
