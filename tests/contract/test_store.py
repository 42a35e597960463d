"""Every store: what the Store port promises, over every adapter. Crashes and disks are in tests/storage."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from midcall.core import errors
from midcall.core.accounts import AccountStatus
from midcall.core.alerts import ANY_ALERT, AlertFilter, Level
from midcall.core.calls import CallFilter, Status
from midcall.core.delivery import Delivered, EndLane, RetryAt, StepOver
from midcall.core.errors import Refused, Rule
from midcall.core.lanes import Encoding, Lane, LaneKind, LaneState, Turn
from midcall.core.messages import Limits, Log, Subscription
from midcall.core.sids import ApplicationSid, KeySid, PhoneNumberSid
from midcall.ports import Claimed, PageRequest, PageResult, StatusLane, Store
from support.records import (
    ACCOUNT,
    LEG,
    LIMITS,
    NOW,
    STATUS_LANE,
    account,
    account_sid,
    add_call,
    alert,
    api_key,
    application,
    call,
    call_sid,
    draft,
    end_call,
    key_claim,
    phone_number,
    sid,
    step,
    subscription,
    subscription_sid,
)

FIRST_PAGE = PageRequest()


async def refused(awaitable: Awaitable[object]) -> Rule:
    with pytest.raises(Refused) as caught:
        await awaitable
    return caught.value.rule


async def subscribe(store: Store, number: int = 1) -> Subscription:
    made, _ = await store.add_subscription(subscription(number), LIMITS)
    return made


async def append(store: Store, *numbers: int, log: Log = Log.FROM_CLIENT) -> None:
    for number in numbers:
        await store.append_message(draft(number, log=log), LIMITS)


async def claim(store: Store, lane: str, *, now: float = NOW, lease_until: float = NOW + 30) -> Turn:
    turn = await store.claim(lane, now=now, lease_until=lease_until)
    assert turn is not None
    return turn


async def settle(store: Store, turn: Turn, verdict: Any, *, now: float = NOW + 1) -> Turn | None:
    return await store.settle(turn, verdict, now=now, lease_until=now + 30)


async def only_lane(store: Store) -> Lane:
    (lane,) = await store.lanes(ACCOUNT, LEG, 10)
    return lane


async def not_delivered(store: Store) -> list[tuple[str, int, str, str]]:
    """(log, seq, reader, reason), newest first."""
    rows = await store.undelivered(ACCOUNT, LEG, 100)
    return [(row.entry.log, row.entry.seq, row.reader, row.reason) for row in rows]


# accounts, keys, applications


async def test_an_account_is_read_back_as_it_was_put_and_replaced_by_the_next_put(store: Store) -> None:
    await store.put_account(account())
    assert await store.account(ACCOUNT) == account()
    renamed = replace(
        account(), friendly_name="new", status=AccountStatus.SUSPENDED, auth_token="other", updated_at=NOW + 5
    )
    await store.put_account(renamed)
    assert await store.account(ACCOUNT) == renamed
    assert await store.account(account_sid(2)) is None


async def test_an_owner_lists_itself_and_its_subaccounts_newest_first(store: Store) -> None:
    own, foreign = account(1), account(4)
    children = [account(2, owner=1, friendly_name="a"), account(3, owner=1, status="closed")]
    for row in [own, foreign, *children]:
        await store.put_account(row)
    listed = await store.accounts(ACCOUNT, FIRST_PAGE)
    assert listed.rows == [children[1], children[0], own]
    assert (await store.accounts(ACCOUNT, FIRST_PAGE, friendly_name="a")).rows == [children[0]]
    assert (await store.accounts(ACCOUNT, FIRST_PAGE, status="closed")).rows == [children[1]]


async def test_replacing_a_row_does_not_move_it_in_its_list(store: Store) -> None:
    for number in (1, 2):
        await store.put_key(api_key(number))
    await store.put_key(api_key(1))
    assert [key.sid for key in (await store.keys(ACCOUNT, FIRST_PAGE)).rows] == [sid("SK", 2), sid("SK", 1)]


async def test_a_key_belongs_to_its_account_and_can_be_deleted_once(store: Store) -> None:
    await store.put_key(api_key(1))
    await store.put_key(api_key(2, account=account_sid(2)))
    assert await store.key(api_key(1).sid) == api_key(1)
    assert await store.key(api_key(2).sid) == api_key(2, account=account_sid(2))
    assert (await store.keys(ACCOUNT, FIRST_PAGE)).rows == [api_key(1)]
    assert not await store.delete_key(account_sid(2), api_key(1).sid)
    assert await store.delete_key(ACCOUNT, api_key(1).sid)
    assert not await store.delete_key(ACCOUNT, api_key(1).sid)
    assert await store.key(api_key(1).sid) is None


async def test_an_application_keeps_every_field_and_is_seen_by_its_account_only(store: Store) -> None:
    await store.put_application(application())
    made = application().sid
    assert await store.application(ACCOUNT, made) == application()
    assert await store.application(account_sid(2), made) is None
    assert not await store.delete_application(account_sid(2), made)
    assert await store.delete_application(ACCOUNT, made)
    assert await store.application(ACCOUNT, made) is None


async def test_applications_are_found_by_their_name(store: Store) -> None:
    for number, name in enumerate(["a", "b", "a"], 1):
        await store.put_application(application(number, friendly_name=name))
    found = await store.applications(ACCOUNT, FIRST_PAGE, friendly_name="a")
    assert found.rows == [application(3, friendly_name="a"), application(1, friendly_name="a")]
    assert len((await store.applications(ACCOUNT, FIRST_PAGE)).rows) == 3


async def test_a_phone_number_keeps_every_field_and_is_seen_by_its_account_only(store: Store) -> None:
    bare = replace(phone_number(2, digits="+15005550002"), voice_application_sid=None, sms_application_sid=None)
    for row in (phone_number(), bare):
        await store.put_phone_number(row)
        assert await store.phone_number(ACCOUNT, row.sid) == row
        assert await store.phone_number_of(ACCOUNT, row.number) == row
    made = phone_number().sid
    assert await store.phone_number(account_sid(2), made) is None
    assert await store.phone_number_of(account_sid(2), phone_number().number) is None
    assert not await store.delete_phone_number(account_sid(2), made)
    assert await store.delete_phone_number(ACCOUNT, made)
    assert not await store.delete_phone_number(ACCOUNT, made)
    assert await store.phone_number_of(ACCOUNT, phone_number().number) is None


async def test_a_number_is_one_row_of_an_account_and_may_be_another_accounts_too(store: Store) -> None:
    await store.put_phone_number(phone_number())
    with pytest.raises(Refused) as refused:
        await store.put_phone_number(phone_number(2))
    assert refused.value.rule is errors.PHONE_NUMBER_TAKEN
    assert await store.phone_number_of(ACCOUNT, phone_number().number) == phone_number()
    changed = replace(phone_number(), voice_url="changed")
    await store.put_phone_number(changed)
    elsewhere = phone_number(3, account=account_sid(2))
    await store.put_phone_number(elsewhere)
    assert await store.phone_number_of(ACCOUNT, phone_number().number) == changed
    assert await store.phone_number_of(account_sid(2), phone_number().number) == elsewhere


@pytest.mark.parametrize(
    ("part", "found"),
    [
        (None, [3, 2, 1]),
        ("+1500555", [2, 1]),
        ("5550002", [2]),
        ("500555000*", [2, 1]),
        ("+4*20", [3]),
        ("***************", []),
        ("555.0002", []),
    ],
)
async def test_phone_numbers_are_found_by_a_part_of_them(store: Store, part: str | None, found: list[int]) -> None:
    for number, digits in enumerate(("+15005550001", "+15005550002", "+442079460000"), 1):
        await store.put_phone_number(phone_number(number, digits=digits))
    rows = (await store.phone_numbers(ACCOUNT, FIRST_PAGE, part=part)).rows
    assert [row.sid for row in rows] == [phone_number(number).sid for number in found]


async def test_phone_numbers_are_found_by_their_name_and_page_by_page(store: Store) -> None:
    for number in (1, 2, 3):
        await store.put_phone_number(phone_number(number, digits=f"+1500555000{number}"))
    named = await store.phone_numbers(ACCOUNT, FIRST_PAGE, friendly_name="number 2")
    assert [row.sid for row in named.rows] == [phone_number(2).sid]
    page = await store.phone_numbers(ACCOUNT, PageRequest(size=2))
    assert ([row.sid for row in page.rows], page.following) == (
        [phone_number(3).sid, phone_number(2).sid],
        phone_number(1).sid,
    )
    rest = await store.phone_numbers(ACCOUNT, PageRequest(size=2, first=page.following))
    assert ([row.sid for row in rest.rows], rest.has_next) == ([phone_number(1).sid], False)


async def test_what_is_no_sid_is_found_nowhere(store: Store) -> None:
    await store.put_key(api_key(1))
    await store.put_application(application())
    assert await store.key(KeySid("")) is None
    assert await store.key(KeySid("AC" + api_key(1).sid[2:])) is None
    assert await store.application(ACCOUNT, ApplicationSid("nonsense")) is None
    assert await store.call(ACCOUNT, call_sid(9)) is None
    assert await store.claim("nonsense", now=NOW, lease_until=NOW) is None


# pages


async def key_numbers(store: Store, page: PageRequest) -> tuple[list[int], bool, bool]:
    result = await store.keys(ACCOUNT, page)
    return [int(key.sid[2:], 16) for key in result.rows], result.has_previous, result.has_next


async def test_pages_go_forth_and_back_over_the_rows_newest_first(store: Store) -> None:
    for number in range(1, 8):
        await store.put_key(api_key(number))
    assert await key_numbers(store, PageRequest(3)) == ([7, 6, 5], False, True)
    assert await key_numbers(store, PageRequest(3, after=sid("SK", 5))) == ([4, 3, 2], True, True)
    assert await key_numbers(store, PageRequest(3, after=sid("SK", 2))) == ([1], True, False)
    assert await key_numbers(store, PageRequest(3, after=sid("SK", 1))) == ([], True, False)
    assert await key_numbers(store, PageRequest(3, before=sid("SK", 2))) == ([5, 4, 3], True, True)
    assert await key_numbers(store, PageRequest(3, before=sid("SK", 5))) == ([7, 6], False, True)
    assert await key_numbers(store, PageRequest(3, first=sid("SK", 4))) == ([4, 3, 2], True, True)
    assert await key_numbers(store, PageRequest(4, first=sid("SK", 4))) == ([4, 3, 2, 1], True, False)
    for page, following in (
        (PageRequest(3), 4),
        (PageRequest(3, first=sid("SK", 4)), 1),
        (PageRequest(3, after=sid("SK", 5)), 1),
        (PageRequest(3, before=sid("SK", 4)), 4),
    ):
        assert (await store.keys(ACCOUNT, page)).following == sid("SK", following)
    assert (await store.keys(ACCOUNT, PageRequest(4, first=sid("SK", 4)))).following is None
    assert await key_numbers(store, PageRequest(7)) == ([7, 6, 5, 4, 3, 2, 1], False, False)


async def test_a_page_after_a_sid_that_is_not_in_the_list_is_empty(store: Store) -> None:
    await store.put_key(api_key(1))
    await store.put_key(api_key(2, account=account_sid(2)))
    for unknown in (sid("SK", 9), sid("SK", 2), "nonsense"):
        assert await key_numbers(store, PageRequest(3, after=unknown)) == ([], False, False)
        assert await key_numbers(store, PageRequest(3, before=unknown)) == ([], False, False)


async def test_pages_follow_the_filter(store: Store) -> None:
    for number in range(1, 7):
        status = Status.BUSY if number % 2 else Status.IN_PROGRESS
        await add_call(store, call(number, status=status))
    busy = CallFilter(status=Status.BUSY)
    first = await store.calls(ACCOUNT, busy, PageRequest(2))
    assert [row.sid for row in first.rows] == [call_sid(5), call_sid(3)]
    assert first.has_next
    last = await store.calls(ACCOUNT, busy, PageRequest(2, after=call_sid(3)))
    assert ([row.sid for row in last.rows], last.has_next, last.has_previous) == ([call_sid(1)], False, True)


async def test_a_row_that_left_the_list_still_marks_its_place(store: Store) -> None:
    for number in range(1, 7):
        await add_call(store, call(number, status=Status.IN_PROGRESS))
    live = CallFilter(status=Status.IN_PROGRESS)
    await add_call(store, call(3, status=Status.COMPLETED))
    after = await store.calls(ACCOUNT, live, PageRequest(1, after=call_sid(3)))
    assert ([row.sid for row in after.rows], after.has_next, after.has_previous) == ([call_sid(2)], True, True)
    before = await store.calls(ACCOUNT, live, PageRequest(2, before=call_sid(3)))
    assert [row.sid for row in before.rows] == [call_sid(5), call_sid(4)]
    assert (before.has_next, before.has_previous) == (True, True)
    at = await store.calls(ACCOUNT, live, PageRequest(1, first=call_sid(3)))
    assert ([row.sid for row in at.rows], at.following) == ([call_sid(2)], call_sid(1))
    foreign = await store.calls(account_sid(2), live, PageRequest(2, after=call_sid(3)))
    assert (foreign.rows, foreign.has_next, foreign.has_previous) == ((), False, False)


# calls and actors


async def test_a_call_is_read_back_as_it_was_saved_by_its_account_only(store: Store) -> None:
    row = replace(
        call(status=Status.COMPLETED, ended_at=NOW + 9),
        parent_sid=call_sid(7),
        application_sid=ApplicationSid(sid("AP", 1)),
        phone_number_sid=PhoneNumberSid(sid("PN", 1)),
        forwarded_from="+15005550006",
        stir_status="TN-Validation-Passed-A",
        started_at=NOW + 1,
        answered_at=NOW + 2,
    )
    await add_call(store, row)
    assert await store.call(ACCOUNT, LEG) == row
    assert await store.call(account_sid(2), LEG) is None
    assert (await store.calls(account_sid(2), CallFilter(), FIRST_PAGE)).rows == []


@pytest.mark.parametrize(
    ("where", "found"),
    [
        (CallFilter(), [3, 2, 1]),
        (CallFilter(to="client:carol"), [2]),
        (CallFilter(from_="client:alice"), [3, 2, 1]),
        (CallFilter(from_="client:al"), []),
        (CallFilter(parent_sid=call_sid(1)), [3]),
        (CallFilter(status=Status.COMPLETED), [2]),
        (CallFilter(started_from=NOW + 2), [2]),
        (CallFilter(started_to=NOW + 2), [1]),
        (CallFilter(started_from=NOW + 1, started_to=NOW + 2), [1]),
        (CallFilter(ended_from=NOW), [2]),
        (CallFilter(ended_from=NOW, ended_to=NOW + 50), []),
    ],
)
async def test_calls_are_filtered(store: Store, where: CallFilter, found: list[int]) -> None:
    await add_call(store, replace(call(1), started_at=NOW + 1))
    done = call(2, status=Status.COMPLETED, ended_at=NOW + 50)
    await add_call(store, replace(done, to="client:carol", started_at=NOW + 2))
    await add_call(store, replace(call(3), parent_sid=call_sid(1)))
    rows = (await store.calls(ACCOUNT, where, FIRST_PAGE)).rows
    assert [row.sid for row in rows] == [call_sid(number) for number in found]


async def test_an_actor_is_loaded_as_it_was_last_saved_with_all_its_timers_replaced(store: Store) -> None:
    await store.save(replace(step(state=b"\x00one"), timers={"ring": NOW + 0.1, "limit": NOW + 14_400}))
    await store.save(replace(step(state=b"two"), timers={"limit": NOW + 5}))
    saved = await store.load(LEG)
    assert saved is not None
    assert (saved.state, dict(saved.timers)) == (b"two", {"limit": NOW + 5})


async def test_a_load_sees_a_save_that_nobody_waited_for(store: Store) -> None:
    for number in range(20):
        store.save_soon(replace(step(state=b"%d" % number), timers={"t": NOW + number}))
    saved = await store.load(LEG)
    assert saved is not None
    assert (saved.state, dict(saved.timers)) == (b"19", {"t": NOW + 19})


async def test_an_actor_without_state_is_gone_with_its_timers(store: Store) -> None:
    await store.save(replace(step(), timers={"ring": NOW}))
    await store.save(step(state=None))
    assert await store.load(LEG) is None
    assert await store.live_owners() == []


async def test_live_owners_are_listed_oldest_first_rooms_included(store: Store) -> None:
    for owner in ("room:2", LEG, "room:1"):
        await store.save(replace(step(), owner=owner))
    await store.save(replace(step(state=b"again"), owner="room:2"))
    assert list(await store.live_owners()) == ["room:2", LEG, "room:1"]


async def test_an_actor_step_saves_its_alerts(store: Store) -> None:
    await store.save(replace(step(), alerts=[alert(1), alert(2)]))
    assert (await store.alerts(ACCOUNT, ANY_ALERT, FIRST_PAGE)).rows == [alert(2), alert(1)]


# appending messages


async def test_a_log_is_numbered_from_one_without_gaps(store: Store) -> None:
    await add_call(store)
    appended = [await store.append_message(draft(n, content=b"%d" % n), LIMITS) for n in (5, 3, 4)]
    assert [(a.entry.seq, a.repeated) for a in appended] == [(1, False), (2, False), (3, False)]
    entries = await store.entries_after(LEG, Log.FROM_CLIENT, 0, 10)
    assert [entry.content for entry in entries] == [b"5", b"3", b"4"]
    assert list(entries) == [a.entry for a in appended]


async def test_each_log_of_each_leg_counts_on_its_own(store: Store) -> None:
    await add_call(store)
    await add_call(store, call(2))
    for log in (Log.FROM_CLIENT, Log.TO_CLIENT):
        for leg in (LEG, call_sid(2)):
            appended = await store.append_message(draft(1, log=log, leg=leg), LIMITS)
            assert (appended.entry.seq, appended.repeated) == (1, False)


async def test_entries_are_read_after_a_number_and_up_to_a_limit(store: Store) -> None:
    await add_call(store)
    await append(store, 1, 2, 3, 4)
    assert [e.seq for e in await store.entries_after(LEG, Log.FROM_CLIENT, 1, 2)] == [2, 3]
    assert [e.seq for e in await store.entries_after(LEG, Log.FROM_CLIENT, 4, 2)] == []
    assert [e.seq for e in await store.entries_after(LEG, Log.TO_CLIENT, 0, 2)] == []
    assert [e.seq for e in await store.entries_after(call_sid(5), Log.TO_CLIENT, 0, 2)] == []


async def test_messages_that_arrive_together_get_consecutive_numbers_in_the_order_of_the_calls(store: Store) -> None:
    await add_call(store)
    appended = await asyncio.gather(*(store.append_message(draft(n), LIMITS) for n in range(1, 101)))
    assert [a.entry.seq for a in appended] == list(range(1, 101))


async def test_the_setting_for_the_first_number_holds_for_what_callbacks_show(store: Store) -> None:
    await add_call(store)
    from_zero = Limits(first_sequence=0)
    made, _ = await store.add_subscription(subscription(), from_zero)
    first = await store.append_message(draft(1), from_zero)
    second = await store.append_message(draft(2), from_zero)
    assert [first.entry.seq, second.entry.seq] == [0, 1]
    turn = await claim(store, made.sid)
    assert turn.entry == first.entry
    following = await settle(store, turn, Delivered())
    assert following is not None
    assert following.entry == second.entry


async def test_a_reader_without_cursor_misses_no_message_whatever_the_first_number(store: Store) -> None:
    await add_call(store)
    await store.append_message(draft(1, log=Log.TO_CLIENT), Limits(first_sequence=0))
    assert len(await store.entries_after(LEG, Log.TO_CLIENT, await store.cursor(LEG, "a"), 10)) == 1


async def test_a_repeated_sid_returns_the_first_entry_and_adds_none(store: Store) -> None:
    await add_call(store)
    first = await store.append_message(draft(1, content=b"1"), LIMITS)
    await append(store, 2)
    again = await store.append_message(draft(1, content=b"2"), LIMITS)
    assert again.repeated
    assert again.entry == first.entry
    assert len(await store.entries_after(LEG, Log.FROM_CLIENT, 0, 10)) == 2


async def test_a_repeat_is_still_a_repeat_after_the_call_has_ended(store: Store) -> None:
    await add_call(store)
    await append(store, 1)
    await end_call(store)
    assert (await store.append_message(draft(1), LIMITS)).repeated
    assert await refused(store.append_message(draft(2), LIMITS)) is errors.CALL_NOT_ACTIVE


@pytest.mark.parametrize(
    ("status", "sdk_leg", "rule"),
    [
        (Status.QUEUED, True, errors.CALL_NOT_ACTIVE),
        (Status.COMPLETED, True, errors.CALL_NOT_ACTIVE),
        (Status.IN_PROGRESS, False, errors.NOT_AN_SDK_LEG),
    ],
)
async def test_a_leg_that_takes_no_messages_takes_no_subscriptions_either(
    store: Store, status: Status, sdk_leg: bool, rule: Rule
) -> None:
    await add_call(store, call(status=status, sdk_leg=sdk_leg))
    assert await refused(store.append_message(draft(1), LIMITS)) is rule
    assert await refused(store.add_subscription(subscription(), LIMITS)) is rule
    assert await store.entries_after(LEG, Log.FROM_CLIENT, 0, 10) == []
    assert await store.subscriptions(ACCOUNT, LEG) == []


async def test_a_leg_of_another_account_does_not_exist(store: Store) -> None:
    await add_call(store)
    await append(store, 1)
    stranger = account_sid(2)
    assert await refused(store.append_message(draft(2, account=stranger), LIMITS)) is errors.NOT_FOUND
    assert await refused(store.append_message(draft(1, account=stranger), LIMITS)) is errors.NOT_FOUND
    foreign = replace(subscription(), account_sid=stranger)
    assert await refused(store.add_subscription(foreign, LIMITS)) is errors.NOT_FOUND
    assert await refused(store.append_message(draft(1, leg=call_sid(9)), LIMITS)) is errors.NOT_FOUND


async def test_messages_for_a_client_that_is_away_are_taken_up_to_a_limit(store: Store) -> None:
    await add_call(store)
    limits = Limits(waiting_per_leg=2)
    to_client = [draft(n, log=Log.TO_CLIENT) for n in range(1, 6)]
    await store.append_message(to_client[0], limits)
    await store.append_message(to_client[1], limits)
    assert await refused(store.append_message(to_client[2], limits)) is errors.CLIENT_AWAY
    assert (await store.append_message(to_client[1], limits)).repeated
    await store.append_message(draft(9), limits)  # the other direction does not wait
    store.move_cursor(LEG, "slow", 1)
    store.move_cursor(LEG, "fast", 2)
    for n in (2, 3):
        await store.append_message(to_client[n], limits)
    assert await refused(store.append_message(to_client[4], limits)) is errors.CLIENT_AWAY


# idempotency


async def test_the_same_key_and_parameters_return_the_first_message(store: Store) -> None:
    await add_call(store)
    first = await store.append_message(draft(1, log=Log.TO_CLIENT), LIMITS, key_claim())
    again = await store.append_message(draft(2, log=Log.TO_CLIENT), LIMITS, key_claim())
    assert (again.entry, again.repeated) == (first.entry, True)
    assert len(await store.entries_after(LEG, Log.TO_CLIENT, 0, 10)) == 1


async def test_the_same_key_with_other_parameters_is_a_conflict(store: Store) -> None:
    await add_call(store)
    await store.append_message(draft(1), LIMITS, key_claim())
    other = key_claim(fingerprint=b"other")
    assert await refused(store.append_message(draft(2), LIMITS, other)) is errors.IDEMPOTENCY_CONFLICT
    await store.add_subscription(subscription(), LIMITS, key_claim(endpoint="subscriptions"))
    other = key_claim(endpoint="subscriptions", fingerprint=b"other")
    assert await refused(store.add_subscription(subscription(2), LIMITS, other)) is errors.IDEMPOTENCY_CONFLICT


async def test_a_key_counts_per_leg_and_endpoint(store: Store) -> None:
    await add_call(store)
    await add_call(store, call(2))
    made = [
        (await store.append_message(draft(1), LIMITS, key_claim())).repeated,
        (await store.append_message(draft(1, leg=call_sid(2)), LIMITS, key_claim())).repeated,
        (await store.append_message(draft(2), LIMITS, key_claim("other"))).repeated,
        (await store.add_subscription(subscription(), LIMITS, key_claim(endpoint="subscriptions")))[1],
    ]
    assert made == [False] * 4


async def test_a_key_is_honoured_after_the_call_and_forgotten_a_day_later(store: Store) -> None:
    await add_call(store)
    first = await store.append_message(draft(1), LIMITS, key_claim())
    await end_call(store, at=NOW + 60)
    await store.purge(NOW + 60 + 86_399)
    assert (await store.append_message(draft(2), LIMITS, key_claim())).entry == first.entry
    await store.purge(NOW + 60 + 86_400)
    assert await refused(store.append_message(draft(2), LIMITS, key_claim())) is errors.CALL_NOT_ACTIVE


async def test_keys_of_a_call_that_goes_on_are_never_forgotten(store: Store) -> None:
    await add_call(store)
    await store.append_message(draft(1), LIMITS, key_claim())
    await store.purge(NOW + 10**7)
    assert (await store.append_message(draft(2), LIMITS, key_claim())).repeated


async def test_a_refused_message_does_not_use_up_its_key(store: Store) -> None:
    await add_call(store, call(status=Status.QUEUED))
    assert await refused(store.append_message(draft(1), LIMITS, key_claim())) is errors.CALL_NOT_ACTIVE
    await add_call(store)
    assert not (await store.append_message(draft(2), LIMITS, key_claim())).repeated


async def test_a_subscription_made_with_a_key_is_returned_even_when_it_has_ended(store: Store) -> None:
    await add_call(store)
    claim_ = key_claim(endpoint="subscriptions")
    made = await store.add_subscription(subscription(1), LIMITS, claim_)
    assert made == (subscription(1), False)
    await store.end_subscription(ACCOUNT, LEG, subscription_sid(1), at=NOW)
    assert await store.add_subscription(subscription(2), LIMITS, claim_) == (subscription(1), True)
    assert await store.lanes(ACCOUNT, LEG, 10) != []


# cursors of connections


async def test_a_cursor_starts_at_zero_and_moves_forward_only(store: Store) -> None:
    await add_call(store)
    await append(store, 1, 2, 3, log=Log.TO_CLIENT)
    assert await store.cursor(LEG, "a") == 0
    store.move_cursor(LEG, "a", 2)
    store.move_cursor(LEG, "a", 1)
    assert await store.cursor(LEG, "a") == 2
    assert await store.cursor(LEG, "b") == 0


async def test_a_cursor_never_passes_the_end_of_its_log(store: Store) -> None:
    await add_call(store)
    store.move_cursor(LEG, "a", 5)
    assert await store.cursor(LEG, "a") == 0
    await append(store, 1, log=Log.TO_CLIENT)
    store.move_cursor(LEG, "a", 5)
    assert await store.cursor(LEG, "a") == 1
    store.move_cursor(call_sid(9), "a", 5)
    assert await store.cursor(call_sid(9), "a") == 0


# the end of a leg


async def test_when_a_leg_ends_what_its_client_has_no_receipt_for_is_listed(store: Store) -> None:
    await add_call(store)
    await append(store, 1, 2, 3, log=Log.TO_CLIENT)
    store.move_cursor(LEG, "holder", 1)
    store.move_cursor(LEG, "other", 3)
    await end_call(store, reader="holder", at=NOW + 60)
    reason = "the call ended first"
    assert await not_delivered(store) == [("to_client", 3, "holder", reason), ("to_client", 2, "holder", reason)]
    assert [row.at for row in await store.undelivered(ACCOUNT, None, 10)] == [NOW + 60, NOW + 60]


async def test_when_nobody_took_the_call_all_its_messages_are_undelivered(store: Store) -> None:
    await add_call(store)
    await append(store, 1, 2, log=Log.TO_CLIENT)
    store.move_cursor(LEG, "rang", 2)
    await end_call(store, reader=None)
    assert [(seq, reader) for _, seq, reader, _ in await not_delivered(store)] == [(2, ""), (1, "")]


async def test_saving_an_ended_call_again_lists_nothing_again(store: Store) -> None:
    await add_call(store)
    await append(store, 1, log=Log.TO_CLIENT)
    await end_call(store, reader="a", at=NOW + 60)
    await end_call(store, reader="b", at=NOW + 61)
    assert [reader for _, _, reader, _ in await not_delivered(store)] == ["a"]


async def test_lanes_with_nothing_left_end_with_the_leg_and_others_once_drained(store: Store) -> None:
    await add_call(store)
    await subscribe(store, 1)
    await append(store, 1)
    await subscribe(store, 2)
    await end_call(store)
    closed = {lane.id: (lane.state, lane.closing) for lane in await store.lanes(ACCOUNT, LEG, 10)}
    assert closed == {
        subscription_sid(1): (LaneState.OPEN, True),
        subscription_sid(2): (LaneState.ENDED, True),
    }
    turn = await claim(store, subscription_sid(1))
    assert await settle(store, turn, Delivered()) is None
    assert {lane.state for lane in await store.lanes(ACCOUNT, LEG, 10)} == {LaneState.ENDED}
    assert await store.next_due() is None


async def test_the_last_status_entry_is_still_delivered_after_the_leg_has_ended(store: Store) -> None:
    await store.save(step(call=call(), status_lane=STATUS_LANE))
    final = call(status=Status.COMPLETED, ended_at=NOW)
    await store.save(step(call=final, state=None, status_entries=[b'{"CallStatus":"completed"}']))
    turn = await claim(store, LEG)
    assert turn.lane.closing
    assert turn.entry.content == b'{"CallStatus":"completed"}'
    assert await settle(store, turn, Delivered()) is None
    assert (await only_lane(store)).state is LaneState.ENDED


async def test_a_leg_can_begin_and_end_in_one_step_with_its_status_callback(store: Store) -> None:
    final = call(status=Status.FAILED, ended_at=NOW)
    await store.save(step(call=final, state=None, status_lane=STATUS_LANE, status_entries=[b"{}"]))
    assert (await claim(store, LEG)).entry.seq == 1


# status lanes


async def test_status_entries_are_numbered_from_one_and_have_sids_of_their_own(store: Store) -> None:
    await store.save(step(call=call(), status_lane=STATUS_LANE, status_entries=[b"1", b"2"]))
    await store.save(step(status_entries=[b"3"], at=NOW + 5))
    entries = await store.entries_after(LEG, Log.STATUS, 0, 10)
    assert [(e.seq, e.content, e.at) for e in entries] == [(1, b"1", NOW), (2, b"2", NOW), (3, b"3", NOW + 5)]
    assert len({e.sid for e in entries}) == 3
    assert {(e.account_sid, e.leg_sid, e.log) for e in entries} == {(ACCOUNT, LEG, Log.STATUS)}


async def test_a_status_lane_opens_at_the_end_of_its_log(store: Store) -> None:
    await store.save(step(call=call(), status_entries=[b"1"]))
    await store.save(step(status_lane=STATUS_LANE, at=NOW + 1))
    lane = await only_lane(store)
    assert (lane.id, lane.kind, lane.cursor, lane.url) == (LEG, LaneKind.STATUS, 1, STATUS_LANE.url)
    assert await store.claim(LEG, now=NOW + 1, lease_until=NOW + 30) is None
    await store.save(step(status_entries=[b"2"], at=NOW + 2))
    assert (await claim(store, LEG, now=NOW + 2)).entry.content == b"2"


async def test_a_status_lane_with_a_new_address_keeps_its_place_and_starts_its_schedule_anew(store: Store) -> None:
    await store.save(step(call=call(), status_lane=STATUS_LANE, status_entries=[b"1", b"2"]))
    turn = await claim(store, LEG)
    following = await settle(store, turn, Delivered(Encoding.FORM))
    assert following is not None
    await settle(store, following, RetryAt(NOW + 600, down=True))
    moved = StatusLane(url="https://app.example/new", method="GET")
    await store.save(step(status_lane=moved, at=NOW + 3))
    lane = await only_lane(store)
    assert (lane.url, lane.method, lane.cursor, lane.attempts) == (moved.url, "GET", 1, 0)
    assert (lane.state, lane.due_at, lane.encoding) == (LaneState.OPEN, NOW + 3, None)
    assert (await claim(store, LEG, now=NOW + 3)).entry.seq == 2


async def test_the_same_address_again_changes_nothing_about_a_status_lane(store: Store) -> None:
    await store.save(step(call=call(), status_lane=STATUS_LANE, status_entries=[b"1"]))
    await settle(store, await claim(store, LEG), RetryAt(NOW + 600, down=True))
    before = await only_lane(store)
    await store.save(step(status_lane=STATUS_LANE, at=NOW + 3))
    assert await only_lane(store) == before


async def test_an_empty_address_ends_the_status_lane_and_a_new_one_opens_it_at_the_end(store: Store) -> None:
    off = StatusLane(url="", method="POST")
    await store.save(step(call=call(), status_lane=off))
    assert await store.lanes(ACCOUNT, LEG, 10) == []
    await store.save(step(status_lane=STATUS_LANE, status_entries=[b"1"]))
    in_flight = await claim(store, LEG)
    await store.save(step(status_lane=off, at=NOW + 1))
    assert (await only_lane(store)).state is LaneState.ENDED
    assert [(log, seq, reader) for log, seq, reader, _ in await not_delivered(store)] == [("status", 1, LEG)]
    await store.save(step(status_lane=STATUS_LANE, status_entries=[b"2"], at=NOW + 2))
    assert await settle(store, in_flight, Delivered()) is None
    assert (await claim(store, LEG, now=NOW + 2)).entry.seq == 2


# subscriptions


async def test_a_subscription_starts_at_the_logs_end(store: Store) -> None:
    await add_call(store)
    await append(store, 1, 2)
    made = await subscribe(store)
    assert await store.claim(made.sid, now=NOW, lease_until=NOW + 30) is None
    await append(store, 3)
    turn = await claim(store, made.sid)
    assert (turn.entry.seq, turn.lane.cursor, turn.lane.url) == (3, 2, made.callback)


async def test_the_same_callback_twice_is_two_subscriptions(store: Store) -> None:
    await add_call(store)
    twin = replace(subscription(1), sid=subscription_sid(2))
    await subscribe(store, 1)
    await store.add_subscription(twin, LIMITS)
    assert await store.subscriptions(ACCOUNT, LEG) == [twin, subscription(1)]
    await append(store, 1)
    assert set(await store.due_lanes(NOW, 10)) == {subscription_sid(1), subscription_sid(2)}


async def test_a_leg_takes_so_many_open_subscriptions(store: Store) -> None:
    await add_call(store)
    limits = Limits(subscriptions_per_leg=2)
    for number in (1, 2):
        await store.add_subscription(subscription(number), limits)
    assert await refused(store.add_subscription(subscription(3), limits)) is errors.TOO_MANY_SUBSCRIPTIONS
    await store.end_subscription(ACCOUNT, LEG, subscription_sid(1), at=NOW)
    await store.add_subscription(subscription(3), limits)
    assert await refused(store.add_subscription(subscription(4), limits)) is errors.TOO_MANY_SUBSCRIPTIONS


async def test_the_status_lane_takes_no_place_of_a_subscription(store: Store) -> None:
    await store.save(step(call=call(), status_lane=STATUS_LANE))
    await store.add_subscription(subscription(), Limits(subscriptions_per_leg=1))
    assert await store.subscriptions(ACCOUNT, LEG) == [subscription()]


async def test_a_deleted_subscription_lists_what_it_did_not_deliver_and_is_deleted_once(store: Store) -> None:
    await add_call(store)
    made = await subscribe(store)
    await append(store, 1, 2, 3)
    following = await settle(store, await claim(store, made.sid), Delivered())
    assert following is not None
    assert await store.end_subscription(ACCOUNT, LEG, made.sid, at=NOW + 5)
    assert not await store.end_subscription(ACCOUNT, LEG, made.sid, at=NOW + 6)
    listed = await not_delivered(store)
    assert [(log, seq, reader) for log, seq, reader, _ in listed] == [
        ("from_client", 3, made.sid),
        ("from_client", 2, made.sid),
    ]
    assert await settle(store, following, Delivered()) is None
    assert (await only_lane(store)).cursor == 1
    assert await store.subscriptions(ACCOUNT, LEG) == []


async def test_a_subscription_that_ended_by_itself_can_still_be_deleted(store: Store) -> None:
    await add_call(store)
    made = await subscribe(store)
    await end_call(store)
    assert await store.subscriptions(ACCOUNT, LEG) == [made]
    assert await store.end_subscription(ACCOUNT, LEG, made.sid, at=NOW)
    assert not await store.end_subscription(ACCOUNT, LEG, made.sid, at=NOW)


async def test_a_subscription_is_deleted_by_its_account_on_its_leg_only(store: Store) -> None:
    await add_call(store)
    await add_call(store, call(2))
    made = await subscribe(store)
    assert not await store.end_subscription(account_sid(2), LEG, made.sid, at=NOW)
    assert not await store.end_subscription(ACCOUNT, call_sid(2), made.sid, at=NOW)
    assert not await store.end_subscription(ACCOUNT, LEG, subscription_sid(9), at=NOW)
    assert await store.subscriptions(account_sid(2), LEG) == []
    assert await store.subscriptions(ACCOUNT, LEG) == [made]


# lanes


async def test_a_lane_hands_its_entries_out_one_by_one_in_order(store: Store) -> None:
    await add_call(store)
    made = await subscribe(store)
    await append(store, 1, 2, 3)
    turn: Turn | None = await claim(store, made.sid)
    sent = []
    while turn is not None:
        sent.append(turn.entry.seq)
        turn = await settle(store, turn, Delivered())
    assert sent == [1, 2, 3]
    assert (await only_lane(store)).cursor == 3


async def test_a_leased_lane_is_not_claimed_and_is_not_due_until_its_lease_runs_out(store: Store) -> None:
    await add_call(store)
    made = await subscribe(store)
    await append(store, 1)
    assert await store.due_lanes(NOW, 10) == [made.sid]
    first = await claim(store, made.sid, lease_until=NOW + 30)
    assert await store.due_lanes(NOW + 29, 10) == []
    assert await store.next_due() == NOW + 30
    assert await store.claim(made.sid, now=NOW + 29, lease_until=NOW + 60) is None
    second = await claim(store, made.sid, now=NOW + 30, lease_until=NOW + 60)
    assert second.entry == first.entry
    assert second.lease > first.lease


@pytest.mark.parametrize("verdict", [Delivered(), StepOver("old"), RetryAt(NOW + 99), EndLane("gone")])
async def test_a_late_settle_changes_nothing(store: Store, verdict: Any) -> None:
    await add_call(store)
    made = await subscribe(store)
    await append(store, 1, 2)
    late = await claim(store, made.sid, lease_until=NOW + 30)
    fresh = await claim(store, made.sid, now=NOW + 31, lease_until=NOW + 60)
    before = await only_lane(store)
    assert await settle(store, late, verdict, now=NOW + 32) is None
    assert await only_lane(store) == before
    assert await not_delivered(store) == []
    following = await settle(store, fresh, Delivered(), now=NOW + 33)
    assert following is not None
    assert following.entry.seq == 2


@pytest.mark.parametrize("verdict", [Delivered(), StepOver("old"), RetryAt(NOW + 99), EndLane("gone")])
async def test_a_turn_is_settled_once(store: Store, verdict: Any) -> None:
    await add_call(store)
    made = await subscribe(store)
    await append(store, 1, 2)
    turn = await claim(store, made.sid)
    await settle(store, turn, verdict)
    lane, listed = await only_lane(store), await not_delivered(store)
    assert await settle(store, turn, verdict) is None
    assert (await only_lane(store), await not_delivered(store)) == (lane, listed)


async def test_a_lease_that_ran_out_but_was_not_taken_may_still_settle(store: Store) -> None:
    await add_call(store)
    made = await subscribe(store)
    await append(store, 1)
    turn = await claim(store, made.sid, lease_until=NOW + 30)
    await settle(store, turn, Delivered(), now=NOW + 100)
    assert (await only_lane(store)).cursor == 1


async def test_the_next_turn_comes_under_a_renewed_lease(store: Store) -> None:
    await add_call(store)
    made = await subscribe(store)
    await append(store, 1, 2)
    turn = await claim(store, made.sid, lease_until=NOW + 30)
    following = await store.settle(turn, Delivered(), now=NOW + 20, lease_until=NOW + 50)
    assert following is not None
    assert following.lease != turn.lease
    assert following.lane.cursor == 1
    assert await store.claim(made.sid, now=NOW + 49, lease_until=NOW + 90) is None


async def test_a_delivery_ends_the_count_of_failures_and_is_remembered_with_its_encoding(store: Store) -> None:
    await add_call(store)
    made = await subscribe(store)
    await append(store, 1, 2)
    await settle(store, await claim(store, made.sid), RetryAt(NOW + 600, down=True))
    lane = await only_lane(store)
    assert (lane.state, lane.attempts, lane.due_at) == (LaneState.DOWN, 1, NOW + 600)
    probe = await claim(store, made.sid, now=NOW + 600, lease_until=NOW + 630)
    assert (probe.entry.seq, probe.lane.state) == (1, LaneState.DOWN)
    following = await settle(store, probe, Delivered(Encoding.FORM), now=NOW + 601)
    assert following is not None
    assert (following.lane.state, following.lane.attempts) == (LaneState.OPEN, 0)
    await settle(store, following, Delivered(None), now=NOW + 602)
    assert (await only_lane(store)).encoding is Encoding.FORM


async def test_a_retry_keeps_the_head_and_waits_for_its_time(store: Store) -> None:
    await add_call(store)
    made = await subscribe(store)
    await append(store, 1)
    assert await settle(store, await claim(store, made.sid), RetryAt(NOW + 5)) is None
    assert await store.claim(made.sid, now=NOW + 4, lease_until=NOW + 40) is None
    await append(store, 2)  # does not hurry it
    assert await store.due_lanes(NOW + 4, 10) == []
    assert await store.next_due() == NOW + 5
    turn = await claim(store, made.sid, now=NOW + 5)
    assert (turn.entry.seq, turn.lane.attempts) == (1, 1)
    assert await settle(store, turn, RetryAt(NOW + 10)) is None
    assert (await only_lane(store)).attempts == 2


async def test_a_message_that_is_stepped_over_is_listed_and_the_next_one_has_its_turn(store: Store) -> None:
    await add_call(store)
    made = await subscribe(store)
    await append(store, 1, 2)
    await settle(store, await claim(store, made.sid), RetryAt(NOW + 5))
    following = await settle(store, await claim(store, made.sid, now=NOW + 5), StepOver("too old"), now=NOW + 6)
    assert following is not None
    assert (following.entry.seq, following.lane.attempts) == (2, 0)
    assert await not_delivered(store) == [("from_client", 1, made.sid, "too old")]
    (row,) = await store.undelivered(ACCOUNT, LEG, 10)
    assert row.at == NOW + 6
    assert row.entry == (await store.entries_after(LEG, Log.FROM_CLIENT, 0, 1))[0]


async def test_an_endpoint_that_wants_no_more_gets_no_more_and_the_rest_is_listed(store: Store) -> None:
    await add_call(store)
    made = await subscribe(store)
    await append(store, 1, 2)
    assert await settle(store, await claim(store, made.sid), EndLane("410 Gone")) is None
    assert (await only_lane(store)).state is LaneState.ENDED
    assert await not_delivered(store) == [
        ("from_client", 2, made.sid, "410 Gone"),
        ("from_client", 1, made.sid, "410 Gone"),
    ]
    await append(store, 3)
    assert await store.next_due() is None
    assert await store.due_lanes(NOW + 10**6, 10) == []
    assert await store.claim(made.sid, now=NOW + 10**6, lease_until=NOW + 10**7) is None
    assert len(await not_delivered(store)) == 2


async def test_lanes_are_due_longest_first_and_up_to_a_limit(store: Store) -> None:
    await add_call(store)
    for number, at in ((1, NOW + 3), (2, NOW + 1), (3, NOW + 2), (4, NOW + 9)):
        await store.add_subscription(subscription(number, at=at), LIMITS)
    assert await store.next_due() is None
    await append(store, 1)
    order = [subscription_sid(number) for number in (2, 3, 1)]
    assert await store.due_lanes(NOW + 5, 10) == order
    assert await store.due_lanes(NOW + 5, 2) == order[:2]
    assert await store.next_due() == NOW + 1


async def test_a_lane_that_is_at_rest_has_work_with_the_next_append(store: Store) -> None:
    await add_call(store)
    made = await subscribe(store)
    await append(store, 1)
    assert await settle(store, await claim(store, made.sid), Delivered()) is None
    assert await store.next_due() is None
    await append(store, 2)
    assert await store.due_lanes(NOW + 1, 10) == [made.sid]
    await append(store, 1, log=Log.TO_CLIENT)
    assert await store.due_lanes(NOW + 1, 10) == [made.sid]


async def test_what_was_appended_while_its_lane_was_in_flight_follows_at_once(store: Store) -> None:
    await add_call(store)
    made = await subscribe(store)
    await append(store, 1)
    turn = await claim(store, made.sid)
    await append(store, 2)
    following = await settle(store, turn, Delivered())
    assert following is not None
    assert following.entry.seq == 2


async def test_one_lane_in_trouble_holds_up_no_other(store: Store) -> None:
    await add_call(store)
    for number in (1, 2):
        await subscribe(store, number)
    await append(store, 1)
    await settle(store, await claim(store, subscription_sid(1)), RetryAt(NOW + 600, down=True))
    assert await store.due_lanes(NOW + 1, 10) == [subscription_sid(2)]


async def test_lanes_are_listed_newest_first_per_account_and_leg(store: Store) -> None:
    await store.save(step(call=call(), status_lane=STATUS_LANE))
    await add_call(store, call(2))
    await subscribe(store, 1)
    await store.add_subscription(subscription(2, leg=call_sid(2)), LIMITS)
    assert [lane.id for lane in await store.lanes(ACCOUNT, None, 10)] == [subscription_sid(2), subscription_sid(1), LEG]
    assert [lane.id for lane in await store.lanes(ACCOUNT, None, 2)] == [subscription_sid(2), subscription_sid(1)]
    assert [lane.id for lane in await store.lanes(ACCOUNT, LEG, 10)] == [subscription_sid(1), LEG]
    assert await store.lanes(account_sid(2), None, 10) == []


async def test_undelivered_entries_are_listed_newest_first_per_account_and_leg(store: Store) -> None:
    for number in (1, 2):
        await add_call(store, call(number))
        await store.append_message(draft(1, log=Log.TO_CLIENT, leg=call_sid(number)), LIMITS)
        await end_call(store, number)
    listed = await store.undelivered(ACCOUNT, None, 10)
    assert [row.entry.leg_sid for row in listed] == [call_sid(2), call_sid(1)]
    assert len(await store.undelivered(ACCOUNT, None, 1)) == 1
    assert len(await store.undelivered(ACCOUNT, LEG, 10)) == 1
    assert await store.undelivered(account_sid(2), None, 10) == []


# deletion


async def everything_about(store: Store, number: int) -> list[object]:
    leg = call_sid(number)
    page: Callable[[PageResult[Any]], list[Any]] = lambda result: list(result.rows)  # noqa: E731
    return [
        await store.call(ACCOUNT, leg),
        await store.load(leg),
        [list(await store.entries_after(leg, log, 0, 10)) for log in Log],
        await store.cursor(leg, "a"),
        list(await store.undelivered(ACCOUNT, leg, 10)),
        list(await store.subscriptions(ACCOUNT, leg)),
        list(await store.lanes(ACCOUNT, leg, 10)),
        page(await store.alerts(ACCOUNT, AlertFilter(call_sid=leg), FIRST_PAGE)),
    ]


async def fill(store: Store, number: int) -> None:
    leg = call_sid(number)
    await store.save(step(leg, call=call(number), status_lane=STATUS_LANE, status_entries=[b"{}"]))
    await store.add_subscription(subscription(number, leg=leg), LIMITS)
    for log in (Log.FROM_CLIENT, Log.TO_CLIENT):
        await store.append_message(draft(1, log=log, leg=leg), LIMITS, key_claim(log.value))
        await store.append_message(draft(2, log=log, leg=leg), LIMITS)
    store.move_cursor(leg, "a", 1)
    await store.add_alert(alert(number, leg=leg))
    await end_call(store, number, reader="a")


async def test_a_deleted_call_leaves_nothing_and_takes_nothing_else_along(store: Store) -> None:
    await fill(store, 1)
    await fill(store, 2)
    before = await everything_about(store, 2)
    assert all(before[i] for i in range(len(before)) if i != 1)
    assert not await store.delete_call(account_sid(2), LEG)
    assert await store.delete_call(ACCOUNT, LEG)
    assert not await store.delete_call(ACCOUNT, LEG)
    assert await everything_about(store, 1) == [None, None, [[], [], []], 0, [], [], [], []]
    assert await everything_about(store, 2) == before
    await add_call(store)
    assert not (await store.append_message(draft(1), LIMITS, key_claim(Log.FROM_CLIENT.value))).repeated


async def test_a_turn_of_a_deleted_call_settles_nothing(store: Store) -> None:
    await fill(store, 1)
    turn = await claim(store, subscription_sid(1))
    await store.delete_call(ACCOUNT, LEG)
    assert await settle(store, turn, Delivered()) is None
    assert await store.next_due() is None


# alerts


async def test_alerts_are_listed_newest_first_for_an_account_or_one_call(store: Store) -> None:
    rows = [alert(1), alert(2, leg=None), replace(alert(3), line=None, request_url=None), alert(4, leg=call_sid(2))]
    for row in rows:
        await store.add_alert(row)
    assert (await store.alerts(ACCOUNT, ANY_ALERT, FIRST_PAGE)).rows == rows[::-1]
    assert (await store.alerts(ACCOUNT, AlertFilter(call_sid=LEG), FIRST_PAGE)).rows == [rows[2], rows[0]]
    assert (await store.alerts(account_sid(2), AlertFilter(call_sid=LEG), FIRST_PAGE)).rows == []
    older = await store.alerts(ACCOUNT, AlertFilter(call_sid=LEG), PageRequest(5, after=rows[2].sid))
    assert older.rows == [rows[0]]


async def test_alerts_are_found_by_level_and_time(store: Store) -> None:
    rows = [replace(alert(number), level=Level.ERROR if number % 2 else Level.WARNING) for number in range(1, 6)]
    for row in rows:
        await store.add_alert(row)

    async def found(**where: Any) -> list[int]:
        result = await store.alerts(ACCOUNT, AlertFilter(**where), FIRST_PAGE)
        return [rows.index(row) + 1 for row in result.rows]

    assert await found(level="error") == [5, 3, 1]
    assert await found(level="notice") == []
    assert await found(since=NOW + 2, before=NOW + 4) == [3, 2]
    assert await found(call_sid=LEG, level="warning", before=NOW + 3) == [2]
    first = await store.alerts(ACCOUNT, AlertFilter(level="error"), PageRequest(1))
    assert (first.has_next, first.following) == (True, rows[2].sid)


async def test_old_alerts_of_no_call_are_purged_so_many_at_a_time_and_those_of_calls_stay(store: Store) -> None:
    rows = [alert(1), *(replace(alert(number, leg=None), at=NOW + number) for number in (2, 3, 4))]
    for row in rows:
        await store.add_alert(row)
    before = NOW + 4
    assert [await store.purge_alerts(before, 1) for _ in range(3)] == [1, 1, 0]
    assert (await store.alerts(ACCOUNT, ANY_ALERT, FIRST_PAGE)).rows == [rows[3], rows[0]]


async def test_one_alert_is_found_by_its_accounts_only(store: Store) -> None:
    row = replace(alert(1), request_method="POST", webhook="lane/entry")
    await store.add_alert(row)
    assert await store.alert(ACCOUNT, row.sid) == row
    assert await store.alert(account_sid(2), row.sid) is None
    assert await store.alert(ACCOUNT, alert(2).sid) is None


# order


async def test_methods_run_in_the_order_they_were_called(store: Store) -> None:
    await add_call(store)
    await asyncio.gather(
        subscribe(store, 1),
        append(store, 1),
        subscribe(store, 2),
    )
    assert [lane.cursor for lane in await store.lanes(ACCOUNT, LEG, 10)] == [1, 0]


async def test_due_lanes_are_claimed_together_longest_due_first_up_to_a_limit(store: Store) -> None:
    await add_call(store)
    for number, at in ((1, NOW + 3), (2, NOW + 1), (3, NOW + 2), (4, NOW + 9)):
        await store.add_subscription(subscription(number, at=at), LIMITS)
    await append(store, 1)
    some = await store.claim_due(now=NOW + 5, lease_until=NOW + 30, limit=2)
    assert [turn.lane.id for turn in some.turns] == [subscription_sid(number) for number in (2, 3)]
    assert some.more
    rest = await store.claim_due(now=NOW + 5, lease_until=NOW + 30, limit=2)
    assert [(turn.lane.id, turn.entry.seq) for turn in rest.turns] == [(subscription_sid(1), 1)]
    assert not rest.more
    assert await settle(store, rest.turns[0], Delivered()) is None
    assert await store.claim_due(now=NOW + 5, lease_until=NOW + 30, limit=2) == Claimed([])


async def test_lanes_that_are_not_wanted_are_left_alone_and_told(store: Store) -> None:
    await add_call(store)
    for number in (1, 2):
        await subscribe(store, number)
    await append(store, 1)
    claimed = await store.claim_due(now=NOW, lease_until=NOW + 30, limit=1, but={subscription_sid(1)})
    assert [turn.lane.id for turn in claimed.turns] == [subscription_sid(2)]
    assert claimed.more
    assert await store.due_lanes(NOW, 10) == [subscription_sid(1)]
