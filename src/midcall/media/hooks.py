"""Every reach into private parts of aiortc 1.16 and aioice 0.13, each with its reason.

`tests/media/test_hooks.py` fails when a release moves one of them. ICE and DTLS are aioice's and aiortc's own; what we
replace is how datagrams come in and go out, because neither library can hand over RTP that it has not decoded.
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import logging
import secrets
import socket
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, cast

import pylibsrtp
from aioice import Candidate, Connection
from aioice.candidate import candidate_foundation, candidate_priority
from aioice.ice import StunProtocol
from aiortc import RTCCertificate
from aiortc.rtcdtlstransport import RTCDtlsFingerprint, RTCDtlsParameters, RTCDtlsTransport
from aiortc.rtcicetransport import RTCIceTransport

_log = logging.getLogger(__name__)

MAX_DATAGRAM: Final = 1400
"""Longest datagram that is taken in. pylibsrtp and aiortc work with buffers of 1,500 bytes, trailer included, and raise
what nobody catches for longer ones."""

_MAX_WAITING: Final = 64  # DTLS records that wait for the handshake to read them
_MAX_ADDRESSES: Final = 16
_RECEIVE_BUFFER: Final = 256 * 1024
_LOOPBACK: Final = "127.0.0.1"


class NoPort(Exception):
    """No UDP socket could be opened; the message is one sentence."""


class PortRange:
    """Hands out UDP ports of a range, going round, so that a port just freed rests."""

    def __init__(self, lowest: int, highest: int) -> None:
        """(0, 0) lets the system choose."""
        self._lowest = lowest
        self._size = highest - lowest + 1
        self._next = secrets.randbelow(self._size)

    def __iter__(self) -> Iterator[int]:
        """Ports to try, each once."""
        for _ in range(self._size):
            port = self._lowest + self._next
            self._next = (self._next + 1) % self._size
            yield port


class _Protocol(StunProtocol):
    """aioice's protocol with the demultiplexing of RFC 7983 in front of it.

    aioice tries to parse every datagram as STUN first and queues the rest for a task; for RTP that costs more than
    forwarding it. It also lets what a stranger's malformed datagram raises escape.
    """

    receiver: Agent

    def datagram_received(self, data: bytes | str, addr: tuple[Any, ...]) -> None:
        if not isinstance(data, bytes) or not 0 < len(data) <= MAX_DATAGRAM:
            return
        first = data[0]
        if 127 < first < 192:
            self.receiver.on_srtp(data)
        elif 19 < first < 64:
            self.receiver.dtls_received(data, (addr[0], addr[1]))
        elif first < 4:
            try:
                super().datagram_received(data, addr)
            except Exception:
                _log.debug("dropped a malformed STUN message", exc_info=True)


def _drop(_: bytes) -> None:
    """SRTP before the keys are known."""


class Agent(Connection):
    """An ICE agent that offers the addresses it was told, loopback too, from a range of ports."""

    def __init__(self, *, controlling: bool, addresses: Sequence[str], ports: PortRange) -> None:
        super().__init__(ice_controlling=controlling)
        self._wanted = addresses
        self._ports = ports
        self._known: set[tuple[str, int]] = set()
        self.on_srtp: Callable[[bytes], None] = _drop

    async def get_component_candidates(self, component: int, addresses: list[str], timeout: int = 5) -> list[Candidate]:
        """Overrides aioice's: it binds to port 0 of every address but loopback, all with the same priority.

        Raises:
            NoPort: not one address could be bound.
        """
        wanted = self._wanted or (*addresses, _LOOPBACK)
        candidates = []
        for preference, address in enumerate(wanted[:_MAX_ADDRESSES]):
            protocol = await self._bind(address)
            if protocol is None:
                continue
            port = protocol.transport.get_extra_info("sockname")[1]
            protocol.local_candidate = Candidate(
                foundation=candidate_foundation("host", "udp", address),
                component=component,
                transport="udp",
                priority=candidate_priority(component, "host", 65535 - preference),
                host=address,
                port=port,
                type="host",
            )
            self._protocols.append(protocol)
            candidates.append(protocol.local_candidate)
        if not candidates:
            raise NoPort("No UDP port is free for media.")
        return candidates

    async def _bind(self, address: str) -> _Protocol | None:
        """Listen on an address of this machine; for one in front of it (translated one to one), on all."""
        everywhere = "::" if ipaddress.ip_address(address).version == 6 else "0.0.0.0"  # noqa: S104
        for host in (address, everywhere):
            try:
                return await self._listen(host)
            except OSError as error:
                if error.errno != errno.EADDRNOTAVAIL:
                    _log.warning("cannot listen for media on %s: %s", host, error)
                    break
        return None

    async def _listen(self, host: str) -> _Protocol:
        """Take the first free port of the range.

        Raises:
            OSError: none is free, or the host is not ours.
        """
        loop = asyncio.get_running_loop()
        busy: OSError | None = None
        for port in self._ports:
            try:
                transport, protocol = await loop.create_datagram_endpoint(
                    lambda: _Protocol(self), local_addr=(host, port)
                )
            except OSError as error:
                if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                    raise
                busy = error
                continue
            bound: socket.socket = transport.get_extra_info("socket")
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
            return protocol
        raise busy or OSError(errno.EADDRINUSE, "no port")

    def dtls_received(self, data: bytes, address: tuple[str, int]) -> None:
        """Queue a DTLS record of an address that has proven by a check that it knows our password.

        aioice takes records from anywhere and queues them without a limit.
        """
        if address not in self._known:
            self._known = {(c.host, c.port) for c in self._remote_candidates} | {e[1] for e in self._early_checks}
        if address in self._known and self._queue.qsize() < _MAX_WAITING:
            self.data_received(data, 1)

    def send_now(self, data: bytes) -> None:
        """Send on the nominated pair, or nowhere; `Connection.send` without its two coroutines for each packet."""
        pair = self._nominated.get(1)
        if pair is not None:
            pair.protocol.transport.sendto(data, pair.remote_addr)


class _Below:
    """What `RTCDtlsTransport` asks of the transport below it, without `RTCIceTransport`'s gatherer and states."""

    def __init__(self, agent: Agent) -> None:
        self._recv = agent.recv
        self._send = agent.send


