"""Whole calls through the switch: what clients are shown, what REST shows, what customers' servers are asked."""

from __future__ import annotations

import json

import pytest

from midcall.core.alerts import AlertFilter
from midcall.core.calls import Status
from midcall.core.errors import Refused
from midcall.ports import (
    Join,
    MediaConnected,
    MediaFailed,
    MediaLost,
    OfferReady,
    PageRequest,
    Part,
    SendDigits,
    Transition,
)
from midcall.switch.calls import CallUpdate, NewCall
from support.switchboard import ACCOUNT, APPLICATION, Switchboard

DIAL_BOB = "<Response><Dial><Client>bob</Client></Dial></Response>"
DIAL_BOB_ON_BRIDGE = '<Response><Dial answerOnBridge="true"><Client>bob</Client></Dial></Response>'
REPORTING = (
    '<Response><Dial answerOnBridge="true" action="/after"><Client statusCallback="/status" '
    'statusCallbackEvent="initiated ringing answered completed"><Identity>bob</Identity>'
    '<Parameter name="custom + param" value="a + b"/></Client></Dial></Response>'
)


async def test_a_call_is_placed_rings_is_answered_and_ends(board: Switchboard) -> None:
    bob = board.register("bob")
    alice = await board.place(DIAL_BOB_ON_BRIDGE)
    child = await board.child(alice)

    assert (await board.row(alice)).status is Status.RINGING
    assert child.status is Status.RINGING
    assert board.devices.of(alice) == ["ringing"]
    assert board.devices.of(child.sid) == ["invite"]

    await board.answer(child.sid, bob)
    assert (await board.row(alice)).status is Status.IN_PROGRESS
    assert (await board.row(child.sid)).status is Status.IN_PROGRESS
    assert board.devices.of(alice) == ["ringing", "answer"]
    assert board.devices.of(child.sid) == ["invite", "taken"]
    assert Join(leg=alice, other=child.sid) in board.media.commands

    board.calls.hung_up(child.sid)
    await board.settle()
    assert (await board.row(child.sid)).status is Status.COMPLETED
    assert (await board.row(alice)).status is Status.COMPLETED
    assert board.devices.of(alice) == ["ringing", "answer", "hangup"]
    assert await board.store.live_owners() == []
    assert board.calls.live == 0


async def test_without_answer_on_bridge_rest_says_in_progress_while_the_client_hears_it_ring(
    board: Switchboard,
) -> None:
    board.register("bob")
    alice = await board.place(DIAL_BOB)

    assert (await board.row(alice)).status is Status.IN_PROGRESS
    assert board.devices.of(alice) == ["ringing"]
    assert ("ringing", alice, f"answer for {alice}") in board.devices.shown


async def test_the_voice_url_is_asked_with_all_parameters_and_a_custom_to(board: Switchboard) -> None:
    alice = await board.place("<Response/>", To="bob", From="client:mallory", CallSid="forged", extra="ä & b")
    (asked,) = board.sender.asked(board.VOICE)

    assert asked == {
        "AccountSid": ACCOUNT,
        "ApiVersion": "2010-04-01",
        "ApplicationSid": APPLICATION,
        "CallSid": alice,
        "CallStatus": "ringing",
        "Called": "",
        "Caller": "client:alice",
        "Direction": "inbound",
        "From": "client:alice",
        "To": "bob",
        "extra": "ä & b",
    }


async def test_status_callbacks_are_logged_in_order_with_the_documented_parameters(board: Switchboard) -> None:
    bob = board.register("bob")
    alice = await board.place(REPORTING)
    child = await board.child(alice)
    await board.answer(child.sid, bob)
    await board.pass_time(61)
    board.calls.hung_up(alice)
    await board.settle()

    entries = [json.loads(entry.content) for entry in await board.status_log(child.sid)]
    assert [entry["CallStatus"] for entry in entries] == ["initiated", "ringing", "in-progress", "completed"]
    assert [entry["SequenceNumber"] for entry in entries] == ["0", "1", "2", "3"]
    assert entries[-1]["CallDuration"] == "61"
    assert entries[-1]["Duration"] == "2"
    assert entries[-1]["SipResponseCode"] == "200"
    assert entries[-1]["ParentCallSid"] == alice
    assert entries[0]["Direction"] == "outbound-dial"
    (action,) = board.sender.asked("http://app.test/after")
    assert action["DialCallStatus"] == "completed"
    assert action["CallStatus"] == "completed"
    assert action["DialCallSid"] == child.sid


