"""The trace file: bounded in every direction, and nobody's problem when it fails."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import apsw
import pytest

from midcall.core.insights import Insight, InsightFilter, Kind
from midcall.core.sids import InsightSid
from midcall.ports import PageRequest, TraceEvent
from midcall.storage.trace import MemoryTrace, SqliteTrace
from support.records import ACCOUNT, LEG, NOW

EVENT = TraceEvent(at=NOW, account_sid=ACCOUNT, leg_sid=LEG, kind="webhook.attempt", detail={"text": "x" * 1_000})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "trace.db"


@pytest.fixture
def damaged_file(path: Path) -> Path:
    path.write_bytes(b"this was a database once" * 1_000)
    return path


def file_size(path: Path) -> int:
    return path.stat().st_size


async def test_a_trace_is_read_after_a_restart(path: Path) -> None:
    trace = SqliteTrace.open(path)
    trace.record(EVENT)
    await trace.close()
    again = SqliteTrace.open(path)
    assert list(await again.timeline(ACCOUNT, LEG, 10)) == [EVENT]
    await again.close()


async def test_events_beyond_what_may_wait_are_dropped_and_counted(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    trace = SqliteTrace.open(path, waiting_events=10)
    for number in range(30):  # more than half of what may wait go out, ten wait
        trace.record(replace(EVENT, at=NOW + number))
    kept = await trace.timeline(ACCOUNT, LEG, 100)
    assert [event.at - NOW for event in kept] == list(range(16))
    assert trace.dropped == 14
    assert caplog.text.count("trace events are dropped") == 1
    await trace.close()


async def test_a_full_file_gives_up_its_oldest_events_and_grows_no_further(path: Path) -> None:
    limit = 400_000
    trace = SqliteTrace.open(path, file_bytes=limit)
    for burst in range(30):
        for number in range(50):
            trace.record(replace(EVENT, at=NOW + burst * 50 + number))
        await trace.timeline(ACCOUNT, LEG, 1)
    kept = await trace.timeline(ACCOUNT, LEG, 10_000)
    await trace.close()
    assert kept[-1].at == NOW + 1_499
    assert 100 < len(kept) < 600
    assert file_size(path) < limit * 1.5


async def test_insights_count_to_the_size_of_the_file_and_the_oldest_of_them_go_too(path: Path) -> None:
    limit = 400_000
    trace = SqliteTrace.open(path, file_bytes=limit)
    for burst in range(30):
        trace.insights.record([insight(burst * 50 + number) for number in range(50)])
        trace.record(EVENT)
        await trace.timeline(ACCOUNT, LEG, 1)
    kept = await trace.insights.insights(ACCOUNT, LEG, InsightFilter(), PageRequest(size=2_000))
    await trace.close()
    assert kept.rows[0] == insight(1_499)
    assert 100 < len(kept.rows) < 1_000
    assert file_size(path) < limit * 1.5


async def test_insights_that_find_no_room_are_counted_and_lists_of_a_closed_file_are_empty(path: Path) -> None:
    trace = SqliteTrace.open(path)
    await trace.close()
    trace.insights.record([insight(1), insight(2)])
    assert trace.insights.dropped == 2
    assert (await trace.insights.insights(ACCOUNT, LEG, InsightFilter(), PageRequest())).rows == ()


async def test_insights_outlive_the_server(path: Path) -> None:
    trace = SqliteTrace.open(path)
    trace.insights.record([insight(1)])
    await trace.close()
    again = SqliteTrace.open(path)
    assert list((await again.insights.insights(ACCOUNT, LEG, InsightFilter(), PageRequest())).rows) == [insight(1)]
    await again.close()


def insight(number: int) -> Insight:
    return Insight(
        sid=InsightSid(f"EV{number:032x}"),
        account_sid=ACCOUNT,
        call_sid=LEG,
        temporary_sid="TJS1",
        kind=Kind.EVENT,
        group="connection",
        name="muted",
        level="info",
        at=NOW + number,
        received_at=NOW + number,
        payload=b'{"x": "' + b"y" * 400 + b'"}',
    )


async def test_what_cannot_be_written_down_does_not_lose_the_line(path: Path) -> None:
    trace = SqliteTrace.open(path)
    circle: dict[str, object] = {}
    circle["self"] = circle
    for detail in ({"object": Path("x")}, {"text": "x" * 300_000}, circle):
        trace.record(replace(EVENT, detail=detail))
    kinds = [dict(event.detail) for event in await trace.timeline(ACCOUNT, LEG, 10)]
    assert kinds[0] == {"object": repr(Path("x"))}
    assert kinds[1] == {"left_out_bytes": 300_011}
    assert list(kinds[2]) == ["unreadable"]
    await trace.close()


async def test_a_damaged_file_is_thrown_away(damaged_file: Path) -> None:
    trace = SqliteTrace.open(damaged_file)
    trace.record(EVENT)
    assert list(await trace.timeline(ACCOUNT, LEG, 10)) == [EVENT]
    await trace.close()


async def test_a_failing_disk_costs_events_and_raises_nothing(path: Path) -> None:
    trace = SqliteTrace.open(path)

    def full(db: apsw.Connection) -> None:
        db.execute(f"PRAGMA max_page_count = {db.pragma('page_count')}").fetchall()

    await trace._worker.submit(full)
    for _ in range(100):
        trace.record(EVENT)
        await asyncio.sleep(0)
    await trace.timeline(ACCOUNT, LEG, 10)
    assert trace.dropped > 0
    await trace.close()


async def test_a_closed_trace_takes_events_and_forgets_them(path: Path) -> None:
    trace = SqliteTrace.open(path)
    await trace.close()
    trace.record(EVENT)
    assert await trace.timeline(ACCOUNT, LEG, 10) == []
    assert trace.dropped == 1


async def test_the_memory_trace_keeps_the_newest_events() -> None:
    trace = MemoryTrace(capacity=2)
    for number in range(3):
        trace.record(replace(EVENT, at=NOW + number))
    assert [event.at for event in await trace.timeline(ACCOUNT, LEG, 10)] == [NOW + 1, NOW + 2]
