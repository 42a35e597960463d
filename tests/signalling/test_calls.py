"""Call control over signalling: who hears what, and what the switch is told."""

from __future__ import annotations

from typing import Any

import pytest

from midcall.core import errors
from midcall.core.errors import Refused
from midcall.core.sdp import NO_MEDIA_SDP
from midcall.core.sids import CallSid
from midcall.ports import DeviceId, Devices, Invite
from midcall.signalling.hub import Hub
from support.edge import ACCOUNT, APPLICATION, Client, Edge, description

LEG = CallSid("CA" + "c" * 32)
PARAMETERS = {"From": "client:alice", "To": "client:bob", "CallSid": LEG, "AccountSid": ACCOUNT}


def test_the_hub_is_the_devices_port() -> None:
    hub: type[Devices] = Hub
    assert hub is Hub


async def test_an_outgoing_call_rings_and_is_answered_under_a_new_sid(edge: Edge) -> None:
    client = await edge.listening("alice")
    await client.send("invite", callsid="TJS1", sdp=description(), twilio={"params": "To=client%3Abob&x=a%20%2B%20b"})
    await edge.until(lambda: edge.calls.placed)
    (placed,) = edge.calls.placed
    assert (placed.account_sid, placed.identity, placed.application_sid) == (ACCOUNT, "alice", APPLICATION)
    assert placed.offer == description()
    assert tuple(placed.parameters) == (("To", "client:bob"), ("x", "a + b"))
    assert placed.resume_window_s == 30
    assert edge.hub.reader(placed.sid) == placed.device
    edge.hub.ringing(placed.sid, "v=early")
    await client.expect("ringing", callsid=placed.sid, sdp="v=early")
    edge.hub.answer(placed.sid, None)
    assert "sdp" not in (answer := await client.expect("answer", callsid=placed.sid))
    assert answer["reconnect"]
    edge.hub.hangup(placed.sid)
    assert await client.expect("hangup", callsid=placed.sid) == {"callsid": placed.sid}
    assert edge.hub.reader(placed.sid) is None
    assert edge.hub.legs == 0


async def test_default_parameters_of_the_token_come_before_those_of_the_app(edge: Edge) -> None:
    client = await edge.listening(token=edge.token("alice", params={"tier": "gold"}), reconnectTimeout=30)
    await client.send("invite", callsid="TJS1", sdp=description(), twilio={"params": "tier=tin"})
    await edge.until(lambda: edge.calls.placed)
    assert tuple(edge.calls.placed[0].parameters) == (("tier", "gold"), ("tier", "tin"))


@pytest.mark.parametrize(
    ("refusal", "code"),
    [(errors.APPLICATION_NOT_FOUND, 31001), (errors.APPLICATION_WITHOUT_URL, 31404), (errors.SERVER_STOPPING, 31003)],
)
async def test_a_refused_call_is_hung_up_under_its_temporary_id(edge: Edge, refusal: errors.Rule, code: int) -> None:
    client = await edge.listening()
    edge.calls.refusal = Refused(refusal)
    await client.send("invite", callsid="TJS1", sdp=description(), twilio={})
    assert (await client.expect("hangup", callsid="TJS1"))["error"] == {"code": code, "message": refusal.text}
    assert edge.hub.legs == 0


async def test_a_bug_in_the_switch_is_no_traceback_for_the_client(edge: Edge, caplog: pytest.LogCaptureFixture) -> None:
    client = await edge.listening()
    edge.calls.refusal = ZeroDivisionError("secret detail")
    await client.send("invite", callsid="TJS1", sdp=description(), twilio={})
    assert (await client.expect("hangup"))["error"]["code"] == 31000
    assert "secret detail" not in "".join(client.texts)
    assert "type invite failed" in caplog.text


