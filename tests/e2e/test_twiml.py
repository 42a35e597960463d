"""How a customer's server is asked for TwiML and told of the end: methods, addresses, redirects, fallbacks, signatures.

The customer checks the signature of everything that arrives with the official validator.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from aiohttp import web
from customers import Customer
from servers import Server

from midcall.sdk import Call, Device


@pytest_asyncio.fixture(loop_scope="session")
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    server = Server(tmp_path / "data", options=("--set", "media_engine=none"))
    await server.start()
    yield server
    assert await server.stop() == 0, "\n".join(server.log)


@pytest_asyncio.fixture(loop_scope="session")
async def customer(server: Server) -> AsyncIterator[Customer]:
    async with Customer(await server.credentials()) as customer:
        yield customer


async def point_application(customer: Customer, **settings: str) -> None:
    sid = customer.credentials.application_sid
    await customer.rest(lambda client: client.applications(sid).update(**settings))


async def ended_call(customer: Customer) -> Call:
    """alice calls and stays until her TwiML is over."""
    host, ca_file = customer.credentials.signaling_host, customer.credentials.ca_file
    async with Device(customer.token("alice"), host=host, ca_file=ca_file, media="none") as alice:
        call = await alice.connect(params={"To": "bob", "Topic": "a + b & ä"})
        await call.wait_for("disconnect", timeout=20)
        return call


async def test_relative_addresses_methods_and_the_action_are_followed(customer: Customer) -> None:
    await point_application(customer, voice_url=f"{customer.url}/deep/voice?tenant=a%20b", voice_method="GET")
    customer.pages["deep/voice"] = '<Response><Redirect method="GET">../next?page=2</Redirect></Response>'
    customer.pages["next"] = "<Response><Dial action='after'><Client>nobody</Client></Dial></Response>"
    customer.pages["after"] = "<Response/>"
    await ended_call(customer)

    voice, following, after = customer.hooks
    assert (voice.path, voice.encoding) == ("deep/voice", "query")
    assert (voice["tenant"], voice["To"], voice["Called"], voice["Topic"]) == ("a b", "bob", "", "a + b & ä")
    assert (voice["From"], voice["CallStatus"], voice["Direction"]) == ("client:alice", "ringing", "inbound")
    assert (following.path, following.encoding, following["page"]) == ("next", "query", "2")
    assert "Topic" not in following.fields
    assert (after.path, after.encoding, after["CallStatus"]) == ("after", "form", "in-progress")
    assert (after["DialCallStatus"], after["DialBridged"]) == ("no-answer", "false")


async def test_the_application_is_told_once_of_the_end_of_its_call(customer: Customer) -> None:
    await point_application(
        customer, voice_url=f"{customer.url}/page", voice_method="POST", status_callback=f"{customer.url}/over"
    )
    customer.pages["page"] = "<Response><Pause length='1'/></Response>"
    await ended_call(customer)
    (over,) = await customer.asked("over")
    assert (over["CallStatus"], over["SequenceNumber"]) == ("completed", "0")
    assert over["ApplicationSid"] == customer.credentials.application_sid
    assert (over["CallbackSource"], over["Timestamp"][-5:]) == ("call-progress-events", "+0000")
    assert (over["CallDuration"], over["Duration"], over["SipResponseCode"]) == ("0", "0", "200")
    assert "ParentCallSid" not in over.fields
    assert "Topic" not in over.fields


async def test_the_fallback_is_told_what_went_wrong_and_runs(customer: Customer) -> None:
    await point_application(
        customer, voice_url=f"{customer.url}/page#rc=0", voice_fallback_url=f"{customer.url}/fallback"
    )
    customer.pages["page"] = "<Response><Dial></Response>"
    customer.pages["fallback"] = "<Response><Reject reason='busy'/></Response>"
    call = await ended_call(customer)
    asked, fallback = customer.hooks
    assert (asked.path, fallback.path) == ("page", "fallback")
    assert (fallback["ErrorCode"], fallback["ErrorUrl"]) == ("12100", f"{customer.url}/page")
    assert (fallback["Topic"], fallback["CallStatus"]) == ("a + b & ä", "ringing")
    assert await customer.status_of(fallback["CallSid"]) == "busy"
    assert call.status() == "closed"


async def test_a_redirected_request_is_signed_for_where_it_arrives(customer: Customer) -> None:
    async def elsewhere(request: web.Request) -> web.Response:
        status = int(request.match_info["status"])
        return web.Response(status=status, headers={"Location": f"{customer.url}/page?from={status}"})

    application = web.Application()
    application.router.add_route("*", "/{status}", elsewhere)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    customer.pages["page"] = "<Response/>"
    for status in (302, 307):
        await point_application(customer, voice_url=f"http://127.0.0.1:{runner.addresses[0][1]}/{status}")
        await ended_call(customer)
    await runner.cleanup()
    found, kept = customer.hooks
    assert (found.encoding, kept.encoding) == ("query", "form")
    assert "CallSid" not in found.fields  # a 302 makes a GET of its own address; what was posted is gone
    assert kept["From"] == "client:alice"
