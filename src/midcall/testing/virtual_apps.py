"""Applications under test on a virtual network: ASGI, WSGI, or aiohttp's, each under a name of its own.

ASGI runs in uvicorn's protocols, without uvicorn's own loop, which looks around ten times a second. WSGI runs in
threads, which hold up the clock while they work.
"""

from __future__ import annotations

import errno
import inspect
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

from aiohttp import web

from midcall.app.listening import make_runner
from midcall.testing.network import Network
from midcall.testing.network_tls import PRETENDED

HTTP: Final = 80
HTTPS: Final = 443
GRACE_S: Final = 5
"""Virtual seconds that open requests get when an application stops."""
WSGI_THREADS: Final = 8


class AppFailed(RuntimeError):
    """The application did not start; the log says why."""


@asynccontextmanager
async def served(app: Any, network: Network, host: str) -> AsyncIterator[str]:
    """Serve an application at the ports 80 and 443 of a name while the block runs.

    Args:
        app: ASGI, WSGI, or an `aiohttp.web.Application`.
        host: its name in the network.

    Yields:
        Its URL, `https://` and the name.

    Raises:
        AppFailed: its start-up (lifespan) failed.
        OSError: the name is taken by another application.
        TypeError: this is no application.
    """
    if isinstance(app, web.Application):
        async with _aiohttp(app, network, host):
            yield f"https://{host}"
        return
    if is_wsgi(app):
        app = _in_threads(app)
    async with _uvicorn(app, network, host):
        yield f"https://{host}"


def is_wsgi(app: Any) -> bool:
    """Whether a callable takes `environ` and `start_response`, rather than `scope`, `receive` and `send`.

    Raises:
        TypeError: it takes neither.
    """
    if not callable(app):
        raise TypeError(f"{app!r} is no application: give ASGI, WSGI, or aiohttp's web.Application")
    call = app if inspect.isfunction(app) or inspect.ismethod(app) else app.__call__
    if inspect.iscoroutinefunction(call):
        return False
    needed = [
        parameter
        for parameter in inspect.signature(call).parameters.values()
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
        and parameter.default is parameter.empty
    ]
    return len(needed) == 2


def _in_threads(app: Any) -> Any:
    try:
        from a2wsgi import WSGIMiddleware
    except ImportError:
        raise ImportError("a WSGI application needs the package a2wsgi: pip install 'midcall[testing]'") from None
    return WSGIMiddleware(app, workers=WSGI_THREADS)


def _listen_on_both(make: Callable[[], Any], network: Network, host: str) -> Any:
    address = network.name(host)
    server = network.server()
    try:
        server.listen(make, (address, HTTP))
        server.listen(make, (address, HTTPS), secure=PRETENDED)
    except BaseException:
        server.close()
        raise
    return server


@asynccontextmanager
async def _aiohttp(app: web.Application, network: Network, host: str) -> AsyncIterator[None]:
    runner = make_runner(app)
    await runner.setup()
    assert runner.server is not None
    try:
        server = _listen_on_both(runner.server, network, host)
        try:
            yield
        finally:
            server.close()
    finally:
        await runner.cleanup()


@asynccontextmanager
async def _uvicorn(app: Any, network: Network, host: str) -> AsyncIterator[None]:
    try:
        import uvicorn
    except ImportError:
        raise ImportError("an ASGI application needs the package uvicorn: pip install 'midcall[testing]'") from None
    config = uvicorn.Config(
        app,
        host=host,
        port=HTTP,
        log_config=None,
        access_log=False,
        proxy_headers=False,  # there is no proxy, and reading whom to trust costs milliseconds
        date_header=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_S,
    )
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    address = network.name(host)
    if not network.is_free((address, HTTP)):
        raise OSError(errno.EADDRINUSE, f"another application is served at {host} already")
    try:
        await server.startup()
    except SystemExit:  # which is how newer releases say it
        server.should_exit = True
    if server.should_exit:
        raise AppFailed(f"the application for {host} did not start; its log says why")
    (plain,) = server.servers
    plain.listen(network.listener(host, HTTP)[1].make, (address, HTTPS), secure=PRETENDED)  # type: ignore[attr-defined]
    try:
        yield
    finally:
        await server.shutdown()
