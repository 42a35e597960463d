"""A dispatcher in a box: real rules, the memory store, a clock that stands still, and endpoints made of functions."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from midcall.bus.local import LocalBus
from midcall.core.accounts import Account, AccountStatus
from midcall.core.alerts import ANY_ALERT, Alert
from midcall.core.calls import Call, Direction, Status
from midcall.core.lanes import Lane
from midcall.core.messages import Draft, Limits, Log, Subscription
from midcall.core.sids import CallSid, MessageSid, SubscriptionSid
from midcall.ports import Nudge, Outcome, PageRequest, Request, Sender, StatusLane, TraceEvent, Transition
from midcall.storage.memory import MemoryStore
from midcall.testing.clock import ManualClock
from midcall.webhooks.dispatcher import Dispatcher
from support.lanes import ACCOUNT, AUTH_TOKEN, LEG

Answer = Outcome | int
Endpoint = Callable[[Request], Answer | Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Sent:
    """A request that reached an endpoint."""

    at: float
    request: Request

    @property
    def params(self) -> dict[str, str]:
        if self.request.method == "GET":
            return dict(parse_qsl(urlsplit(self.request.url).query, keep_blank_values=True))
        if self.request.headers["Content-Type"] == "application/json":
            return dict(json.loads(self.request.body))
        return dict(parse_qsl(self.request.body.decode(), keep_blank_values=True))

    @property
    def content(self) -> str:
        return self.params["Content"]

    @property
    def token(self) -> str:
        return self.request.headers["I-Twilio-Idempotency-Token"]

    @property
    def is_json(self) -> bool:
        return self.request.headers.get("Content-Type") == "application/json"


@dataclass(slots=True)
class FakeSender:
    """Hosts to endpoints. An endpoint answers with a status, an outcome, or when it pleases."""

    clock: ManualClock
    endpoints: dict[str, Endpoint] = field(default_factory=dict)
    sent: list[Sent] = field(default_factory=list)
    in_flight: dict[str, int] = field(default_factory=dict)
    most_in_flight: dict[str, int] = field(default_factory=dict)

    async def send(self, request: Request) -> Outcome:
        host = urlsplit(request.url).hostname or ""
        self.sent.append(Sent(self.clock.now(), request))
        self.in_flight[host] = self.in_flight.get(host, 0) + 1
        self.most_in_flight[host] = max(self.most_in_flight.get(host, 0), self.in_flight[host])
        try:
            await asyncio.sleep(0)
            answer = self.endpoints[host](request)
            if not isinstance(answer, Outcome | int):
                answer = await answer
        finally:
            self.in_flight[host] -= 1
        return Outcome(status=answer) if isinstance(answer, int) else answer

    async def close(self) -> None:
        return

    def to(self, host: str) -> list[Sent]:
        return [sent for sent in self.sent if urlsplit(sent.request.url).hostname == host]


class FakeTrace:
    def __init__(self) -> None:
        self.events: list[TraceEvent] = []

    def record(self, event: TraceEvent) -> None:
        self.events.append(event)

    async def timeline(self, account: object, leg: object, limit: int) -> list[TraceEvent]:
        return self.events

    async def close(self) -> None:
        return


def _entropy() -> Callable[[int], bytes]:
    """Repeatable; single bytes, which are jitter, sit in the middle."""
    count = itertools.count()
    return lambda size: b"\x80" if size == 1 else hashlib.shake_128(str(next(count)).encode()).digest(size)


class Box:
    """The dispatcher and what a test does around it."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.store = MemoryStore()
        self.bus = LocalBus()
        self.trace = FakeTrace()
        self.sender = FakeSender(self.clock)
        self.dispatchers: list[Dispatcher] = []
        self._names = itertools.count(1)

    async def start(self, *, sender: Sender | None = None, **options: object) -> Dispatcher:
        made = Dispatcher(self.store, sender or self.sender, self.bus, self.clock, self.trace, _entropy(), **options)  # type: ignore[arg-type]
        self.dispatchers.append(made)
        await made.start()
        await self.settle()
        return made

    async def settle(self) -> None:
        """Let everybody act until nothing more is sent."""
        sent = -1
        while sent != len(self.sender.sent):
            sent = len(self.sender.sent)
            await self.clock.settle()

    async def prepare(self) -> None:
        now = self.clock.now()
        account = Account(
            sid=ACCOUNT,
            owner_sid=ACCOUNT,
            friendly_name="test",
            status=AccountStatus.ACTIVE,
            auth_token=AUTH_TOKEN,
            created_at=now,
            updated_at=now,
        )
        await self.store.put_account(account)
        await self.a_leg(LEG)

    async def a_leg(self, leg: CallSid, *, status: Status = Status.IN_PROGRESS, lane: StatusLane | None = None) -> None:
        now = self.clock.now()
        call = Call(
            sid=leg,
            account_sid=ACCOUNT,
            parent_sid=None,
            direction=Direction.INBOUND,
            from_="client:alice",
            to="",
            status=status,
            sdk_leg=True,
            created_at=now,
            updated_at=now,
        )
        await self.store.save(self.transition(leg, call=call, status_lane=lane))

    def transition(self, leg: CallSid = LEG, **changes: Any) -> Transition:
        return Transition(owner=leg, account_sid=ACCOUNT, state=b"x", at=self.clock.now(), **changes)

    async def subscribe(self, callback: str, *, method: str = "POST", leg: CallSid = LEG) -> SubscriptionSid:
        sid = SubscriptionSid(f"ZY{next(self._names):032x}")
        subscription = Subscription(
            sid=sid,
            account_sid=ACCOUNT,
            leg_sid=leg,
            callback=callback,
            method=method,
            created_at=self.clock.now(),
        )
        await self.store.add_subscription(subscription, Limits(subscriptions_per_leg=10_000))
        return sid

    async def say(self, *contents: str, leg: CallSid = LEG, nudge: bool = True) -> None:
        """Messages of the leg's client, as JSON strings."""
        for content in contents:
            await self.append(content, leg=leg)
        if nudge:
            self.bus.nudge(Nudge(leg, Log.FROM_CLIENT))
        await self.settle()

    async def append(self, content: str, *, leg: CallSid = LEG) -> None:
        draft = Draft(
            account_sid=ACCOUNT,
            leg_sid=leg,
            log=Log.FROM_CLIENT,
            sid=MessageSid(f"KX{next(self._names):032x}"),
            content=json.dumps(content).encode(),
            content_type="application/json",
            at=self.clock.now(),
        )
        await self.store.append_message(draft, Limits())

    async def report(self, *statuses: str, leg: CallSid = LEG) -> None:
        """Status callbacks of the leg."""
        entries = [json.dumps({"CallSid": leg, "CallStatus": status, "To": ""}).encode() for status in statuses]
        await self.store.save(self.transition(leg, status_entries=entries))
        self.bus.nudge(Nudge(leg, Log.STATUS))
        await self.settle()

    async def advance(self, seconds: float) -> None:
        """Turn the clock in steps, letting everybody act in between."""
        end = self.clock.monotonic() + seconds
        while (left := end - self.clock.monotonic()) > 0:
            due = self.clock.next_due
            self.clock.advance(left if due is None else min(left, max(due, 0.001)))
            await self.settle()

    async def lane(self, sid: str) -> Lane:
        lanes = await self.store.lanes(ACCOUNT, None, 10_000)
        return next(lane for lane in lanes if lane.id == sid)

    async def alerts(self) -> list[Alert]:
        return list((await self.store.alerts(ACCOUNT, ANY_ALERT, PageRequest(size=1_000))).rows)[::-1]

    async def close(self) -> None:
        for dispatcher in self.dispatchers:
            await dispatcher.close(grace_s=0)


@pytest.fixture
async def box() -> AsyncIterator[Box]:
    made = Box()
    await made.prepare()
    yield made
    await made.close()
