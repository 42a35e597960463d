"""What `device.audio` is: which microphone a device's calls speak from, which speakers they are heard by.

The counterpart of the browser SDK's AudioHelper. Where a browser always has a default microphone and speaker, here
nothing is opened before it is asked for, and calls speak from `audio_source` until then.
"""

from __future__ import annotations

import asyncio
import logging
from array import array
from collections.abc import Callable, Iterable, Mapping
from typing import ClassVar, Protocol

from midcall.core.loudness import VOLUME_S, Analyser
from midcall.sdk import hardware
from midcall.sdk.audio import FRAME_S, AudioProcessor, LocalStream, RemoteStream, Tone
from midcall.sdk.errors import InvalidArgumentError, InvalidStateError, NotSupportedError
from midcall.sdk.events import Emitter, Tasks
from midcall.sdk.hardware import AudioDevice, Microphone, Speaker

log = logging.getLogger("midcall.sdk.audio")

TEST_S = 1.0
TEST_HZ = 440
LOOK = round(VOLUME_S * hardware.HARDWARE_RATE)
"""Samples between two looks at the volume."""


class Speaking(Protocol):
    """A call, as far as its sound is concerned."""

    _local: LocalStream
    _remote: RemoteStream


class AudioHelper(Emitter):
    """Microphones, speakers and processors of a device.

    Events, with their arguments: deviceChange(lost devices), when `refresh_devices` finds others than before or an
    open device ends by itself, and inputVolume(volume from 0 to 1), about every 50 ms while an input device is set.

    Attributes:
        speaker_devices: where calls are heard.
    """

    EVENTS: ClassVar[frozenset[str]] = frozenset({"deviceChange", "inputVolume"})

    def __init__(self, tasks: Tasks, active: Callable[[], Speaking | None]) -> None:
        """Opens nothing; `active` says which call is up."""
        super().__init__(tasks)
        self._active = active
        self._microphone: Microphone | None = None
        self._input_device: AudioDevice | None = None
        self._processors: dict[bool, AudioProcessor] = {}
        self._analyser = Analyser()
        self._unheard = 0  # samples since the last look
        self._closing = asyncio.Lock()
        self._is_over = False
        self.speaker_devices = OutputDevices(active)

    # --------------------------------------------------------------------------------------------------- the lists

    @property
    def available_input_devices(self) -> Mapping[str, AudioDevice]:
        """Microphones by id, `default` among them; empty without hardware. NotSupportedError without PortAudio."""
        return hardware.devices("audioinput")

    @property
    def available_output_devices(self) -> Mapping[str, AudioDevice]:
        """Speakers by id, `default` among them; empty without hardware. NotSupportedError without PortAudio."""
        return hardware.devices("audiooutput")

    @property
    def is_output_selection_supported(self) -> bool:
        """Whether speakers can be chosen: PortAudio is installed."""
        try:
            hardware.portaudio()
        except NotSupportedError:
            return False
        return True

    @property
    def is_volume_supported(self) -> bool:
        """Whether `inputVolume` works: always, once there is an input device."""
        return True

    async def refresh_devices(self) -> None:
        """Look for devices that came or went since the lists were read first; PortAudio does not do so by itself.

        Raises:
            NotSupportedError: PortAudio is not installed.
            InvalidStateError: a device is open, and PortAudio would have to cut it off.
        """
        if self._microphone is not None or self.speaker_devices.get():
            raise InvalidStateError("unset the input device and the speakers first: PortAudio cannot look while in use")
        before = self._all_devices()
        await asyncio.to_thread(hardware.rescan)
        after = self._all_devices()
        if before != after:
            self.emit("deviceChange", tuple(device for key, device in before.items() if key not in after))

    def _all_devices(self) -> dict[tuple[str, str], AudioDevice]:
        both = [*self.available_input_devices.values(), *self.available_output_devices.values()]
        return {(device.kind, device.device_id): device for device in both}

    # --------------------------------------------------------------------------------------------------- microphone

    @property
    def input_device(self) -> AudioDevice | None:
        """The microphone that was set; None when calls speak from `audio_source`."""
        return self._input_device

    async def set_input_device(self, device_id: str) -> None:
        """Speak from this microphone: the call that is up from its next 20 ms on, and calls to come.

        Raises:
            NotSupportedError: PortAudio is not installed.
            InvalidArgumentError: there is no such device.
            VoiceError: it cannot be opened (31402).
        """
        async with self._closing:
            if self._input_device is not None and self._input_device.device_id == device_id:
                return
            microphone = await Microphone.open(device_id, on_piece=self._heard, on_end=self._input_ended)
            before, self._microphone = self._microphone, microphone
            self._input_device = self.available_input_devices[device_id]
            if (call := self._active()) is not None:
                call._local.play(microphone.tap())
            if before is not None:
                await before.close()

    async def unset_input_device(self) -> None:
        """Speak from `audio_source` again, in calls to come.

        Raises:
            InvalidStateError: a call is up.
        """
        async with self._closing:
            if self._microphone is None:
                return
            if self._active() is not None:
                raise InvalidStateError("Cannot unset input device while a call is in progress.")
            await self._close_microphone()

    async def _close_microphone(self) -> None:
        microphone, self._microphone, self._input_device = self._microphone, None, None
        if microphone is not None:
            await microphone.close()

    def _heard(self, piece: bytes) -> None:
        """Twenty looks a second, as the calls' own `volume`."""
        self._unheard += len(piece) // 2
        if self._unheard >= LOOK:
            self._unheard -= LOOK
            if self._listened("inputVolume"):
                self.emit("inputVolume", self._analyser.look(array("h", piece), hardware.HARDWARE_RATE)[0])

    def _input_ended(self) -> None:
        """The microphone was unplugged, or its driver gave up: calls go on in silence."""
        lost = self._input_device
        log.warning("the microphone %s has ended", lost.device_id if lost is not None else "")
        self._tasks.spawn(self._close_microphone(), "closing of a microphone that has ended")
        self.emit("deviceChange", (lost,) if lost is not None else ())

    # --------------------------------------------------------------------------------------------------- processors

    def add_processor(self, processor: AudioProcessor, is_remote: bool = False) -> None:
        """Let something change what we say, or what we hear: one of each at a time.

        Raises:
            NotSupportedError: there is one already.
            InvalidArgumentError: it has no method `process`.
        """
        if is_remote in self._processors:
            side = "Remote" if is_remote else "Local"
            raise NotSupportedError(f"Can only have one {side} AudioProcessor at a time.")
        if not callable(getattr(processor, "process", None)):
            raise InvalidArgumentError("Missing process() method.")
        self._processors[is_remote] = processor
        self._equip(self._active())

    def remove_processor(self, processor: AudioProcessor, is_remote: bool = False) -> None:
        """Let sound pass unchanged again.

        Raises:
            InvalidArgumentError: this one was not added.
        """
        if self._processors.get(is_remote) is not processor:
            side = "Remote" if is_remote else "Local"
            raise InvalidArgumentError(f"Cannot remove a {side} AudioProcessor that has not been previously added.")
        del self._processors[is_remote]
        self._equip(self._active())

    def _equip(self, call: Speaking | None) -> None:
        if call is not None:
            call._local.processor = self._processors.get(False)
            call._remote.processor = self._processors.get(True)

    # ------------------------------------------------------------------------------------------------- for the device

    def _prepare(self, call: Speaking) -> None:
        """A call is about to have media."""
        self._equip(call)
        if self._microphone is not None:
            call._local.play(self._microphone.tap())
        self.speaker_devices.attach(call)

    async def _close(self) -> None:
        """Let go of all devices."""
        async with self._closing:
            await self._close_microphone()
            await self.speaker_devices.set(())
        self._is_over = True
        self.remove_all_listeners()
        self._give_up_waiting()

    def _never(self, event: str) -> Exception | None:
        return InvalidStateError("the device has been destroyed") if self._is_over else None


