"""Sockets of the two ports: bound before anything else starts, so that a busy port costs nothing."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from midcall.app.tunnels import Tunnels
from midcall.rest.edge import PROXYING

LOOPBACK: Final = "127.0.0.1"
BACKLOG: Final = 1024
KEEPALIVE_S: Final = 75.0
SHUTDOWN_S: Final = 3.0
"""Running requests get this long when the server stops."""
MAX_LINE_BYTES: Final = 16 * 1024
"""Longest request line (long polls of pages, GET parameters) and longest header."""


class PortBusy(Exception):
    """A port that cannot be had; the text names it and what to do."""


@dataclass(frozen=True, slots=True)
class Sockets:
    """Bound, not yet listening."""

    tls: socket.socket
    plain: socket.socket

    @property
    def address(self) -> str:
        """Where this machine reaches the TLS port."""
        address = str(self.tls.getsockname()[0])
        return {"0.0.0.0": LOOPBACK, "::": LOOPBACK}.get(address, address)  # noqa: S104  # compared, not bound

    @property
    def port(self) -> int:
        return int(self.tls.getsockname()[1])

    @property
    def http_port(self) -> int:
        return int(self.plain.getsockname()[1])

    def close(self) -> None:
        self.tls.close()
        self.plain.close()


def bind(host: str, port: int, http_port: int) -> Sockets:
    """Take the TLS port on the host and the HTTP port on loopback.

    Raises:
        PortBusy: one of them is taken, forbidden, or the host is not this machine's.
    """
    tls = _bind(host, port, "port")
    try:
        return Sockets(tls, _bind(LOOPBACK, http_port, "http-port"))
    except PortBusy:
        tls.close()
        raise


def _bind(host: str, port: int, flag: str) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE | socket.AI_NUMERICSERV
        )[0]
    except socket.gaierror as error:
        raise PortBusy(f"the host {host} is not known here ({error.strerror}); choose another --host") from None
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        bound.bind(address)
        # Listening is what finds a port taken when its owner has bound it with SO_REUSEADDR as well. Who connects
        # before the server is ready waits in the backlog for a moment.
        bound.listen(BACKLOG)
    except OSError as error:
        bound.close()
        raise PortBusy(_why(error, host, port, flag)) from None
    bound.setblocking(False)
    return bound


def _why(error: OSError, host: str, port: int, flag: str) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} on {host} is in use by another program; stop it, or choose another with --{flag} (0 picks)"
    if error.errno == errno.EACCES:
        return f"port {port} needs privileges that this user does not have; choose one above 1023 with --{flag}"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"the address {host} does not belong to this machine; choose another --host"
    return f"port {port} on {host} cannot be opened ({error.strerror}); choose another with --{flag}"


def make_runner(application: web.Application) -> web.AppRunner:
    """What serves the application on each connection, with the limits of this server."""
    return web.AppRunner(
        application,
        handle_signals=False,
        access_log=None,
        keepalive_timeout=KEEPALIVE_S,
        shutdown_timeout=SHUTDOWN_S,
        max_line_size=MAX_LINE_BYTES,
        max_field_size=MAX_LINE_BYTES,
    )


class Sites:
    """One application on both ports."""

    def __init__(self, runner: web.AppRunner) -> None:
        self._runner = runner

    @classmethod
    async def open(cls, application: web.Application, sockets: Sockets, tls: ssl.SSLContext) -> Sites:
        """Answer on both sockets from now on."""
        runner = make_runner(application)
        application[PROXYING] = Tunnels(tls, lambda: _protocol(runner)).handle
        await runner.setup()
        try:
            await web.SockSite(runner, sockets.tls, ssl_context=tls, backlog=BACKLOG).start()
            await web.SockSite(runner, sockets.plain, backlog=BACKLOG).start()
        except BaseException:
            await runner.cleanup()
            raise
        return cls(runner)

    async def close(self) -> None:
        """Take no more connections, let running requests finish for a moment, close what is open."""
        await self._runner.cleanup()


def _protocol(runner: web.AppRunner) -> asyncio.Protocol:
    """Serves the application on one more connection."""
    assert runner.server is not None
    return runner.server()
