"""The form of each REST request: its parameters in the order in which they are judged.

Names, defaults and limits are the vendor's; `Inert` marks what client libraries may send and Midcall has no use for.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Final

from midcall.core import errors
from midcall.core.feedback import BEST_SCORE, ISSUES, LEAST_SCORE
from midcall.core.insights import Kind
from midcall.core.lanes import DeliveryState
from midcall.core.numbers import AREA_CODE, E164, STIR_STATUSES
from midcall.core.progress import MessageState
from midcall.wire.dates import Instant
from midcall.wire.paging import PageForm
from midcall.wire.parameters import (
    Choice,
    Extension,
    Flag,
    Form,
    Inert,
    Integer,
    Method,
    Named,
    OneOf,
    RawText,
    Required,
    Sid,
    Text,
    Time,
    Url,
    Words,
)

MAX_NAME_CHARS: Final = 64
MAX_ENDPOINT_CHARS: Final = 1_600
"""A client's identity (at most 256) and its parameters (at most 800 bytes), percent-encoded."""

CALL_STATUSES: Final = ("queued", "ringing", "in-progress", "completed", "busy", "failed", "no-answer", "canceled")
CALL_EVENTS: Final = ("initiated", "ringing", "answered", "completed")
ACCOUNT_STATUSES: Final = ("active", "suspended", "closed")
LOG_LEVELS: Final = ("error", "warning", "notice", "debug")
DIRECTIONS: Final = ("from-client", "to-client")
MESSAGE_STATES: Final = tuple(state.value for state in MessageState)
INSIGHT_KINDS: Final = tuple(kind.value for kind in Kind)
INSIGHT_LEVELS: Final = ("debug", "info", "warning", "error")
DELIVERY_STATES: Final = tuple(state.value for state in DeliveryState)
URL_PARAMETERS: Final = (
    "Url",
    "Method",
    "Twiml",
    "FallbackUrl",
    "FallbackMethod",
    "StatusCallback",
    "StatusCallbackMethod",
    "StatusCallbackEvent",
)
"""What `POST Calls` ignores when it names an application: the application has its own."""

_name = Text(max_chars=MAX_NAME_CHARS, keeps_empty=True)
_method = Method()
_url = Url()
_clearable_url = Url(clears=True)
_idempotency_key = RawText(
    about="a text of at most 256 characters, one per request", rule=errors.PARAMETER_INVALID, keeps_empty=False
)
_unrecorded = Inert("calls are not recorded")
_undetected = Inert("nobody listens for answering machines")
_no_address = Inert("numbers here belong to no place")
_no_sip = Inert("there is no SIP")
_policy = RawText(about="what a restricted key may do", rule=errors.PARAMETER_INVALID, keeps_empty=False)
_twiml = Text(max_chars=4_000, rule=errors.TWIML_TOO_LONG)


