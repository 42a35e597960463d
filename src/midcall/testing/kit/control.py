"""One request to the control API and its answer: what failed becomes an exception with the server's own words."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol
from urllib.parse import quote

import aiohttp

from midcall.testing.control_path import CONTROL
from midcall.testing.kit.failures import ActionRefused, ExpectationFailed

UNMET: Final = 422

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer of REST."""

    status: int
    text: str
    headers: dict[str, str]


class Control(Protocol):
    """Whoever carries requests to the server."""

    async def request(self, method: str, path: str, body: object = None, query: Mapping[str, str] | None = None) -> Any:
        """Do one request.

        Args:
            path: below `/control/v1`, each part quoted; empty for the root.
            body: sent as JSON; None sends nothing.

        Returns:
            The answer, read from JSON; None when it has no body.

        Raises:
            ExpectationFailed: what was waited for did not come true.
            ActionRefused: any other refusal.
        """

    async def fetch(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        *,
        params: Mapping[str, Any] | None = None,
        data: Mapping[str, Any] | None = None,
    ) -> Fetched:
        """Do a request of REST, with the account's credentials.

        Args:
            path: of the whole server, and its query.
            params: more of a query.
            data: fields of a form.
        """


class HttpControl:
    """Carries requests in the loop that the session belongs to.

    Args:
        session: not closed.
        url: of the server, without a slash behind.
    """

    def __init__(self, session: aiohttp.ClientSession, url: str, *, account_sid: str, auth_token: str) -> None:
        self._session = session
        self._url = url
        self._headers = {"Authorization": aiohttp.encode_basic_auth(account_sid, auth_token)}

    async def request(self, method: str, path: str, body: object = None, query: Mapping[str, str] | None = None) -> Any:
        """See `Control.request`. Waits as long as the server does: expectations have a timeout of their own."""
        __tracebackhide__ = True
        async with self._session.request(
            method,
            self._url + CONTROL + path,
            json=body,
            params=query,
            headers=self._headers,
            timeout=aiohttp.ClientTimeout(total=None),
        ) as answer:
            return read(answer.status, await answer.read())

    async def fetch(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        *,
        params: Mapping[str, Any] | None = None,
        data: Mapping[str, Any] | None = None,
    ) -> Fetched:
        """See `Control.fetch`."""
        async with self._session.request(
            method,
            self._url + path,
            headers={**(headers or {}), **self._headers},
            params=_texts(params),
            data=_texts(data),
            allow_redirects=False,
        ) as answer:
            return Fetched(answer.status, await answer.text(), dict(answer.headers))


class ElsewhereControl:
    """Carries requests over to another loop, which runs in a thread of its own.

    So a test may use any loop, or change loops, and may block its own without harm to the server.
    """

    def __init__(self, control: Control, loop: asyncio.AbstractEventLoop) -> None:
        self._control = control
        self._loop = loop

    async def request(self, method: str, path: str, body: object = None, query: Mapping[str, str] | None = None) -> Any:
        """See `Control.request`."""
        __tracebackhide__ = True
        work = self._control.request(method, path, body, query)
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    async def fetch(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        *,
        params: Mapping[str, Any] | None = None,
        data: Mapping[str, Any] | None = None,
    ) -> Fetched:
        """See `Control.fetch`."""
        work = self._control.fetch(method, path, headers, params=params, data=data)
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))


def read(status: int, content: bytes) -> Any:
    """What an answer means.

    Raises:
        ExpectationFailed, ActionRefused: it is no success.
    """
    __tracebackhide__ = True
    if status < 300:
        return json.loads(content) if content else None
    try:
        told = json.loads(content)
    except ValueError:
        told = None
    if not isinstance(told, dict):
        raise ActionRefused(f"the server answered {status}: {content[:200].decode(errors='replace')}", status=status)
    message = str(told.get("message", f"the server answered {status}"))
    if status == UNMET:
        seen = told.get("seen")
        raise ExpectationFailed(
            message,
            expected=told.get("expected"),
            seen=seen if isinstance(seen, list) else [],
            timeline=str(told.get("timeline") or ""),
        )
    raise ActionRefused(message, status=status, code=told.get("code"))


def part(name: str) -> str:
    """A name as one part of a path."""
    return quote(name, safe="")


def given(**values: object) -> Json:
    """A body of those values that are not None."""
    return {name.rstrip("_"): value for name, value in values.items() if value is not None}


def _texts(fields: Mapping[str, Any] | None) -> list[tuple[str, str]] | None:
    """Fields as a form or a query has them: lists are repeated, truth is lower case, what is None is left out."""
    if not fields:
        return None
    pairs = [(name, one) for name, value in fields.items() for one in (value if isinstance(value, list) else [value])]
    return [
        (name, str(value).lower() if isinstance(value, bool) else str(value))
        for name, value in pairs
        if value is not None
    ]
