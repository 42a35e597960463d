"""A device's registration as its client sees it, for `midcall.sdk`.

Everything that moves a device is in one table; events in, effects out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class DeviceState(StrEnum):
    """What a device can be; the values are those of the browser SDK's `Device.State`."""

    UNREGISTERED = "unregistered"
    REGISTERING = "registering"
    REGISTERED = "registered"
    DESTROYED = "destroyed"


@dataclass(frozen=True, slots=True)
class RegisterAsked:
    """The application wants incoming calls."""


@dataclass(frozen=True, slots=True)
class UnregisterAsked:
    """The application wants no more incoming calls."""


@dataclass(frozen=True, slots=True)
class StreamConnected:
    """The server accepted the access token on this socket."""


@dataclass(frozen=True, slots=True)
class Readied:
    """The server offers us incoming calls from now on."""


@dataclass(frozen=True, slots=True)
class WentOffline:
    """The server offers us no incoming calls any more."""


@dataclass(frozen=True, slots=True)
class StreamLost:
    """The socket is gone; the transport is working on the next one."""


@dataclass(frozen=True, slots=True)
class StreamRefused:
    """The server does not want this client registered: an error, or `close`. Waiting will not help."""


@dataclass(frozen=True, slots=True)
class DestroyAsked:
    """The application is done with the device."""


DeviceEvent = (
    RegisterAsked
    | UnregisterAsked
    | StreamConnected
    | Readied
    | WentOffline
    | StreamLost
    | StreamRefused
    | DestroyAsked
)

_U, _ING, _ED, _X = DeviceState.UNREGISTERED, DeviceState.REGISTERING, DeviceState.REGISTERED, DeviceState.DESTROYED

DEVICE_TRANSITIONS: Final[Mapping[tuple[DeviceState, type[DeviceEvent]], DeviceState]] = {
    (_U, RegisterAsked): _ING,
    (_ING, Readied): _ED,
    (_ING, WentOffline): _U,
    (_ING, StreamLost): _U,
    (_ING, StreamRefused): _U,
    (_ED, WentOffline): _U,
    (_ED, StreamLost): _U,
    (_ED, StreamRefused): _U,
    (_U, DestroyAsked): _X,
    (_ING, DestroyAsked): _X,
    (_ED, DestroyAsked): _X,
}
"""Every move of a device. A pair that is not here changes no state. (Reference section 3.6.)"""


@dataclass(frozen=True, slots=True)
class SendRegister:
    """Tell the server whether to offer incoming calls."""

    audio: bool


@dataclass(frozen=True, slots=True)
class EmitState:
    """Emit the device event that bears the state's name."""

    state: DeviceState


DeviceEffect = SendRegister | EmitState


class Misused(Exception):
    """The application asked for something that is not possible in this state; the sentence says why."""


@dataclass(slots=True)
class Registration:
    """A device's registration.

    Attributes:
        state: where it is.
        wanted: the application has asked to be registered and did not take it back; a new socket registers again.
        connected: the current socket's token has been accepted.
    """

    state: DeviceState = DeviceState.UNREGISTERED
    wanted: bool = False
    connected: bool = False

    def handle(self, event: DeviceEvent) -> list[DeviceEffect]:
        """Move along the table; say what has to be done.

        Raises:
            Misused: register while not unregistered, unregister while not registered, anything after destroy.
        """
        self._check(event)
        before, was_connected = self.state, self.connected
        self._remember(event)
        if was_connected or not isinstance(event, StreamLost):  # an attempt that failed has lost nothing
            self.state = DEVICE_TRANSITIONS.get((before, type(event)), before)
        effects: list[DeviceEffect] = []
        if isinstance(event, StreamConnected) and self.wanted and before is DeviceState.UNREGISTERED:
            self.state = DeviceState.REGISTERING
        if self.state is not before:
            effects.append(EmitState(self.state))
        if isinstance(event, RegisterAsked | StreamConnected) and self._due():
            effects.append(SendRegister(True))
        if isinstance(event, UnregisterAsked):
            effects.append(SendRegister(False))
        return effects

    def _due(self) -> bool:
        return self.connected and self.state is DeviceState.REGISTERING

    def _check(self, event: DeviceEvent) -> None:
        match event, self.state:
            case ((RegisterAsked() | UnregisterAsked()), DeviceState.DESTROYED):
                raise Misused("the device has been destroyed")
            case RegisterAsked(), (DeviceState.REGISTERING | DeviceState.REGISTERED):
                raise Misused(f"register() needs an unregistered device; this one is {self.state}")
            case UnregisterAsked(), (DeviceState.UNREGISTERED | DeviceState.REGISTERING):
                raise Misused(f"unregister() needs a registered device; this one is {self.state}")

    def _remember(self, event: DeviceEvent) -> None:
        match event:
            case RegisterAsked():
                self.wanted = True
            case UnregisterAsked():
                self.wanted = False
            case StreamConnected():
                self.connected = True
            case StreamLost():
                self.connected = False
            case StreamRefused():
                self.wanted = False
            case DestroyAsked():
                self.connected = self.wanted = False
            case _:
                pass
