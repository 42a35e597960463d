"""A network in memory: who listens where, which names there are, and how two ends meet.

Names have made-up addresses; listeners take connections that are joined in memory. What is not served here is refused,
with a sentence. `network_loop` leads a loop's methods here.
"""

from __future__ import annotations

import asyncio
import contextvars
import errno
import ipaddress
import itertools
import os
import socket
import ssl as tls
import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from midcall.testing.network_transports import Address, EndSocket, MemoryTransport

if TYPE_CHECKING:
    from midcall.testing.loop import VirtualLoop

LOOPBACK: Final = "127.0.0.1"
FIRST_PORT: Final = 20_001
"""Where port 0 begins to choose."""
FIRST_CLIENT_PORT: Final = 40_000
NAMES: Final = ipaddress.ip_network("198.18.0.0/15")
"""Addresses of names (RFC 2544: for tests of networks)."""
_HERE: Final = frozenset({"localhost", LOOPBACK, "::1", "", "0.0.0.0", "::"})  # noqa: S104 - compared, not bound


def _how(host: str) -> str:
    return f"serve an application there: `async with midcall.testing.virtual.served(app, host={host!r})`"


class NotServed(ConnectionRefusedError):
    """Nobody listens there in this virtual world."""

    def __init__(self, host: str, port: int, served: Iterable[str]) -> None:
        places = ", ".join(served) or "nothing"
        super().__init__(
            errno.ECONNREFUSED,
            f"virtual time has no way out: nothing is served at {host}:{port} in memory (served: {places}); "
            + _how(host),
        )


class NameNotServed(socket.gaierror):
    """A name that nobody has in this virtual world."""

    def __init__(self, host: str, served: Iterable[str]) -> None:
        places = ", ".join(served) or "none"
        super().__init__(
            socket.EAI_NONAME,
            f"virtual time has no way out: the name {host!r} is served by nothing in memory (names: {places}); "
            + _how(host),
        )


@dataclass(frozen=True, slots=True)
class Listener:
    """Takes connections at one address and port.

    Attributes:
        secure: the context of a TLS port, or whatever stands for one; None for a plain port.
        context: the variables of who began to listen, which its connections see; never those of who connects.
    """

    make: Callable[[], asyncio.BaseProtocol]
    server: MemoryServer
    secure: object = None
    context: contextvars.Context = field(default_factory=contextvars.copy_context)


