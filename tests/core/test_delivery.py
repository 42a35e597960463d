"""What an attempt means: the schedule, lanes that are down, overrides, and nothing lost whatever happens."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midcall.core import overrides
from midcall.core.alerts import Level
from midcall.core.delivery import (
    MESSAGES,
    STATUS,
    Attempted,
    Delivered,
    EndLane,
    RetryAt,
    StepOver,
    Verdict,
    complaint,
    encodings,
    expired,
    falls_back,
    judge,
    retry_after_s,
    schedule_for,
    tries_again,
)
from midcall.core.lanes import Encoding, Lane, LaneKind, LaneState
from support.lanes import AT, a_lane

OK = Attempted(status=200)
BROKEN = Attempted(status=500)
SILENT = Attempted(status=None, error=11205, connected=False)


def judged(
    attempted: Attempted, lane: Lane, now: float = AT, *, schedule=MESSAGES, entry_at: float = AT, jitter: float = 1.0
) -> Verdict:
    return judge(attempted, lane, entry_at=entry_at, schedule=schedule, now=now, jitter=jitter)


def after(lane: Lane, verdict: Verdict) -> Lane:
    """What a store makes of a verdict."""
    match verdict:
        case Delivered(encoding):
            return replace(
                lane,
                cursor=lane.cursor + 1,
                attempts=0,
                state=LaneState.OPEN,
                encoding=encoding or lane.encoding,
            )
        case StepOver():
            return replace(lane, cursor=lane.cursor + 1, attempts=0)
        case RetryAt(due_at, down, counted):
            state = LaneState.DOWN if down else LaneState.OPEN
            return replace(lane, attempts=lane.attempts + counted, due_at=due_at, state=state)
        case EndLane():
            return replace(lane, state=LaneState.ENDED)


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_any_2xx_delivers(status: int) -> None:
    assert judged(Attempted(status=status, encoding=Encoding.FORM), a_lane()) == Delivered(Encoding.FORM)


@pytest.mark.parametrize("attempted", [BROKEN, SILENT, Attempted(status=404), Attempted(status=302)])
def test_a_failing_endpoint_is_tried_after_1_5_30_120_and_600_seconds_and_then_every_10_minutes(
    attempted: Attempted,
) -> None:
    lane, waits, now = a_lane(), [], AT
    for _ in range(8):
        verdict = judged(attempted, lane, now)
        assert isinstance(verdict, RetryAt)
        waits.append((verdict.due_at - now, verdict.down))
        lane, now = after(lane, verdict), verdict.due_at
    assert waits == [
        (1, False),
        (5, False),
        (30, False),
        (120, False),
        (600, False),
        (600, True),
        (600, True),
        (600, True),
    ]


def test_one_success_starts_the_schedule_anew() -> None:
    lane = after(a_lane(attempts=4), judged(OK, a_lane(attempts=4)))
    assert judged(BROKEN, lane) == RetryAt(AT + 1)


def test_a_down_lane_whose_head_stepped_over_is_still_probed_slowly() -> None:
    assert judged(BROKEN, a_lane(state=LaneState.DOWN, attempts=0)) == RetryAt(AT + 600, down=True)


def test_jitter_stretches_the_wait() -> None:
    assert judged(BROKEN, a_lane(attempts=1), jitter=1.1) == RetryAt(AT + 5.5)


def test_retry_after_lengthens_the_wait_and_never_shortens_it() -> None:
    assert judged(Attempted(status=503, retry_after_s=40), a_lane()) == RetryAt(AT + 40)
    assert judged(Attempted(status=503, retry_after_s=40), a_lane(attempts=3)) == RetryAt(AT + 120)


def test_retry_after_is_honoured_up_to_one_hour() -> None:
    assert judged(Attempted(status=429, retry_after_s=86_400), a_lane()) == RetryAt(AT + 3600)


def test_410_ends_the_lane() -> None:
    assert isinstance(judged(Attempted(status=410), a_lane()), EndLane)


def test_a_message_of_24_hours_steps_over() -> None:
    now = AT + 86_400
    assert expired(AT, MESSAGES, now=now) == StepOver("older than 24 hours")
    assert expired(AT, MESSAGES, now=now - 1) is None
    assert isinstance(judged(BROKEN, a_lane(), now), StepOver)


def test_an_old_message_that_was_taken_is_delivered() -> None:
    assert judged(OK, a_lane(), AT + 100_000) == Delivered()


def test_status_callbacks_are_retried_twice_and_then_stepped_over() -> None:
    lane, verdicts = a_lane(kind=LaneKind.STATUS), []
    for _ in range(3):
        verdicts.append(judged(BROKEN, lane, schedule=STATUS))
        lane = after(lane, verdicts[-1])
    assert verdicts == [RetryAt(AT + 1), RetryAt(AT + 5), StepOver("3 attempts failed, last: answered 500")]


# alerts


def test_a_lane_that_goes_down_complains_once() -> None:
    lane = a_lane(attempts=5)
    down = judged(BROKEN, lane)
    first = complaint(lane, BROKEN, down)
    assert first is not None
    assert (first.code, first.level) == (32711, Level.WARNING)
    lane = after(lane, down)
    assert complaint(lane, BROKEN, judged(BROKEN, lane)) is None


def test_a_lane_that_is_only_retried_does_not_complain() -> None:
    assert complaint(a_lane(), BROKEN, judged(BROKEN, a_lane())) is None
    assert complaint(a_lane(), OK, Delivered()) is None


def test_an_endpoint_that_ends_its_subscription_is_told_to_the_owner() -> None:
    gone = Attempted(status=410)
    told = complaint(a_lane(), gone, judged(gone, a_lane()))
    assert told is not None
    assert told.code == 32711


@pytest.mark.parametrize(("attempted", "code"), [(BROKEN, 15003), (Attempted(status=404), 15003), (SILENT, 11205)])
def test_a_status_callback_that_is_given_up_is_a_warning(attempted: Attempted, code: int) -> None:
    lane = a_lane(kind=LaneKind.STATUS, attempts=2)
    told = complaint(lane, attempted, judged(attempted, lane, schedule=STATUS))
    assert told is not None
    assert (told.code, told.level) == (code, Level.WARNING)


def test_a_status_callback_that_is_retried_is_no_warning() -> None:
    lane = a_lane(kind=LaneKind.STATUS, attempts=1)
    assert complaint(lane, BROKEN, judged(BROKEN, lane, schedule=STATUS)) is None


# overrides


def test_overrides_replace_the_schedule() -> None:
    asked = overrides.parse("https://app.example/#rc=3&rp=5xx")
    assert schedule_for(LaneKind.MESSAGES, None) is MESSAGES
    assert judged(BROKEN, a_lane(), schedule=schedule_for(LaneKind.MESSAGES, asked)) == RetryAt(AT + 600, down=True)
    assert isinstance(judged(BROKEN, a_lane(), schedule=schedule_for(LaneKind.STATUS, asked)), StepOver)


@pytest.mark.parametrize(
    ("policy", "attempted", "again"),
    [
        ("5xx", BROKEN, True),
        ("5xx", Attempted(status=404), False),
        ("4xx", Attempted(status=404), True),
        ("all", BROKEN, True),
        ("all", SILENT, True),
        ("all", Attempted(status=410), False),
        ("all", Attempted(status=302), False),
        ("all", OK, False),
        ("ct", SILENT, True),
        ("ct", Attempted(status=None, error=11200), False),
        ("rt", Attempted(status=None, error=11200), True),
        ("rt", SILENT, False),
        ("ct,rt", SILENT, True),
    ],
)
def test_a_policy_says_which_failures_are_tried_again(policy: str, attempted: Attempted, again: bool) -> None:
    asked = overrides.parse(f"https://app.example/#rc=1&rp={policy}")
    assert asked is not None
    assert tries_again(attempted, asked, tries=1, elapsed_s=0) is again


def test_immediate_retries_end_with_their_number_and_with_the_total_time() -> None:
    asked = overrides.parse("https://app.example/#rc=2&rp=all&tt=3000")
    assert asked is not None
    assert tries_again(BROKEN, asked, tries=2, elapsed_s=2.9)
    assert not tries_again(BROKEN, asked, tries=3, elapsed_s=2.9)
    assert not tries_again(BROKEN, asked, tries=1, elapsed_s=3.0)


# encodings


def test_json_is_tried_before_a_form() -> None:
    assert encodings(None, a_lane()) == (Encoding.JSON, Encoding.FORM)


@pytest.mark.parametrize("wanted", list(Encoding))
def test_a_setting_leaves_no_choice(wanted: Encoding) -> None:
    assert encodings(wanted, a_lane(encoding=None, attempts=3)) == (wanted,)


def test_what_worked_is_remembered_until_it_fails() -> None:
    assert encodings(None, a_lane(encoding=Encoding.FORM)) == (Encoding.FORM,)
    assert encodings(None, a_lane(encoding=Encoding.FORM, attempts=1)) == (Encoding.FORM, Encoding.JSON)
    assert encodings(None, a_lane(encoding=Encoding.JSON, attempts=1)) == (Encoding.JSON, Encoding.FORM)


def test_only_answers_that_could_be_about_the_encoding_fall_back() -> None:
    assert {status for status in range(200, 600) if falls_back(status)} == {400, 401, 403, 415, 422}
    assert not falls_back(None)


# Retry-After


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120.0),
        (" 0 ", 0.0),
        ("Tue, 14 Nov 2023 22:14:20 GMT", 60.0),
        ("Tue, 14 Nov 2023 22:12:20 GMT", 0.0),
        ("Tuesday, 14-Nov-23 22:14:20 GMT", 60.0),
        ("Tue, 14 Nov 2023 22:14:20 -0000", 60.0),
        ("soon", None),
        ("Tue, 14 Nov 2023 22:14:20 +99999999999999", None),
        ("-5", None),
        ("1.5", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(text: str | None, seconds: float | None) -> None:
    assert retry_after_s(text, now=AT) == seconds


@given(
    st.one_of(st.text(), st.from_regex(r"[A-Z][a-z]{2}, \d{1,12} [A-Z][a-z]{2} \d{1,9} \d\d:\d\d:\d\d [+-]\d{1,30}"))
)
def test_no_retry_after_breaks_anything(text: str) -> None:
    seconds = retry_after_s(text, now=AT)
    assert seconds is None or seconds >= 0


# the lane as a whole

OUTCOMES = st.sampled_from(
    [OK, OK, OK, BROKEN, SILENT, Attempted(status=429, retry_after_s=7200), Attempted(status=410)]
)


@given(st.lists(st.tuples(OUTCOMES, st.floats(0, 7_200)), max_size=200), st.sampled_from(list(LaneKind)))
def test_first_arrivals_are_in_order_and_everything_is_delivered_given_up_or_still_the_head(
    story: list[tuple[Attempted, float]], kind: LaneKind
) -> None:
    schedule = schedule_for(kind, None)
    total, now, lane = 20, AT, a_lane(kind=kind)
    delivered: list[int] = []
    given_up: list[int] = []
    for attempted, delay in story:
        if lane.state is LaneState.ENDED or lane.cursor == total:
            break
        now = max(now, lane.due_at) + delay
        head = lane.cursor + 1
        verdict = expired(AT, schedule, now=now) or judged(attempted, lane, now, schedule=schedule)
        if isinstance(verdict, Delivered):
            delivered.append(head)
        elif isinstance(verdict, StepOver):
            given_up.append(head)
        elif isinstance(verdict, RetryAt):
            assert now < verdict.due_at <= now + 3600
        lane = after(lane, verdict)
    assert delivered == sorted(set(delivered))
    assert sorted(delivered + given_up) == list(range(1, lane.cursor + 1))
    assert kind is LaneKind.STATUS or not given_up or now >= AT + 86_400


@given(st.lists(st.booleans(), min_size=1, max_size=300))
def test_an_endpoint_that_fails_in_part_keeps_its_pace(answers: list[bool]) -> None:
    """After each success the next failure waits one second again, so a lane is as slow as its streaks, not its sum."""
    lane, streak = a_lane(), 0
    for ok in answers:
        verdict = judged(OK if ok else BROKEN, lane)
        streak = 0 if ok else streak + 1
        if isinstance(verdict, RetryAt):
            assert verdict.due_at - AT == (*MESSAGES.waits, 600.0)[min(streak, 6) - 1]
        lane = after(lane, verdict)
