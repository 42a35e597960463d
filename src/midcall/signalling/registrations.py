"""Which connections want the calls of which identity."""

from __future__ import annotations

from midcall.core import errors
from midcall.core.errors import Refused
from midcall.core.sids import AccountSid
from midcall.ports import DeviceId
from midcall.signalling.carriage import Line


class Registrations:
    """Devices by account and identity, the longest registered first.

    Args:
        per_identity: how many devices of one identity may be registered at a time.
    """

    def __init__(self, per_identity: int) -> None:
        self._per_identity = per_identity
        self._devices: dict[tuple[AccountSid, str], dict[DeviceId, Line]] = {}

    def __len__(self) -> int:
        return sum(len(devices) for devices in self._devices.values())

    def of(self, account: AccountSid, identity: str) -> tuple[DeviceId, ...]:
        """The devices of an identity."""
        return tuple(self._devices.get((account, identity), ()))

    def add(self, line: Line) -> bool:
        """Offer incoming calls to a connection; True when it was not registered before.

        Raises:
            Refused: INCOMING_NOT_ALLOWED without identity; RATE_EXCEEDED when the identity has too many devices.
        """
        if line.identity is None:
            raise Refused(errors.INCOMING_NOT_ALLOWED)
        devices = self._devices.setdefault((line.account, line.identity), {})
        if line.device in devices:
            return False
        if len(devices) >= self._per_identity:
            raise Refused(errors.RATE_EXCEEDED, "The identity has too many registered devices")
        devices[line.device] = line
        return True

    def remove(self, line: Line) -> bool:
        """Offer no more calls to a connection; True when it was registered."""
        if line.identity is None:
            return False
        key = (line.account, line.identity)
        devices = self._devices.get(key, {})
        was = devices.pop(line.device, None) is not None
        if not devices:
            self._devices.pop(key, None)
        return was
