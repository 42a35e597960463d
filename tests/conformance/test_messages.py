"""Messages on calls, both ways."""

from __future__ import annotations

import json
import re

import pytest

from conformance.driver import Kind, Thrown, names
from conformance.rows import Reason, because, differs, row
from conformance.stage import Stage, sid_of

SENDING = "Sending messages"
SID = re.compile(r"KX[0-9a-f]{32}")

CONTENTS = [
    {"text": "ahoy", "nested": {"list": [1, [2, {}], None], "yes": True}},
    [1, "two", None, False],
    'a plain text with "quotes", ünïcödé 我不吃蛋 😀 and a\nline',
    7,
    2.5,
    -0.001,
    0,
    True,
    False,
    "",
    {},
    [],
]


@row(SENDING, "returns a sid (`KX` and 32 hex digits) at once; `messageSent` brings the message with it")
async def test_a_message_is_sent(client: Kind, stage: Stage) -> None:
    talk = await stage.placed(client)
    leg = await sid_of(talk.mine)
    await stage.customer.subscribe(leg)
    sid = await talk.mine.send_message({"hello": "world"}, content_type="application/json")
    assert SID.fullmatch(sid)
    assert (await talk.mine.wait_for("messageSent")).args == (
        {
            "content": {"hello": "world"},
            "contentType": "application/json",
            "messageType": "user-defined-message",
            "voiceEventSid": sid,
        },
    )
    (hook,) = await stage.customer.asked("messages", CallSid=leg)
    assert (hook["Sid"], hook["Content"], hook["SequenceNumber"]) == (sid, '{"hello":"world"}', "1")
    assert hook["ContentType"] == "application/json"


@row(SENDING, "any JSON value but null is content, and arrives as compact JSON; texts as they are")
async def test_all_kinds_of_content(client: Kind, stage: Stage) -> None:
    talk = await stage.placed(client)
    leg = await sid_of(talk.mine)
    await stage.customer.subscribe(leg)
    sids = await talk.mine.send_messages(CONTENTS)
    sent = await talk.mine.wait_for("messageSent", count=len(CONTENTS))
    assert sent.arg["content"] == CONTENTS[-1]
    hooks = await stage.customer.asked("messages", CallSid=leg, count=len(CONTENTS))
    assert [hook["Sid"] for hook in hooks] == sids
    assert [hook["Content"] for hook in hooks] == [
        content if isinstance(content, str) else json.dumps(content, separators=(",", ":"), ensure_ascii=False)
        for content in CONTENTS
    ]


@row(SENDING, "content that is missing throws InvalidArgumentError, also before the type is looked at")
async def test_a_message_without_content(client: Kind, stage: Stage) -> None:
    talk = await stage.placed(client)
    for message_type in ("user-defined-message", ""):
        with pytest.raises(Thrown, match="content") as thrown:
            await talk.mine.send_message(None, message_type=message_type)
        assert thrown.value.name == "InvalidArgumentError"
    assert names(await talk.mine.events()) == ["ringing", "accept"]


@row(SENDING, "a message type that is no text, or is empty, throws InvalidArgumentError")
async def test_a_message_without_type(client: Kind, stage: Stage) -> None:
    talk = await stage.placed(client)
    for message_type in (None, 7, {}, ""):
        with pytest.raises(Thrown, match=r"(?i)message.?type") as thrown:
            await talk.mine.send_message("x", message_type=message_type)
        assert thrown.value.name == "InvalidArgumentError", message_type


@row(SENDING, "before the call has a sid: InvalidStateError, after the arguments are checked")
async def test_a_message_before_there_is_a_sid(client: Kind, stage: Stage) -> None:
    me = await stage.device(client)
    async with stage.thinking_about(me):
        mine = await me.connect(params={"To": "nobody-at-all"})
        with pytest.raises(Thrown) as thrown:
            await mine.send_message("too early")
        assert thrown.value.name == "InvalidStateError"
        with pytest.raises(Thrown) as thrown:
            await mine.send_message("too early", message_type="")
        assert thrown.value.name == "InvalidArgumentError"


@row(SENDING, "works while the call is ringing")
async def test_a_message_while_ringing(client: Kind, stage: Stage) -> None:
    talk = await stage.placed(client, answer=False)
    sid = await talk.mine.send_message("early")
    assert (await talk.mine.wait_for("messageSent")).arg["voiceEventSid"] == sid


@row(SENDING, "works on a pending call, before `accept`")
async def test_a_message_on_a_pending_call(client: Kind, stage: Stage) -> None:
    talk = await stage.called(client, answer=False)
    leg = await sid_of(talk.mine)
    await stage.customer.subscribe(leg)
    sid = await talk.mine.send_message("not yet")
    assert (await talk.mine.wait_for("messageSent")).arg["voiceEventSid"] == sid
    await stage.customer.asked("messages", CallSid=leg, Sid=sid)
    assert (await talk.mine.facts()).status == "pending"


