"""Edges and regions by the names that browser SDKs know, and which one a client asked for by its host name."""

from __future__ import annotations

import re
from typing import Final

ROAMING: Final = "roaming"
"""Not a place: whichever edge is nearest."""

REGION_OF: Final = {
    "ashburn": "us1",
    "dublin": "ie1",
    "frankfurt": "de1",
    "sao-paulo": "br1",
    "singapore": "sg1",
    "sydney": "au1",
    "tokyo": "jp1",
    "umatilla": "us2",
    "ashburn-ix": "us1-ix",
    "frankfurt-ix": "de1-ix",
    "london-ix": "ie1-ix",
    "san-jose-ix": "us2-ix",
    "singapore-ix": "sg1-ix",
    "sydney-ix": "au1-ix",
    "tokyo-ix": "jp1-ix",
}
"""Edge to region; SDKs before 2.11 ask for a region where later ones ask for its edge."""

LONG_NAME_OF: Final = {
    "au1": "ASIAPAC_SYDNEY",
    "br1": "SOUTH_AMERICA_SAO_PAULO",
    "de1": "EU_FRANKFURT",
    "ie1": "EU_IRELAND",
    "jp1": "ASIAPAC_TOKYO",
    "sg1": "ASIAPAC_SINGAPORE",
    "us1": "US_EAST_VIRGINIA",
    "us2": "US_WEST_OREGON",
}
"""How `connected` spells a region; interconnect regions have no long name and go by their short one."""

_EDGE_OF: Final = {region: edge for edge, region in REGION_OF.items()}
_BY_EDGE: Final = re.compile(r"voice-js\.([a-z0-9-]+)\.twilio\.com")
_BY_REGION: Final = re.compile(r"chunderw-vpc-gll-([a-z0-9-]+)\.twilio\.com")


def edge_asked(host: str) -> str | None:
    """The edge that a signalling host name stands for; None: it names none, or an edge nobody knows.

    Args:
        host: as the client wrote it, with or without a port: `voice-js.dublin.twilio.com`.
    """
    name = host.partition(":")[0].lower()
    if found := _BY_EDGE.fullmatch(name):
        return found[1] if found[1] in REGION_OF else None
    if found := _BY_REGION.fullmatch(name):
        return _EDGE_OF.get(found[1])
    return None


def region_shown(edge: str) -> str:
    """The region of a known edge, as `connected` spells it."""
    region = REGION_OF[edge]
    return LONG_NAME_OF.get(region, region)
