"""Calls as their client sees them, for `midcall.sdk`: states, messages, local checks.

Everything that moves a call is in one table. The machine is told what happened (events, past tense) and answers with
what must be done (effects, orders); it owns no socket, no clock and no randomness. Where it deliberately differs from
the browser SDK is written down in docs/decisions/0007.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from midcall.core.registration import Misused


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
    """There is no media, or there will be none: not acquired, not negotiated, or lost for good."""

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
    | Rang
    | Answered
    | HungUp
    | Cancelled
    | SignallingLost
    | SignallingEnded
    | SignallingBack
)

_P, _C, _R, _O, _RE, _Z = (
    CallState.PENDING,
    CallState.CONNECTING,
    CallState.RINGING,
    CallState.OPEN,
    CallState.RECONNECTING,
    CallState.CLOSED,
)

CALL_TRANSITIONS: Final[Mapping[tuple[CallState, type[CallEvent]], CallState]] = {
    (_P, AcceptAsked): _C,
    (_P, RejectAsked): _Z,
    (_P, IgnoreAsked): _Z,
    (_P, SignallingLost): _Z,
    (_C, LocalAnswerMade): _O,
    (_C, Rang): _R,
    (_R, Rang): _R,
    (_C, Answered): _C,
    (_R, Answered): _R,
    (_O, Answered): _O,
    (_RE, Answered): _O,
    (_C, RemoteApplied): _C,
    (_R, RemoteApplied): _R,
    (_O, SignallingLost): _RE,
    (_RE, SignallingLost): _RE,
    (_C, SignallingLost): _Z,
    (_R, SignallingLost): _Z,
    (_RE, SignallingBack): _RE,
    (_P, SignallingEnded): _Z,
    **{(state, SignallingEnded): _Z for state in (_C, _R, _O, _RE)},
    **{(state, DisconnectAsked): _Z for state in (_C, _R, _O, _RE)},
    **{(state, HungUp): _Z for state in (_C, _R, _O, _RE)},
    **{(state, MediaBroke): _Z for state in (_C, _R, _O, _RE)},
    **{(state, Cancelled): _Z for state in (_P, _C, _R, _O, _RE)},
}
"""Every move of a call; a pair that is not here is ignored. (Reference sections 3.1, 3.2, 3.5.)

