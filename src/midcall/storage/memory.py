"""The Store in plain dictionaries, for tests and as the model that every SQL store is compared with.

Every operation is one synchronous step, so it is atomic on the loop without locks. Nothing survives the process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeVar

from midcall.core.accounts import Account, ApiKey, Application
from midcall.core.alerts import Alert
from midcall.core.calls import Call, CallFilter
from midcall.core.delivery import Verdict
from midcall.core.lanes import Lane, LaneKind, LaneState, Turn, Undelivered
from midcall.core.messages import (
    JSON,
    Appended,
    Draft,
    Entry,
    IdempotencyClaim,
    LegView,
    Limits,
    Log,
    Subscription,
    admit,
    check_leg,
)
from midcall.core.sids import AccountSid, ApplicationSid, CallSid, KeySid, SubscriptionSid
from midcall.ports import PageRequest, PageResult, Saved, StatusLane, Transition
from midcall.storage import rules
from midcall.storage.rules import LaneRecord

T = TypeVar("T")


@dataclass(slots=True)
class _Leg:
    """Everything that goes when a call is deleted. `logs` are lists whose first entry has the number `first`."""

    logs: dict[Log, list[Entry]] = field(default_factory=dict)
    sids: dict[tuple[Log, str], Entry] = field(default_factory=dict)
    cursors: dict[str, int] = field(default_factory=dict)
    lanes: list[str] = field(default_factory=list)
    idempotency: dict[tuple[AccountSid, str, str], tuple[bytes, str]] = field(default_factory=dict)

    def end(self, log: Log) -> int | None:
        """Number of the log's last entry; None when it is empty."""
        entries = self.logs.get(log)
        return entries[-1].seq if entries else None

    def add(self, entry: Entry) -> None:
        self.logs.setdefault(entry.log, []).append(entry)
        self.sids[entry.log, entry.sid] = entry

    def after(self, log: Log, seq: int) -> Iterable[Entry]:
        entries = self.logs.get(log)
        if not entries:
            return ()
        return islice(entries, max(0, seq + 1 - entries[0].seq), None)

    def numbered(self, log: Log, numbers: range) -> Iterable[Entry]:
        return islice(self.after(log, numbers.start - 1), len(numbers))


