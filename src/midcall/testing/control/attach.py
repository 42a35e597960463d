"""Adds the control API to a server that has not let anybody in yet."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from midcall.app.assembly import App
from midcall.app.process import Running
from midcall.core.sids import AccountSid, CallSid
from midcall.testing.control.clients import ClientRoutes
from midcall.testing.control.edge import Edge
from midcall.testing.control.endpoints import Endpoints
from midcall.testing.control.people import PeopleRoutes
from midcall.testing.control.wire import Wires
from midcall.testing.people.everybody import Everybody, Town
from midcall.testing.people.story import timeline


class Control:
    """What was added; `close` lets all people leave, before the server stops."""

    def __init__(self, app: App, town: Town) -> None:
        self.everybody = Everybody(app, town)
        self._app = app
        self.edge = edge = Edge(app.web.router, app.accounts, self.story)
        PeopleRoutes(self.everybody, app, edge).add()
        self._endpoints = Endpoints(self.everybody, app, edge)
        self._endpoints.add()
        self.wires = Wires()
        ClientRoutes(self.everybody, app, edge, self.wires).add()
        app.signalling.around = self.wires.around
        self.everybody.is_cut = self.wires.is_cut
        self.everybody.on_emptied = self.wires.restore_all

    async def story(self, account: AccountSid, call: CallSid | None) -> str:
        """What happened, as text."""
        told = await timeline(self._app, self.everybody.of(account).journal, account, call)
        return told.text

    async def close(self) -> None:
        """Let all people leave."""
        self._endpoints.close()
        await self.everybody.close()
        self._app.signalling.around = None


def attach(app: App, town: Town) -> Control:
    """Add the control API's routes to a server, whose application must not be frozen yet.

    Args:
        app: a wired server of mode dev.
        town: where it listens, and whose time and chance hold there.

    Returns:
        The people; close it before the server stops.
    """
    return Control(app, town)


@asynccontextmanager
async def extension(running: Running) -> AsyncIterator[Control | None]:
    """The control API as an extension of `app.process.serving`; in production it adds nothing."""
    if running.info.mode != "dev":
        yield None
        return
    town = Town(
        http_url=running.info.http_url,
        https_url=running.info.https_url,
        account_sid=running.credentials.account_sid,
        application_sid=running.credentials.application_sid,
    )
    control = attach(running.app, town)
    try:
        yield control
    finally:
        await control.close()
