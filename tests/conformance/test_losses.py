"""Signalling that is lost and comes back."""

from __future__ import annotations

import asyncio

from conformance.common import until_heard
from conformance.driver import Kind, names
from conformance.reasons import NO_MEDIA
from conformance.rows import because, differs, row
from conformance.stage import Stage, sid_of

LOST = "Signalling is lost"


@row(LOST, "an open call: `reconnecting` with 53001, then `reconnected`; the call goes on, in both directions")
async def test_an_open_call_survives(client: Kind, stage: Stage) -> None:
    cable = await stage.cable()
    for calling in (stage.placed, stage.called):
        talk = await calling(client, cable=cable)
        cable.cut()
        lost = await talk.mine.wait_for("reconnecting")
        assert (lost.arg["code"], lost.arg["name"]) == (53001, "ConnectionDisconnected")
        assert lost.status == "reconnecting"
        assert (await talk.mine.facts()).status == "reconnecting"
        cable.mend()
        await talk.mine.wait_for("reconnected")
        assert (await talk.mine.facts()).status == "open"
        sid = await talk.mine.send_message("still here")
        assert (await talk.mine.wait_for("messageSent")).arg["voiceEventSid"] == sid
        await talk.theirs.disconnect()
        await talk.mine.wait_for("disconnect")
        once = sorted(set(names(await talk.mine.events(), without=["ringing", "messageSent"])))
        assert once == ["accept", "disconnect", "reconnected", "reconnecting"]


@because(NO_MEDIA)
async def no_sound_to_go_on(client: Kind, stage: Stage) -> None:
    talk = await stage.placed(client)
    assert (await talk.mine.facts()).remote is False


@row(LOST, "sound goes on meanwhile", none=no_sound_to_go_on)
async def test_sound_goes_on(client: Kind, stage: Stage) -> None:
    cable = await stage.cable()
    talk = await stage.placed(client, cable=cable, sound=True)
    await until_heard(talk.mine)
    cable.cut()
    await talk.mine.wait_for("reconnecting")
    await until_heard(talk.mine)
    await until_heard(talk.theirs)
    assert (await talk.mine.facts()).status == "reconnecting"


@row(LOST, "the device tells `error` 31005, is unregistered, and registers again by itself; it is rung again")
async def test_a_registered_device_comes_back(client: Kind, stage: Stage) -> None:
    cable = await stage.cable()
    me, them = await stage.device(client, cable=cable, register=True), await stage.person()
    cable.cut()
    await me.wait_for("unregistered")
    assert (await me.wait_for("error")).arg["code"] in (31000, 31005)
    cable.mend()
    await me.wait_for("registered", count=2)
    states = names(await me.events(), without=["error"])
    assert states == ["registering", "registered", "unregistered", "registering", "registered"]
    codes = {event.arg["code"] for event in await me.events() if event.name == "error"}
    assert 31005 in codes
    assert codes <= {31000, 31005}
    await them.connect(params={"To": me.name})
    await me.incoming()


@row(LOST, "`register` and `connect` wait for a server that cannot be reached yet")
async def test_waiting_for_the_server(client: Kind, stage: Stage) -> None:
    cable = await stage.cable()
    cable.cut()
    me, them = await stage.device(client, cable=cable), await stage.person()
    registering = asyncio.ensure_future(me.register())
    await me.wait_for("error")
    assert (await me.facts()).state == "registering"
    cable.mend()
    await registering
    await me.connect(params={"To": them.name})
    await them.incoming()


@row(LOST, "a pending call comes again on the next socket, with its sid, and can be accepted")
async def test_a_pending_call_comes_again(client: Kind, stage: Stage) -> None:
    cable = await stage.cable()
    talk = await stage.called(client, answer=False, cable=cable)
    cable.cut()
    await talk.me.wait_for("unregistered")
    cable.mend()
    again = await talk.me.incoming(count=2)
    assert await sid_of(again) == await sid_of(talk.mine)
    await again.accept()
    await again.wait_for("accept")
    await talk.theirs.wait_for("accept")


