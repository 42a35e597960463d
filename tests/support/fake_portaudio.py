"""A stand-in for the `sounddevice` module: what of it the SDK uses, and the hardware below."""

from __future__ import annotations

from typing import Any


class PortAudioError(Exception):
    """As the real module raises it."""


class Stream:
    """An open device."""

    def __init__(self, module: FakePortAudio, direction: str, arguments: dict[str, Any]) -> None:
        self.direction = direction
        self.device = arguments["device"]
        self.arguments = arguments
        self.is_open = False
        self._module = module

    def start(self) -> None:
        if self.device in self._module.broken:
            raise PortAudioError("Device unavailable")
        self.is_open = True

    def close(self) -> None:
        self.is_open = False
        if finished := self.arguments.get("finished_callback"):
            finished()

    def capture(self, piece: bytes) -> None:
        """The microphone hears something."""
        self.arguments["callback"](piece, len(piece) // 2, None, None)

    def play(self, samples: int) -> bytes:
        """The speaker needs so many samples."""
        buffer = bytearray(2 * samples)
        self.arguments["callback"](memoryview(buffer), samples, None, None)
        return bytes(buffer)

    def unplug(self) -> None:
        """The device is gone."""
        self.is_open = False
        self.arguments["finished_callback"]()


class FakePortAudio:
    """The module. Devices are a name, and how many channels come in and go out."""

    PortAudioError = PortAudioError

    def __init__(self, *devices: tuple[str, int, int]) -> None:
        self.plugged = list(devices)
        self.broken: set[int | None] = set()
        self.streams: list[Stream] = []
        self._seen = list(devices)

    def query_hostapis(self) -> list[dict[str, Any]]:
        return [{"name": "ALSA"}]

    def query_devices(self) -> list[dict[str, Any]]:
        return [
            {"name": name, "hostapi": 0, "max_input_channels": ins, "max_output_channels": outs}
            for name, ins, outs in self._seen
        ]

    def _terminate(self) -> None:
        self._seen = []

    def _initialize(self) -> None:
        self._seen = list(self.plugged)

    def RawInputStream(self, **arguments: Any) -> Stream:
        return self._opened("in", arguments)

    def RawOutputStream(self, **arguments: Any) -> Stream:
        return self._opened("out", arguments)

    def _opened(self, direction: str, arguments: dict[str, Any]) -> Stream:
        self.streams.append(Stream(self, direction, arguments))
        return self.streams[-1]
