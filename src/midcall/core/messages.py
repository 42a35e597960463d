"""Call messages: what is admitted to a leg's log, and how a repeat is told.

The store calls `admit` inside the transaction that appends, so the verdict and the row are one step.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from midcall.core import errors
from midcall.core.calls import Status
from midcall.core.sids import AccountSid, CallSid, MessageSid, SubscriptionSid

USER_DEFINED: Final = "user-defined-message"
"""The only message type that exists today."""

JSON: Final = "application/json"


class Log(StrEnum):
    """The logs of a leg. Each is numbered on its own, without gaps."""

    FROM_CLIENT = "from_client"
    TO_CLIENT = "to_client"
    STATUS = "status"


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A message on its way into a log.

    Attributes:
        content: the JSON text exactly as the sender spelled it (compact for SDK messages), UTF-8.
        content_type: as the sender said it; never rejected.
        at: epoch seconds when it was accepted.
    """

    account_sid: AccountSid
    leg_sid: CallSid
    log: Log
    sid: MessageSid
    content: bytes
    content_type: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One row of a log. For the status log `content` is the JSON object of the callback's parameters."""

    account_sid: AccountSid
    leg_sid: CallSid
    log: Log
    seq: int
    sid: str
    content: bytes
    content_type: str
    at: float


@dataclass(frozen=True, slots=True)
class Appended:
    """The row, and whether it was there already (a repeat: acknowledge again, deliver once)."""

    entry: Entry
    repeated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class IdempotencyClaim:
    """A REST caller's wish that this request has one effect. Scope: account, leg, endpoint and key.

    Attributes:
        endpoint: `messages` or `subscriptions`.
        fingerprint: digest of the parameters; the same key with another one is a conflict.
    """

    endpoint: str
    key: str
    fingerprint: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """A customer's wish to hear one leg's messages. Its lane has the same sid.

    Attributes:
        from_start: hear also what the leg's client said before (an extension, never on by default).
    """

    sid: SubscriptionSid
    account_sid: AccountSid
    leg_sid: CallSid
    callback: str
    method: str
    created_at: float
    from_start: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """A connection had all messages up to a number: one move of its cursor.

    Attributes:
        written_at: when the last of them was first handed to a socket; None when nobody said.
        at: when the client's echo came; None when nobody said.
    """

    reader: str
    seq: int
    written_at: float | None
    at: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Settings that bound messages (promise M9).

    Attributes:
        rest_content_chars: code points of REST `Content`.
        sdk_content_bytes: UTF-8 bytes of the compact JSON an SDK sends.
        waiting_per_leg: messages to a client that have no receipt yet.
        per_second: messages per second, leg and direction.
        subscriptions_per_leg: how many callbacks one leg feeds.
        first_sequence: number of a leg's first message.
    """

    rest_content_chars: int = 10_000
    sdk_content_bytes: int = 10_240
    waiting_per_leg: int = 1_000
    per_second: int = 200
    subscriptions_per_leg: int = 10
    first_sequence: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class LegView:
    """What `admit` has to know about a leg, read in the same transaction.

    Attributes:
        waiting: entries of the to_client log after the furthest cursor.
    """

    status: Status
    sdk_leg: bool
    waiting: int = 0


def admit(draft: Draft, leg: LegView | None, limits: Limits) -> None:
    """Let a message that is no repeat into the log, or say why not.

    Raises:
        Refused: NOT_FOUND, NOT_AN_SDK_LEG, CALL_NOT_ACTIVE or CLIENT_AWAY.
    """
    check_leg(leg)
    assert leg is not None
    if draft.log is Log.TO_CLIENT and leg.waiting >= limits.waiting_per_leg:
        raise errors.Refused(errors.CLIENT_AWAY)


def check_leg(leg: LegView | None) -> None:
    """Messages and subscriptions need an active leg with an SDK client on it.

    Raises:
        Refused: NOT_FOUND, NOT_AN_SDK_LEG or CALL_NOT_ACTIVE.
    """
    if leg is None:
        raise errors.Refused(errors.NOT_FOUND)
    if not leg.sdk_leg:
        raise errors.Refused(errors.NOT_AN_SDK_LEG)
    if not leg.status.is_active:
        raise errors.Refused(errors.CALL_NOT_ACTIVE)
