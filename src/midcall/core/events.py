"""What can happen to a leg or a room. Past tense; data only."""

from __future__ import annotations

from dataclasses import dataclass

from midcall.core.calls import Status
from midcall.core.moves import Move
from midcall.core.sids import CallSid


@dataclass(frozen=True, slots=True)
class Begun:
    """The leg may start. `devices` are the clients to ring, for a leg that rings somebody."""

    devices: tuple[str, ...] = ()


# Media


@dataclass(frozen=True, slots=True)
class OfferMade:
    sdp: str


@dataclass(frozen=True, slots=True)
class AnswerMade:
    sdp: str


@dataclass(frozen=True, slots=True)
class MediaUp:
    pass


@dataclass(frozen=True, slots=True)
class MediaDown:
    pass


@dataclass(frozen=True, slots=True)
class MediaBroke:
    """The engine could not do what it was told. `peers_fault`: the client's session description is to blame."""

    reason: str
    peers_fault: bool


# The client


@dataclass(frozen=True, slots=True)
class Answered:
    device: str
    sdp: str
    resume_window_s: float


@dataclass(frozen=True, slots=True)
class TakenOver:
    """Somebody with a device's `connectToken` answers in its place, with an offer of its own.

    `device` is the one that was offered the leg: the leg's messages go on where it stopped.
    """

    device: str
    offer: str
    resume_window_s: float


@dataclass(frozen=True, slots=True)
class Rejected:
    device: str


@dataclass(frozen=True, slots=True)
class HungUp:
    """By the client on this leg."""


@dataclass(frozen=True, slots=True)
class Reinvited:
    """The client restarts ICE."""

    sdp: str


@dataclass(frozen=True, slots=True)
class Pressed:
    """Digits from a leg's client. `in_band`: they came as RFC 4733 and the engine passes them on by itself."""

    leg: CallSid
    digits: str
    in_band: bool


@dataclass(frozen=True, slots=True)
class WentAway:
    """The holder's socket is gone."""


@dataclass(frozen=True, slots=True)
class CameBack:
    """The holder resumed; `sdp` is set when it restarts ICE with it."""

    sdp: str | None = None


@dataclass(frozen=True, slots=True)
class DeviceJoined:
    """A device registered for the identity that this leg rings."""

    device: str


@dataclass(frozen=True, slots=True)
class DeviceLost:
    """A device that was offered the leg is gone."""

    device: str


# TwiML


@dataclass(frozen=True, slots=True)
class TwimlArrived:
    """`fetch` names the request; `url` is where the document was found, after redirects."""

    fetch: int
    url: str
    text: str


@dataclass(frozen=True, slots=True)
class TwimlFailed:
    fetch: int
    url: str
    code: int
    reason: str


# The other end of a phone line


@dataclass(frozen=True, slots=True)
class Reached:
    """To the calling end: the number's own leg has begun."""


@dataclass(frozen=True, slots=True)
class Unreached:
    """To the calling end: nobody is behind that number."""

    reason: str


@dataclass(frozen=True, slots=True)
class FarAnswered:
    """To the calling end: the number's leg was picked up."""


@dataclass(frozen=True, slots=True)
class FarEnded:
    """The leg at the other end is over, by that move."""

    move: Move


@dataclass(frozen=True, slots=True)
class Heard:
    """Digits that the leg hears from the one it is bridged with. `in_band`: the engine passes them on by itself."""

    digits: str
    in_band: bool


# The room and its legs


@dataclass(frozen=True, slots=True)
class Opened:
    """The room exists; its children may be rung. The first event of every room."""


@dataclass(frozen=True, slots=True)
class ChildRang:
    child: CallSid


@dataclass(frozen=True, slots=True)
class ChildAnswered:
    """It was picked up, so its ring timer means nothing any more. It may still have a whisper to hear."""

    child: CallSid


@dataclass(frozen=True, slots=True)
class ChildReady:
    """It answered, and heard its whisper where there is one: it can be bridged."""

    child: CallSid


@dataclass(frozen=True, slots=True)
class ChildEnded:
    child: CallSid
    status: Status


@dataclass(frozen=True, slots=True)
class ChildLeft:
    """The child was redirected away by REST; it lives on without the room."""

    child: CallSid


@dataclass(frozen=True, slots=True)
class ParentLeft:
    """The parent hung up, ended or was redirected."""


@dataclass(frozen=True, slots=True)
class DialRang:
    """To the parent: somebody is being alerted."""

    room: str


@dataclass(frozen=True, slots=True)
class DialAnswered:
    """To the parent: a child answered and is bridged with it."""

    room: str


@dataclass(frozen=True, slots=True)
class DialOver:
    """To the parent: what became of its dial.

    Attributes:
        child: the answered child, else the last one tried.
        duration_s: of the bridge; None when there was none, or when the child was redirected away.
    """

    room: str
    status: Status
    child: CallSid | None
    duration_s: int | None
    bridged: bool


@dataclass(frozen=True, slots=True)
class Canceled:
    """To a child: nobody wants it any more. It had not answered when this was sent, and may have meanwhile."""


@dataclass(frozen=True, slots=True)
class RingTimedOut:
    """To a child: it rang long enough. One that has answered meanwhile takes no notice."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """To a child: the other side is gone, or its time is up (`overtime`)."""

    overtime: bool = False


# REST, time and the server


@dataclass(frozen=True, slots=True)
class EndAsked:
    """REST wants the call over; `only_unanswered` is `Status=canceled`."""

    only_unanswered: bool = False


@dataclass(frozen=True, slots=True)
class RedirectAsked:
    """REST wants other TwiML to run: a URL, or the document itself."""

    url: str | None
    method: str
    twiml: str | None


@dataclass(frozen=True, slots=True)
class SettingsChanged:
    """REST changes where the leg reports and falls back. None means unchanged."""

    fallback_url: str | None = None
    fallback_method: str | None = None
    status_callback: str | None = None
    status_callback_method: str | None = None
    time_limit_s: int | None = None


@dataclass(frozen=True, slots=True)
class TimerFired:
    name: str


@dataclass(frozen=True, slots=True)
class ServerStopped:
    """The server ends its calls: it stops, or it starts again after a crash."""


OfMedia = OfferMade | AnswerMade | MediaUp | MediaDown | MediaBroke
OfClient = (
    Answered | TakenOver | Rejected | HungUp | Reinvited | Pressed | WentAway | CameBack | DeviceJoined | DeviceLost
)
OfTwiml = TwimlArrived | TwimlFailed
OfDial = DialRang | DialAnswered | DialOver
OfLine = Reached | Unreached | FarAnswered | FarEnded | Heard
ToChild = Canceled | RingTimedOut | Dropped
OfRest = EndAsked | RedirectAsked | SettingsChanged

LegEvent = Begun | OfMedia | OfClient | OfTwiml | OfDial | OfLine | ToChild | OfRest | TimerFired | ServerStopped

DialEvent = Opened | ChildRang | ChildAnswered | ChildReady | ChildEnded | ChildLeft | ParentLeft | Pressed | TimerFired
