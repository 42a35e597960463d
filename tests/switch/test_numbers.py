"""Calls to phone numbers of the account: two legs with a line between them, each with its own TwiML."""

from __future__ import annotations

import asyncio
import itertools
import json
from dataclasses import replace

import pytest

from midcall.core import numbers
from midcall.core.accounts import Application
from midcall.core.calls import Call, CallFilter, Direction, Status
from midcall.core.errors import Refused
from midcall.core.numbers import PhoneNumber
from midcall.core.sids import AccountSid, ApplicationSid, CallSid, PhoneNumberSid
from midcall.ports import Join, Link, PageRequest, SendDigits
from midcall.storage.memory import MemoryStore
from midcall.switch.calls import CallUpdate, NewCall
from midcall.switch.numbers import Numbers
from midcall.testing.clock import ManualClock
from support.switchboard import ACCOUNT, Switchboard

OFFICE, CALLER, NOBODY = "+14155550100", "+14155550199", "+14155550111"
OFFICE_URL = "http://app.test/office"
DIAL_OFFICE = (
    f'<Response><Dial callerId="{CALLER}" answerOnBridge="true" action="/after">'
    f'<Number statusCallback="/status" statusCallbackEvent="initiated ringing answered completed">{OFFICE}</Number>'
    "</Dial></Response>"
)
DIAL_BOB = '<Response><Dial answerOnBridge="true"><Client>bob</Client></Dial></Response>'
WAIT = "<Response><Dial/><Pause length='600'/></Response>"


async def own(board: Switchboard, number: str, serial: int = 1, **changes: str) -> PhoneNumber:
    row = PhoneNumber(
        sid=PhoneNumberSid(f"PN{serial:032x}"),
        account_sid=ACCOUNT,
        number=number,
        friendly_name=number,
        created_at=0,
        updated_at=0,
    )
    row = replace(row, **changes)  # type: ignore[arg-type]
    await board.store.put_phone_number(row)
    return row


async def office(board: Switchboard, twiml: str, **changes: str) -> PhoneNumber:
    board.sender.pages[OFFICE_URL] = twiml
    return await own(board, OFFICE, **{"voice_url": OFFICE_URL} | changes)


async def incoming(board: Switchboard, number: str = OFFICE) -> Call:
    """The number's own leg."""
    page = await board.store.calls(ACCOUNT, CallFilter(to=number), PageRequest())
    (leg,) = (row for row in page.rows if row.direction is Direction.INBOUND)
    return leg


async def statuses(board: Switchboard, leg: CallSid) -> list[tuple[str, str | None]]:
    entries = [json.loads(entry.content) for entry in await board.status_log(leg)]
    return [(entry["CallStatus"], entry.get("SipResponseCode")) for entry in entries]


class SlowStore(MemoryStore):
    """Lets others in between a look and the write that follows it."""

    async def phone_number_of(self, account: AccountSid, number: str) -> PhoneNumber | None:
        found = await super().phone_number_of(account, number)
        await asyncio.sleep(0)
        return found


async def test_those_who_ask_for_a_number_of_an_area_at_the_same_time_get_different_ones() -> None:
    counting = itertools.count(1)

    def entropy(size: int) -> bytes:
        return bytes(2) if size == 2 else next(counting).to_bytes(size, "big")

    use = Numbers(store=SlowStore(), clock=ManualClock(), entropy=entropy)
    made = await asyncio.gather(*(use.add_in(ACCOUNT, "415", lambda number: number) for _ in numbers.FICTIONAL))
    assert len({row.number for row in made}) == len(numbers.FICTIONAL)
    with pytest.raises(Refused) as refused:
        await use.add_in(ACCOUNT, "415", lambda number: number)
    assert refused.value.rule.rest == (400, 21452)


