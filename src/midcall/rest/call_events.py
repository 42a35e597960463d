"""A call's events: what was asked of customers' servers for it, and what they answered."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from midcall.core import errors
from midcall.core.errors import Refused
from midcall.rest.endpoint import ACCOUNT, AnyEndpoint, Api, Asked, Endpoint
from midcall.switch.webhooks import Exchange
from midcall.wire.dates import rfc2822
from midcall.wire.notices import EventPage, EventRequest, EventResource, EventResponse, snake_case
from midcall.wire.paging import Links, PageForm

_TOKEN: Final = re.compile(r"P([AB])(\d{1,9})", re.ASCII)


async def list_(api: Api, asked: Asked[PageForm]) -> EventPage:
    exchanges = await api.webhooks.of_call(asked.account_sid, asked.call_sid)
    start = _start(asked.form)
    rows = [
        await api.webhooks.with_parameters(asked.call_sid, exchange)
        for exchange in exchanges[start : start + asked.form.page_size]
    ]
    return _page(asked, start, len(exchanges), [event_resource(row) for row in rows])


def event_resource(exchange: Exchange) -> EventResource:
    return EventResource(
        request=EventRequest(
            method="GET" if exchange.method == "GET" else "POST",
            url=exchange.url,
            parameters={snake_case(name): value for name, value in exchange.parameters},
        ),
        response=EventResponse(
            response_code=exchange.status,
            request_duration=round(exchange.duration_ms),
            content_type=exchange.content_type,
            response_body=exchange.body,
            date_created=rfc2822(exchange.at),
            error_code=None if exchange.error is None else str(exchange.error),
            error_message=exchange.reason or None,
            attempts=exchange.attempts,
        ),
    )


def _start(form: PageForm) -> int:
    """Events have no sids: a page's token is the number of its first event, or of the one after its last."""
    if form.page_token is None:
        return 0
    token = _TOKEN.fullmatch(form.page_token)
    if token is None:
        raise Refused(errors.PARAMETER_INVALID, "PageToken does not belong to this list")
    place = int(token[2])
    return place if token[1] == "A" else max(0, place - form.page_size)


def _page(asked: Asked[PageForm], start: int, total: int, events: Sequence[EventResource]) -> EventPage:
    links = Links(asked.path, asked.fields.pairs(), asked.form)
    end = start + len(events)
    return EventPage(
        uri=links.here(),
        first_page_uri=links.first(),
        next_page_uri=links.at(str(end)) if events and end < total else None,
        previous_page_uri=links.before(str(start)) if events and start else None,
        page=asked.form.page,
        page_size=asked.form.page_size,
        start=start,
        end=end - 1 if events else 0,
        events=events,
    )


ENDPOINTS: Final[tuple[AnyEndpoint, ...]] = (
    Endpoint(
        method="GET",
        path=f"{ACCOUNT}/Calls/{{CallSid}}/Events",
        name="ListCallEvent",
        summary="What was asked of your servers for a call and what they answered, oldest first; the attempts of one "
        "webhook are one event, and the newest 10,000 attempts of a call are told.",
        handler=list_,
        form=PageForm,
        answer=EventPage,
    ),
)
