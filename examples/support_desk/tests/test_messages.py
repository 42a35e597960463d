"""What agents and customers are told during a call."""

from __future__ import annotations

from midcall.testing import Person, Switchboard

from conftest import OpenADesk, OpenDesk


async def test_the_agent_is_shown_who_calls_while_it_still_rings(desk: OpenDesk, alice: Person, bob: Person) -> None:
    await alice.call("desk", {"order": "4711", "topic": "billing"})
    incoming = await bob.incoming()

    card = await incoming.expect_message({"type": "customer"})
    assert incoming.status == "pending"
    assert card.content == {
        "type": "customer",
        "caller": "client:alice",
        "order": "4711",
        "topic": "billing",
        "earlier": [],
        "said": [],
    }


async def test_what_the_app_tells_while_it_rings_is_shown_at_once(desk: OpenDesk, alice: Person, bob: Person) -> None:
    call = await alice.call("desk")
    incoming = await bob.incoming()
    await call.expect(status="ringing")
    await call.send_message({"type": "page", "path": "/checkout"})

    await incoming.expect_message({"type": "page", "path": "/checkout"})
    await call.expect(status="ringing")


async def test_the_second_agent_knows_what_was_told_while_the_first_was_rung(
    desk: OpenDesk, alice: Person, bob: Person, carol: Person
) -> None:
    call = await alice.call("desk")
    first = await bob.incoming()
    await call.send_message({"type": "page", "path": "/checkout"})
    await first.expect_message({"type": "page"})
    await first.reject()

    card = await (await carol.incoming()).expect_message({"type": "customer"})
    assert card.content["said"] == [{"type": "page", "path": "/checkout"}]


async def test_the_agent_is_shown_earlier_calls_of_the_same_customer(
    desk: OpenDesk, alice: Person, bob: Person, switchboard: Switchboard
) -> None:
    call = await alice.call("desk", {"order": "4711"})
    await (await bob.incoming()).accept()
    await call.expect(status="open")
    await switchboard.clock.sleep("90s")
    await call.hang_up()
    await switchboard.clock.sleep("1s")

    await alice.call("desk", {"order": "4712"})
    card = await (await bob.incoming()).expect_message({"type": "customer", "order": "4712"})
    (earlier,) = card.content["earlier"]
    assert (earlier["order"], earlier["agent"], earlier["talked_s"]) == ("4711", "bob", 90)


async def test_the_customer_is_told_who_answered(desk: OpenDesk, alice: Person, bob: Person) -> None:
    call = await alice.call("desk")
    await (await bob.incoming()).accept()
    await call.expect_message({"type": "agent", "name": "bob"})


async def test_an_offer_of_the_agent_reaches_the_customer(desk: OpenDesk, alice: Person, bob: Person) -> None:
    call = await alice.call("desk")
    incoming = await bob.incoming()
    await incoming.accept()
    await incoming.send_message({"type": "offer", "text": "10 % off your next order", "code": "SORRY10"})

    await call.expect_message({"type": "offer", "code": "SORRY10"})


async def test_messages_go_both_ways_in_order(desk: OpenDesk, alice: Person, bob: Person) -> None:
    call = await alice.call("desk")
    incoming = await bob.incoming()
    await incoming.accept()
    await call.expect_message({"type": "agent"})
    await incoming.expect_message({"type": "customer"})
    for number in range(20):
        await call.send_message({"from": "alice", "number": number}, wait=False)
        await incoming.send_message({"from": "bob", "number": number}, wait=False)

    assert [(await incoming.expect_message()).content["number"] for _ in range(20)] == list(range(20))
    assert [(await call.expect_message()).content["number"] for _ in range(20)] == list(range(20))


async def test_a_message_keeps_its_form_on_the_way(desk: OpenDesk, alice: Person, bob: Person) -> None:
    call = await alice.call("desk")
    incoming = await bob.incoming()
    await incoming.accept()
    for content in ["Grüße aus Wien ☕", ["a", {"list": None}], {"price": 12.5, "paid": True}]:
        await call.send_message(content)
        assert (await incoming.expect_message(content)).content == content


