"""Lanes: an ordered feed from a leg's log to one endpoint. Data only; `core.delivery` holds the rules."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from midcall.core.messages import Entry
from midcall.core.sids import AccountSid, CallSid, ReplaySid, SubscriptionSid


class LaneKind(StrEnum):
    MESSAGES = "messages"  # a subscription: reads from_client; its id is the ZY sid
    STATUS = "status"  # status callbacks of one leg: reads status; its id is the leg's sid
    REPLAY = "replay"  # messages once more: reads chosen numbers of from_client; its id is the RP sid


class LaneState(StrEnum):
    OPEN = "open"
    DOWN = "down"  # the schedule is used up; one probe at a time
    ENDED = "ended"


class Encoding(StrEnum):
    JSON = "json"
    FORM = "form"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """One feed.

    Attributes:
        encoding: what the endpoint was seen to take; None until it took something.
        cursor: sequence number of the last settled entry.
        attempts: failed attempts on the head since the last success.
        due_at: earliest epoch second of the next attempt.
        closing: the leg is over; the lane ends once drained.
        created_at: epoch seconds.
        start: number after which the lane began; what came before was never its business.
        numbers: of a replay: what it sends, as ranges in order; None: whatever its log gets.
        origin: of a replay: the subscription whose deliveries it repeats; None when there was none.
        reason: why it ended before it was drained; empty otherwise.
    """

    id: str
    account_sid: AccountSid
    leg_sid: CallSid
    kind: LaneKind
    url: str
    method: str
    encoding: Encoding | None
    cursor: int
    attempts: int
    due_at: float
    state: LaneState
    closing: bool
    created_at: float = 0.0
    start: int = 0
    numbers: tuple[range, ...] | None = None
    origin: SubscriptionSid | None = None
    reason: str = ""

    @property
    def sid(self) -> str:
        """Its id, where lists of resources are paged by sid."""
        return self.id

    @property
    def first_delivered_by(self) -> str:
        """The lane that delivered, or should have delivered, its messages first: repeats carry that one's token."""
        return self.origin or self.id


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """The right to send the head of a lane once. `lease` names the right; a settle must show it."""

    lane: Lane
    entry: Entry
    lease: int


class DeliveryState(StrEnum):
    WAITING = "waiting"  # nothing was sent yet
    RETRYING = "retrying"  # sent, and not taken so far
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"  # given up


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One finished attempt, as it is kept.

    Attributes:
        sent_at: epoch seconds when its request was sent.
        status: HTTP status of the answer, None without one; `error`: documented code of what went wrong then.
    """

    sent_at: float
    status: int | None
    error: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What was tried to bring one message to one endpoint; nothing is kept of a message that was not tried.

    Attributes:
        seq: the message's number in the from_client log.
        attempts: how many were made; `status`, `error`: of the last one.
        first_at, last_at: epoch seconds when the first and the last request were sent.
        settled_at: epoch seconds when the last answer was judged.
    """

    lane_id: str
    seq: int
    state: DeliveryState
    attempts: int
    status: int | None
    error: int | None
    first_at: float
    last_at: float
    settled_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """A wish to send messages of one leg once more. Its lane has the same sid.

    Attributes:
        origin: the subscription whose deliveries are repeated; None when the messages had none.
        numbers: what is sent, as ranges in order, apart and not empty.
    """

    sid: ReplaySid
    account_sid: AccountSid
    leg_sid: CallSid
    origin: SubscriptionSid | None
    url: str
    method: str
    numbers: tuple[range, ...]
    created_at: float


@dataclass(frozen=True, slots=True)
class Undelivered:
    """A message that will not arrive by itself any more.

    Attributes:
        reader: lane id, or the name of the connection's cursor for messages to a client.
        resolved_at, resolved_by: when a replay delivered it after all, and which.
    """

    entry: Entry
    reader: str
    reason: str
    at: float
    resolved_at: float | None = None
    resolved_by: ReplaySid | None = None


def runs(numbers: Iterable[int]) -> tuple[range, ...]:
    """Numbers in any order as ranges in order, apart from each other."""
    found: list[range] = []
    for number in sorted(set(numbers)):
        if found and found[-1].stop == number:
            found[-1] = range(found[-1].start, number + 1)
        else:
            found.append(range(number, number + 1))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Missed:
    """Numbers of one leg's messages that one subscription gave up and no replay has delivered yet."""

    leg_sid: CallSid
    subscription: SubscriptionSid
    numbers: tuple[range, ...]
