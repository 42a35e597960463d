"""Somebody sends rubbish to a real server. They get a documented error; a call next to them notices nothing."""

from __future__ import annotations

import asyncio
import io
import json
import os
import random
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from customers import Credentials, Customer
from servers import Server

from midcall.sdk import Call, Device

KX = "KX" + "0" * 32


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    server = Server(tmp_path_factory.mktemp("midcall"))
    await server.start()
    yield server
    assert await server.stop() == 0, "\n".join(server.log)
    assert not any("Traceback" in line for line in server.log), "\n".join(server.log)


@pytest_asyncio.fixture(loop_scope="session")
async def bystanders(customer: Customer) -> AsyncIterator[Call]:
    """Two people in a call. After the test they still talk: a message passes each way."""
    options: dict[str, Any] = {
        "host": customer.credentials.signaling_host,
        "ca_file": customer.credentials.ca_file,
        "media": "none",
    }
    async with (
        Device(customer.token("ann"), **options) as ann,
        Device(customer.token("ben"), **options) as ben,
    ):
        await ben.register()
        rings = ben.wait_for("incoming", timeout=10)
        call = await ann.connect(params={"To": "ben"})
        accepted = call.wait_for("accept", timeout=10)
        (await rings).accept()
        await accepted
        leg = call.parameters["CallSid"]
        yield call
        assert call.status() == "open"
        await call.send_message({"still": "here"})
        received = call.wait_for("messageReceived", timeout=10)
        await customer.send(leg, {"and": "you"})
        await received


