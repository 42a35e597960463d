"""Real clients at work on one server process: calls, messages both ways, subscriptions; all of it in the ledger.

A load ends when its server dies, or when it is closed. What had no answer by then stays without verdict.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
from cables import Cable
from twilio.jwt.access_token import AccessToken
from twilio.jwt.access_token.grants import VoiceGrant

from crash.endpoints import BEHAVIOURS
from crash.ledger import Ledger, Posted, Sent, Subscribed
from crash.ledger import Received as ReceivedRecord
from crash.victim import Victim
from midcall.sdk import Call, Device
from midcall.sdk.errors import InvalidStateError, VoiceError

PATIENCE_S: Final = 10.0
LOST_S: Final = 5.0
PATIENT: Final = aiohttp.ClientTimeout(total=300)


@dataclass(frozen=True, slots=True)
class Account:
    """Where a server is and how to speak to it."""

    http_url: str
    signal_url: str
    account_sid: str
    api_key_sid: str
    api_key_secret: str
    application_sid: str

    @classmethod
    def of(cls, victim: Victim) -> Account:
        """The account that a server has made on its first start."""
        credentials = victim.credentials()
        return cls(
            http_url=victim.http_url,
            signal_url=victim.signal_url,
            account_sid=credentials["account_sid"],
            api_key_sid=credentials["api_key_sid"],
            api_key_secret=credentials["api_key_secret"],
            application_sid=credentials["application_sid"],
        )

    def token(self, identity: str) -> str:
        token = AccessToken(self.account_sid, self.api_key_sid, self.api_key_secret, identity=identity, ttl=3600)
        token.add_grant(VoiceGrant(outgoing_application_sid=self.application_sid, incoming_allow=True))
        return str(token.to_jwt())


class Rest:
    """REST requests with a key of the account."""

    def __init__(self, account: Account, session: aiohttp.ClientSession) -> None:
        self._extensions = f"{account.http_url}/midcall/v1/Accounts/{account.account_sid}"
        self._base = f"{account.http_url}/2010-04-01/Accounts/{account.account_sid}"
        credentials = aiohttp.encode_basic_auth(account.api_key_sid, account.api_key_secret)
        self._headers = {"Authorization": credentials}
        self._session = session

    async def post(self, path: str, **form: str) -> tuple[int | None, str | None]:
        """(status, sid of what was made); status None when no complete answer came."""
        try:
            async with self._session.post(f"{self._base}/{path}.json", data=form, headers=self._headers) as answer:
                body = json.loads(await answer.read())
                return answer.status, body.get("sid")
        except (aiohttp.ClientError, OSError, ValueError):
            return None, None

    async def export(self) -> list[dict[str, Any]]:
        """All messages of the account, with their states."""
        url = f"{self._extensions}/Messages"
        async with self._session.get(url, headers=self._headers, timeout=PATIENT) as answer:
            assert answer.status == 200, answer.status
            return [json.loads(line) async for line in answer.content]

    async def undelivered(self, leg: str) -> list[dict[str, Any]]:
        """What of a leg is listed as undelivered."""
        listed = await self._get(f"{self._extensions}/Undelivered?CallSid={leg}&Limit=10000")
        rows: list[dict[str, Any]] = listed["undelivered"]
        assert len(rows) < 10_000, "the list is longer than what the server shows"
        return rows

    async def status_of(self, leg: str) -> str:
        """A call's status."""
        return str((await self._get(f"{self._base}/Calls/{leg}.json"))["status"])

    async def _get(self, url: str) -> dict[str, Any]:
        async with self._session.get(url, headers=self._headers) as answer:
            body = await answer.read()
            assert answer.status == 200, (url, answer.status, body)
            read: dict[str, Any] = json.loads(body)
            return read


@dataclass(slots=True)
class Numbers:
    """What must not repeat in a campaign: contents, keys, identities, paths."""

    _next: Iterator[int]

    @classmethod
    def from_one(cls) -> Numbers:
        return cls(itertools.count(1))

    def take(self) -> int:
        return next(self._next)


@dataclass(frozen=True, slots=True)
class Mix:
    """How much is going on.

    Attributes:
        pairs, bad_lines, singles: calls between two clients, with a caller that is cut off now and then, and of one
            client that nobody answers.
        pause_s: the longest pause between two bursts of a client, and between two requests of a poster.
        lanes: subscriptions of each leg, at most.
        cut_s: the longest that a bad line holds.
    """

    pairs: int = 1
    bad_lines: int = 1
    singles: int = 1
    pause_s: float = 0.03
    lanes: int = 3
    cut_s: float = 0.6


