"""Who may send now: a bounded number of lanes at a time, shared out so that one dead endpoint slows nobody else.

A lane enters for its host and leaves. When slots are scarce, hosts that do not answer promptly keep only a small share,
and waiting hosts get their turns one after the other.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import Final

from midcall.ports import Clock

SLUGGISH_AFTER: Final = 3
"""Attempts in a row without a prompt answer that make a host sluggish."""

WAITING_PER_SLOT: Final = 4
"""How many lanes may wait for each slot of their host's share; more are turned away."""

_SLUGGISH_PART: Final = 8
_REMEMBERED_HOSTS: Final = 4_096


@dataclass(slots=True)
class _Host:
    running: int = 0
    unprompt: int = 0
    waiting: deque[asyncio.Future[bool]] = field(default_factory=deque)

    @property
    def is_sluggish(self) -> bool:
        return self.unprompt >= SLUGGISH_AFTER


class Slots:
    """The shares of one dispatcher.

    Args:
        total: lanes that send at the same time.
        per_host: the most of them for one host.
    """

    def __init__(self, clock: Clock, *, total: int, per_host: int) -> None:
        self._clock = clock
        self._total = total
        self._per_host = min(per_host, total)
        self._running = 0
        self._hosts: dict[str, _Host] = {}
        self._queue: OrderedDict[str, None] = OrderedDict()  # hosts with waiting lanes; the longest unserved first

    @property
    def running(self) -> int:
        return self._running

    def is_sluggish(self, name: str) -> bool:
        host = self._hosts.get(name)
        return host is not None and host.is_sluggish

    async def enter(self, name: str, *, patience_s: float) -> bool:
        """Take a slot for a host, waiting in its line when there is none. False: turned away, or waited in vain."""
        host = self._hosts.setdefault(name, _Host())
        if not host.waiting and self._has_room(host):
            self._take(host)
            return True
        if len(host.waiting) >= WAITING_PER_SLOT * self._share(host):
            return False
        return await self._wait(name, host, patience_s)

    def leave(self, name: str) -> None:
        """Give a slot back."""
        host = self._hosts[name]
        host.running -= 1
        self._running -= 1
        self._serve_waiting()
        self._forget_if_idle(name, host)

    def note(self, name: str, *, prompt: bool) -> None:
        """Tell how an attempt went: promptly answered, with whatever status, or not. The caller holds a slot."""
        host = self._hosts[name]
        was_sluggish = host.is_sluggish
        host.unprompt = 0 if prompt else host.unprompt + 1
        if was_sluggish and prompt:
            self._serve_waiting()

    async def _wait(self, name: str, host: _Host, patience_s: float) -> bool:
        place: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        host.waiting.append(place)
        self._queue.setdefault(name)
        timer = self._clock.call_later(patience_s, lambda: None if place.done() else place.set_result(False))
        try:
            return await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled() and place.result():
                self.leave(name)  # the slot came together with the cancellation
            raise
        finally:
            timer.cancel()
            self._drop(name, host, place)

    def _drop(self, name: str, host: _Host, place: asyncio.Future[bool]) -> None:
        if place in host.waiting:
            host.waiting.remove(place)
        if not host.waiting:
            self._queue.pop(name, None)
        self._forget_if_idle(name, host)

    def _serve_waiting(self) -> None:
        for name in list(self._queue):
            if self._running >= self._total:
                return
            host = self._hosts[name]
            while host.waiting and self._has_room(host):
                place = host.waiting.popleft()
                if not place.done():
                    self._take(host)
                    place.set_result(True)
                    self._queue.move_to_end(name)
                    break  # one each, then the next host
            if not host.waiting:
                self._queue.pop(name, None)

    def _has_room(self, host: _Host) -> bool:
        return self._running < self._total and host.running < self._share(host)

    def _share(self, host: _Host) -> int:
        """A sluggish host's share shrinks only while more than half of all slots are taken."""
        if host.is_sluggish and self._running * 2 >= self._total:
            return max(1, self._per_host // _SLUGGISH_PART)
        return self._per_host

    def _take(self, host: _Host) -> None:
        host.running += 1
        self._running += 1

    def _forget_if_idle(self, name: str, host: _Host) -> None:
        if host.running or host.waiting or self._hosts.get(name) is not host:
            return
        if not host.unprompt or len(self._hosts) > _REMEMBERED_HOSTS:
            del self._hosts[name]
