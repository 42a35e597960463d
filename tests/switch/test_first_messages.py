"""The message callback of an application: no message of its legs can be missed; and what a crash leaves to be told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from midcall.core.calls import Status
from midcall.core.messages import Log
from midcall.core.sids import CallSid
from midcall.ports import Transition
from midcall.storage.memory import MemoryStore
from midcall.switch.calls import NewCall
from midcall.switch.messages import ClientMessage
from support.switchboard import ACCOUNT, APPLICATION, Switchboard

CALLBACK = "http://app.test/messages"
DIAL = "<Response><Dial><Client>bob</Client></Dial></Response>"


class Watched(MemoryStore):
    """Notes at which status of its leg each subscription was opened."""

    def __init__(self) -> None:
        super().__init__()
        self.opened: list[tuple[CallSid, Status | None, int]] = []

    def save_soon(self, transition: Transition) -> None:
        for subscription in transition.subscriptions:
            status = None if transition.call is None else transition.call.status
            self.opened.append((subscription.leg_sid, status, transition.first_sequence))
        super().save_soon(transition)


@pytest.fixture(params=[False, True], ids=["kept", "put away after each event"])
async def board(request: pytest.FixtureRequest) -> Switchboard:
    board = await Switchboard(forgetful=request.param, store=Watched()).up()
    application = await board.store.application(ACCOUNT, APPLICATION)
    assert application is not None
    await board.store.put_application(replace(application, message_callback=CALLBACK, message_callback_method="GET"))
    return board


def opened(board: Switchboard) -> list[tuple[CallSid, Status | None, int]]:
    assert isinstance(board.store, Watched)
    return board.store.opened


async def callbacks(board: Switchboard, leg: CallSid) -> list[tuple[str, str]]:
    return [(known.callback, known.method) for known in await board.store.subscriptions(ACCOUNT, leg)]


async def test_a_placed_leg_and_the_legs_it_dials_are_heard_from_the_step_that_makes_them_active(
    board: Switchboard,
) -> None:
    device = board.register("bob")
    leg = await board.place(DIAL)
    child = await board.child(leg)
    assert opened(board) == [(leg, Status.RINGING, 1), (child.sid, Status.RINGING, 1)]
    await board.answer(child.sid, device)
    assert await callbacks(board, leg) == await callbacks(board, child.sid) == [(CALLBACK, "GET")]
    assert len(opened(board)) == 2


async def test_the_very_first_message_has_a_lane_already(board: Switchboard) -> None:
    board.register("bob")
    leg = await board.place(DIAL)
    said = ClientMessage(sid=f"KX{1:032x}", content=b"1", content_type="", message_type="user-defined-message")
    await board.messages.accept_from_client(ACCOUNT, leg, said)
    (lane,) = await board.store.lanes(ACCOUNT, leg, 9)
    turn = await board.store.claim(lane.id, now=board.clock.now(), lease_until=board.clock.now() + 9)
    assert turn is not None and turn.entry.sid == said.sid


async def test_a_leg_that_never_becomes_active_opens_nothing(board: Switchboard) -> None:
    leg = await board.place(DIAL)  # bob is not registered
    child = await board.child(leg)
    assert child.status is Status.NO_ANSWER
    assert await callbacks(board, child.sid) == []


@pytest.mark.parametrize("with_application", [True, False])
async def test_a_call_by_rest_is_heard_when_it_runs_the_application(board: Switchboard, with_application: bool) -> None:
    board.register("bob")
    new = NewCall(
        account_sid=ACCOUNT,
        to="client:bob",
        from_="+15550100",
        application_sid=APPLICATION if with_application else None,
        url=None if with_application else board.VOICE,
    )
    call = await board.calls.create(new)
    await board.settle()
    assert (await board.row(call.sid)).status is Status.RINGING
    assert await callbacks(board, call.sid) == ([(CALLBACK, "GET")] if with_application else [])


async def test_after_a_crash_only_what_has_no_receipt_is_undelivered_and_why_is_said(board: Switchboard) -> None:
    device = board.register("bob")
    leg = await board.place(DIAL)
    child = (await board.child(leg)).sid
    await board.answer(child, device)
    for content in ("1", "2", "3"):
        await board.messages.accept_from_server(ACCOUNT, child, content=content, idempotency_key=None)
        if content == "2":
            board.messages.received(child, device, 1)
            board.messages.client_away(child, device, 2)
    board.devices.holders.clear()  # the hub of the next process knows nobody
    await board.legs.close()
    await board.calls.recover()
    rows = await board.store.undelivered(ACCOUNT, child, 9)
    reasons = {row.entry.seq: row.reason for row in rows if row.entry.log is Log.TO_CLIENT}
    assert reasons == {2: "receipt unknown", 3: "the call ended first"}
