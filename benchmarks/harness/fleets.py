"""Clients of the measured servers, all with one surface: push to a client, send from a client, hear what arrives."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import ssl
from collections.abc import Callable
from typing import Final, Protocol
from urllib.parse import quote

from twilio.jwt.access_token import AccessToken
from twilio.jwt.access_token.grants import VoiceGrant

from harness.servers import Running
from harness.wire import NO_CONTENT, HttpClient, WebSocket, open_http, open_websocket, post, serve_webhook, xml_answer
from midcall.core.sdp import NO_MEDIA_SDP

CLIENTS: Final = 64
FILLER: Final = "x" * 160

_MARK: Final = re.compile(rb'c\\*": ?(\d+), ?\\*"n\\*": ?(\d+)')
_ACK_ID: Final = re.compile(rb'"id": ?(\d+)')
_KX: Final = re.compile(rb'"voiceeventsid":"KX([0-9a-f]{32})"')
FORM: Final = "application/x-www-form-urlencoded"


def content(client: int, number: int) -> bytes:
    """A message of about 200 bytes that says whose and which it is."""
    return b'{"c":%d,"n":%d,"text":"%b"}' % (client, number, FILLER.encode())


def mark(data: bytes) -> tuple[int, int]:
    """Client and number of a message, in whatever it is wrapped."""
    found = _MARK.search(data)
    assert found is not None, data[:300]
    return int(found[1]), int(found[2])


def _nothing(client: int, number: int) -> None:
    pass


class Listener:
    """What a benchmark hears: each with (client, number)."""

    def __init__(self) -> None:
        self.received: Callable[[int, int], None] = _nothing
        self.acked: Callable[[int, int], None] = _nothing
        self.hooked: Callable[[int, int], None] = _nothing
        self.twiml: Callable[[bytes], str] = lambda body: HOLD

    def handle(self, path: bytes, body: bytes) -> bytes:
        """The customer's server: TwiML at /voice, everything else is a message."""
        if path.startswith(b"/voice"):
            return xml_answer(self.twiml(body))
        if not path.startswith(b"/status"):
            self.hooked(*mark(body))
        return NO_CONTENT


HOLD: Final = '<Response><Pause length="14400"/></Response>'
"""A call that stays up with its client, and nothing else: ringing, which is active."""


class Fleet(Protocol):
    server: Running
    listener: Listener

    async def open(self, count: int) -> None: ...

    async def push(self, client: int, number: int) -> None:
        """POST a message for the client; returns when it is accepted."""

    def send(self, client: int, number: int) -> None:
        """Let the client send a message that goes out to the webhook."""

    async def close(self) -> None: ...


class ReferenceFleet:
    """WebSockets of nchan (the message is the body) and of the home-made servers (a JSON object with `content`)."""

    def __init__(self, server: Running, listener: Listener) -> None:
        self.server = server
        self.listener = listener
        self._sockets: list[WebSocket] = []
        self._posters: list[HttpClient] = []

    async def open(self, count: int) -> None:
        for client in range(count):
            await self.add_socket(client)
            self._posters.append(await open_http(self.server.port))

    async def add_socket(self, client: int) -> None:
        """One more client that listens."""
        path = f"/ws/{client}"
        self._sockets.append(await open_websocket(self.server.port, path, lambda text: self._on_text(client, text)))

    def _on_text(self, client: int, text: bytes) -> None:
        if (found := _ACK_ID.search(text)) is not None and b'"ack"' in text:
            self.listener.acked(client, int(found[1]))
        else:
            self.listener.received(*mark(text))

    async def push(self, client: int, number: int) -> None:
        body = content(client, number)
        if self.server.name != "nchan":
            body = b'{"content":%b}' % body
        if self._posters[client].is_closed:  # some servers let a connection rest for five seconds only
            self._posters[client] = await open_http(self.server.port)
        answer = await self._posters[client].send(post(f"/push/{client}", body))
        assert answer.status in (200, 201, 202), (answer.status, answer.body)

    def send(self, client: int, number: int) -> None:
        self._sockets[client].send(b'{"type":"message","id":%d,"content":%b}' % (number, content(client, number)))

    async def close(self) -> None:
        for end in (*self._sockets, *self._posters):
            end.close()
        await asyncio.sleep(0)