async def test_an_identity_without_devices_is_no_answer_at_once(board: Switchboard) -> None:
    alice = await board.place(REPORTING)
    child = await board.child(alice)

    assert child.status is Status.NO_ANSWER
    entries = [json.loads(entry.content) for entry in await board.status_log(child.sid)]
    assert [entry["CallStatus"] for entry in entries] == ["initiated", "no-answer"]
    assert entries[-1]["SipResponseCode"] == "480"
    (action,) = board.sender.asked("http://app.test/after")
    assert action["DialCallStatus"] == "no-answer"


async def test_invites_carry_custom_parameters_with_raw_keys(board: Switchboard) -> None:
    board.register("bob")
    await board.place(REPORTING)
    ((_, invite),) = board.devices.invites

    assert invite.parameters["Params"] == "custom + param=a%20%2B%20b"
    assert invite.parameters["From"] == "client:alice"
    assert invite.parameters["To"] == "client:bob"


async def test_a_rejection_ends_the_leg_for_all_devices_as_busy(board: Switchboard) -> None:
    phone, laptop = board.register("bob", "phone"), board.register("bob", "laptop")
    alice = await board.place(DIAL_BOB_ON_BRIDGE)
    child = await board.child(alice)
    assert [device for device, _ in board.devices.invites] == [phone, laptop]

    board.calls.rejected(child.sid, laptop)
    await board.settle()
    assert (await board.row(child.sid)).status is Status.BUSY
    assert board.devices.of(child.sid)[-1] == "hangup"
    assert (await board.row(alice)).status is Status.COMPLETED


async def test_a_caller_who_hangs_up_cancels_the_ringing_child(board: Switchboard) -> None:
    board.register("bob")
    alice = await board.place(DIAL_BOB_ON_BRIDGE)
    child = await board.child(alice)
    board.calls.hung_up(alice)
    await board.settle()

    assert (await board.row(alice)).status is Status.CANCELED
    assert (await board.row(child.sid)).status is Status.CANCELED


async def test_ringing_ends_after_the_timeout_of_the_dial(board: Switchboard) -> None:
    board.register("bob")
    alice = await board.place('<Response><Dial timeout="7"><Client>bob</Client></Dial><Hangup/></Response>')
    await board.pass_time(6.9)
    assert (await board.child(alice)).status is Status.RINGING
    await board.pass_time(0.2)
    assert (await board.child(alice)).status is Status.NO_ANSWER
    assert (await board.row(alice)).status is Status.COMPLETED


async def test_the_first_of_several_nouns_to_answer_wins(board: Switchboard) -> None:
    board.register("bob")
    carol = board.register("carol")
    alice = await board.place("<Response><Dial><Client>bob</Client><Client>carol</Client></Dial></Response>")
    to_bob, to_carol = await board.children(alice)
    await board.answer(to_carol.sid, carol)

    assert (await board.row(to_carol.sid)).status is Status.IN_PROGRESS
    assert (await board.row(to_bob.sid)).status is Status.CANCELED


async def test_a_device_that_registers_late_is_offered_the_ringing_leg(board: Switchboard) -> None:
    board.register("bob")
    alice = await board.place(DIAL_BOB)
    late = board.register("bob", "late")
    board.calls.device_registered(ACCOUNT, "bob", late)
    await board.settle()

    child = await board.child(alice)
    assert board.devices.invites[-1][0] == late
    await board.answer(child.sid, late)
    another = board.register("bob", "too late")
    board.calls.device_registered(ACCOUNT, "bob", another)
    await board.settle()
    assert board.devices.invites[-1][0] == late


