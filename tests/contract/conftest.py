"""Every adapter of a port, by name."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from midcall.ports import Store
from midcall.storage.memory import MemoryStore
from midcall.storage.sqlite import SqliteStore


@pytest.fixture(params=["memory", "sqlite", "sqlite in memory"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    match request.param:
        case "memory":
            opened: Store = MemoryStore()
        case "sqlite":
            opened = SqliteStore.open(tmp_path / "midcall.db")
        case _:
            opened = SqliteStore.open(":memory:")
    yield opened
    await opened.close()
