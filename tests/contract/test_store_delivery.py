"""Every store: what it keeps of what became of messages, and replays. The rest of the port is in test_store.py."""

from __future__ import annotations

from dataclasses import replace

import pytest

from midcall.core import errors
from midcall.core.calls import Call, Status
from midcall.core.delivery import Delivered, EndLane, RetryAt, StepOver, Verdict
from midcall.core.errors import Refused
from midcall.core.lanes import Attempt, DeliveryState, LaneState, Missed
from midcall.core.messages import Limits, Log, Receipt
from midcall.ports import PageRequest, Store
from support.records import (
    ACCOUNT,
    LEG,
    LIMITS,
    NOW,
    STATUS_LANE,
    add_call,
    call,
    call_sid,
    draft,
    end_call,
    message_sid,
    replay,
    step,
    subscription,
    subscription_sid,
)

ALL = range(1, 100)


async def append(store: Store, *numbers: int, log: Log = Log.FROM_CLIENT) -> None:
    for number in numbers:
        await store.append_message(draft(number, log=log), LIMITS)


async def drain(store: Store, lane: str, *verdicts: Verdict, at: float = NOW) -> list[int]:
    """Settle turns of a lane with these verdicts, the last one again and again; the numbers it handed out."""
    seen = []
    pending = list(verdicts)
    turn = await store.claim(lane, now=at, lease_until=at + 30)
    while turn is not None:
        seen.append(turn.entry.seq)
        verdict = pending.pop(0) if len(pending) > 1 else pending[0]
        status = 204 if isinstance(verdict, Delivered) else 500
        attempt = Attempt(sent_at=at - 1, status=status)
        turn = await store.settle(turn, verdict, now=at, lease_until=at + 30, attempt=attempt)
    return seen


async def reasons(store: Store) -> dict[int, str]:
    """Why messages to the client were given up, by number."""
    rows = await store.undelivered(ACCOUNT, LEG, 100)
    return {row.entry.seq: row.reason for row in rows if row.entry.log is Log.TO_CLIENT}


# receipts


async def test_receipts_keep_when_messages_were_written_and_received(store: Store) -> None:
    await add_call(store)
    await append(store, 1, 2, 3, log=Log.TO_CLIENT)
    store.move_cursor(LEG, "a", 2, written_at=NOW, at=NOW + 1)
    store.move_cursor(LEG, "a", 1, written_at=NOW + 5, at=NOW + 6)
    store.move_cursor(LEG, "a", 3)
    assert await store.cursor(LEG, "a") == 3
    receipts = (await store.standing(ACCOUNT, LEG, range(0), ALL)).receipts
    assert list(receipts) == [
        Receipt(reader="a", seq=2, written_at=NOW, at=NOW + 1),
        Receipt(reader="a", seq=3, written_at=None, at=None),
    ]
    assert list((await store.standing(ACCOUNT, LEG, range(0), range(1, 2))).receipts) == receipts[:1]


async def test_after_a_crash_what_the_client_may_have_is_told_from_what_it_surely_has_not(store: Store) -> None:
    await add_call(store)
    await append(store, 1, 2, log=Log.TO_CLIENT)
    store.move_cursor(LEG, "a", 1)
    store.bound_writes(LEG, "a", 2)
    await append(store, 3, 4, log=Log.TO_CLIENT)
    await store.save(step(LEG, call=ended(), state=None, reader="a", receipts_lost=True))
    assert await reasons(store) == {2: "receipt unknown", 3: "the call ended first", 4: "the call ended first"}


@pytest.mark.parametrize("was_away", [False, True])
async def test_after_a_crash_everything_is_unknown_while_the_client_was_there(store: Store, was_away: bool) -> None:
    await add_call(store)
    await append(store, 1, 2, log=Log.TO_CLIENT)
    if was_away:
        store.bound_writes(LEG, "a", 1)
        store.bound_writes(LEG, "a", None)
    await store.save(step(LEG, call=ended(), state=None, reader="a", receipts_lost=True))
    assert await reasons(store) == {1: "receipt unknown", 2: "receipt unknown"}


def ended() -> Call:
    return call(status=Status.COMPLETED, ended_at=NOW + 60)


# deliveries