@pytest.mark.parametrize(("reacts", "status"), [("answers", Status.IN_PROGRESS), ("rejects", Status.BUSY)])
async def test_what_a_device_queued_while_its_socket_was_gone_counts(
    board: Switchboard, reacts: str, status: Status
) -> None:
    bob = board.register("bob")
    child = await board.child(await board.place(DIAL_BOB))
    board.calls.device_gone(child.sid, bob)
    await board.settle()
    if reacts == "answers":
        board.calls.answered(child.sid, bob, "the client's answer", 0)
    else:
        board.calls.rejected(child.sid, bob)
    await board.settle()
    assert (await board.row(child.sid)).status is status


async def test_a_socket_that_does_not_come_back_ends_the_leg_after_the_window(board: Switchboard) -> None:
    bob = board.register("bob")
    alice = await board.place(DIAL_BOB)
    child = await board.child(alice)
    await board.answer(child.sid, bob)
    board.calls.away(alice)
    await board.pass_time(29)
    board.calls.back(alice, None)
    await board.pass_time(60)
    assert (await board.row(alice)).status is Status.IN_PROGRESS

    board.calls.away(child.sid)
    await board.settle()
    await board.pass_time(31)
    assert (await board.row(child.sid)).status is Status.COMPLETED
    assert (await board.row(alice)).status is Status.COMPLETED


async def test_rest_creates_a_call_to_a_client_and_runs_its_twiml_when_answered(board: Switchboard) -> None:
    bob = board.register("bob")
    call = await board.calls.create(
        NewCall(
            account_sid=ACCOUNT,
            to="client:bob?topic=a%26b",
            from_="support",
            url="http://app.test/outbound",
            status_callback="http://app.test/status",
            status_callback_events=("ringing", "completed"),
        )
    )
    assert call.status is Status.QUEUED
    board.sender.pages["http://app.test/outbound"] = '<Response><Pause length="5"/></Response>'
    await board.settle()
    assert (await board.row(call.sid)).status is Status.RINGING
    assert board.devices.invites[0][1].parameters["Params"] == "topic=a%26b"

    await board.answer(call.sid, bob)
    (asked,) = board.sender.asked("http://app.test/outbound")
    assert asked["CallStatus"] == "in-progress"
    assert asked["Direction"] == "outbound-api"
    await board.pass_time(6)
    assert (await board.row(call.sid)).status is Status.COMPLETED
    entries = [json.loads(entry.content) for entry in await board.status_log(call.sid)]
    assert [(entry["CallStatus"], entry["SequenceNumber"]) for entry in entries] == [
        ("ringing", "0"),
        ("completed", "1"),
    ]


async def test_a_callee_with_too_many_parameters_is_refused(board: Switchboard) -> None:
    new = NewCall(account_sid=ACCOUNT, to="client:bob?" + "a=&" * 101, from_="x", twiml="<Response/>")
    with pytest.raises(Refused, match="parameters"):
        await board.calls.create(new)


async def test_rest_completes_cancels_and_redirects(board: Switchboard) -> None:
    bob = board.register("bob")
    alice = await board.place(DIAL_BOB_ON_BRIDGE)
    child = await board.child(alice)
    with pytest.raises(Refused, match="Cannot redirect"):
        await board.calls.update(ACCOUNT, alice, CallUpdate(twiml="<Response/>"))
    await board.answer(child.sid, bob)

    unchanged = await board.calls.update(ACCOUNT, alice, CallUpdate(status="canceled"))
    assert unchanged.status is Status.IN_PROGRESS
    await board.calls.update(ACCOUNT, alice, CallUpdate(twiml='<Response><Pause length="9"/></Response>'))
    await board.settle()
    assert (await board.row(child.sid)).status is Status.COMPLETED
    assert (await board.row(alice)).status is Status.IN_PROGRESS
    over = await board.calls.update(ACCOUNT, alice, CallUpdate(status="completed"))
    assert over.status is Status.COMPLETED
    with pytest.raises(Refused) as refusal:
        await board.calls.update(ACCOUNT, alice, CallUpdate(status="completed"))
    assert refusal.value.rule.rest == (400, 21220)