class OutputDevices:
    """Speakers that every call of a device is heard by. None at first: nothing is played before it is asked for."""

    def __init__(self, active: Callable[[], Speaking | None]) -> None:
        self._active = active
        self._speakers: dict[str, Speaker] = {}
        self._changing = asyncio.Lock()

    def get(self) -> frozenset[str]:
        """The ids of the speakers in use."""
        return frozenset(self._speakers)

    async def set(self, device_ids: str | Iterable[str]) -> None:
        """Use these speakers, the call that is up included; none of them is changed when one cannot be opened.

        Raises:
            NotSupportedError: PortAudio is not installed.
            InvalidArgumentError: there is no such device.
            VoiceError: one cannot be opened (31402).
        """
        wanted = dict.fromkeys([device_ids] if isinstance(device_ids, str) else device_ids)
        async with self._changing:
            opened: dict[str, Speaker] = {}
            try:
                for device_id in wanted:
                    if device_id not in self._speakers:
                        opened[device_id] = await Speaker.open(device_id)
            except BaseException:
                for speaker in opened.values():
                    speaker.close()
                raise
            call = self._active()
            for device_id in [device_id for device_id in self._speakers if device_id not in wanted]:
                self._drop(device_id, call)
            self._speakers.update(opened)
            if call is not None:
                self.attach(call)

    async def delete(self, device_id: str) -> bool:
        """Use this speaker no more; whether it was in use."""
        async with self._changing:
            if device_id not in self._speakers:
                return False
            self._drop(device_id, self._active())
            return True

    async def test(self) -> None:
        """Play a tone of one second on the speakers in use.

        Raises:
            InvalidStateError: there are none.
        """
        if not self._speakers:
            raise InvalidStateError("No output device is set")
        tone, clock = Tone(TEST_HZ, level_dbfs=-12.0, rate=hardware.HARDWARE_RATE), asyncio.get_running_loop().time
        began = clock()
        for number in range(round(TEST_S / FRAME_S)):
            await asyncio.sleep(began + number * FRAME_S - clock())
            piece = array("h", await tone.read())
            for speaker in self._speakers.values():
                speaker.write(piece)

    def attach(self, call: Speaking) -> None:
        """Let the speakers in use hear a call, those that do not yet."""
        there = {sink.speaker for sink in call._remote.sinks if isinstance(sink, _Shared)}
        for speaker in self._speakers.values():
            if speaker not in there:
                call._remote.add(_Shared(speaker))

    def _drop(self, device_id: str, call: Speaking | None) -> None:
        speaker = self._speakers.pop(device_id)
        if call is not None:
            for sink in call._remote.sinks:
                if isinstance(sink, _Shared) and sink.speaker is speaker:
                    call._remote.remove(sink)
        speaker.close()


class _Shared:
    """A speaker as a call's sink, which outlives the call."""

    def __init__(self, speaker: Speaker) -> None:
        self.speaker = speaker
        self.rate = speaker.rate

    def write(self, samples: array[int]) -> None:
        self.speaker.write(samples)

    def close(self) -> None:
        """The device's helper closes the speaker."""
