"""The engine without media: for `midcall.sdk` clients that declare they have none, and tests that need none."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from midcall.core.sdp import NO_MEDIA_SDP
from midcall.core.sids import CallSid
from midcall.media.labels import Labels
from midcall.ports import (
    AnswerReady,
    ApplyAnswer,
    Couple,
    MakeOffer,
    MediaCommand,
    MediaConnected,
    MediaEvent,
    MediaFailed,
    OfferReady,
    Terminate,
)

_REASON = "This server has no media engine, and the client did not declare that it needs none."


class NoneEngine:
    """Implements `ports.Media`: answers `NO_MEDIA_SDP` in kind and refuses every other description."""

    def __init__(self) -> None:
        self.labels = Labels()
        """Takes the place of sound."""
        self._emit: Callable[[MediaEvent], None] = lambda event: None
        self._closed = False

    async def start(self, on_event: Callable[[MediaEvent], None]) -> None:
        self._emit = on_event

    async def close(self) -> None:
        self._closed = True

    def do(self, command: MediaCommand) -> None:
        self.labels.follow(command)
        match command:
            case Terminate(leg=leg, offer=offer):
                if self._accepts(leg, offer):
                    self._say(AnswerReady(leg=leg, sdp=NO_MEDIA_SDP))
                    self._say(MediaConnected(leg=leg))
            case MakeOffer(leg=leg):
                self._say(OfferReady(leg=leg, sdp=NO_MEDIA_SDP))
            case ApplyAnswer(leg=leg, answer=answer):
                if self._accepts(leg, answer):
                    self._say(MediaConnected(leg=leg))
            case Couple(leg=leg, offer=offer, child=child):
                if self._accepts(leg, offer):
                    self._say(OfferReady(leg=child, sdp=NO_MEDIA_SDP))
                    self._say(AnswerReady(leg=leg, sdp=NO_MEDIA_SDP))
                    self._say(MediaConnected(leg=leg))

    def fail(self, leg: CallSid, reason: str) -> None:
        """Say that a client's description cannot be used."""
        self._say(MediaFailed(leg=leg, reason=reason, peers_fault=True))

    def _accepts(self, leg: CallSid, sdp: str) -> bool:
        if sdp == NO_MEDIA_SDP:
            return True
        self.fail(leg, _REASON)
        return False

    def _say(self, event: MediaEvent) -> None:
        asyncio.get_running_loop().call_soon(self._speak, event)

    def _speak(self, event: MediaEvent) -> None:
        if not self._closed:
            self._emit(event)
