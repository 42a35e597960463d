"""Everything that moves a leg's status, as one table; and what its client was told, and its timers' names."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum, StrEnum
from typing import Final

from midcall.core.calls import Status


class Move(StrEnum):
    """Everything that can move a leg's status."""

    RANG = "rang"
    ANSWERED = "answered"
    HUNG_UP = "hung up"
    CANCELED = "canceled"
    REJECTED = "rejected"  # by the client
    BUSY = "busy"  # <Reject reason="busy">
    DECLINED = "declined"  # <Reject reason="rejected">
    TIMED_OUT = "timed out"
    UNREACHABLE = "unreachable"
    UNKNOWN = "unknown"  # a number that nobody has
    BROKEN = "broken"
    FINISHED = "finished"  # the TwiML ran to its end


TRANSITIONS: Final[Mapping[tuple[Status, Move], Status]] = {
    (Status.QUEUED, Move.RANG): Status.RINGING,
    (Status.QUEUED, Move.HUNG_UP): Status.CANCELED,
    (Status.QUEUED, Move.CANCELED): Status.CANCELED,
    (Status.QUEUED, Move.TIMED_OUT): Status.NO_ANSWER,
    (Status.QUEUED, Move.UNREACHABLE): Status.NO_ANSWER,
    (Status.QUEUED, Move.UNKNOWN): Status.FAILED,
    (Status.QUEUED, Move.BROKEN): Status.FAILED,
    (Status.RINGING, Move.ANSWERED): Status.IN_PROGRESS,
    (Status.RINGING, Move.HUNG_UP): Status.CANCELED,
    (Status.RINGING, Move.CANCELED): Status.CANCELED,
    (Status.RINGING, Move.REJECTED): Status.BUSY,
    (Status.RINGING, Move.BUSY): Status.BUSY,
    (Status.RINGING, Move.DECLINED): Status.NO_ANSWER,
    (Status.RINGING, Move.TIMED_OUT): Status.NO_ANSWER,
    (Status.RINGING, Move.BROKEN): Status.FAILED,
    (Status.RINGING, Move.FINISHED): Status.COMPLETED,
    (Status.IN_PROGRESS, Move.HUNG_UP): Status.COMPLETED,
    (Status.IN_PROGRESS, Move.CANCELED): Status.COMPLETED,  # it answered while it was being canceled
    (Status.IN_PROGRESS, Move.BROKEN): Status.COMPLETED,
    (Status.IN_PROGRESS, Move.FINISHED): Status.COMPLETED,
}

SIP_OF: Final[Mapping[Move, int]] = {
    Move.REJECTED: 603,
    Move.BUSY: 486,
    Move.DECLINED: 603,
    Move.UNREACHABLE: 480,
    Move.UNKNOWN: 404,
    Move.BROKEN: 500,
    Move.FINISHED: 200,
}
"""SIP code of a leg that ended so before its answer; 487 where nothing else is said. After the answer it is 200."""


class Shown(IntEnum):
    """How far the client of a placed leg was told that its call is."""

    NOTHING = 0
    RINGING = 1
    ANSWERED = 2


class Timer(StrEnum):
    RING = "ring"
    LIMIT = "limit"
    PAUSE = "pause"
    RESUME = "resume"
    MEDIA = "media"
