"""`midcall.sdk` as a client of the suite, with media or without."""

from __future__ import annotations

import asyncio
import dataclasses
import ssl
from array import array
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from enum import Enum, EnumType
from typing import Any

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
from midcall import sdk
from midcall.sdk.errors import NAMES

VOLUMES_KEPT = 100
REGISTER_S = 30
FULL_SCALE = 32768


def plain(value: Any) -> Any:
    """A value of the SDK in JavaScript's shape."""
    match value:
        case sdk.VoiceError():
            return {"name": value.name, "code": value.code, "message": value.message}
        case Enum():
            return camel(str(value.value))
        case Mapping():
            return {key: plain(each) for key, each in value.items()}
        case tuple() | list() | deque():
            return [plain(each) for each in value]
        case sdk.WarningData():  # it names a field of a sample
            return _fields(value) | {"name": camel(value.name)}
        case _ if dataclasses.is_dataclass(value):
            return _fields(value)
    return value


def _fields(value: Any) -> dict[str, Any]:
    return {camel(each.name): plain(getattr(value, each.name)) for each in dataclasses.fields(value)}


class PythonDevice:
    """A `midcall.sdk.Device`."""

    def __init__(self, name: str, kind: Kind, token: Any, tls: ssl.SSLContext | None, **options: Any) -> None:
        self.name, self.kind = name, kind
        self.kept: list[Event] = []
        self.calls: list[sdk.Call] = []
        self.volumes: dict[int, deque[tuple[float, float]]] = {}
        self._more = asyncio.Event()
        source = sdk.Silence() if options.pop("silent", False) else sdk.Tone(440)
        options = {"audio_source": lambda: source} | options
        with _thrown():
            self.device = sdk.Device(token, tls=tls, media="real" if kind.has_media else "none", **options)
        for event in self.device.EVENTS:
            self.device.on(event, lambda *args, event=event: self._told(event, args))

    def _told(self, name: str, args: tuple[Any, ...]) -> None:
        if name == "incoming":
            self._adopt(args[0])
        self._keep(None, name, args)

    def _adopt(self, call: sdk.Call) -> PythonCall:
        number = len(self.calls)
        self.calls.append(call)
        self.volumes[number] = deque(maxlen=VOLUMES_KEPT)
        self.listen(number)
        return PythonCall(self, number)

    def listen(self, number: int) -> None:
        call, loud = self.calls[number], self.volumes[number]
        for event in call.EVENTS - {"volume"}:
            call.on(event, lambda *args, event=event: self._keep(number, event, args))
        call.on("volume", lambda *levels: loud.append(levels))

    def _keep(self, call: int | None, name: str, args: tuple[Any, ...]) -> None:
        status = None if call is None else str(self.calls[call].status())
        self.kept.append(Event(call, name, tuple(self._plain(arg) for arg in args), status))
        self._more.set()

    def _plain(self, value: Any) -> Any:
        match value:
            case sdk.Device():
                return "device"
            case sdk.Call():
                return {"call": self.calls.index(value)}
        return plain(value)

    async def register(self) -> None:
        with _thrown():
            async with asyncio.timeout(REGISTER_S):
                await self.device.register()

    async def unregister(self) -> None:
        with _thrown():
            await self.device.unregister()

    async def destroy(self) -> None:
        with _thrown():
            await self.device.destroy()

    async def connect(self, *, params: dict[str, Any] | None = None, **options: Any) -> PythonCall:
        with _thrown():
            return self._adopt(await self.device.connect(params=params, **_with_ice_servers(options)))

    async def incoming(self, *, count: int = 1, timeout: float = EVENT_TIMEOUT_S) -> PythonCall:
        event = await self.wait_for("incoming", count=count, timeout=timeout)
        return PythonCall(self, event.arg["call"])

    async def disconnect_all(self) -> None:
        with _thrown():
            self.device.disconnect_all()

    async def update_token(self, token: Any) -> None:
        with _thrown():
            self.device.update_token(token)

    async def update_options(self, **options: Any) -> None:
        with _thrown():
            self.device.update_options(**options)

    async def facts(self) -> DeviceFacts:
        device = self.device
        return DeviceFacts(
            state=str(device.state),
            identity=device.identity,
            edge=device.edge,
            home=device.home,
            is_busy=device.is_busy,
            calls=tuple(self.calls.index(call) for call in device.calls),
            token=device.token,
            audio=getattr(device, "audio", None) is not None,
        )

    async def events(self) -> list[Event]:
        return [event for event in self.kept if event.call is None]

    async def wait_for(
        self, name: str, *, call: int | None = None, count: int = 1, timeout: float = EVENT_TIMEOUT_S
    ) -> Event:
        def found() -> list[Event]:
            return [event for event in self.kept if event.call == call and event.name == name]

        try:
            async with asyncio.timeout(timeout):
                while len(found()) < count:
                    self._more.clear()
                    await self._more.wait()
        except TimeoutError:
            raise Missed(f"no {name} number {count} within {timeout:g} s on {await self.story()}") from None
        return found()[count - 1]

    async def surface(self) -> Surface:
        owners = {"Call": sdk.Call, "Device": sdk.Device}
        return Surface(
            call=frozenset(camel(name) for name in dir(sdk.Call) if not name.startswith("_")),
            device=frozenset(camel(name) for name in dir(sdk.Device) if not name.startswith("_")),
            audio=frozenset(camel(name) for name in dir(self.device.audio) if not name.startswith("_")),
            is_supported=sdk.Device.is_supported(),
            package=(sdk.Device.package_name, sdk.Device.version),
            enums={
                f"{owner}.{name}": frozenset(member.value for member in value)
                for owner, each in owners.items()
                for name, value in vars(each).items()
                if isinstance(value, EnumType)
            },
        )

    async def processors(self) -> list[str]:
        audio = self.device.audio
        assert audio is not None
        one, other = _Passes(), _Passes()
        steps: list[Callable[[], None]] = [
            lambda: audio.add_processor(None),  # type: ignore[arg-type]
            lambda: audio.add_processor(object()),  # type: ignore[arg-type]
            lambda: audio.remove_processor(one),
            lambda: audio.add_processor(one),
            lambda: audio.add_processor(other),
            lambda: audio.remove_processor(other),
            lambda: audio.add_processor(other, True),
            lambda: audio.remove_processor(one),
            lambda: audio.add_processor(other),
        ]
        outcomes = []
        for step in steps:
            try:
                step()
                outcomes.append("ok")
            except sdk.SdkError as error:
                outcomes.append(type(error).__name__)
        return outcomes

    async def set_input(self, device_id: str) -> None:
        assert self.device.audio is not None
        with _thrown():
            await self.device.audio.set_input_device(device_id)

    async def sounds(self) -> list[bool]:
        raise NotImplementedError("midcall.sdk plays none")

    async def errors(self) -> dict[int, str]:
        return {code: name for code, (name, _) in NAMES.items()}

    async def text(self) -> str:
        return str(self.device)

    async def story(self) -> str:
        told = [event for event in self.kept if event.name != "sample"]
        lines = [
            f"{'device' if event.call is None else f'call {event.call}'}  {event.name} {event.args}" for event in told
        ]
        return "\n  ".join([f"{self.name}, whose timeline is:", *(newest(lines) or ["(nothing)"])])


