"""What official clients act on in the tests: one real server, an application that hears callbacks, SDK clients."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from customers import Credentials, Customer, Hook
from servers import Server

from midcall.sdk import Call, Device
from support.processes import ENVIRONMENT, MIDCALL
from support.rest import basic

LISTED = "client:nobody-here"
LISTED_CALLS = 5
WAIT_S = 10.0


@dataclass(frozen=True, slots=True)
class Stage:
    """A running server and who is there besides the client under test.

    Attributes:
        listed: sids of some calls to `LISTED` that have ended, newest first.
    """

    data_dir: Path
    credentials: Credentials
    customer: Customer
    listed: list[str]

    @property
    def exec_command(self) -> tuple[str, ...]:
        """What stands before a command whose calls to the vendor come here."""
        return (*MIDCALL, "exec", "--data-dir", str(self.data_dir), "--")

    async def printed_variables(self) -> dict[str, str | None]:
        """What `midcall exec --print-env` says; None unsets."""
        process = await asyncio.create_subprocess_exec(
            *(*MIDCALL, "exec", "--print-env", "--format", "json", "--data-dir", str(self.data_dir)),
            stdout=asyncio.subprocess.PIPE,
            env=ENVIRONMENT,
        )
        out, _ = await process.communicate()
        variables: dict[str, str | None] = json.loads(out)
        return variables

    async def connect(self, token: str) -> Device:
        """A Voice SDK client with that token, registered over a signalling connection of its own."""
        device = Device(token, host=self.credentials.signaling_host, ca_file=self.credentials.ca_file, media="none")
        await device.register()
        return device

    @asynccontextmanager
    async def live_call(self, name: str, *, after: int = 0) -> AsyncIterator[str]:
        """Sid of a call in progress to a client of that name, after some that it took and ended."""
        device = await self.connect(self.customer.token(name))
        for _ in range(after):
            (await self._answered(device, name)).disconnect()
        yield (await self._answered(device, name)).parameters["CallSid"]
        await device.destroy()

    async def _answered(self, device: Device, name: str) -> Call:
        rings = device.wait_for("incoming", timeout=WAIT_S)
        twiml = "<Response><Pause length='60'/></Response>"
        await self.customer.rest(
            lambda client: client.calls.create(to=f"client:{name}", from_="client:shop", twiml=twiml)
        )
        call: Call = await rings
        accepted = call.wait_for("accept", timeout=WAIT_S)
        call.accept()
        await accepted
        await call.send_message({"content": "so it is in progress"})  # after the answer, on the same connection
        return call

    async def key_opens(self, sid: str, secret: str) -> bool:
        """Whether REST accepts that key."""
        url = f"{self.credentials.http_url}/2010-04-01/Accounts/{self.credentials.account_sid}/Calls.json"
        headers = {"Authorization": basic(sid, secret)}
        async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as answer:
            return answer.status == 200


@asynccontextmanager
async def stage(folder: Path) -> AsyncIterator[Stage]:
    """A server inside the block. What hears callbacks under `…/as-form/…` refuses JSON."""
    server = Server(folder / "data", ("--set", "media_engine=none"))
    credentials = await server.start()
    try:
        async with Customer(credentials, judge=_judge) as customer:
            yield Stage(server.data_dir, credentials, customer, await _ended_calls(customer))
    finally:
        assert await server.stop() == 0, "\n".join(server.log)


def _judge(hook: Hook) -> int:
    return 415 if "/as-form/" in hook.path and hook.encoding == "json" else 204


async def _ended_calls(customer: Customer) -> list[str]:
    """Calls that end at once, because nobody is there."""
    sids = [
        await customer.rest(lambda client: client.calls.create(to=LISTED, from_="client:shop", twiml="<Response/>").sid)
        for _ in range(LISTED_CALLS)
    ]
    return sids[::-1]
