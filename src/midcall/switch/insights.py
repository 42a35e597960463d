"""What clients tell about their calls: who may tell it, how much, and what becomes of it.

Events and samples go to a lossy log. Feedback is durable, and is stored before the post is answered.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from midcall.core import errors, sids
from midcall.core.calls import Call
from midcall.core.errors import Refused
from midcall.core.insights import Insight, InsightFilter, may_tell
from midcall.core.rates import Bucket
from midcall.core.redaction import redact
from midcall.core.sids import AccountSid, CallSid, InsightSid
from midcall.ports import Clock, Entropy, InsightLog, PageRequest, PageResult, Store
from midcall.switch.accounts import Accounts, Grant
from midcall.switch.feedback import Feedbacks
from midcall.wire.insights import InsightPost, Told

POSTS_PER_SECOND: Final = 50.0
"""About one call. An SDK makes about thirty while it comes up, and one in ten seconds while it is up."""
KEPT_BUCKETS: Final = 10_000


class Insights:
    """The desk behind the event gateway, and behind the lists of what arrived there."""

    def __init__(
        self,
        *,
        store: Store,
        log: InsightLog,
        accounts: Accounts,
        feedbacks: Feedbacks,
        clock: Clock,
        entropy: Entropy,
    ) -> None:
        self._store = store
        self._log = log
        self._accounts = accounts
        self._feedbacks = feedbacks
        self._clock = clock
        self._entropy = entropy
        self._buckets: OrderedDict[tuple[AccountSid, str | None], Bucket] = OrderedDict()
        """By the account and the call, or before there is one, the identity."""

    async def authenticate(self, token: str) -> Grant:
        """Whose post it is. A token that has run out still shows that; `accept` decides what it is good for.

        Raises:
            Refused: what `Accounts.grant` raises.
        """
        return await self._accounts.grant(token, ended=True)

    async def accept(self, grant: Grant, post: InsightPost) -> None:
        """Keep what was posted.

        A call may outlive its token, and so may what is to be said about it: the token has to have been good when the
        call began.

        Raises:
            Refused: NOT_FOUND for a call that is not this client's; TOKEN_EXPIRED; RATE_EXCEEDED; STORE_UNAVAILABLE for
                feedback that cannot be stored.
        """
        now = self._clock.now()
        calls = {told.call_sid for told in post.told if told.call_sid is not None}
        for sid in calls:
            self._check(grant, await self._store.call(grant.account_sid, sid), now)
        if grant.expires_at <= now and any(told.call_sid is None for told in post.told):
            raise Refused(errors.TOKEN_EXPIRED)
        names: list[str | None] = [*calls] or [grant.identity]
        for name in names:
            self._pace(grant.account_sid, name)
        if post.feedback is not None and (call := post.told[0].call_sid) is not None:
            await self._feedbacks.give(grant.account_sid, call, post.feedback.score, post.feedback.issues)
        self._log.record([self._insight(grant, post, told, now) for told in post.told])

    async def listed(
        self, account: AccountSid, call: CallSid, where: InsightFilter, page: PageRequest
    ) -> PageResult[Insight]:
        """Insights of a call, newest first.

        Raises:
            Refused: NOT_FOUND.
        """
        if await self._store.call(account, call) is None:
            raise Refused(errors.NOT_FOUND)
        return await self._log.insights(account, call, where, page)

    def _check(self, grant: Grant, call: Call | None, now: float) -> None:
        if call is None or not may_tell(call, grant.identity):
            raise Refused(errors.NOT_FOUND, "There is no such call of this client")
        if grant.expires_at <= now and call.created_at >= grant.expires_at:
            raise Refused(errors.TOKEN_EXPIRED)

    def _pace(self, account: AccountSid, name: str | None) -> None:
        now = self._clock.monotonic()
        bucket = self._buckets.setdefault((account, name), Bucket(POSTS_PER_SECOND, now))
        self._buckets.move_to_end((account, name))
        if len(self._buckets) > KEPT_BUCKETS:
            self._buckets.popitem(last=False)
        if not bucket.take(per_second=POSTS_PER_SECOND, now=now):
            raise Refused(errors.RATE_EXCEEDED, retry_after=1.0)

    def _insight(self, grant: Grant, post: InsightPost, told: Told, now: float) -> Insight:
        return Insight(
            sid=InsightSid(sids.mint("EV", self._entropy(sids.ENTROPY_BYTES))),
            account_sid=grant.account_sid,
            call_sid=told.call_sid,
            temporary_sid=told.temporary_sid,
            kind=post.kind,
            group=post.group,
            name=post.name,
            level=post.level,
            at=told.at,
            received_at=now,
            payload=redact(told.payload.decode()).encode(),
        )
