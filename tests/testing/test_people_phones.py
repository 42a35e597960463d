"""People with phone numbers: what an app sees of them is what a phone network would show."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from support.control import Kit

DAN, OFFICE = "+14155550123", "+14155550100"

Answer = Callable[[str, str], None]


async def calls(kit: Kit) -> list[tuple[str, str, str, str]]:
    page = await kit.rest("GET", "/Calls.json")
    rows = [(row["direction"], row["from"], row["to"], row["status"]) for row in page["calls"]]
    return sorted(rows)


@pytest.fixture
async def dan(kit: Kit) -> Kit:
    """A kit with a phone, and alice, whose app dials it."""
    person = await kit.person("dan", number=DAN)
    assert (person["identity"], person["number"], person["status"]) == (None, DAN, "registered")
    await kit.person("alice")
    return kit


async def test_a_dialled_number_rings_the_persons_phone_and_nothing_else_is_listed(dan: Kit) -> None:
    placed = await dan.call("alice", DAN)
    came = await dan.incoming("dan")
    ringing = await dan.ask("GET", came)
    assert (ringing["from"], ringing["to"]) == ("client:alice", DAN)
    await dan.post(f"{came}/accept")
    await dan.post(f"{placed}/expect", {"status": "open"})
    await dan.post(f"{placed}/speak", {"label": "hello"})
    await dan.post(f"{came}/expect_sound", {"label": "hello"})
    await dan.post(f"{came}/hang_up")
    await dan.post(f"{placed}/expect_end")
    assert await calls(dan) == [
        ("inbound", "client:alice", "", "completed"),
        ("outbound-dial", "client:alice", DAN, "completed"),
    ]


@pytest.mark.parametrize("action, status", [("reject", "busy"), ("ignore", "no-answer")])
async def test_the_caller_sees_what_the_phone_does(dan: Kit, action: str, status: str) -> None:
    placed = await dan.call("alice", DAN, params={"ring_s": "1"})
    await dan.post(f"{await dan.incoming('dan')}/{action}")
    await dan.post(f"{placed}/expect_end")
    assert ("outbound-dial", "client:alice", DAN, status) in await calls(dan)


async def test_rest_calls_the_phone_and_sends_it_digits(dan: Kit) -> None:
    twiml = "<Response><Pause length='60'/></Response>"
    await dan.rest("POST", "/Calls.json", {"To": DAN, "From": OFFICE, "Twiml": twiml, "SendDigits": "12"})
    came = await dan.incoming("dan")
    await dan.post(f"{came}/accept")
    await dan.post(f"{came}/expect_digits", {"digits": "12"})
    assert await calls(dan) == [("outbound-api", OFFICE, DAN, "in-progress")]


async def test_a_phone_calls_a_number_of_the_app(dan: Kit) -> None:
    twiml = "<Response><Dial><Client>alice</Client></Dial></Response>"
    office = await dan.post("/endpoints", {"name": "office", "twiml": twiml}, status=201)
    number = await dan.rest("POST", "/IncomingPhoneNumbers.json", {"PhoneNumber": OFFICE, "VoiceUrl": office["url"]})
    placed = await dan.call("dan", OFFICE)
    came = await dan.incoming("alice")
    assert (await dan.ask("GET", came))["from"] == DAN
    await dan.post(f"{came}/accept")
    await dan.post(f"{placed}/send_digits", {"digits": "7"})
    await dan.post(f"{came}/expect_digits", {"digits": "7"})
    asked = await dan.post("/endpoints/office/expect", {"fields": {"From": DAN, "To": OFFICE, "Direction": "inbound"}})
    assert asked["signature_valid"]
    (row,) = [row for row in (await dan.rest("GET", "/Calls.json"))["calls"] if row["direction"] == "inbound"]
    assert (row["from"], row["to"], row["phone_number_sid"]) == (DAN, OFFICE, number["sid"])
    assert len(await calls(dan)) == 2  # the phone's and alice's


async def test_a_phone_reaches_no_other_numbers(dan: Kit) -> None:
    placed = await dan.call("dan", "+14155550199")
    ended = await dan.post(f"{placed}/expect_end")
    assert ended["error"]["code"] == 31480
    assert await calls(dan) == []


async def test_a_phone_is_no_client_of_the_voice_sdk(dan: Kit) -> None:
    await dan.post("/people/dan/calls", {"to": OFFICE, "params": {"x": "y"}}, status=400)
    placed = await dan.call("alice", DAN)
    came = await dan.incoming("dan")
    await dan.post(f"{came}/accept")
    await dan.post(f"{came}/send_message", {"content": "hello"}, status=400)
    sid = (await dan.ask("GET", came))["sid"]
    url = f"{dan.running.info.http_url}/2010-04-01/Accounts/{dan.running.credentials.account_sid}/Calls/{sid}"
    async with dan.session.post(
        f"{url}/UserDefinedMessages.json", data={"Content": "{}"}, headers=dan.headers
    ) as response:
        assert (response.status, (await response.json())["code"]) == (400, 21220)
    await dan.post(f"{placed}/hang_up")


async def test_a_number_is_plugged_in_once_and_not_while_the_app_has_it(dan: Kit, voice_url: str) -> None:
    await dan.post("/people", {"name": "eve", "number": DAN}, status=409)
    await dan.rest("POST", "/IncomingPhoneNumbers.json", {"PhoneNumber": OFFICE, "VoiceUrl": voice_url})
    await dan.post("/people", {"name": "eve", "number": OFFICE}, status=409)
    await dan.post("/people", {"name": "eve", "number": "555"}, status=400)
    await dan.post("/people", {"name": "eve", "number": "+14155550124", "identity": "eve"}, status=400)
    await dan.ask("DELETE", "/people/dan", status=204)
    await dan.person("eve", number=DAN)
