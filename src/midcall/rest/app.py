"""Puts the REST edge together as one aiohttp application, for both ports; others add their routes to it."""

from __future__ import annotations

import re
from functools import cache

from aiohttp import web

from midcall import telemetry
from midcall.rest import openapi
from midcall.rest.body import BodyLimits
from midcall.rest.catalog import ENDPOINTS
from midcall.rest.edge import Edge, json_response
from midcall.rest.endpoint import Api
from midcall.rest.health import Health


def rest_app(api: Api, health: Health, metrics: telemetry.Metrics, limits: BodyLimits | None = None) -> web.Application:
    """The application for the TLS port and the loopback HTTP port alike.

    Bodies are bounded here; lines and headers by the runner's `max_line_size` and `max_field_size`.
    """
    limits = limits or BodyLimits()
    edge = Edge(api, limits, metrics)
    app = web.Application(middlewares=[edge.middleware], client_max_size=limits.bytes)
    for endpoint in ENDPOINTS:
        app.router.add_route(endpoint.method, route(endpoint.path), edge.handler(endpoint))
    document = cache(lambda: openapi.encoded(ENDPOINTS))  # made when somebody asks: a start need not wait for it

    async def describe(request: web.Request) -> web.Response:
        return json_response(document(), 200)

    app.router.add_get("/openapi.json", describe)
    health.add_routes(app)
    return app


def route(path: str) -> str:
    """aiohttp's spelling of a declared path: any segment where a sid belongs, `.json` or nothing at the end."""
    return re.sub(r"{(\w+)}", r"{\1:[^/]+?}", path) + r"{suffix:(?:\.json)?}"
