"""What a TwiML document says, as frozen verbs and nouns, with every problem named by its documented code and line.

`core.reading` reads them from XML text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

MAX_IDENTITY_CHARS: Final = 256
STATUS_EVENTS: Final = ("initiated", "ringing", "answered", "completed")

Method = Literal["GET", "POST"]
Reason = Literal["rejected", "busy"]


@dataclass(frozen=True, slots=True)
class Problem:
    """Something odd in a document: documented code, line (from 1), a sentence."""

    code: int
    line: int
    reason: str


class Unreadable(Exception):
    """The document cannot be run at all."""

    def __init__(self, code: int, line: int | None, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.line = line
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusCallback:
    """Where a leg reports its progress. `events` is a subset of STATUS_EVENTS, in their order."""

    url: str
    method: Method = "POST"
    events: tuple[str, ...] = ("completed",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """`<Client>`: an identity to ring, with what the SDK shows as customParameters."""

    line: int
    identity: str
    parameters: tuple[tuple[str, str], ...] = ()
    status_callback: StatusCallback | None = None
    url: str | None = None
    method: Method = "POST"


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """`<Number>`, or the text of `<Dial>`: a phone number in E.164, with digits to send after the answer."""

    line: int
    number: str
    status_callback: StatusCallback | None = None
    url: str | None = None
    method: Method = "POST"
    send_digits: str = ""


Noun = Client | Number


@dataclass(frozen=True, slots=True, kw_only=True)
class Dial:
    line: int
    nouns: tuple[Noun, ...]
    action: str | None = None
    method: Method = "POST"
    timeout_s: int = 30
    time_limit_s: int = 14_400
    caller_id: str | None = None
    answer_on_bridge: bool = False
    hangup_on_star: bool = False
    sequential: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Echo:
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Hangup:
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    line: int
    length_s: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirect:
    line: int
    url: str
    method: Method = "POST"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject:
    line: int
    reason: Reason = "rejected"


Verb = Dial | Echo | Hangup | Pause | Redirect | Reject


@dataclass(frozen=True, slots=True)
class Document:
    verbs: tuple[Verb, ...]
    problems: tuple[Problem, ...] = ()
