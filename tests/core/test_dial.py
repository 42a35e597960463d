"""Dials as a whole: a parent, a room and children, with everything that passes between them."""

from __future__ import annotations

import pytest

from midcall.core import events
from midcall.core.calls import Status
from midcall.core.dial import Child, ChildState, DialRoom
from midcall.core.effects import (
    BeginLeg,
    FetchTwiml,
    InviteDevices,
    JoinLegs,
    OpenDial,
    PassDigits,
    Ringback,
    ShowAnswer,
    ShowHangup,
    ShowRinging,
    StopSound,
    TellLeg,
)
from midcall.core.sids import CallSid
from support.world import ACCOUNT, World

BOB = "<Client>bob</Client>"
CAROL = "<Client>carol</Client>"
REPORTED = "statusCallback='/status' statusCallbackEvent='initiated ringing answered completed'"
AFTER = "https://app.test/after"


def world_with(twiml: str, **web: str) -> World:
    world = World(devices={"bob": ["bob-phone"], "carol": ["carol-phone"]})
    world.web["https://app.test/voice"] = f"<Response>{twiml}</Response>"
    world.web |= {f"https://app.test/{name}": f"<Response>{text}</Response>" for name, text in web.items()}
    return world


def answered(device: str = "bob-phone") -> events.Answered:
    return events.Answered(device, f"answer of {device}", 30.0)


def result(request: FetchTwiml) -> dict[str, str]:
    return dict(request.extra)


# ------ a call of two clients


def test_a_call_between_two_clients_runs_from_the_first_ring_to_the_last_hangup() -> None:
    world = world_with(f"<Dial answerOnBridge='true'>{BOB}</Dial>")
    alice = world.place()
    (bob,) = world.children
    assert (world.leg(alice).status, world.leg(bob).status) == (Status.RINGING, Status.RINGING)
    world.tell(bob, answered())
    assert world.joined == {(alice, bob)}
    world.advance(12)
    world.tell(bob, events.HungUp())
    assert world.statuses(alice) == ["in-progress", "completed"]
    assert world.statuses(bob) == ["initiated", "ringing", "in-progress", "completed"]
    assert world.leg(bob).call.duration_s == 12
    assert not world.machines and not world.joined


def test_a_caller_that_answers_on_bridge_rings_until_somebody_answers() -> None:
    world = world_with(f"<Dial answerOnBridge='true'>{BOB}</Dial>")
    alice = world.place()
    assert world.leg(alice).status is Status.RINGING
    assert world.shown(alice) == [ShowRinging("answer to offer of alice")]
    assert world.of(alice, Ringback)
    world.tell(world.children[0], answered())
    assert world.leg(alice).status is Status.IN_PROGRESS
    assert world.shown(alice)[1:] == [ShowAnswer(None)]


def test_a_caller_that_does_not_is_in_progress_at_once_and_hears_early_media() -> None:
    world = world_with(f"<Dial>{BOB}</Dial>")
    alice = world.place()
    assert world.leg(alice).status is Status.IN_PROGRESS
    assert world.shown(alice) == [ShowRinging("answer to offer of alice")]
    world.tell(world.children[0], answered())
    assert world.shown(alice)[1:] == [ShowAnswer(None)]


@pytest.mark.parametrize("before", ["<Pause/>", f"<Dial timeout='1'>{CAROL}</Dial>"])
def test_answer_on_bridge_counts_only_in_the_first_verb(before: str) -> None:
    world = world_with(f"{before}<Dial answerOnBridge='true'>{BOB}</Dial>")
    alice = world.place()
    world.advance(1)
    assert world.leg(alice).status is Status.IN_PROGRESS
    assert world.leg(alice).dialing is not None


def test_a_redirect_does_not_take_away_answer_on_bridge() -> None:
    world = world_with("<Redirect>/next</Redirect>", next=f"<Dial answerOnBridge='true'>{BOB}</Dial>")
    assert world.leg(world.place()).status is Status.RINGING


def test_a_child_is_told_who_calls_and_what_the_document_says() -> None:
    client = "<Client><Identity>bob</Identity><Parameter name='a' value='1'/></Client>"
    world = world_with(f"<Dial callerId='+15550100'>{client}</Dial>")
    alice = world.place()
    bob = world.leg(world.children[0])
    assert (bob.call.from_, bob.call.to, bob.call.parent_sid) == ("+15550100", "client:bob", alice)
    assert bob.custom == [("a", "1")]
    assert world.of(bob.sid, InviteDevices) == [InviteDevices(("bob-phone",), "offer for bob")]


