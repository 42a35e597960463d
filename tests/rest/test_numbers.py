"""Phone numbers of accounts: the life of one, areas, filters, what is refused, and tenants."""

from __future__ import annotations

from typing import Any

import pytest

from midcall.core import numbers
from support.rest import ACCOUNT, OTHER, A, Edge

NUMBERS = "/IncomingPhoneNumbers.json"
VOICE = "https://a.example/voice"


async def made(edge: Edge, **form: str) -> dict[str, Any]:
    answer = await edge.ask("POST", NUMBERS, form)
    assert answer.status == 201, answer.body
    body: dict[str, Any] = answer.body
    return body


def path_of(number: dict[str, Any]) -> str:
    return f"/IncomingPhoneNumbers/{number['sid']}.json"


async def test_a_number_lives(edge: Edge) -> None:
    number = await made(edge, PhoneNumber="+14158675308", VoiceUrl=VOICE, StirStatus=numbers.VERIFIED)
    assert number["sid"].startswith("PN")
    assert (number["phone_number"], number["friendly_name"]) == ("+14158675308", "(415) 867-5308")
    assert (number["voice_url"], number["voice_method"], number["stir_status"]) == (VOICE, "POST", numbers.VERIFIED)
    assert number["uri"] == f"{A}{path_of(number)}"
    assert (await edge.ask("GET", path_of(number))).body == number
    edge.clock.advance(60)
    changed = (await edge.ask("POST", path_of(number), {"VoiceUrl": "", "VoiceMethod": "get", "StirStatus": ""})).body
    assert (changed["voice_url"], changed["voice_method"], changed["stir_status"]) == (None, "GET", None)
    assert (changed["phone_number"], changed["date_created"]) == (number["phone_number"], number["date_created"])
    assert changed["date_updated"] != number["date_updated"]
    assert (await edge.ask("DELETE", path_of(number))).status == 204
    for method in ("GET", "POST", "DELETE"):
        form = {} if method == "POST" else None
        assert (await edge.ask(method, path_of(number), form)).refused == (404, 20404)


async def test_a_number_with_nothing_set_says_null_and_defaults(edge: Edge) -> None:
    number = await made(edge, PhoneNumber="+442079460000", FriendlyName="London")
    assert number["friendly_name"] == "London"
    empty = [name for name, value in number.items() if value is None]
    assert empty == [
        "address_sid",
        "identity_sid",
        "sms_application_sid",
        "sms_fallback_url",
        "sms_url",
        "status_callback",
        "trunk_sid",
        "voice_application_sid",
        "voice_fallback_url",
        "voice_url",
        "emergency_address_sid",
        "bundle_sid",
        "stir_status",
    ]
    assert number["capabilities"] == {"fax": False, "mms": False, "sms": False, "voice": True}
    assert (number["beta"], number["status"], number["type"]) == (False, "in-use", "local")
    assert (await made(edge, PhoneNumber="+18005550100"))["type"] == "toll-free"


async def test_an_area_gives_numbers_that_nobody_has_until_there_are_none_left(edge: Edge) -> None:
    given = {(await made(edge, AreaCode="415"))["phone_number"] for _ in numbers.FICTIONAL}
    assert given == {f"+14155550{subscriber}" for subscriber in numbers.FICTIONAL}
    assert (await edge.ask("POST", NUMBERS, {"AreaCode": "415"})).refused == (400, 21452)
    assert (await made(edge, AreaCode="415", PhoneNumber="+14155550000"))["phone_number"] == "+14155550000"


async def test_numbers_are_listed_by_name_and_by_a_part_of_the_number(edge: Edge) -> None:
    for digits, name in (("+14155550100", "a"), ("+14155550101", "b"), ("+442079460000", "a")):
        await made(edge, PhoneNumber=digits, FriendlyName=name)

    async def listed(query: str) -> list[str]:
        page = (await edge.ask("GET", f"{NUMBERS}?{query}")).body
        return [number["phone_number"] for number in page["incoming_phone_numbers"]]

    assert await listed("FriendlyName=a") == ["+442079460000", "+14155550100"]
    assert await listed("PhoneNumber=%2B1415555010*") == ["+14155550101", "+14155550100"]
    assert await listed("PhoneNumber=2079") == ["+442079460000"]
    assert len(await listed("Beta=true&Origin=twilio")) == 3
    assert await listed("Origin=hosted") == []
    first = (await edge.ask("GET", f"{NUMBERS}?PageSize=2&PhoneNumber=%2B")).body
    rest = (await edge.ask("GET", first["next_page_uri"])).body
    assert [number["phone_number"] for number in rest["incoming_phone_numbers"]] == ["+14155550100"]
    assert (rest["next_page_uri"], rest["page"]) == (None, 1)


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({}, 21421),
        ({"PhoneNumber": "14155550100"}, 21421),
        ({"PhoneNumber": "+0155550100"}, 21421),
        ({"PhoneNumber": "+1415555010012345"}, 21421),
        ({"PhoneNumber": "+1415555010x"}, 21421),
        ({"AreaCode": "115"}, 21451),
        ({"AreaCode": "4155"}, 21451),
        ({"PhoneNumber": "+14155550100", "VoiceUrl": "x"}, 21205),
        ({"PhoneNumber": "+14155550100", "VoiceMethod": "PUT"}, 21209),
        ({"PhoneNumber": "+14155550100", "FriendlyName": "n" * 65}, 20002),
        ({"PhoneNumber": "+14155550100", "StirStatus": "A"}, 20001),
        ({"PhoneNumber": "+14155550100", "VoiceApplicationSid": "AP"}, 21218),
        ({"PhoneNumber": "+14155550100", "VoiceApplicationSid": f"AP{'9' * 32}"}, 21218),
    ],
)
async def test_an_unusable_number_says_why_and_is_not_made(edge: Edge, form: dict[str, str], code: int) -> None:
    assert (await edge.ask("POST", NUMBERS, form)).refused == (400, code)
    assert (await edge.ask("GET", NUMBERS)).body["incoming_phone_numbers"] == []


async def test_a_number_is_made_once_in_an_account(edge: Edge) -> None:
    await made(edge, PhoneNumber="+14155550100")
    assert (await edge.ask("POST", NUMBERS, {"PhoneNumber": "+14155550100"})).refused == (400, 21422)


async def test_a_number_names_an_application_of_its_account_and_may_let_go_of_it(edge: Edge) -> None:
    application = (await edge.ask("POST", "/Applications.json", {"VoiceUrl": VOICE})).body["sid"]
    number = await made(edge, PhoneNumber="+14155550100", VoiceApplicationSid=application)
    assert number["voice_application_sid"] == application
    unknown = {"VoiceApplicationSid": f"AP{'9' * 32}"}
    assert (await edge.ask("POST", path_of(number), unknown)).refused == (400, 21218)
    changed = (await edge.ask("POST", path_of(number), {"VoiceApplicationSid": ""})).body
    assert changed["voice_application_sid"] is None


async def test_a_number_stays_with_its_account(edge: Edge) -> None:
    number = await made(edge, PhoneNumber="+14155550100")
    assert (await edge.ask("POST", path_of(number), {"AccountSid": OTHER})).refused == (400, 20001)
    assert (await edge.ask("POST", path_of(number), {"AccountSid": ACCOUNT})).status == 200
