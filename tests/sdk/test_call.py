"""Calls against a scripted server: placing, being called, messages, losing the socket."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from midcall.core import client as core
from midcall.core.feedback import SDK_ISSUES
from midcall.core.sdp import NO_MEDIA_SDP
from midcall.sdk import Call, InvalidArgumentError, InvalidStateError, VoiceError
from midcall.wire import signal
from support.scripted_server import CALL, MESSAGE, OTHER, opened, rung


def listen_to(call) -> list[str]:
    """The names of the call's events as they happen."""
    seen = []
    for name in call.EVENTS:
        call.on(name, lambda *_, name=name: seen.append(name))
    return seen


async def test_an_outgoing_call_rings_and_opens(registered):
    device, connection = await registered()
    call = await device.connect(params={"To": "client:bob", "note": "a + b", "none": None})
    seen = listen_to(call)
    assert (call.status(), call.direction, dict(call.parameters), device.is_busy) == (
        "connecting",
        "OUTGOING",
        {},
        True,
    )
    invite = await connection.expect(signal.ClientInvite)
    assert invite.call_sid == call.outbound_connection_id
    assert invite.call_sid.startswith("TJS")
    assert (invite.sdp, invite.reconnect) == (NO_MEDIA_SDP, None)
    assert signal.decode_params(invite.twilio.params) == (("To", "client:bob"), ("note", "a + b"), ("none", "None"))

    ringing, accepted = call.wait_for("ringing", timeout=5), call.wait_for("accept", timeout=5)
    await connection.send(signal.Ringing(call_sid=CALL))
    assert await ringing is False
    assert (call.status(), call.parameters, call.connect_token) == ("ringing", {"CallSid": CALL}, None)
    await connection.send(signal.ServerAnswer(call_sid=CALL, sdp="answer", reconnect="token"))
    assert await accepted is call
    assert call.status() == "open"
    assert call.connect_token is not None

    call.disconnect()
    assert (await connection.expect(signal.Hangup)).call_sid == CALL
    assert seen == ["ringing", "accept", "disconnect"]
    assert not device.is_busy


async def test_a_call_that_is_given_up_before_it_has_a_sid_is_hung_up_by_its_temporary_id(registered):
    device, connection = await registered()
    call = await device.connect()
    call.disconnect()
    invite = await connection.expect(signal.ClientInvite)
    assert (await connection.expect(signal.Hangup)).call_sid == invite.call_sid


async def test_a_refused_call_shows_why(registered):
    device, connection = await registered()
    call = await device.connect()
    error, over = call.wait_for("error", timeout=5), call.wait_for("disconnect", timeout=5)
    accepted = call.wait_for("accept", timeout=5)
    invite = await connection.expect(signal.ClientInvite)
    fault = signal.Fault(code=31404, message="no voice URL")
    await connection.send(signal.Hangup(call_sid=invite.call_sid, error=fault))
    assert ((await error).code, (await error).detail) == (31404, "no voice URL")
    await over
    with pytest.raises(InvalidStateError, match="ended"):
        await accepted


async def test_a_second_call_at_a_time_is_refused(registered):
    device, _ = await registered()
    await device.connect()
    with pytest.raises(InvalidStateError, match="already active"):
        await device.connect()


async def test_connecting_opens_the_socket_and_needs_no_registration(server, make_device):
    placing = asyncio.create_task(make_device().connect())
    connection = await server.connection()
    await connection.connected(identity=None)
    await connection.expect(signal.ClientInvite)
    assert (await placing).status() == "connecting"


async def test_an_incoming_call_is_answered(registered):
    device, connection = await registered()
    params = "custom + param=%E6%88%91&foobar=some%20%2B%20value&duplicate=1&duplicate=2"
    call = await rung(device, connection, parameters={"From": "client:bob", "Params": params, "StirStatus": "no"})
    assert (call.status(), call.direction, device.calls) == ("pending", "INCOMING", (call,))
    assert call.custom_parameters == {"custom + param": "我", "foobar": "some + value", "duplicate": "2"}
    assert call.parameters["CallSid"] == CALL
    assert call.caller_info is not None
    assert not call.caller_info.is_verified
    seen = listen_to(call)
    call.accept()
    answer = await connection.expect(signal.ClientAnswer)
    assert (answer.call_sid, answer.sdp, call.status(), device.calls) == (CALL, NO_MEDIA_SDP, "open", ())
    over = call.wait_for("disconnect", timeout=5)
    await connection.send(signal.ServerAnswer(call_sid=CALL, reconnect="next"), signal.Hangup(call_sid=CALL))
    await over
    assert seen == ["accept", "disconnect"]


