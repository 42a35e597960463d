"""Messages of a real client to endpoints that fail, want another encoding, or are away while the server dies."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from cables import Cable
from customers import Customer, Hook
from devices import open_call
from servers import Server

from midcall.sdk import Device

IDEMPOTENCY = "I-Twilio-Idempotency-Token"


@pytest_asyncio.fixture(loop_scope="session")
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    server = Server(tmp_path / "data", options=("--set", "media_engine=none"))
    await server.start()
    yield server
    assert await server.stop() == 0, "\n".join(server.log)


async def alerts_of(customer: Customer, leg: str) -> list[int]:
    made = customer.credentials
    url = f"{made.http_url}/midcall/v1/Accounts/{made.account_sid}/Alerts?CallSid={leg}"
    async with aiohttp.ClientSession() as session:
        basic = aiohttp.encode_basic_auth(made.account_sid, made.auth_token)
        async with session.get(url, headers={"Authorization": basic}) as answer:
            return [alert["code"] for alert in (await answer.json())["alerts"]]


def firsts(hooks: list[Hook]) -> list[str]:
    """Sids in the order of their first arrival."""
    return list(dict.fromkeys(hook["Sid"] for hook in hooks))


async def test_an_endpoint_that_fails_a_third_of_the_time_gets_everything_once_and_in_order(customer: Customer) -> None:
    arrivals = Counter[str]()

    def judge(hook: Hook) -> int:
        arrivals["all"] += 1
        return 500 if arrivals["all"] % 3 == 0 else 204

    customer.judge = judge
    async with open_call(customer) as call:
        await customer.subscribe(call.parameters["CallSid"])
        sids = [str(await_later) for await_later in [call.send_message({"n": n}) for n in range(10)]]
        await customer.asked("messages", Sid=sids[-1], timeout=40)

    hooks = [hook for hook in customer.hooks if hook.path == "messages"]
    assert firsts(hooks) == sids
    assert [hook["Sid"] for hook in hooks] == sorted((hook["Sid"] for hook in hooks), key=sids.index), (
        "a repeat overtook"
    )
    for sid in sids:
        assert len({hook.headers[IDEMPOTENCY] for hook in hooks if hook["Sid"] == sid}) == 1
    assert any(count > 1 for count in Counter(hook["Sid"] for hook in hooks).values())


async def test_an_endpoint_that_is_down_while_the_server_is_killed_gets_everything_afterwards(
    customer: Customer, server: Server
) -> None:
    async with open_call(customer) as call:
        leg = call.parameters["CallSid"]
        await customer.subscribe(leg)
        await customer.shut()
        sent = [call.send_message({"n": n}) for n in range(5)]
        for message in sent:
            await message  # acknowledged: from here on it is promised
        await server.kill()
    await server.start()
    await customer.open()

    hooks = await customer.asked("messages", CallSid=leg, count=5, timeout=40)
    assert [hook["Sid"] for hook in hooks] == [str(message) for message in sent]
    assert [hook["SequenceNumber"] for hook in hooks] == ["1", "2", "3", "4", "5"]
    assert await customer.status_of(leg) == "completed"


async def test_a_call_whose_server_was_killed_is_over_for_everybody(customer: Customer, server: Server) -> None:
    """Promise C5: statuses, callbacks, undelivered messages, and clients that come back."""
    ca_file = customer.credentials.ca_file
    async with (
        Cable(server.ports[0]) as cable,
        Device(customer.token("alice"), host=f"localhost:{cable.port}", ca_file=ca_file, media="none") as alice,
        Device(customer.token("bob"), host=f"localhost:{cable.port}", ca_file=ca_file, media="none") as bob,
    ):
        await bob.register()
        rings = bob.wait_for("incoming", timeout=10)
        call = await alice.connect(params={"To": "bob"})
        accepted, waits = call.wait_for("accept", timeout=10), call.wait_for("reconnecting", timeout=10)
        rung = await rings
        rung.accept()
        await accepted
        for each in (alice, bob):
            each.on("error", lambda error: None)
        parent, child = call.parameters["CallSid"], rung.parameters["CallSid"]

        cable.cut()
        await waits
        await customer.send(parent, {"nobody": "hears this"})
        await server.kill()
        refused = [each.wait_for("error", timeout=40) for each in (call, rung)]
        ended = [each.wait_for("disconnect", timeout=40) for each in (call, rung)]
        await server.start()
        assert [await customer.status_of(sid) for sid in (parent, child)] == ["completed", "completed"]
        assert await alerts_of(customer, parent) == [32700]
        await customer.asked("status", CallSid=child, CallStatus="completed")

        cable.mend()
        assert [(await error).code for error in refused] == [31209, 31209]
        for end in ended:
            await end


async def test_an_endpoint_that_takes_forms_only_is_sent_forms(customer: Customer) -> None:
    bodies: list[str] = []

    def judge(hook: Hook) -> int:
        bodies.append(hook.encoding)
        return 204 if hook.encoding == "form" else 415

    customer.judge = judge
    async with open_call(customer) as call:
        await customer.subscribe(call.parameters["CallSid"])
        first, second = call.send_message({"n": 1}), call.send_message({"n": 2})
        await customer.asked("messages", Sid=str(second))
    assert bodies == ["json", "form", "form"]
    hooks = [hook for hook in customer.hooks if hook.path == "messages"]
    assert [hook["Sid"] for hook in hooks] == [str(first), str(first), str(second)]
    assert hooks[0].headers[IDEMPOTENCY] == hooks[1].headers[IDEMPOTENCY]


async def test_a_callback_by_get_carries_everything_in_its_query(customer: Customer) -> None:
    async with open_call(customer) as call:
        await customer.subscribe(call.parameters["CallSid"], "messages?tenant=a%20b", "GET")
        sid = call.send_message({"text": "a + b & ä 😀"})
        (hook,) = await customer.asked("messages", Sid=str(sid))
    assert hook.encoding == "query"
    assert hook["Content"] == '{"text":"a + b & ä 😀"}'
    assert hook["tenant"] == "a b"


async def test_a_subscription_that_is_deleted_hears_no_more(customer: Customer) -> None:
    async with open_call(customer) as call:
        leg = call.parameters["CallSid"]
        ended = await customer.subscribe(leg, "messages/ended")
        await customer.subscribe(leg, "messages/kept")
        await customer.rest(lambda client: client.calls(leg).user_defined_message_subscriptions(ended).delete())
        sid = call.send_message(1)
        await customer.asked("messages/kept", Sid=str(sid))
        with pytest.raises(AssertionError):
            await customer.asked("messages/ended", timeout=0.3)
