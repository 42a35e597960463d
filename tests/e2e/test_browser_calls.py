"""Real calls between pages with the unmodified browser SDK, through a real server, with real audio."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

from cables import Cable
from customers import Customer
from pairs import AUDIBLE, name
from phones import Phone
from playwright.async_api import Browser
from servers import Server


async def test_two_browsers_talk_and_every_callback_arrives_signed_and_in_order(customer: Customer, dial) -> None:
    pair = await dial()
    heard = await asyncio.gather(pair.placed.hear(1.5), pair.answered.hear(1.5))
    assert all(each.packets > 40 and each.energy > AUDIBLE for each in heard), heard
    assert await customer.status_of(pair.parent) == "in-progress"

    properties = await pair.answered.properties()
    assert properties["customParameters"] == {"topic": "a + b & ä"}
    assert properties["parameters"]["From"] == f"client:{pair.alice.name}"

    await pair.placed.disconnect()
    await pair.answered.wait_for("disconnect")
    (asked,) = await customer.asked("voice", CallSid=pair.parent)
    assert asked["Direction"] == "inbound"
    reported = await customer.asked("status", CallSid=pair.child, count=4)
    assert [hook["CallStatus"] for hook in reported] == ["initiated", "ringing", "in-progress", "completed"]
    assert [hook["SequenceNumber"] for hook in reported] == ["0", "1", "2", "3"]
    assert await customer.status_of(pair.parent) == "completed"
    assert await customer.status_of(pair.child) == "completed"


async def test_digits_travel_in_the_audio_and_are_recorded_once_and_in_order(customer: Customer, dial) -> None:
    pair = await dial()
    await pair.placed.hear(0.5)
    await pair.placed.send_digits("1w2#")
    assert await digits_of(customer, pair.parent, 3) == ["1", "2", "#"]
    await pair.answered.send_digits("0")
    assert await digits_of(customer, pair.child, 1) == ["0"]


async def digits_of(customer: Customer, leg: str, count: int) -> list[str]:
    """The RFC 4733 digits in a leg's timeline, once there are so many."""
    path = f"/midcall/v1/Accounts/{customer.credentials.account_sid}/Calls/{leg}/Timeline.json"
    for _ in range(200):
        answer = await customer.rest(lambda client: client.request("GET", customer.credentials.http_url + path))
        details = [event["detail"] for event in json.loads(answer.text)["events"] if event["kind"] == "leg.digit"]
        if len(details) >= count:
            break
        await asyncio.sleep(0.05)  # the trace is late by design; there is no event to wait for
    return [detail["digit"] for detail in details if detail["in_band"]]


async def test_messages_flow_both_ways_on_both_legs(customer: Customer, dial) -> None:
    pair = await dial()
    await customer.subscribe(pair.parent)
    await customer.subscribe(pair.child)
    for leg, call in ((pair.parent, pair.placed), (pair.child, pair.answered)):
        sids = [await call.send_message({"n": n, "text": "ä 😀", "pi": 3.0}) for n in range(5)]
        await call.wait_for("messageSent", count=5)
        arrived = await customer.asked("messages", CallSid=leg, count=5)
        assert [hook["Sid"] for hook in arrived] == sids
        assert [hook["SequenceNumber"] for hook in arrived] == ["1", "2", "3", "4", "5"]
        assert arrived[0]["Content"] == '{"n":0,"text":"ä 😀","pi":3}'
        assert arrived[0].encoding == "json"

        sent = [await customer.send(leg, {"m": n}) for n in range(5)]
        await call.wait_for("messageReceived", count=5)
        got = await call.messages()
        assert [message["voiceEventSid"] for message in got] == sent
        assert [message["content"] for message in got] == [{"m": n} for n in range(5)]


