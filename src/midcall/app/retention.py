"""Forgets calls that ended long ago, and alerts of no call, so that the database does not grow for ever."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from midcall.core.calls import CallFilter
from midcall.core.errors import Refused
from midcall.core.sids import AccountSid
from midcall.ports import Clock, InsightLog, PageRequest, Store, Trace, pause
from midcall.switch.accounts import each_account

_log = logging.getLogger(__name__)

DAY_S: Final = 86_400
BATCH: Final = 100
"""Calls deleted in one sweep: each deletion overwrites what it frees, and messages must not wait for that."""
ALERT_BATCH: Final = 1_000
"""Alerts deleted in one transaction."""
SWEEP_S: Final = 600.0
BUSY_SWEEP_S: Final = 5.0
"""Pause between sweeps while there is more to forget."""


class Retention:
    """Deletes ended calls with all that belongs to them, for an account and its subaccounts.

    Args:
        days: how long an ended call is kept, and an alert that belongs to none.
        messages: how many messages an account keeps at least; older calls go, whole, before their time is over. 0: all.
    """

    def __init__(
        self, store: Store, trace: Trace, clock: Clock, *, insights: InsightLog, days: int, messages: int = 0
    ) -> None:
        self._store = store
        self._trace = trace
        self._insights = insights
        self._clock = clock
        self._keep_s = days * DAY_S
        self._keep_messages = messages
        self._task: asyncio.Task[None] | None = None

    def start(self, owner: AccountSid) -> None:
        """Sweep now and then until `close`."""
        self._task = asyncio.get_running_loop().create_task(self._run(owner), name="retention")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def sweep(self, owner: AccountSid) -> int:
        """Delete a batch of calls that need not be kept; how many they were. Idempotency keys go sooner.

        Alerts and insights that belong to no call are deleted at the same age as calls.
        """
        now = self._clock.now()
        await self._store.purge(now)
        await self._insights.forget_strays(now - self._keep_s)
        while await self._store.purge_alerts(now - self._keep_s, ALERT_BATCH) == ALERT_BATCH:
            pass
        deleted = 0
        async for account in each_account(self._store, owner):
            deleted += await self._forget(account.sid, BATCH - deleted)
            if deleted >= BATCH:
                break
        return deleted

    async def _forget(self, account: AccountSid, limit: int) -> int:
        long_ago = CallFilter(ended_to=self._clock.now() - self._keep_s)
        page = await self._store.calls(account, long_ago, PageRequest(size=limit))
        over = [call.sid for call in page.rows if call.status.is_final]
        if self._keep_messages and len(over) < limit:
            surplus = await self._store.surplus(account, self._keep_messages, limit - len(over))
            over += [sid for sid in surplus if sid not in over]
        for sid in over:
            await self._trace.forget(account, sid)  # first: a call that is still there is found again
            await self._store.delete_call(account, sid)
        return len(over)

    async def _run(self, owner: AccountSid) -> None:
        while True:
            try:
                deleted = await self.sweep(owner)
            except Refused as refused:  # the disk is full or failing: the next sweep finds the same calls
                _log.warning("ended calls could not be deleted: %s", refused.detail)
                deleted = 0
            except Exception:
                _log.exception("looking for calls to delete failed")
                deleted = 0
            if deleted:
                _log.info("%d ended calls were deleted, their time is over or their messages are too many", deleted)
            await pause(self._clock, BUSY_SWEEP_S if deleted >= BATCH else SWEEP_S)