async def test_a_number_that_a_client_dials_rings_the_client_behind_it(board: Switchboard) -> None:
    number = await office(board, DIAL_BOB)
    bob = board.register("bob")
    alice = await board.place(DIAL_OFFICE)
    child, called = await board.child(alice), await incoming(board)
    rung = await board.child(called.sid)

    assert (child.direction, child.from_, child.to) == (Direction.OUTBOUND_DIAL, CALLER, OFFICE)
    assert (called.from_, called.to, called.parent_sid) == (CALLER, OFFICE, None)
    assert (called.phone_number_sid, child.phone_number_sid) == (number.sid, None)
    assert (child.sdk_leg, called.sdk_leg, rung.sdk_leg) == (False, False, True)
    assert (rung.from_, rung.to) == (CALLER, "client:bob")
    assert {row.status for row in (child, called, rung, await board.row(alice))} == {Status.RINGING}
    assert board.devices.of(alice) == ["ringing"]

    kinds = {event.kind: event.detail for event in await board.trace.timeline(ACCOUNT, child.sid, 100)}
    assert kinds["line.reached"] == {"leg": called.sid}

    await board.answer(rung.sid, bob)
    for row in (child, called, rung):
        assert (await board.row(row.sid)).status is Status.IN_PROGRESS
    assert board.devices.of(alice) == ["ringing", "answer"]
    joins = [command for command in board.media.commands if isinstance(command, Join | Link)]
    assert set(joins) == {
        Link(leg=called.sid, other=child.sid, like=alice),
        Join(leg=called.sid, other=rung.sid),
        Join(leg=alice, other=child.sid),
    }

    await board.pass_time(30)
    board.calls.hung_up(rung.sid)
    await board.settle()
    for row in (child, called, rung, await board.row(alice)):
        assert (await board.row(row.sid)).status is Status.COMPLETED
    assert await statuses(board, child.sid) == [
        ("initiated", None),
        ("ringing", None),
        ("in-progress", None),
        ("completed", "200"),
    ]
    (after,) = board.sender.asked("http://app.test/after")
    assert (after["DialCallStatus"], after["DialCallSid"], after["DialCallDuration"]) == ("completed", child.sid, "30")
    assert await board.store.live_owners() == []


async def test_the_numbers_twiml_is_asked_for_as_for_any_incoming_call(board: Switchboard) -> None:
    await office(board, WAIT, status_callback="http://app.test/office-status")
    await own(board, CALLER, 2, stir_status=numbers.VERIFIED)
    await board.place(DIAL_OFFICE, extra="the client's own")
    called = await incoming(board)
    (asked,) = board.sender.asked(OFFICE_URL)
    assert asked == {
        "AccountSid": ACCOUNT,
        "ApiVersion": "2010-04-01",
        "CallSid": called.sid,
        "CallStatus": "ringing",
        "Called": OFFICE,
        "Caller": CALLER,
        "Direction": "inbound",
        "From": CALLER,
        "To": OFFICE,
        "StirVerstat": numbers.VERIFIED,
    }
    await board.calls.update(ACCOUNT, called.sid, CallUpdate(status="completed"))
    await board.settle()
    assert await statuses(board, called.sid) == [("completed", "200")]


async def test_an_application_of_the_number_answers_in_its_place_and_hears_no_leg_without_a_client(
    board: Switchboard,
) -> None:
    application = Application(
        sid=ApplicationSid("AP" + "2" * 32),
        account_sid=ACCOUNT,
        friendly_name="",
        created_at=0,
        updated_at=0,
        voice_url="http://app.test/application",
        message_callback="http://app.test/messages",
    )
    await board.store.put_application(application)
    board.sender.pages["http://app.test/application"] = DIAL_BOB
    await office(board, WAIT, voice_application_sid=application.sid)
    bob = board.register("bob")
    await board.place(DIAL_OFFICE)
    called = await incoming(board)
    rung = await board.child(called.sid)
    await board.answer(rung.sid, bob)
    assert board.sender.asked(OFFICE_URL) == []
    (asked,) = board.sender.asked("http://app.test/application")
    assert asked["ApplicationSid"] == application.sid
    assert await board.store.subscriptions(ACCOUNT, called.sid) == []
    assert len(await board.store.subscriptions(ACCOUNT, rung.sid)) == 1


