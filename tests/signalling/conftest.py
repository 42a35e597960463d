"""A signalling edge for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from midcall.signalling.limits import SignallingLimits
from support.edge import Edge


@pytest.fixture
async def make_edge() -> AsyncIterator[Callable[..., Any]]:
    edges: list[Edge] = []

    async def make(**limits: Any) -> Edge:
        edge = await Edge(SignallingLimits(**limits) if limits else None).up()
        edges.append(edge)
        return edge

    yield make
    for edge in edges:
        await edge.down()


@pytest.fixture
async def edge(make_edge: Callable[..., Any]) -> Edge:
    return await make_edge()
