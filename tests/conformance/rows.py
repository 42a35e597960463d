"""Scenarios are rows of a table whose columns are the clients. A cell says yes, or what is different and why.

A difference has a proof: it is run for that client instead of the scenario, and fails when the difference is gone.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from conformance.driver import Kind

Scenario = Callable[..., Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a client does something else, or cannot do it.

    Attributes:
        verb: `differs` or `not`.
        short: what the cell says.
        words: what the list below the tables says.
    """

    verb: str
    short: str
    words: str

    @property
    def cell(self) -> str:
        return f"{self.verb}: {self.short}"


@dataclass(frozen=True, slots=True)
class Difference:
    """A reason, and the scenario that shows it."""

    reason: Reason
    proof: Scenario


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    Attributes:
        place: where it stands, for the order.
    """

    section: str
    words: str
    place: str
    differences: Mapping[Kind, Difference] = field(default_factory=dict)

    def cell(self, kind: Kind) -> str:
        """What the cell says when the test passes."""
        return self.differences[kind].reason.cell if kind in self.differences else "yes"


def differs(short: str, words: str) -> Callable[[Scenario], Difference]:
    """Make a scenario the proof that a client does something else on purpose.

    Args:
        short: what the cell says after "differs:".
        words: the explanation below the tables.
    """
    return because(Reason("differs", short, words))


def because(reason: Reason) -> Callable[[Scenario], Difference]:
    """Make a scenario the proof of a reason."""
    return lambda proof: Difference(reason, proof)


def row(
    section: str,
    words: str,
    *,
    browser: Difference | None = None,
    python: Difference | None = None,
    media: Difference | None = None,
    none: Difference | None = None,
) -> Callable[[Scenario], Scenario]:
    """Make a test a row of the table.

    Args:
        section: the heading it stands under.
        words: what the client does, as a sentence without its subject's name.
        browser, media, none: what is different in one client.
        python: what is different in both that are `midcall.sdk`.
    """
    given = {Kind.BROWSER: browser, Kind.MEDIA: media or python, Kind.NONE: none or python}
    differences = {kind: difference for kind, difference in given.items() if difference is not None}

    def decorate(scenario: Scenario) -> Scenario:
        code = scenario.__code__  # type: ignore[attr-defined]

        @functools.wraps(scenario)
        async def run(client: Any, stage: Any) -> None:
            difference = differences.get(client)
            await (difference.proof if difference else scenario)(client, stage)

        place = f"{code.co_filename.rpartition('/')[2]}:{code.co_firstlineno:05}"
        run.row = Row(section, words, place, differences)  # type: ignore[attr-defined]
        return run

    return decorate