async def test_the_fallback_of_a_number_is_asked_when_its_voice_url_fails(board: Switchboard) -> None:
    await office(board, WAIT, voice_url="http://app.test/gone", voice_fallback_url=OFFICE_URL)
    await board.place(DIAL_OFFICE)
    (asked,) = board.sender.asked(OFFICE_URL)
    assert (asked["ErrorCode"], asked["ErrorUrl"]) == ("11200", "http://app.test/gone")
    assert (await incoming(board)).status is Status.IN_PROGRESS


@pytest.mark.parametrize("kind", ["unowned", "another account's", "without a voice url"])
async def test_a_number_with_nobody_behind_it_fails_with_an_alert(board: Switchboard, kind: str) -> None:
    if kind == "another account's":
        board.sender.pages[OFFICE_URL] = WAIT
        row = await own(board, NOBODY, voice_url=OFFICE_URL)
        await board.store.delete_phone_number(ACCOUNT, row.sid)
        await board.store.put_phone_number(replace(row, account_sid=AccountSid("AC" + "2" * 32), number=OFFICE))
    elif kind == "without a voice url":
        await own(board, OFFICE)
    alice = await board.place(DIAL_OFFICE)
    child = await board.child(alice)
    assert child.status is Status.FAILED
    assert await statuses(board, child.sid) == [("initiated", None), ("failed", "404")]
    (after,) = board.sender.asked("http://app.test/after")
    assert (after["DialCallStatus"], after["DialBridged"]) == ("failed", "false")
    assert 13224 in await board.alerts()


@pytest.mark.parametrize(
    ("twiml", "status", "sip"),
    [
        ('<Response><Reject reason="busy"/></Response>', "busy", "486"),
        ("<Response><Reject/></Response>", "no-answer", "603"),
        ("<Response", "failed", "500"),
    ],
)
async def test_what_the_number_does_unanswered_the_caller_meets(
    board: Switchboard, twiml: str, status: str, sip: str
) -> None:
    await office(board, twiml)
    alice = await board.place(DIAL_OFFICE)
    child = await board.child(alice)
    assert (await statuses(board, child.sid))[-1] == (status, sip)
    (after,) = board.sender.asked("http://app.test/after")
    assert (after["DialCallStatus"], after["DialBridged"]) == (status, "false")
    assert (await incoming(board)).status == status


@pytest.mark.parametrize("twiml", ["<Response><Hangup/></Response>", "<Response/>", DIAL_BOB])
async def test_a_number_whose_twiml_ends_before_anybody_answered_did_not_answer(board: Switchboard, twiml: str) -> None:
    await office(board, twiml)
    alice = await board.place(DIAL_OFFICE)
    assert (await incoming(board)).status is Status.COMPLETED
    assert (await statuses(board, (await board.child(alice)).sid))[-1] == ("no-answer", "603")
    (after,) = board.sender.asked("http://app.test/after")
    assert (after["DialCallStatus"], after["DialCallDuration"], after["DialBridged"]) == ("no-answer", "0", "false")


async def test_rest_that_ends_the_numbers_ringing_leg_leaves_its_caller_unanswered(board: Switchboard) -> None:
    await office(board, DIAL_BOB)
    board.register("bob")
    alice = await board.place(DIAL_OFFICE)
    called = await incoming(board)
    await board.calls.update(ACCOUNT, called.sid, CallUpdate(status="completed"))
    await board.settle()
    assert (await board.row(called.sid)).status is Status.CANCELED
    assert (await board.child(alice)).status is Status.NO_ANSWER


