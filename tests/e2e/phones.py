"""A browser phone in a test's hands: the official SDK in a real page, as async Python methods.

A method that fails says what the phone went through, in order, so that a red test explains itself.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any, NamedTuple

from cables import MediaCable
from playwright.async_api import BrowserContext, Page, WebSocket
from playwright.async_api import Error as PlaywrightError

EVENT_TIMEOUT = 10.0


class PhoneError(AssertionError):
    """Something a phone was asked for did not happen; the text holds its timeline."""


class Event(NamedTuple):
    """One event of a device (call is None) or of a call, whose status it tells; data is its first argument, more the
    others."""

    n: int
    ms: int
    call: int | None
    name: str
    data: Any
    more: list[Any]
    status: str | None = None

    def __str__(self) -> str:
        where = "device" if self.call is None else f"call {self.call}"
        return f"{self.ms:>7} ms  {where:<7} {self.name}" + ("" if self.data is None else f"  {self.data}")


class Frame(NamedTuple):
    """A signalling frame as the browser sent or got it; heartbeats are left out. `at` is in epoch seconds."""

    sent: bool
    type: str
    payload: dict[str, Any]
    at: float


class Heard(NamedTuple):
    """What arrived on a call while somebody listened; peak is 0 to 1, hz the loudest frequency."""

    packets: int
    lost: int
    energy: float
    peak: float
    hz: int
    codec: str | None


class Phone:
    """One page with one Device. Events keep their JavaScript names."""

    def __init__(self, page: Page, name: str) -> None:
        self.page = page
        self.name = name
        self.console: list[str] = []
        self.frames: list[Frame] = []
        self._more_frames = asyncio.Event()
        page.on("console", lambda message: self.console.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: self.console.append(f"page error: {error}"))
        page.on("websocket", self._watch)
        page.on("crash", lambda _: self.console.append("the page crashed"))

    def _watch(self, socket: WebSocket) -> None:
        def keep(sent: bool, text: str | bytes) -> None:
            if isinstance(text, str) and text.startswith("{"):
                frame = json.loads(text)
                self.frames.append(Frame(sent, frame["type"], frame.get("payload", {}), time.time()))
                self._more_frames.set()
                self._more_frames.clear()

        socket.on("framesent", lambda text: keep(True, text))
        socket.on("framereceived", lambda text: keep(False, text))

    def sent(self, type_: str) -> list[dict[str, Any]]:
        """Payloads of the frames of a type that went to the server, oldest first."""
        return [frame.payload for frame in self.frames if frame.sent and frame.type == type_]

    async def until_sent(self, type_: str, *, having: str, timeout: float = EVENT_TIMEOUT) -> dict[str, Any]:
        """Payload of the first frame of a type that went, or goes, to the server and has this key."""
        async with asyncio.timeout(timeout):
            while not (found := [payload for payload in self.sent(type_) if having in payload]):
                await self._more_frames.wait()
        return found[0]

    def got(self, type_: str) -> list[dict[str, Any]]:
        """Payloads of the frames of a type that came from the server, oldest first."""
        return [frame.payload for frame in self.frames if not frame.sent and frame.type == type_]

    @classmethod
    async def open(cls, context: BrowserContext, site: str, name: str = "phone") -> Phone:
        """Open the page; no Device yet."""
        phone = cls(await context.new_page(), name)
        await phone.page.goto(f"{site}/phone.html")
        return phone

    async def start(self, token: str, host: str | None, **options: Any) -> None:
        """Make the Device; host is `localhost:PORT`, or None for the vendor's; options are the SDK's own."""
        await self._do("start", token, host, options)

    async def preflight(self, token: str, host: str, **options: Any) -> None:
        """Begin the SDK's own test of the way to the server; its events are `preflight: completed` and so on."""
        await self._do("preflight", token, host, options)

    async def stop_preflight(self) -> None:
        await self._do("stopPreflight")

    async def register(self) -> None:
        await self._do("register")

    async def unregister(self) -> None:
        await self._do("unregister")

    async def destroy(self) -> None:
        await self._do("destroy")

    async def update_token(self, token: str) -> None:
        await self._do("updateToken", token)

    async def audio(self) -> dict[str, Any]:
        """Use the device's audio helper; inputs, outputs, and the input that was chosen for a moment."""
        return await self._do("audio")

    async def frame(self, type_: str, *, count: int = 1, timeout: float = EVENT_TIMEOUT) -> dict[str, Any]:
        """Payload of the count-th frame of a type from the server, past or to come."""
        async with asyncio.timeout(timeout):
            while len(self.got(type_)) < count:
                await self._more_frames.wait()
        return self.got(type_)[count - 1]

    async def device(self) -> dict[str, Any]:
        """state, identity, edge, home, isBusy."""
        return await self._do("device")

    async def update_options(self, **options: Any) -> None:
        await self._do("updateOptions", options)

    async def version(self) -> str:
        """Of the SDK."""
        return await self._do("version")

    async def connect(self, *, options: dict[str, Any] | None = None, **params: str) -> PhoneCall:
        """Place a call with these TwiML parameters; options are the SDK's further connect options."""
        return PhoneCall(self, await self._do("connect", {"params": params, **(options or {})}))

    async def incoming(self, *, count: int = 1, timeout: float = EVENT_TIMEOUT) -> PhoneCall:
        """The count-th call that rings, or rang, here."""
        event = await self.wait_for("incoming", count=count, timeout=timeout)
        return PhoneCall(self, event.data["call"])

    async def disconnect_all(self) -> None:
        await self._do("disconnectAll")

    async def plug(self, cable: MediaCable) -> None:
        """Let the audio of calls to come go over this cable."""
        await self.page.expose_function("mediaRelay", cable.relay)

    async def network(self, on: bool) -> None:
        """False: every socket is lost at once and none can be opened, until True."""
        await self._do("network", on)

    async def open_sockets(self) -> int:
        return await self._do("openSockets")

    async def wait_for(
        self, name: str, *, call: int | None = None, count: int = 1, timeout: float = EVENT_TIMEOUT
    ) -> Event:
        """The count-th event of that name, past or to come; PhoneError when the time is up."""
        found = await self._do("waitFor", call, name, timeout * 1000, count)
        if found is None:
            which = name if count == 1 else f"{name} number {count}"
            raise PhoneError(f"no {which} within {timeout:g} s on {await self.story()}")
        return Event(**found)

    async def timeline(self) -> list[Event]:
        return [Event(**event) for event in await self.page.evaluate("phone.timeline()")]

    async def device_events(self) -> list[str]:
        """Names of what the device said, oldest first; sounds are the page's, not the device's."""
        names = [event.name for event in await self.timeline() if event.call is None]
        return [name for name in names if not name.startswith("sound ")]

    async def story(self) -> str:
        """What this phone went through, for people."""
        try:
            lines = [str(event) for event in await self.timeline() if not event.name.endswith("sample")]
        except PlaywrightError as error:
            lines = [f"(its page does not answer: {error.message})"]
        # The SDK asks the vendor for sounds and reports statistics to it; here these requests fail, and do no harm.
        lines += [f"console  {line}" for line in self.console if "ERR_NAME_NOT_RESOLVED" not in line][-20:]
        return "\n  ".join([f"{self.name}, whose timeline is:", *(lines or ["(nothing)"])])

    async def _do(self, function: str, *args: Any) -> Any:
        try:
            return await self.page.evaluate("([name, args]) => phone[name](...args)", [function, list(args)])
        except PlaywrightError as error:
            reason = error.message.split("\n", 1)[0]
            raise PhoneError(f"{function} failed: {reason}\non {await self.story()}") from error


