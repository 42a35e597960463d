"""Phones that are clients of the server: the legs around them are those of a phone network."""

from __future__ import annotations

import pytest

from midcall.core.calls import CallFilter, Direction, Status
from midcall.core.errors import Refused
from midcall.core.numbers import PhoneNumber
from midcall.core.sids import AccountSid, PhoneNumberSid
from midcall.ports import Join, Link, PageRequest, SendDigits
from midcall.switch.calls import NewCall
from midcall.switch.phones import Phones
from support.switchboard import ACCOUNT, Switchboard

PHONE, OFFICE = "+14155550123", "+14155550100"
OFFICE_URL = "http://app.test/office"
DIAL = f"""<Response><Dial callerId="{OFFICE}" answerOnBridge="true" timeout="20">
    <Number sendDigits="1w2" statusCallback="/status" statusCallbackEvent="initiated ringing answered completed">
    {PHONE}</Number></Dial></Response>"""


@pytest.fixture
def phone(board: Switchboard) -> str:
    """The device of a phone that is plugged in."""
    return board.register(board.phones.plug_in(ACCOUNT, PHONE), "the phone")


async def all_calls(board: Switchboard) -> int:
    return len((await board.store.calls(ACCOUNT, CallFilter(), PageRequest())).rows)


async def test_a_dialled_phone_rings_as_the_only_leg_and_is_sent_digits(board: Switchboard, phone: str) -> None:
    alice = await board.place(DIAL)
    child = await board.child(alice)
    assert (child.from_, child.to, child.direction, child.status) == (
        OFFICE,
        PHONE,
        Direction.OUTBOUND_DIAL,
        Status.RINGING,
    )
    assert child.sdk_leg is False and child.client is None
    (invited,) = board.devices.invites
    assert invited[0] == phone and invited[1].parameters["To"] == PHONE
    await board.answer(child.sid, phone)
    assert SendDigits(leg=child.sid, digits="1w2") in board.media.commands
    assert Join(leg=alice, other=child.sid) in board.media.commands
    assert not any(isinstance(command, Link) for command in board.media.commands)
    assert await all_calls(board) == 2


async def test_a_phone_that_turns_down_is_busy_and_one_that_rings_is_no_answer(board: Switchboard, phone: str) -> None:
    alice = await board.place(DIAL)
    board.calls.rejected((child := await board.child(alice)).sid, phone)
    await board.settle()
    assert (await board.row(child.sid)).status is Status.BUSY

    second = await board.child(await board.place(DIAL))
    await board.pass_time(20)
    assert (await board.row(second.sid)).status is Status.NO_ANSWER


async def test_a_phone_that_is_switched_off_does_not_answer(board: Switchboard) -> None:
    board.phones.plug_in(ACCOUNT, PHONE)
    child = await board.child(await board.place(DIAL))
    assert child.status is Status.NO_ANSWER


async def test_rest_reaches_the_phone(board: Switchboard, phone: str) -> None:
    new = NewCall(account_sid=ACCOUNT, to=PHONE, from_=OFFICE, twiml="<Response><Pause length='9'/></Response>")
    call = await board.calls.create(new)
    await board.settle()
    await board.answer(call.sid, phone)
    row = await board.row(call.sid)
    assert (row.status, row.direction, row.to, row.sdk_leg) == (
        Status.IN_PROGRESS,
        Direction.OUTBOUND_API,
        PHONE,
        False,
    )
    assert await all_calls(board) == 1


async def test_a_phone_calls_a_number_as_a_network_would_bring_it(board: Switchboard, phone: str) -> None:
    board.sender.pages[OFFICE_URL] = "<Response><Pause length='9'/></Response>"
    number = PhoneNumber(
        sid=PhoneNumberSid("PN" + "1" * 32),
        account_sid=ACCOUNT,
        number=OFFICE,
        friendly_name="office",
        created_at=0,
        updated_at=0,
        voice_url=OFFICE_URL,
    )
    await board.store.put_phone_number(number)
    identity = board.phones.client_of(ACCOUNT, PHONE)
    assert identity is not None
    sid = await board.place("<Response/>", identity=identity, To=OFFICE)
    row = await board.row(sid)
    assert (row.from_, row.to, row.direction) == (PHONE, OFFICE, Direction.INBOUND)
    assert (row.phone_number_sid, row.application_sid, row.sdk_leg) == (number.sid, None, False)
    (asked,) = board.sender.asked(OFFICE_URL)
    assert (asked["From"], asked["To"], asked["Direction"]) == (PHONE, OFFICE, "inbound")
    assert not board.sender.asked(board.VOICE)
    assert await all_calls(board) == 1


@pytest.mark.parametrize("dialled", ["", "office", "+14155550199", PHONE])
async def test_a_phone_that_dials_nobody_is_told_so(board: Switchboard, phone: str, dialled: str) -> None:
    identity = board.phones.client_of(ACCOUNT, PHONE)
    assert identity is not None
    with pytest.raises(Refused) as refused:
        await board.place("<Response/>", identity=identity, To=dialled)
    assert refused.value.rule.signalling == 31480
    assert await all_calls(board) == 0


def test_a_number_is_plugged_in_once_in_each_account() -> None:
    phones, other = Phones(), AccountSid("AC" + "2" * 32)
    identity = phones.plug_in(ACCOUNT, PHONE)
    assert phones.plug_in(other, PHONE) == identity
    with pytest.raises(ValueError, match="plugged in"):
        phones.plug_in(ACCOUNT, PHONE)
    phones.unplug(ACCOUNT, PHONE)
    phones.unplug(ACCOUNT, PHONE)
    assert phones.client_of(ACCOUNT, PHONE) is None and phones.number_of(ACCOUNT, identity) is None
    assert phones.number_of(other, identity) == PHONE
