"""Logs and cursors: appending with its checks, reading, giving up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import apsw

from midcall.core.calls import Status
from midcall.core.lanes import Lane, Missed, Undelivered
from midcall.core.messages import (
    Appended,
    Draft,
    Entry,
    IdempotencyClaim,
    LegView,
    Limits,
    Log,
    Receipt,
    admit,
)
from midcall.core.progress import Standing
from midcall.core.sids import AccountSid, CallSid, SubscriptionSid, to_bytes
from midcall.ports import PageRequest, PageResult
from midcall.storage import rows, rules
from midcall.storage.queries import Row, first, run, value
from midcall.storage.rows import LOG_CODES
from midcall.storage.verbs.pages import page


def append_message(db: apsw.Connection, draft: Draft, limits: Limits, idempotency: IdempotencyClaim | None) -> Appended:
    """The order of checks is the port's."""
    leg, log = rows.key(draft.leg_sid, "CA"), LOG_CODES[draft.log]
    known = first_resource(db, draft.account_sid, leg, idempotency)
    if known is not None:
        return Appended(_only_entry(db, "entry_by_sid", (leg, log, known)), repeated=True)
    sid = to_bytes(draft.sid)
    view, end, repeated = see_leg(db, draft.account_sid, leg, log, sid)
    if repeated is not None:
        return Appended(_only_entry(db, "entry", (leg, log, repeated)), repeated=True)
    admit(draft, view, limits)
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
    append(db, entry)
    remember(db, draft.account_sid, leg, idempotency, sid)
    return Appended(entry, repeated=False)


def see_leg(
    db: apsw.Connection, account: AccountSid, leg: bytes, log: int, sid: bytes | None
) -> tuple[LegView | None, int | None, int | None]:
    """(what `admit` has to know, the log's last number, the number of the entry with that sid); None where nothing."""
    row = first(db, "leg_view", (leg, log, sid))
    if row is None or row[0] != rows.key(account, "AC"):
        return None, None, None
    _, status, sdk_leg, end, cursor, seq = row
    view = LegView(status=Status(status), sdk_leg=bool(sdk_leg), waiting=(end or 0) - (cursor or 0))
    return view, end, seq


def _only_entry(db: apsw.Connection, name: str, place: tuple[object, ...]) -> Entry:
    row = first(db, name, place)
    assert row is not None  # its number was read in this transaction
    return rows.entry(row)


def append(db: apsw.Connection, entry: Entry) -> None:
    """Write the row. The schema wakes the lanes that read its log."""
    run(db, "append_entry", rows.entry_row(entry))


def last_seq(db: apsw.Connection, leg: CallSid, log: Log) -> int | None:
    """The last number of a log; None when it is empty."""
    end: int | None = value(db, "last_seq", (rows.key(leg, "CA"), LOG_CODES[log]))
    return end


def entries_after(db: apsw.Connection, leg: CallSid, log: Log, seq: int, limit: int) -> Sequence[Entry]:
    found = run(db, "entries_after", (rows.key(leg, "CA"), LOG_CODES[log], seq, limit))
    return [rows.entry(row) for row in found]


def cursor(db: apsw.Connection, leg: CallSid, reader: str) -> int:
    row = first(db, "cursor", (rows.key(leg, "CA"), reader))
    return 0 if row is None else int(row[0])


def move_cursor(
    db: apsw.Connection, leg: CallSid, reader: str, seq: int, written_at: float | None, at: float | None
) -> None:
    run(
        db,
        "move_cursor",
        {"leg": rows.key(leg, "CA"), "reader": reader, "seq": seq, "written_at": written_at, "at": at},
    )


def bound_writes(db: apsw.Connection, leg: CallSid, reader: str, seq: int | None) -> None:
    if seq is None:
        run(db, "unbound_writes", (rows.key(leg, "CA"), reader))
    else:
        run(db, "bound_writes", (rows.key(leg, "CA"), reader, seq))


def message(db: apsw.Connection, account: AccountSid, leg: CallSid, sid: str) -> Entry | None:
    place = {"leg": rows.key(leg, "CA"), "sid": rows.key(sid, "KX"), "account": rows.key(account, "AC")}
    row = first(db, "message", place)
    return None if row is None else rows.entry(row)