async def test_a_redirected_child_lives_on_while_its_parent_goes_on_with_the_action(board: Switchboard) -> None:
    bob = board.register("bob")
    alice = await board.place(REPORTING)
    board.sender.pages["http://app.test/after"] = '<Response><Pause length="9"/></Response>'
    child = await board.child(alice)
    await board.answer(child.sid, bob)
    await board.calls.update(ACCOUNT, child.sid, CallUpdate(twiml='<Response><Pause length="9"/></Response>'))
    await board.settle()

    assert (await board.row(child.sid)).status is Status.IN_PROGRESS
    assert (await board.row(alice)).status is Status.IN_PROGRESS
    (action,) = board.sender.asked("http://app.test/after")
    assert "DialCallDuration" not in action


async def test_twiml_that_cannot_be_had_goes_to_the_fallback_and_else_fails_the_call(board: Switchboard) -> None:
    alice = await board.place("this is not TwiML")
    assert (await board.row(alice)).status is Status.FAILED
    assert await board.alerts() == [12100]


async def test_verbs_that_come_later_raise_the_documented_alert(board: Switchboard) -> None:
    alice = await board.place("<Response>\n<Say>hello</Say>\n<Hangup/></Response>")
    page = await board.store.alerts(ACCOUNT, AlertFilter(call_sid=alice), PageRequest())
    (alert,) = page.rows
    assert (alert.code, alert.line, alert.call_sid) == (12200, 2, alice)


async def test_digits_of_either_carriage_are_recorded_once_and_passed_on(board: Switchboard) -> None:
    bob = board.register("bob")
    alice = await board.place(DIAL_BOB)
    child = await board.child(alice)
    await board.answer(child.sid, bob)
    board.calls.pressed(alice, "1w2")
    await board.settle()

    timeline = await board.trace.timeline(ACCOUNT, alice, 100)
    assert [event.detail["digit"] for event in timeline if event.kind == "leg.digit"] == ["1", "2"]
    assert SendDigits(leg=child.sid, digits="1w2") in board.media.commands


async def test_media_that_fails_ends_the_call_with_an_error_for_the_client(board: Switchboard) -> None:
    board.register("bob")
    alice = await board.place(DIAL_BOB)
    board.media.on_event(MediaFailed(leg=alice, reason="no fingerprint", peers_fault=True))
    await board.settle()
    assert ("hangup", alice, 31100) in board.devices.shown
    assert (await board.child(alice)).status is Status.CANCELED


async def test_lost_media_ends_the_leg_after_a_minute_unless_it_comes_back(board: Switchboard) -> None:
    bob = board.register("bob")
    alice = await board.place(DIAL_BOB)
    await board.answer((await board.child(alice)).sid, bob)
    board.media.on_event(MediaLost(leg=alice))
    await board.pass_time(59)
    board.media.on_event(MediaConnected(leg=alice))
    await board.pass_time(2)
    assert (await board.row(alice)).status is Status.IN_PROGRESS
    board.media.on_event(MediaLost(leg=alice))
    await board.settle()
    await board.pass_time(61)
    assert (await board.row(alice)).status is Status.COMPLETED
    assert await board.alerts() == [32014]


async def test_an_offer_that_comes_after_the_end_rings_nobody(board: Switchboard) -> None:
    board.register("bob")
    alice = await board.place(DIAL_BOB)
    child = await board.child(alice)
    board.calls.hung_up(alice)
    await board.settle()
    board.media.on_event(OfferReady(leg=child.sid, sdp="late"))
    await board.settle()
    assert board.devices.of(child.sid) == ["invite", "hangup"]


