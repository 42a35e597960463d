"""What clients tell about their calls, beside the trace: lossy by design, and never on a message's path."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

import apsw

from midcall.core.errors import Refused
from midcall.core.insights import Insight, InsightFilter, Kind
from midcall.core.sids import AccountSid, CallSid, InsightSid, to_bytes
from midcall.ports import PageRequest, PageResult
from midcall.storage import queries
from midcall.storage.paging import page_of
from midcall.storage.queries import Row
from midcall.storage.verbs.pages import page as sql_page_of
from midcall.storage.worker import Jobs

_log = logging.getLogger(__name__)

MEMORY_INSIGHTS: Final = 10_000
_SQL: Final = queries.load("trace_sql")
_NOTHING: Final[PageResult[Insight]] = PageResult((), has_next=False, has_previous=False)


class MemoryInsights:
    """The last insights of all calls together.

    Args:
        capacity: how many are kept; older ones fall out.
    """

    def __init__(self, capacity: int = MEMORY_INSIGHTS) -> None:
        self._kept: deque[Insight] = deque(maxlen=capacity)

    def record(self, insights: Sequence[Insight]) -> None:
        self._kept.extend(insights)
        to_be_named = _to_be_named(insights)
        alike = [(at, each) for at, each in enumerate(self._kept) if _key(each) in to_be_named]
        calls = {_key(each): each.call_sid for _, each in reversed(alike) if each.call_sid is not None}
        for at, each in alike:
            if each.call_sid is None and (call := calls.get(_key(each))) is not None:
                self._kept[at] = replace(each, call_sid=call)

    async def insights(
        self, account: AccountSid, call: CallSid, where: InsightFilter, page: PageRequest
    ) -> PageResult[Insight]:
        mine = (insight for insight in self._kept if insight.call_sid == call and insight.account_sid == account)
        return page_of(mine, where.takes, lambda insight: insight.sid, page)

    def forget(self, account: AccountSid, call: CallSid) -> None:
        """Delete those of a call."""
        self._keep(lambda insight: insight.call_sid != call or insight.account_sid != account)

    async def forget_strays(self, before: float) -> None:
        self._keep(lambda insight: insight.call_sid is not None or insight.received_at >= before)

    def _keep(self, wanted: Callable[[Insight], bool]) -> None:
        kept = [insight for insight in self._kept if wanted(insight)]
        self._kept.clear()
        self._kept.extend(kept)


class SqliteInsights:
    """Insights in the file of a trace, on its thread; the trace bounds the file, forgets calls, and closes it."""

    def __init__(self, worker: Jobs) -> None:
        self._worker = worker
        self.dropped = 0
        """Insights lost since the start."""

    def record(self, insights: Sequence[Insight]) -> None:
        try:
            self._worker.submit_soon(partial(_insert, insights=tuple(insights)))
        except Refused:  # too many wait, or the file is closed
            if not self.dropped:
                _log.warning("insights of clients are dropped: the trace file does not keep up")
            self.dropped += len(insights)

    async def insights(
        self, account: AccountSid, call: CallSid, where: InsightFilter, page: PageRequest
    ) -> PageResult[Insight]:
        conditions = {
            "account": account,
            "leg": call,
            "kind": None if where.kind is None else where.kind.value,
            "group": where.group,
            "level": where.level,
        }
        job = partial(
            sql_page_of,
            name="list_insights",
            where=conditions,
            request=page,
            place="place_of_insight",
            prefix="EV",
            record=_insight,
            statements=_SQL,
        )
        try:
            return await self._worker.submit(job)
        except Refused:
            return _NOTHING

    async def forget_strays(self, before: float) -> None:
        await self._worker.submit(partial(_forget_strays, before=before), scrub=True)


def _insert(db: apsw.Connection, insights: Sequence[Insight]) -> None:
    db.executemany(_SQL["put_insight"], [_row(insight) for insight in insights])
    for account, temporary in _to_be_named(insights):
        db.execute(_SQL["name_call"], {"account": account, "temporary": temporary})


def _key(insight: Insight) -> tuple[AccountSid, str | None]:
    return insight.account_sid, insight.temporary_sid


def _to_be_named(insights: Sequence[Insight]) -> set[tuple[AccountSid, str]]:
    """Posts overtake each other, so one without its call may come before or after one that knows it."""
    return {(each.account_sid, each.temporary_sid) for each in insights if each.temporary_sid is not None}


def _forget_strays(db: apsw.Connection, before: float) -> None:
    db.execute(_SQL["forget_strays"], (before,))


def _row(insight: Insight) -> Row:
    return (
        to_bytes(insight.sid),
        insight.account_sid,
        insight.call_sid,
        insight.temporary_sid,
        insight.kind.value,
        insight.group,
        insight.name,
        insight.level,
        insight.at,
        insight.received_at,
        insight.payload,
    )


def _insight(row: Row) -> Insight:
    sid, account, call, temporary, kind, group, name, level, at, received_at, payload = row
    return Insight(
        sid=InsightSid("EV" + sid.hex()),
        account_sid=AccountSid(account),
        call_sid=None if call is None else CallSid(call),
        temporary_sid=temporary,
        kind=Kind(kind),
        group=group,
        name=name,
        level=level,
        at=at,
        received_at=received_at,
        payload=payload,
    )