async def test_customers_do_not_see_what_others_are_told(
    desk: OpenDesk, alice: Person, bob: Person, carol: Person, switchboard: Switchboard
) -> None:
    await alice.call("desk")
    bobs = await bob.incoming()
    await bobs.accept()
    dave = await switchboard.person("dave")
    await dave.call("desk")
    carols = await carol.incoming()
    await carols.accept()
    await alice.expect_message({"type": "agent", "name": "bob"})
    await dave.expect_message({"type": "agent", "name": "carol"})

    await bobs.send_message({"for": "alice"})
    await dave.hears_nothing_for("1m")
    await alice.expect_message({"for": "alice"})


async def test_all_who_are_rung_together_are_shown_the_customer(
    open_desk: OpenADesk, alice: Person, bob: Person, carol: Person
) -> None:
    await open_desk("bob, carol", ring="together")
    await alice.call("desk", {"order": "4711"})

    for agent in (bob, carol):
        await (await agent.incoming()).expect_message({"type": "customer", "order": "4711"})


async def test_only_who_answered_is_told_more(open_desk: OpenADesk, alice: Person, bob: Person, carol: Person) -> None:
    await open_desk("bob, carol", ring="together")
    call = await alice.call("desk")
    bobs, carols = await bob.incoming(), await carol.incoming()
    await carols.expect_message({"type": "customer"})
    await bobs.accept()
    await call.expect_message({"type": "agent", "name": "bob"})

    await call.send_message({"secret": "PIN 1234"})
    await bobs.expect_message({"secret": "PIN 1234"})
    await carols.expect_end()
    assert "secret" not in str(await carol.calls())


async def test_after_the_call_the_customer_is_asked_and_the_answer_is_kept(
    desk: OpenDesk, alice: Person, bob: Person
) -> None:
    call = await alice.call("desk")
    incoming = await bob.incoming()
    await incoming.accept()
    await incoming.hang_up()
    await call.expect_message({"type": "rate", "text": "How was your call with bob? 1 to 5"})
    await call.send_message({"type": "rating", "score": 5})

    await call.expect_end(timeout="1s")
    assert (await desk.last_call())["rating"] == 5


async def test_a_customer_who_does_not_rate_is_hung_up_after_half_a_minute(
    desk: OpenDesk, alice: Person, bob: Person, switchboard: Switchboard
) -> None:
    call = await alice.call("desk")
    incoming = await bob.incoming()
    await incoming.accept()
    await incoming.hang_up()
    await call.expect_message({"type": "rate"})
    began = switchboard.clock.now()

    await call.expect_end(timeout="1m")
    assert 29 <= switchboard.clock.now() - began <= 31
    assert (await desk.last_call())["rating"] is None


async def test_a_customer_who_rates_and_hangs_up_at_once_has_rated(
    desk: OpenDesk, alice: Person, bob: Person, switchboard: Switchboard
) -> None:
    call = await alice.call("desk")
    incoming = await bob.incoming()
    await incoming.accept()
    await incoming.hang_up()
    await call.expect_message({"type": "rate"})
    await call.send_message({"type": "rating", "score": 4}, wait=False)
    await call.hang_up()
    await switchboard.clock.sleep("1m")

    assert (await desk.last_call())["rating"] == 4
    assert len(desk.served.requests("/messages")) == 1, "which was answered with 2xx, so it does not come again"


async def test_a_rating_that_nobody_asked_for_does_not_end_the_call(desk: OpenDesk, alice: Person, bob: Person) -> None:
    call = await alice.call("desk")
    incoming = await bob.incoming()
    await incoming.accept()
    await call.send_message({"type": "rating", "score": 1})

    await incoming.expect_message({"type": "rating", "score": 1})
    await call.expect(status="open")


async def test_the_call_book_has_the_durations_of_the_call(
    desk: OpenDesk, alice: Person, bob: Person, switchboard: Switchboard
) -> None:
    call = await alice.call("desk")
    incoming = await bob.incoming()
    await switchboard.clock.sleep("12s")
    await incoming.accept()
    await call.expect(status="open")
    await switchboard.clock.sleep("3m")
    await incoming.hang_up()
    await call.expect_end(timeout="1m")
    await switchboard.clock.sleep("1s")

    booked = await desk.last_call()
    assert booked["talked_s"] == 180
    assert booked["lasted_s"] == 210, "with the half minute in which a rating was awaited"
    assert booked["outcome"] == "served"