async def test_a_caller_that_hangs_up_while_it_rings_cancels_everything_behind_the_number(board: Switchboard) -> None:
    await office(board, DIAL_BOB)
    board.register("bob")
    alice = await board.place(DIAL_OFFICE)
    called = await incoming(board)
    board.calls.hung_up(alice)
    await board.settle()
    rows = [await board.row(alice), await board.child(alice), called, await board.child(called.sid)]
    assert {(await board.row(row.sid)).status for row in rows} == {Status.CANCELED}
    assert await board.store.live_owners() == []


async def test_a_caller_that_hangs_up_before_the_number_was_found_leaves_no_leg_behind(board: Switchboard) -> None:
    await office(board, WAIT)
    call = await board.calls.create(NewCall(account_sid=ACCOUNT, to=OFFICE, from_=CALLER, twiml=WAIT))
    await board.calls.update(ACCOUNT, call.sid, CallUpdate(status="completed"))
    await board.settle()
    assert (await board.row(call.sid)).status is Status.CANCELED
    assert board.calls.live == 0


async def test_rest_calls_a_number_and_both_ends_run_their_twiml(board: Switchboard) -> None:
    await office(board, '<Response><Dial answerOnBridge="true"><Client>bob</Client></Dial></Response>')
    bob, carol = board.register("bob"), board.register("carol")
    dial_carol = "<Response><Dial><Client>carol</Client></Dial></Response>"
    call = await board.calls.create(NewCall(account_sid=ACCOUNT, to=OFFICE, from_=CALLER, twiml=dial_carol))
    await board.settle()
    called = await incoming(board)
    assert (call.direction, call.to, call.sdk_leg) == (Direction.OUTBOUND_API, OFFICE, False)
    assert (await board.row(call.sid)).status is Status.RINGING
    assert await board.children(call.sid) == []
    await board.answer((await board.child(called.sid)).sid, bob)
    assert (await board.row(call.sid)).status is Status.IN_PROGRESS
    carols = await board.child(call.sid)
    await board.answer(carols.sid, carol)
    assert Join(leg=call.sid, other=carols.sid) in board.media.commands


async def test_rest_waits_for_a_number_as_long_as_it_was_told(board: Switchboard) -> None:
    await office(board, DIAL_BOB)
    board.register("bob")
    call = await board.calls.create(NewCall(account_sid=ACCOUNT, to=OFFICE, from_=CALLER, twiml=WAIT, timeout_s=20))
    await board.settle()
    await board.pass_time(20)
    assert (await board.row(call.sid)).status is Status.NO_ANSWER
    assert (await incoming(board)).status is Status.CANCELED


@pytest.mark.parametrize(("to", "from_", "code"), [(OFFICE, "detox", 21212), ("12", CALLER, 21211)])
async def test_rest_refuses_who_cannot_call_or_be_called(board: Switchboard, to: str, from_: str, code: int) -> None:
    with pytest.raises(Refused) as refused:
        await board.calls.create(NewCall(account_sid=ACCOUNT, to=to, from_=from_, twiml=WAIT))
    assert refused.value.rule.rest == (400, code)


async def test_digits_cross_the_line_in_both_directions(board: Switchboard) -> None:
    await office(board, DIAL_BOB.replace("<Dial", '<Dial hangupOnStar="true"'))
    bob = board.register("bob")
    alice = await board.place(DIAL_OFFICE)
    rung = await board.child((await incoming(board)).sid)
    await board.answer(rung.sid, bob)
    board.calls.pressed(alice, "12")
    board.calls.pressed(rung.sid, "34")
    await board.settle()
    sent = [command for command in board.media.commands if isinstance(command, SendDigits)]
    assert SendDigits(leg=rung.sid, digits="12") in sent
    assert SendDigits(leg=alice, digits="34") in sent
    board.calls.pressed(alice, "*")
    await board.settle()
    assert (await board.row(rung.sid)).status is Status.COMPLETED


async def test_digits_are_sent_to_the_number_when_it_answers(board: Switchboard) -> None:
    await office(board, WAIT)
    await board.place(
        f'<Response><Dial callerId="{CALLER}"><Number sendDigits="W5">{OFFICE}</Number></Dial></Response>'
    )
    called = await incoming(board)
    timeline = await board.trace.timeline(ACCOUNT, called.sid, 100)
    assert [event.detail["digit"] for event in timeline if event.kind == "leg.digit"] == ["5"]


