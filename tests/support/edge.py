"""A signalling edge on a real port, with a scripted switch behind it and plain WebSocket clients before it."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import Callable, Collection, Sequence
from typing import Any

from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType, web
from aiohttp.test_utils import TestServer
from twilio.jwt.access_token import AccessToken
from twilio.jwt.access_token.grants import VoiceGrant

from midcall.bus.local import LocalBus
from midcall.core.accounts import Account, AccountStatus, ApiKey
from midcall.core.calls import Call, Direction, Status
from midcall.core.errors import Refused
from midcall.core.messages import JSON, Appended, Entry, Log
from midcall.core.sids import AccountSid, CallSid, KeySid
from midcall.ports import DeviceId, Nudge, TraceEvent
from midcall.signalling.handler import Signalling
from midcall.signalling.hub import Hub
from midcall.signalling.limits import SignallingLimits
from midcall.storage.memory import MemoryStore
from midcall.switch.accounts import Accounts
from midcall.switch.calls import Placed
from midcall.switch.messages import ClientMessage
from midcall.testing.clock import ManualClock

ACCOUNT = AccountSid("AC" + "a" * 32)
OTHER_ACCOUNT = AccountSid("AC" + "b" * 32)
KEY = KeySid("SK" + "1" * 32)
OTHER_KEY = KeySid("SK" + "2" * 32)
APPLICATION = "AP" + "d" * 32
WAIT_S = 10.0


def description(fingerprint: str = "AA:BB", ufrag: str = "u1", setup: str = "actpass") -> str:
    return f"v=0\r\na=ice-ufrag:{ufrag}\r\na=fingerprint:sha-256 {fingerprint}\r\na=setup:{setup}\r\n"


def kx(number: int) -> str:
    return f"KX{number:032x}"


class ScriptedCalls:
    """Writes down what the hub tells the switch; `place` does what the test says."""

    def __init__(self) -> None:
        self.heard: list[tuple[Any, ...]] = []
        self.placed: list[Placed] = []
        self.refusal: Refused | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.on_placed: Callable[[Placed], None] = lambda _: None
        self._changed = asyncio.Condition()

    async def place(self, placed: Placed) -> Call:
        self.placed.append(placed)
        await self.gate.wait()
        if self.refusal is not None:
            raise self.refusal
        self.on_placed(placed)
        return Call(
            sid=placed.sid,
            account_sid=placed.account_sid,
            parent_sid=None,
            direction=Direction.INBOUND,
            from_="client:alice",
            to="",
            status=Status.RINGING,
            sdk_leg=True,
            created_at=0,
            updated_at=0,
        )

    def __getattr__(self, name: str) -> Callable[..., None]:
        if name.startswith("_"):
            raise AttributeError(name)

        def told(*arguments: Any) -> None:
            self.heard.append((name, *arguments))

        return told


class ScriptedMessages:
    """Logs in a list; a message from a client can be held back or refused by the test."""

    def __init__(self, bus: LocalBus) -> None:
        self.accepted: list[tuple[AccountSid, CallSid, ClientMessage]] = []
        self.receipts: list[tuple[CallSid, str, int]] = []
        self.presence: list[tuple[CallSid, str, int | None]] = []
        self.presence_stored = asyncio.Event()
        self.presence_stored.set()
        self.gate = asyncio.Event()
        self.gate.set()
        self.refusal: Exception | None = None
        self.reads = 0
        self.read_error: Exception | None = None
        self._bus = bus
        self._logs: dict[CallSid, list[Entry]] = {}

    def add(self, leg: CallSid, content: str, *, nudge: bool = True) -> str:
        """A message from the customer's server; its sid."""
        log = self._logs.setdefault(leg, [])
        seq = len(log) + 1
        log.append(
            Entry(
                account_sid=ACCOUNT,
                leg_sid=leg,
                log=Log.TO_CLIENT,
                seq=seq,
                sid=kx(seq),
                content=content.encode(),
                content_type=JSON,
                at=0,
            )
        )
        if nudge:
            self._bus.nudge(Nudge(leg, Log.TO_CLIENT))
        return kx(seq)

    async def accept_from_client(self, account: AccountSid, leg: CallSid, message: ClientMessage) -> Appended:
        self.accepted.append((account, leg, message))
        await self.gate.wait()
        if self.refusal is not None:
            raise self.refusal
        return Appended(
            Entry(
                account_sid=account,
                leg_sid=leg,
                log=Log.FROM_CLIENT,
                seq=len(self.accepted),
                sid=message.sid,
                content=message.content or b"",
                content_type=message.content_type,
                at=0,
            ),
            repeated=False,
        )

    async def after(self, leg: CallSid, seq: int, limit: int = 100) -> Sequence[Entry]:
        self.reads += 1
        await asyncio.sleep(0)
        if self.read_error is not None:
            raise self.read_error
        return [entry for entry in self._logs.get(leg, []) if entry.seq > seq][:limit]

    def received(self, leg: CallSid, reader: str, seq: int, *, written_at: float | None = None) -> None:
        self.receipts.append((leg, reader, seq))

    async def cursor(self, leg: CallSid, reader: str) -> int:
        await self.presence_stored.wait()
        return max((seq for found, name, seq in self.receipts if (found, name) == (leg, reader)), default=0)

    def client_away(self, leg: CallSid, reader: str, position: int) -> None:
        self.presence.append((leg, reader, position))

    def client_back(self, leg: CallSid, reader: str) -> None:
        self.presence.append((leg, reader, None))


