"""Servers that break a promise, each in one place: the checker has to notice every one of them.

A mutation patches one part of the product while a block runs. What it breaks is in its name.
"""

from __future__ import annotations

import asyncio
import copy
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import count, islice
from typing import Any, Final
from unittest.mock import patch

from midcall.core import delivery, errors
from midcall.core.delivery import Delivered, RetryAt
from midcall.core.errors import Refused
from midcall.core.messages import Appended, Entry, Log, check_leg
from midcall.signalling.connection import Connection
from midcall.signalling.flush import Flusher
from midcall.signalling.hub import Hub
from midcall.signalling.outlet import Outlet
from midcall.storage import rules, sqlite, worker
from midcall.storage.memory import MemoryStore
from midcall.storage.worker import Task
from midcall.switch.calls import Calls
from midcall.switch.messages import Messages
from midcall.webhooks import attempts
from midcall.wire import callbacks
from simulation.machine import Durable, _MemoryGroups
from simulation.plan import Kind, Plan, make_plan

MUTATIONS: Final[dict[str, Mutation]] = {}


@dataclass(frozen=True, slots=True)
class Mutation:
    """A broken server.

    Attributes:
        apply: breaks it as long as the context is open.
        kind: the store on which it shows.
        seeds: how many it may take to be noticed.
        nodes: seeds with another number of dispatchers are left out.
    """

    apply: Callable[[], Any]
    kind: Kind
    seeds: int
    nodes: int | None = None

    def plans(self) -> Iterator[Plan]:
        """The runs in which it has to be noticed."""
        plans = (make_plan(seed, self.kind) for seed in count())
        return islice((plan for plan in plans if self.nodes in (None, plan.dispatchers)), self.seeds)


def mutation(
    kind: Kind = Kind.MEMORY, seeds: int = 400, nodes: int | None = None
) -> Callable[[Callable[[], Iterator[None]]], Callable[[], Iterator[None]]]:
    def register(function: Callable[[], Iterator[None]]) -> Callable[[], Iterator[None]]:
        MUTATIONS[function.__name__] = Mutation(contextmanager(function), kind, seeds, nodes)
        return function

    return register


@contextmanager
def _patched(*targets: tuple[object, str, object]) -> Iterator[None]:
    with ExitStack() as stack:
        for owner, name, new in targets:
            stack.enter_context(patch.object(owner, name, new))
        yield


# durable before visible


@mutation()
def ack_before_commit() -> Iterator[None]:
    """A client's message is acknowledged while the store still works on it."""
    accept = Messages.accept_from_client

    async def accept_from_client(self: Messages, account: Any, leg: Any, message: Any) -> Appended:
        asyncio.get_running_loop().create_task(_quietly(lambda: accept(self, account, leg, message)))
        return Appended(Entry(**_ENTRY), repeated=False)

    with _patched((Messages, "accept_from_client", accept_from_client)):
        yield


@mutation()
def answers_before_commit() -> Iterator[None]:
    """Groups are answered when they have run; the newest three are lost with the process."""
    run = _MemoryGroups.run

    def ran(self: _MemoryGroups, tasks: list[Task]) -> None:
        durable: Any = self._durable
        if self._world is not None:
            if not hasattr(durable, "kept"):
                durable.kept = deque(maxlen=3)
            durable.kept.append(copy.deepcopy(durable.memory.__dict__))
        run(self, tasks)

    crash = Durable.crash

    def crashed(self: Any, *args: Any, **named: Any) -> None:
        crash(self, *args, **named)
        self.memory.__dict__.update(self.kept[0])

    with _patched((_MemoryGroups, "run", ran), (Durable, "crash", crashed)):
        yield


@mutation(Kind.SQLITE)
def commit_without_sync() -> Iterator[None]:
    with _patched(
        (sqlite, "_PRAGMAS", sqlite._PRAGMAS.replace("synchronous = FULL", "synchronous = OFF")),
        (worker, "_DURABLE", "PRAGMA synchronous = OFF"),
        (worker, "_LAZY", "PRAGMA synchronous = OFF"),
    ):
        yield


