"""What one finished attempt means for its delivery: outcome in, verdict out (design.md 2.5).

Retries belong to the lane, not to the message: a lane has a head, failed attempts on it and a due time.
"""

from __future__ import annotations

from dataclasses import dataclass

from midcall.core.lanes import Encoding


@dataclass(frozen=True, slots=True)
class Delivered:
    """The endpoint took it: the cursor moves, the schedule starts anew."""

    encoding: Encoding | None = None


@dataclass(frozen=True, slots=True)
class RetryAt:
    """The head stays. `down` marks a lane whose schedule is used up and that is only probed.

    `counted=False`: nothing was sent, the turn is only given back; attempts stay as they are.
    """

    due_at: float
    down: bool = False
    counted: bool = True


@dataclass(frozen=True, slots=True)
class StepOver:
    """The head is given up and listed as undelivered; the next message has its turn."""

    reason: str


@dataclass(frozen=True, slots=True)
class EndLane:
    """The endpoint wants no more (410): the rest is listed as undelivered."""

    reason: str


Verdict = Delivered | RetryAt | StepOver | EndLane
