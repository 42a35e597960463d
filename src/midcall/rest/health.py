"""What operators and load balancers ask: alive, ready, metrics; and a hint at the root for people."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from aiohttp import hdrs, web

from midcall import telemetry

Readiness = Callable[[], str | None]
"""None when the server takes new work, otherwise why not, in a few words."""

HINT: Final = """\
This is Midcall, a self-hosted server compatible with the Twilio Voice SDK and the official REST client libraries.

REST       /2010-04-01/Accounts/{AccountSid}/...   described by /openapi.json
signalling /signal   (WebSocket, for the Voice SDK)
health     /healthz  /readyz  /metrics

Credentials: run `midcall credentials` where the server runs. Something wrong? `midcall doctor`.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """Handlers of the operators' paths.

    Attributes:
        metrics_token: opens `/metrics` from anywhere; without it, only this machine may read them.
    """

    readiness: Readiness
    metrics: telemetry.Metrics
    metrics_token: str | None = None

    def add_routes(self, app: web.Application) -> None:
        app.router.add_get("/", self.root)
        app.router.add_get("/healthz", self.alive)
        app.router.add_get("/readyz", self.ready)
        app.router.add_get("/metrics", self.measured)

    async def root(self, request: web.Request) -> web.Response:
        return web.Response(text=HINT)

    async def alive(self, request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def ready(self, request: web.Request) -> web.Response:
        reason = self.readiness()
        return web.Response(text="ready\n") if reason is None else web.Response(status=503, text=f"{reason}\n")

    async def measured(self, request: web.Request) -> web.Response:
        if not self._may_read(request):
            return web.Response(status=403, text="Metrics are for this machine, or for holders of the metrics token.\n")
        return web.Response(body=self.metrics.text().encode(), headers={hdrs.CONTENT_TYPE: telemetry.CONTENT_TYPE})

    def _may_read(self, request: web.Request) -> bool:
        if self.metrics_token is not None:
            sent = request.headers.get(hdrs.AUTHORIZATION, "").removeprefix("Bearer ")
            if hmac.compare_digest(sent.encode(), self.metrics_token.encode()):
                return True
        # Behind a proxy of this machine every peer looks local.
        proxied = hdrs.X_FORWARDED_FOR in request.headers or hdrs.FORWARDED in request.headers
        return is_loopback(request) and not proxied


def is_loopback(request: web.Request) -> bool:
    """The other end of the connection is on this machine."""
    peer = request.transport.get_extra_info("peername") if request.transport is not None else None
    try:
        return isinstance(peer, tuple) and ip_address(str(peer[0]).partition("%")[0]).is_loopback
    except ValueError:
        return False