@mutation(Kind.SQLITE)
def sync_at_checkpoints_only() -> Iterator[None]:
    with _patched(
        (sqlite, "_PRAGMAS", sqlite._PRAGMAS.replace("synchronous = FULL", "synchronous = NORMAL")),
        (worker, "_DURABLE", "PRAGMA synchronous = NORMAL"),
    ):
        yield


# order, leases, cursors


@mutation(nodes=2)
def lease_check_dropped() -> Iterator[None]:
    """A settle counts whoever has the lane by now."""
    settle = rules.settle

    def settled(record: Any, lease: int, *args: Any, **named: Any) -> Any:
        return settle(replace(record, leased_until=record.leased_until or 0.0), record.lease, *args, **named)

    with _patched((rules, "settle", settled)):
        yield


@mutation(nodes=2)
def lanes_claimed_without_lease() -> Iterator[None]:
    """Two dispatchers may send from the same lane at once."""
    ready_at = rules.ready_at

    def claim(record: Any, end: int, *, now: float, lease_until: float) -> Any:
        ready = ready_at(replace(record, leased_until=None), end)
        if ready is None or ready > now:
            return None
        return replace(record, lease=record.lease + 1, leased_until=lease_until)

    with _patched(
        (rules, "claim", claim),
        (rules, "ready_at", lambda record, end: ready_at(replace(record, leased_until=None), end)),
    ):
        yield


@mutation()
def cursor_moves_before_2xx() -> Iterator[None]:
    """A failed attempt counts as a delivery."""
    judge = delivery.judge

    def judged(*args: Any, **named: Any) -> Any:
        verdict = judge(*args, **named)
        return Delivered() if isinstance(verdict, RetryAt) else verdict

    with _patched((delivery, "judge", judged)):
        yield


@mutation()
def next_message_before_the_retry() -> Iterator[None]:
    """What follows a failed message overtakes it: the lane steps on and comes back later."""
    after = MemoryStore._turn

    def turn(self: MemoryStore, record: Any) -> Any:
        made = after(self, record)
        if made.lane.attempts:
            rows = list(self._leg(made.lane.leg_sid).after(Log.FROM_CLIENT, made.entry.seq))
            if rows and made.entry.log is Log.FROM_CLIENT:
                return replace(made, entry=rows[0])
        return made

    with _patched((MemoryStore, "_turn", turn)):
        yield


# repeats


@mutation()
def repeats_forgotten() -> Iterator[None]:
    """The store does not know (leg, log, sid)."""
    append = MemoryStore.append_message

    async def append_message(self: MemoryStore, draft: Any, *args: Any) -> Any:
        self._leg(draft.leg_sid).sids.pop((draft.log, draft.sid), None)
        return await append(self, draft, *args)

    with _patched((MemoryStore, "append_message", append_message)):
        yield


@mutation(seeds=600)
def idempotency_keys_forgotten_at_restart() -> Iterator[None]:
    crash = Durable.crash

    def crashed(self: Durable, *args: Any, **named: Any) -> None:
        crash(self, *args, **named)
        for leg in self.memory._legs.values():
            leg.idempotency.clear()

    with _patched((Durable, "crash", crashed)):
        yield


@mutation(seeds=800)
def idempotency_after_the_active_check() -> Iterator[None]:
    """A repeated request is refused once the call is over."""
    append = MemoryStore.append_message

    async def append_message(self: MemoryStore, draft: Any, *args: Any) -> Any:
        check_leg(self._view(draft.account_sid, draft.leg_sid))
        return await append(self, draft, *args)

    with _patched((MemoryStore, "append_message", append_message)):
        yield


@mutation()
def another_token_for_each_attempt() -> Iterator[None]:
    made = count()
    with _patched((callbacks, "idempotency_token", lambda *names: f"token {next(made)}")):
        yield


@mutation()
def time_of_the_attempt_as_timestamp() -> Iterator[None]:
    prepare = attempts._prepare
    times = count(1_700_000_000)

    def prepared(turn: Any, *args: Any) -> Any:
        return prepare(replace(turn, entry=replace(turn.entry, at=float(next(times)))), *args)

    with _patched((attempts, "_prepare", prepared)):
        yield


