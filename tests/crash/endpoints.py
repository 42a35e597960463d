"""The customer's web server of a campaign: TwiML, status callbacks, and message endpoints that behave badly.

Each subscription has a path of its own, `/messages/BEHAVIOUR/NUMBER`, so an arrival names its lane by where it came.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import Final

from aiohttp import web

from crash.ledger import Arrived, Ledger, Reported

IDEMPOTENCY: Final = "I-Twilio-Idempotency-Token"
ALL_EVENTS: Final = "initiated ringing answered completed"
MOST_FAILURES: Final = 2
"""Of one message: after more, the schedule's next wait is too long for a test that waits for every message."""
GONE_AFTER: Final = 5

BEHAVIOURS: Final = ("good", "good", "slow", "flaky", "flaky", "closing", "form", "gone")
"""good: 204. slow: takes its time. flaky: a third is 500. closing: a third is a closed connection. form: JSON is 415.
gone: 410 after a few."""


class Endpoints:
    """Listens on one port for the whole campaign, while servers come and go."""

    def __init__(self, ledger: Ledger, dice: random.Random, run: Callable[[], int]) -> None:
        self._ledger = ledger
        self._dice = dice
        self._run = run
        self._failures: Counter[tuple[str, str]] = Counter()
        self._arrivals: Counter[str] = Counter()
        self._runner: web.AppRunner | None = None
        self.url = ""
        self.well = False
        """Nothing fails any more, so that what waits is drained as soon as its lane tries again."""

    async def __aenter__(self) -> Endpoints:
        app = web.Application()
        app.router.add_post("/voice", self._voice)
        app.router.add_post("/status", self._status)
        app.router.add_route("*", "/messages/{behaviour}/{number}", self._message)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0, backlog=1024).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._runner
        await self._runner.cleanup()

    async def _voice(self, request: web.Request) -> web.Response:
        to = (await request.post()).get("To")
        if to:
            verb = (
                f'<Dial answerOnBridge="true"><Client statusCallback="{self.url}/status" '
                f'statusCallbackEvent="{ALL_EVENTS}">{to}</Client></Dial>'
            )
        else:
            verb = '<Pause length="120"/>'
        return web.Response(text=f"<Response>{verb}</Response>", content_type="text/xml")

    async def _status(self, request: web.Request) -> web.Response:
        fields = await request.post()
        self._ledger.reported.append(
            Reported(
                leg=str(fields["CallSid"]),
                status=str(fields["CallStatus"]),
                seq=int(str(fields["SequenceNumber"])),
                run=self._run(),
                order=self._ledger.tick(),
            )
        )
        return web.Response(status=204)

    async def _message(self, request: web.Request) -> web.Response:
        fields, encoding = await _fields(request)
        path, behaviour = request.path, request.match_info["behaviour"]
        answer = self._answer(path, fields["Sid"], behaviour, encoding)
        self._ledger.arrived.append(
            Arrived(
                path=path,
                leg=fields["CallSid"],
                sid=fields["Sid"],
                seq=int(fields["SequenceNumber"]),
                token=request.headers[IDEMPOTENCY],
                stamp=fields["Timestamp"],
                content=fields["Content"],
                run=self._run(),
                order=self._ledger.tick(),
                answer=answer,
            )
        )
        if behaviour == "slow" and not self.well:
            await asyncio.sleep(self._dice.uniform(0.02, 0.25))  # what a slow endpoint does
        if answer == 0:
            assert request.transport is not None
            request.transport.abort()
        return web.Response(status=answer or 500)

    def _answer(self, path: str, sid: str, behaviour: str, encoding: str) -> int:
        self._arrivals[path] += 1
        if behaviour == "form" and encoding == "json":
            return 415
        if behaviour == "gone" and self._arrivals[path] > GONE_AFTER:
            return 410
        fails = behaviour in ("flaky", "closing") and self._dice.random() < 1 / 3
        if fails and not self.well and self._failures[path, sid] < MOST_FAILURES:
            self._failures[path, sid] += 1
            return 500 if behaviour == "flaky" else 0
        return 204


async def _fields(request: web.Request) -> tuple[dict[str, str], str]:
    if request.method == "GET":
        return dict(request.query), "query"
    if request.content_type == "application/json":
        return json.loads(await request.read()), "json"
    return {name: str(value) for name, value in (await request.post()).items()}, "form"