async def test_placing_needs_the_outgoing_grant_and_short_parameters(edge: Edge) -> None:
    client = await edge.listening(token=edge.token("alice", outgoing=False))
    await client.send("invite", callsid="TJS1", sdp=description(), twilio={})
    assert (await client.expect("hangup", callsid="TJS1"))["error"]["code"] == 31002
    client = await edge.listening()
    await client.send("invite", callsid="TJS1", sdp=description(), twilio={"params": "a=" + "b" * 800})
    assert (await client.expect("hangup", callsid="TJS1"))["error"]["code"] == 31103
    assert not edge.calls.placed


async def test_an_expired_token_places_no_call_and_ends_none(make_edge: Any) -> None:
    edge = await make_edge(heartbeat_s=7200.0)
    client = await edge.listening()
    leg, _ = await edge.up_and_running(client)
    edge.clock.advance(3601)
    await client.send("invite", callsid="TJS2", sdp=description(), twilio={})
    assert (await client.expect("hangup", callsid="TJS2"))["error"]["code"] == 31205
    await client.send("dtmf", callsid=leg, dtmf="1w#")
    await edge.until(lambda: edge.heard("pressed"))
    assert edge.heard("pressed", "hung_up", "away") == [("pressed", leg, "1w#")]


@pytest.mark.parametrize("sdp", ["", "v=0\r\n" * 20_000, None, 7])
async def test_an_invite_that_is_malformed_ends_its_call(edge: Edge, sdp: object) -> None:
    client = await edge.listening()
    await client.send("invite", callsid="TJS1", sdp=sdp, twilio={})
    assert (await client.expect("hangup", callsid="TJS1"))["error"]["code"] == 31100
    await client.nothing_more()


async def test_an_invite_sent_twice_is_one_call(edge: Edge) -> None:
    client = await edge.listening()
    for _ in range(2):
        await client.send("invite", callsid="TJS1", sdp=description(), twilio={})
    await client.nothing_more()
    assert len(edge.calls.placed) == 1


async def test_too_many_calls_on_one_socket_are_refused(make_edge: Any) -> None:
    edge = await make_edge(legs_per_connection=1)
    client = await edge.listening()
    await edge.placed(client)
    await client.send("invite", callsid="TJS2", sdp=description(), twilio={})
    assert (await client.expect("hangup", callsid="TJS2"))["error"]["code"] == 31206


async def test_hanging_up_works_with_either_id_and_with_one_never_seen(edge: Edge) -> None:
    client = await edge.listening()
    await client.send("hangup", callsid="TJS-never-seen")
    await client.send("hangup", callsid=LEG)
    await client.send("invite", callsid="TJS1", sdp=description(), twilio={})
    await client.send("hangup", callsid="TJS1", message="no media")
    await client.nothing_more()
    leg = edge.calls.placed[0].sid
    assert edge.heard("hung_up") == [("hung_up", leg, "no media")]
    edge.hub.hangup(leg)
    await client.nothing_more()  # it knows
    second = await edge.placed(client, temporary="TJS2")
    await client.send("hangup", callsid=second)
    await client.nothing_more()
    assert edge.heard("hung_up")[1:] == [("hung_up", second, None)]


async def test_a_leg_that_ends_before_the_client_knows_its_sid_is_hung_up_under_the_temporary_id(edge: Edge) -> None:
    client = await edge.listening()
    await client.send("invite", callsid="TJS1", sdp=description(), twilio={})
    await edge.until(lambda: edge.calls.placed)
    edge.hub.hangup(edge.calls.placed[0].sid, 31480, "nobody")
    assert (await client.expect("hangup", callsid="TJS1"))["error"] == {"code": 31480, "message": "nobody"}


async def offer(edge: Edge, *clients: Client, leg: CallSid = LEG) -> list[DeviceId]:
    devices = edge.hub.registered(ACCOUNT, "bob")
    for device in devices:
        edge.hub.invite(device, Invite(leg=leg, sdp="v=offer", parameters=PARAMETERS))
    for client in clients:
        assert (await client.expect("invite", callsid=leg, sdp="v=offer", parameters=PARAMETERS))["reconnect"]
    return list(devices)


