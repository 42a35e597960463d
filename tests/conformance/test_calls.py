"""Calls that the client places: their states, what they carry, how they are refused."""

from __future__ import annotations

import asyncio
import json

import pytest

from conformance.driver import Call, Device, Kind, Thrown, names
from conformance.reasons import PRECISE
from conformance.rows import because, differs, row
from conformance.stage import Stage, sid_of

PLACING = "Placing a call"


@row(PLACING, "`connect` resolves while the call is connecting; `ringing`, `accept`, `disconnect` follow; states fit")
async def test_an_outgoing_call_goes_through_its_states(client: Kind, stage: Stage) -> None:
    me, them = await stage.device(client), await stage.person()
    async with stage.thinking_about(me):
        mine = await me.connect(params={"To": them.name})
        first = await mine.facts()
    assert (first.status, first.direction) == ("connecting", "OUTGOING")
    assert first.parameters == {}
    assert first.connection_id.startswith("TJS")
    theirs = await them.incoming()
    await mine.wait_for("ringing")
    ringing = await mine.facts()
    assert ringing.status == "ringing"
    assert set(ringing.parameters) == {"CallSid"}
    await theirs.accept()
    assert (await mine.wait_for("accept")).arg == {"call": 0}
    assert (await mine.facts()).status == "open"
    await theirs.disconnect()
    assert (await mine.wait_for("disconnect")).arg == {"call": 0}
    assert (await mine.facts()).status == "closed"
    assert names(await mine.events()) == ["ringing", "accept", "disconnect"]


@row(PLACING, "works without `register`, and needs no identity in the token")
async def test_a_device_that_never_registers_places_calls(client: Kind, stage: Stage) -> None:
    them = await stage.person()
    me = await stage.device(client, token=stage.customer.token(None))
    await me.connect(params={"To": them.name})
    theirs = await them.incoming()
    assert (await theirs.facts()).parameters["From"] == "client:anonymous"
    assert (await me.facts()).state == "unregistered"
    assert "registering" not in names(await me.events())


@row(PLACING, "`disconnect` ends an open call on both sides")
async def test_hanging_up(client: Kind, stage: Stage) -> None:
    talk = await stage.placed(client)
    await talk.mine.disconnect()
    await talk.mine.wait_for("disconnect")
    await talk.theirs.wait_for("disconnect")
    assert await stage.customer.status_becomes(await sid_of(talk.mine), "completed")


@row(PLACING, "`disconnect` while it rings emits `disconnect`, not `cancel`, and cancels the callee")
async def test_giving_up_a_ringing_call(client: Kind, stage: Stage) -> None:
    talk = await stage.placed(client, answer=False)
    await talk.mine.disconnect()
    await talk.mine.wait_for("disconnect")
    await talk.theirs.wait_for("cancel")
    assert names(await talk.mine.events()) == ["ringing", "disconnect"]


@row(PLACING, "`disconnect` while it is connecting ends the call before anybody is rung")
async def test_giving_up_a_connecting_call(client: Kind, stage: Stage) -> None:
    me, them = await stage.device(client), await stage.person()
    async with stage.thinking_about(me):
        mine = await me.connect(params={"To": them.name})
        await stage.customer.asked("voice", From=f"client:{me.name}")
        await mine.disconnect()
        await mine.wait_for("disconnect")
    second = await me.connect(params={"To": them.name})
    theirs = await them.incoming()
    await second.wait_for("ringing")
    assert (await theirs.facts()).status == "pending"
    assert names(await them.events()).count("incoming") == 1
    assert names(await mine.events()) == ["disconnect"]


@row(PLACING, "`disconnect` on a closed call does nothing")
async def test_hanging_up_twice(client: Kind, stage: Stage) -> None:
    talk = await stage.placed(client)
    await talk.theirs.disconnect()
    await talk.mine.wait_for("disconnect")
    await talk.mine.disconnect()
    assert names(await talk.mine.events()) == ["ringing", "accept", "disconnect"]


@row(PLACING, "`ringing` says whether there is early media")
async def test_ringing_tells_of_early_media(client: Kind, stage: Stage) -> None:
    talk = await stage.placed(client, answer=False)
    assert (await talk.mine.wait_for("ringing")).args == (True,)


