"""One leg on one device: who carries it, what the client has not receipted yet, which tokens bring it back.

Pure bookkeeping for the hub; it sends nothing itself.
"""

from __future__ import annotations

import hmac
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, Protocol

from midcall.core.sdp import Peer
from midcall.core.sids import AccountSid, CallSid
from midcall.ports import DeviceId
from midcall.wire import signal

KEPT_TOKENS: Final = 5
"""The token that was used last, and the newest ones that were not used yet."""

BEFORE_THE_FIRST: Final = -1
"""Position of a reader that has nothing; logs may begin at 0."""


class Line(Protocol):
    """What the hub needs of a connection: who is there, and a way to send that never blocks."""

    device: DeviceId
    account: AccountSid
    identity: str | None
    declares_no_media: bool
    carriages: dict[CallSid, Carriage]
    aliases: dict[str, Carriage]

    def send(self, frame: signal.Frame, tracked: Tracked | None = None) -> None: ...

    def abort(self, reason: str) -> None: ...


class Role(Enum):
    """What a device is to a leg."""

    OFFERED = "offered"
    ANSWERED = "answered"
    """It has answered; whether its answer counts is not decided yet."""
    HOLDER = "holder"


@dataclass(slots=True, eq=False)
class Tracked:
    """A frame that is sent again on resume until the client has receipted it.

    Attributes:
        seq: position on the leg's to_client log that the receipt stands for; None for acks and errors.
        written_at: epoch seconds when it was first handed to a socket; None for acks and errors.
    """

    carriage: Carriage
    frame: signal.Frame
    seq: int | None = None
    written_at: float | None = None
    received: bool = False


class ReconnectTokens:
    """The tokens that bring a leg back. A new one is handed out with every answer and with every use.

    An answer may be lost on the way, so older tokens stay good until a newer one has been used: a use forgets all that
    were made before the used one.
    """

    __slots__ = ("_make", "_tokens")

    def __init__(self, make: Callable[[], str]) -> None:
        self._make = make
        self._tokens: list[str] = []

    def issue(self) -> str:
        token = self._make()
        if len(self._tokens) >= KEPT_TOKENS:
            del self._tokens[1]
        self._tokens.append(token)
        return token

    @property
    def issued(self) -> bool:
        """Whether the client can have one."""
        return bool(self._tokens)

    def accepts(self, token: str) -> bool:
        """Whether the token is good; takes the same time for every wrong one."""
        return self._find(token) is not None

    def use(self, token: str) -> bool:
        """Accept the token and forget older ones. False when it is not good."""
        found = self._find(token)
        if found is not None:
            del self._tokens[:found]
        return found is not None

    def inherit(self, token: str) -> None:
        """Accept a token from now on that the client has of another offer of the same leg, and may know no other."""
        self._tokens.insert(0, token)

    def _find(self, token: str) -> int | None:
        shown = token.encode("utf-8", "surrogatepass")
        matches = [hmac.compare_digest(shown, known.encode()) for known in self._tokens]
        return matches.index(True) if True in matches else None


@dataclass(slots=True, eq=False, kw_only=True)
class Carriage:
    """One leg on one device.

    Attributes:
        device: names the reader of the leg's to_client log; it stays the same when the leg moves to another socket.
        line: the socket that carries the leg now; None while the client is away.
        temporary_id: what the client called its placed leg before it learnt the sid.
        announced: the client knows the leg's sid, so that it will not drop what is about it.
        peer: who made the client's newest description.
        answer_sdp: our newest answer to the client's offer, while its receipt is missing.
        position: the last message that was sent, on whichever socket.
        taken_over: the client took a ringing leg over with a connect token, so its `answer` needs our description.
        hung_up: the client has ended the leg; it needs no `hangup` from us.
        closed: the leg is over, or elsewhere.
        flushing, flush_again, stalled: the flusher is at work, was woken meanwhile, has met a full window.
        waiting: messages in the outbox.
        returning: the client is back, and the note that it was away is not taken back for certain.
    """

    leg: CallSid
    account: AccountSid
    identity: str | None
    device: DeviceId
    role: Role
    tokens: ReconnectTokens
    line: Line | None
    temporary_id: str | None = None
    announced: bool = False
    peer: Peer | None = None
    answer_sdp: str | None = None
    position: int = BEFORE_THE_FIRST
    taken_over: bool = False
    hung_up: bool = False
    closed: bool = False
    flushing: bool = False
    flush_again: bool = False
    stalled: bool = False
    waiting: int = 0
    returning: bool = False
    outbox: deque[Tracked] = field(default_factory=deque)

    @property
    def name(self) -> str:
        """What the client calls the leg."""
        return self.leg if self.announced or self.temporary_id is None else self.temporary_id

    def belongs_to(self, line: Line) -> bool:
        """Whether a connection is of the same account and identity."""
        return self.account == line.account and self.identity == line.identity

    def track(self, frame: signal.Frame, seq: int | None = None, *, at: float | None = None) -> Tracked:
        """Keep a frame until its receipt; a message's frame moves the position."""
        tracked = Tracked(self, frame, seq, at)
        self.outbox.append(tracked)
        if seq is not None:
            self.position = seq
            self.waiting += 1
        return tracked

    def settle(self) -> Tracked | None:
        """Drop what has been receipted; the last message among it, None when there was none.

        Only the front goes, so the position never passes a message that was not receipted.
        """
        last = None
        while self.outbox and self.outbox[0].received:
            tracked = self.outbox.popleft()
            if tracked.seq is not None:
                last = tracked
                self.waiting -= 1
        return last

    def unreceipted(self) -> Sequence[Tracked]:
        """What has to be sent again, in order."""
        return [tracked for tracked in self.outbox if not tracked.received]
