"""A REST edge over a memory store, with every answer checked against the OpenAPI document that it serves."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

import jsonschema
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from midcall.bus.local import LocalBus
from midcall.core import errors
from midcall.core.accounts import Account, AccountStatus, ApiKey
from midcall.core.calls import Call, Direction, Status
from midcall.core.errors import Refused
from midcall.core.messages import Limits
from midcall.core.sids import AccountSid, CallSid, KeySid, mint
from midcall.ports import Outcome, Request, TraceEvent, Transition
from midcall.rest.app import rest_app
from midcall.rest.body import BodyLimits
from midcall.rest.catalog import ENDPOINTS
from midcall.rest.endpoint import Api
from midcall.rest.health import Health
from midcall.rest.openapi import document
from midcall.storage.insights import MemoryInsights
from midcall.storage.memory import MemoryStore
from midcall.switch.accounts import Accounts
from midcall.switch.calls import Calls, CallUpdate, NewCall
from midcall.switch.feedback import Feedbacks
from midcall.switch.history import History
from midcall.switch.insights import Insights
from midcall.switch.messages import Messages
from midcall.switch.numbers import Numbers
from midcall.switch.replays import Replays
from midcall.switch.webhooks import Webhooks
from midcall.telemetry import Metrics
from midcall.testing.clock import ManualClock
from support import strict
from support.switchboard import ScriptedDevices

ACCOUNT = AccountSid("AC" + "a" * 32)
OTHER = AccountSid("AC" + "0" * 31 + "1")
TOKEN = "f" * 32
MAIN_KEY = KeySid("SK" + "1" * 32)
STANDARD_KEY = KeySid("SK" + "2" * 32)
SECRET = "e" * 32
CALL = CallSid("CA" + "c" * 32)
UNKNOWN_CALL = CallSid("CA" + "9" * 32)

A = f"/2010-04-01/Accounts/{ACCOUNT}"
NOW = 1_606_939_321.0  # Wed, 02 Dec 2020 20:02:01 +0000

Json = dict[str, Any]

NOT_IN_THEIRS = {
    "CreateCallFeedback",
    "FetchCallFeedback",
    "CreateCallFeedbackSummary",
    "FetchCallFeedbackSummary",
    "DeleteCallFeedbackSummary",
}
"""Endpoints of the vendor that its present document leaves out; earlier helper libraries have them."""


class CountedEntropy:
    """Bytes that count, so that everything minted differs and every run is the same."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def __call__(self, size: int) -> bytes:
        return next(self._numbers).to_bytes(size, "big")


class TraceInMemory:
    def __init__(self) -> None:
        self.events: list[TraceEvent] = []

    def record(self, event: TraceEvent) -> None:
        self.events.append(event)

    async def timeline(
        self, account: AccountSid, leg: CallSid, limit: int, *, kinds: Collection[str] = ()
    ) -> list[TraceEvent]:
        mine = [e for e in self.events if e.leg_sid == leg and e.account_sid == account]
        return [e for e in mine if not kinds or e.kind in kinds][-limit:]

    async def close(self) -> None:
        return


class ScriptedSender:
    """Answers each request with the next of `statuses`, 200 after the last; keeps the requests."""

    def __init__(self) -> None:
        self.requests: asyncio.Queue[Request] = asyncio.Queue()
        self.statuses: list[int] = []

    async def send(self, request: Request) -> Outcome:
        self.requests.put_nowait(request)
        return Outcome(status=self.statuses.pop(0) if self.statuses else 200)

    async def close(self) -> None:
        return


class RecordedCalls(Calls):
    """Keeps what it was asked, and moves rows as the real switch would, without a leg behind them."""

    def __init__(self, store: MemoryStore, clock: ManualClock, entropy: CountedEntropy) -> None:
        self._rows = store
        self._time = clock
        self._chance = entropy
        self.created: list[NewCall] = []
        self.updates: list[CallUpdate] = []
        self.failure: Exception | None = None

    async def create(self, new: NewCall) -> Call:
        if self.failure is not None:
            raise self.failure
        self.created.append(new)
        if new.application_sid and await self._rows.application(new.account_sid, new.application_sid) is None:
            raise Refused(errors.APPLICATION_NOT_FOUND)
        now = self._time.now()
        call = a_call(
            CallSid(mint("CA", self._chance(16))),
            status=Status.QUEUED,
            account_sid=new.account_sid,
            from_=new.from_,
            to=new.to.partition("?")[0],
            direction=Direction.OUTBOUND_API,
            created_at=now,
            updated_at=now,
        )
        await self.put(call)
        return call

    async def update(self, account: AccountSid, sid: CallSid, update: CallUpdate) -> Call:
        self.updates.append(update)
        call = await self._rows.call(account, sid)
        if call is None:
            raise Refused(errors.NOT_FOUND)
        if call.status.is_final:
            raise Refused(errors.CALL_NOT_REDIRECTABLE)
        if update.status is not None:
            call = replace(call, status=Status.COMPLETED, ended_at=self._time.now())
            await self.put(call)
        return call

    async def delete(self, account: AccountSid, sid: CallSid) -> None:
        call = await self._rows.call(account, sid)
        if call is None:
            raise Refused(errors.NOT_FOUND)
        if not call.status.is_final:
            raise Refused(errors.CALL_NOT_DELETABLE)
        await self._rows.delete_call(account, sid)

    async def put(self, call: Call) -> None:
        await self._rows.save(
            Transition(owner=call.sid, account_sid=call.account_sid, state=None, at=self._time.now(), call=call)
        )