async def test_an_invite_shows_its_client_all_that_is_known_of_the_caller(edge: Edge) -> None:
    client = await edge.registered("bob")
    (device,) = edge.hub.registered(ACCOUNT, "bob")
    parameters = PARAMETERS | {"StirStatus": "TN-Validation-Passed-A"}
    edge.hub.invite(device, Invite(leg=LEG, sdp="v=offer", parameters=parameters))
    assert (await client.expect("invite", callsid=LEG))["parameters"] == parameters


async def test_the_first_answer_wins_and_the_others_are_cancelled(edge: Edge) -> None:
    first, second = await edge.registered("bob"), await edge.registered("bob")
    devices = await offer(edge, first, second)
    assert edge.hub.reader(LEG) is None
    await second.send("answer", callsid=LEG, sdp=description())
    await edge.until(lambda: edge.heard("answered"))
    assert edge.heard("answered") == [("answered", LEG, devices[1], description(), 30)]
    edge.hub.taken(LEG, devices[1])
    assert (await second.expect("answer", callsid=LEG))["reconnect"]
    await first.expect("cancel", callsid=LEG)
    assert edge.hub.reader(LEG) == devices[1]
    await first.send("answer", callsid=LEG, sdp=description())
    await first.expect("cancel", callsid=LEG)
    edge.hub.hangup(LEG)
    await second.expect("hangup", callsid=LEG)


async def test_two_answers_at_once_leave_one_winner(edge: Edge) -> None:
    first, second = await edge.registered("bob"), await edge.registered("bob")
    devices = await offer(edge, first, second)
    for client in (first, second):
        await client.send("answer", callsid=LEG, sdp=description())
    await edge.until(lambda: len(edge.heard("answered")) == 2)
    edge.hub.taken(LEG, devices[0])
    await first.expect("answer", callsid=LEG)
    await second.expect("cancel", callsid=LEG)


async def test_a_leg_that_ends_while_it_rings_is_cancelled_at_every_device(edge: Edge) -> None:
    first, second = await edge.registered("bob"), await edge.registered("bob")
    await offer(edge, first, second)
    await second.send("answer", callsid=LEG, sdp=description())
    await edge.until(lambda: edge.heard("answered"))
    edge.hub.hangup(LEG, 31486)
    await first.expect("cancel", callsid=LEG)
    assert (await second.expect("hangup", callsid=LEG))["error"]["code"] == 31486  # it had accepted


async def test_a_reject_is_told_to_the_switch_and_answered_by_nothing(edge: Edge) -> None:
    first, second = await edge.registered("bob"), await edge.registered("bob")
    devices = await offer(edge, first, second)
    await first.send("reject", callsid=LEG)
    await edge.until(lambda: edge.heard("rejected"))
    assert edge.heard("rejected") == [("rejected", LEG, devices[0])]
    edge.hub.hangup(LEG)
    await second.expect("cancel", callsid=LEG)
    await first.nothing_more()


async def test_a_hangup_of_a_leg_that_was_only_offered_is_a_reject(edge: Edge) -> None:
    client = await edge.registered("bob")
    (device,) = await offer(edge, client)
    await client.send("hangup", callsid=LEG)
    await edge.until(lambda: edge.heard("rejected"))
    assert edge.heard("rejected", "hung_up") == [("rejected", LEG, device)]


async def test_a_hangup_right_after_the_answer_counts_only_for_the_winner(edge: Edge) -> None:
    first, second = await edge.registered("bob"), await edge.registered("bob")
    devices = await offer(edge, first, second)
    for client in (first, second):
        await client.send("answer", callsid=LEG, sdp=description())
        await client.send("hangup", callsid=LEG)
        await client.nothing_more()
    assert not edge.heard("hung_up")
    edge.hub.taken(LEG, devices[0])
    await edge.until(lambda: edge.heard("hung_up"))
    assert edge.heard("hung_up") == [("hung_up", LEG)]