class Line:
    """One client of Midcall on one signalling socket: echoes heartbeats, keeps a call."""

    def __init__(self, index: int, identity: str, token: str, listener: Listener) -> None:
        self.index = index
        self.identity = identity
        self.call_sid = ""
        self._token = token
        self._listener = listener
        self._socket: WebSocket | None = None
        self._waiting: dict[str, asyncio.Future[dict[str, object]]] = {}
        self.on_invite: Callable[[dict[str, object]], None] = lambda payload: None

    async def connect(self, port: int, tls: ssl.SSLContext | None = None) -> None:
        self._socket = await open_websocket(port, "/signal", self._on_text, tls)
        await self.ask("listen", "connected", token=self._token, media="none")

    async def register(self) -> None:
        await self.ask("register", "ready", media={"audio": True})

    async def call(self, temporary_id: str) -> None:
        """Place a call and wait until it rings."""
        payload = await self.ask("invite", "ringing", callsid=temporary_id, sdp=NO_MEDIA_SDP)
        self.call_sid = str(payload["callsid"])

    async def ask(self, kind: str, answer: str, **payload: object) -> dict[str, object]:
        """Send a frame and wait for the one that answers it."""
        waiting: asyncio.Future[dict[str, object]] = asyncio.get_running_loop().create_future()
        self._waiting[answer] = waiting
        self.tell(kind, **payload)
        async with asyncio.timeout(30):
            return await waiting

    def expect(self, kind: str) -> asyncio.Future[dict[str, object]]:
        waiting: asyncio.Future[dict[str, object]] = asyncio.get_running_loop().create_future()
        self._waiting[kind] = waiting
        return waiting

    def tell(self, kind: str, **payload: object) -> None:
        assert self._socket is not None
        self._socket.send(json.dumps({"type": kind, "version": "1.6", "payload": payload}).encode())

    def send_message(self, number: int) -> None:
        assert self._socket is not None
        self._socket.send(
            b'{"type":"message","version":"1.6","payload":{"callsid":"%b","voiceeventsid":"KX%032x",'
            b'"messagetype":"user-defined-message","contenttype":"application/json","content":%b}}'
            % (self.call_sid.encode(), number, content(self.index, number))
        )

    def _on_text(self, text: bytes) -> None:
        assert self._socket is not None
        if text == b"\n":
            self._socket.send(b"\n")
        elif text.startswith(b'{"type":"message"'):
            self._listener.received(*mark(text))
        elif text.startswith(b'{"type":"ack"'):
            found = _KX.search(text)
            assert found is not None
            self._listener.acked(self.index, int(found[1], 16))
        else:
            self._on_frame(json.loads(text))

    def _on_frame(self, frame: dict[str, object]) -> None:
        kind, payload = str(frame["type"]), frame["payload"]
        assert isinstance(payload, dict)
        if kind == "error" or (kind == "hangup" and "error" in payload):
            raise RuntimeError(f"the server refused: {payload}")
        if kind == "invite":
            self.on_invite(payload)
        waiting = self._waiting.pop(kind, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(payload)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()


class MidcallFleet:
    """Clients with a call and a subscription each, and a REST connection each."""

    def __init__(self, server: Running, listener: Listener, webhook: str, *, tls: ssl.SSLContext | None = None) -> None:
        self.server = server
        self.listener = listener
        self.lines: list[Line] = []
        self._webhook = webhook
        self._tls = tls
        self._port = server.tls_port if tls else server.port
        self._posters: list[HttpClient] = []
        pair = f"{server.credentials['api_key_sid']}:{server.credentials['api_key_secret']}"
        self._authorization = f"Authorization: Basic {base64.b64encode(pair.encode()).decode()}"
        self._account = f"/2010-04-01/Accounts/{server.credentials['account_sid']}"

    async def open(self, count: int) -> None:
        await self.point_application()
        for index in range(len(self.lines), count):
            await self._add(index)

    async def _add(self, index: int) -> None:
        line = self.line(index)
        await line.connect(self._port, self._tls)
        await line.call(f"TJS{index}")
        poster = await open_http(self._port, self._tls)
        self._posters.append(poster)
        path = f"/Calls/{line.call_sid}/UserDefinedMessageSubscriptions"
        await self._rest(poster, path, Callback=f"{self._webhook}/message/{index}", Method="POST")

    def line(self, index: int, *, incoming: bool = False) -> Line:
        """A client that is not connected yet."""
        identity = f"bench{index}"
        line = Line(index, identity, self._token(identity, incoming=incoming), self.listener)
        self.lines.append(line)
        return line

    def _token(self, identity: str, *, incoming: bool) -> str:
        shown = self.server.credentials
        token = AccessToken(
            shown["account_sid"], shown["api_key_sid"], shown["api_key_secret"], identity=identity, ttl=3600
        )
        token.add_grant(VoiceGrant(outgoing_application_sid=shown["application_sid"], incoming_allow=incoming or None))
        return str(token.to_jwt())

    async def _rest(self, poster: HttpClient, path: str, **form: str) -> None:
        body = "&".join(f"{name}={quote(value, safe='')}" for name, value in form.items()).encode()
        answer = await poster.send(post(f"{self._account}{path}.json", body, self._authorization, content_type=FORM))
        assert answer.status < 300, (answer.status, answer.body)

    async def point_application(self) -> None:
        """Let calls ask our webhook for their TwiML."""
        poster = await open_http(self._port, self._tls)
        path = f"/Applications/{self.server.credentials['application_sid']}"
        await self._rest(poster, path, VoiceUrl=f"{self._webhook}/voice")
        poster.close()

    async def push(self, client: int, number: int) -> None:
        if self._posters[client].is_closed:  # it has rested too long
            self._posters[client] = await open_http(self._port, self._tls)
        path = f"/Calls/{self.lines[client].call_sid}/UserDefinedMessages"
        await self._rest(self._posters[client], path, Content=content(client, number).decode())

    def send(self, client: int, number: int) -> None:
        self.lines[client].send_message(number)

    async def close(self) -> None:
        for end in (*self.lines, *self._posters):
            end.close()
        await asyncio.sleep(0)


async def webhook(listener: Listener) -> tuple[asyncio.Server, str]:
    """The customer's server of a listener, and its URL."""
    server, port = await serve_webhook(listener.handle)
    return server, f"http://127.0.0.1:{port}"


def trust(server: Running) -> ssl.SSLContext:
    """A context that believes a Midcall's own authority."""
    return ssl.create_default_context(cafile=server.credentials["ca_file"])
