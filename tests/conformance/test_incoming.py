"""Calls that the client gets: accept, reject, ignore, and everything that ends them early; several at a time."""

from __future__ import annotations

from conformance.common import until_quiet
from conformance.driver import Kind, names
from conformance.rows import row
from conformance.stage import Stage, sid_of

CALLED = "Being called"


@row(CALLED, "`incoming` brings a pending call; `accept` opens it; the other side's `disconnect` closes it; states fit")
async def test_an_incoming_call_goes_through_its_states(client: Kind, stage: Stage) -> None:
    talk = await stage.called(client, answer=False)
    first = await talk.mine.facts()
    assert (first.status, first.direction, first.muted) == ("pending", "INCOMING", False)
    assert first.connection_id.startswith("TJS")
    await talk.mine.accept()
    assert (await talk.mine.wait_for("accept")).arg == {"call": 0}
    assert (await talk.mine.facts()).status == "open"
    await talk.theirs.wait_for("accept")
    await talk.theirs.disconnect()
    assert (await talk.mine.wait_for("disconnect")).arg == {"call": 0}
    assert (await talk.mine.facts()).status == "closed"
    assert names(await talk.mine.events()) == ["accept", "disconnect"]
    assert names(await talk.me.events()) == ["registering", "registered", "incoming"]


@row(CALLED, "`disconnect` ends an open call on both sides")
async def test_hanging_up_an_accepted_call(client: Kind, stage: Stage) -> None:
    talk = await stage.called(client)
    await talk.mine.disconnect()
    await talk.mine.wait_for("disconnect")
    await talk.theirs.wait_for("disconnect")


@row(CALLED, "`reject` emits `reject` and ends the caller's call, which is busy")
async def test_rejecting(client: Kind, stage: Stage) -> None:
    talk = await stage.called(client, answer=False)
    await talk.mine.reject()
    assert (await talk.mine.wait_for("reject")).args == ()
    await talk.theirs.wait_for("disconnect")
    assert (await talk.mine.facts()).status == "closed"
    assert names(await talk.mine.events()) == ["reject"]
    assert await stage.customer.status_becomes(await sid_of(talk.mine), "busy")


@row(CALLED, "`ignore` closes the call without an event while the caller's rings on; then `cancel`")
async def test_ignoring(client: Kind, stage: Stage) -> None:
    talk = await stage.called(client, answer=False)
    await talk.mine.ignore()
    assert (await talk.mine.facts()).status == "closed"
    await talk.theirs.send_message("still there?")
    await talk.theirs.wait_for("messageSent")
    assert (await talk.theirs.facts()).status == "ringing"
    assert names(await talk.mine.events()) == []
    await talk.theirs.disconnect()
    assert (await talk.mine.wait_for("cancel")).args == ()
    assert names(await talk.mine.events()) == ["cancel"]


@row(CALLED, "the caller gives up: `cancel`, and `accept` comes too late to do anything")
async def test_a_caller_who_gives_up(client: Kind, stage: Stage) -> None:
    talk = await stage.called(client, answer=False)
    await talk.theirs.disconnect()
    await talk.mine.wait_for("cancel")
    await talk.mine.accept()
    assert (await talk.mine.facts()).status == "closed"
    assert names(await talk.mine.events()) == ["cancel"]
    assert (await talk.me.facts()).is_busy is False


@row(CALLED, "nobody answers in the time of `<Dial timeout>`: `cancel`")
async def test_ringing_until_the_time_is_up(client: Kind, stage: Stage) -> None:
    me, them = await stage.device(client, register=True), await stage.person()
    twiml = stage.customer.dial(me.name, attributes='answerOnBridge="true" timeout="1"')
    stage.customer.twiml[f"client:{them.name}"] = twiml
    await them.connect()
    mine = await me.incoming()
    await mine.wait_for("cancel")
    assert (await mine.facts()).status == "closed"


@row(CALLED, "another device of the identity answers: `cancel`")
async def test_a_call_that_is_answered_elsewhere(client: Kind, stage: Stage) -> None:
    talk = await stage.called(client, answer=False)
    other = await stage.person("other", token=stage.customer.token(talk.me.name))
    theirs = await other.incoming()
    await theirs.accept()
    await talk.mine.wait_for("cancel")
    await talk.theirs.wait_for("accept")
    assert names(await talk.mine.events()) == ["cancel"]


