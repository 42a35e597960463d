"""Lanes, legs and repeat keys under any history: what the store promises, told by a bookkeeper that knows no rules.

`test_against_model` shows that both stores do the same; this shows that it is the right thing.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from midcall.core import errors
from midcall.core.calls import Status
from midcall.core.delivery import Delivered, EndLane, RetryAt, StepOver, Verdict
from midcall.core.errors import Refused
from midcall.core.lanes import Lane, LaneState, Turn
from midcall.core.messages import Limits, Log
from midcall.storage.memory import MemoryStore
from support.records import ACCOUNT, NOW, call, call_sid, draft, key_claim, step, subscription

LEG = call_sid(1)
LIMITS = Limits(subscriptions_per_leg=3, waiting_per_leg=5)
READER = "phone"
MESSAGE_LOGS = st.sampled_from([Log.FROM_CLIENT, Log.TO_CLIENT])
VERDICTS: dict[str, Verdict] = {
    "delivered": Delivered(),
    "retry": RetryAt(NOW),
    "step over": StepOver("old"),
    "gone": EndLane("gone"),
}


@dataclass
class Book:
    """What has become of one lane's messages.

    Attributes:
        start: the last number that it does not hear.
        taken, given_up: numbers, each by a settle that counted.
        lease, until: of the turn that is out.
    """

    start: int
    taken: list[int] = field(default_factory=list)
    given_up: list[int] = field(default_factory=list)
    over: bool = False
    lease: int | None = None
    until: float = 0.0

    @property
    def head(self) -> int:
        return self.start + len(self.taken) + len(self.given_up) + 1


class Promises(RuleBasedStateMachine):
    @initialize()
    def start(self) -> None:
        self.runner = asyncio.Runner()
        self.store = MemoryStore()
        self.now = NOW
        self.sids: dict[Log, list[str]] = {Log.FROM_CLIENT: [], Log.TO_CLIENT: []}
        self.keys: dict[str, tuple[bytes, str]] = {}
        self.books: dict[str, Book] = {}
        self.turns: list[Turn] = []
        self.received = 0
        self.has_ended = False
        self.run(self.store.save(step(LEG, call=call(1, status=Status.IN_PROGRESS), state=b"state", at=self.now)))

    def teardown(self) -> None:
        if hasattr(self, "runner"):
            self.runner.close()

    def run(self, asked: Any) -> Any:
        return self.runner.run(asked)

    def lane(self, lane_id: str) -> Lane:
        return next(lane for lane in self.run(self.store.lanes(ACCOUNT, LEG, 99)) if lane.id == lane_id)

    # messages

    @rule(
        log=MESSAGE_LOGS,
        number=st.integers(1, 12),
        key=st.sampled_from([None, None, "k1", "k2"]),
        parameters=st.sampled_from([b"same", b"same", b"other"]),
    )
    def append(self, log: Log, number: int, key: str | None, parameters: bytes) -> None:
        message = draft(number, log=log, leg=LEG)
        name = f"{key} {log}"
        claim = None if key is None else key_claim(key, endpoint=f"messages {log}", fingerprint=parameters)
        known = self.keys.get(name) if claim else None
        log_before = list(self.sids[log])
        try:
            appended = self.run(self.store.append_message(message, LIMITS, claim))
        except Refused as refused:
            if known is not None:
                assert (refused.rule, known[0] != parameters) == (errors.IDEMPOTENCY_CONFLICT, True)
            elif self.has_ended:
                assert refused.rule is errors.CALL_NOT_ACTIVE
                assert message.sid not in log_before
            else:
                assert refused.rule is errors.CLIENT_AWAY
                assert log is Log.TO_CLIENT
                assert len(log_before) - self.received >= LIMITS.waiting_per_leg
            return
        entry = appended.entry
        if known is not None:
            assert (entry.sid, appended.repeated, known[0]) == (known[1], True, parameters)
        elif message.sid in log_before:
            assert (entry.sid, appended.repeated) == (message.sid, True)
        else:
            assert (entry.sid, entry.seq, appended.repeated) == (message.sid, len(log_before) + 1, False)
            assert not self.has_ended
            self.sids[log].append(entry.sid)
            if claim is not None:
                self.keys[name] = (parameters, entry.sid)
        assert entry.seq == self.sids[log].index(entry.sid) + 1

    @rule(seq=st.integers(0, 14))
    def receipt(self, seq: int) -> None:
        self.store.move_cursor(LEG, READER, seq)
        self.received = max(self.received, min(seq, len(self.sids[Log.TO_CLIENT])))
        assert self.run(self.store.cursor(LEG, READER)) == self.received

    # lanes

    @rule(number=st.integers(1, 5), from_start=st.booleans())
    def subscribe(self, number: int, from_start: bool) -> None:
        wish = subscription(number, leg=LEG, at=self.now)
        if wish.sid in self.books:
            return  # sids are minted once
        try:
            self.run(self.store.add_subscription(replace(wish, from_start=from_start), LIMITS))
        except Refused as refused:
            if self.has_ended:
                assert refused.rule is errors.CALL_NOT_ACTIVE
            else:
                assert refused.rule is errors.TOO_MANY_SUBSCRIPTIONS
                assert sum(not book.over for book in self.books.values()) == LIMITS.subscriptions_per_leg
            return
        self.books[wish.sid] = Book(start=0 if from_start else len(self.sids[Log.FROM_CLIENT]))

    @rule(choice=st.integers(0, 9), lease=st.sampled_from([1, 30]))
    def claim(self, choice: int, lease: int) -> None:
        if not self.books:
            return
        lane_id = list(self.books)[choice % len(self.books)]
        self.note(lane_id, self.run(self.store.claim(lane_id, now=self.now, lease_until=self.now + lease)), lease)

    def note(self, lane_id: str, turn: Turn | None, lease: int, *, renewed: bool = False) -> None:
        """A turn is handed out: to nobody else at the same time, and for the first message that has no end yet."""
        book = self.books[lane_id]
        if turn is None:
            return
        assert not book.over
        assert renewed or book.lease is None or book.until <= self.now, "two have the same lane"
        assert turn.entry.seq == book.head
        assert turn.entry.sid == self.sids[Log.FROM_CLIENT][book.head - 1]
        assert turn.lease not in {old.lease for old in self.turns if old.lane.id == lane_id}
        book.lease, book.until = turn.lease, self.now + lease
        self.turns.append(turn)

    @rule(choice=st.integers(0, 30), newest=st.booleans(), verdict=st.sampled_from(sorted(VERDICTS)))
    def settle(self, choice: int, newest: bool, verdict: str) -> None:
        """Of a turn that is out, or is over long since."""
        if not self.turns:
            return
        turn = self.turns[-1 if newest else choice % len(self.turns)]
        lane_id = turn.lane.id
        book = self.books[lane_id]
        counts = book.lease == turn.lease
        before = self.lane(lane_id)
        following = self.run(self.store.settle(turn, VERDICTS[verdict], now=self.now, lease_until=self.now + 30))
        if not counts:
            assert following is None
            assert self.lane(lane_id) == before
            return
        book.lease = None
        match verdict:
            case "delivered":
                book.taken.append(turn.entry.seq)
            case "step over":
                book.given_up.append(turn.entry.seq)
            case "gone":
                self.end(book)
            case _:
                assert following is None
        if following is None and verdict in ("delivered", "step over"):
            assert book.head > len(self.sids[Log.FROM_CLIENT]), "a lane rests though it has more"
            book.over = self.has_ended
        self.note(lane_id, following, 30, renewed=True)

    @rule(choice=st.integers(0, 9))
    def unsubscribe(self, choice: int) -> None:
        if not self.books:
            return
        lane_id: Any = list(self.books)[choice % len(self.books)]
        self.run(self.store.end_subscription(ACCOUNT, LEG, lane_id, at=self.now))
        self.end(self.books[lane_id])

    def end(self, book: Book) -> None:
        if not book.over:
            book.given_up += range(book.head, len(self.sids[Log.FROM_CLIENT]) + 1)
            book.over, book.lease = True, None

    # time, and the end

    @rule(seconds=st.sampled_from([0.5, 5, 100]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(chance=st.integers(0, 5))
    def hang_up(self, chance: int) -> None:
        if chance or self.has_ended:
            return
        self.has_ended = True
        row = call(1, status=Status.COMPLETED, ended_at=self.now)
        self.run(self.store.save(step(LEG, call=row, state=None, at=self.now, reader=READER)))
        for book in self.books.values():
            book.over = book.over or book.head > len(self.sids[Log.FROM_CLIENT])
        listed = {one.entry.seq for one in self.run(self.store.undelivered(ACCOUNT, LEG, 99)) if one.reader == READER}
        assert listed == set(range(self.received + 1, len(self.sids[Log.TO_CLIENT]) + 1))

    @invariant()
    def every_message_of_a_lane_is_taken_or_listed_or_still_to_come(self) -> None:
        if not hasattr(self, "books"):
            return
        lanes = {lane.id: lane for lane in self.run(self.store.lanes(ACCOUNT, LEG, 99))}
        listed = self.run(self.store.undelivered(ACCOUNT, LEG, 999))
        for lane_id, book in self.books.items():
            assert sorted(one.entry.seq for one in listed if one.reader == lane_id) == sorted(book.given_up)
            assert (lanes[lane_id].state is LaneState.ENDED) == book.over
            if not book.over:
                assert lanes[lane_id].cursor == book.head - 1
            assert sorted(book.taken + book.given_up) == list(range(book.start + 1, book.head))


TestPromises = Promises.TestCase
TestPromises.settings = settings(max_examples=200, stateful_step_count=50, deadline=None)
