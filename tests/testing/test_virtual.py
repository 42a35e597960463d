"""A whole server in virtual time: what takes hours takes milliseconds."""

from __future__ import annotations

import asyncio
import itertools
import re
import sys
from email.utils import parsedate_to_datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import FastAPI, Request, Response
from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.rest import Client

from midcall.core.messages import Log
from midcall.sdk import Call, Device
from midcall.testing import virtual

# The library's asynchronous client with today's aiohttp.
pytestmark = [
    pytest.mark.filterwarnings("ignore:BasicAuth is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The 'auth' parameter is deprecated:DeprecationWarning"),
]

RING = '<Response><Dial timeout="60" action="/status"><Client>bob</Client></Dial></Response>'
TALK = "<Response><Dial><Client>bob</Client></Dial></Response>"
HOUR_S = 3_600


class Desk:
    """An application that answers every call with TwiML, and keeps what it was told and when."""

    def __init__(self, twiml: str) -> None:
        self.told: list[tuple[float, dict[str, Any]]] = []
        self.answer = 204
        self.app = FastAPI()

        @self.app.post("/voice")
        async def voice(request: Request) -> Response:
            return Response(twiml, media_type="text/xml")

        @self.app.post("/{name}")
        async def status(request: Request) -> Response:
            is_json = request.headers["content-type"].startswith("application/json")
            fields = await request.json() if is_json else dict(await request.form())
            self.told.append((asyncio.get_running_loop().time(), fields))
            return Response(status_code=self.answer)

    async def serve(self, server: virtual.VirtualServer) -> str:
        url = await server.serve(self.app, host="desk.example")
        await server.set_voice_url(url + "/voice")
        return url


def test_a_minute_of_ringing_passes_at_once() -> None:
    async def main() -> None:
        async with virtual.server() as server:
            desk = Desk(RING)
            await desk.serve(server)
            async with server.device("alice") as alice, server.device("bob") as bob:
                await bob.register()
                call = await alice.connect(params={"To": "bob"})
                incoming = await bob.wait_for("incoming")
                assert asyncio.get_running_loop().time() == 0
                await incoming.wait_for("cancel")
                assert asyncio.get_running_loop().time() == 60
                await call.wait_for("disconnect")
            assert [(at, told["DialCallStatus"]) for at, told in desk.told] == [(60.0, "no-answer")]

    virtual.run(main())


def test_a_webhook_is_tried_again_for_hours_on_its_schedule() -> None:
    async def main() -> list[float]:
        async with virtual.server(seed="hours") as server:
            desk = Desk(TALK)
            url = await desk.serve(server)
            desk.answer = 503
            async with server.device("alice") as alice, server.device("bob") as bob:
                call = await _talk(alice, bob)
                await _subscribe(server, call.parameters["CallSid"], url + "/messages")
                sid = call.send_message({"order": 7})
                await asyncio.sleep(2 * HOUR_S)
                desk.answer = 200
                await asyncio.sleep(HOUR_S)
            delivered = [told for _, told in desk.told]
            assert {told["Sid"] for told in delivered} == {sid}
            assert {told["Timestamp"] for told in delivered} == {delivered[0]["Timestamp"]}
            assert parsedate_to_datetime(delivered[0]["Timestamp"]).timestamp() == virtual.START
            return [at for at, _ in desk.told]

    times = virtual.run(main())
    waits = [later - earlier for earlier, later in itertools.pairwise(times)]
    for wait, scheduled in zip(waits, (1, 5, 30, 120, 600), strict=False):
        assert 0.5 * scheduled <= wait <= 1.5 * scheduled
    assert all(wait >= 300 for wait in waits[5:])  # the lane is down: a probe now and then
    assert 2 * HOUR_S <= times[-1] <= 2 * HOUR_S + 1_000  # and after the first success nothing more


async def _talk(alice: Device, bob: Device) -> Call:
    """Let alice call bob, who answers; alice's call."""
    await bob.register()
    call = await alice.connect(params={"To": "bob"})
    (await bob.wait_for("incoming")).accept()
    await call.wait_for("accept")
    return call


