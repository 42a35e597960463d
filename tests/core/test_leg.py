"""One leg by itself: status, client, media, time, REST."""

from __future__ import annotations

from dataclasses import replace

import pytest

from midcall.core import events
from midcall.core.calls import Status
from midcall.core.effects import (
    AcceptAnswer,
    AnswerOffer,
    CloseMedia,
    InviteDevices,
    LegEffect,
    Note,
    OfferMedia,
    PlayDigits,
    RaiseAlert,
    Report,
    ShowAnswer,
    ShowHangup,
    ShowRinging,
    ShowTaken,
    TellRoom,
)
from midcall.core.errors import CALL_NOT_REDIRECTABLE, Refused
from midcall.core.leg import MEDIA_LOST_S, Leg
from midcall.core.moves import SIP_OF, TRANSITIONS, Move
from midcall.core.twiml import StatusCallback
from support.world import EVERY_EVENT, World

PAUSED = "<Response><Pause length='600'/></Response>"
BOB = ("bob-phone", "bob-laptop")


def placed(document: str | int | None = None, *, patient: bool = False) -> tuple[World, str]:
    world = World(patient=patient)
    if document is not None:
        world.web["https://app.test/voice"] = document
    return world, world.place()


def rung(
    twiml: str = PAUSED, *, reporting: StatusCallback | None = EVERY_EVENT, answer: bool = False
) -> tuple[World, str]:
    world = World(devices={"bob": list(BOB)})
    sid = world.create(twiml, reporting=reporting)
    if answer:
        world.tell(sid, events.Answered("bob-phone", "an answer", 45.0))
    return world, sid


def notes(world: World, sid: str) -> list[str]:
    return [effect.kind for effect in world.of(sid, Note) if isinstance(effect, Note) and effect.kind != "leg.status"]


def handle(leg: Leg, event: events.LegEvent, now: float = 1_000_100.0) -> list[LegEffect]:
    return leg.handle(event, now=now)


# ------ the table


def test_no_final_status_is_ever_left() -> None:
    assert not [status for status, _ in TRANSITIONS if status.is_final]


def test_every_status_but_the_final_ones_can_be_ended_by_each_side() -> None:
    for status in {status for status, _ in TRANSITIONS}:
        for move in (Move.HUNG_UP, Move.CANCELED, Move.BROKEN):
            assert TRANSITIONS[status, move].is_final


def test_a_leg_is_never_answered_that_has_not_rung() -> None:
    assert [status for (status, move) in TRANSITIONS if move is Move.ANSWERED] == [Status.RINGING]


def test_the_documented_sip_codes() -> None:
    assert SIP_OF[Move.BUSY] == 486 and SIP_OF[Move.REJECTED] == 603 and SIP_OF[Move.UNREACHABLE] == 480


# ------ a leg that a client placed


def test_a_placed_leg_answers_the_offer_and_asks_for_its_twiml() -> None:
    world, sid = placed()
    assert world.of(sid, AnswerOffer) == [AnswerOffer("offer of alice")]
    (request,) = world.requests(sid)
    assert (request.url, request.method, request.call.status) == ("https://app.test/voice", "POST", Status.RINGING)
    assert world.shown(sid) == []


def test_what_its_client_is_shown_waits_for_the_engines_answer() -> None:
    world, sid = placed("<Response><Dial/><Pause/></Response>", patient=True)
    while world.pending or world.fetching:
        for owner in world.pending:
            world.deliver(owner)
        if world.fetching:
            world.document("<Response><Dial/><Pause length='5'/></Response>")
    assert world.leg(sid).status is Status.IN_PROGRESS and world.shown(sid) == []
    world.settle()
    assert world.shown(sid) == [ShowAnswer("answer to offer of alice")]


def test_a_leading_pause_rings_and_a_later_one_is_silence_to_hear() -> None:
    world, sid = placed("<Response><Pause length='5'/><Dial/><Pause length='5'/></Response>")
    assert world.leg(sid).status is Status.RINGING
    assert world.shown(sid) == [ShowRinging("answer to offer of alice")]
    world.advance(5)
    assert world.shown(sid)[1:] == [ShowAnswer(None)]
    world.advance(5)
    assert world.statuses(sid) == ["in-progress", "completed"]


@pytest.mark.parametrize("document", ["", "<Response/>", "<Response><Hangup/></Response>"])
def test_a_call_without_anything_to_do_completes_unanswered(document: str) -> None:
    world, sid = placed(document)
    call = world.leg(sid).call
    assert (call.status, call.answered_at, call.duration_s) == (Status.COMPLETED, None, 0)
    assert world.shown(sid) == [ShowHangup()]
    assert world.of(sid, CloseMedia)


