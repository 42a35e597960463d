"""The Store in plain dictionaries, for tests and as the model that every SQL store is compared with.

Every operation is one synchronous step, so it is atomic on the loop without locks. Nothing survives the process.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TypeVar

from midcall.core import errors
from midcall.core.accounts import Account, ApiKey, Application
from midcall.core.alerts import Alert, AlertFilter
from midcall.core.calls import Call, CallFilter
from midcall.core.delivery import Verdict
from midcall.core.errors import Refused
from midcall.core.lanes import (
    Attempt,
    Delivery,
    Lane,
    LaneKind,
    LaneState,
    Missed,
    Replay,
    Turn,
    Undelivered,
)
from midcall.core.messages import (
    JSON,
    Appended,
    Draft,
    Entry,
    IdempotencyClaim,
    LegView,
    Limits,
    Log,
    Receipt,
    Subscription,
    admit,
    check_leg,
)
from midcall.core.numbers import PhoneNumber, matches
from midcall.core.progress import Standing
from midcall.core.sids import AccountSid, ApplicationSid, CallSid, KeySid, PhoneNumberSid, ReplaySid, SubscriptionSid
from midcall.ports import Claimed, PageRequest, PageResult, Saved, StatusLane, Transition
from midcall.storage import rules
from midcall.storage.feedback import MemoryFeedback
from midcall.storage.paging import page_of as _page
from midcall.storage.rules import LaneRecord

T = TypeVar("T")


@dataclass(slots=True)
class _Leg:
    """Everything that goes when a call is deleted. `logs` are lists whose first entry has the number `first`."""

    logs: dict[Log, list[Entry]] = field(default_factory=dict)
    sids: dict[tuple[Log, str], Entry] = field(default_factory=dict)
    messages: list[Entry] = field(default_factory=list)
    receipts: list[Receipt] = field(default_factory=list)
    bounds: dict[str, int] = field(default_factory=dict)
    deliveries: dict[tuple[int, str], Delivery] = field(default_factory=dict)
    lanes: list[str] = field(default_factory=list)
    idempotency: dict[tuple[AccountSid, str, str], tuple[bytes, str]] = field(default_factory=dict)

    def end(self, log: Log) -> int | None:
        """Number of the log's last entry; None when it is empty."""
        entries = self.logs.get(log)
        return entries[-1].seq if entries else None

    def add(self, entry: Entry) -> None:
        self.logs.setdefault(entry.log, []).append(entry)
        if entry.log is not Log.STATUS:
            self.messages.append(entry)
        self.sids[entry.log, entry.sid] = entry

    def after(self, log: Log, seq: int) -> Iterable[Entry]:
        entries = self.logs.get(log)
        if not entries:
            return ()
        return islice(entries, max(0, seq + 1 - entries[0].seq), None)

    def cursor(self, reader: str) -> int:
        return max((receipt.seq for receipt in self.receipts if receipt.reader == reader), default=0)

    def numbered(self, log: Log, numbers: range) -> Iterable[Entry]:
        return islice(self.after(log, numbers.start - 1), len(numbers))


