"""Signalling of a `midcall.sdk` client, passed on with the server's media addresses replaced by those of a cable."""

from __future__ import annotations

import asyncio
import json
import ssl
from typing import Any

import aiohttp
from aiohttp import web
from cables import MediaCable


class Relay:
    """A WebSocket server in front of the real one. For browsers, the page itself does this."""

    def __init__(self, url: str, tls: ssl.SSLContext, cable: MediaCable) -> None:
        self._far_url, self._tls, self._cable = url, tls, cable
        self._session: aiohttp.ClientSession | None = None
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def __aenter__(self) -> Relay:
        self._session = aiohttp.ClientSession()
        app = web.Application()
        app.router.add_get("/signal", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"ws://127.0.0.1:{self._runner.addresses[0][1]}/signal"
        return self

    async def __aexit__(self, *error: Any) -> None:
        assert self._runner and self._session
        await self._runner.cleanup()
        await self._session.close()

    async def _serve(self, request: web.Request) -> web.WebSocketResponse:
        assert self._session
        near = web.WebSocketResponse()
        await near.prepare(request)
        async with self._session.ws_connect(self._far_url, ssl=self._tls, max_msg_size=0) as far:
            ways = [asyncio.create_task(self._pass(near, far)), asyncio.create_task(self._pass(far, near, self._led))]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
        await near.close()
        return near

    @staticmethod
    async def _pass(source: Any, sink: Any, change: Any = None) -> None:
        async for message in source:
            if message.type is aiohttp.WSMsgType.TEXT:
                await sink.send_str(await change(message.data) if change else message.data)

    async def _led(self, text: str) -> str:
        """A frame whose candidates are the cable's."""
        if not text.startswith("{"):
            return text
        frame = json.loads(text)
        if sdp := frame.get("payload", {}).get("sdp"):
            lines = [line.split(" ") for line in sdp.split("\r\n")]
            for fields in lines:
                if fields[0].startswith("a=candidate:"):
                    fields[5] = str(await self._cable.relay(fields[4], int(fields[5])))
            frame["payload"]["sdp"] = "\r\n".join(" ".join(fields) for fields in lines)
        return json.dumps(frame)