class NewCallForm(Form, frozen=True, kw_only=True):
    """`POST Calls`."""

    one_of: ClassVar[OneOf] = OneOf(("url", "twiml", "application_sid"), errors.URL_MISSING)

    to: Annotated[str, Text(max_chars=MAX_ENDPOINT_CHARS, rule=errors.TO_INVALID), Required(errors.TO_MISSING)]
    url: Annotated[str | None, _url] = None
    twiml: Annotated[str | None, _twiml] = None
    application_sid: Annotated[str | None, Sid(prefix="AP", rule=errors.APPLICATION_NOT_FOUND)] = None
    from_: Annotated[
        str,
        Named("From"),
        Text(rule=errors.FROM_INVALID, pattern=r"[^\x00-\x1f\x7f]*"),
        Required(errors.FROM_MISSING),
    ]
    method: Annotated[str, _method] = "POST"
    fallback_url: Annotated[str | None, _url] = None
    fallback_method: Annotated[str, _method] = "POST"
    status_callback: Annotated[str | None, _url] = None
    status_callback_method: Annotated[str, _method] = "POST"
    status_callback_event: Annotated[tuple[str, ...], Words(CALL_EVENTS)] = ("completed",)
    timeout: Annotated[int, Integer(least=1, most=600, rule=errors.TIMEOUT_INVALID)] = 60
    time_limit: Annotated[int, Integer(least=1, most=86_400)] = 14_400
    caller_id: Annotated[str | None, Text(rule=errors.FROM_INVALID, pattern=r"[^\x00-\x1f\x7f]*")] = None
    send_digits: Annotated[str | None, Text(max_chars=32, rule=errors.DIGITS_INVALID, pattern=r"[0-9A-D#*wW]*")] = None
    record: Annotated[bool, Flag(), Inert("calls are not recorded", surprises=True)] = False
    recording_channels: Annotated[str | None, Choice(("mono", "dual")), _unrecorded] = None
    recording_track: Annotated[str | None, Choice(("inbound", "outbound", "both")), _unrecorded] = None
    recording_status_callback: Annotated[str | None, _url, _unrecorded] = None
    recording_status_callback_method: Annotated[str | None, _method, _unrecorded] = None
    recording_status_callback_event: Annotated[
        tuple[str, ...], Words(("in-progress", "completed", "absent")), _unrecorded
    ] = ()
    trim: Annotated[str | None, Choice(("trim-silence", "do-not-trim")), _unrecorded] = None
    machine_detection: Annotated[
        str | None,
        Choice(("Enable", "DetectMessageEnd")),
        Inert("nobody listens for answering machines", surprises=True),
    ] = None
    machine_detection_timeout: Annotated[int | None, Integer(least=3, most=59), _undetected] = None
    machine_detection_speech_threshold: Annotated[int | None, Integer(least=1_000, most=6_000), _undetected] = None
    machine_detection_speech_end_threshold: Annotated[int | None, Integer(least=500, most=5_000), _undetected] = None
    machine_detection_silence_timeout: Annotated[int | None, Integer(least=2_000, most=10_000), _undetected] = None
    async_amd: Annotated[str | None, Choice(("true", "false")), _undetected] = None
    async_amd_status_callback: Annotated[str | None, _url, _undetected] = None
    async_amd_status_callback_method: Annotated[str | None, _method, _undetected] = None
    sip_auth_username: Annotated[str | None, Text(), _no_sip] = None
    sip_auth_password: Annotated[str | None, Text(), _no_sip] = None
    byoc: Annotated[str | None, Sid(prefix="BY"), Inert("there are no trunks", surprises=True)] = None
    call_reason: Annotated[str | None, Text(), Inert("no phone shows it")] = None
    call_token: Annotated[str | None, Text(max_chars=4_096), Inert("any caller id may be shown")] = None
    client_notification_url: Annotated[str | None, _url, Inert("there are no push notifications")] = None


class CallUpdateForm(Form, frozen=True, kw_only=True):
    """`POST Calls/{Sid}`. Absent means unchanged; an empty StatusCallback or FallbackUrl means none any more."""

    status: Annotated[str | None, Choice(("canceled", "completed"))] = None
    url: Annotated[str | None, _url] = None
    method: Annotated[str, _method] = "POST"
    twiml: Annotated[str | None, _twiml] = None
    fallback_url: Annotated[str | None, _clearable_url] = None
    fallback_method: Annotated[str | None, _method] = None
    status_callback: Annotated[str | None, _clearable_url] = None
    status_callback_method: Annotated[str | None, _method] = None
    time_limit: Annotated[int | None, Integer(least=1, most=86_400)] = None


class CallListForm(PageForm, frozen=True, kw_only=True):
    """`GET Calls`. The operator of a time filter is part of the parameter's name."""

    to: Annotated[str | None, Text(max_chars=MAX_ENDPOINT_CHARS)] = None
    from_: Annotated[str | None, Named("From"), Text()] = None
    parent_call_sid: Annotated[str | None, Sid(prefix="CA")] = None
    status: Annotated[str | None, Choice(CALL_STATUSES)] = None
    start_time: Annotated[Instant | None, Time()] = None
    start_time_before: Annotated[Instant | None, Named("StartTime<"), Time()] = None
    start_time_from: Annotated[Instant | None, Named("StartTime>"), Time()] = None
    end_time: Annotated[Instant | None, Time()] = None
    end_time_before: Annotated[Instant | None, Named("EndTime<"), Time()] = None
    end_time_from: Annotated[Instant | None, Named("EndTime>"), Time()] = None


class NewMessageForm(Form, frozen=True, kw_only=True):
    """`POST UserDefinedMessages`. The switch judges both: a missing Content must not hide that the call is over."""

    content: Annotated[
        str | None, RawText(about="a JSON text of at most 10,000 characters", rule=errors.MESSAGE_NOT_JSON)
    ] = None
    idempotency_key: Annotated[str | None, _idempotency_key] = None
    identity: Annotated[str | None, Text(), Extension()] = None


