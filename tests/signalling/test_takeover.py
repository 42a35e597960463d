"""A second device of an identity takes a ringing call over with the first one's connect token."""

from __future__ import annotations

from midcall.core.sdp import NO_MEDIA_SDP
from midcall.core.sids import CallSid
from midcall.ports import DeviceId, Invite
from support.edge import ACCOUNT, OTHER_ACCOUNT, OTHER_KEY, Client, Edge, description, kx

LEG = CallSid("CA" + "c" * 32)
FRESH = description("EE:FF", "u9")


async def ringing(edge: Edge, client: Client, *, identity: str = "bob", leg: CallSid = LEG) -> tuple[DeviceId, str]:
    """Offer a leg to the identity's newest device; its name and its reconnect token."""
    device = edge.hub.registered(ACCOUNT, identity)[-1]
    edge.hub.invite(device, Invite(leg=leg, sdp="v=offer", parameters={}))
    return device, (await client.expect("invite", callsid=leg))["reconnect"]


async def take(client: Client, token: str, *, leg: str = LEG, sdp: str = FRESH) -> None:
    await client.send("invite", callsid=leg, reconnect=token, sdp=sdp, twilio={})


async def refused(client: Client, *, leg: str = LEG) -> int:
    return int((await client.expect("hangup", callsid=leg))["error"]["code"])


async def test_a_takeover_is_answered_with_our_description_and_cancelled_once_where_it_rang(edge: Edge) -> None:
    first = await edge.registered("bob")
    device, token = await ringing(edge, first)
    second = await edge.listening("bob", reconnectTimeout=13)
    await take(second, token)
    await edge.until(lambda: edge.heard("taken_over"))
    assert edge.heard("taken_over", "answered") == [("taken_over", LEG, device, FRESH, 30.0)]
    edge.hub.taken(LEG, device)
    await second.nothing_more()
    edge.hub.answer(LEG, "v=answer")
    answer = await second.expect("answer", callsid=LEG, sdp="v=answer")
    assert answer["reconnect"] not in ("", None, token)
    await first.expect("cancel", callsid=LEG)
    edge.hub.hangup(LEG)
    await second.expect("hangup", callsid=LEG)
    await first.nothing_more()


async def test_other_devices_that_ring_are_cancelled_when_the_takeover_counts(edge: Edge) -> None:
    first = await edge.registered("bob")
    device, token = await ringing(edge, first)
    other = await edge.registered("bob")
    await ringing(edge, other)
    second = await edge.listening("bob")
    await take(second, token)
    await edge.until(lambda: edge.heard("taken_over"))
    edge.hub.taken(LEG, device)
    await other.expect("cancel", callsid=LEG)
    await first.expect("cancel", callsid=LEG)
    for each in (first, other):
        await each.nothing_more()


async def test_a_takeover_that_comes_too_late_is_cancelled(edge: Edge) -> None:
    first = await edge.registered("bob")
    _, token = await ringing(edge, first)
    other = await edge.registered("bob")
    other_device, _ = await ringing(edge, other)
    second = await edge.listening("bob")
    await take(second, token)
    await edge.until(lambda: edge.heard("taken_over"))
    edge.hub.taken(LEG, other_device)  # whose answer came first
    await second.expect("cancel", callsid=LEG)
    await other.expect("answer", callsid=LEG)


async def test_the_token_of_a_leg_that_was_taken_over_takes_it_no_second_time(edge: Edge) -> None:
    first = await edge.registered("bob")
    device, token = await ringing(edge, first)
    second, third = await edge.listening("bob"), await edge.listening("bob")
    await take(second, token)
    await take(third, token, sdp=description("99:88", "u5"))
    assert await refused(third) == 31209
    edge.hub.taken(LEG, device)
    edge.hub.answer(LEG, "v=answer")
    newer = (await second.expect("answer", callsid=LEG))["reconnect"]
    for shown in (token, newer):
        await take(third, shown, sdp=description("99:88", "u5"))
        assert await refused(third) == 31209
    await second.nothing_more()
    assert len(edge.heard("taken_over")) == 1


