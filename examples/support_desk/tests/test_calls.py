"""Who is rung, for how long, and what becomes of the customer."""

from __future__ import annotations

from midcall.testing import Person, Switchboard

from conftest import OpenADesk, OpenDesk


async def test_a_customer_and_an_agent_hear_each_other(desk: OpenDesk, alice: Person, bob: Person) -> None:
    call = await alice.call("desk")
    incoming = await bob.incoming()
    await incoming.accept()
    await call.expect("accept")

    await alice.speak("my parcel is lost")
    await bob.hears("my parcel is lost")
    await bob.speak("I am sorry to hear that")
    await alice.hears("I am sorry to hear that")


async def test_the_customer_hears_it_ring_until_somebody_answers(desk: OpenDesk, alice: Person, bob: Person) -> None:
    call = await alice.call("desk")
    incoming = await bob.incoming()

    await call.expect(status="ringing")
    await incoming.accept()
    await call.expect(status="open")


async def test_an_agent_sees_order_and_caller_as_parameters_of_the_call(
    desk: OpenDesk, alice: Person, bob: Person
) -> None:
    await alice.call("desk", {"order": "4711 & more"})
    incoming = await bob.incoming()

    assert incoming.custom_parameters == {"caller": "client:alice", "order": "4711 & more"}
    assert incoming.from_ == "client:alice"


async def test_when_the_agent_hangs_up_the_customer_is_still_there_to_be_asked(
    desk: OpenDesk, alice: Person, bob: Person
) -> None:
    call = await alice.call("desk")
    incoming = await bob.incoming()
    await incoming.accept()
    await incoming.hang_up()

    await call.expect_message({"type": "rate"})
    await call.expect(status="open")


async def test_when_the_customer_hangs_up_the_agent_is_free_for_the_next(
    desk: OpenDesk, alice: Person, bob: Person, switchboard: Switchboard
) -> None:
    call = await alice.call("desk")
    await (await bob.incoming()).accept()
    await call.expect(status="open")
    await call.hang_up()
    await bob.expect_end()

    dave = await switchboard.person("dave")
    await dave.call("desk")
    assert (await bob.incoming()).from_ == "client:dave"


async def test_an_agent_who_rejects_is_followed_by_the_next_at_once(
    desk: OpenDesk, alice: Person, bob: Person, carol: Person, switchboard: Switchboard
) -> None:
    call = await alice.call("desk")
    began = switchboard.clock.now()
    await (await bob.incoming()).reject()

    incoming = await carol.incoming()
    assert switchboard.clock.now() - began < 1
    await incoming.accept()
    await call.expect("accept")


async def test_the_next_agent_is_rung_when_nobody_answers_for_a_minute(
    desk: OpenDesk, alice: Person, bob: Person, carol: Person, switchboard: Switchboard
) -> None:
    call = await alice.call("desk")
    unheard = await bob.incoming()
    began = switchboard.clock.now()

    incoming = await carol.incoming(timeout="2m")
    assert 59 <= switchboard.clock.now() - began <= 62
    await unheard.expect("cancel")
    await incoming.accept()
    await call.expect(status="open")


async def test_an_agent_whose_app_is_closed_is_passed_over_at_once(
    desk: OpenDesk, alice: Person, carol: Person
) -> None:
    await alice.call("desk")
    await carol.incoming(timeout="1s")


async def test_nobody_answers_and_the_customer_is_told_so_before_the_call_ends(
    desk: OpenDesk, alice: Person, bob: Person, carol: Person
) -> None:
    call = await alice.call("desk")
    await (await bob.incoming()).ignore()
    await (await carol.incoming(timeout="2m")).ignore()

    await call.expect_message({"type": "missed", "text": "Nobody is free. We call you back."}, timeout="2m")
    await call.expect_end()
    assert (await desk.last_call())["outcome"] == "missed"


async def test_a_desk_with_nobody_on_duty_is_busy_at_once(open_desk: OpenADesk, alice: Person) -> None:
    desk = await open_desk("bob")
    await desk.on_duty("bob", False)

    call = await alice.call("desk")
    await call.expect("error")
    assert (await call.refresh()).error["code"] == 31486
    assert (await desk.last_call())["outcome"] == "missed"


async def test_an_agent_who_goes_home_is_not_rung_any_more(
    desk: OpenDesk, alice: Person, bob: Person, carol: Person
) -> None:
    await desk.on_duty("bob", False)
    await alice.call("desk")

    await carol.incoming()
    assert await bob.calls() == []


