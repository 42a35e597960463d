"""Place, create, update and end calls: what the edges ask of the switch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from midcall.core.calls import Call
from midcall.core.sids import AccountSid, ApplicationSid, CallSid
from midcall.ports import DeviceId


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A client's new outgoing call.

    Attributes:
        sid: the leg's new sid, minted by the caller, so that it can hold the leg before anything happens to it.
        identity: None for a token without one (`client:anonymous`).
        parameters: what the app gave to `connect`, decoded, in order.
        resume_window_s: how long the leg outlives its socket (design.md 3.5).
    """

    sid: CallSid
    account_sid: AccountSid
    identity: str | None
    application_sid: ApplicationSid
    device: DeviceId
    offer: str
    parameters: Sequence[tuple[str, str]]
    resume_window_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCall:
    """`POST Calls`, read and checked. Exactly one of url, twiml and application_sid is set."""

    account_sid: AccountSid
    to: str
    from_: str
    url: str | None = None
    method: str = "POST"
    twiml: str | None = None
    application_sid: ApplicationSid | None = None
    fallback_url: str | None = None
    fallback_method: str = "POST"
    status_callback: str | None = None
    status_callback_method: str = "POST"
    status_callback_events: Sequence[str] = ("completed",)
    timeout_s: int = 60
    time_limit_s: int = 14_400
    caller_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallUpdate:
    """`POST Calls/{Sid}`, read and checked. None means unchanged."""

    status: str | None = None
    url: str | None = None
    method: str = "POST"
    twiml: str | None = None
    fallback_url: str | None = None
    fallback_method: str | None = None
    status_callback: str | None = None
    status_callback_method: str | None = None
    time_limit_s: int | None = None


class Calls:
    """Use cases of calls."""

    async def place(self, placed: Placed) -> Call:
        """Start a client's call: the leg exists and is stored when this returns; all else follows as frames.

        Raises:
            Refused: APPLICATION_NOT_FOUND, APPLICATION_WITHOUT_URL, SERVER_STOPPING, STORE_UNAVAILABLE.
        """
        raise NotImplementedError

    async def create(self, new: NewCall) -> Call:
        """Create a call by REST; stored and queued when this returns.

        Raises:
            Refused: TO_INVALID, APPLICATION_NOT_FOUND, SERVER_STOPPING, STORE_UNAVAILABLE.
        """
        raise NotImplementedError

    async def update(self, account: AccountSid, sid: CallSid, update: CallUpdate) -> Call:
        """End or redirect a call; the row as it is afterwards.

        Raises:
            Refused: NOT_FOUND, CALL_NOT_REDIRECTABLE, SERVER_STOPPING, STORE_UNAVAILABLE.
        """
        raise NotImplementedError

    async def delete(self, account: AccountSid, sid: CallSid) -> None:
        """Forget an ended call.

        Raises:
            Refused: NOT_FOUND, CALL_NOT_DELETABLE.
        """
        raise NotImplementedError

    # What clients do to their legs. None of these waits or raises; an event for a leg that is over is dropped.

    def answered(self, leg: CallSid, device: DeviceId, sdp: str, resume_window_s: float) -> None:
        """A device accepted the leg it was offered."""

    def rejected(self, leg: CallSid, device: DeviceId) -> None: ...

    def hung_up(self, leg: CallSid, message: str | None = None) -> None:
        """The holder hung up (also before the answer)."""

    def reinvited(self, leg: CallSid, sdp: str) -> None:
        """The holder restarts ICE; answered through `Devices.answer` with an SDP."""

    def pressed(self, leg: CallSid, digits: str) -> None:
        """Digits over signalling."""

    def away(self, leg: CallSid) -> None:
        """The holder's socket is gone; the resume window starts."""

    def back(self, leg: CallSid, sdp: str | None) -> None:
        """The holder is back on a new socket. `sdp` is set when it came with an ICE restart.

        The hub has bound the leg and sends the plain `answer` itself; with an SDP the switch answers through
        `Devices.answer`.
        """

    def device_gone(self, leg: CallSid, device: DeviceId) -> None:
        """A device that was offered the leg, and did not answer it, lost its socket."""

    def device_registered(self, account: AccountSid, identity: str, device: DeviceId) -> None:
        """A device registered (again): legs that ring for its identity are offered to it too."""


def parameters_of(pairs: Sequence[tuple[str, str]]) -> Mapping[str, str]:
    """Custom parameters as a mapping; the last duplicate wins, as in the SDK."""
    return dict(pairs)
