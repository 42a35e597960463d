"""What the SQLite store answers from memory is what its file holds, whatever happens at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from midcall.core.messages import JSON, Appended, Entry, Log
from midcall.core.sids import AccountSid, CallSid
from midcall.storage.recent import Rows, Tails

LEG = CallSid("CA" + "1" * 32)
OTHER = CallSid("CA" + "2" * 32)


class File:
    """One row, with reads that answer when the test lets them."""

    def __init__(self, row: str | None) -> None:
        self.row = row
        self.reads = 0
        self.hold: asyncio.Event | None = None

    async def load(self) -> str | None:
        self.reads += 1
        found = self.row
        if self.hold is not None:
            await self.hold.wait()
        return found


async def test_a_row_is_read_once_until_it_changes() -> None:
    rows: Rows[str, str] = Rows()
    file = File("old")
    assert [await rows.read("a", file.load) for _ in range(3)] == ["old"] * 3
    assert file.reads == 1
    writing: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    change = asyncio.create_task(rows.change("a", writing))
    await asyncio.sleep(0)
    assert await rows.read("a", file.load) == "old"  # not committed yet
    file.row = "new"
    writing.set_result(None)
    await change
    assert await rows.read("a", file.load) == "new"


async def test_a_row_that_was_read_before_a_change_ended_is_not_remembered() -> None:
    rows: Rows[str, str] = Rows()
    file = File("old")
    file.hold = asyncio.Event()
    reading = asyncio.create_task(rows.read("a", file.load))
    await asyncio.sleep(0)
    writing: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    change = asyncio.create_task(rows.change("a", writing))
    await asyncio.sleep(0)
    file.row = None
    writing.set_result(True)
    assert await change is True
    file.hold.set()
    assert await reading == "old"
    assert await rows.read("a", file.load) is None


async def test_a_change_that_nobody_waits_for_any_more_still_counts() -> None:
    rows: Rows[str, str] = Rows()
    file = File("old")
    writing: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    change = asyncio.create_task(rows.change("a", writing))
    await asyncio.sleep(0)
    change.cancel()
    with pytest.raises(asyncio.CancelledError):
        await change
    assert await rows.read("a", file.load) == "old"
    file.row = "new"
    writing.set_result(None)
    await asyncio.sleep(0)
    assert await rows.read("a", file.load) == "new"


async def test_what_is_not_there_is_asked_for_again() -> None:
    rows: Rows[str, str] = Rows()
    file = File(None)
    assert await rows.read("a", file.load) is None
    file.row = "here"
    assert await rows.read("a", file.load) == "here"


async def test_the_row_that_was_asked_for_least_recently_goes_first() -> None:
    rows: Rows[str, str] = Rows(capacity=2)
    files = {name: File(name) for name in "abc"}
    for name in "abaca":
        await rows.read(name, files[name].load)
    assert [files[name].reads for name in "abc"] == [1, 1, 1]
    await rows.read("b", files["b"].load)
    assert files["b"].reads == 2


def appended(seq: int, leg: CallSid = LEG, log: Log = Log.TO_CLIENT, size: int = 10) -> Appended:
    entry = Entry(
        account_sid=AccountSid("AC" + "0" * 32),
        leg_sid=leg,
        log=log,
        seq=seq,
        sid=f"KX{seq:032x}",
        content=b"x" * size,
        content_type=JSON,
        at=0.0,
    )
    return Appended(entry, repeated=False)


def numbers(entries: Sequence[Entry] | None) -> list[int] | None:
    return None if entries is None else [entry.seq for entry in entries]


def test_a_tail_gives_what_is_after_a_number_and_says_when_it_does_not_know() -> None:
    tails = Tails(entries=3)
    assert tails.after(LEG, 0, 10) is None
    for seq in range(1, 6):
        tails.landed(appended(seq))
    assert numbers(tails.after(LEG, 5, 10)) == []
    assert numbers(tails.after(LEG, 2, 10)) == [3, 4, 5]
    assert numbers(tails.after(LEG, 3, 1)) == [4]
    assert tails.after(LEG, 1, 10) is None  # 2 is in the file only
    tails.forget(LEG)
    assert tails.after(LEG, 5, 10) is None


def test_repeats_and_other_logs_are_no_part_of_a_tail() -> None:
    tails = Tails()
    tails.landed(appended(1))
    tails.landed(replace(appended(1), repeated=True))
    tails.landed(appended(1, log=Log.FROM_CLIENT))
    assert numbers(tails.after(LEG, 0, 10)) == [1]


def test_tails_are_bounded_together_and_the_one_at_rest_goes_first() -> None:
    tails = Tails(total_bytes=4_000)
    tails.landed(appended(1, LEG, size=1_000))
    tails.landed(appended(1, OTHER, size=1_000))
    tails.landed(appended(2, OTHER, size=1_000))
    assert tails.after(LEG, 0, 10) is None
    assert numbers(tails.after(OTHER, 0, 10)) == [1, 2]
    tails.landed(appended(3, OTHER, size=10_000))
    assert tails.after(OTHER, 0, 10) is None
    tails.landed(appended(4, OTHER))
    assert numbers(tails.after(OTHER, 3, 10)) == [4]