def test_a_caller_that_hangs_up_before_anything_cancels_its_call() -> None:
    world, sid = placed()
    world.tell(sid, events.HungUp())
    assert world.leg(sid).status is Status.CANCELED
    world.document(PAUSED)
    assert world.statuses(sid) == ["canceled"]


def test_an_unusable_offer_is_the_clients_fault() -> None:
    world, sid = placed()
    world.tell(sid, events.MediaBroke("no fingerprint", peers_fault=True))
    assert world.leg(sid).status is Status.FAILED
    assert world.shown(sid) == [ShowHangup(31100, "no fingerprint")]


def test_media_that_breaks_later_completes_the_call_with_a_media_error() -> None:
    world, sid = rung(answer=True)
    world.tell(sid, events.MediaBroke("the worker died", peers_fault=False))
    assert world.leg(sid).status is Status.COMPLETED
    assert world.shown(sid) == [ShowHangup(53405, "the worker died")]
    assert world.reports(sid)[-1] == ("completed", "completed", 3, 200)


def test_nobody_answers_or_rejects_a_leg_that_was_placed() -> None:
    world, sid = placed("<Response><Pause length='9'/></Response>")
    for event in (
        events.Answered("x", "sdp", 1.0),
        events.Rejected("x"),
        events.DeviceJoined("x"),
        events.DeviceLost("x"),
    ):
        world.tell(sid, event)
    assert world.leg(sid).status is Status.RINGING and world.leg(sid).offered == []


# ------ a leg that rings


def test_rest_rings_every_device_with_an_offer_and_reports_each_step() -> None:
    world, sid = rung(answer=True)
    assert world.of(sid, OfferMedia) == [OfferMedia(None)]
    assert world.of(sid, InviteDevices) == [InviteDevices(BOB, "offer for bob")]
    assert world.of(sid, AcceptAnswer) == [AcceptAnswer("an answer")]
    assert world.of(sid, ShowTaken) == [ShowTaken("bob-phone")]
    world.tell(sid, events.HungUp())
    assert world.reports(sid) == [
        ("initiated", "initiated", 0, None),
        ("ringing", "ringing", 1, None),
        ("answered", "in-progress", 2, None),
        ("completed", "completed", 3, 200),
    ]


def test_sequence_numbers_count_what_was_sent() -> None:
    world, sid = rung(reporting=StatusCallback(url="https://app.test/s"), answer=True)
    world.tell(sid, events.HungUp())
    assert world.reports(sid) == [("completed", "completed", 0, 200)]


def test_a_report_carries_the_row_of_its_moment() -> None:
    world, sid = rung(answer=True)
    world.advance(30)
    world.tell(sid, events.HungUp())
    reports = [effect for effect in world.of(sid, Report) if isinstance(effect, Report)]
    assert [report.call.status for report in reports] == ["queued", "ringing", "in-progress", "completed"]
    assert reports[-1].call.duration_s == 30 and reports[-1].at == world.now


def test_a_leg_nobody_wants_reports_of_reports_nothing() -> None:
    world, sid = rung(reporting=None, answer=True)
    world.tell(sid, events.HungUp())
    assert world.reports(sid) == [] and world.statuses(sid)[-1] == "completed"


def test_a_call_that_was_never_begun_is_canceled_without_a_callback() -> None:
    world, sid = rung()
    leg = replace(world.leg(sid), call=replace(world.leg(sid).call, status=Status.QUEUED), begun=False)
    effects = handle(leg, events.EndAsked())
    assert leg.status is Status.CANCELED
    assert not [effect for effect in effects if isinstance(effect, Report)]
    assert [effect for effect in effects if isinstance(effect, Note)]


def test_it_rings_as_long_as_rest_asked_for() -> None:
    world, sid = rung()
    world.advance(60)
    assert world.reports(sid)[-1] == ("completed", "no-answer", 2, 487)


def test_a_phone_is_sent_its_digits_once_it_has_answered() -> None:
    world, sid = rung()
    world.leg(sid).digits = "1w2"
    assert world.of(sid, PlayDigits) == []
    world.tell(sid, events.Answered("bob-phone", "an answer", 30.0))
    assert world.of(sid, PlayDigits) == [PlayDigits("1w2")]


def test_a_device_that_registers_late_is_invited_too() -> None:
    world, sid = rung()
    world.tell(sid, events.DeviceJoined("bob-tablet"))
    world.tell(sid, events.DeviceJoined("bob-tablet"))
    assert world.of(sid, InviteDevices)[1:] == [InviteDevices(("bob-tablet",), "offer for bob")]
    world.tell(sid, events.Answered("bob-tablet", "an answer", 30.0))
    assert world.leg(sid).holder == "bob-tablet"
    world.tell(sid, events.DeviceJoined("bob-watch"))
    assert len(world.of(sid, InviteDevices)) == 2