class PythonCall:
    """A call of a PythonDevice."""

    def __init__(self, device: PythonDevice, number: int) -> None:
        self.device = device
        self.number = number
        self.call = device.calls[number]

    async def accept(self, **options: Any) -> None:
        with _thrown():
            self.call.accept(**_with_ice_servers(options))

    async def reject(self) -> None:
        with _thrown():
            self.call.reject()

    async def ignore(self) -> None:
        with _thrown():
            self.call.ignore()

    async def disconnect(self) -> None:
        with _thrown():
            self.call.disconnect()

    async def mute(self, *on: bool) -> None:
        with _thrown():
            self.call.mute(*on)

    async def send_digits(self, digits: str) -> None:
        with _thrown():
            self.call.send_digits(digits)

    async def send_message(
        self, content: Any, *, message_type: Any = "user-defined-message", content_type: str | None = None
    ) -> str:
        with _thrown():
            return str(self.call.send_message(content, message_type=message_type, content_type=content_type))

    async def send_messages(self, contents: Sequence[Any]) -> list[str]:
        with _thrown():
            return [str(self.call.send_message(content)) for content in contents]

    async def post_feedback(self, score: Any = None, issue: Any = None) -> None:
        with _thrown():
            await self.call.post_feedback(score, issue)

    async def remove_all_listeners(self) -> None:
        self.call.remove_all_listeners()

    async def listen(self) -> None:
        self.device.listen(self.number)

    async def text(self) -> str:
        return str(self.call)

    async def facts(self) -> CallFacts:
        call = self.call
        caller = call.caller_info
        return CallFacts(
            status=str(call.status()),
            direction=str(call.direction),
            codec=call.codec,
            parameters=dict(call.parameters),
            custom_parameters=dict(call.custom_parameters),
            verified=None if caller is None else caller.is_verified,
            connect_token=call.connect_token,
            muted=call.is_muted(),
            local=call.get_local_stream() is not None,
            remote=call.get_remote_stream() is not None,
            connection_id=call.outbound_connection_id,
        )

    async def volumes(self) -> Sequence[tuple[float, float]]:
        return list(self.device.volumes[self.number])

    async def loudness(self, seconds: float) -> float:
        stream = self.call.get_remote_stream()
        assert stream is not None
        ear = _Ear(seconds)
        stream.add(ear)
        try:
            async with asyncio.timeout(seconds + EVENT_TIMEOUT_S):
                await ear.full.wait()
        finally:
            stream.remove(ear)
        return ear.peak

    async def events(self) -> list[Event]:
        return [event for event in self.device.kept if event.call == self.number and event.name != "sample"]

    async def wait_for(self, name: str, *, count: int = 1, timeout: float = EVENT_TIMEOUT_S) -> Event:
        return await self.device.wait_for(name, call=self.number, count=count, timeout=timeout)


