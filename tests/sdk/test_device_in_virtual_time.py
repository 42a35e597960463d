"""Waits of hours in milliseconds: when a device tries again, gives up on a silent server, refreshes, announces."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from midcall.core.reconnection import Backoff
from midcall.sdk import Chance, Device
from midcall.testing import loop
from midcall.wire import signal
from support.scripted_server import CALL, Connection, opened, serving


def virtually(test: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """The test on a loop whose clock jumps."""

    def run() -> None:
        loop.run(test(), seed=1)

    run.__name__ = test.__name__
    return run


def now() -> float:
    return asyncio.get_running_loop().time()


async def registered(device: Device, server: Any) -> Connection:
    registration = asyncio.create_task(device.register())
    connection = await server.connection()
    await connection.registered()
    await registration
    return connection


@virtually
async def test_tries_come_at_the_times_of_the_formula():
    chance = Chance.seeded(5)
    expected = [round(Backoff().delay_s(attempt, fraction=chance.fraction), 3) for attempt in range(12)]
    tried = []
    async with Device("token", url="ws://nobody.example:1/signal", media="none", chance=Chance.seeded(5)) as device:
        device.on("error", lambda error: tried.append(now()))
        registration = asyncio.create_task(device.register())
        while len(tried) < 13:
            await device.wait_for("error")
        registration.cancel()
    waits = [round(after - before, 3) for before, after in itertools.pairwise(tried)]
    assert waits == expected
    assert max(waits) == 20


@virtually
async def test_a_server_that_says_nothing_for_fifteen_seconds_is_left_and_sought_again():
    async with serving() as server, Device("token", url=server.url, media="none") as device:
        connection = await registered(device, server)
        began = now()
        gone, again = device.wait_for("unregistered"), device.wait_for("registered")
        await gone
        assert now() - began == pytest.approx(15, abs=0.01)
        assert await connection.text() is None
        await (await server.connection()).registered()
        await again


@virtually
async def test_a_registration_is_repeated_every_thirty_seconds_while_the_heart_beats():
    async with serving() as server, Device("token", url=server.url, media="none") as device:
        connection = await registered(device, server)
        began, repeated = now(), []
        while len(repeated) < 3:
            await asyncio.sleep(10)
            await connection.send_text("\n")
            while (text := await connection.text()) != "\n":
                assert isinstance(signal.decode_client(text), signal.Register)
                repeated.append(round(now() - began))
        assert repeated == [30, 60, 90]


@virtually
async def test_a_token_is_announced_ten_seconds_before_its_end():
    async with serving() as server, Device("token", url=server.url, media="none") as device:
        announced = device.wait_for("tokenWillExpire")
        placing = asyncio.create_task(device.connect())
        connection = await server.connection()
        await connection.connected(ttl=14)
        began = now()
        assert await announced is device
        assert now() - began == pytest.approx(4, abs=0.01)
        await placing


@virtually
async def test_the_way_back_to_a_call_takes_as_long_as_the_server_asks():
    async with serving() as server, Device("token", url=server.url, media="none") as device:
        device.on("error", lambda error: None)
        connection = await registered(device, server)
        await opened(device, connection)
        await connection.send(signal.Error(error=signal.Fault(code=31902, retry_after=40), call_sid=CALL))
        await connection.close()
        gone = now()
        await server.connection(within_s=60)
        assert now() - gone == pytest.approx(40, abs=0.01)
