"""A device's options and states, and a call's events, as the browser SDK's own specs look at them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from customers import Customer, Hook
from pairs import AUDIBLE, Pair, name
from phones import Phone, PhoneCall, PhoneError

OpenPhone = Callable[..., Awaitable[Phone]]
STARTS = ("connecting", "ringing", "open")
PARAMETERS = """
  <Parameter name="duplicate" value="12345"/>
  <Parameter name="duplicate" value="123456"/>
  <Parameter name="custom + param" value="我不吃蛋"/>
  <Parameter name="foobar" value="some + value"/>
  <Parameter name="custom1" value="foo + bar"/>
  <Parameter name="custom2" value="undefined"/>
  <Parameter name="custom3" value="我不吃蛋"/>
"""


async def device(customer: Customer, open_phone: OpenPhone, who: str, **options: object) -> Phone:
    phone = await open_phone(name(who))
    await phone.start(customer.token(phone.name), customer.credentials.signaling_host, **options)
    return phone


async def registered(customer: Customer, open_phone: OpenPhone, who: str, **options: object) -> Phone:
    phone = await device(customer, open_phone, who, **options)
    await phone.register()
    return phone


# ------ registration


async def test_a_device_registers_leaves_and_registers_again(customer: Customer, open_phone: OpenPhone) -> None:
    bob, alice = await registered(customer, open_phone, "bob"), await device(customer, open_phone, "alice")
    await bob.unregister()
    assert (await bob.device())["state"] == "unregistered"
    unheard = await alice.connect(To=bob.name)
    await unheard.wait_for("disconnect")
    await bob.register()
    await alice.connect(To=bob.name)
    await bob.incoming()
    assert await bob.device_events() == [
        "registering",
        "registered",
        "unregistered",
        "registering",
        "registered",
        "incoming",
    ]


async def test_a_destroyed_device_is_rung_no_more(customer: Customer, open_phone: OpenPhone) -> None:
    bob, alice = await registered(customer, open_phone, "bob"), await device(customer, open_phone, "alice")
    await bob.destroy()
    await bob.wait_for("destroyed")
    assert not any(register["media"]["audio"] is False for register in bob.sent("register"))  # it says no goodbye
    placed = await alice.connect(To=bob.name)
    await placed.wait_for("disconnect")
    await customer.asked("status", To=f"client:{bob.name}", CallStatus="no-answer")


async def test_the_device_says_who_and_where_it_is(customer: Customer, open_phone: OpenPhone) -> None:
    bob = await registered(customer, open_phone, "bob-with-a.dash_1")
    told = await bob.device()
    assert told["identity"] == bob.name
    assert told["edge"] == "ashburn"
    assert told["home"]
    assert told["isBusy"] is False


async def test_the_audio_helper_needs_nothing_of_the_server(customer: Customer, open_phone: OpenPhone) -> None:
    bob = await registered(customer, open_phone, "bob")
    frames = len(bob.frames)
    found = await bob.audio()
    assert found["inputs"] and found["outputs"]
    assert found["input"] == found["inputs"][0]
    assert len(bob.frames) == frames


# ------ parameters


async def test_custom_parameters_keep_their_awkward_characters(customer: Customer, open_phone: OpenPhone) -> None:
    alice, bob = await device(customer, open_phone, "alice"), await registered(customer, open_phone, "bob")
    client = f"<Client><Identity>{bob.name}</Identity>{PARAMETERS}</Client>"
    customer.twiml[f"client:{alice.name}"] = f'<Response><Dial answerOnBridge="true">{client}</Dial></Response>'
    await alice.page.evaluate(
        """async (to) => { await phone.connect({ params:
          { To: to, Custom1: 'foo + bar', Custom2: undefined, Custom3: '我不吃蛋' } }); }""",
        bob.name,
    )
    incoming = await bob.incoming()
    (asked,) = await customer.asked("voice", From=f"client:{alice.name}")
    assert (asked["Custom1"], asked["Custom2"], asked["Custom3"]) == ("foo + bar", "undefined", "我不吃蛋")
    properties = await incoming.properties()
    assert properties["customParameters"] == {
        "duplicate": "123456",
        "custom + param": "我不吃蛋",
        "foobar": "some + value",
        "custom1": "foo + bar",
        "custom2": "undefined",
        "custom3": "我不吃蛋",
    }
    assert properties["callerInfo"] is None
    assert {"From", "To", "CallSid", "AccountSid", "Params"} <= set(properties["parameters"])
    assert "StirStatus" not in properties["parameters"]
    # Keys go literally, values percent-encoded; the SDK decodes only the values.
    assert "custom + param=%E6%88%91" in bob.got("invite")[0]["parameters"]["Params"]


# ------ busy


async def test_a_call_to_a_busy_device_is_swallowed_there_and_rings_on(
    dial, customer: Customer, open_phone: OpenPhone
) -> None:
    pair: Pair = await dial()
    assert [(await phone.device())["isBusy"] for phone in (pair.alice, pair.bob)] == [True, True]
    carol = await device(customer, open_phone, "carol")
    placed = await carol.connect(To=pair.bob.name)
    await placed.wait_for("ringing")
    await pair.bob.frame("invite", count=2)
    assert (await pair.answered.hear(1.0)).energy > AUDIBLE
    assert not [event for event in await pair.bob.timeline() if event.name == "incoming"][1:]
    assert await placed.status() == "ringing"
    await placed.disconnect()
    assert await pair.answered.status() == "open"
    await pair.placed.disconnect()
    await pair.answered.wait_for("disconnect")
    assert (await pair.bob.device())["isBusy"] is False


async def test_a_busy_device_that_allows_it_gets_a_second_call_and_changes_over(
    dial, customer: Customer, open_phone: OpenPhone
) -> None:
    pair: Pair = await dial(callees={"allowIncomingWhileBusy": True})
    carol = await device(customer, open_phone, "carol")
    placed = await carol.connect(To=pair.bob.name)
    second = await pair.bob.incoming(count=2)
    assert await pair.answered.status() == "open"
    await second.accept()
    await placed.wait_for("accept")
    await pair.placed.wait_for("disconnect")
    assert (await placed.hear(1.0)).energy > AUDIBLE
    assert await second.status() == "open"


async def test_a_call_that_comes_while_one_is_placed_can_be_accepted(customer: Customer, open_phone: OpenPhone) -> None:
    """The SDK takes the sid of a `ringing` frame for the sid of every call it has."""
    alice = await registered(customer, open_phone, "alice", allowIncomingWhileBusy=True)
    carol, decided = await device(customer, open_phone, "carol"), asyncio.Event()

    async def think_about_alice(hook: Hook) -> None:
        if hook["From"] == f"client:{alice.name}":
            await decided.wait()

    customer.pause = think_about_alice
    customer.twiml[f"client:{alice.name}"] = "<Response><Pause length='60'/></Response>"
    own = await alice.connect()
    await customer.asked("voice", From=f"client:{alice.name}")
    placed = await carol.connect(To=alice.name)
    await placed.wait_for("ringing")
    decided.set()
    await own.wait_for("ringing")
    incoming = await alice.incoming()
    assert (await incoming.properties())["parameters"]["CallSid"] != (await own.properties())["parameters"]["CallSid"]
    await incoming.accept()
    await placed.wait_for("accept")
    assert (await placed.hear(1.0)).energy > AUDIBLE


async def test_a_device_places_one_call_at_a_time(dial) -> None:
    pair: Pair = await dial()
    with pytest.raises(PhoneError, match="already active"):
        await pair.alice.connect(To=pair.bob.name)
    assert await pair.placed.status() == "open"


# ------ what a call says


async def test_a_calls_states_are_told_on_both_sides(dial) -> None:
    pair: Pair = await dial(accept=False)
    assert await pair.placed.status() in STARTS
    assert await pair.answered.status() == "pending"
    await pair.answered.accept()
    await pair.placed.wait_for("accept")
    await pair.answered.wait_for("accept")
    assert [await call.status() for call in (pair.placed, pair.answered)] == ["open", "open"]
    await pair.answered.disconnect()
    await pair.placed.wait_for("disconnect")
    assert [await call.status() for call in (pair.placed, pair.answered)] == ["closed", "closed"]


async def test_a_rejected_call_is_closed_on_both_sides(dial) -> None:
    pair: Pair = await dial(accept=False)
    await pair.answered.reject()
    await pair.answered.wait_for("reject")
    await pair.placed.wait_for("disconnect")
    assert [await call.status() for call in (pair.placed, pair.answered)] == ["closed", "closed"]


async def test_an_ignored_call_goes_on_for_its_caller_and_says_nothing(dial) -> None:
    pair: Pair = await dial(accept=False)
    frames = len([frame for frame in pair.bob.frames if frame.sent])
    await pair.answered.ignore()
    assert (await pair.placed.hear(1.0)).packets > 0  # it hears the ringback
    assert await pair.placed.status() == "ringing"
    assert await pair.answered.status() == "closed"
    assert len([frame for frame in pair.bob.frames if frame.sent]) == frames
    await pair.placed.disconnect()
    await pair.answered.wait_for("cancel")


@pytest.mark.parametrize("hears", ["caller", "callee"])
async def test_mute_is_told_and_heard_and_undone(dial, hears: str) -> None:
    pair: Pair = await dial()
    speaker, listener = (pair.answered, pair.placed) if hears == "caller" else (pair.placed, pair.answered)
    await speaker.mute()
    assert (await speaker.wait_for("mute")).data is True
    assert (await speaker.properties())["muted"] is True
    await listener.hear(0.5)
    assert (await listener.hear(1.0)).energy < AUDIBLE
    await speaker.mute(False)
    assert (await speaker.wait_for("mute", count=2)).data is False
    await listener.hear(0.5)
    assert (await listener.hear(1.0)).energy > AUDIBLE
    await speaker.disconnect()
    await listener.wait_for("disconnect")


async def test_feedback_is_taken_and_the_call_ends_as_always(dial) -> None:
    pair: Pair = await dial()
    await pair.placed.post_feedback(5)
    await pair.placed.post_feedback()
    with pytest.raises(PhoneError, match="Feedback score must be one of"):
        await pair.placed.post_feedback(6)
    with pytest.raises(PhoneError, match="Feedback issue must be one of"):
        await pair.placed.post_feedback(1, "odd")
    await pair.answered.disconnect()
    await pair.placed.wait_for("disconnect")


# ------ errors


@pytest.mark.parametrize("flag", [True, False], ids=["precise", "not precise"])
async def test_a_call_that_twiml_rejects_says_why(customer: Customer, open_phone: OpenPhone, flag: bool) -> None:
    alice = await device(customer, open_phone, "alice", enableImprovedSignalingErrorPrecision=flag)
    customer.twiml[f"client:{alice.name}"] = '<Response><Reject reason="busy"/></Response>'
    placed = await alice.connect()
    assert (await placed.wait_for("error")).data["code"] == (31486 if flag else 31005)
    await placed.wait_for("disconnect")


async def test_parameters_that_are_too_long_are_refused(customer: Customer, open_phone: OpenPhone) -> None:
    alice = await device(customer, open_phone, "alice", enableImprovedSignalingErrorPrecision=True)
    placed = await alice.connect(To="anybody", Long="x" * 900)
    assert (await placed.wait_for("error")).data["code"] == 31103
    await placed.wait_for("disconnect")
    assert (await alice.device())["isBusy"] is False


async def test_a_page_whose_caller_hung_up_before_it_accepted_is_told(dial) -> None:
    pair: Pair = await dial(accept=False)
    await pair.placed.disconnect()
    await pair.answered.wait_for("cancel")
    await pair.answered.accept()
    assert await pair.answered.status() == "closed"
    assert (await pair.bob.device())["isBusy"] is False


async def test_digits_cross_the_bridge_in_the_audio(dial) -> None:
    """The SDK sends them as RFC 4733 events, because our description offers it, and no `dtmf` frame."""
    pair: Pair = await dial()
    call: PhoneCall = pair.placed
    await call.hear(0.5)
    await call.send_digits("12*#")
    await call.hear(1.0)
    assert pair.alice.sent("dtmf") == []
    with pytest.raises(PhoneError):
        await call.send_digits("x")
    await call.disconnect()
    await pair.answered.wait_for("disconnect")


async def test_a_caller_opens_when_the_callee_answers_also_without_answer_on_bridge(
    customer: Customer, open_phone: OpenPhone
) -> None:
    """REST says in-progress at once; the SDK hears it ring, and its specs wait for the callee."""
    alice, bob = await device(customer, open_phone, "alice"), await registered(customer, open_phone, "bob")
    customer.twiml[f"client:{alice.name}"] = customer.dial(bob.name, attributes="")
    placed = await alice.connect()
    incoming = await bob.incoming()
    assert (await placed.wait_for("ringing")).data is True
    assert await placed.status() == "ringing"
    assert await customer.status_of((await placed.properties())["parameters"]["CallSid"]) == "in-progress"
    await incoming.accept()
    await placed.wait_for("accept")
    names = [event.name for event in await alice.timeline() if event.call == 0 and event.name in ("ringing", "accept")]
    assert names == ["ringing", "accept"]
