"""What is sent in one turn of the loop leaves in one piece, heartbeat and all, and waits for peers that do not read."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from aiohttp import WSMsgType, web
from aiohttp.test_utils import TestClient, TestServer

from midcall.signalling.carriage import Tracked
from midcall.signalling.handler import text_head
from midcall.signalling.outlet import WRITE_BYTES, Outlet

HEARTBEAT = b"\n"


class Sink:
    def __init__(self) -> None:
        self.pieces: list[Sequence[bytes]] = []
        self.is_full = False
        self.room = asyncio.Event()
        self.error: Exception | None = None

    def write(self, frames: Sequence[bytes]) -> None:
        if self.error is not None:
            raise self.error
        self.pieces.append(frames)

    async def drained(self) -> None:
        await self.room.wait()


class Sent:
    """An outlet, its sink, and what it complained of."""

    def __init__(self, limit_bytes: int = 1 << 20) -> None:
        self.sink = Sink()
        self.failures: list[str] = []
        self.outlet = Outlet(self.sink, limit_bytes=limit_bytes, fail=self.failures.append)


def tracked() -> Tracked:
    unused: Any = None
    return Tracked(unused, unused)


async def test_frames_of_one_turn_and_their_heartbeat_are_one_piece() -> None:
    sent = Sent()
    first, second = tracked(), tracked()
    sent.outlet.send(b"one", first)
    sent.outlet.send(b"two", second)
    assert sent.sink.pieces == []
    await asyncio.sleep(0)
    assert sent.sink.pieces == [[b"one", b"two", HEARTBEAT]]
    assert sent.outlet.echo() == [first, second]


async def test_frames_that_need_no_receipt_have_no_heartbeat() -> None:
    sent = Sent()
    sent.outlet.send(b"one")
    await asyncio.sleep(0)
    assert sent.sink.pieces == [[b"one"]]
    assert not sent.outlet.awaits_echo


async def test_nothing_is_handed_to_a_full_socket_until_it_has_drained() -> None:
    sent = Sent()
    sent.sink.is_full = True
    sent.outlet.send(b"one", tracked())
    await asyncio.sleep(0)
    sent.outlet.send(b"two")
    await asyncio.sleep(0)
    assert sent.sink.pieces == []
    sent.sink.is_full = False
    sent.sink.room.set()
    await sent.outlet.drain()
    assert sent.sink.pieces == [[b"one", b"two", HEARTBEAT]]


async def test_much_leaves_in_pieces_with_one_heartbeat_behind_the_last() -> None:
    sent = Sent()
    for _ in range(5):
        sent.outlet.send(b"x" * (WRITE_BYTES // 2), tracked())
    await sent.outlet.drain()
    assert [len(piece) for piece in sent.sink.pieces] == [2, 2, 2]
    assert sent.sink.pieces[-1][-1] == HEARTBEAT
    assert len(sent.outlet.echo()) == 5


async def test_a_peer_that_reads_too_slowly_is_given_up_once() -> None:
    sent = Sent(limit_bytes=10)
    sent.sink.is_full = True
    for _ in range(3):
        sent.outlet.send(b"123456")
    await asyncio.sleep(0)
    assert sent.failures == ["slow reader"]
    await sent.outlet.close()
    assert sent.sink.pieces == []


async def test_a_socket_that_has_ended_is_told_of_once() -> None:
    sent = Sent()
    sent.sink.error = ConnectionResetError()
    sent.outlet.send(b"one", tracked())
    await asyncio.sleep(0)
    sent.outlet.send(b"two")
    await asyncio.sleep(0)
    assert sent.failures == ["cannot write: ConnectionResetError"]


async def test_closing_ends_what_waits_for_the_peer() -> None:
    sent = Sent()
    sent.sink.is_full = True
    sent.outlet.send(b"one")
    await asyncio.sleep(0)
    await sent.outlet.close()
    await sent.outlet.drain()
    assert sent.sink.pieces == []


@pytest.mark.parametrize("length", [0, 1, 125, 126, 65_535, 65_536])
async def test_a_client_reads_frames_of_any_length(length: int) -> None:
    """The head is ours, so another's reader has to understand it."""
    text = b"x" * length

    async def serve(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        assert request.transport is not None
        request.transport.write(text_head(length) + text + text_head(3) + b"end")
        await socket.close()
        return socket

    app = web.Application()
    app.router.add_get("/", serve)
    async with TestClient(TestServer(app)) as client, client.ws_connect("/") as socket:
        messages = [await socket.receive(), await socket.receive()]
    assert [(message.type, message.data) for message in messages] == [
        (WSMsgType.TEXT, text.decode()),
        (WSMsgType.TEXT, "end"),
    ]
