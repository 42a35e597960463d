"""What can be done to the way between a client and the server, whether the client is a virtual person or a browser."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from midcall.testing.kit.call import Duration
from midcall.testing.kit.control import Control, Json, given, part


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that happens to signalling frames at the server's socket.

    Attributes:
        what: `drop`, `delay`, `double` or `reorder`.
        direction: `from_client` or `to_client`.
        type: of the frames, such as `message`; `*` is every type.
        times: how many frames it happens to; None: until it is taken away.
        by: how long a delay is.
    """

    what: Literal["drop", "delay", "double", "reorder"]
    direction: Literal["from_client", "to_client"]
    type: str = "*"
    times: int | None = 1
    by: Duration | None = None

    def told(self) -> Json:
        """As the control API takes it."""
        told = given(fault=self.what, direction=self.direction, type=self.type, by=self.by)
        return {**told, "times": self.times}


class Network:
    """The way between the clients of one identity and the server.

    Args:
        identity: of a person, or of a browser's client.
    """

    def __init__(self, control: Control, identity: str) -> None:
        self._control = control
        self.identity = identity

    async def cut(self) -> None:
        """Take the sockets away; new ones cannot be opened until `restore`."""
        __tracebackhide__ = True
        await self._control.request("PUT", f"{self._path}/network", {"state": "cut"})

    async def restore(self) -> None:
        """Let the client reach the server again."""
        __tracebackhide__ = True
        await self._control.request("PUT", f"{self._path}/network", {"state": "restored"})

    async def disturb(self, *faults: Fault) -> None:
        """Let these faults happen from now on, instead of those before."""
        __tracebackhide__ = True
        for fault in faults:
            if not isinstance(fault, Fault):
                raise TypeError(f"{fault!r} is no fault: give Fault('drop', 'to_client'), from midcall.testing")
        await self._control.request("PUT", f"{self._path}/faults", [fault.told() for fault in faults])

    async def heal(self) -> None:
        """No faults any more."""
        __tracebackhide__ = True
        await self._control.request("DELETE", f"{self._path}/faults")

    @property
    def _path(self) -> str:
        return f"/clients/{part(self.identity)}"
