"""The media of one call: carries out what `CallMachine` orders, and reports what becomes of it.

Descriptions, the monitor that measures, and the restarts of ICE with their waits. A call without media has none of it
and gets the answers that the server gives such clients.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from midcall.core import client as core
from midcall.core.client import IceState
from midcall.core.reconnection import Backoff
from midcall.core.sdp import NO_MEDIA_SDP
from midcall.sdk.events import Tasks
from midcall.sdk.monitor import Monitor

if TYPE_CHECKING:
    from midcall.sdk.media import MediaPeer

log = logging.getLogger("midcall.sdk")

RESTARTS_S: Final = 30.0
"""How long a restart of ICE is tried again (reference section 3.7)."""
BACKOFF: Final = Backoff(minimum_ms=1, maximum_ms=30_000, factor=1.1, jitter=0.5)
"""The waits before each try; what takes its time is each try itself."""

LOW_BYTES: Final = frozenset({"low-bytes-received", "low-bytes-sent"})


class Conduct:
    """What happens to a call's media."""

    def __init__(
        self,
        tasks: Tasks,
        *,
        tell: Callable[[core.CallEvent], None],
        emit: Callable[..., None],
        agreed: Callable[[], None],
        chance: Callable[[], float],
    ) -> None:
        """Nothing is opened yet.

        Args:
            tasks: owns what runs in the background.
            tell: gets what happened, for the machine.
            emit: gets events of the monitor, with their arguments.
            agreed: called whenever both descriptions are known.
            chance: a number from [0, 1), for the jitter of waits.
        """
        self._tasks = tasks
        self._tell = tell
        self._emit = emit
        self._agreed = agreed
        self._chance = chance
        self._made_at = asyncio.get_running_loop().time()
        self._monitoring: asyncio.Task[None] | None = None
        self._low: set[str] = set()
        self._tries = 0
        self._due: asyncio.TimerHandle | None = None
        self._spent: asyncio.TimerHandle | None = None
        self._is_over = False
        self.peer: MediaPeer | None = None

    def perform(self, order: core.CallEffect) -> bool:
        """Carry out an order of the machine; False when it is not about media that is there."""
        match order:
            case core.ApplyRemote(sdp):
                self.apply(sdp)
            case core.BeginRestarts():
                self.begin_restarts()
            case core.RestartAgain():
                self.restart_again()
            case core.EndRestarts():
                self.end_restarts()
            case core.OfferRestart():
                self.offer_restart()
            case core.ApplyRestart(sdp):
                self.apply_restart(sdp)
            case _:
                return False
        return True

    # ---------------------------------------------------------------------------------------------------- descriptions

    def offer(self, invite: Callable[[str], None]) -> None:
        """Make the offer of a call that we place, and give it to `invite`."""
        if self.peer is None:
            invite(NO_MEDIA_SDP)
        else:
            self._tasks.spawn(self._offer(self.peer, invite), "offer of a call")

    async def _offer(self, peer: MediaPeer, invite: Callable[[str], None]) -> None:
        try:
            sdp = await peer.offer()
        except Exception as error:
            self._tell(core.MediaBroke(core.Fault(53400, str(error))))
            return
        if not self._is_over:
            invite(sdp)

    def answer(self, offer: str | None) -> None:
        """Answer the server's offer."""
        if self.peer is None:
            self._tell(core.LocalAnswerMade(NO_MEDIA_SDP))
        else:
            assert offer is not None
            self._tasks.spawn(self._answer(self.peer, offer), "answer to a call")

    async def _answer(self, peer: MediaPeer, offer: str) -> None:
        try:
            sdp = await peer.answer(offer)
        except Exception as error:
            self._tell(core.MediaBroke(core.Fault(53402, str(error))))
            return
        self._both_known(peer)
        self._tell(core.LocalAnswerMade(sdp))

    def apply(self, sdp: str) -> None:
        """Take the server's answer."""
        if self.peer is None:
            self._tell(core.RemoteApplied())
        else:
            self._tasks.spawn(self._apply(self.peer, sdp), "answer from the server")

    async def _apply(self, peer: MediaPeer, sdp: str) -> None:
        try:
            await peer.apply(sdp)
        except Exception as error:
            self._tell(core.MediaBroke(core.Fault(53402, str(error))))
            return
        self._both_known(peer)
        self._tell(core.RemoteApplied())

    def current(self) -> str:
        """Our newest description, for a resume."""
        return NO_MEDIA_SDP if self.peer is None else self.peer.current()

    def _both_known(self, peer: MediaPeer) -> None:
        """Also of early media: there is something to hear, and to measure."""
        if self._is_over:
            return
        self._agreed()
        if self._monitoring is None:
            now = asyncio.get_running_loop().time()
            monitor = Monitor(peer, self._measured, call_made_at=self._made_at, now=now)
            self._monitoring = self._tasks.spawn(monitor.run(), "monitor of a call's media")

    # ---------------------------------------------------------------------------------------------------------- losses

    def _measured(self, event: str, *arguments: Any) -> None:
        """Too few bytes tell a lost way from one that is only slow to answer; the call reconnects before it warns."""
        if self._is_over:
            return
        if event == "warning" and arguments[0] in LOW_BYTES:
            self._low.add(arguments[0])
            self._tell(core.BytesRanLow())
        elif event == "warning-cleared" and arguments[0] in self._low:
            self._low.discard(arguments[0])
            if not self._low:
                self._tell(core.BytesFlow())
        if not self._is_over:
            self._emit(event, *arguments)

    def ice_changed(self, state: IceState) -> None:
        """What media says of the way to the server."""
        if not self._is_over:
            self._tell(core.IceChanged(state))

    def begin_restarts(self) -> None:
        """Count tries and time from now on, and wait for the first try."""
        self.end_restarts()
        self._tries = 0
        self._spent = asyncio.get_running_loop().call_later(RESTARTS_S, self._tell, core.RestartsSpent())
        self.restart_again()

    def restart_again(self) -> None:
        """Wait for the next try."""
        wait = BACKOFF.delay_s(self._tries, fraction=self._chance)
        self._tries += 1
        self._due = asyncio.get_running_loop().call_later(wait, self._tell, core.RestartDue())

    def end_restarts(self) -> None:
        """Wait for nothing any more."""
        for timer in (self._due, self._spent):
            if timer is not None:
                timer.cancel()
        self._due = self._spent = None

    def offer_restart(self) -> None:
        """Make an offer that restarts ICE."""
        if self.peer is not None:
            self._tasks.spawn(self._restart(self.peer), "offer of an ICE restart")

    async def _restart(self, peer: MediaPeer) -> None:
        try:
            sdp = await peer.restart()
        except (OSError, ValueError) as error:
            log.warning("no offer of an ICE restart could be made: %s", error)
            self.ice_changed(IceState.FAILED)
            return
        if not self._is_over:
            self._tell(core.RestartOffered(sdp))

    def apply_restart(self, sdp: str) -> None:
        """Take the server's answer to a restart. An unusable one leads to the next try, as if nobody had answered."""
        if self.peer is not None:
            self._tasks.spawn(self._apply_restart(self.peer, sdp), "answer to an ICE restart")

    async def _apply_restart(self, peer: MediaPeer, sdp: str) -> None:
        try:
            await peer.apply_restart(sdp)
        except ValueError as error:
            log.warning("the server's answer to an ICE restart cannot be used: %s", error)

    def stop(self) -> MediaPeer | None:
        """End everything; returns the session that has to be closed."""
        self._is_over = True
        self.end_restarts()
        if self._monitoring is not None:
            self._monitoring.cancel()
        return self.peer
