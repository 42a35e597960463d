"""Where a device's server is: the addresses that options name, and the edge that a server says it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from midcall.core import vendor
from midcall.sdk.options import Options, listed

DEFAULT_HOST: Final = "localhost:8443"

_EDGES: Final[Mapping[str, str]] = {
    "ASIAPAC_SINGAPORE": "singapore",
    "ASIAPAC_SYDNEY": "sydney",
    "ASIAPAC_TOKYO": "tokyo",
    "EU_FRANKFURT": "frankfurt",
    "EU_IRELAND": "dublin",
    "SOUTH_AMERICA_SAO_PAULO": "sao-paulo",
    "US_EAST_VIRGINIA": "ashburn",
    "US_WEST_OREGON": "umatilla",
}
"""The regions that servers name, and the edges there."""


def addresses(options: Options) -> tuple[str, ...]:
    """Where the signalling socket may be, in the order in which it is tried: never empty."""
    if options.url is not None:
        return listed(options.url)
    if options.host is not None:
        return tuple(_address(host) for host in listed(options.host))
    if options.edge is not None:
        return tuple(_edge_address(edge) for edge in listed(options.edge))
    return (_address(DEFAULT_HOST),)


def named_by_edge(options: Options) -> bool:
    """Whether the addresses are the vendor's, which are reached through the environment's proxies."""
    return options.url is None and options.host is None and options.edge is not None


def edge_of(edge: str, region: str) -> str | None:
    """Where the server says it is: its edge, else the edge of its region, else its region."""
    return edge or _EDGES.get(region) or region or None


def preferred(options: Options, *, address: str, edge: str | None) -> str:
    """Where a call's socket should go back to after a loss (reference section 1.5).

    With edges that is the host of the edge that answered, which `roaming` does not say. With hosts and URLs a browser
    takes the first of the list, even if the call lives on another one; we go back to where the call is.
    """
    return _edge_address(edge) if named_by_edge(options) and edge is not None else address


def _address(host: str) -> str:
    return f"wss://{host}/signal"


def _edge_address(edge: str) -> str:
    return _address(f"voice-js.{edge}.{vendor.DOMAIN}")
