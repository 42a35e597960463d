"""The dispatcher with a store, a clock that stands still and endpoints that fail in every way."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

import pytest
from twilio.request_validator import RequestValidator

from midcall.core import webhooks
from midcall.core.calls import Status
from midcall.core.errors import STORE_UNAVAILABLE, Refused
from midcall.core.lanes import Encoding, LaneState
from midcall.core.messages import Log
from midcall.core.sids import CallSid
from midcall.core.signature import sign
from midcall.ports import Nudge, Outcome, Request, StatusLane
from midcall.webhooks.dispatcher import CONCURRENCY, LEASE_S
from midcall.webhooks.guard import Guard, Mode
from midcall.webhooks.sender import HttpSender
from midcall.webhooks.slots import PROMPT_S, Slots
from support.lanes import ACCOUNT, AUTH_TOKEN, LEG
from support.servers import Heard, answering, raw_server

if TYPE_CHECKING:
    from conftest import Box, Endpoint, Sent

URL = "https://app.example/messages"
SILENT = Outcome(status=None, error=11205, reason="the connection failed")


def contents(sent: list[Sent]) -> list[str]:
    return [one.content for one in sent]


def texts(count: int) -> list[str]:
    return [f"message {number}" for number in range(count)]


async def hanging(request: Request) -> int:
    await asyncio.Event().wait()
    return 200


# the ordinary way


async def test_messages_arrive_in_order_with_their_numbers(box: Box) -> None:
    box.sender.endpoints["app.example"] = lambda _: 200
    await box.start()
    await box.subscribe(URL)
    await box.say(*texts(100))
    assert contents(box.sender.sent) == texts(100)
    assert [sent.params["SequenceNumber"] for sent in box.sender.sent] == [str(n) for n in range(1, 101)]
    assert box.sender.most_in_flight == {"app.example": 1}


async def test_a_callback_is_signed_with_the_accounts_token(box: Box) -> None:
    box.sender.endpoints["app.example"] = lambda _: 200
    await box.start()
    await box.subscribe(URL)
    await box.say("hello")
    sent = box.sender.sent[0]
    assert sent.request.headers["X-Twilio-Signature"] == sign(AUTH_TOKEN, URL, sent.params.items())
    assert sent.request.redirects == 0
    assert sent.request.status_only


async def test_every_subscription_gets_every_message_and_the_same_callback_twice_is_two(box: Box) -> None:
    box.sender.endpoints["app.example"] = lambda _: 200
    await box.start()
    for _ in range(2):
        await box.subscribe(URL)
    await box.say("a", "b")
    assert sorted(contents(box.sender.sent)) == ["a", "a", "b", "b"]
    assert len({sent.token for sent in box.sender.sent}) == 4


async def test_a_lost_nudge_costs_one_sweep(box: Box) -> None:
    box.sender.endpoints["app.example"] = lambda _: 200
    await box.start(sweep_s=5.0)
    await box.subscribe(URL)
    await box.say("hello", nudge=False)
    await box.advance(4.9)
    assert not box.sender.sent
    await box.advance(0.2)
    assert contents(box.sender.sent) == ["hello"]


async def test_what_was_waiting_at_the_start_is_sent_at_once(box: Box) -> None:
    box.sender.endpoints["app.example"] = lambda _: 200
    await box.subscribe(URL)
    await box.say("before", nudge=False)
    await box.start()
    assert contents(box.sender.sent) == ["before"]


async def test_messages_to_the_client_wake_nobody(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    await box.start()
    asked = count_calls(box, monkeypatch)
    box.bus.nudge(Nudge(LEG, Log.TO_CLIENT))
    await box.settle()
    assert asked() == 0


async def test_an_idle_dispatcher_asks_only_when_it_sweeps(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    await box.start(sweep_s=5.0)
    asked = count_calls(box, monkeypatch)
    await box.advance(50.0)
    assert asked() == 10


def count_calls(box: Box, monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    calls: list[float] = []
    claim_due = box.store.claim_due

    async def counted(*, now: float, **asked: object) -> object:
        calls.append(now)
        return await claim_due(now=now, **asked)  # type: ignore[arg-type]

    monkeypatch.setattr(box.store, "claim_due", counted)
    return lambda: len(calls)


async def test_a_message_that_comes_while_its_lane_comes_to_rest_is_not_left_to_the_sweep(box: Box) -> None:
    """The nudge finds the lane still at work, after its settle saw no further message."""
    box.sender.endpoints["app.example"] = lambda _: 200
    await box.start(sweep_s=1e9)
    await box.subscribe(URL)
    settle = box.store.settle

    async def settle_then_accept(*args: object, **options: object) -> object:
        following = await settle(*args, **options)  # type: ignore[arg-type]
        if len(box.sender.sent) == 1:
            await box.append("second")
            box.bus.nudge(Nudge(LEG, Log.FROM_CLIENT))
            for _ in range(20):  # the dispatcher looks, and finds the lane at work
                await asyncio.sleep(0)
        return following

    box.store.settle = settle_then_accept  # type: ignore[method-assign, assignment]
    await box.say("first")
    assert contents(box.sender.sent) == ["first", "second"]


# failures


async def test_a_failing_endpoint_sees_the_schedule_and_the_same_ids_each_time(box: Box) -> None:
    box.sender.endpoints["app.example"] = lambda _: 500
    await box.start()
    await box.subscribe(URL)
    await box.say("hello", "later")
    await box.advance(2_500)
    times = [sent.at for sent in box.sender.sent]
    waits = [round(later - earlier) for earlier, later in itertools.pairwise(times)]
    assert waits == [1, 5, 30, 120, 600, 600, 600]
    assert set(contents(box.sender.sent)) == {"hello"}
    assert len({sent.token for sent in box.sender.sent}) == 1
    assert len({sent.request.body for sent in box.sender.sent}) == 1


async def test_an_endpoint_that_fails_in_part_keeps_order_and_pace(box: Box) -> None:
    chance = random.Random(7)
    box.sender.endpoints["app.example"] = lambda _: 500 if chance.random() < 0.3 else 200
    await box.start()
    await box.subscribe(URL)
    await box.say(*texts(100))
    await box.advance(3_000)
    first_arrivals = list(dict.fromkeys(contents(box.sender.sent)))
    assert first_arrivals == texts(100)
    assert (await box.store.next_due()) is None
    assert not await box.alerts()


async def test_one_endpoint_of_three_that_fails_slows_nobody_else(box: Box) -> None:
    box.sender.endpoints.update({"a.example": lambda _: 200, "b.example": lambda _: 500, "c.example": lambda _: 200})
    await box.start()
    for name in "abc":
        await box.subscribe(f"https://{name}.example/")
    await box.say(*texts(20))
    assert contents(box.sender.to("a.example")) == contents(box.sender.to("c.example")) == texts(20)
    assert set(contents(box.sender.to("b.example"))) == {"message 0"}


async def test_a_lane_that_is_down_alerts_once_is_probed_and_drains_at_once(box: Box) -> None:
    answers = {"status": 503}
    box.sender.endpoints["app.example"] = lambda _: answers["status"]
    await box.start()
    sid = await box.subscribe("https://user:secret@app.example/messages?x=1")
    await box.say(*texts(5))
    await box.advance(3_000)
    lane = await box.lane(sid)
    assert lane.state is LaneState.DOWN
    alerts = await box.alerts()
    assert [(alert.code, alert.call_sid) for alert in alerts] == [(32711, LEG)]
    assert alerts[0].request_url == "https://app.example/messages?x=1"
    answers["status"] = 200
    tried = len(box.sender.sent)
    await box.advance(lane.due_at - box.clock.now())
    assert contents(box.sender.sent[tried:]) == texts(5)
    assert {sent.at for sent in box.sender.sent[tried:]} == {box.clock.now()}
    assert (await box.lane(sid)).state is LaneState.OPEN


async def test_retry_after_is_honoured(box: Box) -> None:
    answers = [Outcome(status=429, headers={"retry-after": "90"})]
    box.sender.endpoints["app.example"] = lambda _: answers.pop() if answers else 200
    await box.start()
    await box.subscribe(URL)
    await box.say("hello")
    await box.advance(89)
    assert len(box.sender.sent) == 1
    await box.advance(2)
    assert [sent.at - box.sender.sent[0].at for sent in box.sender.sent] == [0, 90]


async def test_410_ends_the_lane_and_lists_the_rest(box: Box) -> None:
    box.sender.endpoints["app.example"] = lambda _: 410
    await box.start()
    sid = await box.subscribe(URL)
    await box.say("a", "b")
    assert (await box.lane(sid)).state is LaneState.ENDED
    undelivered = await box.store.undelivered(ACCOUNT, LEG, 10)
    assert sorted(row.entry.content for row in undelivered) == [b'"a"', b'"b"']
    await box.say("c")
    await box.advance(1_000)
    assert len(box.sender.sent) == 1


async def test_messages_older_than_24_hours_step_over_unsent_and_visibly(box: Box) -> None:
    box.sender.endpoints["app.example"] = lambda _: 500
    await box.start(sweep_s=1e9)
    sid = await box.subscribe(URL)
    await box.say("old", "old too")
    await box.advance(80_000)
    await box.say("young")
    await box.advance(6_401)
    tried = len(box.sender.sent)
    await box.advance(601)
    assert contents(box.sender.sent[tried:]) == ["young"]
    undelivered = await box.store.undelivered(ACCOUNT, LEG, 10)
    assert sorted(row.entry.content for row in undelivered) == [b'"old too"', b'"old"']
    assert {row.reader for row in undelivered} == {sid}
    assert (await box.lane(sid)).state is LaneState.DOWN  # stepping over is no success
    assert len(await box.alerts()) == 1


async def test_a_message_that_cannot_be_built_steps_over(box: Box) -> None:
    box.sender.endpoints["app.example"] = lambda _: 200
    await box.a_leg(LEG, lane=StatusLane(url="https://app.example/status", method="POST"))
    await box.start()
    await box.report("ringing")
    entry = (await box.store.entries_after(LEG, Log.STATUS, 0, 1))[0]
    assert entry.seq == 1
    transition = box.transition(status_entries=[b"not json"])
    await box.store.save(transition)
    await box.report("completed")
    assert [sent.params["CallStatus"] for sent in box.sender.sent] == ["ringing", "completed"]


async def test_a_store_that_fails_leaves_the_message_for_later(box: Box) -> None:
    box.sender.endpoints["app.example"] = lambda _: 200
    await box.start()
    await box.subscribe(URL)
    claim = box.store.claim
    failures = iter([Refused(STORE_UNAVAILABLE), RuntimeError("a bug")])

    async def failing(*args: object, **options: object) -> object:
        for failure in failures:
            raise failure
        return await claim(*args, **options)  # type: ignore[arg-type]

    box.store.claim = failing  # type: ignore[method-assign, assignment]
    await box.say("hello")
    assert not box.sender.sent
    await box.advance(11)
    assert contents(box.sender.sent) == ["hello"]


async def test_an_outcome_waits_for_a_full_disk_and_its_message_is_not_sent_again(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: object, **__: object) -> None:
        raise Refused(STORE_UNAVAILABLE)

    box.sender.endpoints["app.example"] = lambda _: 200
    await box.start()
    sid = await box.subscribe(URL)
    monkeypatch.setattr(box.store, "settle", full)
    await box.say("1", "2")
    await box.advance(2 * LEASE_S)
    assert contents(box.sender.sent) == ["1"]
    monkeypatch.undo()
    await box.advance(1)
    assert contents(box.sender.sent) == ["1", "2"]
    assert (await box.lane(sid)).cursor == 2


async def test_a_dispatcher_that_closes_does_not_wait_for_a_full_disk(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: object, **__: object) -> None:
        raise Refused(STORE_UNAVAILABLE)

    box.sender.endpoints["app.example"] = lambda _: 200
    dispatcher = await box.start()
    await box.subscribe(URL)
    monkeypatch.setattr(box.store, "settle", full)
    await box.say("1")
    closing = asyncio.create_task(dispatcher.close())
    await box.advance(1)
    assert closing.done()
    await closing


@pytest.mark.parametrize("failure", [Refused(STORE_UNAVAILABLE), RuntimeError("a bug")])
async def test_a_store_that_cannot_be_asked_is_asked_again_by_the_sweep(
    box: Box, failure: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    box.sender.endpoints["app.example"] = lambda _: 200
    await box.start()
    await box.subscribe(URL)

    async def failing(**asked: object) -> object:
        raise failure

    monkeypatch.setattr(box.store, "claim_due", failing)
    await box.say("hello")
    monkeypatch.undo()
    await box.advance(5.0)
    assert contents(box.sender.sent) == ["hello"]


async def test_an_alert_that_cannot_be_stored_keeps_no_lane_waiting(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refused(alert: object) -> None:
        raise Refused(STORE_UNAVAILABLE)

    monkeypatch.setattr(box.store, "add_alert", refused)
    box.sender.endpoints["app.example"] = lambda request: 404 if b"ringing" in request.body else 200
    await box.a_leg(LEG, lane=StatusLane(url="https://app.example/status", method="POST"))
    await box.start()
    await box.report("ringing", "completed")
    await box.advance(10)
    assert box.sender.sent[-1].params["CallStatus"] == "completed"


async def test_without_its_account_a_lane_ends(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    async def gone(sid: object) -> None:
        return None

    monkeypatch.setattr(box.store, "account", gone)
    await box.start()
    sid = await box.subscribe(URL)
    await box.say("hello")
    assert (await box.lane(sid)).state is LaneState.ENDED
    assert len(await box.store.undelivered(ACCOUNT, LEG, 10)) == 1


# encodings


async def test_json_falls_back_to_a_form_within_the_attempt_and_the_form_is_remembered(box: Box) -> None:
    box.sender.endpoints["app.example"] = lambda request: 200 if b"=" in request.body else 403
    await box.start()
    sid = await box.subscribe(URL)
    await box.say("1", "2")
    sent = box.sender.sent
    assert [(one.is_json, one.content) for one in sent] == [(True, "1"), (False, "1"), (False, "2")]
    assert sent[0].token == sent[1].token
    assert sent[0].params == sent[1].params
    assert sent[0].at == sent[1].at
    assert (await box.lane(sid)).encoding is Encoding.FORM
    assert [event.detail["encoding"] for event in box.trace.events] == ["json", "form", "form"]


async def test_json_that_works_stays_json(box: Box) -> None:
    box.sender.endpoints["app.example"] = lambda _: 200
    await box.start()
    sid = await box.subscribe(URL)
    await box.say("1", "2")
    assert [one.is_json for one in box.sender.sent] == [True, True]
    assert (await box.lane(sid)).encoding is Encoding.JSON


async def test_an_answer_that_is_not_about_the_encoding_does_not_fall_back(box: Box) -> None:
    box.sender.endpoints["app.example"] = lambda _: 500
    await box.start()
    await box.subscribe(URL)
    await box.say("1")
    assert [one.is_json for one in box.sender.sent] == [True]


@pytest.mark.parametrize("encoding", list(Encoding))
async def test_the_setting_fixes_the_encoding(box: Box, encoding: Encoding) -> None:
    box.sender.endpoints["app.example"] = lambda _: 403
    await box.start(encoding=encoding)
    await box.subscribe(URL)
    await box.say("1")
    assert [one.is_json for one in box.sender.sent] == [encoding is Encoding.JSON]


async def test_get_carries_everything_in_the_query(box: Box) -> None:
    box.sender.endpoints["app.example"] = lambda _: 403
    await box.start()
    await box.subscribe(URL + "?a=b", method="GET")
    await box.say("hello you")
    sent = box.sender.sent
    assert len(sent) == 1
    assert sent[0].request.url.startswith(URL + "?a=b&ContentType=")
    assert sent[0].content == "hello you"


# overrides


async def test_overrides_retry_at_once_and_then_the_lane_is_down(box: Box) -> None:
    box.sender.endpoints["app.example"] = lambda _: 500
    await box.start()
    sid = await box.subscribe(URL + "#rc=3&rp=5xx&tt=4000&ct=700&rt=900")
    await box.say("hello")
    assert len(box.sender.sent) == 4
    assert len({sent.token for sent in box.sender.sent}) == 1
    request = box.sender.sent[0].request
    assert (request.url, request.connect_s, request.read_s, request.total_s) == (URL, 0.7, 0.9, 4.0)
    assert (await box.lane(sid)).state is LaneState.DOWN
    assert [alert.code for alert in await box.alerts()] == [32711]


async def test_immediate_retries_end_inside_the_total_time(box: Box) -> None:
    def slow(_: Request) -> Outcome:
        box.clock.advance(0.4)
        return SILENT

    box.sender.endpoints["app.example"] = slow
    await box.start()
    await box.subscribe(URL + "#rc=5&rp=all&tt=1000")
    await box.say("hello")
    assert len(box.sender.sent) == 3
    assert [round(sent.request.total_s, 1) for sent in box.sender.sent] == [1.0, 0.6, 0.2]


async def test_an_unreadable_retry_policy_is_an_alert_once(box: Box) -> None:
    box.sender.endpoints["app.example"] = lambda _: 200
    await box.start()
    await box.subscribe(URL + "#rp=sometimes")
    await box.say("a", "b")
    assert [alert.code for alert in await box.alerts()] == [11243]
    assert contents(box.sender.sent) == ["a", "b"]


# status callbacks


async def test_status_callbacks_arrive_in_order_as_forms_with_their_empty_fields(box: Box) -> None:
    box.sender.endpoints["app.example"] = lambda _: 204
    await box.a_leg(LEG, lane=StatusLane(url="https://app.example/status", method="POST"))
    await box.start()
    await box.report("initiated", "ringing", "completed")
    assert [sent.params["CallStatus"] for sent in box.sender.sent] == ["initiated", "ringing", "completed"]
    request = box.sender.sent[0].request
    assert request.body.endswith(b"&To=")
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded; charset=UTF-8"
    assert request.redirects == 10
    assert request.resign is not None


async def test_a_status_callback_is_retried_twice_then_stepped_over_with_a_warning(box: Box) -> None:
    box.sender.endpoints["app.example"] = lambda request: 404 if b"ringing" in request.body else 200
    await box.a_leg(LEG, lane=StatusLane(url="https://app.example/status", method="POST"))
    await box.start()
    await box.report("ringing", "completed")
    await box.advance(10)
    sent = box.sender.sent
    assert [one.params["CallStatus"] for one in sent] == ["ringing", "ringing", "ringing", "completed"]
    assert [round(one.at - sent[0].at) for one in sent] == [0, 1, 6, 6]
    (alert,) = await box.alerts()
    assert (alert.code, alert.level, alert.request_method) == (15003, "warning", "POST")
    refused = [event.detail for event in box.trace.events if event.detail["status"] == 404]
    assert {webhooks.of_delivery(str(one["lane"]), str(one["sid"])) for one in refused} == {alert.webhook}


async def test_a_status_callback_may_be_a_get(box: Box) -> None:
    box.sender.endpoints["app.example"] = lambda _: 200
    await box.a_leg(LEG, lane=StatusLane(url="https://app.example/status", method="GET"))
    await box.start()
    await box.report("ringing")
    assert box.sender.sent[0].request.url == f"https://app.example/status?CallSid={LEG}&CallStatus=ringing&To="


# the end of a leg


async def test_a_leg_that_ended_is_drained(box: Box) -> None:
    statuses = [500]
    box.sender.endpoints["app.example"] = lambda _: statuses.pop() if statuses else 200
    await box.start()
    sid = await box.subscribe(URL)
    await box.say("last words")
    await box.a_leg(LEG, status=Status.COMPLETED)
    await box.advance(2)
    assert contents(box.sender.sent) == ["last words", "last words"]
    assert (await box.lane(sid)).state is LaneState.ENDED


# fairness


def legs(count: int) -> list[CallSid]:
    return [CallSid(f"CA{number:032x}") for number in range(1, count + 1)]


async def test_a_dead_host_with_many_lanes_never_slows_a_good_one(box: Box) -> None:
    box.sender.endpoints.update({"dead.example": hanging, "good.example": lambda _: 200})
    await box.start(concurrency=16, per_host=4)
    for leg in legs(300):
        await box.a_leg(leg)
        await box.subscribe("https://dead.example/", leg=leg)
        await box.say("into the void", leg=leg, nudge=False)
    box.bus.nudge(Nudge(LEG, Log.FROM_CLIENT))
    await box.settle()
    assert box.sender.in_flight["dead.example"] == 4
    await box.subscribe("https://good.example/")
    for text in texts(20):
        at = box.clock.now()
        await box.say(text)
        assert (box.sender.to("good.example")[-1].content, box.sender.to("good.example")[-1].at) == (text, at)
        await box.advance(0.5)
    assert box.sender.most_in_flight["dead.example"] == 4


async def test_many_silent_hosts_leave_slots_for_good_ones(box: Box) -> None:
    async def silent(_: Request) -> Outcome:
        woken = asyncio.Event()
        box.clock.call_later(15.0, woken.set)
        await woken.wait()
        return SILENT

    await box.start(concurrency=16, per_host=8)
    for number, leg in enumerate(legs(60)):
        host = f"dead{number % 6}.example"
        box.sender.endpoints[host] = silent
        await box.a_leg(leg)
        await box.subscribe(f"https://{host}/", leg=leg)
        await box.say("into the void", leg=leg)
    await box.advance(40)  # they are known to be sluggish now
    box.sender.endpoints["good.example"] = lambda _: 200
    await box.subscribe("https://good.example/")
    await box.say("hello")
    assert contents(box.sender.to("good.example")) == ["hello"]


def after(box: Box, seconds: float, answer: Outcome | int) -> Endpoint:
    """An endpoint that answers so late."""

    async def endpoint(_: Request) -> Outcome | int:
        woken = asyncio.Event()
        box.clock.call_later(seconds, woken.set)
        await woken.wait()
        return answer

    return endpoint


@pytest.mark.timeout(300)
async def test_of_thousands_of_lanes_the_dead_and_the_slow_never_slow_the_others(box: Box) -> None:
    """150 endpoints with 2,400 lanes: two of three endpoints are dead or slow, and nobody knows it yet."""
    kinds = {"dead": after(box, 15.0, SILENT), "slow": after(box, 4.0, 200), "good": lambda _: 200}
    lanes: dict[str, list[CallSid]] = {kind: [] for kind in kinds}
    for number, leg in enumerate(legs(2_400)):
        kind = list(kinds)[number % 3]
        host = f"{kind}{number % 50}.example"
        box.sender.endpoints[host] = kinds[kind]
        lanes[kind].append(leg)
        await box.a_leg(leg)
        await box.subscribe(f"https://{host}/", leg=leg)
        await box.append("0", leg=leg)
    began = box.clock.now()
    await box.start()
    await box.advance(3.0)

    def took(number: int, since: float) -> list[float]:
        """When each good endpoint's message number so-and-so came."""
        hosts = [f"good{host}.example" for host in range(50)]
        return [sent.at - since for host in hosts for sent in box.sender.to(host) if sent.content == str(number)]

    first = took(0, began)
    assert len(first) == len(lanes["good"])
    assert max(first) < 2 * PROMPT_S  # by then it has turned out who is dead
    for number in (1, 2):
        at = box.clock.now()
        for kind in ("slow", "good"):
            for leg in lanes[kind]:
                await box.append(str(number), leg=leg)
        box.bus.nudge(Nudge(LEG, Log.FROM_CLIENT))
        await box.advance(0.5)
        assert len(took(number, at)) == len(lanes["good"])
    assert box.sender.most_in_flight["good0.example"] > 1
    assert sum(box.sender.in_flight.values()) <= CONCURRENCY * 3 // 4


