"""The load generator's side of HTTP and WebSocket: as little work as it takes, so that the server is what is measured.

Not for anything but loopback and servers that we started: it understands what they say and nothing else.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Callable
from typing import cast

OPCODE_TEXT, OPCODE_CLOSE, OPCODE_PING = 1, 8, 9


class Answered:
    """An HTTP answer."""

    __slots__ = ("body", "status")

    def __init__(self, status: int, body: bytes) -> None:
        self.status = status
        self.body = body


class HttpClient(asyncio.Protocol):
    """One kept connection; one request at a time. Made by `open_http`."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._waiting: deque[asyncio.Future[Answered]] = deque()
        self.is_closed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, error: Exception | None) -> None:
        self.is_closed = True
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_exception(error or ConnectionError("the server closed the connection"))

    def send(self, request: bytes) -> asyncio.Future[Answered]:
        assert self._transport is not None
        waiting: asyncio.Future[Answered] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        self._transport.write(request)
        return waiting

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            length = content_length(self._buffer, end)
            stop = end + 4 + length
            if len(self._buffer) < stop:
                return
            answer = Answered(int(self._buffer[9:12]), self._buffer[end + 4 : stop])
            self._buffer = self._buffer[stop:]
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_result(answer)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


def content_length(buffer: bytes, end: int) -> int:
    """The length of the body behind a head that ends at `end`; no chunks in this house."""
    head = buffer[:end].lower()
    at = head.find(b"content-length:")
    if at < 0:
        return 0
    stop = head.find(b"\r\n", at)
    return int(head[at + 15 : stop if stop >= 0 else end])


async def open_http(port: int, tls: ssl.SSLContext | None = None) -> HttpClient:
    loop = asyncio.get_running_loop()
    name = "localhost" if tls else None
    _, client = await loop.create_connection(HttpClient, "127.0.0.1", port, ssl=tls, server_hostname=name)
    return client


def post(path: str, body: bytes, *headers: str, content_type: str = "application/json") -> bytes:
    """A request as bytes."""
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: localhost",
        f"Content-Type: {content_type}",
        f"Content-Length: {len(body)}",
    ]
    return "\r\n".join((*lines, *headers, "", "")).encode() + body


class WebSocket(asyncio.Protocol):
    """A client's socket. Texts go to `on_text`; masks are zeros, which costs the server what any mask does."""

    def __init__(self, path: str, on_text: Callable[[bytes], None]) -> None:
        self._path = path
        self._on_text = on_text
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._is_open = False
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(
            f"GET {self._path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )

    def connection_lost(self, error: Exception | None) -> None:
        if not self.opened.done():
            self.opened.set_exception(error or ConnectionError("no WebSocket"))
        if not self.closed.done():
            self.closed.set_result(None)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._is_open:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            if not self._buffer.startswith(b"HTTP/1.1 101"):
                self.opened.set_exception(ConnectionError(self._buffer[:end].decode()))
                return
            self._is_open = True
            self._buffer = self._buffer[end + 4 :]
            self.opened.set_result(None)
        self._read_frames()

    def _read_frames(self) -> None:
        buffer, at = self._buffer, 0
        while len(buffer) - at >= 2:
            length, head = buffer[at + 1] & 127, 2
            if length == 126:
                length, head = int.from_bytes(buffer[at + 2 : at + 4], "big"), 4
            elif length == 127:
                length, head = int.from_bytes(buffer[at + 2 : at + 10], "big"), 10
            if len(buffer) - at < head + length:
                break
            opcode = buffer[at] & 15
            payload = buffer[at + head : at + head + length]
            at += head + length
            if opcode == OPCODE_TEXT:
                self._on_text(payload)
            elif opcode == OPCODE_PING:
                self._write(0x8A, payload)
            elif opcode == OPCODE_CLOSE:
                self.close()
        self._buffer = buffer[at:]

    def send(self, text: bytes) -> None:
        self._write(0x81, text)

    def _write(self, first: int, payload: bytes) -> None:
        assert self._transport is not None
        size = len(payload)
        if size < 126:
            head = bytes((first, 0x80 | size))
        elif size < 65_536:
            head = bytes((first, 0xFE)) + size.to_bytes(2, "big")
        else:
            head = bytes((first, 0xFF)) + size.to_bytes(8, "big")
        self._transport.write(head + bytes(4) + payload)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


async def open_websocket(
    port: int, path: str, on_text: Callable[[bytes], None], tls: ssl.SSLContext | None = None
) -> WebSocket:
    loop = asyncio.get_running_loop()
    name = "localhost" if tls else None
    _, socket = await loop.create_connection(
        lambda: WebSocket(path, on_text), "127.0.0.1", port, ssl=tls, server_hostname=name
    )
    await socket.opened
    return socket


NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"


def xml_answer(text: str) -> bytes:
    body = text.encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


class Webhook(asyncio.Protocol):
    """A customer's server on the other side: hands path and body to `handle`, sends what it returns."""

    def __init__(self, handle: Callable[[bytes, bytes], bytes]) -> None:
        self._handle = handle
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            stop = end + 4 + content_length(self._buffer, end)
            if len(self._buffer) < stop:
                return
            path = self._buffer[: self._buffer.find(b"\r\n")].split(b" ")[1]
            body = self._buffer[end + 4 : stop]
            self._buffer = self._buffer[stop:]
            assert self._transport is not None
            self._transport.write(self._handle(path, body))


async def serve_webhook(handle: Callable[[bytes, bytes], bytes]) -> tuple[asyncio.Server, int]:
    """A webhook on a free port of loopback, and that port."""
    server = await asyncio.get_running_loop().create_server(lambda: Webhook(handle), "127.0.0.1", 0, backlog=1024)
    return server, server.sockets[0].getsockname()[1]