@row(PLACING, "without `answerOnBridge` the call still opens only when the callee answers")
async def test_early_media_without_answer_on_bridge(client: Kind, stage: Stage) -> None:
    me, them = await stage.device(client), await stage.person()
    stage.customer.twiml[f"client:{me.name}"] = stage.customer.dial(them.name, attributes="")
    mine = await me.connect()
    theirs = await them.incoming()
    await mine.wait_for("ringing")
    assert (await mine.facts()).status == "ringing"
    assert await stage.customer.status_of(await sid_of(mine)) == "in-progress"
    await theirs.accept()
    await mine.wait_for("accept")
    assert names(await mine.events()) == ["ringing", "accept"]


@row(PLACING, "the callee's `reject` ends the call with `disconnect` and no `error`")
async def test_a_call_that_is_rejected(client: Kind, stage: Stage) -> None:
    talk = await stage.placed(client, answer=False)
    await talk.theirs.reject()
    await talk.mine.wait_for("disconnect")
    assert names(await talk.mine.events()) == ["ringing", "disconnect"]
    assert await stage.customer.status_becomes(await sid_of(talk.theirs), "busy")


@row(PLACING, "the callee's `ignore` changes nothing for the call")
async def test_a_call_that_is_ignored(client: Kind, stage: Stage) -> None:
    talk = await stage.placed(client, answer=False)
    await talk.theirs.ignore()
    await stage.customer.send(await sid_of(talk.mine), "still there?")
    await talk.mine.wait_for("messageReceived")
    assert (await talk.mine.facts()).status == "ringing"
    await talk.mine.disconnect()
    await talk.theirs.wait_for("cancel")


@row(PLACING, "nobody who could be rung: the call ends with `disconnect`")
async def test_a_call_to_nobody(client: Kind, stage: Stage) -> None:
    me = await stage.device(client)
    mine = await me.connect(params={"To": "nobody-at-all"})
    await mine.wait_for("disconnect")
    assert "accept" not in names(await mine.events())
    assert (await me.facts()).is_busy is False


@row(PLACING, "a call that REST ends: `disconnect`")
async def test_a_call_that_rest_ends(client: Kind, stage: Stage) -> None:
    talk = await stage.placed(client)
    sid = await sid_of(talk.mine)
    await stage.customer.rest(lambda rest: rest.calls(sid).update(status="completed"))
    await talk.mine.wait_for("disconnect")
    assert names(await talk.mine.events()) == ["ringing", "accept", "disconnect"]


@row(PLACING, "a second `connect` during a call throws InvalidStateError, and the first call goes on")
async def test_a_second_call_is_refused(client: Kind, stage: Stage) -> None:
    talk = await stage.placed(client)
    with pytest.raises(Thrown) as thrown:
        await talk.me.connect(params={"To": talk.them.name})
    assert (thrown.value.name, "A Call is already active" in thrown.value.message) == ("InvalidStateError", True)
    assert (await talk.mine.facts()).status == "open"


@row(PLACING, "a call after a call: the device is free again")
async def test_one_call_after_the_other(client: Kind, stage: Stage) -> None:
    talk = await stage.placed(client)
    await talk.mine.disconnect()
    await talk.mine.wait_for("disconnect")
    second = await talk.me.connect(params={"To": talk.them.name})
    theirs = await talk.them.incoming(count=2)
    await theirs.accept()
    await second.wait_for("accept")
    assert await sid_of(second) != await sid_of(talk.mine)


@row(PLACING, "`connect` lets calls that are pending ring elsewhere, without an event")
async def test_placing_a_call_ignores_pending_ones(client: Kind, stage: Stage) -> None:
    talk = await stage.called(client, answer=False)
    other = await stage.person("other")
    await talk.me.connect(params={"To": other.name})
    await other.incoming()
    assert (await talk.mine.facts()).status == "closed"
    assert names(await talk.mine.events()) == []
    assert (await talk.theirs.facts()).status == "ringing"


# ------ parameters

CARRYING = "Parameters of a call"
AWKWARD = {"Custom1": "foo + bar", "Custom2": "a&b=c%20d", "Custom3": "我不吃蛋", "Ünlaut & key": "x", "Number": 7}


