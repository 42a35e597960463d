"""A customer of Midcall in a test's hands: a voice application on loopback, and the official helper library.

Every request that Midcall makes is checked with the official signature validator as it arrives; one that fails it
fails the test.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from aiohttp import web
from twilio.jwt.access_token import AccessToken
from twilio.jwt.access_token.grants import VoiceGrant
from twilio.request_validator import RequestValidator
from twilio.rest import Client

ALL_EVENTS = "initiated ringing answered completed"


@dataclass(frozen=True, slots=True)
class Credentials:
    """What `midcall credentials --format json` prints, as far as tests need it."""

    account_sid: str
    auth_token: str
    api_key_sid: str
    api_key_secret: str
    application_sid: str
    https_url: str
    http_url: str
    signaling_host: str
    ca_file: str
    mode: str


@dataclass(frozen=True, slots=True)
class Hook:
    """One request that Midcall made."""

    path: str
    fields: dict[str, str]
    headers: dict[str, str]
    encoding: str

    def __getitem__(self, name: str) -> str:
        return self.fields[name]


async def _at_once(hook: Hook) -> None:
    """The usual application thinks about nothing."""


@dataclass(slots=True)
class Customer:
    """The application behind a TwiML application sid. Paths: /voice, /status, /messages, /after, and any other.

    Attributes:
        twiml: TwiML per caller (`client:alice`) instead of the usual Dial of the `To` parameter.
        judge: the answer's status to a message callback, asked for each arrival; 204 when left out.
        pause: awaited before a voice request is answered.
    """

    credentials: Credentials
    hooks: list[Hook] = field(default_factory=list)
    forged: list[str] = field(default_factory=list)
    twiml: dict[str, str] = field(default_factory=dict)
    pages: dict[str, str] = field(default_factory=dict)
    judge: Callable[[Hook], int] = lambda hook: 204
    pause: Callable[[Hook], Awaitable[object]] = _at_once
    url: str = ""
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    _runner: web.AppRunner | None = None
    _site_port: int = 0

    async def __aenter__(self) -> Customer:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.shut()
        assert not self.forged, f"requests whose signature the official validator refused: {self.forged}"

    async def open(self) -> None:
        """Listen; after `shut`, on the same port again."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._site_port).start()
        self._site_port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{self._site_port}"

    async def shut(self) -> None:
        assert self._runner
        await self._runner.cleanup()

    # what Midcall asks

    async def _handle(self, request: web.Request) -> web.Response:
        hook = await self._read(request)
        async with self._changed:
            self.hooks.append(hook)
            self._changed.notify_all()
        if hook.path == "voice":
            await self.pause(hook)
            return self._xml(self.twiml.get(hook["From"]) or self._dial(hook))
        if hook.path in self.pages:
            return self._xml(self.pages[hook.path])
        if hook.path.startswith("messages"):
            return web.Response(status=self.judge(hook))
        return web.Response(status=204)

    async def _read(self, request: web.Request) -> Hook:
        if request.method == "GET":
            fields, encoding = dict(request.query), "query"
            signed: dict[str, str] = {}
        elif request.content_type == "application/json":
            fields, encoding = json.loads(await request.text()), "json"
            signed = fields
        else:
            fields, encoding = dict((await request.post()).items()), "form"  # type: ignore[arg-type]
            signed = fields
        url = f"{self.url}{request.raw_path}"
        validator = RequestValidator(self.credentials.auth_token)
        if not validator.validate(url, signed, request.headers.get("X-Twilio-Signature", "")):
            self.forged.append(f"{request.method} {url} {fields}")
        return Hook(request.path.lstrip("/"), fields, dict(request.headers), encoding)

    @staticmethod
    def _xml(text: str) -> web.Response:
        return web.Response(text=text, content_type="text/xml")

    def _dial(self, hook: Hook) -> str:
        return self.dial(hook.fields.get("To", ""), parameters={"topic": "a + b & ä"})

    def dial(
        self, *identities: str, attributes: str = 'answerOnBridge="true"', parameters: dict[str, str] | None = None
    ) -> str:
        """TwiML that dials clients and reports everything."""
        clients = "".join(
            f'<Client statusCallback="{self.url}/status" statusCallbackEvent="{ALL_EVENTS}">'
            f"<Identity>{escape(identity)}</Identity>"
            + "".join(
                f"<Parameter name={quoteattr(name)} value={quoteattr(value)}/>"
                for name, value in (parameters or {}).items()
            )
            + "</Client>"
            for identity in identities
        )
        return f"<Response><Dial {attributes}>{clients}</Dial></Response>"

    async def asked(self, path: str, *, count: int = 1, timeout: float = 10.0, **fields: str) -> list[Hook]:
        """The first `count` requests to a path with these fields; AssertionError when they do not come."""

        def found() -> list[Hook]:
            return [
                hook
                for hook in self.hooks
                if hook.path == path and all(hook.fields.get(name) == value for name, value in fields.items())
            ]

        try:
            async with asyncio.timeout(timeout), self._changed:
                await self._changed.wait_for(lambda: len(found()) >= count)
        except TimeoutError:
            seen = [(hook.path, hook.fields.get("CallStatus"), hook.fields.get("Content")) for hook in self.hooks]
            raise AssertionError(f"{path} {fields} was asked {len(found())} times, not {count}: {seen}") from None
        return found()

    # what the customer does

    def token(
        self,
        identity: str | None,
        *,
        ttl: int = 300,
        incoming: bool = True,
        application: bool = True,
        key: tuple[str, str] | None = None,
    ) -> str:
        """An access token, made by the official library. `key` is a sid and a secret."""
        sid, secret = key or (self.credentials.api_key_sid, self.credentials.api_key_secret)
        token = AccessToken(
            self.credentials.account_sid,
            sid,
            secret,
            identity=identity,
            ttl=ttl,
        )
        called = self.credentials.application_sid if application else None
        token.add_grant(VoiceGrant(outgoing_application_sid=called, incoming_allow=incoming or None))
        return token.to_jwt()

    async def rest(self, use: Callable[[Client], Any]) -> Any:
        """Use the official REST client (in a thread: it blocks)."""

        def run() -> Any:
            client = Client(self.credentials.api_key_sid, self.credentials.api_key_secret, self.credentials.account_sid)
            client.api.base_url = self.credentials.http_url
            return use(client)

        return await asyncio.to_thread(run)

    async def point_application_here(self) -> None:
        """Make the TwiML application ask this customer."""
        await self.rest(
            lambda client: client.applications(self.credentials.application_sid).update(voice_url=f"{self.url}/voice")
        )

    async def send(self, call_sid: str, content: object) -> str:
        """A message to a leg's client; its sid."""
        text = json.dumps(content, ensure_ascii=False)
        made = await self.rest(lambda client: client.calls(call_sid).user_defined_messages.create(content=text))
        return str(made.sid)

    async def subscribe(self, call_sid: str, path: str = "messages", method: str = "POST") -> str:
        made = await self.rest(
            lambda client: client.calls(call_sid).user_defined_message_subscriptions.create(
                callback=f"{self.url}/{path}", method=method
            )
        )
        return str(made.sid)

    async def status_of(self, call_sid: str) -> str:
        return str((await self.rest(lambda client: client.calls(call_sid).fetch())).status)

    async def status_becomes(self, call_sid: str, status: str) -> bool:
        """Whether a call gets there within ten seconds."""
        for _ in range(200):
            if await self.status_of(call_sid) == status:
                return True
            await asyncio.sleep(0.05)  # a call without a status callback has no event to wait for
        return False