async def test_rejecting_ignoring_and_being_cancelled(registered):
    device, connection = await registered()
    rejected = await rung(device, connection)
    seen = listen_to(rejected)
    rejected.reject()
    assert (await connection.expect(signal.Reject)).call_sid == CALL
    assert seen == ["reject"]

    ignored = await rung(device, connection, call_sid=OTHER)
    seen = listen_to(ignored)
    ignored.ignore()
    assert (ignored.status(), device.calls, seen) == ("closed", (), [])
    taken_back = ignored.wait_for("cancel", timeout=5)
    await connection.send(signal.Cancel(call_sid=OTHER))
    await taken_back

    cancelled = await rung(device, connection)
    over = cancelled.wait_for("cancel", timeout=5)
    await connection.send(signal.Cancel(call_sid=CALL))
    await over
    assert cancelled.status() == "closed"


async def test_a_busy_device_lets_a_call_go_by_unless_told_otherwise(registered):
    device, connection = await registered()
    await opened(device, connection)
    await connection.send(signal.ServerInvite(call_sid=OTHER, sdp="offer"))
    await connection.send_text("\n")
    assert await connection.text() == "\n"
    assert device.calls == ()

    device, connection = await registered(allow_incoming_while_busy=True)
    first = await opened(device, connection)
    second = await rung(device, connection, call_sid=OTHER)
    second.accept()
    assert (await connection.expect(signal.Hangup)).call_sid == CALL
    assert (await connection.expect(signal.ClientAnswer)).call_sid == OTHER
    assert (first.status(), second.status()) == ("closed", "open")


async def test_a_message_is_sent_acknowledged_and_awaitable(registered):
    device, connection = await registered()
    call = await opened(device, connection)
    sent = call.wait_for("messageSent", timeout=5)
    sid = call.send_message({"text": "héllo", "n": 1})
    frame = await connection.expect(signal.Message)
    assert (frame.call_sid, frame.message_sid) == (CALL, sid)
    assert bytes(frame.content).decode() == '{"text":"héllo","n":1}'
    assert (frame.message_type, frame.content_type) == ("user-defined-message", "application/json")
    ack = signal.Ack(call_sid=CALL, message_sid=str(sid))
    await connection.send(ack, ack)
    message = await sid
    assert (message.content, message.voice_event_sid) == ({"text": "héllo", "n": 1}, sid)
    assert await sent == message


async def test_a_refused_message_is_an_error_of_the_call_and_of_the_device_when_mirrored(registered):
    device, connection = await registered(mirror_message_errors=True)
    call = await opened(device, connection)
    on_call, on_device = call.wait_for("error", timeout=5), device.wait_for("error", timeout=5)
    sid = call.send_message("x", message_type="unheard-of")
    await connection.expect(signal.Message)
    fault = signal.Fault(code=31210, message="Call Message Event Type is invalid")
    await connection.send(signal.Error(error=fault, call_sid=CALL, message_sid=str(sid)))
    with pytest.raises(VoiceError) as raised:
        await sid
    assert raised.value.code == 31210
    assert await on_call is await on_device is raised.value


async def test_without_the_option_the_device_stays_silent_about_messages(registered):
    device, connection = await registered()
    call = await opened(device, connection)
    errors = []
    device.on("error", errors.append)
    sid = call.send_message("x")
    await connection.expect(signal.Message)
    await connection.send(
        signal.Error(error=signal.Fault(code=31206), call_sid=OTHER, message_sid=str(sid)),
        signal.Error(error=signal.Fault(code=31206), call_sid=CALL, message_sid=MESSAGE),
        signal.Ack(call_sid=CALL, message_sid=str(sid)),
    )
    await sid
    assert errors == []


