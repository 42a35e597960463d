"""Faults at the server's sockets, for any client: virtual people, browsers, others.

Sits between a connection and its socket, so that both sides are what they always are.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from midcall.core.sids import AccountSid
from midcall.signalling.connection import Socket
from midcall.testing.people.faults import HEARTBEAT, Faults, shown_by, type_of

Who = Callable[[], tuple[AccountSid, str | None]]
"""Account and identity of a socket's client, once it has shown its token."""

Client = tuple[AccountSid, str]

MAX_HELD: Final = 1_000
"""Frames of one socket that a delay may hold back; with more, the socket is lost."""


class Wires:
    """All sockets, what happens to their frames, and which clients are cut off."""

    def __init__(self) -> None:
        self._sockets: dict[Wire, None] = {}
        self._faults: dict[Client, Faults] = {}
        self._cut: set[Client] = set()

    def around(self, socket: Socket, who: Who) -> Socket:
        """What a connection uses instead of its socket."""
        wire = Wire(self, socket, who)
        self._sockets[wire] = None
        return wire

    def cut(self, client: Client) -> int:
        """Take away a client's sockets and let it have no others; how many it had."""
        self._cut.add(client)
        lost = [wire for wire in self._sockets if wire.client == client]
        for wire in lost:
            wire.abort()
        return len(lost)

    def restore(self, client: Client) -> None:
        """Let a client reach the server again."""
        self._cut.discard(client)
        self._let_in_again()

    def restore_all(self, account: AccountSid) -> None:
        """Nothing happens to an account's clients any more."""
        self._cut = {client for client in self._cut if client[0] != account}
        self._faults = {client: faults for client, faults in self._faults.items() if client[0] != account}
        self._let_in_again()

    def _let_in_again(self) -> None:
        """Sockets that were not answered are lost, so that their clients open others."""
        for wire in list(self._sockets):
            if wire.kept_away is not None and wire.kept_away not in self._cut:
                wire.abort()

    @property
    def are_well(self) -> bool:
        """Nothing happens to anybody, so that nobody need look into frames."""
        return not self._faults and not self._cut

    def is_cut(self, client: Client) -> bool:
        return client in self._cut

    def disturb(self, client: Client, faults: Faults) -> None:
        """What happens to a client's frames from now on."""
        self._faults[client] = faults

    def heal(self, client: Client) -> None:
        """Nothing happens to them any more."""
        self._faults.pop(client, None)

    def faults_of(self, client: Client | None) -> Faults | None:
        return None if client is None else self._faults.get(client)

    def forget(self, wire: Wire) -> None:
        """A socket has ended."""
        self._sockets.pop(wire, None)


