"""A disk that is full for a while: calls wait for it, lose nothing of what they are, and go on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from midcall.core import errors
from midcall.core.calls import Status
from midcall.core.errors import Refused
from midcall.core.sids import AccountSid, ApplicationSid
from midcall.ports import Outcome, Request, Transition
from midcall.storage.memory import MemoryStore
from midcall.switch.calls import CallUpdate, NewCall
from support.switchboard import ACCOUNT, APPLICATION, ScriptedSender, Switchboard

REPORTED_CHILD = (
    '<Response><Dial answerOnBridge="true"><Client statusCallback="http://app.test/status" '
    'statusCallbackEvent="initiated ringing answered completed">bob</Client></Dial></Response>'
)


class Disk(MemoryStore):
    """Refuses what is awaited while it is full, and loses what nobody waits for, as SQLite does."""

    def __init__(self) -> None:
        super().__init__()
        self.full = False
        self.loses_what_nobody_waits_for = False

    async def save(self, transition: Transition) -> None:
        if self.full:
            raise Refused(errors.STORE_UNAVAILABLE)
        super().save_soon(transition)

    def save_soon(self, transition: Transition) -> None:
        if not (self.full or self.loses_what_nobody_waits_for):
            super().save_soon(transition)


class DiskFillsMeanwhile(ScriptedSender):
    """The disk is full by the time when the application answers."""

    def __init__(self, disk: Disk) -> None:
        super().__init__()
        self._disk = disk

    async def send(self, request: Request) -> Outcome:
        self._disk.full = True
        return await super().send(request)


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
async def board(disk: Disk) -> AsyncIterator[Switchboard]:
    board = await Switchboard(store=disk).up()
    yield board
    await board.calls.close()


async def test_a_call_that_was_set_up_while_the_disk_was_full_goes_on_afterwards(
    board: Switchboard, disk: Disk
) -> None:
    bob = board.register("bob")
    board.sender = board.legs._fetcher.sender = DiskFillsMeanwhile(disk)
    alice = await board.place(REPORTED_CHILD)
    await board.pass_time(3)
    assert board.devices.of(alice) == []  # what is not stored is not shown

    disk.full = False
    await board.pass_time(1)
    assert board.devices.of(alice) == ["ringing"]
    child = await board.child(alice)
    assert board.devices.of(child.sid) == ["invite"]

    await board.answer(child.sid, bob)
    board.calls.hung_up(alice)
    await board.settle()
    assert (await board.row(alice)).status is Status.COMPLETED
    assert (await board.row(child.sid)).status is Status.COMPLETED
    assert (len(board.legs.actors), len(board.rooms.actors)) == (0, 0)
    assert await disk.live_owners() == []

    (lane,) = await disk.lanes(ACCOUNT, child.sid, 10)
    assert lane.url == "http://app.test/status"
    reports = [json.loads(entry.content)["CallStatus"] for entry in await board.status_log(child.sid)]
    assert reports == ["initiated", "ringing", "in-progress", "completed"]


async def test_a_refused_request_costs_a_live_call_nothing_that_only_memory_knows(
    board: Switchboard, disk: Disk
) -> None:
    bob = board.register("bob")
    disk.loses_what_nobody_waits_for = True
    alice = await board.place(REPORTED_CHILD)
    child = await board.child(alice)
    with pytest.raises(Refused, match="not in-progress"):
        await board.calls.update(ACCOUNT, alice, CallUpdate(twiml="<Response/>"))
    await board.answer(child.sid, bob)
    assert board.devices.of(alice) == ["ringing", "answer"]
    board.calls.hung_up(alice)
    await board.settle()
    assert (await board.row(child.sid)).status is Status.COMPLETED
    assert (len(board.legs.actors), len(board.rooms.actors)) == (0, 0)


async def test_what_rest_changes_is_stored_before_the_answer(board: Switchboard, disk: Disk) -> None:
    board.register("bob")
    alice = await board.place("<Response><Pause/><Dial><Client>bob</Client></Dial></Response>")
    disk.loses_what_nobody_waits_for = True
    await board.calls.update(ACCOUNT, alice, CallUpdate(time_limit_s=77))
    saved = await disk.load(alice)
    assert saved is not None
    assert board.legs.decode(saved.state).time_limit_s == 77


async def test_a_server_whose_disk_stays_full_still_stops(board: Switchboard, disk: Disk) -> None:
    board.register("bob")
    await board.place(REPORTED_CHILD)
    disk.full = True
    stopping = asyncio.create_task(board.calls.stop(0))
    for _ in range(10):
        await board.pass_time(1)
    assert stopping.done()
    await stopping


class SlowDisk(Disk):
    """Looks up applications when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = asyncio.Event()
        self.go_on = asyncio.Event()

    async def application(self, account: AccountSid, sid: ApplicationSid):  # type: ignore[no-untyped-def]
        self.asked.set()
        await self.go_on.wait()
        return await super().application(account, sid)


async def test_a_call_that_was_asked_for_before_the_stop_does_not_outlive_it() -> None:
    disk = SlowDisk()
    board = await Switchboard(store=disk).up()
    board.register("bob")
    new = NewCall(account_sid=ACCOUNT, to="client:bob", from_="x", application_sid=APPLICATION)
    creating = asyncio.create_task(board.calls.create(new))
    await disk.asked.wait()
    await board.calls.stop(0)
    disk.go_on.set()
    with pytest.raises(Refused, match="is stopping"):
        await creating
    assert board.calls.live == 0
    await board.calls.close()


async def test_a_full_disk_costs_the_alert_about_undelivered_messages_but_not_their_list(
    board: Switchboard, disk: Disk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def refuse(alert: object) -> None:
        raise Refused(errors.STORE_UNAVAILABLE)

    board.register("bob")
    leg = await board.place('<Response><Dial answerOnBridge="true"><Client>bob</Client></Dial></Response>')
    await board.messages.accept_from_server(ACCOUNT, leg, content='"late"', idempotency_key=None)
    monkeypatch.setattr(disk, "add_alert", refuse)
    board.calls.hung_up(leg)
    await board.settle()
    assert [listed.entry.content for listed in await disk.undelivered(ACCOUNT, leg, 10)] == [b'"late"']
    assert [record.levelname for record in caplog.records if "alert" in record.message] == ["WARNING"]
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
