"""How a media engine is set up. Plain values, so that they can be handed to another process."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Final

SDP_CAP: Final = 64 * 1024
"""Longest session description that is looked at, in characters."""

DIGITS_CAP: Final = 1000
"""Most digits that wait to be sent to a leg."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOptions:
    """Values for `AiortcEngine`.

    Attributes:
        silent: never bridge and never play; every leg hears silence.
        addresses: IP addresses to offer as host candidates, best first; empty: every address of the machine, loopback
            last. One that the machine does not have (a public address in front of it) is offered all the same.
        ports: lowest and highest UDP port; (0, 0): any.

    Raises:
        ValueError: not IP addresses, or not a range of ports.
    """

    silent: bool = False
    addresses: tuple[str, ...] = ()
    ports: tuple[int, int] = (0, 0)

    def __post_init__(self) -> None:
        for address in self.addresses:
            ipaddress.ip_address(address)
        lowest, highest = self.ports
        if not 0 <= lowest <= highest <= 65535 or (lowest == 0 and highest != 0):
            raise ValueError(f"not a range of UDP ports: {lowest} to {highest}")