class MemoryStore:
    """The Store port without a disk."""

    def __init__(self) -> None:
        self._accounts: dict[AccountSid, Account] = {}
        self._keys: dict[KeySid, ApiKey] = {}
        self._applications: dict[ApplicationSid, Application] = {}
        self._actors: dict[str, Saved] = {}
        self._calls: dict[CallSid, Call] = {}
        self._legs: dict[CallSid, _Leg] = {}
        self._lanes: dict[str, LaneRecord] = {}
        self._undelivered: dict[tuple[CallSid, Log, int, str], Undelivered] = {}
        self._alerts: dict[str, Alert] = {}

    async def close(self) -> None:
        return

    # accounts, keys, applications

    async def put_account(self, account: Account) -> None:
        self._accounts[account.sid] = account

    async def account(self, sid: AccountSid) -> Account | None:
        return self._accounts.get(sid)

    async def accounts(
        self,
        owner: AccountSid,
        page: PageRequest,
        *,
        friendly_name: str | None = None,
        status: str | None = None,
    ) -> PageResult[Account]:
        def wanted(account: Account) -> bool:
            return friendly_name in (None, account.friendly_name) and status in (None, account.status)

        mine = (account for account in self._accounts.values() if account.owner_sid == owner)
        return _page(mine, wanted, lambda account: account.sid, page)

    async def put_key(self, key: ApiKey) -> None:
        self._keys[key.sid] = key

    async def key(self, sid: KeySid) -> ApiKey | None:
        return self._keys.get(sid)

    async def keys(self, account: AccountSid, page: PageRequest) -> PageResult[ApiKey]:
        mine = (key for key in self._keys.values() if key.account_sid == account)
        return _page(mine, lambda key: True, lambda key: key.sid, page)

    async def delete_key(self, account: AccountSid, sid: KeySid) -> bool:
        key = self._keys.get(sid)
        if key is None or key.account_sid != account:
            return False
        del self._keys[sid]
        return True

    async def put_application(self, application: Application) -> None:
        self._applications[application.sid] = application

    async def application(self, account: AccountSid, sid: ApplicationSid) -> Application | None:
        application = self._applications.get(sid)
        return application if application is not None and application.account_sid == account else None

    async def applications(
        self, account: AccountSid, page: PageRequest, *, friendly_name: str | None = None
    ) -> PageResult[Application]:
        mine = (application for application in self._applications.values() if application.account_sid == account)
        return _page(mine, lambda row: friendly_name in (None, row.friendly_name), lambda row: row.sid, page)

    async def delete_application(self, account: AccountSid, sid: ApplicationSid) -> bool:
        if await self.application(account, sid) is None:
            return False
        del self._applications[sid]
        return True

    # calls and actors

    async def save(self, transition: Transition) -> None:
        self.save_soon(transition)

    def save_soon(self, transition: Transition) -> None:
        self._save_actor(transition)
        leg = CallSid(transition.owner) if transition.call is None else transition.call.sid
        ended_before = self._has_ended(leg)
        if transition.call is not None:
            self._calls[leg] = transition.call
        if transition.status_lane is not None:
            self._readdress(transition.account_sid, leg, transition.status_lane, transition.at)
        for content in transition.status_entries:
            self._append_status(transition.account_sid, leg, content, transition.at)
        if self._has_ended(leg):
            self._close_lanes(leg)
            if not ended_before:
                self._give_up_on_client(leg, transition.reader, transition.at)
        for alert in transition.alerts:
            self._alerts[alert.sid] = alert

    def _save_actor(self, transition: Transition) -> None:
        if transition.state is None:
            self._actors.pop(transition.owner, None)
        else:
            self._actors[transition.owner] = Saved(transition.state, dict(transition.timers))

    def _has_ended(self, leg: CallSid) -> bool:
        call = self._calls.get(leg)
        return call is not None and call.status.is_final

    def _readdress(self, account: AccountSid, leg: CallSid, target: StatusLane, at: float) -> None:
        end = self._leg(leg).end(Log.STATUS) or 0
        change = rules.readdress(self._lanes.get(leg), account, leg, target, end, at)
        if change is not None:
            self._apply(change, at)

    def _append_status(self, account: AccountSid, leg: CallSid, content: bytes, at: float) -> None:
        seq = (self._leg(leg).end(Log.STATUS) or 0) + 1
        self._kept_leg(leg).add(
            Entry(
                account_sid=account,
                leg_sid=leg,
                log=Log.STATUS,
                seq=seq,
                sid=rules.status_entry_sid(leg, seq),
                content=content,
                content_type=JSON,
                at=at,
            )
        )

    def _close_lanes(self, leg: CallSid) -> None:
        for lane_id in self._leg(leg).lanes:
            record = self._lanes[lane_id]
            self._lanes[lane_id] = rules.close(record, self._end(record))

    def _give_up_on_client(self, leg: CallSid, reader: str | None, at: float) -> None:
        cursor = 0 if reader is None else self._leg(leg).cursors.get(reader, 0)
        for entry in self._leg(leg).after(Log.TO_CLIENT, cursor):
            self._give_up(entry, reader or "", rules.CALL_ENDED, at)

    async def load(self, owner: str) -> Saved | None:
        return self._actors.get(owner)

    async def live_owners(self) -> Sequence[str]:
        return list(self._actors)

    async def call(self, account: AccountSid, sid: CallSid) -> Call | None:
        call = self._calls.get(sid)
        return call if call is not None and call.account_sid == account else None

    async def calls(self, account: AccountSid, where: CallFilter, page: PageRequest) -> PageResult[Call]:
        mine = (call for call in self._calls.values() if call.account_sid == account)
        return _page(mine, lambda call: _matches(call, where), lambda call: call.sid, page)

    async def delete_call(self, account: AccountSid, sid: CallSid) -> bool:
        if await self.call(account, sid) is None:
            return False
        del self._calls[sid]
        self._actors.pop(sid, None)
        for lane_id in self._leg(sid).lanes:
            del self._lanes[lane_id]
        self._legs.pop(sid, None)
        self._undelivered = {key: row for key, row in self._undelivered.items() if key[0] != sid}
        self._alerts = {key: alert for key, alert in self._alerts.items() if alert.call_sid != sid}
        return True

    async def purge(self, now: float) -> None:
        for sid, call in self._calls.items():
            ended_at = call.updated_at if call.ended_at is None else call.ended_at
            if call.status.is_final and ended_at <= now - rules.IDEMPOTENCY_KEPT_S:
                self._leg(sid).idempotency.clear()

    # messages

    async def append_message(
        self, draft: Draft, limits: Limits, idempotency: IdempotencyClaim | None = None
    ) -> Appended:
        leg = self._leg(draft.leg_sid)
        known = self._first_resource(draft.account_sid, draft.leg_sid, idempotency)
        if known is not None:
            return Appended(leg.sids[draft.log, known], repeated=True)
        repeated = leg.sids.get((draft.log, draft.sid))
        if repeated is not None and repeated.account_sid == draft.account_sid:
            return Appended(repeated, repeated=True)
        admit(draft, self._view(draft.account_sid, draft.leg_sid), limits)
        end = leg.end(draft.log)
        entry = Entry(
            account_sid=draft.account_sid,
            leg_sid=draft.leg_sid,
            log=draft.log,
            seq=rules.first_number(draft.log, limits) if end is None else end + 1,
            sid=draft.sid,
            content=draft.content,
            content_type=draft.content_type,
            at=draft.at,
        )
        self._kept_leg(draft.leg_sid).add(entry)
        self._remember(draft.account_sid, draft.leg_sid, idempotency, draft.sid)
        return Appended(entry, repeated=False)

    async def entries_after(self, leg: CallSid, log: Log, seq: int, limit: int) -> Sequence[Entry]:
        return list(islice(self._leg(leg).after(log, seq), limit))

    async def cursor(self, leg: CallSid, reader: str) -> int:
        return self._leg(leg).cursors.get(reader, 0)

    def move_cursor(self, leg: CallSid, reader: str, seq: int) -> None:
        cursors = self._leg(leg).cursors
        target = min(seq, self._leg(leg).end(Log.TO_CLIENT) or 0)
        if target > cursors.get(reader, 0):
            cursors[reader] = target

    async def undelivered(self, account: AccountSid, leg: CallSid | None, limit: int) -> Sequence[Undelivered]:
        rows = reversed(self._undelivered.values())
        return list(
            islice((r for r in rows if r.entry.account_sid == account and leg in (None, r.entry.leg_sid)), limit)
        )

    # subscriptions

    async def add_subscription(
        self, subscription: Subscription, limits: Limits, idempotency: IdempotencyClaim | None = None
    ) -> tuple[Subscription, bool]:
        leg = self._leg(subscription.leg_sid)
        known = self._first_resource(subscription.account_sid, subscription.leg_sid, idempotency)
        if known is not None:
            return rules.subscription_of(self._lanes[known]), True
        check_leg(self._view(subscription.account_sid, subscription.leg_sid))
        rules.check_room(sum(self._is_open_subscription(lane_id) for lane_id in leg.lanes), limits)
        end = leg.end(Log.FROM_CLIENT)
        start = rules.first_number(Log.FROM_CLIENT, limits) - 1 if end is None else end
        self._put_lane(rules.subscription_record(subscription, start))
        self._remember(subscription.account_sid, subscription.leg_sid, idempotency, subscription.sid)
        return subscription, False

    def _is_open_subscription(self, lane_id: str) -> bool:
        lane = self._lanes[lane_id].lane
        return lane.kind is LaneKind.MESSAGES and lane.state is not LaneState.ENDED

    async def end_subscription(self, account: AccountSid, leg: CallSid, sid: SubscriptionSid, *, at: float) -> bool:
        record = self._lanes.get(sid)
        if record is None or (record.lane.account_sid, record.lane.leg_sid) != (account, leg):
            return False
        change = rules.unsubscribe(record, self._end(record))
        if change is None:
            return False
        self._apply(change, at)
        return True

    async def subscriptions(self, account: AccountSid, leg: CallSid) -> Sequence[Subscription]:
        records = (self._lanes[lane_id] for lane_id in reversed(self._leg(leg).lanes))
        return [
            rules.subscription_of(record)
            for record in records
            if record.lane.kind is LaneKind.MESSAGES and record.lane.account_sid == account and not record.deleted
        ]

    # lanes

    async def due_lanes(self, now: float, limit: int) -> Sequence[str]:
        waiting = [(ready, lane_id) for lane_id, ready in self._ready_lanes() if ready <= now]
        waiting.sort(key=lambda pair: pair[0])
        return [lane_id for _, lane_id in waiting[:limit]]

    async def next_due(self) -> float | None:
        return min((ready for _, ready in self._ready_lanes()), default=None)

    def _ready_lanes(self) -> Iterable[tuple[str, float]]:
        for lane_id, record in self._lanes.items():
            ready = rules.ready_at(record, self._end(record))
            if ready is not None:
                yield lane_id, ready

    async def claim(self, lane_id: str, *, now: float, lease_until: float) -> Turn | None:
        record = self._lanes.get(lane_id)
        if record is None:
            return None
        claimed = rules.claim(record, self._end(record), now=now, lease_until=lease_until)
        return None if claimed is None else self._turn(claimed)

    async def settle(self, turn: Turn, verdict: Verdict, *, now: float, lease_until: float) -> Turn | None:
        record = self._lanes.get(turn.lane.id)
        if record is None:
            return None
        change = rules.settle(record, turn.lease, verdict, self._end(record), now=now, lease_until=lease_until)
        if change is None:
            return None
        self._apply(change, now)
        return None if change.record.leased_until is None else self._turn(change.record)

    async def lanes(self, account: AccountSid, leg: CallSid | None, limit: int) -> Sequence[Lane]:
        found = (record.lane for record in reversed(self._lanes.values()))
        return list(islice((x for x in found if x.account_sid == account and leg in (None, x.leg_sid)), limit))

    # alerts

    async def add_alert(self, alert: Alert) -> None:
        self._alerts[alert.sid] = alert

    async def alerts(self, account: AccountSid, call: CallSid | None, page: PageRequest) -> PageResult[Alert]:
        mine = (alert for alert in self._alerts.values() if alert.account_sid == account)
        return _page(mine, lambda alert: call in (None, alert.call_sid), lambda alert: alert.sid, page)

    # rows

    def _leg(self, sid: CallSid) -> _Leg:
        """A leg's rows, for reading; unknown legs read as empty."""
        return self._legs.get(sid) or _Leg()

    def _kept_leg(self, sid: CallSid) -> _Leg:
        """A leg's rows, for writing."""
        return self._legs.setdefault(sid, _Leg())

    def _view(self, account: AccountSid, sid: CallSid) -> LegView | None:
        call = self._calls.get(sid)
        if call is None or call.account_sid != account:
            return None
        leg = self._leg(sid)
        waiting = (leg.end(Log.TO_CLIENT) or 0) - max(leg.cursors.values(), default=0)
        return LegView(status=call.status, sdk_leg=call.sdk_leg, waiting=waiting)

    def _first_resource(self, account: AccountSid, leg: CallSid, claim: IdempotencyClaim | None) -> str | None:
        if claim is None:
            return None
        known = self._leg(leg).idempotency.get((account, claim.endpoint, claim.key))
        if known is None:
            return None
        fingerprint, resource = known
        rules.check_idempotency(fingerprint, claim)
        return resource

    def _remember(self, account: AccountSid, leg: CallSid, claim: IdempotencyClaim | None, resource: str) -> None:
        if claim is not None:
            self._kept_leg(leg).idempotency[account, claim.endpoint, claim.key] = (claim.fingerprint, resource)

    def _end(self, record: LaneRecord) -> int:
        end = self._leg(record.lane.leg_sid).end(rules.LOG_OF[record.lane.kind])
        return record.lane.cursor if end is None else end

    def _put_lane(self, record: LaneRecord) -> None:
        if record.lane.id not in self._lanes:
            self._kept_leg(record.lane.leg_sid).lanes.append(record.lane.id)
        self._lanes[record.lane.id] = record

    def _turn(self, record: LaneRecord) -> Turn:
        self._put_lane(record)
        lane = record.lane
        head = next(iter(self._leg(lane.leg_sid).after(rules.LOG_OF[lane.kind], lane.cursor)))
        return Turn(lane=lane, entry=head, lease=record.lease)

    def _apply(self, change: rules.Change, at: float) -> None:
        self._put_lane(change.record)
        lane = change.record.lane
        for entry in self._leg(lane.leg_sid).numbered(rules.LOG_OF[lane.kind], change.given_up):
            self._give_up(entry, lane.id, change.reason, at)

    def _give_up(self, entry: Entry, reader: str, reason: str, at: float) -> None:
        key = (entry.leg_sid, entry.log, entry.seq, reader)
        self._undelivered.setdefault(key, Undelivered(entry, reader, reason, at))


