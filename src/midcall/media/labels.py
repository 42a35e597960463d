"""Sound between clients without media: labels that travel along bridges and lines as audio would.

Whoever wants to speak without media says a label (`hello`, `tone 440`); exactly those hear it whose legs are bridged
with the speaker's at that moment. Nothing is kept of a call unless somebody listens.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

from midcall.core.sids import CallSid
from midcall.ports import ApplyAnswer, CloseMedia, Join, Link, MediaCommand, Part, PlayRingback, SendDigits

Kind = Literal["sound", "digits"]

OnHeard = Callable[[CallSid, Kind, str], None]
"""A leg hears a label, or digits."""

RINGBACK: Final = "ringback"
MAX_LINES: Final = 16
"""Lines that a label crosses at most; a call may be passed on through fewer."""


class Labels:
    """Which legs hear each other, as the engine's commands say; whoever listens sets what is called then."""

    def __init__(self) -> None:
        self.on_heard: OnHeard | None = None
        self.on_bridged: Callable[[CallSid], None] = lambda leg: None
        self.on_taken: Callable[[CallSid], None] = lambda leg: None
        """The server has accepted a client's answer, and stored that."""
        self._joined: dict[CallSid, CallSid] = {}
        self._linked: dict[CallSid, CallSid] = {}

    def follow(self, command: MediaCommand) -> None:
        """Note what a command does to who hears whom."""
        if self.on_heard is None:
            return
        match command:
            case Join(leg=leg, other=other):
                self._part(leg)
                self._part(other)
                self._joined[leg], self._joined[other] = other, leg
                self.on_bridged(leg)
                self.on_bridged(other)
            case ApplyAnswer(leg=leg):
                self.on_taken(leg)
            case Part(leg=leg, other=other):
                if self._joined.get(leg) == other:
                    self._part(leg)
            case Link(leg=leg, other=other):
                self._linked[leg], self._linked[other] = other, leg
            case PlayRingback(leg=leg):
                self._hear(leg, RINGBACK, MAX_LINES)
            case SendDigits(leg=leg, digits=digits):
                if leg not in self._linked:  # digits cross a line as events of its legs
                    self.on_heard(leg, "digits", digits.replace("w", ""))
            case CloseMedia(leg=leg):
                self._part(leg)
                far = self._linked.pop(leg, None)
                if far is not None:
                    self._linked.pop(far, None)
            case _:
                pass

    def is_bridged(self, leg: CallSid) -> bool:
        """Whether somebody hears what the leg's client says."""
        return leg in self._joined

    def say(self, leg: CallSid, label: str) -> None:
        """Let a leg's client say something; who is bridged with it hears it."""
        self._say(leg, label, MAX_LINES)

    def _say(self, leg: CallSid, label: str, lines: int) -> None:
        other = self._joined.get(leg)
        if other is not None:
            self._hear(other, label, lines)

    def _hear(self, leg: CallSid, label: str, lines: int) -> None:
        far = self._linked.get(leg)
        if far is None:
            if self.on_heard is not None:
                self.on_heard(leg, "sound", label)
        elif lines:
            self._say(far, label, lines - 1)

    def _part(self, leg: CallSid) -> None:
        other = self._joined.pop(leg, None)
        if other is not None and other != leg:
            self._joined.pop(other, None)
