"""A client that lost its socket comes back: what is bound again, sent again, refused."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from midcall.core.sdp import NO_MEDIA_SDP
from midcall.core.sids import CallSid
from midcall.ports import DeviceId, Invite
from support.edge import ACCOUNT, OTHER_ACCOUNT, OTHER_KEY, Client, Edge, description, kx

LEG = CallSid("CA" + "c" * 32)


async def resume(client: Client, leg: str, token: str, sdp: str | None = None) -> None:
    await client.send("invite", callsid=leg, reconnect=token, sdp=sdp or description(), twilio={})


async def lost(edge: Edge, client: Client) -> None:
    before = len(edge.heard("away"))
    await client.drop()
    await edge.until(lambda: len(edge.heard("away")) > before)


async def test_a_lost_socket_is_told_once_and_a_resume_binds_the_leg_again(edge: Edge) -> None:
    client = await edge.listening("alice")
    leg, token = await edge.up_and_running(client)
    await client.nothing_more()
    reader = edge.hub.reader(leg)
    await lost(edge, client)
    assert edge.heard("away") == [("away", leg)]
    assert edge.hub.reader(leg) == reader
    back = await edge.listening("alice")
    await resume(back, leg, token)
    answer = await back.expect("answer", callsid=leg)
    assert "sdp" not in answer
    assert answer["reconnect"] != token
    assert edge.heard("back") == [("back", leg, None)]
    assert edge.hub.reader(leg) == reader
    edge.hub.hangup(leg)
    await back.expect("hangup", callsid=leg)


async def test_frames_without_an_echo_are_sent_again_in_order_with_the_same_sids(edge: Edge) -> None:
    client = await edge.listening("alice")
    leg, token = await edge.up_and_running(client)
    edge.messages.add(leg, "1")
    await client.expect("message", voiceeventsid=kx(1))
    await edge.until(lambda: edge.messages.receipts)
    client.echoes = False
    edge.messages.add(leg, "2")
    await client.expect("message", voiceeventsid=kx(2))
    await client.send("message", callsid=leg, content=1, messagetype="user-defined-message", voiceeventsid=kx(77))
    await client.expect("ack", voiceeventsid=kx(77))
    edge.messages.add(leg, "3")
    await client.expect("message", voiceeventsid=kx(3))
    await lost(edge, client)
    edge.messages.add(leg, "4")
    back = await edge.listening("alice")
    await resume(back, leg, token)
    await back.expect("answer", callsid=leg)
    await back.expect("message", voiceeventsid=kx(2))
    await back.expect("ack", voiceeventsid=kx(77))
    await back.expect("message", voiceeventsid=kx(3))
    await back.expect("message", voiceeventsid=kx(4))
    await edge.until(lambda: edge.messages.receipts[-1][2] == 4)
    assert edge.hub.counters.resent == 3
    await back.nothing_more()


async def test_nothing_new_is_written_to_a_client_that_is_back_before_that_is_stored(edge: Edge) -> None:
    client = await edge.listening("alice")
    leg, token = await edge.up_and_running(client)
    client.echoes = False
    edge.messages.add(leg, "1")
    await client.expect("message", voiceeventsid=kx(1))
    await lost(edge, client)
    assert [(known, bound) for known, _, bound in edge.messages.presence] == [(leg, 1)]
    edge.messages.add(leg, "2")
    edge.messages.presence_stored.clear()
    back = await edge.listening("alice")
    await resume(back, leg, token)
    await back.expect("answer", callsid=leg)
    await back.expect("message", voiceeventsid=kx(1))
    await back.nothing_more()
    assert [bound for _, _, bound in edge.messages.presence] == [1, None]
    edge.messages.presence_stored.set()
    await back.expect("message", voiceeventsid=kx(2))


async def test_an_echo_is_the_receipt_of_what_came_before_it_and_of_nothing_else(edge: Edge) -> None:
    client = await edge.listening("alice")
    leg, token = await edge.up_and_running(client)
    await client.nothing_more()
    await edge.until(lambda: client.heartbeats == 1)
    client.echoes = False
    for number in (1, 2, 3):
        edge.messages.add(leg, str(number))
        await client.expect("message", voiceeventsid=kx(number))
        await edge.until(lambda number=number: client.heartbeats == number + 1)
    await client.ws.send_str("\n")
    await client.nothing_more()
    assert [seq for _, _, seq in edge.messages.receipts] == [1]
    await lost(edge, client)
    back = await edge.listening("alice")
    await resume(back, leg, token)
    await back.expect("answer")
    await back.expect("message", voiceeventsid=kx(2))
    await back.expect("message", voiceeventsid=kx(3))
    await edge.until(lambda: [seq for _, _, seq in edge.messages.receipts] == [1, 3])


async def test_an_ack_that_came_too_late_for_its_socket_comes_with_the_resume(edge: Edge) -> None:
    client = await edge.listening("alice")
    leg, token = await edge.up_and_running(client)
    edge.messages.gate.clear()
    await client.send("message", callsid=leg, content=1, messagetype="user-defined-message", voiceeventsid=kx(7))
    await edge.until(lambda: edge.messages.accepted)
    await lost(edge, client)
    edge.messages.gate.set()
    back = await edge.listening("alice")
    await resume(back, leg, token)
    await back.expect("answer")
    await back.expect("ack", voiceeventsid=kx(7))


async def test_what_a_browser_queued_while_offline_is_taken_before_its_resume(edge: Edge) -> None:
    client = await edge.listening("alice")
    leg, token = await edge.up_and_running(client)
    await lost(edge, client)
    back = await edge.connect()
    await back.send("listen", token=edge.token("alice"), reconnectTimeout=0)
    await back.send("message", callsid=leg, content=1, messagetype="user-defined-message", voiceeventsid=kx(7))
    await back.expect("connected")
    await resume(back, leg, token)
    await back.expect("answer")
    await back.expect("ack", voiceeventsid=kx(7))
    assert len(edge.messages.accepted) == 1


async def test_a_hangup_that_was_queued_while_offline_ends_the_leg(edge: Edge) -> None:
    client = await edge.listening("alice")
    leg, _ = await edge.up_and_running(client)
    await lost(edge, client)
    stranger = await edge.listening("mallory")
    await stranger.send("hangup", callsid=leg)
    await stranger.nothing_more()
    assert not edge.heard("hung_up")
    back = await edge.listening("alice")
    await back.send("hangup", callsid=leg)
    await back.nothing_more()
    assert edge.heard("hung_up") == [("hung_up", leg, None)]


async def test_an_answer_that_was_queued_while_offline_takes_the_leg(edge: Edge) -> None:
    client = await edge.registered("bob")
    (device,) = edge.hub.registered(ACCOUNT, "bob")
    edge.hub.invite(device, Invite(leg=LEG, sdp="v=offer", parameters={}))
    token = (await client.expect("invite"))["reconnect"]
    await client.drop()
    await edge.until(lambda: edge.heard("device_gone"))
    back = await edge.listening("bob")
    await back.send("answer", callsid=LEG, sdp=description(setup="active"))
    await resume(back, LEG, token, description(setup="active"))
    await back.expect("answer", callsid=LEG)
    assert edge.heard("answered") == [("answered", LEG, device, description(setup="active"), 30)]
    edge.hub.taken(LEG, device)
    await back.expect("answer", callsid=LEG)


async def test_the_resume_of_a_leg_whose_answer_was_lost_with_its_socket_is_the_answer(edge: Edge) -> None:
    """Found by simulation: the browser sends its answer once, and afterwards only resumes."""
    client = await edge.registered("bob")
    (device,) = edge.hub.registered(ACCOUNT, "bob")
    edge.hub.invite(device, Invite(leg=LEG, sdp="v=offer", parameters={}))
    token = (await client.expect("invite"))["reconnect"]
    client.echoes = False
    edge.messages.add(LEG, "1")
    await client.expect("message", voiceeventsid=kx(1))
    await client.drop()
    await edge.until(lambda: edge.heard("device_gone"))
    back = await edge.listening("bob", reconnectTimeout=0)
    answer = description(setup="active")
    await resume(back, LEG, token, answer)
    await edge.until(lambda: edge.heard("answered"))
    assert edge.heard("answered") == [("answered", LEG, device, answer, 30)]
    edge.hub.taken(LEG, device)
    await back.expect("message", voiceeventsid=kx(1))
    fresh = (await back.expect("answer", callsid=LEG))["reconnect"]
    assert fresh != token
    await back.nothing_more()
    await resume(back, LEG, fresh, answer)
    await back.expect("answer", callsid=LEG)
    assert len(edge.heard("answered")) == 1


async def test_an_answer_that_arrives_after_the_resume_that_stood_for_it_counts_no_second_time(edge: Edge) -> None:
    client = await edge.registered("bob")
    (device,) = edge.hub.registered(ACCOUNT, "bob")
    edge.hub.invite(device, Invite(leg=LEG, sdp="v=offer", parameters={}))
    token = (await client.expect("invite"))["reconnect"]
    answer = description(setup="active")
    back = await edge.listening("bob")  # the old socket's end is not known yet
    await resume(back, LEG, token, answer)
    await edge.until(lambda: edge.heard("answered"))
    await back.send("answer", callsid=LEG, sdp=answer)
    await back.nothing_more()
    await client.drop()
    await back.nothing_more()
    assert len(edge.heard("answered")) == 1
    assert not edge.heard("device_gone")


async def test_a_device_that_resumes_too_late_is_not_the_one_that_takes_the_leg(edge: Edge) -> None:
    first, second = await edge.registered("bob"), await edge.registered("bob")
    devices = edge.hub.registered(ACCOUNT, "bob")
    tokens = []
    for device, client in zip(devices, (first, second), strict=True):
        edge.hub.invite(device, Invite(leg=LEG, sdp="v=offer", parameters={}))
        tokens.append((await client.expect("invite"))["reconnect"])
    await first.drop()
    await edge.until(lambda: edge.heard("device_gone"))
    await second.send("answer", callsid=LEG, sdp=description("CC:DD", setup="active"))
    await edge.until(lambda: edge.heard("answered"))
    back = await edge.listening("bob")
    await resume(back, LEG, tokens[0], description(setup="active"))
    await edge.until(lambda: len(edge.heard("answered")) == 2)
    edge.hub.taken(LEG, devices[1])
    await second.expect("answer", callsid=LEG)
    await back.expect("cancel", callsid=LEG)


ANSWER = description(setup="active")


class TwiceOffered(NamedTuple):
    """A client whose old socket seems alive, and its new one, on which it was offered the leg again."""

    old: Client
    new: Client
    first: DeviceId
    second: DeviceId
    token: str


async def twice_offered(edge: Edge) -> TwiceOffered:
    old = await edge.registered("bob")
    (first,) = edge.hub.registered(ACCOUNT, "bob")
    edge.hub.invite(first, Invite(leg=LEG, sdp="v=offer", parameters={}))
    token = (await old.expect("invite"))["reconnect"]
    new = await edge.registered("bob")
    (second,) = set(edge.hub.registered(ACCOUNT, "bob")) - {first}
    edge.hub.invite(second, Invite(leg=LEG, sdp="v=offer", parameters={}))
    assert (await new.expect("invite"))["reconnect"] != token
    return TwiceOffered(old, new, first, second, token)


async def test_a_resume_of_the_first_offer_answers_it_and_withdraws_the_second(edge: Edge) -> None:
    """Found by simulation: the leg was lost with the offer that was taken back."""
    case = await twice_offered(edge)
    await resume(case.new, LEG, case.token, ANSWER)
    await edge.until(lambda: edge.heard("answered"))
    assert edge.heard("answered")[0][1:4] == (LEG, case.first, ANSWER)
    edge.hub.taken(LEG, case.first)
    await case.new.expect("answer", callsid=LEG)
    await case.new.send("message", callsid=LEG, content=1, messagetype="user-defined-message", voiceeventsid=kx(7))
    await case.new.expect("ack", voiceeventsid=kx(7))


@pytest.mark.parametrize("decided", [False, True], ids=["before it counts", "after it counts"])
async def test_who_answered_the_second_offer_may_resume_with_the_token_of_the_first(edge: Edge, decided: bool) -> None:
    """Found by simulation: registering, answering and resuming cross on a client's way back."""
    case = await twice_offered(edge)
    await case.new.send("answer", callsid=LEG, sdp=ANSWER)
    await edge.until(lambda: edge.heard("answered"))
    if decided:
        edge.hub.taken(LEG, case.second)
        await case.new.expect("answer", callsid=LEG)
    await resume(case.new, LEG, case.token, ANSWER)
    await case.new.expect("answer", callsid=LEG)
    if not decided:
        edge.hub.taken(LEG, case.second)
        await case.new.expect("answer", callsid=LEG)
    await case.new.nothing_more()
    assert edge.hub.reader(LEG) == case.second
    assert len(edge.heard("answered")) == 1


