"""One server for all official clients; their tests share its event loop."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

pytest.register_assert_rewrite("clients.operations", "clients.client", "clients.table", "clients.recorded.replay")

from clients.stage import Stage, stage  # noqa: E402

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    one_loop = pytest.mark.asyncio(loop_scope="session")
    for item in items:
        if HERE in item.path.parents and isinstance(item, pytest.Function) and pytest_asyncio.is_async_test(item):
            item.add_marker(one_loop, append=False)
            item.add_marker(pytest.mark.timeout(480))  # each waits for another program some twenty times


@pytest_asyncio.fixture(scope="session", loop_scope="session", name="stage")
async def running_stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """A server with media off, an application, and calls to list."""
    async with stage(tmp_path_factory.mktemp("clients")) as running:
        yield running
