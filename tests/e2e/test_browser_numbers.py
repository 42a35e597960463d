"""Calls between browsers by way of phone numbers: the official helper makes them, TwiML dials them, audio crosses."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from customers import Customer
from pairs import AUDIBLE, name
from twilio.base.exceptions import TwilioRestException

VERIFIED = "TN-Validation-Passed-A"


@asynccontextmanager
async def owned(customer: Customer, **settings: str) -> AsyncIterator[str]:
    """A number of the account, as long as it is needed. `stir_status` is no parameter of the official helper."""
    stir = settings.pop("stir_status", None)
    made = await customer.rest(lambda client: client.incoming_phone_numbers.create(area_code="415", **settings))
    if stir is not None:
        account, http = customer.credentials.account_sid, customer.credentials.http_url
        url = f"{http}/2010-04-01/Accounts/{account}/IncomingPhoneNumbers/{made.sid}.json"
        answer = await customer.rest(lambda client: client.request("POST", url, data={"StirStatus": stir}))
        assert json.loads(answer.text)["stir_status"] == stir
    yield made.phone_number
    assert await customer.rest(lambda client: client.incoming_phone_numbers(made.sid).delete())


@pytest.mark.parametrize(
    ("stir_status", "caller_info"),
    [(VERIFIED, {"isVerified": True}), ("TN-Validation-Passed-B", {"isVerified": False}), (None, None)],
)
async def test_a_browser_behind_a_number_hears_its_caller_and_whether_it_is_verified(
    customer: Customer, open_phone, stir_status: str | None, caller_info: dict[str, bool] | None
) -> None:
    alice, bob = await open_phone(name("alice")), await open_phone(name("bob"))
    for phone in (alice, bob):
        await phone.start(customer.token(phone.name), customer.credentials.signaling_host)
    await bob.register()
    customer.pages["office"] = f'<Response><Dial answerOnBridge="true"><Client>{bob.name}</Client></Dial></Response>'
    settings = {} if stir_status is None else {"stir_status": stir_status}
    office = owned(customer, voice_url=f"{customer.url}/office", status_callback=f"{customer.url}/office-over")
    async with owned(customer, **settings) as caller, office as number:
        customer.twiml[f"client:{alice.name}"] = (
            f'<Response><Dial answerOnBridge="true" callerId="{caller}" action="/after">'
            f"<Number>{number}</Number></Dial></Response>"
        )
        placed = await alice.connect()
        answered = await bob.incoming()
        await placed.wait_for("ringing")
        await answered.accept()
        await placed.wait_for("accept")
        heard = await asyncio.gather(placed.hear(1.5), answered.hear(1.5))
        assert all(each.packets > 40 and each.energy > AUDIBLE for each in heard), heard

        shown = await answered.properties()
        assert (shown["parameters"]["From"], shown["callerInfo"]) == (caller, caller_info)
        mine = await placed.properties()
        assert mine["callerInfo"] is None
        assert "StirStatus" not in mine["parameters"]

        asked = (await customer.asked("office", To=number))[-1]
        assert (asked["From"], asked["Direction"], asked.fields.get("StirVerstat")) == (caller, "inbound", stir_status)
        with pytest.raises(TwilioRestException) as refused:
            await customer.send(asked["CallSid"], {"to": "a leg without a client"})
        assert (refused.value.status, refused.value.code) == (400, 21220)

        await answered.disconnect()
        await placed.wait_for("disconnect")
        (after,) = await customer.asked("after", CallSid=mine["parameters"]["CallSid"])
        assert (after["DialCallStatus"], after["DialBridged"]) == ("completed", "true")
        (over,) = await customer.asked("office-over", CallSid=asked["CallSid"])
        assert over["CallStatus"] == "completed"


async def test_the_official_helper_keeps_numbers_and_calls_them(customer: Customer, open_phone) -> None:
    bob = await open_phone(name("bob"))
    await bob.start(customer.token(bob.name), customer.credentials.signaling_host)
    await bob.register()
    customer.pages["front-desk"] = f"<Response><Dial><Client>{bob.name}</Client></Dial></Response>"
    async with owned(customer, voice_url=f"{customer.url}/front-desk", friendly_name="Front desk") as number:
        (listed,) = await customer.rest(lambda client: client.incoming_phone_numbers.list(phone_number=number))
        assert (listed.friendly_name, listed.capabilities["voice"], listed.trunk_sid) == ("Front desk", True, None)
        changed = await customer.rest(
            lambda client: client.incoming_phone_numbers(listed.sid).update(friendly_name="x")
        )
        assert changed.friendly_name == "x"
        with pytest.raises(TwilioRestException) as refused:
            await customer.rest(lambda client: client.incoming_phone_numbers.create(phone_number=number))
        assert (refused.value.status, refused.value.code) == (400, 21422)

        pause = "<Response><Pause length='60'/></Response>"
        call = await customer.rest(
            lambda client: client.calls.create(to=number, from_="+14155559999", twiml=pause, time_limit=60)
        )
        answered = await bob.incoming()
        await answered.accept()
        await bob.frame("answer")  # the call is in progress before bob has answered, too
        assert await customer.status_becomes(call.sid, "in-progress")
        legs = await customer.rest(lambda client: client.calls.list(to=number, limit=10))
        (office,) = (leg for leg in legs if leg.direction == "inbound")
        await customer.rest(lambda client: client.calls(call.sid).update(status="completed"))
        await answered.wait_for("disconnect")
        assert await customer.status_becomes(office.sid, "completed")
