"""One server process: every real part between the socket and the disk, wired as the program wires them.

Not real: HTTP and WebSocket framing, media, traces, the thread of the store (its groups are).
"""

from __future__ import annotations

import asyncio
import inspect
import random
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any

import apsw

from midcall.bus.local import LocalBus
from midcall.core.accounts import Account, AccountStatus, ApiKey, Application
from midcall.core.errors import Refused
from midcall.core.messages import Limits
from midcall.core.sids import AccountSid, ApplicationSid, CallSid, KeySid
from midcall.media.none import NoneEngine
from midcall.ports import Bus, Nudge, Sender, Store, TraceEvent
from midcall.signalling.connection import Connection
from midcall.signalling.hub import Hub
from midcall.signalling.limits import SignallingLimits
from midcall.storage.inline import InlineWorker
from midcall.storage.memory import MemoryStore
from midcall.storage.sqlite import SqliteStore, connect, prepare
from midcall.storage.verbs import resources
from midcall.storage.worker import Groups, Task, refuse_all
from midcall.switch.accounts import Accounts
from midcall.switch.calls import Calls
from midcall.switch.fetch import TwimlFetcher
from midcall.switch.legs import Legs
from midcall.switch.messages import Messages
from midcall.switch.numbers import Numbers
from midcall.switch.replays import Replays
from midcall.switch.rooms import Rooms
from midcall.webhooks.dispatcher import Dispatcher
from simulation import disk
from simulation.customers import EVERYTHING, STATUS, VOICE, SimulatedSender
from simulation.disk import Disk, Trouble
from simulation.loop import Process
from simulation.network import Link

if TYPE_CHECKING:
    from simulation.world import World

ACCOUNT = AccountSid("AC" + "1" * 32)
KEY = KeySid("SK" + "1" * 32)
APPLICATION = ApplicationSid("AP" + "1" * 32)
HEARING_APPLICATION = ApplicationSid("AP" + "2" * 32)
SECRET = "k" * 32
CAPACITY = 20_000


CREATED_AT = 1_700_000_000.0

_ROWS = (
    Account(
        sid=ACCOUNT,
        owner_sid=ACCOUNT,
        friendly_name="simulated",
        status=AccountStatus.ACTIVE,
        auth_token="b" * 32,
        created_at=CREATED_AT,
        updated_at=CREATED_AT,
    ),
    ApiKey(
        sid=KEY,
        account_sid=ACCOUNT,
        friendly_name="",
        secret=SECRET,
        is_main=False,
        created_at=CREATED_AT,
        updated_at=CREATED_AT,
    ),
    Application(
        sid=APPLICATION,
        account_sid=ACCOUNT,
        friendly_name="",
        voice_url=VOICE,
        status_callback=STATUS,
        created_at=CREATED_AT,
        updated_at=CREATED_AT,
    ),
    Application(
        sid=HEARING_APPLICATION,
        account_sid=ACCOUNT,
        friendly_name="",
        voice_url=VOICE,
        status_callback=STATUS,
        message_callback=EVERYTHING,
        created_at=CREATED_AT,
        updated_at=CREATED_AT,
    ),
)


class Durable:
    """What outlives a process: the rows of a memory store, or the files of a disk."""

    def __init__(self, *, on_disk: bool) -> None:
        self.memory = _fresh_memory()
        self.disk = Disk(_fresh_image() if on_disk else None)
        self.on_disk = on_disk

    def crash(self, rng: random.Random, *, power_cut: bool) -> None:
        if self.on_disk:
            self.disk = Disk(self.disk.after_crash(rng, power_cut=power_cut))


