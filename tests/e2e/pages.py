"""The page with the official SDK, as a developer's own web server would serve it."""

from __future__ import annotations

import io
import math
import struct
import wave
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web
from browsers import PAGES, SDK

OLD_SDK = PAGES / "node_modules" / "voice-sdk-2.2.0" / "dist" / "twilio.js"


@asynccontextmanager
async def serve_pages() -> AsyncIterator[str]:
    """Origin of the page with the newest SDK; under `/2.2.0` it has that one."""
    for sdk in (SDK, OLD_SDK):
        if not sdk.exists():
            raise FileNotFoundError(f"{sdk.relative_to(PAGES.parent)} is missing: run make deps")
    ringtone = _tone(hz=440, seconds=0.2)

    async def incoming_wav(_: web.Request) -> web.Response:
        return web.Response(body=ringtone, content_type="audio/wav")

    def file(path: Path) -> Callable[[web.Request], Awaitable[web.FileResponse]]:
        async def serve(_: web.Request) -> web.FileResponse:
            return web.FileResponse(path)

        return serve

    app = web.Application()
    app.router.add_get("/incoming.wav", incoming_wav)
    for folder, sdk in (("", SDK), ("/2.2.0", OLD_SDK)):
        app.router.add_get(f"{folder}/twilio.js", file(sdk))
        for page in ("phone.html", "phone.js", "network.js"):
            app.router.add_get(f"{folder}/{page}", file(PAGES / page))
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://localhost:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def _tone(*, hz: int, seconds: float, rate: int = 8000) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        count = int(rate * seconds)
        file.writeframes(
            b"".join(struct.pack("<h", int(8000 * math.sin(2 * math.pi * hz * n / rate))) for n in range(count))
        )
    return out.getvalue()
