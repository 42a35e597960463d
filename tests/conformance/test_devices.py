"""Registration, tokens, and what a device says about itself."""

from __future__ import annotations

import asyncio

import pytest

from conformance.driver import Kind, Thrown, names
from conformance.reasons import PRECISE
from conformance.rows import because, row
from conformance.stage import Stage
from conformance.test_calls import GENERAL, precise

REGISTERING = "Registration"


@row(REGISTERING, "`register` and `unregister` resolve when the server confirms; states and events in order")
async def test_registering_and_leaving(client: Kind, stage: Stage) -> None:
    me = await stage.device(client)
    assert (await me.facts()).state == "unregistered"
    await me.register()
    assert (await me.facts()).state == "registered"
    await me.unregister()
    assert (await me.facts()).state == "unregistered"
    await me.register()
    assert names(await me.events()) == ["registering", "registered", "unregistered", "registering", "registered"]


@row(REGISTERING, "who has left is rung no more, and rung again after the next `register`")
async def test_being_rung_only_when_registered(client: Kind, stage: Stage) -> None:
    me, them = await stage.device(client, register=True), await stage.device(Kind.NONE, "them")
    await me.unregister()
    unheard = await them.connect(params={"To": me.name})
    await unheard.wait_for("disconnect")
    await me.register()
    await them.connect(params={"To": me.name})
    await me.incoming()
    assert names(await me.events()).count("incoming") == 1


@row(REGISTERING, "`register` twice, and `unregister` without it, throw InvalidStateError that names the state")
async def test_registering_in_the_wrong_state(client: Kind, stage: Stage) -> None:
    me = await stage.device(client)
    with pytest.raises(Thrown, match="unregistered") as thrown:
        await me.unregister()
    assert thrown.value.name == "InvalidStateError"
    await me.register()
    with pytest.raises(Thrown, match="registered") as thrown:
        await me.register()
    assert thrown.value.name == "InvalidStateError"
    assert (await me.facts()).state == "registered"


@row(REGISTERING, "`destroy` emits `unregistered` and `destroyed`; afterwards everything throws InvalidStateError")
async def test_destroying(client: Kind, stage: Stage) -> None:
    me = await stage.device(client, register=True)
    await me.destroy()
    assert (await me.facts()).state == "destroyed"
    assert names(await me.events()) == ["registering", "registered", "unregistered", "destroyed"]
    token = stage.customer.token(me.name)
    for misuse in (me.register, me.unregister, me.connect, lambda: me.update_token(token)):
        with pytest.raises(Thrown) as thrown:
            await misuse()
        assert thrown.value.name == "InvalidStateError"
    await me.destroy()


@row(REGISTERING, "`destroy` without `register` before emits `destroyed`")
async def test_destroying_a_device_that_did_nothing(client: Kind, stage: Stage) -> None:
    me = await stage.device(client)
    await me.destroy()
    assert names(await me.events()) == ["destroyed"]


@row(REGISTERING, "`destroy` rejects pending calls and ends the one that is open")
async def test_destroying_with_calls(client: Kind, stage: Stage) -> None:
    talk = await stage.called(client, allow_incoming_while_busy=True)
    carol = await stage.device(Kind.NONE, "carol")
    placed = await carol.connect(params={"To": talk.me.name})
    second = await talk.me.incoming(count=2)
    await talk.me.destroy()
    await talk.theirs.wait_for("disconnect")
    await placed.wait_for("disconnect")
    assert names(await talk.mine.events()) == ["accept", "disconnect"]
    assert names(await second.events()) == ["reject"]


@row(REGISTERING, "`identity`, `edge`, `home` and `token` are told; no identity before the first connection")
async def test_what_a_device_says(client: Kind, stage: Stage) -> None:
    me = await stage.device(client, "who-with.a_dash")
    before = await me.facts()
    assert (before.identity, before.edge, before.home, before.calls, before.is_busy) == (None, None, None, (), False)
    await me.register()
    after = await me.facts()
    assert (after.identity, after.edge, after.home) == (me.name, "ashburn", "us1")
    assert after.token == before.token


@row(REGISTERING, "`isBusy` is true from `connect` to the end of a call that is placed")
async def test_is_busy(client: Kind, stage: Stage) -> None:
    talk = await stage.placed(client, answer=False)
    assert (await talk.me.facts()).is_busy is True
    await talk.mine.disconnect()
    await talk.mine.wait_for("disconnect")
    assert (await talk.me.facts()).is_busy is False


# ------ tokens

TOKENS = "Access tokens"


@row(TOKENS, "a token that is no text throws InvalidArgumentError, from the constructor and `updateToken`")
async def test_a_token_that_is_no_text(client: Kind, stage: Stage) -> None:
    for token in (7, {"a": 1}, ["x"]):
        with pytest.raises(Thrown) as thrown:
            await stage.device(client, token=token)
        assert thrown.value.name == "InvalidArgumentError"
    me = await stage.device(client)
    with pytest.raises(Thrown) as thrown:
        await me.update_token(7)
    assert thrown.value.name == "InvalidArgumentError"


