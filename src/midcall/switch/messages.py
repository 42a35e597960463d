"""In-call messages, both ways: checks that need no store, then straight to the leg's log, then a nudge.

Messages never pass through a leg's actor, so a busy or stuck call cannot hold them up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from midcall.core.messages import Appended, Entry, Subscription
from midcall.core.sids import AccountSid, CallSid, SubscriptionSid


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientMessage:
    """A `message` frame of an SDK.

    Attributes:
        content: raw JSON text of the frame's `content` as it was spelled; None when the frame had none.
    """

    sid: str
    content: bytes | None
    content_type: str
    message_type: str


class Messages:
    async def accept_from_client(self, account: AccountSid, leg: CallSid, message: ClientMessage) -> Appended:
        """Check and store a client's message, then nudge the lanes. The caller has checked that the client
        holds the leg.

        Raises:
            Refused: FRAME_MALFORMED, MESSAGE_TYPE_INVALID, MESSAGE_TOO_LARGE, RATE_EXCEEDED, CALL_NOT_ACTIVE,
                NOT_AN_SDK_LEG, STORE_UNAVAILABLE.
        """
        raise NotImplementedError

    async def accept_from_server(
        self, account: AccountSid, leg: CallSid, *, content: str | None, idempotency_key: str | None
    ) -> Entry:
        """Check and store a REST message for the leg's client, then nudge its connection.

        Raises:
            Refused: NOT_FOUND, NOT_AN_SDK_LEG (its detail names the sid that would have worked), CALL_NOT_ACTIVE,
                MESSAGE_NOT_JSON, MESSAGE_TOO_LARGE, RATE_EXCEEDED, CLIENT_AWAY, IDEMPOTENCY_CONFLICT,
                PARAMETER_INVALID,
                STORE_UNAVAILABLE.
        """
        raise NotImplementedError

    async def subscribe(
        self, account: AccountSid, leg: CallSid, *, callback: str, method: str, idempotency_key: str | None
    ) -> Subscription:
        """Open a lane from the leg's client to a callback (a checked URL).

        Raises:
            Refused: NOT_FOUND, NOT_AN_SDK_LEG, CALL_NOT_ACTIVE, TOO_MANY_SUBSCRIPTIONS, IDEMPOTENCY_CONFLICT,
                PARAMETER_INVALID, STORE_UNAVAILABLE.
        """
        raise NotImplementedError

    async def unsubscribe(self, account: AccountSid, leg: CallSid, sid: SubscriptionSid) -> None:
        """End a subscription; what it did not deliver is listed.

        Raises:
            Refused: NOT_FOUND.
        """
        raise NotImplementedError

    async def after(self, leg: CallSid, seq: int, limit: int = 100) -> Sequence[Entry]:
        """Messages to the client after its cursor, in order."""
        raise NotImplementedError

    async def cursor(self, leg: CallSid, reader: str) -> int:
        """Where a reader of the leg's to_client log stopped."""
        raise NotImplementedError

    def received(self, leg: CallSid, reader: str, seq: int) -> None:
        """The client has everything up to here."""
        raise NotImplementedError
