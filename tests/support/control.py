"""A client of the control API and of REST, as a test kit has it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from midcall.app.process import Running


@dataclass(slots=True)
class Kit:
    """Talks to the control API, and to REST, as a test kit does."""

    running: Running
    session: aiohttp.ClientSession
    headers: Mapping[str, str]

    async def ask(self, method: str, path: str, body: Any = None, *, status: int = 200) -> Any:
        """Ask the control API; the answer's JSON."""
        url = f"{self.running.info.http_url}/control/v1{path}"
        async with self.session.request(method, url, json=body, headers=self.headers) as response:
            text = await response.text()
            assert response.status == status, f"{method} {path}: {response.status} {text}"
            return None if response.status == 204 else await response.json()

    async def post(self, path: str, body: Any = None, *, status: int = 200) -> Any:
        return await self.ask("POST", path, {} if body is None else body, status=status)

    async def person(self, name: str, **options: Any) -> Any:
        return await self.post("/people", {"name": name, **options}, status=201)

    async def call(self, name: str, to: str, **options: Any) -> str:
        """Place a call; the path of the call."""
        placed = await self.post(f"/people/{name}/calls", {"to": to, **options}, status=201)
        return f"/people/{name}/calls/{placed['id']}"

    async def incoming(self, name: str, **options: Any) -> str:
        """Wait for a call; the path of the call."""
        call = await self.post(f"/people/{name}/incoming", options)
        return f"/people/{name}/calls/{call['id']}"

    async def talk(self, caller: str, callee: str) -> tuple[str, str]:
        """A call that is up; the paths of both ends."""
        placed = await self.call(caller, callee)
        came = await self.incoming(callee)
        await self.post(f"{came}/accept")
        await self.post(f"{placed}/expect", {"status": "open"})
        return placed, came

    async def subaccount(self) -> Kit:
        """The same for another tenant."""
        url = f"{self.running.info.http_url}/2010-04-01/Accounts.json"
        async with self.session.post(url, data={"FriendlyName": "other"}, headers=self.headers) as response:
            made = await response.json()
        headers = {"Authorization": aiohttp.encode_basic_auth(made["sid"], made["auth_token"])}
        return Kit(self.running, self.session, headers)

    async def rest(self, method: str, path: str, fields: Mapping[str, str] | None = None) -> Any:
        """Ask REST, below the account."""
        account = self.running.credentials.account_sid
        url = f"{self.running.info.http_url}/2010-04-01/Accounts/{account}{path}"
        async with self.session.request(method, url, data=fields, headers=self.headers) as response:
            assert response.status < 300, await response.text()
            return None if response.status == 204 else await response.json()
