"""What one finished attempt means for its delivery: outcome in, verdict out.

Retries belong to the lane, not to the message: a lane has a head, failed attempts on it and a due time. The schedule
starts anew with every message, so an endpoint that fails in part keeps its pace.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from midcall.core.alerts import Level
from midcall.core.lanes import Encoding, Lane, LaneKind, LaneState
from midcall.core.overrides import Overrides, RetryOn


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


GONE: Final = 410
"""The answer that ends a lane (RFC 9110, section 15.5.11)."""

FALLBACK_STATUSES: Final = frozenset({400, 401, 403, 415, 422})
"""Answers of an endpoint that could not read the body or check its signature: the other encoding may do."""

TOO_OLD: Final = "older than 24 hours"


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When a lane tries again.

    Attributes:
        waits: seconds after the first, second, ... failed attempt on a head.
        probe_s: seconds between probes of a lane that has used up its waits; None: the head is stepped over instead.
        max_age_s: a message older than this steps over.
        retry_after_cap_s: the longest `Retry-After` that is honoured.
    """

    waits: tuple[float, ...]
    probe_s: float | None
    max_age_s: float = 24 * 3600.0
    retry_after_cap_s: float = 3600.0


MESSAGES: Final = Schedule(waits=(1.0, 5.0, 30.0, 120.0, 600.0), probe_s=600.0)
STATUS: Final = Schedule(waits=(1.0, 5.0), probe_s=None)
REPLAY: Final = Schedule(waits=MESSAGES.waits, probe_s=None, max_age_s=float("inf"))
"""Somebody asked for it, so age does not matter, and somebody can ask again, so it does not probe for ever."""