async def test_attempts_are_counted_and_the_first_ones_time_stays(store: Store) -> None:
    await add_call(store)
    await store.add_subscription(subscription(), LIMITS)
    await append(store, 1, 2, 3)
    await drain(store, subscription_sid(), RetryAt(NOW + 1))
    await drain(store, subscription_sid(), Delivered(), StepOver("too old"), Delivered(), at=NOW + 5)
    found = (await store.standing(ACCOUNT, LEG, ALL, range(0))).deliveries
    assert [(row.seq, row.state, row.attempts, row.status) for row in found] == [
        (1, DeliveryState.DELIVERED, 2, 204),
        (2, DeliveryState.UNDELIVERED, 1, 500),
        (3, DeliveryState.DELIVERED, 1, 204),
    ]
    assert (found[0].first_at, found[0].last_at, found[0].settled_at) == (NOW - 1, NOW + 4, NOW + 5)


async def test_status_callbacks_leave_no_deliveries(store: Store) -> None:
    await store.save(step(call=call(), status_lane=STATUS_LANE))
    await store.save(step(status_entries=[b"{}"]))
    assert await drain(store, LEG, Delivered()) == [1]
    standing = await store.standing(ACCOUNT, LEG, ALL, ALL)
    assert (list(standing.deliveries), list(standing.lanes)) == ([], [])


# where a subscription begins


async def test_a_subscription_from_the_start_hears_what_was_said_before(store: Store) -> None:
    await add_call(store)
    await append(store, 1, 2)
    await store.add_subscription(replace(subscription(1), from_start=True), LIMITS)
    await store.add_subscription(subscription(2), LIMITS)
    assert await store.due_lanes(NOW, 10) == [subscription_sid(1)]
    assert await drain(store, subscription_sid(1), Delivered()) == [1, 2]


@pytest.mark.parametrize("first", [0, 1, 5])
async def test_a_subscription_opened_with_the_leg_hears_the_first_message_whatever_its_number(
    store: Store, first: int
) -> None:
    opened = replace(step(call=call()), subscriptions=[subscription()], first_sequence=first)
    await store.save(opened)
    assert [known.sid for known in await store.subscriptions(ACCOUNT, LEG)] == [subscription_sid()]
    await store.append_message(draft(1), Limits(first_sequence=first))
    assert await drain(store, subscription_sid(), Delivered()) == [first]


# replays


async def lost(store: Store) -> None:
    """Five messages, of which a subscription gave up the second, the fourth and the fifth."""
    await add_call(store)
    await store.add_subscription(subscription(), LIMITS)
    await append(store, 1, 2, 3, 4, 5)
    verdicts = (Delivered(), StepOver("old"), Delivered(), EndLane("gone"))
    assert await drain(store, subscription_sid(), *verdicts) == [1, 2, 3, 4]


async def test_a_replay_sends_its_numbers_in_order_and_ends(store: Store) -> None:
    await lost(store)
    await store.add_replays([replay(1, [4, 2, 5])])
    assert await drain(store, replay(1).sid, Delivered()) == [2, 4, 5]
    lane = await store.lane(ACCOUNT, replay(1).sid)
    assert lane is not None
    assert (lane.state, lane.cursor, lane.numbers) == (LaneState.ENDED, 5, (range(2, 3), range(4, 6)))
    assert await store.next_due() is None


async def test_a_replay_resolves_what_its_origin_gave_up_and_nothing_else(store: Store) -> None:
    await lost(store)
    assert await store.missed(ACCOUNT, None, None) == [
        Missed(LEG, subscription_sid(), (range(2, 3), range(4, 6))),
    ]
    await store.add_replays([replay(1, [2]), replay(2, [4], origin=9)])
    await drain(store, replay(1).sid, Delivered(), at=NOW + 9)
    await drain(store, replay(2).sid, Delivered())
    rows = {row.entry.seq: (row.resolved_at, row.resolved_by) for row in await store.undelivered(ACCOUNT, LEG, 10)}
    assert rows == {2: (NOW + 9, replay(1).sid), 4: (None, None), 5: (None, None)}
    assert await store.missed(ACCOUNT, LEG, None) == [Missed(LEG, subscription_sid(), (range(4, 6),))]
    assert await store.missed(ACCOUNT, LEG, NOW + 1) == []


async def test_a_replay_never_moves_the_lane_that_was_first(store: Store) -> None:
    await add_call(store)
    await store.add_subscription(subscription(), LIMITS)
    await append(store, 1, 2, 3)
    await drain(store, subscription_sid(), Delivered(), RetryAt(NOW + 60, down=True))
    before = await store.lane(ACCOUNT, subscription_sid())
    await store.add_replays([replay(1, [1, 2, 3])])
    assert await drain(store, replay(1).sid, Delivered()) == [1, 2, 3]
    assert await store.lane(ACCOUNT, subscription_sid()) == before


