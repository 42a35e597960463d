"""Kill, start again, compare: the campaign that `make crash` and the tests run, in different lengths.

One data folder, one pair of ports, one ledger; endpoints outlive the servers. After the last kill the lanes drain, the
server is asked for its lists, and stops in peace.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Final

import aiohttp
import apsw

from crash import checker, moments
from crash.checker import Verdict, Violation
from crash.disks import Disk
from crash.endpoints import Endpoints
from crash.ledger import Ledger, Listed, Logged
from crash.load import Account, Load, Mix, Numbers, Rest
from crash.victim import NotReady, Victim

CYCLE_S: Final = 8.0
"""A moment that has not come by then (fewer writes than expected) becomes now."""
DRAIN_S: Final = 240.0
PATIENCE_S: Final = 15.0
DIES_AT_START: Final = 0.08
"""Share of restarts that are killed once more before they are ready."""
DISK_TROUBLE: Final = "does not work"
"""What the server says, once, when the disk is full."""


@dataclass(slots=True)
class Report:
    """What a campaign did and what came of it."""

    verdict: Verdict = field(default_factory=Verdict)
    kills: Counter[str] = field(default_factory=Counter)
    recoveries: list[float] = field(default_factory=list)
    calls: int = 0
    subscriptions: int = 0
    resumes: int = 0
    refused: int = 0
    served_on_full_disk: int = 0
    resumed_in_s: list[float] = field(default_factory=list)
    seconds: float = 0.0
    drained_in_s: float = 0.0
    notes: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        return self.verdict.holds

    @property
    def worst_recovery_s(self) -> float:
        """From the start of a process to its being ready."""
        return max(self.recoveries, default=0.0)

    def broken(self, rule: str, case: str) -> None:
        self.verdict.violations.append(Violation(rule, case))


Progress = Callable[[int, str], None]


class Campaign:
    """One server's many deaths.

    Args:
        scratch: folder for the data, the server's log and the ledger.
        seed: of everything that is drawn here; the machine's timing is not.
        data_dir: instead of a folder in `scratch`.
    """

    def __init__(self, scratch: Path, seed: int, *, mix: Mix | None = None, data_dir: Path | None = None) -> None:
        scratch.mkdir(parents=True, exist_ok=True)
        self.scratch = scratch
        self.dice = random.Random(seed)
        # Of their own, so that how often the load throws the others does not decide when the server dies.
        self.deaths = random.Random(f"{seed} deaths")
        self.mix = mix or Mix()
        self.ledger = Ledger()
        self.victim = Victim(data_dir or scratch / "data", scratch / "server.log")
        self.report = Report()
        self.numbers = Numbers.from_one()
        self._session: aiohttp.ClientSession | None = None
        self._endpoints: Endpoints | None = None

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Endpoints are up and the first server is; both are gone afterwards."""
        connector = aiohttp.TCPConnector(limit=0)
        timeout = aiohttp.ClientTimeout(total=30)
        async with (
            Endpoints(self.ledger, self.dice, lambda: self.victim.run) as endpoints,
            aiohttp.ClientSession(connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as session,
        ):
            self._endpoints, self._session = endpoints, session
            try:
                await self.victim.start()
                await self._point_application_here()
                yield
            finally:
                self.victim.kill()
                await self.victim.dead()
                self.victim.close()

    async def _point_application_here(self) -> None:
        assert self._session and self._endpoints
        account = Account.of(self.victim)
        status, _ = await Rest(account, self._session).post(
            f"Applications/{account.application_sid}", VoiceUrl=f"{self._endpoints.url}/voice"
        )
        assert status == 200, status

    def load(self, mix: Mix | None = None) -> Load:
        """Clients for the server that is up now."""
        assert self._session and self._endpoints
        return Load(
            Account.of(self.victim), self.ledger, self.dice, self.numbers, mix or self.mix,
            run=self.victim.run, endpoints_url=self._endpoints.url, session=self._session,
        )  # fmt: skip

    async def kill_again_and_again(self, kills: int, *, longest_s: float, progress: Progress) -> None:
        """The campaign proper: the server is up before and after it."""
        killed = 0
        while killed < kills:
            moment = moments.draw(self.deaths, longest_s)
            await self._until_killed(moment)
            killed += 1
            self.report.kills[moment.name] += 1
            progress(killed, moment.name)
            while killed < kills and self.deaths.random() < DIES_AT_START:
                await self._kill_a_start()
                killed += 1
                self.report.kills["while starting"] += 1
                progress(killed, "while starting")
            await self.victim.start()

    async def fill_again_and_again(self, disk: Disk, times: int, *, progress: Progress) -> None:
        """The disk is full in the middle of the work; in half of the cases the server dies of SIGKILL meanwhile."""
        for number in range(1, times + 1):
            dies = number % 2 == 0
            name = "on a full disk" if dies else "after a full disk"
            await self._fill(disk, dies=dies)
            self.report.kills[name] += 1
            progress(number, name)
            if dies:
                await self._start_on_a_full_disk(disk)
            await self.victim.start()

    async def _fill(self, disk: Disk, *, dies: bool) -> None:
        async with self.load() as load:
            load.begin()
            await self._expect_work(load, "work before the disk is full")
            disk.fill(self.victim)
            await self._until(
                "both directions are refused on a full disk", lambda: load.refused > 0 and load.unavailable > 0
            )
            if not dies:
                disk.free(self.victim)
                began = monotonic()
                await self._expect_work(load, "work again once there is room")
                self.report.resumed_in_s.append(monotonic() - began)
                arrived = len(self.ledger.arrived) + 10
                await self._until(
                    "endpoints hear again once there is room", lambda: len(self.ledger.arrived) >= arrived
                )
            self.victim.kill()
            await self.victim.dead()
            await load.server_is_dead()
            self.report.refused += load.refused + load.unavailable
            self._took_part(load)

    async def _start_on_a_full_disk(self, disk: Disk) -> None:
        """The server may serve, or say why not, but it must not harm what is there."""
        with suppress(NotReady):
            await self.victim.spawn(disk.limits())
            await self.victim.ready()
            self.report.served_on_full_disk += 1
        self.victim.kill()
        await self.victim.dead()
        disk.free(self.victim)

    async def _expect_work(self, load: Load, what: str) -> None:
        acks, answers = load.acks + 10, load.answers + 5
        await self._until(what, lambda: load.acks >= acks and load.answers >= answers)

    async def _until(self, what: str, reached: Callable[[], bool]) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not reached():  # noqa: ASYNC110  # another process's work
                    await asyncio.sleep(0.01)
        except TimeoutError:
            self.report.broken("a full disk", f"{what}: not within {PATIENCE_S:g} s")

    async def _until_killed(self, moment: moments.Moment) -> None:
        last_run = self.victim.run - 1
        async with self.load() as load:
            await moment.arm(self.victim, load)
            load.begin()
            load.spawn_repeats(last_run)
            try:
                async with asyncio.timeout(CYCLE_S):
                    await self.victim.dead()
            except TimeoutError:
                self.victim.kill()
                await self.victim.dead()
            await moment.disarm()
            await load.server_is_dead()
            self._took_part(load)

    def _took_part(self, load: Load) -> None:
        self.report.calls += len(load.legs)
        self.report.resumes += load.resumes
        for fault in load.faults:
            self.report.broken("an answer that nobody expects", fault)

    async def _kill_a_start(self) -> None:
        await self.victim.spawn()
        await asyncio.sleep(self.deaths.uniform(0, 1.2))  # somewhere in a start
        self.victim.kill()
        await self.victim.dead()

    # the end

    async def finish(self) -> Report:
        """Let lanes drain, ask the server for its lists, stop it in peace, and judge."""
        began = monotonic()
        await self._ask_again()
        await self._drain()
        self.report.drained_in_s = monotonic() - began
        await self._ask_for_the_lists()
        code = await self.victim.stop()
        if code != 0:
            self.report.broken("the last stop", f"the server ended with {code}: {self.victim.last_words()}")
        return self._judge()

    async def _ask_again(self) -> None:
        async with self.load() as load:
            await load.repeat_what_had_no_answer(self.victim.run - 1, sample=50)
            self._took_part(load)

    async def _drain(self) -> None:
        assert self._endpoints
        self._endpoints.well = True
        try:
            async with asyncio.timeout(DRAIN_S):
                while waiting := lanes_with_work(self.victim.database):  # noqa: ASYNC110  # another process's work
                    await asyncio.sleep(0.1)
        except TimeoutError:
            for lane in waiting:
                self.report.broken("a lane that does not drain", lane)

    async def _ask_for_the_lists(self) -> None:
        """What the server itself says about every message and every call."""
        assert self._session
        rest = Rest(Account.of(self.victim), self._session)
        directions = {"from-client": checker.FROM_CLIENT, "to-client": checker.TO_CLIENT}
        for message in await rest.export():
            self.ledger.logged.append(
                Logged(
                    leg=message["call_sid"],
                    log=directions[message["direction"]],
                    seq=int(message["sequence_number"]),
                    sid=message["sid"],
                    content=message["content"],
                    state=message["state"],
                )
            )
        for leg in sorted(self.ledger.legs()):
            for row in await rest.undelivered(leg):
                if row["direction"] in directions:
                    self.ledger.listed.append(
                        Listed(
                            leg=leg,
                            log=directions[row["direction"]],
                            seq=int(row["sequence_number"]),
                            reader=row["subscription_sid"] or "",
                            reason=row["reason"],
                        )
                    )
            status = await rest.status_of(leg)
            if status not in checker.FINAL:
                self.report.broken("a call that does not end", f"{leg} is {status}")

    def _judge(self) -> Report:
        report = self.report
        verdict = checker.check(self.ledger)
        verdict.violations[:0] = report.verdict.violations
        report.verdict = verdict
        for line in self.victim.complaints():
            if DISK_TROUBLE not in line:
                report.broken("an error in the server's log", line)
        report.recoveries = self.victim.recoveries
        report.subscriptions = sum(asked.status == 201 for asked in self.ledger.subscribed)
        self.ledger.keep(self.scratch / "ledger.jsonl")
        return report


def lanes_with_work(database: Path) -> list[str]:
    """Lanes of a live server that have something to send, seen from outside."""
    db = apsw.Connection(str(database), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        db.set_busy_timeout(1000)
        found = db.execute("SELECT url, cursor, attempts, state FROM lanes WHERE ready_at IS NOT NULL").fetchall()
        return [f"{url} stands at {at}, {state} after {attempts} attempts" for url, at, attempts, state in found]
    finally:
        db.close()