async def test_a_busy_host_is_served_with_its_whole_share_and_nothing_waits_for_a_sweep(box: Box) -> None:
    box.sender.endpoints["app.example"] = lambda _: 200
    await box.start(concurrency=16, per_host=4, sweep_s=1e9)
    for leg in legs(200):
        await box.a_leg(leg)
        await box.subscribe(URL, leg=leg)
        await box.say("a", "b", leg=leg, nudge=False)
    box.bus.nudge(Nudge(LEG, Log.FROM_CLIENT))
    await box.settle()
    await box.advance(PROMPT_S + 0.5)  # whoever found the line too long came back
    assert len(box.sender.sent) == 400
    assert box.sender.most_in_flight == {"app.example": 4}


async def test_a_long_lane_lets_others_of_its_host_have_their_turn(box: Box) -> None:
    box.sender.endpoints["app.example"] = lambda _: 200
    first, second = legs(2)
    for leg in (first, second):
        await box.a_leg(leg)
        await box.subscribe(URL, leg=leg)
    await box.say(*texts(100), leg=first, nudge=False)
    await box.say("short", leg=second, nudge=False)
    await box.start(concurrency=1, per_host=1, burst=10)
    assert contents(box.sender.sent).index("short") == 10


# leases and endings


async def test_a_late_settle_does_not_move_the_cursor(box: Box) -> None:
    """A turn whose lease ran out, and was given to somebody else, ends without effect."""
    answer = asyncio.Event()

    async def late(_: Request) -> int:
        await answer.wait()
        return 200

    box.sender.endpoints["app.example"] = late
    await box.start()
    sid = await box.subscribe(URL)
    await box.say("a", "b")
    box.clock.advance(31)
    stolen = await box.store.claim(sid, now=box.clock.now(), lease_until=box.clock.now() + 1_000)
    assert stolen is not None
    answer.set()
    await box.settle()
    assert (await box.lane(sid)).cursor == 0
    assert set(contents(box.sender.sent)) == {"a"}