def test_a_device_that_registers_while_the_offer_is_made_is_invited_with_the_others() -> None:
    world = World(devices={"bob": ["bob-phone"]}, patient=True)
    sid = world.create(PAUSED)
    world.deliver(sid)
    world.tell(sid, events.DeviceJoined("bob-tablet"))
    world.tell(sid, events.DeviceLost("bob-phone"))
    world.settle()
    assert world.of(sid, InviteDevices) == [InviteDevices(("bob-tablet",), "offer for bob")]


def test_a_leg_whose_devices_all_left_rings_on_until_one_comes_back() -> None:
    world, sid = rung()
    for device in BOB:
        world.tell(sid, events.DeviceLost(device))
    assert world.leg(sid).status is Status.RINGING
    world.tell(sid, events.DeviceJoined("bob-phone"))
    world.tell(sid, events.Answered("bob-phone", "an answer", 30.0))
    assert world.leg(sid).status is Status.IN_PROGRESS


def test_a_leg_that_lost_its_devices_before_the_offer_came_rings_without_them() -> None:
    world = World(devices={"bob": ["bob-phone"]}, patient=True)
    sid = world.create(PAUSED)
    world.deliver(sid)
    world.tell(sid, events.DeviceLost("bob-phone"))
    world.settle()
    assert world.leg(sid).status is Status.RINGING and not world.of(sid, InviteDevices)


def test_only_a_device_that_was_invited_can_answer_or_reject() -> None:
    world, sid = rung()
    world.tell(sid, events.Answered("stranger", "sdp", 30.0))
    world.tell(sid, events.Rejected("stranger"))
    assert world.leg(sid).status is Status.RINGING


def test_the_second_answer_changes_nothing() -> None:
    world, sid = rung(answer=True)
    world.tell(sid, events.Answered("bob-laptop", "sdp", 30.0))
    world.tell(sid, events.Rejected("bob-laptop"))
    assert world.leg(sid).holder == "bob-phone" and world.leg(sid).status is Status.IN_PROGRESS


def test_a_takeover_answers_the_leg_with_an_offer_of_its_own() -> None:
    world, sid = rung()
    world.tell(sid, events.TakenOver("bob-phone", "an offer", 45.0))
    leg = world.leg(sid)
    assert (leg.status, leg.holder, leg.resume_window_s) == (Status.IN_PROGRESS, "bob-phone", 45.0)
    assert world.of(sid, AcceptAnswer) == []
    assert world.of(sid, AnswerOffer, ShowTaken) == [AnswerOffer("an offer"), ShowTaken("bob-phone")]
    assert world.shown(sid) == [ShowAnswer("answer to an offer")]
    assert notes(world, sid) == ["leg.taken_over"]


@pytest.mark.parametrize("device", ["stranger", "bob-laptop"])
def test_only_a_ringing_leg_can_be_taken_over_and_only_from_a_device_that_it_rings_at(device: str) -> None:
    world, sid = rung(answer=device == "bob-laptop")
    status = world.leg(sid).status
    world.tell(sid, events.TakenOver(device, "an offer", 45.0))
    assert world.leg(sid).status is status
    assert world.of(sid, AnswerOffer) == []


def test_a_rejection_by_one_device_is_busy_for_all() -> None:
    world, sid = rung()
    world.tell(sid, events.Rejected("bob-laptop"))
    assert world.reports(sid)[-1] == ("completed", "busy", 2, 603)


def test_an_offer_that_comes_twice_or_late_changes_nothing() -> None:
    world, sid = rung()
    world.tell(sid, events.OfferMade("another"))
    assert world.leg(sid).offer == "offer for bob"


def test_what_a_room_says_is_nothing_to_a_leg_without_one() -> None:
    world, sid = rung(answer=True)
    for event in (events.Canceled(), events.RingTimedOut(), events.Dropped(overtime=True)):
        world.tell(sid, event)
    assert world.leg(sid).status is Status.IN_PROGRESS


# ------ away and back, ICE, media


def test_a_leg_waits_for_its_client_as_long_as_the_client_asked_for() -> None:
    world, sid = rung(answer=True)
    world.tell(sid, events.WentAway())
    world.advance(44.9)
    assert world.leg(sid).status is Status.IN_PROGRESS
    world.advance(0.1)
    assert world.leg(sid).status is Status.COMPLETED
    assert notes(world, sid)[-2:] == ["leg.away", "leg.not_resumed"]