class NewSubscriptionForm(Form, frozen=True, kw_only=True):
    """`POST UserDefinedMessageSubscriptions`."""

    callback: Annotated[
        str,
        _url,
        Required(errors.PARAMETER_INVALID, "Missing required parameter Callback in the post body"),
    ]
    method: Annotated[str, _method] = "POST"
    idempotency_key: Annotated[str | None, _idempotency_key] = None
    replay_from: Annotated[str | None, Choice(("start",)), Extension()] = None
    identity: Annotated[str | None, Text(), Extension()] = None


class ApplicationForm(Form, frozen=True, kw_only=True):
    """`POST Applications` and `POST Applications/{Sid}`. Absent means unchanged, or the default of a new one."""

    api_version: Annotated[str | None, Text(max_chars=16), Inert("there is one version")] = None
    friendly_name: Annotated[str | None, _name] = None
    voice_url: Annotated[str | None, _clearable_url] = None
    voice_method: Annotated[str | None, _method] = None
    voice_fallback_url: Annotated[str | None, _clearable_url] = None
    voice_fallback_method: Annotated[str | None, _method] = None
    status_callback: Annotated[str | None, _clearable_url] = None
    status_callback_method: Annotated[str | None, _method] = None
    voice_caller_id_lookup: Annotated[bool | None, Flag()] = None
    public_application_connect_enabled: Annotated[bool | None, Flag()] = None
    sms_url: Annotated[str | None, _clearable_url] = None
    sms_method: Annotated[str | None, _method] = None
    sms_fallback_url: Annotated[str | None, _clearable_url] = None
    sms_fallback_method: Annotated[str | None, _method] = None
    sms_status_callback: Annotated[str | None, _clearable_url] = None
    message_status_callback: Annotated[str | None, _clearable_url] = None
    message_callback: Annotated[str | None, _clearable_url, Extension()] = None
    message_callback_method: Annotated[str | None, _method, Extension()] = None


class ApplicationListForm(PageForm, frozen=True, kw_only=True):
    """`GET Applications`; the name matches exactly."""

    friendly_name: Annotated[str | None, _name] = None


class PhoneNumberForm(Form, frozen=True, kw_only=True):
    """`POST IncomingPhoneNumbers/{Sid}`. Absent means unchanged, or the default of a new one; empty means none."""

    friendly_name: Annotated[str | None, _name] = None
    voice_application_sid: Annotated[
        str | None, Sid(prefix="AP", rule=errors.APPLICATION_NOT_FOUND, keeps_empty=True)
    ] = None
    voice_url: Annotated[str | None, _clearable_url] = None
    voice_method: Annotated[str | None, _method] = None
    voice_fallback_url: Annotated[str | None, _clearable_url] = None
    voice_fallback_method: Annotated[str | None, _method] = None
    voice_caller_id_lookup: Annotated[bool | None, Flag()] = None
    status_callback: Annotated[str | None, _clearable_url] = None
    status_callback_method: Annotated[str | None, _method] = None
    sms_application_sid: Annotated[str | None, Sid(prefix="AP", keeps_empty=True)] = None
    sms_url: Annotated[str | None, _clearable_url] = None
    sms_method: Annotated[str | None, _method] = None
    sms_fallback_url: Annotated[str | None, _clearable_url] = None
    sms_fallback_method: Annotated[str | None, _method] = None
    stir_status: Annotated[str | None, Choice(STIR_STATUSES, keeps_empty=True), Extension()] = None
    api_version: Annotated[str | None, Text(max_chars=16), Inert("there is one version")] = None
    voice_receive_mode: Annotated[
        str | None, Choice(("voice", "fax")), Inert("every call to a number is a voice call")
    ] = None
    trunk_sid: Annotated[str | None, Sid(prefix="TK"), Inert("there are no trunks")] = None
    address_sid: Annotated[str | None, Sid(prefix="AD"), _no_address] = None
    identity_sid: Annotated[str | None, Sid(prefix="RI"), _no_address] = None
    bundle_sid: Annotated[str | None, Sid(prefix="BU"), _no_address] = None
    emergency_status: Annotated[str | None, Choice(("Active", "Inactive")), _no_address] = None
    emergency_address_sid: Annotated[str | None, Sid(prefix="AD"), _no_address] = None


