"""The end of a server with people in it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from midcall.app.process import Running, serving
from midcall.settings import load
from midcall.testing.control import Control, extension
from support.control import Kit


async def test_whoever_waits_is_told_when_the_server_stops(tmp_path: Path) -> None:
    settings = load({"port": 0, "http_port": 0, "data_dir": ":memory:", "media_engine": "none"})
    controls: list[Control] = []

    @asynccontextmanager
    async def remembered(running: Running) -> AsyncIterator[None]:
        async with extension(running) as control:
            assert control is not None
            controls.append(control)
            yield

    waits: list[asyncio.Task[Any]] = []
    async with aiohttp.ClientSession() as session:
        async with serving(settings, extensions=(remembered,)) as running:
            made = running.credentials
            kit = Kit(running, session, {"Authorization": aiohttp.encode_basic_auth(made.account_sid, made.auth_token)})
            for name in ("alice", "bob"):
                await kit.person(name)
            endpoint = await kit.post("/endpoints", {"name": "quiet"}, status=201)
            for path in ("/people/bob/incoming", f"/endpoints/{endpoint['name']}/expect"):
                waits.append(asyncio.create_task(kit.post(path, {"timeout": "10m"}, status=409)))
            placed = await kit.call("alice", "bob")
            for quiet in ("says_nothing_for", "hears_nothing_for"):
                waits.append(asyncio.create_task(kit.post(f"{placed}/{quiet}", {"for": "10m"}, status=409)))
            while controls[0].edge.under_way < len(waits):
                await kit.ask("GET", "/people")
        told = await asyncio.gather(*waits)
    assert [answer["message"] for answer in told] == [
        "bob was deleted",
        "the endpoint quiet was deleted",
        *["alice was deleted meanwhile"] * 2,
    ]
