"""The Store in one SQLite file: every write durable before it is visible, commits grouped.

One thread writes, one reads; the event loop never touches a connection. Calls that change something, and those whose
answer depends on changes that nobody waited for (`load`, `cursor`, lanes), run on the writer in the order they were
called. Other reads run beside it and see at least everything that was awaited before.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import apsw

from midcall.core.accounts import Account, ApiKey, Application
from midcall.core.alerts import Alert, AlertFilter
from midcall.core.calls import Call, CallFilter
from midcall.core.delivery import Verdict
from midcall.core.lanes import Attempt, Lane, LaneKind, Missed, Replay, Turn, Undelivered
from midcall.core.messages import Appended, Draft, Entry, IdempotencyClaim, Limits, Log, Subscription
from midcall.core.numbers import PhoneNumber
from midcall.core.progress import Standing
from midcall.core.sids import AccountSid, ApplicationSid, CallSid, KeySid, PhoneNumberSid, SubscriptionSid
from midcall.ports import Claimed, PageRequest, PageResult, Saved, Transition
from midcall.storage import queries
from midcall.storage.feedback import SqliteFeedback
from midcall.storage.queries import SQL
from midcall.storage.recent import Rows, Tails
from midcall.storage.verbs import calls, lanes, messages, resources
from midcall.storage.worker import Jobs, Worker

MEMORY: Final = ":memory:"
WAITING_WRITES: Final = 20_000
"""Writes that may wait for the disk before more are refused; at 10 KB a message this bounds memory at 200 MB."""
WAITING_READS: Final = 20_000

_BUSY_TIMEOUT_MS: Final = 2_000
_STATEMENTS: Final = 200
_PRAGMAS: Final = """
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA secure_delete = ON;
    PRAGMA temp_store = MEMORY;
    PRAGMA cache_size = -16000;
    PRAGMA journal_size_limit = 67108864;
