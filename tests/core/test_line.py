"""A phone line by itself: what crosses it, and how the legs at its ends meet it."""

from __future__ import annotations

import pytest

from midcall.core import events, numbers
from midcall.core.calls import Status
from midcall.core.effects import LinkMedia, OfferMedia, ShowHangup, TellLeg
from midcall.core.leg import Leg
from midcall.core.line import MAX_BREADTH, MAX_HOPS, Line
from midcall.core.moves import Move
from midcall.core.sids import CallSid
from support.world import World

NUMBER = "+15550100"
DIAL = f"<Response><Dial answerOnBridge='true' callerId='+15550199'><Number>{NUMBER}</Number></Dial></Response>"
BOB = "<Response><Dial answerOnBridge='true'><Client>bob</Client></Dial></Response>"
WAIT = "<Response><Dial/><Pause length='600'/></Response>"


def called(document: str) -> tuple[World, Leg, Leg]:
    """A client has dialled a number that runs this document: the calling leg, and the number's."""
    world = World(devices={"bob": ["bob-phone"]}, numbers={NUMBER: "https://app.test/number"})
    world.web |= {"https://app.test/voice": DIAL, "https://app.test/number": document}
    world.place()
    calling = world.leg(world.children[0])
    assert calling.line is not None
    return world, calling, world.leg(calling.line.other)


def test_a_line_has_no_client_to_offer_anything_to() -> None:
    world, calling, number = called(BOB)
    assert world.of(calling.sid, OfferMedia, ShowHangup) == []
    assert world.of(number.sid, LinkMedia) == [LinkMedia(calling.sid, None)]
    world.tell(calling.sid, events.HungUp())
    assert world.of(calling.sid, ShowHangup) == world.of(number.sid, ShowHangup) == []


def test_each_end_hears_once_that_the_other_is_over() -> None:
    world, calling, number = called(WAIT)
    world.tell(number.sid, events.EndAsked())
    assert (world.leg(calling.sid).status, world.leg(number.sid).status) == (Status.COMPLETED, Status.COMPLETED)
    for leg in (calling, number):
        told = [effect for effect in world.of(leg.sid, TellLeg) if effect.event == events.FarEnded(Move.HUNG_UP)]
        assert len(told) == 1


@pytest.mark.parametrize(
    ("move", "status"),
    [
        (Move.BUSY, Status.BUSY),
        (Move.DECLINED, Status.NO_ANSWER),
        (Move.BROKEN, Status.FAILED),
        (Move.FINISHED, Status.NO_ANSWER),
        (Move.HUNG_UP, Status.NO_ANSWER),
    ],
)
def test_the_calling_leg_ends_as_the_number_did_before_its_answer(move: Move, status: Status) -> None:
    world, calling, _ = called(BOB)
    assert world.leg(calling.sid).status is Status.RINGING
    world.tell(calling.sid, events.FarEnded(move))
    assert world.leg(calling.sid).status is status


def test_after_the_answer_every_end_is_a_hang_up() -> None:
    world, calling, _ = called(WAIT)
    assert world.leg(calling.sid).status is Status.IN_PROGRESS
    world.tell(calling.sid, events.FarEnded(Move.BROKEN))
    assert world.leg(calling.sid).status is Status.COMPLETED


def test_an_answer_that_comes_twice_or_to_the_numbers_own_leg_changes_nothing() -> None:
    world, calling, number = called(WAIT)
    reports = world.statuses(calling.sid), world.statuses(number.sid)
    for leg in (calling, number):
        world.tell(leg.sid, events.FarAnswered())
        world.tell(leg.sid, events.Reached())
        world.tell(leg.sid, events.Unreached("late"))
    assert (world.statuses(calling.sid), world.statuses(number.sid)) == reports


def test_a_leg_without_a_line_takes_no_notice_of_one() -> None:
    world = World()
    world.web["https://app.test/voice"] = WAIT
    alice = world.place()
    for event in (events.Reached(), events.FarAnswered(), events.FarEnded(Move.HUNG_UP), events.Heard("1", False)):
        world.tell(alice, event)
    assert world.leg(alice).status is Status.IN_PROGRESS


@pytest.mark.parametrize(
    ("line", "goes_on"),
    [
        (Line(other=CallSid("CA1"), hops=MAX_HOPS, breadth=MAX_BREADTH), True),
        (Line(other=CallSid("CA1"), hops=MAX_HOPS + 1), False),
        (Line(other=CallSid("CA1"), breadth=MAX_BREADTH + 1), False),
    ],
)
def test_a_call_is_passed_on_only_so_far_and_so_wide(line: Line, goes_on: bool) -> None:
    assert (line.problem is None) is goes_on


def test_lines_count_what_was_called_one_after_the_other_and_side_by_side() -> None:
    first = Line(other=CallSid("CA0"), hops=0).passed_on(CallSid("CA1"), beside=3, digits="12")
    second = first.passed_on(CallSid("CA2"), beside=4, digits="")
    assert first == Line(other=CallSid("CA1"), hops=1, breadth=3, digits="12")
    assert second == Line(other=CallSid("CA2"), hops=2, breadth=12)


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("+15550100", "+15550100"),
        (" 14155550100", "+14155550100"),
        ("(415) 555-0100", "+14155550100"),
        ("115-555-0100", None),
        ("+0155550100", None),
        ("+1234567890123456", None),
        ("+123456", None),
        ("+1415555010\N{ARABIC-INDIC DIGIT ONE}", None),
        ("", None),
    ],
)
def test_a_number_is_read_as_people_write_it(written: str, number: str | None) -> None:
    assert numbers.parse(written) == number


@pytest.mark.parametrize(
    ("number", "shown", "toll_free"),
    [("+14158675308", "(415) 867-5308", False), ("+18005550100", "(800) 555-0100", True), ("+4420", "+4420", False)],
)
def test_a_number_is_shown_as_its_country_writes_it(number: str, shown: str, toll_free: bool) -> None:
    assert (numbers.formatted(number), numbers.is_toll_free(number)) == (shown, toll_free)
