"""Customers who call by telephone: no app, no messages, but digits."""

from __future__ import annotations

import pytest_asyncio
from midcall.testing import Person, Switchboard

from conftest import OpenDesk

DESK = "+15550100"


@pytest_asyncio.fixture
async def phil(switchboard: Switchboard, desk: OpenDesk) -> Person:
    """A customer with a phone, and a number of the desk that can be called."""
    await switchboard.rest.incoming_phone_numbers.create_async(
        phone_number=DESK, voice_url=f"{desk.served}/voice", status_callback=f"{desk.served}/ended"
    )
    return await switchboard.person("phil", number="+15550199")


async def test_a_phone_customer_is_put_through(phil: Person, bob: Person) -> None:
    call = await phil.call(DESK)
    incoming = await bob.incoming()
    assert incoming.custom_parameters["caller"] == "+15550199"
    await incoming.accept()
    await call.expect(status="open")

    await phil.speak("I have no app")
    await bob.hears("I have no app")


async def test_the_agent_sees_who_calls_by_phone_and_that_it_is_not_the_first_time(phil: Person, bob: Person) -> None:
    await phil.call(DESK)
    await (await bob.incoming()).accept()
    await phil.hang_up()
    await bob.expect_end()

    await phil.call(DESK)
    again = await bob.incoming()
    card = await again.expect_message({"type": "customer", "caller": "+15550199"})
    assert [earlier["agent"] for earlier in card.content["earlier"]] == ["bob"]


async def test_digits_of_a_phone_reach_the_agent(phil: Person, bob: Person) -> None:
    call = await phil.call(DESK)
    await (await bob.incoming()).accept()
    await call.expect(status="open")

    await phil.send_digits("4711#")
    await bob.expect_digits("4711#")


async def test_a_phone_customer_hears_busy_when_nobody_is_there(desk: OpenDesk, phil: Person) -> None:
    call = await phil.call(DESK)

    await call.expect_end(timeout="1s")
    assert (await desk.last_call())["outcome"] == "missed"


async def test_what_an_agent_writes_to_a_phone_is_dropped_without_harm(phil: Person, bob: Person) -> None:
    call = await phil.call(DESK)
    incoming = await bob.incoming()
    await incoming.accept()
    await incoming.send_message({"type": "offer", "text": "10 % off"})

    await bob.speak("I read it to you")
    await call.hears("I read it to you")


async def test_a_phone_customer_is_not_asked_for_a_rating_and_the_call_ends_with_the_agent(
    phil: Person, bob: Person
) -> None:
    call = await phil.call(DESK)
    incoming = await bob.incoming()
    await incoming.accept()
    await incoming.hang_up()
    await call.expect_end(timeout="1s")