class PhoneCall:
    """One call of a phone."""

    def __init__(self, phone: Phone, index: int) -> None:
        self.phone = phone
        self.index = index

    async def accept(self, **options: Any) -> None:
        await self.phone._do("accept", self.index, options)

    async def reject(self) -> None:
        await self.phone._do("reject", self.index)

    async def ignore(self) -> None:
        await self.phone._do("ignore", self.index)

    async def disconnect(self) -> None:
        await self.phone._do("disconnect", self.index)

    async def mute(self, on: bool = True) -> None:
        await self.phone._do("mute", self.index, on)

    async def send_digits(self, digits: str) -> None:
        await self.phone._do("sendDigits", self.index, digits)

    async def send_message(
        self,
        content: Any,
        *,
        content_type: str = "application/json",
        message_type: str = "user-defined-message",
    ) -> str:
        """The sid the SDK gave the message; `messageSent` or `error` follow."""
        message = {"content": content, "contentType": content_type, "messageType": message_type}
        return await self.phone._do("sendMessage", self.index, message)

    async def post_feedback(self, score: int | None = None, issue: str | None = None) -> None:
        await self.phone._do("postFeedback", self.index, score, issue)

    async def status(self) -> str:
        return await self.phone._do("status", self.index)

    async def properties(self) -> dict[str, Any]:
        """status, direction, codec, parameters, customParameters, callerInfo, connectToken, muted, …"""
        return await self.phone._do("call", self.index)

    async def hear(self, seconds: float = 1.0) -> Heard:
        """Listen for that long."""
        return Heard(**await self.phone._do("hear", self.index, seconds * 1000))

    async def wait_for(self, name: str, *, count: int = 1, timeout: float = EVENT_TIMEOUT) -> Event:
        return await self.phone.wait_for(name, call=self.index, count=count, timeout=timeout)

    async def messages(self) -> list[dict[str, Any]]:
        """Every call message received so far, in order."""
        return [
            event.data
            for event in await self.phone.timeline()
            if event.call == self.index and event.name == "messageReceived"
        ]
