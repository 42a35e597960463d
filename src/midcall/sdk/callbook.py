"""The calls of a device: each by its ids, which one is up, and to whom a frame goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from midcall.core import client as core
from midcall.core.client import CallState, Direction

if TYPE_CHECKING:
    from midcall.sdk.call import Call


class CallBook:
    """Keeps calls until nothing about them can come any more.

    Attributes:
        active: the call that is up, or being placed; at most one.
    """

    def __init__(self) -> None:
        self.active: Call | None = None
        self._calls: dict[str, Call] = {}
        self._dismissed: set[str] = set()

    def each(self) -> list[Call]:
        """All calls, once each: an outgoing one is kept under both of its ids."""
        return list(dict.fromkeys(self._calls.values()))

    def pending(self) -> tuple[Call, ...]:
        """The ones that ring here, without those that were dismissed."""
        return tuple(
            call
            for call in self.each()
            if call.status() == CallState.PENDING and call.outbound_connection_id not in self._dismissed
        )

    def dismiss_pending(self) -> None:
        """Show the pending calls no more. They are left as they are, and can still be taken or turned down."""
        self._dismissed.update(call.outbound_connection_id for call in self.pending())

    def get(self, call_id: str | None) -> Call | None:
        """The call with this sid or temporary id."""
        return self._calls.get(call_id) if call_id is not None else None

    def add(self, call_id: str, call: Call) -> None:
        """Keep a call from now on."""
        self._calls[call_id] = call

    def tell(self, call_id: str, event: core.CallEvent) -> None:
        """An event of the call with this id, if there is one."""
        if call := self._calls.get(call_id):
            call._handle(event)

    def tell_outgoing(self, call_id: str, event: core.CallEvent) -> None:
        """`ringing` and `answer` may be the first frames with the sid of the call that is being placed."""
        call = self._calls.get(call_id)
        if call is None and (placed := self.active) is not None and placed._sid is None:
            call = placed
        if call is not None:
            call._handle(event)

    def tell_all(self, event: core.CallEvent) -> None:
        """An event of every call."""
        for call in self.each():
            call._handle(event)

    def make_active(self, call: Call) -> None:
        """The call is about to be accepted. Only one is up at a time, so the other one is disconnected.

        Handlers of that may end the call before it has begun, or accept another one, which is disconnected too.
        """
        while self.active is not None and self.active is not call:
            other, self.active = self.active, None
            other.disconnect()
        if call.status() == CallState.PENDING:
            self.active = call

    def changed(self, call: Call) -> None:
        """A call's state or sid may have changed: keep the books."""
        if call._sid is not None and (call.direction is Direction.OUTGOING or call._awaits_verdicts):
            self._calls.setdefault(call._sid, call)
        if call.status() == CallState.CLOSED and self.active is call:
            self.active = None
        if call._is_over:
            self._forget(call)

    def abandon(self, *, closed_only: bool = False) -> None:
        """There is no socket: whatever waits for a word from the server waits in vain."""
        for call in self.each():
            if call.status() == CallState.CLOSED or not closed_only:
                call._give_up_messages()
                self._forget(call)

    def _forget(self, call: Call) -> None:
        self._dismissed.discard(call.outbound_connection_id)
        for call_id in (call._sid, call.outbound_connection_id):
            if call_id is not None and self._calls.get(call_id) is call:
                del self._calls[call_id]
