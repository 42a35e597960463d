"""What a seed means: who takes part, what they do and when, and what goes wrong. Printable before it runs."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from simulation.customers import Mood


class Kind(Enum):
    """Which store takes part."""

    MEMORY = "memory"
    SQLITE = "sqlite"


TRIGGERS: Final = (
    "turn",
    "commit",
    "report",
    "ack-written",
    "message-written",
    "request-reached",
    "request-answered",
    "disk",
)
"""What a crash waits for: the n-th callback of the loop; a group's commit; the answers to its callers; a frame on the
socket; a request at its endpoint; an answer to it; a write or sync of the disk."""


@dataclass(frozen=True, slots=True)
class Action:
    """Something that happens at a time (seconds from the start)."""

    at: float
    what: str
    who: int = 0
    how: tuple[object, ...] = ()

    def __str__(self) -> str:
        return f"{self.at:8.3f}  {self.what} {self.who} {' '.join(map(str, self.how))}".rstrip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One run.

    Attributes:
        callees: for each caller, whether a second phone answers.
        latency_s, commit_s: the usual time on the network, and of a commit.
        lost_nudges: the share of nudges that the bus loses.
        doubling: how often a client sends a message twice.
        message_callback: the application hears every message of the calls that clients place.
        dispatchers: nodes that feed lanes from the same store.
        window: messages to one client that may wait for their receipt.
        outage: an endpoint is dead for more than a day in the end.
    """

    seed: int
    kind: Kind
    callees: Sequence[bool]
    latency_s: float
    commit_s: float
    lost_nudges: float
    doubling: float
    message_callback: bool
    dispatchers: int
    window: int
    sweep_s: float
    duration_s: float
    outage: bool
    actions: Sequence[Action]

    def __str__(self) -> str:
        names = ("callees", "latency_s", "commit_s", "lost_nudges", "doubling", "message_callback")
        more = ("dispatchers", "window", "sweep_s", "duration_s", "outage")
        settings = ", ".join(f"{name} {getattr(self, name)}" for name in (*names, *more))
        head = f"seed {self.seed} on {self.kind.value}: {settings}"
        return "\n".join([head, *map(str, self.actions)])


def make_plan(seed: int, kind: Kind) -> Plan:
    """The plan of a seed. The same on both stores but for the disk's own faults."""
    rng = random.Random(f"plan {seed}")
    callees = [rng.random() < 0.4 for _ in range(rng.choice((1, 1, 2)))]
    phones = len(callees) + sum(callees)
    dispatchers = 2 if rng.random() < 0.1 else 1
    # With two of them, longer than a lease.
    duration = 70.0 if dispatchers == 2 else rng.choice((3.0, 6.0, 6.0, 20.0))
    actions: list[Action] = []

    def some(what: str, count: int, *how: object) -> None:
        for _ in range(count):
            actions.append(Action(rng.uniform(0.3, duration), what, rng.randrange(phones), how))

    size = rng.choice((1, 1, 2))
    some("say", rng.randrange(2, 12 * size))
    some("say-many", rng.randrange(0, 2), rng.randrange(3, 12))
    some("post", rng.randrange(1, 7 * size), False)
    some("post", rng.randrange(0, 4 * size), True)
    some("post-many", rng.randrange(0, 2), rng.randrange(3, 12))
    some("subscribe", rng.randrange(0, 3), rng.random() < 0.5)
    if rng.random() < 0.15:
        some("unsubscribe", 1)
    if rng.random() < 0.15:
        some("replay", rng.randrange(1, 3), rng.choice(("call", "undelivered")), rng.random() < 0.5)
    latency, commit = rng.choice((0.001, 0.01, 0.1)), rng.choice((0.0002, 0.002, 0.05))
    if rng.random() < 0.5:
        # A socket that breaks while messages and receipts pass each other on it.
        who, at = rng.randrange(phones), rng.uniform(min(1.5, duration / 2), duration)
        began, what = at, rng.choice(("say", "post", "post"))
        for _ in range(rng.randrange(3, 10)):
            actions.append(Action(at, what, who, (False,)))
            at += rng.uniform(0.2, 1.8) * latency + rng.uniform(0.0, 1.0) * commit
        actions.append(
            Action(rng.uniform(began + latency, at + 2 * (latency + commit)), "cut", who, (0.0, rng.choice((0.0, 3.0))))
        )
    if rng.random() < 0.15:
        # A call that ends between a request and its repetition.
        who, at = rng.randrange(phones), rng.uniform(1.0, duration)
        for what, how in (("post", (True,)), ("post", (True,)), ("hang-up", ())):
            actions.append(Action(at, what, who, how))
            at += rng.uniform(0.0, 5.0) * (latency + commit)
    if rng.random() < 0.5:
        some("cut", rng.randrange(1, 4), rng.choice((0.0, 0.0, 3.0)), rng.choice((0.0, 0.0, 3.0, 40.0)))
    if rng.random() < 0.15:
        some("freeze", 1, rng.uniform(0.2, 30))
    if rng.random() < 0.15:
        some("choke", 1, rng.uniform(0.5, 10))
    if rng.random() < 0.15:
        some("hang-up", 1)
    for _ in range(rng.choice((0, 1, 1, 2))):
        some("mood", 1, rng.choice(list(Mood)), rng.uniform(1, duration))
    if rng.random() < 0.05:
        some("gone", 1)
    if rng.random() < (0.6 if dispatchers == 1 else 0.2):
        for _ in range(rng.choice((1, 1, 2))):
            trigger = rng.choice(TRIGGERS)
            count = rng.randrange(1, 40 if trigger in ("turn", "disk") else 5)
            some("crash", 1, trigger, count, rng.choice((True, False)), rng.choice((0.05, 0.05, 0.5, 3.0, 40.0)))
    if rng.random() < 0.1:
        some("stop", 1, rng.choice((0.1, 3.0)))
    if rng.random() < 0.15:
        some("disk-trouble", 1, rng.choice(("full", "broken")), rng.uniform(0.05, 4.0))
    outage = rng.random() < 0.01
    if dispatchers == 2:
        # A node that stops for longer than its lease, and wakes up while there is still something to spoil.
        for _ in range(rng.choice((0, 1, 2))):
            trigger = rng.choice(("request-reached", "commit"))
            actions.append(Action(rng.uniform(1.0, 25.0), "stall", 0, (trigger, rng.uniform(25.0, 45.0))))
        some("say", 8)
    return Plan(
        seed=seed,
        kind=kind,
        callees=tuple(callees),
        latency_s=latency,
        commit_s=commit,
        lost_nudges=rng.choice((0.0, 0.0, 0.3, 1.0)),
        doubling=rng.choice((0.0, 0.1)),
        message_callback=rng.random() < 0.4,
        dispatchers=dispatchers,
        window=rng.choice((1, 3, 64)),
        sweep_s=600.0 if outage else rng.choice((5.0, 20.0)),
        duration_s=duration,
        outage=outage,
        actions=tuple(sorted(actions, key=lambda action: action.at)),
    )


def without_crashes(plan: Plan) -> Plan:
    """The same plan on a server that never dies."""
    return replace(plan, actions=tuple(a for a in plan.actions if a.what not in ("crash", "stop")))
