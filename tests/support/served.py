"""A real `midcall serve` with an application in front of it, and Python clients for it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import aiohttp
from aiohttp import web

from midcall.core import tokens
from midcall.core.sids import AccountSid, ApplicationSid, KeySid
from midcall.folder import Credentials, Folder, ServerInfo
from midcall.sdk import Call, Device
from midcall.sdk.transport import tls_context

ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith(("MIDCALL_", "TWILIO_"))}


@contextmanager
def serving(path: Path, *settings: str) -> Iterator[tuple[ServerInfo, Credentials]]:
    """A server with these settings, which keeps its data below the path."""
    folder = Folder(path / "data")
    command = [sys.executable, "-m", "midcall", "serve", "--port", "0", "--http-port", "0"]
    with (path / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--data-dir", str(folder.path), *(part for one in settings for part in ("--set", one))],
            env=ENVIRONMENT,
            stdout=log,
            stderr=log,
        )
    try:
        yield _ready(process, folder, path / "log")
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0, (path / "log").read_text()


def _ready(process: subprocess.Popen[bytes], folder: Folder, log: Path) -> tuple[ServerInfo, Credentials]:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        if folder.path.exists() and (info := folder.server()) is not None:
            credentials = folder.credentials()
            assert credentials is not None
            return info, credentials
        time.sleep(0.05)
    raise AssertionError(log.read_text())


class World:
    """The server, an application that dials bob, and devices."""

    def __init__(self, info: ServerInfo, credentials: Credentials, session: aiohttp.ClientSession) -> None:
        self.info = info
        self.credentials = credentials
        self.session = session
        self.tls = tls_context(info.ca_file)
        self.devices: list[Device] = []
        self.callbacks: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        self.statuses: asyncio.Queue[str] = asyncio.Queue()
        self.url = ""
        self.application_sid = ""
        self.callee = "bob"
        self.media = "none"  # of all devices
        self.twiml: str | None = None  # instead of dialling anybody
        self.by_way_of: tuple[str, str] | None = None  # what a client's call dials: caller id, and a phone number

    async def voice(self, request: web.Request) -> web.Response:
        if self.twiml is not None:
            return web.Response(text=self.twiml, content_type="text/xml")
        fields = await request.post()
        parameter = f"<Parameter name='note' value={quoteattr(str(fields.get('Note', '')))}/>"
        client = f"<Client><Identity>{self.callee}</Identity>{parameter}</Client>"
        attributes = f"answerOnBridge='true' timeout='20' action='{self.url}/after'"
        twiml = f"<Response><Dial {attributes}>{client}</Dial></Response>"
        if self.by_way_of is not None and str(fields["From"]).startswith("client:"):
            caller, number = self.by_way_of
            twiml = f"<Response><Dial {attributes} callerId='{caller}'><Number>{number}</Number></Dial></Response>"
        return web.Response(text=twiml, content_type="text/xml")

    async def after(self, request: web.Request) -> web.Response:
        self.statuses.put_nowait(str((await request.post()).get("DialCallStatus")))
        return web.Response(text="<Response/>", content_type="text/xml")

    async def message(self, request: web.Request) -> web.Response:
        fields = await (request.json() if request.content_type == "application/json" else request.post())
        self.callbacks.put_nowait({name: str(value) for name, value in fields.items()})
        return web.Response(status=204)

    async def post(self, path: str, **fields: str) -> tuple[int, dict[str, Any]]:
        """A REST request below the account."""
        base = f"{self.info.https_url}/2010-04-01/Accounts/{self.credentials.account_sid}"
        async with self.session.post(f"{base}{path}", data=fields) as answer:
            return answer.status, await answer.json()

    async def get(self, path: str) -> tuple[int, dict[str, Any]]:
        """The same, to read."""
        base = f"{self.info.https_url}/2010-04-01/Accounts/{self.credentials.account_sid}"
        async with self.session.get(f"{base}{path}") as answer:
            return answer.status, await answer.json()

    def device(self, identity: str | None, **options: Any) -> Device:
        keys = self.credentials
        token = tokens.mint(
            key_sid=KeySid(keys.api_key_sid),
            secret=options.pop("secret", keys.api_key_secret),
            account_sid=AccountSid(keys.account_sid),
            now=time.time(),
            token_id=f"{keys.api_key_sid}-{len(self.devices)}",
            identity=identity,
            application_sid=ApplicationSid(self.application_sid),
        )
        options = {"media": self.media, **options}
        device = Device(token, host=self.info.signaling_host, tls=self.tls, **options)
        self.devices.append(device)
        return device

    async def ringing(self, placed: Callable[[Call], object] = lambda call: None, **options: Any) -> tuple[Call, Call]:
        """Both ends of a call from alice to bob that rings; `placed` gets it before anything has come of it."""
        bob = self.device(self.callee)
        await bob.register()
        incoming = bob.wait_for("incoming", timeout=10)
        call = await self.device("alice", **options).connect(params={"Note": "a + b & c"})
        placed(call)
        rings = call.wait_for("ringing", timeout=10)
        rung: Call = await incoming
        await rings
        return call, rung

    async def open(self, placed: Callable[[Call], object] = lambda call: None, **options: Any) -> tuple[Call, Call]:
        """Both ends of a call that was answered."""
        accepted: list[asyncio.Future[Any]] = []

        def watch(call: Call) -> None:
            placed(call)
            accepted.append(call.wait_for("accept", timeout=20))

        call, rung = await self.ringing(watch, **options)
        rung.accept()
        await accepted[0]
        return call, rung


@asynccontextmanager
async def living(served: tuple[ServerInfo, Credentials]) -> AsyncIterator[World]:
    """A world of its own at the server: an application, whose callee no other world has."""
    info, credentials = served
    headers = {"Authorization": aiohttp.encode_basic_auth(credentials.account_sid, credentials.auth_token)}
    connector = aiohttp.TCPConnector(ssl=tls_context(info.ca_file))
    async with aiohttp.ClientSession(headers=headers, connector=connector) as session:
        world = World(info, credentials, session)
        application = web.Application()
        application.router.add_post("/voice", world.voice)
        application.router.add_post("/after", world.after)
        application.router.add_post("/messages", world.message)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.5)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        world.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        status, made = await world.post("/Applications.json", FriendlyName="test", VoiceUrl=f"{world.url}/voice")
        assert status == 201, made
        world.application_sid = made["sid"]
        world.callee = f"bob_{made['sid'][-8:]}"
        yield world
        for device in world.devices:
            await device.destroy()
        await runner.cleanup()


def cut(device: Device) -> None:
    """Break the device's connection as a network does."""
    assert device._signalling._transport is not None
    assert device._signalling._transport._ws is not None
    connection = device._signalling._transport._ws._response.connection
    assert connection is not None
    assert connection.transport is not None
    connection.transport.abort()