"""


class SqliteStore(SqliteFeedback):
    """The Store port over one file. Made by `open`, or of workers for connections from `connect` and `prepare`."""

    def __init__(self, writer: Jobs, reader: Jobs) -> None:
        self._writer = writer
        self._reader = reader
        self._accounts: Rows[AccountSid, Account] = Rows()
        self._keys: Rows[KeySid, ApiKey] = Rows()
        self._applications: Rows[tuple[AccountSid, ApplicationSid], Application] = Rows()
        self._tails = Tails()

    @classmethod
    def open(cls, path: Path | str, *, single_node: bool = True, waiting_writes: int = WAITING_WRITES) -> SqliteStore:
        """Open or create the file and bring its schema up to date. Blocks; for the start of a program.

        Args:
            path: the file, or `:memory:` for a store that ends with its process.
            single_node: nobody else works on this file, so leases in it belong to a dead process and end now.
            waiting_writes: how many writes may wait for the disk.

        Raises:
            OSError, apsw.Error: the file cannot be opened or is no database.
            SchemaTooNew: the file was written by a newer program.
        """
        if str(path) != MEMORY:
            # The file holds secrets; its companions (-wal, -shm) take over its mode.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        db = connect(path)
        prepare(db, single_node=single_node)
        writer = Worker(db, name="store-writer", begin="BEGIN IMMEDIATE", capacity=waiting_writes)
        if str(path) == MEMORY:  # a second connection would see another database
            return cls(writer, writer)
        reading = connect(path)
        reading.execute("PRAGMA query_only = ON")
        return cls(writer, Worker(reading, name="store-reader", begin="BEGIN", capacity=WAITING_READS))

    async def close(self) -> None:
        # The reader first: the last connection to leave takes the write-ahead log with it.
        await self._reader.close()
        await self._writer.close()

    # accounts, keys, applications, phone numbers

    async def put_account(self, account: Account) -> None:
        writing = self._writer.submit(partial(resources.put_account, account=account))
        await self._accounts.change(account.sid, writing)

    async def account(self, sid: AccountSid) -> Account | None:
        return await self._accounts.read(sid, lambda: self._reader.submit(partial(resources.account, sid=sid)))

    async def accounts(
        self,
        owner: AccountSid,
        page: PageRequest,
        *,
        friendly_name: str | None = None,
        status: str | None = None,
    ) -> PageResult[Account]:
        return await self._reader.submit(
            partial(resources.accounts, owner=owner, page=page, friendly_name=friendly_name, status=status)
        )

    async def put_key(self, key: ApiKey) -> None:
        await self._keys.change(key.sid, self._writer.submit(partial(resources.put_key, key=key)))

    async def key(self, sid: KeySid) -> ApiKey | None:
        return await self._keys.read(sid, lambda: self._reader.submit(partial(resources.key, sid=sid)))

    async def keys(self, account: AccountSid, page: PageRequest) -> PageResult[ApiKey]:
        return await self._reader.submit(partial(resources.keys, account=account, page=page))

    async def delete_key(self, account: AccountSid, sid: KeySid) -> bool:
        deleting = self._writer.submit(partial(resources.delete_key, account=account, sid=sid), scrub=True)
        return await self._keys.change(sid, deleting)

    async def put_application(self, application: Application) -> None:
        writing = self._writer.submit(partial(resources.put_application, application=application))
        await self._applications.change((application.account_sid, application.sid), writing)

    async def application(self, account: AccountSid, sid: ApplicationSid) -> Application | None:
        job = partial(resources.application, account=account, sid=sid)
        return await self._applications.read((account, sid), lambda: self._reader.submit(job))

    async def applications(
        self, account: AccountSid, page: PageRequest, *, friendly_name: str | None = None
    ) -> PageResult[Application]:
        return await self._reader.submit(
            partial(resources.applications, account=account, page=page, friendly_name=friendly_name)
        )

    async def delete_application(self, account: AccountSid, sid: ApplicationSid) -> bool:
        deleting = self._writer.submit(partial(resources.delete_application, account=account, sid=sid), scrub=True)
        return await self._applications.change((account, sid), deleting)

    async def put_phone_number(self, number: PhoneNumber) -> None:
        await self._writer.submit(partial(resources.put_phone_number, number=number))

    async def phone_number(self, account: AccountSid, sid: PhoneNumberSid) -> PhoneNumber | None:
        return await self._reader.submit(partial(resources.phone_number, account=account, sid=sid))

    async def phone_number_of(self, account: AccountSid, number: str) -> PhoneNumber | None:
        return await self._reader.submit(partial(resources.phone_number_of, account=account, number=number))

    async def phone_numbers(
        self, account: AccountSid, page: PageRequest, *, friendly_name: str | None = None, part: str | None = None
    ) -> PageResult[PhoneNumber]:
        return await self._reader.submit(
            partial(resources.phone_numbers, account=account, page=page, friendly_name=friendly_name, part=part)
        )

    async def delete_phone_number(self, account: AccountSid, sid: PhoneNumberSid) -> bool:
        deleting = partial(resources.delete_phone_number, account=account, sid=sid)
        return await self._writer.submit(deleting, scrub=True)

    # calls and actors

    async def save(self, transition: Transition) -> None:
        self._let_go_of_ended(transition)
        await self._writer.submit(partial(calls.save, transition=transition))

    def save_soon(self, transition: Transition) -> None:
        self._let_go_of_ended(transition)
        self._writer.submit_soon(partial(calls.save, transition=transition))

    def _let_go_of_ended(self, transition: Transition) -> None:
        """Nobody is sent to any more where a leg has ended, so that its newest messages need not stay in memory."""
        if transition.call is not None and transition.call.status.is_final:
            self._tails.forget(transition.call.sid)

    async def load(self, owner: str) -> Saved | None:
        return await self._writer.submit(partial(calls.load, owner=owner))

    async def live_owners(self) -> Sequence[str]:
        return await self._writer.submit(calls.live_owners)

    async def call(self, account: AccountSid, sid: CallSid) -> Call | None:
        return await self._reader.submit(partial(calls.fetch, account=account, sid=sid))

    async def calls(self, account: AccountSid, where: CallFilter, page: PageRequest) -> PageResult[Call]:
        return await self._reader.submit(partial(calls.listed, account=account, where=where, request=page))

    async def delete_call(self, account: AccountSid, sid: CallSid) -> bool:
        job = partial(calls.delete, account=account, sid=sid)
        return await self._writer.submit(job, scrub=True, landed=lambda _: self._tails.forget(sid))

    async def surplus(self, account: AccountSid, keep: int, limit: int) -> Sequence[CallSid]:
        return await self._reader.submit(partial(calls.surplus, account=account, keep=keep, limit=limit))

    async def purge(self, now: float) -> None:
        await self._writer.submit(partial(calls.purge, now=now))

    # messages

    async def append_message(
        self, draft: Draft, limits: Limits, idempotency: IdempotencyClaim | None = None
    ) -> Appended:
        return await self._writer.submit(
            partial(messages.append_message, draft=draft, limits=limits, idempotency=idempotency),
            landed=self._tails.landed if draft.log is Log.TO_CLIENT else None,
        )

    async def entries_after(self, leg: CallSid, log: Log, seq: int, limit: int) -> Sequence[Entry]:
        if log is Log.TO_CLIENT and (known := self._tails.after(leg, seq, limit)) is not None:
            return known
        return await self._reader.submit(partial(messages.entries_after, leg=leg, log=log, seq=seq, limit=limit))

    async def cursor(self, leg: CallSid, reader: str) -> int:
        return await self._writer.submit(partial(messages.cursor, leg=leg, reader=reader))

    def move_cursor(
        self, leg: CallSid, reader: str, seq: int, *, written_at: float | None = None, at: float | None = None
    ) -> None:
        self._writer.submit_soon(
            partial(messages.move_cursor, leg=leg, reader=reader, seq=seq, written_at=written_at, at=at), lazy=True
        )

    def bound_writes(self, leg: CallSid, reader: str, seq: int | None) -> None:
        self._writer.submit_soon(partial(messages.bound_writes, leg=leg, reader=reader, seq=seq))

    async def entry(self, account: AccountSid, leg: CallSid, sid: str) -> Entry | None:
        return await self._reader.submit(partial(messages.message, account=account, leg=leg, sid=sid))

    async def entries(self, account: AccountSid, leg: CallSid, log: Log | None, page: PageRequest) -> PageResult[Entry]:
        return await self._reader.submit(partial(messages.listed, account=account, leg=leg, log=log, request=page))

    async def standing(self, account: AccountSid, leg: CallSid, from_client: range, to_client: range) -> Standing:
        return await self._reader.submit(
            partial(messages.standing, account=account, leg=leg, from_client=from_client, to_client=to_client)
        )

    async def undelivered(
        self, account: AccountSid, leg: CallSid | None, limit: int, *, since: float | None = None
    ) -> Sequence[Undelivered]:
        return await self._reader.submit(
            partial(messages.undelivered, account=account, leg=leg, limit=limit, since=since)
        )

    async def missed(self, account: AccountSid, leg: CallSid | None, since: float | None) -> Sequence[Missed]:
        return await self._reader.submit(partial(messages.missed, account=account, leg=leg, since=since))

    # subscriptions

    async def add_subscription(
        self, subscription: Subscription, limits: Limits, idempotency: IdempotencyClaim | None = None
    ) -> tuple[Subscription, bool]:
        return await self._writer.submit(
            partial(lanes.add_subscription, subscription=subscription, limits=limits, idempotency=idempotency)
        )

    async def end_subscription(self, account: AccountSid, leg: CallSid, sid: SubscriptionSid, *, at: float) -> bool:
        return await self._writer.submit(partial(lanes.end_subscription, account=account, leg=leg, sid=sid, at=at))

    async def subscriptions(self, account: AccountSid, leg: CallSid) -> Sequence[Subscription]:
        return await self._reader.submit(partial(lanes.subscriptions, account=account, leg=leg))

    # lanes

    async def due_lanes(self, now: float, limit: int) -> Sequence[str]:
        return await self._writer.submit(partial(lanes.due, now=now, limit=limit), lazy=True)

    async def next_due(self) -> float | None:
        return await self._writer.submit(lanes.next_due, lazy=True)

    async def claim(self, lane_id: str, *, now: float, lease_until: float) -> Turn | None:
        job = partial(lanes.claim, lane_id=lane_id, now=now, lease_until=lease_until)
        return await self._writer.submit(job, lazy=True)

    async def claim_due(self, *, now: float, lease_until: float, limit: int, but: Collection[str] = ()) -> Claimed:
        job = partial(lanes.claim_due, now=now, lease_until=lease_until, limit=limit, but=but)
        return await self._writer.submit(job, lazy=True)

    async def settle(
        self, turn: Turn, verdict: Verdict, *, now: float, lease_until: float, attempt: Attempt | None = None
    ) -> Turn | None:
        job = partial(lanes.settle, turn=turn, verdict=verdict, now=now, lease_until=lease_until, attempt=attempt)
        return await self._writer.submit(job, lazy=True)

    async def lanes(self, account: AccountSid, leg: CallSid | None, limit: int) -> Sequence[Lane]:
        return await self._reader.submit(partial(lanes.listed, account=account, leg=leg, limit=limit))

    async def lane(self, account: AccountSid, lane_id: str) -> Lane | None:
        return await self._reader.submit(partial(lanes.fetch, account=account, lane_id=lane_id))

    async def lane_page(
        self, account: AccountSid, kind: LaneKind, leg: CallSid | None, page: PageRequest
    ) -> PageResult[Lane]:
        return await self._reader.submit(partial(lanes.lane_page, account=account, kind=kind, leg=leg, request=page))

    async def add_replays(self, replays: Sequence[Replay]) -> None:
        await self._writer.submit(partial(lanes.add_replays, replays=replays))

    async def end_replay(self, account: AccountSid, lane_id: str) -> bool:
        return await self._writer.submit(partial(lanes.end_replay, account=account, lane_id=lane_id))

    # alerts

    async def add_alert(self, alert: Alert) -> None:
        await self._writer.submit(partial(resources.put_alert, alert=alert))

    async def alert(self, account: AccountSid, sid: str) -> Alert | None:
        return await self._reader.submit(partial(resources.alert, account=account, sid=sid))

    async def alerts(self, account: AccountSid, where: AlertFilter, page: PageRequest) -> PageResult[Alert]:
        return await self._reader.submit(partial(resources.alerts, account=account, where=where, page=page))

    async def purge_alerts(self, before: float, limit: int) -> int:
        return await self._writer.submit(partial(resources.purge_alerts, before=before, limit=limit), scrub=True)


def prepare(db: apsw.Connection, *, single_node: bool = True) -> None:
    """Bring the file's schema up to date; on a single node, end the leases of a dead process.

    Raises:
        SchemaTooNew: the file was written by a newer program.
    """
    queries.migrate(db, queries.migrations())
    if single_node:
        db.execute(SQL["clear_leases"])


def connect(path: Path | str, *, vfs: str | None = None, exclusive: bool = False) -> apsw.Connection:
    """A connection with the store's settings.

    Args:
        vfs: the name of a registered file system of SQLite's.
        exclusive: the only connection there will be; it needs no shared memory.
    """
    db = apsw.Connection(str(path), vfs=vfs, statementcachesize=_STATEMENTS)
    if exclusive:
        db.execute("PRAGMA locking_mode = EXCLUSIVE").fetchall()
    # Plans that do not look at bound values: without this, SQLite prepares every statement anew that might use the
    # partial index of `entries`, at each call.
    db.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
    db.set_busy_timeout(_BUSY_TIMEOUT_MS)
    db.execute(_PRAGMAS).fetchall()
    return db