@differs(
    "`cancel`",
    "A pending call whose socket is lost cannot be accepted any more, because the server offers it anew. `midcall.sdk` "
    "says so with `cancel`; the browser SDK says `reconnecting`, which never comes to an end.",
)
async def a_pending_call_is_cancelled(client: Kind, stage: Stage) -> None:
    cable = await stage.cable()
    talk = await stage.called(client, answer=False, cable=cable)
    cable.cut()
    await talk.mine.wait_for("cancel")
    assert names(await talk.mine.events()) == ["cancel"]
    assert (await talk.mine.facts()).status == "closed"


@row(LOST, "a pending call is `reconnecting`, and `accept` does nothing", python=a_pending_call_is_cancelled)
async def test_a_pending_call_is_stuck(client: Kind, stage: Stage) -> None:
    cable = await stage.cable()
    talk = await stage.called(client, answer=False, cable=cable)
    cable.cut()
    assert (await talk.mine.wait_for("reconnecting")).arg["code"] == 53001
    await talk.mine.accept()
    assert (await talk.mine.facts()).status == "reconnecting"


@row(LOST, "the other side hangs up meanwhile: `disconnect` on return")
async def test_the_other_side_hangs_up_meanwhile(client: Kind, stage: Stage) -> None:
    cable = await stage.cable()
    talk = await stage.placed(client, cable=cable)
    cable.cut()
    await talk.mine.wait_for("reconnecting")
    await talk.theirs.disconnect()
    assert await stage.customer.status_becomes(await sid_of(talk.mine), "completed")
    cable.mend()
    await talk.mine.wait_for("disconnect")
    assert (await talk.mine.facts()).status == "closed"
    assert (await talk.me.facts()).is_busy is False


async def hung_up_meanwhile(client: Kind, stage: Stage):
    """A call that its client ended while it had no socket."""
    cable = await stage.cable()
    talk = await stage.placed(client, cable=cable)
    cable.cut()
    await talk.mine.wait_for("reconnecting")
    await talk.mine.disconnect()
    await talk.mine.wait_for("disconnect")
    assert (await talk.me.facts()).is_busy is False
    cable.mend()
    return talk


@differs(
    "told on return",
    "The browser SDK sends no `hangup` while it has no socket, and none afterwards: the server ends such a call when "
    "its time to resume is over. `midcall.sdk` sends it with the next socket.",
)
async def the_other_side_is_told_on_return(client: Kind, stage: Stage) -> None:
    talk = await hung_up_meanwhile(client, stage)
    await talk.theirs.wait_for("disconnect")


@row(
    LOST,
    "`disconnect` meanwhile: `disconnect` at once; the other side is not told, also when signalling is back",
    python=the_other_side_is_told_on_return,
)
async def test_hanging_up_meanwhile(client: Kind, stage: Stage) -> None:
    talk = await hung_up_meanwhile(client, stage)
    await stage.reached(talk.me)
    assert (await talk.theirs.facts()).status == "open"


# ------ messages

LETTERS = "Messages while signalling is lost"


@row(LETTERS, "messages that are sent meanwhile arrive once each, in order, and are acknowledged")
async def test_messages_sent_meanwhile(client: Kind, stage: Stage) -> None:
    cable = await stage.cable()
    talk = await stage.placed(client, cable=cable)
    leg = await sid_of(talk.mine)
    await stage.customer.subscribe(leg)
    before = await talk.mine.send_messages([{"n": n} for n in range(3)])
    await talk.mine.wait_for("messageSent", count=3)
    cable.cut()
    await talk.mine.wait_for("reconnecting")
    during = await talk.mine.send_messages([{"n": n} for n in range(3, 8)])
    cable.mend()
    await talk.mine.wait_for("reconnected")
    await talk.mine.wait_for("messageSent", count=8)
    hooks = await stage.customer.asked("messages", CallSid=leg, count=8)
    assert [hook["Sid"] for hook in hooks] == [*before, *during]
    assert [hook["SequenceNumber"] for hook in hooks] == [str(n) for n in range(1, 9)]


