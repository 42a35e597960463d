"""A network between a client's media and the server's: UDP relays that can be cut, and that know new flows from old.

No root needed: the server's candidates are rewritten, so that the client finds the relays in their place.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any

_CANDIDATE = re.compile(r"^(a=candidate:\S+ \d+ udp \d+ )(\S+) (\d+)( typ host.*)$", re.MULTILINE)


class Network:
    """Make one, let a client's descriptions go `through` it, and `close` it."""

    def __init__(self) -> None:
        self._relays: list[_Relay] = []
        self._lost: set[tuple[str, int]] = set()
        self.is_cut = False

    async def through(self, sdp: str) -> str:
        """The server's description, with relays of this network in place of its candidates."""
        relays = {}
        for _, host, port, _ in _CANDIDATE.findall(sdp):
            if ":" not in host:
                relays[host, port] = await self._relay(host, int(port))
        lines = []
        for line in sdp.split("\r\n"):
            found = _CANDIDATE.match(line)
            if found is None:
                lines.append(line)
            elif (found[2], found[3]) in relays:
                lines.append(f"{found[1]}127.0.0.1 {relays[found[2], found[3]]}{found[4]}")
        return "\r\n".join(lines)

    def cut(self) -> None:
        """Let nothing through."""
        self.is_cut = True

    def mend_for_newcomers(self) -> None:
        """Let those through who were not here before, as after a change of networks or a NAT that forgot."""
        self.is_cut = False
        self._lost |= {client for relay in self._relays for client in relay.flows}

    def mend(self) -> None:
        """Let everybody through again, in the ways they had."""
        self.is_cut = False

    def passes(self, client: tuple[str, int]) -> bool:
        return not self.is_cut and client not in self._lost

    def close(self) -> None:
        for relay in self._relays:
            relay.close()

    async def _relay(self, host: str, port: int) -> int:
        relay = _Relay(self, (host, port))
        self._relays.append(relay)
        return await relay.open()


class _Relay(asyncio.DatagramProtocol):
    """Stands for one address of the server; each client that comes gets a socket of its own on the server's side."""

    def __init__(self, network: Network, server: tuple[str, int]) -> None:
        self._network = network
        self._server = server
        self._transport: Any = None
        self._opening: set[asyncio.Task[None]] = set()
        self.flows: dict[tuple[str, int], Any] = {}

    async def open(self) -> int:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", 0))
        port: int = self._transport.get_extra_info("sockname")[1]
        return port

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if addr not in self.flows:
            self.flows[addr] = None
            task = asyncio.get_running_loop().create_task(self._open_flow(addr, data))
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)
        elif self.flows[addr] is not None and self._network.passes(addr):
            self.flows[addr].sendto(data)

    async def _open_flow(self, client: tuple[str, int], first: bytes) -> None:
        loop = asyncio.get_running_loop()
        self.flows[client], _ = await loop.create_datagram_endpoint(
            lambda: _Flow(self, client), remote_addr=self._server
        )
        self.datagram_received(first, client)

    def back(self, data: bytes, client: tuple[str, int]) -> None:
        if self._network.passes(client):
            self._transport.sendto(data, client)

    def close(self) -> None:
        for task in self._opening:
            task.cancel()
        for flow in (*self.flows.values(), self._transport):
            if flow is not None:
                flow.close()


class _Flow(asyncio.DatagramProtocol):
    def __init__(self, relay: _Relay, client: tuple[str, int]) -> None:
        self._relay = relay
        self._client = client

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._relay.back(data, self._client)

    def error_received(self, exc: Exception) -> None:
        """The server has closed its port."""