_SCHEDULES: Final = {LaneKind.MESSAGES: MESSAGES, LaneKind.STATUS: STATUS, LaneKind.REPLAY: REPLAY}


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempted:
    """One finished attempt, as far as its verdict needs it.

    Attributes:
        status: HTTP status of the answer; None when no complete answer came.
        error: documented code of what went wrong on the way, when no answer came.
        connected: False when the endpoint could not even be reached.
        retry_after_s: what the answer asked for, in seconds from now.
        encoding: what the endpoint took, when that is worth remembering.
    """

    status: int | None
    error: int | None = None
    connected: bool = True
    retry_after_s: float | None = None
    encoding: Encoding | None = None

    @property
    def ok(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    def __str__(self) -> str:
        return f"answered {self.status}" if self.status is not None else f"no answer ({self.error})"


@dataclass(frozen=True, slots=True)
class Complaint:
    """An alert that a verdict calls for; whoever mints sids and knows the time makes the row."""

    code: int
    level: Level
    reason: str


def schedule_for(kind: LaneKind, overrides: Overrides | None) -> Schedule:
    """A lane's schedule. Overrides leave no later retries: theirs happen at once, inside the turn (`tries_again`)."""
    schedule = _SCHEDULES[kind]
    return schedule if overrides is None else replace(schedule, waits=())


def expired(entry_at: float, schedule: Schedule, *, now: float) -> StepOver | None:
    """The verdict on a message that is too old to be sent; None while it may be."""
    return StepOver(TOO_OLD) if now - entry_at >= schedule.max_age_s else None


def judge(
    attempted: Attempted, lane: Lane, *, entry_at: float, schedule: Schedule, now: float, jitter: float = 1.0
) -> Verdict:
    """Decide what one finished attempt means for the lane's head.

    Args:
        lane: as it was when the turn was claimed: `attempts` counts the failures before this one.
        entry_at: epoch seconds when the message was accepted.
        jitter: factor on the schedule's wait, around 1.
    """
    if attempted.ok:
        return Delivered(attempted.encoding)
    if attempted.status == GONE:
        return EndLane(f"the endpoint {attempted}")
    if (too_old := expired(entry_at, schedule, now=now)) is not None:
        return too_old
    asked = min(attempted.retry_after_s or 0.0, schedule.retry_after_cap_s)
    if lane.state is not LaneState.DOWN and lane.attempts < len(schedule.waits):
        return RetryAt(now + max(schedule.waits[lane.attempts] * jitter, asked))
    if schedule.probe_s is None:
        reason = f"{lane.attempts + 1} attempts failed, last: {attempted}"
        # A replay keeps the order to its end: it rather stops than lets a later message arrive first.
        return EndLane(reason) if lane.kind is LaneKind.REPLAY else StepOver(reason)
    return RetryAt(now + max(schedule.probe_s * jitter, asked), down=True)


def tries_again(attempted: Attempted, overrides: Overrides, *, tries: int, elapsed_s: float) -> bool:
    """Whether a URL's overrides ask for another try at once, after `tries` that began `elapsed_s` ago."""
    return (
        not attempted.ok
        and attempted.status != GONE
        and tries <= overrides.retries
        and elapsed_s < overrides.total_s
        and not _failures(attempted).isdisjoint(overrides.retry_on)
    )


def _failures(attempted: Attempted) -> set[RetryOn]:
    """The words of `rp` that cover this failure."""
    if attempted.status is None:
        return {RetryOn.ALL, RetryOn.READ if attempted.connected else RetryOn.CONNECT}
    if 400 <= attempted.status < 500:
        return {RetryOn.ALL, RetryOn.CLIENT_ERROR}
    if attempted.status >= 500:
        return {RetryOn.ALL, RetryOn.SERVER_ERROR}
    return set()  # a redirect that is not followed will not look different a moment later


def complaint(lane: Lane, attempted: Attempted, verdict: Verdict) -> Complaint | None:
    """The alert for a verdict, one for each lane that goes down and each status callback that is given up."""
    if lane.kind is LaneKind.STATUS:
        if not isinstance(verdict, StepOver | EndLane):
            return None
        code = 15003 if attempted.status is not None else attempted.error or 11200
        return Complaint(code, Level.WARNING, f"A status callback was not delivered: {attempted}")
    if lane.kind is LaneKind.REPLAY:
        if not isinstance(verdict, EndLane):
            return None
        return Complaint(32711, Level.WARNING, f"A replay has ended before its last message: {verdict.reason}")
    match verdict:
        case RetryAt(down=True) if lane.state is not LaneState.DOWN:
            return Complaint(32711, Level.WARNING, f"Message callbacks fail and are only probed now: {attempted}")
        case EndLane():
            return Complaint(32711, Level.WARNING, "The endpoint answered 410, so the subscription has ended")
        case _:
            return None


def encodings(wanted: Encoding | None, lane: Lane) -> Sequence[Encoding]:
    """In which encodings an attempt is sent, one after the other while `falls_back` says so.

    What the endpoint took before is trusted until it fails.

    Args:
        wanted: the setting; None: find out.
    """
    if wanted is not None:
        return (wanted,)
    if lane.encoding is None:
        return (Encoding.JSON, Encoding.FORM)
    if lane.attempts == 0:
        return (lane.encoding,)
    other = Encoding.FORM if lane.encoding is Encoding.JSON else Encoding.JSON
    return (lane.encoding, other)


def falls_back(status: int | None) -> bool:
    """Whether the same attempt is repeated at once in the next encoding."""
    return status in FALLBACK_STATUSES


def retry_after_s(text: str | None, *, now: float) -> float | None:
    """Seconds to wait from a `Retry-After` value (RFC 9110, section 10.2.3: seconds or a date); None: unusable."""
    if text is None:
        return None
    text = text.strip()
    if text.isascii() and text.isdigit():
        return float(text[:10])
    try:
        when = parsedate_to_datetime(text)
    except (ValueError, OverflowError):  # a zone of many digits overflows
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return max(0.0, (when - datetime.fromtimestamp(now, UTC)).total_seconds())
