"""A TCP connection with a WebSocket on it, as far as it matters: in order, late, and cut at any moment.

What is in flight when it is cut is lost; the two ends may learn of the cut at different times.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simulation.clients import Phone
    from simulation.world import World


class Link:
    """One connection between a phone and the server process that runs now."""

    def __init__(self, world: World, phone: Phone) -> None:
        self.world = world
        self.phone = phone
        self.socket = ServerSocket(self)
        self.is_cut = False
        self.client_has_left = False
        self._to_server_at = 0.0
        self._to_client_at = 0.0

    def _later(self, at: float) -> float:
        return max(at, self.world.now + self.world.latency())

    def client_sends(self, text: str) -> None:
        if not self.client_has_left:
            self._to_server_at = self._later(self._to_server_at)
            self.world.at(self._to_server_at, lambda: self._reach_server(text))

    def _reach_server(self, text: str) -> None:
        if not self.is_cut:
            self.socket.feed(text)

    def server_sends(self, text: str) -> None:
        self._to_client_at = self._later(self._to_client_at)
        self.world.at(self._to_client_at, lambda: self._reach_client(text))

    def _reach_client(self, text: str) -> None:
        if not (self.is_cut or self.client_has_left):
            self.phone.on_text(self, text)

    def cut(self, client_learns_s: float, server_learns_s: float) -> None:
        """Nothing gets through any more, and what is under way is lost."""
        self.is_cut = True
        self.world.later(client_learns_s, self.client_learns)
        self.world.later(server_learns_s, self.socket.end)

    def client_learns(self) -> None:
        if not self.client_has_left:
            self.client_has_left = True
            self.phone.on_lost(self)

    def client_leaves(self) -> None:
        """The client closes; what it sent before still arrives."""
        if not self.client_has_left:
            self.client_has_left = True
            self._to_server_at = self._later(self._to_server_at)
            self.world.at(self._to_server_at, self.socket.end)

    def server_leaves(self, *, drops: bool) -> None:
        """The server's end is gone. `drops`: what it had sent is lost on the way."""
        if drops:
            self.is_cut = True
        self._to_client_at = self._later(self._to_client_at)
        self.world.at(self._to_client_at, self.client_learns)


class ServerSocket:
    """Implements `signalling.connection.Socket`."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._inbox: deque[str] = deque()
        self._reader: asyncio.Future[None] | None = None
        self._choked: asyncio.Future[None] | None = None
        self.ended = False

    # the world's side

    def feed(self, text: str) -> None:
        if not self.ended:
            self._inbox.append(text)
            self._wake()

    def end(self) -> None:
        self.ended = True
        self._wake()
        self.unchoke()

    def choke(self, loop: Any) -> None:
        """The client reads nothing for a while: writing waits."""
        if self._choked is None and not self.ended:
            self._choked = loop.create_future()

    def unchoke(self) -> None:
        if self._choked is not None:
            choked, self._choked = self._choked, None
            if not choked.done():
                choked.set_result(None)

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    # the connection's side

    async def receive(self) -> str | None:
        while not self._inbox:
            if self.ended:
                return None
            self._reader = asyncio.get_running_loop().create_future()
            await self._reader
            self._reader = None
        return self._inbox.popleft()

    def write(self, frames: Sequence[bytes]) -> None:
        if self.ended:
            raise ConnectionResetError("the socket has ended")
        for frame in frames:
            self._link.world.on_frame_out(self._link, frame)

    @property
    def is_full(self) -> bool:
        return self._choked is not None

    async def drained(self) -> None:
        if self._choked is not None:
            await self._choked
        if self.ended:
            raise ConnectionResetError("the socket has ended")

    async def close(self, code: int) -> None:
        if not self.ended:
            self.end()
            self._link.server_leaves(drops=False)

    def abort(self) -> None:
        if not self.ended:
            self.end()
            self._link.server_leaves(drops=True)
