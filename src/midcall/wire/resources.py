"""What REST answers: one struct per resource and list, and the functions that fill them from records.

Every field is in every answer, null where there is nothing to say; numbers that clients read as text are text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal, cast

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from midcall.core.accounts import Account, Application
from midcall.core.alerts import Alert
from midcall.core.calls import Call, Status
from midcall.core.errors import Refused, Rule
from midcall.core.messages import Entry, Subscription
from midcall.core.numbers import formatted
from midcall.core.sids import AccountSid, CallSid
from midcall.wire.dates import iso8601, rfc2822
from midcall.wire.paging import Page
from midcall.wire.parameters import sid_pattern

API_VERSION: Final = "2010-04-01"
BASE: Final = f"/{API_VERSION}/Accounts"
EXTENSION_BASE: Final = "/midcall/v1/Accounts"
MORE_INFO: Final = "https://www.twilio.com/docs/errors/"


def _sid(prefix: str) -> Meta:
    return Meta(pattern=sid_pattern(prefix), min_length=34, max_length=34)


Date = Annotated[
    str,
    Meta(
        pattern=r"^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} \+0000$",
        extra_json_schema={"format": "date-time-rfc-2822"},
    ),
]
AccountSidText = Annotated[str, _sid("AC")]
ApplicationSidText = Annotated[str, _sid("AP")]
CallSidText = Annotated[str, _sid("CA")]
PhoneNumberSidText = Annotated[str, _sid("PN")]
KeySidText = Annotated[str, _sid("SK")]
MessageSidText = Annotated[str, _sid("KX")]
SubscriptionSidText = Annotated[str, _sid("ZY")]
AlertSidText = Annotated[str, _sid("NO")]
ReplaySidText = Annotated[str, _sid("RP")]
EXTENSION: Final = Meta(extra_json_schema={"x-extension": True})
"""A field that is not the vendor's."""
HttpMethod = Literal["GET", "POST"]
CallStatusText = Literal["queued", "ringing", "in-progress", "completed", "busy", "failed", "no-answer", "canceled"]
AccountStatusText = Literal["active", "suspended", "closed"]


class ErrorBody(Struct, frozen=True, kw_only=True):
    """Every 4xx and 5xx of the API. Client libraries need all four keys."""

    code: int
    message: str
    more_info: str
    status: int


class AccountResource(Struct, frozen=True, kw_only=True):
    """An account; `auth_token` is shown because only its holder, or a main key's, gets here."""

    sid: AccountSidText
    owner_account_sid: AccountSidText
    friendly_name: str
    status: AccountStatusText
    type: Literal["Trial", "Full"]
    auth_token: str
    date_created: Date
    date_updated: Date
    uri: str
    subresource_uris: dict[str, str]


class ApplicationResource(Struct, frozen=True, kw_only=True):
    """A TwiML application."""

    sid: ApplicationSidText
    account_sid: AccountSidText
    friendly_name: str
    api_version: str
    date_created: Date
    date_updated: Date
    voice_url: str | None
    voice_method: HttpMethod
    voice_fallback_url: str | None
    voice_fallback_method: HttpMethod
    status_callback: str | None
    status_callback_method: HttpMethod
    voice_caller_id_lookup: bool
    public_application_connect_enabled: bool
    sms_url: str | None
    sms_method: HttpMethod
    sms_fallback_url: str | None
    sms_fallback_method: HttpMethod
    sms_status_callback: str | None
    message_status_callback: str | None
    message_callback: Annotated[str | None, EXTENSION]
    message_callback_method: Annotated[HttpMethod, EXTENSION]
    uri: str


class CallResource(Struct, frozen=True, kw_only=True):
    """A call, which is one leg."""

    sid: CallSidText
    date_created: Date
    date_updated: Date
    parent_call_sid: CallSidText | None
    account_sid: AccountSidText
    to: str
    to_formatted: str
    from_: str = msgspec.field(name="from")
    from_formatted: str
    phone_number_sid: PhoneNumberSidText | None
    status: CallStatusText
    start_time: Date | None
    end_time: Date | None
    duration: Annotated[str, Meta(pattern=r"^\d+$")] | None
    price: str | None = None
    price_unit: Literal["USD"] = "USD"
    direction: Literal["inbound", "outbound-api", "outbound-dial"]
    answered_by: str | None = None
    api_version: str = API_VERSION
    forwarded_from: str | None
    group_sid: str | None = None
    caller_name: str | None = None
    queue_time: Annotated[str, Meta(pattern=r"^\d+$")] = "0"
    trunk_sid: str | None = None
    uri: str
    subresource_uris: dict[str, str]
    annotation: str | None = None