async def test_what_a_replay_gives_up_is_told_by_itself_and_listed_nowhere_else(store: Store) -> None:
    await add_call(store)
    await append(store, 1, 2)
    await store.add_replays([replay(1, [1, 2], origin=None)])
    assert await drain(store, replay(1).sid, EndLane("refused")) == [1]
    lane = await store.lane(ACCOUNT, replay(1).sid)
    assert lane is not None and (lane.state, lane.reason) == (LaneState.ENDED, "refused")
    assert await store.undelivered(ACCOUNT, None, 10) == []


async def test_a_stopped_replay_sends_nothing_more(store: Store) -> None:
    await lost(store)
    await store.add_replays([replay(1, [1, 2])])
    assert await store.end_replay(ACCOUNT, replay(1).sid)
    assert not await store.end_replay(ACCOUNT, replay(1).sid)
    assert not await store.end_replay(ACCOUNT, subscription_sid())
    assert await drain(store, replay(1).sid, Delivered()) == []


async def test_new_messages_do_not_wake_a_replay_and_replays_are_no_subscriptions(store: Store) -> None:
    await add_call(store)
    await append(store, 1)
    await store.add_replays([replay(1, [1], origin=None)])
    await drain(store, replay(1).sid, Delivered())
    await append(store, 2)
    assert await store.due_lanes(NOW + 1, 10) == []
    assert await store.subscriptions(ACCOUNT, LEG) == []
    await store.add_subscription(subscription(), Limits(subscriptions_per_leg=1))


async def test_replays_of_an_unknown_call_are_refused_all_together(store: Store) -> None:
    await lost(store)
    with pytest.raises(Refused) as caught:
        await store.add_replays([replay(1, [1]), replay(2, [1], leg=call_sid(9))])
    assert caught.value.rule is errors.NOT_FOUND
    assert await store.lane(ACCOUNT, replay(1).sid) is None


async def test_a_deleted_call_takes_its_receipts_deliveries_and_replays_along(store: Store) -> None:
    await lost(store)
    await append(store, 6, log=Log.TO_CLIENT)
    store.move_cursor(LEG, "a", 1)
    store.bound_writes(LEG, "a", 1)
    await store.add_replays([replay(1, [1])])
    await end_call(store, reader="a")
    assert await store.delete_call(ACCOUNT, LEG)
    await add_call(store)
    standing = await store.standing(ACCOUNT, LEG, ALL, ALL)
    assert [list(rows) for rows in (standing.lanes, standing.deliveries, standing.receipts, standing.undelivered)] == [
        [],
        [],
        [],
        [],
    ]


# looking


async def test_messages_of_both_directions_are_paged_newest_first(store: Store) -> None:
    await add_call(store)
    for number, log in enumerate([Log.FROM_CLIENT, Log.TO_CLIENT, Log.TO_CLIENT, Log.FROM_CLIENT], 1):
        await append(store, number, log=log)
    whole = await store.entries(ACCOUNT, LEG, None, PageRequest(size=3))
    assert [entry.sid for entry in whole.rows] == [message_sid(number) for number in (4, 3, 2)]
    rest = await store.entries(ACCOUNT, LEG, None, PageRequest(size=3, after=message_sid(2)))
    assert [entry.sid for entry in rest.rows] == [message_sid(1)]
    to_client = await store.entries(ACCOUNT, LEG, Log.TO_CLIENT, PageRequest())
    assert [entry.seq for entry in to_client.rows] == [2, 1]
    assert (await store.entries(call_sid(1), LEG, None, PageRequest())).rows == []  # type: ignore[arg-type]
    found = await store.entry(ACCOUNT, LEG, message_sid(3))
    assert found is not None and found.seq == 2


async def test_calls_beyond_the_newest_messages_are_surplus_oldest_first(store: Store) -> None:
    for number, count in enumerate([2, 1, 3, 2], 1):
        await add_call(store, call(number))
        for message in range(count):
            await store.append_message(draft(10 * number + message, leg=call_sid(number)), LIMITS)
        if number != 2:
            await end_call(store, number)
    assert await store.surplus(ACCOUNT, 2, 10) == [call_sid(1), call_sid(3)]
    assert await store.surplus(ACCOUNT, 2, 1) == [call_sid(1)]
    assert await store.surplus(ACCOUNT, 5, 10) == [call_sid(1)]
    assert await store.surplus(ACCOUNT, 7, 10) == []


async def test_what_is_still_to_be_delivered_is_no_surplus(store: Store) -> None:
    await add_call(store)
    await store.add_subscription(subscription(), LIMITS)
    await append(store, 1)
    await end_call(store)
    assert await store.surplus(ACCOUNT, 0, 10) == []
    await drain(store, subscription_sid(), Delivered())
    assert await store.surplus(ACCOUNT, 0, 10) == [LEG]
