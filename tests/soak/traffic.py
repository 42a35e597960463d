"""Steady traffic for a long time: calls that come and go, the same number of messages each second in both directions.

Everything that is promised is kept in a set until it is kept: what is left in the sets at the end was lost.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Literal

import aiohttp
from aiohttp import web

from crash.load import Account, Rest
from midcall.sdk import Call, Device
from midcall.sdk.errors import InvalidStateError, VoiceError

PATIENCE_S: Final = 15.0


@dataclass(frozen=True, slots=True)
class Plan:
    """How much goes on.

    Attributes:
        calls: pairs of clients that are in a call at the same time; a pair is replaced when its call is over.
        with_audio: how many of them have real media.
        per_second: messages per second in each direction, over all calls.
        shortest_s, longest_s: how long a call lasts.
    """

    calls: int = 10
    with_audio: int = 1
    per_second: float = 50.0
    shortest_s: float = 3.0
    longest_s: float = 15.0


class Traffic:
    """Clients, a REST sender, and the endpoint that hears the clients."""

    def __init__(self, account: Account, plan: Plan, *, seed: int) -> None:
        self._account = account
        self._plan = plan
        self._dice = random.Random(seed)
        self._numbers = itertools.count(1)
        self._session: aiohttp.ClientSession | None = None
        self._runner: web.AppRunner | None = None
        self._slots: list[asyncio.Task[None]] = []
        self._stopping = asyncio.Event()
        self.url = ""
        self.to_arrive: set[str] = set()
        self.calls = 0
        self.sent = 0
        self.posted = 0
        self.faults: list[str] = []

    async def __aenter__(self) -> Traffic:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), cookie_jar=aiohttp.DummyCookieJar()
        )
        app = web.Application()
        app.router.add_post("/voice", self._on_voice)
        app.router.add_post("/status", self._on_status)
        app.router.add_post("/messages", self._on_message)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        status, _ = await self._rest.post(f"Applications/{self._account.application_sid}", VoiceUrl=f"{self.url}/voice")
        assert status == 200, status
        for number in range(self._plan.calls):
            media: Literal["real", "none"] = "real" if number < self._plan.with_audio else "none"
            self._slots.append(asyncio.create_task(self._calls_one_after_the_other(media)))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._session and self._runner
        for slot in self._slots:
            slot.cancel()
        await asyncio.gather(*self._slots, return_exceptions=True)
        await self._session.close()
        await self._runner.cleanup()

    async def stop(self) -> None:
        """Let the calls that are up end, and every message arrive."""
        self._stopping.set()
        await asyncio.gather(*self._slots)
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                while self.to_arrive:  # noqa: ASYNC110  # another process's work
                    await asyncio.sleep(0.05)

    @property
    def _rest(self) -> Rest:
        assert self._session
        return Rest(self._account, self._session)

    # the customer's web server

    async def _on_voice(self, request: web.Request) -> web.Response:
        to = (await request.post())["To"]
        dial = f'<Dial answerOnBridge="true"><Client statusCallback="{self.url}/status">{to}</Client></Dial>'
        return web.Response(text=f"<Response>{dial}</Response>", content_type="text/xml")

    async def _on_status(self, request: web.Request) -> web.Response:
        return web.Response(status=204)

    async def _on_message(self, request: web.Request) -> web.Response:
        sid = json.loads(await request.read())["Sid"]
        self.to_arrive.discard(sid)
        return web.Response(status=204)

    # calls

    async def _calls_one_after_the_other(self, media: Literal["real", "none"]) -> None:
        await asyncio.sleep(self._dice.uniform(0, 2))  # they do not all begin at once
        while not self._stopping.is_set():
            try:
                await self._call(media)
            except (VoiceError, InvalidStateError, TimeoutError, aiohttp.ClientError) as error:
                self.faults.append(f"a call: {type(error).__name__} {error}")

    async def _call(self, media: Literal["real", "none"]) -> None:
        lasts_s = self._dice.uniform(self._plan.shortest_s, self._plan.longest_s)
        async with self._device(media) as alice, self._device(media) as bob:
            await bob.register()
            rings = bob.wait_for("incoming", timeout=PATIENCE_S)
            call = await alice.connect(params={"To": bob.identity})
            accepted = call.wait_for("accept", timeout=PATIENCE_S)
            incoming: Call = await rings
            incoming.accept()
            await accepted
            self.calls += 1
            talk = Talk(call, call.parameters["CallSid"])
            call.on("messageReceived", talk.on_received)
            status, _ = await self._rest.post(
                f"Calls/{talk.leg}/UserDefinedMessageSubscriptions", Callback=f"{self.url}/messages"
            )
            assert status == 201, status
            await self._keep_up(talk, lasts_s)
            if not await talk.has_everything():
                self.faults.append(f"{len(talk.to_receive)} messages did not reach the client of {talk.leg}")
            call.disconnect()

    def _device(self, media: Literal["real", "none"]) -> Device:
        identity = f"client{next(self._numbers)}"
        return Device(self._account.token(identity), url=self._account.signal_url, media=media, session=self._session)

    async def _keep_up(self, talk: Talk, lasts_s: float) -> None:
        """A message each way, again and again, at this call's share of the rate."""
        loop = asyncio.get_running_loop()
        every_s = self._plan.calls / self._plan.per_second
        due = loop.time()
        until = due + lasts_s
        while due < until and not self._stopping.is_set():
            await asyncio.gather(self._send(talk), self._post(talk))
            due += every_s
            await asyncio.sleep(max(0.0, due - loop.time()))

    async def _send(self, talk: Talk) -> None:
        message = talk.call.send_message(self._content())
        self.to_arrive.add(str(message))  # before its ack: the callback may be faster
        self.sent += 1
        await message

    async def _post(self, talk: Talk) -> None:
        path = f"Calls/{talk.leg}/UserDefinedMessages"
        status, sid = await self._rest.post(path, Content=json.dumps(self._content()))
        if status != 201 or sid is None:
            self.faults.append(f"a message was answered {status}")
            return
        self.posted += 1
        talk.on_answer(sid)

    def _content(self) -> dict[str, Any]:
        return {"n": next(self._numbers), "text": "x" * self._dice.randint(1, 400)}


@dataclass(slots=True)
class Talk:
    """What one call's client still has to receive. `early`: frames that were faster than the answer to their POST."""

    call: Call
    leg: str
    to_receive: set[str] = field(default_factory=set)
    early: set[str] = field(default_factory=set)

    def on_answer(self, sid: str) -> None:
        if sid in self.early:
            self.early.discard(sid)
        else:
            self.to_receive.add(sid)

    def on_received(self, message: Any) -> None:
        sid = message.voice_event_sid
        if sid in self.to_receive:
            self.to_receive.discard(sid)
        else:
            self.early.add(sid)

    async def has_everything(self) -> bool:
        """Wait for what is on its way to the client."""
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                while self.to_receive:  # noqa: ASYNC110  # another process's work
                    await asyncio.sleep(0.02)
        return not self.to_receive
