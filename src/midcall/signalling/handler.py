"""The route `/signal`: makes a connection of each WebSocket, and ends them all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from aiohttp import WebSocketError, WSCloseCode, WSMsgType, web

from midcall.core import errors
from midcall.core.sids import AccountSid, KeySid
from midcall.signalling.connection import GOING_AWAY, Connection, Socket
from midcall.signalling.hub import Hub
from midcall.switch.accounts import Accounts

CLOSE_TIMEOUT_S: Final = 2.0
"""How long a closing handshake may take."""

WRITE_LIMIT: Final = 64 * 1024
"""Bytes that wait in the transport before nothing more is handed to it."""

Around = Callable[[Socket, Callable[[], tuple[AccountSid, str | None]]], Socket]
"""Takes a socket and what tells its client's account and identity; gives what is used instead."""

_FINAL_TEXT: Final = 0x81


class Signalling:
    """The signalling edge as the server mounts it: `handle` is the route's handler.

    Args:
        hub: attached to the switch before the first client comes.
        accounts: checks access tokens.
    """

    def __init__(self, hub: Hub, accounts: Accounts) -> None:
        self._hub = hub
        self._accounts = accounts
        self._connections: set[Connection] = set()
        self._unauthenticated: set[Connection] = set()
        self._empty = asyncio.Event()
        self._empty.set()
        self._closing = False
        self.around: Around | None = None
        """Put around each new socket; the test kit disturbs frames there."""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve one client until it leaves. 503 while stopping, or when too many sockets have shown no token yet."""
        if self._closing or len(self._unauthenticated) >= self._hub.limits.unauthenticated:
            return web.Response(status=503, headers={"Retry-After": "5"})
        ws = web.WebSocketResponse(
            # aiohttp refuses what is as long as its limit
            max_msg_size=self._hub.limits.frame_bytes + 1,
            compress=False,
            timeout=CLOSE_TIMEOUT_S,
            writer_limit=WRITE_LIMIT,
        )
        try:
            await ws.prepare(request)
        except ConnectionError:  # it left during the handshake, which is nobody's error; nobody reads this answer
            return web.Response(status=400)
        socket: Socket = _AiohttpSocket(ws, request, self._hub)
        if self.around is not None:
            socket = self.around(socket, lambda: (connection.account, connection.identity))
        connection = Connection(
            socket, self._hub, self._accounts, welcome=lambda: self._welcome(connection), host=request.host
        )
        self._connections.add(connection)
        self._unauthenticated.add(connection)
        self._empty.clear()
        try:
            await connection.run()
        finally:
            self._connections.discard(connection)
            self._unauthenticated.discard(connection)
            if not self._connections:
                self._empty.set()
        return ws

    def _welcome(self, connection: Connection) -> None:
        self._unauthenticated.discard(connection)

    @property
    def connections(self) -> int:
        return len(self._connections)

    def revoke(self, account: AccountSid, key: KeySid | None = None) -> None:
        """A key was deleted, or (without one) the account suspended: idle clients are sent away.

        Clients in a call keep their socket, but get no new calls, and are told so; `register` and `invite` check the
        token again.
        """
        rule = errors.ACCOUNT_INVALID if key is None else errors.TOKEN_INVALID
        for connection in list(self._connections):
            if connection.account != account or (key is not None and connection.key_sid != key):
                continue
            if connection.carriages:
                connection.take_offline(rule)
            else:
                connection.dismiss(rule)

    async def close(self) -> None:
        """Refuse new clients and end all sockets; what waits for them goes out first."""
        self._closing = True
        for connection in list(self._connections):
            connection.close(GOING_AWAY)
        await self._empty.wait()
        await self._hub.close()


class _AiohttpSocket:
    """A prepared WebSocketResponse as `Connection` wants it."""

    def __init__(self, ws: web.WebSocketResponse, request: web.Request, hub: Hub) -> None:
        self._ws = ws
        self._request = request
        self._transport = request.transport
        self._hub = hub
        if self._transport is not None:
            self._transport.set_write_buffer_limits(WRITE_LIMIT)

    async def receive(self) -> str | None:
        message = await self._ws.receive()
        if message.type is WSMsgType.TEXT:
            assert isinstance(message.data, str)
            return message.data
        if message.type is WSMsgType.BINARY:
            return ""  # no frame of ours; will be told so
        if isinstance(message.data, WebSocketError) and message.data.code == WSCloseCode.MESSAGE_TOO_BIG:
            self._hub.counters.oversized += 1
        return None

    def write(self, frames: Sequence[bytes]) -> None:
        # Not `send_frame`, which writes each frame by itself: a message and its heartbeat would be two system calls.
        if self._ws.closed or self._transport is None or self._transport.is_closing():
            raise ConnectionResetError("the socket has ended")
        self._transport.write(b"".join([part for frame in frames for part in (text_head(len(frame)), frame)]))

    @property
    def is_full(self) -> bool:
        return self._transport is not None and self._transport.get_write_buffer_size() > WRITE_LIMIT

    async def drained(self) -> None:
        await self._request.protocol._drain_helper()

    async def close(self, code: int) -> None:
        await self._ws.close(code=code)

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()


def text_head(length: int) -> bytes:
    """What stands before an unmasked text of so many bytes (RFC 6455, section 5.2)."""
    if length < 126:
        return bytes((_FINAL_TEXT, length))
    if length < 1 << 16:
        return bytes((_FINAL_TEXT, 126)) + length.to_bytes(2, "big")
    return bytes((_FINAL_TEXT, 127)) + length.to_bytes(8, "big")