class Socket:
    """A signalling socket that says whatever a test wants."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self.ws = ws

    async def send(self, frame: object) -> None:
        await self.ws.send_str(frame if isinstance(frame, str) else json.dumps(frame))

    async def next(self, kind: str) -> dict[str, Any]:
        """The payload of the next frame of this type."""
        async with asyncio.timeout(10):
            async for message in self.ws:
                if message.type is not aiohttp.WSMsgType.TEXT or message.data == "\n":
                    continue
                frame = json.loads(message.data)
                if frame["type"] == kind:
                    return dict(frame["payload"])
        raise AssertionError(f"the socket closed ({self.ws.close_code}) before a {kind}")

    async def closed(self) -> int | None:
        async with asyncio.timeout(10):
            async for _ in self.ws:
                pass
        return self.ws.close_code


@pytest_asyncio.fixture(loop_scope="session")
async def sockets(customer: Customer) -> AsyncIterator[Any]:
    tls = ssl.create_default_context(cafile=customer.credentials.ca_file)
    async with aiohttp.ClientSession() as session:

        async def connect(token: str | None = None) -> Socket:
            url = f"wss://{customer.credentials.signaling_host}/signal"
            socket = Socket(await session.ws_connect(url, ssl=tls, max_msg_size=0))
            if token is not None:
                await socket.send(
                    {"type": "listen", "version": "1.6", "payload": {"token": token, "reconnectTimeout": 0}}
                )
                await socket.next("connected")
            return socket

        yield connect


@pytest.mark.parametrize(
    "frame",
    [
        "",
        "\r\n",
        "not json",
        "[]",
        "{}",
        '{"type":"message"}',
        '{"type":"invite","version":"1.6","payload":{}}',
        '{"type":"invite","version":"1.6","payload":null}',
        '{"type":"dtmf","version":"1.6","payload":{"callsid":1,"dtmf":{}}}',
        '{"type":"register","version":"1.6","payload":{"media":{"audio":"yes"}}}',
        "[" * 100_000,
        '{"type":"message","version":"1.6","payload":' + '{"a":' * 10_000 + "1" + "}" * 10_001,
        '{"type":"\ud83d"}'.encode("utf-16", "surrogatepass").decode("utf-16", "replace"),
    ],
    ids=lambda frame: repr(frame[:40]),
)
async def test_a_malformed_frame_is_answered_and_the_session_lives_on(
    customer: Customer, bystanders: Call, sockets: Any, frame: str
) -> None:
    socket = await sockets(customer.token("mallory"))
    await socket.send(frame)
    assert (await socket.next("error"))["error"]["code"] == 31100
    await socket.send({"type": "register", "version": "1.6", "payload": {"media": {"audio": True}}})
    await socket.next("ready")


async def test_a_huge_frame_ends_its_own_socket_only(customer: Customer, bystanders: Call, sockets: Any) -> None:
    socket = await sockets(customer.token("mallory"))
    await socket.send("x" * 300 * 1024)
    assert await socket.closed() in (1009, 1006)


async def test_random_bytes_for_frames_harm_nobody(customer: Customer, bystanders: Call, sockets: Any) -> None:
    rng = random.Random(7)
    socket = await sockets(customer.token("mallory"))
    valid = json.dumps({"type": "message", "version": "1.6", "payload": {"callsid": "CA", "voiceeventsid": KX}})
    for _ in range(300):
        broken = list(valid)
        for _ in range(rng.randint(1, 6)):
            broken[rng.randrange(len(broken))] = chr(rng.randrange(32, 0x2FF))
        await socket.send("".join(broken))
    await socket.ws.send_bytes(os.urandom(1000))
    await socket.send({"type": "register", "version": "1.6", "payload": {"media": {"audio": True}}})
    await socket.next("ready")


@pytest.mark.parametrize(
    ("token", "code"),
    [("", 31102), ("garbage", 31204), ("a.b.c", 31204), ("eyJ" + "x" * 20_000, 31204)],
    ids=["empty", "garbage", "three parts", "huge"],
)
async def test_a_bad_token_is_an_error_and_then_a_close(
    customer: Customer, bystanders: Call, sockets: Any, token: str, code: int
) -> None:
    socket = await sockets()
    await socket.send({"type": "listen", "version": "1.6", "payload": {"token": token, "reconnectTimeout": 0}})
    assert (await socket.next("error"))["error"]["code"] == code
    await socket.next("close")


@pytest.mark.parametrize(
    "sdp",
    [
        "",
        "garbage",
        "v=0\r\n",
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio x y z\r\n",
        "v=0\r\n" * 20_000,
    ],
    ids=["empty", "garbage", "one line", "bad audio", "huge"],
)
async def test_an_unusable_offer_ends_its_own_call_with_an_error(
    customer: Customer, bystanders: Call, sockets: Any, sdp: str
) -> None:
    socket = await sockets(customer.token("mallory"))
    await socket.send(
        {
            "type": "invite",
            "version": "1.6",
            "payload": {"callsid": "TJSbad", "sdp": sdp, "twilio": {"params": "To=ben"}},
        }
    )
    assert (await socket.next("hangup"))["error"]["code"] == 31100


async def test_nobody_speaks_for_somebody_elses_leg(customer: Customer, bystanders: Call, sockets: Any) -> None:
    leg = bystanders.parameters["CallSid"]
    socket = await sockets(customer.token("mallory"))
    for frame in (
        {"type": "hangup", "payload": {"callsid": leg}},
        {"type": "answer", "payload": {"callsid": leg, "sdp": "v=0\r\n"}},
        {"type": "reject", "payload": {"callsid": leg}},
        {"type": "reinvite", "payload": {"callsid": leg, "sdp": "v=0\r\n"}},
        {"type": "dtmf", "payload": {"callsid": leg, "dtmf": "1"}},
    ):
        await socket.send({**frame, "version": "1.6"})
    resume = {"callsid": leg, "reconnect": "guessed", "sdp": "v=0\r\n", "twilio": {}}
    await socket.send({"type": "invite", "version": "1.6", "payload": resume})
    assert (await socket.next("hangup"))["error"]["code"] == 31209
    message = {
        "callsid": leg,
        "content": 1,
        "contenttype": "application/json",
        "messagetype": "user-defined-message",
        "voiceeventsid": KX,
    }
    await socket.send({"type": "message", "version": "1.6", "payload": message})
    refused = await socket.next("error")
    assert refused["voiceeventsid"] == KX
    assert refused["error"]["code"] in (31100, 31211)


@pytest.mark.parametrize(
    ("twiml", "code"),
    [
        ("<Response><Dial>", 12100),
        ("<Hello/>", 12102),
        ('<!DOCTYPE r [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><Response>&b;</Response>', 12100),
        ("<Response>" + "<a>" * 5_000 + "</a>" * 5_000 + "</Response>", 12100),
        ("<Response>" + " " * 70_000 + "</Response>", 11750),
    ],
    ids=["cut off", "other root", "entities", "deep", "over 64 KB"],
)
async def test_bad_twiml_ends_the_call_and_leaves_an_alert(
    customer: Customer, bystanders: Call, twiml: str, code: int
) -> None:
    customer.twiml["client:eve"] = twiml
    options: dict[str, Any] = {
        "host": customer.credentials.signaling_host,
        "ca_file": customer.credentials.ca_file,
        "media": "none",
    }
    async with Device(customer.token("eve"), **options) as eve:
        call = await eve.connect(params={})
        await call.wait_for("disconnect", timeout=10)
    asked = await customer.asked("voice", From="client:eve")
    alerts = await get(customer.credentials, f"/midcall/v1/Accounts/{{}}/Alerts.json?CallSid={asked[-1]['CallSid']}")
    assert [alert["code"] for alert in alerts["alerts"]] == [code]


async def get(credentials: Credentials, path: str) -> dict[str, Any]:
    url = credentials.http_url + path.format(credentials.account_sid)
    async with aiohttp.ClientSession(headers=basic(credentials)) as session, session.get(url) as response:
        assert response.status == 200, await response.text()
        return dict(await response.json())


def basic(credentials: Credentials) -> dict[str, str]:
    return {"Authorization": aiohttp.encode_basic_auth(credentials.account_sid, credentials.auth_token)}


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status", "code"),
    [
        ("POST", "Calls.json", b"x" * (1 << 20) + b"xx", {}, 413, 20413),
        ("POST", "Calls.json", b"%ff%fe=%00", {}, 400, 20001),
        ("POST", "Calls.json", b"\xff\xfe\x00", {"Content-Type": "application/json"}, 400, 20001),
        ("POST", "Calls.json", b"[" * 100_000, {"Content-Type": "application/json"}, 400, 20001),
        ("POST", "Calls.json", b"To=client:bob&From=x&Url=notaurl", {}, 400, 21205),
        ("GET", "Calls/CAnothex.json", b"", {}, 404, 20404),
        ("GET", "Calls.json?PageSize=1001", b"", {}, 400, 20007),
        ("PUT", "Calls.json", b"", {}, 405, 20004),
        ("GET", "%00%ff/..%2f", b"", {}, 404, 20404),
    ],
)
async def test_bad_requests_get_the_compatible_error_body(
    customer: Customer,
    bystanders: Call,
    method: str,
    path: str,
    body: bytes,
    headers: dict[str, str],
    status: int,
    code: int,
) -> None:
    credentials = customer.credentials
    base = f"{credentials.http_url}/2010-04-01/Accounts/{credentials.account_sid}/"
    if method == "POST":
        headers = {"Content-Type": "application/x-www-form-urlencoded", **headers}
    async with (
        aiohttp.ClientSession(headers=basic(credentials)) as session,
        session.request(method, base + path, data=io.BytesIO(body) if body else None, headers=headers) as response,
    ):
        answer = await response.json(content_type=None)
        assert (response.status, answer["code"], answer["status"]) == (status, code, status), answer
        assert answer["more_info"].endswith(f"/{code}")


async def test_a_request_that_never_ends_and_one_that_is_no_http_harm_nobody(
    customer: Customer, bystanders: Call, server: Server
) -> None:
    for rubbish in (
        b"\x16\x03\x01garbage",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 100_000,
        b"POST / HTTP/1.1\r\n",
    ):
        _, writer = await asyncio.open_connection("127.0.0.1", server.ports[1])
        writer.write(rubbish)
        await writer.drain()
        writer.close()


def test_the_server_left_no_secret_in_its_log(server: Server, tmp_path: Path) -> None:
    secrets = json.loads((server.data_dir / "credentials.json").read_text())
    text = "\n".join(server.log)
    assert secrets["auth_token"] not in text
    assert secrets["api_key_secret"] not in text