def test_a_client_that_comes_back_in_time_keeps_its_leg() -> None:
    world, sid = rung(answer=True)
    world.tell(sid, events.WentAway())
    world.tell(sid, events.CameBack())
    world.advance(100)
    assert world.leg(sid).status is Status.IN_PROGRESS
    assert not world.of(sid, AnswerOffer)


def test_a_client_that_comes_back_with_new_ice_is_answered() -> None:
    world, sid = rung(answer=True)
    world.tell(sid, events.WentAway())
    world.tell(sid, events.CameBack("new ice"))
    assert world.of(sid, AnswerOffer) == [AnswerOffer("new ice")]
    assert world.shown(sid) == [ShowAnswer("answer to new ice")]


def test_a_client_that_leaves_before_it_answered_is_no_holder_that_could_come_back() -> None:
    world, sid = rung()
    world.tell(sid, events.WentAway())
    assert "resume" not in world.leg(sid).timers


def test_each_ice_restart_gets_its_own_answer() -> None:
    world, sid = placed("<Response><Dial/><Pause length='500'/></Response>")
    world.patient = True
    world.tell(sid, events.Reinvited("first"))
    world.tell(sid, events.Reinvited("second"))
    world.settle()
    assert world.shown(sid)[2:] == [ShowAnswer("answer to first"), ShowAnswer("answer to second")]
    assert world.leg(sid).answer == "answer to offer of alice"


def test_a_client_that_has_no_sdp_yet_has_no_ice_to_restart() -> None:
    world, sid = placed()
    world.tell(sid, events.Reinvited("too early"))
    assert world.of(sid, AnswerOffer) == [AnswerOffer("offer of alice")]


def test_an_ice_restart_while_it_rings_is_the_answer_to_that_client() -> None:
    world, sid = placed("<Response><Pause length='5'/><Dial/><Pause length='5'/></Response>")
    world.tell(sid, events.Reinvited("new ice"))
    world.advance(5)
    assert world.shown(sid) == [ShowRinging("answer to offer of alice"), ShowAnswer("answer to new ice")]


def test_a_leg_whose_media_stays_away_ends_with_an_alert() -> None:
    world, sid = rung(answer=True)
    world.tell(sid, events.MediaDown())
    world.advance(MEDIA_LOST_S / 2)
    world.tell(sid, events.MediaDown())
    world.advance(MEDIA_LOST_S / 2)
    assert world.leg(sid).status is Status.COMPLETED
    assert world.alerts(sid) == [(32014, "warning", None)]


def test_media_that_comes_back_stops_the_clock() -> None:
    world, sid = rung(answer=True)
    world.tell(sid, events.MediaDown())
    world.tell(sid, events.MediaUp())
    world.advance(MEDIA_LOST_S)
    assert world.leg(sid).status is Status.IN_PROGRESS
    assert notes(world, sid) == ["media.down", "media.up"]


def test_digits_are_noted_one_by_one_and_pauses_are_not() -> None:
    world, sid = rung(answer=True)
    world.tell(sid, events.Pressed(world.leg(sid).sid, "1w#", in_band=True))
    details = [
        effect.detail for effect in world.of(sid, Note) if isinstance(effect, Note) and effect.kind == "leg.digit"
    ]
    assert details == [(("digit", "1"), ("in_band", 1)), (("digit", "#"), ("in_band", 1))]
    assert not world.of(sid, TellRoom)


# ------ REST, time and the end


@pytest.mark.parametrize(("only_unanswered", "status"), [(False, Status.COMPLETED), (True, Status.IN_PROGRESS)])
def test_canceled_means_nothing_to_a_call_in_progress(only_unanswered: bool, status: Status) -> None:
    world, sid = rung(answer=True)
    world.tell(sid, events.EndAsked(only_unanswered))
    assert world.leg(sid).status is status and world.refused == []


@pytest.mark.parametrize("only_unanswered", [False, True])
def test_rest_ends_a_ringing_call_as_canceled(only_unanswered: bool) -> None:
    world, sid = rung()
    world.tell(sid, events.EndAsked(only_unanswered))
    assert world.reports(sid)[-1] == ("completed", "canceled", 2, 487)


def test_a_call_that_does_not_run_cannot_be_redirected() -> None:
    world, sid = rung()
    world.tell(sid, events.RedirectAsked(url=None, method="POST", twiml=PAUSED))
    assert world.refused == [CALL_NOT_REDIRECTABLE.name]


