"""Bad days of the desk, the network or a client: customers and agents notice nothing, or are told the truth."""

from __future__ import annotations

from midcall.testing import Fault, Person, Switchboard

from conftest import OpenDesk


async def talk(alice: Person, bob: Person) -> None:
    """Alice calls, bob answers, and both have been told what they are told at the beginning."""
    call = await alice.call("desk", {"order": "4711"})
    incoming = await bob.incoming()
    await incoming.accept()
    await call.expect_message({"type": "agent"})
    await incoming.expect_message({"type": "customer"})


async def test_an_answer_that_comes_too_late_makes_a_repeat_that_nobody_sees(
    desk: OpenDesk, alice: Person, bob: Person
) -> None:
    await talk(alice, bob)
    desk.served.behaves({"late": "20s", "times": 2}, path="/messages")
    await alice.send_message({"number": 1})

    await bob.expect_message({"number": 1}, timeout="1m")
    await bob.hears_nothing_for("15m")
    asked = [request.fields["Sid"] for request in desk.served.requests("/messages")]
    assert len(asked) == 3
    assert len(set(asked)) == 1, "by which the desk tells a repeat"


async def test_a_repeat_stands_once_on_the_card_of_the_next_agent(
    desk: OpenDesk, alice: Person, bob: Person, carol: Person
) -> None:
    call = await alice.call("desk")
    first = await bob.incoming()
    await call.expect(status="ringing")
    desk.served.behaves({"late": "16s", "times": 1}, path="/messages")
    await call.send_message({"type": "page", "path": "/checkout"})
    await call.hears_nothing_for("30s")
    await first.reject()

    card = await (await carol.incoming()).expect_message({"type": "customer"})
    assert len(desk.served.requests("/messages")) == 2
    assert card.content["said"] == [{"type": "page", "path": "/checkout"}]


async def test_an_answer_that_breaks_off_after_its_200_is_an_answer(desk: OpenDesk, alice: Person, bob: Person) -> None:
    await talk(alice, bob)
    desk.served.behaves("closes_before_body", path="/messages")
    await alice.send_message({"number": 1})
    await alice.send_message({"number": 2})

    assert [(await bob.expect_message()).content["number"] for _ in range(2)] == [1, 2]
    await bob.hears_nothing_for("15m")
    assert len(desk.served.requests("/messages")) == 2


async def test_an_answer_of_somebody_who_has_not_read_the_message_loses_it(
    desk: OpenDesk, alice: Person, bob: Person
) -> None:
    """What no protocol can mend: it was told 200. A proxy that does so shows in the book of nobody but the server."""
    await talk(alice, bob)
    desk.served.behaves("does_not_read", path="/messages")
    await alice.send_message({"number": 1})
    await bob.hears_nothing_for("15m")


async def test_a_desk_that_is_down_for_an_hour_misses_nothing(
    desk: OpenDesk, alice: Person, bob: Person, switchboard: Switchboard
) -> None:
    await talk(alice, bob)
    desk.served.behaves({"failing": 503}, path="/messages")
    for number in range(30):
        await alice.send_message({"number": number})
        await switchboard.clock.sleep("2m")
    desk.served.behaves("ok", path="/messages")

    got = [(await bob.expect_message(timeout="11m")).content["number"] for _ in range(30)]
    assert got == list(range(30))


async def test_a_slow_desk_holds_up_messages_and_not_voices(desk: OpenDesk, alice: Person, bob: Person) -> None:
    await talk(alice, bob)
    desk.served.behaves({"slow": "5s"}, path="/messages")
    await alice.send_message({"number": 1})
    await alice.send_message({"number": 2})

    await alice.speak("hello?")
    await bob.hears("hello?", timeout="1s")
    await bob.expect_message({"number": 2}, timeout="11s")


async def test_a_desk_that_does_not_answer_the_phone_leaves_an_alert(
    desk: OpenDesk, alice: Person, switchboard: Switchboard
) -> None:
    desk.served.behaves({"failing": 500}, path="/voice")
    call = await alice.call("desk")
    await call.expect_end()

    alerts = await switchboard.rest.monitor.v1.alerts.list_async()
    assert [alert.error_code for alert in alerts] == ["11200"]


async def test_nobody_but_the_voice_service_can_tell_the_desk_anything(desk: OpenDesk) -> None:
    forged = {"CallSid": "CA" + "0" * 32, "From": "client:mallory", "CallStatus": "ringing"}
    for path in ("/voice", "/dialled", "/legs?customer=CA", "/messages", "/ended"):
        assert await desk.post(path, forged) == 403
        assert await desk.post(path, json=forged) == 403
        assert await desk.post(path, json=[1]) == 403
        assert await desk.post(path, json={"CallSid": 1}) == 403
        assert await desk.post(path, content=b"{", headers={"Content-Type": "application/json"}) == 403
    assert await desk.calls() == []