async def test_a_device_gets_one_invite_for_a_leg_and_a_late_device_gets_it_too(edge: Edge) -> None:
    first = await edge.registered("bob")
    await offer(edge, first)
    late = await edge.registered("bob")
    await offer(edge, late)
    await first.nothing_more()


async def test_an_offered_device_that_goes_is_told_to_the_switch(edge: Edge) -> None:
    client = await edge.registered("bob")
    (device,) = await offer(edge, client)
    await client.drop()
    await edge.until(lambda: edge.heard("device_gone"))
    assert edge.heard("device_gone", "away") == [("device_gone", LEG, device)]


async def test_an_invite_for_a_device_that_has_gone_is_told_to_the_switch(edge: Edge) -> None:
    edge.hub.invite(DeviceId("gone"), Invite(leg=LEG, sdp="v=offer", parameters=PARAMETERS))
    await edge.until(lambda: edge.heard("device_gone"))
    assert edge.heard("device_gone") == [("device_gone", LEG, "gone")]


async def test_ringing_and_answer_reach_the_holder_only(edge: Edge) -> None:
    alice, bob = await edge.listening("alice"), await edge.registered("bob")
    leg = await edge.placed(alice)
    (device,) = await offer(edge, bob)
    edge.hub.answer(LEG, None)
    edge.hub.ringing(LEG, None)
    await bob.nothing_more()
    edge.hub.answer(leg, "v=answer")
    await alice.expect("answer", callsid=leg, sdp="v=answer")
    await bob.send("answer", callsid=LEG, sdp=description())
    await edge.until(lambda: edge.heard("answered"))
    edge.hub.taken(LEG, device)
    await bob.expect("answer", callsid=LEG)
    await alice.nothing_more()


async def test_a_reinvite_of_the_same_peer_goes_to_the_switch(edge: Edge) -> None:
    client = await edge.listening()
    leg, _ = await edge.up_and_running(client)
    await client.send("reinvite", callsid=leg, sdp=description(ufrag="u2"))
    await edge.until(lambda: edge.heard("reinvited"))
    assert edge.heard("reinvited") == [("reinvited", leg, description(ufrag="u2"))]
    edge.hub.answer(leg, "v=again")
    await client.expect("answer", callsid=leg, sdp="v=again")
    await client.send("reinvite", callsid=leg, sdp=description("EE:FF"))
    assert (await client.expect("error", callsid=leg))["error"]["code"] == 31100


async def test_frames_about_other_peoples_legs_change_nothing(edge: Edge) -> None:
    alice, mallory = await edge.listening("alice"), await edge.registered("mallory")
    leg, _ = await edge.up_and_running(alice)
    for frame in ("hangup", "reject"):
        await mallory.send(frame, callsid=leg)
    await mallory.send("dtmf", callsid=leg, dtmf="1")
    await mallory.send("reinvite", callsid=leg, sdp=description(ufrag="u2"))
    await mallory.send("answer", callsid=leg, sdp=description())
    await mallory.expect("cancel", callsid=leg)
    await mallory.send("reject", callsid=leg)
    await mallory.nothing_more()
    assert not edge.heard("hung_up", "rejected", "pressed", "reinvited", "answered")
    await alice.nothing_more()


@pytest.mark.parametrize("digits", ["", "12x", "1" * 257, "1\n"])
async def test_digits_that_are_none_are_malformed(edge: Edge, digits: str) -> None:
    client = await edge.listening()
    leg, _ = await edge.up_and_running(client)
    await client.send("dtmf", callsid=leg, dtmf=digits)
    assert (await client.expect("error", callsid=leg))["error"]["code"] == 31100
    assert not edge.heard("pressed")


