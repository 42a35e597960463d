"""A whole server in virtual time: one loop, no sockets, no media, no files, and everything decided by a seed.

    async def scenario() -> None:
        async with virtual.server() as server:
            url = await server.serve(app, host="desk.example")
            await server.set_voice_url(url + "/voice")
            async with server.device("alice") as alice:
                call = await alice.connect(params={"To": "bob"})
                await asyncio.sleep(3600)

    virtual.run(scenario(), seed=7)

See docs/explanation/virtual-time.md for what is promised.
"""

from __future__ import annotations

import asyncio
import os
import random
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any, Final

import midcall
from midcall.app.assembly import App, Parts
from midcall.app.first_start import ensure_credentials
from midcall.app.listening import make_runner
from midcall.app.process import Extension, Running
from midcall.core import tokens
from midcall.core.sids import AccountSid, ApplicationSid, KeySid
from midcall.core.vendor import DOMAIN
from midcall.folder import Credentials, ServerInfo
from midcall.media import make_media
from midcall.ports import Timer
from midcall.sdk import Chance, Device
from midcall.settings import Settings
from midcall.storage.memory import MemoryStore
from midcall.storage.trace import MemoryTrace
from midcall.testing import virtual_apps
from midcall.testing.loop import START, EverybodyWaits, VirtualLoop, run
from midcall.testing.network import LOOPBACK, MemoryServer, Network
from midcall.testing.network_tls import PRETENDED
from midcall.webhooks.guard import Guard, Mode
from midcall.webhooks.sender import HttpSender

__all__ = [
    "START",
    "EverybodyWaits",
    "LoopClock",
    "VirtualLoop",
    "VirtualServer",
    "run",
    "running_loop",
    "served",
    "server",
]

SWEEP_S: Final = 60.0
HTTP_PORT: Final = 8080
HTTPS_PORT: Final = 8443


class LoopClock:
    """The Clock port of a server in a virtual world."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def now(self) -> float:
        return self._loop.now()

    def monotonic(self) -> float:
        return self._loop.time()

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> Timer:
        return self._loop.call_soon(callback) if delay_s <= 0 else self._loop.call_later(delay_s, callback)


class VirtualServer:
    """A server that is ready, and what belongs to its world.

    Attributes:
        app: the wired server, for looking inside.
        credentials: account, auth token, API key, application.
        http_url, https_url: where REST is; the vendor's hosts lead there too.
        signal_url: where `midcall.sdk` connects: `Device(token, url=server.signal_url, media="none")`.
        chance: draws for everything beside the server, decided by the seed.
    """

    def __init__(self, running: Running, loop: VirtualLoop, seed: int | str, held: AsyncExitStack) -> None:
        self.running = running
        self.app: App = running.app
        self.credentials: Credentials = running.credentials
        self.http_url: str = running.info.http_url
        self.https_url: str = running.info.https_url
        self.signal_url = self.http_url.replace("http://", "ws://", 1) + "/signal"
        self.network: Network = loop.network
        self._seed = seed
        self._devices = 0
        self.chance = random.Random(f"{seed}/clients")  # noqa: S311 - decided by the seed, on purpose
        self._held = held
        self._loop = loop

    async def serve(self, app: Any, *, host: str = "app.example") -> str:
        """Serve an application under a name of its own until the server stops.

        Args:
            app: ASGI, WSGI, or an `aiohttp.web.Application`. Its lifespan runs.
            host: its name; `http://` and `https://` (pretended: no certificates) lead to it.

        Returns:
            Its URL, `https://` and the name.

        Raises:
            AppFailed: it did not start.
            OSError: the name is taken.
            TypeError: it is no application.
        """
        return await self._held.enter_async_context(virtual_apps.served(app, self.network, host))

    async def set_voice_url(self, url: str) -> None:
        """Let calls of this account's clients ask there for their TwiML."""
        account, sid = AccountSid(self.credentials.account_sid), ApplicationSid(self.credentials.application_sid)
        application = await self.app.store.application(account, sid)
        assert application is not None
        await self.app.store.put_application(replace(application, voice_url=url))

    def device(self, identity: str, *, token: str | None = None, **options: Any) -> Device:
        """A client without media for this server; what it draws is decided by the seed and how many came before it.

        Args:
            token: instead of a fresh one that lives for an hour.
            options: of `Device`.
        """
        self._devices += 1
        chance = Chance.seeded(f"{self._seed}/device {self._devices}")
        chosen: dict[str, Any] = {"url": self.signal_url, "media": "none", "chance": chance, **options}
        return Device(token or self.token(identity), **chosen)

    def token(self, identity: str, *, ttl_s: int = 3600, incoming: bool = True) -> str:
        """An access token for a client, as the helper libraries make them."""
        now = self._loop.now()
        return tokens.mint(
            key_sid=KeySid(self.credentials.api_key_sid),
            secret=self.credentials.api_key_secret,
            account_sid=AccountSid(self.credentials.account_sid),
            now=now,
            token_id=f"{self.credentials.api_key_sid}-{int(now)}",
            identity=identity,
            ttl_s=ttl_s,
            incoming=incoming,
            application_sid=ApplicationSid(self.credentials.application_sid),
        )