async def test_an_agent_who_loses_the_network_comes_back_to_the_same_call(
    desk: OpenDesk, alice: Person, bob: Person, switchboard: Switchboard
) -> None:
    await talk(alice, bob)
    await bob.cut_network()
    await bob.expect("reconnecting", timeout="1m")
    await switchboard.clock.sleep("5s")
    await bob.restore_network()

    await bob.expect("reconnected", timeout="1m")
    await bob.speak("I am back")
    await alice.hears("I am back")


async def test_what_is_told_while_the_agent_is_away_is_there_when_the_agent_comes_back(
    desk: OpenDesk, alice: Person, bob: Person
) -> None:
    await talk(alice, bob)
    await bob.cut_network()
    await bob.expect("reconnecting", timeout="1m")
    for number in range(5):
        await alice.send_message({"number": number})
    await bob.restore_network()

    assert [(await bob.expect_message(timeout="1m")).content["number"] for _ in range(5)] == list(range(5))


async def test_an_agent_who_does_not_come_back_ends_the_call_and_the_customer_is_asked(
    desk: OpenDesk, alice: Person, bob: Person
) -> None:
    await talk(alice, bob)
    await bob.cut_network()

    await alice.expect_message({"type": "rate"}, timeout="2m")
    await alice.expect_end(timeout="1m")


async def test_a_customer_whose_network_is_cut_for_good_sets_the_agent_free(
    desk: OpenDesk, alice: Person, bob: Person, switchboard: Switchboard
) -> None:
    await talk(alice, bob)
    await alice.cut_network()
    await bob.expect_end(timeout="2m")

    dave = await switchboard.person("dave")
    await dave.call("desk")
    await bob.incoming()


async def test_a_message_that_arrives_twice_is_passed_on_once(desk: OpenDesk, alice: Person, bob: Person) -> None:
    await talk(alice, bob)
    await alice.network.disturb(Fault("double", "from_client", "message", times=2))
    await alice.send_message({"number": 1})
    await alice.send_message({"number": 2})

    assert [(await bob.expect_message()).content["number"] for _ in range(2)] == [1, 2]
    await bob.hears_nothing_for("5m")


async def test_a_message_whose_acknowledgement_is_lost_is_sent_again_and_passed_on_once(
    desk: OpenDesk, alice: Person, bob: Person
) -> None:
    await talk(alice, bob)
    await alice.network.disturb(Fault("drop", "to_client", "ack"))
    await alice.send_message({"number": 1}, wait=False)
    await bob.expect_message({"number": 1})

    await alice.cut_network()
    await alice.expect("reconnecting", timeout="1m")
    await alice.restore_network()
    await alice.expect("messageSent", timeout="1m")
    await bob.hears_nothing_for("5m")


async def test_a_message_that_is_delayed_on_the_way_to_the_agent_arrives_late_and_whole(
    desk: OpenDesk, alice: Person, bob: Person
) -> None:
    await talk(alice, bob)
    await bob.network.disturb(Fault("delay", "to_client", "message", by="3s"))
    await alice.send_message({"number": 1})

    await bob.hears_nothing_for("2s")
    await bob.expect_message({"number": 1}, timeout="2s")


async def test_a_frame_that_is_no_frame_does_not_end_the_call(desk: OpenDesk, alice: Person, bob: Person) -> None:
    await talk(alice, bob)
    await alice.misbehave("malformed_frame")

    await alice.speak("can you hear me?")
    await bob.hears("can you hear me?")
    await alice.send_message({"still": "here"})
    await bob.expect_message({"still": "here"})


async def test_a_hang_up_that_comes_late_harms_nobody(desk: OpenDesk, alice: Person, bob: Person) -> None:
    await talk(alice, bob)
    await alice.misbehave("late_hang_up", by="5s")

    await talk(alice, bob)
    await bob.speak("hello again")
    await alice.hears("hello again")


async def test_an_agent_who_answers_twice_has_answered(desk: OpenDesk, alice: Person, bob: Person) -> None:
    call = await alice.call("desk")
    await (await bob.incoming()).misbehave("double_answer")

    await call.expect(status="open")
    await bob.speak("still here")
    await call.hears("still here")


async def test_an_agent_whose_app_hangs_is_passed_over_after_a_minute(
    desk: OpenDesk, alice: Person, bob: Person, carol: Person
) -> None:
    await alice.call("desk")
    await (await bob.incoming()).misbehave("no_answer")

    await (await carol.incoming(timeout="61s")).accept()
    await alice.expect(status="open")
