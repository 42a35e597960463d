"""Two tenants on one server: neither reaches, changes or sees anything of the other, on any endpoint."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest

from midcall.core.calls import CallFilter
from midcall.core.insights import Insight, Kind
from midcall.core.sids import ApplicationSid, CallSid, InsightSid, KeySid, PhoneNumberSid, SummarySid
from midcall.ports import PageRequest, Store
from midcall.rest.catalog import ENDPOINTS
from midcall.rest.endpoint import AnyEndpoint
from support.furniture import PREFIXES as STORED
from support.furniture import furnish
from support.rest import ACCOUNT, CALL, NOW, OTHER, Edge, a_call

THEIRS = "7" * 32
SIDS = {"CallSid": f"CA{THEIRS}"} | {prefix: f"{prefix}{THEIRS}" for prefix in (*STORED, "EV")}
FORM = {
    "Content": "1",
    "Callback": "https://thief.example/",
    "Status": "completed",
    "FriendlyName": "mine now",
    "QualityScore": "1",
}

INSTANCES = [each for each in ENDPOINTS if {"CallSid", "Sid"} & set(each.path_names) and each.sid_prefix != "AC"]
OF_AN_ACCOUNT = [each for each in ENDPOINTS if "AccountSid" in each.path_names or each.sid_prefix == "AC"]
LISTS = [each for each in ENDPOINTS if each.name.startswith("List") and each.name != "ListCallEvent"]  # no sids in it


PREFIXES = {
    "ListAccount": "AC",
    "ListCall": "CA",
    "ListApplication": "AP",
    "ListKey": "SK",
    "ListSigningKey": "SK",
    "ListAlert": "NO",
    "ListNotification": "NO",
    "ListCallNotification": "NO",
    "ListIncomingPhoneNumber": "PN",
    "ListUserDefinedMessage": "KX",
    "ListDelivery": "KX",
    "ListUndelivered": "KX",
    "ListSubscription": "ZY",
    "ListReplay": "RP",
    "ListCallInsight": "EV",
}
"""Of the sids in each list."""


def named(endpoint: AnyEndpoint) -> str:
    return endpoint.name


def path(endpoint: AnyEndpoint, account: str) -> str:
    sid = account if endpoint.sid_prefix == "AC" else SIDS.get(endpoint.sid_prefix, "")
    return endpoint.path.format(AccountSid=account, CallSid=SIDS["CallSid"], Sid=sid)


def an_insight(call: CallSid) -> Insight:
    return Insight(
        sid=InsightSid(SIDS["EV"]),
        account_sid=OTHER,
        call_sid=call,
        temporary_sid=None,
        kind=Kind.EVENT,
        group="connection",
        name="muted",
        level="info",
        at=NOW,
        received_at=NOW,
        payload=b"{}",
    )


@pytest.fixture
async def shared(edge: Edge) -> AsyncIterator[Edge]:
    """The edge, and on it a tenant who has one of everything, and has it still when the test is over."""
    call = CallSid(SIDS["CallSid"])
    await edge.calls.put(a_call(call, account_sid=OTHER))
    await furnish(edge.store, OTHER, SIDS)
    edge.insight_log.record([an_insight(call)])
    before = await furniture(edge.store)
    yield edge
    assert await furniture(edge.store) == before
    assert None not in before


async def furniture(store: Store) -> list[object]:
    """What the other tenant has."""
    call = CallSid(SIDS["CallSid"])
    return [
        await store.call(OTHER, call),
        await store.application(OTHER, ApplicationSid(SIDS["AP"])),
        await store.key(KeySid(SIDS["SK"])),
        await store.phone_number(OTHER, PhoneNumberSid(SIDS["PN"])),
        await store.feedback(OTHER, call),
        await store.feedback_summary(OTHER, SummarySid(SIDS["FS"])),
        await store.alert(OTHER, SIDS["NO"]),
        list(await store.subscriptions(OTHER, call)),
        await store.lane(OTHER, SIDS["RP"]),
        (await store.calls(OTHER, CallFilter(), PageRequest())).rows,
    ]


@pytest.mark.parametrize("endpoint", INSTANCES, ids=named)
async def test_what_another_tenant_has_does_not_exist_in_ones_own_account(shared: Edge, endpoint: AnyEndpoint) -> None:
    form = FORM if endpoint.method == "POST" else None
    assert (await shared.ask(endpoint.method, path(endpoint, ACCOUNT), form)).refused == (404, 20404)


@pytest.mark.parametrize("endpoint", OF_AN_ACCOUNT, ids=named)
async def test_another_tenants_account_is_closed(shared: Edge, endpoint: AnyEndpoint) -> None:
    form = FORM if endpoint.method == "POST" else None
    assert (await shared.ask(endpoint.method, path(endpoint, OTHER), form)).refused == (401, 20003)


@pytest.mark.parametrize("endpoint", LISTS, ids=named)
async def test_lists_show_and_page_over_ones_own_rows_only(shared: Edge, endpoint: AnyEndpoint) -> None:
    prefix = PREFIXES[endpoint.name]
    foreign = OTHER if prefix == "AC" else f"{prefix}{THEIRS}"
    for query in ("", f"?PageToken=PA{foreign}", f"?PageToken=PB{foreign}"):
        # Lists of one call are asked about a call of one's own: about a foreign one they are 404 (above).
        answer = await shared.ask("GET", path(endpoint, ACCOUNT).replace(SIDS["CallSid"], CALL) + query)
        assert answer.status == 200
        rows = next(value for value in answer.body.values() if isinstance(value, list))
        assert foreign not in [row.get("sid") or row["message_sid"] for row in rows]
        assert not (query and rows)
    by_call = await shared.ask("GET", f"/midcall/v1/Accounts/{ACCOUNT}/Alerts?CallSid={SIDS['CallSid']}")
    assert by_call.body["alerts"] == []


def test_every_endpoint_with_a_sid_in_its_path_is_tried() -> None:
    assert {name for each in ENDPOINTS for name in re.findall(r"{(\w+)}", each.path)} == {
        "AccountSid",
        "CallSid",
        "Sid",
    }
    assert {each.sid_prefix for each in INSTANCES} <= {"", *SIDS}
