"""Hours that pass in milliseconds: tokens that expire, silence, what is kept after calls."""

from __future__ import annotations

from midcall.sdk import Device
from midcall.testing import Person, Switchboard

from conftest import OpenDesk


async def test_an_app_that_renews_its_token_can_be_called_for_hours(desk: OpenDesk, switchboard: Switchboard) -> None:
    """Not a person of the kit but a client with the desk's own tokens, as the agents' app has them."""
    app = Device(await desk.token("bob"), url=switchboard.signal_url, media="none")
    renewals = []

    async def renew(device: Device) -> None:
        renewals.append(switchboard.clock.now())
        device.update_token(await desk.token("bob"))

    app.on("tokenWillExpire", renew)
    app.on("incoming", lambda call: call.accept())
    await app.register()
    await switchboard.clock.sleep("3h")
    assert len(renewals) == 3

    alice = await switchboard.person("alice")
    call = await alice.call("desk")
    await call.expect(status="open")
    await app.destroy()


async def test_a_call_outlives_the_token_of_the_agents_app_and_the_next_call_goes_to_somebody_else(
    desk: OpenDesk, alice: Person, carol: Person, switchboard: Switchboard
) -> None:
    app = Device(await desk.token("bob"), url=switchboard.signal_url, media="none")
    app.on("incoming", lambda call: call.accept())
    app.on("error", lambda *_: None)
    await app.register()
    call = await alice.call("desk")
    await call.expect(status="open")
    await switchboard.clock.sleep("90m")
    await call.hang_up()
    await switchboard.clock.sleep("1s")
    assert (await desk.last_call())["talked_s"] == 90 * 60

    await alice.call("desk")
    await carol.incoming()
    await app.destroy()


async def test_a_customer_who_says_nothing_is_not_heard(desk: OpenDesk, alice: Person, bob: Person) -> None:
    await alice.call("desk")
    await (await bob.incoming()).accept()
    await alice.says_nothing_for("5m")
    await bob.hears_nothing_for("5m")


async def test_nobody_hears_an_agent_who_is_muted(desk: OpenDesk, alice: Person, bob: Person) -> None:
    call = await alice.call("desk")
    await (await bob.incoming()).accept()
    await call.expect_message({"type": "agent"})
    await bob.mute()
    await bob.speak("what a day")
    await alice.hears_nothing_for("1m")

    await bob.mute(False)
    await bob.speak("how can I help?")
    await alice.hears("how can I help?")


async def test_digits_of_the_app_reach_the_agent(desk: OpenDesk, alice: Person, bob: Person) -> None:
    call = await alice.call("desk")
    await (await bob.incoming()).accept()
    await call.expect(status="open")
    await alice.send_digits("12w34#")
    await bob.expect_digits("1234#")


async def test_feedback_about_the_line_is_stored_with_the_call(
    desk: OpenDesk, alice: Person, bob: Person, switchboard: Switchboard
) -> None:
    call = await alice.call("desk")
    await (await bob.incoming()).accept()
    await call.expect(status="open")
    await call.hang_up()
    await call.feedback(2, "echo")

    kept = await switchboard.get(f"/Calls/{call.sid}/Feedback.json")
    assert (kept["quality_score"], kept["issues"]) == (2, ["echo"])


async def test_the_timeline_tells_who_did_what_and_when(
    desk: OpenDesk, alice: Person, bob: Person, switchboard: Switchboard
) -> None:
    call = await alice.call("desk")
    incoming = await bob.incoming()
    await switchboard.clock.sleep("7s")
    await incoming.accept()
    await call.expect(status="open")
    await alice.speak("my parcel is lost")
    await bob.hears("my parcel is lost")

    story = await switchboard.timeline(call)
    told = [line for line in story.splitlines() if "alice" in line or "bob" in line]
    assert any("+    0.000 s  alice" in line and "calls" in line for line in told)
    assert any("+    7.000 s  bob" in line and "accept" in line for line in told)
    assert any("heard" in line and "my parcel is lost" in line for line in told)
