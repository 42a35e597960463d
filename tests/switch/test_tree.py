"""Messages to the wrong leg: the refusal names the right one; and messages to an identity, wherever it is."""

from __future__ import annotations

import pytest

from midcall.core import errors
from midcall.core.errors import Refused, Rule
from midcall.core.messages import Entry
from midcall.core.numbers import PhoneNumber
from midcall.core.sids import CallSid, PhoneNumberSid
from midcall.switch.calls import CallUpdate, NewCall
from support.switchboard import ACCOUNT, Switchboard

OFFICE, CALLER = "+14155550100", "+14155550199"
DIAL_BOB = '<Response><Dial answerOnBridge="true"><Client>bob</Client></Dial><Pause length="600"/></Response>'
DIAL_TWO = (
    '<Response><Dial answerOnBridge="true"><Client>bob</Client><Client>carol</Client></Dial>'
    '<Pause length="600"/></Response>'
)
DIAL_TWICE = '<Response><Dial answerOnBridge="true"><Client>bob</Client><Client>bob</Client></Dial></Response>'
DIAL_BOB_AGAIN = (
    '<Response><Dial answerOnBridge="true"><Client>bob</Client></Dial>'
    '<Dial answerOnBridge="true"><Client>bob</Client></Dial></Response>'
)
DIAL_OFFICE = f'<Response><Dial callerId="{CALLER}" answerOnBridge="true"><Number>{OFFICE}</Number></Dial></Response>'


async def office(board: Switchboard) -> None:
    """A number whose calls ring bob."""
    board.sender.pages["http://app.test/office"] = DIAL_BOB
    await board.store.put_phone_number(
        PhoneNumber(
            sid=PhoneNumberSid("PN" + "1" * 32),
            account_sid=ACCOUNT,
            number=OFFICE,
            friendly_name="office",
            created_at=0,
            updated_at=0,
            voice_url="http://app.test/office",
        )
    )


async def send(board: Switchboard, leg: CallSid, identity: str | None = None, key: str | None = None) -> Entry:
    return await board.messages.accept_from_server(ACCOUNT, leg, content='"hi"', idempotency_key=key, identity=identity)


async def refused(board: Switchboard, leg: CallSid, identity: str | None = None) -> tuple[Rule, str]:
    """Why a message is refused; a subscription is for the same reason."""
    with pytest.raises(Refused) as message:
        await send(board, leg, identity)
    with pytest.raises(Refused) as subscription:
        await board.messages.subscribe(
            ACCOUNT, leg, callback="http://app.test/m", method="POST", idempotency_key=None, identity=identity
        )
    assert (message.value.rule, message.value.detail) == (subscription.value.rule, subscription.value.detail)
    return message.value.rule, message.value.detail


async def leg_of(board: Switchboard, parent: CallSid, identity: str) -> CallSid:
    return next(child.sid for child in await board.children(parent) if child.to == f"client:{identity}")


# the right leg is named


async def test_a_call_to_a_number_names_the_client_behind_the_number(board: Switchboard) -> None:
    await office(board)
    board.register("bob")
    new = NewCall(account_sid=ACCOUNT, to=OFFICE, from_=CALLER, twiml="<Response><Pause length='600'/></Response>")
    created = await board.calls.create(new)
    await board.settle()
    called = next(leg for leg in await board.legs_with(to=OFFICE) if leg.sid != created.sid)
    bob = await leg_of(board, called.sid, "bob")
    for leg in (created.sid, called.sid):
        rule, detail = await refused(board, leg)
        assert rule is errors.NOT_AN_SDK_LEG
        assert detail == f"Nobody with a Voice SDK is on this leg of the call; use {bob} (bob)"
    assert (await send(board, created.sid, "bob")).leg_sid == bob


async def test_the_number_that_alice_dialled_names_both_ends(board: Switchboard) -> None:
    await office(board)
    board.register("bob")
    alice = await board.place(DIAL_OFFICE)
    (number,) = await board.children(alice)
    called = next(leg for leg in await board.legs_with(to=OFFICE) if leg.sid != number.sid)
    bob = await leg_of(board, called.sid, "bob")
    _, detail = await refused(board, number.sid)
    assert detail.endswith(f"; use {alice} (alice), {bob} (bob)")


