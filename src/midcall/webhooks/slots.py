"""Who may send now: a bounded number of lanes at a time, shared out so that no endpoint slows another's.

A lane enters for its host and leaves. While slots are plenty, nobody notices. When they get scarce, a host's share
depends on how it answers: hosts that keep us waiting get at most half of all slots together, and with hosts that have
not answered yet at most three quarters, so that for those that answer there is always room. Waiting hosts get their
turns one after the other.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from midcall.ports import Clock, Timer

PROMPT_S: Final = 1.0
"""A host that takes longer than this keeps us waiting."""

SLUGGISH_AFTER: Final = 3
"""Attempts in a row without a prompt answer that make a host sluggish; for one that never gave any, one is enough."""

WAITING_PER_SLOT: Final = 2
"""How many lanes of one prompt host may wait for each slot there is; more are turned away. Lines of other hosts are
shorter, that of a sluggish one is one lane long while slots are scarce."""

LONGEST_DETOUR_S: Final = 30.0

_SMALL_PART: Final = 8
_LOOK_AGAIN_S: Final = PROMPT_S / 2
_LEAST_PACE_S: Final = 0.000_5
_SMOOTHING: Final = 0.2
_REMEMBERED_HOSTS: Final = 4_096


class Standing(Enum):
    """What a host has shown of itself."""

    PROMPT = "prompt"
    NEW = "new"
    """It has not answered yet, nor kept us waiting."""
    SLUGGISH = "sluggish"


@dataclass(slots=True)
class _Host:
    """One host's lanes.

    Attributes:
        unprompt: attempts in a row without a prompt answer.
        proven: it has answered promptly, once at least.
        waiting_since: monotonic time since when what runs has brought no prompt answer.
        took_s: what an attempt takes, smoothed.
        back_at: monotonic time when the last lane that was turned away comes back.
    """

    running: int = 0
    unprompt: int = 0
    proven: bool = False
    waiting_since: float = 0.0
    took_s: float = 0.0
    back_at: float = 0.0
    waiting: deque[asyncio.Future[bool]] = field(default_factory=deque)

    def standing(self, now: float) -> Standing:
        silent = self.running > 0 and now - self.waiting_since > PROMPT_S
        if silent or self.unprompt >= SLUGGISH_AFTER or (self.unprompt and not self.proven):
            return Standing.SLUGGISH
        return Standing.PROMPT if self.proven else Standing.NEW


@dataclass(slots=True)
class _Census:
    """How many slots hosts of a standing hold at this moment."""

    now: float
    held: dict[Standing, int]


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
        self._small_share = max(1, self._per_host // _SMALL_PART)
        self._running = 0
        self._hosts: dict[str, _Host] = {}
        self._busy: dict[str, _Host] = {}  # hosts with running lanes
        self._queue: OrderedDict[str, None] = OrderedDict()  # hosts with waiting lanes; the longest unserved first
        self._look_again: Timer | None = None

    @property
    def running(self) -> int:
        return self._running

    async def enter(self, name: str, *, patience_s: float, suspect: bool = False) -> bool:
        """Take a slot for a host, waiting in its line when there is none. False: turned away, or waited in vain.

        Args:
            suspect: the lane has failed before, so a host that nothing is known of is taken for a sluggish one.
        """
        host = self._hosts.setdefault(name, _Host())
        if suspect and not host.proven and not host.unprompt:
            host.unprompt = 1
        census = self._census()
        if not host.waiting and self._has_room(host, census):
            self._take(name, host, census)
            return True
        if len(host.waiting) >= self._longest_line(host, census.now):
            return False
        return await self._wait(name, host, patience_s)

    def leave(self, name: str) -> None:
        """Give a slot back."""
        host = self._hosts[name]
        host.running -= 1
        self._running -= 1
        if not host.running:
            del self._busy[name]
        self._serve_waiting()
        self._forget_if_idle(name, host)

    def detour_s(self, name: str) -> float:
        """How long a lane that did not get in stays away: each one longer than the one before, at the host's pace."""
        host = self._hosts.setdefault(name, _Host())
        now = self._clock.monotonic()
        match host.standing(now):
            case Standing.PROMPT:
                pace_s = max(host.took_s / self._share(Standing.PROMPT), _LEAST_PACE_S)
                earliest = now + pace_s * len(host.waiting)
            case Standing.NEW:  # all together, when the host has shown what it is
                pace_s, earliest = _LEAST_PACE_S, now + PROMPT_S
            case Standing.SLUGGISH:
                pace_s, earliest = max(host.took_s, PROMPT_S) / self._share(Standing.SLUGGISH), now
        host.back_at = min(max(host.back_at, earliest) + pace_s, now + LONGEST_DETOUR_S)
        detour_s = host.back_at - now
        self._forget_if_idle(name, host)
        return detour_s

    def note(self, name: str, *, prompt: bool, took_s: float) -> None:
        """Tell how an attempt went: promptly answered, with whatever status, or not. The caller holds a slot."""
        host = self._hosts[name]
        now = self._clock.monotonic()
        was = host.standing(now)
        host.took_s += (took_s - host.took_s) * _SMOOTHING
        if not prompt:
            host.unprompt += 1
            return
        host.unprompt, host.proven, host.waiting_since = 0, True, now
        if was is not Standing.PROMPT:
            self._serve_waiting()

    async def _wait(self, name: str, host: _Host, patience_s: float) -> bool:
        place: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        host.waiting.append(place)
        self._queue.setdefault(name)
        self._look_again_soon()
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
        if not self._queue and self._look_again is not None:
            self._look_again.cancel()
            self._look_again = None
        self._forget_if_idle(name, host)

    def _serve_waiting(self) -> None:
        """Give out what is free: one slot for each host, the longest unserved first, as often as there is room."""
        census = self._census() if self._queue else None
        while census is not None and self._serve_each(census):
            pass

    def _serve_each(self, census: _Census) -> bool:
        """One round; whether anybody was served."""
        served = False
        for name in list(self._queue):
            host = self._hosts[name]
            while host.waiting and self._has_room(host, census):
                place = host.waiting.popleft()
                if not place.done():
                    self._take(name, host, census)
                    place.set_result(True)
                    self._queue.move_to_end(name)
                    served = True
                    break
            if not host.waiting:
                self._queue.pop(name, None)
        return served

    def _look_again_soon(self) -> None:
        """A host that keeps us waiting becomes sluggish by and by, which makes room for others."""
        if self._look_again is None:
            self._look_again = self._clock.call_later(_LOOK_AGAIN_S, self._on_look_again)

    def _on_look_again(self) -> None:
        self._look_again = None
        self._turn_surplus_away()
        self._serve_waiting()
        if self._queue:
            self._look_again_soon()

    def _turn_surplus_away(self) -> None:
        """Lines get shorter when their hosts become sluggish: who waits keeps others from being looked at."""
        now = self._clock.monotonic()
        for name in self._queue:
            host = self._hosts[name]
            while len(host.waiting) > self._longest_line(host, now):
                place = host.waiting.pop()
                if not place.done():
                    place.set_result(False)

    def _census(self) -> _Census:
        held = dict.fromkeys(Standing, 0)
        now = self._clock.monotonic()
        if self._is_crowded:  # otherwise nobody asks
            for host in self._busy.values():
                held[host.standing(now)] += host.running
        return _Census(now, held)

    def _has_room(self, host: _Host, census: _Census) -> bool:
        standing = host.standing(census.now)
        if self._running >= self._total or host.running >= self._share(standing):
            return False
        if standing is Standing.PROMPT or not self._is_crowded:
            return True
        sluggish = census.held[Standing.SLUGGISH]
        if standing is Standing.SLUGGISH and sluggish * 2 >= self._total:
            return False
        return (sluggish + census.held[Standing.NEW]) * 4 < self._total * 3

    @property
    def _is_crowded(self) -> bool:
        return self._running * 4 >= self._total

    def _share(self, standing: Standing) -> int:
        """The most slots of one host; it gets smaller as slots get scarce."""
        match standing:
            case Standing.NEW:
                return 1 if self._is_crowded else self._per_host
            case Standing.SLUGGISH:
                return self._small_share if self._is_crowded else self._per_host
            case Standing.PROMPT:
                if self._running * 4 >= self._total * 3:
                    return self._small_share
                return max(1, self._per_host // 2) if self._running * 2 >= self._total else self._per_host

    def _longest_line(self, host: _Host, now: float) -> int:
        match host.standing(now):
            case Standing.PROMPT:
                return WAITING_PER_SLOT * self._total
            case Standing.NEW:
                return self._per_host
            case Standing.SLUGGISH:
                return 1 if self._is_crowded else self._per_host

    def _take(self, name: str, host: _Host, census: _Census) -> None:
        if not host.running:
            host.waiting_since = census.now
        census.held[host.standing(census.now)] += 1
        host.running += 1
        self._running += 1
        self._busy[name] = host

    def _forget_if_idle(self, name: str, host: _Host) -> None:
        if host.running or host.waiting or self._hosts.get(name) is not host:
            return
        known = host.proven or host.unprompt > 0
        if not known or len(self._hosts) > _REMEMBERED_HOSTS:
            del self._hosts[name]
