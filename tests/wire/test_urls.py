"""Webhook addresses: which are taken, and their one spelling on the wire."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midcall.wire.urls import (
    callback_url_problem,
    host_key,
    redirect_target,
    request_url,
    userinfo,
    with_query,
    without_userinfo,
)


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:3000/cb",
        "https://app.example",
        "https://user:secret@app.example:8443/a?b=c#rc=2&rp=all",
        "http://127.0.0.1/",
        "http://[::1]:8080/",
        "http://app-1.internal./x",
        "https://müller.example/grüße",
        "https://app.example/a_b?c_d=e",
        "https://app.example/" + "a" * 2028,
    ],
)
def test_absolute_http_urls_are_taken(url: str) -> None:
    assert callback_url_problem(url) is None


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("", "http"),
        ("app.example/x", "http"),
        ("/x", "http"),
        ("ftp://app.example/", "http"),
        ("file:///etc/passwd", "http"),
        ("javascript:alert(1)", "http"),
        ("http://", "host"),
        ("http:///x", "host"),
        ("http://:80/", "host"),
        ("http://my_app.example/", "underscore"),
        ("http://-a.example/", "host"),
        ("http://a..example/", "host"),
        ("http://a b.example/", "host"),
        ("http://app.example\\@evil.example/", "host"),
        ("http://[::1/", "read"),
        ("http://[fe80::1%25eth0]/", "host"),
        ("http://app.example:port/", "read"),
        ("http://app.example:70000/", "read"),
        ("http://app.example:0/", "port"),
        ("http://app.example/\r\nX: y", "control"),
        ("http://app.example/\x00", "control"),
        ("http://" + "a" * 64 + ".example/", "host"),
        ("https://app.example/" + "a" * 2029, "longer"),
    ],
)
def test_what_is_not_taken_is_told_why(url: str, word: str) -> None:
    problem = callback_url_problem(url)
    assert problem is not None
    assert word in problem
    if word != "longer":
        with pytest.raises(ValueError, match=word):
            request_url(url)


def test_a_requested_url_may_carry_a_whole_message() -> None:
    url = with_query("https://app.example/", "Content=" + "%C3" * 10_240)
    assert request_url(url) == url
    with pytest.raises(ValueError, match="longer"):
        request_url("https://app.example/?" + "a" * 131_072)


@pytest.mark.parametrize(
    ("url", "wire"),
    [
        ("HTTP://App.Example", "http://app.example/"),
        ("https://app.example:443/a", "https://app.example/a"),
        ("http://app.example:80?x=1", "http://app.example/?x=1"),
        ("http://app.example:3000/a#b", "http://app.example:3000/a"),
        ("https://u:p@app.example/", "https://u:p@app.example/"),
        ("https://app.example/a b/{x}?q='a b'&r=\"", "https://app.example/a%20b/%7Bx%7D?q=%27a%20b%27&r=%22"),
        ("https://app.example/%7e%2F?x=%zz&y=%c3%bc+1", "https://app.example/%7e%2F?x=%25zz&y=%c3%bc+1"),
        ("https://app.example/a/../b/./c/%2e%2E/d/.", "https://app.example/b/d/"),
        ("https://app.example/../..", "https://app.example/"),
        ("https://app.example/a//b/...", "https://app.example/a//b/..."),
        ("https://müller.example/ü?ü=ü", "https://xn--mller-kva.example/%C3%BC?%C3%BC=%C3%BC"),
    ],
)
def test_a_request_has_one_spelling(url: str, wire: str) -> None:
    assert request_url(url) == wire


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=60), st.text(max_size=60))
def test_spelling_it_again_changes_nothing_and_leaves_plain_ascii(path: str, query: str) -> None:
    url = f"https://app.example/{path}?{query}"
    if callback_url_problem(url) is None:
        wire = request_url(url)
        assert request_url(wire) == wire
        assert wire.isascii()
        assert not set(wire) & set(' "<>\\^`{|}#')


def test_more_parameters_go_behind_those_that_are_there() -> None:
    assert with_query("https://x/", "a=1") == "https://x/?a=1"
    assert with_query("https://x/?b", "a=1") == "https://x/?b&a=1"
    assert with_query("https://x/", "") == "https://x/"


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/b?c=d#e", "https://u:p@app.example/b?c=d"),
        ("b", "https://u:p@app.example/a/b"),
        ("?x=1", "https://u:p@app.example/a/a?x=1"),
        ("https://app.example:443/b", "https://u:p@app.example/b"),
        ("https://app.example:8443/b", "https://app.example:8443/b"),
        ("http://app.example/b", "http://app.example/b"),
        ("//other.example/b", "https://other.example/b"),
        ("https://x:y@app.example/b", "https://x:y@app.example/b"),
    ],
)
def test_a_redirect_keeps_user_and_password_within_one_origin_only(location: str, target: str) -> None:
    assert redirect_target("https://u:p@app.example/a/a", location) == target


@pytest.mark.parametrize("location", ["ftp://x/", "http://", "http://a_b/", "javascript:1"])
def test_a_redirect_to_no_address_is_refused(location: str) -> None:
    with pytest.raises(ValueError, match="The URL"):
        redirect_target("https://app.example/", location)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://u:p@app.example/a#rc=1", "https://app.example/a"),
        ("https://app.example/a@b", "https://app.example/a@b"),
        ("https://u:p@app.example?a=b@c", "https://app.example?a=b@c"),
        ("https://u:p@app.example?a=/b", "https://app.example?a=/b"),
    ],
)
def test_user_and_password_are_never_shown(url: str, shown: str) -> None:
    assert without_userinfo(url) == shown


def test_user_and_password_are_decoded() -> None:
    assert userinfo("https://us%40er:p%C3%A4ss@x/") == ("us@er", "päss")
    assert userinfo("https://user@x/") == ("user", "")
    assert userinfo("https://x/") is None


def test_hosts_are_told_apart_by_name_and_port() -> None:
    assert host_key("https://App.example/a") == host_key("https://app.example:443/b#c") == "app.example:443"
    assert host_key("http://app.example/") == "app.example:80"
