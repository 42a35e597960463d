"""Calls as their client sees them, for `midcall.sdk`: the words that `client_call.CallMachine` understands and speaks.

Events say in the past tense what happened, effects are orders.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class CallState(StrEnum):
    """What `call.status()` returns; the values are those of the browser SDK's `Call.State`."""

    PENDING = "pending"
    CONNECTING = "connecting"
    RINGING = "ringing"
    OPEN = "open"
    RECONNECTING = "reconnecting"
    CLOSED = "closed"


class Direction(StrEnum):
    """Who called: the values are those of the browser SDK's `Call.CallDirection`."""

    INCOMING = "INCOMING"
    OUTGOING = "OUTGOING"


class IceState(StrEnum):
    """What is known of the way to the server's media; the values are those of a browser's `iceConnectionState`."""

    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Fault:
    """An error as it goes to a call's `error` event: a documented code, and the words that came with it."""

    code: int
    message: str = ""


@dataclass(frozen=True, slots=True)
class AcceptAsked:
    """The application takes the incoming call."""


@dataclass(frozen=True, slots=True)
class RejectAsked:
    """The application turns the incoming call down."""


@dataclass(frozen=True, slots=True)
class IgnoreAsked:
    """The application lets the incoming call ring elsewhere."""


@dataclass(frozen=True, slots=True)
class DisconnectAsked:
    """The application ends the call."""


@dataclass(frozen=True, slots=True)
class LocalAnswerMade:
    """Media made our answer to an incoming call's offer."""

    sdp: str


@dataclass(frozen=True, slots=True)
class RemoteApplied:
    """Media took the server's answer to our offer."""


@dataclass(frozen=True, slots=True)
class MediaBroke:
    """There is no media and there will be none: not acquired, or not negotiated."""

    fault: Fault


@dataclass(frozen=True, slots=True)
class Rang:
    """The server alerts the callee; with a session description there is early media."""

    call_sid: str
    sdp: str | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    """The server says the leg is up, or confirms a resume; it may bring a new reconnect token."""

    call_sid: str
    sdp: str | None = None
    reconnect: str | None = None


@dataclass(frozen=True, slots=True)
class HungUp:
    """The server ended the call."""

    fault: Fault | None = None


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The caller gave up, nobody answered in time, or another device took the call."""


@dataclass(frozen=True, slots=True)
class IceChanged:
    """The way to the server's media has another state. FAILED comes again for each restart that fails, and when there
    is no address to send from."""

    state: IceState


@dataclass(frozen=True, slots=True)
class BytesRanLow:
    """A `low-bytes-*` warning was raised."""


@dataclass(frozen=True, slots=True)
class BytesFlow:
    """The last `low-bytes-*` warning was cleared."""


@dataclass(frozen=True, slots=True)
class RestartDue:
    """The wait before an ICE restart is over."""


@dataclass(frozen=True, slots=True)
class RestartOffered:
    """Media made an offer that restarts ICE."""

    sdp: str


@dataclass(frozen=True, slots=True)
class RestartsSpent:
    """It has been tried long enough: one more failure is the last."""


@dataclass(frozen=True, slots=True)
class SignallingLost:
    """The socket is gone."""


@dataclass(frozen=True, slots=True)
class SignallingEnded:
    """The server closed the stream for good; there will be no next socket by itself."""


@dataclass(frozen=True, slots=True)
class SignallingBack:
    """A new socket is connected."""


CallEvent = (
    AcceptAsked
    | RejectAsked
    | IgnoreAsked
    | DisconnectAsked
    | LocalAnswerMade
    | RemoteApplied
    | MediaBroke
    | IceChanged
    | BytesRanLow
    | BytesFlow
    | RestartDue
    | RestartOffered
    | RestartsSpent
    | Rang
    | Answered
    | HungUp
    | Cancelled
    | SignallingLost
    | SignallingEnded
    | SignallingBack
)


@dataclass(frozen=True, slots=True)
class StartAnswer:
    """Let media answer the invite's offer; comes back as LocalAnswerMade or MediaBroke."""


