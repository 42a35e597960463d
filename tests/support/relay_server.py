"""A STUN and TURN server on loopback, as far as a client needs one in a test (RFC 8489, RFC 8656)."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aioice import stun
from aioice.turn import is_channel_data, make_integrity_key

REALM = "test"
NONCE = b"nonce"


class RelayServer(asyncio.DatagramProtocol):
    """Answers bindings to anybody, and relays for whoever knows the password.

    Attributes:
        asked: how many bindings were asked for.
        relayed: datagrams that went through an allocation, both ways.
    """

    def __init__(self, username: str, password: str) -> None:
        self._username = username
        self._key = make_integrity_key(username, REALM, password)
        self._transport: Any = None
        self._allocations: dict[tuple[str, int], _Allocation] = {}
        self._opening: set[asyncio.Task[None]] = set()
        self.asked = 0
        self.relayed = 0
        self.refused = 0

    @property
    def port(self) -> int:
        port: int = self._transport.get_extra_info("sockname")[1]
        return port

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if is_channel_data(data):
            channel, length = struct.unpack("!HH", data[:4])
            self._allocations[addr].send(channel, data[4 : 4 + length])
            return
        request = stun.parse_message(data)
        if request.message_method is stun.Method.BINDING:
            self.asked += 1
            self._answer(request, addr, {"XOR-MAPPED-ADDRESS": addr}, signed=False)
        elif not self._knows_password(request):
            self.refused += 1
            self._refuse(request, addr)
        elif request.message_method is stun.Method.ALLOCATE:
            task = asyncio.get_running_loop().create_task(self._allocate(request, addr))
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)
        elif request.message_method is stun.Method.CHANNEL_BIND:
            attributes = request.attributes
            self._allocations[addr].bind(attributes["CHANNEL-NUMBER"], attributes["XOR-PEER-ADDRESS"])
            self._answer(request, addr, {})
        else:  # a refresh
            self._answer(request, addr, {"LIFETIME": request.attributes["LIFETIME"]})

    def _knows_password(self, request: stun.Message) -> bool:
        return request.attributes.get("USERNAME") == self._username and request.check_message_integrity(self._key)

    def _answer(
        self, request: stun.Message, addr: tuple[str, int], attributes: dict[str, Any], *, signed: bool = True
    ) -> None:
        answer = stun.Message(request.message_method, stun.Class.RESPONSE, request.transaction_id)
        answer.attributes.update(attributes)
        if signed:
            answer.add_message_integrity(self._key)
        self._transport.sendto(bytes(answer), addr)

    def _refuse(self, request: stun.Message, addr: tuple[str, int]) -> None:
        answer = stun.Message(request.message_method, stun.Class.ERROR, request.transaction_id)
        answer.attributes.update({"ERROR-CODE": (401, "Unauthorized"), "NONCE": NONCE, "REALM": REALM})
        answer.add_fingerprint()
        self._transport.sendto(bytes(answer), addr)

    async def _allocate(self, request: stun.Message, client: tuple[str, int]) -> None:
        loop = asyncio.get_running_loop()
        transport, allocation = await loop.create_datagram_endpoint(
            lambda: _Allocation(self, client), local_addr=("127.0.0.1", 0)
        )
        self._allocations[client] = allocation
        relayed = {"XOR-RELAYED-ADDRESS": transport.get_extra_info("sockname"), "XOR-MAPPED-ADDRESS": client}
        self._answer(request, client, {"LIFETIME": request.attributes["LIFETIME"], **relayed})

    def to_client(self, client: tuple[str, int], channel: int, data: bytes) -> None:
        self.relayed += 1
        self._transport.sendto(struct.pack("!HH", channel, len(data)) + data, client)

    def close(self) -> None:
        for allocation in self._allocations.values():
            allocation.close()
        self._transport.close()


class _Allocation(asyncio.DatagramProtocol):
    def __init__(self, server: RelayServer, client: tuple[str, int]) -> None:
        self._server = server
        self._client = client
        self._transport: Any = None
        self._peers: dict[int, tuple[str, int]] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def bind(self, channel: int, peer: tuple[str, int]) -> None:
        self._peers[channel] = peer

    def send(self, channel: int, data: bytes) -> None:
        self._server.relayed += 1
        self._transport.sendto(data, self._peers[channel])

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        for channel, peer in self._peers.items():
            if peer == addr:
                self._server.to_client(self._client, channel, data)

    def close(self) -> None:
        self._transport.close()


@asynccontextmanager
async def relaying(username: str = "alice", password: str = "secret") -> AsyncIterator[RelayServer]:
    loop = asyncio.get_running_loop()
    _, server = await loop.create_datagram_endpoint(
        lambda: RelayServer(username, password), local_addr=("127.0.0.1", 0)
    )
    yield server
    server.close()