async def test_a_leg_that_is_over_names_the_one_that_goes_on(board: Switchboard) -> None:
    board.register("bob")
    alice = await board.place(DIAL_BOB)
    bob = await leg_of(board, alice, "bob")
    await board.calls.update(ACCOUNT, bob, CallUpdate(status="completed"))
    await board.settle()
    rule, detail = await refused(board, bob)
    assert rule is errors.CALL_NOT_ACTIVE
    assert detail.endswith(f"need a ringing or in-progress call; use {alice} (alice)")


async def test_nothing_is_named_when_nobody_is_left(board: Switchboard) -> None:
    alice = await board.place("<Response><Hangup/></Response>")
    await board.settle()
    assert await refused(board, alice) == (errors.CALL_NOT_ACTIVE, errors.CALL_NOT_ACTIVE.text)


# a message to an identity


async def test_a_message_finds_an_identity_from_any_leg_of_the_conversation(board: Switchboard) -> None:
    board.register("bob")
    board.register("carol")
    alice = await board.place(DIAL_TWO)
    bob, carol = await leg_of(board, alice, "bob"), await leg_of(board, alice, "carol")
    for start in (alice, bob, carol):
        assert (await send(board, start, "bob")).leg_sid == bob
        assert (await send(board, start, "alice")).leg_sid == alice
    subscription = await board.messages.subscribe(
        ACCOUNT, alice, callback="http://app.test/m", method="POST", idempotency_key=None, identity="carol"
    )
    assert subscription.leg_sid == carol


async def test_all_devices_of_an_identity_are_one_leg(board: Switchboard) -> None:
    board.register("bob")
    board.register("bob")
    alice = await board.place(DIAL_BOB)
    assert (await send(board, alice, "bob")).leg_sid == await leg_of(board, alice, "bob")


async def test_an_identity_that_is_not_there_is_told_who_is(board: Switchboard) -> None:
    board.register("bob")
    alice = await board.place(DIAL_BOB)
    bob = await leg_of(board, alice, "bob")
    assert await refused(board, bob, "Bob") == (
        errors.IDENTITY_NOT_ON_CALL,
        f"No client 'Bob' is on this call; its clients are {alice} (alice), {bob} (bob)",
    )


async def test_an_identity_on_two_legs_has_to_be_told_apart(board: Switchboard) -> None:
    board.register("bob")
    alice = await board.place(DIAL_TWICE)
    one, other = [child.sid for child in reversed(await board.children(alice))]
    rule, detail = await refused(board, alice, "bob")
    assert rule is errors.IDENTITY_AMBIGUOUS
    assert {one, other} <= set(detail.replace(",", " ").split())
    assert detail.endswith("; use a CallSid without Identity")


async def test_a_call_of_somebody_else_is_no_way_in(board: Switchboard) -> None:
    rule, _ = await refused(board, CallSid("CA" + "9" * 32), "bob")
    assert rule is errors.NOT_FOUND


async def test_a_repeated_request_gets_its_first_message_also_when_that_leg_is_over(board: Switchboard) -> None:
    board.register("bob")
    alice = await board.place(DIAL_BOB)
    bob = await leg_of(board, alice, "bob")
    first = await send(board, alice, "bob", key="k")
    await board.calls.update(ACCOUNT, bob, CallUpdate(status="completed"))
    await board.settle()
    assert (await send(board, alice, "bob", key="k")).sid == first.sid
    with pytest.raises(Refused) as other:
        await send(board, alice, "bob", key="another")
    assert other.value.rule is errors.IDENTITY_NOT_ON_CALL


async def test_a_repeat_does_not_go_to_the_next_leg_of_the_same_identity(board: Switchboard) -> None:
    board.register("bob")
    alice = await board.place(DIAL_BOB_AGAIN)
    first_leg = await leg_of(board, alice, "bob")
    first = await send(board, alice, "bob", key="k")
    device = board.devices.registered(ACCOUNT, "bob")[0]
    board.calls.rejected(first_leg, device)
    await board.settle()
    second_leg = next(child.sid for child in await board.children(alice) if child.sid != first_leg)
    again = await send(board, alice, "bob", key="k")
    assert (again.sid, again.leg_sid) == (first.sid, first_leg)
    assert (await send(board, alice, "bob", key="new")).leg_sid == second_leg