def _matches(call: Call, where: CallFilter) -> bool:
    return (
        where.to in (None, call.to)
        and where.from_ in (None, call.from_)
        and where.parent_sid in (None, call.parent_sid)
        and where.status in (None, call.status)
        and _within(call.started_at, where.started_from, where.started_to)
        and _within(call.ended_at, where.ended_from, where.ended_to)
    )


def _within(at: float | None, start: float | None, end: float | None) -> bool:
    if start is None and end is None:
        return True
    return at is not None and (start is None or at >= start) and (end is None or at < end)


def _page(mine: Iterable[T], wanted: Callable[[T], bool], sid: Callable[[T], str], page: PageRequest) -> PageResult[T]:
    """A page of the wanted rows among an owner's, which are given oldest first.

    The request may name any of the owner's rows: one may have left the list since it was shown. A sid that is none of
    them gives an empty page.
    """
    newest_first = list(mine)[::-1]
    anchor = page.after or page.before
    if anchor is None:
        listed = [row for row in newest_first if wanted(row)]
        return PageResult(listed[: page.size], has_next=len(listed) > page.size, has_previous=False)
    place = next((i for i, row in enumerate(newest_first) if sid(row) == anchor), None)
    if place is None:
        return PageResult((), has_next=False, has_previous=False)
    if page.after:
        older = [row for row in newest_first[place + 1 :] if wanted(row)]
        return PageResult(older[: page.size], has_next=len(older) > page.size, has_previous=True)
    newer = [row for row in newest_first[:place] if wanted(row)]
    return PageResult(newer[-page.size :], has_next=True, has_previous=len(newer) > page.size)
