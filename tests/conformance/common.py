"""What scenarios of several files look for."""

from __future__ import annotations

import asyncio

from conformance.driver import EVENT_TIMEOUT_S, Call, Event

QUIET = 0.01
"""Peaks below this are silence; the tone that clients say is far above it."""
LISTEN_S = 0.3


async def until_quiet(call: Call) -> None:
    """Wait until nothing is heard any more."""
    async with asyncio.timeout(EVENT_TIMEOUT_S):
        while await call.loudness(LISTEN_S) >= QUIET:
            pass


async def until_heard(call: Call) -> None:
    """Wait until something is heard."""
    async with asyncio.timeout(EVENT_TIMEOUT_S):
        while await call.loudness(LISTEN_S) < QUIET:
            pass


async def told(call: Call, event: str, first: object, *, timeout: float = EVENT_TIMEOUT_S) -> Event:
    """The first event of that name with that first argument."""
    count = 1
    while (found := await call.wait_for(event, count=count, timeout=timeout)).arg != first:
        count += 1
    return found
