"""What a call needs from the device that it belongs to."""

from __future__ import annotations

from collections.abc import Coroutine
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from midcall.sdk import insights
from midcall.sdk.errors import VoiceError
from midcall.wire import signal

if TYPE_CHECKING:
    from midcall.sdk.call import Call
    from midcall.sdk.media import MediaPeer


class Link(Protocol):
    """Implemented by `host.CallHost`."""

    def transmit(self, frame: signal.Frame, *, keep: bool) -> bool:
        """Send a frame, or keep it for the next socket; whether there is a socket."""

    def transmit_encoded(self, frame: bytes) -> bool:
        """Send a message's frame if there is a socket; whether there is one."""

    async def publish(self, event: bytes) -> None:
        """Tell the event gateway; failures are logged only."""

    def mint_message_sid(self) -> str:
        """A new `KX…`."""

    def fraction(self) -> float:
        """A number from [0, 1) by chance."""

    def now(self) -> datetime:
        """The time of day."""

    def application(self) -> insights.Application:
        """Whose device it is."""

    def open_media(self, call: Call) -> MediaPeer | None:
        """A media session for the call; None for devices without media.

        Raises:
            VoiceError: there is nothing to speak from (31402).
            ValueError: the STUN and TURN servers cannot be used.
        """

    def settle(self, work: Coroutine[Any, Any, Any], name: str) -> None:
        """Let cleaning up finish in the background, also while the device is being destroyed."""

    def before_accept(self, call: Call) -> None:
        """The call is about to be accepted: end the one that is up."""

    def changed(self, call: Call) -> None:
        """The call's state or sid may have changed."""

    def message_failed(self, call: Call, error: VoiceError) -> None:
        """A message of the call was refused."""
