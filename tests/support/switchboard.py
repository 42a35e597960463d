"""A whole switch in memory: real core and actors, the memory store; clients, media and customers' servers scripted.

Used by tests of the switch; time is turned by hand.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from midcall.bus.local import LocalBus
from midcall.core.accounts import Account, AccountStatus, Application
from midcall.core.alerts import ANY_ALERT
from midcall.core.calls import Call, CallFilter
from midcall.core.messages import Entry, Limits, Log
from midcall.core.sids import AccountSid, ApplicationSid, CallSid, mint
from midcall.ports import (
    AnswerReady,
    ApplyAnswer,
    DeviceId,
    Invite,
    MakeOffer,
    MediaCommand,
    MediaConnected,
    MediaEvent,
    OfferReady,
    Outcome,
    PageRequest,
    Request,
    Store,
    Terminate,
)
from midcall.storage.memory import MemoryStore
from midcall.storage.trace import MemoryTrace
from midcall.switch.calls import Calls, Placed
from midcall.switch.fetch import TwimlFetcher
from midcall.switch.legs import Legs
from midcall.switch.lines import Lines
from midcall.switch.messages import Messages
from midcall.switch.numbers import Numbers
from midcall.switch.phones import Phones
from midcall.switch.rooms import Rooms
from midcall.testing.clock import ManualClock

ACCOUNT = AccountSid("AC" + "1" * 32)
APPLICATION = ApplicationSid("AP" + "1" * 32)


@dataclass
class ScriptedDevices:
    """Clients: what each leg's client was shown, and who is registered."""

    shown: list[tuple[str, CallSid, object]] = field(default_factory=list)
    clients: dict[tuple[AccountSid, str], list[DeviceId]] = field(default_factory=dict)
    without_media: set[DeviceId] = field(default_factory=set)
    holders: dict[CallSid, DeviceId] = field(default_factory=dict)
    invites: list[tuple[DeviceId, Invite]] = field(default_factory=list)
    written: dict[tuple[CallSid, int], float] = field(default_factory=dict)

    def registered(self, account: AccountSid, identity: str) -> list[DeviceId]:
        return list(self.clients.get((account, identity), ()))

    def declares_no_media(self, device: DeviceId) -> bool:
        return device in self.without_media

    def invite(self, device: DeviceId, invite: Invite) -> None:
        self.invites.append((device, invite))
        self.shown.append(("invite", invite.leg, device))

    def ringing(self, leg: CallSid, sdp: str | None) -> None:
        self.shown.append(("ringing", leg, sdp))

    def answer(self, leg: CallSid, sdp: str | None) -> None:
        self.shown.append(("answer", leg, sdp))

    def taken(self, leg: CallSid, winner: DeviceId) -> None:
        self.holders[leg] = winner
        self.shown.append(("taken", leg, winner))

    def hangup(self, leg: CallSid, code: int | None = None, message: str | None = None) -> None:
        self.shown.append(("hangup", leg, code))

    def reader(self, leg: CallSid) -> str | None:
        return self.holders.get(leg)

    def written_at(self, leg: CallSid, seq: int) -> float | None:
        return self.written.get((leg, seq))

    def of(self, leg: CallSid) -> list[str]:
        """Names of what one leg's client was shown."""
        return [name for name, sid, _ in self.shown if sid == leg]


class ScriptedMedia:
    """An engine that answers at once."""

    def __init__(self) -> None:
        self.commands: list[MediaCommand] = []
        self.on_event: Callable[[MediaEvent], None] = lambda event: None

    async def start(self, on_event: Callable[[MediaEvent], None]) -> None:
        self.on_event = on_event

    def do(self, command: MediaCommand) -> None:
        self.commands.append(command)
        match command:
            case Terminate(leg=leg):
                self.on_event(AnswerReady(leg=leg, sdp=f"answer for {leg}"))
                self.on_event(MediaConnected(leg=leg))
            case MakeOffer(leg=leg):
                self.on_event(OfferReady(leg=leg, sdp=f"offer for {leg}"))
            case ApplyAnswer(leg=leg):
                self.on_event(MediaConnected(leg=leg))
            case _:
                pass

    async def close(self) -> None:
        pass


class ScriptedSender:
    """Customers' servers: a page for each URL, and what they were asked."""

    def __init__(self) -> None:
        self.pages: dict[str, str | Outcome] = {}
        self.requests: list[tuple[str, dict[str, str]]] = []

    async def send(self, request: Request) -> Outcome:
        url = request.url.partition("?")[0]
        self.requests.append((url, dict(parse_qsl(request.body.decode(), keep_blank_values=True))))
        page = self.pages.get(url, Outcome(status=404, url=url))
        if isinstance(page, Outcome):
            return page
        return Outcome(status=200, headers={"content-type": "text/xml"}, body=page.encode(), url=url)

    async def close(self) -> None:
        pass

    def asked(self, url: str) -> list[dict[str, str]]:
        return [fields for asked, fields in self.requests if asked == url]


