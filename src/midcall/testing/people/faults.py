"""What is done to the frames of a client, and in which order. Pure: it says what to do, `control.wire` does it."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from midcall.testing.people.actions import Duration, seconds_of
from midcall.testing.people.problems import Unusable

MAX_FAULTS: Final = 100
"""Of one client."""

ANY: Final = "*"
HEARTBEAT: Final = "heartbeat"
"""The type of a heartbeat and its echo, which `*` leaves alone."""

Direction = Literal["from_client", "to_client"]
What = Literal["drop", "delay", "double", "reorder"]

DEFAULT_BY_S: Final = 1.0
"""How long a frame is delayed, and how long one that is to change places waits for the next one."""


class FaultForm(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A fault as it is asked for, and shown.

    Attributes:
        type: of the frames; `*` is any but heartbeats.
        times: how many frames it happens to; null: until it is taken away.
    """

    direction: Direction
    fault: What
    type: Annotated[str, Meta(min_length=1, max_length=32)] = ANY
    times: Annotated[int, Meta(ge=1, le=100_000)] | None = 1
    by: Duration = DEFAULT_BY_S


@dataclass(slots=True)
class _Fault:
    form: FaultForm
    by_s: float
    left: int | None


class Faults:
    """The faults of one client, used up as frames pass."""

    def __init__(self, forms: Sequence[FaultForm]) -> None:
        """Raises Unusable when a duration is none."""
        if len(forms) > MAX_FAULTS:
            raise Unusable(f"a client has at most {MAX_FAULTS} faults")
        self._faults = [_Fault(form, seconds_of(form.by), form.times) for form in forms]

    def next(self, direction: Direction, type_: str) -> tuple[What, float] | None:
        """What happens to a frame that passes now, and by how many seconds."""
        for fault in self._faults:
            wanted = fault.form.type
            fits = wanted == type_ or (wanted == ANY and type_ != HEARTBEAT)
            if fits and fault.form.direction == direction and fault.left != 0:
                if fault.left is not None:
                    fault.left -= 1
                return fault.form.fault, fault.by_s
        return None

    def left(self) -> Sequence[FaultForm]:
        """Those that are not used up."""
        return [msgspec.structs.replace(fault.form, times=fault.left) for fault in self._faults if fault.left != 0]


class _Head(msgspec.Struct):
    type: str = ""


_head: Final = msgspec.json.Decoder(_Head)


def type_of(frame: str | bytes) -> str:
    """The type of a frame; empty when it is none."""
    if frame in ("\n", b"\n"):
        return HEARTBEAT
    try:
        return _head.decode(frame).type
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""


class _Grants(msgspec.Struct, frozen=True):
    identity: Any = None


class _Claims(msgspec.Struct, frozen=True):
    sub: str = ""
    grants: _Grants = _Grants()


class _Shown(msgspec.Struct, frozen=True):
    token: str = ""


class _Listen(msgspec.Struct, frozen=True):
    payload: _Shown = _Shown()


def shown_by(frame: str) -> tuple[str, str] | None:
    """Account and identity that a `listen` frame shows; believed only to keep a client away that is cut off."""
    try:
        token = msgspec.json.decode(frame, type=_Listen).payload.token
        encoded = token.split(".")[1]
        claims = msgspec.json.decode(_unpadded(encoded), type=_Claims)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError, IndexError):
        return None
    identity = claims.grants.identity
    return (claims.sub, identity) if isinstance(identity, str) else None


def _unpadded(encoded: str) -> bytes:
    return base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
