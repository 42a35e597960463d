"""How the demo speaks: a timeline of who did what when, and what failed in one sentence each."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, TypeVar

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

T = TypeVar("T")

COLOURS: Final = {"demo": "bold", "server": "blue", "app": "magenta", "alice": "cyan", "bob": "green"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line can ask for.

    Attributes:
        messages: sent on each leg in each direction.
        keep: keep the data folder and say where it is.
        media: real audio; without it the clients declare that they have none.
        verbose: tell of every message.
    """

    messages: int = 20
    keep: bool = False
    media: bool = True
    verbose: bool = False


class Failed(Exception):
    """The demo cannot go on; the sentence says what did not happen."""


@dataclass(slots=True)
class Story:
    """The timeline, what went wrong in it, and the table that closes it."""

    console: Console
    options: Options
    started: float = field(default_factory=time.monotonic)
    failures: list[str] = field(default_factory=list)
    table: RenderableType | None = None

    def elapsed(self) -> float:
        """Seconds since the demo started."""
        return time.monotonic() - self.started

    def tell(self, who: str, what: str) -> None:
        """One line, at once."""
        head = Text.assemble((f"{self.elapsed():6.2f} s  ", "dim"), (f"{who:7}", COLOURS.get(who, "")))
        if self.console.soft_wrap:  # no terminal: one event is one line, however long
            self.console.print(head + Text(what))
            return
        line = Table.grid()  # so that what does not fit goes on below its own beginning
        line.add_column(no_wrap=True)
        line.add_column(overflow="fold")
        line.add_row(head, Text(what))
        self.console.print(line)

    def detail(self, who: str, what: str) -> None:
        """One line that only --verbose shows."""
        if self.options.verbose:
            self.tell(who, what)

    def check(self, holds: bool, otherwise: str) -> bool:
        """Note a failure unless it holds; the demo goes on."""
        if not holds and otherwise not in self.failures:
            self.failures.append(otherwise)
        return holds

    @contextmanager
    def noting(self) -> Iterator[None]:
        """Turn what stops a part of the demo into a failure, so that the rest is still checked."""
        try:
            yield
        except Failed as failed:
            self.check(False, str(failed))

    def conclude(self) -> int:
        """Say what came of it, and the exit code."""
        if self.table is not None:
            self.console.print()
            self.console.print(self.table)
        for failure in self.failures:
            self.console.print(f"FAILED: {failure}", style="bold red", markup=False, soft_wrap=True)
        if not self.failures:
            claim = "every message once, in order and signed; every status callback in order."
            told = f"All of it happened as it should, in {self.elapsed():.1f} s: {claim}"
            self.console.print(told, style="bold green", soft_wrap=True)
        return 1 if self.failures else 0


async def within(seconds: float, wish: Awaitable[T], otherwise: str) -> T:
    """The result of the wish.

    Raises:
        Failed: it took too long; the sentence says so.
    """
    try:
        async with asyncio.timeout(seconds):
            return await wish
    except TimeoutError:
        raise Failed(f"{otherwise} within {seconds:g} s") from None