def listed(
    db: apsw.Connection, account: AccountSid, leg: CallSid, log: Log | None, request: PageRequest
) -> PageResult[Entry]:
    where = {
        "leg": rows.key(leg, "CA"),
        "account": rows.key(account, "AC"),
        "log": None if log is None else LOG_CODES[log],
    }
    return page(db, "list_messages", where, request, "place_of_message", "KX", rows.entry)


def standing(db: apsw.Connection, account: AccountSid, leg: CallSid, from_client: range, to_client: range) -> Standing:
    key = rows.key(leg, "CA")
    if first(db, "call", (rows.key(account, "AC"), key)) is None:
        return Standing(lanes=(), deliveries=(), receipts=(), undelivered=())
    asked = ((LOG_CODES[Log.FROM_CLIENT], from_client), (LOG_CODES[Log.TO_CLIENT], to_client))
    lost = [row for log, numbers in asked for row in _given_up(db, key, log, numbers)]
    lanes = [rows.lane(row)[0].lane for row in run(db, "lanes_of_leg", (key,))]
    return Standing(
        lanes=[lane for lane in lanes if rules.LOG_OF[lane.kind] is Log.FROM_CLIENT],
        deliveries=[rows.delivery(row) for row in _among(db, "deliveries", (key,), from_client)],
        receipts=_receipts(db, key, to_client),
        undelivered=[rows.undelivered(row) for row in lost],
    )


def _given_up(db: apsw.Connection, leg: bytes, log: int, numbers: range) -> Iterable[Row]:
    return _among(db, "undelivered_among", (leg, log), numbers)


def _among(db: apsw.Connection, name: str, place: tuple[object, ...], numbers: range) -> Iterable[Row]:
    return run(db, name, (*place, numbers.start, numbers.stop)) if numbers else ()


def _receipts(db: apsw.Connection, leg: bytes, numbers: range) -> Sequence[Receipt]:
    if not numbers:
        return []
    found = run(db, "receipts", {"leg": leg, "first": numbers.start, "last": numbers.stop - 1})
    return [rows.receipt(row) for row in found]


def first_resource(
    db: apsw.Connection, account: AccountSid, leg: bytes, claim: IdempotencyClaim | None
) -> bytes | None:
    """What the first request with this key made; None for a new key.

    Raises:
        Refused: IDEMPOTENCY_CONFLICT.
    """
    if claim is None:
        return None
    row = first(db, "idempotent", (leg, rows.key(account, "AC"), claim.endpoint, claim.key))
    if row is None:
        return None
    rules.check_idempotency(row[0], claim)
    resource: bytes = row[1]
    return resource


def remember(
    db: apsw.Connection, account: AccountSid, leg: bytes, claim: IdempotencyClaim | None, resource: bytes
) -> None:
    if claim is not None:
        row = (leg, to_bytes(account), claim.endpoint, claim.key, claim.fingerprint, resource)
        run(db, "remember", row)


def give_up(db: apsw.Connection, leg: CallSid, log: Log, numbers: range, reader: str, reason: str, at: float) -> None:
    """List entries as undelivered; what is listed for this reader already stays as it is."""
    if not numbers:
        return
    run(
        db,
        "give_up",
        {
            "leg": to_bytes(leg),
            "log": LOG_CODES[log],
            "start": numbers.start,
            "stop": numbers.stop,
            "reader": reader,
            "reason": reason,
            "at": at,
        },
    )


def resolve(db: apsw.Connection, lane: Lane, seq: int, at: float) -> None:
    """A replay has delivered what somebody gave up."""
    run(
        db,
        "resolve",
        {"at": at, "replay": to_bytes(lane.id), "leg": to_bytes(lane.leg_sid), "seq": seq, "reader": lane.origin},
    )


def undelivered(
    db: apsw.Connection, account: AccountSid, leg: CallSid | None, limit: int, since: float | None
) -> Sequence[Undelivered]:
    where = {"account": rows.key(account, "AC"), "since": since, "limit": limit}
    if leg is None:
        found = run(db, "undelivered", where)
    else:
        found = run(db, "undelivered_of_leg", {**where, "leg": rows.key(leg, "CA")})
    return [rows.undelivered(row) for row in found]


def missed(db: apsw.Connection, account: AccountSid, leg: CallSid | None, since: float | None) -> Sequence[Missed]:
    where = {
        "account": rows.key(account, "AC"),
        "leg": None if leg is None else rows.key(leg, "CA"),
        "since": since,
    }
    found = run(db, "missed", where)
    return rules.missed((CallSid("CA" + key.hex()), SubscriptionSid(reader), seq) for key, reader, seq in found)
