"""The real clock: wall time of the system, waits of the running loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from midcall.ports import Timer


class SystemClock:
    """The Clock port of a server."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> Timer:
        loop = asyncio.get_running_loop()
        return loop.call_soon(callback) if delay_s <= 0 else loop.call_later(delay_s, callback)