Two moves depend on more than the pair: an outgoing call opens once it is answered and the answer's description is
applied, in whichever order they come; and an open call that has no reconnect token cannot be resumed, so it closes.
"""


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
class EmitError:
    """Emit `error`."""

    fault: Fault


CallEffect = (
    StartAnswer
    | ApplyRemote
    | StopMedia
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
    | EmitError
)

SIGNALLING_LOST: Final = Fault(53001)
CONNECTION_ERROR: Final = Fault(31005)


@dataclass(slots=True)
class CallMachine:
    """One call as its client sees it.

    Attributes:
        direction: who called.
        state: where it is.
        call_sid: the leg's sid; an outgoing call learns it from `ringing` or `answer`.
        reconnect: the newest reconnect token.
        answered: the server said `answer`.
        applied: media has the server's description.
        applying: media is busy taking it.
        ignored: the application let it ring elsewhere and the server has not taken it back yet.
    """

    direction: Direction
    state: CallState
    call_sid: str | None = None
    reconnect: str | None = None
    answered: bool = False
    applied: bool = False
    applying: bool = False
    ignored: bool = False

    @classmethod
    def incoming(cls, call_sid: str, reconnect: str | None) -> CallMachine:
        """A call that was offered to us."""
        return cls(Direction.INCOMING, CallState.PENDING, call_sid, reconnect)

    @classmethod
    def outgoing(cls, call_sid: str | None = None, reconnect: str | None = None) -> CallMachine:
        """A call that we place; with a sid and a token, one that we take over from another device."""
        return cls(Direction.OUTGOING, CallState.CONNECTING, call_sid, reconnect)

    def handle(self, event: CallEvent) -> list[CallEffect]:
        """Move along the table; say what has to be done. A pair that the table does not have does nothing."""
        if self.ignored and isinstance(event, Cancelled):
            self.ignored = False
            return [EmitCancel()]
        target = CALL_TRANSITIONS.get((self.state, type(event)))
        if target is None or self._foreign(event):
            return []
        before, self.state = self.state, target
        match event:
            case AcceptAsked():
                return [StartAnswer()]
            case LocalAnswerMade(sdp):
                self.answered = self.applied = True
                return [SendAnswer(sdp), EmitAccept()]
            case Rang(call_sid, sdp):
                self.call_sid = call_sid
                return [EmitRinging(sdp is not None), *self._apply(sdp)]
            case RemoteApplied():
                self.applied, self.applying = True, False
                return self._open_when_complete()
            case Answered():
                return self._on_answer(event, before)
            case SignallingLost() | SignallingEnded():
                return self._on_loss(before)
            case SignallingBack():
                assert self.reconnect is not None
                return [SendResume(self.reconnect)]
            case IgnoreAsked():  # nothing on the wire, no event
                self.ignored = True
                return []
            case _:
                return _closing(event)

    def _foreign(self, event: CallEvent) -> bool:
        """Our own answer belongs to incoming calls; ringing and descriptions to outgoing ones."""
        if self.direction is Direction.INCOMING:
            return isinstance(event, Rang | RemoteApplied)
        return isinstance(event, LocalAnswerMade)

    def _apply(self, sdp: str | None) -> list[CallEffect]:
        if sdp is None or self.applied or self.applying:
            return []
        self.applying = True
        return [ApplyRemote(sdp)]

    def _open_when_complete(self) -> list[CallEffect]:
        if not (self.answered and self.applied):
            return []
        self.state = CallState.OPEN
        return [EmitAccept()]

    def _on_answer(self, event: Answered, before: CallState) -> list[CallEffect]:
        self.reconnect = event.reconnect or self.reconnect
        if before is CallState.RECONNECTING:
            return [SendWaitingMessages(), EmitReconnected()]
        if before is CallState.OPEN or self.direction is Direction.INCOMING:
            return []
        self.call_sid = event.call_sid
        self.answered = True
        return [*self._apply(event.sdp), *self._open_when_complete()]

    def _on_loss(self, before: CallState) -> list[CallEffect]:
        if before is CallState.PENDING:  # the server offers the leg again once we have registered again
            return [EmitCancel()]
        if self.state is CallState.RECONNECTING and self.reconnect is not None:
            return [EmitReconnecting(SIGNALLING_LOST)]
        self.state = CallState.CLOSED
        return [StopMedia(), EmitError(CONNECTION_ERROR), EmitDisconnect()]


def _closing(event: CallEvent) -> list[CallEffect]:
    """What the events that end a call have to do."""
    match event:
        case RejectAsked():
            return [SendReject(), EmitReject()]
        case DisconnectAsked():
            return [SendHangup(), StopMedia(), EmitDisconnect()]
        case MediaBroke(fault):
            return [SendHangup(fault.message or None), StopMedia(), EmitError(fault), EmitDisconnect()]
        case HungUp(fault):
            failed: list[CallEffect] = [EmitError(fault)] if fault is not None else []
            return [StopMedia(), *failed, EmitDisconnect()]
        case _:
            assert isinstance(event, Cancelled)
            return [StopMedia(), EmitCancel()]


# ---------------------------------------------------------------------------------------------------------- messages


@dataclass(slots=True)
class Outstanding:
    """Messages of one call that were sent and neither acknowledged nor refused yet, oldest first."""

    _waiting: dict[str, bytes] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._waiting)

    def sent(self, message_sid: str, frame: bytes) -> None:
        """Keep a message's frame until the server has judged it."""
        self._waiting[message_sid] = frame

    def judged(self, message_sid: str) -> bool:
        """An ack or an error came. True for the first one about a message of ours; repeats and strangers are False."""
        return self._waiting.pop(message_sid, None) is not None

    def frames(self) -> list[bytes]:
        """What to send again after a resume, in the order in which it was sent first."""
        return list(self._waiting.values())

    def give_up(self) -> list[str]:
        """Forget everything; returns the sids that were never judged."""
        sids = list(self._waiting)
        self._waiting.clear()
        return sids


def check_message(content: object, message_type: object, call_sid: str | None) -> None:
    """The checks that `send_message` makes itself, in the browser SDK's order; the server judges the rest.

    Raises:
        ValueError: the arguments cannot make a message.
        Misused: the call has no sid yet.
    """
    if content is None:
        raise ValueError("a message needs content")
    if not isinstance(message_type, str):
        raise ValueError("message_type must be a string")
    if not message_type:
        raise ValueError("message_type must not be empty")
    if call_sid is None:
        raise Misused("the call has no CallSid yet; wait for 'ringing' or 'accept'")


_DIGITS: Final = re.compile(r"[0-9*#w]*", re.ASCII)


def check_digits(digits: str) -> None:
    """`send_digits` takes 0-9, *, # and w (a pause of 500 ms).

    Raises:
        ValueError: anything else.
    """
    if _DIGITS.fullmatch(digits) is None:
        raise ValueError("digits are 0-9, *, # and w")
