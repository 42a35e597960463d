"""Microphones and speakers, through PortAudio. Nothing here is imported, or needed, before somebody asks for them.

PortAudio calls back in threads of its own: sound is handed to the event loop on its way in, and taken out of a bounded
buffer on its way out.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
import threading
import weakref
from array import array
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

from midcall.sdk.audio import FRAME_S
from midcall.sdk.errors import InvalidArgumentError, NotSupportedError, VoiceError

log = logging.getLogger("midcall.sdk.audio")

HARDWARE_RATE: Final = 48_000
DEFAULT: Final = "default"
"""The id of the system's own choice."""
MAX_WAITING: Final = 5
"""Pieces of 20 ms that wait for a reader, or for a speaker's turn: older sound is dropped."""
PATIENCE_S: Final = 0.06
"""A reader waits this long for a microphone and goes on with silence then."""
_PIECE: Final = int(HARDWARE_RATE * FRAME_S)

HOW_TO_INSTALL: Final = (
    "microphones and speakers need PortAudio: pip install 'midcall[audio]', and on Debian and Ubuntu "
    "apt install libportaudio2"
)


@dataclass(frozen=True, slots=True)
class AudioDevice:
    """A microphone or a speaker.

    Attributes:
        device_id: what `set_input_device` and `speaker_devices.set` take; the same after a restart of the system.
        label: its name, for people.
        kind: `audioinput` or `audiooutput`, as browsers say.
    """

    device_id: str
    label: str
    kind: Literal["audioinput", "audiooutput"]


def portaudio() -> Any:
    """The `sounddevice` module.

    Raises:
        NotSupportedError: it, or the library below it, is not installed or cannot start; the sentence says what to do.
    """
    try:
        return importlib.import_module("sounddevice")
    except Exception as error:  # the module starts PortAudio when imported, which fails with an exception of its own
        raise NotSupportedError(f"{HOW_TO_INSTALL} ({error})") from error


def rescan() -> None:
    """Let PortAudio look for devices again. It cannot while a device is open: that would be cut off."""
    module = portaudio()
    module._terminate()
    module._initialize()


def devices(kind: Literal["audioinput", "audiooutput"]) -> dict[str, AudioDevice]:
    """Devices by id, the system's choice first; empty without hardware.

    Raises:
        NotSupportedError: PortAudio is not installed.
    """
    found = [AudioDevice(device_id, label, kind) for device_id, label, _ in _listed(kind)]
    return {device.device_id: device for device in [AudioDevice(DEFAULT, "Default", kind), *found] if found}


def _listed(kind: str) -> Iterator[tuple[str, str, int]]:
    """Id, label and index of each device. PortAudio's indices change with every plug, names and hosts do not."""
    module = portaudio()
    hosts = module.query_hostapis()
    channels = "max_input_channels" if kind == "audioinput" else "max_output_channels"
    for index, told in enumerate(module.query_devices()):
        if told[channels] > 0:
            yield f"{hosts[told['hostapi']]['name']}/{told['name']}", told["name"], index


def _index(kind: Literal["audioinput", "audiooutput"], device_id: str) -> int | None:
    """PortAudio's number of a device; None is the system's choice."""
    if not isinstance(device_id, str):
        raise InvalidArgumentError("Must specify the device to set")
    numbers = {known: index for known, _, index in _listed(kind)}
    if device_id == DEFAULT and numbers:
        return None
    if device_id not in numbers:
        raise InvalidArgumentError(f"Device not found: {device_id}")
    return numbers[device_id]


@contextlib.contextmanager
def _acquiring(device_id: str) -> Iterator[None]:
    try:
        yield
    except portaudio().PortAudioError as error:
        raise VoiceError(31402, f"{device_id}: {error}", error) from error


class Tap:
    """One reader's end of a microphone: an audio source. Sound that nobody reads in time is dropped."""

    rate = HARDWARE_RATE

    def __init__(self) -> None:
        self._pieces: deque[bytes] = deque(maxlen=MAX_WAITING)
        self._more = asyncio.Event()

    def put(self, piece: bytes) -> None:
        """20 ms of sound."""
        self._pieces.append(piece)
        self._more.set()

    async def read(self) -> bytes:
        """The next 20 ms; nothing, which is heard as silence, when the microphone is late or closed."""
        if not self._pieces:
            self._more.clear()
            try:
                async with asyncio.timeout(PATIENCE_S):
                    await self._more.wait()
            except TimeoutError:
                return b""
        return self._pieces.popleft()


