"""What ended long ago is forgotten; what is young or alive stays."""

from __future__ import annotations

from collections.abc import Awaitable

import pytest

from midcall.app.retention import ALERT_BATCH, BATCH, DAY_S, SWEEP_S, Retention
from midcall.core.accounts import Account, AccountStatus
from midcall.core.alerts import ANY_ALERT, Alert, Level
from midcall.core.calls import Call, CallFilter, Direction, Status
from midcall.core.errors import Refused
from midcall.core.messages import Appended, Draft, IdempotencyClaim, Limits, Log
from midcall.core.sids import AccountSid, AlertSid, CallSid, MessageSid
from midcall.ports import PageRequest, TraceEvent, Transition
from midcall.storage.memory import MemoryStore
from midcall.storage.trace import MemoryTrace
from midcall.testing.clock import ManualClock

OWNER = AccountSid("AC" + "0" * 32)
INNER = AccountSid("AC" + "1" * 32)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def trace() -> MemoryTrace:
    return MemoryTrace()


@pytest.fixture
async def store(clock: ManualClock) -> MemoryStore:
    store = MemoryStore()
    for sid in (OWNER, INNER):
        await store.put_account(
            Account(
                sid=sid,
                owner_sid=OWNER,
                friendly_name="",
                status=AccountStatus.ACTIVE,
                auth_token="",
                created_at=clock.now(),
                updated_at=clock.now(),
            )
        )
    return store


async def add(store: MemoryStore, number: int, *, ended_at: float | None, account: AccountSid = OWNER) -> None:
    call = Call(
        sid=CallSid(f"CA{number:032x}"),
        account_sid=account,
        to="client:bob",
        from_="client:alice",
        parent_sid=None,
        sdk_leg=True,
        direction=Direction.INBOUND,
        status=Status.IN_PROGRESS if ended_at is None else Status.COMPLETED,
        created_at=1.0,
        updated_at=1.0,
        ended_at=ended_at,
    )
    await store.save(Transition(owner=call.sid, account_sid=account, state=None, at=1.0, call=call))


async def left(store: MemoryStore, account: AccountSid = OWNER) -> list[int]:
    page = await store.calls(account, CallFilter(), PageRequest(size=1000))
    return sorted(int(call.sid[2:], 16) for call in page.rows)


async def test_old_calls_go_and_young_and_live_ones_stay(
    store: MemoryStore, trace: MemoryTrace, clock: ManualClock
) -> None:
    await add(store, 1, ended_at=clock.now() - 31 * DAY_S)
    await add(store, 2, ended_at=clock.now() - 29 * DAY_S)
    await add(store, 3, ended_at=None)
    for number in (1, 2):
        leg = CallSid(f"CA{number:032x}")
        trace.record(TraceEvent(at=1.0, account_sid=OWNER, leg_sid=leg, kind="leg.status", detail={}))
    assert await Retention(store, trace, clock, insights=trace.insights, days=30).sweep(OWNER) == 1
    assert await left(store) == [2, 3]
    assert [len(await trace.timeline(OWNER, CallSid(f"CA{number:032x}"), 9)) for number in (1, 2)] == [0, 1]


async def test_idempotency_keys_go_a_day_after_the_end_of_their_call(
    store: MemoryStore, trace: MemoryTrace, clock: ManualClock
) -> None:
    def repeat(fingerprint: bytes) -> Awaitable[Appended]:
        draft = Draft(
            account_sid=OWNER,
            leg_sid=CallSid(f"CA{1:032x}"),
            log=Log.TO_CLIENT,
            sid=MessageSid(f"KX{fingerprint[0]:032x}"),
            content=b"1",
            content_type="application/json",
            at=clock.now(),
        )
        claim = IdempotencyClaim(endpoint="messages", key="once", fingerprint=fingerprint)
        return store.append_message(draft, Limits(), claim)

    retention = Retention(store, trace, clock, insights=trace.insights, days=30)
    await add(store, 1, ended_at=None)
    await repeat(b"1")
    await add(store, 1, ended_at=clock.now())
    clock.advance(DAY_S - 1)
    await retention.sweep(OWNER)
    assert (await repeat(b"1")).repeated
    clock.advance(1)
    await retention.sweep(OWNER)
    # Nobody knows the key any more, so other parameters are no conflict: the call is over, and that is all.
    with pytest.raises(Refused, match="not active"):
        await repeat(b"2")