def test_without_a_caller_id_the_child_sees_the_caller() -> None:
    world = world_with(f"<Dial>{BOB}</Dial>")
    world.place()
    assert world.leg(world.children[0]).call.from_ == "client:alice"


# ------ how a dial can end


def test_when_the_child_hangs_up_the_parent_goes_on_with_the_action() -> None:
    world = world_with(f"<Dial action='/after' method='GET'>{BOB}</Dial><Reject/>", after="<Pause length='5'/>")
    alice = world.place(custom=[("room", "7")])
    world.tell(world.children[0], answered())
    world.advance(7.4)
    world.tell(world.children[0], events.HungUp())
    _, action = world.requests(alice)
    assert (action.url, action.method, action.custom, action.discard) == (AFTER, "GET", (), False)
    assert action.call.status is Status.IN_PROGRESS
    assert result(action) == {
        "DialCallStatus": "completed",
        "DialCallSid": world.children[0],
        "DialCallDuration": "7",
        "DialBridged": "true",
    }
    assert world.leg(alice).status is Status.IN_PROGRESS
    assert world.of(alice, StopSound)


def test_without_an_action_the_document_goes_on() -> None:
    world = world_with(f"<Dial>{BOB}</Dial><Pause length='5'/>")
    alice = world.place()
    world.tell(world.children[0], answered())
    world.tell(world.children[0], events.HungUp())
    assert world.leg(alice).timers["pause"] == world.now + 5
    world.advance(5)
    assert world.leg(alice).status is Status.COMPLETED


def test_when_the_parent_hangs_up_the_child_completes_and_the_action_is_still_asked() -> None:
    world = world_with(f"<Dial action='/after'>{BOB}</Dial>", after="<Dial><Client>carol</Client></Dial>")
    alice = world.place()
    world.tell(world.children[0], answered())
    world.advance(3)
    world.tell(alice, events.HungUp())
    assert world.leg(world.children[0]).status is Status.COMPLETED
    action = world.requests(alice)[-1]
    assert (action.url, action.discard, action.call.status) == (AFTER, True, Status.COMPLETED)
    assert result(action)["DialCallStatus"] == "completed"
    assert not world.machines and len(world.children) == 1


@pytest.mark.parametrize(("attributes", "status"), [("answerOnBridge='true'", "canceled"), ("", "completed")])
def test_a_caller_that_hangs_up_while_it_rings_cancels_the_child(attributes: str, status: str) -> None:
    world = world_with(f"<Dial {attributes} action='/after'><Client {REPORTED}>bob</Client></Dial>", after="")
    alice = world.place()
    (bob,) = world.children
    world.tell(alice, events.HungUp())
    assert world.leg(alice).status == status
    assert world.reports(bob)[-1] == ("completed", "canceled", 2, 487)
    assert world.shown(bob) == [ShowHangup()]
    action = world.requests(alice)[-1]
    assert (action.call.status, action.discard) == (status, True)
    assert result(action) == {
        "DialCallStatus": "canceled",
        "DialCallSid": bob,
        "DialCallDuration": "0",
        "DialBridged": "false",
    }


def test_a_reject_makes_the_dial_busy() -> None:
    world = world_with(f"<Dial action='/after'><Client {REPORTED}>bob</Client></Dial>", after="<Pause/>")
    alice = world.place()
    (bob,) = world.children
    world.tell(bob, events.Rejected("bob-phone"))
    assert world.reports(bob)[-1] == ("completed", "busy", 2, 603)
    assert result(world.requests(alice)[-1])["DialCallStatus"] == "busy"
    assert world.leg(alice).status is Status.IN_PROGRESS


def test_nobody_answers_in_time() -> None:
    world = world_with(f"<Dial timeout='20' action='/after'><Client {REPORTED}>bob</Client></Dial>", after="<Pause/>")
    alice = world.place()
    (bob,) = world.children
    world.advance(19.9)
    assert world.leg(bob).status is Status.RINGING
    world.advance(0.1)
    assert world.reports(bob)[-1] == ("completed", "no-answer", 2, 487)
    assert result(world.requests(alice)[-1])["DialCallStatus"] == "no-answer"


