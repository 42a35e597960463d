"""Serves the declared endpoints on aiohttp: routing, credentials, parameters, the answer and its headers.

A middleware puts one envelope around everything under the API's paths, so that 404, 405 and our own bugs have the
body that client libraries insist on, too.
"""

from __future__ import annotations

import logging
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Final

import msgspec
from aiohttp import hdrs, web
from aiohttp.typedefs import Middleware

from midcall import telemetry
from midcall.core import errors, sids
from midcall.core.accounts import Account
from midcall.core.errors import Refused
from midcall.core.sids import AccountSid, CallSid, mint
from midcall.core.vendor import is_vendor_host
from midcall.rest import body, guard
from midcall.rest.body import BodyLimits
from midcall.rest.endpoint import JSON_LINES, V1, AnyEndpoint, Api, Asked
from midcall.wire import parameters
from midcall.wire.forms import NO_FIELDS, Fields
from midcall.wire.resources import error_body, refusal

log = logging.getLogger(__name__)

HttpHandler = Callable[[web.Request], Awaitable[web.StreamResponse]]

Proxying = Callable[[web.Request], Awaitable[web.StreamResponse | None]]

PROXYING: Final[web.AppKey[Proxying]] = web.AppKey("proxying")
"""Who answers requests of clients that take us for a proxy, whose targets are no paths; None leaves one to us."""

JSON_TYPE: Final = "application/json;charset=utf-8"
REQUEST_ID: Final = web.RequestKey("request id", str)
STREAM_CHUNK: Final = 32 * 1024
API_PATHS: Final = ("/2010-04-01/", "/midcall/v1/", V1)
REALM: Final = 'Basic realm="Midcall"'

_CORS_ANSWER: Final = {
    "Access-Control-Allow-Methods": "GET, POST, DELETE, OPTIONS",
    "Access-Control-Allow-Headers": "Accept, Authorization, Content-Type, X-Twilio-Client",
    "Access-Control-Max-Age": "600",
}
_EXPOSED: Final = "Twilio-Request-Id, Twilio-Request-Duration, Twilio-Concurrent-Requests, Retry-After"


class Edge:
    """Turns requests into use cases and what they return, or refuse, into responses."""

    def __init__(self, api: Api, limits: BodyLimits, metrics: telemetry.Metrics) -> None:
        self._api = api
        self._limits = limits
        self._in_flight = 0
        self._answers = metrics.counter(
            "midcall_rest_responses_total", "REST answers by operation and status.", "operation", "status"
        )
        self._seconds = metrics.histogram("midcall_rest_request_seconds", "Time from REST request to answer.")
        metrics.gauge("midcall_rest_requests_in_flight", "REST requests being served.", lambda: self._in_flight)

    def handler(self, endpoint: AnyEndpoint) -> HttpHandler:
        """What aiohttp calls for an endpoint."""

        async def handle(request: web.Request) -> web.StreamResponse:
            return await self._answer(endpoint, request)

        handle.__name__ = endpoint.name
        return handle

    @property
    def middleware(self) -> Middleware:
        """The envelope around every request; paths that are not the API's pass, but an unknown path is 404 for all."""

        @web.middleware
        async def envelope(request: web.Request, handler: HttpHandler) -> web.StreamResponse:
            unknown = request.match_info.http_exception
            if request.raw_path[:1] != "/" and PROXYING in request.app:
                answer = await request.app[PROXYING](request)
                if answer is not None:
                    return answer
            if not request.path.startswith(API_PATHS) and unknown is None:
                return await handler(request)
            return await self._enveloped(request, handler)

        return envelope

    async def _enveloped(self, request: web.Request, handler: HttpHandler) -> web.StreamResponse:
        request_id = mint("RQ", self._api.entropy(sids.ENTROPY_BYTES))
        request[REQUEST_ID] = request_id
        started = self._api.clock.monotonic()
        self._in_flight += 1
        in_flight = self._in_flight
        try:
            response = await self._guarded(request, handler, request_id)
        finally:
            self._in_flight -= 1
        duration = self._api.clock.monotonic() - started
        if response.prepared:  # a stream, which has gone out already
            self._record(request, response, request_id, duration)
            return response
        response.headers.update(
            {
                "Twilio-Request-Id": request_id,
                "Twilio-Request-Duration": f"{duration:.3f}",
                "Twilio-Concurrent-Requests": str(in_flight),
                "Access-Control-Allow-Origin": "*",
                "Access-Control-Expose-Headers": _EXPOSED,
            }
        )
        self._record(request, response, request_id, duration)
        return response

    async def _guarded(self, request: web.Request, handler: HttpHandler, request_id: str) -> web.StreamResponse:
        try:
            if request.method == hdrs.METH_OPTIONS and isinstance(
                request.match_info.http_exception, web.HTTPMethodNotAllowed
            ):
                return web.Response(status=204, headers=_CORS_ANSWER)
            guard.refuse_cross_site(request.headers)
            return await handler(request)
        except Refused as refused:
            return refuse(refused, request.path)
        except web.HTTPMethodNotAllowed as error:
            response = refuse(Refused(errors.METHOD_NOT_ALLOWED), request.path)
            response.headers[hdrs.ALLOW] = ", ".join(sorted(error.allowed_methods))
            return response
        except web.HTTPNotFound:
            return refuse(Refused(errors.NOT_FOUND), request.path)
        except Exception:
            log.exception(
                "REST request failed: %s %s",
                request.method,
                request.path,
                extra={
                    telemetry.REQUEST_ID: request_id,
                    telemetry.CALL_SID: request.match_info.get("CallSid") or request.match_info.get("Sid"),
                },
            )
            return refuse(Refused(errors.INTERNAL, "An internal error occurred"), request.path)

    def _record(self, request: web.Request, response: web.StreamResponse, request_id: str, duration: float) -> None:
        operation = getattr(request.match_info.handler, "__name__", "unknown")
        if request.match_info.http_exception is not None:
            operation = "unknown"
        self._answers.add(operation, str(response.status))
        self._seconds.observe(duration)
        log.debug("%s %s: %s", request.method, request.path, response.status, extra={telemetry.REQUEST_ID: request_id})

    async def _answer(self, endpoint: AnyEndpoint, request: web.Request) -> web.StreamResponse:
        username, password = guard.credentials(request.headers)
        path = path_sids(endpoint, request.match_info)
        account = await self._authenticated(endpoint, username, password, path)
        asked = await self._asked(endpoint, request, account, path)
        answer = await endpoint.handler(self._api, asked)
        if endpoint.stream is not None:
            return await stream_lines(request, endpoint.stream(self._api, asked))
        if answer is None:
            return web.Response(status=endpoint.status)
        return json_response(msgspec.json.encode(answer), endpoint.status)

    async def _authenticated(
        self, endpoint: AnyEndpoint, username: str, password: str, path: Mapping[str, str | None]
    ) -> Account:
        path_account = path.get("AccountSid") or (path.get("Sid") if endpoint.sid_prefix == "AC" else None)
        account_sid = None if path_account is None else AccountSid(path_account)
        principal = await self._api.accounts.authenticate(username, password, account_sid)
        if endpoint.manages and not principal.may_manage:
            raise Refused(errors.AUTHENTICATION_FAILED)
        if None in path.values():
            raise Refused(errors.NOT_FOUND)
        return principal.account

    async def _asked(
        self, endpoint: AnyEndpoint, request: web.Request, account: Account, path: Mapping[str, str | None]
    ) -> Asked[Any]:
        fields, unreadable = await self._fields(endpoint, request)
        if endpoint.before is not None:
            fields = endpoint.before(fields)
        return Asked(
            account=account,
            call_sid=CallSid(path.get("CallSid") or ""),
            sid=path.get("Sid") or "",
            form=parameters.read(endpoint.form, fields),
            path=request.path,
            fields=fields,
            unreadable=unreadable,
            origin=origin_of(request) if endpoint.is_v1 else "",
        )

    async def _fields(self, endpoint: AnyEndpoint, request: web.Request) -> tuple[Fields, Refused | None]:
        if endpoint.method == hdrs.METH_GET:
            return body.read_query(request), None
        if endpoint.method != hdrs.METH_POST:
            return NO_FIELDS, None
        try:
            return await body.read_fields(request, self._limits), None
        except Refused as refused:
            if endpoint.judges_body and refused.rule is not errors.BODY_TOO_LARGE:
                return NO_FIELDS, refused
            if refused.rule is errors.MESSAGE_WRONG_TYPE:
                raise Refused(errors.PARAMETER_INVALID, refused.detail) from None
            raise


