"""The two codecs that Midcall speaks, and the payload types a client gave them.

Payload types are the client's choice (RFC 3264), so everything that touches a packet asks its leg's `Payloads`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Final

FRAME_S: Final = 0.02
"""Length of every frame that Midcall makes itself, in seconds."""


class Codec(Enum):
    """An audio codec: encoding name in SDP, RTP clock rate in Hz, channels in SDP."""

    PCMU = ("PCMU", 8000, 1)
    OPUS = ("opus", 48000, 2)

    def __init__(self, encoding: str, clock_rate: int, channels: int) -> None:
        self.encoding = encoding
        self.clock_rate = clock_rate
        self.channels = channels


@dataclass(frozen=True, slots=True)
class Payloads:
    """What was negotiated with one client.

    Attributes:
        audio: codec to payload type, the client's first choice first; never empty.
        events: RFC 4733 clock rate to payload type; empty when telephone-event was not negotiated.
    """

    audio: dict[Codec, int]
    events: dict[int, int] = field(default_factory=dict)

    @property
    def preferred(self) -> Codec:
        return next(iter(self.audio))

    def event_clock(self, codec: Codec) -> int | None:
        """Clock rate of the telephone-event to use beside a codec: its own where negotiated, else any, else None."""
        if codec.clock_rate in self.events:
            return codec.clock_rate
        return next(iter(self.events), None)
