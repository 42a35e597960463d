"""Every trace: timelines of legs, oldest first, lossy but never in the way."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from midcall.core.sids import CallSid
from midcall.ports import Trace, TraceEvent
from midcall.storage.trace import MemoryTrace, SqliteTrace
from support.records import ACCOUNT, LEG, NOW, account_sid, call_sid


def event(number: int, *, leg: CallSid | None = LEG) -> TraceEvent:
    return TraceEvent(
        at=NOW + number, account_sid=ACCOUNT, leg_sid=leg, kind="leg.status", detail={"n": number, "names": ["é", None]}
    )


@pytest.fixture(params=["memory", "sqlite"])
async def trace(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Trace]:
    opened: Trace = MemoryTrace() if request.param == "memory" else SqliteTrace.open(tmp_path / "trace.db")
    yield opened
    await opened.close()


async def test_a_timeline_has_the_legs_events_in_the_order_they_were_recorded(trace: Trace) -> None:
    for number in (3, 1, 2):
        trace.record(event(number))
        trace.record(event(number, leg=call_sid(2)))
        trace.record(event(number, leg=None))
    assert list(await trace.timeline(ACCOUNT, LEG, 10)) == [event(3), event(1), event(2)]
    assert await trace.timeline(account_sid(2), LEG, 10) == []


async def test_a_long_timeline_keeps_its_newest_events_within_the_limit(trace: Trace) -> None:
    for number in range(10):
        trace.record(event(number))
    assert list(await trace.timeline(ACCOUNT, LEG, 3)) == [event(7), event(8), event(9)]


async def test_a_timeline_may_be_of_some_kinds_only(trace: Trace) -> None:
    for number in range(6):
        trace.record(replace(event(number), kind=("a.one", "a.two", "b.one")[number % 3]))
    kinds = [found.kind for found in await trace.timeline(ACCOUNT, LEG, 3, kinds=("a.one", "b.one"))]
    assert kinds == ["b.one", "a.one", "b.one"]
    assert await trace.timeline(ACCOUNT, LEG, 3, kinds=("a", "')")) == []


async def test_a_forgotten_leg_has_no_timeline_and_others_keep_theirs(trace: Trace) -> None:
    trace.record(event(1))
    trace.record(event(2, leg=call_sid(2)))
    await trace.forget(ACCOUNT, LEG)
    assert await trace.timeline(ACCOUNT, LEG, 10) == []
    assert list(await trace.timeline(ACCOUNT, call_sid(2), 10)) == [event(2, leg=call_sid(2))]