def a_call(sid: CallSid = CALL, **changes: Any) -> Call:
    """A call that alice's SDK placed and that is up."""
    call = Call(
        sid=sid,
        account_sid=ACCOUNT,
        parent_sid=None,
        direction=Direction.INBOUND,
        from_="client:alice",
        to="",
        status=Status.IN_PROGRESS,
        sdk_leg=True,
        created_at=NOW,
        updated_at=NOW,
    )
    return replace(call, **changes)


def an_account(sid: AccountSid = ACCOUNT, **changes: Any) -> Account:
    account = Account(
        sid=sid,
        owner_sid=sid,
        friendly_name="home",
        status=AccountStatus.ACTIVE,
        auth_token=TOKEN,
        created_at=NOW,
        updated_at=NOW,
    )
    return replace(account, **changes)


@dataclass
class Checked:
    """Judges every answer of the API by the document: a status that it lists, a body of its schema.

    Attributes:
        broken: one line per answer that the document does not describe.
    """

    broken: list[str] = field(default_factory=list)
    seen: set[tuple[str, str, int]] = field(default_factory=set)
    checked: int = 0

    def __post_init__(self) -> None:
        self.document = document(ENDPOINTS)
        self._paths = [(_pattern(path), path) for path in self.document["paths"]]

    def look(self, method: str, path: str, status: int, content_type: str, body: bytes) -> None:
        template = next((known for pattern, known in self._paths if pattern.fullmatch(path)), None)
        operation = self.document["paths"].get(template, {}).get(method.lower())
        if (operation is None or not operation.get("x-extension")) and method != "HEAD":
            parsed = json.loads(body) if body else None
            found = strict.problems(method, path, status, parsed)
            self.broken += [f"{method} {path} -> {status}: {problem}" for problem in found]
        if operation is None:
            return self._error_only(f"{method} {path}", method, status, body)
        where = f"{method} {template} -> {status}"
        described = operation["responses"].get(str(status))
        if described is None:
            self.broken.append(f"{where}: not in the document; {body[:200]!r}")
            return None
        self.checked += 1
        self.seen.add((method.lower(), str(template), status))
        if "content" not in described:
            if body:
                self.broken.append(f"{where}: has a body")
            return None
        if content_type != "application/json;charset=utf-8":
            self.broken.append(f"{where}: is {content_type}")
        return self._validate(where, described["content"]["application/json"]["schema"], json.loads(body))

    def _error_only(self, where: str, method: str, status: int, body: bytes) -> None:
        if status >= 400 and method != "HEAD":
            self.checked += 1
            self._validate(where, {"$ref": "#/components/schemas/ErrorBody"}, json.loads(body))

    def _validate(self, where: str, schema: Json, body: object) -> None:
        full = {**schema, "components": self.document["components"]}
        for error in jsonschema.Draft202012Validator(full).iter_errors(body):
            self.broken.append(f"{where}: {error.json_path} {error.message}")
        if isinstance(body, dict) and "code" in body and {"type", "title"} & set(body):
            self.broken.append(f"{where}: looks like a problem document to twilio-python")


def _pattern(template: str) -> re.Pattern[str]:
    bare = re.escape(template.removesuffix(".json"))
    return re.compile(re.sub(r"\\{\w+\\}", "[^/]+?", bare) + r"(\.json)?")