@mutation()
def numbers_used_again_after_a_crash() -> Iterator[None]:
    """The last message of each log is forgotten with the process, and its number is given to the next."""
    crash = Durable.crash

    def crashed(self: Durable, *args: Any, **named: Any) -> None:
        crash(self, *args, **named)
        for leg in self.memory._legs.values():
            for log, entries in leg.logs.items():
                if log is not Log.STATUS and len(entries) > 1:
                    leg.sids.pop((log, entries.pop().sid))

    with _patched((Durable, "crash", crashed)):
        yield


@mutation()
def two_messages_with_one_number() -> Iterator[None]:
    """A log's end is read before the message that was written last."""

    async def append_message(self: MemoryStore, draft: Any, limits: Any, idempotency: Any = None) -> Any:
        appended = await append(self, draft, limits, idempotency)
        entries = self._leg(draft.leg_sid).logs[draft.log]
        if not appended.repeated and len(entries) % 5 == 4:
            entries[-1] = replace(entries[-1], seq=entries[-2].seq)
            return Appended(entries[-1], repeated=False)
        return appended

    append = MemoryStore.append_message
    with _patched((MemoryStore, "append_message", append_message)):
        yield


# receipts and resumes


@mutation()
def nothing_sent_again_after_a_resume() -> Iterator[None]:
    with _patched((Hub, "_send_again", lambda self, carriage: None)):
        yield


@mutation()
def lost_answer_not_taken_from_the_resume() -> Iterator[None]:
    """A client that accepted a call and lost its socket is told that there is nothing to resume."""

    def refuse(*_: Any) -> None:
        raise Refused(errors.RESUME_REFUSED)

    with _patched((Hub, "_take", refuse)):
        yield


@mutation()
def written_counts_as_received() -> Iterator[None]:
    """A receipt as soon as a message is queued for its socket."""
    send = Flusher._send

    def sent(self: Flusher, carriage: Any, entry: Entry) -> None:
        send(self, carriage, entry)
        self._messages.received(carriage.leg, carriage.device, entry.seq)

    with _patched((Flusher, "_send", sent)):
        yield


@mutation()
def echo_counts_for_everything() -> Iterator[None]:
    """An echo is taken as the receipt of all frames, also of those after its heartbeat."""
    echo = Outlet.echo

    def echoed(self: Outlet) -> Any:
        batches = [*echo(self), *(tracked for mark in self._marks for tracked in mark), *self._unmarked]
        return batches

    with _patched((Outlet, "echo", echoed)):
        yield


@mutation()
def undelivered_not_listed_at_the_end() -> Iterator[None]:
    with _patched((MemoryStore, "_give_up_on_client", lambda self, *args, **named: None)):
        yield


@mutation(seeds=600)
def rest_not_listed_after_410() -> Iterator[None]:
    end_lane = rules.end_lane

    def ended(*args: Any, **named: Any) -> Any:
        return replace(end_lane(*args, **named), given_up=range(0))

    with _patched((rules, "end_lane", ended)):
        yield


@mutation()
def legs_left_alone_after_a_crash() -> Iterator[None]:
    async def recover(self: Calls) -> int:
        return 0

    with _patched((Calls, "recover", recover)):
        yield


@mutation()
def no_sweep_for_lost_nudges() -> Iterator[None]:
    with _patched((Hub, "sweep", lambda self, line: None)):
        yield


@mutation()
def messages_accepted_in_any_order() -> Iterator[None]:
    """A connection hands messages to the store as their tasks happen to come."""
    accept = Connection._accept
    numbers = count()

    async def _accept(self: Connection, *args: Any) -> None:
        if next(numbers) % 3 == 0:
            for _ in range(5):
                await asyncio.sleep(0)
        await accept(self, *args)

    with _patched((Connection, "_accept", _accept)):
        yield


_ENTRY: Final[dict[str, Any]] = {
    "account_sid": "",
    "leg_sid": "",
    "log": Log.FROM_CLIENT,
    "seq": 0,
    "sid": "",
    "content": b"",
    "content_type": "",
    "at": 0.0,
}


async def _quietly(work: Callable[[], Any]) -> None:
    try:
        await work()
    except Exception:
        return
