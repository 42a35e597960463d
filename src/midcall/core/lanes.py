"""Lanes: an ordered feed from a leg's log to one endpoint. Data only; `core.delivery` holds the rules."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from midcall.core.messages import Entry
from midcall.core.sids import AccountSid, CallSid


class LaneKind(StrEnum):
    MESSAGES = "messages"  # a subscription: reads from_client; its id is the ZY sid
    STATUS = "status"  # status callbacks of one leg: reads status; its id is the leg's sid


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """The right to send the head of a lane once. `lease` names the right; a settle must show it."""

    lane: Lane
    entry: Entry
    lease: int


@dataclass(frozen=True, slots=True)
class Undelivered:
    """A message that will not arrive by itself any more.

    Attributes:
        reader: lane id, or the name of the connection's cursor for messages to a client.
    """

    entry: Entry
    reader: str
    reason: str
    at: float