@row(LETTERS, "messages from the server wait, and arrive once each, in order, on return")
async def test_messages_received_afterwards(client: Kind, stage: Stage) -> None:
    cable = await stage.cable()
    talk = await stage.placed(client, cable=cable)
    leg = await sid_of(talk.mine)
    await stage.delivered(leg, await stage.customer.send(leg, 0))
    cable.cut()
    await talk.mine.wait_for("reconnecting")
    await stage.send_many(leg, [1, 2, 3])
    cable.mend()
    await talk.mine.wait_for("reconnected")
    await stage.customer.send(leg, "last")
    await talk.mine.wait_for("messageReceived", count=5)
    received = [event.arg["content"] for event in await talk.mine.events() if event.name == "messageReceived"]
    assert received == [0, 1, 2, 3, "last"]


async def errors_while_a_message_waits(client: Kind, stage: Stage) -> list[int]:
    """Codes of what the device tells about a message that has to wait for the next socket."""
    cable = await stage.cable()
    talk = await stage.placed(client, cable=cable)
    cable.cut()
    await talk.mine.wait_for("reconnecting")
    await talk.mine.send_message("later")
    cable.mend()
    await talk.mine.wait_for("messageSent")
    return [event.arg["code"] for event in await talk.me.events() if event.name == "error"]


@differs(
    "kept in silence",
    "A message that waits for the next socket is nothing that went wrong. The browser SDK keeps it as well, and tells "
    "the device `error` 31009 all the same.",
)
async def waiting_is_no_error(client: Kind, stage: Stage) -> None:
    assert 31009 not in await errors_while_a_message_waits(client, stage)


@row(LETTERS, "each of them is a device's `error` 31009 at first", python=waiting_is_no_error)
async def test_waiting_is_an_error(client: Kind, stage: Stage) -> None:
    assert 31009 in await errors_while_a_message_waits(client, stage)


async def lost_on_the_way(client: Kind, stage: Stage):
    """A call whose last message went into a socket that was dead already; its sid."""
    cable = await stage.cable()
    talk = await stage.placed(client, cable=cable)
    await stage.customer.subscribe(await sid_of(talk.mine))
    cable.freeze()
    sid = await talk.mine.send_message("into the void")
    cable.cut()
    await talk.mine.wait_for("reconnecting")
    cable.mend()
    await talk.mine.wait_for("reconnected")
    return talk, sid


@differs(
    "sent again",
    "What the server has not acknowledged may be lost with its socket. `midcall.sdk` sends it again with the same sid, "
    "and the server takes it once; the browser SDK forgets it.",
)
async def sent_again(client: Kind, stage: Stage) -> None:
    talk, sid = await lost_on_the_way(client, stage)
    assert (await talk.mine.wait_for("messageSent")).arg["voiceEventSid"] == sid
    (hook,) = await stage.customer.asked("messages", CallSid=await sid_of(talk.mine))
    assert hook["Sid"] == sid


@row(LETTERS, "a message that was lost with the socket stays lost", python=sent_again)
async def test_a_message_that_is_lost(client: Kind, stage: Stage) -> None:
    talk, lost = await lost_on_the_way(client, stage)
    sid = await talk.mine.send_message("afterwards")
    assert (await talk.mine.wait_for("messageSent")).arg["voiceEventSid"] == sid != lost
    (hook,) = await stage.customer.asked("messages", CallSid=await sid_of(talk.mine))
    assert (hook["Sid"], hook["SequenceNumber"]) == (sid, "1")


# ------ where midcall.sdk differs on purpose

ELSE = "Where midcall.sdk differs on purpose"


