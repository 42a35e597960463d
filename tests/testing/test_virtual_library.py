"""The official Python library and applications of every make, unmodified, in virtual time."""

from __future__ import annotations

import asyncio
import time
import urllib.request
from collections.abc import Callable
from typing import Any

import flask
import httpx
import pytest
import requests
from a2wsgi import WSGIMiddleware
from fastapi import FastAPI, Form, HTTPException, Request, Response
from twilio.base.exceptions import TwilioRestException
from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.jwt.access_token import AccessToken
from twilio.jwt.access_token.grants import VoiceGrant
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from midcall.sdk import Call, Device
from midcall.testing import virtual
from midcall.testing.virtual_apps import is_wsgi

# The library's asynchronous client with today's aiohttp.
pytestmark = [
    pytest.mark.filterwarnings("ignore:BasicAuth is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The 'auth' parameter is deprecated:DeprecationWarning"),
]

TWIML = "<Response><Dial><Client>bob</Client></Dial></Response>"


def library(server: virtual.VirtualServer, **options: Any) -> Client:
    """As an application makes it: with its credentials, and nothing that leads anywhere but to the vendor."""
    return Client(server.credentials.account_sid, server.credentials.auth_token, **options)


def vendors_token(server: virtual.VirtualServer, identity: str, ttl_s: int = 3_600) -> str:
    """A token that the official library signs, with the time that it reads itself."""
    who = server.credentials
    token = AccessToken(who.account_sid, who.api_key_sid, who.api_key_secret, identity=identity, ttl=ttl_s)
    token.add_grant(VoiceGrant(outgoing_application_sid=who.application_sid, incoming_allow=True))
    return str(token.to_jwt())


async def talk(alice: Device, bob: Device) -> tuple[Call, Call]:
    await bob.register()
    call = await alice.connect(params={"To": "bob"})
    incoming = await bob.wait_for("incoming")
    incoming.accept()
    await call.wait_for("accept")
    return call, incoming


def fastapi_app(server: virtual.VirtualServer) -> Any:
    """All async: signature checked, a message sent by the async library when a status comes."""
    app = FastAPI()
    validator = RequestValidator(server.credentials.auth_token)

    async def check(request: Request) -> dict[str, str]:
        form = {key: str(value) for key, value in (await request.form()).items()}
        if not validator.validate(str(request.url), form, request.headers["X-Twilio-Signature"]):
            raise HTTPException(403)
        return form

    @app.post("/voice")
    async def voice(request: Request) -> Response:
        await check(request)
        return Response(TWIML, media_type="text/xml")

    @app.post("/greet")
    async def greet(sid: str = Form()) -> dict[str, float]:
        async with AsyncTwilioHttpClient() as http:
            await library(server, http_client=http).calls(sid).user_defined_messages.create_async(content='"hello"')
        return {"at": time.time()}

    return app


def fastapi_app_with_threads(server: virtual.VirtualServer) -> Any:
    """Its endpoints are plain functions, which FastAPI runs in threads of anyio."""
    app = FastAPI()

    @app.post("/voice")
    def voice() -> Response:
        return Response(TWIML, media_type="text/xml")

    @app.post("/greet")
    def greet(sid: str = Form()) -> dict[str, float]:
        library(server).calls(sid).user_defined_messages.create(content='"hello"')
        return {"at": time.time()}

    return app


def flask_app(server: virtual.VirtualServer) -> Any:
    """WSGI, signature checked."""
    app = flask.Flask("desk")
    validator = RequestValidator(server.credentials.auth_token)

    @app.post("/voice")
    def voice() -> flask.Response:
        request = flask.request
        if not validator.validate(request.url, request.form.to_dict(), request.headers["X-Twilio-Signature"]):
            flask.abort(403)
        return flask.Response(TWIML, mimetype="text/xml")

    @app.post("/greet")
    def greet() -> dict[str, float]:
        library(server).calls(flask.request.form["sid"]).user_defined_messages.create(content='"hello"')
        return {"at": time.time()}

    return app


