"""What only a file can do: survive its process, fill up, be opened again, forget for good."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import apsw
import pytest
from apsw.ext import query_info

from midcall.core import errors
from midcall.core.delivery import Delivered, RetryAt
from midcall.core.errors import Refused
from midcall.core.lanes import Attempt, LaneState
from midcall.core.messages import Log
from midcall.core.sids import to_bytes
from midcall.ports import Transition
from midcall.storage import queries
from midcall.storage.queries import SQL, SchemaTooNew
from midcall.storage.sqlite import SqliteStore, connect
from support.records import (
    ACCOUNT,
    LEG,
    LIMITS,
    NOW,
    account,
    add_call,
    api_key,
    call_sid,
    draft,
    end_call,
    key_claim,
    step,
    subscription,
    subscription_sid,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "midcall.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SqliteStore]:
    opened = SqliteStore.open(path)
    yield opened
    await opened.close()


async def run(store: SqliteStore, job: Callable[[apsw.Connection], object]) -> object:
    """Something that no method of the port does, in the writer's next group."""
    return await store._writer.submit(job)


async def unavailable(awaitable: object) -> None:
    with pytest.raises(Refused) as caught:
        await awaitable  # type: ignore[misc]
    assert caught.value.rule is errors.STORE_UNAVAILABLE


# opening and closing


async def test_what_was_stored_is_there_after_a_restart(store: SqliteStore, path: Path) -> None:
    await store.put_account(account())
    await add_call(store)
    await store.add_subscription(subscription(), LIMITS)
    first = await store.append_message(draft(1), LIMITS, key_claim())
    await store.append_message(draft(2, log=Log.TO_CLIENT), LIMITS)
    store.move_cursor(LEG, "a", 1)
    await store.close()
    again = SqliteStore.open(path)
    assert await again.account(ACCOUNT) == account()
    assert (await again.append_message(draft(3), LIMITS, key_claim())).entry == first.entry
    assert await again.cursor(LEG, "a") == 1
    assert list(await again.live_owners()) == [LEG]
    turn = await again.claim(subscription_sid(), now=NOW, lease_until=NOW + 30)
    assert turn is not None
    assert turn.entry == first.entry
    await again.close()


async def test_closing_commits_what_nobody_waited_for_and_leaves_one_file(store: SqliteStore, path: Path) -> None:
    for number in range(50):
        store.save_soon(step(call_sid(number)))
    await store.close()
    assert [file.name for file in path.parent.iterdir()] == ["midcall.db"]
    again = SqliteStore.open(path)
    assert len(await again.live_owners()) == 50
    await again.close()


async def test_the_newest_messages_of_an_ended_leg_are_not_kept_in_memory(store: SqliteStore) -> None:
    await add_call(store)
    appended = await store.append_message(draft(1, log=Log.TO_CLIENT), LIMITS)
    assert store._tails.after(LEG, 0, 10) == [appended.entry]
    await end_call(store)
    assert store._tails.after(LEG, 0, 10) is None
    assert await store.entries_after(LEG, Log.TO_CLIENT, 0, 10) == [appended.entry]


async def test_a_closed_store_refuses_and_can_be_closed_again(store: SqliteStore) -> None:
    await asyncio.gather(store.close(), store.close())
    await unavailable(store.put_account(account()))
    await unavailable(store.account(ACCOUNT))
    await store.close()


async def test_the_file_is_for_its_owner_only(store: SqliteStore, path: Path) -> None:
    await store.put_account(account())
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file.name


async def test_commits_are_synced_and_deletions_overwritten(store: SqliteStore, path: Path) -> None:
    db = connect(path)
    assert [db.pragma(name) for name in ("journal_mode", "synchronous", "secure_delete")] == ["wal", 2, 1]
    db.close()


