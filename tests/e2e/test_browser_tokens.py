"""The life of an access token, as the browser SDK lives it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import jwt
import pytest
from customers import Customer
from pairs import AUDIBLE, Pair, name
from phones import Phone, PhoneError

OpenPhone = Callable[..., Awaitable[Phone]]
PRECISE = {"enableImprovedSignalingErrorPrecision": True}


async def started(customer: Customer, open_phone: OpenPhone, who: str, **options: object) -> Phone:
    """A phone with a device that is not registered."""
    phone = await open_phone(name(who))
    token = options.pop("token", None) or customer.token(phone.name)
    await phone.start(str(token), customer.credentials.signaling_host, **options)
    return phone


def end_of(token: str) -> float:
    """Epoch seconds when a token expires."""
    return float(jwt.decode(token, options={"verify_signature": False})["exp"])


async def expired(token: str) -> None:
    """Wait for the end of a token: the test is about real time."""
    await asyncio.sleep(max(0.0, end_of(token) - time.time()) + 0.05)


@pytest.mark.parametrize(
    ("token", "code"), [("invalid-token", 20101), ("a.b.c", 20101), ("expired", 20104)], ids=["text", "dots", "expired"]
)
async def test_a_bad_token_is_refused_with_its_code_and_the_sdk_does_not_come_back(
    customer: Customer, open_phone: OpenPhone, token: str, code: int
) -> None:
    token = customer.token("late", ttl=-1) if token == "expired" else token
    phone = await started(customer, open_phone, "odd", token=token)
    with pytest.raises(PhoneError):
        await phone.register()
    assert (await phone.wait_for("error")).data["code"] == code
    assert (await phone.device())["state"] == "unregistered"
    assert phone.got("close")
    assert await phone.open_sockets() == 0
    assert len(phone.sent("listen")) == 1


@pytest.mark.parametrize("flag", [True, False], ids=["precise", "not precise"])
async def test_a_forged_signature_is_refused(customer: Customer, open_phone: OpenPhone, flag: bool) -> None:
    head, claims, _ = customer.token("mallory").split(".")
    phone = await started(
        customer,
        open_phone,
        "mallory",
        token=f"{head}.{claims}.{'A' * 43}",
        enableImprovedSignalingErrorPrecision=flag,
    )
    with pytest.raises(PhoneError):
        await phone.register()
    assert (await phone.wait_for("error")).data["code"] == (31202 if flag else 53000)


@pytest.mark.parametrize("ttl", [5, 10])
async def test_the_ttl_is_exact_to_the_second_and_its_end_is_announced(
    customer: Customer, open_phone: OpenPhone, ttl: int
) -> None:
    phone = await open_phone(name("brief"))
    token = customer.token(phone.name, ttl=ttl)
    # Registered at once, warned a second after: the SDK's timer is ttl - tokenRefreshMs.
    await phone.start(token, customer.credentials.signaling_host, tokenRefreshMs=(ttl - 1) * 1000)
    await phone.register()
    (connected,) = [frame for frame in phone.frames if frame.type == "connected"]
    assert abs(connected.payload["token"]["ttl"] - (end_of(token) - connected.at)) <= 1
    assert connected.payload["token"]["identity"] == phone.name
    await phone.wait_for("tokenWillExpire")
    assert (await phone.device())["state"] == "registered"


async def test_an_updated_token_is_listened_to_and_the_device_stays_registered(
    customer: Customer, open_phone: OpenPhone
) -> None:
    bob = await started(customer, open_phone, "bob", token=customer.token("bob-updated", ttl=60))
    await bob.register()
    await bob.update_token(customer.token("bob-updated", ttl=300))
    alice = await started(customer, open_phone, "alice")
    await alice.connect(To="bob-updated")
    await (await bob.incoming()).accept()
    assert [connected["token"]["ttl"] > 60 for connected in bob.got("connected")] == [False, True]
    assert (await bob.device())["state"] == "registered"
    assert not [event for event in await bob.timeline() if event.name in ("unregistered", "error")]
    assert await bob.open_sockets() == 1


async def test_a_call_outlives_its_token_and_the_next_one_needs_a_new_token(
    customer: Customer, open_phone: OpenPhone
) -> None:
    alice, bob = await open_phone(name("alice")), await started(customer, open_phone, "bob")
    await bob.register()
    token = customer.token(alice.name, ttl=3)
    await alice.start(token, customer.credentials.signaling_host, tokenRefreshMs=0, **PRECISE)
    call = await alice.connect(To=bob.name)
    answered = await bob.incoming()
    await answered.accept()
    await call.wait_for("accept")
    await alice.wait_for("tokenWillExpire")
    await expired(token)
    assert (await call.hear(1.5)).energy > AUDIBLE
    await customer.subscribe((await call.properties())["parameters"]["CallSid"])
    await call.send_message({"after": "the end of the token"})
    await customer.asked("messages")
    await call.disconnect()
    await answered.wait_for("disconnect")

    refused = await alice.connect(To=bob.name)
    assert (await refused.wait_for("error")).data["code"] == 31205
    await refused.wait_for("disconnect")
    await alice.update_token(customer.token(alice.name))
    await alice.connect(To=bob.name)
    await bob.incoming(count=2)


async def test_registering_with_a_token_that_expired_meanwhile_is_refused_until_a_new_one_comes(
    customer: Customer, open_phone: OpenPhone
) -> None:
    phone = await open_phone(name("late"))
    token = customer.token(phone.name, ttl=2)
    await phone.start(token, customer.credentials.signaling_host)
    await phone.register()
    await expired(token)
    await phone.unregister()
    with pytest.raises(PhoneError):
        await phone.register()
    assert (await phone.wait_for("error")).data["code"] == 20104
    assert (await phone.device())["state"] == "unregistered"
    await phone.update_token(customer.token(phone.name))
    await phone.wait_for("registered", count=2)


async def test_without_an_identity_one_may_call_and_not_register(customer: Customer, open_phone: OpenPhone) -> None:
    bob = await started(customer, open_phone, "bob")
    await bob.register()
    caller = await started(customer, open_phone, "nobody", token=customer.token(None))
    call = await caller.connect(To=bob.name)
    incoming = await bob.incoming()
    assert (await incoming.properties())["parameters"]["From"] == "client:anonymous"
    await incoming.accept()
    await call.wait_for("accept")
    with pytest.raises(PhoneError):
        await caller.register()
    assert (await caller.wait_for("error")).data["code"] == 20151
    assert await call.status() == "open"


@pytest.mark.parametrize("flag", [True, False], ids=["precise", "not precise"])
async def test_a_token_without_the_outgoing_grant_places_no_calls(
    customer: Customer, open_phone: OpenPhone, flag: bool
) -> None:
    token = customer.token("listener", application=False)
    phone = await started(customer, open_phone, "listener", token=token, enableImprovedSignalingErrorPrecision=flag)
    await phone.register()
    call = await phone.connect(To="anybody")
    assert (await call.wait_for("error")).data["code"] == (31002 if flag else 31005)
    await call.wait_for("disconnect")


async def test_a_deleted_key_ends_registrations_and_leaves_calls(customer: Customer, open_phone: OpenPhone) -> None:
    key = await customer.rest(lambda client: client.new_keys.create(friendly_name="brief"))

    def keyed(identity: str) -> str:
        return customer.token(identity, key=(key.sid, key.secret))

    alice, bob, carol = [await open_phone(name(who)) for who in ("alice", "bob", "carol")]
    for phone in (alice, bob, carol):
        await phone.start(keyed(phone.name), customer.credentials.signaling_host, **PRECISE)
    await bob.register()
    await carol.register()
    call = await alice.connect(To=bob.name)
    await (await bob.incoming()).accept()
    await call.wait_for("accept")

    await customer.rest(lambda client: client.keys(key.sid).delete())
    error = (await carol.wait_for("error")).data
    assert error["code"] == 20101
    await carol.wait_for("unregistered")
    assert carol.got("close")
    await bob.wait_for("unregistered")
    assert not bob.got("close")
    assert (await call.hear(1.0)).energy > AUDIBLE
    assert await call.status() == "open"
    await call.disconnect()
    refused = await alice.connect(To=carol.name)
    await refused.wait_for("error")
    await refused.wait_for("disconnect")


async def test_the_servers_words_reach_the_page(customer: Customer, open_phone: OpenPhone) -> None:
    phone = await started(customer, open_phone, "odd", token="invalid-token")
    with pytest.raises(PhoneError):
        await phone.register()
    cause = (await phone.wait_for("error")).data["cause"]
    assert cause["code"] == 31204
    assert "token" in cause["message"].lower()


async def test_both_ends_may_change_tokens_in_a_call(dial, customer: Customer) -> None:
    pair: Pair = await dial()
    for phone in (pair.alice, pair.bob):
        await phone.update_token(customer.token(phone.name))
    for phone, leg in ((pair.alice, pair.parent), (pair.bob, pair.child)):
        await customer.send(leg, {"after": "the update"})
        # The SDK resumes each call after each `connected`, although nothing was lost; for bob with an answer.
        resumed = await phone.until_sent("invite", having="reconnect")
        assert resumed["callsid"] == leg
    for call in (pair.placed, pair.answered):
        await call.wait_for("messageReceived")
        assert (await call.hear(1.0)).energy > AUDIBLE
        assert await call.status() == "open"