@row(TOKENS, "a text that is no token: `error` 20101 on the device, `register` fails")
async def test_a_text_that_is_no_token(client: Kind, stage: Stage) -> None:
    me = await stage.device(client, token="invalid-token")
    with pytest.raises(Thrown):
        await me.register()
    error = (await me.wait_for("error")).arg
    assert (error["code"], error["name"]) == (20101, "AccessTokenInvalid")
    assert (await me.facts()).state == "unregistered"


@row(TOKENS, "a token that has expired: `error` 20104 on the device, `register` fails")
async def test_a_token_that_has_expired(client: Kind, stage: Stage) -> None:
    me = await stage.device(client, token=stage.customer.token("late", ttl=-10))
    with pytest.raises(Thrown):
        await me.register()
    error = (await me.wait_for("error")).arg
    assert (error["code"], error["name"]) == (20104, "AccessTokenExpired")


@row(TOKENS, "a wrong signature: `error` 31202 when precise codes are on")
async def test_a_wrong_signature(client: Kind, stage: Stage) -> None:
    key = stage.customer.credentials.api_key_sid, "0" * 32
    me = await stage.device(client, token=stage.customer.token("mallory", key=key), **precise(client))
    with pytest.raises(Thrown):
        await me.register()
    error = (await me.wait_for("error")).arg
    assert (error["code"], error["name"]) == (31202, "AccessTokenSignatureValidationFailed")


@because(PRECISE)
async def signature_errors_are_precise(client: Kind, stage: Stage) -> None:
    key = stage.customer.credentials.api_key_sid, "0" * 32
    me = await stage.device(client, token=stage.customer.token("mallory", key=key))
    with pytest.raises(Thrown):
        await me.register()
    assert (await me.wait_for("error")).arg["code"] == 31202


@row(TOKENS, "by default a wrong signature is `error` 53000", python=signature_errors_are_precise)
async def test_a_wrong_signature_by_default(client: Kind, stage: Stage) -> None:
    key = stage.customer.credentials.api_key_sid, "0" * 32
    me = await stage.device(client, token=stage.customer.token("mallory", key=key))
    with pytest.raises(Thrown):
        await me.register()
    assert (await me.wait_for("error")).arg["code"] == 53000


@row(TOKENS, "with `enableImprovedSignalingErrorPrecision: false` it is 53000")
async def test_a_wrong_signature_in_general(client: Kind, stage: Stage) -> None:
    key = stage.customer.credentials.api_key_sid, "0" * 32
    me = await stage.device(client, token=stage.customer.token("mallory", key=key), **GENERAL)
    with pytest.raises(Thrown):
        await me.register()
    assert (await me.wait_for("error")).arg["code"] == 53000


@row(TOKENS, "`connect` with a refused token fails, and the device may be used again with a good one")
async def test_connecting_with_a_refused_token(client: Kind, stage: Stage) -> None:
    them = await stage.person()
    me = await stage.device(client, token="invalid-token")
    with pytest.raises(Thrown):
        await me.connect(params={"To": them.name})
    assert (await me.facts()).is_busy is False
    await me.update_token(stage.customer.token(me.name))
    await me.connect(params={"To": them.name})
    await them.incoming()


@row(TOKENS, "a token without the incoming grant may call, and may not register: `error`")
async def test_a_token_without_the_incoming_grant(client: Kind, stage: Stage) -> None:
    them = await stage.person()
    me = await stage.device(client, token=stage.customer.token("caller-only", incoming=False))
    registering = asyncio.ensure_future(me.register())
    await me.wait_for("error")
    await me.connect(params={"To": them.name})
    await them.incoming()
    registering.cancel()
    await asyncio.gather(registering, return_exceptions=True)


@row(TOKENS, "`tokenWillExpire(device)` comes `tokenRefreshMs` before the end")
async def test_a_token_is_about_to_expire(client: Kind, stage: Stage) -> None:
    me = await stage.device(client, token=stage.customer.token("soon", ttl=60), token_refresh_ms=59_000, register=True)
    assert (await me.wait_for("tokenWillExpire")).args == ("device",)
    assert (await me.facts()).state == "registered"


@row(TOKENS, "`updateToken` keeps the registration, and announces the end of the new token")
async def test_a_new_token(client: Kind, stage: Stage) -> None:
    me = await stage.device(client, register=True)
    token = stage.customer.token(me.name, ttl=10)  # the default of tokenRefreshMs
    await me.update_token(token)
    await me.wait_for("tokenWillExpire")
    facts = await me.facts()
    assert (facts.state, facts.token) == ("registered", token)
    assert names(await me.events()) == ["registering", "registered", "tokenWillExpire"]


@row(TOKENS, "`updateToken` before there is a connection is used by the next one")
async def test_a_new_token_in_advance(client: Kind, stage: Stage) -> None:
    me = await stage.device(client, token="invalid-token")
    await me.update_token(stage.customer.token("better"))
    await me.register()
    assert (await me.facts()).identity == "better"


