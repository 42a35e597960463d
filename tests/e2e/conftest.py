"""What end-to-end tests share: real Chromium, a page with the official SDK, phones in it.

All end-to-end tests run in one event loop, because the browser lives in it from the first test to the last.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio
from browsers import launch
from cables import MediaCable
from customers import Customer
from pages import serve_pages
from pairs import Pair, name
from phones import Phone
from playwright.async_api import Browser, BrowserContext, Playwright, async_playwright
from servers import Server

HERE = Path(__file__).parent

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
    """Origin of the page with the SDK."""
    async with serve_pages() as origin:
        yield origin


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


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """The server that tests with browsers share; whoever restarts one starts its own."""
    server = Server(tmp_path_factory.mktemp("midcall"))
    await server.start()
    yield server
    assert await server.stop() == 0, "\n".join(server.log)
    assert not any("Traceback" in line for line in server.log), "\n".join(server.log)


@pytest_asyncio.fixture(loop_scope="session")
async def customer(server: Server) -> AsyncIterator[Customer]:
    async with Customer(await server.credentials()) as customer:
        await customer.point_application_here()
        yield customer


@pytest_asyncio.fixture(loop_scope="session")
async def dial(customer: Customer, open_phone: type_of_open_phone) -> Callable[..., Awaitable[Pair]]:
    """Let alice call bob; bob accepts unless told otherwise. `callers` and `callees` are options of one side only,
    `media` names the cable of its audio."""

    async def dial(
        *,
        accept: bool = True,
        browser: Browser | None = None,
        host: str | None = None,
        callees_host: str | None = None,
        callers: dict[str, object] | None = None,
        callees: dict[str, object] | None = None,
        media: dict[str, MediaCable] | None = None,
        **options: object,
    ) -> Pair:
        host = host or customer.credentials.signaling_host
        alice, bob = await open_phone(name("alice"), browser=browser), await open_phone(name("bob"), browser=browser)
        for who, phone in (("alice", alice), ("bob", bob)):
            if cable := (media or {}).get(who):
                await phone.plug(cable)
        await alice.start(customer.token(alice.name), host, **options, **(callers or {}))
        await bob.start(customer.token(bob.name), callees_host or host, **options, **(callees or {}))
        await bob.register()
        placed = await alice.connect(To=bob.name)
        answered = await bob.incoming()
        await placed.wait_for("ringing")
        if accept:
            await answered.accept()
            await placed.wait_for("accept")
            await answered.wait_for("accept")
        parent = (await placed.properties())["parameters"]["CallSid"]
        child = (await answered.properties())["parameters"]["CallSid"]
        return Pair(alice, bob, placed, answered, parent, child)

    return dial