@pytest.mark.parametrize("resumed", [False, True], ids=["on the first way back", "on the second"])
async def test_a_client_that_lost_every_answer_comes_back_with_the_token_of_its_first_offer(
    edge: Edge, resumed: bool
) -> None:
    """Found by simulation: two sockets break one after the other, and the first token is all that the client has."""
    case = await twice_offered(edge)
    await case.new.send("answer", callsid=LEG, sdp=ANSWER)
    await edge.until(lambda: edge.heard("answered"))
    edge.hub.taken(LEG, case.second)
    if resumed:
        await resume(case.new, LEG, case.token, ANSWER)
        await edge.until(lambda: edge.hub.counters.resumes)
    await lost(edge, case.new)
    other = await edge.listening("bob")
    await resume(other, LEG, case.token, description("EE:FF", setup="active"))
    assert (await other.expect("hangup", callsid=LEG))["error"]["code"] == 31209
    back = await edge.listening("bob")
    await resume(back, LEG, case.token, ANSWER)
    await back.expect("answer", callsid=LEG)
    assert edge.hub.reader(LEG) == case.second


async def test_the_token_of_an_offer_that_is_over_takes_nothing_from_the_device_that_won(edge: Edge) -> None:
    case = await twice_offered(edge)
    await case.new.send("answer", callsid=LEG, sdp=ANSWER)
    await edge.until(lambda: edge.heard("answered"))
    edge.hub.taken(LEG, case.second)
    await case.new.expect("answer", callsid=LEG)
    await case.old.expect("cancel", callsid=LEG)
    await resume(case.old, LEG, case.token, ANSWER)
    assert (await case.old.expect("hangup", callsid=LEG))["error"]["code"] == 31209
    assert edge.hub.reader(LEG) == case.second


