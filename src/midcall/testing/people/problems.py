"""What can go wrong with people, for whoever drives them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import inspect


class Problem(Exception):
    """Base; the text is a sentence for a developer."""


class Unfulfilled(Problem):
    """What was expected did not come true, or an action did not work out.

    Attributes:
        expected: what was wanted.
        seen: what there was instead.
        call_sid: whose timeline tells more.
        code: of the error that the client met; None for an expectation.
    """

    def __init__(
        self,
        message: str,
        *,
        expected: Any = None,
        seen: Sequence[Any] = (),
        call_sid: str | None = None,
        code: int | None = None,
    ) -> None:
        super().__init__(message)
        self.expected = expected
        self.seen = list(seen)
        self.call_sid = call_sid
        self.code = code


class WrongState(Problem):
    """The state does not allow this now; the text says what the state is."""


class Abandoned(Problem):
    """Whoever asked has gone away; nobody reads this."""


class Unknown(Problem):
    """There is no such person, call or endpoint."""


class Unusable(Problem):
    """An argument cannot be used; the text says why, and what would do."""


class TooMany(Problem):
    """A bound was reached; the text names it."""


def in_full(error: msgspec.MsgspecError, kind: Any) -> str:
    """What is wrong with a value, with the words that would do where it is none of them.

    Args:
        kind: the type that the value was read as.
    """
    text = str(error)
    _, found, path = text.partition(" - at `$")
    if "Invalid enum value" not in text:
        return text
    words = _words(_at(inspect.type_info(kind), path.rstrip("`") if found else ""))
    return f"{text}: it is one of {', '.join(words)}" if words else text


def _at(whole: inspect.Type, path: str) -> inspect.Type | None:
    """The type of a part of a value, such as that at `[0].direction`."""
    place: inspect.Type | None = whole
    for name in re.findall(r"\[\d+\]|\.\w+", path):
        if name.startswith("["):
            place = getattr(place, "item_type", None)
        else:
            fields = {field.encode_name: field.type for field in getattr(place, "fields", ())}
            place = fields.get(name[1:])
    return place


def _words(place: inspect.Type | None) -> list[str]:
    match place:
        case inspect.LiteralType(values):
            return [str(value) for value in values]
        case inspect.UnionType(types):
            return [word for each in types for word in _words(each)]
        case _:
            return []
