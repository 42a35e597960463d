"""Sends each leg's commands to the engine that fits its client: one with media, or `none`.

A client shows by its session description which it is; an offer of ours has to be a real one, so there it is the answer
that tells.
"""

from __future__ import annotations

from collections.abc import Callable

from midcall.core.sdp import NO_MEDIA_SDP
from midcall.core.sids import CallSid
from midcall.media.none import NoneEngine
from midcall.media.options import SDP_CAP
from midcall.ports import (
    ApplyAnswer,
    CloseMedia,
    Couple,
    MakeOffer,
    Media,
    MediaCommand,
    MediaEvent,
    Terminate,
)


class MediaRouter:
    """Implements `ports.Media` over an engine and `NoneEngine`."""

    def __init__(self, engine: Media) -> None:
        self._engine = engine
        self._none = NoneEngine()
        self.labels = self._none.labels
        """What clients without media say to each other instead of sound."""
        self._silent_legs: set[CallSid] = set()
        self._coupled: dict[CallSid, Couple] = {}
        self._emit: Callable[[MediaEvent], None] = lambda event: None

    async def start(self, on_event: Callable[[MediaEvent], None]) -> None:
        self._emit = on_event
        await self._none.start(on_event)
        await self._engine.start(self._from_engine)

    async def close(self) -> None:
        await self._none.close()
        await self._engine.close()

    def do(self, command: MediaCommand) -> None:
        self.labels.follow(command)
        match command:
            case Terminate(leg=leg, offer=sdp) | ApplyAnswer(leg=leg, answer=sdp) | Couple(leg=leg, offer=sdp):
                if len(sdp) > SDP_CAP:
                    self._none.fail(leg, "The session description is too long.")
                elif sdp == NO_MEDIA_SDP:
                    self._without_media(command)
                else:
                    self._with_media(command)
            case MakeOffer(leg=leg):
                self._silent_legs.discard(leg)
                self._engine.do(command)
            case CloseMedia(leg=leg):
                self._silent_legs.discard(leg)
                self._coupled.pop(leg, None)
                self._engine.do(command)
            case _:
                # The engine ignores legs that it does not have, and stops the sound of those it has.
                self._engine.do(command)

    def _with_media(self, command: Terminate | ApplyAnswer | Couple) -> None:
        if not isinstance(command, ApplyAnswer):
            self._silent_legs.discard(command.leg)
        if isinstance(command, Couple):
            self._coupled[command.child] = command
        else:
            self._coupled.pop(command.leg, None)
        self._engine.do(command)

    def _without_media(self, command: Terminate | ApplyAnswer | Couple) -> None:
        self._silent_legs.add(command.leg)
        self._engine.do(CloseMedia(leg=command.leg))
        match command:
            case Terminate():
                self._none.do(command)
            case ApplyAnswer():
                self._none.do(command)
                self._uncouple(command.leg)
            case Couple():
                # A pair of one: the caller is answered at once, the child gets an offer of its own.
                self._none.do(Terminate(leg=command.leg, offer=command.offer))
                self._engine.do(MakeOffer(leg=command.child))

    def _uncouple(self, child: CallSid) -> None:
        """The coupled child has no media, so its caller's offer is answered alone."""
        couple = self._coupled.pop(child, None)
        if couple is not None:
            self._engine.do(CloseMedia(leg=couple.leg))
            self._engine.do(Terminate(leg=couple.leg, offer=couple.offer))

    def _from_engine(self, event: MediaEvent) -> None:
        if event.leg not in self._silent_legs:
            self._emit(event)