@pytest.mark.parametrize(
    "event",
    [
        events.EndAsked(),
        events.EndAsked(only_unanswered=True),
        events.RedirectAsked(url=None, method="POST", twiml=""),
        events.SettingsChanged(time_limit_s=5),
    ],
)
def test_rest_can_do_nothing_with_a_call_that_is_over(event: events.LegEvent) -> None:
    world, sid = rung(answer=True)
    world.tell(sid, events.HungUp())
    with pytest.raises(Refused) as caught:
        handle(world.leg(sid), event)
    assert caught.value.rule is CALL_NOT_REDIRECTABLE


def test_nothing_else_reaches_a_call_that_is_over() -> None:
    world, sid = rung(answer=True)
    world.tell(sid, events.HungUp())
    for event in (
        events.HungUp(),
        events.MediaDown(),
        events.TimerFired("limit"),
        events.DialRang("x"),
        events.Begun(),
    ):
        assert handle(world.leg(sid), event) == []


def test_a_call_ends_at_its_time_limit() -> None:
    world, sid = rung("<Response><Pause length='20000'/></Response>", answer=True)
    world.advance(14_400)
    assert world.reports(sid)[-1] == ("completed", "completed", 3, 200)
    assert world.alerts(sid) == [(32015, "warning", None)]


def test_rest_shortens_the_time_limit_of_a_running_call() -> None:
    world, sid = rung(answer=True)
    world.advance(50)
    world.tell(sid, events.SettingsChanged(time_limit_s=60))
    world.advance(10)
    assert world.leg(sid).status is Status.COMPLETED


def test_a_limit_that_is_over_already_ends_the_call_at_once() -> None:
    world, sid = rung(answer=True)
    world.advance(50)
    world.tell(sid, events.SettingsChanged(time_limit_s=5))
    world.advance(0)
    assert world.leg(sid).status is Status.COMPLETED


def test_rest_sets_the_limit_of_a_call_that_still_rings() -> None:
    world, sid = rung()
    world.tell(sid, events.SettingsChanged(time_limit_s=5))
    world.tell(sid, events.Answered("bob-phone", "an answer", 30.0))
    world.advance(5)
    assert world.leg(sid).status is Status.COMPLETED


def test_rest_changes_where_a_call_reports() -> None:
    world, sid = rung(reporting=None)
    world.tell(sid, events.SettingsChanged(status_callback_method="GET"))
    assert world.leg(sid).reporting is None
    world.tell(sid, events.SettingsChanged(status_callback="https://app.test/s", status_callback_method="GET"))
    assert world.leg(sid).reporting == StatusCallback(url="https://app.test/s", method="GET", events=("completed",))
    world.tell(sid, events.SettingsChanged(status_callback_method="POST"))
    assert world.leg(sid).reporting == StatusCallback(url="https://app.test/s", events=("completed",))
    world.tell(sid, events.SettingsChanged(status_callback=""))
    assert world.leg(sid).reporting is None


@pytest.mark.parametrize(("answer", "status"), [(True, "completed"), (False, "failed")])
def test_a_server_that_stops_ends_its_calls(answer: bool, status: str) -> None:
    world, sid = rung(answer=answer)
    world.tell(sid, events.ServerStopped())
    assert world.reports(sid)[-1][:2] == ("completed", status)
    assert not world.machines


def test_a_call_that_was_not_completed_has_no_duration() -> None:
    world, sid = rung()
    world.tell(sid, events.EndAsked())
    assert world.leg(sid).call.duration_s is None


def test_the_row_keeps_its_times() -> None:
    world, sid = rung()
    world.advance(3)
    world.tell(sid, events.Answered("bob-phone", "an answer", 30.0))
    world.advance(10)
    world.tell(sid, events.HungUp())
    call = world.leg(sid).call
    assert call.started_at is not None and call.answered_at is not None and call.ended_at is not None
    assert (call.answered_at - call.started_at, call.ended_at - call.answered_at) == (3, 10)
    assert call.updated_at == call.ended_at


def test_a_leg_that_was_stored_without_a_start_starts_when_it_is_answered() -> None:
    world, sid = placed()
    leg = world.leg(sid)
    leg.call = replace(leg.call, started_at=None)
    handle(leg, events.TwimlArrived(1, "https://app.test/voice", "<Response><Dial/><Pause/></Response>"), now=5.0)
    assert leg.call.started_at == 5.0


def test_alerts_name_a_documented_code() -> None:
    world, sid = rung("<Response>\n<Nonsense/><Pause/></Response>", answer=True)
    (alert,) = world.of(sid, RaiseAlert)
    assert isinstance(alert, RaiseAlert)
    assert (alert.code, alert.line, alert.url) == (12200, 2, None)
