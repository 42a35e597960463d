"""What clients tell about their calls: events and quality samples, and whose word counts for which leg."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from midcall.core.calls import Call
from midcall.core.sids import AccountSid, CallSid, InsightSid

ANONYMOUS = "anonymous"


class Kind(StrEnum):
    EVENT = "event"
    SAMPLE = "sample"


@dataclass(frozen=True, slots=True, kw_only=True)
class Insight:
    """One event, or one quality sample, as a client reported it.

    Attributes:
        call_sid: None while the client did not know it yet; then `temporary_sid` is its own name for the call.
        group, name: such as `network-quality-warning-raised` and `high-rtt`.
        at: the client's time; `received_at`: the server's. Epoch seconds.
        payload: a JSON object, redacted.
    """

    sid: InsightSid
    account_sid: AccountSid
    call_sid: CallSid | None
    temporary_sid: str | None
    kind: Kind
    group: str
    name: str
    level: str
    at: float
    received_at: float
    payload: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class InsightFilter:
    """Which insights of a call a list shows; None is all."""

    kind: Kind | None = None
    group: str | None = None
    level: str | None = None

    def takes(self, insight: Insight) -> bool:
        return (
            self.kind in (None, insight.kind)
            and self.group in (None, insight.group)
            and self.level in (None, insight.level)
        )


def may_tell(call: Call, identity: str | None) -> bool:
    """Whether a client may speak for a leg: it is the one with a client at its end, and the client is this one."""
    return call.client == (identity or ANONYMOUS)
