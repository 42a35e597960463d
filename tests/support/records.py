"""Records for store tests: everything has a default, sids are made from small numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from midcall.core.accounts import Account, AccountStatus, ApiKey, Application
from midcall.core.alerts import Alert, Level
from midcall.core.calls import Call, Direction, Status
from midcall.core.lanes import Replay, runs
from midcall.core.messages import JSON, Draft, IdempotencyClaim, Limits, Log, Subscription
from midcall.core.numbers import PhoneNumber
from midcall.core.sids import (
    AccountSid,
    AlertSid,
    ApplicationSid,
    CallSid,
    KeySid,
    MessageSid,
    PhoneNumberSid,
    ReplaySid,
    SubscriptionSid,
    mint,
)
from midcall.ports import StatusLane, Store, Transition

NOW = 1_700_000_000.0
LIMITS = Limits()
STATUS_LANE = StatusLane(url="https://app.example/status", method="POST")


def sid(prefix: str, number: int) -> str:
    return mint(prefix, number.to_bytes(16, "big"))


def account_sid(number: int = 1) -> AccountSid:
    return AccountSid(sid("AC", number))


def call_sid(number: int = 1) -> CallSid:
    return CallSid(sid("CA", number))


def message_sid(number: int) -> MessageSid:
    return MessageSid(sid("KX", number))


def subscription_sid(number: int = 1) -> SubscriptionSid:
    return SubscriptionSid(sid("ZY", number))


ACCOUNT = account_sid()
LEG = call_sid()


def account(number: int = 1, *, owner: int | None = None, friendly_name: str = "", status: str = "active") -> Account:
    return Account(
        sid=account_sid(number),
        owner_sid=account_sid(number if owner is None else owner),
        friendly_name=friendly_name,
        status=AccountStatus(status),
        auth_token="token",
        created_at=NOW,
        updated_at=NOW,
    )


def api_key(number: int = 1, *, account: AccountSid = ACCOUNT) -> ApiKey:
    return ApiKey(
        sid=KeySid(sid("SK", number)),
        account_sid=account,
        friendly_name=f"key {number}",
        secret="secret",
        is_main=number % 2 == 0,
        created_at=NOW,
        updated_at=NOW,
    )


def application(number: int = 1, *, friendly_name: str = "") -> Application:
    return Application(
        sid=ApplicationSid(sid("AP", number)),
        account_sid=ACCOUNT,
        friendly_name=friendly_name,
        created_at=NOW,
        updated_at=NOW + 1,
        voice_url="a",
        voice_method="b",
        voice_fallback_url="c",
        voice_fallback_method="d",
        status_callback="e",
        status_callback_method="f",
        voice_caller_id_lookup=True,
        public_application_connect_enabled=False,
        sms_url="g",
        sms_method="h",
        sms_fallback_url="i",
        sms_fallback_method="j",
        sms_status_callback="k",
        message_status_callback="l",
    )


def phone_number(number: int = 1, *, account: AccountSid = ACCOUNT, digits: str = "+15005550001") -> PhoneNumber:
    return PhoneNumber(
        sid=PhoneNumberSid(sid("PN", number)),
        account_sid=account,
        number=digits,
        friendly_name=f"number {number}",
        created_at=NOW,
        updated_at=NOW + 1,
        voice_url="a",
        voice_method="b",
        voice_fallback_url="c",
        voice_fallback_method="d",
        voice_application_sid=ApplicationSid(sid("AP", 1)),
        voice_caller_id_lookup=True,
        status_callback="e",
        status_callback_method="f",
        sms_url="g",
        sms_method="h",
        sms_fallback_url="i",
        sms_fallback_method="j",
        sms_application_sid=ApplicationSid(sid("AP", 2)),
        stir_status="k",
    )


def call(
    number: int = 1,
    *,
    status: Status = Status.IN_PROGRESS,
    sdk_leg: bool = True,
    ended_at: float | None = None,
    account: AccountSid = ACCOUNT,
) -> Call:
    return Call(
        sid=call_sid(number),
        account_sid=account,
        parent_sid=None,
        direction=Direction.INBOUND,
        from_="client:alice",
        to="client:bob",
        status=status,
        sdk_leg=sdk_leg,
        created_at=NOW,
        updated_at=NOW,
        ended_at=ended_at,
    )


def alert(number: int = 1, *, leg: CallSid | None = LEG) -> Alert:
    return Alert(
        sid=AlertSid(sid("NO", number)),
        account_sid=ACCOUNT,
        call_sid=leg,
        code=12200,
        level=Level.WARNING,
        reason="Schema validation warning",
        at=NOW + number,
        line=3,
        request_url="https://app.example/voice",
    )


def draft(
    number: int,
    *,
    log: Log = Log.FROM_CLIENT,
    leg: CallSid = LEG,
    account: AccountSid = ACCOUNT,
    content: bytes = b"{}",
) -> Draft:
    return Draft(
        account_sid=account,
        leg_sid=leg,
        log=log,
        sid=message_sid(number),
        content=content,
        content_type=JSON,
        at=NOW + number / 8,
    )


def subscription(number: int = 1, *, leg: CallSid = LEG, at: float = NOW) -> Subscription:
    return Subscription(
        sid=subscription_sid(number),
        account_sid=ACCOUNT,
        leg_sid=leg,
        callback=f"https://app.example/{number}",
        method="POST",
        created_at=at,
    )


def replay(
    number: int = 1,
    numbers: Iterable[int] = (1,),
    *,
    leg: CallSid = LEG,
    origin: int | None = 1,
    at: float = NOW,
) -> Replay:
    return Replay(
        sid=ReplaySid(sid("RP", number + 1_000)),  # as unlike other sids as random ones are
        account_sid=ACCOUNT,
        leg_sid=leg,
        origin=None if origin is None else subscription_sid(origin),
        url="https://app.example/again",
        method="POST",
        numbers=runs(numbers),
        created_at=at,
    )


def key_claim(key: str = "once", *, endpoint: str = "messages", fingerprint: bytes = b"same") -> IdempotencyClaim:
    return IdempotencyClaim(endpoint=endpoint, key=key, fingerprint=fingerprint)


def step(
    leg: CallSid = LEG,
    *,
    call: Call | None = None,
    state: bytes | None = b"state",
    at: float = NOW,
    status_lane: StatusLane | None = None,
    status_entries: Sequence[bytes] = (),
    reader: str | None = None,
    receipts_lost: bool = False,
) -> Transition:
    return Transition(
        owner=leg,
        account_sid=ACCOUNT,
        state=state,
        at=at,
        call=call,
        status_lane=status_lane,
        status_entries=status_entries,
        reader=reader,
        receipts_lost=receipts_lost,
    )


async def add_call(store: Store, row: Call | None = None) -> Call:
    """A leg in progress with an SDK client on it, unless the row says otherwise."""
    row = row or call()
    await store.save(replace(step(row.sid, call=row), account_sid=row.account_sid))
    return row


async def end_call(store: Store, number: int = 1, *, reader: str | None = None, at: float = NOW + 60) -> None:
    row = call(number, status=Status.COMPLETED, ended_at=at)
    await store.save(step(row.sid, call=row, state=None, at=at, reader=reader))