@row(CARRYING, "`params` reach the application as they are: spaces, plus, ampersand, percent, Chinese; numbers as text")
async def test_params_reach_the_application(client: Kind, stage: Stage) -> None:
    me = await stage.device(client)
    mine = await me.connect(params={"To": "nobody-at-all", **AWKWARD})
    (asked,) = await stage.customer.asked("voice", From=f"client:{me.name}")
    assert {key: asked[key] for key in AWKWARD} == {key: str(value) for key, value in AWKWARD.items()}
    assert (await mine.facts()).custom_parameters == {
        "To": "nobody-at-all",
        **{key: str(value) for key, value in AWKWARD.items()},
    }


@row(CARRYING, "an incoming call has From, To, CallSid and AccountSid; an outgoing one CallSid only")
async def test_parameters_of_both_directions(client: Kind, stage: Stage) -> None:
    talk = await stage.called(client)
    shown = (await talk.mine.facts()).parameters
    assert shown["From"] == f"client:{talk.them.name}"
    assert shown["To"] == f"client:{talk.me.name}"
    assert shown["AccountSid"] == stage.customer.credentials.account_sid
    assert shown["CallSid"].startswith("CA")
    assert "StirStatus" not in shown


PARAMETERS = """
  <Parameter name="duplicate" value="12345"/>
  <Parameter name="duplicate" value="123456"/>
  <Parameter name="custom + param" value="我不吃蛋"/>
  <Parameter name="foobar" value="some + value"/>
  <Parameter name="percent" value="50%25 &amp; a=b"/>
  <Parameter name="empty" value=""/>
"""


@row(CARRYING, "`<Parameter>`s arrive as custom parameters: awkward characters kept, the last of two wins")
async def test_custom_parameters_of_an_incoming_call(client: Kind, stage: Stage) -> None:
    me, them = await stage.device(client, register=True), await stage.person()
    dialled = f"<Client><Identity>{me.name}</Identity>{PARAMETERS}</Client>"
    stage.customer.twiml[f"client:{them.name}"] = f'<Response><Dial answerOnBridge="true">{dialled}</Dial></Response>'
    await them.connect()
    mine = await me.incoming()
    assert (await mine.facts()).custom_parameters == {
        "duplicate": "123456",
        "custom + param": "我不吃蛋",
        "foobar": "some + value",
        "percent": "50%25 & a=b",
        "empty": "",
    }


async def called_from_a_number(client: Kind, stage: Stage, stir_status: str | None) -> Call:
    """The client is called by way of two numbers of the account; the first is the caller's."""
    me, them = await stage.device(client, register=True), await stage.person()
    page = f"office-of-{me.name}"
    stage.customer.pages[page] = f'<Response><Dial answerOnBridge="true"><Client>{me.name}</Client></Dial></Response>'
    caller = await stage.number(stir_status=stir_status)
    office = await stage.number(voice_url=f"{stage.customer.url}/{page}")
    stage.customer.twiml[f"client:{them.name}"] = (
        f'<Response><Dial answerOnBridge="true" callerId="{caller}"><Number>{office}</Number></Dial></Response>'
    )
    await them.connect()
    mine = await me.incoming()
    assert (await mine.facts()).parameters["From"] == caller
    return mine


@row(CARRYING, "`callerInfo` is verified for StirStatus TN-Validation-Passed-A")
async def test_a_verified_caller(client: Kind, stage: Stage) -> None:
    mine = await called_from_a_number(client, stage, "TN-Validation-Passed-A")
    assert (await mine.facts()).verified is True
    assert (await mine.facts()).parameters["StirStatus"] == "TN-Validation-Passed-A"


@row(CARRYING, "`callerInfo` is not verified for any other StirStatus")
async def test_an_attested_but_not_verified_caller(client: Kind, stage: Stage) -> None:
    mine = await called_from_a_number(client, stage, "TN-Validation-Passed-B")
    assert (await mine.facts()).verified is False