class IceServer(Struct, frozen=True, kw_only=True):
    """A STUN or TURN server; a STUN server has no credential."""

    url: str
    urls: str
    username: str | UnsetType = UNSET
    credential: str | UnsetType = UNSET


class TokenResource(Struct, frozen=True, kw_only=True):
    """ICE servers, and credentials for those among them that ask for some."""

    account_sid: AccountSidText
    username: str
    password: str
    ttl: Annotated[str, Meta(pattern=r"^\d+$")]
    ice_servers: Sequence[IceServer]
    date_created: Date
    date_updated: Date


class MessageResource(Struct, frozen=True, kw_only=True):
    """A user-defined message that was accepted for an SDK client."""

    account_sid: AccountSidText
    call_sid: CallSidText
    sid: MessageSidText
    date_created: Date


class SubscriptionResource(Struct, frozen=True, kw_only=True):
    """A subscription to the messages of one leg's client."""

    account_sid: AccountSidText
    call_sid: CallSidText
    sid: SubscriptionSidText
    date_created: Date
    uri: str


class AlertResource(Struct, frozen=True, kw_only=True):
    """Something that went wrong, with its documented code."""

    sid: AlertSidText
    account_sid: AccountSidText
    call_sid: CallSidText | None
    code: int
    level: Literal["error", "warning"]
    reason: str
    line: int | None
    request_url: str | None
    date_created: Date
    more_info: str


class TimelineEvent(Struct, frozen=True, kw_only=True):
    """One line of a call's timeline; `at` is ISO 8601 with milliseconds."""

    at: str
    kind: str
    detail: dict[str, Any]


class AccountPage(Page, frozen=True, kw_only=True):
    accounts: Sequence[AccountResource]


class ApplicationPage(Page, frozen=True, kw_only=True):
    applications: Sequence[ApplicationResource]


class CallPage(Page, frozen=True, kw_only=True):
    calls: Sequence[CallResource]


class AlertPage(Page, frozen=True, kw_only=True):
    alerts: Sequence[AlertResource]


class Timeline(Struct, frozen=True, kw_only=True):
    """What happened on a call, oldest first."""

    account_sid: AccountSidText
    call_sid: CallSidText
    events: Sequence[TimelineEvent]


def error_body(rule: Rule, message: str) -> ErrorBody:
    """The body of a refusal."""
    status, code = rule.rest
    return ErrorBody(code=code, message=message, more_info=f"{MORE_INFO}{code}", status=status)


def refusal(refused: Refused) -> ErrorBody:
    return error_body(refused.rule, refused.detail)


def account_resource(account: Account) -> AccountResource:
    uri = f"{BASE}/{account.sid}"
    return AccountResource(
        sid=account.sid,
        owner_account_sid=account.owner_sid,
        friendly_name=account.friendly_name,
        status=account.status.value,
        type="Full",
        auth_token=account.auth_token,
        date_created=rfc2822(account.created_at),
        date_updated=rfc2822(account.updated_at),
        uri=f"{uri}.json",
        subresource_uris={
            "applications": f"{uri}/Applications.json",
            "calls": f"{uri}/Calls.json",
            "incoming_phone_numbers": f"{uri}/IncomingPhoneNumbers.json",
            "keys": f"{uri}/Keys.json",
            "notifications": f"{uri}/Notifications.json",
            "signing_keys": f"{uri}/SigningKeys.json",
        },
    )


