"""What happens to a lane, and to numbers and keys, whichever database holds them: pure decisions shared by the stores.

A store reads a `LaneRecord` and the end of its log, asks here what becomes of it, and writes the answer back.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from midcall.core import errors
from midcall.core.delivery import Delivered, EndLane, RetryAt, StepOver, Verdict
from midcall.core.lanes import Lane, LaneKind, LaneState
from midcall.core.messages import IdempotencyClaim, Limits, Log, Subscription
from midcall.core.sids import AccountSid, CallSid, SubscriptionSid
from midcall.ports import StatusLane

CALL_ENDED: Final = "the call ended first"
UNSUBSCRIBED: Final = "the subscription was deleted"
STATUS_LANE_ENDED: Final = "the status callback was removed"

IDEMPOTENCY_KEPT_S: Final = 24 * 3600.0
"""How long after a call's end its idempotency keys are honoured (design.md 2.10)."""

LOG_OF: Final = {LaneKind.MESSAGES: Log.FROM_CLIENT, LaneKind.STATUS: Log.STATUS}


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneRecord:
    """A lane as stores keep it.

    Attributes:
        lease: number of the last lease; it only grows.
        leased_until: epoch seconds; None when nobody holds the lane.
        deleted: its subscription was deleted by a request.
    """

    lane: Lane
    created_at: float
    lease: int = 0
    leased_until: float | None = None
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of a lane, and which entries of its log (as sequence numbers) are given up."""

    record: LaneRecord
    given_up: range = range(0)
    reason: str = ""


def first_number(log: Log, limits: Limits) -> int:
    """The number of a log's first entry.

    Only callbacks show numbers. The to_client log starts at 1 always, because a reader without cursor stands at 0.
    """
    return limits.first_sequence if log is Log.FROM_CLIENT else 1


def status_entry_sid(leg: CallSid, seq: int) -> str:
    """Status entries are known by their place only."""
    return f"{leg}:{seq}"


def subscription_record(subscription: Subscription, end: int) -> LaneRecord:
    """The lane of a new subscription, at its log's end."""
    lane = Lane(
        id=subscription.sid,
        account_sid=subscription.account_sid,
        leg_sid=subscription.leg_sid,
        kind=LaneKind.MESSAGES,
        url=subscription.callback,
        method=subscription.method,
        encoding=None,
        cursor=end,
        attempts=0,
        due_at=subscription.created_at,
        state=LaneState.OPEN,
        closing=False,
    )
    return LaneRecord(lane=lane, created_at=subscription.created_at)


def status_record(account: AccountSid, leg: CallSid, target: StatusLane, end: int, at: float) -> LaneRecord:
    """A leg's new status lane, at its log's end."""
    lane = Lane(
        id=leg,
        account_sid=account,
        leg_sid=leg,
        kind=LaneKind.STATUS,
        url=target.url,
        method=target.method,
        encoding=None,
        cursor=end,
        attempts=0,
        due_at=at,
        state=LaneState.OPEN,
        closing=False,
    )
    return LaneRecord(lane=lane, created_at=at)


def readdress(
    record: LaneRecord | None, account: AccountSid, leg: CallSid, target: StatusLane, end: int, at: float
) -> Change | None:
    """Open a leg's status lane, move it to another address, or end it; None when nothing changes.

    A lane with a new address starts its schedule anew and keeps its cursor and its lease (a request may be in flight).
    A lane that has ended opens again at the log's end; its leases go on, so that old ones stay stale.
    """
    if not target.url:
        return (
            None if record is None or record.lane.state is LaneState.ENDED else end_lane(record, end, STATUS_LANE_ENDED)
        )
    if record is None:
        return Change(status_record(account, leg, target, end, at))
    if record.lane.state is LaneState.ENDED:
        return Change(replace(status_record(account, leg, target, end, at), lease=record.lease))
    if (record.lane.url, record.lane.method) == (target.url, target.method):
        return None
    lane = replace(
        record.lane, url=target.url, method=target.method, encoding=None, attempts=0, due_at=at, state=LaneState.OPEN
    )
    return Change(replace(record, lane=lane))


