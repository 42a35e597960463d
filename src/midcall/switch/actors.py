"""Runs state machines, one event at a time each: take an event, store the step, perform what follows.

An actor is a machine of the core (a leg, a room) with a mailbox. Its state is in the store after every step, so it can
be put away between any two events; it stays in memory only because that is faster. A step that somebody outside can
see (a status, a callback, an alert) is committed before its effects are performed (promise M1).
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Generic, Protocol, TypeVar

from midcall.core import errors
from midcall.core.errors import Refused
from midcall.core.events import TimerFired
from midcall.ports import Clock, Saved, Store, Timer, Transition, pause

log = logging.getLogger(__name__)

MAILBOX_CAP: Final = 1_000
"""Events that may wait for one actor; more come only from a client that floods, and are dropped."""

STORE_RETRY_S: Final = 1.0
"""How long an actor waits before it tries again to store a step (the disk is full)."""


class Machine(Protocol):
    timers: dict[str, float]

    @property
    def done(self) -> bool: ...


M = TypeVar("M", bound=Machine)
E = TypeVar("E")
F = TypeVar("F")
EventIn = TypeVar("EventIn", contravariant=True)


class Kind(Protocol[M, EventIn, F]):
    """What makes a leg different from a room."""

    def decode(self, state: bytes) -> M: ...

    def handle(self, machine: M, event: EventIn | TimerFired, now: float) -> list[F]: ...

    def step(self, machine: M, event: EventIn | TimerFired | None, effects: Sequence[F], now: float) -> Transition:
        """The transaction of this step; `event` is None for the first."""

    def perform(self, machine: M, effects: Sequence[F]) -> None:
        """Carry the effects out. Never blocks, never raises."""


@dataclass(slots=True)
class _Mail(Generic[E]):
    event: E | TimerFired
    asker: asyncio.Future[None] | None = None


@dataclass(slots=True)
class _Box(Generic[M, E]):
    """One actor: its machine while it is in memory, its mail, its timers.

    Attributes:
        saved: how it was after its last step; the store may have missed what nobody waited for.
    """

    owner: str
    machine: M | None = None
    saved: Saved | None = None
    mail: deque[_Mail[E]] = field(default_factory=deque)
    task: asyncio.Task[None] | None = None
    alarms: dict[str, tuple[float, Timer]] = field(default_factory=dict)


class Actors(Generic[M, E, F]):
    """All actors of one kind on this node.

    Args:
        forgetful: put every actor away after each event (tests prove with it that nobody notices).
    """

    def __init__(self, kind: Kind[M, E, F], store: Store, clock: Clock, *, forgetful: bool = False) -> None:
        self._kind = kind
        self._store = store
        self._clock = clock
        self._forgetful = forgetful
        self._boxes: dict[str, _Box[M, E]] = {}
        self._idle = asyncio.Event()
        self._idle.set()

    def __len__(self) -> int:
        return len(self._boxes)

    def __contains__(self, owner: str) -> bool:
        return owner in self._boxes

    @property
    def owners(self) -> Sequence[str]:
        """All live actors, oldest first."""
        return tuple(self._boxes)

    async def begin(self, machine: M, owner: str) -> None:
        """Store a new actor; it lives when this returns.

        Raises:
            Refused: STORE_UNAVAILABLE; then there is no such actor.
        """
        step = self._kind.step(machine, None, (), self._clock.now())
        await self._store.save(step)
        self._house(machine, owner, step)

    def begin_soon(self, machine: M, owner: str) -> None:
        """The same for an actor that nobody outside knows of yet; its first visible step commits it."""
        step = self._kind.step(machine, None, (), self._clock.now())
        self._store.save_soon(step)
        self._house(machine, owner, step)

    def _house(self, machine: M, owner: str, step: Transition) -> None:
        box: _Box[M, E] = _Box(owner)
        self._boxes[owner] = box
        self._idle.clear()
        self._keep(box, machine, step)
        self._set_alarms(box, machine)

    def post(self, owner: str, event: E | TimerFired) -> None:
        """Give an actor an event. One that is over, or never was, gets no mail."""
        box = self._boxes.get(owner)
        if box is None:
            return
        if len(box.mail) >= MAILBOX_CAP:
            log.warning("an actor's mailbox is full; %s is dropped", type(event).__name__, extra={"call_sid": owner})
            return
        self._deliver(box, _Mail(event))

    async def ask(self, owner: str, event: E) -> None:
        """Give an actor an event and wait until its step is stored.

        Raises:
            Refused: NOT_FOUND, what the machine refuses, or STORE_UNAVAILABLE.
        """
        box = self._boxes.get(owner)
        if box is None:
            raise Refused(errors.NOT_FOUND)
        asker: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._deliver(box, _Mail(event, asker))
        await asker

    def _deliver(self, box: _Box[M, E], mail: _Mail[E]) -> None:
        box.mail.append(mail)
        if box.task is None:
            box.task = asyncio.get_running_loop().create_task(self._drain(box), name=f"actor {box.owner}")

    async def _drain(self, box: _Box[M, E]) -> None:
        try:
            while box.mail:
                mail = box.mail.popleft()
                try:
                    await self._take(box, mail)
                except Refused as refusal:
                    box.machine = None
                    if mail.asker is not None:
                        _settle(mail.asker, refusal)
                    elif refusal.rule is errors.STORE_UNAVAILABLE:
                        box.mail.appendleft(mail)
                        await pause(self._clock, STORE_RETRY_S)
                except Exception:
                    log.exception("an event could not be handled", extra={"call_sid": box.owner})
                    box.machine = None
                    if mail.asker is not None:
                        _settle(mail.asker, Refused(errors.INTERNAL))
        finally:
            box.task = None
            for mail in box.mail:
                if mail.asker is not None:
                    _settle(mail.asker, Refused(errors.NOT_FOUND))

    async def _take(self, box: _Box[M, E], mail: _Mail[E]) -> None:
        machine = await self._machine(box)
        now = self._clock.now()
        if machine is None:
            raise Refused(errors.NOT_FOUND)
        if isinstance(mail.event, TimerFired) and not _is_due(machine, mail.event.name, now):
            self._set_alarms(box, machine)
            return
        effects = self._kind.handle(machine, mail.event, now)
        step = self._kind.step(machine, mail.event, effects, now)
        if mail.asker is not None or _is_visible(step):
            await self._store.save(step)
        else:
            self._store.save_soon(step)
        self._keep(box, machine, step)
        self._set_alarms(box, machine)
        if machine.done:
            self._boxes.pop(box.owner, None)
            if not self._boxes:
                self._idle.set()
        if mail.asker is not None:
            _settle(mail.asker, None)
        self._kind.perform(machine, effects)

    def _keep(self, box: _Box[M, E], machine: M, step: Transition) -> None:
        if self._forgetful:
            box.machine = None
            return
        box.machine = machine
        if step.state is not None:
            box.saved = Saved(step.state, step.timers)

    async def _machine(self, box: _Box[M, E]) -> M | None:
        if box.machine is None:
            saved = box.saved or await self._store.load(box.owner)
            if saved is None:
                return None
            box.machine = self._kind.decode(saved.state)
            box.machine.timers = dict(saved.timers)
        return box.machine

    def _set_alarms(self, box: _Box[M, E], machine: M) -> None:
        wanted = {} if machine.done else machine.timers
        for name in [name for name, (due, _) in box.alarms.items() if wanted.get(name) != due]:
            box.alarms.pop(name)[1].cancel()
        for name, due in wanted.items():
            if name not in box.alarms:
                delay = due - self._clock.now()
                box.alarms[name] = (due, self._clock.call_later(delay, self._alarm(box, name)))

    def _alarm(self, box: _Box[M, E], name: str) -> Callable[[], None]:
        def fire() -> None:
            box.alarms.pop(name, None)
            self.post(box.owner, TimerFired(name))

        return fire

    async def idle(self) -> None:
        """Wait until no actor is left."""
        await self._idle.wait()

    async def close(self) -> None:
        """Put all actors away as they are; what they have stored stays."""
        tasks: list[asyncio.Task[Any]] = []
        for box in self._boxes.values():
            for _, timer in box.alarms.values():
                timer.cancel()
            if box.task is not None:
                box.task.cancel()
                tasks.append(box.task)
        self._boxes.clear()
        self._idle.set()
        await asyncio.gather(*tasks, return_exceptions=True)


def _is_visible(step: Transition) -> bool:
    """Whether somebody outside can see it, so that it has to be committed first."""
    return bool(step.call or step.status_entries or step.alerts or step.status_lane)


def _is_due(machine: Machine, name: str, now: float) -> bool:
    """Take a timer off its machine when it is due; an alarm that was overtaken by events means nothing."""
    due = machine.timers.get(name)
    if due is None or due > now + 0.001:
        return False
    del machine.timers[name]
    return True


def _settle(asker: asyncio.Future[None], refusal: Refused | None) -> None:
    if asker.done():
        return
    if refusal is None:
        asker.set_result(None)
    else:
        asker.set_exception(refusal)
