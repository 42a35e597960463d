"""A command that is not started, and a service that does not start."""

from __future__ import annotations

import signal
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from midcall.redirect import child


def test_who_changes_his_mind_before_the_program_starts_stops_it(tmp_path: Path) -> None:
    with child.signals_kept() as mask:
        signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
        assert child.run(["touch", str(tmp_path / "started")], {}, mask) == 128 + signal.SIGTERM
    assert not (tmp_path / "started").exists()


def test_what_keeps_a_service_from_starting_is_told_to_who_wants_it() -> None:
    @asynccontextmanager
    async def broken() -> AsyncIterator[int]:
        raise OSError("no port")
        yield 1

    with pytest.raises(OSError, match="no port"), child.beside(broken()):
        pytest.fail("it did not start")


def test_a_service_ends_with_the_block() -> None:
    seen: list[str] = []

    @asynccontextmanager
    async def service() -> AsyncIterator[int]:
        seen.append("begins")
        yield 4711
        seen.append("ends")

    with child.beside(service()) as value:
        assert (value, seen) == (4711, ["begins"])
    assert seen == ["begins", "ends"]
