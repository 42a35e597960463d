"""Which host names are the vendor's: what is redirected here, and nothing else; and how a tunnel to them is granted."""

from __future__ import annotations

from typing import Final

DOMAIN: Final = "twilio.com"

ESTABLISHED: Final = b"HTTP/1.1 200 Connection established\r\n\r\n"
"""The answer to CONNECT. Exactly this, without headers: PHP takes any header here for the answer of the API."""


def is_vendor_host(host: str) -> bool:
    """Whether a host name, without port, is the vendor's domain or below it: products, edges and regions alike."""
    name = host.lower().removesuffix(".")
    return name == DOMAIN or name.endswith("." + DOMAIN)