async def test_an_answer_from_a_new_socket_is_not_cancelled_while_the_old_one_seems_alive(edge: Edge) -> None:
    old = await edge.registered("bob")
    (device,) = edge.hub.registered(ACCOUNT, "bob")
    edge.hub.invite(device, Invite(leg=LEG, sdp="v=offer", parameters={}))
    token = (await old.expect("invite"))["reconnect"]
    new = await edge.listening("bob")
    await new.send("answer", callsid=LEG, sdp=ANSWER)
    await new.nothing_more()
    assert not edge.heard("answered")
    await resume(new, LEG, token, ANSWER)
    await edge.until(lambda: edge.heard("answered"))
    stranger = await edge.listening("mallory")
    await stranger.send("answer", callsid=LEG, sdp=ANSWER)
    await stranger.expect("cancel", callsid=LEG)


async def test_an_offer_does_not_answer_a_leg_that_rings_but_takes_it_over(edge: Edge) -> None:
    client = await edge.registered("bob")
    (device,) = edge.hub.registered(ACCOUNT, "bob")
    edge.hub.invite(device, Invite(leg=LEG, sdp="v=offer", parameters={}))
    token = (await client.expect("invite"))["reconnect"]
    await client.send("invite", callsid=LEG, reconnect=token, sdp=description(setup="actpass"), twilio={})
    await edge.until(lambda: edge.heard("taken_over"))
    assert not edge.heard("answered")


