"""What a user should know went wrong: a stored row with a documented code."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

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
        request_url: the webhook's address where one is to blame, without its userinfo.
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