class Load:
    """The work of one cycle.

    Attributes:
        on_ack, on_answer: called the moment an ack, or a 201, has been read.
    """

    def __init__(
        self,
        account: Account,
        ledger: Ledger,
        dice: random.Random,
        numbers: Numbers,
        mix: Mix,
        *,
        run: int,
        endpoints_url: str,
        session: aiohttp.ClientSession,
    ) -> None:
        self._account = account
        self._ledger = ledger
        self._dice = dice
        self._numbers = numbers
        self._mix = mix
        self._run = run
        self._endpoints_url = endpoints_url
        self._session = session
        self._rest = Rest(account, session)
        self._devices: list[Device] = []
        self._lost: list[asyncio.Future[None]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._open: dict[str, tuple[int, Sent]] = {}
        self.on_ack: Callable[[], None] = lambda: None
        self.on_answer: Callable[[], None] = lambda: None
        self.faults: list[str] = []
        self.acks = 0
        self.answers = 0
        self.refused = 0
        self.resumes = 0
        self.unavailable = 0
        self.legs: list[str] = []

    def begin(self) -> None:
        """Set up calls; each begins to talk as soon as it is up."""
        for _ in range(self._mix.pairs):
            self._spawn(self._pair())
        for _ in range(self._mix.bad_lines):
            self._spawn(self._pair_on_a_bad_line())
        for _ in range(self._mix.singles):
            self._spawn(self._single())

    async def __aenter__(self) -> Load:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(device.destroy() for device in self._devices))
        self._devices.clear()

    async def server_is_dead(self) -> None:
        """Read what the server still got out, then let go: every client sees the end of its socket first."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LOST_S):
                await asyncio.gather(*self._lost)
        requests = [task for task in self._tasks if task.get_name() == "request"]
        if requests:
            await asyncio.wait(requests, timeout=LOST_S)
        await self.close()

    def _spawn(self, work: Coroutine[Any, Any, None], name: str = "work") -> None:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled() or (error := task.exception()) is None:
            return
        # Whatever the server's death does to a client is not this test's business; anything else is.
        if not isinstance(error, VoiceError | InvalidStateError | TimeoutError | aiohttp.ClientError | OSError):
            self.faults.append(f"{type(error).__name__}: {error}")

    # calls

    def _device(self, url: str = "") -> Device:
        identity = f"client{self._numbers.take()}"
        device = Device(
            self._account.token(identity), url=url or self._account.signal_url, media="none", session=self._session
        )
        lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def on_error(error: VoiceError) -> None:
            if error.code == 31005 and not lost.done():
                lost.set_result(None)

        device.on("error", on_error)
        self._devices.append(device)
        self._lost.append(lost)
        return device

    async def _pair(self) -> None:
        """A call between two clients, up to its end."""
        await self._call(self._account.signal_url)

    async def _pair_on_a_bad_line(self) -> None:
        """The caller is cut off now and then; it resumes its call and sends again what it does not know about."""
        async with Cable(urlsplit(self._account.signal_url).port or 0) as cable:
            call = await self._call(f"ws://127.0.0.1:{cable.port}/signal")
            call.on("reconnected", self._on_resumed)
            while True:
                await asyncio.sleep(self._dice.uniform(0.02, self._mix.cut_s))
                cable.cut()
                cable.mend()

    async def _call(self, callers_url: str) -> Call:
        alice, bob = self._device(callers_url), self._device()
        await bob.register()
        rings = bob.wait_for("incoming")
        call = await alice.connect(params={"To": bob.identity})
        accepted = call.wait_for("accept", timeout=PATIENCE_S)
        incoming: Call = await rings
        incoming.accept()
        self._busy(incoming)
        await accepted
        self._busy(call)
        return call

    async def _single(self) -> None:
        """A client that rings and rings; messages are for ringing calls too."""
        call = await self._device().connect()
        await call.wait_for("ringing", timeout=PATIENCE_S)
        self._busy(call)

    def _busy(self, call: Call) -> None:
        """Let a leg talk, listen and be talked to."""
        leg = call.parameters["CallSid"]
        self.legs.append(leg)
        call.on("messageReceived", lambda message: self._on_received(leg, message))
        call.on("messageSent", lambda message: self._on_sent(message))
        self._spawn(self._talk(call, leg))
        for _ in range(2):
            self._spawn(self._post_now_and_then(leg))
        self._spawn(self._subscribe_now_and_then(leg))

    def _on_resumed(self) -> None:
        self.resumes += 1

    # client to server

    async def _talk(self, call: Call, leg: str) -> None:
        while True:
            for _ in range(self._dice.randint(1, 5)):
                self._send(call, leg)
            await asyncio.sleep(self._dice.uniform(0, self._mix.pause_s))

    def _send(self, call: Call, leg: str) -> None:
        content = {"from": "client", "n": self._numbers.take()}
        message = call.send_message(content)
        sent = Sent(leg=leg, sid=str(message), content=_text(content), run=self._run, order=self._ledger.tick())
        self._open[sent.sid] = (len(self._ledger.sent), sent)
        self._ledger.sent.append(sent)
        self._spawn(self._await_verdict(message))

    async def _await_verdict(self, message: Any) -> None:
        """Only for refusals: acks are noted by the event, the moment they are read."""
        try:
            await message
        except VoiceError as error:
            if error.code != 53001:  # the SDK's own: the call ended without a verdict
                self.refused += 1
                self._note(str(message), f"error {error.code}")

    def _on_sent(self, message: Any) -> None:
        self._note(message.voice_event_sid, "ack")
        self.acks += 1
        self.on_ack()

    def _note(self, sid: str, verdict: str) -> None:
        index, sent = self._open.pop(sid)
        self._ledger.sent[index] = replace(sent, verdict=verdict, judged=self._ledger.tick())

    # server to client

    async def _post_now_and_then(self, leg: str) -> None:
        while True:
            key = f"key-{self._numbers.take()}" if self._dice.random() < 0.4 else None
            content = _text({"from": "server", "n": self._numbers.take()})
            posted = await self.post(leg, content, key)
            if posted.status is None:
                return  # the server is dead, or dying
            if key is not None and self._dice.random() < 0.2:
                await self.post(leg, content, key)
            if key is not None and self._dice.random() < 0.05:
                await self.post(leg, _text({"from": "server", "n": self._numbers.take()}), key)  # 409
            await asyncio.sleep(self._dice.uniform(0, self._mix.pause_s))

    async def post(self, leg: str, content: str, key: str | None) -> Posted:
        """One request, in a task of its own, so that its answer is noted whatever becomes of the asker."""
        done: asyncio.Future[Posted] = asyncio.get_running_loop().create_future()
        self._spawn(self._post(leg, content, key, done), "request")
        return await asyncio.shield(done)

    async def _post(self, leg: str, content: str, key: str | None, done: asyncio.Future[Posted]) -> None:
        began = self._ledger.tick()
        form = {"Content": content} if key is None else {"Content": content, "IdempotencyKey": key}
        status, sid = await self._rest.post(f"Calls/{leg}/UserDefinedMessages", **form)
        posted = Posted(
            leg=leg, content=content, key=key, run=self._run, began=began, ended=self._ledger.tick(), status=status,
            sid=sid if status == 201 else None,
        )  # fmt: skip
        self._ledger.posted.append(posted)
        self._tell_status(status)
        if not done.done():
            done.set_result(posted)

    def _tell_status(self, status: int | None) -> None:
        if status == 201:
            self.answers += 1
            self.on_answer()
        elif status == 503:
            self.unavailable += 1
        elif status is not None and status >= 500:
            self.faults.append(f"a request was answered {status}")

    def _on_received(self, leg: str, message: Any) -> None:
        self._ledger.received.append(
            ReceivedRecord(
                leg=leg,
                sid=message.voice_event_sid,
                content=_text(message.content),
                run=self._run,
                order=self._ledger.tick(),
            )
        )

    # subscriptions

    async def _subscribe_now_and_then(self, leg: str) -> None:
        for _ in range(self._dice.randint(1, self._mix.lanes)):
            number = self._numbers.take()
            path = f"/messages/{self._dice.choice(BEHAVIOURS)}/{number}"
            key = f"key-{number}" if self._dice.random() < 0.5 else None
            subscribed = await self.subscribe(leg, path, key)
            if subscribed.status is None:
                return
            if key is not None and self._dice.random() < 0.3:
                await self.subscribe(leg, path, key)
            await asyncio.sleep(self._dice.uniform(0, 4 * self._mix.pause_s))

    async def subscribe(self, leg: str, path: str, key: str | None) -> Subscribed:
        done: asyncio.Future[Subscribed] = asyncio.get_running_loop().create_future()
        self._spawn(self._subscribe(leg, path, key, done), "request")
        return await asyncio.shield(done)

    async def _subscribe(self, leg: str, path: str, key: str | None, done: asyncio.Future[Subscribed]) -> None:
        began = self._ledger.tick()
        form = {"Callback": self._endpoints_url + path}
        if key is not None:
            form["IdempotencyKey"] = key
        status, sid = await self._rest.post(f"Calls/{leg}/UserDefinedMessageSubscriptions", **form)
        subscribed = Subscribed(
            leg=leg, path=path, key=key, run=self._run, began=began, ended=self._ledger.tick(), status=status,
            sid=sid if status == 201 else None,
        )  # fmt: skip
        self._ledger.subscribed.append(subscribed)
        self._tell_status(status)
        if not done.done():
            done.set_result(subscribed)

    # what a careful REST client does after a crash

    def spawn_repeats(self, run: int) -> None:
        """Do so while the others work."""
        self._spawn(self.repeat_what_had_no_answer(run, sample=5))

    async def repeat_what_had_no_answer(self, run: int, sample: int) -> None:
        """Ask again, with the same key, for what run `run` did not answer, and for some of what it did answer."""
        posted = [p for p in self._ledger.posted[-2000:] if p.run == run and p.key is not None]
        again = [p for p in posted if p.status is None]
        again += self._dice.sample(posted, min(sample, len(posted)))
        for request in again:
            if request.status != 409:
                await self.post(request.leg, request.content, request.key)
        for asked in [s for s in self._ledger.subscribed[-500:] if s.run == run and s.key is not None]:
            if asked.status is None or self._dice.random() < 0.3:
                await self.subscribe(asked.leg, asked.path, asked.key)


def _text(content: object) -> str:
    """Compact JSON, as callbacks have it."""
    return json.dumps(content, separators=(",", ":"))
