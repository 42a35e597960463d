"""Hours that pass in milliseconds: tokens that expire, silence, what is kept after calls."""

from __future__ import annotations

import json

from midcall.sdk import Device
from midcall.testing import Person, Switchboard

from conftest import OpenDesk


async def test_an_app_that_renews_its_token_can_be_called_all_day(desk: OpenDesk, switchboard: Switchboard) -> None:
    """Not a person of the kit but a client with the desk's own tokens, as the agents' app has them."""
    app = Device(await desk.token("bob"), url=switchboard.signal_url, media="none")
    renewals = []

    async def renew(device: Device) -> None:
        renewals.append(switchboard.clock.now())
        device.update_token(await desk.token("bob"))

    app.on("tokenWillExpire", renew)
    app.on("incoming", lambda call: call.accept())
    await app.register()
    await switchboard.clock.sleep("8h")
    assert len(renewals) == 8

    alice = await switchboard.person("alice")
    call = await alice.call("desk")
    await call.expect(status="open")
    await app.destroy()


async def test_an_app_that_does_not_renew_its_token_is_not_rung_any_more(
    desk: OpenDesk, switchboard: Switchboard
) -> None:
    app = Device(await desk.token("bob"), url=switchboard.signal_url, media="none")
    rung = []
    app.on("incoming", rung.append)
    app.on("error", lambda *_: None)
    await app.register()
    await switchboard.clock.sleep("2h")

    alice, carol = await switchboard.person("alice"), await switchboard.person("carol")
    await alice.call("desk")
    await carol.incoming()
    assert rung == []
    await app.destroy()


async def test_a_call_may_last_longer_than_a_token(
    desk: OpenDesk, alice: Person, bob: Person, switchboard: Switchboard
) -> None:
    call = await alice.call("desk")
    incoming = await bob.incoming()
    await incoming.accept()
    await call.expect(status="open")
    await switchboard.clock.sleep("3h")
    await incoming.hang_up()
    await call.expect_end(timeout="1m")
    await switchboard.clock.sleep("1s")

    assert (await desk.last_call())["talked_s"] == 3 * 3600


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

    url = f"https://api.twilio.com/2010-04-01/Accounts/{switchboard.account_sid}/Calls/{call.sid}/Feedback.json"
    kept = json.loads((await switchboard.rest.request_async("GET", url)).text)
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