class PythonPreflight:
    """A `midcall.sdk.PreflightTest`."""

    def __init__(self, test: sdk.PreflightTest) -> None:
        self.test = test
        self.kept: list[Event] = []
        self._more = asyncio.Event()
        for event in test.EVENTS:
            test.on(event, lambda *args, event=event: self._keep(event, args))

    def _keep(self, name: str, args: tuple[Any, ...]) -> None:
        self.kept.append(Event(None, name, tuple(plain(arg) for arg in args)))
        self._more.set()

    async def stop(self) -> None:
        self.test.stop()

    async def wait_for(self, name: str, *, count: int = 1, timeout: float = EVENT_TIMEOUT_S) -> Event:
        def found() -> list[Event]:
            return [event for event in self.kept if event.name == name]

        try:
            async with asyncio.timeout(timeout):
                while len(found()) < count:
                    self._more.clear()
                    await self._more.wait()
        except TimeoutError:
            raise Missed(f"no {name} within {timeout:g} s: {[event.name for event in self.kept]}") from None
        return found()[count - 1]


def _with_ice_servers(options: dict[str, Any]) -> dict[str, Any]:
    given = dict(options)
    if servers := given.pop("ice_servers", None):
        given["rtc_configuration"] = sdk.RtcConfiguration(ice_servers=servers)
    return given


class _Passes:
    """A processor that changes nothing."""

    def process(self, samples: array[int], rate: int) -> array[int]:
        return samples


class _Ear:
    """Listens for some seconds."""

    rate = 8000

    def __init__(self, seconds: float) -> None:
        self.peak = 0.0
        self.full = asyncio.Event()
        self._left = seconds * self.rate

    def write(self, samples: array[int]) -> None:
        self.peak = max(self.peak, max((abs(sample) for sample in samples), default=0) / FULL_SCALE)
        self._left -= len(samples)
        if self._left <= 0:
            self.full.set()

    def close(self) -> None:
        self.full.set()


class _thrown:
    """What the SDK raises on purpose becomes Thrown; anything else is a failure of the test."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, sdk.SdkError):
            name = error.name if isinstance(error, sdk.VoiceError) else type(error).__name__
            raise Thrown(name, str(error), getattr(error, "code", None)) from error