class MemoryStore(MemoryFeedback):
    """The Store port without a disk."""

    def __init__(self) -> None:
        super().__init__()
        self._accounts: dict[AccountSid, Account] = {}
        self._keys: dict[KeySid, ApiKey] = {}
        self._applications: dict[ApplicationSid, Application] = {}
        self._phone_numbers: dict[PhoneNumberSid, PhoneNumber] = {}
        self._actors: dict[str, Saved] = {}
        self._calls: dict[CallSid, Call] = {}
        self._legs: dict[CallSid, _Leg] = {}
        self._lanes: dict[str, LaneRecord] = {}
        self._undelivered: dict[tuple[CallSid, Log, int, str], Undelivered] = {}
        self._alerts: dict[str, Alert] = {}

    async def close(self) -> None:
        return

    # accounts, keys, applications, phone numbers

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

    async def put_phone_number(self, number: PhoneNumber) -> None:
        other = self._number(number.account_sid, number.number)
        if other is not None and other.sid != number.sid:
            raise Refused(errors.PHONE_NUMBER_TAKEN)
        self._phone_numbers[number.sid] = number

    async def phone_number(self, account: AccountSid, sid: PhoneNumberSid) -> PhoneNumber | None:
        number = self._phone_numbers.get(sid)
        return number if number is not None and number.account_sid == account else None

    async def phone_number_of(self, account: AccountSid, number: str) -> PhoneNumber | None:
        return self._number(account, number)

    def _number(self, account: AccountSid, number: str) -> PhoneNumber | None:
        rows = self._phone_numbers.values()
        return next((row for row in rows if (row.account_sid, row.number) == (account, number)), None)

    async def phone_numbers(
        self, account: AccountSid, page: PageRequest, *, friendly_name: str | None = None, part: str | None = None
    ) -> PageResult[PhoneNumber]:
        def wanted(row: PhoneNumber) -> bool:
            return friendly_name in (None, row.friendly_name) and (part is None or matches(row.number, part))

        mine = (row for row in self._phone_numbers.values() if row.account_sid == account)
        return _page(mine, wanted, lambda row: row.sid, page)

    async def delete_phone_number(self, account: AccountSid, sid: PhoneNumberSid) -> bool:
        if await self.phone_number(account, sid) is None:
            return False
        del self._phone_numbers[sid]
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
                self._give_up_on_client(leg, transition)
        for subscription in transition.subscriptions:
            start = transition.first_sequence - 1
            self._put_lane(rules.subscription_record(subscription, start))
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

    def _give_up_on_client(self, leg: CallSid, transition: Transition) -> None:
        reader = transition.reader
        known = self._leg(leg)
        cursor = 0 if reader is None else known.cursor(reader)
        lost = missing = range(cursor + 1, (known.end(Log.TO_CLIENT) or 0) + 1)
        if transition.receipts_lost:
            bound = None if reader is None else known.bounds.get(reader)
            lost, missing = rules.unsure(cursor, missing.stop - 1, bound)
            for entry in known.numbered(Log.TO_CLIENT, lost):
                self._give_up(entry, reader or "", rules.RECEIPT_UNKNOWN, transition.at)
        for entry in known.numbered(Log.TO_CLIENT, missing):
            self._give_up(entry, reader or "", rules.CALL_ENDED, transition.at)

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
        self._feedback.pop(sid, None)
        self._undelivered = {key: row for key, row in self._undelivered.items() if key[0] != sid}
        self._alerts = {key: alert for key, alert in self._alerts.items() if alert.call_sid != sid}
        return True

    async def surplus(self, account: AccountSid, keep: int, limit: int) -> Sequence[CallSid]:
        newer = 0
        over: list[CallSid] = []
        for call in reversed([call for call in self._calls.values() if call.account_sid == account]):
            count = len(self._leg(call.sid).messages)
            if newer >= keep and count and call.status.is_final and not self._has_open_lanes(call.sid):
                over.append(call.sid)
            newer += count
        return over[::-1][:limit]

    def _has_open_lanes(self, leg: CallSid) -> bool:
        return any(self._lanes[lane_id].lane.state is not LaneState.ENDED for lane_id in self._leg(leg).lanes)

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

    async def entry(self, account: AccountSid, leg: CallSid, sid: str) -> Entry | None:
        known = self._leg(leg).sids
        found = known.get((Log.FROM_CLIENT, sid)) or known.get((Log.TO_CLIENT, sid))
        return found if found is not None and found.account_sid == account else None

    async def entries(self, account: AccountSid, leg: CallSid, log: Log | None, page: PageRequest) -> PageResult[Entry]:
        def wanted(entry: Entry) -> bool:
            return log in (None, entry.log)

        mine = (entry for entry in self._leg(leg).messages if entry.account_sid == account)
        return _page(mine, wanted, lambda entry: entry.sid, page)

    async def standing(self, account: AccountSid, leg: CallSid, from_client: range, to_client: range) -> Standing:
        call, known = self._calls.get(leg), self._leg(leg)
        if call is None or call.account_sid != account:
            return Standing(lanes=(), deliveries=(), receipts=(), undelivered=())
        lanes = [self._lanes[lane_id].lane for lane_id in known.lanes]
        numbers = {Log.FROM_CLIENT: from_client, Log.TO_CLIENT: to_client}
        rows = (row for (row_leg, *_), row in self._undelivered.items() if row_leg == leg)
        asked = (row for row in rows if row.entry.seq in numbers.get(row.entry.log, ()))
        return Standing(
            lanes=[lane for lane in lanes if rules.LOG_OF[lane.kind] is Log.FROM_CLIENT],
            deliveries=[known.deliveries[key] for key in sorted(known.deliveries) if key[0] in from_client],
            receipts=_receipts_of(known.receipts, to_client),
            undelivered=sorted(asked, key=lambda row: (row.entry.log, row.entry.seq)),
        )

    async def cursor(self, leg: CallSid, reader: str) -> int:
        return self._leg(leg).cursor(reader)

    def move_cursor(
        self, leg: CallSid, reader: str, seq: int, *, written_at: float | None = None, at: float | None = None
    ) -> None:
        known = self._leg(leg)
        target = min(seq, known.end(Log.TO_CLIENT) or 0)
        if target > known.cursor(reader):
            known.receipts.append(Receipt(reader=reader, seq=target, written_at=written_at, at=at))

    def bound_writes(self, leg: CallSid, reader: str, seq: int | None) -> None:
        if leg not in self._calls:
            return
        bounds = self._kept_leg(leg).bounds
        if seq is None:
            bounds.pop(reader, None)
        else:
            bounds[reader] = seq

    async def undelivered(
        self, account: AccountSid, leg: CallSid | None, limit: int, *, since: float | None = None
    ) -> Sequence[Undelivered]:
        rows = (row for row in reversed(self._undelivered.values()) if row.entry.account_sid == account)
        listed = (row for row in rows if leg in (None, row.entry.leg_sid) and (since is None or row.at >= since))
        return list(islice(listed, limit))

    async def missed(self, account: AccountSid, leg: CallSid | None, since: float | None) -> Sequence[Missed]:
        rows = reversed(await self.undelivered(account, leg, len(self._undelivered), since=since))
        return rules.missed(
            (row.entry.leg_sid, SubscriptionSid(row.reader), row.entry.seq)
            for row in rows
            if row.entry.log is Log.FROM_CLIENT and row.resolved_at is None
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
        first = rules.first_number(Log.FROM_CLIENT, limits)
        start = rules.start_of(subscription, first, leg.end(Log.FROM_CLIENT))
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

    async def claim_due(self, *, now: float, lease_until: float, limit: int, but: Collection[str] = ()) -> Claimed:
        due = await self.due_lanes(now, limit + len(but) + 1)
        wanted = [lane_id for lane_id in due if lane_id not in but][:limit]
        claimed = [await self.claim(lane_id, now=now, lease_until=lease_until) for lane_id in wanted]
        turns = [turn for turn in claimed if turn is not None]
        return Claimed(turns, more=len(turns) < len(due))

    async def settle(
        self, turn: Turn, verdict: Verdict, *, now: float, lease_until: float, attempt: Attempt | None = None
    ) -> Turn | None:
        record = self._lanes.get(turn.lane.id)
        if record is None:
            return None
        end = self._end(record)
        change = rules.settle(record, turn.lease, verdict, end, now=now, lease_until=lease_until, attempt=attempt)
        if change is None:
            return None
        self._apply(change, now)
        return None if change.record.leased_until is None else self._turn(change.record)

    async def lanes(self, account: AccountSid, leg: CallSid | None, limit: int) -> Sequence[Lane]:
        found = (record.lane for record in reversed(self._lanes.values()))
        return list(islice((x for x in found if x.account_sid == account and leg in (None, x.leg_sid)), limit))

    async def lane(self, account: AccountSid, lane_id: str) -> Lane | None:
        record = self._lanes.get(lane_id)
        return record.lane if record is not None and record.lane.account_sid == account else None

    async def lane_page(
        self, account: AccountSid, kind: LaneKind, leg: CallSid | None, page: PageRequest
    ) -> PageResult[Lane]:
        def wanted(lane: Lane) -> bool:
            return lane.kind is kind and leg in (None, lane.leg_sid)

        mine = (record.lane for record in self._lanes.values() if record.lane.account_sid == account)
        return _page(mine, wanted, lambda lane: lane.id, page)

    async def add_replays(self, replays: Sequence[Replay]) -> None:
        for replay in replays:
            if await self.call(replay.account_sid, replay.leg_sid) is None:
                raise errors.Refused(errors.NOT_FOUND)
        for replay in replays:
            self._put_lane(rules.replay_record(replay))

    async def end_replay(self, account: AccountSid, lane_id: str) -> bool:
        record = self._lanes.get(lane_id)
        if record is None or record.lane.account_sid != account or not rules.is_open_replay(record.lane):
            return False
        self._apply(rules.end_lane(record, self._end(record), rules.REPLAY_STOPPED), record.lane.created_at)
        return True

    # alerts

    async def add_alert(self, alert: Alert) -> None:
        self._alerts[alert.sid] = alert

    async def alert(self, account: AccountSid, sid: str) -> Alert | None:
        alert = self._alerts.get(sid)
        return alert if alert is not None and alert.account_sid == account else None

    async def alerts(self, account: AccountSid, where: AlertFilter, page: PageRequest) -> PageResult[Alert]:
        mine = (alert for alert in self._alerts.values() if alert.account_sid == account)
        return _page(mine, lambda alert: _is_wanted(alert, where), lambda alert: alert.sid, page)

    async def purge_alerts(self, before: float, limit: int) -> int:
        old = [sid for sid, alert in self._alerts.items() if alert.call_sid is None and alert.at < before][:limit]
        for sid in old:
            del self._alerts[sid]
        return len(old)

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
        waiting = (leg.end(Log.TO_CLIENT) or 0) - max((receipt.seq for receipt in leg.receipts), default=0)
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
        head = next(iter(self._leg(lane.leg_sid).after(rules.LOG_OF[lane.kind], rules.head(lane) - 1)))
        return Turn(lane=lane, entry=head, lease=record.lease)

    def _apply(self, change: rules.Change, at: float) -> None:
        self._put_lane(change.record)
        lane = change.record.lane
        for entry in self._leg(lane.leg_sid).numbered(rules.LOG_OF[lane.kind], change.given_up):
            self._give_up(entry, lane.id, change.reason, at)
        if change.delivery is not None:
            self._keep(lane.leg_sid, change.delivery)
        if change.resolved is not None:
            self._resolve(lane, change.resolved, at)

    def _keep(self, leg: CallSid, delivery: Delivery) -> None:
        deliveries = self._kept_leg(leg).deliveries
        key = (delivery.seq, delivery.lane_id[2:])
        known = deliveries.get(key)
        deliveries[key] = delivery if known is None else replace(delivery, first_at=known.first_at)

    def _resolve(self, lane: Lane, seq: int, at: float) -> None:
        for key, row in self._undelivered.items():
            place = key[:3] == (lane.leg_sid, Log.FROM_CLIENT, seq)
            if place and lane.origin in (None, row.reader) and row.resolved_at is None:
                self._undelivered[key] = replace(row, resolved_at=at, resolved_by=ReplaySid(lane.id))

    def _give_up(self, entry: Entry, reader: str, reason: str, at: float) -> None:
        key = (entry.leg_sid, entry.log, entry.seq, reader)
        self._undelivered.setdefault(key, Undelivered(entry, reader, reason, at))


def _receipts_of(receipts: Sequence[Receipt], numbers: range) -> Sequence[Receipt]:
    if not numbers:
        return []
    ordered = sorted(receipts, key=lambda receipt: (receipt.seq, receipt.reader))
    last = next((receipt.seq for receipt in ordered if receipt.seq >= numbers.stop - 1), numbers.stop)
    return [receipt for receipt in ordered if numbers.start <= receipt.seq <= last]


def _matches(call: Call, where: CallFilter) -> bool:
    return (
        where.to in (None, call.to)
        and where.from_ in (None, call.from_)
        and where.parent_sid in (None, call.parent_sid)
        and where.status in (None, call.status)
        and _within(call.started_at, where.started_from, where.started_to)
        and _within(call.ended_at, where.ended_from, where.ended_to)
    )


def _is_wanted(alert: Alert, where: AlertFilter) -> bool:
    return (
        where.call_sid in (None, alert.call_sid)
        and where.level in (None, alert.level)
        and _within(alert.at, where.since, where.before)
    )


def _within(at: float | None, start: float | None, end: float | None) -> bool:
    if start is None and end is None:
        return True
    return at is not None and (start is None or at >= start) and (end is None or at < end)
