"""The unmodified browser SDK as a client of the suite: one Chromium, whose pages are used again and again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

import phones
from browsers import PAGES, Flags, launch
from cables import MediaCable
from pages import serve_pages
from phones import Phone, PhoneCall, PhoneError
from playwright.async_api import BrowserContext, async_playwright

from conformance.driver import (
    EVENT_TIMEOUT_S,
    CallFacts,
    DeviceFacts,
    Event,
    Kind,
    Missed,
    Surface,
    Thrown,
    camel,
    newest,
)

REGISTER_S: Final = 30
DEAD_EDGE: Final = "tokyo"
"""Its host leads to a port where nobody listens."""

ERRORS: Final = f"""
  const groups = require({json.dumps(str(PAGES / "node_modules/@twilio/voice-sdk/es5/twilio/errors/generated.js"))});
  const types = Object.values(groups).flatMap((group) => Object.values(group));
  const named = types.filter((type) => typeof type === 'function').map((type) => new type());
  console.log(JSON.stringify(Object.fromEntries(named.map((error) => [error.code, error.name]))));
"""
"""A program that tells the names of the SDK's errors."""


class Pages:
    """A browser, started when the first page is asked for; it finds the vendor's hosts at the server of that folder."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._stack = AsyncExitStack()
        self._context: BrowserContext | None = None
        self._site = ""
        self._free: list[Phone] = []

    async def __aenter__(self) -> Pages:
        return self

    async def __aexit__(self, *error: Any) -> None:
        await self._stack.aclose()

    async def take(self, *, media: MediaCable | None = None) -> Phone:
        """A page as if just opened. Cables stay in a page, so such a one is not used again."""
        if self._context is None:
            playwright = await self._stack.enter_async_context(async_playwright())
            flags = Flags.of(self._data_dir)
            dead = f"MAP voice-js.{DEAD_EDGE}.twilio.com 127.0.0.1:1"
            browser = await self._stack.enter_async_context(
                launch(playwright, pin=flags.pin, hosts=f"{dead}, {flags.rules}", spaces=flags.spaces)
            )
            self._site = await self._stack.enter_async_context(serve_pages())
            self._context = await browser.new_context()
        if media is None and self._free:
            return self._free.pop()
        phone = await Phone.open(self._context, self._site)
        if media is not None:
            await phone.plug(media)
        return phone

    async def give_back(self, phone: Phone, *, fit: bool) -> None:
        """End what goes on in a page; if it is fit, somebody else may have it."""
        if not fit:
            await phone.page.close()
            return
        await phone.page.reload()
        phone.frames.clear()
        phone.console.clear()
        self._free.append(phone)


class BrowserDevice:
    """A Device in a page."""

    kind = Kind.BROWSER

    def __init__(self, phone: Phone, name: str) -> None:
        self.phone = phone
        self.name = phone.name = name

    @classmethod
    async def open(cls, phone: Phone, name: str, token: Any, host: Any, options: dict[str, Any]) -> BrowserDevice:
        device = cls(phone, name)
        if options.pop("silent", False):
            await device.do("silenceMicrophone")
        await device.do("start", token, host, _spelled(options))
        return device

    async def do(self, function: str, *args: Any) -> Any:
        """Call a function of the page; Thrown when the SDK throws."""
        outcome = await self.phone.page.evaluate("([name, args]) => phone.attempt(name, args)", [function, list(args)])
        if thrown := outcome.get("thrown"):
            raise Thrown(thrown["name"], thrown["message"], thrown.get("code"))
        return outcome.get("value")

    async def register(self) -> None:
        async with asyncio.timeout(REGISTER_S):
            await self.do("register")

    async def unregister(self) -> None:
        await self.do("unregister")

    async def destroy(self) -> None:
        await self.do("destroy")

    async def connect(self, *, params: dict[str, Any] | None = None, **options: Any) -> BrowserCall:
        given = _spelled(options) | ({} if params is None else {"params": params})
        return BrowserCall(self, await self.do("connect", given))

    async def incoming(self, *, count: int = 1, timeout: float = EVENT_TIMEOUT_S) -> BrowserCall:
        event = await self.wait_for("incoming", count=count, timeout=timeout)
        return BrowserCall(self, event.arg["call"])

    async def disconnect_all(self) -> None:
        await self.do("disconnectAll")

    async def update_token(self, token: Any) -> None:
        await self.do("updateToken", token)

    async def update_options(self, **options: Any) -> None:
        await self.do("updateOptions", _spelled(options))

    async def facts(self) -> DeviceFacts:
        shown = await self.do("deviceFacts")
        calls = tuple(shown.pop("calls"))
        return DeviceFacts(is_busy=shown.pop("isBusy"), calls=calls, **{"home": None, "edge": None, **shown})

    async def events(self) -> list[Event]:
        return [
            event
            for event in await self._all()
            if event.call is None and not event.name.startswith(("sound ", "page rejection"))
        ]

    async def _all(self) -> list[Event]:
        return [_event(kept) for kept in await self.phone.timeline()]

    async def wait_for(
        self, name: str, *, call: int | None = None, count: int = 1, timeout: float = EVENT_TIMEOUT_S
    ) -> Event:
        try:
            kept = await self.phone.wait_for(name, call=call, count=count, timeout=timeout)
        except PhoneError:
            which = f"{name} number {count} within {timeout:g} s"
            raise Missed(f"no {which} on {await self.story()}") from None
        return _event(kept)

    async def surface(self) -> Surface:
        shown = await self.do("statics")
        enums = {
            f"{owner.title()}.{name}": frozenset(value for key, value in values.items() if not key.isdigit())
            for owner in ("call", "device")
            for name, values in shown[owner].items()
        }
        return Surface(
            call=frozenset(shown["callMembers"]),
            device=frozenset(shown["deviceMembers"]),
            audio=frozenset(shown["audioMembers"]),
            is_supported=shown["isSupported"],
            package=(shown["packageName"], shown["version"]),
            enums=enums,
        )

    async def processors(self) -> list[str]:
        return list(await self.do("processors"))

    async def set_input(self, device_id: str) -> None:
        await self.do("setInput", device_id)

    async def sounds(self) -> list[bool]:
        return list(await self.do("sounds"))

    async def errors(self) -> dict[int, str]:
        """The page has no way to them, so the package is asked."""
        node = await asyncio.create_subprocess_exec("node", "-e", ERRORS, stdout=asyncio.subprocess.PIPE)
        out, _ = await node.communicate()
        return {int(code): name for code, name in json.loads(out).items()}

    async def text(self) -> str:
        return str(await self.do("deviceText"))

    async def story(self) -> str:
        lines = [line for line in (await self.phone.story()).splitlines() if "  sound " not in line]
        return "\n".join(newest(lines))


class BrowserCall:
    """A Call of a BrowserDevice."""

    def __init__(self, device: BrowserDevice, number: int) -> None:
        self.device = device
        self.number = number

    async def _do(self, function: str, *args: Any) -> Any:
        return await self.device.do(function, self.number, *args)

    async def accept(self, **options: Any) -> None:
        await self._do("accept", _spelled(options))

    async def reject(self) -> None:
        await self._do("reject")

    async def ignore(self) -> None:
        await self._do("ignore")

    async def disconnect(self) -> None:
        await self._do("disconnect")

    async def mute(self, *on: bool) -> None:
        await self._do("mute", *on)

    async def send_digits(self, digits: str) -> None:
        await self._do("sendDigits", digits)

    async def send_message(
        self, content: Any, *, message_type: Any = "user-defined-message", content_type: str | None = None
    ) -> str:
        message = {"content": content, "messageType": message_type}
        if content_type is not None:
            message["contentType"] = content_type
        return str(await self._do("sendMessage", message))

    async def send_messages(self, contents: Sequence[Any]) -> list[str]:
        return list(await self._do("sendMessages", list(contents)))

    async def post_feedback(self, score: Any = None, issue: Any = None) -> None:
        await self._do("postFeedback", score, issue)

    async def remove_all_listeners(self) -> None:
        await self._do("removeAllListeners")

    async def listen(self) -> None:
        await self._do("listen")

    async def text(self) -> str:
        return str(await self._do("callText"))

    async def facts(self) -> CallFacts:
        shown = await self._do("call")
        caller = shown["callerInfo"]
        return CallFacts(
            status=shown["status"],
            direction=shown["direction"],
            codec=shown.get("codec"),
            parameters=shown["parameters"],
            custom_parameters=shown["customParameters"],
            verified=None if caller is None else caller["isVerified"],
            connect_token=shown.get("connectToken"),
            muted=shown["muted"],
            local=shown["streams"]["local"],
            remote=shown["streams"]["remote"],
            connection_id=shown["outboundConnectionId"],
        )

    async def volumes(self) -> Sequence[tuple[float, float]]:
        return [(said, heard) for said, heard in await self._do("volumesOf")]

    async def loudness(self, seconds: float) -> float:
        return (await PhoneCall(self.device.phone, self.number).hear(seconds)).peak

    async def events(self) -> list[Event]:
        kept = await self.device._all()
        return [event for event in kept if event.call == self.number and event.name != "sample"]

    async def wait_for(self, name: str, *, count: int = 1, timeout: float = EVENT_TIMEOUT_S) -> Event:
        return await self.device.wait_for(name, call=self.number, count=count, timeout=timeout)


class BrowserPreflight:
    """A PreflightTest in a page."""

    def __init__(self, device: BrowserDevice) -> None:
        self._device = device

    @classmethod
    async def open(cls, phone: Phone, name: str, token: str, host: str) -> BrowserPreflight:
        device = BrowserDevice(phone, name)
        await device.do("preflight", token, host, {})
        return cls(device)

    async def stop(self) -> None:
        await self._device.do("stopPreflight")

    async def wait_for(self, name: str, *, count: int = 1, timeout: float = EVENT_TIMEOUT_S) -> Event:
        return await self._device.wait_for(f"preflight: {name}", count=count, timeout=timeout)


def _spelled(options: dict[str, Any]) -> dict[str, Any]:
    given = dict(options)
    if servers := given.pop("ice_servers", None):
        given["rtc_configuration"] = {"iceServers": servers}
    return {camel(name): value for name, value in given.items()}


def _event(kept: phones.Event) -> Event:
    args = (kept.data, *kept.more) if kept.data is not None or kept.more else ()
    return Event(kept.call, kept.name, args, kept.status)
