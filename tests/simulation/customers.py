"""Customers' servers as the switch meets them: prompt, slow, failing, lying; and what customers ask by REST.

An endpoint does not think about order or repeats; it only writes down what reaches it.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from midcall.core import errors
from midcall.core.errors import Refused
from midcall.core.sids import CallSid, SubscriptionSid
from midcall.ports import Outcome, Request
from midcall.switch.calls import NewCall
from midcall.switch.replays import Wanted
from midcall.wire.callbacks import REPLAY_HEADER
from simulation.history import Posted, Reached, Subscribed

if TYPE_CHECKING:
    from simulation.world import Machine, World

VOICE = "http://app.test/voice"
STATUS = "http://app.test/status"
EVERYTHING = "http://app.test/everything"
REPLAYS = "http://app.test/replays"
TRIES = 6


class Mood(Enum):
    GOOD = "good"
    FLAKY = "flaky"
    """Now and then a failure of any kind."""
    DEAD = "dead"
    """Connections are refused."""
    SLOW = "slow"
    """Answers take longer than anybody waits, though the work is done."""
    LYING = "lying"
    """Does the work and says it did not, or says nothing."""


class Endpoint:
    """One callback URL.

    Attributes:
        reads_json: a server that does not answers JSON with 415.
        gone: from now on it answers 410.
    """

    def __init__(self, url: str, rng: random.Random) -> None:
        self.url = url
        self.rng = rng
        self.mood = Mood.GOOD
        self.reads_json = rng.random() < 0.6
        self.gone = False

    def fate(self) -> tuple[int | None, bool, str]:
        """(status, whether the work is done, how): `refused`, `lost`, `late`, `slow` or `prompt`."""
        if self.gone:
            return 410, False, "prompt"
        mood = self.mood
        if mood is Mood.FLAKY:
            mood = self.rng.choice((Mood.GOOD, Mood.GOOD, Mood.GOOD, Mood.DEAD, Mood.LYING, Mood.SLOW))
        match mood:
            case Mood.GOOD:
                return 200 if self.rng.random() < 0.5 else 204, True, "prompt"
            case Mood.DEAD:
                return None, False, "refused"
            case Mood.SLOW:
                return 200, True, self.rng.choice(("slow", "slow", "late"))
            case Mood.LYING:
                status = self.rng.choice((500, 503, 429, 302, 200, 200))
                took = self.rng.random() < 0.7 or status == 200
                return status, took, "lost" if status == 200 else "prompt"


class Customers:
    """Everybody who runs a server for the account."""

    def __init__(self, world: World, rng: random.Random) -> None:
        self._world = world
        self._rng = rng
        self.endpoints: dict[str, Endpoint] = {url: Endpoint(url, rng) for url in (EVERYTHING, REPLAYS)}
        self.status = Endpoint(STATUS, rng)
        self.status.reads_json = True
        self._in_flight: dict[str, int] = {}
        self._called: dict[str, float] = {}

    def set_moods(self, mood: Mood, url: str | None = None) -> None:
        for endpoint in [*self.endpoints.values(), self.status]:
            if url in (None, endpoint.url):
                endpoint.mood = mood

    # requests to them

    def take(self, request: Request, answer: Callable[[Outcome], None]) -> None:
        """A request leaves the switch; `answer` is called when something, or nothing, has come back."""
        url = request.url.partition("?")[0]
        if url == VOICE:
            self._voice(request, answer)
            return
        if REPLAY_HEADER not in request.headers:
            answer = self._alone(_reader(url, request), answer)
        endpoint = self.endpoints.get(url) or self.status
        status, took, how = endpoint.fate()
        way, world = self._world.latency, self._world
        if status is not None and not endpoint.reads_json and _is_json(request):
            status, took, how = self._rng.choice((415, 400)), False, "prompt"
        if how == "refused":
            world.later(way(), lambda: answer(_failed(11205, request.url)))
            return
        reaches = way()
        if how == "late" and url == STATUS:
            how = "slow"  # status callbacks are given up so soon that the next one might get there first
        if how == "late":
            # The network held the request back; by now the sender has long given up.
            reaches = request.total_s + self._rng.uniform(0.0, 3.0)
        world.later(reaches, lambda: self._reach(url, request, took, status))
        if how == "prompt" and self._rng.random() < 0.03:
            # A kept connection broke before any byte of an answer: sent again at once, which is no attempt.
            world.later(reaches + way(), lambda: self._reach(url, request, took, status))
        if how in ("slow", "late"):
            world.later(request.total_s, lambda: answer(_failed(11200, request.url)))
        elif how == "lost":
            world.later(reaches + way(), lambda: answer(_failed(11200, request.url)))
        else:
            asks = {"retry-after": str(self._rng.randrange(90))} if status in (429, 503) else {}
            outcome = Outcome(status=status, headers=asks, url=request.url)
            # Some are slow and still in time.
            works = self._rng.uniform(0.0, 9.0) if self._rng.random() < 0.05 else 0.0
            world.later(reaches + works + way(), lambda: answer(outcome))

    def _alone(self, url: str, answer: Callable[[Outcome], None]) -> Callable[[Outcome], None]:
        """Watch that a subscription has one request in flight, unless a node was stopped in the middle of one."""
        if url.startswith(STATUS) or any(action.what == "stall" for action in self._world.plan.actions):
            return answer
        mark = self._world.incarnation
        if self._in_flight.get(url) == mark:
            self._world.history.wrong.append(f"two requests to {url} at once")
        self._in_flight[url] = mark

        def answered(outcome: Outcome) -> None:
            if self._in_flight.get(url) == mark:
                del self._in_flight[url]
            answer(outcome)

        return answered

    def _voice(self, request: Request, answer: Callable[[Outcome], None]) -> None:
        fields = dict(parse_qsl(request.body.decode(), keep_blank_values=True))
        caller = fields["From"].removeprefix("client:")
        leg = fields["CallSid"]
        callee = self._world.callee_of(caller)
        body = f"<Response><Dial><Client>{callee}</Client></Dial></Response>".encode()
        outcome = Outcome(status=200, headers={"content-type": "text/xml"}, body=body, url=request.url)
        if self._rng.random() < 0.7:
            # The usual place to subscribe: no message can come before.
            self.subscribe(leg, self._rng.random() < 0.5)
        self._world.later(0.01 + 3 * self._world.latency(), lambda: answer(outcome))

    def _reach(self, url: str, request: Request, took: bool, status: int | None) -> None:
        fields = _fields(request)
        world = self._world
        world.event("request-reached")
        if url == STATUS:
            world.history.reported[fields["CallSid"]].append((int(fields["SequenceNumber"]), fields["CallStatus"]))
            return
        if status == 410 and world.history.lines is not None:
            world.history.tell(world.now, "endpoint", "says gone", url)
        reached = Reached(
            at=world.now,
            sid=fields["Sid"],
            leg=fields["CallSid"],
            seq=int(fields["SequenceNumber"]),
            content=fields["Content"],
            timestamp=fields["Timestamp"],
            account=fields["AccountSid"],
            token=request.headers["I-Twilio-Idempotency-Token"],
            took=took,
            status=status,
        )
        if (replay := request.headers.get(REPLAY_HEADER)) is not None:
            world.history.replayed[replay].append(reached)
            world.history.tell(world.now, url[-6:], "replay", reached.seq, reached.sid[:8], status)
            return
        world.history.reached[_reader(url, request)].append(reached)
        world.history.tell(
            world.now, url[-6:], "callback", reached.seq, reached.sid[:8], status, "took" if took else "refused"
        )

    # what they ask by REST

    def call(self, identity: str) -> None:
        """Call a client, who then hears nothing but messages. A little later it may be called again."""
        if self._called.get(identity, -10.0) > self._world.now - 3.0:
            return
        self._called[identity] = self._world.now
        new = NewCall(
            account_sid=self._world.account,
            to=f"client:{identity}",
            from_="+15005550006",
            twiml='<Response><Pause length="3600"/></Response>',
            status_callback=STATUS,
            status_callback_events=("initiated", "ringing", "answered", "completed"),
        )

        async def work(machine: Machine) -> str:
            return (await machine.calls.create(new)).sid

        self._world.ask(work, lambda sid, refused: None)

    def post(self, leg: str, *, with_key: bool) -> None:
        """Send a message to a leg's client; with a key, try again until the answer is known."""
        number = self._world.number()
        content = self._rng.choice((f'{{"n":{number}}}', f'" {number} ü"', f'{{ "spaced" : {number} }}'))
        posted = Posted(leg, content, f"key-{number}" if with_key else None, self._world.now)
        self._world.history.posted.append(posted)
        self._world.history.tell(self._world.now, "customer", "posts", content, posted.key or "")

        async def work(machine: Machine) -> str:
            entry = await machine.messages.accept_from_server(
                machine.account, CallSid(leg), content=content, idempotency_key=posted.key
            )
            return entry.sid

        def done(sid: str | None, refused: Refused | None, tries: int) -> None:
            if sid is not None:
                posted.sids.append(sid)
                posted.created_at = posted.created_at if posted.created_at is not None else self._world.now
                self._world.history.tell(self._world.now, "customer", "201", sid[:8], content)
                if posted.key and tries == 1 and self._rng.random() < 0.3:
                    ask(tries + 1)  # its own fault or its framework's: twice
            elif refused is not None and refused.rule is not errors.STORE_UNAVAILABLE:
                posted.refused = refused.rule.name
                self._world.history.tell(self._world.now, "customer", "refused", refused.rule.name)
            elif posted.key and tries < TRIES:
                self._world.later(self._rng.uniform(0.5, 5.0), lambda: ask(tries + 1))

        def ask(tries: int) -> None:
            self._world.ask(work, lambda sid, refused: done(sid, refused, tries))

        ask(1)

    def hear_everything(self, leg: str) -> None:
        """The application's message callback hears this leg."""
        url = f"{EVERYTHING} {leg}"
        self._world.history.subscribed.append(Subscribed(leg, url, None, 0.0, created_at=0.0, from_start=True))

    def replay(self, leg: str, what: str, elsewhere: bool) -> None:
        """Ask for a call's messages once more, or for everything that was given up."""
        wanted = Wanted(
            account_sid=self._world.account,
            leg=CallSid(leg) if what == "call" else None,
            undelivered=what == "undelivered",
            url=REPLAYS if elsewhere else None,
            method="POST" if elsewhere else None,
        )

        async def work(machine: Machine) -> str:
            return f"{len(await machine.replays.start(wanted))} replays"

        def done(answer: str | None, refused: Refused | None) -> None:
            self._world.history.tell(self._world.now, "customer", "asked for", answer or refused)

        self._world.ask(work, done)

    def subscribe(self, leg: str, with_key: bool) -> None:
        number = self._world.number()
        url = f"http://app.test/m{number:05}"
        self.endpoints[url] = Endpoint(url, self._rng)
        key = f"key-{number}" if with_key else None
        from_start = self._rng.random() < 0.3
        subscribed = Subscribed(leg, url, key, self._world.now, from_start=from_start)
        self._world.history.subscribed.append(subscribed)
        self._world.history.tell(self._world.now, "customer", "subscribes", url, leg)

        async def work(machine: Machine) -> str:
            made = await machine.messages.subscribe(
                machine.account,
                CallSid(leg),
                callback=url,
                method="POST",
                idempotency_key=subscribed.key,
                from_start=from_start,
            )
            return made.sid

        def done(sid: str | None, refused: Refused | None, tries: int) -> None:
            if sid is not None:
                subscribed.sids.append(sid)
                if subscribed.created_at is None:
                    subscribed.created_at = self._world.now
                self._world.history.tell(self._world.now, "customer", "subscribed", url)
            elif subscribed.key and tries < TRIES and (refused is None or refused.rule is errors.STORE_UNAVAILABLE):
                self._world.later(self._rng.uniform(0.5, 5.0), lambda: ask(tries + 1))

        def ask(tries: int) -> None:
            self._world.ask(work, lambda sid, refused: done(sid, refused, tries))

        ask(1)

    def unsubscribe(self) -> None:
        """End a subscription that has none but a first answer."""
        live = [s for s in self._world.history.subscribed if s.sids and s.ends_at is None]
        if not live:
            return
        chosen = self._rng.choice(live)
        chosen.ends_at = self._world.now
        self._world.history.tell(self._world.now, "customer", "deletes", chosen.url)

        async def work(machine: Machine) -> str:
            await machine.messages.unsubscribe(machine.account, CallSid(chosen.leg), SubscriptionSid(chosen.sids[0]))
            return ""

        self._world.ask(work, lambda sid, refused: None)


class SimulatedSender:
    """The Sender of one server process."""

    def __init__(self, world: World, machine: Machine) -> None:
        self._world = world
        self._machine = machine

    async def send(self, request: Request) -> Outcome:
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[Outcome] = loop.create_future()
        process = self._machine.process
        if process.dead:
            return await answered

        def answer(outcome: Outcome) -> None:
            if not process.dead and not answered.done():
                answered.set_result(outcome)
                self._world.event("request-answered")

        self._world.customers.take(request, answer)
        return await answered

    async def close(self) -> None:
        return None


def _reader(url: str, request: Request) -> str:
    """Who hears: a callback URL, or an application's for one leg."""
    return f"{url} {_fields(request)['CallSid']}" if url == EVERYTHING else url


def _is_json(request: Request) -> bool:
    return request.headers.get("Content-Type") == "application/json"


def _fields(request: Request) -> dict[str, str]:
    if _is_json(request):
        fields: dict[str, str] = json.loads(request.body)
        return fields
    return dict(parse_qsl(request.body.decode(), keep_blank_values=True))


def _failed(code: int, url: str) -> Outcome:
    return Outcome(status=None, error=code, reason="simulated", url=url)
