"""The composition root: every part is made here by its plain constructor, and here is the order in which they end."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from aiohttp import web

from midcall.app import health
from midcall.app.clock import SystemClock
from midcall.bus.local import LocalBus
from midcall.folder import Folder
from midcall.ports import Bus, Clock, Entropy, Store, Trace
from midcall.settings import Settings
from midcall.storage.memory import MemoryStore
from midcall.storage.trace import MemoryTrace


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """A wired server, before and after it listens."""

    clock: Clock
    entropy: Entropy
    store: Store
    trace: Trace
    bus: Bus
    health: health.Health
    web: web.Application

    async def start(self) -> None:
        """End what a crash left over, then let the lanes and the media run."""
        self.health.is_ready = True

    def refuse_new_work(self) -> None:
        self.health.is_ready = False

    def live_calls(self) -> int:
        return 0

    async def calls_over(self) -> None:
        """Returns when no call is live."""

    async def end_calls(self) -> None:
        """Complete what is live."""

    async def close(self) -> None:
        """Let go in the order of the flow: deliveries in flight settle before the store closes."""
        await self.trace.close()
        await self.store.close()


async def build(settings: Settings, folder: Folder) -> App:
    """Wire a server. Nothing listens and nothing is sent before `App.start`.

    Args:
        settings: checked.
        folder: taken by this process.
    """
    clock = SystemClock()
    store = MemoryStore()
    trace = MemoryTrace()
    state = health.Health()
    application = web.Application()
    health.add_routes(application, state)
    return App(
        clock=clock,
        entropy=secrets.token_bytes,
        store=store,
        trace=trace,
        bus=LocalBus(),
        health=state,
        web=application,
    )
