"""A virtual person: a client of the server, registered, with the calls it has and a script for those that come."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextvars import Context
from typing import Any, Final, Literal

import msgspec

from midcall.sdk import Call, Device, SdkError, VoiceError
from midcall.testing.people.actions import Misbehave, Step
from midcall.testing.people.call import PersonCall
from midcall.testing.people.doing import TIMEOUT_S, Answer, Doer
from midcall.testing.people.journal import Bell, Journal
from midcall.testing.people.problems import Problem, TooMany, Unfulfilled, Unknown, Unusable, WrongState
from midcall.testing.people.rules import spoken

log = logging.getLogger(__name__)

MAX_CALLS: Final = 1_000
"""Calls that a person remembers; the oldest that are over are forgotten."""

CURRENT: Final = "current"

SDK_ONLY: Final = frozenset({"send_message", "expect_message", "feedback"})
"""What needs a client of the Voice SDK."""


class PersonView(msgspec.Struct, frozen=True, kw_only=True):
    """A person as the control API shows it."""

    name: str
    identity: str | None
    number: str | None
    media: str
    status: str
    calls: Sequence[str]


class Person:
    """Made by `People.add`.

    Args:
        identity: of its client; None for a phone.
        number: of a phone.
        make_device: its client, not registered yet.
        on_sid: called once for each call, when its sid is known.
    """

    def __init__(
        self,
        name: str,
        *,
        identity: str | None,
        number: str | None,
        media: Literal["real", "none"],
        make_device: Callable[[], Device],
        doer: Doer,
        journal: Journal,
        on_call: Sequence[Step],
        on_sid: Callable[[PersonCall], None],
    ) -> None:
        self.name = name
        self.identity = identity
        self.number = number
        self.media = media
        self.on_call = on_call
        self._doer = doer
        self._journal = journal
        self._on_sid = on_sid
        self._bell = Bell()
        self._calls: dict[str, PersonCall] = {}
        self._count = 0
        self._untaken: deque[PersonCall] = deque(maxlen=MAX_CALLS)
        self._scripts: dict[asyncio.Task[None], None] = {}
        self._gone = False
        self._device = make_device()
        self._device.on("incoming", self._on_incoming)
        self._device.on("error", self._on_error)
        self._device.on("registered", lambda: journal.note(name, "registered"))
        self._device.on("unregistered", lambda: journal.note(name, "unregistered"))

    # life

    async def register(self) -> None:
        """Wait until the server offers it calls.

        Raises:
            Unfulfilled: it does not in time, or refuses.
        """
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await self._device.register()
        except TimeoutError:
            raise Unfulfilled(f"{self.name} could not register within {spoken(TIMEOUT_S)}") from None
        except VoiceError as error:
            raise Unfulfilled(f"{self.name} could not register: {error}", code=error.code) from None

    @property
    def device(self) -> Device:
        """Its client."""
        return self._device

    def view(self) -> PersonView:
        """As the control API shows it."""
        return PersonView(
            name=self.name,
            identity=self.identity,
            number=self.number,
            media=self.media,
            status=str(self._device.state),
            calls=list(self._calls),
        )

    async def leave(self) -> None:
        """End its calls and its client; whoever waits for something of it learns so."""
        self._gone = True
        for call in self._calls.values():
            call.forsake()
        self._bell.ring()
        scripts = list(self._scripts)
        for script in scripts:
            script.cancel()
        await asyncio.gather(*scripts, return_exceptions=True)
        await self._device.destroy()
        self._journal.note(self.name, "leaves")

    # calls

    @property
    def calls(self) -> Sequence[PersonCall]:
        """All that are remembered, oldest first."""
        return tuple(self._calls.values())

    def call(self, id: str) -> PersonCall:
        """A call by its id or sid; `current` is the newest that is not over, else the newest.

        Raises:
            Unknown: there is none.
        """
        if id == CURRENT:
            found = next((each for each in reversed(self.calls) if not each.is_closed), None)
            found = found or (self.calls[-1] if self._calls else None)
        else:
            found = self._calls.get(id) or next((each for each in self.calls if each.sid == id), None)
        if found is None:
            if not self._calls:
                raise Unknown(f"{self.name} has no call yet")
            raise Unknown(f"{self.name} has no call {id[:64]!r}; it has {', '.join(self._calls)}")
        return found

    async def place(self, params: Mapping[str, str], script: Sequence[Step] | None) -> PersonCall:
        """Call somebody; returns while the call is connecting.

        Raises:
            WrongState: it has a call already.
            Unfulfilled: its client has no connection.
        """
        if self.number is not None and params.keys() != {"To"}:
            raise Unusable(f"{self.name} has a phone: it calls a number (to) and sends no parameters")
        ends = self.number or f"client:{self.identity}", params.get("To", "")
        self._journal.note(self.name, "calls", params)
        try:
            async with asyncio.timeout(TIMEOUT_S):
                sdk = await self._device.connect(params=params)
        except TimeoutError:
            raise Unfulfilled(f"{self.name} has no connection to the server since {spoken(TIMEOUT_S)}") from None
        except VoiceError as error:
            raise Unfulfilled(f"{self.name} cannot call: {error}", code=error.code) from None
        except SdkError as error:
            raise WrongState(f"{self.name} cannot call: {error}") from None
        call = self._adopt(sdk, ends)
        if script:
            self._start(call, script)
        return call

    async def incoming(self, timeout_s: float) -> PersonCall:
        """The next call to this person that nobody has taken yet.

        Raises:
            Unfulfilled: it was not called.
        """

        def found() -> PersonCall | bool | None:
            return self._untaken.popleft() if self._untaken else (True if self._gone else None)

        call = await self._bell.until(found, timeout_s)
        if isinstance(call, PersonCall):
            return call
        if call:
            raise WrongState(f"{self.name} was deleted")
        raise Unfulfilled(f"{self.name} was not called within {spoken(timeout_s)}", expected="an incoming call")

    async def do(self, call: PersonCall, action: str, arguments: Any) -> Answer:
        """Do something in a call.

        Raises:
            Problem: it cannot be done, did not come true, or the call's script had failed before.
        """
        if call.script_error is not None and not call.script_error_told:
            call.script_error_told = True
            raise Unfulfilled(f"the script of {call.id} failed: {call.script_error}", call_sid=call.sid)
        return await self._do(call, action, arguments)

    async def _do(self, call: PersonCall, action: str, arguments: Any) -> Answer:
        if self.number is not None and action in SDK_ONLY:
            raise Unusable(f"{self.name} has a phone, and no phone can {action.replace('_', ' ')}")
        return await self._doer.do(call, action, arguments)

    # what the client tells

    def _on_incoming(self, sdk: Call) -> None:
        parameters = sdk.parameters
        self._journal.note(self.name, "is called", {"from": parameters.get("From"), "to": parameters.get("To")})
        call = self._adopt(sdk, (parameters.get("From", ""), parameters.get("To", "")))
        self._untaken.append(call)
        self._bell.ring()
        if self.on_call:
            self._start(call, self.on_call)

    def _on_error(self, error: VoiceError) -> None:
        self._journal.note(self.name, "error", {"code": error.code, "message": str(error)})

    def _adopt(self, sdk: Call, ends: tuple[str, str]) -> PersonCall:
        self._count += 1
        call = PersonCall(
            id=f"{self.name}-{self._count}",
            person=self.name,
            device=self._device,
            sdk=sdk,
            journal=self._journal,
            real=self.media == "real",
            ends=ends,
            on_sid=self._on_sid,
        )
        self._calls[call.id] = call
        if len(self._calls) > MAX_CALLS:
            oldest = next((each for each in self._calls.values() if each.is_closed), None)
            if oldest is None:
                raise TooMany(f"{self.name} has {MAX_CALLS} calls that are not over")
            del self._calls[oldest.id]
        return call

    # scripts

    def _start(self, call: PersonCall, script: Sequence[Step]) -> None:
        # A context of its own: a script goes on when whoever asked for it has its answer and leaves.
        task = asyncio.get_running_loop().create_task(
            self._run(call, script), name=f"script of {call.id}", context=Context()
        )
        call.script = task
        self._scripts[task] = None
        task.add_done_callback(lambda task: self._scripts.pop(task, None))

    async def _run(self, call: PersonCall, script: Sequence[Step]) -> None:
        for number, step in enumerate(script, 1):
            try:
                if step.arguments is None:
                    await call.bell.until(lambda: call.is_closed or None, step.wait_s)
                else:
                    await self._do(call, step.name, step.arguments)
            except Problem as problem:
                if call.is_closed and not step.name.startswith("expect"):
                    call.note("script ends with the call", step=number)
                    return
                call.script_error = f"step {number}, {step.name}: {problem}"
                call.note("script failed", step=number, action=step.name, reason=str(problem))
                call.bell.ring()
                return
            except Exception as error:
                log.exception("a script failed")
                call.script_error = f"step {number}, {step.name}: {error}"
                call.note("script failed", step=number, action=step.name, reason=repr(error))
                call.bell.ring()
                return
            if isinstance(step.arguments, Misbehave) and step.arguments.how == "no_answer":
                return
