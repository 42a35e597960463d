"""Steps of actors, and the call resources they show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import apsw
import msgspec

from midcall.core.calls import Call, CallFilter
from midcall.core.messages import JSON, Entry, Log
from midcall.core.sids import AccountSid, CallSid, to_bytes
from midcall.ports import PageRequest, PageResult, Saved, StatusLane, Transition
from midcall.storage import rows, rules
from midcall.storage.queries import first, run
from midcall.storage.verbs import lanes
from midcall.storage.verbs.messages import append, give_up, last_seq
from midcall.storage.verbs.pages import page

_timers: Final = msgspec.json.Decoder(dict[str, float])
_ROWS_OF_A_LEG: Final = (
    "delete_undelivered",
    "delete_lanes",
    "delete_receipts",
    "delete_bounds",
    "delete_deliveries",
    "delete_idempotency",
    "delete_entries",
    "delete_feedback",
)


def save(db: apsw.Connection, transition: Transition) -> None:
    """One step of an actor, in the order its docstring gives."""
    _save_actor(db, transition)
    is_of_leg = transition.status_lane is not None or transition.status_entries or transition.subscriptions
    if transition.call is not None or is_of_leg:
        _save_leg(db, transition)
    for alert in transition.alerts:
        run(db, "put_alert", rows.alert_row(alert))


def _save_actor(db: apsw.Connection, transition: Transition) -> None:
    if transition.state is None:
        run(db, "delete_actor", (transition.owner,))
        return
    timers = msgspec.json.encode(dict(transition.timers))
    account = to_bytes(transition.account_sid)
    run(db, "put_actor", (transition.owner, account, transition.state, timers))


def _save_leg(db: apsw.Connection, transition: Transition) -> None:
    leg = CallSid(transition.owner) if transition.call is None else transition.call.sid
    ended_before = _has_ended(db, leg)
    if transition.call is not None:
        run(db, "put_call", rows.call_row(transition.call))
    if transition.status_lane is not None:
        _readdress(db, transition.account_sid, leg, transition.status_lane, transition.at)
    _append_status(db, leg, transition)
    if _has_ended(db, leg):
        lanes.close_all(db, leg)
        if not ended_before:
            _give_up_on_client(db, leg, transition)
    for subscription in transition.subscriptions:
        lanes.open_subscription(db, subscription, transition.first_sequence, None)


def _has_ended(db: apsw.Connection, leg: CallSid) -> bool:
    row = first(db, "call_is_final", (to_bytes(leg),))
    return row is not None and bool(row[0])


def _readdress(db: apsw.Connection, account: AccountSid, leg: CallSid, target: StatusLane, at: float) -> None:
    known = lanes.read(db, leg)
    record, end = (None, last_seq(db, leg, Log.STATUS) or 0) if known is None else known
    change = rules.readdress(record, account, leg, target, end, at)
    if change is not None:
        lanes.apply(db, change, end, at)


def _append_status(db: apsw.Connection, leg: CallSid, transition: Transition) -> None:
    if not transition.status_entries:
        return
    first = (last_seq(db, leg, Log.STATUS) or 0) + 1
    for seq, content in enumerate(transition.status_entries, first):
        append(
            db,
            Entry(
                account_sid=transition.account_sid,
                leg_sid=leg,
                log=Log.STATUS,
                seq=seq,
                sid=rules.status_entry_sid(leg, seq),
                content=content,
                content_type=JSON,
                at=transition.at,
            ),
        )


def _give_up_on_client(db: apsw.Connection, leg: CallSid, transition: Transition) -> None:
    reader, at = transition.reader, transition.at
    row = None if reader is None else first(db, "cursor", (to_bytes(leg), reader))
    cursor = 0 if row is None else row[0]
    end = last_seq(db, leg, Log.TO_CLIENT) or 0
    missing = range(cursor + 1, end + 1)
    if transition.receipts_lost:
        bound = None if reader is None else first(db, "bound", (to_bytes(leg), reader))
        lost, missing = rules.unsure(cursor, end, None if bound is None else bound[0])
        give_up(db, leg, Log.TO_CLIENT, lost, reader or "", rules.RECEIPT_UNKNOWN, at)
    give_up(db, leg, Log.TO_CLIENT, missing, reader or "", rules.CALL_ENDED, at)


def load(db: apsw.Connection, owner: str) -> Saved | None:
    row = first(db, "actor", (owner,))
    return None if row is None else Saved(row[0], _timers.decode(row[1]))


def live_owners(db: apsw.Connection) -> Sequence[str]:
    return [owner for (owner,) in run(db, "live_owners")]


def fetch(db: apsw.Connection, account: AccountSid, sid: CallSid) -> Call | None:
    row = first(db, "call", (rows.key(account, "AC"), rows.key(sid, "CA")))
    return None if row is None else rows.call(row)


def listed(db: apsw.Connection, account: AccountSid, where: CallFilter, request: PageRequest) -> PageResult[Call]:
    conditions: dict[str, str | bytes | float | None] = {
        "account": rows.key(account, "AC"),
        "to": where.to,
        "from": where.from_,
        "status": None if where.status is None else where.status.value,
        "started_from": where.started_from,
        "started_to": where.started_to,
        "ended_from": where.ended_from,
        "ended_to": where.ended_to,
    }
    if where.parent_sid is None:
        return page(db, "list_calls", conditions, request, "place_of_call", "CA", rows.call)
    conditions["parent"] = rows.key(where.parent_sid, "CA")
    return page(db, "list_calls_of_parent", conditions, request, "place_of_call", "CA", rows.call)


def delete(db: apsw.Connection, account: AccountSid, sid: CallSid) -> bool:
    leg = rows.key(sid, "CA")
    run(db, "delete_call", (rows.key(account, "AC"), leg))
    if not db.changes():
        return False
    for statement in _ROWS_OF_A_LEG:
        run(db, statement, (leg,))
    run(db, "delete_alerts", (leg,))
    run(db, "delete_actor", (sid,))
    return True


def surplus(db: apsw.Connection, account: AccountSid, keep: int, limit: int) -> Sequence[CallSid]:
    found = run(db, "surplus", {"account": rows.key(account, "AC"), "keep": keep, "limit": limit})
    return [CallSid("CA" + sid.hex()) for (sid,) in found]


def purge(db: apsw.Connection, now: float) -> None:
    run(db, "purge_idempotency", (now - rules.IDEMPOTENCY_KEPT_S,))
