"""Which addresses our requests may reach: judged after name resolution, on the address that is connected to.

A customer chooses URLs, so without this a webhook could read the operator's network or a cloud's metadata.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable, Iterator
from enum import StrEnum
from functools import lru_cache
from typing import Final

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Mode(StrEnum):
    DEV = "dev"  # private networks and this machine are where the app under test lives
    PRODUCTION = "production"  # the internet only, but for what the operator names


class AddressRefused(OSError):
    """The guard's no. An OSError, so that it travels through the HTTP library as a failed connection."""


def _networks(*texts: str) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(text) for text in texts)


NEVER: Final = _networks(
    "169.254.0.0/16",  # link-local, metadata of most clouds
    "fe80::/10",  # link-local
    "100.100.100.200/32",  # metadata: Alibaba
    "168.63.129.16/32",  # metadata: Azure
    "192.0.0.192/32",  # metadata: Oracle
    "fd00:ec2::/32",  # metadata: Amazon
    "fd20:ce::254/128",  # metadata: Google
    "224.0.0.0/4",
    "ff00::/8",
    "255.255.255.255/32",
)
"""Refused in every mode, also when a wider network is allowed by name."""

INTERNAL: Final = _networks(
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "240.0.0.0/4",
    "::/127",
    "100::/64",
    "2001:db8::/32",
    "fc00::/7",
    "fec0::/10",
)
"""Not the internet. Beside `is_global`, whose table depends on the version of Python."""

_REMEMBERED: Final = 4_096

_NAT64: Final = _networks("64:ff9b::/96", "64:ff9b:1::/48")
_V4_COMPATIBLE: Final = ipaddress.IPv6Network("::/96")


class Guard:
    """The rules of one server.

    Args:
        mode: see `Mode`.
        allow: host names (`hooks.internal`, `*.internal` for everything below), addresses and networks
            (`10.1.0.0/16`) that production may reach although they are not the internet.

    Raises:
        ValueError: an entry of `allow` is an address or network that cannot be read.
    """

    def __init__(self, mode: Mode, allow: Iterable[str] = ()) -> None:
        self._mode = mode
        self._names: set[str] = set()
        self._networks: list[Network] = []
        for text in allow:
            self._allow(text.strip().lower())
        self._known = lru_cache(maxsize=_REMEMBERED)(self._judge)  # the rules do not change while a server runs

    def _allow(self, text: str) -> None:
        if _looks_like_a_name(text):
            self._names.add(text.removesuffix("."))
        else:
            self._networks.append(ipaddress.ip_network(text, strict=False))

    def refusal(self, host: str, address: str) -> str | None:
        """Why a connection to an address is refused, or None.

        Args:
            host: as the URL names it.
            address: what is connected to.
        """
        return self._known(host, address)

    def _judge(self, host: str, address: str) -> str | None:
        try:
            ip = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return f"{address} is not an address"
        inner = list(_embedded(ip))
        if any(one in network for one in inner for network in NEVER):
            return f"{address} is a link-local, metadata or multicast address"
        if self._mode is Mode.DEV or self._is_named(host):
            return None
        if all(_is_internet(one) or any(one in network for network in self._networks) for one in inner):
            return None
        return f"{address} is in a private network that is not on the allow list"

    def _is_named(self, host: str) -> bool:
        host = host.lower().removesuffix(".")
        above = (f"*{host[at:]}" for at, letter in enumerate(host) if letter == ".")
        return host in self._names or any(name in self._names for name in above)


def literal(host: str) -> str | None:
    """The address that a URL's host spells, also in spellings that only C libraries read; None for names."""
    host = host.removeprefix("[").removesuffix("]")
    if ":" in host:
        return host
    try:
        return socket.inet_ntoa(socket.inet_aton(host))
    except (OSError, UnicodeEncodeError):
        return None


def _looks_like_a_name(text: str) -> bool:
    return ":" not in text and not text.replace(".", "").replace("/", "").isdigit()


def _is_internet(ip: Address) -> bool:
    return ip.is_global and not any(ip in network for network in INTERNAL)


def _embedded(ip: Address) -> Iterator[Address]:
    """The address, and every IPv4 address that a gateway or the kernel would read out of it."""
    if isinstance(ip, ipaddress.IPv4Address):
        yield ip
        return
    if ip.ipv4_mapped is not None:
        yield ip.ipv4_mapped
        return
    yield ip
    if ip.sixtofour is not None:
        yield ip.sixtofour
    if ip.teredo is not None:
        yield from ip.teredo
    if any(ip in network for network in _NAT64) or (ip in _V4_COMPATIBLE and int(ip) > 1):
        yield ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)