async def test_a_client_without_media_is_known_as_one_while_its_call_lives(edge: Edge) -> None:
    client = await edge.listening("alice", media="none")
    leg = await edge.placed(client, sdp=NO_MEDIA_SDP)
    device = edge.device_of(leg)
    assert edge.hub.declares_no_media(device)
    edge.hub.answer(leg, NO_MEDIA_SDP)
    await client.expect("answer")
    await client.drop()
    await edge.until(lambda: edge.heard("away"))
    assert edge.hub.declares_no_media(device)
    edge.hub.hangup(leg)
    assert not edge.hub.declares_no_media(device)
    assert not edge.hub.declares_no_media(DeviceId("other"))


async def placing(edge: Edge) -> tuple[Client, CallSid, DeviceId]:
    """A registered client whose own call has no sid for it yet; the call's leg."""
    client = await edge.registered("bob")
    (device,) = edge.hub.registered(ACCOUNT, "bob")
    await client.send("invite", callsid="TJS1", sdp=description(), twilio={})
    await edge.until(lambda: edge.calls.placed)
    return client, edge.calls.placed[-1].sid, device


def invited(edge: Edge, device: DeviceId) -> None:
    edge.hub.invite(device, Invite(leg=LEG, sdp="v=offer", parameters={}))


@pytest.mark.parametrize("settled", ["ringing", "answer", "hangup"])
async def test_an_invite_waits_until_the_call_that_its_client_is_placing_has_a_sid_or_is_over(
    edge: Edge, settled: str
) -> None:
    """The SDK gives the sid of a `ringing` frame to every call on the socket."""
    client, own, device = await placing(edge)
    invited(edge, device)
    edge.messages.add(LEG, "1")
    match settled:
        case "ringing":
            edge.hub.ringing(own, None)
        case "answer":
            edge.hub.answer(own, "v=answer")
        case _:
            edge.hub.hangup(own)
    await client.expect(settled)
    await client.expect("invite", callsid=LEG)
    await client.expect("message", callsid=LEG)
    await client.nothing_more()


async def test_an_invite_waits_no_longer_when_the_call_could_not_be_placed(edge: Edge) -> None:
    edge.calls.gate.clear()
    edge.calls.refusal = Refused(errors.APPLICATION_NOT_FOUND)
    client = await edge.registered("bob")
    (device,) = edge.hub.registered(ACCOUNT, "bob")
    await client.send("invite", callsid="TJS1", sdp=description(), twilio={})
    await edge.until(lambda: edge.calls.placed)
    invited(edge, device)
    edge.calls.gate.set()
    assert {(await client.next())["type"] for _ in range(2)} == {"hangup", "invite"}


async def test_an_invite_that_waits_for_a_call_is_dropped_when_its_own_leg_ends_or_is_taken(edge: Edge) -> None:
    client, own, device = await placing(edge)
    other = await edge.registered("bob")
    other_device = edge.hub.registered(ACCOUNT, "bob")[-1]
    taken = CallSid("CA" + "e" * 32)
    invited(edge, device)
    for each in (device, other_device):
        edge.hub.invite(each, Invite(leg=taken, sdp="v=offer", parameters={}))
    await other.expect("invite", callsid=taken)
    await other.send("answer", callsid=taken, sdp=description(setup="active"))
    await edge.until(lambda: edge.heard("answered"))
    edge.hub.taken(taken, other_device)
    edge.hub.hangup(LEG)
    edge.hub.ringing(own, None)
    await client.expect("ringing", callsid=own)
    await client.nothing_more()


async def test_a_client_that_goes_while_an_invite_waits_for_it_is_told_to_the_switch(edge: Edge) -> None:
    client, _, device = await placing(edge)
    invited(edge, device)
    await client.drop()
    await edge.until(lambda: edge.heard("device_gone"))
    assert edge.heard("device_gone") == [("device_gone", LEG, device)]
