"""The event gateway over HTTP: whose posts are taken, what they leave, and what is refused."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from midcall.browser.gateway import EventGateway
from midcall.core import tokens
from midcall.core.calls import Direction
from midcall.core.feedback import Feedback
from midcall.core.insights import InsightFilter
from midcall.core.sids import CallSid
from midcall.ports import PageRequest
from midcall.switch.insights import POSTS_PER_SECOND
from support.rest import ACCOUNT, CALL, MAIN_KEY, NOW, SECRET, UNKNOWN_CALL, Edge, a_call

EVENTS, METRICS = "/v4/EndpointEvents", "/v4/EndpointMetrics"
ORIGIN = "https://app.example"


def token(identity: str | None = "alice", **changes: Any) -> str:
    claims: dict[str, Any] = {
        "key_sid": MAIN_KEY,
        "secret": SECRET,
        "account_sid": ACCOUNT,
        "now": NOW,
        "token_id": "t",
        "identity": identity,
    }
    return tokens.mint(**{**claims, **changes})


def event(payload: dict[str, Any], group: str = "connection", name: str = "muted") -> dict[str, Any]:
    return {
        "publisher": "twilio-js-sdk",
        "group": group,
        "name": name,
        "level": "INFO",
        "timestamp": "2020-12-02T20:02:01.500Z",
        "payload_type": "application/json",
        "private": False,
        "payload": payload,
    }


ABOUT_CALL = event({"call_sid": CALL})
GIVEN = event({"call_sid": CALL, "quality_score": 2, "issue_name": "echo"}, "feedback", "received")


class Gateway:
    """The REST edge of `support.rest` with the event gateway beside it."""

    def __init__(self) -> None:
        self.edge = Edge()
        EventGateway(self.edge.insights, self.edge.metrics).add_routes(self.edge.app.router)

    async def post(self, body: object, path: str = EVENTS, *, shown: str | None = None, **headers: str) -> Any:
        """The status, and the code when it is an error."""
        sent = {"Origin": ORIGIN, "X-Twilio-Token": token() if shown is None else shown, **headers}
        sent.setdefault("Content-Type", "application/json")
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        async with self.edge.client.post(path, data=data, headers=sent) as answer:
            assert answer.headers["Access-Control-Allow-Origin"] == "*"
            return (answer.status, (await answer.json())["code"]) if answer.status >= 400 else answer.status

    async def names(self) -> list[str]:
        page = await self.edge.insight_log.insights(ACCOUNT, CALL, InsightFilter(), PageRequest())
        return [insight.name for insight in page.rows]

    async def feedback(self) -> Feedback | None:
        return await self.edge.store.feedback(ACCOUNT, CALL)


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    made = Gateway()
    await made.edge.start()
    yield made
    await made.edge.stop()


async def test_a_page_elsewhere_may_post_with_its_token(gateway: Gateway) -> None:
    asked = {
        "Origin": ORIGIN,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type,x-twilio-token",
    }
    async with gateway.edge.client.options(EVENTS, headers=asked) as answer:
        assert answer.status == 204
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert answer.headers["Access-Control-Allow-Headers"] == "Content-Type, X-Twilio-Token"
    assert await gateway.post(ABOUT_CALL, **{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"}) == 202
    assert await gateway.names() == ["muted"]


async def test_posts_are_counted_by_their_answer(gateway: Gateway) -> None:
    await gateway.post(ABOUT_CALL)
    await gateway.post(b"{")
    await gateway.post(GIVEN)
    shown = gateway.edge.metrics.text()
    assert 'midcall_event_gateway_posts_total{status="202"} 2' in shown
    assert 'midcall_event_gateway_posts_total{status="400"} 1' in shown


async def test_samples_of_one_post_are_kept_one_by_one(gateway: Gateway) -> None:
    samples = [{"call_sid": CALL, "timestamp": "2020-12-02T20:02:01Z", "mos": 4.4}] * 10
    body = {**event({}, "quality-metrics-samples", "metrics-sample"), "payload": samples}
    assert await gateway.post(body, METRICS) == 202
    assert await gateway.names() == ["metrics-sample"] * 10


async def test_an_event_from_before_the_call_had_a_sid_is_listed_with_it_later(gateway: Gateway) -> None:
    await gateway.post(event({"temp_call_sid": "TJS1"}, name="outgoing"))
    assert await gateway.names() == []
    await gateway.post(event({"temp_call_sid": "TJS1", "call_sid": CALL}, name="accepted-by-remote"))
    assert await gateway.names() == ["accepted-by-remote", "outgoing"]


async def test_feedback_becomes_the_calls_feedback_and_later_feedback_replaces_it(gateway: Gateway) -> None:
    assert await gateway.post(GIVEN) == 202
    first = await gateway.feedback()
    assert first is not None
    assert (first.score, first.issues) == (2, ("echo",))
    gateway.edge.clock.advance(60)
    await gateway.post(event({"call_sid": CALL, "quality_score": 5}, "feedback", "received"))
    second = await gateway.feedback()
    assert second is not None
    assert (second.score, second.issues, second.created_at) == (5, (), first.created_at)
    assert second.updated_at == first.updated_at + 60


async def test_declined_feedback_leaves_an_event_and_no_feedback(gateway: Gateway) -> None:
    await gateway.post(event({"call_sid": CALL}, "feedback", "received-none"))
    assert await gateway.names() == ["received-none"]
    assert await gateway.feedback() is None


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        ("", (401, 20003)),
        ("nonsense", (401, 20101)),
        (token(secret="9" * 32), (401, 20107)),
        (token(key_sid="SK" + "9" * 32), (401, 20101)),
        (token(ttl_s=90_000), (401, 20106)),
        (token(identity="bob"), (404, 20404)),
        (token(identity=None), (404, 20404)),
    ],
)
async def test_only_the_calls_own_client_is_heard(gateway: Gateway, shown: str, expected: tuple[int, int]) -> None:
    assert await gateway.post(GIVEN, shown=shown) == expected
    assert await gateway.names() == []
    assert await gateway.feedback() is None


async def test_a_leg_that_was_dialled_is_its_callees(gateway: Gateway) -> None:
    await gateway.edge.calls.put(a_call(direction=Direction.OUTBOUND_DIAL, to="client:bob"))
    assert await gateway.post(GIVEN, shown=token("alice")) == (404, 20404)
    assert await gateway.post(GIVEN, shown=token("bob")) == 202


async def test_an_unknown_call_is_not_found(gateway: Gateway) -> None:
    assert await gateway.post(event({"call_sid": UNKNOWN_CALL})) == (404, 20404)


async def test_a_call_may_be_judged_after_its_token_has_run_out_and_later_calls_may_not(gateway: Gateway) -> None:
    await gateway.edge.calls.put(a_call(created_at=NOW + 59))
    gateway.edge.clock.advance(100)
    assert await gateway.post(GIVEN, shown=token(ttl_s=60)) == 202
    assert await gateway.post(event({"temp_call_sid": "TJS1"}), shown=token(ttl_s=60)) == (401, 20104)
    await gateway.edge.calls.put(a_call(created_at=NOW + 61))
    assert await gateway.post(GIVEN, shown=token(ttl_s=60)) == (401, 20104)


async def test_a_key_that_was_deleted_says_nothing_any_more(gateway: Gateway) -> None:
    await gateway.edge.store.delete_key(ACCOUNT, MAIN_KEY)
    assert await gateway.post(ABOUT_CALL) == (401, 20101)


@pytest.mark.parametrize("about", [{"call_sid": CALL}, {"temp_call_sid": "TJS1"}])
async def test_too_many_posts_about_a_call_are_refused_for_a_while_and_others_are_not(
    gateway: Gateway, about: dict[str, str]
) -> None:
    other = CallSid("CA" + "d" * 32)
    await gateway.edge.calls.put(a_call(other))
    for _ in range(int(POSTS_PER_SECOND)):
        assert await gateway.post(event(about)) == 202
    assert await gateway.post(event(about)) == (429, 20429)
    assert await gateway.post(event({"call_sid": other})) == 202
    gateway.edge.clock.advance(1)
    assert await gateway.post(event(about)) == 202


@pytest.mark.parametrize(
    ("body", "headers", "expected"),
    [
        (b"{", {}, (400, 20001)),
        (b"{}", {"Content-Type": "text/plain"}, (400, 20001)),
        (b" " * 200_000, {}, (413, 20413)),
        ({**ABOUT_CALL, "payload": {"x": "y" * 20_000}}, {}, (413, 20413)),
    ],
)
async def test_bad_posts_are_refused_in_the_common_form(
    gateway: Gateway, body: object, headers: dict[str, str], expected: tuple[int, int]
) -> None:
    assert await gateway.post(body, **headers) == expected
    assert await gateway.names() == []


async def test_a_body_without_a_length_is_bounded_too(gateway: Gateway) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(200):
            yield b" " * 1_000

    headers = {"X-Twilio-Token": token(), "Content-Type": "application/json"}
    async with gateway.edge.client.post(EVENTS, data=endless(), headers=headers) as answer:
        assert answer.status == 413


async def test_secrets_in_a_payload_are_not_kept(gateway: Gateway) -> None:
    stolen = token()
    await gateway.post(event({"call_sid": CALL, "message": f"failed with {stolen}", "password": "hunter2"}))
    (row,) = (await gateway.edge.insight_log.insights(ACCOUNT, CALL, InsightFilter(), PageRequest())).rows
    assert stolen not in row.payload.decode()
    assert "hunter2" not in row.payload.decode()
    assert json.loads(row.payload)["call_sid"] == CALL


async def test_a_full_disk_refuses_feedback_and_says_so(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    from midcall.core import errors
    from midcall.core.errors import Refused

    async def full(_: object) -> Feedback:
        raise Refused(errors.STORE_UNAVAILABLE)

    monkeypatch.setattr(gateway.edge.store, "put_feedback", full)
    assert await gateway.post(GIVEN) == (503, 20503)
    assert await gateway.names() == []


async def test_other_methods_have_the_apis_answer(gateway: Gateway) -> None:
    async with gateway.edge.client.get(EVENTS) as answer:
        assert answer.status == 405
        assert isinstance(await answer.json(), dict)
        assert web.HTTPMethodNotAllowed.status_code == answer.status