@differs("`open`", "In a handler of `reconnected`, `status()` is what it is afterwards.")
async def open_when_told(client: Kind, stage: Stage) -> None:
    cable = await stage.cable()
    talk = await stage.placed(client, cable=cable)
    cable.cut()
    await talk.mine.wait_for("reconnecting")
    cable.mend()
    assert (await talk.mine.wait_for("reconnected")).status == "open"


@row(ELSE, "inside a handler of `reconnected`, `status()` is still `reconnecting`", python=open_when_told)
async def test_still_reconnecting_when_told(client: Kind, stage: Stage) -> None:
    cable = await stage.cable()
    talk = await stage.placed(client, cable=cable)
    cable.cut()
    await talk.mine.wait_for("reconnecting")
    cable.mend()
    assert (await talk.mine.wait_for("reconnected")).status == "reconnecting"


async def left_and_came_back(client: Kind, stage: Stage):
    """A device that has left, and then lost its socket and got another."""
    cable = await stage.cable()
    me = await stage.device(client, cable=cable, register=True)
    await me.unregister()
    cable.cut()
    await me.wait_for("error")
    cable.mend()
    await stage.reached(me)
    return me


@differs("stays unregistered", "After `unregister()` a device is unregistered until `register()` is called.")
async def stays_away(client: Kind, stage: Stage) -> None:
    me = await left_and_came_back(client, stage)
    assert (await me.facts()).state == "unregistered"
    assert names(await me.events()).count("registering") == 1


@row(ELSE, "`unregister()`, then a new socket: the device registers again", python=stays_away)
async def test_a_device_that_left_comes_back(client: Kind, stage: Stage) -> None:
    me = await left_and_came_back(client, stage)
    await me.wait_for("registered", count=2)


async def unheard(client: Kind, stage: Stage):
    """A call that got a message while nobody listened."""
    talk = await stage.placed(client)
    leg = await sid_of(talk.mine)
    await talk.mine.remove_all_listeners()
    sid = await stage.customer.send(leg, "anybody?")
    await stage.delivered(leg, sid)
    await talk.mine.listen()
    return talk


@differs("kept", "Messages that arrive while nobody listens, up to 1,000, wait for the first listener.")
async def kept_for_the_first_listener(client: Kind, stage: Stage) -> None:
    talk = await unheard(client, stage)
    assert (await talk.mine.wait_for("messageReceived")).arg["content"] == "anybody?"


@row(ELSE, "a message that arrives while nobody listens is lost", python=kept_for_the_first_listener)
async def test_a_message_that_nobody_hears(client: Kind, stage: Stage) -> None:
    talk = await unheard(client, stage)
    await stage.customer.send(await sid_of(talk.mine), "next")
    assert (await talk.mine.wait_for("messageReceived")).arg["content"] == "next"


async def lost_while_ringing(client: Kind, stage: Stage):
    """A call that is ringing, so has no reconnect token yet, loses its socket."""
    cable = await stage.cable()
    talk = await stage.placed(client, answer=False, cable=cable)
    cable.cut()
    await talk.me.wait_for("error")
    cable.mend()
    return talk


@differs("`error`, `disconnect`", "A call that cannot be resumed is told to have ended: `error` 31005, `disconnect`.")
async def a_ringing_call_ends(client: Kind, stage: Stage) -> None:
    talk = await lost_while_ringing(client, stage)
    await talk.mine.wait_for("disconnect")
    assert (await talk.mine.wait_for("error")).arg["code"] == 31005
    assert (await talk.me.facts()).is_busy is False


@row(
    ELSE, "a ringing call loses its socket: closed without a word, the device busy for ever", python=a_ringing_call_ends
)
async def test_a_ringing_call_is_a_zombie(client: Kind, stage: Stage) -> None:
    talk = await lost_while_ringing(client, stage)
    await stage.reached(talk.me)
    assert (await talk.mine.facts()).status == "closed"
    assert names(await talk.mine.events()) == ["ringing"]
    assert (await talk.me.facts()).is_busy is True
