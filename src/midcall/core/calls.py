"""The REST side of a leg: one call resource, its status and its direction."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from midcall.core.sids import AccountSid, ApplicationSid, CallSid, PhoneNumberSid


class Status(StrEnum):
    """Statuses of a leg. `initiated` shows in callbacks only; a fetch then says `queued`."""

    QUEUED = "queued"
    INITIATED = "initiated"
    RINGING = "ringing"
    IN_PROGRESS = "in-progress"
    COMPLETED = "completed"
    BUSY = "busy"
    FAILED = "failed"
    NO_ANSWER = "no-answer"
    CANCELED = "canceled"

    @property
    def is_active(self) -> bool:
        """Messages and subscriptions are for active legs only."""
        return self in ACTIVE

    @property
    def is_final(self) -> bool:
        return self in FINAL


ACTIVE: Final = frozenset({Status.RINGING, Status.IN_PROGRESS})
FINAL: Final = frozenset({Status.COMPLETED, Status.BUSY, Status.FAILED, Status.NO_ANSWER, Status.CANCELED})


class Direction(StrEnum):
    INBOUND = "inbound"  # placed by an SDK
    OUTBOUND_API = "outbound-api"  # created by REST
    OUTBOUND_DIAL = "outbound-dial"  # created by <Dial>


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """The row behind `Calls/{Sid}`. Times are epoch seconds.

    Attributes:
        sdk_leg: a Voice SDK client is, or will be, at the other end; only such legs carry messages.
        phone_number_sid: the owned number that this leg is an incoming call of.
        forwarded_from: the number that passed the call on; empty when none did.
        stir_status: what the called side is told of the caller's attestation; empty for nothing.
        started_at: when it was dialled; `answered_at`: when it was picked up.
    """

    sid: CallSid
    account_sid: AccountSid
    parent_sid: CallSid | None
    direction: Direction
    from_: str
    to: str
    status: Status
    sdk_leg: bool
    created_at: float
    updated_at: float
    application_sid: ApplicationSid | None = None
    phone_number_sid: PhoneNumberSid | None = None
    forwarded_from: str = ""
    stir_status: str = ""
    started_at: float | None = None
    answered_at: float | None = None
    ended_at: float | None = None

    @property
    def client(self) -> str | None:
        """Identity of the Voice SDK client at the leg's end; None when no client is there."""
        at_its_end = self.from_ if self.direction is Direction.INBOUND else self.to
        return at_its_end.removeprefix("client:") if self.sdk_leg else None

    @property
    def duration_s(self) -> int | None:
        """Whole seconds between answer and end; None for a leg that was never completed."""
        if self.status is not Status.COMPLETED or self.ended_at is None:
            return None
        if self.answered_at is None:
            return 0
        return max(0, round(self.ended_at - self.answered_at))


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFilter:
    """Filters of `GET Calls`; each pair of times is half open: from inclusive, to exclusive."""

    to: str | None = None
    from_: str | None = None
    parent_sid: CallSid | None = None
    status: Status | None = None
    started_from: float | None = None
    started_to: float | None = None
    ended_from: float | None = None
    ended_to: float | None = None
