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

WAITING_PER_SLOT: Final = 2
"""How many lanes of one host may wait for each slot there is; more are turned away. A sluggish host's line is as
long as its share."""

LONGEST_DETOUR_S: Final = 30.0

_SLUGGISH_PART: Final = 8
_LEAST_PACE_S: Final = 0.000_5
_SMOOTHING: Final = 0.2
_REMEMBERED_HOSTS: Final = 4_096


@dataclass(slots=True)
class _Host:
    """One host's lanes.

    Attributes:
        unprompt: attempts in a row without a prompt answer.
        took_s: what an attempt takes, smoothed.
        back_at: monotonic time when the last lane that was turned away comes back.
    """

    running: int = 0
    unprompt: int = 0
    took_s: float = 0.0
    back_at: float = 0.0
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

    async def enter(self, name: str, *, patience_s: float) -> bool:
        """Take a slot for a host, waiting in its line when there is none. False: turned away, or waited in vain."""
        host = self._hosts.setdefault(name, _Host())
        if not host.waiting and self._has_room(host):
            self._take(host)
            return True
        if len(host.waiting) >= self._longest_line(host):
            return False
        return await self._wait(name, host, patience_s)

    def leave(self, name: str) -> None:
        """Give a slot back."""
        host = self._hosts[name]
        host.running -= 1
        self._running -= 1
        self._serve_waiting()
        self._forget_if_idle(name, host)

    def detour_s(self, name: str) -> float:
        """How long a lane that did not get in stays away: each one longer than the one before, at the host's pace."""
        host = self._hosts.setdefault(name, _Host())
        now = self._clock.monotonic()
        pace_s = max(host.took_s / self._share(host), _LEAST_PACE_S)
        host.back_at = min(max(host.back_at, now + pace_s * len(host.waiting)) + pace_s, now + LONGEST_DETOUR_S)
        detour_s = host.back_at - now
        self._forget_if_idle(name, host)
        return detour_s

    def note(self, name: str, *, prompt: bool, took_s: float) -> None:
        """Tell how an attempt went: promptly answered, with whatever status, or not. The caller holds a slot."""
        host = self._hosts[name]
        was_sluggish = host.is_sluggish
        host.took_s += (took_s - host.took_s) * _SMOOTHING
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

    def _longest_line(self, host: _Host) -> int:
        return self._share(host) if host.is_sluggish else WAITING_PER_SLOT * self._total

    def _take(self, host: _Host) -> None:
        host.running += 1
        self._running += 1

    def _forget_if_idle(self, name: str, host: _Host) -> None:
        if host.running or host.waiting or self._hosts.get(name) is not host:
            return
        if not host.unprompt or len(self._hosts) > _REMEMBERED_HOSTS:
            del self._hosts[name]
