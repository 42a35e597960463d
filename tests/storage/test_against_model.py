"""The SQLite store does what the memory store does, whatever is asked of it and wherever it crashes."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from midcall.core.alerts import ANY_ALERT
from midcall.core.calls import CallFilter, Status
from midcall.core.delivery import Delivered, EndLane, RetryAt, StepOver, Verdict
from midcall.core.errors import Refused
from midcall.core.lanes import Attempt, Encoding, LaneKind, Turn
from midcall.core.messages import Limits, Log, Subscription
from midcall.ports import PageRequest, StatusLane, Store
from midcall.storage.memory import MemoryStore
from midcall.storage.sqlite import SqliteStore
from support.records import (
    ACCOUNT,
    NOW,
    alert,
    call,
    call_sid,
    draft,
    key_claim,
    message_sid,
    replay,
    step,
    subscription,
    subscription_sid,
)

LEGS = st.integers(1, 2)
LANES = st.integers(1, 4)
READERS = st.sampled_from(["a", "b"])
MESSAGE_LOGS = st.sampled_from([Log.FROM_CLIENT, Log.TO_CLIENT])
KEYS = st.sampled_from([None, None, "k1", "k2"])
PARAMETERS = st.sampled_from([b"same", b"same", b"other"])
STATUS_LANES = st.sampled_from(
    [
        None,
        None,
        StatusLane(url="", method="POST"),
        StatusLane(url="http://a", method="POST"),
        StatusLane(url="http://b", method="GET"),
    ]
)
STATUSES = st.sampled_from([Status.QUEUED, Status.RINGING, Status.IN_PROGRESS, Status.IN_PROGRESS, Status.COMPLETED])
RUNS = st.lists(st.integers(1, 6), min_size=1, max_size=4)
STATUSES_OF_ANSWERS = st.sampled_from([None, 204, 500])
LIMITS = Limits(waiting_per_leg=4, subscriptions_per_leg=2)


class Stores(RuleBasedStateMachine):
    """Both stores get the same calls; every answer and everything that can be read must be equal."""

    @initialize()
    def start(self) -> None:
        self.runner = asyncio.Runner()
        self.folder = Path(tempfile.mkdtemp())
        self.generation = 0
        self.now = NOW
        self.turns: list[tuple[Turn, Turn]] = []
        self.model = MemoryStore()
        self.store = self.runner.run(self.opened(self.file))

    @property
    def file(self) -> Path:
        return self.folder / f"{self.generation}.db"

    async def opened(self, file: Path) -> SqliteStore:
        return SqliteStore.open(file)

    def both(self, ask: Callable[[Store], Awaitable[Any]]) -> Any:
        """Ask both; the model's answer when they agree."""

        async def answer(store: Store) -> Any:
            try:
                return await ask(store)
            except Refused as refused:
                return refused.rule.name

        expected, found = self.runner.run(answer(self.model)), self.runner.run(answer(self.store))
        assert found == expected
        return expected

    # what people do

    @rule(
        leg=LEGS,
        status=STATUSES,
        lane=STATUS_LANES,
        entries=st.integers(0, 2),
        reader=st.none() | READERS,
        lost=st.booleans(),
        number=st.none() | LANES,
    )
    def save(
        self,
        leg: int,
        status: Status,
        lane: StatusLane | None,
        entries: int,
        reader: str | None,
        lost: bool,
        number: int | None,
    ) -> None:
        known = self.runner.run(self.model.call(ACCOUNT, call_sid(leg)))
        if known is not None and known.status.is_final:
            status = known.status  # an ended leg stays ended
        row = call(leg, status=status, ended_at=self.now if status.is_final else None)
        transition = step(
            row.sid,
            call=row,
            state=None if status.is_final else b"state",
            at=self.now,
            status_lane=lane,
            status_entries=[b"%d" % n for n in range(entries)],
            reader=reader,
            receipts_lost=lost,
        )
        if number is not None and known is None and status.is_active:
            transition = replace(transition, subscriptions=self.fresh_subscriptions(leg, number))
        self.both(lambda store: store.save(transition))

    def fresh_subscriptions(self, leg: int, number: int) -> list[Subscription]:
        """None when the sid is taken: sids are minted once."""
        wish = subscription(number * 2 + leg, leg=call_sid(leg), at=self.now)
        lanes = self.runner.run(self.model.lanes(ACCOUNT, None, 99))
        return [] if any(found.id == wish.sid for found in lanes) else [wish]

    @rule(leg=LEGS, entries=st.integers(0, 2), lane=STATUS_LANES)
    def save_soon(self, leg: int, entries: int, lane: StatusLane | None) -> None:
        transition = replace(
            step(call_sid(leg), at=self.now, status_lane=lane, status_entries=[b"soon"] * entries),
            timers={"t": self.now},
            alerts=[alert(leg, leg=call_sid(leg))],
        )

        async def ask(store: Store) -> object:
            store.save_soon(transition)
            return await store.load(call_sid(leg))

        self.both(ask)

    @rule(leg=LEGS, log=MESSAGE_LOGS, number=st.integers(1, 8), key=KEYS, parameters=PARAMETERS)
    def append(self, leg: int, log: Log, number: int, key: str | None, parameters: bytes) -> None:
        message = draft(number, log=log, leg=call_sid(leg))
        endpoint = f"messages {log}"
        claim = None if key is None else key_claim(key, endpoint=endpoint, fingerprint=parameters)
        self.both(lambda store: store.append_message(message, LIMITS, claim))

    @rule(leg=LEGS, number=LANES, key=KEYS, parameters=PARAMETERS, from_start=st.booleans())
    def subscribe(self, leg: int, number: int, key: str | None, parameters: bytes, from_start: bool) -> None:
        claim = None if key is None else key_claim(key, endpoint="subscriptions", fingerprint=parameters)
        for wish in self.fresh_subscriptions(leg, number):
            wanted = replace(wish, from_start=from_start)
            self.both(lambda store: store.add_subscription(wanted, LIMITS, claim))  # noqa: B023

    @rule(leg=LEGS, number=st.integers(1, 30), numbers=RUNS, origin=st.none() | LANES)
    def replay(self, leg: int, number: int, numbers: list[int], origin: int | None) -> None:
        ends = self.runner.run(self.model.entries_after(call_sid(leg), Log.FROM_CLIENT, 0, 99))
        chosen = [seq for seq in numbers if seq <= len(ends)]
        wish = replay(
            number, chosen, leg=call_sid(leg), origin=None if origin is None else origin * 2 + leg, at=self.now
        )
        if chosen and self.runner.run(self.model.lane(ACCOUNT, wish.sid)) is None:
            self.both(lambda store: store.add_replays([wish]))

    @rule(number=st.integers(1, 30))
    def end_replay(self, number: int) -> None:
        self.both(lambda store: store.end_replay(ACCOUNT, replay(number, [1]).sid))

    @rule(leg=LEGS, number=LANES)
    def unsubscribe(self, leg: int, number: int) -> None:
        lane = subscription_sid(number * 2 + leg)
        self.both(lambda store: store.end_subscription(ACCOUNT, call_sid(leg), lane, at=self.now))

    @rule(leg=LEGS, reader=READERS, seq=st.integers(0, 9), timed=st.booleans())
    def move_cursor(self, leg: int, reader: str, seq: int, timed: bool) -> None:
        written_at, at = (self.now - 1, self.now) if timed else (None, None)

        async def ask(store: Store) -> int:
            store.move_cursor(call_sid(leg), reader, seq, written_at=written_at, at=at)
            return await store.cursor(call_sid(leg), reader)

        self.both(ask)

    @rule(leg=LEGS, reader=READERS, seq=st.none() | st.integers(0, 9))
    def bound_writes(self, leg: int, reader: str, seq: int | None) -> None:
        async def ask(store: Store) -> int:
            store.bound_writes(call_sid(leg), reader, seq)
            return await store.cursor(call_sid(leg), reader)

        self.both(ask)

    # what the dispatcher does

    @rule(choice=st.integers(0, 9), lease=st.integers(1, 60))
    def claim(self, choice: int, lease: int) -> None:
        due = self.both(lambda store: store.due_lanes(self.now, 10))
        lanes = due or [found.id for found in self.runner.run(self.model.lanes(ACCOUNT, None, 99))]
        if not lanes:
            return
        lane = lanes[choice % len(lanes)]
        turn = self.both(lambda store: store.claim(lane, now=self.now, lease_until=self.now + lease))
        if turn is not None:
            self.turns.append(turn)

    @rule(
        choice=st.integers(0, 9),
        newest=st.booleans(),
        verdict=st.sampled_from(["delivered", "form", "retry", "down", "step over", "end"]),
        sent=st.booleans(),
        status=STATUSES_OF_ANSWERS,
    )
    def settle(self, choice: int, newest: bool, verdict: str, sent: bool, status: int | None) -> None:
        """Settle a turn, fresh or stale, perhaps for the second time."""
        if not self.turns:
            return
        turn = self.turns[-1 if newest else choice % len(self.turns)]
        verdicts: dict[str, Verdict] = {
            "delivered": Delivered(),
            "form": Delivered(Encoding.FORM),
            "retry": RetryAt(self.now + 5),
            "down": RetryAt(self.now + 600, down=True),
            "step over": StepOver("old"),
            "end": EndLane("gone"),
        }
        attempt = Attempt(sent_at=self.now - 2, status=status) if sent else None
        following = self.both(
            lambda store: store.settle(
                turn, verdicts[verdict], now=self.now, lease_until=self.now + 30, attempt=attempt
            )
        )
        if following is not None:
            self.turns.append(following)

    # what time and operators do

    @rule(seconds=st.sampled_from([1, 10, 100, 90_000]))
    def wait(self, seconds: int) -> None:
        self.now += seconds

    @rule()
    def purge(self) -> None:
        self.both(lambda store: store.purge(self.now))

    @rule(leg=LEGS)
    def delete(self, leg: int) -> None:
        row = self.runner.run(self.model.call(ACCOUNT, call_sid(leg)))
        if row is not None and row.status.is_final:
            self.both(lambda store: store.delete_call(ACCOUNT, row.sid))

    @rule()
    def crash(self) -> None:
        """The machine stops: what is in the files now is all there is. Leases of the dead process end."""
        crashed, old = self.file, self.store
        self.generation += 1
        for suffix in ("", "-wal"):
            if Path(f"{crashed}{suffix}").exists():
                shutil.copy(f"{crashed}{suffix}", f"{self.file}{suffix}")
        self.store = self.runner.run(self.opened(self.file))
        self.runner.run(old.close())
        lanes = self.model._lanes
        lanes.update({lane: replace(record, leased_until=None) for lane, record in lanes.items()})

    # what must be true

    @invariant()
    def everything_that_can_be_read_is_equal(self) -> None:
        async def ask(store: Store) -> list[object]:
            seen: list[object] = [
                await store.lanes(ACCOUNT, None, 99),
                await store.undelivered(ACCOUNT, None, 99),
                await store.undelivered(ACCOUNT, None, 99, since=self.now - 50),
                await store.missed(ACCOUNT, None, None),
                await store.missed(ACCOUNT, call_sid(1), self.now - 50),
                [await store.surplus(ACCOUNT, keep, 9) for keep in (0, 2, 5)],
                (await store.lane_page(ACCOUNT, LaneKind.MESSAGES, None, PageRequest(size=3))),
                (await store.lane_page(ACCOUNT, LaneKind.REPLAY, call_sid(1), PageRequest(size=2))),
                await store.due_lanes(self.now, 99),
                await store.next_due(),
                list(await store.live_owners()),
                (await store.calls(ACCOUNT, CallFilter(), PageRequest())).rows,
                (await store.alerts(ACCOUNT, ANY_ALERT, PageRequest())).rows,
            ]
            for leg in (call_sid(1), call_sid(2)):
                seen += [list(await store.entries_after(leg, log, 0, 99)) for log in Log]
                seen += [await store.cursor(leg, reader) for reader in ("a", "b")]
                seen += [await store.subscriptions(ACCOUNT, leg), await store.undelivered(ACCOUNT, leg, 99)]
                seen += [await store.standing(ACCOUNT, leg, range(1, 99), range(1, 99))]
                seen += [await store.standing(ACCOUNT, leg, range(2, 4), range(2, 3))]
                pages = [PageRequest(size=3), PageRequest(size=2, after=message_sid(3))]
                seen += [await store.entries(ACCOUNT, leg, log, p) for log in (None, Log.TO_CLIENT) for p in pages]
                seen += [await store.entry(ACCOUNT, leg, message_sid(number)) for number in (1, 3)]
            return seen

        self.both(ask)

    @invariant()
    def logs_have_no_gaps(self) -> None:
        for leg in (call_sid(1), call_sid(2)):
            for log in Log:
                entries = self.runner.run(self.store.entries_after(leg, log, 0, 99))
                assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))

    def teardown(self) -> None:
        if hasattr(self, "runner"):
            self.runner.run(self.store.close())
            self.runner.close()
            shutil.rmtree(self.folder)


TestStores = Stores.TestCase
TestStores.pytestmark = [pytest.mark.timeout(600)]  # a failing example takes its time to become a small one
TestStores.settings = settings(
    max_examples=30, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
