"""Servers on loopback that misbehave on purpose, byte by byte."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from ssl import SSLContext

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass(slots=True)
class Heard:
    """One request as it came over the wire."""

    connection: int
    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class Answer:
    """What the server does with one request: writes, waits for an event, closes."""

    write: bytes = OK
    wait: asyncio.Event | None = None
    then: bytes = b""
    close: bool = False


@dataclass(slots=True)
class RawServer:
    """Answers each request with what `answer` makes of it."""

    port: int = 0
    heard: list[Heard] = field(default_factory=list)
    connections: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


Behaviour = Callable[[Heard], Answer | bytes]


@asynccontextmanager
async def raw_server(behaviour: Behaviour | bytes = OK, *, tls: SSLContext | None = None) -> AsyncIterator[RawServer]:
    """A server on a free port of 127.0.0.1 for as long as the context lasts."""
    server = RawServer()
    tasks: set[asyncio.Task[None]] = set()

    def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.connections += 1
        task = asyncio.ensure_future(_serve(server, behaviour, server.connections, reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        task.add_done_callback(lambda _: writer.transport.abort())  # also when it never began

    listener = await asyncio.start_server(on_connection, "127.0.0.1", 0, ssl=tls)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await listener.wait_closed()
        await asyncio.sleep(0)


async def _serve(
    server: RawServer,
    behaviour: Behaviour | bytes,
    connection: int,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> None:
    try:
        while (heard := await _request(connection, reader)) is not None:
            server.heard.append(heard)
            answer = behaviour if isinstance(behaviour, bytes) else behaviour(heard)
            if isinstance(answer, bytes):
                answer = Answer(answer)
            await _write(writer, answer)
            if answer.close:
                break
    except (ConnectionError, asyncio.IncompleteReadError):
        pass
    except asyncio.CancelledError:
        writer.transport.abort()
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def _write(writer: asyncio.StreamWriter, answer: Answer) -> None:
    writer.write(answer.write)
    await writer.drain()
    if answer.wait is not None:
        await answer.wait.wait()
    writer.write(answer.then)
    await writer.drain()


async def _request(connection: int, reader: asyncio.StreamReader) -> Heard | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.strip().split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Heard(connection, method, target, headers, body)


def answering(status: int, *headers: str, body: bytes = b"") -> bytes:
    """An answer as bytes; headers such as `Location: /x`."""
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