async def test_messages_reach_both_sides_before_the_answer(customer: Customer, dial) -> None:
    pair = await dial(accept=False)
    await customer.subscribe(pair.parent)
    sid = await pair.placed.send_message("early")
    (hook,) = await customer.asked("messages", CallSid=pair.parent)
    assert (hook["Sid"], hook["Content"]) == (sid, "early")
    await customer.send(pair.parent, {"to": "the caller"})
    await customer.send(pair.child, {"to": "the callee"})
    await pair.placed.wait_for("messageReceived")
    await pair.answered.wait_for("messageReceived")


async def test_an_unknown_message_type_is_an_error_on_the_call(dial) -> None:
    pair = await dial()
    await pair.placed.send_message({"a": 1}, message_type="not-a-valid-message-type")
    assert (await pair.placed.wait_for("error")).data["code"] == 31210


async def test_an_oversized_message_is_an_error_on_the_call(dial) -> None:
    pair = await dial()
    await pair.placed.send_message("x" * 60_000)
    assert (await pair.placed.wait_for("error")).data["code"] == 31212


async def test_the_callee_hangs_up(customer: Customer, dial) -> None:
    pair = await dial()
    await pair.answered.disconnect()
    await pair.placed.wait_for("disconnect")
    assert await customer.status_of(pair.parent) == "completed"


async def test_rest_hangs_up(customer: Customer, dial) -> None:
    pair = await dial()
    await customer.rest(lambda client: client.calls(pair.parent).update(status="completed"))
    await pair.placed.wait_for("disconnect")
    await pair.answered.wait_for("disconnect")


async def test_a_caller_who_gives_up_cancels_the_ringing_call(customer: Customer, dial) -> None:
    pair = await dial(accept=False)
    await pair.placed.disconnect()
    await pair.answered.wait_for("cancel")
    (over,) = await customer.asked("status", CallSid=pair.child, CallStatus="canceled")
    assert over["SipResponseCode"] == "487"


async def test_a_rejected_call_is_busy(customer: Customer, dial) -> None:
    pair = await dial(accept=False)
    await pair.answered.reject()
    await pair.placed.wait_for("disconnect")
    (over,) = await customer.asked("status", CallSid=pair.child, CallStatus="busy")
    assert over["SipResponseCode"] == "603"


async def test_an_ignored_call_rings_on_until_the_timeout(
    customer: Customer, open_phone: Callable[..., Awaitable[Phone]]
) -> None:
    alice, bob = await open_phone(name("alice")), await open_phone(name("bob"))
    host = customer.credentials.signaling_host
    customer.twiml[f"client:{alice.name}"] = customer.dial(bob.name, attributes='timeout="2" answerOnBridge="true"')
    await alice.start(customer.token(alice.name), host)
    await bob.start(customer.token(bob.name), host)
    await bob.register()
    placed = await alice.connect()
    incoming = await bob.incoming()
    await incoming.ignore()
    await incoming.wait_for("cancel")
    await placed.wait_for("disconnect")
    await customer.asked("status", CallStatus="no-answer", To=f"client:{bob.name}")


async def test_two_devices_of_one_identity_ring_and_the_first_answer_wins(
    customer: Customer, open_phone: Callable[..., Awaitable[Phone]]
) -> None:
    host, bob = customer.credentials.signaling_host, name("bob")
    alice, desk, mobile = await open_phone(name("alice")), await open_phone(bob), await open_phone(bob)
    await alice.start(customer.token(alice.name), host)
    for device in (desk, mobile):
        await device.start(customer.token(bob), host)
        await device.register()
    placed = await alice.connect(To=bob)
    at_desk, at_mobile = await desk.incoming(), await mobile.incoming()
    leg = (await at_desk.properties())["parameters"]["CallSid"]
    await customer.send(leg, {"for": "all"})
    await at_desk.wait_for("messageReceived")
    await at_mobile.wait_for("messageReceived")
    await at_mobile.accept()
    await placed.wait_for("accept")
    await at_desk.wait_for("cancel")
    await customer.send(leg, {"for": "the winner"})
    await at_mobile.wait_for("messageReceived", count=2)
    assert [message["content"] for message in await at_mobile.messages()] == [{"for": "all"}, {"for": "the winner"}]
    assert len(await at_desk.messages()) == 1


