"""Recorders of HTTP requests: what they keep, what they answer, and how they misbehave."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest
import uvloop

from midcall.app.process import serving
from midcall.settings import load
from midcall.testing.control import extension
from support.control import Kit

TWIML = "<Response><Pause length='60'/></Response>"


async def subscribed(kit: Kit, **endpoint: Any) -> tuple[str, str, Any]:
    """A call whose messages go to an endpoint: the call's path, its sid, the endpoint."""
    for name in ("alice", "bob"):
        await kit.person(name)
    placed, _ = await kit.talk("alice", "bob")
    sid = (await kit.ask("GET", placed))["sid"]
    made = await kit.post("/endpoints", {"name": "messages", **endpoint}, status=201)
    await kit.rest("POST", f"/Calls/{sid}/UserDefinedMessageSubscriptions.json", {"Callback": made["url"] + "/in"})
    return placed, sid, made


async def test_a_message_arrives_signed_with_its_fields(kit: Kit) -> None:
    placed, sid, _ = await subscribed(kit)
    sent = await kit.post(f"{placed}/send_message", {"content": {"n": 1}})
    got = await kit.post("/endpoints/messages/expect", {"fields": {"CallSid": sid}, "path": "/in", "method": "POST"})
    assert got["signature_valid"]
    assert (got["fields"]["Sid"], got["fields"]["Content"], got["behaviour"]) == (sent["sid"], '{"n":1}', "ok")
    listed = await kit.ask("GET", "/endpoints/messages/requests")
    assert [request["fields"]["Sid"] for request in listed["requests"]] == [sent["sid"]]
    refused = await kit.post("/endpoints/messages/expect", {"timeout": "10ms"}, status=422)
    assert refused["seen"] == []  # each request is given once


async def test_a_request_without_the_right_signature_is_told(kit: Kit) -> None:
    made = await kit.post("/endpoints", {"body": {"hello": 1}, "status": 202}, status=201)
    async with kit.session.post(made["url"], data={"a": "b"}, headers={"X-Twilio-Signature": "nonsense"}) as response:
        assert (response.status, await response.json()) == (202, {"hello": 1})
    got = await kit.post(f"/endpoints/{made['name']}/expect", {"fields": {"a": "b"}})
    assert (got["signature_valid"], got["path"]) == (False, "/")


@pytest.mark.parametrize(
    "behaviour", ["closes_before_body", "refuses", "does_not_read", {"failing": 503, "times": 1}, {"late": "2s"}]
)
async def test_a_sender_meets_what_was_asked_for_and_then_a_good_answer(kit: Kit, behaviour: Any) -> None:
    told = behaviour if isinstance(behaviour, dict) else {behaviour: True}
    made = await kit.post("/endpoints", {"body": "fine", "behaviour": {**told, "times": 1}}, status=201)
    timeout = aiohttp.ClientTimeout(total=1)

    async def sent() -> Any:
        try:
            async with kit.session.post(made["url"], data={"a": "b"}, timeout=timeout) as response:
                return response.status, await response.text()
        except (aiohttp.ClientError, TimeoutError) as error:
            return type(error)

    met = await sent()
    expected = {
        "closes_before_body": (aiohttp.ClientPayloadError,),
        "refuses": (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError),
        "does_not_read": ((200, ""),),
        "failing": ((503, ""),),
        "late": (TimeoutError, aiohttp.ServerTimeoutError),
    }[next(iter(told))]
    assert met in expected
    assert await sent() == (200, "fine")
    first, second = (await kit.ask("GET", f"/endpoints/{made['name']}/requests"))["requests"]
    assert (first["behaviour"], second["behaviour"]) == (next(iter(told)), "ok")
    unread = first["behaviour"] in ("refuses", "does_not_read")
    assert first["body"] == (None if unread else "a=b")


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_senders_meet_the_same_on_the_loop_that_the_program_uses(scheme: str) -> None:
    async def met() -> list[Any]:
        settings = load({"port": 0, "http_port": 0, "data_dir": ":memory:", "media_engine": "none"})
        answers: list[Any] = []
        async with serving(settings, extensions=(extension,)) as running, aiohttp.ClientSession() as session:
            made = running.credentials
            kit = Kit(running, session, {"Authorization": aiohttp.encode_basic_auth(made.account_sid, made.auth_token)})
            for behaviour in ("refuses", "closes_before_body", "does_not_read"):
                endpoint = await kit.post("/endpoints", {"behaviour": behaviour}, status=201)
                url = endpoint["url"].replace(running.info.http_url, getattr(running.info, f"{scheme}_url"))
                try:
                    async with session.post(url, data={"a": "b"}, ssl=False) as response:
                        answers.append((response.status, await response.text()))
                except aiohttp.ClientError as error:
                    answers.append(type(error).__mro__)
        return answers

    refused, cut, hasty = uvloop.run(met())
    assert aiohttp.ClientConnectionError in refused
    assert aiohttp.ClientPayloadError in cut
    assert hasty == (200, "")


async def test_a_message_is_delivered_after_the_endpoint_has_failed(kit: Kit) -> None:
    placed, _, _ = await subscribed(kit, behaviour={"failing": 500, "times": 1})
    await kit.post(f"{placed}/send_message", {"content": "hello"})
    first = await kit.post("/endpoints/messages/expect")
    second = await kit.post("/endpoints/messages/expect")
    assert (first["behaviour"], second["behaviour"]) == ("failing", "ok")
    assert first["fields"]["Sid"] == second["fields"]["Sid"]


async def test_an_endpoint_changes_only_what_is_given(kit: Kit) -> None:
    made = await kit.post("/endpoints", {"name": "voice", "twiml": TWIML}, status=201)
    await kit.ask("PUT", "/endpoints/voice", {"behaviour": {"failing": 500}})
    await kit.ask("PUT", "/endpoints/voice", {"behaviour": "ok"})
    async with kit.session.post(made["url"]) as response:
        assert (await response.text(), response.content_type) == (TWIML, "text/xml")
    await kit.post("/endpoints", {"name": "voice"}, status=409)
    await kit.ask("PUT", "/endpoints/voice", {"behaviour": "sings"}, status=400)
    await kit.ask("DELETE", "/endpoints/voice", status=204)
    async with kit.session.post(made["url"]) as response:
        assert response.status == 404


async def test_an_answer_is_twiml_or_a_body(kit: Kit) -> None:
    refused = await kit.post("/endpoints", {"twiml": TWIML, "body": "fine"}, status=400)
    assert "not both" in refused["message"]
    assert (await kit.ask("GET", "/endpoints"))["endpoints"] == []


async def test_nobody_is_kept_waiting_for_longer_than_a_wait_may_last(kit: Kit) -> None:
    made = await kit.post("/endpoints", {}, status=201)
    for behaviour in ({"slow": "11m"}, {"late": "7d"}):
        refused = await kit.post("/endpoints", {"behaviour": behaviour}, status=400)
        assert "at most 600 s" in refused["message"]
        await kit.ask("PUT", f"/endpoints/{made['name']}", {"behaviour": behaviour}, status=400)
    assert len((await kit.ask("GET", "/endpoints"))["endpoints"]) == 1
