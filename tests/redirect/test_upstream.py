"""Proxies that were there before, and which hosts go around them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midcall.core.vendor import is_vendor_host
from midcall.redirect.upstream import UnusableProxy, Upstream, Upstreams, without_vendor


@pytest.mark.parametrize("host", ["twilio.com", "api.twilio.com", "API.Twilio.COM", "api.dublin.ie1.twilio.com."])
def test_the_vendors_domain_and_all_below_it_are_the_vendors(host: str) -> None:
    assert is_vendor_host(host)


@pytest.mark.parametrize("host", ["", "com", "nottwilio.com", "twilio.com.example.org", "twilio.co", "example.com"])
def test_names_that_only_look_like_it_are_not(host: str) -> None:
    assert not is_vendor_host(host)


def test_each_scheme_has_its_proxy_and_a_password_becomes_a_header() -> None:
    upstreams = Upstreams.of({"https_proxy": "http://us%40er:p%3Aw@proxy.test:3128", "HTTP_PROXY": "plain.test:8000"})
    secured = upstreams.to("https", "example.com")
    assert secured == Upstream("proxy.test", 3128, authorization="Basic dXNAZXI6cDp3")
    assert upstreams.to("http", "example.com") == Upstream("plain.test", 8000)
    assert "p:w" not in repr(secured) and "dXNA" not in repr(secured)


def test_all_proxy_counts_where_no_other_is_named() -> None:
    upstreams = Upstreams.of({"ALL_PROXY": "https://every.test", "HTTPS_PROXY": "http://one.test"})
    assert upstreams.to("http", "example.com") == Upstream("every.test", 443, is_tls=True)
    assert upstreams.to("https", "example.com") == Upstream("one.test", 80)


@pytest.mark.parametrize("url", ["socks5://user:secret@proxy.test:1080", "http://", "http://proxy.test:eighty"])
def test_a_proxy_that_cannot_be_chained_is_named_by_its_variable_without_its_password(url: str) -> None:
    with pytest.raises(UnusableProxy, match=r"^HTTPS_PROXY .*unset it") as raised:
        Upstreams.of({"HTTPS_PROXY": url})
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("entry", "host", "exempt"),
    [
        ("example.com", "example.com", True),
        ("example.com", "a.example.com", True),
        (".example.com", "a.example.com", True),
        ("*.example.com", "a.example.com", True),
        ("example.com:443", "example.com", True),
        ("example.com", "anexample.com", False),
        ("10.0.0.0/8", "10.1.2.3", True),
        ("10.0.0.0/8", "11.1.2.3", False),
        ("::1/128", "::1", True),
        ("*", "anything.test", True),
        ("", "anything.test", False),
    ],
)
def test_no_proxy_exempts_domains_addresses_and_networks(entry: str, host: str, exempt: bool) -> None:
    upstreams = Upstreams.of({"HTTPS_PROXY": "http://proxy.test", "NO_PROXY": f"other.test, {entry}"})
    assert (upstreams.to("https", host) is None) == exempt


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1"])
def test_loopback_never_goes_through_a_proxy(host: str) -> None:
    assert Upstreams.of({"HTTPS_PROXY": "http://proxy.test"}).to("https", host) is None


@pytest.mark.parametrize("entry", ["*", "twilio.com", ".twilio.com", "*.twilio.com", "api.twilio.com:443", ".com"])
def test_an_entry_that_would_let_the_vendor_pass_is_left_out(entry: str) -> None:
    assert without_vendor(f"{entry}, intern.test") == "localhost,127.0.0.1,::1,intern.test"


@given(st.lists(st.from_regex(r"[a-z0-9.*:/-]{1,20}", fullmatch=True)))
def test_no_list_of_exemptions_lets_the_vendor_pass(entries: list[str]) -> None:
    kept = without_vendor(",".join(entries))
    assert Upstreams(https=Upstream("proxy.test", 1), no_proxy=kept).to("https", "api.twilio.com") is not None
