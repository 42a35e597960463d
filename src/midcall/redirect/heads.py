"""Heads of requests and answers on a proxy's connections: h11 reads and writes them, everything after is raw bytes."""

from __future__ import annotations

import asyncio
from typing import Final

import h11

MAX_HEAD_BYTES: Final = 32 * 1024
CHUNK: Final = 64 * 1024

_HOP: Final = frozenset({b"connection", b"proxy-connection", b"proxy-authorization", b"keep-alive"})


class BadHead(Exception):
    """What came is no HTTP; the status and the sentence for whoever sent it."""

    def __init__(self, sentence: str, status: int = 400) -> None:
        super().__init__(sentence)
        self.status = status


async def read_request(reader: asyncio.StreamReader) -> tuple[h11.Request, bytes] | None:
    """The first request on a connection, and the bytes behind its head; None when there is none.

    Raises:
        BadHead: it is not HTTP, or too long.
    """
    event, rest = await _head(h11.Connection(h11.SERVER, MAX_HEAD_BYTES), reader)
    return (event, rest) if isinstance(event, h11.Request) else None


async def ask_for_tunnel(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: str, authorization: str | None
) -> tuple[int, bytes]:
    """Ask another proxy for a tunnel: its status, and the bytes behind the head of its answer.

    Raises:
        BadHead: it did not answer in HTTP.
    """
    connection = h11.Connection(h11.CLIENT, MAX_HEAD_BYTES)
    headers = [("Host", target)]
    if authorization is not None:
        headers.append(("Proxy-Authorization", authorization))
    writer.write(connection.send(h11.Request(method="CONNECT", target=target, headers=headers)) or b"")
    connection.send(h11.EndOfMessage())
    try:
        event, rest = await _head(connection, reader)
    except BadHead:
        raise BadHead("it closed the connection" if reader.at_eof() else "it does not speak HTTP") from None
    assert isinstance(event, h11.Response)  # a client's connection brings nothing else first
    return event.status_code, rest


async def _head(connection: h11.Connection, reader: asyncio.StreamReader) -> tuple[object, bytes]:
    try:
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                connection.receive_data(await reader.read(CHUNK))
            elif not isinstance(event, h11.InformationalResponse):
                return event, connection.trailing_data[0]
    except h11.RemoteProtocolError as error:
        raise BadHead(str(error), error.error_status_hint) from None


def forwarded(request: h11.Request, target: str, *extra: tuple[bytes, bytes]) -> bytes:
    """The head of a request for the next stop, which ends the connection after it.

    Without that, a second request on the same connection, perhaps for another host, would follow the first unread.

    Raises:
        BadHead: it is of HTTP/1.0, whose senders may not understand the answer.
    """
    if request.http_version != b"1.1":
        raise BadHead("plain requests through this proxy take HTTP/1.1", 505)
    headers = [(name, value) for name, value in request.headers.raw_items() if name.lower() not in _HOP]
    upgrade = next((value for name, value in request.headers if name == b"upgrade"), None)
    headers += [(b"Connection", b"close" if upgrade is None else b"Upgrade"), *extra]
    written = h11.Connection(h11.CLIENT).send(h11.Request(method=request.method, target=target, headers=headers))
    assert written is not None
    return written


def refusal(status: int, sentence: str) -> bytes:
    """A whole answer of the proxy itself, for people to read."""
    connection = h11.Connection(h11.SERVER)
    body = f"midcall: {sentence}\n".encode()
    headers = [
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Content-Length", str(len(body))),
        ("Connection", "close"),
    ]
    events: tuple[h11.Event, ...] = (
        h11.Response(status_code=status, headers=headers, reason=b"Midcall"),
        h11.Data(data=body),
        h11.EndOfMessage(),
    )
    return b"".join(connection.send(event) or b"" for event in events)