async def test_a_leg_that_was_answered_cannot_be_taken_over(edge: Edge) -> None:
    first = await edge.registered("bob")
    device, token = await ringing(edge, first)
    await first.send("answer", callsid=LEG, sdp=description(setup="active"))
    second = await edge.listening("bob")
    await edge.until(lambda: edge.heard("answered"))
    await take(second, token)
    assert await refused(second) == 31209
    edge.hub.taken(LEG, device)
    await take(second, (await first.expect("answer"))["reconnect"])
    assert await refused(second) == 31209
    assert not edge.heard("taken_over")


async def test_strangers_and_wrong_tokens_take_nothing_over(edge: Edge) -> None:
    first = await edge.registered("bob")
    _, token = await ringing(edge, first)
    second, mallory, nobody = (
        await edge.listening("bob"),
        await edge.listening("mallory"),
        await edge.listening(token=edge.token(None, incoming=False)),
    )
    tenant = await edge.listening(token=edge.token("bob", account=OTHER_ACCOUNT, key=OTHER_KEY, secret="2" * 32))
    for who, shown in ((second, token[:-1]), (second, token + "x"), (mallory, token), (nobody, token), (tenant, token)):
        await take(who, shown)
        assert await refused(who) == 31209
    await take(second, token, leg="CA" + "d" * 32)
    assert await refused(second, leg="CA" + "d" * 32) == 31209
    await first.nothing_more()
    assert not edge.heard("taken_over")


async def test_two_legs_are_taken_over_at_once_by_two_devices(edge: Edge) -> None:
    first = await edge.registered("bob")
    other_leg = CallSid("CA" + "d" * 32)
    (device, one), (_, two) = await ringing(edge, first), await ringing(edge, first, leg=other_leg)
    second, third = await edge.listening("bob"), await edge.listening("bob")
    await take(second, two, leg=other_leg)
    await take(third, one)
    await edge.until(lambda: len(edge.heard("taken_over")) == 2)
    for leg in (LEG, other_leg):
        edge.hub.taken(leg, device)
        edge.hub.answer(leg, f"v={leg}")
    await second.expect("answer", callsid=other_leg, sdp=f"v={other_leg}")
    await third.expect("answer", callsid=LEG, sdp=f"v={LEG}")
    assert {(await first.expect("cancel"))["callsid"] for _ in range(2)} == {LEG, other_leg}
    for each in (first, second, third):
        await each.nothing_more()


async def test_messages_go_on_behind_the_last_receipt_of_the_device_that_rang(edge: Edge) -> None:
    first = await edge.registered("bob")
    device, token = await ringing(edge, first)
    edge.messages.add(LEG, "1")
    await first.expect("message", voiceeventsid=kx(1))
    await edge.until(lambda: edge.messages.receipts)
    second = await edge.listening("bob")
    await take(second, token)
    await edge.until(lambda: edge.heard("taken_over"))
    edge.messages.add(LEG, "2")
    await second.expect("message", voiceeventsid=kx(2))
    edge.hub.taken(LEG, device)
    edge.hub.answer(LEG, "v=answer")
    await second.expect("answer")
    await edge.until(lambda: edge.messages.receipts[-1] == (LEG, device, 2))
    assert edge.hub.reader(LEG) == device
    await first.expect("cancel")
    await first.nothing_more()


async def test_what_the_first_device_did_not_receipt_comes_to_the_second(edge: Edge) -> None:
    first = await edge.registered("bob")
    first.echoes = False
    device, token = await ringing(edge, first)
    edge.messages.add(LEG, "1")
    await first.expect("message", voiceeventsid=kx(1))
    second = await edge.listening("bob")
    await take(second, token)
    await second.expect("message", voiceeventsid=kx(1))
    await edge.until(lambda: edge.messages.receipts)
    assert edge.messages.receipts == [(LEG, device, 1)]


