"""Replays through the dispatcher: the same request once more, marked, in order, beside the lane that was first."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from midcall.core.alerts import AlertFilter
from midcall.core.lanes import LaneKind, LaneState
from midcall.core.sids import SubscriptionSid
from midcall.ports import PageRequest, Request
from midcall.switch.replays import Replays, Wanted
from midcall.webhooks.dispatcher import SWEEP_S
from support.lanes import ACCOUNT, LEG

if TYPE_CHECKING:
    from conftest import Box

MARK = "X-Midcall-Replay"


def replays(box: Box) -> Replays:
    numbers = iter(range(1, 100))
    return Replays(
        store=box.store, bus=box.bus, clock=box.clock, entropy=lambda size: next(numbers).to_bytes(size, "big")
    )


async def start(box: Box, **wanted: object) -> list[str]:
    """Replay something of the leg; the replays' sids."""
    lanes = await replays(box).start(Wanted(account_sid=ACCOUNT, leg=LEG, **wanted))  # type: ignore[arg-type]
    await box.settle()
    return [lane.id for lane in lanes]


async def test_a_replay_is_the_same_request_with_one_header_more(box: Box) -> None:
    box.sender.endpoints["a"] = lambda request: 200
    await box.start()
    await box.subscribe("http://a/messages")
    await box.say("one", "two", "three")
    (sid,) = await start(box, first=2, last=3)
    first, again = box.sender.to("a")[:3], box.sender.to("a")[3:]
    assert [sent.content for sent in again] == ["two", "three"]
    for before, after in zip(first[1:], again, strict=True):
        assert after.request.body == before.request.body
        assert dict(after.request.headers) == {**before.request.headers, MARK: sid}


async def test_a_replay_to_another_address_keeps_the_ids(box: Box) -> None:
    box.sender.endpoints["a"] = box.sender.endpoints["b"] = lambda request: 200
    await box.start()
    await box.subscribe("http://a/messages")
    await box.say("one")
    await start(box, url="http://b/again", method="GET")
    (first,), (again,) = box.sender.to("a"), box.sender.to("b")
    assert again.request.method == "GET"
    assert (again.token, again.params["Sid"]) == (first.token, first.params["Sid"])


async def test_messages_that_nobody_was_subscribed_to_can_be_sent_to_an_address(box: Box) -> None:
    box.sender.endpoints["b"] = lambda request: 200
    await box.start()
    await box.say("one", "two")
    assert await start(box) == []
    await start(box, url="http://b/again")
    assert [sent.content for sent in box.sender.to("b")] == ["one", "two"]


async def test_what_was_given_up_is_sent_and_then_no_longer_missing(box: Box) -> None:
    answers = {"one": 200, "two": 410}
    box.sender.endpoints["a"] = lambda request: answers.get(content(request), 200)
    await box.start()
    await box.subscribe("http://a/messages")
    await box.say("one", "two")
    await box.say("three")
    answers["two"] = 200
    everything = Wanted(account_sid=ACCOUNT, undelivered=True)
    (lane,) = await replays(box).start(everything)
    await box.settle()
    assert [sent.content for sent in box.sender.to("a")] == ["one", "two", "two"]
    (row,) = await box.store.undelivered(ACCOUNT, LEG, 9)
    assert (row.resolved_by, row.resolved_at) == (lane.id, box.clock.now())
    assert await replays(box).start(everything) == []


async def test_a_deleted_subscription_hears_nothing_again_unless_it_is_named(box: Box) -> None:
    box.sender.endpoints["a"] = lambda request: 200
    await box.start()
    ended = await box.subscribe("http://a/messages")
    await box.say("one")
    await box.store.end_subscription(ACCOUNT, LEG, ended, at=box.clock.now())
    assert await start(box) == []
    assert len(await start(box, subscription=SubscriptionSid(ended))) == 1


async def test_a_replay_neither_waits_for_the_first_lane_nor_holds_it_up(box: Box) -> None:
    """Both are in flight to the same endpoint at once; each keeps its own order."""
    box.sender.endpoints["a"] = lambda request: 200 if MARK in request.headers else 500
    await box.start()
    subscription = await box.subscribe("http://a/messages")
    await box.say("one", "two")
    await start(box)
    assert [sent.content for sent in box.sender.to("a") if MARK in sent.request.headers] == ["one", "two"]
    lane = await box.lane(subscription)
    assert (lane.cursor, lane.attempts) == (0, 1)


async def test_a_replay_that_is_refused_ends_in_order_with_an_alert(box: Box) -> None:
    box.sender.endpoints["a"] = lambda request: 500 if content(request) == "two" and MARK in request.headers else 200
    await box.start()
    await box.subscribe("http://a/messages")
    await box.say("one", "two", "three")
    (sid,) = await start(box)
    await box.advance(1_000)
    again = [sent.content for sent in box.sender.to("a") if MARK in sent.request.headers]
    assert again == ["one"] + ["two"] * 6
    lane = await box.lane(sid)
    assert (lane.state, lane.cursor) == (LaneState.ENDED, 1)
    assert lane.reason == "6 attempts failed, last: answered 500"
    alerts = (await box.store.alerts(ACCOUNT, AlertFilter(call_sid=LEG), PageRequest())).rows
    assert [alert.code for alert in alerts] == [32711]


async def test_a_replay_of_old_messages_is_sent(box: Box) -> None:
    box.sender.endpoints["a"] = lambda request: 200
    await box.start()
    await box.subscribe("http://a/messages")
    await box.say("one")
    box.clock.advance(30 * 86_400)
    await start(box)
    assert [sent.content for sent in box.sender.to("a")] == ["one", "one"]


async def test_a_replay_survives_the_dispatcher(box: Box) -> None:
    box.sender.endpoints["a"] = lambda request: 200
    dispatcher = await box.start()
    await box.subscribe("http://a/messages")
    await box.say("one", "two")
    await dispatcher.close()
    await start(box)
    assert len(box.sender.to("a")) == 2
    await box.start()
    await box.advance(SWEEP_S)
    assert [sent.content for sent in box.sender.to("a")] == ["one", "two", "one", "two"]
    page = await box.store.lane_page(ACCOUNT, LaneKind.REPLAY, None, PageRequest())
    assert [lane.state for lane in page.rows] == [LaneState.ENDED]


def content(request: Request) -> str:
    return str(json.loads(request.body)["Content"])
