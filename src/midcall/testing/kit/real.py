"""Servers in real time: each in this process, on free ports, in memory, on a loop in a thread of its own.

The thread is what lets a test, an application or a helper library block without stopping the server.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

import aiohttp

from midcall.app.listening import PortBusy
from midcall.app.process import Extension, serving
from midcall.folder import Credentials, FolderBusy, FolderUnusable, ServerInfo
from midcall.redirect import files
from midcall.redirect.environment import Variables, variables
from midcall.redirect.files import ProgramFiles
from midcall.redirect.proxy import LOOPBACK, Home
from midcall.redirect.proxy import serving as proxying
from midcall.redirect.upstream import UnusableProxy, Upstreams
from midcall.settings import SettingsError
from midcall.testing.kit import apps
from midcall.testing.kit.apps import Application
from midcall.testing.kit.control import Control, ElsewhereControl, HttpControl
from midcall.testing.kit.failures import SwitchboardUnusable
from midcall.testing.kit.place import DECIDED, settings_of

START_S: Final = 60.0
STOP_S: Final = 30.0

T = TypeVar("T")


class LoopThread:
    """A loop that runs in a thread of its own until it is closed.

    Attributes:
        folder: for what its servers share: certificates, and files that let programs trust them.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self.folder = folder
        self._files: ProgramFiles | None = None
        self._authority = b""
        self._runner = asyncio.Runner()
        self.loop = self._runner.get_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name=name, daemon=True)
        self._thread.start()

    def files(self, ca_file: Path) -> ProgramFiles:
        """What programs are given; written once for each authority, because Java's store takes its time."""
        authority = ca_file.read_bytes()
        if self._files is None or self._authority != authority:
            self._files = files.write(self.folder / "exec", ca_file, os.environ)
            self._authority = authority
        return self._files

    def run(self, work: Coroutine[Any, Any, T], timeout: float | None = None) -> T:
        """Do it there, and wait for it here.

        Raises:
            TimeoutError: it took too long.
        """
        __tracebackhide__ = True
        future = asyncio.run_coroutine_threadsafe(work, self.loop)
        try:
            error = future.exception(timeout)
        except BaseException:
            future.cancel()
            raise
        if error is None:
            return future.result()
        try:
            raise error  # and not by `result`, whose frames would stand in the report of each failing test
        finally:
            del error  # it refers to this frame

    def close(self) -> None:
        """Stop it; what still runs there is cancelled."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self._runner.close()


@dataclass(frozen=True, slots=True)
class _Started:
    info: ServerInfo
    credentials: Credentials
    session: aiohttp.ClientSession
    variables: Variables


class RealPlace:
    """A server in a thread. `Place` for a test of any kind; see there for the attributes."""

    time: Literal["real", "virtual"] = "real"

    def __init__(self, thread: LoopThread, settings: Mapping[str, object], extensions: Sequence[Extension]) -> None:
        """Start it.

        Raises:
            SwitchboardUnusable: it cannot start; the text says why.
        """
        self._thread = thread
        self._held = AsyncExitStack()
        self._apps = ExitStack()
        self._apps_in_loop: list[tuple[asyncio.AbstractEventLoop, AsyncExitStack]] = []
        try:
            started = thread.run(self._start(settings, extensions), START_S)
        except BaseException:
            self.close()
            raise
        credentials = started.credentials
        self.credentials = credentials
        self.http_url = started.info.http_url
        self.https_url = started.info.https_url
        self.signal_url = f"wss://{started.info.signaling_host}/signal"
        self.ca_file: str | None = started.info.ca_file
        self.variables = started.variables
        self.control: Control = ElsewhereControl(
            HttpControl(
                started.session,
                started.info.http_url,
                account_sid=credentials.account_sid,
                auth_token=credentials.auth_token,
            ),
            thread.loop,
        )

    async def _start(self, settings: Mapping[str, object], extensions: Sequence[Extension]) -> _Started:
        try:
            checked = settings_of(settings, DECIDED)
            upstreams = Upstreams.of(os.environ)
            server = await self._held.enter_async_context(
                serving(checked, extensions=extensions, certificates_in=self._thread.folder / "certs")
            )
        except (FolderBusy, FolderUnusable, PortBusy, SettingsError, UnusableProxy) as error:
            raise SwitchboardUnusable(f"the switchboard's server cannot start: {error}") from None
        self._held.callback(server.hurry.set)  # nobody waits for the last callbacks of a test that is over
        info, credentials = server.info, server.credentials
        home = Home(info.address, info.port, info.http_port)
        port = await self._held.enter_async_context(proxying(lambda: home, upstreams))
        written = self._thread.files(Path(info.ca_file))
        told = variables(host=LOOPBACK, port=port, credentials=credentials, files=written, environment=os.environ)
        told["TWILIO_APPLICATION_SID"] = credentials.application_sid
        session = await self._held.enter_async_context(aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()))
        return _Started(info, credentials, session, told)

    async def serve(self, app: Application) -> str:
        """See `Place.serve`."""
        stack = AsyncExitStack()
        url = await stack.enter_async_context(apps.asgi(app))
        self._apps_in_loop.append((asyncio.get_running_loop(), stack))
        return url

    def serve_in_threads(self, app: Application) -> str:
        """Put an application where the server reaches it, and where it may block; its URL."""
        return self._apps.enter_context(apps.in_thread(app))

    def close(self) -> None:
        """Stop the applications and the server, each also when another does not stop well."""
        with ExitStack() as ending:
            ending.callback(lambda: self._thread.run(self._held.aclose(), STOP_S))
            ending.callback(self._apps.close)
            for loop, stack in self._apps_in_loop:
                ending.callback(_close, loop, stack)


def _close(loop: asyncio.AbstractEventLoop, stack: AsyncExitStack) -> None:
    if not loop.is_closed():
        loop.run_until_complete(stack.aclose())