async def test_a_restart_ends_the_leases_of_the_dead_process_but_no_retry(store: SqliteStore, path: Path) -> None:
    await add_call(store)
    for number in (1, 2):
        await store.add_subscription(subscription(number), LIMITS)
    await store.append_message(draft(1), LIMITS)
    leased = await store.claim(subscription_sid(1), now=NOW, lease_until=NOW + 10**6)
    waiting = await store.claim(subscription_sid(2), now=NOW, lease_until=NOW + 10**6)
    assert leased is not None
    assert waiting is not None
    await store.settle(waiting, RetryAt(NOW + 60), now=NOW, lease_until=NOW)
    await store.close()
    again = SqliteStore.open(path)
    assert await again.due_lanes(NOW, 10) == [subscription_sid(1)]
    assert await again.settle(leased, Delivered(), now=NOW, lease_until=NOW) is None
    fresh = await again.claim(subscription_sid(1), now=NOW, lease_until=NOW + 90)
    assert fresh is not None
    assert fresh.lease > leased.lease
    assert await again.due_lanes(NOW + 60, 10) == [subscription_sid(2)]
    await again.close()


async def test_a_lane_that_cannot_be_read_keeps_no_other_from_being_claimed(
    store: SqliteStore, caplog: pytest.LogCaptureFixture
) -> None:
    await add_call(store)
    for number in (1, 2):
        await store.add_subscription(subscription(number), LIMITS)
    await store.append_message(draft(1), LIMITS)
    await run(store, lambda db: db.execute("UPDATE lanes SET state = 'nonsense' WHERE row = 1"))
    claimed = await store.claim_due(now=NOW, lease_until=NOW + 30, limit=10)
    assert [turn.lane.id for turn in claimed.turns] == [subscription_sid(2)]
    assert "a lane cannot be claimed" in caplog.text


async def test_one_node_of_several_leaves_leases_alone(store: SqliteStore, path: Path) -> None:
    await add_call(store)
    await store.add_subscription(subscription(), LIMITS)
    await store.append_message(draft(1), LIMITS)
    await store.claim(subscription_sid(), now=NOW, lease_until=NOW + 30)
    await store.close()
    again = SqliteStore.open(path, single_node=False)
    assert await again.next_due() == NOW + 30
    await again.close()


async def test_a_file_of_a_newer_program_is_not_opened(store: SqliteStore, path: Path) -> None:
    await store.close()
    db = apsw.Connection(str(path))
    db.pragma("user_version", max(queries.migrations()) + 1)
    db.close()
    with pytest.raises(SchemaTooNew):
        SqliteStore.open(path)


def test_a_failing_schema_step_leaves_the_file_as_it_was(path: Path) -> None:
    db = connect(path)
    queries.migrate(db, {1: "CREATE TABLE one (x)"})
    with pytest.raises(apsw.SQLError):
        queries.migrate(db, {1: "CREATE TABLE one (x)", 2: "CREATE TABLE two (x); CREATE TABLE one (x)"})
    assert db.pragma("user_version") == 1
    assert [name for (name,) in db.execute("SELECT name FROM sqlite_schema")] == ["one"]
    queries.migrate(db, {1: "CREATE TABLE one (x)", 2: "CREATE TABLE two (x)"})
    assert db.pragma("user_version") == 2
    db.close()


async def test_what_the_first_schema_kept_is_still_there_in_the_second(path: Path) -> None:
    db = connect(path)
    queries.migrate(db, {1: queries.migrations()[1]})
    leg, account, lane = (to_bytes(sid) for sid in (LEG, ACCOUNT, subscription_sid()))
    db.execute(
        "INSERT INTO calls VALUES (1, ?, ?, NULL, 'inbound', 'a', 'b', 'in-progress', 0, 1, 1, 1, NULL, 1, 1, NULL)",
        (leg, account),
    )
    for log, seq in ((0, 1), (0, 2), (1, 1), (1, 2)):
        entry = (leg, log, seq, account, bytes([log, seq]) * 8)
        db.execute("INSERT INTO entries VALUES (NULL, ?, ?, ?, ?, ?, x'31', 'application/json', 1)", entry)
    db.execute("INSERT INTO cursors VALUES (?, 'device', 1)", (leg,))
    db.execute(
        "INSERT INTO lanes VALUES (1, ?, 0, ?, ?, 1, 'https://a', 'POST', NULL, 1, 0, 1, 'open', 0, 0, NULL, 0, 1)",
        (lane, account, leg),
    )
    db.close()
    store = SqliteStore.open(path)
    assert await store.cursor(LEG, "device") == 1
    turn = await store.claim(subscription_sid(), now=NOW, lease_until=NOW + 9)
    assert turn is not None and (turn.entry.seq, turn.lane.start, turn.lane.numbers) == (2, 1, None)
    await store.settle(turn, Delivered(), now=NOW, lease_until=NOW + 9, attempt=Attempt(sent_at=NOW, status=204))
    standing = await store.standing(ACCOUNT, LEG, range(1, 9), range(1, 9))
    assert ([row.seq for row in standing.deliveries], [row.seq for row in standing.receipts]) == ([2], [1])
    await store.close()


