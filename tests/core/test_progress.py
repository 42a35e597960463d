"""What the state of a message is, from what the store keeps; the stores' own part is in tests/contract."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midcall.core.lanes import Delivery, DeliveryState, Lane, LaneKind, LaneState, Undelivered, runs
from midcall.core.messages import Log, Receipt
from midcall.core.progress import MessageState, Standing, lanes_of, progress_of
from midcall.core.sids import ReplaySid, SubscriptionSid
from support.lanes import AT, a_lane, an_entry

REPLAY = ReplaySid("RP" + "3" * 32)
ORIGIN = SubscriptionSid("ZY" + "2" * 32)


def standing(**parts: Sequence[Any]) -> Standing:
    return Standing(**{"lanes": (), "deliveries": (), "receipts": (), "undelivered": (), **parts})


def a_delivery(lane: Lane, state: DeliveryState, **changes: Any) -> Delivery:
    values: dict[str, Any] = {
        "lane_id": lane.id,
        "seq": 1,
        "state": state,
        "attempts": 1,
        "status": 204,
        "error": None,
        "first_at": AT + 1,
        "last_at": AT + 1,
        "settled_at": AT + 2,
    }
    return Delivery(**{**values, **changes})


def state(**parts: Sequence[Any]) -> MessageState:
    return progress_of(an_entry(), standing(**parts)).state


OPEN = a_lane()
DONE = a_lane(id="ZY" + "4" * 32, cursor=1)


@pytest.mark.parametrize(
    ("lanes", "deliveries", "expected"),
    [
        ([], [], MessageState.STORED),
        ([OPEN], [], MessageState.STORED),
        ([OPEN], [a_delivery(OPEN, DeliveryState.RETRYING)], MessageState.WRITTEN),
        ([OPEN, DONE], [a_delivery(DONE, DeliveryState.DELIVERED)], MessageState.WRITTEN),
        ([DONE], [a_delivery(DONE, DeliveryState.DELIVERED)], MessageState.DELIVERED),
        ([DONE], [], MessageState.DELIVERED),
        ([a_lane(start=1)], [], MessageState.STORED),
        ([a_lane(state=LaneState.ENDED)], [], MessageState.STORED),
    ],
)
def test_a_clients_message_is_as_far_as_its_slowest_lane(
    lanes: list[Lane], deliveries: list[Delivery], expected: MessageState
) -> None:
    assert state(lanes=lanes, deliveries=deliveries) is expected


def test_what_one_lane_gave_up_is_undelivered_until_a_replay_brings_it() -> None:
    ended = a_lane(state=LaneState.ENDED, reason="gone")
    lost = Undelivered(an_entry(), ended.id, "gone", AT + 5)
    told = progress_of(an_entry(), standing(lanes=[ended, DONE], undelivered=[lost]))
    assert (told.state, told.reason, told.gave_up_at) == (MessageState.UNDELIVERED, "gone", AT + 5)
    resolved = Undelivered(an_entry(), ended.id, "gone", AT + 5, AT + 9, REPLAY)
    told = progress_of(an_entry(), standing(lanes=[ended, DONE], undelivered=[resolved]))
    assert (told.state, told.delivered_at) == (MessageState.DELIVERED, AT + 9)


def test_a_replay_counts_only_for_a_message_that_nobody_was_subscribed_to() -> None:
    again = a_lane(id=REPLAY, kind=LaneKind.REPLAY, numbers=(range(1, 2),), cursor=1, state=LaneState.ENDED)
    done = a_delivery(again, DeliveryState.DELIVERED)
    assert state(lanes=[again], deliveries=[done]) is MessageState.DELIVERED
    assert state(lanes=[OPEN, again], deliveries=[done]) is MessageState.STORED


def test_what_a_stopped_replay_did_not_reach_is_undelivered_on_it_alone() -> None:
    stopped = a_lane(
        id=REPLAY, kind=LaneKind.REPLAY, numbers=(range(1, 2),), state=LaneState.ENDED, reason="stopped", origin=ORIGIN
    )
    (told,) = lanes_of(an_entry(), standing(lanes=[stopped]))
    assert (told.state, told.reason) == (DeliveryState.UNDELIVERED, "stopped")
    assert state(lanes=[DONE, stopped]) is MessageState.DELIVERED
    assert lanes_of(an_entry(seq=2), standing(lanes=[stopped])) == []


@pytest.mark.parametrize(
    ("receipts", "written_at", "expected"),
    [
        ([], None, MessageState.STORED),
        ([], AT, MessageState.WRITTEN),
        ([Receipt(reader="a", seq=1, written_at=AT, at=AT + 1)], None, MessageState.STORED),
        ([Receipt(reader="a", seq=3, written_at=AT, at=AT + 1)], None, MessageState.RECEIVED),
    ],
)
def test_a_message_to_the_client_is_as_far_as_its_receipt(
    receipts: list[Receipt], written_at: float | None, expected: MessageState
) -> None:
    entry = an_entry(log=Log.TO_CLIENT, seq=2)
    told = progress_of(entry, standing(receipts=receipts, lanes=[DONE]), written_at=written_at)
    assert told.state is expected
    assert lanes_of(entry, standing(lanes=[DONE])) == ()


def test_what_the_client_did_not_get_is_undelivered_whatever_other_devices_got() -> None:
    entry = an_entry(log=Log.TO_CLIENT)
    lost = Undelivered(entry, "a", "the call ended first", AT)
    receipt = Receipt(reader="b", seq=1, written_at=AT, at=AT)
    told = progress_of(entry, standing(receipts=[receipt], undelivered=[lost]))
    assert (told.state, told.reason) == (MessageState.UNDELIVERED, "the call ended first")
    assert progress_of(an_entry(), standing(undelivered=[lost])).state is MessageState.STORED


@given(st.lists(st.integers(0, 40)))
def test_runs_are_the_same_numbers_in_order_and_apart(numbers: list[int]) -> None:
    found = runs(numbers)
    assert [number for run in found for number in run] == sorted(set(numbers))
    assert all(before.stop < after.start for before, after in pairwise(found))
