"""Messages and digits of a call as its client sees them: local checks, and what the server has not judged yet."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from midcall.core.registration import Misused


@dataclass(slots=True)
class Outstanding:
    """Messages of one call that were sent and neither acknowledged nor refused yet, oldest first."""

    _waiting: dict[str, bytes] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._waiting)

    def sent(self, message_sid: str, frame: bytes) -> None:
        """Keep a message's frame until the server has judged it."""
        self._waiting[message_sid] = frame

    def judged(self, message_sid: str) -> bool:
        """An ack or an error came. True for the first one about a message of ours; repeats and strangers are False."""
        return self._waiting.pop(message_sid, None) is not None

    def frames(self) -> list[bytes]:
        """What to send again after a resume, in the order in which it was sent first."""
        return list(self._waiting.values())

    def give_up(self) -> list[str]:
        """Forget everything; returns the sids that were never judged."""
        sids = list(self._waiting)
        self._waiting.clear()
        return sids


def check_message(content: object, message_type: object, call_sid: str | None) -> None:
    """The checks that `send_message` makes itself, in the browser SDK's order; the server judges the rest.

    Raises:
        ValueError: the arguments cannot make a message.
        Misused: the call has no sid yet.
    """
    if content is None:
        raise ValueError("a message needs content")
    if not isinstance(message_type, str):
        raise ValueError("message_type must be a string")
    if not message_type:
        raise ValueError("message_type must not be empty")
    if call_sid is None:
        raise Misused("the call has no CallSid yet; wait for 'ringing' or 'accept'")


_DIGITS: Final = re.compile(r"[0-9*#w]*", re.ASCII)


def check_digits(digits: object) -> None:
    """`send_digits` takes 0-9, *, # and w (a pause of 500 ms).

    Raises:
        ValueError: anything else.
    """
    if not isinstance(digits, str) or _DIGITS.fullmatch(digits) is None:
        raise ValueError("digits are 0-9, *, # and w")
