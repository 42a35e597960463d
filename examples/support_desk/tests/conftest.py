"""Each test opens a desk of its own on a switchboard of its own, in virtual time unless it is marked `media`."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import httpx
import pytest_asyncio
from midcall.testing import Person, Served, Switchboard

from desk.app import create_app
from desk.settings import Settings


class OpenDesk:
    """A desk that is served.

    Attributes:
        served: its URL, by which it can also be made slow, failing, or a liar.
    """

    def __init__(self, served: Served, office: httpx.AsyncClient) -> None:
        self.served = served
        self._office = office

    async def calls(self) -> list[dict[str, Any]]:
        """The call book, as the desk's own people see it."""
        return (await self._office.get("/calls")).raise_for_status().json()

    async def last_call(self) -> dict[str, Any]:
        return (await self.calls())[-1]

    async def on_duty(self, name: str, on_duty: bool) -> None:
        (await self._office.put(f"/team/{name}", json={"on_duty": on_duty})).raise_for_status()

    async def token(self, identity: str) -> str:
        return (await self._office.get("/token", params={"identity": identity})).raise_for_status().json()["token"]

    async def post(self, path: str, fields: dict[str, str] | None = None, **more: Any) -> int:
        """What somebody gets who is not the voice service; the status."""
        return (await self._office.post(path, data=fields, **more)).status_code


OpenADesk = Callable[..., Awaitable[OpenDesk]]


@pytest_asyncio.fixture
async def open_desk(switchboard: Switchboard) -> AsyncIterator[OpenADesk]:
    """Opens a desk: `await open_desk("bob, carol", ring="together")`. Its account is in the environment already."""
    async with AsyncExitStack() as held:

        async def open_it(agents: str, **settings: Any) -> OpenDesk:
            read = Settings.from_environment({**os.environ, "DESK_AGENTS": agents})
            app = create_app(replace(read, **settings))
            served = await switchboard.serve(app, voice="/voice", status_callback="/ended")
            office = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=served)
            return OpenDesk(served, await held.enter_async_context(office))

        yield open_it


@pytest_asyncio.fixture
async def desk(open_desk: OpenADesk) -> OpenDesk:
    """A desk with two agents, bob and carol, who are rung in turn."""
    return await open_desk("bob, carol")


@pytest_asyncio.fixture
async def alice(switchboard: Switchboard) -> Person:
    """A customer with the app."""
    return await switchboard.person("alice")


@pytest_asyncio.fixture
async def bob(switchboard: Switchboard) -> Person:
    """An agent."""
    return await switchboard.person("bob")


@pytest_asyncio.fixture
async def carol(switchboard: Switchboard) -> Person:
    """Another agent."""
    return await switchboard.person("carol")