# statements


async def test_plans_do_not_depend_on_values_so_statements_are_prepared_once(path: Path) -> None:
    db = connect(path)
    assert db.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, -1) == 1
    db.close()


@pytest.fixture
def schema() -> Iterator[apsw.Connection]:
    db = connect(":memory:")
    queries.migrate(db, queries.migrations())
    yield db
    db.close()


@pytest.mark.parametrize("name", SQL)
def test_every_statement_fits_the_schema(schema: apsw.Connection, name: str) -> None:
    assert query_info(schema, SQL[name]).query == SQL[name]


@pytest.mark.parametrize("name", sorted(set(SQL) - {"purge_idempotency", "live_owners", "surplus"}))
def test_no_statement_but_the_rare_ones_reads_a_whole_table(schema: apsw.Connection, name: str) -> None:
    plan = query_info(schema, SQL[name], explain_query_plan=True).query_plan
    steps = [plan.detail] if plan is not None else []
    todo = [plan] if plan is not None else []
    while todo:
        node = todo.pop()
        steps.append(node.detail)
        todo += node.sub or []
    # A walk along an index that holds only the ready lanes is fine, and so is a row made of constants.
    assert not [step for step in steps if step.startswith("SCAN") and "lanes_ready" not in step and "CONST" not in step]


# groups


async def test_a_refused_job_undoes_itself_and_nothing_else_of_its_group(store: SqliteStore) -> None:
    await add_call(store)

    def half_done(db: apsw.Connection) -> None:
        db.execute("DELETE FROM calls")
        raise RuntimeError("a bug")

    results = await asyncio.gather(
        store.append_message(draft(1), LIMITS),
        store.append_message(draft(2, leg=call_sid(9)), LIMITS),
        run(store, half_done),
        store.append_message(draft(3), LIMITS),
        return_exceptions=True,
    )
    assert [type(result).__name__ for result in results] == ["Appended", "Refused", "RuntimeError", "Appended"]
    entries = await store.entries_after(LEG, Log.FROM_CLIENT, 0, 10)
    assert [entry.seq for entry in entries] == [1, 2]


async def test_an_error_of_a_save_that_nobody_waits_for_is_logged(
    store: SqliteStore, caplog: pytest.LogCaptureFixture
) -> None:
    store.save_soon(replace(step(), account_sid="no sid"))
    await store.load(LEG)
    assert "a store write that nobody waits for failed" in caplog.text


async def test_a_caller_that_gives_up_waiting_harms_nobody(store: SqliteStore) -> None:
    await add_call(store)
    impatient = asyncio.ensure_future(store.append_message(draft(1), LIMITS))
    await asyncio.sleep(0)
    impatient.cancel()
    assert (await store.append_message(draft(2), LIMITS)).entry.seq == 2


async def test_writes_beyond_what_may_wait_are_refused_at_once(path: Path) -> None:
    store = SqliteStore.open(path, waiting_writes=10)
    results = await asyncio.gather(*(store.put_key(api_key(n)) for n in range(1, 16)), return_exceptions=True)
    assert [result is None for result in results] == [True] * 10 + [False] * 5
    assert {result.rule for result in results if isinstance(result, Refused)} == {errors.STORE_UNAVAILABLE}
    await store.put_key(api_key(20))
    await store.close()


# a full disk


async def set_pages(store: SqliteStore, pages: int | None) -> None:
    """The file may grow by so many pages; None lifts the limit."""

    def limit(db: apsw.Connection) -> None:
        now = db.pragma("page_count")
        db.execute(f"PRAGMA max_page_count = {2**31 if pages is None else int(now) + pages}").fetchall()

    await run(store, limit)


