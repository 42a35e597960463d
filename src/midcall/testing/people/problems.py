"""What can go wrong with people, for whoever drives them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


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
