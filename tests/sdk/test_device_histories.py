"""Random histories of a device, its application and a server that misbehaves, in virtual time; a seed names each.

Whatever happens: nothing is logged as an error, a call ends once and is silent afterwards, and when the server behaves
again, so does the device: registered if that was wanted, calls open or over, messages judged, no task left.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import msgspec
import pytest
from aiohttp import WSMsgType, web

from midcall.sdk import Call, Chance, Device, InvalidStateError, SdkError
from midcall.testing import loop
from midcall.wire import signal

SEEDS = 40
STEPS = 40
ENDS = {"disconnect", "cancel", "reject"}
AFTER_THE_END = {"messageSent", "error", "messageReceived", "cancel"}


class Robot:
    """A server that does what a server does, late, and not always."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.url = ""
        self.is_honest = False
        self.sockets: list[web.WebSocketResponse] = []
        self.requests: list[web.Request] = []
        self.registered = False
        self._made = 0

    async def handle(self, request: web.Request) -> web.WebSocketResponse:
        if not self.is_honest and self.dice.random() < 0.2:
            raise web.HTTPServiceUnavailable
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        self.sockets, self.requests = [*self.sockets, ws], [*self.requests, request]
        heart = asyncio.create_task(self.beat(ws))
        async for message in ws:
            if message.type is WSMsgType.TEXT and message.data != "\n":
                await self.answer(ws, signal.decode_client(message.data))
        heart.cancel()
        self.sockets.remove(ws)
        self.requests.remove(request)
        return ws

    async def beat(self, ws: web.WebSocketResponse) -> None:
        while not ws.closed:
            await asyncio.sleep(5)
            if self.is_honest or self.dice.random() < 0.7:
                with suppress(ConnectionError):
                    await ws.send_str("\n")

    async def say(self, ws: web.WebSocketResponse, *frames: signal.Frame) -> None:
        for frame in frames:
            if not self.is_honest:
                await asyncio.sleep(self.dice.choice([0, 0, 0.01, 1]))
            if not ws.closed:
                with suppress(ConnectionError):
                    await ws.send_str(signal.encode(frame).decode())

    def sid(self, prefix: str) -> str:
        self._made += 1
        return f"{prefix}{self._made:032x}"

    async def answer(self, ws: web.WebSocketResponse, frame: signal.Frame) -> None:
        if not self.is_honest and self.dice.random() < 0.05:
            await ws.close(code=1011)  # the frame is lost with its socket
            return
        match frame:
            case signal.Listen():
                token = signal.TokenView(ttl=self.dice.choice([5, 3600]), identity="alice")
                place = {"edge": "ashburn", "region": "US_EAST_VIRGINIA", "home": "us1", "gateway": "gll"}
                await self.say(ws, signal.Connected(**place, token=token))
            case signal.Register(media=media):
                await self.say(ws, signal.Ready() if media.audio else signal.Offline())
            case signal.ClientInvite(reconnect=None):
                await self.place(ws, frame)
            case signal.ClientInvite():
                await self.resume(ws, frame)
            case signal.Message():
                await self.judge(ws, frame)
            case _:
                pass

    async def place(self, ws: web.WebSocketResponse, frame: signal.ClientInvite) -> None:
        if not self.is_honest and self.dice.random() < 0.2:
            fault = signal.Fault(code=31404, message="no")
            await self.say(ws, signal.Hangup(call_sid=frame.call_sid, error=fault))
            return
        sid = self.sid("CA")
        reconnect = "token" if self.dice.random() < 0.8 else None
        await self.say(ws, signal.Ringing(call_sid=sid))
        await self.say(ws, signal.ServerAnswer(call_sid=sid, sdp="answer", reconnect=reconnect))

    async def resume(self, ws: web.WebSocketResponse, frame: signal.ClientInvite) -> None:
        if not self.is_honest and self.dice.random() < 0.2:
            await self.say(ws, signal.Hangup(call_sid=frame.call_sid, error=signal.Fault(code=31209)))
        else:
            await self.say(ws, signal.ServerAnswer(call_sid=frame.call_sid, sdp="answer", reconnect="next"))

    async def judge(self, ws: web.WebSocketResponse, frame: signal.Message) -> None:
        if not self.is_honest and self.dice.random() < 0.2:
            fault = signal.Fault(code=31206, retry_after=3)
            await self.say(ws, signal.Error(error=fault, call_sid=frame.call_sid, message_sid=frame.message_sid))
        else:
            await self.say(ws, signal.Ack(call_sid=frame.call_sid, message_sid=frame.message_sid))

    async def disturb(self, calls: list[Call]) -> None:
        """Something that servers and networks do by themselves."""
        if not self.sockets:
            return
        ws = self.sockets[-1]
        sids = [call.parameters["CallSid"] for call in calls if "CallSid" in call.parameters] or [self.sid("CA")]
        match self.dice.choice(["cut", "close", "invite", "invite", "hangup", "cancel", "error", "end", "message"]):
            case "cut":
                transport = self.requests[-1].transport
                if transport is not None:
                    transport.abort()
            case "close":
                await ws.close(code=self.dice.choice([1000, 1001, 4000]))
            case "invite":
                parameters = {"From": "client:bob"}
                reconnect = self.dice.choice(["token", None])
                invite = signal.ServerInvite(
                    call_sid=self.sid("CA"), sdp="offer", parameters=parameters, reconnect=reconnect
                )
                await self.say(ws, invite, *[invite] * self.dice.randrange(2))
            case "hangup":
                await self.say(ws, signal.Hangup(call_sid=self.dice.choice(sids)))
            case "cancel":
                await self.say(ws, signal.Cancel(call_sid=self.dice.choice(sids)))
            case "error":
                code = self.dice.choice([31205, 31201, 31902, 53000])
                await self.say(ws, signal.Error(error=signal.Fault(code=code, retry_after=self.dice.choice([None, 2]))))
            case "end":
                await self.say(ws, signal.Close())
            case "message":
                sid = self.dice.choice(sids)
                message = signal.Message(
                    call_sid=sid,
                    message_sid=self.sid("KX"),
                    message_type="user-defined-message",
                    content_type="application/json",
                    content=msgspec.Raw(b'{"n":1}'),
                )
                await self.say(ws, message)


