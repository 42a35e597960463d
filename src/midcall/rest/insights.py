"""What clients told about a call: an extension."""

from __future__ import annotations

from typing import Final

from midcall.core.insights import InsightFilter, Kind
from midcall.rest.endpoint import ACCOUNT, AnyEndpoint, Api, Asked, Endpoint, page_request, paging
from midcall.wire.feedback import InsightPage, insight_record
from midcall.wire.requests import InsightListForm


async def list_(api: Api, asked: Asked[InsightListForm]) -> InsightPage:
    form = asked.form
    where = InsightFilter(
        kind=None if form.kind is None else Kind(form.kind),
        group=form.group,
        level=form.level,
    )
    result = await api.insights.listed(asked.account_sid, asked.call_sid, where, page_request(asked, "EV"))
    return InsightPage(**paging(asked, result), insights=[insight_record(row) for row in result.rows])


ENDPOINTS: Final[tuple[AnyEndpoint, ...]] = (
    Endpoint(
        method="GET",
        path=f"{ACCOUNT}/Calls/{{CallSid}}/Insights",
        name="ListCallInsight",
        summary="Events and quality samples that a leg's client posted to the event gateway, newest first.",
        handler=list_,
        form=InsightListForm,
        answer=InsightPage,
        extension=True,
    ),
)
