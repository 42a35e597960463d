"""What was asked of customers' servers on a call: its attempts as the trace keeps them, each webhook once.

The trace is lossy and bounded, so what is told here is true and may be incomplete. Parameters of callbacks are read
from the logs they come from; those of requests for TwiML are in the trace.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import msgspec

from midcall.core import errors, webhooks
from midcall.core.errors import Refused
from midcall.core.lanes import LaneKind
from midcall.core.messages import Log
from midcall.core.sids import AccountSid, CallSid
from midcall.ports import Store, Trace, TraceEvent
from midcall.wire.callbacks import Params, Unbuildable, message_params, status_params

ATTEMPT: Final = "webhook.attempt"
FETCH: Final = "twiml.fetch"
MAX_ATTEMPTS: Final = 10_000
"""How many of a call's newest attempts are looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One webhook and its last attempt.

    Attributes:
        name: which of the call's webhooks it is (`core.webhooks`).
        at: epoch seconds when its last attempt was over.
        status: HTTP status of the answer, None without one; `error` and `reason` say why then.
        parameters: what was sent; empty when nobody knows any more.
        source: log and number of the entry that a callback carries.
        attempts: how often it was sent, in either encoding.
    """

    name: str
    at: float
    method: str
    url: str
    status: int | None
    error: int | None
    reason: str
    duration_ms: float
    content_type: str | None
    body: str | None
    parameters: Params = ()
    source: tuple[Log, int] | None = None
    attempts: int = 1

    def after(self, before: Exchange) -> Exchange:
        """This attempt as the last one of a webhook that was tried before."""
        return replace(self, attempts=before.attempts + 1)


class _Attempt(msgspec.Struct):
    """A line of the trace about one attempt, of either kind."""

    method: str
    url: str
    status: int | None = None
    error: int | None = None
    reason: str = ""
    duration_ms: float = 0.0
    content_type: str | None = None
    body: str | None = None
    lane: str = ""
    kind: str = ""
    sid: str = ""
    seq: int = 0
    fetch: int = 0
    parameters: dict[str, str] = msgspec.field(default_factory=dict)

    @property
    def name(self) -> str:
        return webhooks.of_delivery(self.lane, self.sid) if self.lane else webhooks.of_fetch(self.fetch)

    @property
    def source(self) -> tuple[Log, int] | None:
        if not self.lane:
            return None
        return (Log.STATUS if self.kind == LaneKind.STATUS else Log.FROM_CLIENT), self.seq


class Webhooks:
    """Reads; changes nothing."""

    def __init__(self, *, store: Store, trace: Trace) -> None:
        self._store = store
        self._trace = trace

    async def of_call(self, account: AccountSid, leg: CallSid) -> Sequence[Exchange]:
        """All webhooks of a call, in the order of their first attempts, without the parameters of callbacks.

        Raises:
            Refused: NOT_FOUND.
        """
        if await self._store.call(account, leg) is None:
            raise Refused(errors.NOT_FOUND)
        return list((await self._known(account, leg)).values())

    async def one(self, account: AccountSid, leg: CallSid, name: str) -> Exchange | None:
        """One webhook with its parameters; None when nothing is known of it (any more)."""
        found = (await self._known(account, leg)).get(name)
        return None if found is None else await self.with_parameters(leg, found)

    async def with_parameters(self, leg: CallSid, exchange: Exchange) -> Exchange:
        """The same exchange with what a callback sent: its log still has it, and builds it the same every time."""
        if exchange.source is None:
            return exchange
        log, seq = exchange.source
        entries = await self._store.entries_after(leg, log, seq - 1, 1)
        if not entries or entries[0].seq != seq:
            return exchange
        try:
            parameters = status_params(entries[0]) if log is Log.STATUS else message_params(entries[0])
        except Unbuildable:
            return exchange
        return replace(exchange, parameters=parameters)

    async def _known(self, account: AccountSid, leg: CallSid) -> dict[str, Exchange]:
        known: dict[str, Exchange] = {}
        for event in await self._trace.timeline(account, leg, MAX_ATTEMPTS, kinds=(ATTEMPT, FETCH)):
            exchange = _exchange(event)
            if exchange is not None:
                before = known.get(exchange.name)
                known[exchange.name] = exchange if before is None else exchange.after(before)
        return known


def _exchange(event: TraceEvent) -> Exchange | None:
    try:
        attempt = msgspec.convert(dict(event.detail), _Attempt)
    except msgspec.ValidationError:  # a detail that was left out for its size
        return None
    return Exchange(
        name=attempt.name,
        at=event.at,
        method=attempt.method,
        url=attempt.url,
        status=attempt.status,
        error=attempt.error,
        reason=attempt.reason,
        duration_ms=attempt.duration_ms,
        content_type=attempt.content_type,
        body=attempt.body,
        parameters=tuple(attempt.parameters.items()),
        source=attempt.source,
    )