async def test_what_was_not_receipted_before_an_answer_from_another_socket_comes_with_the_answer(edge: Edge) -> None:
    """Found by simulation: the resume that follows finds the leg on its socket already."""
    client = await edge.registered("bob")
    client.echoes = False
    (device,) = edge.hub.registered(ACCOUNT, "bob")
    edge.hub.invite(device, Invite(leg=LEG, sdp="v=offer", parameters={}))
    token = (await client.expect("invite"))["reconnect"]
    edge.messages.add(LEG, "1")
    await client.expect("message", voiceeventsid=kx(1))
    await client.drop()
    await edge.until(lambda: edge.heard("device_gone"))
    back = await edge.listening("bob")
    await back.send("answer", callsid=LEG, sdp=description(setup="active"))
    await back.expect("message", voiceeventsid=kx(1))
    await resume(back, LEG, token, description(setup="active"))
    await back.expect("answer", callsid=LEG)
    await edge.until(lambda: edge.messages.receipts)
    assert edge.messages.receipts[-1] == (LEG, device, 1)


async def test_a_client_that_answers_while_it_is_offered_the_leg_again_is_not_cancelled(edge: Edge) -> None:
    """Found by simulation: registering again and answering cross on their way to the switch."""
    client = await edge.registered("bob")
    (device,) = edge.hub.registered(ACCOUNT, "bob")
    edge.hub.invite(device, Invite(leg=LEG, sdp="v=offer", parameters={}))
    await client.expect("invite")
    await client.drop()
    await edge.until(lambda: edge.heard("device_gone"))
    back = await edge.registered("bob")
    (again,) = edge.hub.registered(ACCOUNT, "bob")
    await back.send("answer", callsid=LEG, sdp=description(setup="active"))
    await edge.until(lambda: edge.heard("answered"))
    edge.hub.invite(again, Invite(leg=LEG, sdp="v=offer", parameters={}))
    edge.hub.taken(LEG, device)
    await back.expect("answer", callsid=LEG)
    await back.nothing_more()
    assert edge.hub.reader(LEG) == device