@dataclass(frozen=True, slots=True)
class ApplyRemote:
    """Let media take the server's answer; comes back as RemoteApplied or MediaBroke."""

    sdp: str


@dataclass(frozen=True, slots=True)
class StopMedia:
    """Close the media session."""


@dataclass(frozen=True, slots=True)
class BeginRestarts:
    """Count the tries and the time from now on, and wait for the first try: RestartDue and RestartsSpent come back."""


@dataclass(frozen=True, slots=True)
class RestartAgain:
    """Wait a little longer than before the try before; comes back as RestartDue."""


@dataclass(frozen=True, slots=True)
class EndRestarts:
    """Neither RestartDue nor RestartsSpent is wanted any more."""


@dataclass(frozen=True, slots=True)
class OfferRestart:
    """Let media offer an ICE restart; comes back as RestartOffered, or IceChanged to FAILED."""


@dataclass(frozen=True, slots=True)
class ApplyRestart:
    """Let media take the server's answer to the restart; what comes of it is told by IceChanged."""

    sdp: str


@dataclass(frozen=True, slots=True)
class SendReinvite:
    """Send a `reinvite` frame."""

    sdp: str


@dataclass(frozen=True, slots=True)
class SendAnswer:
    """Send an `answer` frame."""

    sdp: str


@dataclass(frozen=True, slots=True)
class SendReject:
    """Send a `reject` frame."""


@dataclass(frozen=True, slots=True)
class SendHangup:
    """Send a `hangup` frame, with the reason when media was lost."""

    message: str | None = None


@dataclass(frozen=True, slots=True)
class SendResume:
    """Send an `invite` with the reconnect token, so that the leg moves to this socket."""

    reconnect: str


@dataclass(frozen=True, slots=True)
class SendWaitingMessages:
    """Send every message that has not been acknowledged, oldest first."""


@dataclass(frozen=True, slots=True)
class EmitAccept:
    """Emit `accept` with the call."""


@dataclass(frozen=True, slots=True)
class EmitRinging:
    """Emit `ringing`."""

    early_media: bool


@dataclass(frozen=True, slots=True)
class EmitCancel:
    """Emit `cancel`."""


@dataclass(frozen=True, slots=True)
class EmitReject:
    """Emit `reject`."""


@dataclass(frozen=True, slots=True)
class EmitDisconnect:
    """Emit `disconnect` with the call."""


@dataclass(frozen=True, slots=True)
class EmitReconnecting:
    """Emit `reconnecting` with the reason."""

    fault: Fault


@dataclass(frozen=True, slots=True)
class EmitReconnected:
    """Emit `reconnected`."""


@dataclass(frozen=True, slots=True)
class EmitWarning:
    """Emit `warning`, without data."""

    name: str


@dataclass(frozen=True, slots=True)
class EmitWarningCleared:
    """Emit `warning-cleared`."""

    name: str


@dataclass(frozen=True, slots=True)
class EmitError:
    """Emit `error`."""

    fault: Fault


CallEffect = (
    StartAnswer
    | ApplyRemote
    | StopMedia
    | BeginRestarts
    | RestartAgain
    | EndRestarts
    | OfferRestart
    | ApplyRestart
    | SendReinvite
    | SendAnswer
    | SendReject
    | SendHangup
    | SendResume
    | SendWaitingMessages
    | EmitAccept
    | EmitRinging
    | EmitCancel
    | EmitReject
    | EmitDisconnect
    | EmitReconnecting
    | EmitReconnected
    | EmitWarning
    | EmitWarningCleared
    | EmitError
)

SIGNALLING_LOST: Final = Fault(53001)
MEDIA_LOST: Final = Fault(53405, "the media connection was lost")
ICE_LOST: Final = "ice-connectivity-lost"
CONNECTION_ERROR: Final = Fault(31005)
