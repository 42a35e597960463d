"""What a leg or a room wants done. Orders; `switch` performs them after the step is stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from midcall.core.alerts import Level
from midcall.core.calls import Call, Status
from midcall.core.events import DialEvent, LegEvent
from midcall.core.sids import CallSid
from midcall.core.twiml import Noun

# Reporting


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Append a status callback to the leg's status log.

    Attributes:
        call: the row at that moment.
        status: as the callback says it (`initiated` exists only there).
        sequence: position among the callbacks that were sent for this leg, from 0.
        sip: SIP code of a leg that is over.
    """

    call: Call
    event: str
    status: Status
    sequence: int
    at: float
    sip: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RaiseAlert:
    """Tell the user. `url`, `method` and `fetch` name the request for TwiML that is to blame, if one is."""

    code: int
    level: Level
    reason: str
    line: int | None = None
    url: str | None = None
    method: str | None = None
    fetch: int | None = None


MOVED: Final = "leg.status"
"""Kind of the note that goes with every change of the call's row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A line for the timeline."""

    kind: str
    detail: tuple[tuple[str, str | int | float | None], ...] = ()


# TwiML


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchTwiml:
    """Ask a customer's server what to do. The answer comes back as TwimlArrived or TwimlFailed with the same number.

    Attributes:
        custom: parameters that the client gave to connect; they never override the call's own.
        extra: parameters of the verb that asks (`DialCallStatus`, `ErrorCode`, ...).
        discard: nobody waits for the document (the leg is over).
    """

    fetch: int
    url: str
    method: str
    call: Call
    custom: tuple[tuple[str, str], ...] = ()
    extra: tuple[tuple[str, str], ...] = ()
    discard: bool = False


# Media of this leg


@dataclass(frozen=True, slots=True)
class AnswerOffer:
    """Terminate the client's offer. Also for an ICE restart."""

    sdp: str


@dataclass(frozen=True, slots=True)
class OfferMedia:
    """Make an offer for the client, with the codec of `like` first."""

    like: CallSid | None


@dataclass(frozen=True, slots=True)
class AcceptAnswer:
    sdp: str


@dataclass(frozen=True, slots=True)
class Ringback:
    pass


@dataclass(frozen=True, slots=True)
class StopSound:
    pass


@dataclass(frozen=True, slots=True)
class StartEcho:
    """Let the client hear itself."""


@dataclass(frozen=True, slots=True)
class StopEcho:
    pass


@dataclass(frozen=True, slots=True)
class PlayDigits:
    """Send digits to the leg's client."""

    digits: str


@dataclass(frozen=True, slots=True)
class CloseMedia:
    pass


# The client of this leg


@dataclass(frozen=True, slots=True)
class InviteDevices:
    devices: tuple[str, ...]
    sdp: str


@dataclass(frozen=True, slots=True)
class ShowRinging:
    sdp: str | None


@dataclass(frozen=True, slots=True)
class ShowAnswer:
    sdp: str | None


@dataclass(frozen=True, slots=True)
class ShowTaken:
    """One device answered; the others stop ringing."""

    winner: str


@dataclass(frozen=True, slots=True)
class ShowHangup:
    """End the leg at its client. A code becomes an error there."""

    code: int | None = None
    message: str | None = None


# The phone network


@dataclass(frozen=True, slots=True)
class CallNumber:
    """Find the number that this leg calls, and begin the leg at its other end.

    Answered by Reached (by that leg) or Unreached.
    """


@dataclass(frozen=True, slots=True)
class LinkMedia:
    """Let this leg and the one at the other end of its line hear each other, in the codec of `like` first."""

    other: CallSid
    like: CallSid | None


# Rooms and other legs


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenDial:
    """Make a room and its children: one leg for each noun."""

    room: str
    nouns: tuple[Noun, ...]
    caller_id: str
    timeout_s: int
    time_limit_s: int
    hangup_on_star: bool
    sequential: bool


@dataclass(frozen=True, slots=True)
class TellRoom:
    room: str
    event: DialEvent


@dataclass(frozen=True, slots=True)
class TellLeg:
    leg: CallSid
    event: LegEvent


@dataclass(frozen=True, slots=True)
class BeginLeg:
    leg: CallSid


@dataclass(frozen=True, slots=True)
class JoinLegs:
    leg: CallSid
    other: CallSid


@dataclass(frozen=True, slots=True)
class PartLegs:
    leg: CallSid
    other: CallSid


@dataclass(frozen=True, slots=True)
class PassDigits:
    """Send digits that came over signalling to the other leg."""

    leg: CallSid
    digits: str


LegEffect = (
    Report
    | RaiseAlert
    | Note
    | FetchTwiml
    | AnswerOffer
    | OfferMedia
    | AcceptAnswer
    | Ringback
    | StopSound
    | StartEcho
    | StopEcho
    | PlayDigits
    | CloseMedia
    | InviteDevices
    | ShowRinging
    | ShowAnswer
    | ShowTaken
    | ShowHangup
    | CallNumber
    | LinkMedia
    | OpenDial
    | TellRoom
    | TellLeg
)

DialEffect = TellLeg | BeginLeg | JoinLegs | PartLegs | PassDigits
