"""In-call messages, both ways: checks that need no store, then straight to the leg's log, then a nudge.

Messages never pass through a leg's actor, so a busy or stuck call cannot hold them up.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import Final, TypeVar

import msgspec

from midcall.core import errors, sids
from midcall.core.calls import Call
from midcall.core.errors import Refused
from midcall.core.messages import (
    JSON,
    USER_DEFINED,
    Appended,
    Draft,
    Entry,
    IdempotencyClaim,
    LegView,
    Limits,
    Log,
    Subscription,
    check_leg,
)
from midcall.core.rates import Bucket
from midcall.core.sids import AccountSid, CallSid, MessageSid, SubscriptionSid
from midcall.ports import Bus, Clock, Entropy, Nudge, Store
from midcall.switch import tree

T = TypeVar("T")

MAX_IDEMPOTENCY_KEY_CHARS: Final = 256
MAX_CONTENT_TYPE_CHARS: Final = 256
TIMINGS_KEPT: Final = 10_000
"""Messages of which the time of their commit is known."""

BUCKETS_KEPT: Final = 1_000
"""Rate buckets before full ones are thrown away, or twice as many as were busy then."""


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
    """Use cases of call messages and of subscriptions to them."""

    def __init__(self, *, store: Store, bus: Bus, clock: Clock, entropy: Entropy, limits: Limits) -> None:
        self._store = store
        self._bus = bus
        self._clock = clock
        self._entropy = entropy
        self._limits = limits
        self._buckets: dict[tuple[CallSid, Log], Bucket] = {}
        self._most_buckets = BUCKETS_KEPT
        self._stored_at: dict[str, float] = {}

    async def accept_from_client(self, account: AccountSid, leg: CallSid, message: ClientMessage) -> Appended:
        """Check and store a client's message, then nudge the lanes. The caller has checked who holds the leg.

        Raises:
            Refused: FRAME_MALFORMED, MESSAGE_TYPE_INVALID, MESSAGE_TOO_LARGE, RATE_EXCEEDED, CALL_NOT_ACTIVE,
                NOT_AN_SDK_LEG, STORE_UNAVAILABLE.
        """
        sid = sids.parse(message.sid, "KX")
        if sid is None or message.content is None:
            raise Refused(
                errors.FRAME_MALFORMED, "a message needs content, and a voiceeventsid of KX and 32 hex digits"
            )
        if message.message_type != USER_DEFINED:
            raise Refused(errors.MESSAGE_TYPE_INVALID)
        if len(message.content) > self._limits.sdk_content_bytes:
            raise Refused(errors.MESSAGE_TOO_LARGE)
        self._take_token(leg, Log.FROM_CLIENT)
        draft = Draft(
            account_sid=account,
            leg_sid=leg,
            log=Log.FROM_CLIENT,
            sid=MessageSid(sid),
            content=message.content,
            content_type=message.content_type[:MAX_CONTENT_TYPE_CHARS],
            at=self._clock.now(),
        )
        appended = await self._store.append_message(draft, self._limits)
        self._note_stored(appended)
        self._bus.nudge(Nudge(leg, Log.FROM_CLIENT))
        return appended

    async def accept_from_server(
        self,
        account: AccountSid,
        leg: CallSid,
        *,
        content: str | None,
        idempotency_key: str | None,
        identity: str | None = None,
    ) -> Entry:
        """Check and store a REST message for the leg's client, then nudge its connection.

        Args:
            identity: of the client that is meant, on whatever leg of the conversation it is; the entry says on which.

        Raises:
            Refused: NOT_FOUND, NOT_AN_SDK_LEG, CALL_NOT_ACTIVE (their details name the sids that would have worked),
                IDENTITY_NOT_ON_CALL, IDENTITY_AMBIGUOUS, MESSAGE_NOT_JSON, MESSAGE_TOO_LARGE, RATE_EXCEEDED,
                CLIENT_AWAY, IDEMPOTENCY_CONFLICT, PARAMETER_INVALID, STORE_UNAVAILABLE.
        """
        if identity is not None:
            send = partial(self.accept_from_server, account, content=content, idempotency_key=idempotency_key)
            return await self._at_identity(account, leg, identity, idempotency_key, send)
        claim = _claim("messages", idempotency_key, content or "")
        try:
            text = self._json_text(content)
            self._take_token(leg, Log.TO_CLIENT)
        except Refused:
            await self._check_leg(account, leg, may_be_over=claim is not None)  # a wrong leg matters more
            raise
        draft = Draft(
            account_sid=account,
            leg_sid=leg,
            log=Log.TO_CLIENT,
            sid=MessageSid(self._mint("KX")),
            content=text,
            content_type=JSON,
            at=self._clock.now(),
        )
        try:
            appended = await self._store.append_message(draft, self._limits, claim)
        except Refused as refused:
            if refused.rule in (errors.NOT_AN_SDK_LEG, errors.CALL_NOT_ACTIVE):
                await self._check_leg(account, leg, may_be_over=False)  # knows which leg would have worked
            raise
        self._note_stored(appended)
        self._bus.nudge(Nudge(leg, Log.TO_CLIENT))
        return appended.entry

    async def subscribe(
        self,
        account: AccountSid,
        leg: CallSid,
        *,
        callback: str,
        method: str,
        idempotency_key: str | None,
        from_start: bool = False,
        identity: str | None = None,
    ) -> Subscription:
        """Open a lane from the leg's client to a callback (a checked URL).

        Args:
            from_start: deliver also what the client said before.
            identity: of the client that is meant, on whatever leg of the conversation it is.

        Raises:
            Refused: NOT_FOUND, NOT_AN_SDK_LEG, CALL_NOT_ACTIVE (their details name the sids that would have worked),
                IDENTITY_NOT_ON_CALL, IDENTITY_AMBIGUOUS, TOO_MANY_SUBSCRIPTIONS, IDEMPOTENCY_CONFLICT,
                PARAMETER_INVALID, STORE_UNAVAILABLE.
        """
        if identity is not None:
            open_lane = partial(
                self.subscribe,
                account,
                callback=callback,
                method=method,
                idempotency_key=idempotency_key,
                from_start=from_start,
            )
            return await self._at_identity(account, leg, identity, idempotency_key, open_lane)
        parameters = (callback, method, "start") if from_start else (callback, method)
        claim = _claim("subscriptions", idempotency_key, *parameters)
        await self._check_leg(account, leg, may_be_over=claim is not None)
        subscription = Subscription(
            sid=SubscriptionSid(self._mint("ZY")),
            account_sid=account,
            leg_sid=leg,
            callback=callback,
            method=method,
            created_at=self._clock.now(),
            from_start=from_start,
        )
        kept, _ = await self._store.add_subscription(subscription, self._limits, claim)
        if from_start:
            self._bus.nudge(Nudge(leg, Log.FROM_CLIENT))
        return kept

    async def unsubscribe(self, account: AccountSid, leg: CallSid, sid: SubscriptionSid) -> None:
        """End a subscription; what it did not deliver is listed.

        Raises:
            Refused: NOT_FOUND.
        """
        if not await self._store.end_subscription(account, leg, sid, at=self._clock.now()):
            raise Refused(errors.NOT_FOUND)

    async def after(self, leg: CallSid, seq: int, limit: int = 100) -> Sequence[Entry]:
        """Messages to the client after its cursor, in order."""
        return await self._store.entries_after(leg, Log.TO_CLIENT, seq, limit)

    async def cursor(self, leg: CallSid, reader: str) -> int:
        """Where a reader of the leg's to_client log stopped."""
        return await self._store.cursor(leg, reader)

    def received(self, leg: CallSid, reader: str, seq: int, *, written_at: float | None = None) -> None:
        """The client has everything up to here, which was first written at `written_at` (epoch seconds)."""
        self._store.move_cursor(leg, reader, seq, written_at=written_at, at=self._clock.now())

    def client_away(self, leg: CallSid, reader: str, position: int) -> None:
        """The leg's client has lost its socket; nothing after that position is written until it is back."""
        self._store.bound_writes(leg, reader, max(0, position))

    def client_back(self, leg: CallSid, reader: str) -> None:
        """The client is back; `cursor` waits until that is stored."""
        self._store.bound_writes(leg, reader, None)

    def stored_at(self, sid: str) -> float | None:
        """When a message's commit was seen here; None for all but the newest (timings are not durable)."""
        return self._stored_at.get(sid)

    def _note_stored(self, appended: Appended) -> None:
        if appended.repeated:
            return
        if len(self._stored_at) >= TIMINGS_KEPT:
            del self._stored_at[next(iter(self._stored_at))]
        self._stored_at[appended.entry.sid] = self._clock.now()

    # checks

    async def _check_leg(self, account: AccountSid, leg: CallSid, *, may_be_over: bool) -> None:
        """Say early, and with the right words, what the store's transaction will say for certain.

        A request with an idempotency key may repeat one that had its effect before the leg was over, so for it only the
        store can judge.
        """
        call = await self._store.call(account, leg)
        if call is None:
            raise Refused(errors.NOT_FOUND)
        try:
            if not (call.sdk_leg and may_be_over):
                check_leg(LegView(status=call.status, sdk_leg=call.sdk_leg))
        except Refused as refused:
            raise await self._explained(refused, call) from None

    async def _explained(self, refused: Refused, call: Call) -> Refused:
        """The same refusal, which names the legs of the conversation that would have worked (promise M11)."""
        others = [leg for leg in await tree.clients(self._store, call) if leg.status.is_active and leg.sid != call.sid]
        if not others:
            return refused
        return Refused(refused.rule, f"{refused.rule.text.rstrip('.')}; use {_named(others)}")

    async def _at_identity(
        self, account: AccountSid, leg: CallSid, identity: str, key: str | None, act: Callable[[CallSid], Awaitable[T]]
    ) -> T:
        """Do something with the one active leg of the conversation that has a client of that identity.

        With an idempotency key, legs that are over come first: the request may have had its effect there.
        """
        call = await self._store.call(account, leg)
        if call is None:
            raise Refused(errors.NOT_FOUND)
        clients = await tree.clients(self._store, call)
        mine = [one for one in clients if one.client == identity]
        for over in [one for one in mine if one.status.is_final] if key else ():
            try:
                return await act(over.sid)
            except Refused as refused:
                if refused.rule is not errors.CALL_NOT_ACTIVE:
                    raise
        active = [one for one in mine if one.status.is_active]
        if not active:
            there = _named([one for one in clients if one.status.is_active])
            raise Refused(
                errors.IDENTITY_NOT_ON_CALL,
                f"No client {identity!r} is on this call; {f'its clients are {there}' if there else 'it has none'}",
            )
        if len(active) > 1:
            raise Refused(
                errors.IDENTITY_AMBIGUOUS,
                f"{identity!r} is on several legs of this call: {_named(active)}; use a CallSid without Identity",
            )
        return await act(active[0].sid)

    def _json_text(self, content: str | None) -> bytes:
        """The bytes of the content, spelled as the caller did, if it is one JSON text that is not too long."""
        if not content:
            raise Refused(errors.MESSAGE_NOT_JSON)
        if len(content) > self._limits.rest_content_chars:
            raise Refused(errors.MESSAGE_TOO_LARGE)
        try:
            raw = content.encode()
            msgspec.json.decode(raw)
        except (UnicodeEncodeError, msgspec.DecodeError, RecursionError):
            raise Refused(errors.MESSAGE_NOT_JSON) from None
        return raw

    def _take_token(self, leg: CallSid, log: Log) -> None:
        now = self._clock.monotonic()
        rate = float(self._limits.per_second)
        bucket = self._buckets.get((leg, log))
        if bucket is None:
            if len(self._buckets) >= self._most_buckets:
                self._buckets = {key: kept for key, kept in self._buckets.items() if now - kept.counted_at < 1}
                self._most_buckets = max(BUCKETS_KEPT, 2 * len(self._buckets))
            bucket = self._buckets[leg, log] = Bucket(rate, now)
        if not bucket.take(per_second=rate, now=now):
            raise Refused(errors.RATE_EXCEEDED, retry_after=1.0)

    def _mint(self, prefix: str) -> str:
        return sids.mint(prefix, self._entropy(sids.ENTROPY_BYTES))


def _named(legs: Sequence[Call]) -> str:
    """Legs for a person who has to choose one."""
    return ", ".join(f"{leg.sid} ({leg.client})" for leg in legs)


def _claim(endpoint: str, key: str | None, *parameters: str) -> IdempotencyClaim | None:
    """What a REST caller's key stands for; None without a key.

    Raises:
        Refused: PARAMETER_INVALID, the key is too long.
    """
    if not key:
        return None
    if len(key) > MAX_IDEMPOTENCY_KEY_CHARS:
        raise Refused(errors.PARAMETER_INVALID, f"IdempotencyKey is longer than {MAX_IDEMPOTENCY_KEY_CHARS} characters")
    digest = sha256()
    for parameter in parameters:
        raw = parameter.encode("utf-8", "surrogatepass")
        digest.update(len(raw).to_bytes(8, "big") + raw)
    return IdempotencyClaim(endpoint=endpoint, key=key, fingerprint=digest.digest())
