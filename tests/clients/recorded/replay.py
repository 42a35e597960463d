"""Requests that the real PHP, Ruby and C# libraries once made, made again: only sids and credentials are ours."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import aiohttp
import yarl
from customers import Credentials

from clients.operations import NO_CALL
from clients.recorded import readers
from clients.recorded.readers import Reader
from support import strict
from support.rest import basic

RECORDED = Path(__file__).parents[2] / "contract" / "helper-requests.jsonl"
CALL, ACCOUNT, SUBSCRIPTION = "CA" + "9" * 32, "AC" + "a" * 32, "ZY" + "3" * 32

MESSAGES, SUBSCRIPTIONS = "/UserDefinedMessages.json", "/UserDefinedMessageSubscriptions.json"


@dataclass(frozen=True, slots=True)
class Request:
    """A row of the record."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: str

    @property
    def version(self) -> str:
        """Of the library: what follows the slash in its name for itself."""
        return self.headers["User-Agent"].partition("/")[2].partition(" ")[0]


def recorded(client: str) -> list[Request]:
    """What that library asked."""
    rows = [json.loads(line) for line in RECORDED.read_text(encoding="utf-8").splitlines()]
    return [Request(row["method"], row["path"], row["headers"], row["body"]) for row in rows if row["client"] == client]


class Replay:
    """One library's requests about a call in progress; every method reads the answer as that library does."""

    def __init__(
        self,
        requests: list[Request],
        reader: Reader,
        credentials: Credentials,
        call_sid: str,
        session: aiohttp.ClientSession,
    ) -> None:
        self._requests = requests
        self._reader = reader
        self._credentials = credentials
        self._call_sid = call_sid
        self._session = session

    def has(self, method: str, ending: str) -> bool:
        """Whether the library was recorded doing that."""
        return any(_fits(request, method, ending) for request in self._requests)

    async def create_a_call(self) -> None:
        form = {"To": "client:carol", "From": "client:alice", "Twiml": "<Response><Hangup/></Response>"}
        status, text = await self._again("POST", "/Calls.json", form=form)
        made = self._reader.record(text, readers.CALL)
        assert (status, made["status"], made["direction"]) == (201, "queued", "outbound-api")

    async def create_a_message(self) -> None:
        status, text = await self._again("POST", MESSAGES)
        assert (status, self._reader.record(text, readers.MESSAGE)["call_sid"]) == (201, self._call_sid)

    async def create_and_delete_a_subscription(self) -> None:
        status, text = await self._again("POST", SUBSCRIPTIONS)
        made = self._reader.record(text, readers.SUBSCRIPTION)
        assert (status, made["call_sid"]) == (201, self._call_sid)
        assert await self._again("DELETE", f"{SUBSCRIPTION}.json", subscription=made["sid"]) == (204, "")

    async def fetch_a_call(self) -> None:
        status, text = await self._again("GET", f"{CALL}.json")
        fetched = self._reader.record(text, readers.CALL)
        assert (status, fetched["sid"], fetched["status"]) == (200, self._call_sid, "in-progress")
        assert fetched["start_time"] is not None

    async def list_calls_by_pages(self) -> None:
        status, text = await self._again("GET", "/Calls.json")
        rows, following = self._reader.page(text, "calls", readers.CALL)
        pages = 1
        while following is not None:
            status, text = await self._send("GET", following, self._requests[0].headers, "")
            more, following = self._reader.page(text, "calls", readers.CALL)
            rows, pages = rows + more, pages + 1
        assert (status, pages >= 2) == (200, True)
        assert len({row["sid"] for row in rows}) == len(rows)

    async def end_a_call(self) -> None:
        status, text = await self._again("POST", f"{CALL}.json", form={"Status": "completed"})
        assert (status, self._reader.record(text, readers.CALL)["status"]) == (200, "completed")

    async def read_an_error(self) -> None:
        status, text = await self._again("GET", f"{CALL}.json", call_sid=NO_CALL)
        code, message = self._reader.error(text, status)
        assert (status, code) == (404, 20404)
        assert "was not found" in message

    # Requests that nobody recorded, with the headers of one that was.

    async def update_a_call(self) -> None:
        twiml = {"Twiml": "<Response><Pause length='60'/></Response>"}
        status, text = await self._made("POST", f"/Calls/{self._call_sid}.json", twiml)
        assert (status, self._reader.record(text, readers.CALL)["status"]) == (200, "in-progress")

    async def create_an_application(self) -> None:
        url = "https://app.example/voice?a=b"
        text = await self._create("Applications", FriendlyName="replayed", VoiceUrl=url)
        assert self._reader.record(text, readers.APPLICATION)["voice_url"] == url

    async def create_a_key(self) -> None:
        made = self._reader.record(await self._create("Keys", FriendlyName="replayed"), readers.KEY)
        assert (made["sid"][:2], len(made["secret"])) == ("SK", 32)

    async def _create(self, resource: str, **form: str) -> str:
        status, text = await self._made("POST", f"/{resource}.json", form)
        assert status == 201, text
        return text

    async def _made(self, method: str, path: str, form: Mapping[str, str]) -> tuple[int, str]:
        headers = next(request for request in self._requests if request.body).headers
        return await self._send(method, f"/2010-04-01/Accounts/{ACCOUNT}{path}", headers, urlencode(form))

    async def _again(
        self,
        method: str,
        ending: str,
        *,
        call_sid: str | None = None,
        subscription: str = "",
        form: Mapping[str, str] | None = None,
    ) -> tuple[int, str]:
        """Status and body for the recorded request, about our call and our subscription.

        Args:
            form: sent instead where the library was not recorded doing that.
        """
        request = next((request for request in self._requests if _fits(request, method, ending)), None)
        if request is None:
            assert form is not None, f"nobody recorded {method} {ending}"
            path = ending if ending.startswith("/") else f"/Calls/{ending}".replace(CALL, self._call_sid)
            return await self._made(method, path, form)
        path = request.path.replace(CALL, call_sid or self._call_sid).replace(SUBSCRIPTION, subscription)
        return await self._send(method, path, request.headers, request.body)

    async def _send(self, method: str, path: str, headers: Mapping[str, str], body: str) -> tuple[int, str]:
        sent = {
            **{name: value for name, value in headers.items() if name != "Content-Length"},
            "Authorization": basic(self._credentials.account_sid, self._credentials.auth_token),
        }
        path = path.replace(ACCOUNT, self._credentials.account_sid)
        url = yarl.URL(self._credentials.http_url + path, encoded=True)
        async with self._session.request(method, url, data=body.encode() or None, headers=sent) as answer:
            text = await answer.text()
        found = list(strict.problems(method, path, answer.status, json.loads(text) if text else None))
        assert not found, found
        return answer.status, text


def _fits(request: Request, method: str, ending: str) -> bool:
    return request.method == method and request.path.partition("?")[0].endswith(ending)