async def test_a_customer_who_gives_up_leaves_no_phone_ringing(
    desk: OpenDesk, alice: Person, bob: Person, switchboard: Switchboard
) -> None:
    call = await alice.call("desk")
    incoming = await bob.incoming()
    await switchboard.clock.sleep("20s")
    await call.hang_up()

    await incoming.expect("cancel")
    await switchboard.clock.sleep("1s")
    assert (await desk.last_call())["outcome"] == "given up"


async def test_agents_who_are_rung_together_stop_when_one_answers(
    open_desk: OpenADesk, switchboard: Switchboard
) -> None:
    await open_desk("bob, carol, dave", ring="together")
    agents = [await switchboard.person(name) for name in ("bob", "carol", "dave")]
    alice = await switchboard.person("alice")

    call = await alice.call("desk")
    bobs, carols, daves = [await agent.incoming() for agent in agents]
    await carols.accept()
    await call.expect("accept")

    await bobs.expect("cancel")
    await daves.expect("cancel")
    await call.expect_message({"type": "agent", "name": "carol"})


async def test_agents_who_were_rung_in_vain_are_free_for_the_next_customer(
    open_desk: OpenADesk, alice: Person, bob: Person, carol: Person, switchboard: Switchboard
) -> None:
    await open_desk("bob, carol", ring="together")
    call = await alice.call("desk")
    await (await bob.incoming()).accept()
    await call.expect_message({"type": "agent", "name": "bob"})
    await (await carol.incoming()).expect("cancel")

    dave = await switchboard.person("dave")
    await dave.call("desk")
    assert (await carol.incoming(timeout="1s")).from_ == "client:dave"


async def test_one_rejection_ends_the_ring_of_all_only_for_who_rejected(
    open_desk: OpenADesk, alice: Person, bob: Person, carol: Person
) -> None:
    await open_desk("bob, carol", ring="together")

    call = await alice.call("desk")
    bobs, carols = await bob.incoming(), await carol.incoming()
    await bobs.reject()
    await carols.accept()
    await call.expect("accept")


async def test_who_knows_the_topic_is_rung_first(
    open_desk: OpenADesk, alice: Person, bob: Person, carol: Person
) -> None:
    await open_desk("bob:returns, carol:billing")

    await alice.call("desk", {"topic": "billing"})
    await carol.incoming()
    assert await bob.calls() == []


async def test_a_customer_waits_for_an_agent_who_talks_and_is_told_the_place_in_the_queue(
    open_desk: OpenADesk, alice: Person, bob: Person, switchboard: Switchboard
) -> None:
    await open_desk("bob")
    await alice.call("desk")
    first = await bob.incoming()
    await first.accept()

    dave, erin = await switchboard.person("dave"), await switchboard.person("erin")
    await dave.call("desk")
    await dave.expect_message({"type": "waiting", "before_you": 0})
    await erin.call("desk")
    await erin.expect_message({"type": "waiting", "before_you": 1})
    await switchboard.clock.sleep("5m")
    await first.hang_up()

    assert (await bob.incoming(timeout="20s")).from_ == "client:dave"


async def test_a_customer_who_has_waited_a_quarter_of_an_hour_is_called_back(
    open_desk: OpenADesk, alice: Person, bob: Person, switchboard: Switchboard
) -> None:
    await open_desk("bob", patience_s=900)
    await alice.call("desk")
    await (await bob.incoming()).accept()

    dave = await switchboard.person("dave")
    waiting = await dave.call("desk")
    await waiting.expect_message({"type": "missed"}, timeout="16m")
    await waiting.expect_end()
    await alice.expect(status="open")


async def test_a_dozen_customers_are_served_by_three_agents_in_the_order_in_which_they_called(
    open_desk: OpenADesk, switchboard: Switchboard
) -> None:
    names = [f"agent{number}" for number in range(3)]
    desk = await open_desk(", ".join(names), ask_again_s=10, patience_s=3600, rating_s=1)
    serves = [{"ring": "1s"}, {"answer": {}}, {"wait": "8s"}, {"hang_up": {}}]
    agents = [await switchboard.person(name, on_call=serves) for name in names]
    customers = [await switchboard.person(f"customer{number:02}") for number in range(12)]
    for customer in customers:
        await customer.call("desk")
    for customer in customers:
        await customer.expect_end(timeout="1h")
    await switchboard.clock.sleep("1s")

    calls = await desk.calls()
    assert [call["outcome"] for call in calls] == ["served"] * 12
    assert {call["talked_s"] for call in calls} == {8}
    for agent in agents:
        served = [call.from_ for call in await agent.calls()]
        assert len(served) == 4
        assert served == sorted(served), "who called first was served first"
