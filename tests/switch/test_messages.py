"""Messages through the switch: what is admitted, in which order it is judged, and who is nudged."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from midcall.core.errors import Refused
from midcall.core.lanes import Undelivered
from midcall.core.messages import Limits, Log
from midcall.core.sids import AccountSid, CallSid
from midcall.ports import Nudge
from midcall.storage.memory import MemoryStore
from midcall.switch.messages import BUCKETS_KEPT, ClientMessage
from support.switchboard import ACCOUNT, Switchboard

RING_BOB = '<Response><Dial answerOnBridge="true"><Client>bob</Client></Dial></Response>'


def message(number: int, content: bytes = b'{"a":1}', message_type: str = "user-defined-message") -> ClientMessage:
    return ClientMessage(
        sid=f"KX{number:032x}", content=content, content_type="application/json", message_type=message_type
    )


async def ringing(board: Switchboard) -> CallSid:
    board.register("bob")
    return await board.place(RING_BOB)


async def refusal(coroutine: object) -> tuple[int, int, int | None]:
    with pytest.raises(Refused) as caught:
        await coroutine  # type: ignore[misc]
    return (*caught.value.rule.rest, caught.value.rule.signalling)


async def test_messages_flow_on_a_leg_that_still_rings(board: Switchboard) -> None:
    alice = await ringing(board)
    nudges: list[Nudge] = []
    board.bus.listen(nudges.append)
    appended = await board.messages.accept_from_client(ACCOUNT, alice, message(1))
    entry = await board.messages.accept_from_server(ACCOUNT, alice, content='{ "b" : 1.0 }', idempotency_key=None)
    await board.settle()

    assert (appended.entry.seq, appended.repeated) == (1, False)
    assert entry.content == b'{ "b" : 1.0 }'
    assert [found.sid for found in await board.messages.after(alice, 0)] == [entry.sid]
    assert nudges == [Nudge(alice, Log.FROM_CLIENT), Nudge(alice, Log.TO_CLIENT)]


async def test_a_repeat_is_acknowledged_again_with_its_first_number(board: Switchboard) -> None:
    alice = await ringing(board)
    await board.messages.accept_from_client(ACCOUNT, alice, message(1))
    await board.messages.accept_from_client(ACCOUNT, alice, message(2))
    again = await board.messages.accept_from_client(ACCOUNT, alice, message(1))
    assert (again.entry.seq, again.repeated) == (1, True)


@pytest.mark.parametrize(
    ("bad", "expected"),
    [
        (message(1, message_type="other"), (400, 20001, 31210)),
        (message(1, content=b'"' + b"x" * 10_239 + b'"'), (400, 32703, 31212)),
        (
            ClientMessage(sid="KX1", content=b"1", content_type="", message_type="user-defined-message"),
            (400, 20001, 31100),
        ),
        (
            ClientMessage(sid="KX" + "1" * 32, content=None, content_type="", message_type="user-defined-message"),
            (400, 20001, 31100),
        ),
    ],
    ids=["unknown type", "one byte too large", "bad sid", "no content"],
)
async def test_a_bad_message_of_a_client_is_refused_with_its_code(
    board: Switchboard, bad: ClientMessage, expected: tuple[int, int, int]
) -> None:
    alice = await ringing(board)
    assert await refusal(board.messages.accept_from_client(ACCOUNT, alice, bad)) == expected


async def test_the_largest_message_of_a_client_passes(board: Switchboard) -> None:
    alice = await ringing(board)
    await board.messages.accept_from_client(ACCOUNT, alice, message(1, content=b'"' + b"x" * 10_238 + b'"'))


@pytest.mark.parametrize("content", [None, "", "{", "not json", "[" * 5_000, '"\ud800"', "NaN"])
async def test_content_that_is_not_json_is_refused(board: Switchboard, content: str | None) -> None:
    alice = await ringing(board)
    sent = board.messages.accept_from_server(ACCOUNT, alice, content=content, idempotency_key=None)
    assert (await refusal(sent))[:2] == (400, 32702)


async def test_rest_content_is_bounded_in_code_points(board: Switchboard) -> None:
    alice = await ringing(board)
    fits, over = '"' + "😀" * 9_998 + '"', '"' + "x" * 9_999 + '"'
    await board.messages.accept_from_server(ACCOUNT, alice, content=fits, idempotency_key=None)
    sent = board.messages.accept_from_server(ACCOUNT, alice, content=over, idempotency_key=None)
    assert (await refusal(sent))[:2] == (400, 32703)


async def test_legs_that_are_over_or_unknown_take_no_messages(board: Switchboard) -> None:
    alice = await ringing(board)
    board.calls.hung_up(alice)
    await board.settle()
    assert await refusal(board.messages.accept_from_client(ACCOUNT, alice, message(1))) == (400, 21220, 31211)
    sent = board.messages.accept_from_server(ACCOUNT, alice, content="1", idempotency_key=None)
    assert (await refusal(sent))[:2] == (400, 21220)
    unknown = board.messages.accept_from_server(ACCOUNT, CallSid("CA" + "9" * 32), content="1", idempotency_key=None)
    assert (await refusal(unknown))[:2] == (404, 20404)


async def test_an_idempotency_key_has_one_effect_also_after_the_end_of_the_call(board: Switchboard) -> None:
    alice = await ringing(board)
    first = await board.messages.accept_from_server(ACCOUNT, alice, content="1", idempotency_key="k")
    board.calls.hung_up(alice)
    await board.settle()
    again = await board.messages.accept_from_server(ACCOUNT, alice, content="1", idempotency_key="k")
    assert again == first
    other = board.messages.accept_from_server(ACCOUNT, alice, content="2", idempotency_key="k")
    assert (await refusal(other))[:2] == (409, 20409)
    long = board.messages.accept_from_server(ACCOUNT, alice, content="1", idempotency_key="k" * 257)
    assert (await refusal(long))[:2] == (400, 20001)


async def test_a_leg_takes_so_many_messages_a_second_and_direction(board: Switchboard) -> None:
    alice = await ringing(board)
    for number in range(200):
        await board.messages.accept_from_client(ACCOUNT, alice, message(number))
    assert await refusal(board.messages.accept_from_client(ACCOUNT, alice, message(200))) == (429, 20429, 31206)
    await board.messages.accept_from_server(ACCOUNT, alice, content="1", idempotency_key=None)
    await board.pass_time(0.01)
    await board.messages.accept_from_client(ACCOUNT, alice, message(201))


async def test_a_client_that_is_away_has_a_bounded_number_waiting() -> None:
    board = await Switchboard(limits=Limits(waiting_per_leg=3)).up()
    alice = await ringing(board)
    for _ in range(3):
        await board.messages.accept_from_server(ACCOUNT, alice, content="1", idempotency_key=None)
    sent = board.messages.accept_from_server(ACCOUNT, alice, content="1", idempotency_key=None)
    assert (await refusal(sent))[:2] == (429, 20429)
    board.messages.received(alice, "reader", 1)
    await board.messages.accept_from_server(ACCOUNT, alice, content="1", idempotency_key=None)
    await board.calls.close()


async def test_a_leg_takes_ten_subscriptions_and_the_same_callback_twice_is_two(board: Switchboard) -> None:
    alice = await ringing(board)
    kept = [
        await board.messages.subscribe(ACCOUNT, alice, callback="http://a.test/", method="POST", idempotency_key=None)
        for _ in range(10)
    ]
    assert len({subscription.sid for subscription in kept}) == 10
    more = board.messages.subscribe(ACCOUNT, alice, callback="http://a.test/", method="POST", idempotency_key=None)
    assert (await refusal(more))[:2] == (400, 20001)
    await board.messages.unsubscribe(ACCOUNT, alice, kept[0].sid)
    assert (await refusal(board.messages.unsubscribe(ACCOUNT, alice, kept[0].sid)))[:2] == (404, 20404)


async def test_messages_that_the_client_did_not_get_are_listed_when_the_leg_ends(board: Switchboard) -> None:
    alice = await ringing(board)
    for _ in range(3):
        await board.messages.accept_from_server(ACCOUNT, alice, content="1", idempotency_key=None)
    board.messages.received(alice, board.devices.holders[alice], 1)
    board.calls.hung_up(alice)
    await board.settle()
    assert sorted(lost.entry.seq for lost in await board.store.undelivered(ACCOUNT, alice, 10)) == [2, 3]
    assert await board.alerts() == [32700]


class DistantStore(MemoryStore):
    """Answers after a few turns of the loop, as one behind a thread does."""

    async def undelivered(self, account: AccountSid, leg: CallSid | None, limit: int) -> Sequence[Undelivered]:
        for _ in range(5):
            await asyncio.sleep(0)
        return await super().undelivered(account, leg, limit)


async def test_messages_that_a_stop_left_behind_are_told_before_the_store_closes() -> None:
    board = await Switchboard(store=DistantStore()).up()
    alice = await board.place("<Response><Pause length='60'/></Response>")
    await board.messages.accept_from_server(ACCOUNT, alice, content="1", idempotency_key=None)
    await board.calls.stop(0)
    await board.calls.close()
    assert await board.alerts() == [32700]


async def test_messages_that_a_crash_left_behind_are_listed_too(board: Switchboard) -> None:
    alice = await ringing(board)
    await board.messages.accept_from_server(ACCOUNT, alice, content="1", idempotency_key=None)
    await board.calls.close()
    after = Switchboard(store=board.store)
    await after.calls.recover()
    assert [lost.reason for lost in await after.store.undelivered(ACCOUNT, alice, 10)] != []
    assert await after.alerts() == [32700]


async def test_what_is_known_of_the_pace_of_a_call_does_not_outlive_it_for_long(board: Switchboard) -> None:
    for number in range(3 * BUCKETS_KEPT):
        board.messages._take_token(CallSid(f"CA{number:032x}"), Log.TO_CLIENT)
        board.clock.advance(0.01)
    assert len(board.messages._buckets) <= BUCKETS_KEPT
    for number in range(3 * BUCKETS_KEPT):  # all of them in the same second
        board.messages._take_token(CallSid(f"CA{number + 2**32:032x}"), Log.TO_CLIENT)
    assert len(board.messages._buckets) > 3 * BUCKETS_KEPT
