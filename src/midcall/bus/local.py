"""Nudges inside one process: each one reaches every listener in the loop's next turn."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from midcall.ports import Nudge

_log = logging.getLogger(__name__)


class LocalBus:
    """The Bus of a single node.

    Nudges that wait for the same turn and say the same thing are one: the listener reads everything after its cursor
    anyway, and a burst of messages then wakes it once.
    """

    def __init__(self) -> None:
        self._listeners: list[Callable[[Nudge], None]] = []
        self._waiting: dict[Nudge, None] = {}

    def nudge(self, nudge: Nudge) -> None:
        """Tell every listener soon. Called on the loop."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._pass_on)
        self._waiting[nudge] = None

    def listen(self, listener: Callable[[Nudge], None]) -> None:
        self._listeners.append(listener)

    def _pass_on(self) -> None:
        # Taken out first: a nudge made by a listener belongs to the next turn.
        nudges, self._waiting = self._waiting, {}
        for nudge in nudges:
            for listener in self._listeners:
                _call(listener, nudge)


def _call(listener: Callable[[Nudge], None], nudge: Nudge) -> None:
    try:
        listener(nudge)
    except Exception:
        # A nudge may be lost (its listener sweeps), the other listeners' may not.
        _log.exception("a bus listener failed", extra={"call_sid": nudge.leg_sid})