async def test_a_full_disk_refuses_does_nothing_by_halves_and_serving_resumes(
    store: SqliteStore, caplog: pytest.LogCaptureFixture
) -> None:
    await add_call(store)
    await store.add_subscription(subscription(), LIMITS)
    await set_pages(store, 4)
    content = b'"' + b"x" * 10_000 + b'"'
    accepted: list[int] = []
    for number in range(1, 20):
        try:
            appended = await store.append_message(draft(number, content=content), LIMITS, key_claim(str(number)))
        except Refused as refused:
            assert refused.rule is errors.STORE_UNAVAILABLE
        else:
            accepted.append(appended.entry.seq)
    assert 0 < len(accepted) < 19
    assert accepted == list(range(1, len(accepted) + 1))
    store.save_soon(Transition(owner=LEG, account_sid=ACCOUNT, state=b"x" * 30_000, at=NOW))
    await unavailable(end_with_long_state(store))
    assert "nobody waits" not in caplog.text  # the disk's trouble is told once
    assert [entry.seq for entry in await store.entries_after(LEG, Log.FROM_CLIENT, 0, 50)] == accepted
    assert caplog.text.count("store-writer does not work") == 1
    before = await store.call(ACCOUNT, LEG)
    assert before is not None
    assert before.status.is_active
    (lane,) = await store.lanes(ACCOUNT, LEG, 10)
    assert not lane.closing

    await set_pages(store, None)
    retried = await store.append_message(draft(19, content=content), LIMITS, key_claim("19"))
    assert (retried.entry.seq, retried.repeated) == (len(accepted) + 1, False)
    assert "store-writer works again" in caplog.text


async def end_with_long_state(store: SqliteStore) -> None:
    """A step that ends the leg and does not fit, in one group with steps that would."""
    await store.append_message(draft(90, content=b'"' + b"x" * 30_000 + b'"'), LIMITS)


async def test_a_disk_that_fails_refuses_the_whole_group(store: SqliteStore) -> None:
    await add_call(store)

    def fail(db: apsw.Connection) -> None:
        raise apsw.IOError("disk I/O error")

    results = await asyncio.gather(
        store.append_message(draft(1), LIMITS), run(store, fail), end_call(store), return_exceptions=True
    )
    assert [getattr(result, "rule", None) for result in results] == [errors.STORE_UNAVAILABLE] * 3
    assert await store.entries_after(LEG, Log.FROM_CLIENT, 0, 10) == []
    assert (await store.append_message(draft(1), LIMITS)).entry.seq == 1


# deletion


def bytes_on_disk(path: Path) -> bytes:
    return b"".join(file.read_bytes() for file in path.parent.iterdir())


async def test_a_deleted_call_is_gone_from_the_disk_while_the_server_runs(store: SqliteStore, path: Path) -> None:
    secret = b'"a-very-private-word"'
    await add_call(store)
    for number in range(1, 4):
        await store.append_message(draft(number, log=Log.TO_CLIENT, content=secret), LIMITS)
    await end_call(store)
    assert secret in bytes_on_disk(path)
    await store.delete_call(ACCOUNT, LEG)
    assert secret not in bytes_on_disk(path)


async def test_a_deleted_key_is_gone_from_the_disk_while_the_server_runs(store: SqliteStore, path: Path) -> None:
    key = replace(api_key(), secret="a-very-private-word")
    await store.put_key(key)
    await store.delete_key(ACCOUNT, key.sid)
    assert b"a-very-private-word" not in bytes_on_disk(path)


# leftovers of states that only a race makes


async def test_an_entry_does_not_wake_a_lane_that_has_ended(store: SqliteStore) -> None:
    await add_call(store)
    await store.add_subscription(subscription(), LIMITS)
    await store.end_subscription(ACCOUNT, LEG, subscription_sid(), at=NOW)
    await store.append_message(draft(1), LIMITS)
    assert await store.next_due() is None
    (lane,) = await store.lanes(ACCOUNT, LEG, 1)
    assert lane.state is LaneState.ENDED
