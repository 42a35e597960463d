"""The event gateway (`eventgw.*`): takes the insights that SDKs post about their calls."""

from __future__ import annotations

import asyncio
import logging
import math
from typing import Final

import msgspec
from aiohttp import hdrs, web

from midcall.browser import cors
from midcall.core import errors
from midcall.core.errors import Refused
from midcall.core.insights import Kind
from midcall.switch.insights import Insights
from midcall.telemetry import Metrics
from midcall.wire.insights import MAX_POST_BYTES, read_post
from midcall.wire.resources import refusal

_log = logging.getLogger(__name__)

TOKEN_HEADER: Final = "X-Twilio-Token"  # noqa: S105  # a name
ROUTES: Final = {"/v4/EndpointEvents": Kind.EVENT, "/v4/EndpointMetrics": Kind.SAMPLE}
WAIT_S: Final = 15.0
"""How long a body may take."""


class EventGateway:
    """Routes of the event gateway; what they take goes to the desk."""

    def __init__(self, insights: Insights, metrics: Metrics) -> None:
        self._insights = insights
        self._posts = metrics.counter("midcall_event_gateway_posts_total", "Posts of SDKs about their calls.", "status")

    def add_routes(self, router: web.UrlDispatcher) -> None:
        for path in ROUTES:
            router.add_post(path, self.take)
            router.add_options(path, describe)

    async def take(self, request: web.Request) -> web.Response:
        """202 once the post is checked, and its feedback, if it has some, is stored."""
        response = await self._answer(request)
        self._posts.add(str(response.status))
        return response

    async def _answer(self, request: web.Request) -> web.Response:
        try:
            await self._take(request)
        except Refused as refused:
            return _refuse(refused)
        except Exception:
            _log.exception("a post to the event gateway failed")
            return _refuse(Refused(errors.INTERNAL))
        return web.Response(status=202, headers=cors.OPEN)

    async def _take(self, request: web.Request) -> None:
        # The token first: who has none gets nothing read.
        grant = await self._insights.authenticate(request.headers.get(TOKEN_HEADER, ""))
        if request.content_type != "application/json":
            raise Refused(errors.PARAMETER_INVALID, "The post's Content-Type is not application/json")
        post = read_post(ROUTES[request.path], await _body(request))
        await self._insights.accept(grant, post)


async def describe(request: web.Request) -> web.Response:
    return cors.preflight(request, "POST", f"Content-Type, {TOKEN_HEADER}")


async def _body(request: web.Request) -> bytes:
    """All of the body.

    Raises:
        Refused: BODY_TOO_LARGE, or PARAMETER_INVALID when it does not come.
    """
    if request.content_length is not None and request.content_length > MAX_POST_BYTES:
        raise Refused(errors.BODY_TOO_LARGE)
    body = bytearray()
    try:
        async with asyncio.timeout(WAIT_S):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > MAX_POST_BYTES:
                    raise Refused(errors.BODY_TOO_LARGE)
    except TimeoutError:
        raise Refused(errors.PARAMETER_INVALID, "The request body did not arrive in time") from None
    return bytes(body)


def _refuse(refused: Refused) -> web.Response:
    shown = refusal(refused)
    headers = {**cors.OPEN, hdrs.CONTENT_TYPE: "application/json"}
    if refused.retry_after is not None:
        headers[hdrs.RETRY_AFTER] = str(math.ceil(refused.retry_after))
    return web.Response(status=shown.status, body=msgspec.json.encode(shown), headers=headers)