class Microphone:
    """An open microphone, for any number of readers. Made by `open`."""

    def __init__(self, device_id: str, on_piece: Callable[[bytes], None], on_end: Callable[[], None]) -> None:
        self.device_id = device_id
        self._on_piece = on_piece
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._taps: weakref.WeakSet[Tap] = weakref.WeakSet()
        self._stream: Any = None
        self._closing = False

    @classmethod
    async def open(
        cls,
        device_id: str = DEFAULT,
        *,
        on_piece: Callable[[bytes], None] = lambda piece: None,
        on_end: Callable[[], None] = lambda: None,
    ) -> Microphone:
        """Start listening.

        Args:
            device_id: of `devices("audioinput")`.
            on_piece: gets every 20 ms of sound, on the event loop.
            on_end: called when the microphone ends without having been closed, as when it is unplugged.

        Raises:
            NotSupportedError: PortAudio is not installed.
            InvalidArgumentError: there is no such device.
            VoiceError: it cannot be opened (31402).
        """
        microphone = cls(device_id, on_piece, on_end)
        await asyncio.to_thread(microphone._start)
        return microphone

    def tap(self) -> Tap:
        """A source that says what the microphone hears from now on."""
        tap = Tap()
        self._taps.add(tap)
        return tap

    async def close(self) -> None:
        """Stop listening. Taps go on as silence."""
        self._closing = True
        if self._stream is not None:
            await asyncio.to_thread(self._stream.close)

    def _start(self) -> None:
        index = _index("audioinput", self.device_id)
        with _acquiring(self.device_id):
            self._stream = portaudio().RawInputStream(
                samplerate=HARDWARE_RATE,
                blocksize=_PIECE,
                device=index,
                channels=1,
                dtype="int16",
                callback=self._captured,
                finished_callback=self._finished,
            )
            self._stream.start()

    def _captured(self, data: Any, frames: int, time: object, status: object) -> None:
        """In PortAudio's thread."""
        self._call_soon(self._spread, bytes(data))

    def _finished(self) -> None:
        """In PortAudio's thread."""
        self._call_soon(self._ended)

    def _call_soon(self, function: Callable[..., object], *arguments: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has been closed meanwhile
            self._loop.call_soon_threadsafe(function, *arguments)

    def _spread(self, piece: bytes) -> None:
        if not self._closing:
            for tap in self._taps:
                tap.put(piece)
            self._on_piece(piece)

    def _ended(self) -> None:
        if not self._closing:
            self._closing = True
            self._on_end()


class Speaker:
    """An open speaker: an audio sink. Made by `open`."""

    rate = HARDWARE_RATE

    def __init__(self, device_id: str) -> None:
        self.device_id = device_id
        self._waiting = bytearray()
        self._lock = threading.Lock()
        self._stream: Any = None

    @classmethod
    async def open(cls, device_id: str = DEFAULT) -> Speaker:
        """Start playing.

        Raises:
            NotSupportedError: PortAudio is not installed.
            InvalidArgumentError: there is no such device.
            VoiceError: it cannot be opened (31402).
        """
        speaker = cls(device_id)
        await asyncio.to_thread(speaker._start)
        return speaker

    def write(self, samples: array[int]) -> None:
        """Play, after what waits already; when too much waits, its oldest part is left out."""
        with self._lock:
            self._waiting += samples.tobytes()
            too_much = len(self._waiting) - MAX_WAITING * _PIECE * samples.itemsize
            if too_much > 0:
                del self._waiting[:too_much]

    def close(self) -> None:
        """Stop playing."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()

    def _start(self) -> None:
        index = _index("audiooutput", self.device_id)
        with _acquiring(self.device_id):
            self._stream = portaudio().RawOutputStream(
                samplerate=HARDWARE_RATE,
                blocksize=_PIECE,
                device=index,
                channels=1,
                dtype="int16",
                callback=self._played,
            )
            self._stream.start()

    def _played(self, data: Any, frames: int, time: object, status: object) -> None:
        """In PortAudio's thread: fill its buffer, up with silence."""
        with self._lock:
            taken = bytes(self._waiting[: len(data)])
            del self._waiting[: len(data)]
        data[:] = taken.ljust(len(data), b"\0")
