"""What went wrong, and what was asked of customers' servers: notifications, monitor alerts and a call's events."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from msgspec import Meta as Mark
from msgspec import Struct

from midcall.core.alerts import Alert, Level
from midcall.core.sids import AccountSid
from midcall.wire.dates import iso8601_seconds, rfc2822
from midcall.wire.paging import Meta, Page
from midcall.wire.resources import (
    API_VERSION,
    BASE,
    EXTENSION,
    MORE_INFO,
    AccountSidText,
    AlertSidText,
    CallSidText,
    Date,
    HttpMethod,
)

IsoDate = Annotated[
    str,
    Mark(pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$", extra_json_schema={"format": "date-time"}),
]
ResourceSidText = Annotated[str, Mark(pattern=r"^[a-zA-Z]{2}[0-9a-fA-F]{32}$", min_length=34, max_length=34)]
LOGS: Final = {Level.ERROR: "0", Level.WARNING: "1"}
LEVELS: Final = ("error", "warning", "notice", "debug")
"""Words of the numbers that `Log` takes."""

_WORD: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


class NotificationResource(Struct, frozen=True, kw_only=True):
    """An alert as the 2010 API shows it; `log` is 0 for an error and 1 for a warning."""

    sid: AlertSidText
    account_sid: AccountSidText
    call_sid: CallSidText | None
    api_version: str
    log: str
    error_code: str
    more_info: str
    message_text: str
    message_date: Date
    request_method: HttpMethod | None
    request_url: str | None
    date_created: Date
    date_updated: Date
    uri: str


class NotificationInstance(NotificationResource, frozen=True, kw_only=True):
    """One notification with the request that it is about and what came back; null for what is not known (any more)."""

    request_variables: str | None
    response_headers: str | None
    response_body: str | None


class MonitorAlertResource(Struct, frozen=True, kw_only=True):
    """An alert as the monitor API shows it."""

    sid: AlertSidText
    account_sid: AccountSidText
    resource_sid: ResourceSidText | None
    service_sid: str | None
    api_version: str
    log_level: str
    error_code: str
    more_info: str
    alert_text: str
    request_method: HttpMethod | None
    request_url: str | None
    date_generated: IsoDate
    date_created: IsoDate
    date_updated: IsoDate
    url: str


class MonitorAlertInstance(MonitorAlertResource, frozen=True, kw_only=True):
    """One alert with the request that it is about and what came back; null for what is not known (any more)."""

    request_variables: str | None
    request_headers: str | None
    response_headers: str | None
    response_body: str | None


class EventRequest(Struct, frozen=True, kw_only=True):
    """What was asked; parameters have their names in snake case."""

    method: HttpMethod
    url: str
    parameters: Mapping[str, str]


class EventResponse(Struct, frozen=True, kw_only=True):
    """What came back at the last attempt: without an answer its code is null and `error_code` says why.

    `request_duration` is in milliseconds, `attempts` how often it was sent.
    """

    response_code: int | None
    request_duration: int
    content_type: str | None
    response_body: str | None
    date_created: Date
    error_code: Annotated[str | None, EXTENSION]
    error_message: Annotated[str | None, EXTENSION]
    attempts: Annotated[int, EXTENSION]


class EventResource(Struct, frozen=True, kw_only=True):
    """One webhook of a call."""

    request: EventRequest
    response: EventResponse


class NotificationPage(Page, frozen=True, kw_only=True):
    notifications: Sequence[NotificationResource]


class MonitorAlertPage(Struct, frozen=True, kw_only=True):
    alerts: Sequence[MonitorAlertResource]
    meta: Meta


class EventPage(Page, frozen=True, kw_only=True):
    events: Sequence[EventResource]


class Seen(Struct, frozen=True, kw_only=True):
    """What an alert's webhook sent and got, as far as it is known."""

    variables: str | None = None
    response_headers: str | None = None
    response_body: str | None = None


NOTHING_SEEN: Final = Seen()


def notification_resource(alert: Alert) -> NotificationResource:
    return NotificationResource(**_notification(alert))


def notification_instance(alert: Alert, seen: Seen) -> NotificationInstance:
    return NotificationInstance(
        **_notification(alert),
        request_variables=seen.variables,
        response_headers=seen.response_headers,
        response_body=seen.response_body,
    )


def monitor_alert_resource(alert: Alert, origin: str) -> MonitorAlertResource:
    return MonitorAlertResource(**_monitor_alert(alert, origin))


def monitor_alert_instance(alert: Alert, seen: Seen, origin: str) -> MonitorAlertInstance:
    return MonitorAlertInstance(
        **_monitor_alert(alert, origin),
        request_variables=seen.variables,
        request_headers=None,
        response_headers=seen.response_headers,
        response_body=seen.response_body,
    )


def snake_case(name: str) -> str:
    """`CallSid` as `call_sid`."""
    return _WORD.sub("_", name).lower()


def variables(parameters: Mapping[str, str]) -> str:
    """Parameters as one text, spelled as a form."""
    return urlencode(parameters)


def _notification(alert: Alert) -> dict[str, Any]:
    date = rfc2822(alert.at)
    return {
        "sid": alert.sid,
        "account_sid": alert.account_sid,
        "call_sid": alert.call_sid,
        "api_version": API_VERSION,
        "log": LOGS[alert.level],
        "error_code": str(alert.code),
        "more_info": f"{MORE_INFO}{alert.code}",
        "message_text": _text(alert),
        "message_date": date,
        "request_method": alert.request_method,
        "request_url": alert.request_url,
        "date_created": date,
        "date_updated": date,
        "uri": _uri(alert.account_sid, alert.sid),
    }


def _monitor_alert(alert: Alert, origin: str) -> dict[str, Any]:
    date = iso8601_seconds(alert.at)
    return {
        "sid": alert.sid,
        "account_sid": alert.account_sid,
        "resource_sid": alert.call_sid,
        "service_sid": None,
        "api_version": API_VERSION,
        "log_level": alert.level.value,
        "error_code": str(alert.code),
        "more_info": f"{MORE_INFO}{alert.code}",
        "alert_text": _text(alert),
        "request_method": alert.request_method,
        "request_url": alert.request_url,
        "date_generated": date,
        "date_created": date,
        "date_updated": date,
        "url": f"{origin}/v1/Alerts/{alert.sid}",
    }


def _uri(account: AccountSid, sid: str) -> str:
    return f"{BASE}/{account}/Notifications/{sid}.json"


def _text(alert: Alert) -> str:
    """The form-like text that log readers of the original take apart."""
    parts = {"ErrorCode": str(alert.code), "LogLevel": "ERROR" if alert.level is Level.ERROR else "WARN"}
    line = {} if alert.line is None else {"line": str(alert.line)}
    return urlencode({**parts, "Msg": alert.reason, **line})
