"""What moves a call as its client sees it: one table, and a machine that follows it.

The machine is told what happened and answers with what must be done; it owns no socket, no clock and no randomness.
Where it deliberately differs from the browser SDK is written down in docs/decisions/0007.

Besides its state a call has two statuses, as in the browser SDK, which are lost and found independently: that of
signalling, and that of media. `reconnected` comes when both are back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from midcall.core.client import (
    CONNECTION_ERROR,
    ICE_LOST,
    MEDIA_LOST,
    SIGNALLING_LOST,
    AcceptAsked,
    Answered,
    ApplyRemote,
    ApplyRestart,
    BeginRestarts,
    BytesFlow,
    BytesRanLow,
    CallEffect,
    CallEvent,
    CallState,
    Cancelled,
    Direction,
    DisconnectAsked,
    EmitAccept,
    EmitCancel,
    EmitDisconnect,
    EmitError,
    EmitReconnected,
    EmitReconnecting,
    EmitReject,
    EmitRinging,
    EmitWarning,
    EmitWarningCleared,
    EndRestarts,
    HungUp,
    IceChanged,
    IceState,
    IgnoreAsked,
    LocalAnswerMade,
    MediaBroke,
    OfferRestart,
    Rang,
    RejectAsked,
    RemoteApplied,
    RestartAgain,
    RestartDue,
    RestartOffered,
    RestartsSpent,
    SendAnswer,
    SendHangup,
    SendReinvite,
    SendReject,
    SendResume,
    SendWaitingMessages,
    SignallingBack,
    SignallingEnded,
    SignallingLost,
    StartAnswer,
    StopMedia,
)

_P, _C, _R, _O, _RE, _Z = (
    CallState.PENDING,
    CallState.CONNECTING,
    CallState.RINGING,
    CallState.OPEN,
    CallState.RECONNECTING,
    CallState.CLOSED,
)

_OF_MEDIA: Final = (IceChanged, BytesRanLow, BytesFlow, RestartDue, RestartOffered, RestartsSpent)

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
    (_RE, Answered): _O,  # also while media is lost: so it reads in the browser SDK
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
    **{(state, event): state for state in (_C, _R, _O, _RE) for event in _OF_MEDIA},
    **{(state, Cancelled): _Z for state in (_P, _C, _R, _O, _RE)},
}
"""Every move of a call; a pair that is not here is ignored. (Reference sections 3.1, 3.2, 3.5.)