async def test_a_turn_whose_lease_may_run_out_before_the_answer_is_not_sent(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process stood still between claim and request: somebody else may have the lane by now."""
    box.sender.endpoints["app.example"] = lambda _: 200
    await box.start()
    await box.subscribe(URL)
    enter = Slots.enter

    async def stand_still(*args: object, **options: object) -> bool:
        entered = await enter(*args, **options)  # type: ignore[arg-type]
        monkeypatch.setattr(Slots, "enter", enter)
        box.clock.advance(28.0)
        return entered

    monkeypatch.setattr(Slots, "enter", stand_still)
    await box.say("hello")
    assert not box.sender.sent
    await box.advance(6.0)  # the lease is over, and a sweep finds the lane
    assert contents(box.sender.sent) == ["hello"]


async def test_two_nodes_on_one_store_send_one_at_a_time(box: Box) -> None:
    chance = random.Random(3)
    box.sender.endpoints["app.example"] = lambda _: 200 if chance.random() < 0.7 else 500
    await box.start()
    await box.start()
    await box.subscribe(URL)
    await box.say(*texts(50))
    await box.advance(3_000)
    assert list(dict.fromkeys(contents(box.sender.sent))) == texts(50)
    assert box.sender.most_in_flight == {"app.example": 1}


async def test_closing_lets_a_turn_in_flight_finish_and_starts_no_other(box: Box) -> None:
    answer = asyncio.Event()

    async def slow(_: Request) -> int:
        await answer.wait()
        return 200

    box.sender.endpoints["app.example"] = slow
    dispatcher = await box.start()
    sid = await box.subscribe(URL)
    await box.say("a", "b")
    closing = asyncio.create_task(dispatcher.close(grace_s=30))
    await box.settle()
    answer.set()
    await closing
    lane = await box.lane(sid)
    assert (contents(box.sender.sent), lane.cursor, lane.attempts) == (["a"], 1, 0)
    assert await box.store.due_lanes(box.clock.now(), 10) == [sid]  # given back: the next start sends it at once


async def test_a_turn_that_does_not_finish_in_time_is_cancelled_and_its_message_sent_again_later(box: Box) -> None:
    box.sender.endpoints["app.example"] = hanging
    dispatcher = await box.start()
    await box.subscribe(URL)
    await box.say("a")
    await dispatcher.close(grace_s=0)
    box.sender.endpoints["app.example"] = lambda _: 200
    await box.start()
    assert len(box.sender.sent) == 1
    await box.advance(31)
    assert contents(box.sender.sent) == ["a", "a"]
    assert len({sent.token for sent in box.sender.sent}) == 1


# over real connections


async def test_an_app_that_validates_forms_only_gets_its_messages_as_forms(box: Box) -> None:
    """Real requests, the official validator, an app that refuses what it cannot validate."""
    validator = RequestValidator(AUTH_TOKEN)
    taken: list[dict[str, str]] = []
    done = asyncio.Event()

    def app(heard: Heard) -> bytes:
        is_form = heard.headers["content-type"].startswith("application/x-www-form-urlencoded")
        form = dict(parse_qsl(heard.body.decode(), keep_blank_values=True)) if is_form else {}
        url = f"http://{heard.headers['host']}{heard.target}"
        if not validator.validate(url, form, heard.headers["x-twilio-signature"]):
            return answering(403)
        taken.append(form)
        if len(taken) == 3:
            done.set()
        return answering(204)

    sender = HttpSender(Guard(Mode.DEV))
    async with raw_server(app) as server:
        await box.start(sender=sender)
        await box.subscribe(f"{server.url}/messages?tenant=ü#top")
        for text in ("grüße", "", "a&b=c+d"):
            await box.append(text)
        box.bus.nudge(Nudge(LEG, Log.FROM_CLIENT))
        await done.wait()
        await box.close()
        await sender.close()
    assert [form["Content"] for form in taken] == ["grüße", "", "a&b=c+d"]
    assert [heard.headers["content-type"] for heard in server.heard].count("application/json") == 1
    assert server.connections == 1


# what is told


async def test_each_attempt_is_traced_without_content(box: Box) -> None:
    statuses = [500]
    box.sender.endpoints["app.example"] = lambda _: statuses.pop() if statuses else 200
    await box.start()
    sid = await box.subscribe("https://user:secret@app.example/messages#rc=0&rp=all")
    await box.say("private matters")
    await box.advance(601)
    assert [event.kind for event in box.trace.events] == ["webhook.attempt"] * 2
    detail = box.trace.events[0].detail
    assert (detail["lane"], detail["seq"], detail["status"], detail["attempt"]) == (sid, 1, 500, 1)
    assert box.trace.events[1].detail["attempt"] == 2
    assert "private" not in repr(box.trace.events)
    assert "secret" not in repr(box.trace.events)


async def test_no_log_line_has_content_or_secrets(box: Box, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    box.sender.endpoints["app.example"] = lambda _: 500
    await box.start()
    await box.subscribe("https://user:secret@app.example/messages#rc=9&rp=all")
    await box.say("private matters")
    logged = [record for record in caplog.records if record.name.startswith("midcall")]
    assert logged
    assert all("private" not in record.getMessage() and "secret" not in record.getMessage() for record in logged)