async def test_messages_that_come_before_anybody_listens_are_kept_in_order(registered):
    device, connection = await registered()
    incoming = device.wait_for("incoming", timeout=5)
    messages = [message(n) for n in range(3)]
    await connection.send(signal.ServerInvite(call_sid=CALL, sdp="offer"), *messages)
    call = await incoming
    await connection.send_text("\n")
    assert await connection.text() == "\n"
    first = call.wait_for("messageReceived")
    assert (await first).content == {"n": 0}
    heard = []
    call.on("messageReceived", lambda message: heard.append(message.content["n"]))
    assert heard == [1, 2]


def message(n: int) -> signal.Message:
    content = b'{"n":%d}' % n
    sid = f"KX{n:032x}"
    return signal.Message(
        call_sid=CALL, message_sid=sid, message_type="user-defined-message", content=msgspec.Raw(content)
    )


async def test_arguments_that_make_no_message_are_refused(registered):
    device, connection = await registered()
    call = await device.connect()
    with pytest.raises(InvalidStateError):
        call.send_message("too early")
    await connection.expect(signal.ClientInvite)
    ringing = call.wait_for("ringing", timeout=5)
    await connection.send(signal.Ringing(call_sid=CALL))
    await ringing
    for arguments in ({"content": None}, {"content": object()}, {"content": float("nan")}):
        with pytest.raises(InvalidArgumentError):
            call.send_message(**arguments)
    with pytest.raises(InvalidArgumentError):
        call.send_message("x", message_type="")


async def test_a_call_survives_its_socket_and_its_messages_come_once_and_in_order(server, registered):
    device, connection = await registered()
    call = await opened(device, connection)
    lost = call.send_message({"n": 1})
    await connection.expect(signal.Message)
    reconnecting, reconnected = call.wait_for("reconnecting", timeout=5), call.wait_for("reconnected", timeout=5)
    device.on("error", lambda error: None)
    connection.cut()
    assert (await reconnecting).code == 53001
    assert call.status() == "reconnecting"
    meanwhile = call.send_message({"n": 2})

    connection = await server.connection()
    await connection.connected()
    resume = await connection.expect(signal.ClientInvite)
    assert (resume.call_sid, resume.reconnect, resume.sdp) == (CALL, "first", NO_MEDIA_SDP)
    assert (await connection.expect(signal.Register)).media.audio
    await connection.send(signal.ServerAnswer(call_sid=CALL, reconnect="second"), signal.Ready())
    await reconnected
    assert call.status() == "open"
    again = [(await connection.expect(signal.Message)).message_sid for _ in range(2)]
    assert again == [lost, meanwhile]
    for sid in again:
        await connection.send(signal.Ack(call_sid=CALL, message_sid=sid))
    assert [(await sid).content["n"] for sid in (lost, meanwhile)] == [1, 2]


async def test_a_resume_that_the_server_refuses_ends_the_call_and_its_messages(server, registered):
    device, connection = await registered()
    device.on("error", lambda error: None)
    call = await opened(device, connection)
    waiting = call.send_message("never judged")
    over, error = call.wait_for("disconnect", timeout=5), call.wait_for("error", timeout=5)
    connection.cut()
    connection = await server.connection()
    await connection.connected()
    await connection.expect(signal.ClientInvite)
    await connection.send(signal.Hangup(call_sid=CALL, error=signal.Fault(code=31209)))
    await over
    assert (await error).code == 31209
    await device.destroy()
    with pytest.raises(VoiceError) as raised:
        await waiting
    assert raised.value.code == 53001


async def test_a_hangup_during_the_outage_is_told_first_thing_on_the_next_socket(server, registered):
    device, connection = await registered()
    device.on("error", lambda error: None)
    call = await opened(device, connection)
    reconnecting = call.wait_for("reconnecting", timeout=5)
    connection.cut()
    await reconnecting
    call.disconnect()
    connection = await server.connection()
    await connection.connected()
    assert (await connection.expect(signal.Hangup)).call_sid == CALL


async def test_an_ack_still_counts_after_the_call_is_over(registered):
    device, connection = await registered()
    call = await opened(device, connection)
    sid = call.send_message("last words")
    call.disconnect()
    await connection.expect(signal.Message)
    await connection.expect(signal.Hangup)
    await connection.send(signal.Ack(call_sid=CALL, message_sid=str(sid)))
    assert (await sid).content == "last words"


async def test_digits_go_by_signalling(registered):
    device, connection = await registered()
    call = await opened(device, connection)
    call.send_digits("12w#")
    assert (await connection.expect(signal.Dtmf)).digits == "12w#"
    with pytest.raises(InvalidArgumentError):
        call.send_digits("12X")


