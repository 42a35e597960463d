"""What end-to-end tests share: real Chromium, a page with the official SDK, phones in it.

All end-to-end tests run in one event loop, because the browser lives in it from the first test to the last.
"""

from __future__ import annotations

import io
import math
import struct
import wave
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web
from browsers import launch
from phones import Phone
from playwright.async_api import Browser, BrowserContext, Playwright, async_playwright

HERE = Path(__file__).parent
PAGES = HERE / "browser"
SDK = PAGES / "node_modules" / "@twilio" / "voice-sdk" / "dist" / "twilio.js"

type_of_open_phone = Callable[..., Awaitable[Phone]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    one_loop = pytest.mark.asyncio(loop_scope="session")
    for item in items:
        if HERE in item.path.parents and isinstance(item, pytest.Function) and pytest_asyncio.is_async_test(item):
            item.add_marker(one_loop, append=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):
    report = yield
    if report.when == "call":
        item.stash[_failed] = report.failed
    return report


_failed = pytest.StashKey[bool]()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def playwright() -> AsyncIterator[Playwright]:
    async with async_playwright() as running:
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium(playwright: Playwright) -> AsyncIterator[Browser]:
    """The browser most tests share; it accepts any certificate."""
    async with launch(playwright) as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="session")
async def trusting_chromium(playwright: Playwright) -> AsyncIterator[Callable[[Path], Awaitable[Browser]]]:
    """Starts a browser that trusts this one authority (a PEM file) and no unknown certificate."""
    async with AsyncExitStack() as stack:

        async def start(authority: Path) -> Browser:
            return await stack.enter_async_context(launch(playwright, trust=authority))

        yield start


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def site() -> AsyncIterator[str]:
    """Origin of the page with the SDK, as a developer's own web server would serve it."""
    if not SDK.exists():
        raise FileNotFoundError(f"{SDK.relative_to(HERE)} is missing: run make deps")
    ringtone = _tone(hz=440, seconds=0.2)

    async def incoming_wav(_: web.Request) -> web.Response:
        return web.Response(body=ringtone, content_type="audio/wav")

    def file(path: Path) -> Callable[[web.Request], Awaitable[web.FileResponse]]:
        async def serve(_: web.Request) -> web.FileResponse:
            return web.FileResponse(path)

        return serve

    app = web.Application()
    app.router.add_get("/incoming.wav", incoming_wav)
    app.router.add_get("/twilio.js", file(SDK))
    for name in ("phone.html", "phone.js", "network.js"):
        app.router.add_get(f"/{name}", file(PAGES / name))
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://localhost:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest_asyncio.fixture(loop_scope="session")
async def context(chromium: Browser) -> AsyncIterator[BrowserContext]:
    """A clean profile."""
    context = await chromium.new_context()
    yield context
    await context.close()


@pytest_asyncio.fixture(loop_scope="session")
async def open_phone(request: pytest.FixtureRequest, chromium: Browser, site: str) -> AsyncIterator[type_of_open_phone]:
    """Opens phones, each with a clean profile; when the test fails, their timelines are printed."""
    phones: list[Phone] = []

    async def open_(name: str = "phone", *, browser: Browser | None = None) -> Phone:
        phone = await Phone.open(await (browser or chromium).new_context(), site, name)
        phones.append(phone)
        return phone

    yield open_
    for phone in phones:
        if request.node.stash.get(_failed, False):
            print(await phone.story())
        await phone.page.context.close()


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