async def test_after_a_token_update_a_resume_is_a_no_op(edge: Edge) -> None:
    client = await edge.listening("alice")
    leg, token = await edge.up_and_running(client)
    client.echoes = False
    edge.messages.add(leg, "1")
    await client.expect("message")
    await client.send("listen", token=edge.token("alice"), reconnectTimeout=0)
    await client.expect("connected")
    await resume(client, leg, token)
    assert (await client.expect("answer", callsid=leg))["reconnect"] != token
    await client.nothing_more()
    assert not edge.heard("away", "back", "reinvited")


async def test_a_resume_may_overtake_the_end_of_the_old_socket(edge: Edge) -> None:
    client = await edge.listening("alice")
    leg, token = await edge.up_and_running(client)
    back = await edge.listening("alice")
    await resume(back, leg, token)
    await back.expect("answer", callsid=leg)
    await client.drop()
    await back.nothing_more()
    edge.hub.hangup(leg)
    await back.expect("hangup", callsid=leg)
    assert not edge.heard("away")


async def test_the_same_peer_with_a_new_ufrag_restarts_ice(edge: Edge) -> None:
    client = await edge.listening("alice")
    leg, token = await edge.up_and_running(client)
    await lost(edge, client)
    back = await edge.listening("alice")
    restart = description(ufrag="u2")
    await resume(back, leg, token, restart)
    await back.nothing_more()
    assert edge.heard("back") == [("back", leg, restart)]
    edge.hub.answer(leg, "v=restarted")
    assert (await back.expect("answer", callsid=leg, sdp="v=restarted"))["reconnect"]


async def test_the_answer_to_a_reinvite_that_was_lost_comes_with_the_resume(edge: Edge) -> None:
    client = await edge.listening("alice")
    leg, token = await edge.up_and_running(client)
    await client.nothing_more()
    restart = description(ufrag="u2")
    await client.send("reinvite", callsid=leg, sdp=restart)
    await edge.until(lambda: edge.heard("reinvited"))
    await lost(edge, client)
    edge.hub.answer(leg, "v=restarted")
    back = await edge.listening("alice")
    await resume(back, leg, token, restart)
    await back.expect("answer", callsid=leg, sdp="v=restarted")
    assert edge.heard("back") == [("back", leg, None)]


async def test_another_peer_is_refused(edge: Edge) -> None:
    client = await edge.listening("alice")
    leg, token = await edge.up_and_running(client)
    other = await edge.listening("alice")
    await resume(other, leg, token, description("EE:FF", "u9"))
    assert (await other.expect("hangup", callsid=leg))["error"]["code"] == 31209
    edge.hub.ringing(leg, None)
    await client.expect("ringing")


async def test_unknown_legs_wrong_tokens_and_strangers_are_refused(edge: Edge) -> None:
    client = await edge.listening("alice")
    leg, token = await edge.up_and_running(client)
    await lost(edge, client)
    back, mallory = await edge.listening("alice"), await edge.listening("mallory")
    tenant = await edge.listening(token=edge.token("alice", account=OTHER_ACCOUNT, key=OTHER_KEY, secret="2" * 32))
    for who, sid, shown in (
        (back, leg, token + "x"),
        (back, leg, "я"),
        (back, LEG, token),
        (back, "TJS1", token),
        (mallory, leg, token),
        (tenant, leg, token),
    ):
        await resume(who, sid, shown)
        assert (await who.expect("hangup", callsid=sid))["error"]["code"] == 31209
    assert edge.hub.counters.refused_resumes == 6
    edge.hub.hangup(leg)
    await resume(back, leg, token)
    assert (await back.expect("hangup", callsid=leg))["error"]["code"] == 31209
    assert not edge.heard("back")


