"""Servers in virtual time: in the loop of the test, in memory, with no sockets and no media."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Literal

import aiohttp

from midcall.app.process import Running
from midcall.redirect.environment import UNSET, Variables, credential_variables
from midcall.sdk.chance import Chance
from midcall.testing import virtual
from midcall.testing.control import attach
from midcall.testing.kit.apps import Application
from midcall.testing.kit.control import Control, HttpControl
from midcall.testing.kit.environment import PROXIES
from midcall.testing.kit.place import DECIDED, settings_of
from midcall.testing.people.everybody import Town


class VirtualPlace:
    """`Place` in virtual time; see there for the attributes."""

    time: Literal["real", "virtual"] = "virtual"
    ca_file: str | None = None

    def __init__(self, server: virtual.VirtualServer, session: aiohttp.ClientSession, held: AsyncExitStack) -> None:
        self._server = server
        self._held = held
        self._apps = 0
        self.credentials = server.credentials
        self.http_url = server.http_url
        self.https_url = server.https_url
        self.signal_url = server.signal_url
        self.control: Control = HttpControl(
            session,
            server.http_url,
            account_sid=server.credentials.account_sid,
            auth_token=server.credentials.auth_token,
        )
        # The vendor's hosts lead to the server by themselves in this loop; a proxy would lead out of it.
        self.variables: Variables = {
            **credential_variables(server.credentials),
            "TWILIO_APPLICATION_SID": server.credentials.application_sid,
            **dict.fromkeys((*UNSET, *PROXIES)),
        }

    @classmethod
    async def start(cls, seed: int, settings: Mapping[str, object]) -> VirtualPlace:
        """Start a server in the running loop, which must be a virtual one.

        Raises:
            SwitchboardUnusable: a setting cannot be used.
        """
        held = AsyncExitStack()
        checked = settings_of(settings, {**DECIDED, "media_engine": "none"})
        given = {name: getattr(checked, name) for name in settings}
        server = await held.enter_async_context(
            virtual.server(seed=seed, extensions=[lambda running: _people(running, seed)], **given)
        )
        session = await held.enter_async_context(aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()))
        return cls(server, session, held)

    async def serve(self, app: Application) -> str:
        """See `Place.serve`."""
        self._apps += 1
        return await self._server.serve(app, host=f"app{self._apps if self._apps > 1 else ''}.example")

    async def close(self) -> None:
        """Stop the applications and the server."""
        await self._held.aclose()


@asynccontextmanager
async def _people(running: Running, seed: int) -> AsyncIterator[None]:
    """The control API, whose people live in virtual time and draw from the seed."""
    town = Town(
        http_url=running.info.http_url,
        https_url=running.info.https_url,
        account_sid=running.credentials.account_sid,
        application_sid=running.credentials.application_sid,
        time="virtual",
        chance=Chance.seeded(f"{seed}/people"),
    )
    control = attach(running.app, town)
    try:
        yield
    finally:
        await control.close()
