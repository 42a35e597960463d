"""Between the server and an application under test: what was asked, and answers that the application does not give."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from midcall.testing.kit.apps import Application
from midcall.testing.kit.failures import SwitchboardUnusable
from midcall.testing.kit.recorder import Behaviour, Request
from midcall.testing.people.problems import Unusable
from midcall.testing.people.recording import Endpoint, RequestView, behaviour_of, fields_of, is_signed

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

EVERY: Final = "*"
LONGEST_BYTES: Final = 1024 * 1024
"""Of a body that is noted."""
PROMISED_BYTES: Final = b"64"
"""What an answer says that it has, when it closes before its body."""


class Doors:
    """An ASGI application around another: notes requests, and misbehaves on request.

    Args:
        auth_token: what requests should be signed with.
    """

    def __init__(self, app: Application, auth_token: str) -> None:
        self._app = app
        self._auth_token = auth_token
        self._noted = Endpoint("application", "")
        self._paths: dict[str, Endpoint] = {}
        self.url = ""

    def behave(self, behaviour: Behaviour, path: str) -> None:
        """See `Served.behaves`."""
        try:
            read = behaviour_of(behaviour)
        except Unusable as unusable:
            raise SwitchboardUnusable(str(unusable)) from None
        if read.kind == "refuses":
            raise SwitchboardUnusable(
                "an application cannot refuse connections; point the server to a recorder that does"
            )
        if path != EVERY and not path.startswith("/"):
            raise SwitchboardUnusable(
                f"requests are told apart by paths such as '/voice', or '*' for all, not {path!r}"
            )
        self._paths.setdefault(path, Endpoint(path, "")).behaviour = read

    def noted(self, path: str | None) -> list[Request]:
        """See `Served.requests`."""
        return [
            Request({name: getattr(view, name) for name in view.__struct_fields__})
            for view in list(self._noted.requests)
            if path is None or view.path == path
        ]

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        doors = self._paths.get(scope["path"]) or self._paths.get(EVERY)
        behaviour = behaviour_of("ok") if doors is None else doors.next_behaviour()
        if behaviour.kind == "does_not_read":
            self._note(scope, None, behaviour.kind)
            await _answer(send, 200, b"")
            return
        events, body = await _read(receive)
        self._note(scope, body, behaviour.kind)
        match behaviour.kind:
            case "failing":
                await _answer(send, behaviour.status, b"")
                return
            case "closes_before_body":  # what the application did is done: the lie is that nobody is told
                await self._app(scope, _again(events, receive), _drop)
                await send(_start(200, PROMISED_BYTES))
                return
            case "slow" | "late":
                await asyncio.sleep(behaviour.wait_s)
        await self._app(scope, _again(events, receive), send)

    def _note(self, scope: Message, body: bytes | None, kind: str) -> None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        raw = scope.get("raw_path") or scope["path"].encode()
        query = scope["query_string"].decode("latin-1")
        content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
        method = scope["method"]
        signed = None
        if body is not None:
            url = self.url + raw.decode("latin-1") + (f"?{query}" if query else "")
            signed = is_signed(
                headers, auth_token=self._auth_token, url=url, method=method, content_type=content_type, body=body
            )
        self._noted.record(
            RequestView(
                at=time.time(),
                method=method,
                path=scope["path"],
                headers=headers,
                fields=fields_of(method, query, content_type, body or b""),
                body=None if body is None else body.decode(errors="replace"),
                signature_valid=signed,
                behaviour=kind,
            )
        )


class Served(str):
    """The URL of an application that is served, without a slash behind; and what may be done to it.

    Requests are noted, at most the last 1,000.
    """

    __slots__ = ("_doors",)
    _doors: Doors

    @classmethod
    def at(cls, url: str, doors: Doors) -> Served:
        """The application behind these doors, which is served there."""
        served = cls(url)
        served._doors = doors
        doors.url = url
        return served

    def behaves(self, behaviour: Behaviour, *, path: str = EVERY) -> None:
        """How requests are answered from now on, instead of by the application.

        Args:
            behaviour: as of a recorder, but for `"refuses"`. Slow and late answers are the application's; with
                `"closes_before_body"` it does its work, and its answer is lost.
            path: the one that it is about; `*` is every path that has no behaviour of its own.

        Raises:
            SwitchboardUnusable: it is no behaviour, or no path.
        """
        self._doors.behave(behaviour, path)

    def requests(self, path: str | None = None) -> list[Request]:
        """What was asked, oldest first, with its signature checked or not: see `Request.is_signed`.

        Args:
            path: only requests for it.
        """
        return self._doors.noted(path)


async def _read(receive: Receive) -> tuple[list[Message], bytes]:
    """What came until the end of the body or of the connection, and the first of its bytes."""
    events: list[Message] = []
    body = b""
    while True:
        event = await receive()
        events.append(event)
        if event["type"] != "http.request":
            return events, body
        if len(body) < LONGEST_BYTES:
            body += event.get("body", b"")
        if not event.get("more_body"):
            return events, body


def _again(events: list[Message], receive: Receive) -> Receive:
    waiting = iter(events)

    async def again() -> Message:
        event = next(waiting, None)
        return event if event is not None else await receive()

    return again


async def _drop(_: Message) -> None:
    """Takes what the application sends."""


async def _answer(send: Send, status: int, body: bytes) -> None:
    await send(_start(status, str(len(body)).encode()))
    await send({"type": "http.response.body", "body": body})


def _start(status: int, length: bytes) -> Message:
    headers = [(b"content-type", b"text/plain"), (b"content-length", length)]
    return {"type": "http.response.start", "status": status, "headers": headers}