class Machine:
    """A server process from its start to its end.

    Attributes:
        ready: clients and customers are let in.
        stalled: the second dispatcher does nothing until this is set.
    """

    account = ACCOUNT

    def __init__(self, world: World, durable: Durable) -> None:
        plan = world.plan
        self.world = world
        self.durable = durable
        self.process = process = Process(world.clock)
        self.ready = False
        self.links: dict[Link, Connection] = {}
        self.trace = _NoTrace()
        entropy = self.entropy
        self._db: apsw.Connection | None = None
        self.store: Store = self._open_store()
        self.bus: Bus = _LossyBus(plan.lost_nudges, world.server_rng, process)
        sender: Sender = SimulatedSender(world, self)
        self.messages = Messages(store=self.store, bus=self.bus, clock=process, entropy=entropy, limits=Limits())
        self.replays = Replays(store=self.store, bus=self.bus, clock=process, entropy=entropy)
        self.accounts = Accounts(self.store, process)
        self.hub = Hub(
            messages=self.messages,
            clock=process,
            entropy=entropy,
            limits=SignallingLimits(unreceipted_messages=plan.window),
        )
        media = self.media = NoneEngine()
        self.legs = Legs(
            store=self.store,
            media=media,
            devices=self.hub,
            bus=self.bus,
            fetcher=TwimlFetcher(self.store, sender, process, self.trace),
            clock=process,
            entropy=entropy,
            trace=self.trace,
        )
        rooms = Rooms(self.legs, store=self.store, media=media, clock=process, entropy=entropy)
        numbers = Numbers(store=self.store, clock=process, entropy=entropy)
        self.calls = Calls(
            store=self.store, legs=self.legs, rooms=rooms, numbers=numbers, clock=process, entropy=entropy
        )
        self.hub.attach(self.calls, self.bus)
        self.gate = Gate()
        self.dispatchers = [self._dispatcher(self.store, sender)]
        if plan.dispatchers == 2:
            # As if on another node: the same store, and a process that may be stopped for a while.
            stalling: Any = _Stalling(self.store, self.gate)
            self.dispatchers.insert(0, self._dispatcher(stalling, _Stalling(sender, self.gate)))

    def entropy(self, size: int) -> bytes:
        return bytes(size) if self.process.dead else self.world.server_rng.randbytes(size)

    def _dispatcher(self, store: Store, sender: Any) -> Dispatcher:
        return Dispatcher(
            store, sender, self.bus, self.process, self.trace, self.entropy, sweep_s=self.world.plan.sweep_s
        )

    def _open_store(self) -> Store:
        world, process = self.world, self.process

        def delays() -> tuple[float, float]:
            return (0.0, 0.0) if process.dead else (world.commit_delay(), world.commit_delay())

        if not self.durable.on_disk:
            writing = _MemoryGroups(self.durable, world, process)
            reading = _MemoryGroups(self.durable, None, process)
            grouped: Any = GroupedMemory(
                self.durable.memory,
                InlineWorker(writing, process, delays=delays, capacity=CAPACITY),
                InlineWorker(reading, process, delays=delays, capacity=CAPACITY),
            )
            return grouped  # type: ignore[no-any-return]
        self.durable.disk.rng = world.server_rng
        disk.mount(self.durable.disk)
        self._db = connect(disk.DATABASE, vfs=disk.NAME, exclusive=True)
        prepare(self._db)
        writer = _DiskGroups(Groups(self._db, name="writer", begin="BEGIN IMMEDIATE"), world, process)
        reader = _DiskGroups(Groups(self._db, name="reader", begin="BEGIN"), None, process)
        return SqliteStore(
            InlineWorker(writer, process, delays=delays, capacity=CAPACITY),
            InlineWorker(reader, process, delays=delays, capacity=CAPACITY),
        )

    # the life of the process

    def begin(self) -> None:
        """Start, as the program does; `ready` is set once it has."""
        self.process.create_task(self._start())

    async def _start(self) -> None:
        while True:
            try:
                await self.calls.recover()
                break
            except Refused:  # the disk is in trouble; whoever runs the server starts it again
                await self._pause(1.0)
        await self.media.start(self.legs.on_media)
        for dispatcher in self.dispatchers:
            await dispatcher.start()
        self.ready = True
        self.world.history.tell(self.world.now, "server", "ready")

    async def _pause(self, seconds: float) -> None:
        over = self.process.create_future()
        self.process.call_later(seconds, over.set_result, None)
        await over

    def stop(self, done: Callable[[], None]) -> None:
        """End in order, as after SIGTERM."""
        self.ready = False

        async def work() -> None:
            await self.calls.stop(0)
            for connection in list(self.links.values()):
                connection.close()
            await self._pause(1.0)
            await self.hub.close()
            await self.calls.close()
            for dispatcher in self.dispatchers:
                await dispatcher.close()
            await self.store.close()
            done()

        self.process.create_task(work())

    def kill(self) -> None:
        """As SIGKILL, or a power cut: nothing in the process gets another moment."""
        self.ready = False
        self.process.kill()

    def bury(self) -> None:
        """Take apart what is left of a killed process."""
        self.process.bury()
        if self._db is not None:
            self.durable.disk.trouble = Trouble.NONE
            self.durable.disk.fuse = None
            self._db.close()

    # who comes in

    def accept(self, link: Link) -> None:
        connection = Connection(link.socket, self.hub, self.accounts, welcome=lambda: None)
        self.links[link] = connection
        task = self.process.create_task(connection.run())
        task.add_done_callback(lambda _: self.links.pop(link, None))

    def ask(
        self, work: Callable[[Machine], Coroutine[Any, Any, str]], done: Callable[[str | None, Refused | None], None]
    ) -> None:
        """A request of a customer; `done` gets the answer, or nothing twice when there is none."""

        async def run() -> None:
            try:
                sid = await work(self)
            except Refused as refused:
                if not self.process.dead:
                    done(None, refused)
            else:
                if not self.process.dead:
                    done(sid, None)

        self.process.create_task(run())

    # what the checker may look at in the end

    def look(self, wanted: Coroutine[Any, Any, Any]) -> Any:
        """Read the store, while the world waits."""
        future = self.process.create_task(wanted)
        self.world.run_until(future.done, 60.0, look_s=0.05)
        return future.result()

    @property
    def has_work(self) -> bool:
        """Whether a lane has something to send."""
        if self._db is not None:
            return bool(self._db.execute("SELECT EXISTS (SELECT 1 FROM lanes WHERE ready_at IS NOT NULL)").get)
        return any(True for _ in self.durable.memory._ready_lanes())


