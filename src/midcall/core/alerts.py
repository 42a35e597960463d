"""What a user should know went wrong: a stored row with a documented code."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from midcall.core.sids import AccountSid, AlertSid, CallSid


class Level(StrEnum):
    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One thing that went wrong.

    Attributes:
        code: the documented number, such as 12200 or 32711.
        line: line of the TwiML document, from 1, where one is to blame.
        reason: one sentence for a person; never content, never a secret.
        request_url: the webhook's address where one is to blame, without its userinfo; `request_method`: how.
        webhook: which of the call's webhooks that was, as its timeline names it.
    """

    sid: AlertSid
    account_sid: AccountSid
    call_sid: CallSid | None
    code: int
    level: Level
    reason: str
    at: float
    line: int | None = None
    request_url: str | None = None
    request_method: str | None = None
    webhook: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertFilter:
    """Which alerts a list wants; times are half open: from inclusive, to exclusive.

    Attributes:
        level: its word; one that no alert has (`notice`) finds none.
    """

    call_sid: CallSid | None = None
    level: str | None = None
    since: float | None = None
    before: float | None = None


ANY_ALERT: Final = AlertFilter()
