"""Recorders of HTTP requests, hosted by the server itself: made by the control API, reached without credentials.

Their addresses cannot be guessed; whoever knows one can do no more than add a request to what it recorded.
"""

from __future__ import annotations

import hmac
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

import msgspec
from aiohttp import hdrs, web

from midcall.app.assembly import App
from midcall.core.sids import AccountSid
from midcall.testing.control.bodies import EndpointForm, ExpectRequest
from midcall.testing.control.edge import Asked, Edge, plain
from midcall.testing.people.everybody import Everybody
from midcall.testing.people.journal import Journal
from midcall.testing.people.problems import TooMany, Unfulfilled, Unknown, Unusable, WrongState
from midcall.testing.people.recording import (
    Behaviour,
    Endpoint,
    RequestView,
    behaviour_of,
    fields_of,
    is_signed,
)
from midcall.testing.people.rules import spoken

log = logging.getLogger(__name__)

HOOKS: Final = "/control/hooks"
MAX_ENDPOINTS: Final = 100
"""Of one account."""
KEY_BYTES: Final = 16

_HALF_AN_ANSWER: Final = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 64\r\n\r\n"
_HASTY_ANSWER: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class EndpointView(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    url: str
    requests: int


class Endpoints:
    """All recorders of a server."""

    def __init__(self, everybody: Everybody, app: App, edge: Edge) -> None:
        self._everybody = everybody
        self._app = app
        self._edge = edge
        self._endpoints: dict[tuple[AccountSid, str], Endpoint] = {}
        self._by_key: dict[str, tuple[AccountSid, Endpoint]] = {}
        self._made = 0

    def add(self) -> None:
        """Add the routes."""
        one = plain("/endpoints/{name}")
        self._edge.add("POST", "/endpoints", self.create, EndpointForm, status=201)
        self._edge.add("GET", "/endpoints", self.list)
        self._edge.add("DELETE", "/endpoints", self.delete_all, status=204)
        self._edge.add("GET", one, self.show)
        self._edge.add("PUT", one, self.change, EndpointForm)
        self._edge.add("DELETE", one, self.delete, status=204)
        self._edge.add("GET", f"{one}/requests", self.requests)
        self._edge.add("POST", f"{one}/expect", self.expect, ExpectRequest)
        for path in (HOOKS + "/{key:[0-9a-f]{32}}", HOOKS + "/{key:[0-9a-f]{32}}/{tail:.*}"):
            self._app.web.router.add_route("*", path, self.take)

    def close(self) -> None:
        """Let go of everybody who waits."""
        for endpoint in self._endpoints.values():
            endpoint.closed = True
            endpoint.bell.ring()

    # the control API

    async def create(self, asked: Asked) -> EndpointView:
        form: EndpointForm = asked.body
        if sum(account == asked.account for account, _ in self._endpoints) >= MAX_ENDPOINTS:
            raise TooMany(f"an account has at most {MAX_ENDPOINTS} endpoints")
        self._made += 1
        name = form.name or f"endpoint-{self._made}"
        if (asked.account, name) in self._endpoints:
            raise WrongState(f"there is an endpoint {name!r} already")
        endpoint = Endpoint(name, self._app.entropy(KEY_BYTES).hex())
        _change(endpoint, form, self._everybody.doer.bounded)
        self._endpoints[asked.account, name] = endpoint
        self._by_key[endpoint.key] = asked.account, endpoint
        return self._view(endpoint)

    async def list(self, asked: Asked) -> dict[str, Sequence[EndpointView]]:
        return {
            "endpoints": [
                self._view(endpoint) for (account, _), endpoint in self._endpoints.items() if account == asked.account
            ]
        }

    async def show(self, asked: Asked) -> EndpointView:
        return self._view(self._endpoint(asked))

    async def change(self, asked: Asked) -> EndpointView:
        endpoint = self._endpoint(asked)
        form: EndpointForm = asked.body
        if form.name not in (None, endpoint.name):
            raise Unusable("an endpoint keeps its name")
        _change(endpoint, form, self._everybody.doer.bounded)
        return self._view(endpoint)

    async def delete(self, asked: Asked) -> None:
        self._forget(asked.account, self._endpoint(asked))

    async def delete_all(self, asked: Asked) -> None:
        for account, name in list(self._endpoints):
            if account == asked.account:
                self._forget(account, self._endpoints[account, name])

    def _forget(self, account: AccountSid, endpoint: Endpoint) -> None:
        del self._endpoints[account, endpoint.name]
        del self._by_key[endpoint.key]
        endpoint.closed = True
        endpoint.bell.ring()

    async def requests(self, asked: Asked) -> dict[str, Sequence[RequestView]]:
        return {"requests": list(self._endpoint(asked).requests)}

    async def expect(self, asked: Asked) -> RequestView:
        """Wait for a request that fits; each is given once.

        Raises:
            Unfulfilled: none came in time.
        """
        endpoint, wanted = self._endpoint(asked), asked.body
        timeout_s = self._everybody.doer.bounded(wanted.timeout)

        def found() -> RequestView | bool | None:
            return endpoint.take(wanted.fields, wanted.path, wanted.method) or endpoint.closed or None

        request = await endpoint.bell.until(found, timeout_s)
        if isinstance(request, RequestView):
            return request
        if request:
            raise WrongState(f"the endpoint {endpoint.name} was deleted")
        asked_for = {"method": wanted.method, "path": wanted.path, "fields": wanted.fields}
        raise Unfulfilled(
            f"{endpoint.name} did not get such a request within {spoken(timeout_s)}",
            expected={name: value for name, value in asked_for.items() if value is not None},
            seen=[{"method": each.method, "path": each.path, **each.fields} for each in endpoint.untaken],
        )

    def _endpoint(self, asked: Asked) -> Endpoint:
        name = asked.path["name"]
        endpoint = self._endpoints.get((asked.account, name))
        if endpoint is None:
            raise Unknown(f"there is no endpoint {name[:64]!r}")
        return endpoint

    def _view(self, endpoint: Endpoint) -> EndpointView:
        url = f"{self._everybody.town.http_url}{HOOKS}/{endpoint.key}"
        return EndpointView(name=endpoint.name, url=url, requests=len(endpoint.requests))

    # what senders meet

    async def take(self, request: web.Request) -> web.StreamResponse:
        """Record a request and answer it as the endpoint behaves."""
        account, endpoint = next(
            (found for key, found in self._by_key.items() if hmac.compare_digest(key, request.match_info["key"])),
            (None, None),
        )
        if account is None or endpoint is None:
            return web.Response(status=404)
        behaviour = endpoint.next_behaviour()
        reads = behaviour.kind not in ("refuses", "does_not_read")
        try:
            body = await request.read() if reads else None
        except web.HTTPRequestEntityTooLarge:
            return web.Response(status=413)
        seen = await self._seen(account, request, body, behaviour)
        journal: Journal = self._everybody.of(account).journal
        journal.note(endpoint.name, "is asked", {"method": seen.method, "path": seen.path, "behaviour": seen.behaviour})
        endpoint.record(seen)
        return await _answer(request, endpoint, behaviour)

    async def _seen(
        self, account: AccountSid, request: web.Request, body: bytes | None, behaviour: Behaviour
    ) -> RequestView:
        headers = {name.lower(): value for name, value in request.headers.items()}
        valid: bool | None = None
        if body is not None and (row := await self._app.store.account(account)) is not None:
            valid = is_signed(
                headers,
                auth_token=row.auth_token,
                url=f"{request.scheme}://{request.host}{request.raw_path}",
                method=request.method,
                content_type=request.content_type,
                body=body,
            )
        return RequestView(
            at=self._app.clock.now(),
            method=request.method,
            path="/" + request.match_info.get("tail", ""),
            headers=headers,
            fields=fields_of(request.method, request.query_string, request.content_type, body or b""),
            body=None if body is None else body.decode(errors="replace"),
            signature_valid=valid,
            behaviour=behaviour.kind,
        )


async def _answer(request: web.Request, endpoint: Endpoint, behaviour: Behaviour) -> web.StreamResponse:
    match behaviour.kind:
        case "refuses":
            return _cut(request, b"")
        case "closes_before_body":
            return _cut(request, _HALF_AN_ANSWER)
        case "does_not_read":
            return _cut(request, _HASTY_ANSWER)
        case "slow" | "late":
            await endpoint.bell.until(lambda: endpoint.closed or None, behaviour.wait_s)
        case "failing":
            return web.Response(status=behaviour.status)
        case _:
            pass
    answer = endpoint.answer
    return web.Response(
        status=answer.status,
        body=answer.body or None,
        headers={hdrs.CONTENT_TYPE: answer.content_type} if answer.body else None,
    )


def _cut(request: web.Request, written: bytes) -> web.Response:
    """Write some bytes past the HTTP server and end the connection; nobody reads the answer that is returned."""
    transport = request.transport
    if transport is not None:
        if written:
            transport.write(written)
            transport.close()
        else:
            transport.abort()
    return web.Response(status=400)


def _change(endpoint: Endpoint, form: EndpointForm, bounded: Callable[[float], float]) -> None:
    """Only what is given changes.

    Args:
        bounded: refuses a wait that is too long.
    """
    answer = endpoint.answer
    if form.twiml is not None and form.body is not msgspec.UNSET:
        raise Unusable("an answer is twiml or a body, not both")
    if form.twiml is not None:
        answer = replace(answer, body=form.twiml.encode(), content_type="text/xml; charset=utf-8")
    elif isinstance(form.body, str):
        answer = replace(answer, body=form.body.encode(), content_type="text/plain; charset=utf-8")
    elif form.body is not msgspec.UNSET:
        answer = replace(answer, body=msgspec.json.encode(form.body), content_type="application/json")
    if form.status is not None:
        answer = replace(answer, status=form.status)
    behaviour: Any = form.behaviour
    if behaviour is not msgspec.UNSET:
        chosen = behaviour_of(behaviour)
        bounded(chosen.wait_s)
        endpoint.behaviour = chosen
    endpoint.answer = answer
