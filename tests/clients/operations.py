"""What every official client has to be able to do, described once: jobs for its program, and what has to come of them.

Each language has a program that reads jobs and prints results (`operations.*` in its folder), a line each:

    {"operation": "create_message", "arguments": {"call_sid": "CA…", "content": "…"}}
    {"answer": {"sid": "KX…", …}}   or   {"failure": "what the library raised"}

The programs run under `midcall exec`, with the vendor's host names and no address of ours.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from customers import Hook

from clients.programs import Program, run_sample
from clients.stage import LISTED, WAIT_S, Stage
from midcall.sdk import Call, Device

TWIML = "<Response><Pause length='60'/></Response>"
OTHER_TWIML = "<Response><Pause length='50'/></Response>"
CONTENT = '{"to": "you, grüße & 你好", "n": 1}'
NO_CALL = "CA" + "0" * 32

Answer = Mapping[str, Any]


class Tour:
    """One client on its way through all operations; a later one uses what an earlier one made."""

    def __init__(self, name: str, program: Program, sample: tuple[str, ...], stage: Stage) -> None:
        self._name = name
        self._program = program
        self._sample = sample
        self._stage = stage
        self._device: Device | None = None
        self._call: Call | None = None
        self._call_sid = ""
        self._subscriptions: list[str] = []

    async def close(self) -> None:
        if self._device is not None:
            await self._device.destroy()

    async def mint_a_token_and_connect(self) -> None:
        minted = await self._ask(
            "mint_token", identity=self._name, application_sid=self._stage.credentials.application_sid
        )
        self._device = await self._stage.connect(minted["token"])

    async def create_a_call(self) -> None:
        if self._device is None:  # a client that mints no tokens
            self._device = await self._stage.connect(self._stage.customer.token(self._name))
        async with expected(self._device.wait_for("incoming")) as rings:
            made = await self._ask("create_call", to=f"client:{self._name}", from_="client:shop", twiml=TWIML)
            assert (made["status"], made["direction"]) == ("queued", "outbound-api")
            self._call = await rings()
        self._call_sid = self._call.parameters["CallSid"]
        assert made["sid"] == self._call_sid
        accepted = self._call.wait_for("accept", timeout=WAIT_S)
        self._call.accept()
        await accepted

    async def fetch_a_call(self) -> None:
        fetched = await self._ask("fetch_call", sid=self._call_sid)
        assert (fetched["status"], fetched["to"]) == ("in-progress", f"client:{self._name}")

    async def list_calls_by_pages(self) -> None:
        listed = await self._ask("list_calls", to=LISTED, page_size=2)
        assert listed["sids"] == self._stage.listed

    async def update_a_call(self) -> None:
        updated = await self._ask("redirect_call", sid=self._call_sid, twiml=OTHER_TWIML)
        assert updated["status"] == "in-progress"

    async def create_a_message(self) -> None:
        async with expected(self._live_call().wait_for("messageReceived")) as arrives:
            made = await self._ask("create_message", call_sid=self._call_sid, content=CONTENT)
            message = await arrives()
        assert (made["sid"], made["call_sid"]) == (message.voice_event_sid, self._call_sid)
        assert message.content == json.loads(CONTENT)
        assert_recent(made)

    async def create_and_delete_a_subscription(self) -> None:
        sid = await self._subscribe("deleted")
        assert (await self._ask("delete_subscription", call_sid=self._call_sid, sid=sid))["gone"] is True
        await self._subscribe("kept")
        await self._say("after the deletion", arrives_at="kept")
        assert [hook for hook in self._stage.customer.hooks if hook.path == self._path("deleted")] == []

    async def validate_a_callback_with_json(self) -> None:
        await self._subscribe("as-json")
        await self._validate(await self._say({"told": "as JSON ü"}, arrives_at="as-json"), encoding="json")

    async def validate_a_callback_with_a_form(self) -> None:
        await self._subscribe("as-form")
        hook = await self._say({"told": "as a form ü"}, arrives_at="as-form", count=2)  # JSON is refused there
        await self._validate(hook, encoding="form")

    async def run_the_sample_under_exec(self) -> None:
        await self._run_sample("exec", self._stage.exec_command, {})

    async def run_the_sample_with_printed_variables(self) -> None:
        await self._run_sample("print-env", (), await self._stage.printed_variables())

    async def end_a_call(self) -> None:
        async with expected(self._live_call().wait_for("disconnect")) as ends:
            ended = await self._ask("end_call", sid=self._call_sid)
            assert ended["status"] == "completed"
            await ends()

    async def create_an_application(self) -> None:
        url = f"https://app.example/voice?of={self._name}"
        made = await self._ask("create_application", friendly_name=self._name, voice_url=url)
        assert made["sid"].startswith("AP")
        assert (made["friendly_name"], made["voice_url"]) == (self._name, url)

    async def create_a_key(self) -> None:
        made = await self._ask("create_key", friendly_name=self._name)
        assert await self._stage.key_opens(made["sid"], made["secret"])

    async def read_an_error(self) -> None:
        read = await self._ask("read_error", sid=NO_CALL)
        assert (read["status"], read["code"]) == (404, 20404)
        assert f"Calls/{NO_CALL}.json was not found" in read["message"]

    # how

    async def _ask(self, operation: str, **arguments: object) -> Answer:
        return await self._program.do(operation, **arguments)

    def _live_call(self) -> Call:
        assert self._call is not None, "there is no call: creating it failed"
        return self._call

    def _path(self, which: str) -> str:
        return f"messages/{which}/{self._name}"

    async def _subscribe(self, which: str) -> str:
        callback = f"{self._stage.customer.url}/{self._path(which)}"
        made = await self._ask("create_subscription", call_sid=self._call_sid, callback=callback)
        assert made["call_sid"] == self._call_sid
        assert_recent(made)
        return str(made["sid"])

    async def _say(self, content: object, *, arrives_at: str, count: int = 1) -> Hook:
        """What the client says, as the application got it at the count-th request."""
        sent = await self._live_call().send_message({"content": content})
        path, sid = self._path(arrives_at), str(sent.voice_event_sid)
        return (await self._stage.customer.asked(path, Sid=sid, count=count, timeout=WAIT_S))[-1]

    async def _validate(self, hook: Hook, *, encoding: str) -> None:
        assert hook.encoding == encoding
        url = f"{self._stage.customer.url}/{hook.path}"
        signature = hook.headers["X-Twilio-Signature"]
        assert (await self._ask("validate", url=url, parameters=hook.fields, signature=signature))["valid"] is True
        forged = {**hook.fields, "Content": "forged"}
        assert (await self._ask("validate", url=url, parameters=forged, signature=signature))["valid"] is False

    async def _run_sample(self, which: str, before: tuple[str, ...], variables: Mapping[str, str | None]) -> None:
        callback = f"{self._stage.customer.url}/{self._path(which)}"
        command = (*before, *self._sample, self._call_sid, callback)
        async with expected(self._live_call().wait_for("messageReceived")) as arrives:
            out = await run_sample(command, {**self._program.variables, **variables})
            assert out.count(self._stage.credentials.account_sid) >= 2, out
            await arrives()
        await self._say("after the sample", arrives_at=which)


@asynccontextmanager
async def expected(event: asyncio.Future[Any]) -> AsyncIterator[Callable[[], Awaitable[Any]]]:
    """Listen for an event from here on; what is yielded awaits it, for a while that begins then.

    A program may take its time to start, so the wait does not begin before its answer.
    """
    try:
        yield lambda: asyncio.wait_for(event, WAIT_S)
    finally:
        event.cancel()


def assert_recent(made: Answer) -> None:
    """The library has understood the date."""
    assert abs(made["created"] - time.time()) < 600, made


OPERATIONS: Mapping[str, Callable[[Tour], Awaitable[None]]] = {
    "token": Tour.mint_a_token_and_connect,
    "call": Tour.create_a_call,
    "message": Tour.create_a_message,
    "subscription": Tour.create_and_delete_a_subscription,
    "JSON signature": Tour.validate_a_callback_with_json,
    "form signature": Tour.validate_a_callback_with_a_form,
    # From here on the call is surely in progress: its client's answer came before its messages.
    "fetch": Tour.fetch_a_call,
    "list": Tour.list_calls_by_pages,
    "update": Tour.update_a_call,
    "exec": Tour.run_the_sample_under_exec,
    "print-env": Tour.run_the_sample_with_printed_variables,
    "end": Tour.end_a_call,
    "application": Tour.create_an_application,
    "key": Tour.create_a_key,
    "error": Tour.read_an_error,
}
"""The columns of the table in docs/reference/compatibility.md, in the order in which a client takes them."""


async def perform(tour: Tour, operation: str) -> str | None:
    """None when all went well, otherwise what did not."""
    try:
        async with asyncio.timeout(12 * WAIT_S):
            await OPERATIONS[operation](tour)
    except Exception as error:
        return f"{operation}: {type(error).__name__}: {error}"
    return None
