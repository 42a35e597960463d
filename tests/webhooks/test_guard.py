"""Which addresses are reached in which mode, however they are spelled."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midcall.webhooks.guard import Guard, Mode, literal

DEV = Guard(Mode.DEV)
PRODUCTION = Guard(Mode.PRODUCTION)

NEVER = [
    "169.254.169.254",
    "169.254.0.1",
    "fe80::1",
    "fe80::1%eth0",
    "fd00:ec2::254",
    "fd20:ce::254",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "224.0.0.1",
    "ff02::1",
    "255.255.255.255",
    "::ffff:169.254.169.254",
    "64:ff9b::169.254.169.254",
    "2002:a9fe:a9fe::1",
    "::169.254.169.254",
]
INTERNAL = [
    "127.0.0.1",
    "127.8.8.8",
    "::1",
    "::",
    "0.0.0.0",  # noqa: S104
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "100.64.0.1",
    "192.0.0.1",
    "198.18.0.1",
    "203.0.113.9",
    "240.0.0.1",
    "fc00::1",
    "fd12:3456::1",
    "fec0::1",
    "2001:db8::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::10.0.0.1",
    "64:ff9b:1::10.0.0.1",
    "2002:0a00:0001::1",
    "::10.0.0.1",
    "2001:0:4136:e378:8000:63bf:f5ff:fffe",
]
INTERNET = ["93.184.216.34", "8.8.8.8", "172.32.0.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"]


@pytest.mark.parametrize("address", NEVER)
def test_link_local_and_metadata_are_refused_in_both_modes_and_by_no_name_allowed(address: str) -> None:
    allowing = Guard(Mode.PRODUCTION, ["metadata.internal", "0.0.0.0/0", "::/0"])
    for guard in (DEV, PRODUCTION, allowing):
        assert guard.refusal("metadata.internal", address) is not None


@pytest.mark.parametrize("address", INTERNAL)
def test_private_networks_are_for_development(address: str) -> None:
    assert DEV.refusal("app.internal", address) is None
    assert PRODUCTION.refusal("app.internal", address) is not None


@pytest.mark.parametrize("address", INTERNET)
def test_the_internet_is_reached_in_both_modes(address: str) -> None:
    assert DEV.refusal("app.example", address) is None
    assert PRODUCTION.refusal("app.example", address) is None


def test_a_network_is_allowed_by_its_addresses_also_mapped_ones() -> None:
    guard = Guard(Mode.PRODUCTION, ["10.1.0.0/16", "192.168.7.7", "fd12::/16"])
    assert guard.refusal("x", "10.1.2.3") is None
    assert guard.refusal("x", "::ffff:10.1.2.3") is None
    assert guard.refusal("x", "192.168.7.7") is None
    assert guard.refusal("x", "fd12::5") is None
    assert guard.refusal("x", "10.2.0.1") is not None
    assert guard.refusal("x", "192.168.7.8") is not None


def test_a_host_is_allowed_by_its_name() -> None:
    guard = Guard(Mode.PRODUCTION, ["Hooks.Internal", "*.apps.internal"])
    assert guard.refusal("hooks.internal", "10.0.0.1") is None
    assert guard.refusal("HOOKS.internal.", "10.0.0.1") is None
    assert guard.refusal("a.b.apps.internal", "10.0.0.1") is None
    assert guard.refusal("apps.internal", "10.0.0.1") is not None
    assert guard.refusal("evilhooks.internal", "10.0.0.1") is not None
    assert guard.refusal("hooks.internal.evil.example", "10.0.0.1") is not None


def test_an_unreadable_network_is_an_error_at_the_start() -> None:
    with pytest.raises(ValueError, match=r"10\.0\.0\.0/99"):
        Guard(Mode.PRODUCTION, ["10.0.0.0/99"])


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("0x7f.1", "127.0.0.1"),
        ("0177.0.0.1", "127.0.0.1"),
        ("2130706433", "127.0.0.1"),
        ("0xa9fea9fe", "169.254.169.254"),
        ("127.1", "127.0.0.1"),
        ("[::1]", "::1"),
        ("::1", "::1"),
        ("app.example", None),
        ("localhost", None),
        ("ünicode.example", None),
        ("1.example", None),
    ],
)
def test_odd_spellings_of_addresses_are_addresses(host: str, address: str | None) -> None:
    assert literal(host) == address


@pytest.mark.parametrize("text", ["", "app.example", "1.2.3", "not an address"])
def test_what_is_no_address_is_refused(text: str) -> None:
    assert DEV.refusal("x", text) is not None


@given(st.ip_addresses())
def test_production_reaches_nothing_that_is_not_global(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    if not address.is_global:
        assert PRODUCTION.refusal("x", str(address)) is not None
    if isinstance(address, ipaddress.IPv4Address):
        mapped = f"::ffff:{address}"
        assert (PRODUCTION.refusal("x", mapped) is None) == (PRODUCTION.refusal("x", str(address)) is None)
        assert (DEV.refusal("x", mapped) is None) == (DEV.refusal("x", str(address)) is None)
