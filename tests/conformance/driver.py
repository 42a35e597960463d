"""What a scenario can do with a client, whichever it is: devices, calls, and what they tell.

Names are Python's, events and keys of what they carry are JavaScript's, for all clients.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

EVENT_TIMEOUT_S = 10.0


class Kind(StrEnum):
    """The clients, as they are called in ids of tests and in the columns of the table."""

    BROWSER = "browser"
    MEDIA = "python-media"
    NONE = "python-none"

    @property
    def is_python(self) -> bool:
        return self is not Kind.BROWSER

    @property
    def has_media(self) -> bool:
        return self is not Kind.NONE


class Thrown(Exception):
    """What the client's SDK threw.

    Attributes:
        name: such as InvalidStateError.
        code: of an error that has one.
    """

    def __init__(self, name: str, message: str, code: int | None = None) -> None:
        super().__init__(f"{name}: {message}")
        self.name, self.message, self.code = name, message, code


class Missed(AssertionError):
    """Something did not happen in time; the text tells what did."""


@dataclass(frozen=True, slots=True)
class Event:
    """What a device, or one of its calls (by number), told.

    Attributes:
        args: plain values: errors are {name, code, message}, calls {call: number}, messages, samples and data of
            warnings have the browser SDK's keys.
        status: of the call, while its handlers ran.
    """

    call: int | None
    name: str
    args: tuple[Any, ...]
    status: str | None = None

    @property
    def arg(self) -> Any:
        """The first argument, or None."""
        return self.args[0] if self.args else None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceFacts:
    """A device's properties; `calls` are the numbers of its pending calls."""

    state: str
    identity: str | None
    edge: str | None
    home: str | None
    is_busy: bool
    calls: tuple[int, ...]
    token: str
    audio: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFacts:
    """A call's properties, and what its methods without effect return.

    Attributes:
        verified: `callerInfo.isVerified`, or None without `callerInfo`.
        local, remote: whether there is such a stream.
    """

    status: str
    direction: str
    codec: str | None
    parameters: dict[str, str]
    custom_parameters: dict[str, str]
    verified: bool | None
    connect_token: str | None
    muted: bool
    local: bool
    remote: bool
    connection_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Surface:
    """What the SDK's classes have, in JavaScript's spelling.

    Attributes:
        audio: of the audio helper.
        package: name and version.
        enums: the values of an enumeration by name, such as `Call.State`; without those that do not exist.
    """

    call: frozenset[str]
    device: frozenset[str]
    audio: frozenset[str]
    is_supported: bool
    package: tuple[str, str]
    enums: dict[str, frozenset[Any]]


class Call(Protocol):
    """One call of a device."""

    async def accept(self, **options: Any) -> None: ...
    async def reject(self) -> None: ...
    async def ignore(self) -> None: ...
    async def disconnect(self) -> None: ...
    async def mute(self, *on: bool) -> None: ...
    async def send_digits(self, digits: str) -> None: ...

    async def send_message(
        self, content: Any, *, message_type: Any = "user-defined-message", content_type: str | None = None
    ) -> str:
        """The message's sid."""

    async def send_messages(self, contents: Sequence[Any]) -> list[str]:
        """Many at once, as a program would that does not wait in between; their sids."""

    async def post_feedback(self, score: Any = None, issue: Any = None) -> None: ...
    async def remove_all_listeners(self) -> None: ...
    async def listen(self) -> None:
        """To all events again."""

    async def text(self) -> str:
        """The call as a string."""

    async def facts(self) -> CallFacts: ...
    async def volumes(self) -> Sequence[tuple[float, float]]:
        """The newest arguments of `volume`, whose events are kept nowhere else."""

    async def loudness(self, seconds: float) -> float:
        """The loudest that was heard in that time, from 0 to 1."""

    async def events(self) -> list[Event]:
        """All so far but `sample` and `volume`."""

    async def wait_for(self, name: str, *, count: int = 1, timeout: float = EVENT_TIMEOUT_S) -> Event:
        """The count-th event of that name, past or to come."""


class Device(Protocol):
    """One device with everything it tells."""

    name: str
    kind: Kind

    async def register(self) -> None: ...
    async def unregister(self) -> None: ...
    async def destroy(self) -> None: ...
    async def connect(self, *, params: dict[str, Any] | None = None, **options: Any) -> Call: ...
    async def incoming(self, *, count: int = 1, timeout: float = EVENT_TIMEOUT_S) -> Call:
        """The count-th call that rings, or rang."""

    async def disconnect_all(self) -> None: ...
    async def update_token(self, token: Any) -> None: ...
    async def update_options(self, **options: Any) -> None: ...
    async def facts(self) -> DeviceFacts: ...
    async def events(self) -> list[Event]: ...
    async def wait_for(self, name: str, *, count: int = 1, timeout: float = EVENT_TIMEOUT_S) -> Event: ...
    async def surface(self) -> Surface: ...
    async def processors(self) -> list[str]:
        """What becomes of each of nine steps with processors of sound: ok, or the name of what is thrown."""

    async def set_input(self, device_id: str) -> None:
        """Use that microphone."""

    async def sounds(self) -> list[bool]:
        """Turn the sound of dialling off; then: whether incoming is on, what turning off said, outgoing, disconnect."""

    async def errors(self) -> dict[int, str]:
        """The names of the SDK's errors by their codes."""

    async def text(self) -> str:
        """The device as a string."""

    async def story(self) -> str:
        """What happened, for people."""


class Preflight(Protocol):
    """A test of the way to the server."""

    async def stop(self) -> None: ...
    async def wait_for(self, name: str, *, count: int = 1, timeout: float = EVENT_TIMEOUT_S) -> Event: ...


def names(events: Sequence[Event], *, without: Sequence[str] = ()) -> list[str]:
    """Of events, in order; those about the quality of media depend on the moment, so they are left out."""
    unsteady = {"audio", "sample", "warning", "warning-cleared", *without}
    return [event.name for event in events if event.name not in unsteady]


def newest(lines: Sequence[str], *, most: int = 60) -> list[str]:
    """The end of a story, which is what people look at."""
    return [*([f"({len(lines) - most} before)"] if len(lines) > most else []), *lines[-most:]]


def camel(name: str) -> str:
    """A Python name as JavaScript spells it."""
    return re.sub(r"_([a-z])", lambda found: found[1].upper(), name)


def snake(name: str) -> str:
    """A JavaScript name as Python spells it."""
    return re.sub(r"(?<=[a-z])([A-Z])", lambda found: "_" + found[1].lower(), name)
