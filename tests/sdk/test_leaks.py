"""What calls leave behind: after fifty of every ending no task, no socket and no call is left."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable

import pytest

from midcall.core.client import IceState
from midcall.sdk import Call, CallState, Device, InvalidStateError
from midcall.wire import signal
from support.media_sessions import Person
from support.scripted_server import CALL, Connection, opened, rung

TIMES = 50
Ending = Callable[[Device, Connection], Awaitable[object]]


def sockets() -> int:
    count = 0
    for number in os.listdir("/proc/self/fd"):
        try:
            count += os.readlink(f"/proc/self/fd/{number}").startswith("socket:")
        except FileNotFoundError:  # the listing's own
            continue
    return count


async def until_as_before(device: Device, tasks: set[asyncio.Task[object]], before: int) -> None:
    """What the device has begun comes to its end by itself."""
    while left := asyncio.all_tasks() - tasks:
        _, late = await asyncio.wait(left, timeout=10)
        assert late == set()
    await asyncio.sleep(0)  # transports close their sockets in the next round of the loop
    await asyncio.sleep(0)
    assert sockets() == before
    assert device._calls.each() == []
    assert (device.calls, device.is_busy) == ((), False)
    assert (len(device._tasks._running), len(device._host.closings._running)) == (0, 0)


async def taken(call: Call) -> Call:
    accepted = call.wait_for("accept", timeout=5)
    call.accept()
    await accepted
    return call


async def given_up_at_once(device: Device, _: Connection) -> None:
    (await device.connect()).disconnect()


async def given_up_after_its_invite(device: Device, connection: Connection) -> None:
    call = await device.connect()
    while not isinstance(signal.decode_client(await connection.text() or ""), signal.ClientInvite):
        pass
    call.disconnect()


async def hung_up_by_us(device: Device, connection: Connection) -> None:
    (await opened(device, connection)).disconnect()
    await connection.expect(signal.Hangup)


async def hung_up_by_the_server(device: Device, connection: Connection) -> None:
    over = (await opened(device, connection)).wait_for("disconnect", timeout=5)
    await connection.send(signal.Hangup(call_sid=CALL))
    await over


async def refused(device: Device, connection: Connection) -> None:
    call = await device.connect()
    over = call.wait_for("disconnect", timeout=5)
    await connection.expect(signal.ClientInvite)
    await connection.send(
        signal.Hangup(call_sid=call.outbound_connection_id, error=signal.Fault(code=31002, message="no"))
    )
    await over


async def rejected(device: Device, connection: Connection) -> None:
    (await rung(device, connection)).reject()


async def cancelled(device: Device, connection: Connection) -> None:
    over = (await rung(device, connection)).wait_for("cancel", timeout=5)
    await connection.send(signal.Cancel(call_sid=CALL))
    await over


async def ignored_and_cancelled(device: Device, connection: Connection) -> None:
    call = await rung(device, connection)
    over = call.wait_for("cancel", timeout=5)
    call.ignore()
    await connection.send(signal.Cancel(call_sid=CALL))
    await over


async def answered_and_hung_up(device: Device, connection: Connection) -> None:
    (await taken(await rung(device, connection))).disconnect()


async def answered_with_a_message_that_is_judged_late(device: Device, connection: Connection) -> None:
    call = await taken(await rung(device, connection))
    sent = call.send_message("last words")
    call.disconnect()
    await connection.send(signal.Ack(call_sid=CALL, message_sid=str(sent)))
    await sent


async def waiting_for_what_never_comes(device: Device, connection: Connection) -> None:
    call = await opened(device, connection)
    waits = [call.wait_for(event, timeout=3600) for event in sorted(call.EVENTS - {"disconnect"})]
    call.disconnect()
    assert all(isinstance(one, InvalidStateError) for one in await asyncio.gather(*waits, return_exceptions=True))
    await connection.expect(signal.Hangup)


@pytest.mark.parametrize(
    "end",
    [
        given_up_at_once,
        given_up_after_its_invite,
        hung_up_by_us,
        hung_up_by_the_server,
        refused,
        rejected,
        cancelled,
        ignored_and_cancelled,
        answered_and_hung_up,
        answered_with_a_message_that_is_judged_late,
        waiting_for_what_never_comes,
    ],
)
async def test_fifty_calls_without_media_leave_nothing(end, registered):
    device, connection = await registered()
    tasks, before = asyncio.all_tasks(), sockets()
    for _ in range(TIMES):
        await end(device, connection)
        while not connection._texts.empty():
            await connection.text()
    await until_as_before(device, tasks, before)


async def given_up_while_it_makes_its_offer(device: Device, _: Connection) -> None:
    call = await device.connect()
    await asyncio.sleep(0)
    call.disconnect()


async def answered_by_nonsense(device: Device, connection: Connection) -> None:
    call = await device.connect()
    over = call.wait_for("disconnect", timeout=5)
    invite = await connection.expect(signal.ClientInvite)
    await connection.send(signal.ServerAnswer(call_sid=CALL, sdp=invite.sdp.replace("m=audio", "m=video")))
    await over
    await connection.expect(signal.Hangup)


async def offered_nonsense(device: Device, connection: Connection) -> None:
    call = await rung(device, connection)
    over = call.wait_for("disconnect", timeout=5)
    call.accept()
    await over
    await connection.expect(signal.Hangup)


async def open_with_media(device: Device, connection: Connection) -> tuple[Call, Person]:
    call = await device.connect()
    accepted = call.wait_for("accept", timeout=5)
    far = Person(440, ("pcmu",))
    answer = await far.peer.answer((await connection.expect(signal.ClientInvite)).sdp)
    await connection.send(signal.ServerAnswer(call_sid=CALL, sdp=answer, reconnect="first"))
    await accepted
    return call, far


async def open_and_hung_up(device: Device, connection: Connection) -> None:
    call, far = await open_with_media(device, connection)
    call.disconnect()
    await far.peer.close()
    await connection.expect(signal.Hangup)


async def open_and_hung_up_while_it_restarts(device: Device, connection: Connection) -> None:
    call, far = await open_with_media(device, connection)
    offering = asyncio.create_task(connection.expect(signal.Reinvite))
    call._media.ice_changed(IceState.FAILED)
    await offering
    call.disconnect()
    await far.peer.close()
    await connection.expect(signal.Hangup)


@pytest.mark.parametrize(
    "end",
    [
        given_up_at_once,
        given_up_while_it_makes_its_offer,
        given_up_after_its_invite,
        answered_by_nonsense,
        rejected,
        offered_nonsense,
        open_and_hung_up,
        open_and_hung_up_while_it_restarts,
    ],
)
async def test_fifty_calls_with_media_leave_nothing(end, registered):
    device, connection = await registered(media="real")
    tasks, before = asyncio.all_tasks(), sockets()
    for _ in range(TIMES):
        await end(device, connection)
        while not connection._texts.empty():
            await connection.text()
    await until_as_before(device, tasks, before)


@pytest.mark.parametrize("media", ["none", "real"])
async def test_devices_that_are_destroyed_at_any_moment_leave_nothing(media, server, make_device):
    tasks, before = asyncio.all_tasks(), sockets()
    for moment in range(12):
        device = make_device(media=media)
        placing = asyncio.create_task(device.connect())
        await (await server.connection()).connected()
        for _ in range(moment):
            await asyncio.sleep(0)
        await device.destroy()
        await asyncio.gather(placing, return_exceptions=True)
        assert not device.is_busy
        assert placing.exception() is not None or placing.result().status() == CallState.CLOSED
        assert (device._signalling._expiry, device._signalling._refresh) == (None, None)
    await until_as_before(device, tasks, before)
