"""The little that signalling must know about session descriptions (RFC 8866, RFC 8839, RFC 8122).

A client that comes back shows a description; comparing it with the one we know tells a lost socket from an ICE
restart and from another device.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

NO_MEDIA_SDP: Final = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=midcall-no-media\r\nt=0 0\r\n"
"""The session description of a `midcall.sdk` client that declares it has no media; answered in kind."""

_FINGERPRINT: Final = re.compile(r"^a=fingerprint:[ \t]*(\S+)[ \t]+(\S+)", re.MULTILINE)
_UFRAG: Final = re.compile(r"^a=ice-ufrag:[ \t]*(\S+)", re.MULTILINE)
_OFFERS: Final = re.compile(r"^a=setup:[ \t]*actpass\b", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Peer:
    """Who made a description.

    Attributes:
        fingerprint: of the DTLS certificate, lower case with its hash function; it names the peer connection.
        ufrag: of the ICE session; a restart changes it.
        text: the description itself, only when it has no fingerprint.
    """

    fingerprint: str | None
    ufrag: str | None
    text: str | None = None


class Kinship(Enum):
    """What a description says about its maker, compared with the one we knew."""

    SAME = "same"
    ICE_RESTART = "ice-restart"
    STRANGER = "stranger"


def peer_of(sdp: str) -> Peer:
    """Read who made a description; the first media section speaks for all, as they are bundled."""
    fingerprint, ufrag = _FINGERPRINT.search(sdp), _UFRAG.search(sdp)
    if fingerprint is None:
        return Peer(None, None, sdp)
    return Peer(f"{fingerprint[1]} {fingerprint[2]}".lower(), ufrag[1] if ufrag else None)


def can_be_answer(sdp: str) -> bool:
    """Whether a description can answer an offer: only an offer leaves the DTLS roles open (RFC 8842, section 5)."""
    return _OFFERS.search(sdp) is None


def compare(known: Peer | None, shown: Peer) -> Kinship:
    """What has become of the peer that we knew. Without fingerprints only an equal description is the same peer."""
    if known is None or known.fingerprint != shown.fingerprint:
        return Kinship.STRANGER
    if known.fingerprint is None:
        return Kinship.SAME if known.text == shown.text else Kinship.STRANGER
    return Kinship.SAME if known.ufrag == shown.ufrag else Kinship.ICE_RESTART
