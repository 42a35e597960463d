"""What happens to a lane, and to numbers and keys, whichever database holds them: pure decisions shared by the stores.

A store reads a `LaneRecord` and the end of its log, asks here what becomes of it, and writes the answer back.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from midcall.core import errors
from midcall.core.delivery import Delivered, EndLane, RetryAt, StepOver, Verdict
from midcall.core.lanes import Attempt, Delivery, DeliveryState, Lane, LaneKind, LaneState, Missed, Replay, runs
from midcall.core.messages import IdempotencyClaim, Limits, Log, Subscription
from midcall.core.sids import AccountSid, CallSid, SubscriptionSid
from midcall.ports import StatusLane

CALL_ENDED: Final = "the call ended first"
RECEIPT_UNKNOWN: Final = "receipt unknown"
"""The server died: the message may have been written to the client, and its receipt was not committed."""
UNSUBSCRIBED: Final = "the subscription was deleted"
STATUS_LANE_ENDED: Final = "the status callback was removed"
REPLAY_STOPPED: Final = "the replay was stopped"

IDEMPOTENCY_KEPT_S: Final = 24 * 3600.0
"""How long after a call's end its idempotency keys are honoured (promise M10)."""

LOG_OF: Final = {
    LaneKind.MESSAGES: Log.FROM_CLIENT,
    LaneKind.STATUS: Log.STATUS,
    LaneKind.REPLAY: Log.FROM_CLIENT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneRecord:
    """A lane as stores keep it.

    Attributes:
        lease: number of the last lease; it only grows.
        leased_until: epoch seconds; None when nobody holds the lane.
        deleted: its subscription was deleted by a request.
    """

    lane: Lane
    lease: int = 0
    leased_until: float | None = None
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of a lane, and which entries of its log (as sequence numbers) are given up.

    Attributes:
        delivery: what is kept of the attempt that led here; its `first_at` counts only when it is the first.
        resolved: the entry that a replay has delivered: whoever gave it up need not mourn it any more.
    """

    record: LaneRecord
    given_up: range = range(0)
    reason: str = ""
    delivery: Delivery | None = None
    resolved: int | None = None


def first_number(log: Log, limits: Limits) -> int:
    """The number of a log's first entry.

    Only callbacks show numbers. The to_client log starts at 1 always, because a reader without cursor stands at 0.
    """
    return limits.first_sequence if log is Log.FROM_CLIENT else 1


def status_entry_sid(leg: CallSid, seq: int) -> str:
    """Status entries are known by their place only."""
    return f"{leg}:{seq}"


def start_of(subscription: Subscription, first: int, end: int | None) -> int:
    """After which number a new subscription begins.

    Args:
        first: number of the log's first entry, or the one it will have; `end`: of its last one.
    """
    return first - 1 if subscription.from_start or end is None else end


def subscription_record(subscription: Subscription, start: int) -> LaneRecord:
    """The lane of a new subscription, which begins after a number of its log."""
    lane = Lane(
        id=subscription.sid,
        account_sid=subscription.account_sid,
        leg_sid=subscription.leg_sid,
        kind=LaneKind.MESSAGES,
        url=subscription.callback,
        method=subscription.method,
        encoding=None,
        cursor=start,
        attempts=0,
        due_at=subscription.created_at,
        state=LaneState.OPEN,
        closing=False,
        created_at=subscription.created_at,
        start=start,
    )
    return LaneRecord(lane=lane)


def replay_record(replay: Replay) -> LaneRecord:
    """The lane of a replay: it has its end from the beginning."""
    start = replay.numbers[0].start - 1
    lane = Lane(
        id=replay.sid,
        account_sid=replay.account_sid,
        leg_sid=replay.leg_sid,
        kind=LaneKind.REPLAY,
        url=replay.url,
        method=replay.method,
        encoding=None,
        cursor=start,
        attempts=0,
        due_at=replay.created_at,
        state=LaneState.OPEN,
        closing=True,
        created_at=replay.created_at,
        start=start,
        numbers=replay.numbers,
        origin=replay.origin,
    )
    return LaneRecord(lane=lane)


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
        created_at=at,
        start=end,
    )
    return LaneRecord(lane=lane)


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


def head(lane: Lane) -> int:
    """Number of the entry that a lane sends next, if it is there."""
    following = lane.cursor + 1
    if lane.numbers is None:
        return following
    return next(max(following, run.start) for run in lane.numbers if following < run.stop)


def reach(lane: Lane, end: int) -> int:
    """Number of the last entry that a lane has to send, given its log's last number."""
    return end if lane.numbers is None else lane.numbers[-1].stop - 1


def ready_at(record: LaneRecord, end: int) -> float | None:
    """When the lane may be claimed, given its log's last number; None when it has nothing to send or has ended."""
    if record.lane.state is LaneState.ENDED or record.lane.cursor >= reach(record.lane, end):
        return None
    return record.lane.due_at if record.leased_until is None else record.leased_until


def claim(record: LaneRecord, end: int, *, now: float, lease_until: float) -> LaneRecord | None:
    """The lane under a new lease; None when it is not ready."""
    ready = ready_at(record, end)
    if ready is None or ready > now:
        return None
    return replace(record, lease=record.lease + 1, leased_until=lease_until)


def settle(
    record: LaneRecord,
    lease: int,
    verdict: Verdict,
    end: int,
    *,
    now: float,
    lease_until: float,
    attempt: Attempt | None = None,
) -> Change | None:
    """What a verdict on the head means; None when the lease is stale."""
    if record.leased_until is None or record.lease != lease:
        return None
    kept = None
    if attempt is not None and record.lane.kind is not LaneKind.STATUS:
        kept = _delivery(record.lane, verdict, attempt, now)
    number = head(record.lane)
    match verdict:
        case Delivered(encoding):
            opened = replace(record.lane, state=LaneState.OPEN, encoding=encoding or record.lane.encoding)
            stepped = _step(replace(record, lane=opened), end, now=now, lease_until=lease_until)
            return Change(stepped, delivery=kept, resolved=number if record.lane.kind is LaneKind.REPLAY else None)
        case StepOver(reason):
            stepped = _step(record, end, now=now, lease_until=lease_until)
            return Change(stepped, _listed(record.lane, range(number, number + 1)), reason, kept)
        case RetryAt(due_at, down, counted):
            state = LaneState.DOWN if down else LaneState.OPEN
            lane = replace(record.lane, attempts=record.lane.attempts + counted, due_at=due_at, state=state)
            return Change(replace(record, lane=lane, leased_until=None), delivery=kept)
        case EndLane(reason):
            return replace(end_lane(record, end, reason), delivery=kept)


def _delivery(lane: Lane, verdict: Verdict, attempt: Attempt, now: float) -> Delivery:
    match verdict:
        case Delivered():
            state = DeliveryState.DELIVERED
        case RetryAt():
            state = DeliveryState.RETRYING
        case _:
            state = DeliveryState.UNDELIVERED
    return Delivery(
        lane_id=lane.id,
        seq=head(lane),
        state=state,
        attempts=lane.attempts + 1,
        status=attempt.status,
        error=attempt.error,
        first_at=attempt.sent_at,
        last_at=attempt.sent_at,
        settled_at=now,
    )


def _listed(lane: Lane, numbers: range) -> range:
    """What a lane lists as undelivered: a replay nothing, because who gave a message up first has listed it."""
    return range(0) if lane.kind is LaneKind.REPLAY else numbers


def _step(record: LaneRecord, end: int, *, now: float, lease_until: float) -> LaneRecord:
    """One entry further: on at once under a renewed lease, or at rest, or over."""
    lane = record.lane
    cursor = head(lane)
    more = cursor < reach(lane, end)
    state = LaneState.ENDED if lane.closing and not more else lane.state
    lane = replace(lane, cursor=cursor, attempts=0, due_at=now, state=state)
    if more:
        return replace(record, lane=lane, lease=record.lease + 1, leased_until=lease_until)
    return replace(record, lane=lane, leased_until=None)


def close(record: LaneRecord, end: int) -> LaneRecord:
    """The leg is over: the lane ends once drained, which may be now."""
    if record.lane.state is LaneState.ENDED:
        return record
    state = record.lane.state if record.lane.cursor < reach(record.lane, end) else LaneState.ENDED
    return replace(record, lane=replace(record.lane, closing=True, state=state))


def end_lane(record: LaneRecord, end: int, reason: str) -> Change:
    """The lane is over now; what it has not delivered is given up."""
    lane = record.lane
    ended = replace(record, lane=replace(lane, state=LaneState.ENDED, reason=reason), leased_until=None)
    return Change(ended, _listed(lane, range(lane.cursor + 1, end + 1)), reason)


def is_open_replay(lane: Lane) -> bool:
    return lane.kind is LaneKind.REPLAY and lane.state is not LaneState.ENDED


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
        created_at=lane.created_at,
    )


def missed(places: Iterable[tuple[CallSid, SubscriptionSid, int]]) -> Sequence[Missed]:
    """Gather numbers that were given up, by leg and subscription in the order in which those first appear."""
    gathered: dict[tuple[CallSid, SubscriptionSid], list[int]] = {}
    for leg, subscription, seq in places:
        gathered.setdefault((leg, subscription), []).append(seq)
    return [Missed(leg, subscription, runs(seqs)) for (leg, subscription), seqs in gathered.items()]


def unsure(cursor: int, end: int, bound: int | None) -> tuple[range, range]:
    """What a leg's client did not receipt before the server died: (what it may have, what it surely has not).

    Args:
        bound: the client was away, and nothing after this number was written to it; None: it was there.
    """
    written = end if bound is None else max(cursor, min(bound, end))
    return range(cursor + 1, written + 1), range(written + 1, end + 1)