class Edge:
    """The application under test, its parts, and a client."""

    def __init__(self, limits: BodyLimits | None = None) -> None:
        self.clock = ManualClock(NOW)
        self.entropy = CountedEntropy()
        self.store = MemoryStore()
        self.trace = TraceInMemory()
        self.insight_log = MemoryInsights()
        self.sender = ScriptedSender()
        self.bus = LocalBus()
        self.devices = ScriptedDevices()
        self.calls = RecordedCalls(self.store, self.clock, self.entropy)
        self.metrics = Metrics()
        self.unready: str | None = None
        self.checked = Checked()
        self.health = Health(readiness=lambda: self.unready, metrics=self.metrics, metrics_token="m" * 20)
        self.app = rest_app(self._api(), self.health, self.metrics, limits)
        self.app.middlewares.insert(0, self._look())
        self.client: TestClient[web.Request, web.Application] = TestClient(TestServer(self.app))

    def _api(self) -> Api:
        messages = Messages(store=self.store, bus=self.bus, clock=self.clock, entropy=self.entropy, limits=Limits())
        self.messages = messages
        accounts = Accounts(self.store, self.clock)
        self.feedbacks = Feedbacks(store=self.store, sender=self.sender, clock=self.clock, entropy=self.entropy)
        self.insights = Insights(
            store=self.store,
            log=self.insight_log,
            accounts=accounts,
            feedbacks=self.feedbacks,
            clock=self.clock,
            entropy=self.entropy,
        )
        return Api(
            store=self.store,
            calls=self.calls,
            messages=messages,
            history=History(store=self.store, messages=messages, devices=self.devices),
            replays=Replays(store=self.store, bus=self.bus, clock=self.clock, entropy=self.entropy),
            numbers=Numbers(store=self.store, clock=self.clock, entropy=self.entropy),
            insights=self.insights,
            feedbacks=self.feedbacks,
            accounts=accounts,
            trace=self.trace,
            webhooks=Webhooks(store=self.store, trace=self.trace),
            clock=self.clock,
            entropy=self.entropy,
        )

    def _look(self) -> Any:
        @web.middleware
        async def look(request: web.Request, handler: Any) -> web.StreamResponse:
            response = await handler(request)
            if request.path.startswith(("/2010-04-01/", "/midcall/", "/v1/")):
                if not isinstance(response, web.Response):  # a stream is judged by its own tests
                    return response
                body = response.body if isinstance(response.body, bytes) else b""
                content_type = response.headers.get("Content-Type", "")
                self.checked.look(request.method, request.path, response.status, content_type, body)
            return response

        return look

    async def start(self) -> None:
        await self.store.put_account(an_account())
        await self.store.put_account(an_account(OTHER, auth_token="d" * 32, friendly_name="elsewhere"))
        for sid, is_main in ((MAIN_KEY, True), (STANDARD_KEY, False)):
            key = ApiKey(
                sid=sid,
                account_sid=ACCOUNT,
                friendly_name="main" if is_main else "standard",
                secret=SECRET,
                is_main=is_main,
                created_at=NOW,
                updated_at=NOW,
            )
            await self.store.put_key(key)
        await self.calls.put(a_call())
        await self.client.start_server()

    async def stop(self) -> None:
        await self.client.close()
        await self.feedbacks.close()
        await self.store.close()

    async def end_call(self, *, receipts_lost: bool = False) -> None:
        """As the switch does when the leg of `CALL` is over, or its server died."""
        now = self.clock.now()
        ended = a_call(status=Status.COMPLETED, ended_at=now)
        await self.store.save(
            Transition(owner=CALL, account_sid=ACCOUNT, state=None, at=now, call=ended, receipts_lost=receipts_lost)
        )

    @property
    def authorization(self) -> str:
        return basic(ACCOUNT, TOKEN)

    @property
    def base_url(self) -> str:
        return str(self.client.make_url("/")).rstrip("/")

    async def ask(
        self,
        method: str,
        path: str,
        data: object = None,
        *,
        user: str = ACCOUNT,
        password: str = TOKEN,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> Answer:
        """One request with the account's credentials; the path is the rest after the account unless it is whole."""
        whole = path if path.startswith(("/2010", "/midcall", "/v1")) else A + path
        sent = {"Authorization": basic(user, password), **(headers or {})}
        async with self.client.request(method, whole, data=data, headers=sent, **more) as response:
            body = await response.read()
            return Answer(response.status, dict(response.headers), json.loads(body) if body else None)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: Any

    @property
    def refused(self) -> tuple[int, int]:
        """(HTTP status, code) of an error."""
        assert self.body["status"] == self.status
        assert self.body["more_info"] == f"https://www.twilio.com/docs/errors/{self.body['code']}"
        return self.status, self.body["code"]


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
