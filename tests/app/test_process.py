"""A server in this loop, with clients on it: what stopping means for them, and for their calls."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest
from msgspec import structs

from midcall.app.process import Running, serving
from midcall.core import errors, tokens
from midcall.core.calls import CallFilter, Status
from midcall.core.errors import Refused
from midcall.core.sids import AccountSid, ApplicationSid, CallSid, KeySid
from midcall.folder import Credentials, Folder, FolderUnusable
from midcall.ports import PageRequest, TraceEvent
from midcall.sdk import Call, Device, VoiceError
from midcall.settings import Settings, load
from midcall.switch.calls import Calls

PAUSE = "<Response><Pause length='60'/></Response>"


def settings(tmp_path: Path, **flags: object) -> Settings:
    return load({"port": "0", "http_port": "0", "media_engine": "none", "data_dir": str(tmp_path / "data"), **flags})


class Site:
    """A server and what tests do to it."""

    def __init__(
        self,
        server: Running,
        rest: aiohttp.ClientSession,
        stack: AsyncExitStack,
        credentials: Credentials | None = None,
    ) -> None:
        self.server = server
        self.credentials = credentials or server.credentials
        self._rest = rest
        self._stack = stack
        self._accounts = f"{server.info.http_url}/2010-04-01/Accounts"
        self._account = f"{self._accounts}/{self.credentials.account_sid}"

    async def device(self, identity: str) -> Device:
        """A registered client without media."""
        made = self.credentials
        token = tokens.mint(
            key_sid=KeySid(made.api_key_sid),
            secret=made.api_key_secret,
            account_sid=AccountSid(made.account_sid),
            now=time.time(),
            token_id=f"{made.api_key_sid}-{identity}",
            identity=identity,
            application_sid=ApplicationSid(made.application_sid),
        )
        device = Device(token, host=self.server.info.signaling_host, ca_file=self.server.info.ca_file, media="none")
        await self._stack.enter_async_context(device)
        await device.register()
        return device

    async def post(self, path: str, **form: str) -> int:
        async with self._rest.post(f"{self._account}/{path}.json", data=form) as answer:
            return answer.status

    async def delete(self, path: str) -> int:
        async with self._rest.delete(f"{self._account}/{path}.json") as answer:
            return answer.status

    async def subaccount(self) -> Site:
        """The same server for another tenant, who has a key of its own."""
        async with self._rest.post(f"{self._accounts}.json") as answer:
            account = await answer.json()
        async with self._rest.post(f"{self._accounts}/{account['sid']}/Keys.json") as answer:
            key = await answer.json()
        credentials = structs.replace(
            self.credentials, account_sid=account["sid"], api_key_sid=key["sid"], api_key_secret=key["secret"]
        )
        return Site(self.server, self._rest, self._stack, credentials)

    async def suspend(self, inner: Site) -> int:
        form = {"Status": "suspended"}
        async with self._rest.post(f"{self._accounts}/{inner.credentials.account_sid}.json", data=form) as answer:
            return answer.status

    async def ready(self) -> int:
        async with self._rest.get(f"{self.server.info.http_url}/readyz") as answer:
            return answer.status

    async def call(self, device: Device) -> Call:
        """A call from REST that the device has answered."""
        incoming = device.wait_for("incoming")
        assert await self.post("Calls", To="client:bob", From="client:alice", Twiml=PAUSE) == 201
        call: Call = await incoming
        accepted = call.wait_for("accept")
        call.accept()
        await accepted
        while await self.statuses() != [Status.IN_PROGRESS]:  # the client's answer is on its way
            pass
        return call

    async def statuses(self) -> list[Status]:
        account = AccountSid(self.credentials.account_sid)
        page = await self.server.app.store.calls(account, CallFilter(), PageRequest())
        return [call.status for call in page.rows]


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


async def site(server: Running, stack: AsyncExitStack) -> Site:
    basic = aiohttp.encode_basic_auth(server.credentials.account_sid, server.credentials.auth_token)
    session = aiohttp.ClientSession(headers={"Authorization": basic})
    return Site(server, await stack.enter_async_context(session), stack)


async def test_a_live_call_is_completed_when_the_server_stops(tmp_path: Path, stack: AsyncExitStack) -> None:
    async with serving(settings(tmp_path)) as server:
        here = await site(server, stack)
        call = await here.call(await here.device("bob"))
        ended = call.wait_for("disconnect")
        await server.app.stop(0, server.hurry)
        await ended
        assert await here.statuses() == [Status.COMPLETED]


async def test_a_draining_server_refuses_new_work_and_lets_calls_go_on(tmp_path: Path, stack: AsyncExitStack) -> None:
    async with serving(settings(tmp_path)) as server:
        here = await site(server, stack)
        call = await here.call(await here.device("bob"))
        stopping = asyncio.create_task(server.app.stop(60, server.hurry))
        await asyncio.sleep(0)
        assert await here.ready() == 503
        assert await here.post("Calls", To="client:bob", From="client:alice", Twiml=PAUSE) == 503
        assert await here.statuses() == [Status.IN_PROGRESS]
        call.disconnect()
        await stopping
        assert await here.statuses() == [Status.COMPLETED]


async def test_a_hurry_ends_the_drain_at_once(tmp_path: Path, stack: AsyncExitStack) -> None:
    async with serving(settings(tmp_path)) as server:
        here = await site(server, stack)
        await here.call(await here.device("bob"))
        stopping = asyncio.create_task(server.app.stop(3600, server.hurry))
        await asyncio.sleep(0)
        server.hurry.set()
        await stopping
        assert await here.statuses() == [Status.COMPLETED]


async def test_calls_that_a_crash_left_behind_have_ended_when_the_next_server_listens(
    tmp_path: Path, stack: AsyncExitStack
) -> None:
    chosen = settings(tmp_path)
    async with serving(chosen) as server:
        here = await site(server, stack)
        await here.call(await here.device("bob"))
        # What a crash leaves: the rows of a live call, and nobody to end it.
        rows = Folder(Path(chosen.data_dir)).database.with_suffix(".copy")
        await server.app.store.next_due()
        copy_database(Folder(Path(chosen.data_dir)).database, rows)
    rows.replace(Folder(Path(chosen.data_dir)).database)
    async with serving(chosen) as server:
        assert await (await site(server, stack)).statuses() == [Status.COMPLETED]


def copy_database(source: Path, target: Path) -> None:
    import apsw

    with apsw.Connection(str(target)) as to, apsw.Connection(str(source)) as live, to.backup("main", live, "main") as b:
        while not b.done:
            b.step()


async def test_timelines_outlive_the_server(tmp_path: Path, stack: AsyncExitStack) -> None:
    chosen = settings(tmp_path)
    account, leg = AccountSid("AC" + "0" * 32), CallSid("CA" + "0" * 32)
    async with serving(chosen) as server:
        server.app.trace.record(TraceEvent(at=1.0, account_sid=account, leg_sid=leg, kind="leg.status", detail={}))
    async with serving(chosen) as server:
        assert [event.kind for event in await server.app.trace.timeline(account, leg, 9)] == ["leg.status"]


async def test_a_damaged_trace_file_does_not_keep_a_server_from_starting(tmp_path: Path) -> None:
    chosen = settings(tmp_path)
    folder = Folder(Path(chosen.data_dir))
    folder.path.mkdir()
    folder.trace_database.mkdir()
    async with serving(chosen) as server:
        assert server.app.calls.live == 0


async def test_metrics_count_clients(tmp_path: Path, stack: AsyncExitStack) -> None:
    async with serving(settings(tmp_path)) as server:
        here = await site(server, stack)
        await here.call(await here.device("bob"))
        shown = server.app.metrics.text()
        assert "midcall_registrations 1\n" in shown
        assert "midcall_legs_live 1\n" in shown
        assert "midcall_signalling_connections_total 1\n" in shown


async def test_a_client_whose_key_is_deleted_is_sent_away(tmp_path: Path, stack: AsyncExitStack) -> None:
    async with serving(settings(tmp_path)) as server:
        here = await site(server, stack)
        device = await here.device("bob")
        gone = device.wait_for("unregistered")
        device.on("error", lambda error: None)
        assert await here.delete(f"Keys/{server.credentials.api_key_sid}") == 204
        await asyncio.wait_for(gone, 5)


async def test_a_suspended_accounts_idle_clients_are_sent_away_and_its_calls_go_on(
    tmp_path: Path, stack: AsyncExitStack
) -> None:
    async with serving(settings(tmp_path)) as server:
        here = await site(server, stack)
        inner = await here.subaccount()
        idle, busy = await inner.device("alice"), await inner.device("bob")
        call = await inner.call(busy)
        gone, faults = idle.wait_for("unregistered"), asyncio.Queue[int]()
        idle.on("error", lambda error: faults.put_nowait(error.code))
        assert await here.suspend(inner) == 200
        await asyncio.wait_for(gone, 5)
        assert await asyncio.wait_for(faults.get(), 5) == 31203
        assert await inner.statuses() == [Status.IN_PROGRESS]
        await call.send_message({"still": "here"})
        with pytest.raises(VoiceError):
            await inner.device("carol")


async def test_a_server_that_fails_to_start_gives_back_its_folder_and_ports(tmp_path: Path) -> None:
    broken = settings(tmp_path)
    folder = Folder(Path(broken.data_dir))
    folder.path.mkdir()
    folder.database.write_bytes(b"this is no database, but it is long enough to look at" * 100)
    with pytest.raises(Exception, match="cannot be opened as a database"):
        async with serving(broken):
            pass
    assert not folder.is_held()


async def test_a_database_that_cannot_be_written_stops_the_start_with_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: object) -> int:
        raise Refused(errors.STORE_UNAVAILABLE)

    monkeypatch.setattr(Calls, "recover", full)
    with pytest.raises(FolderUnusable, match=r"midcall\.db cannot be written; is its disk full"):
        async with serving(settings(tmp_path)):
            pass
    monkeypatch.undo()
    async with serving(settings(tmp_path)) as server:  # nothing is held any more
        assert server.info.port