@row(CALLED, "another device of the identity rejects: `cancel`")
async def test_a_call_that_is_rejected_elsewhere(client: Kind, stage: Stage) -> None:
    talk = await stage.called(client, answer=False)
    other = await stage.person("other", token=stage.customer.token(talk.me.name))
    theirs = await other.incoming()
    await theirs.reject()
    await talk.mine.wait_for("cancel")
    await talk.theirs.wait_for("disconnect")


@row(CALLED, "a device that registers while the identity is rung is rung as well")
async def test_registering_late(client: Kind, stage: Stage) -> None:
    talk = await stage.called(Kind.NONE, answer=False)
    late = await stage.device(client, token=stage.customer.token(talk.me.name), register=True)
    mine = await late.incoming()
    assert await sid_of(mine) == await sid_of(talk.mine)
    await mine.accept()
    await talk.theirs.wait_for("accept")
    await talk.mine.wait_for("cancel")


@row(CALLED, "`disconnect` does nothing while the call is pending")
async def test_hanging_up_a_pending_call(client: Kind, stage: Stage) -> None:
    talk = await stage.called(client, answer=False)
    await talk.mine.disconnect()
    assert (await talk.mine.facts()).status == "pending"
    await talk.mine.accept()
    await talk.mine.wait_for("accept")
    await talk.theirs.wait_for("accept")
    assert names(await talk.mine.events()) == ["accept"]


@row(CALLED, "`accept`, `reject` and `ignore` do nothing on a call that is open or closed")
async def test_deciding_twice(client: Kind, stage: Stage) -> None:
    talk = await stage.called(client)
    for _ in range(2):
        before = (await talk.mine.facts()).status
        await talk.mine.accept()
        await talk.mine.reject()
        await talk.mine.ignore()
        assert (await talk.mine.facts()).status == before
        await talk.theirs.disconnect()
        await talk.mine.wait_for("disconnect")
    assert names(await talk.mine.events()) == ["accept", "disconnect"]


@row(CALLED, "a call that REST creates rings, opens, and ends by REST")
async def test_a_call_from_rest(client: Kind, stage: Stage) -> None:
    me = await stage.device(client, register=True)
    twiml = '<Response><Pause length="60"/></Response>'
    made = await stage.customer.rest(
        lambda rest: rest.calls.create(to=f"client:{me.name}", from_="+15005550006", twiml=twiml)
    )
    mine = await me.incoming()
    assert await sid_of(mine) == made.sid
    await mine.accept()
    await mine.wait_for("accept")
    await stage.customer.rest(lambda rest: rest.calls(made.sid).update(status="completed"))
    await mine.wait_for("disconnect")


@row(CALLED, "`device.calls` has the pending calls; `isBusy` is true from `accept` to the end")
async def test_the_books_of_a_device(client: Kind, stage: Stage) -> None:
    talk = await stage.called(client, answer=False)
    pending = await talk.me.facts()
    assert (pending.calls, pending.is_busy) == ((0,), False)
    await talk.mine.accept()
    await talk.mine.wait_for("accept")
    during = await talk.me.facts()
    assert (during.calls, during.is_busy) == ((), True)
    await talk.theirs.wait_for("accept")
    await talk.theirs.disconnect()
    await talk.mine.wait_for("disconnect")
    after = await talk.me.facts()
    assert (after.calls, after.is_busy) == ((), False)


# ------ several

SEVERAL = "Several calls"


async def third(stage: Stage, callee: str):
    """Somebody else calls, and it rings."""
    carol = await stage.device(Kind.NONE, "carol")
    placed = await carol.connect(params={"To": callee})
    await placed.wait_for("ringing")
    return placed


@row(SEVERAL, "a call to a busy device does not come up there, and rings on for its caller")
async def test_busy(client: Kind, stage: Stage) -> None:
    talk = await stage.called(client)
    placed = await third(stage, talk.me.name)
    await stage.customer.send(await sid_of(talk.mine), "after the invite")
    await talk.mine.wait_for("messageReceived")
    assert names(await talk.me.events()).count("incoming") == 1
    assert (await placed.facts()).status == "ringing"
    assert (await talk.mine.facts()).status == "open"