@asynccontextmanager
async def robots(dice: random.Random, count: int) -> AsyncIterator[list[Robot]]:
    made, runners = [], []
    for _ in range(count):
        robot = Robot(dice)
        application = web.Application()
        application.router.add_get("/signal", robot.handle)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        robot.url = f"ws://127.0.0.1:{runner.addresses[0][1]}/signal"
        made.append(robot)
        runners.append(runner)
    yield made
    for runner in runners:
        await runner.cleanup()


class App:
    """What an application does with a device, and what it is told."""

    def __init__(self, device: Device, dice: random.Random, urls: list[str]) -> None:
        self.device = device
        self.dice = dice
        self.urls = urls
        self.calls: list[Call] = []
        self.told: dict[str, list[str]] = {}
        self.sent: list[asyncio.Task[Any]] = []
        self.work: list[asyncio.Task[Any]] = []
        self.wants: bool | None = False
        device.on("incoming", self.take)
        device.on("error", lambda error: None)

    def take(self, call: Call) -> None:
        """Watch a call from its first moment on."""
        self.calls.append(call)
        told = self.told.setdefault(call.outbound_connection_id, [])
        for name in call.EVENTS:
            call.on(name, lambda *_, name=str(name): told.append(name))

    async def act(self) -> None:
        device, dice = self.device, self.dice
        call = dice.choice(self.calls) if self.calls else None
        match dice.choice(
            ["register", "unregister", "connect", "connect", "accept", "end", "end", "message", "move", "all"]
        ):
            case "register":
                self.work.append(asyncio.create_task(self.ignoring(device.register())))
            case "unregister":
                self.work.append(asyncio.create_task(self.ignoring(device.unregister())))
            case "connect":
                self.work.append(asyncio.create_task(self.ignoring(self.connect())))
            case "accept" if call is not None:
                call.accept()
            case "end" if call is not None:
                getattr(call, dice.choice(["disconnect", "reject", "ignore"]))()
            case "message" if call is not None and call.status() == "open":
                sent = call.send_message({"n": len(self.sent)})
                self.sent.append(asyncio.create_task(self.ignoring(self.verdict(sent))))
            case "move":
                try:
                    device.update_options(url=dice.sample(self.urls, dice.randrange(1, len(self.urls) + 1)))
                except InvalidStateError:
                    assert device.is_busy
            case "all":
                device.disconnect_all()
            case _:
                pass

    async def connect(self) -> None:
        self.take(await self.device.connect())

    async def verdict(self, sent: Any) -> None:
        await sent

    async def ignoring(self, work: Any) -> None:
        with suppress(SdkError):
            await work


def check(app: App) -> None:
    """What holds at any time."""
    assert all(call.status() == "pending" for call in app.device.calls)
    for call in app.calls:
        told = app.told[call.outbound_connection_id]
        assert told.count("accept") <= 1, told
        ends = [index for index, name in enumerate(told) if name in ENDS]
        if ends:
            assert call.status() == "closed", (call, told)
            assert set(told[ends[0] + 1 :]) <= AFTER_THE_END, told
    up = [call for call in app.calls if call.status() in ("connecting", "ringing", "open", "reconnecting")]
    assert len(up) <= 1 + sum(call.direction == "OUTGOING" for call in up), up


async def history(seed: int) -> None:
    dice = random.Random(seed)
    async with robots(dice, 2) as servers:
        urls = [server.url for server in servers]
        device = Device(
            "token",
            url=urls,
            media="none",
            chance=Chance.seeded(seed),
            allow_incoming_while_busy=dice.random() < 0.5,
            max_call_signaling_timeout_ms=dice.choice([0, 30_000]),
        )
        app = App(device, dice, urls)
        for _ in range(STEPS):
            if dice.random() < 0.5:
                await app.act()
            else:
                await dice.choice(servers).disturb(app.calls)
            await asyncio.sleep(dice.choice([0, 0, 0.001, 0.1, 3, 20]))
            check(app)

        for server in servers:
            server.is_honest = True
        if device.state == "unregistered":
            app.work.append(asyncio.create_task(app.ignoring(device.register())))
        await asyncio.sleep(120)
        if device.state != "registered":  # the server had refused it before it became honest
            await device.register()
        await asyncio.sleep(60)
        check(app)
        assert device.state == "registered"
        for call in app.calls:
            assert call.status() in ("open", "closed", "pending"), (call, app.told[call.outbound_connection_id])
        assert all(task.done() for task in app.sent)
        await device.destroy()
        check(app)
        assert all(call.status() == "closed" or call not in app.device.calls for call in app.calls)
        for task in app.work:
            task.cancel()
        await asyncio.gather(*app.work, *app.sent, return_exceptions=True)
        own = [task for task in asyncio.all_tasks() if "midcall.sdk" in task.get_name()]
        assert own == []


@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_device_survives_a_history(seed, caplog):
    loop.run(history(seed), seed=seed)
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []
