"""One turn of a lane: its head is built, sent and judged. The dispatcher claims before and settles after."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from midcall.core import delivery, overrides, sids, webhooks
from midcall.core.alerts import Alert, Level
from midcall.core.delivery import Attempted, EndLane, StepOver, Verdict
from midcall.core.errors import Refused
from midcall.core.lanes import Attempt, Encoding, Lane, LaneKind, Turn
from midcall.core.overrides import Overrides
from midcall.core.redaction import redact
from midcall.core.sids import AccountSid, AlertSid
from midcall.ports import Clock, Entropy, Outcome, Request, Sender, Store, Trace, TraceEvent
from midcall.webhooks.sender import UNREACHED
from midcall.wire import callbacks, urls
from midcall.wire.callbacks import Prepared, Unbuildable

_log = logging.getLogger(__name__)

TOTAL_S: Final = 15.0
"""The longest that a turn may send: its retries and its second encoding share it."""

LEAST_S: Final = 0.1
STATUS_REDIRECTS: Final = 10
TOKEN_TTL_S: Final = 5.0
_REMEMBERED: Final = 4_096


@dataclass(frozen=True, slots=True)
class Judged:
    """What became of a turn.

    Attributes:
        answered: whether its host answered at all; None: it was not asked.
        took_s: from the first request to the last answer.
        attempt: what is kept of it; None: nothing was sent.
    """

    verdict: Verdict
    answered: bool | None = None
    took_s: float = 0.0
    attempt: Attempt | None = None


class Attempts:
    """Sends heads and judges what came back.

    Args:
        encoding: of message callbacks; None: JSON first, then a form, as `core.delivery.encodings` has it.
    """

    def __init__(
        self, store: Store, sender: Sender, clock: Clock, trace: Trace, entropy: Entropy, *, encoding: Encoding | None
    ) -> None:
        self._store = store
        self._sender = sender
        self._clock = clock
        self._trace = trace
        self._entropy = entropy
        self._encoding = encoding
        self._tokens: dict[AccountSid, tuple[str, float]] = {}
        self._warned: dict[str, None] = {}

    async def deliver_head(self, turn: Turn) -> Judged:
        """Send a lane's head, with what its URL asks for in retries, and say what is to become of it."""
        lane, entry = turn.lane, turn.entry
        asked = overrides.parse(lane.url)
        schedule = delivery.schedule_for(lane.kind, asked)
        if (too_old := delivery.expired(entry.at, schedule, now=self._clock.now())) is not None:
            return Judged(too_old)
        token = await self._auth_token(lane.account_sid)
        if token is None:
            return Judged(EndLane("the account does not exist any more"))
        if asked is not None:
            await self._warn_of_overrides(turn, asked)
        started, sent_at = self._clock.monotonic(), self._clock.now()
        try:
            attempted = await self._attempt(turn, asked, token)
        except Unbuildable as problem:
            _log.warning("a callback cannot be built: %s", problem, extra=_fields(turn))
            return Judged(StepOver(str(problem)))
        took_s = self._clock.monotonic() - started
        now = self._clock.now()
        verdict = delivery.judge(attempted, lane, entry_at=entry.at, schedule=schedule, now=now, jitter=self._jitter())
        await self._complain(turn, attempted, verdict)
        attempt = Attempt(sent_at=sent_at, status=attempted.status, error=attempted.error)
        return Judged(verdict, attempted.status is not None, took_s, attempt)

    async def _attempt(self, turn: Turn, asked: Overrides | None, token: str) -> Attempted:
        """One attempt; where the URL asks for retries at once, as many as it takes."""
        limits = asked or overrides.DEFAULTS
        started = self._clock.monotonic()
        tries = 0
        while True:
            attempted = await self._in_some_encoding(turn, limits, token, started + limits.total_s)
            tries += 1
            elapsed_s = self._clock.monotonic() - started
            if asked is None or not delivery.tries_again(attempted, asked, tries=tries, elapsed_s=elapsed_s):
                return attempted

    async def _in_some_encoding(self, turn: Turn, limits: Overrides, token: str, deadline: float) -> Attempted:
        outcome: Outcome | None = None
        encoding: Encoding | None = None
        for encoding in self._encodings(turn.lane):
            prepared = _prepare(turn, encoding or Encoding.FORM, token)
            total_s = max(LEAST_S, deadline - self._clock.monotonic())
            outcome = await self._sender.send(_request(turn.lane, prepared, limits, total_s, token))
            self._record(turn, encoding, outcome)
            if not delivery.falls_back(outcome.status):
                break
        assert outcome is not None
        return Attempted(
            status=outcome.status,
            error=outcome.error,
            connected=outcome.error not in UNREACHED,
            retry_after_s=delivery.retry_after_s(outcome.headers.get("retry-after"), now=self._clock.now()),
            encoding=encoding,
        )

    def _encodings(self, lane: Lane) -> Iterable[Encoding | None]:
        """None: there is only one way to send it, and nothing to remember."""
        if lane.kind is LaneKind.STATUS or lane.method == "GET":
            return (None,)
        return delivery.encodings(self._encoding, lane)

    async def _auth_token(self, sid: AccountSid) -> str | None:
        now = self._clock.monotonic()
        known = self._tokens.get(sid)
        if known is not None and known[1] > now:
            return known[0]
        account = await self._store.account(sid)
        if account is None:
            return None
        if len(self._tokens) >= _REMEMBERED:
            self._tokens.clear()
        self._tokens[sid] = (account.auth_token, now + TOKEN_TTL_S)
        return account.auth_token

    def _jitter(self) -> float:
        """A factor between 0.9 and 1.1, so that lanes which failed together do not come back together."""
        return 0.9 + 0.2 * self._entropy(1)[0] / 255

    def _record(self, turn: Turn, encoding: Encoding | None, outcome: Outcome) -> None:
        lane, entry = turn.lane, turn.entry
        detail = {
            "lane": lane.id,
            "kind": lane.kind,
            "sid": entry.sid,
            "seq": entry.seq,
            "attempt": lane.attempts + 1,
            "method": lane.method,
            "url": urls.without_userinfo(lane.url),
            "encoding": encoding,
            "status": outcome.status,
            "error": outcome.error,
            "reason": outcome.reason,
            "duration_ms": round(outcome.duration_s * 1000, 1),
            "content_type": outcome.headers.get("content-type"),
            "body": redact(outcome.body.decode("utf-8", "replace")) if outcome.body else "",
        }
        self._trace.record(
            TraceEvent(
                at=self._clock.now(),
                account_sid=lane.account_sid,
                leg_sid=lane.leg_sid,
                kind="webhook.attempt",
                detail=detail,
            )
        )

    async def _complain(self, turn: Turn, attempted: Attempted, verdict: Verdict) -> None:
        complaint = delivery.complaint(turn.lane, attempted, verdict)
        if complaint is not None:
            _log.warning("%s", complaint.reason, extra=_fields(turn))
            await self._alert(turn, complaint.code, complaint.level, complaint.reason)

    async def _warn_of_overrides(self, turn: Turn, asked: Overrides) -> None:
        """Say once per lane (and start of the server) that its URL's overrides are not what they seem."""
        lane = turn.lane
        if lane.id in self._warned or not (asked.bad_policy or asked.clamped):
            return
        if len(self._warned) >= _REMEMBERED:
            self._warned.clear()
        self._warned[lane.id] = None
        if asked.clamped:
            _log.info("connection overrides were clamped: %s", ", ".join(asked.clamped), extra=_lane_fields(lane))
        if asked.bad_policy:
            reason = "The retry policy `rp` of the callback's URL cannot be read; the default is used"
            await self._alert(turn, overrides.BAD_RETRY_POLICY, Level.WARNING, reason)

    async def _alert(self, turn: Turn, code: int, level: Level, reason: str) -> None:
        lane = turn.lane
        alert = Alert(
            sid=AlertSid(sids.mint("NO", self._entropy(sids.ENTROPY_BYTES))),
            account_sid=lane.account_sid,
            call_sid=lane.leg_sid,
            code=code,
            level=level,
            reason=reason,
            at=self._clock.now(),
            request_url=urls.without_userinfo(lane.url),
            request_method=lane.method,
            webhook=webhooks.of_delivery(lane.id, turn.entry.sid),
        )
        try:
            await self._store.add_alert(alert)
        except Refused as refused:
            _log.warning("an alert was not stored: %s", refused.detail, extra=_lane_fields(lane))


