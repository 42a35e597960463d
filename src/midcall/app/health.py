"""`/healthz` and `/readyz`: is the process alive, does it take new work."""

from __future__ import annotations

from aiohttp import web


class Health:
    """What load balancers and scripts ask. Ready from the end of the start until the first signal."""

    def __init__(self) -> None:
        self.is_ready = False


def add_routes(application: web.Application, health: Health) -> None:
    """Answer 200 or 503 with one word."""

    async def alive(_: web.Request) -> web.Response:
        return _word("ok", 200)

    async def ready(_: web.Request) -> web.Response:
        return _word("ready", 200) if health.is_ready else _word("stopping", 503)

    application.router.add_get("/healthz", alive)
    application.router.add_get("/readyz", ready)


def _word(text: str, status: int) -> web.Response:
    return web.Response(text=text + "\n", status=status, headers={"Cache-Control": "no-store"})