class NewPhoneNumberForm(PhoneNumberForm, frozen=True, kw_only=True):
    """`POST IncomingPhoneNumbers`. One of PhoneNumber and AreaCode is needed; PhoneNumber counts when both are sent."""

    one_of: ClassVar[OneOf] = OneOf(("phone_number", "area_code"), errors.PHONE_NUMBER_MISSING)

    phone_number: Annotated[str | None, Text(max_chars=16, rule=errors.PHONE_NUMBER_INVALID, pattern=E164)] = None
    area_code: Annotated[str | None, Text(rule=errors.AREA_CODE_INVALID, pattern=AREA_CODE)] = None


class PhoneNumberUpdateForm(PhoneNumberForm, frozen=True, kw_only=True):
    """`POST IncomingPhoneNumbers/{Sid}`. A number stays with its account."""

    account_sid: Annotated[str | None, Sid(prefix="AC")] = None


class PhoneNumberListForm(PageForm, frozen=True, kw_only=True):
    """`GET IncomingPhoneNumbers`; the name matches exactly, of the number a part is enough."""

    beta: Annotated[bool | None, Flag(), Inert("no number here is new to the platform")] = None
    friendly_name: Annotated[str | None, _name] = None
    phone_number: Annotated[str | None, Text(max_chars=32, rule=errors.PHONE_NUMBER_INVALID, pattern=r"\+?[0-9*]*")] = (
        None
    )
    origin: Annotated[str | None, Choice(("twilio", "hosted"))] = None


class KeyForm(Form, frozen=True, kw_only=True):
    """`POST Keys` and `POST Keys/{Sid}`."""

    friendly_name: Annotated[str | None, _name] = None


class IamKeyForm(Form, frozen=True, kw_only=True):
    """`POST /v1/Keys/{Sid}`. A policy is refused, whatever it says."""

    friendly_name: Annotated[str | None, _name] = None
    policy: Annotated[str | None, _policy] = None


class NewIamKeyForm(Form, frozen=True, kw_only=True):
    """`POST /v1/Keys`. Restricted keys are refused."""

    account_sid: Annotated[
        str, Sid(prefix="AC"), Required(errors.PARAMETER_INVALID, "Missing required parameter AccountSid")
    ]
    friendly_name: Annotated[str | None, _name] = None
    key_type: Annotated[str | None, Choice(("restricted",))] = None
    policy: Annotated[str | None, _policy] = None


class IamKeyListForm(PageForm, frozen=True, kw_only=True):
    """`GET /v1/Keys`."""

    account_sid: Annotated[
        str, Sid(prefix="AC"), Required(errors.PARAMETER_INVALID, "Missing required parameter AccountSid")
    ]


class NewAccountForm(Form, frozen=True, kw_only=True):
    """`POST Accounts`: a subaccount of the caller's account."""

    friendly_name: Annotated[str | None, Text(max_chars=MAX_NAME_CHARS)] = None


class AccountUpdateForm(Form, frozen=True, kw_only=True):
    """`POST Accounts/{Sid}`."""

    friendly_name: Annotated[str | None, _name] = None
    status: Annotated[str | None, Choice(ACCOUNT_STATUSES)] = None


class NewTokenForm(Form, frozen=True, kw_only=True):
    """`POST Tokens`."""

    ttl: Annotated[int, Integer(least=1, most=999_999_999)] = 86_400


class AccountListForm(PageForm, frozen=True, kw_only=True):
    """`GET Accounts`; the name matches exactly."""

    friendly_name: Annotated[str | None, _name] = None
    status: Annotated[str | None, Choice(ACCOUNT_STATUSES)] = None


class NotificationListForm(PageForm, frozen=True, kw_only=True):
    """`GET Notifications`. `Log` is 0 for errors and 1 for warnings; others find nothing."""

    log: Annotated[int | None, Integer(least=0, most=3)] = None
    message_date: Annotated[Instant | None, Time()] = None
    message_date_before: Annotated[Instant | None, Named("MessageDate<"), Time()] = None
    message_date_from: Annotated[Instant | None, Named("MessageDate>"), Time()] = None