def flask_app_wrapped(server: virtual.VirtualServer) -> Any:
    """WSGI as ASGI, as somebody may have it already."""
    return WSGIMiddleware(flask_app(server))


@pytest.mark.parametrize("make", [fastapi_app, fastapi_app_with_threads, flask_app, flask_app_wrapped])
def test_an_application_of_any_make_answers_calls_and_sends_messages(
    make: Callable[[virtual.VirtualServer], Any],
) -> None:
    async def main() -> None:
        async with virtual.server() as server:
            url = await server.serve(make(server), host="desk.example")
            await server.set_voice_url(url + "/voice")
            async with server.device("alice") as alice, server.device("bob") as bob:
                call, _ = await talk(alice, bob)
                heard = asyncio.ensure_future(call.wait_for("messageReceived"))
                await asyncio.sleep(600)
                answer = await asyncio.to_thread(_post, url + "/greet", {"sid": call.parameters["CallSid"]})
                assert answer == {"at": virtual.START + 600}
                assert (await heard).content == "hello"
                assert asyncio.get_running_loop().time() == 600

    virtual.run(main())


def _post(url: str, data: dict[str, str]) -> Any:
    answer = requests.post(url, data=data, timeout=30)
    answer.raise_for_status()
    return answer.json()


def test_the_official_library_works_in_a_thread() -> None:
    async def main() -> None:
        async with virtual.server() as server:
            client = library(server)

            def work() -> None:
                number = client.incoming_phone_numbers.create(phone_number="+14155550100")
                assert [row.sid for row in client.incoming_phone_numbers.list()] == [number.sid]
                assert number.date_created.timestamp() == time.time() == virtual.START + 60
                with pytest.raises(TwilioRestException) as caught:
                    client.calls("CA" + "0" * 32).user_defined_messages.create(content="{}")
                assert caught.value.status == 404

            await asyncio.sleep(60)
            await asyncio.to_thread(work)

    virtual.run(main())


def test_a_token_of_the_official_library_lives_as_long_as_it_says() -> None:
    async def main() -> None:
        async with virtual.server() as server:
            await asyncio.sleep(7 * 86_400)
            token = vendors_token(server, "alice", ttl_s=3_600)
            async with server.device("alice", token=token) as alice:
                await alice.register()
                assert alice.identity == "alice"
            await asyncio.sleep(3_599)
            async with server.device("alice", token=token) as alice:
                await alice.register()
            await asyncio.sleep(1)
            async with server.device("alice", token=token) as alice:
                alice.on("error", lambda error: None)
                with pytest.raises(Exception, match="expired"):
                    await alice.register()

    virtual.run(main())


def read_with_urllib(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310 - our own URL
        return bytes(answer.read())


@pytest.mark.parametrize(
    "get",
    [
        lambda url: requests.get(url, timeout=30).content,  # seconds of real time
        lambda url: httpx.get(url, timeout=30).content,
        read_with_urllib,
    ],
    ids=["requests", "httpx", "urllib"],
)
def test_a_thread_whose_request_takes_virtual_time_gets_its_answer(get: Callable[[str], bytes]) -> None:
    app = FastAPI()

    @app.get("/slow")
    async def slow() -> str:
        await asyncio.sleep(3_600)
        return "at last"

    async def main() -> float:
        async with virtual.server() as server:
            url = await server.serve(app)
            assert await asyncio.to_thread(get, url + "/slow") == b'"at last"'
            return asyncio.get_running_loop().time()

    assert virtual.run(main()) == 3_600


def test_wsgi_is_told_from_asgi() -> None:
    async def asgi(scope: Any, receive: Any, send: Any) -> None: ...

    class Old:
        def __call__(self, scope: Any) -> Any: ...

    assert is_wsgi(flask.Flask("x"))
    assert is_wsgi(lambda environ, start_response: [])
    assert not is_wsgi(FastAPI())
    assert not is_wsgi(asgi)
    assert not is_wsgi(Old())
