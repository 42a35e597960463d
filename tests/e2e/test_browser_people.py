"""A page with the official SDK and a virtual person in one call; what is done to the page's network."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
from customers import Customer
from pairs import AUDIBLE, name
from phones import Phone


async def control(customer: Customer, method: str, path: str, body: Any = None) -> Any:
    """Ask the control API."""
    made = customer.credentials
    headers = {"Authorization": aiohttp.encode_basic_auth(made.account_sid, made.auth_token)}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.request(method, f"{made.http_url}/control/v1{path}", json=body or {}) as response,
    ):
        assert response.status < 300, await response.text()
        return None if response.status == 204 else await response.json()


async def test_a_page_talks_with_a_virtual_person_and_loses_its_network(
    customer: Customer, open_phone: Callable[..., Awaitable[Phone]]
) -> None:
    bob = name("bob")
    await control(customer, "POST", "/people", {"name": bob})
    alice = await open_phone(name("alice"))
    token = (await control(customer, "POST", "/tokens", {"identity": alice.name}))["token"]
    await alice.start(token, customer.credentials.signaling_host, maxCallSignalingTimeoutMs=30_000)
    placed = await alice.connect(To=bob)
    came = f"/people/{bob}/calls/{(await control(customer, 'POST', f'/people/{bob}/incoming'))['id']}"
    await control(customer, "POST", f"{came}/accept")
    await placed.wait_for("accept")

    await control(customer, "POST", f"{came}/expect_sound", {"level_above_dbfs": -50})  # the fake microphone's beeps
    await control(customer, "POST", f"{came}/speak", {"tone_hz": 600})
    heard = await placed.hear(1.5)
    assert heard.energy > AUDIBLE and abs(heard.hz - 600) < 30, heard
    await placed.send_digits("7#")
    await control(customer, "POST", f"{came}/expect_digits", {"digits": "7#"})

    client = f"/clients/{alice.name}"
    assert (await control(customer, "PUT", f"{client}/network", {"state": "cut"}))["lost"] == 1
    await placed.wait_for("reconnecting")
    sid = (await placed.properties())["parameters"]["CallSid"]
    sent = [await customer.send(sid, {"n": n}) for n in (1, 2)]
    await control(
        customer, "PUT", f"{client}/faults", [{"direction": "to_client", "type": "message", "fault": "double"}]
    )
    await control(customer, "PUT", f"{client}/network", {"state": "restored"})
    await placed.wait_for("reconnected", timeout=30)
    await placed.wait_for("messageReceived", count=3)
    assert [message["voiceEventSid"] for message in await placed.messages()] == [sent[0], *sent]

    await control(customer, "POST", f"{came}/hang_up")
    await placed.wait_for("disconnect")
    await control(customer, "DELETE", f"/people/{bob}")
