"""A scripted signalling server, and devices without media for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from midcall.sdk import Device
from support.media_sessions import Person
from support.scripted_server import Connection, Server, serving


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with serving() as server:
        yield server


MakeDevice = Callable[..., Device]


@pytest.fixture
async def make_device(server: Server) -> AsyncIterator[MakeDevice]:
    """Devices without media for the server, destroyed when the test ends."""
    devices: list[Device] = []

    def make(**options: Any) -> Device:
        devices.append(Device("token", **{"url": server.url, "media": "none", **options}))
        return devices[-1]

    yield make
    for device in devices:
        await device.destroy()


@pytest.fixture
async def registered(server: Server, make_device: MakeDevice) -> Callable[..., Awaitable[tuple[Device, Connection]]]:
    """A registered device and the server's end of its socket."""

    async def make(**options: Any) -> tuple[Device, Connection]:
        device = make_device(**options)
        registration = asyncio.create_task(device.register())
        connection = await server.connection()
        await connection.registered()
        await registration
        return device, connection

    return make


@pytest.fixture
async def person() -> AsyncIterator[Callable[..., Person]]:
    people: list[Person] = []

    def make(frequency: int, codecs: tuple[str, ...] = ("pcmu", "opus"), **options: Any) -> Person:
        people.append(Person(frequency, codecs, **options))
        return people[-1]

    yield make
    for one in people:
        await one.peer.close()
