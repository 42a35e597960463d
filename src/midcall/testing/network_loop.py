"""The methods by which libraries reach out through an event loop, led into a network in memory.

`create_server` makes a listener there; `create_connection` reaches it, and so does `sock_connect` with the connection
that is made of its socket.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable, Sequence
from typing import Any

from midcall.testing.network import LOOPBACK, MemoryServer, Network, NotServed, port_number
from midcall.testing.network_transports import MemoryTransport


class NetworkLoop(asyncio.SelectorEventLoop):
    """The methods of a loop that reach out, led into its network."""

    network: Network

    async def getaddrinfo(
        self, host: Any, port: Any, *, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0
    ) -> list[tuple[Any, ...]]:
        host = host.decode() if isinstance(host, bytes) else host
        return self.network.lookup(host, port, type)

    async def getnameinfo(self, sockaddr: Any, flags: int = 0) -> tuple[str, str]:
        return str(sockaddr[0]), str(sockaddr[1])

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        """Note where a socket is to lead; `create_connection` finds it again.

        Raises:
            NameNotServed, NotServed: nobody listens there.
        """
        host, port = str(address[0]), int(address[1])
        self.network.listener(host, port)
        self.network.dialled[sock] = (host, port)

    async def create_connection(  # type: ignore[override]
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        host: Any = None,
        port: Any = None,
        *,
        ssl: Any = None,
        sock: socket.socket | None = None,
        **options: Any,
    ) -> tuple[asyncio.BaseTransport, asyncio.BaseProtocol]:
        """Connect to what is served in this network.

        Raises:
            NameNotServed, NotServed: nobody listens there.
        """
        if sock is not None:
            place = self.network.dialled.pop(sock, None)
            if place is None:
                raise NotServed("a socket that was connected elsewhere", 0, self.network.served())
            sock.close()
        else:
            host = host.decode() if isinstance(host, bytes) else host
            place = (str(host or LOOPBACK), port_number(port))
        return self.network.connect(protocol_factory, *place, secure=_context(ssl))

    async def create_server(  # type: ignore[override]
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        host: str | Sequence[str] | None = None,
        port: Any = None,
        *,
        sock: socket.socket | None = None,
        ssl: Any = None,
        **options: Any,
    ) -> MemoryServer:
        """Listen in this network. A host that is a name gets an address of its own; a socket that is bound gives the
        port, and nobody outside reaches it.

        Raises:
            OSError: the place is taken.
        """
        server = MemoryServer(self.network)
        if sock is not None:
            host, port = LOOPBACK, sock.getsockname()[1]
            server.keep(sock)
        addresses = {self.network.name(one or LOOPBACK) for one in ([host] if isinstance(host, str | None) else host)}
        number = port_number(port)
        try:
            for address in sorted(addresses):
                place = (address, number or self.network.free_port(address))
                server.listen(protocol_factory, place, secure=_context(ssl))
        except BaseException:
            server.close()
            raise
        return server

    async def start_tls(self, transport: Any, protocol: Any, sslcontext: Any, **options: Any) -> Any:
        """Pretend TLS on a connection that is up."""
        if not isinstance(transport, MemoryTransport):
            return await super().start_tls(transport, protocol, sslcontext, **options)
        transport.pretend_tls(sslcontext)
        transport.set_protocol(protocol)
        transport.resume_reading()
        return transport

    async def create_datagram_endpoint(self, *args: Any, **options: Any) -> Any:
        raise OSError(errno.EOPNOTSUPP, "virtual time carries TCP only, in memory: no UDP, and so no media")

    async def create_unix_connection(self, *args: Any, **options: Any) -> Any:
        raise OSError(errno.EOPNOTSUPP, "virtual time has no way out: a Unix socket leads to another process")


def _context(ssl: Any) -> object:
    """What stands for the TLS context; None without TLS."""
    return None if ssl is None or ssl is False else ssl