class MemoryServer(asyncio.AbstractServer):
    """What `create_server` returns. It may listen at several places."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._places: list[Address] = []
        self._kept: list[socket.socket] = []
        self._ends: dict[MemoryTransport, None] = {}  # ordered, as a set is not
        self._closed = False
        self._waiting: list[asyncio.Future[None]] = []
        self._forever: asyncio.Future[None] | None = None

    def listen(self, make: Callable[[], asyncio.BaseProtocol], place: Address, *, secure: object = None) -> None:
        """Take connections there.

        Raises:
            OSError: somebody else does.
        """
        self._network.add(place, Listener(make, self, secure))
        self._places.append(place)

    def keep(self, sock: socket.socket) -> None:
        """Close a socket when the server is closed, whose port it has taken."""
        self._kept.append(sock)

    @property
    def sockets(self) -> tuple[Any, ...]:
        return tuple(EndSocket(place, None) for place in self._places)

    def get_loop(self) -> asyncio.AbstractEventLoop:
        return self._network.loop

    def is_serving(self) -> bool:
        return bool(self._places)

    async def start_serving(self) -> None:
        return

    async def serve_forever(self) -> None:
        self._forever = self._network.loop.create_future()
        try:
            await self._forever
        finally:
            self._forever = None
            self.close()

    def close(self) -> None:
        """Take no more connections; those that are up live on."""
        for place in self._places:
            self._network.remove(place)
        self._places.clear()
        while self._kept:
            self._kept.pop().close()
        self._closed = True
        if self._forever is not None and not self._forever.done():
            self._forever.cancel()
        self._wake()

    def close_clients(self) -> None:
        for end in list(self._ends):
            end.close()

    def abort_clients(self) -> None:
        for end in list(self._ends):
            end.abort()

    async def wait_closed(self) -> None:
        """Return when it is closed and all its connections have ended."""
        if self._closed and not self._ends:
            return
        waiting: asyncio.Future[None] = self._network.loop.create_future()
        self._waiting.append(waiting)
        await waiting

    def attach(self, end: MemoryTransport) -> None:
        self._ends[end] = None

    def detach(self, end: MemoryTransport) -> None:
        self._ends.pop(end, None)
        self._wake()

    def _wake(self) -> None:
        if self._closed and not self._ends:
            waiting, self._waiting = self._waiting, []
            for future in waiting:
                if not future.done():
                    future.set_result(None)


class Network:
    """Who listens where, and which names there are."""

    def __init__(self, loop: VirtualLoop) -> None:
        self.loop = loop
        self._listeners: dict[Address, Listener] = {}
        self._names: dict[str, str] = {}
        self._families: dict[str, str] = {}
        self._addresses = NAMES.hosts()
        self._ports = itertools.count(FIRST_PORT)
        self._ends: dict[MemoryTransport, None] = {}  # ordered, as a set is not
        self._client_ports = itertools.count(FIRST_CLIENT_PORT)
        self.dialled: weakref.WeakKeyDictionary[socket.socket, Address] = weakref.WeakKeyDictionary()
        # Never written to: what polls a connection's descriptor finds nothing to read.
        self.quiet, self._write_end = os.pipe()

    def close(self) -> None:
        os.close(self.quiet)
        os.close(self._write_end)

    # names

    def name(self, host: str, *, address: str | None = None) -> str:
        """Give a name an address, or look up the one it has. `*.example` names everything below example."""
        host = host.lower().removesuffix(".")
        if (known := self.address_of(host)) is not None and address is None:
            return known
        address = address or str(next(self._addresses))
        if host.startswith("*."):
            self._families[host[1:]] = address
        else:
            self._names[host] = address
        return address

    def address_of(self, host: str | None) -> str | None:
        """Where a name or a spelt address leads; None: the name is unknown here."""
        host = (host or "").lower().removesuffix(".").removeprefix("[").removesuffix("]")
        if host in _HERE or host.endswith(".localhost"):
            return LOOPBACK
        if host in self._names:
            return self._names[host]
        for family, address in self._families.items():
            if host.endswith(family):
                return address
        try:
            return str(ipaddress.ip_address(host))
        except ValueError:
            return None

    def knows(self, host: str | None, port: Any) -> bool:
        """Whether that is a name of this network, or a place where somebody listens; for who may look elsewhere."""
        address = self.address_of(host)
        if host and address is not None and not _is_spelt(host, address):
            return True
        return isinstance(port, int) and (address, port) in self._listeners

    def served_names(self) -> list[str]:
        """All names, for people to read."""
        return sorted([*self._names, *(f"*{family}" for family in self._families)])

    def served(self) -> list[str]:
        """All places, for people to read."""
        names = {address: name for name, address in [*self._families.items(), *self._names.items()]}
        return sorted(f"{names.get(address, address)}:{port}" for address, port in self._listeners)

    def lookup(self, host: str | None, port: Any, type: int = 0) -> list[tuple[Any, ...]]:
        """As `socket.getaddrinfo`.

        Raises:
            NameNotServed: nobody has that name.
        """
        address = self.address_of(host)
        if address is None:
            raise NameNotServed(str(host), self.served_names())
        number = port_number(port)
        return [(socket.AF_INET, type or socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, number))]

    # listeners

    def server(self) -> MemoryServer:
        """One that listens nowhere yet."""
        return MemoryServer(self)

    def is_free(self, place: Address) -> bool:
        return place not in self._listeners

    def free_port(self, address: str) -> int:
        return next(port for port in self._ports if (address, port) not in self._listeners)

    def add(self, place: Address, listener: Listener) -> None:
        """Raises:
        OSError: the place is taken.
        """
        if place in self._listeners:
            raise OSError(errno.EADDRINUSE, f"{place[0]}:{place[1]} is taken in this virtual world")
        self._listeners[place] = listener

    def remove(self, place: Address) -> None:
        self._listeners.pop(place, None)

    def listener(self, host: str, port: int) -> tuple[Address, Listener]:
        """Who listens there.

        Raises:
            NameNotServed, NotServed: nobody.
        """
        address = self.address_of(host)
        if address is None:
            raise NameNotServed(host, self.served_names())
        found = self._listeners.get((address, port))
        if found is None:
            raise NotServed(host, port, self.served())
        return (address, port), found

    # connections

    def ends(self) -> list[MemoryTransport]:
        """The listeners' ends of all connections that are up, oldest first: `end.abort()` cuts one."""
        return list(self._ends)

    def connect(
        self, make: Callable[[], asyncio.BaseProtocol], host: str, port: int, *, secure: object
    ) -> tuple[MemoryTransport, asyncio.BaseProtocol]:
        """Join a new protocol to a listener's.

        Raises:
            NameNotServed, NotServed: nobody listens there.
            ssl.SSLError: TLS is wanted from a plain port.
        """
        place, listener = self.listener(host, port)
        if secure is not None and listener.secure is None:
            raise tls.SSLError(tls.SSL_ERROR_SSL, f"[SSL: WRONG_VERSION_NUMBER] {host}:{port} does not speak TLS")
        own = (LOOPBACK, next(self._client_ports))
        server = listener.server
        context = contextvars.copy_context()
        near = MemoryTransport(
            self.loop, self, name=own, peer=place, secure=secure, context=context, on_end=lambda end: None
        )
        far = MemoryTransport(
            self.loop,
            self,
            name=place,
            peer=own,
            secure=listener.secure,
            context=listener.context.copy(),
            on_end=partial(self._on_end, server),
        )
        near.join(far)
        far.join(near)
        server.attach(far)
        self._ends[far] = None
        protocol = make()
        far.begin_soon(listener.make)
        near.begin(protocol)
        return near, protocol

    def _on_end(self, server: MemoryServer, end: MemoryTransport) -> None:
        self._ends.pop(end, None)
        server.detach(end)


def _is_spelt(host: str, address: str) -> bool:
    """Whether a host is this machine or an address, which are outside of this network too."""
    return address == LOOPBACK or host.strip("[]") == address


def port_number(port: Any) -> int:
    """A port as `getaddrinfo` takes it: a number, its text, the name of a service, or nothing."""
    if port is None or port == "":
        return 0
    try:
        return int(port)
    except ValueError:
        return socket.getservbyname(port)