def test_an_identity_without_devices_does_not_answer_at_once() -> None:
    world = world_with(f"<Dial action='/after'><Client {REPORTED}>nobody</Client></Dial>", after="<Pause/>")
    alice = world.place()
    (nobody,) = world.children
    assert world.reports(nobody) == [("initiated", "initiated", 0, None), ("completed", "no-answer", 1, 480)]
    assert result(world.requests(alice)[-1])["DialCallStatus"] == "no-answer"
    assert not world.of(alice, Ringback)


def test_a_dial_without_anybody_to_ring_fails() -> None:
    world = world_with("<Dial action='/after'><Sip>bob@example.com</Sip></Dial>", after="<Pause/>")
    alice = world.place()
    assert result(world.requests(alice)[-1]) == {"DialCallStatus": "failed", "DialBridged": "false"}


def test_a_child_whose_media_cannot_be_had_fails() -> None:
    world = world_with(f"<Dial action='/after'>{BOB}</Dial>", after="<Pause/>")
    world.patient = True
    alice = world.place()
    world.settle()
    (bob,) = world.children
    world.tell(bob, events.MediaBroke("no port is free", peers_fault=False))
    world.settle()
    assert world.leg(bob).status is Status.FAILED
    assert result(world.requests(alice)[-1])["DialCallStatus"] == "failed"


def test_the_dial_reports_the_word_that_says_most() -> None:
    world = world_with(f"<Dial action='/after'><Client>nobody</Client>{BOB}{CAROL}</Dial>", after="<Pause/>")
    alice = world.place()
    world.tell(world.children[1], events.Rejected("bob-phone"))
    assert len(world.requests(alice)) == 1
    world.tell(world.children[2], events.MediaBroke("gone", peers_fault=True))
    assert result(world.requests(alice)[-1])["DialCallStatus"] == "busy"
    assert result(world.requests(alice)[-1])["DialCallSid"] == world.children[2]


def test_the_time_limit_ends_the_child_and_the_parent_goes_on() -> None:
    world = world_with(f"<Dial timeLimit='60'>{BOB}</Dial><Pause length='5'/>")
    alice = world.place()
    (bob,) = world.children
    world.tell(bob, answered())
    world.advance(60)
    assert world.leg(bob).status is Status.COMPLETED
    assert world.alerts(bob) == [(32015, "warning", None)]
    assert world.leg(alice).status is Status.IN_PROGRESS


def test_the_time_of_a_whisper_counts_towards_the_leg_and_not_towards_the_bridge() -> None:
    world = world_with(
        "<Dial timeLimit='60'><Client url='/whisper'>bob</Client></Dial>", whisper="<Pause length='50'/>"
    )
    world.place()
    (bob,) = world.children
    world.tell(bob, answered())
    world.advance(60)
    assert world.leg(bob).status is Status.COMPLETED


def test_a_room_ends_its_bridge_by_itself_when_its_time_is_up() -> None:
    room = opened_room("CA1")
    room.handle(events.ChildAnswered(CallSid("CA1")), now=1.0)
    room.handle(events.ChildReady(CallSid("CA1")), now=1.0)
    assert room.timers == {"limit": 101.0}
    assert room.handle(events.TimerFired("limit"), now=101.0) == [
        TellLeg(CallSid("CA1"), events.Dropped(overtime=True))
    ]


# ------ several children


def test_the_first_of_several_to_answer_wins_and_the_others_are_canceled() -> None:
    world = world_with(f"<Dial>{BOB}{CAROL}</Dial>")
    alice = world.place()
    bob, carol = world.children
    world.tell(carol, answered("carol-phone"))
    assert world.leg(bob).status is Status.CANCELED
    assert world.joined == {(alice, carol)}


def test_one_of_several_that_rejects_leaves_the_others_ringing() -> None:
    world = world_with(f"<Dial>{BOB}{CAROL}</Dial>")
    world.place()
    bob, carol = world.children
    world.tell(bob, events.Rejected("bob-phone"))
    assert world.leg(carol).status is Status.RINGING


def test_two_answers_at_the_same_moment_make_one_bridge() -> None:
    world = world_with(f"<Dial>{BOB}{CAROL}</Dial>")
    alice = world.place()
    bob, carol = world.children
    world.patient = True
    world.tell(bob, answered())
    world.tell(carol, answered("carol-phone"))
    world.deliver(bob)
    world.deliver(carol)
    world.settle()
    assert world.joined == {(alice, bob)}
    assert world.leg(carol).status is Status.COMPLETED
    assert world.shown(carol)[-1] == ShowHangup()