@row(SENDING, "a content type that fits nothing is sent as it is")
async def test_an_odd_content_type(client: Kind, stage: Stage) -> None:
    talk = await stage.placed(client)
    leg = await sid_of(talk.mine)
    await stage.customer.subscribe(leg)
    await talk.mine.send_message("x", content_type="no such/type; at=all")
    assert (await talk.mine.wait_for("messageSent")).arg["contentType"] == "no such/type; at=all"
    (hook,) = await stage.customer.asked("messages", CallSid=leg)
    assert hook["ContentType"] == "no such/type; at=all"


@differs(
    "tells the type",
    "`messageSent` of `midcall.sdk` says which content type was sent; that of the browser SDK repeats what the "
    "application gave, which may be none.",
)
async def the_sent_type_is_told(client: Kind, stage: Stage) -> None:
    talk = await stage.placed(client)
    await talk.mine.send_message("x")
    assert (await talk.mine.wait_for("messageSent")).arg["contentType"] == "application/json"


@row(
    SENDING,
    "without a content type `application/json` is sent, and `messageSent` has none",
    python=the_sent_type_is_told,
)
async def test_no_content_type(client: Kind, stage: Stage) -> None:
    talk = await stage.placed(client)
    leg = await sid_of(talk.mine)
    await stage.customer.subscribe(leg)
    await talk.mine.send_message("x")
    assert "contentType" not in (await talk.mine.wait_for("messageSent")).arg
    (hook,) = await stage.customer.asked("messages", CallSid=leg)
    assert hook["ContentType"] == "application/json"


@row(SENDING, "fifty messages at once arrive once each, in order, and are acknowledged in order")
async def test_the_order_of_what_is_sent(client: Kind, stage: Stage) -> None:
    talk = await stage.placed(client)
    leg = await sid_of(talk.mine)
    await stage.customer.subscribe(leg)
    sids = await talk.mine.send_messages([{"n": n} for n in range(50)])
    assert len(set(sids)) == 50
    await talk.mine.wait_for("messageSent", count=50)
    sent = [event.arg["voiceEventSid"] for event in await talk.mine.events() if event.name == "messageSent"]
    assert sent == sids
    hooks = await stage.customer.asked("messages", CallSid=leg, count=50, timeout=20)
    assert [hook["Sid"] for hook in hooks] == sids
    assert [hook["SequenceNumber"] for hook in hooks] == [str(n) for n in range(1, 51)]


# ------ refusals

REFUSED = "Messages that are refused"


@row(REFUSED, "an unknown type: `error` 31210 on the call and not on the device; no `messageSent`; the call goes on")
async def test_an_unknown_message_type(client: Kind, stage: Stage) -> None:
    talk = await stage.placed(client)
    await talk.mine.send_message("x", message_type="not-a-valid-message-type")
    error = (await talk.mine.wait_for("error")).arg
    assert (error["code"], error["name"]) == (31210, "CallMessageEventTypeInvalidError")
    assert error["message"].startswith("CallMessageEventTypeInvalidError (31210): ")
    good = await talk.mine.send_message("y")
    assert (await talk.mine.wait_for("messageSent")).arg["voiceEventSid"] == good
    assert (await talk.mine.facts()).status == "open"
    assert "error" not in names(await talk.me.events())


@row(REFUSED, "over 10,240 bytes of JSON: `error` 31212; exactly that much is sent")
async def test_a_message_that_is_too_large(client: Kind, stage: Stage) -> None:
    talk = await stage.placed(client)
    await talk.mine.send_message("x" * (10_240 - 2))
    await talk.mine.wait_for("messageSent")
    await talk.mine.send_message("x" * (10_240 - 1))
    error = (await talk.mine.wait_for("error")).arg
    assert (error["code"], error["name"]) == (31212, "PayloadSizeExceededError")


@row(REFUSED, "too many in a second: `error` 31206 for what is too much, `messageSent` for the rest")
async def test_too_many_messages(client: Kind, stage: Stage) -> None:
    talk = await stage.placed(client)
    await talk.mine.send_messages([{"n": n} for n in range(260)])
    error = (await talk.mine.wait_for("error")).arg
    assert (error["code"], error["name"]) == (31206, "RateExceededError")
    await talk.mine.wait_for("messageSent")
    assert (await talk.mine.facts()).status == "open"


NOT_THERE = Reason(
    "not",
    "browser apps listen on the call",
    "`mirror_message_errors` is an option of `midcall.sdk` for applications written after the feature's documentation, "
    "whose samples look for these errors on the device. The browser SDK emits them on the call only.",
)


@because(NOT_THERE)
async def no_mirror(client: Kind, stage: Stage) -> None:
    talk = await stage.placed(client, mirror_message_errors=True)
    await talk.mine.send_message("x", message_type="no-such-type")
    await talk.mine.wait_for("error")
    assert "error" not in names(await talk.me.events())


