"""A signalling server that does what the test says, frame by frame."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from aiohttp import WSMsgType, web

from midcall.sdk import Call, Device
from midcall.wire import signal

F = TypeVar("F", bound=signal.Frame)

CALL = "CA" + "a" * 32
OTHER = "CA" + "b" * 32
MESSAGE = "KX" + "1" * 32


class Connection:
    """One socket, as the server sees it."""

    def __init__(self, ws: web.WebSocketResponse, request: web.Request) -> None:
        self._ws = ws
        self._request = request
        self._texts: asyncio.Queue[str | None] = asyncio.Queue()

    async def text(self) -> str | None:
        """The next text, heartbeats included; None when the client has closed the socket."""
        return await asyncio.wait_for(self._texts.get(), 5)

    async def expect(self, kind: type[F]) -> F:
        """The next frame, which must be of this kind."""
        text = await self.text()
        assert text is not None, f"the client closed the socket instead of sending {kind.__name__}"
        frame = signal.decode_client(text)
        assert isinstance(frame, kind), f"{frame} instead of {kind.__name__}"
        return frame

    async def send(self, *frames: signal.Frame) -> None:
        """Write frames, without a pause in between."""
        for frame in frames:
            await self._ws.send_str(signal.encode(frame).decode())

    async def send_text(self, text: str) -> None:
        await self._ws.send_str(text)

    async def connected(self, identity: str | None = "alice", ttl: int = 3600) -> signal.Listen:
        """Take the client's token."""
        listen = await self.expect(signal.Listen)
        token = signal.TokenView(ttl=ttl, identity=identity)
        await self.send(
            signal.Connected(edge="ashburn", region="US_EAST_VIRGINIA", home="us1", gateway="test", token=token)
        )
        return listen

    async def registered(self) -> None:
        """Take the client's token and its registration."""
        await self.connected()
        assert (await self.expect(signal.Register)).media.audio
        await self.send(signal.Ready())

    def cut(self) -> None:
        """Break the connection as a network does."""
        assert self._request.transport is not None
        self._request.transport.abort()

    async def close(self) -> None:
        """Close it in an orderly way."""
        await self._ws.close()

    async def pump(self) -> None:
        async for message in self._ws:
            if message.type is WSMsgType.TEXT:
                self._texts.put_nowait(message.data)
        self._texts.put_nowait(None)


class Server:
    """Hands out the sockets that clients open."""

    def __init__(self) -> None:
        self._connections: asyncio.Queue[Connection] = asyncio.Queue()
        self.url = ""

    async def connection(self, *, within_s: float = 5) -> Connection:
        """The next socket."""
        return await asyncio.wait_for(self._connections.get(), within_s)

    async def handle(self, request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        connection = Connection(ws, request)
        self._connections.put_nowait(connection)
        await connection.pump()
        return ws


@asynccontextmanager
async def serving() -> AsyncIterator[Server]:
    """A server on a free port."""
    server = Server()
    application = web.Application()
    application.router.add_get("/signal", server.handle)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.url = f"ws://127.0.0.1:{runner.addresses[0][1]}/signal"
    yield server
    await runner.cleanup()


async def rung(device: Device, connection: Connection, **invite: Any) -> Call:
    """An incoming call."""
    incoming = device.wait_for("incoming", timeout=5)
    parameters = {"From": "client:bob", "To": "client:alice", "AccountSid": "AC" + "0" * 32}
    await connection.send(
        signal.ServerInvite(
            **{"call_sid": CALL, "sdp": "offer", "parameters": parameters, "reconnect": "first", **invite}
        )
    )
    call = await incoming
    assert isinstance(call, Call)
    return call


async def opened(device: Device, connection: Connection) -> Call:
    """An outgoing call that was answered."""
    call = await device.connect()
    accepted = call.wait_for("accept", timeout=5)
    await connection.expect(signal.ClientInvite)
    await connection.send(
        signal.Ringing(call_sid=CALL), signal.ServerAnswer(call_sid=CALL, sdp="answer", reconnect="first")
    )
    await accepted
    return call