async def test_tokens_rotate_and_an_old_one_dies_when_a_newer_one_was_used(edge: Edge) -> None:
    client = await edge.listening("alice")
    leg, first = await edge.up_and_running(client)
    await resume(client, leg, first)
    second = (await client.expect("answer"))["reconnect"]
    await resume(client, leg, first)  # the answer with the second one could have been lost
    third = (await client.expect("answer"))["reconnect"]
    await resume(client, leg, third)
    fourth = (await client.expect("answer"))["reconnect"]
    for dead in (first, second):
        await resume(client, leg, dead)
        assert (await client.expect("hangup", callsid=leg))["error"]["code"] == 31209
    await resume(client, leg, fourth)
    await client.expect("answer")
    assert len({first, second, third, fourth}) == 4


async def test_many_unused_tokens_do_not_pile_up_and_the_newest_stays_good(edge: Edge) -> None:
    client = await edge.listening("alice")
    leg, first = await edge.up_and_running(client)
    tokens = []
    for _ in range(20):
        edge.hub.answer(leg, None)
        tokens.append((await client.expect("answer"))["reconnect"])
    await resume(client, leg, first)
    await client.expect("answer")
    await resume(client, leg, tokens[-1])
    await client.expect("answer")


async def test_clients_without_media_resume_with_the_description_they_have(edge: Edge) -> None:
    client = await edge.listening("alice", media="none")
    leg, token = await edge.up_and_running(client, sdp=NO_MEDIA_SDP)
    await lost(edge, client)
    back = await edge.listening("alice", media="none")
    await resume(back, leg, token, NO_MEDIA_SDP)
    await back.expect("answer", callsid=leg)
    assert edge.heard("back") == [("back", leg, None)]


async def test_a_taken_leg_whose_winner_has_gone_is_away_until_it_resumes(edge: Edge) -> None:
    client = await edge.registered("bob")
    (device,) = edge.hub.registered(ACCOUNT, "bob")
    edge.hub.invite(device, Invite(leg=LEG, sdp="v=offer", parameters={}))
    token = (await client.expect("invite"))["reconnect"]
    await client.send("answer", callsid=LEG, sdp=description(setup="active"))
    await edge.until(lambda: edge.heard("answered"))
    await client.drop()
    await edge.until(lambda: not edge.hub.lines)
    assert not edge.heard("device_gone")
    edge.hub.taken(LEG, device)
    await edge.until(lambda: edge.heard("away"))
    back = await edge.listening("bob")
    await resume(back, LEG, token, description(setup="active"))
    await back.expect("answer", callsid=LEG)
    assert edge.heard("back") == [("back", LEG, None)]


async def test_a_caller_that_goes_before_it_has_a_token_has_hung_up(edge: Edge) -> None:
    client = await edge.listening("alice")
    leg = await edge.placed(client)
    await client.drop()
    await edge.until(lambda: edge.heard("hung_up"))
    assert edge.heard("hung_up", "away") == [("hung_up", leg)]


async def test_what_happens_to_a_leg_whose_client_is_away_disturbs_nobody(edge: Edge) -> None:
    client = await edge.listening("alice")
    leg, token = await edge.up_and_running(client)
    await lost(edge, client)
    edge.hub.ringing(leg, None)
    edge.hub.answer(leg, None)
    edge.messages.add(leg, "1")
    await edge.clock.settle()
    back = await edge.listening("alice")
    await resume(back, leg, token)
    await back.expect("answer")
    await back.expect("message", content=1)
    edge.hub.hangup(leg)
    await back.expect("hangup")


@pytest.mark.parametrize("timeout", [0, 13, 30, 300, -5])
async def test_the_resume_window_is_the_larger_of_the_clients_and_ours(edge: Edge, timeout: float) -> None:
    client = await edge.listening("alice", reconnectTimeout=timeout)
    await edge.placed(client)
    assert edge.calls.placed[0].resume_window_s == 30


async def test_a_longer_window_of_the_client_counts(make_edge: Any) -> None:
    edge = await make_edge(resume_window_s=5.0)
    client = await edge.listening("alice", reconnectTimeout=13)
    await edge.placed(client)
    assert edge.calls.placed[0].resume_window_s == 13