def test_a_child_that_answers_while_the_caller_hangs_up_is_dropped() -> None:
    world = world_with(f"<Dial>{BOB}</Dial>")
    alice = world.place()
    (bob,) = world.children
    world.patient = True
    world.tell(alice, events.HungUp())
    world.tell(bob, answered())
    world.deliver(alice)
    world.deliver(bob)
    world.settle()
    assert world.leg(bob).status is Status.COMPLETED
    assert not world.machines and not world.joined


def test_a_timeout_that_crosses_an_answer_loses() -> None:
    world = world_with(f"<Dial timeout='5'>{BOB}</Dial>")
    alice = world.place()
    (bob,) = world.children
    world.patient = True
    world.advance(5)
    world.deliver(world.leg(alice).dialing or "")
    world.tell(bob, answered())
    world.mail[bob].rotate(1)
    world.settle()
    assert world.joined == {(alice, bob)}


def test_a_sequential_dial_rings_one_after_the_other() -> None:
    world = world_with(f"<Dial sequential='true' timeout='10' action='/after'>{BOB}{CAROL}</Dial>", after="<Pause/>")
    alice = world.place()
    bob, carol = world.children
    assert (world.leg(bob).status, world.leg(carol).status) == (Status.RINGING, Status.QUEUED)
    world.advance(10)
    assert (world.leg(bob).status, world.leg(carol).status) == (Status.NO_ANSWER, Status.RINGING)
    assert len(world.of(alice, Ringback)) == 1
    world.advance(10)
    assert result(world.requests(alice)[-1])["DialCallSid"] == carol
    assert not [owner for owner in world.machines if owner != alice]


def test_children_that_were_never_rung_end_silently() -> None:
    clients = f"{BOB}<Client {REPORTED}>carol</Client>"
    world = world_with(f"<Dial sequential='true'>{clients}</Dial>")
    world.place()
    bob, carol = world.children
    world.tell(bob, answered())
    assert world.statuses(carol) == ["canceled"]
    assert world.reports(carol) == []
    assert carol not in world.machines


def test_a_caller_that_hangs_up_ends_a_sequential_dial_for_all() -> None:
    world = world_with(f"<Dial sequential='true'>{BOB}{CAROL}</Dial>")
    alice = world.place()
    world.tell(alice, events.HungUp())
    assert [world.leg(child).status for child in world.children] == [Status.CANCELED, Status.CANCELED]
    assert not world.machines


def test_the_parent_is_told_once_that_somebody_rings() -> None:
    world = world_with(f"<Dial>{BOB}{CAROL}</Dial>")
    assert len(world.of(world.place(), Ringback)) == 1


# ------ whispers

WHISPERED = (
    f"<Dial answerOnBridge='true' timeout='5' action='/after'><Client url='/whisper' {REPORTED}>bob</Client></Dial>"
)


def test_a_child_hears_its_whisper_before_the_bridge_while_the_parent_rings() -> None:
    world = world_with(WHISPERED, whisper="<Pause length='3'/>")
    alice = world.place()
    (bob,) = world.children
    world.tell(bob, answered())
    (whisper,) = world.requests(bob)
    assert (whisper.url, whisper.call.sid, whisper.call.status) == ("https://app.test/whisper", bob, Status.IN_PROGRESS)
    assert world.leg(alice).status is Status.RINGING and not world.joined
    world.advance(3)
    assert world.joined == {(alice, bob)}
    assert world.leg(alice).status is Status.IN_PROGRESS
    assert world.leg(bob).run is None


def test_the_ring_timeout_does_not_end_a_child_that_hears_its_whisper() -> None:
    world = world_with(WHISPERED, whisper="<Pause length='30'/>")
    alice = world.place()
    (bob,) = world.children
    world.tell(bob, answered())
    world.advance(29)
    assert world.leg(bob).status is Status.IN_PROGRESS
    world.advance(1)
    assert world.joined == {(alice, bob)}


def test_the_ring_timeout_ends_the_others_of_a_child_that_hears_its_whisper() -> None:
    world = world_with(
        f"<Dial timeout='5'><Client url='/whisper'>bob</Client>{CAROL}</Dial>", whisper="<Pause length='9'/>"
    )
    alice = world.place()
    bob, carol = world.children
    world.tell(bob, answered())
    assert world.leg(carol).status is Status.RINGING
    world.advance(5)
    assert world.leg(carol).status is Status.NO_ANSWER
    world.advance(4)
    assert world.joined == {(alice, bob)}


