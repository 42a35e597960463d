"""Every log of insights: kept per call, found by filter, in pages, and forgotten with the call."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from midcall.core.insights import Insight, InsightFilter, Kind
from midcall.core.sids import InsightSid
from midcall.ports import InsightLog, PageRequest, Trace
from midcall.storage.trace import MemoryTrace, SqliteTrace
from support.records import ACCOUNT, LEG, NOW, account_sid, call_sid

ALL = InsightFilter()


def insight(number: int, **changes: object) -> Insight:
    made = Insight(
        sid=InsightSid(f"EV{number:032x}"),
        account_sid=ACCOUNT,
        call_sid=LEG,
        temporary_sid=None,
        kind=Kind.EVENT,
        group="connection",
        name="outgoing",
        level="info",
        at=NOW + number,
        received_at=NOW + number,
        payload=b'{"n": "\xc3\xa9"}',
    )
    return replace(made, **changes)  # type: ignore[arg-type]


@pytest.fixture(params=["memory", "sqlite"])
async def trace(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[MemoryTrace | SqliteTrace]:
    opened = MemoryTrace() if request.param == "memory" else SqliteTrace.open(tmp_path / "trace.db")
    yield opened
    await opened.close()


@pytest.fixture
def log(trace: MemoryTrace | SqliteTrace) -> InsightLog:
    return trace.insights


async def listed(log: InsightLog, where: InsightFilter = ALL, page: PageRequest | None = None) -> list[Insight]:
    return list((await log.insights(ACCOUNT, LEG, where, page or PageRequest())).rows)


async def test_insights_of_a_call_are_read_back_as_they_were_recorded_newest_first(log: InsightLog) -> None:
    log.record([insight(1), insight(2, account_sid=account_sid(2)), insight(3, call_sid=call_sid(2))])
    log.record([insight(4, temporary_sid="TJS1", kind=Kind.SAMPLE)])
    assert await listed(log) == [insight(4, temporary_sid="TJS1", kind=Kind.SAMPLE), insight(1)]


@pytest.mark.parametrize(
    ("where", "found"),
    [
        (InsightFilter(kind=Kind.SAMPLE), [2]),
        (InsightFilter(group="feedback"), [3]),
        (InsightFilter(level="warning"), [4]),
        (InsightFilter(kind=Kind.EVENT, level="info"), [3, 1]),
    ],
)
async def test_insights_are_filtered(log: InsightLog, where: InsightFilter, found: list[int]) -> None:
    log.record([insight(1), insight(2, kind=Kind.SAMPLE), insight(3, group="feedback"), insight(4, level="warning")])
    assert [row.sid for row in await listed(log, where)] == [insight(number).sid for number in found]


async def test_pages_go_forth_and_back(log: InsightLog) -> None:
    log.record([insight(number) for number in range(1, 6)])
    first = await log.insights(ACCOUNT, LEG, ALL, PageRequest(size=2))
    assert [row.sid for row in first.rows] == [insight(5).sid, insight(4).sid]
    assert first.has_next
    second = await log.insights(ACCOUNT, LEG, ALL, PageRequest(size=2, first=first.following))
    assert [row.sid for row in second.rows] == [insight(3).sid, insight(2).sid]
    back = await log.insights(ACCOUNT, LEG, ALL, PageRequest(size=2, before=second.rows[0].sid))
    assert back.rows == first.rows
    nowhere = await log.insights(ACCOUNT, LEG, ALL, PageRequest(first=insight(9).sid))
    assert list(nowhere.rows) == []


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
async def test_an_insight_from_before_the_call_had_a_sid_finds_its_call(
    log: InsightLog, order: tuple[int, int]
) -> None:
    """Whichever of the two arrives first."""
    both = {1: insight(1, call_sid=None, temporary_sid="TJS1"), 2: insight(2, temporary_sid="TJS1")}
    log.record([insight(8, call_sid=None, temporary_sid="TJS2")])
    log.record([insight(9, call_sid=None, temporary_sid="TJS1", account_sid=account_sid(2))])
    for number in order:
        log.record([both[number]])
    assert {row.sid for row in await listed(log)} == {insight(1).sid, insight(2).sid}


async def test_a_forgotten_call_has_no_insights_and_others_keep_theirs(trace: Trace, log: InsightLog) -> None:
    log.record([insight(1), insight(2, call_sid=call_sid(2))])
    await trace.forget(ACCOUNT, LEG)
    assert await listed(log) == []
    assert (await log.insights(ACCOUNT, call_sid(2), ALL, PageRequest())).rows


async def test_what_never_found_its_call_is_forgotten_when_it_is_old(log: InsightLog) -> None:
    old, young = insight(1, call_sid=None, temporary_sid="TJS1"), insight(2, call_sid=None, temporary_sid="TJS1")
    log.record([old, young, insight(3)])
    await log.forget_strays(young.received_at)
    log.record([insight(4, temporary_sid="TJS1")])
    assert {row.sid for row in await listed(log)} == {young.sid, insight(3).sid, insight(4).sid}
