"""One run: a seed's plan acted out on one clock, crashes included, then everything is healed, drained and checked.

Everything in a run follows from its seed: time is the manual clock's, chance comes from seeded generators, and nothing
is left to threads, sockets or the order of sets.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import random
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import apsw

from midcall.core import tokens
from midcall.core.errors import Refused
from midcall.testing.clock import ManualClock
from simulation.checker import End, check
from simulation.clients import Phone, State
from simulation.customers import EVERYTHING, REPLAYS, Customers, Mood
from simulation.disk import Trouble
from simulation.history import History
from simulation.machine import ACCOUNT, APPLICATION, CREATED_AT, HEARING_APPLICATION, KEY, SECRET, Durable, Machine
from simulation.network import Link
from simulation.plan import Action, Kind, Plan, make_plan

QUIET_S: Final = 75.0
"""How long healed clients have to get what is theirs: longer than noticing a dead socket, and a sweep, take."""

DRAIN_S: Final = 2_000.0
"""How long lanes have to drain: longer than a probe's wait and the longest `Retry-After` that endpoints here ask."""

OUTAGE_S: Final = 26 * 3600.0
MOST_TURNS: Final = 2_000_000


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a run. `digest` is the same whenever the run is."""

    plan: Plan
    problems: list[str]
    events: int
    crashes: int
    turns: int
    lines: list[str] | None
    digest: str

    def __str__(self) -> str:
        told = ["", "What happened:", *self.lines] if self.lines is not None else []
        return "\n".join([str(self.plan), "", *(f"PROBLEM: {problem}" for problem in self.problems), *told])


class World:
    """Everything outside the server, and the server's processes one after the other."""

    def __init__(self, plan: Plan, *, tell: bool = False) -> None:
        self.plan = plan
        self.clock = ManualClock(start=CREATED_AT)
        self.history = History(tell=tell)
        self.net_rng = random.Random(f"network {plan.seed}")
        self.server_rng = random.Random(f"server {plan.seed}")
        self._rng = random.Random(f"people {plan.seed}")
        self._numbers = 0
        self._counts: Counter[str] = Counter()
        self._armed: dict[str, tuple[int, bool, float]] = {}
        self._stalls: dict[str, float] = {}
        self._doom: tuple[bool, float] | None = None
        self._turn_fuse: int | None = None
        self._calm = False
        self._starts = 0
        self._healed = False
        self.turns = 0
        self.durable = Durable(on_disk=plan.kind is Kind.SQLITE)
        self.customers = Customers(self, random.Random(f"customers {plan.seed}"))
        self.phones: list[Phone] = []
        self._callees: dict[str, str] = {}
        self._machine: Machine | None = None
        self._legs: dict[str, str] = {}
        for number, with_callee in enumerate(plan.callees):
            self._add_phone(f"caller{number}", calls=with_callee)
            if with_callee:
                self._add_phone(f"callee{number}", calls=False)
                self._callees[f"caller{number}"] = f"callee{number}"

    def _add_phone(self, identity: str, *, calls: bool) -> None:
        rng = random.Random(f"{identity} {self.plan.seed}")
        self.phones.append(Phone(self, identity, _token(identity, self.plan), calls=calls, rng=rng))

    # time and chance

    account = ACCOUNT

    @property
    def now(self) -> float:
        return self.clock.monotonic()

    def at(self, when: float, callback: Callable[[], None]) -> None:
        self.clock.call_later(max(when - self.now, 1e-9), callback)

    def later(self, delay_s: float, callback: Callable[[], None]) -> None:
        self.clock.call_later(max(delay_s, 1e-9), callback)

    def latency(self) -> float:
        usual = self.plan.latency_s
        return usual * (self.net_rng.random() + 0.5) * (10 if self.net_rng.random() < 0.02 else 1)

    def commit_delay(self) -> float:
        usual = self.plan.commit_s
        return usual * self.server_rng.random() * (20 if self.server_rng.random() < 0.02 else 1)

    def number(self) -> int:
        self._numbers += 1
        return self._numbers

    # between the parts

    def callee_of(self, caller: str) -> str | None:
        return self._callees.get(caller)

    def on_leg(self, phone: Phone, leg: str) -> None:
        """A client has a call; its customer may have waited for that to subscribe."""
        placed = phone.identity in (*self._callees, *self._callees.values())
        if self.plan.message_callback and placed and leg not in self._legs:
            self.customers.hear_everything(leg)
        self._legs[leg] = phone.identity
        if self._rng.random() < 0.7:
            self.customers.subscribe(leg, self._rng.random() < 0.5)

    def open_link(self, phone: Phone) -> Link | None:
        machine = self._machine
        if machine is None or not machine.ready:
            return None
        link = Link(self, phone)
        machine.accept(link)
        return link

    def on_frame_out(self, link: Link, frame: bytes) -> None:
        link.server_sends(frame.decode())
        if b'"ack"' in frame:
            self.event("ack-written")
        elif b'"message"' in frame:
            self.event("message-written")

    def ask(
        self,
        work: Callable[[Machine], Coroutine[Any, Any, str]],
        done: Callable[[str | None, Refused | None], None],
    ) -> None:
        """A customer's request goes to the server; an answer may come back, or be lost, or both ways fail."""
        fate = self._rng.random()
        answered = False

        def answer(sid: str | None, refused: Refused | None) -> None:
            nonlocal answered
            if not answered:
                answered = True
                done(sid, refused)

        def arrive() -> None:
            machine = self._machine
            if machine is None or not machine.ready:
                answer(None, None)
                return

            def reply(sid: str | None, refused: Refused | None) -> None:
                if self._calm or fate >= 0.05:
                    self.later(self.latency(), lambda: answer(sid, refused))

            machine.ask(work, reply)

        self.later(self.latency(), arrive)
        self.later(10.0, lambda: answer(None, None))

    def event(self, name: str) -> None:
        """Something happened after which a crash may be due, or a node stops for a while."""
        if self._stalls and self._machine is not None and (seconds := self._stalls.pop(name, None)) is not None:
            gate = self._machine.gate
            gate.shut()
            self.history.tell(self.now, "node 2", "stops", f"for {seconds:.1f} s")
            self.later(seconds, gate.open)
        armed = self._armed.get(name)
        if armed is None:
            return
        count, power_cut, down_s = armed
        if count > 1:
            self._armed[name] = (count - 1, power_cut, down_s)
            return
        del self._armed[name]
        self._doom = (power_cut, down_s)

    # running

    def run(self) -> Result:
        """Act the plan out, heal everything, drain, check."""
        try:
            self._boot()
            for phone in self.phones:
                phone.connect()
            self.later(0.05, self._keep_calling)
            for action in self.plan.actions:
                self.at(action.at, lambda action=action: self._act(action))  # type: ignore[misc]
            self.run_for(self.plan.duration_s)
            self._heal()
            problems = self._wind_down()
        finally:
            if self._machine is not None:
                self._machine.kill()
                asyncio._set_running_loop(None)
                self._machine.bury()
        history = self.history
        return Result(
            plan=self.plan,
            problems=[*history.wrong, *problems],
            events=history.events,
            crashes=history.crashes,
            turns=self.turns,
            lines=history.lines,
            digest=f"{self.turns} {history.events} {self.server_rng.random():.6f} {self.net_rng.random():.6f}",
        )

    def run_until(self, done: Callable[[], bool], limit_s: float, *, look_s: float = 1.0) -> bool:
        """Let time pass until something is so, looking now and then. False when the limit came first."""
        end = self.now + limit_s
        while not done():
            if self.now >= end:
                return False
            self.run_for(min(look_s, end - self.now + 1e-9))
        return True

    def run_for(self, seconds: float) -> None:
        """Let callbacks run and time pass."""
        clock = self.clock
        end = clock.monotonic() + seconds
        while True:
            machine = self._machine
            if machine is not None:
                if self._doom is not None:
                    self._crash(machine)
                    continue
                process = machine.process
                if process.ready:
                    process.run_one()
                    self.turns += 1
                    if self._turn_fuse is not None:
                        self._burn_fuse()
                    continue
            due = clock.next_due
            if due is None or clock.monotonic() + due > end:
                clock.advance(max(0.0, end - clock.monotonic()))
                return
            if self.turns > MOST_TURNS:
                raise AssertionError(f"seed {self.plan.seed} does not come to an end")
            clock.advance(due)

    def _burn_fuse(self) -> None:
        assert self._turn_fuse is not None
        self._turn_fuse -= 1
        if self._turn_fuse <= 0:
            self._turn_fuse = None
            self.event("turn")

    @property
    def incarnation(self) -> int:
        """Counts the server's processes."""
        return self._starts

    def _boot(self) -> None:
        self._starts += 1
        if self.durable.disk.trouble is not Trouble.NONE:
            self.history.tell(self.now, "server", "cannot start")
            self.later(1.0, self._boot)
            return
        try:
            self._machine = machine = Machine(self, self.durable)
        except apsw.Error as error:
            self.history.wrong.append(f"the database cannot be opened any more: {error}")
            return
        asyncio._set_running_loop(machine.process)
        self.history.tell(self.now, "server", "starts")
        machine.begin()

    def _crash(self, machine: Machine) -> None:
        assert self._doom is not None
        power_cut, down_s = self._doom
        self._doom = None
        self.history.crashes += 1
        self.history.tell(self.now, "server", "CRASH", "power cut" if power_cut else "killed")
        self._take_away(machine)
        drops = power_cut or self.net_rng.random() < 0.5
        for link in list(machine.links):
            link.socket.ended = True
            if drops and self.net_rng.random() < 0.3:
                link.cut(self.net_rng.uniform(0.0, 15.0), 0.0)  # the client learns it from its own timeout
            else:
                link.server_leaves(drops=drops)
        machine.bury()
        self.durable.crash(self.server_rng, power_cut=power_cut)
        self._armed.clear()
        self._turn_fuse = None
        self.later(down_s, self._boot)

    def _take_away(self, machine: Machine) -> None:
        self._note_complaints(machine)
        machine.kill()
        self._machine = None
        asyncio._set_running_loop(None)

    def _note_complaints(self, machine: Machine) -> None:
        self.history.wrong += [f"an error that nobody caught: {text}" for text in machine.process.complaints]
        machine.process.complaints.clear()

    # what the plan says

    def _act(self, action: Action) -> None:
        if self._healed:
            return
        self.history.tell(self.now, "plan", action.what, action.who, *action.how)
        phone = self.phones[action.who % len(self.phones)]
        match action.what, action.how:
            case "say", _:
                phone.say()
            case "say-many", (int(count),):
                for _ in range(count):
                    phone.say()
            case "post", (bool(with_key),):
                self._post(phone, with_key)
            case "post-many", (int(count),):
                for _ in range(count):
                    self._post(phone, False)
            case "subscribe", (bool(with_key),):
                if phone.leg is not None:
                    self.customers.subscribe(phone.leg, with_key)
            case "unsubscribe", _:
                self.customers.unsubscribe()
            case "cut", (float(client_s), float(server_s)):
                if phone.link is not None:
                    phone.link.cut(client_s, server_s)
            case "freeze", (float(seconds),):
                phone.freeze()
                self.later(seconds, phone.thaw)
            case "choke", (float(seconds),):
                if phone.link is not None and self._machine is not None:
                    socket = phone.link.socket
                    socket.choke(self._machine.process)
                    self.later(seconds, socket.unchoke)
            case "replay", (str(what), bool(elsewhere)):
                if phone.leg is not None:
                    self.customers.replay(phone.leg, what, elsewhere)
            case "hang-up", _:
                phone.hang_up()
            case "mood", (Mood() as mood, float(seconds)):
                self._set_mood(mood, seconds)
            case "gone", _:
                chosen = [e for url, e in self.customers.endpoints.items() if url not in (EVERYTHING, REPLAYS)]
                if chosen:
                    self._rng.choice(chosen).gone = True
            case "crash", (str(trigger), int(count), bool(power_cut), float(down_s)):
                self._arm(trigger, count, power_cut, down_s)
            case "stop", (float(down_s),):
                self._stop(down_s)
            case "disk-trouble", (str(trouble), float(seconds)):
                self._disk_trouble(Trouble(trouble), seconds)
            case "stall", (str(trigger), float(seconds)):
                self._stalls[trigger] = seconds
            case _:
                raise AssertionError(f"nobody knows how to do {action}")

    def _post(self, phone: Phone, with_key: bool) -> None:
        if phone.leg is not None:
            self.customers.post(phone.leg, with_key=with_key)

    def _set_mood(self, mood: Mood, seconds: float) -> None:
        endpoints = [*self.customers.endpoints.values(), self.customers.status]
        chosen = self._rng.choice(endpoints)
        chosen.mood = mood
        self.later(seconds, lambda: setattr(chosen, "mood", Mood.GOOD))

    def _arm(self, trigger: str, count: int, power_cut: bool, down_s: float) -> None:
        if trigger == "disk":
            if not self.durable.on_disk:
                trigger = "commit"
            else:
                self.durable.disk.on_cut = lambda: setattr(self, "_doom", (power_cut, down_s))
                self.durable.disk.arm(count)
                return
        if trigger == "turn":
            self._turn_fuse, count = count, 1
        self._armed[trigger] = (count, power_cut, down_s)

    def _stop(self, down_s: float) -> None:
        machine = self._machine
        if machine is None or not machine.ready:
            return

        def ended() -> None:
            if self._machine is machine:
                self._take_away(machine)
                for link in list(machine.links):
                    link.socket.ended = True
                    link.server_leaves(drops=False)
                machine.bury()
                self.later(down_s, self._boot)

        machine.stop(lambda: self.later(0.0, ended))

    def _disk_trouble(self, trouble: Trouble, seconds: float) -> None:
        disk = self.durable.disk
        disk.trouble = trouble
        self.later(seconds, lambda: setattr(disk, "trouble", Trouble.NONE))

    def _keep_calling(self) -> None:
        """People whose call has ended get another one."""
        if self._healed:
            return
        for phone in self.phones:
            if phone.calls_by_itself:
                phone.call()
            elif phone.identity not in self._callees.values() and phone.is_free:
                self.customers.call(phone.identity)
        self.later(0.4, self._keep_calling)

    # the end

    def _heal(self) -> None:
        """From now on nothing fails any more."""
        self.history.tell(self.now, "plan", "heals")
        self._healed = self._calm = True
        self._armed.clear()
        self._stalls.clear()
        self._turn_fuse = None
        self._doom = None
        self.durable.disk.fuse = None
        self.durable.disk.trouble = Trouble.NONE
        if not self.plan.outage:
            self.customers.set_moods(Mood.GOOD)
        for phone in self.phones:
            phone.thaw()
            if phone.link is not None:
                phone.link.socket.unchoke()

    def _wind_down(self) -> list[str]:
        problems: list[str] = []
        if not self.run_until(lambda: self._machine is not None and self._machine.ready, 120.0):
            return ["the server does not come back"]
        self.run_until(lambda: not self._check_clients(), QUIET_S)
        problems += self._check_clients()
        for phone in self.phones:
            phone.go_home()
        machine = self._machine
        assert machine is not None
        if not self.run_until(lambda: machine.calls.live == 0, 100.0):  # somebody may still be rung
            problems.append("calls do not end after their clients hung up")
        if self.plan.outage:
            self.customers.set_moods(Mood.DEAD)
            self.run_for(OUTAGE_S)
            self.customers.set_moods(Mood.GOOD)
        if not self._drains(machine):
            problems.append("lanes do not drain though every endpoint is well")
        self._note_complaints(machine)
        return problems + check(self.history, self._end(machine))

    def _drains(self, machine: Machine) -> bool:
        """Whether every lane comes to its end."""
        if self.run_until(lambda: not machine.has_work, 10.0) or self.run_until(
            lambda: not machine.has_work, DRAIN_S, look_s=20.0
        ):
            self.run_for(3.5)  # late requests are still on their way
            return True
        return False

    def _check_clients(self) -> list[str]:
        """What healed clients must have by now: every answer, and every message to a call that is still up."""
        problems: list[str] = []
        for phone in self.phones:
            if phone.leg is None:
                if phone.state is State.AWAY:
                    problems.append(f"{phone.identity} does not get a socket any more")
                continue
            if not phone.is_settled:
                problems.append(f"{phone.identity} does not get back into its call {phone.leg}")
                continue
            problems += [f"{phone.identity} never got an answer to {said.sid}" for said in phone.unanswered]
            got = {arrived.sid for arrived in self.history.arrived[phone.leg]}
            problems += [
                f"{phone.identity} is there and well, but never got {sid}"
                for posted in self.history.posted
                if posted.leg == phone.leg
                for sid in posted.sids
                if sid not in got
            ]
        return problems

    def _end(self, machine: Machine) -> End:
        legs = dict.fromkeys(
            [s.leg for s in self.history.said.values()]
            + [p.leg for p in self.history.posted]
            + [s.leg for s in self.history.subscribed]
            + [leg for leg, _ in self.history.turned_away]
        )
        return machine.look(End.read(machine.store, ACCOUNT, list(legs)))  # type: ignore[no-any-return]


