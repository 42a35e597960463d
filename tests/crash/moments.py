"""When a server is killed: at random, or where it hurts."""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from crash.load import Load
from crash.victim import Victim

WATCH: Final = Path(__file__).with_name("write_watch.py")


class Moment(Protocol):
    """A plan for one kill."""

    name: str

    async def arm(self, victim: Victim, load: Load) -> None:
        """Get ready; from now on the kill comes by itself."""

    async def disarm(self) -> None:
        """The server is dead, or the cycle is given up."""


@dataclass(slots=True)
class AfterSeconds:
    """At any moment, also while calls are being set up."""

    delay_s: float
    name: str = "at random"
    _timer: asyncio.TimerHandle | None = None

    async def arm(self, victim: Victim, load: Load) -> None:
        self._timer = asyncio.get_running_loop().call_later(self.delay_s, victim.kill)

    async def disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()


@dataclass(slots=True)
class AfterAck:
    """The very moment the n-th acknowledgement of a client's message has been read."""

    count: int
    name: str = "right after an ack"

    async def arm(self, victim: Victim, load: Load) -> None:
        load.on_ack = _countdown(self.count, victim.kill)

    async def disarm(self) -> None:
        """Nothing is left to do."""


@dataclass(slots=True)
class AfterAnswer:
    """The very moment the n-th 201 has been read."""

    count: int
    name: str = "right after a 201"

    async def arm(self, victim: Victim, load: Load) -> None:
        load.on_answer = _countdown(self.count, victim.kill)

    async def disarm(self) -> None:
        """Nothing is left to do."""


@dataclass(slots=True)
class AtWrite:
    """While the server writes: at, or a moment after, the n-th write to its log or its database file."""

    file_suffix: str
    count: int
    delay_us: int
    name: str
    _watch: asyncio.subprocess.Process | None = None

    async def arm(self, victim: Victim, load: Load) -> None:
        assert victim.process is not None
        self._watch = await asyncio.create_subprocess_exec(
            sys.executable, "-IS", str(WATCH), str(victim.data_dir), victim.database.name + self.file_suffix,
            str(self.count), str(self.delay_us), str(victim.process.pid),
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert self._watch.stdout
        if await self._watch.stdout.readline() != b"armed\n":
            raise RuntimeError("writes cannot be watched on this system (inotify)")

    async def disarm(self) -> None:
        if self._watch is not None:
            with suppress(ProcessLookupError):
                self._watch.kill()
            await self._watch.wait()


def _countdown(count: int, then: Callable[[], None]) -> Callable[[], None]:
    left = count

    def down() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            then()

    return down


def draw(dice: random.Random, longest_s: float) -> Moment:
    """The next kill's moment."""
    kind = dice.choices(("random", "ack", "answer", "commit", "checkpoint"), weights=(35, 18, 18, 22, 7))[0]
    match kind:
        case "ack":
            return AfterAck(dice.randint(1, 60))
        case "answer":
            return AfterAnswer(dice.randint(1, 60))
        case "commit":
            return AtWrite("-wal", dice.randint(1, 400), dice.choice((0, 0, 50, 200, 1000)), "in mid-commit")
        case "checkpoint":
            return AtWrite("", dice.randint(1, 3), dice.choice((0, 50, 500)), "in mid-checkpoint")
        case _:
            return AfterSeconds(dice.uniform(0, longest_s))
