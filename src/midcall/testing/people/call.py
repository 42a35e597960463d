"""One call of a person: what happened in it, what it heard and received, and what it can be asked to do."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import msgspec

from midcall.sdk import Call, Device, Message, VoiceError
from midcall.testing.people.ears import Ears
from midcall.testing.people.journal import Bell, CallName, Journal
from midcall.testing.people.voice import Voice

MAX_REMEMBERED: Final = 1_000
"""Events and messages that a call remembers."""

RECORDED: Final = tuple(sorted(Call.EVENTS - {"sample", "volume", "audio"}))
"""Events that make a line in the timeline; the others come all the time, or are heard."""

ENDINGS: Final = ("cancel", "reject", "disconnect")


@dataclass(frozen=True, slots=True)
class Received:
    """A message that came."""

    sid: str
    content: Any
    content_type: str
    message_type: str


class ErrorView(msgspec.Struct, frozen=True):
    code: int
    message: str


class MessageView(msgspec.Struct, frozen=True):
    """A message that was expected and came."""

    sid: str
    content: Any
    content_type: str
    message_type: str


class CallView(msgspec.Struct, frozen=True, kw_only=True):
    """A call as the control API shows it.

    Attributes:
        id: the person's own name for the call, such as `alice-1`.
        sid: `CA…`; an outgoing call learns it when it rings or is answered.
        ended_by: `hang_up`, `reject` or `ignore` when this person did it; `cancel` when the caller gave up or another
            client took the call; `disconnect` when the other side or the server ended it.
        error: the last error that the client was told.
        script_error: why the call's script stopped.
    """

    id: str
    person: str
    sid: str | None
    direction: str
    status: str
    from_: str = msgspec.field(name="from")
    to: str
    parameters: Mapping[str, str]
    custom_parameters: Mapping[str, str]
    ended_by: str | None
    error: ErrorView | None
    script_error: str | None


class PersonCall:
    """A call and everything that a person knows of it.

    Args:
        id: such as `alice-1`.
        person: who has it.
        sdk: the client's call.
        real: whether there is real media.
        ends: who calls and who is called, for people.
        on_sid: called once the call's sid is known.
    """

    def __init__(
        self,
        *,
        id: str,
        person: str,
        device: Device,
        sdk: Call,
        journal: Journal,
        real: bool,
        ends: tuple[str, str],
        on_sid: Callable[[PersonCall], None],
    ) -> None:
        self.name = CallName(id)
        self.person = person
        self.device = device
        self.sdk = sdk
        self.bell = Bell()
        self.ears = Ears(real=real, on_heard=self._heard)
        self.voice: Voice | None = None
        self.events: deque[str] = deque(maxlen=MAX_REMEMBERED)
        self.inbox: deque[Received] = deque(maxlen=MAX_REMEMBERED)
        self.said: deque[str] = deque(maxlen=MAX_REMEMBERED)
        self.said_count = self.heard_count = 0
        self.last_heard = ""
        self.error: ErrorView | None = None
        self.ended_by: str | None = None
        self.script: asyncio.Task[None] | None = None
        self.script_error: str | None = None
        self.script_error_told = False
        self.opened_at: float | None = None
        self.confirmed = False
        self.gone = False
        self._journal = journal
        self._ends = ends
        self._on_sid = on_sid
        self._sid_told = False
        for event in RECORDED:
            sdk.on(event, partial(self._happened, event))
        sdk.on("audio", self._on_audio)
        self._look_at_sid()

    # what it is

    @property
    def id(self) -> str:
        """The person's own name for the call, such as `alice-1`."""
        return self.name.id

    @property
    def sid(self) -> str | None:
        """`CA…`, once it is known."""
        return self.sdk.parameters.get("CallSid")

    @property
    def status(self) -> str:
        """pending, connecting, ringing, open, reconnecting or closed."""
        return self.sdk.status()

    @property
    def is_closed(self) -> bool:
        """Nothing can happen in it any more."""
        return self.gone or self.status == "closed"

    @property
    def is_audible(self) -> bool:
        """Whether sound of this person leaves it right now."""
        return self.voice is not None and self.voice.is_sounding and not self.sdk.is_muted()

    def view(self) -> CallView:
        """As the control API shows it."""
        parameters = self.sdk.parameters
        return CallView(
            id=self.id,
            person=self.person,
            sid=self.sid,
            direction=str(self.sdk.direction).lower(),
            status=self.status,
            from_=parameters.get("From", self._ends[0]),
            to=parameters.get("To", self._ends[1]),
            parameters=parameters,
            custom_parameters=self.sdk.custom_parameters,
            ended_by=self.ended_by,
            error=self.error,
            script_error=self.script_error,
        )

    # what is told of it

    def note(self, what: str, **detail: Any) -> None:
        """Write a line into the timeline."""
        self._journal.note(self.person, what, detail, call=self.name)

    def say(self, what: str, **detail: Any) -> None:
        """This person made itself heard, or sent something."""
        self.note(what, **detail)
        self.said_count += 1
        self.said.append(what)
        self.bell.ring()

    def confirm(self) -> None:
        """The server has said that the call is up."""
        self.confirmed = True
        self.bell.ring()

    def forsake(self) -> None:
        """Its person is gone: whoever waits learns so."""
        self.gone = True
        if self.script is not None:
            self.script.cancel()
        self.bell.ring()

    def _heard(self, kind: str, text: str) -> None:
        self.note("heard", **{kind: text})
        self._hear(f"{kind} {text}")

    def _hear(self, what: str) -> None:
        self.heard_count += 1
        self.last_heard = what
        self.bell.ring()

    def _on_audio(self, remote: Any) -> None:
        if self.ears.real:
            self.ears.listen(remote)
        self.bell.ring()

    def _happened(self, event: str, *arguments: Any) -> None:
        self._look_at_sid()
        if event == "messageReceived":
            self._received(arguments[0])
            return
        self.events.append(event)
        if event == "accept":
            self.opened_at = asyncio.get_running_loop().time()
        detail: dict[str, Any] = {}
        if arguments and isinstance(arguments[0], VoiceError):
            error = arguments[0]
            self.error = ErrorView(error.code, str(error))
            detail = {"code": error.code, "message": str(error)}
        elif event == "messageSent":
            detail = {"sid": arguments[0].voice_event_sid}
        elif arguments and isinstance(arguments[0], str | bool | int):
            detail = {"value": arguments[0]}
        if event in ENDINGS and self.ended_by is None:
            self.ended_by = event
        self.note(event, **detail)
        self.bell.ring()

    def _received(self, message: Message) -> None:
        self.inbox.append(
            Received(message.voice_event_sid, message.content, message.content_type, message.message_type)
        )
        self.events.append("messageReceived")
        self.note("messageReceived", sid=message.voice_event_sid, content=message.content)
        self._hear("message")

    def _look_at_sid(self) -> None:
        if not self._sid_told and self.sid is not None:
            self._sid_told = True
            self.name.sid = self.sid
            self._on_sid(self)
