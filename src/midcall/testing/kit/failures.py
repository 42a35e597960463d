"""What a test is told when something did not come true, was forbidden, or cannot work at all."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

COLUMNS: Final = 160
"""Longest line of a timeline in a report."""


class ExpectationFailed(AssertionError):
    """Something that a test expected did not come true.

    The text says what was expected, what was seen instead, and what happened so far.

    Attributes:
        message: the first line.
        expected: what should have come, as the server understood it.
        seen: what came instead.
        timeline: what people did and saw, and the server's trace of the call.
    """

    def __init__(
        self, message: str, *, expected: object = None, seen: Sequence[object] = (), timeline: str = ""
    ) -> None:
        self.message = message
        self.expected = expected
        self.seen = [one for one in seen if one != ""]
        self.timeline = timeline
        super().__init__(self._text())

    def _text(self) -> str:
        parts = [self.message]
        if self.expected is not None:
            parts.append(f"expected: {_shown(self.expected)}")
        if self.seen:
            parts.append("\n".join(["seen:", *(f"  {_shown(one)}" for one in self.seen)]))
        else:
            parts.append("seen: nothing")
        if self.timeline:
            parts.append(f"timeline:\n{_indented(self.timeline)}")
        return "\n".join(parts)


class ActionRefused(Exception):
    """The server refused what a test asked of it; the text says why.

    Attributes:
        status: the HTTP status; 409 when the state forbids it, such as accepting a call that is open.
        code: the number of the error.
    """

    def __init__(self, message: str, *, status: int, code: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class SwitchboardUnusable(Exception):
    """A test asks for what cannot be had here; the text says what to do instead."""


def _shown(value: object) -> str:
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False)
    except TypeError:
        return repr(value)


def for_eyes(text: str) -> str:
    """A timeline whose lines fit a screen; `switchboard.timeline()` has them whole."""
    return "\n".join(line if len(line) <= COLUMNS else f"{line[: COLUMNS - 1]}…" for line in text.splitlines())


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in for_eyes(text).splitlines())
