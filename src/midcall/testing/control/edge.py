"""What is around every request of the control API: credentials, the body, the answer, errors as REST's."""

from __future__ import annotations

import asyncio
import logging
import re
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

import msgspec
from aiohttp import web

from midcall.core import errors
from midcall.core.errors import Refused
from midcall.core.sids import AccountSid, CallSid
from midcall.rest import guard
from midcall.rest.edge import json_response, refuse
from midcall.switch.accounts import Accounts
from midcall.testing.control.bodies import ProblemBody
from midcall.testing.control_path import CONTROL
from midcall.testing.people.journal import is_awaited
from midcall.testing.people.problems import (
    Abandoned,
    Problem,
    TooMany,
    Unfulfilled,
    Unknown,
    Unusable,
    WrongState,
    in_full,
)

log = logging.getLogger(__name__)

UNFULFILLED: Final = 20422
CONFLICT: Final = 20409
BODY_S: Final = 30.0
MAX_IN_FLIGHT: Final = 500
"""Requests of an account that may wait at the same time."""


@dataclass(frozen=True, slots=True)
class Asked:
    """An authenticated request.

    Attributes:
        path: what stands for the names in the route.
        query: its parameters, the last of each name.
        body: read as the route wants it.
    """

    account: AccountSid
    path: dict[str, str]
    query: dict[str, str]
    body: Any
    request: web.Request


Handler = Callable[[Asked], Awaitable[Any]]

Story = Callable[[AccountSid, CallSid | None], Awaitable[str]]
"""Tells what happened, as text."""


class Edge:
    """Adds routes whose handlers get an `Asked` and return what is encoded as JSON.

    Args:
        story: put into answers about what did not come true.
    """

    def __init__(self, router: web.UrlDispatcher, accounts: Accounts, story: Story) -> None:
        self._router = router
        self._accounts = accounts
        self._story = story
        self._in_flight: Counter[AccountSid] = Counter()

    @property
    def under_way(self) -> int:
        """Requests that have not been answered yet."""
        return self._in_flight.total()

    def add(
        self,
        method: Literal["GET", "POST", "PUT", "DELETE"],
        path: str,
        handler: Handler,
        body: Any = None,
        *,
        status: int = 200,
    ) -> None:
        """Answer a method at a path below `/control/v1`.

        Args:
            body: the type that the request's JSON has to be; None takes none.
            status: of a good answer; 204 has no body.
        """

        async def answer(request: web.Request) -> web.StreamResponse:
            return await self._guarded(request, handler, body, status)

        self._router.add_route(method, CONTROL + path, answer)

    async def _guarded(self, request: web.Request, handler: Handler, kind: Any, status: int) -> web.StreamResponse:
        account: AccountSid | None = None
        try:
            guard.refuse_cross_site(request.headers, scripts=False)
            principal = await self._accounts.authenticate(*guard.credentials(request.headers), None)
            account = principal.account.sid
            if self._in_flight[account] >= MAX_IN_FLIGHT:
                raise TooMany(f"{MAX_IN_FLIGHT} requests to the control API are under way")
            self._in_flight[account] += 1
            awaited = is_awaited.set(_is_awaited(request))
            try:
                body = None if kind is None else await _body(request, kind)
                asked = Asked(account, dict(request.match_info), dict(request.query), body, request)
                result = await handler(asked)
            finally:
                is_awaited.reset(awaited)
                self._in_flight[account] -= 1
        except Refused as refused:
            return refuse(refused, request.path)
        except Problem as problem:
            return await self._problem(account, problem)
        except Exception:
            log.exception("a request to the control API failed: %s %s", request.method, request.path)
            return refuse(Refused(errors.INTERNAL, "An internal error occurred"), request.path)
        if status == 204:
            return web.Response(status=204)
        return json_response(msgspec.json.encode(result), status)

    async def _problem(self, account: AccountSid | None, problem: Problem) -> web.Response:
        match problem:
            case Unknown():
                status, code = errors.NOT_FOUND.rest
            case Unusable():
                status, code = errors.PARAMETER_INVALID.rest
            case TooMany():
                status, code = errors.RATE_EXCEEDED.rest
            case WrongState() | Abandoned():
                status, code = 409, CONFLICT
            case _:
                status, code = 422, UNFULFILLED
        body = ProblemBody(status=status, code=code, message=str(problem))
        if isinstance(problem, Unfulfilled):
            call = None if problem.call_sid is None else CallSid(problem.call_sid)
            body = ProblemBody(
                status=status,
                code=problem.code or code,
                message=str(problem),
                expected=problem.expected,
                seen=problem.seen,
                timeline=None if account is None else await self._story(account, call),
            )
        return json_response(msgspec.json.encode(body), status)


def _is_awaited(request: web.Request) -> Callable[[], bool]:
    """Whether the client still waits for the answer. Keeps its connection alone: people outlive the request."""
    protocol = request.protocol
    return lambda: protocol.transport is not None and not protocol.transport.is_closing()


async def _body(request: web.Request, kind: Any) -> Any:
    """The request's JSON; nothing at all is an empty object.

    Raises:
        Refused: BODY_TOO_LARGE or PARAMETER_INVALID.
    """
    try:
        async with asyncio.timeout(BODY_S):
            text = await request.read()
        return msgspec.json.decode(text or b"{}", type=kind)
    except web.HTTPRequestEntityTooLarge:
        raise Refused(errors.BODY_TOO_LARGE) from None
    except TimeoutError:
        raise Refused(errors.PARAMETER_INVALID, "The request body did not arrive in time") from None
    except msgspec.ValidationError as error:
        raise Refused(errors.PARAMETER_INVALID, f"The request body cannot be used: {in_full(error, kind)}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(errors.PARAMETER_INVALID, f"The request body cannot be used: {error}") from None


def plain(path: str) -> str:
    """A route's path with names in braces, as aiohttp spells it."""
    return re.sub(r"{(\w+)}", r"{\1:[^/]+}", path)