def ready_at(record: LaneRecord, end: int) -> float | None:
    """When the lane may be claimed, given its log's last number; None when it has nothing to send or has ended."""
    if record.lane.state is LaneState.ENDED or record.lane.cursor >= end:
        return None
    return record.lane.due_at if record.leased_until is None else record.leased_until


def claim(record: LaneRecord, end: int, *, now: float, lease_until: float) -> LaneRecord | None:
    """The lane under a new lease; None when it is not ready."""
    ready = ready_at(record, end)
    if ready is None or ready > now:
        return None
    return replace(record, lease=record.lease + 1, leased_until=lease_until)


def settle(
    record: LaneRecord, lease: int, verdict: Verdict, end: int, *, now: float, lease_until: float
) -> Change | None:
    """What a verdict on the head means; None when the lease is stale."""
    if record.leased_until is None or record.lease != lease:
        return None
    match verdict:
        case Delivered(encoding):
            opened = replace(record.lane, state=LaneState.OPEN, encoding=encoding or record.lane.encoding)
            return Change(_step(replace(record, lane=opened), end, now=now, lease_until=lease_until))
        case StepOver(reason):
            head = record.lane.cursor + 1
            return Change(_step(record, end, now=now, lease_until=lease_until), range(head, head + 1), reason)
        case RetryAt(due_at, down, counted):
            state = LaneState.DOWN if down else LaneState.OPEN
            lane = replace(record.lane, attempts=record.lane.attempts + counted, due_at=due_at, state=state)
            return Change(replace(record, lane=lane, leased_until=None))
        case EndLane(reason):
            return end_lane(record, end, reason)


def _step(record: LaneRecord, end: int, *, now: float, lease_until: float) -> LaneRecord:
    """One entry further: on at once under a renewed lease, or at rest, or over."""
    lane = record.lane
    cursor = lane.cursor + 1
    more = cursor < end
    state = LaneState.ENDED if lane.closing and not more else lane.state
    lane = replace(lane, cursor=cursor, attempts=0, due_at=now, state=state)
    if more:
        return replace(record, lane=lane, lease=record.lease + 1, leased_until=lease_until)
    return replace(record, lane=lane, leased_until=None)


def close(record: LaneRecord, end: int) -> LaneRecord:
    """The leg is over: the lane ends once drained, which may be now."""
    if record.lane.state is LaneState.ENDED:
        return record
    state = record.lane.state if record.lane.cursor < end else LaneState.ENDED
    return replace(record, lane=replace(record.lane, closing=True, state=state))


def end_lane(record: LaneRecord, end: int, reason: str) -> Change:
    """The lane is over now; what it has not delivered is given up."""
    lane = record.lane
    ended = replace(record, lane=replace(lane, state=LaneState.ENDED), leased_until=None)
    return Change(ended, range(lane.cursor + 1, end + 1), reason)


def unsubscribe(record: LaneRecord, end: int) -> Change | None:
    """A request deletes the subscription; None when one did before. A lane that ended by itself only gets its mark."""
    if record.deleted:
        return None
    marked = replace(record, deleted=True)
    return Change(marked) if marked.lane.state is LaneState.ENDED else end_lane(marked, end, UNSUBSCRIBED)


def check_idempotency(known_fingerprint: bytes, claim: IdempotencyClaim) -> None:
    """The key was used before: fine for the same parameters.

    Raises:
        Refused: IDEMPOTENCY_CONFLICT.
    """
    if known_fingerprint != claim.fingerprint:
        raise errors.Refused(errors.IDEMPOTENCY_CONFLICT)


def check_room(open_subscriptions: int, limits: Limits) -> None:
    """Raises:
    Refused: TOO_MANY_SUBSCRIPTIONS.
    """
    if open_subscriptions >= limits.subscriptions_per_leg:
        raise errors.Refused(errors.TOO_MANY_SUBSCRIPTIONS)


def subscription_of(record: LaneRecord) -> Subscription:
    lane = record.lane
    return Subscription(
        sid=SubscriptionSid(lane.id),
        account_sid=lane.account_sid,
        leg_sid=lane.leg_sid,
        callback=lane.url,
        method=lane.method,
        created_at=record.created_at,
    )
