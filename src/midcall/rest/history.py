"""What was said and what became of it: extensions beside the compatible resources, and the export."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from midcall.core import errors
from midcall.core.errors import Refused
from midcall.core.lanes import DeliveryState, LaneKind
from midcall.core.messages import Log
from midcall.core.progress import MessageState
from midcall.core.sids import CallSid
from midcall.rest.endpoint import ACCOUNT, AnyEndpoint, Api, Asked, Endpoint, page_request, paging
from midcall.switch.history import DeliveryFilter
from midcall.wire.parameters import Nothing
from midcall.wire.records import (
    DeliveryPage,
    MessagePage,
    MessageRecord,
    SubscriptionPage,
    UndeliveredList,
    delivery_record,
    message_record,
    subscription_record,
    undelivered_record,
)
from midcall.wire.requests import (
    DeliveryListForm,
    ExportForm,
    MessageListForm,
    SubscriptionListForm,
    UndeliveredListForm,
)
from midcall.wire.resources import EXTENSION_BASE

_LOGS: Final = {"from-client": Log.FROM_CLIENT, "to-client": Log.TO_CLIENT}


async def list_messages(api: Api, asked: Asked[MessageListForm]) -> MessagePage:
    form = asked.form
    result = await api.history.messages(
        asked.account_sid,
        asked.call_sid,
        page_request(asked, "KX"),
        log=None if form.direction is None else _LOGS[form.direction],
        state=None if form.state is None else MessageState(form.state),
    )
    records = [message_record(told.entry, told.progress, told.stored_at) for told in result.rows]
    return MessagePage(**paging(asked, result), user_defined_messages=records)


async def fetch_message(api: Api, asked: Asked[Nothing]) -> MessageRecord:
    told = await api.history.message(asked.account_sid, asked.call_sid, asked.sid)
    return message_record(told.entry, told.progress, told.stored_at)


async def list_deliveries(api: Api, asked: Asked[DeliveryListForm]) -> DeliveryPage:
    form = asked.form
    where = DeliveryFilter(
        state=None if form.state is None else DeliveryState(form.state),
        lane_id=form.replay_sid or form.subscription_sid,
    )
    result = await api.history.deliveries(asked.account_sid, asked.call_sid, page_request(asked, "KX"), where)
    records = [delivery_record(told.entry, lane) for told in result.rows for lane in told.lanes]
    return DeliveryPage(**paging(asked, result), deliveries=records)


async def list_subscriptions(api: Api, asked: Asked[SubscriptionListForm]) -> SubscriptionPage:
    leg = None if asked.form.call_sid is None else CallSid(asked.form.call_sid)
    page = page_request(asked, "ZY")
    result = await api.store.lane_page(asked.account_sid, LaneKind.MESSAGES, leg, page)
    return SubscriptionPage(**paging(asked, result), subscriptions=[subscription_record(lane) for lane in result.rows])


async def list_undelivered(api: Api, asked: Asked[UndeliveredListForm]) -> UndeliveredList:
    form = asked.form
    leg = None if form.call_sid is None else CallSid(form.call_sid)
    since = None if form.since is None else form.since.at
    rows = await api.store.undelivered(asked.account_sid, leg, form.limit, since=since)
    return UndeliveredList(undelivered=[undelivered_record(row) for row in rows])


async def check_export(api: Api, asked: Asked[ExportForm]) -> None:
    """Say no while there is still a status to say it with."""
    if asked.form.call_sid is not None:
        call = await api.store.call(asked.account_sid, CallSid(asked.form.call_sid))
        if call is None:
            raise Refused(errors.NOT_FOUND)


async def export(api: Api, asked: Asked[ExportForm]) -> AsyncIterator[MessageRecord]:
    leg = None if asked.form.call_sid is None else CallSid(asked.form.call_sid)
    since = None if asked.form.since is None else asked.form.since.at
    async for told in api.history.export(asked.account_sid, leg, since=since):
        yield message_record(told.entry, told.progress, told.stored_at)


_CALL: Final = f"{ACCOUNT}/Calls/{{CallSid}}"
_ACCOUNT: Final = f"{EXTENSION_BASE}/{{AccountSid}}"

ENDPOINTS: Final[tuple[AnyEndpoint, ...]] = (
    Endpoint(
        method="GET",
        path=f"{_CALL}/UserDefinedMessages",
        name="ListUserDefinedMessage",
        summary="Messages of a leg in both directions with what became of them, newest first.",
        handler=list_messages,
        form=MessageListForm,
        answer=MessagePage,
        extension=True,
    ),
    Endpoint(
        method="GET",
        path=f"{_CALL}/UserDefinedMessages/{{Sid}}",
        name="FetchUserDefinedMessage",
        summary="One message with its state and times.",
        handler=fetch_message,
        form=Nothing,
        answer=MessageRecord,
        sid_prefix="KX",
        extension=True,
    ),
    Endpoint(
        method="GET",
        path=f"{_CALL}/Deliveries",
        name="ListDelivery",
        summary="What was tried to bring each message of a leg's client to each callback; a page holds those of "
        "PageSize messages, newest first.",
        handler=list_deliveries,
        form=DeliveryListForm,
        answer=DeliveryPage,
        extension=True,
    ),
    Endpoint(
        method="GET",
        path=f"{_ACCOUNT}/Subscriptions",
        name="ListSubscription",
        summary="Subscriptions of the account or of one call with the state of their lanes, newest first.",
        handler=list_subscriptions,
        form=SubscriptionListForm,
        answer=SubscriptionPage,
        extension=True,
    ),
    Endpoint(
        method="GET",
        path=f"{_ACCOUNT}/Undelivered",
        name="ListUndelivered",
        summary="Messages and status callbacks that were given up, newest first.",
        handler=list_undelivered,
        form=UndeliveredListForm,
        answer=UndeliveredList,
        extension=True,
    ),
    Endpoint(
        method="GET",
        path=f"{_ACCOUNT}/Messages",
        name="ExportMessage",
        summary="Everything that was said on a call or on all calls, each call's messages in order.",
        handler=check_export,
        form=ExportForm,
        answer=MessageRecord,
        stream=export,
        extension=True,
    ),
)
