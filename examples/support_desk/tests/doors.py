"""An ASGI application between the voice service and the desk, whose doors can be slow, shut, or lie."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import Any

Asgi = Any


class Doors:
    """Lets requests through to an application, unless it was told otherwise for their path.

    Attributes:
        asked: how often each path was asked.
    """

    def __init__(self, app: Asgi) -> None:
        self._app = app
        self._shut: dict[str, int] = {}
        self._slow: dict[str, float] = {}
        self._lying: dict[str, int] = {}
        self.asked: dict[str, int] = defaultdict(int)

    def shut(self, path: str, status: int = 503) -> None:
        """Answer so, and let nothing through, until `open`."""
        self._shut[path] = status

    def open(self, path: str) -> None:
        """Let everything through again, at once."""
        self._shut.pop(path, None)
        self._slow.pop(path, None)

    def slow(self, path: str, seconds: float) -> None:
        """Let the application work, and hold its answer back that long."""
        self._slow[path] = seconds

    def break_answers(self, path: str, times: int) -> None:
        """Let the application work, and lose the connection in the middle of its answer, that many times."""
        self._lying[path] = times

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        path = scope["path"]
        self.asked[path] += 1
        if path in self._shut:
            await send({"type": "http.response.start", "status": self._shut[path], "headers": []})
            return await send({"type": "http.response.body"})
        answer: list[Any] = []

        async def keep(message: Any) -> None:
            answer.append(message)

        await self._app(scope, receive, keep)
        await asyncio.sleep(self._slow.get(path, 0))
        if self._lying.get(path, 0) > 0:
            self._lying[path] -= 1
            raise ConnectionAbortedError("the answer is lost")
        for message in answer:
            await send(message)
