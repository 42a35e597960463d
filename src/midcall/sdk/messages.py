"""The messages of one call: what was sent and not judged yet, and what came before anybody listened."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from midcall.core.client_messages import Outstanding, check_message
from midcall.core.messages import JSON
from midcall.core.registration import Misused
from midcall.sdk.errors import InvalidArgumentError, InvalidStateError, VoiceError
from midcall.wire import signal

MAX_UNHEARD: Final = 1000
"""Messages kept for a call that nobody listens to yet."""
MAX_UNJUDGED: Final = 4000
"""Messages of a call without a verdict; a resume sends them all at once, so they fit in the transport's queue."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What `messageReceived` and `messageSent` carry.

    Attributes:
        content: any JSON value.
        content_type: as the sender said it.
        message_type: `user-defined-message`.
        voice_event_sid: the message's `KX…` sid.
    """

    content: Any
    content_type: str
    message_type: str
    voice_event_sid: str


class SentMessage(str):
    """A message's sid, which can also be awaited: for the Message once the server has it, or for a VoiceError."""

    __slots__ = ("_verdict",)
    _verdict: asyncio.Future[Message]

    def __new__(cls, sid: str, verdict: asyncio.Future[Message]) -> SentMessage:
        self = super().__new__(cls, sid)
        self._verdict = verdict
        return self

    def __await__(self) -> Generator[Any, None, Message]:
        return asyncio.shield(self._verdict).__await__()


@dataclass(frozen=True, slots=True)
class Written:
    """A message that can be sent: what it says, and its frame."""

    message: Message
    frame: bytes


def check(content: Any, message_type: str, content_type: str | None, call_sid: str | None) -> bytes:
    """The content of a message as JSON.

    Raises:
        InvalidArgumentError: the arguments cannot make a message.
        InvalidStateError: the call has no sid yet.
    """
    try:
        check_message(content, message_type, call_sid)
        if content_type is not None and not isinstance(content_type, str):
            raise ValueError("content_type must be a string")
        return json.dumps(content, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
    except Misused as error:
        raise InvalidStateError(str(error)) from None
    except (ValueError, TypeError, RecursionError) as error:
        raise InvalidArgumentError(str(error)) from None


def write(content: Any, raw: bytes, *, call_sid: str, sid: str, message_type: str, content_type: str | None) -> Written:
    """A message with its frame; `raw` is its content as `check` returned it."""
    message = Message(
        content=content, content_type=content_type or JSON, message_type=message_type, voice_event_sid=sid
    )
    frame = signal.Message(
        call_sid=call_sid,
        message_sid=sid,
        message_type=message_type,
        content_type=message.content_type,
        content=msgspec.Raw(raw),
    )
    return Written(message, signal.encode(frame))


def read(frame: signal.Message) -> Message | None:
    """The message of a frame; None when its content cannot be read."""
    try:
        content = json.loads(bytes(frame.content))
    except (ValueError, RecursionError):
        return None
    return Message(
        content=content,
        content_type=frame.content_type,
        message_type=frame.message_type,
        voice_event_sid=frame.message_sid,
    )


class Outbox:
    """What was sent and is not judged yet."""

    def __init__(self) -> None:
        self._outstanding = Outstanding()
        self._verdicts: dict[str, tuple[Message, asyncio.Future[Message]]] = {}

    def __len__(self) -> int:
        return len(self._outstanding)

    def add(self, written: Written) -> SentMessage:
        """Keep a message until it is judged.

        Raises:
            InvalidStateError: too many are kept.
        """
        if len(self) >= MAX_UNJUDGED:
            raise InvalidStateError(f"{MAX_UNJUDGED} messages wait for the server's verdict")
        sid = written.message.voice_event_sid
        verdict: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._outstanding.sent(sid, written.frame)
        self._verdicts[sid] = (written.message, verdict)
        return SentMessage(sid, verdict)

    def withdraw(self, message_sid: str) -> None:
        """It could not be sent."""
        self._outstanding.judged(message_sid)
        del self._verdicts[message_sid]

    def frames(self) -> list[bytes]:
        """What to send again after a resume, in the order in which it was sent first."""
        return self._outstanding.frames()

    def acknowledge(self, message_sid: str) -> Message | None:
        """The server has it. None for a repeat, or a message that is not ours."""
        if not self._outstanding.judged(message_sid):
            return None
        message, verdict = self._verdicts.pop(message_sid)
        if not verdict.done():
            verdict.set_result(message)
        return message

    def refuse(self, message_sid: str, error: VoiceError) -> bool:
        """The server does not take it. False for a repeat, or a message that is not ours."""
        if not self._outstanding.judged(message_sid):
            return False
        self._fail(message_sid, error)
        return True

    def give_up(self) -> None:
        """Nobody will judge what is still outstanding: the call is over and its socket is gone."""
        for message_sid in self._outstanding.give_up():
            self._fail(message_sid, VoiceError(53001, "the call ended before the server judged the message"))

    def _fail(self, message_sid: str, error: VoiceError) -> None:
        _, verdict = self._verdicts.pop(message_sid)
        if not verdict.done():
            verdict.set_exception(error)
            verdict.exception()  # seen: whoever does not await it has the `error` event


class Unheard:
    """Messages that came before anybody listened; too many push out the oldest."""

    def __init__(self) -> None:
        self._messages: deque[Message] = deque(maxlen=MAX_UNHEARD)

    def __bool__(self) -> bool:
        return bool(self._messages)

    def keep(self, message: Message) -> None:
        """Keep it for the first listener."""
        self._messages.append(message)

    def take(self) -> Message:
        """The oldest."""
        return self._messages.popleft()
