"""The plain port as a proxy for the vendor's hosts, for programs that `midcall exec --print-env` has told to use it.

The tunnel ends here: TLS begins on the same connection, with a certificate for the vendor's host, and the application
that answers everywhere else answers inside.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable
from typing import Final

from aiohttp import hdrs, web

from midcall.core.vendor import ESTABLISHED, is_vendor_host

log = logging.getLogger(__name__)

HANDSHAKE_S: Final = 10.0
_OWN: Final = frozenset({"localhost", "127.0.0.1", "::1"})
ELSEWHERE: Final = (
    "midcall: {host} is not a host of the vendor, and this server is no proxy for others. "
    "Run the program with `midcall exec -- COMMAND` instead, which lets it reach them.\n"
)


class Tunnels:
    """Serves CONNECT, and refuses what is for others.

    Args:
        tls: the context of the TLS port.
        inside: makes a protocol that serves the application on one connection.
    """

    def __init__(self, tls: ssl.SSLContext, inside: Callable[[], asyncio.Protocol]) -> None:
        self._tls = tls
        self._inside = inside

    async def handle(self, request: web.Request) -> web.StreamResponse | None:
        """Answer CONNECT and requests for whole URLs; None: an ordinary request, whatever its target looks like."""
        host = request.url.host or ""
        if request.method != hdrs.METH_CONNECT:
            if "://" not in request.raw_path or is_vendor_host(host) or host in _OWN:
                return None
        elif not request.secure and request.transport is not None and is_vendor_host(host):
            return await self._tunnel(request, request.transport, host)
        raise web.HTTPForbidden(text=ELSEWHERE.format(host=host[:100]))

    async def _tunnel(self, request: web.Request, outside: asyncio.Transport, host: str) -> web.StreamResponse:
        """Begin TLS after the answer, and come back when the connection has ended."""
        inside = _Inside(self._inside())
        outside.write(ESTABLISHED)
        try:
            # Nothing is read between the answer and this: the first bytes of TLS reach TLS.
            transport = await asyncio.get_running_loop().start_tls(
                outside, inside, self._tls, server_side=True, ssl_handshake_timeout=HANDSHAKE_S
            )
            if transport is not None:
                inside.begin(transport)
                await inside.ended.wait()
        except OSError as error:  # TLS errors are such, too: the client does not trust the certificate, mostly
            log.info("no TLS with a client that asked for %s: %s", host, error)
        finally:
            # The transport belongs to TLS now and no longer tells its first protocol when it is gone.
            request.protocol.connection_lost(None)
        return _Answered()


class _Inside(asyncio.Protocol):
    """Stands before the protocol that serves: keeps what comes before it has begun, and tells when it has ended."""

    def __init__(self, protocol: asyncio.Protocol) -> None:
        self._protocol = protocol
        self._early: list[bytes] | None = []
        self.ended = asyncio.Event()

    def begin(self, transport: asyncio.BaseTransport) -> None:
        early, self._early = self._early, None
        self._protocol.connection_made(transport)
        for data in early or ():
            self._protocol.data_received(data)

    def data_received(self, data: bytes) -> None:
        if self._early is None:
            self._protocol.data_received(data)
        else:
            self._early.append(data)

    def eof_received(self) -> bool | None:
        return self._protocol.eof_received()

    def pause_writing(self) -> None:
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        self._protocol.resume_writing()

    def connection_lost(self, error: Exception | None) -> None:
        if self._early is None:
            self._protocol.connection_lost(error)
        self.ended.set()


class _Answered(web.StreamResponse):
    """The answer to a request whose connection is somebody else's by now: nothing more is written."""

    async def prepare(self, request: web.BaseRequest) -> None:
        """Raises:
        ConnectionResetError: always; the server takes the connection for gone.
        """
        raise ConnectionResetError
