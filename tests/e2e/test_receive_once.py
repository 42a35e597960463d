"""The helpers of docs/howto/receive-once.md, as they are printed there, against real deliveries with repeats."""

from __future__ import annotations

import asyncio
import http.client
import json
import re
import sqlite3
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from customers import Customer, Hook
from servers import ENVIRONMENT, Server

from midcall.sdk import Device

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "receive-once.md"
COUNT = 3

NODE_APP = """
import { createServer } from 'node:http';
import { receive } from './receive.mjs';
const server = createServer((request, response) => {
  let body = '';
  request.on('data', (part) => { body += part; });
  request.on('end', () => {
    receive(JSON.parse(body), (message) => console.log(message.Sid));
    response.writeHead(204).end();
  });
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
"""


def block(language: str) -> str:
    found = re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert len(found) == 1
    return str(found[0])


@pytest_asyncio.fixture(loop_scope="session")
async def customer(tmp_path: Path) -> AsyncIterator[Customer]:
    server = Server(tmp_path / "data", options=("--set", "media_engine=none", "--set", "callback_encoding=json"))
    async with Customer(await server.start()) as customer:
        await customer.point_application_here()
        yield customer
    assert await server.stop() == 0, "\n".join(server.log)


async def say(customer: Customer, path: str = "messages") -> list[str]:
    """Messages of a client to a subscribed endpoint, all delivered, and delivered once more by a replay."""
    made = customer.credentials
    options: dict[str, Any] = {"host": made.signaling_host, "ca_file": made.ca_file, "media": "none"}
    async with Device(customer.token("alice"), **options) as alice, Device(customer.token("bob"), **options) as bob:
        await bob.register()
        rings = bob.wait_for("incoming", timeout=10)
        call = await alice.connect(params={"To": "bob"})
        accepted = call.wait_for("accept", timeout=10)
        (await rings).accept()
        await accepted
        leg = call.parameters["CallSid"]
        await customer.subscribe(leg, path)
        sids = [str(call.send_message({"n": n})) for n in range(COUNT)]
        await customer.asked(path, Sid=sids[-1], timeout=20)
        form = {"CallSid": leg}
        url = f"{made.http_url}/midcall/v1/Accounts/{made.account_sid}/Replays.json"
        await customer.rest(lambda client: client.request("POST", url, data=form))
        await customer.asked(path, Sid=sids[-1], count=3, timeout=20)
    return sids


@pytest.mark.parametrize("language", ["python", "js"])
def test_a_helper_has_ten_lines_at_most(language: str) -> None:
    assert len([line for line in block(language).splitlines() if line.strip()]) <= 10


async def test_the_python_helper_handles_each_message_once_and_in_order(
    customer: Customer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    helper: dict[str, Any] = {}

    def load() -> None:
        """As a new process of the app would: nothing is kept but the file."""
        exec(compile(block("python"), str(PAGE), "exec"), helper)  # noqa: S102

    load()
    helper["db"].execute("CREATE TABLE handled (sid TEXT)")
    arrivals: list[str] = []

    def handle(db: sqlite3.Connection, message: dict[str, str]) -> None:
        db.execute("INSERT INTO handled VALUES (?)", (message["Sid"],))
        if arrivals.count(message["Sid"]) == 1 and message["SequenceNumber"] == "2":
            raise RuntimeError("the app fails after it has written")

    def judge(hook: Hook) -> int:
        arrivals.append(hook["Sid"])
        try:
            helper["receive"](hook.fields, handle)
        except RuntimeError:
            return 500
        helper["db"].close()
        load()
        return 500 if arrivals.count(hook["Sid"]) == 1 else 204

    customer.judge = judge
    sids = await say(customer)
    handled = [sid for (sid,) in helper["db"].execute("SELECT sid FROM handled ORDER BY rowid")]
    helper["db"].close()
    assert handled == sids
    assert all(arrivals.count(sid) >= 3 for sid in sids)


async def test_the_node_helper_handles_each_message_once_and_in_order(customer: Customer, tmp_path: Path) -> None:
    (tmp_path / "receive.mjs").write_text(block("js"))
    (tmp_path / "app.mjs").write_text(NODE_APP)
    arrivals: list[str] = []
    app, handled = await start_node(tmp_path)

    def judge(hook: Hook) -> int:
        arrivals.append(hook["Sid"])
        app.post(hook.fields)
        return 500 if arrivals.count(hook["Sid"]) == 1 else 204

    customer.judge = judge
    sids = await say(customer)
    await app.stop()
    app, more = await start_node(tmp_path)  # a new process knows them from the file
    app.post({"CallSid": "CA1", "SequenceNumber": "1", "Sid": "KX1"})
    await app.stop()
    assert [*handled, *more] == [*sids, "KX1"]
    assert all(arrivals.count(sid) >= 3 for sid in sids)


class NodeApp:
    """The page's helper behind a web server of its own process."""

    def __init__(self, process: asyncio.subprocess.Process, port: int, handled: list[str]) -> None:
        self._process = process
        self._port = port
        self._handled = handled

    def post(self, fields: dict[str, str]) -> None:
        """Hand it one callback, and wait for its answer: the app under test must have acted before we answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        connection.request("POST", "/", json.dumps(fields))
        assert connection.getresponse().status == 204
        connection.close()

    async def stop(self) -> None:
        self._process.terminate()
        assert self._process.stdout is not None
        rest = (await self._process.stdout.read()).decode().split()
        self._handled.extend(rest)
        await self._process.wait()


async def start_node(folder: Path) -> tuple[NodeApp, list[str]]:
    process = await asyncio.create_subprocess_exec(
        "node", "app.mjs", cwd=folder, env=ENVIRONMENT, stdout=asyncio.subprocess.PIPE, stderr=sys.stderr
    )
    assert process.stdout is not None
    port = int(await process.stdout.readline())
    handled: list[str] = []
    return NodeApp(process, port, handled), handled
