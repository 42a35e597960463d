"""The end of a server with people in it, and of those who wait for people."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from midcall.app.process import Running, serving
from midcall.settings import load
from midcall.testing.control import Control, extension
from support.control import Kit


@asynccontextmanager
async def server(session: aiohttp.ClientSession) -> AsyncIterator[tuple[Kit, Control]]:
    controls: list[Control] = []

    @asynccontextmanager
    async def remembered(running: Running) -> AsyncIterator[None]:
        async with extension(running) as control:
            assert control is not None
            controls.append(control)
            yield

    settings = load({"port": 0, "http_port": 0, "data_dir": ":memory:", "media_engine": "none"})
    async with serving(settings, extensions=(remembered,)) as running:
        made = running.credentials
        headers = {"Authorization": aiohttp.encode_basic_auth(made.account_sid, made.auth_token)}
        yield Kit(running, session, headers), controls[0]


async def under_way(kit: Kit, control: Control, count: int) -> None:
    """Until so many requests wait."""
    while control.edge.under_way < count:
        await kit.ask("GET", "/people")


async def test_whoever_waits_is_told_when_the_server_stops() -> None:
    waits: list[asyncio.Task[Any]] = []
    async with aiohttp.ClientSession() as session:
        async with server(session) as (kit, control):
            for name in ("alice", "bob"):
                await kit.person(name)
            endpoint = await kit.post("/endpoints", {"name": "quiet"}, status=201)
            for path in ("/people/bob/incoming", f"/endpoints/{endpoint['name']}/expect"):
                waits.append(asyncio.create_task(kit.post(path, {"timeout": "10m"}, status=409)))
            placed = await kit.call("alice", "bob")
            for quiet in ("says_nothing_for", "hears_nothing_for"):
                waits.append(asyncio.create_task(kit.post(f"{placed}/{quiet}", {"for": "10m"}, status=409)))
            await under_way(kit, control, len(waits))
        told = await asyncio.gather(*waits)
    assert [answer["message"] for answer in told] == [
        "bob was deleted",
        "the endpoint quiet was deleted",
        *["alice was deleted meanwhile"] * 2,
    ]


async def test_a_client_that_went_away_takes_nothing_from_those_who_wait() -> None:
    async with aiohttp.ClientSession() as session, server(session) as (kit, control):
        recorder = await kit.post("/endpoints", {}, status=201)
        expectation = f"/endpoints/{recorder['name']}/expect"
        async with aiohttp.ClientSession() as impatient:
            kit_of_impatient = Kit(kit.running, impatient, kit.headers)
            wait = asyncio.create_task(kit_of_impatient.post(expectation, {"timeout": "10m"}))
            await under_way(kit, control, 1)
            wait.cancel()
            await asyncio.gather(wait, return_exceptions=True)
        async with session.get(recorder["url"]) as asked:
            assert asked.status == 200
        assert (await kit.post(expectation))["path"] == "/"
        assert control.edge.under_way == 0


async def test_a_script_goes_on_when_whoever_asked_for_it_went_away() -> None:
    async with aiohttp.ClientSession() as session, server(session) as (kit, _):
        await kit.person("alice")
        async with aiohttp.ClientSession() as hasty:
            script = [{"expect": {"event": "error"}}, {"wait": "10ms"}, {"send_digits": {"digits": "1"}}]
            call = await Kit(kit.running, hasty, kit.headers).call("alice", "nobody", script=script)
        ended = await kit.post(f"{call}/expect_end")
        assert ended["status"] == "closed"
        assert "went away" not in (await kit.ask("GET", "/timeline"))["text"]