def test_a_whisper_that_takes_too_long_loses_against_another_answer() -> None:
    world = world_with(f"<Dial><Client url='/whisper'>bob</Client>{CAROL}</Dial>", whisper="<Pause length='9'/>")
    alice = world.place()
    bob, carol = world.children
    world.tell(bob, answered())
    world.tell(carol, answered("carol-phone"))
    assert world.joined == {(alice, carol)}
    assert world.leg(bob).status is Status.COMPLETED


def test_a_whisper_that_hangs_up_completes_the_dial_without_a_bridge() -> None:
    world = world_with(WHISPERED, whisper="<Hangup/>", after="<Pause/>")
    alice = world.place()
    (bob,) = world.children
    world.tell(bob, answered())
    assert result(world.requests(alice)[-1]) == {
        "DialCallStatus": "completed",
        "DialCallSid": bob,
        "DialCallDuration": "0",
        "DialBridged": "false",
    }


def test_a_whisper_that_cannot_be_had_ends_the_child_and_asks_no_fallback() -> None:
    world = world_with(WHISPERED, after="<Pause/>")
    world.web["https://app.test/whisper"] = 11200
    alice = world.place(fallback="https://app.test/fallback")
    (bob,) = world.children
    world.tell(bob, answered())
    assert world.reports(bob)[-1] == ("completed", "completed", 3, 200)
    assert world.alerts(bob) == [(11200, "error", None)]
    assert result(world.requests(alice)[-1])["DialBridged"] == "false"


def test_a_dial_inside_a_whisper_is_an_error_and_ends_the_child() -> None:
    world = world_with(WHISPERED, whisper=f"\n<Dial>{CAROL}</Dial>", after="<Pause/>")
    world.place()
    (bob,) = world.children
    world.tell(bob, answered())
    assert world.alerts(bob) == [(13201, "error", 2)]
    assert world.leg(bob).status is Status.COMPLETED
    assert world.children == [bob]


def test_a_caller_that_hangs_up_during_a_whisper_ends_the_child() -> None:
    world = world_with(WHISPERED, whisper="<Pause length='9'/>", after="")
    alice = world.place()
    (bob,) = world.children
    world.tell(bob, answered())
    world.tell(alice, events.HungUp())
    assert (world.leg(alice).status, world.leg(bob).status) == (Status.CANCELED, Status.COMPLETED)
    assert result(world.requests(alice)[-1])["DialCallStatus"] == "canceled"
    assert not world.machines


def test_a_sequential_dial_goes_on_after_a_whisper_that_hung_up() -> None:
    world = world_with(
        f"<Dial sequential='true'><Client url='/whisper'>bob</Client>{CAROL}</Dial>", whisper="<Hangup/>"
    )
    world.place()
    bob, carol = world.children
    world.tell(bob, answered())
    assert world.leg(carol).status is Status.RINGING


# ------ digits


def test_digits_over_signalling_cross_the_bridge() -> None:
    world = world_with(f"<Dial>{BOB}</Dial>")
    alice = world.place()
    (bob,) = world.children
    room = world.leg(alice).dialing or ""
    world.tell(alice, events.Pressed(alice, "12w3", in_band=False))
    assert world.of(room, PassDigits) == []
    world.tell(bob, answered())
    world.tell(alice, events.Pressed(alice, "12w3", in_band=False))
    world.tell(bob, events.Pressed(bob, "#", in_band=False))
    world.tell(bob, events.Pressed(bob, "9", in_band=True))
    assert world.of(room, PassDigits) == [PassDigits(bob, "12w3"), PassDigits(alice, "#")]


@pytest.mark.parametrize("in_band", [False, True])
def test_a_star_of_the_parent_ends_the_child_only(in_band: bool) -> None:
    world = world_with(f"<Dial hangupOnStar='true'>{BOB}</Dial><Pause/>")
    alice = world.place()
    (bob,) = world.children
    world.tell(bob, answered())
    world.tell(bob, events.Pressed(bob, "*", in_band))
    assert world.leg(bob).status is Status.IN_PROGRESS
    world.tell(alice, events.Pressed(alice, "1*", in_band))
    assert (world.leg(alice).status, world.leg(bob).status) == (Status.IN_PROGRESS, Status.COMPLETED)


