"""Virtual people in virtual time: minutes pass in milliseconds, and a seed decides everything."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import aiohttp
import pytest

from midcall.app.process import Running
from midcall.testing import virtual
from midcall.testing.control import attach
from midcall.testing.people import everybody
from midcall.testing.people.everybody import Town
from support.control import Kit

RING = "<Response><Dial timeout='60'><Client>bob</Client></Dial></Response>"

FOR_EVER = aiohttp.ClientTimeout(total=None)


@asynccontextmanager
async def people(running: Running) -> AsyncIterator[None]:
    info, made = running.info, running.credentials
    town = Town(
        http_url=info.http_url,
        https_url=info.https_url,
        account_sid=made.account_sid,
        application_sid=made.application_sid,
        time="virtual",
    )
    control = attach(running.app, town)
    try:
        yield
    finally:
        await control.close()


@asynccontextmanager
async def world() -> AsyncIterator[tuple[virtual.VirtualServer, Kit]]:
    """A server whose app lets bob ring for a minute, with alice and bob."""
    async with virtual.server(extensions=(people,)) as server, aiohttp.ClientSession(timeout=FOR_EVER) as session:
        made = server.credentials
        headers = {"Authorization": aiohttp.encode_basic_auth(made.account_sid, made.auth_token)}
        kit = Kit(server.running, session, headers)
        assert (await kit.ask("GET", ""))["time"] == "virtual"
        await server.set_voice_url((await kit.post("/endpoints", {"twiml": RING}, status=201))["url"])
        for name in ("alice", "bob"):
            await kit.person(name)
        yield server, kit


async def delayed() -> None:
    """Frames that come late, in both directions, and what comes after them."""
    async with world() as (_, kit):
        placed, _ = await kit.talk("alice", "bob")
        sid = (await kit.ask("GET", placed))["sid"]
        delay = {"direction": "to_client", "type": "message", "fault": "delay", "by": "5s"}
        await kit.ask("PUT", "/clients/alice/faults", [delay])
        for content in ("1", "2"):
            await kit.rest("POST", f"/Calls/{sid}/UserDefinedMessages.json", {"Content": content})
        await kit.post(f"{placed}/expect_message", {"timeout": "4.9s"}, status=422)
        for content in (1, 2):
            assert (await kit.post(f"{placed}/expect_message", {"timeout": "200ms"}))["content"] == content
        await kit.ask("PUT", "/clients/alice/faults", [{**delay, "direction": "from_client"}])
        await kit.post(f"{placed}/send_message", {"content": "late", "timeout": "4.9s"}, status=422)
        await kit.post(f"{placed}/expect", {"event": "messageSent", "timeout": "200ms"})


def test_a_delay_holds_back_what_comes_after_it() -> None:
    virtual.run(delayed(), seed=1)


async def after_three_tokens() -> None:
    async with world() as (_, kit):
        await asyncio.sleep(3 * 60 + 30)
        placed, _ = await kit.talk("alice", "bob")
        assert (await kit.ask("GET", placed))["status"] == "open"


def test_people_outlive_their_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(everybody, "TOKEN_S", 60)
    virtual.run(after_three_tokens(), seed=1)


async def a_while_without_network() -> Sequence[str]:
    """What bob's timeline says of it, and of the first seconds after."""
    async with world() as (server, kit):
        _, came = await kit.talk("alice", "bob")
        await kit.ask("PUT", "/clients/bob/network", {"state": "cut"})
        async with server.device("bob") as another:  # any other client of bob's, which does not know of the cut
            registering = asyncio.create_task(another.register())
            await asyncio.sleep(20)
            assert not registering.done()
            await kit.ask("PUT", "/clients/bob/network", {"state": "restored"})
            await kit.post(f"{came}/expect", {"event": "reconnected", "timeout": "30s"})
            await registering
        entries = (await kit.ask("GET", "/timeline"))["entries"]
        return [f"{entry['what']} {entry['detail'].get('message', '')}" for entry in entries if entry["who"] == "bob"]


def test_a_client_without_network_does_not_knock_all_the_time() -> None:
    told = virtual.run(a_while_without_network(), seed=1)
    assert told.count("reconnected ") == 1
    lost, *others = [line for line in told if line.startswith("error")]
    assert "closed with code 1006" in lost
    assert all("the network is cut" in line for line in others), "no socket is opened"
    assert len(others) <= 12, "there is a try every few seconds, with growing waits"


async def story() -> str:
    """Bob lets the first call ring until it is over, answers the second one and writes; the timeline."""
    async with world() as (_, kit):
        first = await kit.call("alice", "bob")
        await kit.post(f"{await kit.incoming('bob')}/misbehave", {"how": "no_answer"})
        await kit.post(f"{first}/expect_end", {"timeout": "59s"}, status=422)
        await kit.post(f"{first}/expect_end", {"timeout": "2s"})
        second, came = await kit.talk("alice", "bob")
        await kit.post(f"{came}/says_nothing_for", {"for": "1h"})
        await kit.post(f"{came}/speak", {"label": "at last"})
        await kit.post(f"{second}/expect_sound", {"label": "at last"})
        await kit.ask("PUT", "/clients/bob/network", {"state": "cut"})
        await kit.post(f"{came}/expect", {"event": "reconnecting"})
        await kit.ask("PUT", "/clients/bob/network", {"state": "restored"})
        await kit.post(f"{came}/expect", {"event": "reconnected"})
        await kit.post(f"{second}/hang_up")
        await kit.post(f"{came}/expect_end")
        return (await kit.ask("GET", "/timeline"))["text"]


def test_hours_pass_and_the_same_seed_tells_the_same_story() -> None:
    told = virtual.run(story(), seed=7)
    assert told == virtual.run(story(), seed=7)
    assert "misbehaves how=no_answer" in told
    lines = told.splitlines()
    assert float(lines[-1].split()[1]) > 3_600