def _prepare(turn: Turn, encoding: Encoding, auth_token: str) -> Prepared:
    lane, entry = turn.lane, turn.entry
    token = callbacks.idempotency_token(lane.first_delivered_by, entry.sid)
    if lane.kind is LaneKind.STATUS:
        params = callbacks.status_params(entry)
        return callbacks.form_request(lane.method, lane.url, params, auth_token=auth_token, token=token)
    prepared = callbacks.message_request(
        entry, url=lane.url, method=lane.method, encoding=encoding, auth_token=auth_token, token=token
    )
    return callbacks.marked(prepared, lane.id) if lane.kind is LaneKind.REPLAY else prepared


def _request(lane: Lane, prepared: Prepared, limits: Overrides, total_s: float, auth_token: str) -> Request:
    is_status = lane.kind is LaneKind.STATUS
    return Request(
        method=prepared.method,
        url=prepared.url,
        headers=prepared.headers,
        body=prepared.body,
        total_s=total_s,
        connect_s=limits.connect_s,
        read_s=limits.read_s,
        redirects=STATUS_REDIRECTS if is_status else 0,
        resign=callbacks.resigner(auth_token, prepared.headers) if is_status else None,
        status_only=True,
    )


def _fields(turn: Turn) -> dict[str, str]:
    return {**_lane_fields(turn.lane), "message_sid": turn.entry.sid}


def _lane_fields(lane: Lane) -> dict[str, str]:
    fields = {"account_sid": lane.account_sid, "call_sid": lane.leg_sid}
    match lane.kind:
        case LaneKind.MESSAGES:
            return {**fields, "subscription_sid": lane.id}
        case LaneKind.REPLAY:
            return {**fields, "replay_sid": lane.id}
        case LaneKind.STATUS:
            return fields
