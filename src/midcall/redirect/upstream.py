"""Proxies that were in the environment before: whoever needs one to get out still goes through it."""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote, urlsplit

from midcall.core.vendor import DOMAIN, is_vendor_host

LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


class UnusableProxy(ValueError):
    """A proxy variable that cannot be chained; the text names it and says what can."""


@dataclass(frozen=True, slots=True)
class Upstream:
    """One proxy. `authorization` is the value of `Proxy-Authorization`, or None."""

    host: str
    port: int
    is_tls: bool = False
    authorization: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Upstreams:
    """Which way leads to a host that is not the vendor's.

    Attributes:
        http, https: the proxy for URLs of that scheme; None is the direct way.
        no_proxy: hosts that are reached directly, in the spelling of `NO_PROXY`.
    """

    http: Upstream | None = None
    https: Upstream | None = None
    no_proxy: str = ""

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Upstreams:
        """What the proxy variables say, lower case first, as curl reads them.

        Raises:
            UnusableProxy: one of them is no HTTP proxy.
        """
        every = _first(environment, "all_proxy")
        return cls(
            http=_parse("HTTP_PROXY", _first(environment, "http_proxy") or every),
            https=_parse("HTTPS_PROXY", _first(environment, "https_proxy") or every),
            no_proxy=_first(environment, "no_proxy"),
        )

    def to(self, scheme: str, host: str) -> Upstream | None:
        """The proxy for a host; None is the direct way."""
        if host in LOOPBACK or any(_exempts(entry, host) for entry in _entries(self.no_proxy)):
            return None
        return self.https if scheme == "https" else self.http


def without_vendor(no_proxy: str) -> str:
    """`NO_PROXY` for the program: loopback added, what would let the vendor's hosts pass us by left out."""
    kept = [entry for entry in _entries(no_proxy) if not _exempts_vendor(entry)]
    return ",".join(dict.fromkeys((*LOOPBACK, *kept)))


def _entries(no_proxy: str) -> list[str]:
    return [entry.lower() for entry in no_proxy.replace(",", " ").split()]


def _exempts(entry: str, host: str) -> bool:
    """Whether an entry of `NO_PROXY` is for a host: everything, a domain with what is below it, an address, a network.

    There is no standard; this is what curl, Go and requests agree on.
    """
    if entry == "*":
        return True
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        domain, name = _domain(entry), host.lower()
        return name == domain or name.endswith("." + domain)


def _exempts_vendor(entry: str) -> bool:
    return entry == "*" or _exempts(entry, DOMAIN) or is_vendor_host(_domain(entry))


def _domain(entry: str) -> str:
    return entry.lstrip("*.").partition(":")[0]


def _first(environment: Mapping[str, str], name: str) -> str:
    return environment.get(name) or environment.get(name.upper()) or ""


def _parse(variable: str, url: str) -> Upstream | None:
    if not url:
        return None
    parts = urlsplit(url if "://" in url else f"http://{url}")
    try:
        port = parts.port
    except ValueError:
        port = -1
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or port == -1:
        # Without the URL: it may hold a password.
        raise UnusableProxy(f"{variable} is no http:// or https:// proxy and cannot be chained; change or unset it")
    authorization = None
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        authorization = "Basic " + base64.b64encode(pair.encode()).decode()
    return Upstream(parts.hostname, port or _DEFAULT_PORTS[parts.scheme], parts.scheme == "https", authorization)
