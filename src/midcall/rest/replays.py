"""Replays: ask for messages to be sent to callbacks once more, and see how that goes. An extension."""

from __future__ import annotations

from typing import Final

from midcall.core.sids import CallSid, SubscriptionSid
from midcall.rest.endpoint import AnyEndpoint, Api, Asked, Endpoint, page_request, paging
from midcall.switch.replays import Wanted
from midcall.wire.parameters import Nothing
from midcall.wire.records import ReplayPage, ReplayRecord, StartedReplays, replay_record
from midcall.wire.requests import ReplayForm, ReplayListForm
from midcall.wire.resources import EXTENSION_BASE


async def create(api: Api, asked: Asked[ReplayForm]) -> StartedReplays:
    form = asked.form
    wanted = Wanted(
        account_sid=asked.account_sid,
        leg=None if form.call_sid is None else CallSid(form.call_sid),
        message=form.message_sid,
        first=form.first_sequence_number,
        last=form.last_sequence_number,
        undelivered=form.undelivered,
        since=None if form.since is None else form.since.at,
        subscription=None if form.subscription_sid is None else SubscriptionSid(form.subscription_sid),
        url=form.url,
        method=form.method,
    )
    return StartedReplays(replays=[replay_record(lane) for lane in await api.replays.start(wanted)])


async def fetch(api: Api, asked: Asked[Nothing]) -> ReplayRecord:
    return replay_record(await api.replays.fetch(asked.account_sid, asked.sid))


async def list_(api: Api, asked: Asked[ReplayListForm]) -> ReplayPage:
    leg = None if asked.form.call_sid is None else CallSid(asked.form.call_sid)
    result = await api.replays.list(asked.account_sid, leg, page_request(asked, "RP"))
    return ReplayPage(**paging(asked, result), replays=[replay_record(lane) for lane in result.rows])


async def delete(api: Api, asked: Asked[Nothing]) -> None:
    await api.replays.stop(asked.account_sid, asked.sid)


_REPLAYS: Final = f"{EXTENSION_BASE}/{{AccountSid}}/Replays"

ENDPOINTS: Final[tuple[AnyEndpoint, ...]] = (
    Endpoint(
        method="POST",
        path=_REPLAYS,
        name="CreateReplay",
        summary="Send messages of clients to their callbacks, or to another address, once more: one, a range of "
        "sequence numbers, a whole call, or what was given up.",
        handler=create,
        form=ReplayForm,
        answer=StartedReplays,
        status=201,
        extension=True,
    ),
    Endpoint(
        method="GET",
        path=_REPLAYS,
        name="ListReplay",
        summary="Replays of the account or of one call, newest first.",
        handler=list_,
        form=ReplayListForm,
        answer=ReplayPage,
        extension=True,
    ),
    Endpoint(
        method="GET",
        path=f"{_REPLAYS}/{{Sid}}",
        name="FetchReplay",
        summary="One replay and how far it is.",
        handler=fetch,
        form=Nothing,
        answer=ReplayRecord,
        sid_prefix="RP",
        extension=True,
    ),
    Endpoint(
        method="DELETE",
        path=f"{_REPLAYS}/{{Sid}}",
        name="DeleteReplay",
        summary="Stop a replay that runs; what it has sent stays sent.",
        handler=delete,
        form=Nothing,
        answer=None,
        status=204,
        sid_prefix="RP",
        extension=True,
    ),
)