async def test_rest_sends_digits_to_the_number_that_answers(board: Switchboard) -> None:
    await office(board, WAIT)
    await board.calls.create(NewCall(account_sid=ACCOUNT, to=OFFICE, from_=CALLER, twiml=WAIT, send_digits="ww7#"))
    await board.settle()
    timeline = await board.trace.timeline(ACCOUNT, (await incoming(board)).sid, 100)
    assert [event.detail["digit"] for event in timeline if event.kind == "leg.digit"] == ["7", "#"]


async def test_a_number_that_dials_itself_is_stopped(board: Switchboard) -> None:
    await office(board, f"<Response><Dial><Number>{OFFICE}</Number></Dial></Response>")
    await board.place(DIAL_OFFICE)
    page = await board.store.calls(ACCOUNT, CallFilter(to=OFFICE), PageRequest())
    assert sum(row.direction is Direction.INBOUND for row in page.rows) == 5
    assert sum(row.status is Status.FAILED for row in page.rows) == 1
    assert board.calls.live == 0


async def test_numbers_that_ring_each_other_in_numbers_are_stopped_early(board: Switchboard) -> None:
    await office(board, f"<Response><Dial>{f'<Number>{OFFICE}</Number>' * 10}</Dial></Response>")
    await board.place(DIAL_OFFICE)
    page = await board.store.calls(ACCOUNT, CallFilter(to=OFFICE), PageRequest(size=10_000))
    assert sum(row.direction is Direction.INBOUND for row in page.rows) == 1 + 10 + 100
    assert board.calls.live == 0


async def test_a_dial_that_is_redirected_away_keeps_the_line(board: Switchboard) -> None:
    await office(board, DIAL_BOB)
    bob, carol = board.register("bob"), board.register("carol")
    alice = await board.place(DIAL_OFFICE)
    child, called = await board.child(alice), await incoming(board)
    await board.answer((await board.child(called.sid)).sid, bob)
    twiml = '<Response><Dial answerOnBridge="true"><Client>carol</Client></Dial></Response>'
    await board.calls.update(ACCOUNT, child.sid, CallUpdate(twiml=twiml))
    await board.settle()
    assert (await board.row(called.sid)).status is Status.IN_PROGRESS
    carols = await board.child(child.sid)
    await board.answer(carols.sid, carol)
    assert Join(leg=child.sid, other=carols.sid) in board.media.commands


async def test_a_crash_ends_both_ends_of_a_line(board: Switchboard) -> None:
    await office(board, DIAL_BOB)
    board.register("bob")
    alice = await board.place(DIAL_OFFICE)
    called = await incoming(board)
    await board.calls.close()
    after = await Switchboard(store=board.store).up()
    await after.calls.recover()
    for row in (await after.child(alice), called, await after.child(called.sid)):
        assert (await after.row(row.sid)).status is Status.FAILED
    assert await after.store.live_owners() == []


async def test_a_number_that_passes_a_call_on_is_named_to_the_next(board: Switchboard) -> None:
    await office(board, f"<Response><Dial><Number>{NOBODY}</Number></Dial></Response>")
    board.sender.pages["http://app.test/next"] = WAIT
    await own(board, NOBODY, 2, voice_url="http://app.test/next")
    await own(board, CALLER, 3, stir_status="TN-Validation-Passed-B")
    await board.place(DIAL_OFFICE)
    (asked,) = board.sender.asked("http://app.test/next")
    assert (asked["From"], asked["ForwardedFrom"], asked["StirVerstat"]) == (CALLER, OFFICE, "TN-Validation-Passed-B")


