"""Extensions under `/midcall/v1`: alerts, and the timeline of a call."""

from __future__ import annotations

from typing import Final

from midcall.core import errors
from midcall.core.alerts import AlertFilter
from midcall.core.errors import Refused
from midcall.core.sids import CallSid
from midcall.rest.endpoint import AnyEndpoint, Api, Asked, Endpoint, page_request, paging
from midcall.wire.requests import AlertListForm, TimelineForm
from midcall.wire.resources import EXTENSION_BASE, AlertPage, Timeline, alert_resource, timeline, timeline_event


async def list_(api: Api, asked: Asked[AlertListForm]) -> AlertPage:
    call_sid = None if asked.form.call_sid is None else CallSid(asked.form.call_sid)
    result = await api.store.alerts(asked.account_sid, AlertFilter(call_sid=call_sid), page_request(asked, "NO"))
    return AlertPage(**paging(asked, result), alerts=[alert_resource(alert) for alert in result.rows])


async def show_timeline(api: Api, asked: Asked[TimelineForm]) -> Timeline:
    if await api.store.call(asked.account_sid, asked.call_sid) is None:
        raise Refused(errors.NOT_FOUND)
    events = await api.trace.timeline(asked.account_sid, asked.call_sid, asked.form.limit)
    lines = [timeline_event(event.at, event.kind, event.detail) for event in events]
    return timeline(asked.account_sid, asked.call_sid, lines)


ENDPOINTS: Final[tuple[AnyEndpoint, ...]] = (
    Endpoint(
        method="GET",
        path=f"{EXTENSION_BASE}/{{AccountSid}}/Alerts",
        name="ListAlert",
        summary="What went wrong, newest first.",
        handler=list_,
        form=AlertListForm,
        answer=AlertPage,
        extension=True,
    ),
    Endpoint(
        method="GET",
        path=f"{EXTENSION_BASE}/{{AccountSid}}/Calls/{{CallSid}}/Timeline",
        name="FetchCallTimeline",
        summary="What happened on a call, oldest first.",
        handler=show_timeline,
        form=TimelineForm,
        answer=Timeline,
        extension=True,
    ),
)
