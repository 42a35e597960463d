"""Lanes and the subscriptions behind them: read a lane with its log's end, ask `rules`, write it back."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from operator import attrgetter

import apsw

from midcall.core import errors
from midcall.core.delivery import Verdict
from midcall.core.lanes import Attempt, Lane, LaneKind, Replay, Turn
from midcall.core.messages import IdempotencyClaim, Limits, Log, Subscription, check_leg
from midcall.core.sids import AccountSid, CallSid, SubscriptionSid, to_bytes
from midcall.ports import Claimed, PageRequest, PageResult
from midcall.storage import rows, rules
from midcall.storage.queries import Row, first, run, value
from midcall.storage.rows import LOG_CODES
from midcall.storage.rules import LaneRecord
from midcall.storage.verbs.messages import first_resource, give_up, last_seq, remember, resolve, see_leg
from midcall.storage.verbs.pages import Where, page

_log = logging.getLogger(__name__)


def read(db: apsw.Connection, lane_id: str) -> tuple[LaneRecord, int] | None:
    """A lane and the last number of its log."""
    row = first(db, "lane", rows.lane_key(lane_id))
    return None if row is None else rows.lane(row)


def write(db: apsw.Connection, record: LaneRecord, end: int) -> None:
    run(db, "put_lane", rows.lane_row(record, rules.ready_at(record, end)))


def apply(db: apsw.Connection, change: rules.Change, end: int, at: float) -> None:
    """Write what became of a lane, and list what it gave up."""
    write(db, change.record, end)
    lane = change.record.lane
    give_up(db, lane.leg_sid, rules.LOG_OF[lane.kind], change.given_up, lane.id, change.reason, at)
    if change.delivery is not None:
        run(db, "put_delivery", rows.delivery_row(lane.leg_sid, change.delivery))
    if change.resolved is not None:
        resolve(db, lane, change.resolved, at)


def close_all(db: apsw.Connection, leg: CallSid) -> None:
    """The leg is over: its lanes end once drained."""
    for record, end in [rows.lane(row) for row in run(db, "lanes_of_leg", (to_bytes(leg),))]:
        closed = rules.close(record, end)
        if closed is not record:
            write(db, closed, end)


def add_subscription(
    db: apsw.Connection, subscription: Subscription, limits: Limits, idempotency: IdempotencyClaim | None
) -> tuple[Subscription, bool]:
    leg = rows.key(subscription.leg_sid, "CA")
    known = first_resource(db, subscription.account_sid, leg, idempotency)
    if known is not None:
        found = read(db, rows.lane_id(known, LOG_CODES[Log.FROM_CLIENT], is_replay=False))
        assert found is not None  # both rows go together
        return rules.subscription_of(found[0]), True
    view, end, _ = see_leg(db, subscription.account_sid, leg, LOG_CODES[Log.FROM_CLIENT], None)
    check_leg(view)
    count = value(db, "count_open_subscriptions", (leg,))
    rules.check_room(count, limits)
    open_subscription(db, subscription, rules.first_number(Log.FROM_CLIENT, limits), end)
    remember(db, subscription.account_sid, leg, idempotency, to_bytes(subscription.sid))
    return subscription, False


def open_subscription(db: apsw.Connection, subscription: Subscription, first: int, end: int | None) -> None:
    start = rules.start_of(subscription, first, end)
    write(db, rules.subscription_record(subscription, start), start if end is None else end)


def end_subscription(db: apsw.Connection, account: AccountSid, leg: CallSid, sid: SubscriptionSid, at: float) -> bool:
    found = read(db, sid) if sid.startswith("ZY") else None
    if found is None or (found[0].lane.account_sid, found[0].lane.leg_sid) != (account, leg):
        return False
    record, end = found
    change = rules.unsubscribe(record, end)
    if change is None:
        return False
    apply(db, change, end, at)
    return True


def subscriptions(db: apsw.Connection, account: AccountSid, leg: CallSid) -> Sequence[Subscription]:
    found = run(db, "subscriptions", (rows.key(account, "AC"), rows.key(leg, "CA")))
    return [rules.subscription_of(rows.lane(row)[0]) for row in found]


def due(db: apsw.Connection, now: float, limit: int) -> Sequence[str]:
    return [rows.lane_id(*found) for found in run(db, "due_lanes", (now, limit))]


def next_due(db: apsw.Connection) -> float | None:
    at: float | None = value(db, "next_due")
    return at


def claim(db: apsw.Connection, lane_id: str, now: float, lease_until: float) -> Turn | None:
    row = first(db, "lane", rows.lane_key(lane_id))
    return None if row is None else _claim(db, row, now, lease_until)


def _claim(db: apsw.Connection, row: Row, now: float, lease_until: float) -> Turn | None:
    record, end = rows.lane(row)
    claimed = rules.claim(record, end, now=now, lease_until=lease_until)
    if claimed is None:
        return None
    write(db, claimed, end)
    return _turn(db, claimed)


def claim_due(db: apsw.Connection, now: float, lease_until: float, limit: int, but: Collection[str]) -> Claimed:
    found = list(run(db, "lanes_due", (now, limit + len(but) + 1)))
    wanted = [row for row in found if rows.id_of_lane(row) not in but][:limit]
    claimed = [_claim_apart(db, row, now, lease_until) for row in wanted]
    turns = [turn for turn in claimed if turn is not None]
    return Claimed(turns, more=len(turns) < len(found))


def _claim_apart(db: apsw.Connection, row: Row, now: float, lease_until: float) -> Turn | None:
    """A lane that cannot be claimed keeps no other one waiting."""
    try:
        return _claim(db, row, now, lease_until)
    except apsw.Error:
        raise
    except Exception:
        _log.exception("a lane cannot be claimed", extra={"lane": rows.id_of_lane(row)})
        return None


def settle(
    db: apsw.Connection, turn: Turn, verdict: Verdict, now: float, lease_until: float, attempt: Attempt | None
) -> Turn | None:
    found = read(db, turn.lane.id)
    if found is None:
        return None
    record, end = found
    change = rules.settle(record, turn.lease, verdict, end, now=now, lease_until=lease_until, attempt=attempt)
    if change is None:
        return None
    apply(db, change, end, now)
    return None if change.record.leased_until is None else _turn(db, change.record)


def _turn(db: apsw.Connection, record: LaneRecord) -> Turn:
    lane = record.lane
    place = (to_bytes(lane.leg_sid), LOG_CODES[rules.LOG_OF[lane.kind]], rules.head(lane))
    row = first(db, "entry", place)
    assert row is not None  # a lane that was claimed has a head
    return Turn(lane=lane, entry=rows.entry(row), lease=record.lease)


def listed(db: apsw.Connection, account: AccountSid, leg: CallSid | None, limit: int) -> Sequence[Lane]:
    owner = rows.key(account, "AC")
    if leg is None:
        found = run(db, "list_lanes", (owner, limit))
    else:
        found = run(db, "list_lanes_of_leg", (owner, rows.key(leg, "CA"), limit))
    return [rows.lane(row)[0].lane for row in found]


def fetch(db: apsw.Connection, account: AccountSid, lane_id: str) -> Lane | None:
    found = read(db, lane_id)
    return found[0].lane if found is not None and found[0].lane.account_sid == account else None


def lane_page(
    db: apsw.Connection, account: AccountSid, kind: LaneKind, leg: CallSid | None, request: PageRequest
) -> PageResult[Lane]:
    where: Where = {
        "account": rows.key(account, "AC"),
        "log": LOG_CODES[rules.LOG_OF[kind]],
        "is_replay": int(kind is LaneKind.REPLAY),
        "leg": None if leg is None else rows.key(leg, "CA"),
    }
    prefix = rows.LANE_PREFIXES[kind]
    return page(
        db, "lane_page", where, request, "place_of_lane", prefix, lambda row: rows.lane(row)[0].lane, attrgetter("id")
    )


def add_replays(db: apsw.Connection, replays: Sequence[Replay]) -> None:
    for replay in replays:
        if first(db, "call", (rows.key(replay.account_sid, "AC"), rows.key(replay.leg_sid, "CA"))) is None:
            raise errors.Refused(errors.NOT_FOUND)
        record = rules.replay_record(replay)
        write(db, record, last_seq(db, replay.leg_sid, Log.FROM_CLIENT) or 0)


def end_replay(db: apsw.Connection, account: AccountSid, lane_id: str) -> bool:
    found = read(db, lane_id)
    if found is None or found[0].lane.account_sid != account or not rules.is_open_replay(found[0].lane):
        return False
    record, end = found
    apply(db, rules.end_lane(record, end, rules.REPLAY_STOPPED), end, record.lane.created_at)
    return True