@row(REFUSED, "with `mirror_message_errors` the device tells it as well", browser=no_mirror)
async def test_mirrored_errors(client: Kind, stage: Stage) -> None:
    talk = await stage.placed(client, mirror_message_errors=True)
    await talk.mine.send_message("x", message_type="no-such-type")
    assert (await talk.mine.wait_for("error")).arg["code"] == 31210
    assert (await talk.me.wait_for("error")).arg["code"] == 31210


@differs(
    "31211",
    "The browser SDK forgets a call that has ended, so it never learns what becomes of the message. `midcall.sdk` "
    "waits for the server's verdict: 31211, the call is neither ringing nor in progress.",
)
async def a_late_message_is_refused(client: Kind, stage: Stage) -> None:
    talk = await stage.placed(client)
    await talk.theirs.disconnect()
    await talk.mine.wait_for("disconnect")
    await talk.mine.send_message("too late")
    assert (await talk.mine.wait_for("error")).arg["code"] == 31211


@row(REFUSED, "on a closed call: a sid, and never a word about it", python=a_late_message_is_refused)
async def test_a_message_after_the_end(client: Kind, stage: Stage) -> None:
    talk = await stage.placed(client)
    await talk.theirs.disconnect()
    await talk.mine.wait_for("disconnect")
    assert SID.fullmatch(await talk.mine.send_message("too late"))
    second = await talk.me.connect(params={"To": talk.them.name})
    await second.wait_for("ringing")
    await second.send_message("on a call that lives")
    await second.wait_for("messageSent")
    assert names(await talk.mine.events()) == ["ringing", "accept", "disconnect"]


# ------ receiving

RECEIVING = "Receiving messages"


@row(RECEIVING, "`messageReceived` brings any JSON value, parsed, with the sid that REST answered")
async def test_all_kinds_of_content_arrive(client: Kind, stage: Stage) -> None:
    talk = await stage.placed(client)
    leg = await sid_of(talk.mine)
    contents = [*CONTENTS, None]
    sids = [await stage.customer.send(leg, content) for content in contents]
    await talk.mine.wait_for("messageReceived", count=len(contents))
    received = [event.arg for event in await talk.mine.events() if event.name == "messageReceived"]
    assert received == [
        {
            "content": content,
            "contentType": "application/json",
            "messageType": "user-defined-message",
            "voiceEventSid": sid,
        }
        for content, sid in zip(contents, sids, strict=True)
    ]


@row(RECEIVING, "on a pending call, before `accept`")
async def test_a_message_to_a_pending_call(client: Kind, stage: Stage) -> None:
    talk = await stage.called(client, answer=False)
    sid = await stage.customer.send(await sid_of(talk.mine), {"for": "the screen"})
    assert (await talk.mine.wait_for("messageReceived")).arg["voiceEventSid"] == sid
    assert (await talk.mine.facts()).status == "pending"
    await talk.mine.accept()
    await talk.theirs.wait_for("accept")
    assert names(await talk.mine.events()) == ["messageReceived", "accept"]


@row(RECEIVING, "while the call is ringing")
async def test_a_message_to_a_ringing_call(client: Kind, stage: Stage) -> None:
    talk = await stage.placed(client, answer=False)
    sid = await stage.customer.send(await sid_of(talk.mine), "please wait")
    assert (await talk.mine.wait_for("messageReceived")).arg["voiceEventSid"] == sid


@row(RECEIVING, "on a call that is ignored, as long as it rings elsewhere")
async def test_a_message_to_an_ignored_call(client: Kind, stage: Stage) -> None:
    talk = await stage.called(client, answer=False)
    await talk.mine.ignore()
    await stage.customer.send(await sid_of(talk.mine), "still ringing")
    assert (await talk.mine.wait_for("messageReceived")).arg["content"] == "still ringing"


@row(RECEIVING, "fifty messages arrive once each, in order")
async def test_the_order_of_what_is_received(client: Kind, stage: Stage) -> None:
    talk = await stage.called(client)
    leg = await sid_of(talk.mine)
    sids = await stage.send_many(leg, [{"n": n} for n in range(50)])
    await talk.mine.wait_for("messageReceived", count=50)
    received = [event.arg for event in await talk.mine.events() if event.name == "messageReceived"]
    assert [message["voiceEventSid"] for message in received] == sids
    assert [message["content"]["n"] for message in received] == list(range(50))


@row(RECEIVING, "each leg gets its own messages only")
async def test_messages_of_another_leg(client: Kind, stage: Stage) -> None:
    talk = await stage.placed(client)
    await stage.customer.send(await sid_of(talk.theirs), "for the other side")
    await talk.theirs.wait_for("messageReceived")
    await stage.customer.send(await sid_of(talk.mine), "for us")
    await talk.mine.wait_for("messageReceived")
    received = [event.arg["content"] for event in await talk.mine.events() if event.name == "messageReceived"]
    assert received == ["for us"]