def application_resource(application: Application) -> ApplicationResource:
    return ApplicationResource(
        sid=application.sid,
        account_sid=application.account_sid,
        friendly_name=application.friendly_name,
        api_version=API_VERSION,
        date_created=rfc2822(application.created_at),
        date_updated=rfc2822(application.updated_at),
        voice_url=application.voice_url or None,
        voice_method=http_method(application.voice_method),
        voice_fallback_url=application.voice_fallback_url or None,
        voice_fallback_method=http_method(application.voice_fallback_method),
        status_callback=application.status_callback or None,
        status_callback_method=http_method(application.status_callback_method),
        voice_caller_id_lookup=application.voice_caller_id_lookup,
        public_application_connect_enabled=application.public_application_connect_enabled,
        sms_url=application.sms_url or None,
        sms_method=http_method(application.sms_method),
        sms_fallback_url=application.sms_fallback_url or None,
        sms_fallback_method=http_method(application.sms_fallback_method),
        sms_status_callback=application.sms_status_callback or None,
        message_status_callback=application.message_status_callback or None,
        message_callback=application.message_callback or None,
        message_callback_method=http_method(application.message_callback_method),
        uri=f"{BASE}/{application.account_sid}/Applications/{application.sid}.json",
    )


def token_resource(account: AccountSid, *, username: str, password: str, ttl_s: int, at: float) -> TokenResource:
    """Credentials without a server that would ask for them."""
    date = rfc2822(at)
    return TokenResource(
        account_sid=account,
        username=username,
        password=password,
        ttl=str(ttl_s),
        ice_servers=(),
        date_created=date,
        date_updated=date,
    )


def call_resource(call: Call) -> CallResource:
    uri = f"{BASE}/{call.account_sid}/Calls/{call.sid}"
    return CallResource(
        sid=call.sid,
        date_created=rfc2822(call.created_at),
        date_updated=rfc2822(call.updated_at),
        parent_call_sid=call.parent_sid,
        account_sid=call.account_sid,
        to=call.to,
        to_formatted=_formatted(call.to),
        from_=call.from_,
        from_formatted=_formatted(call.from_),
        phone_number_sid=call.phone_number_sid,
        status=_status(call.status),
        start_time=_date(call.started_at),
        end_time=_date(call.ended_at),
        duration=None if call.duration_s is None else str(call.duration_s),
        direction=call.direction.value,
        forwarded_from=call.forwarded_from or None,
        uri=f"{uri}.json",
        subresource_uris={
            "events": f"{uri}/Events.json",
            "notifications": f"{uri}/Notifications.json",
            "user_defined_message_subscriptions": f"{uri}/UserDefinedMessageSubscriptions.json",
            "user_defined_messages": f"{uri}/UserDefinedMessages.json",
        },
    )


def message_resource(entry: Entry) -> MessageResource:
    return MessageResource(
        account_sid=entry.account_sid, call_sid=entry.leg_sid, sid=entry.sid, date_created=rfc2822(entry.at)
    )


def subscription_resource(subscription: Subscription) -> SubscriptionResource:
    call = f"{BASE}/{subscription.account_sid}/Calls/{subscription.leg_sid}"
    return SubscriptionResource(
        account_sid=subscription.account_sid,
        call_sid=subscription.leg_sid,
        sid=subscription.sid,
        date_created=rfc2822(subscription.created_at),
        uri=f"{call}/UserDefinedMessageSubscriptions/{subscription.sid}.json",
    )


def alert_resource(alert: Alert) -> AlertResource:
    return AlertResource(
        sid=alert.sid,
        account_sid=alert.account_sid,
        call_sid=alert.call_sid,
        code=alert.code,
        level=alert.level.value,
        reason=alert.reason,
        line=alert.line,
        request_url=alert.request_url,
        date_created=rfc2822(alert.at),
        more_info=f"{MORE_INFO}{alert.code}",
    )


def timeline_event(at: float, kind: str, detail: Mapping[str, object]) -> TimelineEvent:
    return TimelineEvent(at=iso8601(at), kind=kind, detail=dict(detail))


def timeline(account: AccountSid, call: CallSid, events: Sequence[TimelineEvent]) -> Timeline:
    return Timeline(account_sid=account, call_sid=call, events=events)


def _status(status: Status) -> CallStatusText:
    """`initiated` is for callbacks; a fetch says `queued`."""
    return cast(CallStatusText, Status.QUEUED.value if status is Status.INITIATED else status.value)


def http_method(method: str) -> HttpMethod:
    return "GET" if method == "GET" else "POST"


def _date(at: float | None) -> str | None:
    return None if at is None else rfc2822(at)


def _formatted(endpoint: str) -> str:
    """`(415) 867-5308` for North American numbers, the bare identity for clients, all else unchanged."""
    return endpoint.removeprefix("client:") if endpoint.startswith("client:") else formatted(endpoint)