class Wire:
    """Implements `Socket` around another one."""

    def __init__(self, wires: Wires, socket: Socket, who: Who) -> None:
        self._wires = wires
        self._socket = socket
        self._who = who
        self.kept_away: Client | None = None
        """Who it is that gets no answer, because its network is cut."""
        self._reading: asyncio.Task[str | None] | None = None
        self._over = asyncio.Event()
        self._arrived: deque[str] = deque()
        self._held: tuple[str, float] | None = None
        self._waiting: deque[bytes] = deque()
        self._released: asyncio.TimerHandle | None = None
        self._swapped: bytes | None = None
        self._swap: asyncio.TimerHandle | None = None

    @property
    def client(self) -> Client | None:
        """Whose it is; None before its first good token, and for clients without identity."""
        account, identity = self._who()
        return None if identity is None else (account, identity)

    # from the client

    async def receive(self) -> str | None:
        """The next frame that the faults let through."""
        try:
            while not self._arrived:
                text = await self._next()
                if text is None:
                    return None
                await self._take(text)
            return self._arrived.popleft()
        except BaseException:
            if self._reading is not None:
                self._reading.cancel()
            self._end()
            raise

    async def _next(self) -> str | None:
        """The next frame, or one that has waited long enough for another to pass it."""
        loop = asyncio.get_running_loop()
        if self._held is None and self._reading is None:
            text = await self._socket.receive()
        else:
            if self._reading is None:
                self._reading = loop.create_task(self._socket.receive())
            wait = None if self._held is None else max(0.0, self._held[1] - loop.time())
            done, _ = await asyncio.wait((self._reading,), timeout=wait)
            if not done:
                assert self._held is not None
                text, self._held = self._held[0], None
                self._arrived.append(text)
                return ""
            text, self._reading = self._reading.result(), None
        if text is None:
            self._end()
        return text

    async def _take(self, text: str) -> None:
        if text == "":
            if not self._arrived:  # no frame, but something the connection answers
                self._arrived.append(text)
            return
        if self._wires.are_well and self.kept_away is None and self._held is None:
            self._arrived.append(text)
            return
        type_ = type_of(text)
        if type_ == "listen":
            self._look_who_it_is(text)
        if self.kept_away is not None:
            return
        faults = self._wires.faults_of(self.client)
        what, by_s = (None if faults is None else faults.next("from_client", type_)) or (None, 0.0)
        if what == "drop":
            return
        if what == "delay" and await self._ends_within(by_s):
            return
        if what == "reorder" and self._held is None:
            self._held = text, asyncio.get_running_loop().time() + by_s
            return
        self._arrived.extend((text, text) if what == "double" else (text,))
        if self._held is not None and type_ != HEARTBEAT:
            self._arrived.append(self._held[0])
            self._held = None

    async def _ends_within(self, duration_s: float) -> bool:
        """Wait; what is held back is lost with its socket."""
        try:
            async with asyncio.timeout(duration_s):
                await self._over.wait()
        except TimeoutError:
            return False
        return True

    def _look_who_it_is(self, listen: str) -> None:
        """A client that is cut off gets no answer: one whose socket is closed at once would try again at once."""
        shown = shown_by(listen)
        if shown is not None and self._wires.is_cut(client := (AccountSid(shown[0]), shown[1])):
            self.kept_away = client

    # to the client

    def write(self, frames: Sequence[bytes]) -> None:
        """Hand over what the faults let through now."""
        if self.kept_away is not None:
            return
        faults = None if self._wires.are_well else self._wires.faults_of(self.client)
        if faults is None and not self._waiting and self._swapped is None:
            self._socket.write(frames)
            return
        now: list[bytes] = []
        for frame in frames:
            now += self._passing(faults, frame)
        if now:
            self._socket.write(now)

    def _passing(self, faults: Faults | None, frame: bytes) -> Sequence[bytes]:
        type_ = type_of(frame)
        found = None if faults is None else faults.next("to_client", type_)
        what, by_s = found or (None, 0.0)
        if what == "drop":
            return ()
        frames = [frame, frame] if what == "double" else [frame]
        if what == "reorder" and self._swapped is None:
            self._swapped = frame
            self._swap = asyncio.get_running_loop().call_later(by_s, self._give_up_swapping)
            return ()
        if self._swapped is not None and type_ != HEARTBEAT:
            frames.append(self._swapped)
            self._stop_swapping()
        if what == "delay" or self._waiting:
            return self._hold(frames, by_s if what == "delay" else None)
        return frames

    def _hold(self, frames: Sequence[bytes], by_s: float | None) -> Sequence[bytes]:
        """What is delayed holds back everything behind it, as on a network that stalls."""
        self._waiting.extend(frames)
        if len(self._waiting) > MAX_HELD:
            self.abort()
        elif by_s is not None and self._released is None:
            self._released = asyncio.get_running_loop().call_later(by_s, self._release)
        return ()

    def _release(self) -> None:
        self._released = None
        frames = list(self._waiting)
        self._waiting.clear()
        self._write_late(frames)

    def _give_up_swapping(self) -> None:
        """No other frame came."""
        frame = self._swapped
        self._stop_swapping()
        if frame is not None:
            self._write_late([frame])

    def _stop_swapping(self) -> None:
        self._swapped = None
        if self._swap is not None:
            self._swap.cancel()
            self._swap = None

    def _write_late(self, frames: Sequence[bytes]) -> None:
        try:
            self._socket.write(frames)
        except (ConnectionError, RuntimeError):  # it ended meanwhile, and its connection learns that itself
            self._end()

    # the socket

    @property
    def is_full(self) -> bool:
        return self._socket.is_full

    async def drained(self) -> None:
        await self._socket.drained()

    async def close(self, code: int) -> None:
        await self._socket.close(code)
        self._end()

    def abort(self) -> None:
        """Lose the socket."""
        self._end()
        self._socket.abort()

    def _end(self) -> None:
        self._wires.forget(self)
        self._over.set()
        self._stop_swapping()
        self._waiting.clear()
        if self._released is not None:
            self._released.cancel()
            self._released = None
