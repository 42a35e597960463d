"""A server in the test's own process with the control API, and a client of that API."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from midcall.app.process import serving
from midcall.settings import load
from midcall.testing.control import extension
from support.control import Kit

StartKit = Callable[..., Awaitable[Kit]]

DIAL = '<Response><Dial answerOnBridge="true" timeout="{ring_s}">{noun}</Dial></Response>'


@pytest.fixture
async def voice_url() -> AsyncIterator[str]:
    """An app that dials the client or the number that `To` names, for `ring_s` seconds."""

    async def voice(request: web.Request) -> web.Response:
        fields = await request.post()
        to = str(fields.get("To", "nobody"))
        noun = f"<Number>{to}</Number>" if to.startswith("+") else f"<Client>{to}</Client>"
        return web.Response(text=DIAL.format(noun=noun, ring_s=fields.get("ring_s", "60")), content_type="text/xml")

    application = web.Application()
    application.router.add_post("/voice", voice)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/voice"
    await runner.cleanup()


@pytest.fixture
async def start_kit(tmp_path: Path, voice_url: str) -> AsyncIterator[StartKit]:
    """Starts a server whose application dials who is asked for."""
    async with AsyncExitStack() as stack:

        async def start(media_engine: str = "none", **settings: Any) -> Kit:
            chosen = load({"port": 0, "http_port": 0, "data_dir": ":memory:", "media_engine": media_engine, **settings})
            running = await stack.enter_async_context(serving(chosen, extensions=(extension,)))
            session = await stack.enter_async_context(aiohttp.ClientSession())
            made = running.credentials
            kit = Kit(running, session, {"Authorization": aiohttp.encode_basic_auth(made.account_sid, made.auth_token)})
            await kit.rest("POST", f"/Applications/{made.application_sid}.json", {"VoiceUrl": voice_url})
            return kit

        yield start


@pytest.fixture
async def kit(start_kit: StartKit) -> Kit:
    return await start_kit()
