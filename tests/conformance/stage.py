"""Where scenarios play: a real server, an application, the client under test, and its counterparts."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
from cables import Cable, MediaCable
from customers import Customer, Hook
from servers import Server

from conformance.driver import EVENT_TIMEOUT_S, Call, Device, Kind, Preflight
from conformance.on_browser import BrowserDevice, BrowserPreflight, Pages
from conformance.on_python import PythonDevice, PythonPreflight
from conformance.relay import Relay
from midcall import sdk
from midcall.sdk import conduct
from midcall.sdk.transport import tls_context

MESSAGES_PER_SECOND: Final = 60
"""On a leg, in a direction: few enough that a client can send more."""

_people = itertools.count(1)


@dataclass(slots=True)
class House:
    """What all scenarios of a session share."""

    server: Server
    customer: Customer
    pages: Pages

    @property
    def port(self) -> int:
        return self.server.ports[0]


@asynccontextmanager
async def open_house(folder: Path) -> AsyncIterator[House]:
    """Start everything but the browser, which starts when it is needed."""
    server = Server(folder, ("--set", f"messages_per_second={MESSAGES_PER_SECOND}"))
    credentials = await server.start()
    try:
        async with Customer(credentials) as customer, Pages(folder) as pages:
            await customer.point_application_here()
            yield House(server, customer, pages)
    finally:
        assert await server.stop() == 0, "\n".join(server.log)
    assert not any("Traceback" in line for line in server.log), "\n".join(server.log)


@dataclass(slots=True)
class Talk:
    """A call between the client under test (mine) and its counterpart (theirs)."""

    me: Device
    them: Device
    mine: Call
    theirs: Call


@dataclass(slots=True)
class Stage:
    """For one scenario; whatever it opens is closed afterwards."""

    house: House
    devices: list[Device] = field(default_factory=list)
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    _pages_not_fit: list[Any] = field(default_factory=list)

    @property
    def customer(self) -> Customer:
        return self.house.customer

    @property
    def host(self) -> str:
        return self.customer.credentials.signaling_host

    async def cable(self) -> Cable:
        """A way to the server that can be cut."""
        return await self._stack.enter_async_context(Cable(self.house.port))

    async def media_cable(self) -> MediaCable:
        """A way for sound that can be cut."""
        return await self._stack.enter_async_context(MediaCable())

    async def device(
        self,
        kind: Kind,
        who: str = "me",
        *,
        token: Any = None,
        host: str | Sequence[str] | None = None,
        cable: Cable | None = None,
        media: MediaCable | None = None,
        register: bool = False,
        **options: Any,
    ) -> Device:
        """A device of that kind with an identity that nobody else has; `token` overrules it."""
        name = f"{who}-{next(_people)}"
        token = self.customer.token(name) if token is None else token
        at: Any = f"localhost:{cable.port}" if cable is not None else host or self.host
        if "edge" in options:  # which is looked at only when no host is named
            at = None
        made: Device
        if kind is Kind.BROWSER:
            phone = await self.house.pages.take(media=media)
            self._stack.push_async_callback(self.house.pages.give_back, phone, fit=media is None)
            made = await BrowserDevice.open(phone, name, token, at, options)
        else:
            where: dict[str, Any] = {"host": at}
            tls = tls_context(self.customer.credentials.ca_file)
            if media is not None:
                relay = await self._stack.enter_async_context(Relay(f"wss://{at}/signal", tls, media))
                where, tls = {"url": relay.url}, None
            made = PythonDevice(name, kind, token, tls, **where, **options)
            self._stack.push_async_callback(made.device.destroy)
        self.devices.append(made)
        if register:
            await made.register()
        return made

    @asynccontextmanager
    async def thinking_about(self, device: Device) -> AsyncIterator[None]:
        """Inside, the application does not answer the question what to do with calls of this device."""
        decided, others = asyncio.Event(), self.customer.pause

        async def pause(hook: Hook) -> None:
            if hook["From"] == f"client:{device.name}":
                await decided.wait()

        self.customer.pause = pause
        try:
            yield
        finally:
            decided.set()
            self.customer.pause = others

    def url(self, path: str) -> str:
        """Of a REST resource below the account."""
        account = self.customer.credentials.account_sid
        return f"{self.customer.credentials.http_url}/2010-04-01/Accounts/{account}{path}"

    @staticmethod
    def read(answer: Any) -> Any:
        """The JSON of a plain REST answer."""
        return json.loads(answer.text)

    async def send_many(self, leg: str, contents: list[Any]) -> list[str]:
        """Messages to a leg's client, one after the other; their sids."""

        def create(rest: Any) -> list[str]:
            messages = rest.calls(leg).user_defined_messages
            return [str(messages.create(content=json.dumps(content)).sid) for content in contents]

        return list(await self.customer.rest(create))

    async def reached(self, device: Device) -> None:
        """Wait until the device has a socket whose token is accepted: it gets one whose end is told at once."""
        await device.update_token(self.customer.token(device.name, ttl=10))
        await device.wait_for("tokenWillExpire")

    async def delivered(self, leg: str, sid: str) -> None:
        """Wait until a message to a leg's client was received by it, whether or not anybody listens there."""
        path = self.url(f"/Calls/{leg}/UserDefinedMessages/{sid}.json")
        async with asyncio.timeout(EVENT_TIMEOUT_S):
            while True:
                answer = await self.customer.rest(lambda rest: rest.request("GET", path))
                if self.read(answer)["state"] == "received":
                    return
                await asyncio.sleep(0.05)  # nobody tells when a client has received something

    async def number(self, *, stir_status: str | None = None, **settings: str) -> str:
        """A phone number of the account, for this scenario. `StirStatus` is no parameter of the official helper."""
        customer = self.customer
        made = await customer.rest(lambda rest: rest.incoming_phone_numbers.create(area_code="415", **settings))
        self._stack.push_async_callback(customer.rest, lambda rest: rest.incoming_phone_numbers(made.sid).delete())
        if stir_status is not None:
            url = self.url(f"/IncomingPhoneNumbers/{made.sid}.json")
            await customer.rest(lambda rest: rest.request("POST", url, data={"StirStatus": stir_status}))
        return str(made.phone_number)

    async def preflight(self, kind: Kind, *, token: str | None = None) -> tuple[Preflight, str]:
        """A preflight test, and the identity it calls from; the application answers with an echo."""
        name = f"preflight-{next(_people)}"
        token = self.customer.token(name) if token is None else token
        self.customer.twiml[f"client:{name}"] = "<Response><Echo/></Response>"
        if kind is Kind.BROWSER:
            phone = await self.house.pages.take()
            self._stack.push_async_callback(self.house.pages.give_back, phone, fit=True)
            return await BrowserPreflight.open(phone, name, token, self.host), name
        ca_file = self.customer.credentials.ca_file
        test = await self._stack.enter_async_context(
            sdk.Device.run_preflight(token, host=self.host, ca_file=ca_file, audio_source=lambda: sdk.Tone(440))
        )
        return PythonPreflight(test), name

    @contextmanager
    def vendors_hosts(self, kind: Kind) -> Iterator[None]:
        """Inside, the client finds the vendor's hosts at the server: the browser always does, others by a proxy."""
        if kind is Kind.BROWSER:
            yield
            return
        proxy = self.customer.credentials.http_url
        with pytest.MonkeyPatch.context() as patch:
            for name in ("HTTPS_PROXY", "https_proxy"):
                patch.setenv(name, proxy)
            yield

    @contextmanager
    def short_of_patience(self) -> Iterator[None]:
        """Inside, `midcall.sdk` gives up at the first restart of ICE that fails, instead of after 30 s."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(conduct, "RESTARTS_S", 1.0)
            yield

    @staticmethod
    async def lose_patience(device: Device) -> None:
        """A browser does so when its clock says that 30 s are over."""
        if isinstance(device, BrowserDevice):
            hurry = "() => { const now = Date.now; Date.now = () => now() + 31_000; }"
            await device.phone.page.evaluate(hurry)

    async def person(self, who: str = "them", *, sound: bool = False, **options: Any) -> Device:
        """A registered counterpart; with sound it says a tone of 440 Hz, otherwise it has no media at all."""
        return await self.device(Kind.MEDIA if sound else Kind.NONE, who, register=True, **options)

    async def placed(self, kind: Kind, *, answer: bool = True, sound: bool = False, **options: Any) -> Talk:
        """The client calls somebody, who answers."""
        me, them = await asyncio.gather(self.device(kind, **options), self.person(sound=sound))
        mine = await me.connect(params={"To": them.name})
        theirs = await them.incoming()
        await mine.wait_for("ringing")
        talk = Talk(me, them, mine, theirs)
        if answer:
            await theirs.accept()
            await self._open(talk)
        return talk

    async def called(self, kind: Kind, *, answer: bool = True, sound: bool = False, **options: Any) -> Talk:
        """Somebody calls the client, which answers."""
        me, them = await asyncio.gather(self.device(kind, register=True, **options), self.person(sound=sound))
        theirs = await them.connect(params={"To": me.name})
        mine = await me.incoming()
        await theirs.wait_for("ringing")
        talk = Talk(me, them, mine, theirs)
        if answer:
            await mine.accept()
            await self._open(talk)
        return talk

    @staticmethod
    async def _open(talk: Talk) -> None:
        await talk.mine.wait_for("accept")
        await talk.theirs.wait_for("accept")

    async def close(self) -> None:
        await self._stack.aclose()

    async def story(self) -> str:
        return "\n".join([await device.story() for device in self.devices])


async def sid_of(call: Call) -> str:
    """The sid of the leg."""
    return (await call.facts()).parameters["CallSid"]
