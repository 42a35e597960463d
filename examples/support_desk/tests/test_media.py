"""A few of the stories once more in real time, with real sound: what virtual time cannot promise."""

from __future__ import annotations

import pytest
from midcall.testing import Person

from conftest import OpenADesk, OpenDesk

pytestmark = [pytest.mark.media, pytest.mark.switchboard(time="real", media="real")]


async def test_customer_and_agent_hear_each_others_tones(desk: OpenDesk, alice: Person, bob: Person) -> None:
    call = await alice.call("desk", {"order": "4711"})
    incoming = await bob.incoming()
    await incoming.expect_message({"type": "customer", "order": "4711"})
    await incoming.accept()
    await call.expect("accept")

    await alice.speak(tone_hz=440)
    await bob.hears(tone_hz=440)
    await bob.speak(tone_hz=660)
    await alice.hears(tone_hz=660)


async def test_the_next_agent_is_rung_and_heard(
    open_desk: OpenADesk, alice: Person, bob: Person, carol: Person
) -> None:
    await open_desk("bob, carol", ring_s=1)
    call = await alice.call("desk")
    await (await bob.incoming()).expect("cancel")
    await (await carol.incoming()).accept()
    await call.expect("accept")

    await carol.speak(tone_hz=880)
    await call.hears(tone_hz=880)


async def test_an_agent_who_loses_signalling_is_heard_meanwhile_and_told_afterwards(
    desk: OpenDesk, alice: Person, bob: Person
) -> None:
    call = await alice.call("desk")
    incoming = await bob.incoming()
    await incoming.accept()
    await call.expect_message({"type": "agent"})
    await bob.speak(tone_hz=660)
    await bob.cut_network()
    await bob.expect("reconnecting")
    await call.send_message({"page": "/checkout"})

    await alice.hears(tone_hz=660)
    await bob.restore_network()
    await incoming.expect_message({"page": "/checkout"})


async def test_digits_of_the_app_are_heard_by_the_agent(desk: OpenDesk, alice: Person, bob: Person) -> None:
    call = await alice.call("desk")
    await (await bob.incoming()).accept()
    await call.expect("accept")

    await alice.send_digits("17#")
    await bob.expect_digits("17#")