async def _subscribe(server: virtual.VirtualServer, call: str, callback: str) -> None:
    """With the official library, which goes to the vendor's host."""
    who = server.credentials
    async with AsyncTwilioHttpClient() as http:
        client = Client(who.account_sid, who.auth_token, http_client=http)
        await client.calls(call).user_defined_message_subscriptions.create_async(callback=callback)


def test_a_token_is_announced_before_it_expires_and_refused_afterwards() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with virtual.server() as server:
            token = server.token("alice", ttl_s=HOUR_S)
            async with server.device("alice", token=token, token_refresh_ms=30_000) as alice:
                errors: list[tuple[float, int]] = []
                alice.on("error", lambda error: errors.append((loop.time(), error.code)))
                await alice.register()
                await alice.wait_for("tokenWillExpire")
                assert loop.time() == HOUR_S - 30
                alice.update_token(server.token("alice", ttl_s=120))
                await alice.wait_for("tokenWillExpire")
                assert loop.time() == HOUR_S - 30 + 90
                await alice.wait_for("unregistered")
            assert [code for _, code in errors] == [20104]
            assert errors[0][0] >= HOUR_S - 30 + 120
            async with server.device("alice", token=token) as late:
                with pytest.raises(Exception, match="expired"):
                    await late.register()

    virtual.run(main())


def test_a_device_that_cannot_reach_the_server_tries_with_growing_waits() -> None:
    async def main() -> list[float]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, virtual.VirtualLoop)
        tries: list[float] = []
        async with virtual.server(seed=3) as server:
            device = server.device("alice")
            device.on("error", lambda error: tries.append(loop.time()))
            await device.register()
        down_at = loop.time()
        await asyncio.sleep(HOUR_S / 2)
        async with virtual.server(seed=3):
            await device.wait_for("registered")  # the same seed: the token's key is known there as well
            back_at = loop.time()
            await device.destroy()
        assert back_at - down_at - HOUR_S / 2 <= 60
        return [at - down_at for at in tries]

    tries = virtual.run(main())
    waits = [later - earlier for earlier, later in itertools.pairwise(tries)]
    assert len(tries) > 30
    assert max(waits[:3]) < max(waits[10:])
    assert max(waits) <= 30


def test_messages_reach_both_ways_in_no_time() -> None:
    async def main() -> None:
        async with virtual.server() as server:
            desk = Desk(TALK)
            await desk.serve(server)
            async with server.device("alice") as alice, server.device("bob") as bob:
                call = await _talk(alice, bob)
                await asyncio.gather(*[call.send_message({"n": n}) for n in range(50)])
            sid = call.parameters["CallSid"]
            entries = await server.app.store.entries_after(sid, Log.FROM_CLIENT, 0, 100)
            assert [entry.seq for entry in entries] == list(range(1, 51))
            assert asyncio.get_running_loop().time() < 1

    virtual.run(main())


def test_two_servers_live_in_one_world_and_the_first_has_the_vendors_names() -> None:
    async def main() -> None:
        async with virtual.server(seed=1) as first, virtual.server(seed=2) as second:
            assert first.http_url != second.http_url
            assert first.credentials != second.credentials
            async with first.device("alice") as here, second.device("alice") as there:
                await asyncio.gather(here.register(), there.register())
            token = first.token("alice")
            async with first.device("alice", token=token, url="wss://voice-js.roaming.twilio.com/signal") as named:
                await named.register()

    virtual.run(main())


def test_a_server_needs_a_virtual_loop() -> None:
    async def main() -> None:
        async with virtual.server():
            pass

    with pytest.raises(RuntimeError, match="needs a VirtualLoop"):
        asyncio.run(main())


def test_the_example_of_the_page_about_virtual_time_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    page = Path(__file__).parents[2] / "docs/explanation/virtual-time.md"
    (example,) = re.findall(r"```python\n(import asyncio\n.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)

    desk = Desk(RING)
    monkeypatch.setitem(sys.modules, "myapp", SimpleNamespace(app=desk.app))

    exec(compile(example, page, "exec"), {"__name__": "example"})  # noqa: S102 - our own page

    assert [told["DialCallStatus"] for _, told in desk.told] == ["no-answer"]