class Dtls:
    """DTLS-SRTP over an agent: handshake by aiortc, then packets in and out without its router, senders, receivers."""

    def __init__(self, agent: Agent, on_closed: Callable[[], None]) -> None:
        certificate = RTCCertificate.generateCertificate()
        self._agent = agent
        self._on_closed = on_closed
        self._transport = RTCDtlsTransport(cast(RTCIceTransport, _Below(agent)), [certificate])
        self._transport.on("statechange", self._changed)
        self._pump: asyncio.Future[None] | None = None
        self.fingerprint = next(f.value for f in certificate.getFingerprints() if f.algorithm == "sha-256")

    async def handshake(self, *, server: bool, fingerprints: Sequence[tuple[str, str]]) -> None:
        """Get the keys.

        Raises:
            ConnectionError: the handshake failed.
        """
        # The public way to a role is `RTCPeerConnection`'s; `auto` would follow the ICE role, not a=setup.
        self._transport._set_role("server" if server else "client")
        await self._transport.start(RTCDtlsParameters([RTCDtlsFingerprint(*pair) for pair in fingerprints]))
        if self._transport.state != "connected":
            raise ConnectionError("the DTLS handshake failed")
        self._pump = self._transport._task

    def open(self, packet: bytes, *, rtcp: bool) -> bytes | None:
        """Decrypt; None when it is not authentic or a replay."""
        session = self._transport._rx_srtp
        try:
            return session.unprotect_rtcp(packet) if rtcp else session.unprotect(packet)
        except pylibsrtp.Error:
            return None

    def send(self, packet: bytes, *, rtcp: bool = False) -> None:
        """Encrypt and send."""
        session = self._transport._tx_srtp
        try:
            self._agent.send_now(session.protect_rtcp(packet) if rtcp else session.protect(packet))
        except (pylibsrtp.Error, ValueError):
            _log.debug("dropped a packet that cannot be encrypted", exc_info=True)

    async def close(self) -> None:
        """Say goodbye when the way is still open, and end the task that reads records."""
        self._transport.remove_all_listeners()
        await self._transport.stop()
        if self._pump is not None:
            # `stop` cancels it and forgets it; a loop that closes at once would complain.
            await asyncio.wait([self._pump])
            if not self._pump.cancelled():
                self._pump.exception()
            self._pump = None

    def _changed(self) -> None:
        if self._transport.state in ("closed", "failed") and self._pump is not None:
            self._on_closed()