def origin_of(request: web.Request) -> str:
    """Scheme and host as the client named them. The vendor's hosts are behind TLS, wherever that ended."""
    scheme = "https" if is_vendor_host(request.host) else request.scheme
    return f"{scheme}://{request.host}"


def path_sids(endpoint: AnyEndpoint, found: Mapping[str, str]) -> Mapping[str, str | None]:
    """The sids of the path in their stored spelling; None for one of the wrong shape."""
    return {name: sids.parse(found[name], endpoint.prefix_of(name)) for name in endpoint.path_names}


def json_response(encoded: bytes, status: int) -> web.Response:
    return web.Response(body=encoded, status=status, headers={hdrs.CONTENT_TYPE: JSON_TYPE})


async def stream_lines(request: web.Request, structs: AsyncIterator[msgspec.Struct]) -> web.StreamResponse:
    """Answer with JSON lines as they are made. What fails on the way cuts the connection: a client sees no end."""
    response = web.StreamResponse(headers={hdrs.CONTENT_TYPE: JSON_LINES, "Twilio-Request-Id": request[REQUEST_ID]})
    await response.prepare(request)
    waiting = bytearray()
    try:
        async for struct in structs:
            waiting += msgspec.json.encode(struct) + b"\n"
            if len(waiting) >= STREAM_CHUNK:
                await response.write(bytes(waiting))
                waiting.clear()
        await response.write(bytes(waiting))
        await response.write_eof()
    except Exception:
        log.warning("an export ended before its end", exc_info=True)
        if request.transport is not None:
            request.transport.abort()
    return response


def refuse(refused: Refused, path: str) -> web.Response:
    """The compatible error body; a 404 without more to say repeats the path."""
    shown = refusal(refused)
    if refused.rule is errors.NOT_FOUND and refused.detail == refused.rule.text:
        shown = error_body(refused.rule, f"The requested resource {path} was not found")
    response = json_response(msgspec.json.encode(shown), shown.status)
    if shown.status == 401:
        response.headers[hdrs.WWW_AUTHENTICATE] = REALM
    if refused.retry_after is not None:
        response.headers[hdrs.RETRY_AFTER] = str(math.ceil(refused.retry_after))
    return response