@pytest.mark.parametrize(
    ("stir_status", "dial", "shown"),
    [
        (numbers.VERIFIED, DIAL_BOB, numbers.VERIFIED),
        ("TN-Validation-Failed", DIAL_BOB, "TN-Validation-Failed"),
        ("", DIAL_BOB, None),
        (numbers.VERIFIED, '<Response><Dial callerId="client:x"><Client>bob</Client></Dial></Response>', None),
    ],
)
async def test_the_client_behind_a_number_is_told_how_its_caller_is_attested(
    board: Switchboard, stir_status: str, dial: str, shown: str | None
) -> None:
    await office(board, dial)
    await own(board, CALLER, 2, stir_status=stir_status)
    board.register("bob")
    await board.place(DIAL_OFFICE)
    ((_, invite),) = board.devices.invites
    assert invite.parameters.get("StirStatus") == shown


async def test_a_call_that_touches_no_number_says_nothing_of_attestation(board: Switchboard) -> None:
    board.register("bob")
    await board.place(DIAL_BOB)
    ((_, invite),) = board.devices.invites
    assert "StirStatus" not in invite.parameters


async def test_rest_calls_a_client_with_the_attestation_of_its_own_number(board: Switchboard) -> None:
    await own(board, CALLER, stir_status=numbers.VERIFIED)
    board.register("bob")
    await board.calls.create(NewCall(account_sid=ACCOUNT, to="client:bob", from_=CALLER, twiml=WAIT))
    await board.settle()
    ((_, invite),) = board.devices.invites
    assert invite.parameters["StirStatus"] == numbers.VERIFIED


async def test_legs_without_a_client_take_no_messages(board: Switchboard) -> None:
    await office(board, WAIT)
    alice = await board.place(DIAL_OFFICE)
    for leg in ((await board.child(alice)).sid, (await incoming(board)).sid):
        with pytest.raises(Refused) as refused:
            await board.messages.accept_from_server(ACCOUNT, leg, content="1", idempotency_key=None)
        assert refused.value.rule.rest == (400, 21220)


async def test_the_timeouts_of_a_dial_hold_for_numbers(board: Switchboard) -> None:
    await office(board, DIAL_BOB)
    board.register("bob")
    alice = await board.place(DIAL_OFFICE)
    await board.pass_time(30)
    assert (await board.child(alice)).status is Status.NO_ANSWER
    assert (await incoming(board)).status is Status.CANCELED


async def test_the_first_of_a_client_and_a_number_to_answer_wins(board: Switchboard) -> None:
    await office(board, DIAL_BOB)
    board.register("bob")
    carol = board.register("carol")
    alice = await board.place(
        f'<Response><Dial callerId="{CALLER}"><Number>{OFFICE}</Number><Client>carol</Client></Dial></Response>'
    )
    by_phone, by_client = await board.children(alice)
    await board.answer(by_client.sid, carol)
    assert (await board.row(by_phone.sid)).status is Status.CANCELED
    assert (await incoming(board)).status is Status.CANCELED


async def test_a_server_that_stops_ends_both_ends_of_a_line(board: Switchboard) -> None:
    await office(board, WAIT)
    alice = await board.place(DIAL_OFFICE)
    await board.calls.stop(0)
    for row in (await board.child(alice), await incoming(board)):
        assert row.status is Status.COMPLETED


async def test_a_whisper_is_heard_by_the_number_before_the_bridge(board: Switchboard) -> None:
    await office(board, WAIT)
    board.sender.pages["http://app.test/whisper"] = "<Response><Pause length='5'/></Response>"
    alice = await board.place(
        f'<Response><Dial callerId="{CALLER}" answerOnBridge="true">'
        f'<Number url="/whisper">{OFFICE}</Number></Dial></Response>'
    )
    child = await board.child(alice)
    assert child.status is Status.IN_PROGRESS
    assert (await board.row(alice)).status is Status.RINGING
    await board.pass_time(5)
    assert (await board.row(alice)).status is Status.IN_PROGRESS
    assert Join(leg=alice, other=child.sid) in board.media.commands
