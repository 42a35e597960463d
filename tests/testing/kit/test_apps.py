"""Applications on a free port: in the loop, in threads, and those that cannot be served."""

import asyncio
import logging
import threading
import urllib.request

import aiohttp.web
import pytest

from midcall.testing.kit import apps
from midcall.testing.kit.failures import SwitchboardUnusable


class Asgi:
    """Tells where it runs, and what its lifespan saw."""

    def __init__(self, *, fails=False):
        self.fails = fails
        self.seen = []

    async def __call__(self, scope, receive, send):
        if scope["type"] == "lifespan":
            await self.lifespan(receive, send)
            return
        self.seen.append(threading.current_thread().name)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": scope["path"].encode()})

    async def lifespan(self, receive, send):
        assert (await receive())["type"] == "lifespan.startup"
        if self.fails:
            await send({"type": "lifespan.startup.failed", "message": "no database"})
            return
        self.seen.append("up")
        await send({"type": "lifespan.startup.complete"})
        assert (await receive())["type"] == "lifespan.shutdown"
        self.seen.append("down")
        await send({"type": "lifespan.shutdown.complete"})


def wsgi(environ, start_response):
    start_response("200 OK", [("content-type", "text/plain")])
    return [environ["PATH_INFO"].encode()]


def fetched(url):
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310
        return answer.read().decode()


async def test_an_asgi_application_runs_in_the_loop_of_the_test_from_startup_to_shutdown():
    app = Asgi()
    async with apps.asgi(app) as url, aiohttp.ClientSession() as session, session.get(url + "/voice") as answer:
        assert await answer.text() == "/voice"
    assert app.seen == ["up", threading.main_thread().name, "down"]


async def test_a_startup_that_fails_says_where_to_look(caplog):
    caplog.set_level(logging.ERROR)
    with pytest.raises(SwitchboardUnusable, match="startup failed"):
        async with apps.asgi(Asgi(fails=True)):
            pass
    assert "no database" in caplog.text


def test_an_asgi_application_in_a_thread_may_block():
    app = Asgi()
    with apps.in_thread(app) as url:
        assert fetched(url + "/voice") == "/voice"
    assert app.seen == ["up", "midcall application", "down"]


def test_a_startup_that_fails_in_a_thread_is_told_where_it_was_asked_for():
    with pytest.raises(SwitchboardUnusable, match="startup failed"), apps.in_thread(Asgi(fails=True)):
        pass


def test_a_wsgi_application_answers():
    with apps.in_thread(apps.as_asgi(wsgi)) as url:
        assert fetched(url + "/voice") == "/voice"


def test_asgi_stays_as_it_is_and_others_are_refused_with_what_to_give():
    async def function(scope, receive, send): ...

    app = Asgi()
    assert (apps.as_asgi(app), apps.as_asgi(function)) == (app, function)
    for other in ("app:app", aiohttp.web.Application()):
        with pytest.raises(SwitchboardUnusable, match=r"neither ASGI nor WSGI.*switchboard\.point"):
            apps.as_asgi(other)


async def test_the_signals_of_the_test_run_stay_its_own():
    import signal

    before = signal.getsignal(signal.SIGINT)
    async with apps.asgi(Asgi()):
        await asyncio.sleep(0)
        assert signal.getsignal(signal.SIGINT) is before