_tokens: dict[tuple[str, bool], str] = {}


def _token(identity: str, plan: Plan) -> str:
    wanted = identity, plan.message_callback
    if wanted not in _tokens:
        _tokens[wanted] = tokens.mint(
            key_sid=KEY,
            secret=SECRET,
            account_sid=ACCOUNT,
            now=CREATED_AT,
            token_id=f"{KEY}-1",
            identity=identity,
            ttl_s=tokens.MAX_LIFE_S,
            application_sid=HEARING_APPLICATION if plan.message_callback else APPLICATION,
        )
    return _tokens[wanted]


_PURE: Final = {name: lru_cache(maxsize=1_000)(getattr(tokens, name)) for name in ("issuer_of", "verify")}
"""Pure functions that cost as much as all the rest of a reconnection."""


class _Errors(logging.Handler):
    """What the server calls an error; a disk in trouble is none."""

    EXPECTED: Final = (
        "does not work",
        "could not roll back",
        "did not close cleanly",
        "a store write that nobody waits for failed",
    )

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.seen: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if not any(words in text for words in self.EXPECTED):
            error = record.exc_info[1] if record.exc_info else None
            self.seen.append(f"{record.name}: {text} {error!r}" if error else f"{record.name}: {text}")


def simulate(seed: int, kind: Kind = Kind.MEMORY, *, tell: bool = False, plan: Plan | None = None) -> Result:
    """Run one seed. What it finds is in the result; it raises only when the simulation itself is broken."""
    log = logging.getLogger("midcall")
    kept = log.level, log.propagate
    errors = _Errors()
    log.addHandler(errors)
    log.setLevel(logging.ERROR)
    log.propagate = False
    slow = {name: getattr(tokens, name) for name in _PURE}
    vars(tokens).update(_PURE)
    collects = gc.isenabled()
    gc.disable()  # a run is short, and the collector would walk it again and again
    try:
        world = World(plan or make_plan(seed, kind), tell=tell)
        result = world.run()
        result.problems.extend(f"the server logged an error: {text}" for text in errors.seen)
        return result
    finally:
        if collects:
            gc.enable()
        vars(tokens).update(slow)
        log.removeHandler(errors)
        log.setLevel(kept[0])
        log.propagate = kept[1]