@asynccontextmanager
async def served(app: Any, *, host: str) -> AsyncIterator[str]:
    """Serve an application under a name in this loop's virtual world while the block runs; no server is needed.

    For what an application under test asks beside Midcall: `async with virtual.served(fake, host="crm.example")`.

    Args:
        app: ASGI, WSGI, or an `aiohttp.web.Application`.
        host: its name; `http://` and `https://` lead to it.

    Yields:
        Its URL, `https://` and the name.

    Raises:
        AppFailed, OSError, TypeError: as `VirtualServer.serve`.
        RuntimeError: no virtual loop runs.
    """
    async with virtual_apps.served(app, running_loop().network, host) as url:
        yield url


def running_loop() -> VirtualLoop:
    """The virtual loop that runs here.

    Raises:
        RuntimeError: another loop runs.
    """
    loop = asyncio.get_running_loop()
    if not isinstance(loop, VirtualLoop):
        raise RuntimeError(
            f"virtual time needs a VirtualLoop, and a {type(loop).__name__} runs: use `virtual.run(…)`, "
            "or the pytest plugin, which makes the loop"
        )
    return loop


@asynccontextmanager
async def server(
    *, seed: int | str | None = None, extensions: Sequence[Extension] = (), **settings: Any
) -> AsyncIterator[VirtualServer]:
    """A server in this loop's virtual world while the block runs.

    Args:
        seed: of the server's sids, secrets and jitter, and of `chance`; None: the loop's.
        extensions: as in `app.process.serving`.
        settings: fields of `Settings`, such as `first_sequence=0`.

    Raises:
        RuntimeError: no virtual loop runs.
    """
    loop = running_loop()
    seed = loop.seed if seed is None else seed
    chosen = Settings(mode="dev", data_dir=":memory:", media_engine="none", **settings)
    app = App(chosen, _parts(loop, seed))
    hurry = asyncio.Event()
    try:
        credentials = await ensure_credentials(None, chosen, app.store, app.clock, app.entropy)
        await app.start(AccountSid(credentials.account_sid))
        ports = _ports(loop.network)
        running = Running(_info(chosen, *ports), credentials, app, hurry)
        async with AsyncExitStack() as extended:
            for extension in extensions:
                await extended.enter_async_context(extension(running))
            runner = make_runner(app.web)
            await runner.setup()
            listening = _listen(loop.network, runner.server, *ports)
            try:
                async with AsyncExitStack() as held:
                    yield VirtualServer(running, loop, seed, held)
            finally:
                await extended.aclose()
                await app.stop(chosen.drain, hurry)
                listening.close()
                await runner.cleanup()
    finally:
        await app.close()


def _parts(loop: VirtualLoop, seed: int | str) -> Parts:
    return Parts(
        clock=LoopClock(loop),
        entropy=random.Random(f"{seed}/server").randbytes,  # noqa: S311 - decided by the seed, on purpose
        sender=HttpSender(
            Guard(Mode.DEV), lookup=_lookup, tls=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), monotonic=loop.time
        ),
        store=MemoryStore(),
        trace=MemoryTrace(),
        media=make_media("none"),
        # Routine that finds nothing here fills hours of virtual time: the loop is never late, and no nudge is lost.
        measures_lag=False,
        sweep_s=SWEEP_S,
    )


async def _lookup(host: str, port: int, family: int) -> list[str]:
    """Names of the running world, for webhooks."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port)
    return [str(info[4][0]) for info in found]


def _ports(network: Network) -> tuple[int, int]:
    """The usual ones for the first server of a world."""
    if network.is_free((LOOPBACK, HTTP_PORT)) and network.is_free((LOOPBACK, HTTPS_PORT)):
        return HTTP_PORT, HTTPS_PORT
    return network.free_port(LOOPBACK), network.free_port(LOOPBACK)


def _listen(network: Network, make: Any, http_port: int, https_port: int) -> MemoryServer:
    """At the usual ports, and, for the first server of a world, at all hosts of the vendor."""
    listening = network.server()
    listening.listen(make, (LOOPBACK, http_port))
    listening.listen(make, (LOOPBACK, https_port), secure=PRETENDED)
    vendor = network.name(DOMAIN)
    network.name(f"*.{DOMAIN}", address=vendor)
    if network.is_free((vendor, 443)):
        listening.listen(make, (vendor, 80))
        listening.listen(make, (vendor, 443), secure=PRETENDED)
    return listening


def _info(settings: Settings, http_port: int, https_port: int) -> ServerInfo:
    return ServerInfo(
        pid=os.getpid(),
        address=LOOPBACK,
        https_url=f"https://localhost:{https_port}",
        http_url=f"http://{LOOPBACK}:{http_port}",
        port=https_port,
        http_port=http_port,
        signaling_host=f"localhost:{https_port}",
        ca_file="",
        mode=settings.mode,
        version=midcall.__version__,
    )
