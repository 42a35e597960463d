"""Logs and cursors: appending with its checks, reading, giving up."""

from __future__ import annotations

from collections.abc import Sequence

import apsw

from midcall.core.calls import Status
from midcall.core.lanes import Undelivered
from midcall.core.messages import (
    Appended,
    Draft,
    Entry,
    IdempotencyClaim,
    LegView,
    Limits,
    Log,
    admit,
)
from midcall.core.sids import AccountSid, CallSid, to_bytes
from midcall.storage import rows, rules
from midcall.storage.queries import first, run, value
from midcall.storage.rows import LOG_CODES


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


def move_cursor(db: apsw.Connection, leg: CallSid, reader: str, seq: int) -> None:
    run(db, "move_cursor", {"leg": rows.key(leg, "CA"), "reader": reader, "seq": seq})


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


def undelivered(db: apsw.Connection, account: AccountSid, leg: CallSid | None, limit: int) -> Sequence[Undelivered]:
    owner = rows.key(account, "AC")
    if leg is None:
        found = run(db, "undelivered", (owner, limit))
    else:
        found = run(db, "undelivered_of_leg", (owner, rows.key(leg, "CA"), limit))
    return [Undelivered(rows.entry(row[3:]), row[0], row[1], row[2]) for row in found]