async def test_a_takeover_whose_answer_was_lost_is_resumed_with_the_same_token(edge: Edge) -> None:
    first = await edge.registered("bob")
    device, token = await ringing(edge, first)
    second = await edge.listening("bob")
    await take(second, token)
    await edge.until(lambda: edge.heard("taken_over"))
    await second.drop()
    await edge.until(lambda: len(edge.hub.lines) == 1)
    edge.hub.taken(LEG, device)
    edge.hub.answer(LEG, "v=answer")
    back = await edge.listening("bob")
    await take(back, token)
    await back.expect("answer", callsid=LEG, sdp="v=answer")
    await back.nothing_more()
    assert len(edge.heard("taken_over")) == 1


async def test_a_leg_is_taken_over_from_a_device_that_has_gone(edge: Edge) -> None:
    """Its page crashed, and the token was kept elsewhere."""
    first = await edge.registered("bob")
    device, token = await ringing(edge, first)
    await first.drop()
    await edge.until(lambda: edge.heard("device_gone"))
    second = await edge.listening("bob")
    await take(second, token)
    await edge.until(lambda: edge.heard("taken_over"))
    edge.hub.taken(LEG, device)
    edge.hub.answer(LEG, "v=answer")
    await second.expect("answer", callsid=LEG, sdp="v=answer")


async def test_a_device_that_rings_itself_may_take_over_and_is_not_cancelled(edge: Edge) -> None:
    """The SDK drops every call object with that sid at a cancel, and the new one has the same."""
    client = await edge.registered("bob")
    device, token = await ringing(edge, client)
    await take(client, token)
    await edge.until(lambda: edge.heard("taken_over"))
    edge.hub.taken(LEG, device)
    edge.hub.answer(LEG, "v=answer")
    await client.expect("answer", callsid=LEG, sdp="v=answer")
    await client.nothing_more()


async def test_another_device_that_rings_may_take_over_and_is_not_cancelled(edge: Edge) -> None:
    first, second = await edge.registered("bob"), await edge.registered("bob")
    device, other_device = edge.hub.registered(ACCOUNT, "bob")
    for each in (device, other_device):
        edge.hub.invite(each, Invite(leg=LEG, sdp="v=offer", parameters={}))
    token = (await first.expect("invite"))["reconnect"]
    await second.expect("invite")
    await take(second, token)
    await edge.until(lambda: edge.heard("taken_over"))
    edge.hub.taken(LEG, device)
    edge.hub.answer(LEG, "v=answer")
    await second.expect("answer", callsid=LEG, sdp="v=answer")
    await first.expect("cancel", callsid=LEG)
    edge.hub.hangup(LEG)
    await second.expect("hangup", callsid=LEG)
    await second.nothing_more()


async def test_a_client_without_media_takes_over_too(edge: Edge) -> None:
    first = await edge.registered("bob")
    device, token = await ringing(edge, first)
    second = await edge.listening("bob", media="none")
    await take(second, token, sdp=NO_MEDIA_SDP)
    await edge.until(lambda: edge.heard("taken_over"))
    edge.hub.taken(LEG, device)
    edge.hub.answer(LEG, NO_MEDIA_SDP)
    await second.expect("answer", callsid=LEG, sdp=NO_MEDIA_SDP)


async def test_an_answer_of_the_first_device_that_crosses_the_takeover_changes_nothing(edge: Edge) -> None:
    first = await edge.registered("bob")
    device, token = await ringing(edge, first)
    second = await edge.listening("bob")
    await take(second, token)
    await first.expect("cancel", callsid=LEG)
    await first.send("answer", callsid=LEG, sdp=description(setup="active"))
    await first.nothing_more()
    edge.hub.taken(LEG, device)
    edge.hub.answer(LEG, "v=answer")
    await second.expect("answer", callsid=LEG, sdp="v=answer")
    await first.nothing_more()
    assert edge.heard("answered") == []