@row(CARRYING, "`callerInfo` is null without a StirStatus, and for calls that are placed")
async def test_nothing_known_about_the_caller(client: Kind, stage: Stage) -> None:
    mine = await called_from_a_number(client, stage, None)
    assert (await mine.facts()).verified is None
    talk = await stage.placed(client, answer=False)
    assert (await talk.mine.facts()).verified is None


# ------ refusals

REFUSED = "Calls that are refused"


async def refused(stage: Stage, me: Device, twiml: str, params: dict[str, str] | None = None) -> int:
    """Place a call that does not come about; the code of its error, which comes before `disconnect`."""
    stage.customer.twiml[f"client:{me.name}"] = twiml
    mine = await me.connect(params=params)
    error = await mine.wait_for("error")
    await mine.wait_for("disconnect")
    assert names(await mine.events(), without=["ringing"]) == ["error", "disconnect"]
    assert (await me.facts()).is_busy is False
    return int(error.arg["code"])


def precise(client: Kind) -> dict[str, object]:
    """The option that makes a browser tell the codes that the Python client tells unless it is asked not to."""
    return {} if client.is_python else {"enable_improved_signaling_error_precision": True}


GENERAL = {"enable_improved_signaling_error_precision": False}


BUSY = '<Response><Reject reason="busy"/></Response>'


@row(REFUSED, "`<Reject>`: `error` 31486 when precise codes are on, `disconnect`")
async def test_twiml_rejects_a_call(client: Kind, stage: Stage) -> None:
    assert await refused(stage, await stage.device(client, **precise(client)), BUSY) == 31486


@row(REFUSED, "parameters over 800 bytes: `error` 31103, `disconnect`")
async def test_parameters_that_are_too_long(client: Kind, stage: Stage) -> None:
    me = await stage.device(client, **precise(client))
    assert await refused(stage, me, BUSY, {"Long": "x" * 900}) == 31103


@row(REFUSED, "a token that may not place calls: `error` 31002, `disconnect`")
async def test_a_token_without_an_application(client: Kind, stage: Stage) -> None:
    me = await stage.device(client, token=stage.customer.token("silent", application=False), **precise(client))
    assert await refused(stage, me, BUSY) == 31002


@because(PRECISE)
async def refusals_are_precise(client: Kind, stage: Stage) -> None:
    assert await refused(stage, await stage.device(client), BUSY) == 31486


@row(REFUSED, "by default a refusal is `error` 31005", python=refusals_are_precise)
async def test_refusals_are_general_by_default(client: Kind, stage: Stage) -> None:
    assert await refused(stage, await stage.device(client), BUSY) == 31005


@row(REFUSED, "with `enableImprovedSignalingErrorPrecision: false` it is 31005")
async def test_refusals_are_general(client: Kind, stage: Stage) -> None:
    assert await refused(stage, await stage.device(client, **GENERAL), BUSY) == 31005


# ------ digits

DIGITS = "Digits"


async def digits_of(stage: Stage, leg: str, count: int, *, in_band: bool | None = None) -> list[str]:
    """The digits in a leg's timeline, once there are so many; `in_band` picks those that came in RTP, or the others."""
    customer = stage.customer
    path = f"/midcall/v1/Accounts/{customer.credentials.account_sid}/Calls/{leg}/Timeline.json"
    for _ in range(200):
        answer = await customer.rest(lambda rest: rest.request("GET", customer.credentials.http_url + path))
        digits = [
            event["detail"]["digit"] for event in json.loads(answer.text)["events"] if event["kind"] == "leg.digit"
        ]
        if len(digits) >= count:
            break
        await asyncio.sleep(0.05)  # the trace is late by design; there is no event to wait for
    return digits


@row(DIGITS, "`sendDigits` with 0-9, `*`, `#` and pauses (`w`) arrives once, in order")
async def test_digits_arrive(client: Kind, stage: Stage) -> None:
    talk = await stage.placed(client)
    if client.has_media:
        await talk.mine.wait_for("sample", count=2)
    await talk.mine.send_digits("1w2*#")
    assert await digits_of(stage, await sid_of(talk.mine), 4) == ["1", "2", "*", "#"]


