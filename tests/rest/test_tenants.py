"""Two tenants on one server: neither reaches, changes or sees anything of the other, on any endpoint."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from midcall.core.accounts import ApiKey, Application
from midcall.core.alerts import Alert, Level
from midcall.core.insights import Insight, Kind
from midcall.core.lanes import LaneState, Replay
from midcall.core.messages import Draft, Limits, Log, Subscription
from midcall.core.numbers import PhoneNumber
from midcall.core.sids import (
    AlertSid,
    ApplicationSid,
    CallSid,
    InsightSid,
    KeySid,
    MessageSid,
    PhoneNumberSid,
    ReplaySid,
    SubscriptionSid,
    SummarySid,
)
from midcall.rest.catalog import ENDPOINTS
from midcall.rest.endpoint import AnyEndpoint
from midcall.switch.feedback import Period
from support.rest import ACCOUNT, CALL, NOW, OTHER, Edge, a_call

THEIRS = "7" * 32
PREFIXES_OF_SIDS = ("CA", "AP", "SK", "ZY", "KX", "RP", "NO", "PN", "FS", "EV")
SIDS = {"CallSid": f"CA{THEIRS}"} | {prefix: f"{prefix}{THEIRS}" for prefix in PREFIXES_OF_SIDS}
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
    """The edge, and on it a tenant who has one of everything."""
    store, call = edge.store, CallSid(SIDS["CallSid"])
    await edge.calls.put(a_call(call, account_sid=OTHER))
    await store.put_key(
        ApiKey(
            sid=KeySid(SIDS["SK"]),
            account_sid=OTHER,
            friendly_name="theirs",
            secret="s",
            is_main=False,
            created_at=NOW,
            updated_at=NOW,
        )
    )
    await store.put_application(
        Application(
            sid=ApplicationSid(SIDS["AP"]), account_sid=OTHER, friendly_name="theirs", created_at=NOW, updated_at=NOW
        )
    )
    await store.put_phone_number(
        PhoneNumber(
            sid=PhoneNumberSid(SIDS["PN"]),
            account_sid=OTHER,
            number="+15005550123",
            friendly_name="theirs",
            created_at=NOW,
            updated_at=NOW,
        )
    )
    subscription = Subscription(
        sid=SubscriptionSid(SIDS["ZY"]),
        account_sid=OTHER,
        leg_sid=call,
        callback="https://theirs.example/",
        method="POST",
        created_at=NOW,
    )
    await store.add_subscription(subscription, Limits())
    draft = Draft(
        account_sid=OTHER,
        leg_sid=call,
        log=Log.FROM_CLIENT,
        sid=MessageSid(SIDS["KX"]),
        content=b"1",
        content_type="application/json",
        at=NOW,
    )
    await store.append_message(draft, Limits())
    replay = Replay(
        sid=ReplaySid(SIDS["RP"]),
        account_sid=OTHER,
        leg_sid=call,
        origin=subscription.sid,
        url=subscription.callback,
        method="POST",
        numbers=(range(1, 2),),
        created_at=NOW,
    )
    await store.add_replays([replay])
    await store.add_alert(
        Alert(
            sid=AlertSid(f"NO{THEIRS}"),
            account_sid=OTHER,
            call_sid=call,
            code=32700,
            level=Level.WARNING,
            reason="theirs",
            at=NOW,
        )
    )
    summary = await edge.feedbacks.summarise(OTHER, Period(0, NOW), include_subaccounts=False, callback=None)
    await store.put_feedback_summary(replace(summary, sid=SummarySid(SIDS["FS"])))
    edge.insight_log.record([an_insight(call)])
    yield edge
    assert await store.feedback(OTHER, call) is None
    assert await store.feedback_summary(OTHER, SummarySid(SIDS["FS"])) is not None
    assert await store.call(OTHER, call) is not None
    assert await store.application(OTHER, ApplicationSid(SIDS["AP"])) is not None
    assert await store.key(KeySid(SIDS["SK"])) is not None
    assert await store.phone_number(OTHER, PhoneNumberSid(SIDS["PN"])) is not None
    assert list(await store.subscriptions(OTHER, call)) == [subscription]
    lane = await store.lane(OTHER, replay.sid)
    assert lane is not None and lane.state is LaneState.OPEN


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
