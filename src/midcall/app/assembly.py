"""The composition root: every part is made here by its plain constructor, and here is the order in which they end."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import apsw
from aiohttp import web

from midcall.app.clock import SystemClock
from midcall.app.entropy import PooledEntropy
from midcall.app.lag import LoopLag
from midcall.app.measures import measure
from midcall.app.retention import Retention
from midcall.browser import sounds
from midcall.browser.gateway import EventGateway
from midcall.bus.local import LocalBus
from midcall.core.lanes import Encoding
from midcall.core.messages import Limits
from midcall.core.sids import AccountSid
from midcall.folder import Folder, FolderUnusable
from midcall.media import make_media
from midcall.ports import Bus, Clock, Entropy, Media, Sender, Store
from midcall.rest.app import rest_app
from midcall.rest.endpoint import Api
from midcall.rest.health import Health
from midcall.settings import Settings, SettingsError
from midcall.signalling.handler import Signalling
from midcall.signalling.hub import Hub
from midcall.signalling.limits import Place, SignallingLimits
from midcall.storage.queries import SchemaTooNew
from midcall.storage.sqlite import SqliteStore
from midcall.storage.trace import MemoryTrace, SqliteTrace
from midcall.switch.accounts import Accounts
from midcall.switch.calls import Calls
from midcall.switch.feedback import Feedbacks
from midcall.switch.fetch import TwimlFetcher
from midcall.switch.history import History
from midcall.switch.insights import Insights
from midcall.switch.legs import Legs
from midcall.switch.lines import Lines
from midcall.switch.messages import Messages
from midcall.switch.numbers import Numbers
from midcall.switch.phones import Phones
from midcall.switch.replays import Replays
from midcall.switch.rooms import Rooms
from midcall.switch.webhooks import Webhooks
from midcall.telemetry import Metrics
from midcall.webhooks.dispatcher import SWEEP_S, Dispatcher
from midcall.webhooks.guard import Guard, Mode
from midcall.webhooks.sender import HttpSender

_log = logging.getLogger(__name__)

LAST_CALLBACKS_S: Final = 2.0
"""How long a stopping server waits for callbacks about calls that it ended. What is left goes out at the next start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a server stands on: made from the settings, or by whoever wants another world around it.

    Attributes:
        clock: wall time for stamps, waits on the running loop.
        entropy: makes sids, secrets, and the jitter of retries.
        sender: reaches customers' servers. The server closes it, as it does store, trace and media.
        measures_lag: look four times a second how late the loop is.
        sweep_s: how often the store is searched for deliveries that a nudge should have told of, and did not.
    """

    clock: Clock
    entropy: Entropy
    sender: Sender
    store: Store
    trace: MemoryTrace | SqliteTrace
    media: Media
    measures_lag: bool = True
    sweep_s: float = SWEEP_S

    @classmethod
    def of(cls, settings: Settings, folder: Folder) -> Parts:
        """The parts of a server that runs by itself.

        Raises:
            FolderUnusable: the database cannot be opened.
            SettingsError: a file that a setting names cannot be used.
        """
        return cls(
            clock=SystemClock(),
            entropy=PooledEntropy(),
            sender=_sender(settings),
            store=_store(settings, folder),
            trace=_trace(settings, folder),
            media=_media(settings),
        )


class App:
    """A wired server, before and after it listens."""

    def __init__(self, settings: Settings, parts: Parts) -> None:
        self.clock = parts.clock
        self.entropy = parts.entropy
        self.metrics = Metrics()
        self.bus: Bus = LocalBus()
        self.sender = parts.sender
        self.store = parts.store
        self.trace = parts.trace
        self.media = parts.media
        self.accounts = Accounts(self.store, self.clock)
        self.numbers = Numbers(store=self.store, clock=self.clock, entropy=self.entropy)
        self.feedbacks = Feedbacks(store=self.store, sender=self.sender, clock=self.clock, entropy=self.entropy)
        self.insights = Insights(
            store=self.store,
            log=self.trace.insights,
            accounts=self.accounts,
            feedbacks=self.feedbacks,
            clock=self.clock,
            entropy=self.entropy,
        )
        self.messages = Messages(
            store=self.store, bus=self.bus, clock=self.clock, entropy=self.entropy, limits=_limits(settings)
        )
        self.dispatcher = Dispatcher(
            self.store,
            self.sender,
            self.bus,
            self.clock,
            self.trace,
            self.entropy,
            encoding=_encoding(settings),
            sweep_s=parts.sweep_s,
        )
        self.hub = Hub(
            messages=self.messages,
            clock=self.clock,
            entropy=self.entropy,
            trace=self.trace,
            limits=_signalling_limits(settings),
            place=Place(edge=settings.edge, region=settings.region, home=settings.home),
        )
        self.signalling = Signalling(self.hub, self.accounts)
        self.legs = Legs(
            store=self.store,
            media=self.media,
            devices=self.hub,
            bus=self.bus,
            fetcher=TwimlFetcher(self.store, self.sender, self.clock, self.trace),
            clock=self.clock,
            entropy=self.entropy,
            trace=self.trace,
            first_sequence=settings.first_sequence,
        )
        self.lines = Lines(self.legs, self.numbers, self.clock)
        self.phones = Phones()
        self.calls = Calls(
            store=self.store,
            legs=self.legs,
            rooms=Rooms(
                self.legs,
                store=self.store,
                media=self.media,
                clock=self.clock,
                entropy=self.entropy,
                phones=self.phones,
            ),
            numbers=self.numbers,
            clock=self.clock,
            entropy=self.entropy,
            trace=self.trace,
            phones=self.phones,
            resume_floor_s=settings.resume_window,
        )
        self.hub.attach(self.calls, self.bus)
        self.accounts.on_withdrawal(self.signalling.revoke)
        self.retention = Retention(
            self.store,
            self.trace,
            self.clock,
            insights=self.trace.insights,
            days=settings.retention_days,
            messages=settings.retention_messages,
        )
        measure(self.metrics, self.calls, self.hub)
        self.lag = LoopLag(self.clock, self.metrics) if parts.measures_lag else None
        self._unready: str | None = "starting"
        self.web = self._web(settings)

    def _web(self, settings: Settings) -> web.Application:
        api = Api(
            store=self.store,
            calls=self.calls,
            messages=self.messages,
            history=History(store=self.store, messages=self.messages, devices=self.hub),
            insights=self.insights,
            feedbacks=self.feedbacks,
            replays=Replays(store=self.store, bus=self.bus, clock=self.clock, entropy=self.entropy),
            accounts=self.accounts,
            numbers=self.numbers,
            trace=self.trace,
            webhooks=Webhooks(store=self.store, trace=self.trace),
            clock=self.clock,
            entropy=self.entropy,
        )
        health = Health(
            readiness=lambda: self._unready, metrics=self.metrics, metrics_token=settings.metrics_token or None
        )
        application = rest_app(api, health, self.metrics)
        application.router.add_get("/signal", self.signalling.handle)
        sounds.add_routes(application.router)
        EventGateway(self.insights, self.metrics).add_routes(application.router)
        return application

    async def start(self, owner: AccountSid) -> None:
        """End what a crash left over, then let media and lanes run.

        Args:
            owner: the account that the server began with.
        """
        if ended := await self.calls.recover():
            _log.warning("%d legs were live when the last server died; they have ended now", ended)
        await self.media.start(self.legs.on_media)
        await self.dispatcher.start()
        self.retention.start(owner)
        if self.lag is not None:
            self.lag.start()
        self._unready = None

    async def stop(self, drain_s: float, hurry: asyncio.Event) -> None:
        """Refuse new work, give live calls their time (less when `hurry` is set), end them, tell their servers."""
        self._unready = "stopping"
        if drain_s and self.calls.live:
            _log.info("%d live legs have %g s to end", self.calls.live, drain_s)
        await _before(hurry, self.calls.stop(drain_s))
        if hurry.is_set():
            await self.calls.stop(0)
        else:
            await _before(hurry, self._tell_all(LAST_CALLBACKS_S))
        await self.signalling.close()

    async def _tell_all(self, limit_s: float) -> None:
        """Wait until nothing is due, so that servers hear of the calls that just ended."""
        until = self.clock.monotonic() + limit_s
        while self.clock.monotonic() < until:
            due = await self.store.next_due()
            if due is None or due > self.clock.now():
                return
            await asyncio.sleep(0.02)

    async def close(self) -> None:
        """Let go in the order of the flow: deliveries in flight settle before the store closes."""
        if self.lag is not None:
            self.lag.close()
        await self.retention.close()
        await self.signalling.close()
        await self.calls.close()
        await self.feedbacks.close()
        await self.dispatcher.close()
        await self.sender.close()
        await self.media.close()
        await self.trace.close()
        await self.store.close()


async def _before(hurry: asyncio.Event, work: Coroutine[object, object, None]) -> None:
    """Do the work, or give it up when somebody is in a hurry."""
    working = asyncio.ensure_future(work)
    hurried = asyncio.ensure_future(hurry.wait())
    try:
        await asyncio.wait((working, hurried), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
    finally:
        working.cancel()
        hurried.cancel()
        await asyncio.gather(working, hurried, return_exceptions=True)


async def build(settings: Settings, folder: Folder) -> App:
    """Wire a server. Nothing listens and nothing is sent before `App.start`.

    Args:
        settings: checked.
        folder: taken by this process.

    Raises:
        FolderUnusable: the database cannot be opened.
        SettingsError: a file that a setting names cannot be used.
    """
    return App(settings, Parts.of(settings, folder))


def _store(settings: Settings, folder: Folder) -> Store:
    try:
        return SqliteStore.open(":memory:" if settings.keeps_nothing else folder.database)
    except apsw.Error as error:
        raise FolderUnusable(f"{folder.database} cannot be opened as a database: {error}") from None
    except SchemaTooNew as error:
        raise FolderUnusable(f"{folder.database} is from a newer Midcall ({error}); start that one") from None


def _trace(settings: Settings, folder: Folder) -> MemoryTrace | SqliteTrace:
    if settings.keeps_nothing:
        return MemoryTrace()
    try:
        return SqliteTrace.open(folder.trace_database)
    except (apsw.Error, SchemaTooNew, OSError) as error:
        # Timelines were never promised; a server without them is better than none.
        _log.warning("%s cannot be used (%s); timelines are kept in memory", folder.trace_database, error)
        return MemoryTrace()


def _sender(settings: Settings) -> Sender:
    mode = Mode.PRODUCTION if settings.is_production else Mode.DEV
    guard = Guard(mode, (*settings.allow_hosts, *settings.allow_networks))
    try:
        return HttpSender(guard, ca_file=Path(settings.webhook_ca_file) if settings.webhook_ca_file else None)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(
            f"webhook_ca_file = {settings.webhook_ca_file!r} cannot be used ({error}): it takes the path of a PEM file"
        ) from None


def _encoding(settings: Settings) -> Encoding | None:
    return None if settings.callback_encoding == "auto" else Encoding(settings.callback_encoding)


def _media(settings: Settings) -> Media:
    return make_media(
        settings.media_engine,
        workers=settings.media_workers,
        addresses=settings.media_addresses,
        ports=(settings.media_port_min, settings.media_port_max),
    )


def _limits(settings: Settings) -> Limits:
    return Limits(
        rest_content_chars=settings.rest_content_chars,
        sdk_content_bytes=settings.sdk_content_bytes,
        waiting_per_leg=settings.messages_waiting,
        per_second=settings.messages_per_second,
        subscriptions_per_leg=settings.subscriptions_per_call,
        first_sequence=settings.first_sequence,
    )


def _signalling_limits(settings: Settings) -> SignallingLimits:
    return SignallingLimits(
        connections_per_account=settings.connections_per_account, resume_window_s=settings.resume_window
    )