class Switchboard:
    """Everything wired. `await up()` before use."""

    VOICE = "http://app.test/voice"

    def __init__(self, *, forgetful: bool = False, store: Store | None = None, limits: Limits | None = None) -> None:
        self.clock = ManualClock()
        self.store: Store = store or MemoryStore()
        self.devices = ScriptedDevices()
        self.media = ScriptedMedia()
        self.sender = ScriptedSender()
        self.trace = MemoryTrace()
        self.bus = LocalBus()
        self._numbers = itertools.count(1)
        fetcher = TwimlFetcher(self.store, self.sender, self.clock, self.trace)
        self.legs = Legs(
            store=self.store,
            media=self.media,
            devices=self.devices,
            bus=self.bus,
            fetcher=fetcher,
            clock=self.clock,
            entropy=self.entropy,
            trace=self.trace,
            forgetful=forgetful,
        )
        self.phones = Phones()
        self.rooms = Rooms(
            self.legs,
            store=self.store,
            media=self.media,
            clock=self.clock,
            entropy=self.entropy,
            phones=self.phones,
            forgetful=forgetful,
        )
        self.numbers = Numbers(store=self.store, clock=self.clock, entropy=self.entropy)
        self.lines = Lines(self.legs, self.numbers, self.clock)
        self.calls = Calls(
            store=self.store,
            legs=self.legs,
            rooms=self.rooms,
            numbers=self.numbers,
            clock=self.clock,
            entropy=self.entropy,
            phones=self.phones,
        )
        self.messages = Messages(
            store=self.store, bus=self.bus, clock=self.clock, entropy=self.entropy, limits=limits or Limits()
        )

    def entropy(self, count: int) -> bytes:
        return next(self._numbers).to_bytes(count, "big")

    async def up(self, *, status_callback: str = "") -> Switchboard:
        await self.media.start(self.legs.on_media)
        now = self.clock.now()
        await self.store.put_account(
            Account(
                sid=ACCOUNT,
                owner_sid=ACCOUNT,
                friendly_name="test",
                status=AccountStatus.ACTIVE,
                auth_token="b" * 32,
                created_at=now,
                updated_at=now,
            )
        )
        await self.store.put_application(
            Application(
                sid=APPLICATION,
                account_sid=ACCOUNT,
                friendly_name="test",
                voice_url=self.VOICE,
                status_callback=status_callback,
                created_at=now,
                updated_at=now,
            )
        )
        return self

    def register(self, identity: str, device: str | None = None) -> DeviceId:
        name = DeviceId(device or f"{identity}'s device")
        self.devices.clients.setdefault((ACCOUNT, identity), []).append(name)
        return name

    async def place(self, twiml: str, *, identity: str = "alice", **parameters: str) -> CallSid:
        """Let a client call; the application answers with this TwiML."""
        self.sender.pages[self.VOICE] = twiml
        sid = CallSid(mint("CA", self.entropy(16)))
        self.devices.holders[sid] = DeviceId(f"{identity}'s device")
        placed = Placed(
            sid=sid,
            account_sid=ACCOUNT,
            identity=identity,
            application_sid=APPLICATION,
            device=self.devices.holders[sid],
            offer="the client's offer",
            parameters=tuple(parameters.items()),
            resume_window_s=0,
        )
        await self.calls.place(placed)
        await self.settle()
        return sid

    async def settle(self) -> None:
        await self.clock.settle()

    async def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)
        await self.settle()

    async def row(self, sid: CallSid) -> Call:
        call = await self.store.call(ACCOUNT, sid)
        assert call is not None
        return call

    async def children(self, parent: CallSid) -> list[Call]:
        """Oldest first."""
        page = await self.store.calls(ACCOUNT, CallFilter(parent_sid=parent), PageRequest(size=50))
        return list(reversed(page.rows))

    async def legs_with(self, *, to: str) -> list[Call]:
        """Legs that were called so, newest first."""
        return list((await self.store.calls(ACCOUNT, CallFilter(to=to), PageRequest())).rows)

    async def child(self, parent: CallSid) -> Call:
        (call,) = await self.children(parent)
        return call

    async def status_log(self, leg: CallSid) -> list[Entry]:
        return list(await self.store.entries_after(leg, Log.STATUS, 0, 100))

    async def answer(self, leg: CallSid, device: DeviceId) -> None:
        self.calls.answered(leg, device, "the client's answer", 0)
        await self.settle()

    async def alerts(self) -> list[int]:
        page = await self.store.alerts(ACCOUNT, ANY_ALERT, PageRequest(size=50))
        return [alert.code for alert in reversed(page.rows)]