def test_a_star_means_nothing_where_nobody_asked_for_it() -> None:
    world = world_with(f"<Dial>{BOB}</Dial>")
    alice = world.place()
    world.tell(world.children[0], answered())
    world.tell(alice, events.Pressed(alice, "*", in_band=False))
    assert world.leg(world.children[0]).status is Status.IN_PROGRESS


def test_digits_of_a_child_that_is_not_bridged_reach_nobody() -> None:
    room = opened_room("CA1", "CA2")
    for sid in ("CA1", "CA2"):
        room.handle(events.ChildAnswered(CallSid(sid)), now=1.0)
    room.handle(events.ChildReady(CallSid("CA1")), now=1.0)
    assert room.handle(events.Pressed(CallSid("CA2"), "1", in_band=False), now=2.0) == []


# ------ REST in the middle of it


def test_rest_ends_the_parent_and_the_child_follows() -> None:
    world = world_with(f"<Dial>{BOB}</Dial>")
    alice = world.place()
    world.tell(world.children[0], answered())
    world.tell(alice, events.EndAsked())
    assert (world.leg(alice).status, world.leg(world.children[0]).status) == (Status.COMPLETED, Status.COMPLETED)


def test_rest_ends_the_child_and_the_parent_goes_on() -> None:
    world = world_with(f"<Dial>{BOB}</Dial><Pause/>")
    alice = world.place()
    world.tell(world.children[0], answered())
    world.tell(world.children[0], events.EndAsked())
    assert (world.leg(alice).status, world.leg(world.children[0]).status) == (Status.IN_PROGRESS, Status.COMPLETED)


def test_rest_cancels_a_ringing_child() -> None:
    world = world_with(f"<Dial action='/after'>{BOB}</Dial>", after="<Pause/>")
    alice = world.place()
    world.tell(world.children[0], events.EndAsked(only_unanswered=True))
    assert world.leg(world.children[0]).status is Status.CANCELED
    assert result(world.requests(alice)[-1])["DialCallStatus"] == "canceled"


def test_rest_redirects_the_parent_and_no_action_is_asked() -> None:
    world = world_with(f"<Dial action='/after'>{BOB}</Dial>", after="", next=f"<Dial>{CAROL}</Dial>")
    alice = world.place()
    world.tell(world.children[0], answered())
    world.tell(alice, events.RedirectAsked(url="https://app.test/next", method="POST", twiml=None))
    bob, carol = world.children
    assert world.leg(bob).status is Status.COMPLETED
    assert [request.url for request in world.requests(alice)] == ["https://app.test/voice", "https://app.test/next"]
    world.tell(carol, answered("carol-phone"))
    assert world.joined == {(alice, carol)}


def test_rest_redirects_the_parent_while_it_rings() -> None:
    world = world_with(f"<Dial action='/after'>{BOB}</Dial>", after="")
    alice = world.place()
    world.tell(alice, events.RedirectAsked(url=None, method="POST", twiml="<Response><Pause/></Response>"))
    assert world.leg(world.children[0]).status is Status.CANCELED
    assert world.leg(alice).status is Status.IN_PROGRESS
    assert len(world.requests(alice)) == 1
    assert list(world.machines) == [alice]


def test_rest_redirects_the_child_and_the_parent_goes_on_without_a_duration() -> None:
    world = world_with(f"<Dial action='/after'>{BOB}</Dial>", after="<Pause length='5'/>", next=f"<Dial>{CAROL}</Dial>")
    alice = world.place()
    (bob,) = world.children
    world.tell(bob, answered())
    world.tell(bob, events.RedirectAsked(url="https://app.test/next", method="POST", twiml=None))
    assert result(world.requests(alice)[-1]) == {
        "DialCallStatus": "completed",
        "DialCallSid": bob,
        "DialBridged": "true",
    }
    assert world.leg(alice).status is Status.IN_PROGRESS and not world.joined
    carol = world.children[1]
    world.tell(carol, answered("carol-phone"))
    assert world.joined == {(bob, carol)}
    world.advance(5)
    assert world.leg(alice).status is Status.COMPLETED
    assert world.joined == {(bob, carol)}