@row(TOKENS, "`updateToken` during a call leaves the call alone")
async def test_a_new_token_during_a_call(client: Kind, stage: Stage) -> None:
    talk = await stage.called(client)
    await talk.me.update_token(stage.customer.token(talk.me.name, ttl=10))
    await talk.me.wait_for("tokenWillExpire")
    await talk.mine.send_message("still here")
    await talk.mine.wait_for("messageSent")
    assert (await talk.mine.facts()).status == "open"
    assert (await talk.theirs.facts()).status == "open"
    assert "disconnect" not in names(await talk.mine.events())


@row(TOKENS, "a call with a token that has expired meanwhile is refused: `error` 31205 when precise codes are on")
async def test_a_call_with_an_expired_token(client: Kind, stage: Stage) -> None:
    me = await stage.device(client, token_refresh_ms=0, **precise(client))
    await me.update_token(stage.customer.token("short", ttl=3))
    await me.register()
    await me.wait_for("tokenWillExpire")
    told: list[str] = []
    while "error" not in told:  # the last calls before the end find nobody
        mine = await me.connect(params={"To": "anybody"})
        await mine.wait_for("disconnect")
        told = names(await mine.events(), without=["ringing"])
    assert told == ["error", "disconnect"]
    assert (await mine.wait_for("error")).arg["code"] == 31205
    them = await stage.person()
    await me.update_token(stage.customer.token("short"))
    await me.connect(params={"To": them.name})
    await them.incoming()


@row(TOKENS, "`updateToken` during a call with a token that is refused: `error` 20101; the call goes on")
async def test_a_refused_token_during_a_call(client: Kind, stage: Stage) -> None:
    talk = await stage.placed(client)
    await talk.me.update_token("invalid-token")
    assert (await talk.me.wait_for("error")).arg["code"] == 20101
    await talk.mine.send_message("still here")
    await talk.mine.wait_for("messageSent")
    assert (await talk.mine.facts()).status == "open"
    assert names(await talk.mine.events()) == ["ringing", "accept", "messageSent"]


# ------ taking over

TAKING = "Taking a ringing call over"


@row(TAKING, "`connectToken` is there from `incoming` on")
async def test_the_token_of_an_incoming_call(client: Kind, stage: Stage) -> None:
    talk = await stage.called(client, answer=False)
    assert (await talk.mine.facts()).connect_token


@row(TAKING, "`connectToken` of a call that is placed is there from `accept` on, and not before")
async def test_the_token_of_an_outgoing_call(client: Kind, stage: Stage) -> None:
    talk = await stage.placed(client, answer=False)
    assert (await talk.mine.facts()).connect_token is None
    await talk.theirs.accept()
    await talk.mine.wait_for("accept")
    assert (await talk.mine.facts()).connect_token


async def takes_over(taker: Kind, stage: Stage, desk: Kind) -> None:
    """A device of kind `desk` rings; another device of its identity takes the call with the token."""
    talk = await stage.called(desk, answer=False)
    other = await stage.device(taker, token=stage.customer.token(talk.me.name))
    before = await talk.mine.facts()
    taken = await other.connect(connect_token=before.connect_token)
    await taken.wait_for("accept")
    await talk.theirs.wait_for("accept")
    await talk.mine.wait_for("cancel")
    after = await taken.facts()
    assert (after.direction, after.status) == ("OUTGOING", "open")
    assert after.parameters == before.parameters
    assert after.custom_parameters == before.custom_parameters == {"topic": "a + b & ä"}
    await taken.send_message("from the taker")
    await taken.wait_for("messageSent")
    assert names(await talk.mine.events()) == ["cancel"]
    await talk.theirs.disconnect()
    await taken.wait_for("disconnect")


@row(TAKING, "`connect({connectToken})` on another device of the identity takes it; the first gets one `cancel`")
async def test_taking_over(client: Kind, stage: Stage) -> None:
    await takes_over(client, stage, client)


@row(TAKING, "a token that the other SDK made works as well")
async def test_taking_over_from_the_other_sdk(client: Kind, stage: Stage) -> None:
    await takes_over(client, stage, Kind.MEDIA if client is Kind.BROWSER else Kind.BROWSER)


@row(TAKING, "a connect token that cannot be read, or lacks something, throws InvalidArgumentError")
async def test_bad_connect_tokens(client: Kind, stage: Stage) -> None:
    me = await stage.device(client)
    for token, words in (("%%%", "parse"), ("bm90IGpzb24=", "parse"), ("JTdCJTdE", "(?i)invalid")):
        with pytest.raises(Thrown, match=words) as thrown:
            await me.connect(connect_token=token)
        assert thrown.value.name == "InvalidArgumentError", token
    assert (await me.facts()).is_busy is False


@row(TAKING, "another identity is refused: `error` 31209, `disconnect`; the call rings on")
async def test_a_stranger_takes_nothing(client: Kind, stage: Stage) -> None:
    talk = await stage.called(client, answer=False)
    stranger = await stage.device(client, "stranger")
    refused = await stranger.connect(connect_token=(await talk.mine.facts()).connect_token)
    assert (await refused.wait_for("error")).arg["code"] == 31209
    await refused.wait_for("disconnect")
    assert (await talk.mine.facts()).status == "pending"
    assert (await talk.theirs.facts()).status == "ringing"
