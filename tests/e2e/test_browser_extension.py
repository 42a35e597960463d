"""An extension of the browser: its service worker is registered and called, its page takes the call and talks."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from browsers import CHROMIUM, FLAGS, PAGES, SDK
from customers import Customer
from pairs import AUDIBLE, name
from phones import Phone, PhoneCall
from playwright.async_api import BrowserContext, Playwright


@pytest_asyncio.fixture(loop_scope="session")
async def extended(playwright: Playwright, tmp_path: Path) -> AsyncIterator[BrowserContext]:
    """A browser with the extension, which packs the SDK as extensions do."""
    extension = tmp_path / "extension"
    shutil.copytree(PAGES / "extension", extension)
    for file in (SDK, *(PAGES / page for page in ("phone.html", "phone.js", "network.js"))):
        shutil.copy(file, extension)
    context = await playwright.chromium.launch_persistent_context(
        str(tmp_path / "profile"),
        executable_path=CHROMIUM,
        args=[
            *FLAGS,
            "--ignore-certificate-errors",
            f"--disable-extensions-except={extension}",
            f"--load-extension={extension}",
        ],
        ignore_default_args=["--disable-extensions"],
    )
    yield context
    await context.close()


async def test_a_call_to_a_service_worker_is_taken_by_a_page_of_the_extension(
    customer: Customer, open_phone, extended: BrowserContext
) -> None:
    worker = extended.service_workers[0] if extended.service_workers else await extended.wait_for_event("serviceworker")
    bob, host = name("bob"), customer.credentials.signaling_host
    await worker.evaluate("([token, host]) => start(token, host)", [customer.token(bob), host])

    alice = await open_phone(name("alice"))
    await alice.start(customer.token(alice.name), host)
    placed = await alice.connect(To=bob)
    await worker.evaluate("happens('incoming')")
    page = Phone(await extended.new_page(), "the extension's page")
    await page.page.goto(worker.url.replace("worker.js", "phone.html"))
    await page.start(customer.token(bob), host)
    taken: PhoneCall = await page.connect(options={"connectToken": await worker.evaluate("token")})
    await taken.wait_for("accept")
    await placed.wait_for("accept")
    await worker.evaluate("happens('call cancel')")
    assert (await taken.hear(1.5)).energy > AUDIBLE
    assert (await placed.hear(1.0)).energy > AUDIBLE
    assert await worker.evaluate("happened") == ["registered", "incoming", "call cancel"]
    await placed.disconnect()
    await taken.wait_for("disconnect")
