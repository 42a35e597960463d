"""What a server keeps in memory depends on who is there now, not on how many have been."""

from __future__ import annotations

import asyncio
import gc
import time
from collections import deque
from collections.abc import Iterator, Mapping, Set
from pathlib import Path

import aiohttp
from aiohttp import web

from midcall.app.process import Running, serving
from midcall.core import tokens
from midcall.core.sids import AccountSid, ApplicationSid, KeySid
from midcall.sdk import Device
from midcall.settings import load

KEPT_ON_PURPOSE = ("store", "trace", "metrics", "web", "sender")
"""Parts with bounds of their own: rows and the newest of them, timelines, series per operation, warm connections."""

THROWN_AWAY_BY_THE_TEN_THOUSAND = ("_messages._buckets", "_messages._stored_at")


def sizes(server: Running) -> dict[str, int]:
    """Every container below the parts of the server, by the way to it, with its length."""
    found: dict[str, int] = {}
    seen = {id(getattr(server.app, name)) for name in KEPT_ON_PURPOSE}
    todo: list[tuple[str, object]] = list(vars(server.app).items())
    while todo:
        way, thing = todo.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        if isinstance(thing, Mapping | Set | list | deque):
            found[way] = len(thing)
        if type(thing).__module__.startswith("midcall."):
            todo += [(f"{way}.{name}", value) for name, value in _attributes(thing)]
    return found


def _attributes(thing: object) -> Iterator[tuple[str, object]]:
    yield from getattr(thing, "__dict__", {}).items()
    for cls in type(thing).__mro__:
        for name in getattr(cls, "__slots__", ()):
            if hasattr(thing, name):
                yield name, getattr(thing, name)


class Traffic:
    """alice calls bob, both say something, the customer's server hears of it, and everybody leaves."""

    def __init__(self, server: Running, session: aiohttp.ClientSession) -> None:
        self._server = server
        self._session = session
        self._account = f"{server.info.http_url}/2010-04-01/Accounts/{server.credentials.account_sid}"
        self._heard: asyncio.Queue[str] = asyncio.Queue()
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        if request.path == "/messages":
            self._heard.put_nowait("message")
            return web.Response()
        if request.path == "/status":
            self._heard.put_nowait("status")
            return web.Response()
        identity = (await request.post())["To"]
        twiml = (
            f"<Response><Dial answerOnBridge='true'><Client statusCallback='{self.url}/status'>{identity}"
            "</Client></Dial></Response>"
        )
        return web.Response(text=twiml, content_type="text/xml")

    def device(self, identity: str) -> Device:
        made, info = self._server.credentials, self._server.info
        token = tokens.mint(
            key_sid=KeySid(made.api_key_sid),
            secret=made.api_key_secret,
            account_sid=AccountSid(made.account_sid),
            now=time.time(),
            token_id=identity,
            identity=identity,
            application_sid=ApplicationSid(made.application_sid),
        )
        return Device(token, host=info.signaling_host, ca_file=info.ca_file, media="none")

    async def post(self, path: str, **form: str) -> None:
        async with self._session.post(f"{self._account}/{path}.json", data=form) as response:
            assert response.status in (200, 201), await response.text()

    async def call(self, number: int) -> None:
        async with self.device(f"alice{number}") as alice, self.device(f"bob{number}") as bob:
            await bob.register()
            incoming = bob.wait_for("incoming")
            call = await alice.connect(params={"To": f"bob{number}"})
            accepted = call.wait_for("accept")
            rung = await incoming
            rung.accept()
            await accepted
            leg = call.parameters["CallSid"]
            await self.post(f"Calls/{leg}/UserDefinedMessageSubscriptions", Callback=f"{self.url}/messages")
            await call.send_message({"n": number})
            assert await self._heard.get() == "message"
            received = call.wait_for("messageReceived")
            await self.post(f"Calls/{leg}/UserDefinedMessages", Content="1")
            await received
            ends = rung.wait_for("disconnect")
            call.disconnect()
            await ends
            assert await self._heard.get() == "status"


async def settled(server: Running) -> dict[str, int]:
    """Sizes once every socket is closed and every delivery settled."""
    store, app = server.app.store, server.app
    while app.signalling.connections or app.calls.live or await store.next_due() is not None:
        await store.next_due()  # a trip to its thread and back
    for _ in range(20):
        await store.next_due()
    gc.collect()
    return sizes(server)


async def test_nothing_grows_with_calls_that_are_over(tmp_path: Path) -> None:
    flags: dict[str, object] = {
        "port": "0",
        "http_port": "0",
        "media_engine": "none",
        "data_dir": str(tmp_path / "data"),
    }
    async with serving(load(flags)) as server:
        basic = aiohttp.encode_basic_auth(server.credentials.account_sid, server.credentials.auth_token)
        async with aiohttp.ClientSession(headers={"Authorization": basic}) as session:
            traffic = Traffic(server, session)
            application = web.Application()
            application.router.add_route("*", "/{path:.*}", traffic.answer)
            runner = web.AppRunner(application, access_log=None)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            traffic.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            await traffic.post(f"Applications/{server.credentials.application_sid}", VoiceUrl=f"{traffic.url}/voice")
            for number in range(2):
                await traffic.call(number)
            before, tasks_before = await settled(server), len(asyncio.all_tasks())
            for number in range(2, 10):
                await traffic.call(number)
            after, tasks_after = await settled(server), len(asyncio.all_tasks())
            await runner.cleanup()
    assert len(before) > 20  # it did look
    grown = {way: (size, after[way]) for way, size in before.items() if after.get(way, 0) > size}
    assert [way for way in grown if not way.endswith(THROWN_AWAY_BY_THE_TEN_THOUSAND)] == []
    assert tasks_after <= tasks_before