def test_rest_redirects_a_child_in_its_whisper_and_the_dial_ends() -> None:
    world = world_with(WHISPERED, whisper="<Pause length='9'/>", after="<Pause/>")
    alice = world.place()
    (bob,) = world.children
    world.tell(bob, answered())
    world.tell(bob, events.RedirectAsked(url=None, method="POST", twiml="<Response><Pause length='9'/></Response>"))
    assert result(world.requests(alice)[-1])["DialBridged"] == "false"
    assert world.leg(bob).status is Status.IN_PROGRESS


def test_a_child_that_was_redirected_away_outlives_what_its_room_says() -> None:
    world = world_with(f"<Dial>{BOB}</Dial>")
    alice = world.place()
    (bob,) = world.children
    world.tell(bob, answered())
    world.patient = True
    world.tell(alice, events.HungUp())
    world.tell(bob, events.RedirectAsked(url=None, method="POST", twiml="<Response><Pause length='9'/></Response>"))
    world.deliver(alice)
    world.deliver(bob)
    world.settle()
    assert world.leg(bob).status is Status.IN_PROGRESS
    assert list(world.machines) == [bob]


# ------ the room by itself


def opened_room(*sids: str, sequential: bool = False) -> DialRoom:
    room = DialRoom(
        id="CA0/dial/1",
        account_sid=ACCOUNT,
        parent=CallSid("CA0"),
        children=[Child(sid=CallSid(sid)) for sid in sids],
        timeout_s=30,
        time_limit_s=100,
        hangup_on_star=False,
        sequential=sequential,
    )
    room.handle(events.Opened(), now=0.0)
    return room


def test_a_room_begins_all_its_children_or_the_first() -> None:
    assert opened_room("CA1", "CA2").handle(events.ChildRang(CallSid("CA1")), now=1.0) == [
        TellLeg(CallSid("CA0"), events.DialRang("CA0/dial/1"))
    ]
    room = opened_room("CA1", "CA2", sequential=True)
    assert [child.state for child in room.children] == [ChildState.CALLING, ChildState.WAITING]
    assert room.handle(events.ChildEnded(CallSid("CA1"), Status.BUSY), now=1.0) == [BeginLeg(CallSid("CA2"))]


def test_a_parent_that_left_hears_nothing_more_of_ringing() -> None:
    room = opened_room("CA1")
    assert room.handle(events.ParentLeft(), now=1.0) == [TellLeg(CallSid("CA1"), events.Canceled())]
    assert room.handle(events.ChildRang(CallSid("CA1")), now=1.0) == []
    assert room.timers == {}


def test_a_parent_that_leaves_an_empty_room_changes_nothing() -> None:
    room = opened_room()
    assert room.over and room.done
    assert room.handle(events.ParentLeft(), now=1.0) == []


def test_a_room_lives_until_its_last_child_is_gone() -> None:
    room = opened_room("CA1", "CA2")
    for event in (events.ChildAnswered(CallSid("CA1")), events.ChildReady(CallSid("CA1"))):
        room.handle(event, now=1.0)
    room.handle(events.ChildEnded(CallSid("CA1"), Status.COMPLETED), now=2.0)
    assert room.over and not room.done
    room.handle(events.ChildEnded(CallSid("CA2"), Status.CANCELED), now=2.0)
    assert room.done


def test_a_clock_that_is_set_back_makes_no_negative_duration() -> None:
    room = opened_room("CA1")
    for event in (events.ChildAnswered(CallSid("CA1")), events.ChildReady(CallSid("CA1"))):
        room.handle(event, now=100.0)
    effects = room.handle(events.ChildEnded(CallSid("CA1"), Status.COMPLETED), now=40.0)
    over = events.DialOver("CA0/dial/1", Status.COMPLETED, CallSid("CA1"), 0, bridged=True)
    assert effects[-1] == TellLeg(CallSid("CA0"), over)


def test_a_dial_is_opened_with_what_the_document_says() -> None:
    world = world_with(f"<Dial timeout='7' timeLimit='99' sequential='true' hangupOnStar='true'>{BOB}</Dial>")
    alice = world.place()
    (opened,) = world.of(alice, OpenDial)
    assert isinstance(opened, OpenDial)
    assert (opened.room, opened.caller_id) == (f"{alice}/dial/1", "client:alice")
    assert (opened.timeout_s, opened.time_limit_s, opened.sequential, opened.hangup_on_star) == (7, 99, True, True)
    room = world.room(opened.room)
    assert (room.timeout_s, room.time_limit_s, room.sequential, room.hangup_on_star) == (7, 99, True, True)
    assert not world.of(room.id, JoinLegs)