class ListedTrace:
    def __init__(self) -> None:
        self.events: list[TraceEvent] = []

    def record(self, event: TraceEvent) -> None:
        self.events.append(event)

    async def timeline(
        self, account: AccountSid, leg: CallSid, limit: int, *, kinds: Collection[str] = ()
    ) -> Sequence[TraceEvent]:
        return [event for event in self.events if event.leg_sid == leg]

    async def close(self) -> None: ...


class Client:
    """One WebSocket of a client, which echoes heartbeats as the browser SDK does unless told not to."""

    def __init__(self, ws: ClientWebSocketResponse) -> None:
        self.ws = ws
        self.echoes = True
        self.heartbeats = 0
        self.frames: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self.texts: list[str] = []
        self._held: list[str] = []
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for message in self.ws:
            if message.type is not WSMsgType.TEXT:
                continue
            if message.data == "\n":
                self.heartbeats += 1
                if self.echoes:
                    await self.ws.send_str("\n")
            else:
                self.texts.append(message.data)
                self.frames.put_nowait(json.loads(message.data))
        self.frames.put_nowait(None)

    async def send(self, type_: str, **payload: Any) -> None:
        await self.ws.send_str(json.dumps({"payload": payload, "type": type_, "version": "1.6"}))

    async def next(self) -> dict[str, Any]:
        """The next frame; fails at the socket's end."""
        frame = await asyncio.wait_for(self.frames.get(), WAIT_S)
        assert frame is not None, f"the socket ended with {self.ws.close_code}"
        return frame

    async def expect(self, type_: str, **fields: Any) -> dict[str, Any]:
        """The payload of the next frame, which has this type and these fields."""
        frame = await self.next()
        assert frame["type"] == type_, frame
        payload: dict[str, Any] = frame.get("payload", {})
        assert {name: payload.get(name) for name in fields} == fields, payload
        return payload

    async def nothing_more(self) -> None:
        """Everything the server has sent so far is known: a register has to be the next thing answered."""
        await self.send("register", media={"audio": False})
        await self.expect("offline")

    async def ended(self) -> int | None:
        """Wait for the socket's end; its close code."""
        while await asyncio.wait_for(self.frames.get(), WAIT_S) is not None:
            pass
        return self.ws.close_code

    async def drop(self) -> None:
        """End the TCP connection without a word."""
        transport = self.ws._response.connection.transport
        transport.abort()
        await self.close()

    async def close(self) -> None:
        await self.ws.close()
        await self._reader


