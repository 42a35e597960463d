"""The proxy of `midcall exec`: the vendor's hosts lead to this installation's server, all others where they should.

A tunnel to a vendor host ends at the server's TLS port, whose certificate is of the local authority; the bytes are
never opened here. So is every other tunnel, which may go through a proxy that was there before.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, TypeVar
from urllib.parse import urlsplit

import h11

from midcall.core.vendor import ESTABLISHED, is_vendor_host
from midcall.redirect import heads
from midcall.redirect.heads import BadHead
from midcall.redirect.upstream import Upstream, Upstreams

log = logging.getLogger(__name__)

HEAD_S: Final = 30.0
"""How long a client may take to say where it wants to go."""
CONNECT_S: Final = 30.0
"""How long the way to a host may take to open."""

LOOPBACK: Final = "127.0.0.1"
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}

T = TypeVar("T")
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True, slots=True)
class Home:
    """Where the server is: an address of this machine, its TLS port, and its plain port, which is on loopback."""

    address: str
    port: int
    http_port: int


FindHome = Callable[[], Home | None]
"""Asked for every connection, so that a server may restart on other ports meanwhile; None when none runs."""


@asynccontextmanager
async def serving(find_home: FindHome, upstreams: Upstreams) -> AsyncIterator[int]:
    """A proxy for as long as the block lasts; its port on loopback."""
    proxy = Proxy(find_home, upstreams)
    try:
        yield await proxy.start()
    finally:
        await proxy.close()


class NoWay(Exception):
    """A host that cannot be reached; the text is the answer to the client."""


class Proxy:
    """Listens on a free port of loopback from `start` to `close`."""

    def __init__(self, find_home: FindHome, upstreams: Upstreams) -> None:
        self._find_home = find_home
        self._upstreams = upstreams
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> int:
        """Begin to listen; the port."""
        self._server = await asyncio.start_server(self._on_connection, LOOPBACK, 0)
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Take no more connections, and cut those that are open."""
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _on_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._serve_one(reader, writer)
        except BadHead as bad:
            writer.write(heads.refusal(bad.status, str(bad)))
        except NoWay as lost:
            writer.write(heads.refusal(502, str(lost)))
        except (OSError, TimeoutError) as error:
            log.debug("a connection ended early: %r", error)
        finally:
            writer.close()

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(HEAD_S):
            asked = await heads.read_request(reader)
        if asked is None:
            return
        request, rest = asked
        if request.method == b"CONNECT":
            host, port = _authority(request.target.decode())
            there, early = await _in_time(self._tunnel(host, port), host)
            answer = ESTABLISHED + early
        else:
            there, head = await self._forward(request)
            answer, rest = b"", head + rest
        try:
            there[1].write(rest)
            writer.write(answer)
            await _relay((reader, writer), there)
        finally:
            there[1].close()

    async def _tunnel(self, host: str, port: int) -> tuple[Streams, bytes]:
        """A way for any bytes to a host, and what has already come back on it."""
        if is_vendor_host(host):
            home = self._home()
            return await asyncio.open_connection(home.address, home.port), b""
        upstream = self._upstreams.to("https", host)
        if upstream is None:
            return await asyncio.open_connection(host, port), b""
        return await _through(upstream, f"[{host}]:{port}" if ":" in host else f"{host}:{port}")

    async def _forward(self, request: h11.Request) -> tuple[Streams, bytes]:
        """A way for one plain request, and its head as the next stop wants it."""
        target = request.target.decode()
        url = urlsplit(target)
        if url.scheme not in _DEFAULT_PORTS or not url.hostname:
            raise BadHead("this is a proxy: it takes CONNECT, and requests for a whole http:// URL")
        host, port = _authority(url.netloc.rpartition("@")[2], _DEFAULT_PORTS[url.scheme])
        path = target.partition("#")[0][len(f"{url.scheme}://{url.netloc}") :]
        own = heads.forwarded(request, path if path.startswith("/") else f"/{path}")
        if is_vendor_host(host):
            return await _in_time(asyncio.open_connection(LOOPBACK, self._home().http_port), host), own
        upstream = self._upstreams.to(url.scheme, host)
        if upstream is not None:
            extra = ((b"Proxy-Authorization", upstream.authorization.encode()),) if upstream.authorization else ()
            return await _in_time(_open(upstream), host), heads.forwarded(request, target, *extra)
        opening = asyncio.open_connection(host, port, ssl=True if url.scheme == "https" else None)
        return await _in_time(opening, host), own

    def _home(self) -> Home:
        home = self._find_home()
        if home is None:
            raise NoWay("the server has stopped; start it again with: midcall serve")
        return home


async def _through(upstream: Upstream, target: str) -> tuple[Streams, bytes]:
    reader, writer = await _open(upstream)
    try:
        status, early = await heads.ask_for_tunnel(reader, writer, target, upstream.authorization)
    except BadHead as bad:
        writer.close()
        raise NoWay(f"the proxy {upstream.host}:{upstream.port} cannot be used: {bad}") from None
    except BaseException:
        writer.close()
        raise
    if not 200 <= status < 300:
        writer.close()
        raise NoWay(f"the proxy {upstream.host}:{upstream.port} answers {status} for {target}")
    return (reader, writer), early


async def _open(upstream: Upstream) -> Streams:
    return await asyncio.open_connection(upstream.host, upstream.port, ssl=True if upstream.is_tls else None)


async def _in_time(opening: Awaitable[T], host: str) -> T:
    try:
        async with asyncio.timeout(CONNECT_S):
            return await opening
    except TimeoutError:
        raise NoWay(f"{host} does not answer within {CONNECT_S:g} s") from None
    except OSError as error:  # TLS errors are such, too
        raise NoWay(f"{host} cannot be reached: {error.strerror or error}") from None
    except UnicodeError:  # the resolver's word for a label of more than 63 letters
        raise NoWay(f"{host[:100]} is no name of a host") from None


def _authority(text: str, default_port: int = 443) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or "@" in text:
        raise BadHead(f"{text[:100]!r} is no host and port")
    return host, default_port if port is None else port


async def _relay(here: Streams, there: Streams) -> None:
    """Carry bytes both ways until both sides have said all, or one is gone."""
    pumps = [
        asyncio.ensure_future(_pump(here[0], there[1])),
        asyncio.ensure_future(_pump(there[0], here[1])),
    ]
    try:
        await asyncio.gather(*pumps)
    finally:
        for pump in pumps:
            pump.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(heads.CHUNK):
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()
    else:  # TLS knows no half of a connection
        writer.close()
