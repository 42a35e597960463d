"""`connectToken`: one device of an identity registers and rings, others take its calls."""

from __future__ import annotations

import asyncio
from typing import Any

from customers import Customer
from pairs import AUDIBLE, name
from phones import Phone, PhoneCall


async def ringing_at_the_desk(customer: Customer, open_phone, count: int = 1) -> tuple[Phone, list[PhoneCall]]:
    """A desk that has registered, and as many anonymous callers as asked for; all calls ring."""
    desk = await open_phone(name("bob"))
    host = customer.credentials.signaling_host
    await desk.start(customer.token(desk.name), host)
    await desk.register()
    placed = []
    for number in range(1, count + 1):
        caller = await open_phone(f"caller {number}")
        await caller.start(customer.token(None), host)
        placed.append(await caller.connect(To=desk.name))
        await desk.incoming(count=number)
    return desk, placed


async def taking(customer: Customer, open_phone, desk: Phone, incoming: PhoneCall) -> PhoneCall:
    """Another device of the same identity, which never registers, takes a call."""
    other = await open_phone("other device")
    await other.start(customer.token(desk.name), customer.credentials.signaling_host)
    token = (await incoming.properties())["connectToken"]
    return await other.connect(options={"connectToken": token})


async def told(call: PhoneCall) -> tuple[Any, Any]:
    properties = await call.properties()
    return properties["parameters"], properties["customParameters"]


async def test_two_calls_are_taken_over_at_once_and_stay_up(customer: Customer, open_phone) -> None:
    desk, placed = await ringing_at_the_desk(customer, open_phone, count=2)
    at_desk = [await desk.incoming(count=number) for number in (1, 2)]
    taken = await asyncio.gather(*(taking(customer, open_phone, desk, call) for call in at_desk))
    for call in (*taken, *placed):
        await call.wait_for("accept")
    for old, new in zip(at_desk, taken, strict=True):
        await old.wait_for("cancel")
        assert await told(new) == await told(old)
        assert (await told(new))[1] == {"topic": "a + b & ä"}
        assert (await new.properties())["direction"] == "OUTGOING"

    heard = await asyncio.gather(*(call.hear(3.0) for call in (*taken, *placed)))
    assert all(each.energy > AUDIBLE for each in heard), heard
    assert [await call.status() for call in (*taken, *placed)] == ["open"] * 4
    events = [event for event in await desk.timeline() if event.call is not None]
    assert [event.name for event in events] == ["cancel", "cancel"]
    assert {event.call for event in events} == {0, 1}

    await taken[0].disconnect()
    await placed[0].wait_for("disconnect")
    await placed[1].disconnect()
    await taken[1].wait_for("disconnect")


async def test_messages_that_the_first_device_has_do_not_come_again(customer: Customer, open_phone) -> None:
    desk, _ = await ringing_at_the_desk(customer, open_phone)
    at_desk = await desk.incoming()
    leg = (await at_desk.properties())["parameters"]["CallSid"]
    await customer.send(leg, {"n": 1})
    await at_desk.wait_for("messageReceived")
    call = await taking(customer, open_phone, desk, at_desk)
    await call.wait_for("accept")
    await customer.send(leg, {"n": 2})
    await call.wait_for("messageReceived")
    assert [message["content"] for message in await call.messages()] == [{"n": 2}]
    await customer.subscribe(leg)
    sid = await call.send_message({"from": "the other device"})
    (hook,) = await customer.asked("messages", CallSid=leg)
    assert hook["Sid"] == sid


async def test_another_identity_is_refused_and_the_call_rings_on(customer: Customer, open_phone) -> None:
    desk, placed = await ringing_at_the_desk(customer, open_phone)
    at_desk = await desk.incoming()
    mallory = await open_phone(name("mallory"))
    await mallory.start(customer.token(mallory.name), customer.credentials.signaling_host)
    token = (await at_desk.properties())["connectToken"]
    call = await mallory.connect(options={"connectToken": token})
    assert (await call.wait_for("error")).data["code"] == 31209
    await call.wait_for("disconnect")
    assert await at_desk.status() == "pending"
    await at_desk.accept()
    await placed[0].wait_for("accept")


async def test_a_call_that_was_answered_is_not_taken_over(dial, customer: Customer, open_phone) -> None:
    pair = await dial()
    call = await taking(customer, open_phone, pair.bob, pair.answered)
    assert (await call.wait_for("error")).data["code"] == 31209
    assert (await pair.placed.hear(1.0)).energy > AUDIBLE
    assert [await pair.placed.status(), await pair.answered.status()] == ["open", "open"]
