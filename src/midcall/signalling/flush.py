"""Sends what is after a carriage's position on its leg's log, in order, as fast as the client receipts it."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

import msgspec

from midcall.core.errors import Refused
from midcall.core.messages import USER_DEFINED, Entry
from midcall.ports import Clock
from midcall.signalling.carriage import Carriage
from midcall.switch.messages import Messages
from midcall.wire import signal

_log = logging.getLogger(__name__)

RETRY_S: Final = 1.0
"""After the store could not be read."""


class Flusher:
    """One task per carriage that has something to send, and none for the others.

    Args:
        window: messages of one carriage that may wait for their receipt.
    """

    def __init__(self, messages: Messages, clock: Clock, window: int) -> None:
        self._messages = messages
        self._clock = clock
        self._window = window
        self._tasks: set[asyncio.Task[None]] = set()
        self.sent = 0

    def wake(self, carriage: Carriage) -> None:
        """Something may be after the carriage's position, or it may be sent now."""
        if carriage.flushing:
            carriage.flush_again = True
        elif self._may_send(carriage):
            carriage.flushing = True
            task = asyncio.create_task(self._flush(carriage))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def wake_if_full(self, carriage: Carriage) -> None:
        """Receipts came; go on where the window had been full."""
        if carriage.stalled:
            carriage.stalled = False
            self.wake(carriage)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _may_send(self, carriage: Carriage) -> bool:
        if carriage.closed or carriage.hung_up or carriage.line is None or not carriage.announced:
            return False
        carriage.stalled = carriage.waiting >= self._window
        return not carriage.stalled

    async def _flush(self, carriage: Carriage) -> None:
        try:
            while self._may_send(carriage):
                carriage.flush_again = False
                await self._be_back(carriage)
                room = self._window - carriage.waiting
                entries = await self._messages.after(carriage.leg, carriage.position, room)
                if _is_returning(carriage):
                    continue
                for entry in entries:
                    self._send(carriage, entry)
                if len(entries) < room and not carriage.flush_again:
                    return
        except Refused as refused:
            _log.warning("messages cannot be read: %s", refused.detail, extra={"call_sid": carriage.leg})
            self._clock.call_later(RETRY_S, lambda: self.wake(carriage))
        except Exception:
            _log.exception("messages cannot be sent", extra={"call_sid": carriage.leg})
            self._clock.call_later(RETRY_S, lambda: self.wake(carriage))
        finally:
            carriage.flushing = False

    async def _be_back(self, carriage: Carriage) -> None:
        """Write nothing while the store still says that nothing is written: a crash would make it a lie."""
        while carriage.returning:
            carriage.returning = False
            try:
                await self._messages.cursor(carriage.leg, carriage.device)
            except BaseException:
                carriage.returning = True
                raise

    def _send(self, carriage: Carriage, entry: Entry) -> None:
        if carriage.closed or carriage.line is None:  # gone while the log was read; on resume it is read again
            return
        frame = signal.Message(
            call_sid=carriage.leg,
            message_sid=entry.sid,
            message_type=USER_DEFINED,
            content_type=entry.content_type,
            content=msgspec.Raw(entry.content),
        )
        tracked = carriage.track(frame, entry.seq, at=self._clock.now())
        self.sent += 1
        carriage.line.send(frame, tracked)


def _is_returning(carriage: Carriage) -> bool:
    """Whether the client came back to another socket meanwhile."""
    return carriage.returning
