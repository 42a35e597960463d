"""A message costs the same however many came before it on its call: counted in pages that it touches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import apsw
import pytest

from midcall.core.calls import Call, Direction, Status
from midcall.core.delivery import Delivered
from midcall.core.lanes import Attempt, Encoding
from midcall.core.messages import JSON, Draft, Limits, Log, Subscription
from midcall.core.sids import AccountSid, CallSid, MessageSid, SubscriptionSid, mint
from midcall.ports import Transition
from midcall.storage.sqlite import connect, prepare
from midcall.storage.verbs import calls, lanes, messages

ACCOUNT: Final = AccountSid(mint("AC", bytes(16)))
LEG: Final = CallSid(mint("CA", bytes(16)))
LIMITS: Final = Limits(waiting_per_leg=1 << 30)
SOME, MANY, AROUND = 1_000, 4_000, 50


class Counted:
    """A store's connection that counts how often its statements touch a page."""

    def __init__(self, db: apsw.Connection) -> None:
        self.db = db

    def touches(self, work: Callable[[], object]) -> int:
        before = self._touched()
        work()
        return self._touched() - before

    def _touched(self) -> int:
        return sum(
            self.db.status(kind)[0] for kind in (apsw.SQLITE_DBSTATUS_CACHE_HIT, apsw.SQLITE_DBSTATUS_CACHE_MISS)
        )


class Leg:
    """A leg with a subscription, and one message of each direction at a time."""

    def __init__(self, db: apsw.Connection) -> None:
        self.db = db
        self.number = 0
        call = Call(
            sid=LEG,
            account_sid=ACCOUNT,
            parent_sid=None,
            direction=Direction.INBOUND,
            from_="client:alice",
            to="",
            status=Status.IN_PROGRESS,
            sdk_leg=True,
            created_at=0.0,
            updated_at=0.0,
        )
        calls.save(db, Transition(owner=LEG, account_sid=ACCOUNT, at=0.0, state=None, call=call))
        subscription = Subscription(
            sid=SubscriptionSid(mint("ZY", bytes(16))),
            account_sid=ACCOUNT,
            leg_sid=LEG,
            callback="http://127.0.0.1/",
            method="POST",
            created_at=0.0,
        )
        lanes.add_subscription(db, subscription, LIMITS, None)

    def to_client(self) -> None:
        self._append(Log.TO_CLIENT)
        messages.move_cursor(self.db, LEG, "reader", self.number, 1.0, 2.0)

    def from_client(self) -> None:
        self._append(Log.FROM_CLIENT)
        claimed = lanes.claim_due(self.db, 1.0, 9.0, 10, frozenset())
        (turn,) = claimed.turns
        attempt = Attempt(sent_at=1.0, status=204, error=None)
        assert lanes.settle(self.db, turn, Delivered(Encoding.JSON), 1.0, 9.0, attempt) is None

    def _append(self, log: Log) -> None:
        draft = Draft(
            account_sid=ACCOUNT,
            leg_sid=LEG,
            log=log,
            sid=MessageSid(mint("KX", self.number.to_bytes(16, "big"))),
            content=b"{}",
            content_type=JSON,
            at=0.0,
        )
        appended = messages.append_message(self.db, draft, LIMITS, None)
        self.number = appended.entry.seq


@pytest.fixture
def counted(tmp_path: Path) -> Iterator[Counted]:
    db = connect(tmp_path / "flat.db")
    prepare(db)
    db.execute("BEGIN")
    yield Counted(db)
    db.close()


@pytest.mark.parametrize("direction", ["to_client", "from_client"])
def test_a_message_costs_the_same_however_many_came_before(counted: Counted, direction: str) -> None:
    message = getattr(Leg(counted.db), direction)
    costs = [counted.touches(message) for _ in range(MANY)]
    assert 0 < sum(costs[-AROUND:]) <= 1.1 * sum(costs[SOME : SOME + AROUND])
