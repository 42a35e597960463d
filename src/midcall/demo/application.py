"""The application behind the call: it answers with TwiML and takes callbacks, and trusts no request unsigned."""

from __future__ import annotations

import hmac
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from xml.sax.saxutils import escape, quoteattr

import aiohttp
from aiohttp import web

from midcall.core import signature
from midcall.demo.story import Failed, Story
from midcall.folder import Credentials

VERSION: Final = "2010-04-01"
REST_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Callback:
    """A request that carried a message.

    Attributes:
        at: monotonic seconds when it came.
        fields: its parameters.
    """

    at: float
    fields: dict[str, str]


@dataclass(slots=True)
class Application:
    """What the customer of a voice service writes.

    Attributes:
        story: where it tells what it gets.
        auth_token: the key of every signature.
        url: where it listens.
        messages: per leg, the callbacks in the order in which they came.
        statuses: the status callbacks.
    """

    story: Story
    auth_token: str
    url: str = ""
    messages: dict[str, list[Callback]] = field(default_factory=dict)
    statuses: list[dict[str, str]] = field(default_factory=list)
    changed: Callable[[], None] = lambda: None

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[Application]:
        """Serve on a free loopback port."""
        application = web.Application()
        application.router.add_post("/voice", self._voice)
        application.router.add_post("/status", self._status)
        application.router.add_post("/messages/{leg}", self._message)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield self
        finally:
            await runner.cleanup()

    async def _voice(self, request: web.Request) -> web.Response:
        fields = await self._signed(request, "the request for TwiML")
        self.story.tell("app", f"asked what to do with the call of {fields.get('From')}: dial the client bob")
        return web.Response(text=self.twiml(fields.get("Order", "")), content_type="text/xml")

    def twiml(self, order: str) -> str:
        """Dial bob, hand the order on, report on bob's leg."""
        events = "initiated ringing answered completed"
        return (
            '<?xml version="1.0" encoding="UTF-8"?><Response><Dial answerOnBridge="true">'
            f"<Client statusCallback={quoteattr(self.url + '/status')} statusCallbackEvent={quoteattr(events)}>"
            f'<Identity>{escape("bob")}</Identity><Parameter name="order" value={quoteattr(order)}/>'
            "</Client></Dial></Response>"
        )

    async def _status(self, request: web.Request) -> web.Response:
        fields = await self._signed(request, "a status callback")
        self.statuses.append(fields)
        self.story.tell("app", f"status callback {fields.get('SequenceNumber')}: {fields.get('CallStatus')}")
        self.changed()
        return web.Response(status=204)

    async def _message(self, request: web.Request) -> web.Response:
        fields = await self._signed(request, "a message callback")
        self.record(request.match_info["leg"], Callback(time.monotonic(), fields))
        self.story.detail("app", f"got {fields.get('Content')} from {request.match_info['leg']}")
        return web.Response(status=204)

    def record(self, leg: str, callback: Callback) -> None:
        """Keep a message callback."""
        self.messages.setdefault(leg, []).append(callback)
        self.changed()

    async def _signed(self, request: web.Request, what: str) -> dict[str, str]:
        """The parameters of a request, whose signature is checked: form or JSON, both are signed alike."""
        fields = await _fields(request)
        expected = signature.sign(self.auth_token, f"{self.url}{request.path_qs}", fields.items())
        given = request.headers.get(signature.HEADER, "")
        good = hmac.compare_digest(expected.encode(), given.encode())
        self.story.check(good, f"{what} came with a signature that does not match")
        return fields


async def _fields(request: web.Request) -> dict[str, str]:
    if request.content_type == "application/json":
        return {str(name): str(value) for name, value in (await request.json()).items()}
    return {name: str(value) for name, value in (await request.post()).items()}


class Rest:
    """The REST requests that the application makes."""

    def __init__(self, session: aiohttp.ClientSession, https_url: str, credentials: Credentials) -> None:
        self._session = session
        self._base = f"{https_url}/{VERSION}/Accounts/{credentials.account_sid}"
        self._application_sid = credentials.application_sid

    async def set_voice_url(self, url: str) -> None:
        """Let the TwiML application ask there."""
        await self._post(f"/Applications/{self._application_sid}.json", 200, VoiceUrl=url, VoiceMethod="POST")

    async def subscribe(self, call_sid: str, callback: str) -> str:
        """Send a leg's messages to the callback; returns the subscription's sid."""
        path = f"/Calls/{call_sid}/UserDefinedMessageSubscriptions.json"
        return str((await self._post(path, 201, Callback=callback, Method="POST"))["sid"])

    async def send_message(self, call_sid: str, content: str) -> str:
        """Send JSON to the client of a leg; returns the message's sid."""
        return str((await self._post(f"/Calls/{call_sid}/UserDefinedMessages.json", 201, Content=content))["sid"])

    async def _post(self, path: str, expected: int, **fields: str) -> dict[str, Any]:
        try:
            async with self._session.post(f"{self._base}{path}", data=fields) as answer:
                body = await answer.text()
                if answer.status != expected:
                    raise Failed(f"POST {path} was answered with {answer.status} instead of {expected}: {body[:200]}")
                document: dict[str, Any] = await answer.json()
                return document
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Failed(f"POST {path} got no answer: {str(error) or type(error).__name__}") from None