class MonitorAlertListForm(PageForm, frozen=True, kw_only=True):
    """`GET /v1/Alerts`. Both dates count as within."""

    log_level: Annotated[str | None, Choice(LOG_LEVELS)] = None
    start_date: Annotated[Instant | None, Time()] = None
    end_date: Annotated[Instant | None, Time()] = None


class AlertListForm(PageForm, frozen=True, kw_only=True):
    """`GET Alerts`, an extension."""

    call_sid: Annotated[str | None, Sid(prefix="CA")] = None


class MessageListForm(PageForm, frozen=True, kw_only=True):
    """`GET UserDefinedMessages`, an extension."""

    direction: Annotated[str | None, Choice(DIRECTIONS)] = None
    state: Annotated[str | None, Choice(MESSAGE_STATES)] = None


class DeliveryListForm(PageForm, frozen=True, kw_only=True):
    """`GET Deliveries`, an extension: deliveries of `PageSize` messages a page."""

    state: Annotated[str | None, Choice(DELIVERY_STATES)] = None
    subscription_sid: Annotated[str | None, Sid(prefix="ZY")] = None
    replay_sid: Annotated[str | None, Sid(prefix="RP")] = None


class SubscriptionListForm(PageForm, frozen=True, kw_only=True):
    """`GET Subscriptions` of an account, an extension."""

    call_sid: Annotated[str | None, Sid(prefix="CA")] = None


class UndeliveredListForm(Form, frozen=True, kw_only=True):
    """`GET Undelivered`, an extension."""

    call_sid: Annotated[str | None, Sid(prefix="CA")] = None
    since: Annotated[Instant | None, Time()] = None
    limit: Annotated[int, Integer(least=1, most=10_000)] = 1_000


class ReplayForm(Form, frozen=True, kw_only=True):
    """`POST Replays`, an extension."""

    call_sid: Annotated[str | None, Sid(prefix="CA")] = None
    message_sid: Annotated[str | None, Sid(prefix="KX")] = None
    first_sequence_number: Annotated[int | None, Integer(least=0, most=999_999_999)] = None
    last_sequence_number: Annotated[int | None, Integer(least=0, most=999_999_999)] = None
    undelivered: Annotated[bool, Flag()] = False
    since: Annotated[Instant | None, Time()] = None
    subscription_sid: Annotated[str | None, Sid(prefix="ZY")] = None
    url: Annotated[str | None, _url] = None
    method: Annotated[str | None, _method] = None


class ReplayListForm(PageForm, frozen=True, kw_only=True):
    """`GET Replays`, an extension."""

    call_sid: Annotated[str | None, Sid(prefix="CA")] = None


class ExportForm(Form, frozen=True, kw_only=True):
    """`GET Messages`, an extension: everything that was said, as JSON lines."""

    call_sid: Annotated[str | None, Sid(prefix="CA")] = None
    since: Annotated[Instant | None, Time()] = None


class TimelineForm(Form, frozen=True, kw_only=True):
    """`GET Calls/{CallSid}/Timeline`, an extension."""

    limit: Annotated[int, Integer(least=1, most=10_000)] = 1_000


class FeedbackForm(Form, frozen=True, kw_only=True):
    """`POST Calls/{CallSid}/Feedback`: what is sent replaces what was there."""

    quality_score: Annotated[
        int,
        Integer(least=LEAST_SCORE, most=BEST_SCORE),
        Required(errors.PARAMETER_INVALID, "QualityScore is required"),
    ]
    issue: Annotated[tuple[str, ...], Words(ISSUES)] = ()


class FeedbackSummaryForm(Form, frozen=True, kw_only=True):
    """`POST Calls/FeedbackSummary`: days of UTC, both inclusive."""

    start_date: Annotated[Instant, Time(), Required(errors.PARAMETER_INVALID, "StartDate is required")]
    end_date: Annotated[Instant, Time(), Required(errors.PARAMETER_INVALID, "EndDate is required")]
    include_subaccounts: Annotated[bool, Flag()] = False
    status_callback: Annotated[str | None, _url] = None
    status_callback_method: Annotated[str, _method] = "POST"


class InsightListForm(PageForm, frozen=True, kw_only=True):
    """`GET Calls/{CallSid}/Insights`."""

    kind: Annotated[str | None, Choice(INSIGHT_KINDS)] = None
    group: Annotated[str | None, Text(max_chars=128)] = None
    level: Annotated[str | None, Choice(INSIGHT_LEVELS)] = None