async def test_digits_need_a_call_that_is_under_way(registered):
    device, connection = await registered()
    call = await rung(device, connection)
    with pytest.raises(InvalidStateError):
        call.send_digits("1")


async def test_muting_tells_once(registered):
    device, connection = await registered()
    call = await opened(device, connection)
    told = []
    call.on("mute", lambda is_muted, of: told.append((is_muted, of is call)))
    call.mute()
    call.mute()
    call.mute(False)
    assert told == [(True, True), (False, True)]
    assert not call.is_muted()


async def test_another_device_takes_a_call_over(registered):
    first, one = await registered()
    ringing = await rung(first, one)
    second, two = await registered()
    taken = await second.connect(connect_token=ringing.connect_token)
    assert (taken.direction, taken.parameters) == ("OUTGOING", ringing.parameters)
    invite = await two.expect(signal.ClientInvite)
    assert (invite.call_sid, invite.reconnect, invite.twilio.params) == (CALL, "first", None)
    accepted, cancelled = taken.wait_for("accept", timeout=5), ringing.wait_for("cancel", timeout=5)
    await two.send(signal.ServerAnswer(call_sid=CALL, sdp="answer", reconnect="second"))
    await one.send(signal.Cancel(call_sid=CALL))
    await accepted
    await cancelled


@pytest.mark.parametrize("token", ["%%%", "bm90IGpzb24=", "JTdCJTdE"])
async def test_a_connect_token_that_is_none_is_refused(registered, token):
    device, _ = await registered()
    with pytest.raises(InvalidArgumentError):
        await device.connect(connect_token=token)
    assert not device.is_busy


def test_the_values_of_the_browser_sdks_statics_are_those_of_calls():
    assert Call.State.OPEN == "open"
    assert Call.CallDirection.OUTGOING == "OUTGOING"
    assert [*Call.Codec] == ["opus", "pcmu"]
    assert [*Call.FeedbackScore] == [1, 2, 3, 4, 5]
    assert set(Call.FeedbackIssue) == set(SDK_ISSUES)
    assert Call.MediaFailure.LOW_BYTES == "LowBytes"
    assert Call.IceGatheringFailureReason.TIMEOUT == "timeout"


async def test_a_call_as_text_is_always_the_same_and_its_representation_says_which(registered):
    device, connection = await registered()
    call = await opened(device, connection)
    assert str(call) == "[midcall.Call instance]"
    assert CALL in repr(call)


async def test_what_is_muted_before_a_call_is_accepted_stays_muted(registered):
    device, connection = await registered()
    call = await rung(device, connection)
    muted = call.wait_for("mute", timeout=5)
    call.mute()
    assert await muted == (True, call)
    call.mute()
    call.accept()
    await connection.expect(signal.ClientAnswer)
    assert call.is_muted()


@pytest.mark.parametrize("act", ["accept", "reject", "ignore"])
async def test_what_is_for_pending_calls_does_nothing_to_an_open_one(registered, act):
    device, connection = await registered()
    call = await opened(device, connection)
    seen = listen_to(call)
    getattr(call, act)()
    assert (call.status(), seen) == ("open", [])


@pytest.mark.parametrize("act", ["accept", "reject", "ignore", "disconnect"])
async def test_a_closed_call_stays_closed_and_silent(registered, act):
    device, connection = await registered()
    call = await opened(device, connection)
    call.disconnect()
    seen = listen_to(call)
    getattr(call, act)()
    assert (call.status(), seen) == ("closed", [])


async def test_a_pending_call_cannot_be_disconnected(registered):
    device, connection = await registered()
    call = await rung(device, connection)
    call.disconnect()
    assert call.status() == "pending"
    call.reject()
    await connection.expect(signal.Reject)


async def test_a_handler_that_ends_the_call_hears_nothing_of_what_would_have_come(registered):
    device, connection = await registered()
    call = await opened(device, connection)
    seen = listen_to(call)
    call.on("warning", lambda *_: call.disconnect())
    for event in (core.BytesRanLow(), core.IceChanged(core.IceState.DISCONNECTED)):
        call._handle(event)
    assert (call.status(), seen) == ("closed", ["warning", "disconnect"])
    assert call._media._due is None
