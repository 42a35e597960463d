"""Which host names are the vendor's: what is redirected here, and nothing else."""

from __future__ import annotations

from typing import Final

DOMAIN: Final = "twilio.com"


def is_vendor_host(host: str) -> bool:
    """Whether a host name, without port, is the vendor's domain or below it: products, edges and regions alike."""
    name = host.lower().removesuffix(".")
    return name == DOMAIN or name.endswith("." + DOMAIN)