@row(SEVERAL, "with `allowIncomingWhileBusy` it comes up; `accept` disconnects the call that is open")
async def test_changing_over(client: Kind, stage: Stage) -> None:
    talk = await stage.called(client, allow_incoming_while_busy=True)
    placed = await third(stage, talk.me.name)
    second = await talk.me.incoming(count=2)
    assert (await talk.mine.facts()).status == "open"
    assert (await talk.me.facts()).calls == (1,)
    await second.accept()
    await second.wait_for("accept")
    await placed.wait_for("accept")
    await talk.mine.wait_for("disconnect")
    await talk.theirs.wait_for("disconnect")
    assert (await second.facts()).status == "open"
    assert (await talk.me.facts()).is_busy is True


@row(SEVERAL, "with `allowIncomingWhileBusy`, `reject` of the second leaves the first open")
async def test_rejecting_the_second(client: Kind, stage: Stage) -> None:
    talk = await stage.called(client, allow_incoming_while_busy=True)
    placed = await third(stage, talk.me.name)
    second = await talk.me.incoming(count=2)
    await second.reject()
    await placed.wait_for("disconnect")
    assert (await talk.mine.facts()).status == "open"


@row(SEVERAL, "two calls may be pending at a time; one is accepted while the other stays pending")
async def test_two_pending_calls(client: Kind, stage: Stage) -> None:
    talk = await stage.called(client, answer=False)
    placed = await third(stage, talk.me.name)
    second = await talk.me.incoming(count=2)
    assert (await talk.me.facts()).calls == (0, 1)
    await second.accept()
    await placed.wait_for("accept")
    assert (await talk.mine.facts()).status == "pending"
    assert (await talk.me.facts()).calls == (0,)


@row(SEVERAL, "a call that comes while one is being placed keeps its own sid, and can be accepted")
async def test_a_call_comes_while_one_is_placed(client: Kind, stage: Stage) -> None:
    me = await stage.device(client, register=True, allow_incoming_while_busy=True)
    stage.customer.twiml[f"client:{me.name}"] = '<Response><Pause length="60"/></Response>'
    async with stage.thinking_about(me):
        own = await me.connect()
        await stage.customer.asked("voice", From=f"client:{me.name}")
        placed = await third(stage, me.name)
    await own.wait_for("ringing")
    incoming = await me.incoming()
    assert await sid_of(incoming) != await sid_of(own)
    await incoming.accept()
    await placed.wait_for("accept")
    await own.wait_for("disconnect")


@row(SEVERAL, "`disconnectAll` ends the call that is open; pending ones ring on, out of `device.calls`")
async def test_disconnecting_all(client: Kind, stage: Stage) -> None:
    talk = await stage.called(client, allow_incoming_while_busy=True)
    placed = await third(stage, talk.me.name)
    second = await talk.me.incoming(count=2)
    await talk.me.disconnect_all()
    await talk.mine.wait_for("disconnect")
    await talk.theirs.wait_for("disconnect")
    assert (await second.facts()).status == "pending"
    assert (await placed.facts()).status == "ringing"
    assert (await talk.me.facts()).calls == ()
    await second.accept()
    await placed.wait_for("accept")


# ------ mute

MUTE = "Mute"


@row(MUTE, "`mute` tells on and off, with the call, and only when it changes")
async def test_mute(client: Kind, stage: Stage) -> None:
    talk = await stage.placed(client)
    for on in ((), (True,), (False,), (False,), (True,)):
        await talk.mine.mute(*on)
        assert (await talk.mine.facts()).muted is (on != (False,))
    told = [event for event in await talk.mine.events() if event.name == "mute"]
    assert [event.args for event in told] == [(True, {"call": 0}), (False, {"call": 0}), (True, {"call": 0})]


@row(MUTE, "a call can be muted before it is accepted, and says nothing then")
async def test_mute_before_accept(client: Kind, stage: Stage) -> None:
    talk = await stage.called(client, answer=False, sound=client.has_media)
    await talk.mine.mute()
    assert (await talk.mine.wait_for("mute")).args == (True, {"call": 0})
    assert (await talk.mine.facts()).muted is True
    await talk.mine.accept()
    await talk.theirs.wait_for("accept")
    assert (await talk.mine.facts()).muted is True
    if client.has_media:
        await until_quiet(talk.theirs)