@differs(
    "by signalling",
    "Digits go in RTP (RFC 4733) where there is RTP. A client without media sends them in a frame of signalling, as a "
    "browser does that could not agree on telephone events.",
)
async def digits_by_signalling(client: Kind, stage: Stage) -> None:
    talk = await stage.placed(client)
    await talk.mine.send_digits("5")
    assert await digits_of(stage, await sid_of(talk.mine), 1, in_band=False) == ["5"]


@row(DIGITS, "digits travel in the sound, as telephone events", none=digits_by_signalling)
async def test_digits_in_band(client: Kind, stage: Stage) -> None:
    talk = await stage.placed(client)
    await talk.mine.wait_for("sample", count=2)
    await talk.mine.send_digits("5")
    assert await digits_of(stage, await sid_of(talk.mine), 1, in_band=True) == ["5"]


@differs(
    "all are sent",
    "The browser SDK starts what follows a `w` 500 ms after the keys before it began, and cuts them off when they take "
    "longer. `midcall.sdk` sends all keys, and then waits.",
)
async def no_digit_is_cut_off(client: Kind, stage: Stage) -> None:
    talk = await stage.placed(client)
    await talk.mine.send_digits("12345w6")
    assert await digits_of(stage, await sid_of(talk.mine), 6) == list("123456")


@row(DIGITS, "keys before a `w` are cut off when they take longer than 500 ms", python=no_digit_is_cut_off)
async def test_digits_that_are_cut_off(client: Kind, stage: Stage) -> None:
    talk = await stage.placed(client)
    await talk.mine.wait_for("sample", count=2)
    await talk.mine.send_digits("12345w6")
    leg = await sid_of(talk.mine)
    digits = await digits_of(stage, leg, 3)
    while digits[-1] != "6":
        digits = await digits_of(stage, leg, len(digits) + 1)
    assert digits[0] == "1"
    assert len(digits) < 6


@row(DIGITS, "`sendDigits` with anything else throws InvalidArgumentError, in any state")
async def test_digits_that_are_none(client: Kind, stage: Stage) -> None:
    talk = await stage.called(client, answer=False)
    for state in ("pending", "open"):
        for digits in ("x", "12a", "1 2", "W", "1,2", "٣"):
            with pytest.raises(Thrown) as thrown:
                await talk.mine.send_digits(digits)
            assert thrown.value.name == "InvalidArgumentError", digits
        if state == "pending":
            await talk.mine.accept()
            await talk.mine.wait_for("accept")


@row(DIGITS, "`sendDigits` with an empty text does nothing")
async def test_no_digits(client: Kind, stage: Stage) -> None:
    talk = await stage.placed(client)
    await talk.mine.send_digits("")
    await stage.customer.send(await sid_of(talk.mine), "next")
    await talk.mine.wait_for("messageReceived")
    assert names(await talk.mine.events()) == ["ringing", "accept", "messageReceived"]


@differs(
    "InvalidStateError",
    "Digits of a call that is pending or closed cannot go anywhere: `midcall.sdk` says so in both cases.",
)
async def digits_at_the_wrong_time(client: Kind, stage: Stage) -> None:
    talk = await stage.called(client, answer=False)
    with pytest.raises(Thrown) as thrown:
        await talk.mine.send_digits("1")
    assert thrown.value.name == "InvalidStateError"
    await talk.theirs.disconnect()
    await talk.mine.wait_for("cancel")
    with pytest.raises(Thrown) as thrown:
        await talk.mine.send_digits("1")
    assert thrown.value.name == "InvalidStateError"


@row(DIGITS, "`sendDigits` on a pending call throws a TypeError", python=digits_at_the_wrong_time)
async def test_digits_on_a_pending_call(client: Kind, stage: Stage) -> None:
    talk = await stage.called(client, answer=False)
    with pytest.raises(Thrown) as thrown:
        await talk.mine.send_digits("1")
    assert thrown.value.name == "TypeError"


@row(DIGITS, "`sendDigits` on a call that has ended does nothing that can be seen", python=digits_at_the_wrong_time)
async def test_digits_on_a_closed_call(client: Kind, stage: Stage) -> None:
    talk = await stage.placed(client)
    await talk.theirs.disconnect()
    await talk.mine.wait_for("disconnect")
    await talk.mine.send_digits("1")
    assert names(await talk.mine.events()) == ["ringing", "accept", "disconnect"]