async def test_a_cut_socket_is_resumed_and_nothing_sent_meanwhile_is_lost(
    customer: Customer, dial, server: Server
) -> None:
    async with Cable(server.ports[0]) as cable:
        pair = await dial(host=f"localhost:{cable.port}", maxCallSignalingTimeoutMs=30_000)
        await customer.subscribe(pair.parent)
        await pair.placed.send_message({"n": 1})
        await customer.asked("messages", CallSid=pair.parent, count=1)
        cable.cut()
        await pair.placed.wait_for("reconnecting")
        mine = [await pair.placed.send_message({"n": n}) for n in (2, 3)]
        theirs = [await customer.send(pair.parent, {"m": n}) for n in (1, 2, 3)]
        cable.mend()
        await pair.placed.wait_for("reconnected")
        await pair.placed.wait_for("messageReceived", count=3)
        await pair.placed.wait_for("messageSent", count=3)
        arrived = await customer.asked("messages", CallSid=pair.parent, count=3)
        assert [hook["SequenceNumber"] for hook in arrived] == ["1", "2", "3"]
        assert [hook["Sid"] for hook in arrived][1:] == mine
        assert [message["voiceEventSid"] for message in await pair.placed.messages()] == theirs
        assert await pair.placed.status() == "open"
        assert (await pair.placed.hear(1.5)).energy > AUDIBLE


async def test_a_call_whose_answer_was_lost_with_its_socket_is_up_once_the_page_is_back(dial, server: Server) -> None:
    async with Cable(server.ports[0]) as cable:
        pair = await dial(callees_host=f"localhost:{cable.port}", maxCallSignalingTimeoutMs=30_000, accept=False)
        cable.freeze()
        await pair.answered.accept()
        await pair.answered.wait_for("accept")  # its answer has left the page, and goes no further than the cable
        cable.cut()
        await pair.answered.wait_for("reconnecting")
        cable.mend()
        await pair.answered.wait_for("reconnected")
        await pair.placed.wait_for("accept")
        heard = await asyncio.gather(pair.placed.hear(1.5), pair.answered.hear(1.5))
        assert all(each.energy > AUDIBLE for each in heard), heard
        assert await pair.answered.status() == await pair.placed.status() == "open"


async def test_the_local_authority_is_trusted_without_any_flag(
    customer: Customer, dial, trusting_chromium: Callable[[Path], Awaitable[Browser]]
) -> None:
    browser = await trusting_chromium(Path(customer.credentials.ca_file))
    pair = await dial(browser=browser)
    assert (await pair.placed.hear(1.5)).energy > AUDIBLE


async def test_rest_calls_a_browser(customer: Customer, open_phone: Callable[..., Awaitable[Phone]]) -> None:
    bob = await open_phone(name("bob"))
    await bob.start(customer.token(bob.name), customer.credentials.signaling_host)
    await bob.register()
    made = await customer.rest(
        lambda client: client.calls.create(
            to=f"client:{bob.name}",
            from_="support",
            twiml='<Response><Pause length="60"/></Response>',
            status_callback=f"{customer.url}/status",
            status_callback_event=["initiated", "ringing", "answered", "completed"],
        )
    )
    assert made.status == "queued"
    incoming = await bob.incoming()
    await incoming.accept()
    await incoming.wait_for("accept")
    await customer.asked("status", CallSid=made.sid, CallStatus="in-progress")
    await customer.send(made.sid, {"hello": "bob"})
    await incoming.wait_for("messageReceived")
    await customer.rest(lambda client: client.calls(made.sid).update(status="completed"))
    await incoming.wait_for("disconnect")
