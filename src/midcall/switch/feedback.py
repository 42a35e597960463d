"""Feedback of calls: given by REST or by a client, and summed up; a finished summary is announced by a callback."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from midcall.core import sids
from midcall.core.alerts import Alert, Level
from midcall.core.errors import Refused
from midcall.core.feedback import Feedback, FeedbackSummary, Tally, figures
from midcall.core.sids import AccountSid, AlertSid, CallSid, SummarySid
from midcall.ports import Clock, Entropy, Request, Sender, Store, pause
from midcall.switch.accounts import each_account
from midcall.wire.callbacks import form_request, idempotency_token
from midcall.wire.urls import without_userinfo

_log = logging.getLogger(__name__)

RETRIES_S: Final = (1.0, 5.0)
"""As for status callbacks: two more attempts."""
CALLBACK_FAILED: Final = 11200


@dataclass(frozen=True, slots=True)
class Period:
    """From the first moment (epoch seconds) up to the one after the last; both begin a day of UTC."""

    since: float
    until: float

    @property
    def start_date(self) -> str:
        return _date(self.since)

    @property
    def end_date(self) -> str:
        """The last day of the period."""
        return _date(self.until - 1)


def _date(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).date().isoformat()


@dataclass(frozen=True, slots=True)
class Callback:
    """Where a summary is announced."""

    url: str
    method: str


class Feedbacks:
    """What people thought of calls."""

    def __init__(self, *, store: Store, sender: Sender, clock: Clock, entropy: Entropy) -> None:
        self._store = store
        self._sender = sender
        self._clock = clock
        self._entropy = entropy
        self._announcing: set[asyncio.Task[None]] = set()

    async def give(self, account: AccountSid, call: CallSid, score: int, issues: Sequence[str]) -> Feedback:
        """Create or replace a call's feedback; durable on return.

        Raises:
            Refused: NOT_FOUND, when the account has no such call.
        """
        now = self._clock.now()
        return await self._store.put_feedback(
            Feedback(
                account_sid=account,
                call_sid=call,
                score=score,
                issues=tuple(dict.fromkeys(issues)),
                created_at=now,
                updated_at=now,
            )
        )

    async def summarise(
        self, account: AccountSid, period: Period, *, include_subaccounts: bool, callback: Callback | None
    ) -> FeedbackSummary:
        """Sum up now, keep the figures, and tell the callback."""
        accounts = [account]
        if include_subaccounts:
            accounts = [each.sid async for each in each_account(self._store, account)]
        tallies: list[Tally] = [await self._store.feedback_tally(each, period.since, period.until) for each in accounts]
        summary = FeedbackSummary(
            sid=SummarySid(sids.mint("FS", self._entropy(sids.ENTROPY_BYTES))),
            account_sid=account,
            start_date=period.start_date,
            end_date=period.end_date,
            include_subaccounts=include_subaccounts,
            figures=figures(tallies),
            created_at=self._clock.now(),
        )
        await self._store.put_feedback_summary(summary)
        if callback is not None:
            task = asyncio.get_running_loop().create_task(self._announce(summary, callback), name=summary.sid)
            self._announcing.add(task)
            task.add_done_callback(self._announcing.discard)
        return summary

    async def close(self) -> None:
        """Give up on callbacks that are still being tried."""
        for task in self._announcing:
            task.cancel()
        await asyncio.gather(*self._announcing, return_exceptions=True)

    async def _announce(self, summary: FeedbackSummary, callback: Callback) -> None:
        try:
            problem = await self._try_all(summary, callback)
            if problem is not None:
                await self._store.add_alert(self._alert(summary, callback, problem))
        except Refused as refused:
            _log.warning("a callback about feedback could not be handled: %s", refused.detail)
        except Exception:
            _log.exception("a callback about feedback failed")

    async def _try_all(self, summary: FeedbackSummary, callback: Callback) -> str | None:
        """What was wrong with the last attempt; None after a 2xx."""
        request = await self._request(summary, callback)
        problem = ""
        for pause_s in (*RETRIES_S, None):
            outcome = await self._sender.send(request)
            if outcome.ok:
                return None
            problem = outcome.reason or f"it answered {outcome.status}"
            if pause_s is not None:
                await pause(self._clock, pause_s)
        return problem

    async def _request(self, summary: FeedbackSummary, callback: Callback) -> Request:
        account = await self._store.account(summary.account_sid)
        params = (
            ("FeedbackSummarySid", summary.sid),
            ("AccountSid", summary.account_sid),
            ("Status", "completed"),
            ("StartDate", summary.start_date),
            ("EndDate", summary.end_date),
        )
        prepared = form_request(
            callback.method,
            callback.url,
            params,
            auth_token="" if account is None else account.auth_token,
            token=idempotency_token(summary.sid),
        )
        return Request(
            method=prepared.method,
            url=prepared.url,
            headers=prepared.headers,
            body=prepared.body,
            status_only=True,
        )

    def _alert(self, summary: FeedbackSummary, callback: Callback, problem: str) -> Alert:
        return Alert(
            sid=AlertSid(sids.mint("NO", self._entropy(sids.ENTROPY_BYTES))),
            account_sid=summary.account_sid,
            call_sid=None,
            code=CALLBACK_FAILED,
            level=Level.ERROR,
            reason=f"The callback about feedback summary {summary.sid} failed: {problem}",
            at=self._clock.now(),
            request_url=without_userinfo(callback.url),
        )