async def test_what_a_crash_left_behind_is_ended_at_the_next_start(board: Switchboard) -> None:
    bob = board.register("bob")
    alice = await board.place(REPORTING)
    child = await board.child(alice)
    await board.answer(child.sid, bob)
    ringing = await board.place(DIAL_BOB_ON_BRIDGE, identity="carol")
    await board.calls.close()

    after = Switchboard(store=board.store)
    assert await after.calls.recover() == 4
    assert (await after.row(alice)).status is Status.COMPLETED
    assert (await after.row(child.sid)).status is Status.COMPLETED
    assert (await after.row(ringing)).status is Status.FAILED
    assert await after.store.live_owners() == []
    entries = [json.loads(entry.content) for entry in await after.status_log(child.sid)]
    assert entries[-1]["CallStatus"] == "completed"


async def test_a_leg_stored_by_another_version_does_not_stop_the_next_start(board: Switchboard) -> None:
    board.register("bob")
    alice = await board.place(DIAL_BOB)
    saved = await board.store.load(alice)
    assert saved is not None
    state = json.loads(saved.state)
    state["timers"] = "of another shape"
    await board.calls.close()
    await board.store.save(
        Transition(owner=alice, account_sid=ACCOUNT, state=json.dumps(state).encode(), at=board.clock.now())
    )
    after = Switchboard(store=board.store)
    await after.calls.recover()
    assert (await after.row(alice)).status is Status.COMPLETED


async def test_a_refused_redirect_leaves_the_call_as_it_was(board: Switchboard) -> None:
    board.register("bob")
    alice = await board.place(DIAL_BOB_ON_BRIDGE)
    with pytest.raises(Refused, match="Cannot redirect"):
        await board.calls.update(ACCOUNT, alice, CallUpdate(url="http://app.test/other", time_limit_s=1))
    await board.answer((await board.child(alice)).sid, board.register("bob"))
    await board.pass_time(2)
    assert (await board.row(alice)).status is Status.IN_PROGRESS


async def test_a_stopping_server_takes_no_calls_and_completes_the_live_ones(board: Switchboard) -> None:
    bob = board.register("bob")
    alice = await board.place(DIAL_BOB)
    await board.answer((await board.child(alice)).sid, bob)
    await board.calls.stop(0)
    assert (await board.row(alice)).status is Status.COMPLETED
    with pytest.raises(Refused) as refusal:
        await board.place(DIAL_BOB)
    assert refusal.value.rule.rest == (503, 20503)


async def test_a_client_that_was_never_rung_is_not_reported_when_the_server_stops(board: Switchboard) -> None:
    board.register("bob")
    board.register("carol")
    reported = 'statusCallback="/status" statusCallbackEvent="initiated completed"'
    clients = f"<Client {reported}>bob</Client><Client {reported}>carol</Client>"
    alice = await board.place(f'<Response><Dial sequential="true">{clients}</Dial></Response>')
    bob, carol = await board.children(alice)
    await board.calls.stop(0)
    assert [json.loads(entry.content)["CallStatus"] for entry in await board.status_log(bob.sid)] == [
        "initiated",
        "failed",
    ]
    assert await board.status_log(carol.sid) == []


async def test_an_ended_call_can_be_deleted_and_a_live_one_cannot(board: Switchboard) -> None:
    board.register("bob")
    alice = await board.place(DIAL_BOB)
    with pytest.raises(Refused, match="after it has ended"):
        await board.calls.delete(ACCOUNT, alice)
    board.calls.hung_up(alice)
    await board.settle()
    await board.calls.delete(ACCOUNT, alice)
    assert await board.store.call(ACCOUNT, alice) is None


async def test_an_echo_joins_the_leg_with_itself_until_it_is_redirected(board: Switchboard) -> None:
    alice = await board.place("<Response><Echo/></Response>")
    assert (await board.row(alice)).status is Status.IN_PROGRESS
    assert board.devices.of(alice) == ["answer"]
    assert board.media.commands[-1] == Join(leg=alice, other=alice)
    await board.calls.update(ACCOUNT, alice, CallUpdate(twiml="<Response><Pause/></Response>"))
    await board.settle()
    assert board.media.commands[-1] == Part(leg=alice, other=alice)
