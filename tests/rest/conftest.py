"""The REST edge, running; at the end no answer may have been one that the OpenAPI document does not describe."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from support.rest import Edge


@pytest.fixture
async def edge() -> AsyncIterator[Edge]:
    running = Edge()
    await running.start()
    yield running
    await running.stop()
    assert running.checked.broken == []
