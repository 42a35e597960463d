"""Invites that wait for a moment, because their client is placing a call.

The browser SDK takes the sid in a `ringing` frame for the sid of every call that it has on the socket, so a call that
rings there would be answered under another one's sid (reference section 11, pitfall 3).
"""

from __future__ import annotations

from collections.abc import Sequence

from midcall.core.sids import CallSid
from midcall.ports import DeviceId, Invite
from midcall.signalling.carriage import Line


def is_placing(line: Line) -> bool:
    """Whether the client has a call that it does not know the sid of yet."""
    return any(not carriage.announced for carriage in line.aliases.values())


class HeldInvites:
    """Per device, in the order in which they came; one for each leg."""

    def __init__(self) -> None:
        self._held: dict[DeviceId, dict[CallSid, Invite]] = {}

    def hold(self, device: DeviceId, invite: Invite) -> None:
        self._held.setdefault(device, {})[invite.leg] = invite

    def take(self, device: DeviceId) -> Sequence[Invite]:
        """What waited for a device; it waits no more."""
        return list(self._held.pop(device, {}).values())

    def drop(self, leg: CallSid) -> None:
        """The leg is over."""
        for invites in self._held.values():
            invites.pop(leg, None)