async def test_old_alerts_of_no_call_go_however_many_they_are(
    store: MemoryStore, trace: MemoryTrace, clock: ManualClock
) -> None:
    def alert(number: int, at: float) -> Alert:
        return Alert(
            sid=AlertSid(f"NO{number:032x}"),
            account_sid=OWNER,
            call_sid=None,
            code=11200,
            level=Level.ERROR,
            reason="",
            at=at,
        )

    long_ago = clock.now() - 31 * DAY_S
    for number in range(2 * ALERT_BATCH):
        await store.add_alert(alert(number, long_ago))
    young = alert(2 * ALERT_BATCH, clock.now() - 29 * DAY_S)
    await store.add_alert(young)
    await Retention(store, trace, clock, insights=trace.insights, days=30).sweep(OWNER)
    assert (await store.alerts(OWNER, ANY_ALERT, PageRequest(size=1000))).rows == [young]


async def test_a_sweep_that_fails_is_not_the_last(
    store: MemoryStore, trace: MemoryTrace, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    retention = Retention(store, trace, clock, insights=trace.insights, days=30)
    await add(store, 1, ended_at=1.0)
    with monkeypatch.context() as broken:
        broken.setattr(store, "purge", None)
        retention.start(OWNER)
        await clock.settle()
    assert await left(store) == [1]
    clock.advance(SWEEP_S)
    await clock.settle()
    assert await left(store) == []
    await retention.close()


async def test_more_messages_than_wanted_take_the_oldest_ended_calls_along(
    store: MemoryStore, trace: MemoryTrace, clock: ManualClock
) -> None:
    for number in range(1, 5):
        await add(store, number, ended_at=None)
        for message in range(2):
            draft = Draft(
                account_sid=OWNER,
                leg_sid=CallSid(f"CA{number:032x}"),
                log=Log.FROM_CLIENT,
                sid=MessageSid(f"KX{number * 10 + message:032x}"),
                content=b"1",
                content_type="",
                at=clock.now(),
            )
            await store.append_message(draft, Limits())
        if number != 2:
            await add(store, number, ended_at=clock.now())
    assert await Retention(store, trace, clock, insights=trace.insights, days=30).sweep(OWNER) == 0
    assert await Retention(store, trace, clock, insights=trace.insights, days=30, messages=3).sweep(OWNER) == 1
    assert await left(store) == [2, 3, 4]
    assert await Retention(store, trace, clock, insights=trace.insights, days=30, messages=2).sweep(OWNER) == 1
    assert await left(store) == [2, 4]


async def test_subaccounts_are_swept_too(store: MemoryStore, trace: MemoryTrace, clock: ManualClock) -> None:
    await add(store, 1, ended_at=1.0, account=INNER)
    await Retention(store, trace, clock, insights=trace.insights, days=30).sweep(OWNER)
    assert await left(store, INNER) == []


async def test_a_sweep_is_bounded_and_the_next_one_goes_on(
    store: MemoryStore, trace: MemoryTrace, clock: ManualClock
) -> None:
    for number in range(BATCH + 1):
        await add(store, number, ended_at=1.0)
    retention = Retention(store, trace, clock, insights=trace.insights, days=30)
    assert await retention.sweep(OWNER) == BATCH
    assert await retention.sweep(OWNER) == 1


async def test_a_running_retention_sweeps_again_and_again_until_it_is_closed(
    store: MemoryStore, trace: MemoryTrace, clock: ManualClock
) -> None:
    retention = Retention(store, trace, clock, insights=trace.insights, days=30)
    retention.start(OWNER)
    await clock.settle()
    await add(store, 1, ended_at=1.0)
    clock.advance(SWEEP_S)
    await clock.settle()
    assert await left(store) == []
    await retention.close()
    await add(store, 2, ended_at=1.0)
    clock.advance(SWEEP_S)
    await clock.settle()
    assert await left(store) == [2]
