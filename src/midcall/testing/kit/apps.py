"""An application under test on a free port of loopback: ASGI in uvicorn, WSGI in threads of it."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from midcall.testing.kit.failures import SwitchboardUnusable
from midcall.testing.virtual_apps import WSGI_THREADS, is_wsgi

if TYPE_CHECKING:
    import uvicorn

LOOPBACK: Final = "127.0.0.1"
START_S: Final = 30.0
GRACE_S: Final = 5
"""Requests that still run get this long when a test is over."""
CLOSING_TURNS: Final = 3
"""Loop turns that connections without a request need to close."""

Application = Callable[..., Any]


def as_asgi(app: Application) -> Application:
    """An application as ASGI; WSGI works in threads.

    Raises:
        SwitchboardUnusable: it is neither, or what adapts it is not installed.
    """
    try:
        if isinstance(app, web.Application):
            raise TypeError
        if not is_wsgi(app):
            return app
    except TypeError:
        raise SwitchboardUnusable(
            f"{type(app).__module__}.{type(app).__name__} is neither ASGI nor WSGI; give the object that uvicorn or "
            "gunicorn is given, or serve it yourself and tell its URL to switchboard.point(…)"
        ) from None
    try:
        from a2wsgi import WSGIMiddleware
    except ImportError:
        raise SwitchboardUnusable(
            "a WSGI application is adapted by a2wsgi, which is not installed: pip install 'midcall[testing]'"
        ) from None
    adapted: Application = WSGIMiddleware(app, workers=WSGI_THREADS)
    return adapted


@asynccontextmanager
async def asgi(app: Application) -> AsyncIterator[str]:
    """Serve in this loop; the URL without a slash behind.

    Raises:
        SwitchboardUnusable: uvicorn is missing, or the application's startup failed.
    """
    with _free_socket() as listening:
        server, started, leaving = _uvicorn(app)
        serving = asyncio.ensure_future(_serve(server, listening))
        starting = asyncio.ensure_future(started.wait())
        await asyncio.wait((starting, serving), return_when=asyncio.FIRST_COMPLETED)
        if not started.is_set():
            starting.cancel()
            serving.result()
            raise SwitchboardUnusable("the application's startup failed; its traceback is in the log of uvicorn.error")
        try:
            yield _url(listening)
        finally:
            leaving.set()
            await serving


async def _serve(server: uvicorn.Server, listening: socket.socket) -> None:
    try:
        await server.serve(sockets=[listening])
    except SystemExit:  # what uvicorn does when the lifespan fails; nobody else's process shall end
        return


def _uvicorn(app: Application) -> tuple[uvicorn.Server, asyncio.Event, asyncio.Event]:
    """A server, an event that it sets once it has started, and one that tells it to leave."""
    try:
        import uvicorn
    except ImportError:
        raise SwitchboardUnusable(
            "an ASGI application is served by uvicorn, which is not installed: pip install 'midcall[testing]'"
        ) from None
    started, leaving = asyncio.Event(), asyncio.Event()

    async def main_loop() -> None:
        await server.on_tick(0)
        started.set()
        await leaving.wait()

    config = uvicorn.Config(
        app,
        log_config=None,
        log_level="warning",
        access_log=False,
        proxy_headers=False,  # there is no proxy, and reading whom to trust costs milliseconds
        lifespan="auto",
        loop="none",
        timeout_graceful_shutdown=GRACE_S,
    )

    async def shutdown(sockets: list[socket.socket] | None = None) -> None:
        for listening in server.servers:
            listening.close()
        for connection in list(server.server_state.connections):
            connection.shutdown()
        for _ in range(CLOSING_TURNS):
            await asyncio.sleep(0)
        if server.server_state.connections or server.server_state.tasks:
            await patient_shutdown(sockets)
        else:
            await server.lifespan.shutdown()

    server = uvicorn.Server(config)
    patient_shutdown = server.shutdown
    # Its signals are pytest's; and it looks only ten times a second whether it should end, and rests before it does.
    vars(server).update(capture_signals=nullcontext, main_loop=main_loop, shutdown=shutdown)
    return server, started, leaving


@contextmanager
def in_thread(app: Application) -> Iterator[str]:
    """Serve ASGI in a thread and a loop of its own, so that the application may block; the URL without a slash behind.

    Raises:
        SwitchboardUnusable: see `asgi`.
    """
    url: Future[str] = Future()
    leave: Future[Callable[[], object]] = Future()

    async def serve() -> None:
        over = asyncio.Event()
        loop = asyncio.get_running_loop()
        async with asgi(app) as where:
            leave.set_result(lambda: loop.call_soon_threadsafe(over.set))
            url.set_result(where)
            await over.wait()

    def run() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:
            if url.done():
                raise
            url.set_exception(error)

    thread = threading.Thread(target=run, name="midcall application", daemon=True)
    thread.start()
    try:
        yield url.result(START_S)
    finally:
        if leave.done():
            leave.result()()
        thread.join()


def _free_socket() -> AbstractContextManager[socket.socket]:
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind((LOOPBACK, 0))
    return bound


def _url(listening: socket.socket) -> str:
    return f"http://{LOOPBACK}:{listening.getsockname()[1]}"