Three moves depend on more than the pair: an outgoing call opens once it is answered and the answer's description is
applied, in whichever order they come; an open call that has no reconnect token cannot be resumed, so it closes; and
lost media makes a call reconnect, which has the pairs of section 3.7 in `_on_ice` and below.
"""


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
        signalling_lost: there is no socket, or the server has not confirmed the resume yet.
        media_lost: ICE is being restarted.
        restarting: the server's answer to a restart is to be applied.
        spent: the next failure of a restart is the last.
        ice: what media said last.
        bytes_low: a `low-bytes-*` warning is raised.
        warned: so is `ice-connectivity-lost`.
    """

    direction: Direction
    state: CallState
    call_sid: str | None = None
    reconnect: str | None = None
    answered: bool = False
    applied: bool = False
    applying: bool = False
    ignored: bool = False
    signalling_lost: bool = False
    media_lost: bool = False
    restarting: bool = False
    spent: bool = False
    ice: IceState | None = None
    bytes_low: bool = False
    warned: bool = False

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
        if isinstance(event, SignallingLost | SignallingEnded):
            self.ignored = False  # nobody will take it back
        target = CALL_TRANSITIONS.get((self.state, type(event)))
        if target is None or self._foreign(event):
            return []
        before, self.state = self.state, target
        match event:
            case AcceptAsked():
                return [StartAnswer()]
            case LocalAnswerMade(sdp):
                self.answered = self.applied = True
                return [SendAnswer(sdp), EmitAccept(), *self._catch_up()]
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
                return [SendResume(self.reconnect)] if self.signalling_lost and self.reconnect is not None else []
            case IgnoreAsked():  # nothing on the wire, no event
                self.ignored = True
                return []
            case IceChanged() | BytesRanLow() | BytesFlow() | RestartDue() | RestartOffered() | RestartsSpent():
                return self._on_media(event)
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
        return [EmitAccept(), *self._catch_up()]

    def _on_answer(self, event: Answered, before: CallState) -> list[CallEffect]:
        self.reconnect = event.reconnect or self.reconnect
        if not self.answered:
            if self.direction is Direction.INCOMING:  # it cannot be the server's before it is ours
                return []
            self.call_sid = event.call_sid
            self.answered = True
            return [*self._apply(event.sdp), *self._open_when_complete()]
        if before is CallState.CONNECTING or before is CallState.RINGING:
            return []
        effects: list[CallEffect] = []
        if self.restarting and event.sdp is not None:
            effects.append(ApplyRestart(event.sdp))
        if self.signalling_lost:
            self.signalling_lost = False
            effects.append(SendWaitingMessages())
            if not self.media_lost:
                effects.append(EmitReconnected())
        return effects

    def _on_loss(self, before: CallState) -> list[CallEffect]:
        if before is CallState.PENDING:  # the server offers the leg again once we have registered again
            return [EmitCancel()]
        if self.state is CallState.RECONNECTING and self.reconnect is not None:
            self.signalling_lost = True
            return [EmitReconnecting(SIGNALLING_LOST)]
        self.state = CallState.CLOSED
        return [StopMedia(), EmitError(CONNECTION_ERROR), EmitDisconnect()]

    # ---------------------------------------------------------------------------- media: reference section 3.7

    def _on_media(
        self, event: IceChanged | BytesRanLow | BytesFlow | RestartDue | RestartOffered | RestartsSpent
    ) -> list[CallEffect]:
        match event:
            case IceChanged(state):
                self.ice = state
                return self._on_ice(state)
            case BytesRanLow():
                self.bytes_low = True
                return self._lose_media() if self.ice is IceState.DISCONNECTED else []
            case BytesFlow():
                self.bytes_low = False
            case RestartDue() if self.media_lost:
                return [OfferRestart()]
            case RestartOffered(sdp) if self.media_lost:
                self.restarting = True
                # Without a socket nothing is sent: the resume will show this description, and its answer be applied.
                return [] if self.signalling_lost else [SendReinvite(sdp)]
            case RestartsSpent() if self.media_lost:
                self.spent = True
        return []

    def _on_ice(self, state: IceState) -> list[CallEffect]:
        match state:
            case IceState.CONNECTED:
                cleared: list[CallEffect] = [EmitWarningCleared(ICE_LOST)] if self.warned else []
                self.warned = False
                return [*cleared, *self._find_media()]
            case IceState.DISCONNECTED:
                raised: list[CallEffect] = [] if self.warned else [EmitWarning(ICE_LOST)]
                self.warned = True
                return [*raised, *(self._lose_media() if self.bytes_low else [])]
            case IceState.FAILED if not self.media_lost:
                return self._lose_media()
            case IceState.FAILED if self.spent:
                self.state = CallState.CLOSED
                return [SendHangup(MEDIA_LOST.message), StopMedia(), EmitDisconnect(), EmitError(MEDIA_LOST)]
            case IceState.FAILED:
                return [RestartAgain()]

    def _catch_up(self) -> list[CallEffect]:
        """What media has told before the call was open counts now."""
        return self._lose_media() if self.ice is IceState.FAILED else []

    def _lose_media(self) -> list[CallEffect]:
        """Media that was agreed upon does not flow: the call reconnects by restarting ICE."""
        if self.media_lost or not self.applied:
            return []
        self.media_lost = True
        self.state = CallState.RECONNECTING
        return [BeginRestarts(), EmitReconnecting(MEDIA_LOST)]

    def _find_media(self) -> list[CallEffect]:
        if not self.media_lost:
            return []
        self.media_lost = self.restarting = self.spent = False
        if self.signalling_lost:
            return [EndRestarts()]
        self.state = CallState.OPEN if self.answered else CallState.RINGING
        return [EndRestarts(), EmitReconnected()]


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