class _NoTrace:
    def record(self, event: TraceEvent) -> None:
        return None

    async def timeline(self, account: AccountSid, leg: CallSid, limit: int) -> Sequence[TraceEvent]:
        return ()

    async def forget(self, account: AccountSid, leg: CallSid) -> None:
        return None

    async def close(self) -> None:
        return None


class _LossyBus(LocalBus):
    def __init__(self, lost: float, rng: random.Random, process: Process) -> None:
        super().__init__()
        self._lost = lost
        self._rng = rng
        self._process = process

    def nudge(self, nudge: Nudge) -> None:
        if self._process.dead:
            return
        if not self._lost or self._rng.random() >= self._lost:
            super().nudge(nudge)


class Gate:
    """Closed while a process is stopped."""

    def __init__(self) -> None:
        self._open: asyncio.Event | None = None

    def shut(self) -> None:
        if self._open is None:
            self._open = asyncio.Event()

    def open(self) -> None:
        if self._open is not None:
            self._open.set()
            self._open = None

    async def pass_through(self) -> None:
        while self._open is not None:
            await self._open.wait()


class _Stalling:
    """Another node's view of a part: while the node is stopped, no answer gets to it."""

    def __init__(self, part: object, gate: Gate) -> None:
        self._part = part
        self._gate = gate

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._part, name)

        async def call(*args: Any, **named: Any) -> Any:
            try:
                return await method(*args, **named)
            finally:
                await self._gate.pass_through()

        return call


READS = {
    *("account", "accounts", "key", "keys", "application", "applications", "call", "calls"),
    *("phone_number", "phone_number_of", "phone_numbers"),
    *("entries_after", "undelivered", "subscriptions", "lanes", "alerts"),
}
"""What runs beside the writer, as in the SQLite store."""


LAZY = {"move_cursor", "due_lanes", "next_due", "claim", "claim_due", "settle"}
"""What that store commits lazily, ahead of the rest of its group."""


class GroupedMemory:
    """The memory store behind workers: the same groups, delays and losses as on a disk, without the disk."""

    def __init__(self, memory: MemoryStore, writer: InlineWorker, reader: InlineWorker) -> None:
        self._memory = memory
        self._writer = writer
        self._reader = reader

    async def close(self) -> None:
        await self._reader.close()
        await self._writer.close()

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._memory, name)
        worker = self._reader if name in READS else self._writer
        lazy = name in LAZY
        made: Any
        if inspect.iscoroutinefunction(method):

            async def made(*args: Any, **named: Any) -> Any:
                return await worker.submit(lambda _: _at_once(method(*args, **named)), lazy=lazy)
        else:

            def made(*args: Any, **named: Any) -> None:
                worker.submit_soon(lambda _: method(*args, **named), lazy=lazy)

        setattr(self, name, made)
        return made


def _at_once(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """The result of a coroutine that never waits."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("the memory store waits for something")


class _MemoryGroups:
    """Runs groups on the memory store; a disk in trouble refuses them whole."""

    def __init__(self, durable: Durable, world: World | None, process: Process) -> None:
        self._durable = durable
        self._world = world
        self._process = process

    def run(self, tasks: list[Task]) -> None:
        if self._process.dead:
            return
        disk = self._durable.disk
        if self._world is not None and (
            disk.trouble is Trouble.FULL or (disk.trouble is Trouble.BROKEN and self._world.server_rng.random() < 0.5)
        ):
            refuse_all(tasks)
            return
        for task in tasks:
            try:
                task.result = task.job(None)  # type: ignore[arg-type]
            except Exception as error:
                task.error = error
        if self._world is not None:
            self._world.event("commit")

    def close(self) -> None:
        return None


class _DiskGroups:
    """Groups of a store on the disk, which tell the world of their commits."""

    def __init__(self, groups: Groups, world: World | None, process: Process) -> None:
        self._groups = groups
        self._world = world
        self._process = process

    def run(self, tasks: list[Task]) -> None:
        if self._process.dead:
            return
        self._groups.run(tasks)
        if self._world is not None:
            self._world.event("commit")

    def close(self) -> None:
        self._groups.close()


def _fresh_memory() -> MemoryStore:
    store = MemoryStore()
    account, key, *applications = _ROWS
    _at_once(store.put_account(account))
    _at_once(store.put_key(key))
    for application in applications:
        _at_once(store.put_application(application))
    return store


_image: dict[str, bytes] | None = None


def _fresh_image() -> dict[str, bytes]:
    """A disk with an empty database on it, made once per process."""
    global _image
    if _image is None:
        made = Disk()
        disk.mount(made)
        db = connect(disk.DATABASE, vfs=disk.NAME, exclusive=True)
        prepare(db)
        account, key, *applications = _ROWS
        resources.put_account(db, account)
        resources.put_key(db, key)
        for application in applications:
            resources.put_application(db, application)
        db.close()
        _image = {path: bytes(file.live) for path, file in made.files.items()}
    return _image
