"""Alerts as the vendor's APIs show them: notifications of the account and of one call, and the monitor's alerts."""

from __future__ import annotations

from typing import Final

from midcall.core import errors
from midcall.core.alerts import Alert, AlertFilter
from midcall.core.errors import Refused
from midcall.core.sids import CallSid
from midcall.rest.endpoint import ACCOUNT, V1, AnyEndpoint, Api, Asked, Endpoint, meta, page_request, paging
from midcall.wire.dates import time_range
from midcall.wire.notices import (
    LEVELS,
    NOTHING_SEEN,
    MonitorAlertInstance,
    MonitorAlertPage,
    NotificationInstance,
    NotificationPage,
    Seen,
    monitor_alert_instance,
    monitor_alert_resource,
    notification_instance,
    notification_resource,
    variables,
)
from midcall.wire.parameters import Nothing
from midcall.wire.requests import MonitorAlertListForm, NotificationListForm


async def list_of_account(api: Api, asked: Asked[NotificationListForm]) -> NotificationPage:
    return await _list(api, asked, None)


async def list_of_call(api: Api, asked: Asked[NotificationListForm]) -> NotificationPage:
    if await api.store.call(asked.account_sid, asked.call_sid) is None:
        raise Refused(errors.NOT_FOUND)
    return await _list(api, asked, asked.call_sid)


async def _list(api: Api, asked: Asked[NotificationListForm], call: CallSid | None) -> NotificationPage:
    form = asked.form
    since, before = time_range(form.message_date, form.message_date_from, form.message_date_before)
    level = None if form.log is None else LEVELS[form.log]
    where = AlertFilter(call_sid=call, level=level, since=since, before=before)
    result = await api.store.alerts(asked.account_sid, where, page_request(asked, "NO"))
    return NotificationPage(**paging(asked, result), notifications=[notification_resource(row) for row in result.rows])


async def fetch(api: Api, asked: Asked[Nothing]) -> NotificationInstance:
    alert = await _known(api, asked)
    if asked.call_sid and alert.call_sid != asked.call_sid:
        raise Refused(errors.NOT_FOUND)
    return notification_instance(alert, await _seen(api, alert))


async def list_alerts(api: Api, asked: Asked[MonitorAlertListForm]) -> MonitorAlertPage:
    form, before = asked.form, None
    if (end := form.end_date) is not None:
        before = end.next_day if end.is_day else end.at + 1  # the second that was named is within
    since = None if form.start_date is None else form.start_date.at
    where = AlertFilter(level=form.log_level, since=since, before=before)
    result = await api.store.alerts(asked.account_sid, where, page_request(asked, "NO"))
    alerts = [monitor_alert_resource(alert, asked.origin) for alert in result.rows]
    return MonitorAlertPage(alerts=alerts, meta=meta(asked, result, "alerts"))


async def fetch_alert(api: Api, asked: Asked[Nothing]) -> MonitorAlertInstance:
    alert = await _known(api, asked)
    return monitor_alert_instance(alert, await _seen(api, alert), asked.origin)


async def _known(api: Api, asked: Asked[Nothing]) -> Alert:
    alert = await api.store.alert(asked.account_sid, asked.sid)
    if alert is None:
        raise Refused(errors.NOT_FOUND)
    return alert


async def _seen(api: Api, alert: Alert) -> Seen:
    """The request that the alert is about: the webhook's last attempt, as long as the trace remembers it."""
    if alert.webhook is None or alert.call_sid is None:
        return NOTHING_SEEN
    exchange = await api.webhooks.one(alert.account_sid, alert.call_sid, alert.webhook)
    if exchange is None:
        return NOTHING_SEEN
    return Seen(
        variables=variables(dict(exchange.parameters)),
        response_headers=None if exchange.content_type is None else variables({"Content-Type": exchange.content_type}),
        response_body=exchange.body,
    )


_OF_ACCOUNT: Final = f"{ACCOUNT}/Notifications"
_OF_CALL: Final = f"{ACCOUNT}/Calls/{{CallSid}}/Notifications"
_ALERTS: Final = f"{V1}Alerts"

ENDPOINTS: Final[tuple[AnyEndpoint, ...]] = (
    Endpoint(
        method="GET",
        path=_OF_CALL,
        name="ListCallNotification",
        summary="What went wrong on a call, newest first.",
        handler=list_of_call,
        form=NotificationListForm,
        answer=NotificationPage,
    ),
    Endpoint(
        method="GET",
        path=f"{_OF_CALL}/{{Sid}}",
        name="FetchCallNotification",
        summary="One notification of a call, with the request that it is about and the answer.",
        handler=fetch,
        form=Nothing,
        answer=NotificationInstance,
        sid_prefix="NO",
    ),
    Endpoint(
        method="GET",
        path=_OF_ACCOUNT,
        name="ListNotification",
        summary="What went wrong in the account, newest first.",
        handler=list_of_account,
        form=NotificationListForm,
        answer=NotificationPage,
    ),
    Endpoint(
        method="GET",
        path=f"{_OF_ACCOUNT}/{{Sid}}",
        name="FetchNotification",
        summary="One notification, with the request that it is about and the answer.",
        handler=fetch,
        form=Nothing,
        answer=NotificationInstance,
        sid_prefix="NO",
    ),
    Endpoint(
        method="GET",
        path=_ALERTS,
        name="MonitorListAlert",
        summary="The same alerts as the vendor's monitor host shows them, of the caller's account, newest first.",
        handler=list_alerts,
        form=MonitorAlertListForm,
        answer=MonitorAlertPage,
    ),
    Endpoint(
        method="GET",
        path=f"{_ALERTS}/{{Sid}}",
        name="MonitorFetchAlert",
        summary="One alert, with the request that it is about and the answer.",
        handler=fetch_alert,
        form=Nothing,
        answer=MonitorAlertInstance,
        sid_prefix="NO",
    ),
)