class Edge:
    """The signalling edge under test, and what stands around it."""

    def __init__(self, limits: SignallingLimits | None = None) -> None:
        numbers = itertools.count(1)
        self.clock = ManualClock(start=float(int(time.time())))
        self.bus = LocalBus()
        self.trace = ListedTrace()
        self.calls: Any = ScriptedCalls()
        self.messages: Any = ScriptedMessages(self.bus)
        self.store = MemoryStore()
        self.accounts = Accounts(self.store, self.clock)
        self.hub = Hub(
            messages=self.messages,
            clock=self.clock,
            entropy=lambda size: next(numbers).to_bytes(size, "big"),
            trace=self.trace,
            limits=limits,
        )
        self.hub.attach(self.calls, self.bus)
        self.signalling = Signalling(self.hub, self.accounts)
        app = web.Application()
        app.router.add_get("/signal", self.signalling.handle)
        self.server = TestServer(app)
        self.session: ClientSession | None = None
        self.clients: list[Client] = []

    async def up(self) -> Edge:
        for number, (account, key) in enumerate(((ACCOUNT, KEY), (OTHER_ACCOUNT, OTHER_KEY)), 1):
            await self.store.put_account(
                Account(
                    sid=account,
                    owner_sid=account,
                    friendly_name="",
                    status=AccountStatus.ACTIVE,
                    auth_token="0" * 32,
                    created_at=0,
                    updated_at=0,
                )
            )
            await self.store.put_key(
                ApiKey(
                    sid=key,
                    account_sid=account,
                    friendly_name="",
                    secret=str(number) * 32,
                    is_main=False,
                    created_at=0,
                    updated_at=0,
                )
            )
        await self.server.start_server()
        self.session = ClientSession()
        return self

    async def down(self) -> None:
        for client in self.clients:
            await client.close()
        self.messages.gate.set()
        await asyncio.wait_for(self.signalling.close(), WAIT_S)
        assert self.session is not None
        await self.session.close()
        await self.server.close()

    async def connect(self, *, host: str | None = None) -> Client:
        assert self.session is not None
        headers = {} if host is None else {"Host": host}
        client = Client(await self.session.ws_connect(self.server.make_url("/signal"), max_msg_size=0, headers=headers))
        self.clients.append(client)
        return client

    def token(self, identity: str | None = "alice", **changes: Any) -> str:
        return token(identity, **changes)

    async def listening(self, identity: str | None = "alice", token: str | None = None, **listen: Any) -> Client:
        client = await self.connect()
        await client.send("listen", token=token or self.token(identity), **{"reconnectTimeout": 0, **listen})
        await client.expect("connected")
        return client

    async def registered(self, identity: str = "bob") -> Client:
        client = await self.listening(identity)
        await client.send("register", media={"audio": True})
        await client.expect("ready")
        return client

    async def placed(self, client: Client, *, temporary: str = "TJS1", sdp: str | None = None) -> CallSid:
        """Let a client place a call and see it ring; the leg's sid."""
        before = len(self.calls.placed)
        await client.send("invite", callsid=temporary, sdp=sdp or description(), twilio={})
        await self.until(lambda: len(self.calls.placed) > before)
        leg = self.calls.placed[-1].sid
        self.hub.ringing(leg, None)
        await client.expect("ringing", callsid=leg)
        return CallSid(leg)

    async def up_and_running(self, client: Client, **place: Any) -> tuple[CallSid, str]:
        """A placed call that has been answered; its leg and reconnect token."""
        leg = await self.placed(client, **place)
        self.hub.answer(leg, description("S"))
        return leg, (await client.expect("answer", callsid=leg))["reconnect"]

    async def until(self, condition: Callable[[], Any]) -> None:
        """Wait until a condition on what the server did is met."""
        for _ in range(int(WAIT_S * 1000)):
            if condition():
                return
            await asyncio.sleep(0.001)
        raise AssertionError("what was waited for did not happen")

    def heard(self, *names: str) -> list[tuple[Any, ...]]:
        return [event for event in self.calls.heard if event[0] in names]

    def device_of(self, leg: CallSid) -> DeviceId:
        reader = self.hub.reader(leg)
        assert reader is not None
        return DeviceId(reader)


def token(
    identity: str | None = "alice",
    *,
    account: str = ACCOUNT,
    key: str = KEY,
    secret: str = "1" * 32,
    ttl: int = 3600,
    incoming: bool = True,
    outgoing: bool = True,
    region: str | None = None,
    params: dict[str, str] | None = None,
) -> str:
    """An access token, made by the official helper library."""
    made = AccessToken(account, key, secret, identity=identity, ttl=ttl, region=region)
    made.add_grant(
        VoiceGrant(
            incoming_allow=incoming or None,
            outgoing_application_sid=APPLICATION if outgoing else None,
            outgoing_application_params=params,
        )
    )
    return str(made.to_jwt())
